package kvtest

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"proscenium/kv"
)

// Server is a redis-server that a test runs, kills and stalls. It keeps nothing on disk.
type Server struct {
	t       testing.TB
	address string
	port    string
	bus     string // the port for other servers of a cluster
	dir     string
	cmd     *exec.Cmd // nil: it does not run
	ended   chan struct{}
	cluster bool
	output  *bytes.Buffer
}

// Start runs a redis-server for the time of a test; nil, having said so, where there is none to run.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, false)
}

// StartCluster is Start of a cluster, of one server that has all slots.
func StartCluster(t testing.TB) *Server {
	t.Helper()
	return start(t, true)
}

func start(t testing.TB, cluster bool) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		notRun(t, "with a Redis of the test's own: there is no redis-server")
		return nil
	}
	s := &Server{t: t, dir: t.TempDir(), cluster: cluster}
	t.Cleanup(s.end)
	// Another process may take the port between its choice and the start: then another one does.
	for range 5 {
		s.choose()
		if s.launch() {
			return s
		}
	}
	t.Fatalf("redis-server does not start: %s", s.output)
	return nil
}

// Addr is HOST:PORT of the server, the same after a restart.
func (s *Server) Addr() string { return s.address }

// Open opens stores on the server.
func (s *Server) Open(change ...func(*kv.Options)) *kv.KV {
	s.t.Helper()
	of := func(o *kv.Options) { o.Cluster = s.cluster }
	return At(s.t, s.address, append([]func(*kv.Options){of}, change...)...)
}

// Stop kills the server, without a warning. It returns when the server is gone.
func (s *Server) Stop() {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatal("the server does not run")
	}
	s.end()
}

// Restart runs a server that was stopped again, empty. It returns when it listens.
func (s *Server) Restart() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("the server runs")
	}
	if !s.launch() {
		s.t.Fatalf("redis-server does not start again: %s", s.output)
	}
}

// Stall halts the server where it stands: connections stay, and are even taken, but nothing is answered.
func (s *Server) Stall() { s.signal(syscall.SIGSTOP) }

// Resume lets a stalled server go on, with all that it was sent meanwhile.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatal("the server does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) choose() {
	s.t.Helper()
	s.address, s.bus = s.free(), s.free()
	_, s.port, _ = net.SplitHostPort(s.address)
	_, s.bus, _ = net.SplitHostPort(s.bus)
}

func (s *Server) free() string {
	s.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		s.t.Fatal(err)
	}
	return l.Addr().String()
}

// launch starts the process and waits until it answers; false where it ended instead.
func (s *Server) launch() bool {
	s.t.Helper()
	s.output = &bytes.Buffer{}
	args := []string{"--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir}
	if s.cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", s.bus)
	}
	//nolint:gosec,noctx // the arguments are the test's own, and the end of the test is the end of the process
	cmd := exec.Command("redis-server", args...)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed: that it says so is no news
	}()
	s.cmd, s.ended = cmd, ended
	deadline := time.After(30 * time.Second)
	for {
		if s.says("PING", "+PONG") && (!s.cluster || s.allSlots()) {
			return true
		}
		select {
		case <-ended:
			s.cmd = nil
			return false
		case <-deadline:
			s.end()
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// allSlots gives the server all slots, and says that it serves them.
func (s *Server) allSlots() bool {
	s.says("CLUSTER ADDSLOTSRANGE 0 16383", "+OK") // a server that was restarted has them
	return s.says("CLUSTER INFO", "cluster_state:ok")
}

// says sends a command, past any store.
func (s *Server) says(command, answer string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.address)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // what matters has been read
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return false
	}
	said := make([]byte, 256)
	n, err := conn.Read(said)
	return err == nil && strings.Contains(string(said[:n]), answer)
}

// end kills the server where it runs, and waits until it is gone; a stalled one dies too.
func (s *Server) end() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}
