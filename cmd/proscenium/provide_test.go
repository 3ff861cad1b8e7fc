package main

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestPricesComeFromAProviderServer(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"provide", "--listen", "127.0.0.1:0"}, process{stdin: strings.NewReader(""), stdout: w, stderr: io.Discard})
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if !ok {
		t.Fatalf("the provider does not say where it listens: %q", line)
	}

	config := copyConfigs(t)
	edit(t, filepath.Join(config, "dependencies.yaml"),
		"command: price.query\n    provider: {embedded: {}}", "command: price.query\n    provider: {connect: {url: 'http://"+address+"', protocol: GRPC}}")
	remote := command(t, exampleBody, "explain", "--config", config, "--request", "-", "--format", "json")
	local := command(t, exampleBody, "explain", "--request", "-", "--format", "json")
	if remote.code != exitDone || finalPrice(t, remote) != finalPrice(t, local) {
		t.Errorf("%d %s\n%s", remote.code, remote.stderr, remote.stdout)
	}

	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("the provider ended with %d", code)
	}
	gone := command(t, exampleBody, "explain", "--config", config, "--request", "-")
	if gone.code != exitFindings || !strings.Contains(gone.stderr, "PRICE_STOCK_UNAVAILABLE") {
		t.Errorf("without provider: %d %s", gone.code, gone.stderr)
	}
}

// finalPrice is the line of the first final price.
func finalPrice(t *testing.T, r result) string {
	t.Helper()
	for line := range strings.Lines(r.stdout) {
		if strings.Contains(line, `"final_price"`) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no final price in %s%s", r.stdout, r.stderr)
	return ""
}
