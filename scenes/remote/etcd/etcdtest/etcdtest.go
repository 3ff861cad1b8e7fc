// Package etcdtest runs etcd itself, for tests.
package etcdtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Server is an etcd in a process of its own, on 127.0.0.1, with a directory of its own. It ends with the test.
type Server struct {
	// Endpoint is HOST:PORT. It stays when the server is started again.
	Endpoint string
	// Client asks this server. It is another after Restart, and nil in between.
	Client *clientv3.Client

	// Roots is a PEM file with the certificate of a server that speaks TLS; empty: it does not.
	Roots string

	tb       testing.TB
	scheme   string
	security *tls.Config
	dir      string
	flags    []string
	command  *exec.Cmd
	log      output
}

// output is what the process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts an etcd with flags added to those that it needs, and waits until it answers. Where none is installed, the test fails if the
// environment has CI=true; elsewhere it says that it did not run, and ends.
func Start(tb testing.TB, flags ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, scheme: "http", dir: tb.TempDir(), flags: flags}
	s.start()
	return s
}

// StartTLS is Start for a server that speaks TLS, with a certificate of its own that nobody trusts.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, scheme: "https", dir: tb.TempDir()}
	roots, key := certify(tb, s.dir)
	s.Roots = filepath.Join(s.dir, "cert.pem")
	s.flags = []string{"--cert-file", s.Roots, "--key-file", key}
	s.security = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	s.start()
	return s
}

func (s *Server) start() {
	s.tb.Helper()
	binary := installed(s.tb)
	s.Endpoint = free(s.tb)
	s.tb.Cleanup(s.Kill)
	s.run(binary)
}

// installed is the path of etcd.
func installed(tb testing.TB) string {
	tb.Helper()
	binary, err := exec.LookPath("etcd")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatalf("no etcd is installed, and CI needs it; on Debian: apt-get install etcd-server (%v)", err)
	default:
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, which needs an etcd; on Debian: apt-get install etcd-server\n", tb.Name())
		tb.Skip("NOT RUN: no etcd is installed; on Debian: apt-get install etcd-server")
	}
	return binary
}

// free is an address that nobody listens on, at this instant.
func free(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *Server) run(binary string) {
	s.tb.Helper()
	url := s.scheme + "://" + s.Endpoint
	s.command = exec.Command(binary, append([]string{ //nolint:gosec,noctx // it outlives the test's context, and is ended by Kill
		"--name", "test", "--data-dir", filepath.Join(s.dir, "data"), "--logger", "zap",
		"--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", "http://127.0.0.1:0", "--initial-advertise-peer-urls", "http://127.0.0.1:0", "--initial-cluster", "test=http://127.0.0.1:0",
	}, s.flags...)...)
	s.command.Stdout, s.command.Stderr = &s.log, &s.log
	if err := s.command.Start(); err != nil {
		s.tb.Fatal(err)
	}
	var err error
	s.Client, err = clientv3.New(clientv3.Config{
		Endpoints: []string{url}, TLS: s.security, DialTimeout: 5 * time.Second, Logger: zap.NewNop(), MaxCallSendMsgSize: 64 << 20,
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.Client.Get(ctx, "ready"); err != nil {
		s.tb.Fatalf("etcd does not answer: %v\n%s", err, s.log.String())
	}
}

// Kill ends the process as a crash does, and waits until it has ended.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.Client != nil {
		_ = s.Client.Close()
		s.Client = nil
	}
	if s.command != nil && s.command.Process != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}

// Restart starts it again after Kill, on the same data and address.
func (s *Server) Restart() {
	s.tb.Helper()
	s.run(installed(s.tb))
}

// Put writes keys, one by one: as somebody does by hand.
func (s *Server) Put(pairs ...string) {
	s.tb.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := s.Client.Put(s.tb.Context(), pairs[i], pairs[i+1]); err != nil {
			s.tb.Fatalf("put %s: %v", pairs[i], err)
		}
	}
}

// Delete deletes keys; it fails the test if there is no such key.
func (s *Server) Delete(keys ...string) {
	s.tb.Helper()
	for _, key := range keys {
		if res, err := s.Client.Delete(s.tb.Context(), key); err != nil || res.Deleted != 1 {
			s.tb.Fatalf("delete %s: %+v, %v", key, res, err)
		}
	}
}

// Get is the value of a key; empty if there is none.
func (s *Server) Get(key string) string {
	s.tb.Helper()
	res, err := s.Client.Get(s.tb.Context(), key)
	if err != nil {
		s.tb.Fatal(err)
	}
	var value strings.Builder
	for _, kv := range res.Kvs {
		value.Write(kv.Value)
	}
	return value.String()
}

// Revision is that of the whole store: it grows with each write.
func (s *Server) Revision() int64 {
	s.tb.Helper()
	res, err := s.Client.Get(s.tb.Context(), "any")
	if err != nil {
		s.tb.Fatal(err)
	}
	return res.Header.Revision
}
