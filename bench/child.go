package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"syscall"
	"time"
)

// The environment of a server process: which server it is, and the file with the answer that the bare one returns.
const (
	kindVariable   = "PROSCENIUM_BENCH_SERVER"
	answerVariable = "PROSCENIUM_BENCH_ANSWER"
)

// usage is what a server process has used so far.
type usage struct {
	CPU time.Duration `json:"cpu"`
}

// ownCPU is the CPU time that this process has used so far, its own and the system's for it.
func ownCPU() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, err
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

// serveChild is the main function of a server process: it serves on a free port, which it prints, until its standard input ends.
func serveChild(main http.Handler) error {
	debug.SetGCPercent(400) // as the server has it by default; the bare one gets the same
	mux := http.NewServeMux()
	mux.Handle("/", main)
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) {
		cpu, err := ownCPU()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(usage{CPU: cpu})
	})
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, listener.Addr()); err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// child is a server in a process of its own.
type child struct {
	address string
	command *exec.Cmd
	stdin   io.Closer
}

// startChild runs this program again as the server of that kind.
func startChild(ctx context.Context, kind string, environ ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self) //nolint:gosec // it is this program
	command.Env = append(os.Environ(), append(environ, kindVariable+"="+kind)...)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &child{command: command, stdin: stdin}
	if _, err := fmt.Fscanln(bufio.NewReader(stdout), &c.address); err != nil {
		return nil, errors.Join(fmt.Errorf("the %s server did not start: %w", kind, err), c.stop())
	}
	return c, nil
}

// stop ends the process and waits for its end.
func (c *child) stop() error {
	return errors.Join(c.stdin.Close(), c.command.Wait())
}

// cpu is the CPU time that the process has used so far.
func (c *child) cpu(ctx context.Context) (time.Duration, error) {
	var u usage
	err := c.get(ctx, "/usage", &u)
	return u.CPU, err
}

// get asks the process about itself.
func (c *child) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(into)
}

// connections are those that saturate a server.
const connections = 16

// cost is the server's CPU time for one request, and the rate of requests, at saturation.
func (c *child) cost(ctx context.Context, call []byte, d time.Duration) (cpu time.Duration, rate float64, err error) {
	before, err := c.cpu(ctx)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	n, err := saturate(ctx, c.address, call, connections, d)
	if err != nil {
		return 0, 0, err
	}
	elapsed := time.Since(start)
	after, err := c.cpu(ctx)
	if err != nil {
		return 0, 0, err
	}
	return (after - before) / time.Duration(n), float64(n) / elapsed.Seconds(), nil
}
