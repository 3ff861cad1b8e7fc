package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
)

// priorities are the clients of the overload, the least important first, with their share of the capacity that they ask for: together three times of it.
var priorities = []struct {
	client, priority string
	share            float64
}{
	{"bench_low", "LOW", 1}, {"bench_normal", "NORMAL", 1}, {"bench_high", "HIGH", .6}, {"bench_critical", "CRITICAL", .4},
}

const inTime = 100 * time.Millisecond

// startBinary runs the server as it is shipped, on one processor, over the usual market, with or without load shedding; the load has the others.
func startBinary(b *testing.B, binary string, shedding bool) string {
	b.Helper()
	dir := b.TempDir()
	config, err := usual.config()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "config"), config); err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "catalog"), usual.catalog()); err != nil {
		b.Fatal(err)
	}
	var clients strings.Builder
	clients.WriteString("clients:\n")
	for i, p := range priorities {
		fmt.Fprintf(&clients, "  - {id: %d, name: %s, priority: %s, allowed_scenes: [%s]}\n", 2000+i, p.client, p.priority, scene)
	}
	inbound := filepath.Join(dir, "config", "inbound.yaml")
	text, err := os.ReadFile(inbound)
	if err != nil {
		b.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^(\s+)enabled: \w+`).ReplaceAll(text, fmt.Appendf(nil, "${1}enabled: %v", shedding))
	text = regexp.MustCompile(`(?m)^(\s+)target_latency: \w+`).ReplaceAll(text, []byte("${1}target_latency: 5ms"))
	if err := os.WriteFile(inbound, text, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config", "bench_clients.yaml"), []byte(clients.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	args := []string{
		binary, "serve", "--config", filepath.Join(dir, "config"), "--catalog", filepath.Join(dir, "catalog"), "--data", filepath.Join(dir, "data"),
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "text",
	}
	if pin, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{pin, "-c", "0"}, args...)
	} else {
		b.Log("NOT PINNED: there is no taskset, server and load share the processors")
	}
	command := exec.CommandContext(b.Context(), args[0], args[1:]...)
	command.Env = append(os.Environ(), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if address, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "prices  http://"); found {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return address
		}
	}
	b.Fatal("the server does not say where it listens")
	return ""
}

// What is answered in time at three times of what saturates a server, as a share of that, with load shedding and without; and which priorities are.
func BenchmarkOverload(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "proscenium")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, "proscenium/cmd/proscenium").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	body, err := proto.Marshal(basket(10, 3))
	if err != nil {
		b.Fatal(err)
	}
	for _, shedding := range []bool{true, false} {
		name := "shedding"
		if !shedding {
			name = "without"
		}
		b.Run(name, func(b *testing.B) {
			address := startBinary(b, binary, shedding)
			for range b.N {
				one := callAs(priorities[3].client, address, procedure, body)
				if _, err := answered(b.Context(), address, one, connections, round); err != nil {
					b.Fatal(err)
				}
				peak, err := answered(b.Context(), address, one, connections, 3*round)
				if err != nil {
					b.Fatal(err)
				}
				crowds := make([]crowd, len(priorities))
				for i, p := range priorities {
					crowds[i] = crowd{name: p.client, call: callAs(p.client, address, procedure, body), rate: p.share * peak, connections: 64}
				}
				const d = 6 * time.Second
				results, err := overload(b.Context(), address, crowds, 2*time.Second, d, inTime)
				if err != nil {
					b.Fatal(err)
				}
				good := 0.0
				for i, r := range results {
					good += float64(r.good.Load()) / d.Seconds()
					share := float64(r.good.Load()) / float64(max(r.due.Load(), 1))
					b.Logf("%-8s due %6d, in time %6d (%3.0f%%), late %d, refused %d, unsent %d, failed %d", priorities[i].priority, r.due.Load(), r.good.Load(),
						100*share, r.late.Load(), r.refused.Load(), r.unsent.Load(), r.failed.Load())
					b.ReportMetric(share, strings.ToLower(priorities[i].priority)+"-share")
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(peak, "peak/s")
				b.ReportMetric(good/peak, "x-peak")
			}
		})
	}
}
