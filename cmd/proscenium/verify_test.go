package main

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"proscenium/assembly"
	"proscenium/configs"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/impact/impacttest"
	"proscenium/metrics"
	"proscenium/server"
)

// noon is when the servers of these tests answer.
var noon = time.Date(2026, 5, 12, 12, 0, 0, 0, time.UTC)

// runningServer answers from a configuration over the reference catalog, on a port of its own.
func runningServer(t *testing.T, config fs.FS, access server.Access) string {
	t.Helper()
	catalog, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return noon }
	system, err := assembly.Open(assembly.Options{Catalog: catalog, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	if err := system.Apply(impacttest.Load(t, config)); err != nil {
		t.Fatal(err)
	}
	ready := &server.Readiness{}
	ready.Set(true)
	built, err := server.New(server.Deps{
		Pricer: system.Engine, Access: access, Ready: ready, Log: slog.New(slog.DiscardHandler), Observer: metrics.New(), Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	running := httptest.NewServer(built.Handler())
	t.Cleanup(running.Close)
	return running.URL
}

func TestVerifyComparesTwoServers(t *testing.T) {
	required := server.Access{Required: true, Credentials: []server.Credential{
		{ID: "cart", SHA256: sha256.Sum256([]byte("open sesame"))}, {ID: "pdp", SHA256: sha256.Sum256([]byte("close sesame"))},
	}}
	edit := impacttest.Edited(t, "scenes/15_cart.yaml", "enabled: true", "enabled: false")
	same, other := runningServer(t, configs.FS, server.Access{}), runningServer(t, edit, server.Access{})
	again, locked := runningServer(t, configs.FS, server.Access{}), runningServer(t, configs.FS, required)
	notOurs := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notOurs.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	t.Chdir(t.TempDir())
	foreign := cartOf(3)
	foreign.Client = "pdp" // which may not use the scene
	writeFile(t, "cart.jsonl", impacttest.Text(t, []*pricingv1.RecordedRequest{cartOf(1), cartOf(2)}))
	writeFile(t, "torn.jsonl", impacttest.Text(t, []*pricingv1.RecordedRequest{cartOf(1)})+"nothing\n")
	writeFile(t, "foreign.jsonl", impacttest.Text(t, []*pricingv1.RecordedRequest{foreign}))
	writeFile(t, "many.jsonl", impacttest.Text(t, impacttest.Records(t, 5, 400)))
	writeFile(t, "key", "open sesame\n")
	writeFile(t, "other key", "close sesame\n")
	writeFile(t, "empty", "\n")
	for _, c := range []struct {
		name string
		args []string
		env  []string
		code int
		out  []string
		err  []string
	}{
		{"equal servers", []string{"--against", same, "--with", again, "--requests", "many.jsonl"}, nil, 0, []string{"None of 400 requests gets another answer.", "refused on both sides"}, nil},
		{"another configuration", []string{"--against", same, "--with", other, "--requests", "cart.jsonl"}, nil, 1, []string{"2 of 2 requests get another answer", "vouchers: ", "old  " + same + "  version "}, nil},
		{"a line that is no request", []string{"--against", same, "--with", again, "--requests", "torn.jsonl"}, nil, 1, []string{"None of 1 request gets another answer.", "BAD_LINE"}, nil},
		{"a bound", []string{"--against", same, "--with", other, "--requests", "many.jsonl", "--max-changed", "50"}, nil, 0, []string{"cart"}, nil},
		{"a client that may not", []string{"--against", same, "--with", again, "--requests", "foreign.jsonl"}, nil, 0, []string{"None of 1", "SCENE_NOT_ALLOWED"}, nil},
		{"a key from a file", []string{"--against", same, "--with", locked, "--with-key-file", "key", "--requests", "cart.jsonl"}, nil, 0, []string{"None of 2"}, nil},
		{"a key from the environment", []string{"--against", locked, "--with", same, "--requests", "cart.jsonl"}, []string{againstKeyVariable + "=open sesame"}, 0, []string{"None of 2"}, nil},
		{"a key of another client", []string{"--against", same, "--with", locked, "--with-key-file", "other key", "--requests", "cart.jsonl"}, nil, 1, []string{"answered -> SCENE_NOT_ALLOWED"}, nil},
		{"no key", []string{"--against", same, "--with", locked, "--requests", "cart.jsonl"}, nil, 1, []string{"No request could be compared.", "new: CREDENTIAL_REQUIRED"}, nil},
		{"no server of ours", []string{"--against", same, "--with", notOurs.URL, "--requests", "cart.jsonl"}, nil, 1, []string{"new: unimplemented"}, nil},
		{"nobody there", []string{"--against", gone.URL, "--with", same, "--requests", "cart.jsonl"}, nil, 2, nil, []string{"--against", "no server answers", "refused"}},
		{"an address that is none", []string{"--against", "localhost:8080", "--requests", "cart.jsonl"}, nil, 2, nil, []string{"--against", "http://HOST:PORT"}},
		{"a key on the command line", []string{"--against", "http://me:secret@127.0.0.1:1", "--requests", "cart.jsonl"}, nil, 2, nil, []string{"--against", "a key is read from a file"}},
		{"a file without key", []string{"--against", same, "--with", same, "--with-key-file", "empty", "--requests", "cart.jsonl"}, nil, 2, nil, []string{"--with-key-file", "empty"}},
		{"no requests", []string{"--against", same}, nil, 2, nil, []string{"requests"}},
		{"no server", []string{"--requests", "cart.jsonl"}, nil, 2, nil, []string{"against"}},
		{"a wrong rate", []string{"--against", same, "--requests", "cart.jsonl", "--rate", "-1"}, nil, 2, nil, []string{"--rate"}},
		{"no one to ask", []string{"--against", same, "--requests", "cart.jsonl", "--concurrency", "0"}, nil, 2, nil, []string{"--concurrency"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"verify"}, c.args...), process{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: c.env})
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("standard output does not say %q", want)
				}
			}
			for _, want := range c.err {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("standard error does not say %q", want)
				}
			}
			for _, secret := range []string{"sesame", "secret"} {
				if strings.Contains(stdout.String()+stderr.String(), secret) {
					t.Errorf("the key is shown")
				}
			}
			if t.Failed() {
				t.Logf("stdout:\n%s\nstderr:\n%s", &stdout, &stderr)
			}
		})
	}
}
