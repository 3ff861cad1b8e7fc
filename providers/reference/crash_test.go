package reference_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers/gmv"
	"proscenium/providers/reference"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
)

// serveEnv makes the test binary a provider service at the address that it holds.
const serveEnv = "PROSCENIUM_TEST_SERVE"

// stuck is a model that the service never answers for; it says so on its standard output.
const stuck = 666

// child serves until it is killed.
func child(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Handler = reference.Handler(engine.Providers{
		GMV: remotetest.Provider[engine.PriceKey, int64](func(ctx context.Context, _ *engine.Call, keys []engine.PriceKey, out []int64) error {
			for i, k := range keys {
				if k.ModelID == stuck {
					_, _ = os.Stdout.WriteString("stuck\n")
					<-ctx.Done()
					return ctx.Err()
				}
				out[i] = k.ModelID
			}
			return nil
		}),
	}, remotetest.Snapshot)
	if _, err := fmt.Fprintln(os.Stdout, "ready", listener.Addr()); err != nil {
		return err
	}
	return server.Serve(listener)
}

// process is a running service.
type process struct {
	cmd     *exec.Cmd
	address string
	lines   *bufio.Scanner
}

// spawn starts a service and waits until it answers.
func spawn(t *testing.T, address string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	p.address = strings.TrimPrefix(p.next(t), "ready ")
	return p
}

func (p *process) next(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatal("the service ended")
	}
	return p.lines.Text()
}

// kill ends the process as kill -9 does. A second time does nothing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func TestAServiceThatIsKilledFailsItsCallsAndComesBack(t *testing.T) {
	const callers = 8
	for name, protocol := range remotetest.Protocols() {
		t.Run(name, func(t *testing.T) {
			service := spawn(t, "127.0.0.1:0")
			plain := remotetest.Dial(t, &configv1.ConnectProvider{Url: "http://" + service.address, Protocol: protocol})
			retrying := remotetest.Dial(t, &configv1.ConnectProvider{
				Url: "http://" + service.address, Protocol: protocol, Retries: &configv1.Retries{MaxAttempts: 3},
			})
			for round := range 3 {
				// Calls before the crash are answered, on connections that stay open.
				for _, c := range []*remote.Client{plain, retrying} {
					if err := sell(t.Context(), c, 5); err != nil {
						t.Fatalf("round %d, before: %v", round, err)
					}
				}
				// Calls in the middle of it fail at once, and as what they are.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				errs := make(chan error, callers)
				var calls sync.WaitGroup
				for range callers {
					calls.Go(func() { errs <- sell(ctx, plain, stuck) })
				}
				for range callers {
					service.next(t)
				}
				service.kill()
				calls.Wait()
				if ctx.Err() != nil {
					t.Errorf("round %d: calls waited for their deadline", round)
				}
				cancel()
				for range callers {
					if err := <-errs; !lost(err) {
						t.Errorf("round %d, in the middle: %v", round, err)
					}
				}
				// Nobody is there.
				for _, c := range []*remote.Client{plain, retrying} {
					if err := sell(t.Context(), c, 5); connect.CodeOf(err) != connect.CodeUnavailable {
						t.Errorf("round %d, after: %v", round, err)
					}
				}
				// The same clients find it again, without a reload.
				service = spawn(t, service.address)
				if err := sell(t.Context(), retrying, 5); err != nil {
					t.Errorf("round %d, again: %v", round, err)
				}
			}
		})
	}
}

func sell(ctx context.Context, c *remote.Client, model int64) error {
	got, err := remotetest.Ask(ctx, gmv.NewRemote(c), remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: model})
	if err == nil && got[0] != model {
		return fmt.Errorf("answered %d", got[0])
	}
	return err
}

// lost says that a call failed by its connection, not by its answer, nor by the caller's own end.
func lost(err error) bool {
	return err != nil && !errors.Is(err, engine.ErrMalformed) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
