package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Listeners are the two ports of a process.
type Listeners struct{ Main, Admin net.Listener }

// Listen opens both ports, or none. A port of 0 is any that is free.
func Listen(ctx context.Context, mainAddress, adminAddress string) (Listeners, error) {
	var config net.ListenConfig
	main, err := config.Listen(ctx, "tcp", mainAddress)
	if err != nil {
		return Listeners{}, fmt.Errorf("listen on %s: %w; set another address with --listen or PROSCENIUM_LISTEN", mainAddress, err)
	}
	admin, err := config.Listen(ctx, "tcp", adminAddress)
	if err != nil {
		_ = main.Close()
		return Listeners{}, fmt.Errorf("listen on %s: %w; set another address with --admin-listen or PROSCENIUM_ADMIN_LISTEN", adminAddress, err)
	}
	return Listeners{Main: main, Admin: admin}, nil
}

// Close closes both ports; it is for those who do not get to [Run].
func (l Listeners) Close() {
	_ = l.Main.Close()
	_ = l.Admin.Close()
}

// adminGrace is how long calls of the admin port may take to end.
const adminGrace = time.Second

// RunOptions say how a process serves and ends.
type RunOptions struct {
	Server *Server
	Admin  http.Handler
	// EndAdminStreams ends the streams that are open on the admin port; nil: there are none.
	EndAdminStreams func()
	Ready           *Readiness
	// Delay is the pause between saying that the process is not ready and refusing connections, for load balancers to notice.
	Delay time.Duration
	// Grace is how long requests under way may take to end.
	Grace time.Duration
	Log   *slog.Logger
}

// Run serves until ctx ends or a port fails. Then it says that it is not ready, goes on for the delay, refuses new requests, waits within
// the grace for those under way, and returns once every goroutine that it started has ended. It closes the listeners. The log has why the
// end began, which is the cause of ctx, and how long it took.
func Run(ctx context.Context, listeners Listeners, opts RunOptions) error {
	quiet := slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug)
	main := &http.Server{
		Handler:           opts.Server.Handler(),
		Protocols:         bothProtocols(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          quiet,
	}
	main.RegisterOnShutdown(opts.Server.EndStreams)
	admin := &http.Server{Handler: opts.Admin, Protocols: bothProtocols(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	if opts.EndAdminStreams != nil {
		admin.RegisterOnShutdown(opts.EndAdminStreams)
	}

	ended := make(chan error, 2)
	serve := func(s *http.Server, l net.Listener) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			ended <- fmt.Errorf("serve on %s: %w", l.Addr(), err)
			return
		}
		ended <- nil
	}
	go serve(main, listeners.Main)
	go serve(admin, listeners.Admin)

	running := 2
	var failed error
	select {
	case <-ctx.Done():
		opts.Log.Info("shutting down", slog.String("cause", context.Cause(ctx).Error()))
	case failed = <-ended:
		running--
		opts.Log.Error("shutting down", slog.Any("cause", failed))
	}
	began := time.Now()
	opts.Ready.Set(false)
	if failed == nil {
		select {
		case <-time.After(opts.Delay):
		case failed = <-ended:
			running--
		}
	}
	// ctx has ended; what follows has a time of its own.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), opts.Grace)
	defer cancel()
	if err := main.Shutdown(grace); err != nil {
		opts.Log.Warn("requests were still under way when the grace ended; their connections are closed", slog.Duration("grace", opts.Grace))
		_ = main.Close()
	}
	// The admin port goes last: the end of the others can be watched on it.
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), adminGrace)
	defer cancelLast()
	_ = admin.Shutdown(last)
	_ = admin.Close()
	for ; running > 0; running-- {
		failed = errors.Join(failed, <-ended)
	}
	opts.Log.Info("stopped", slog.Duration("duration", time.Since(began)))
	return failed
}

// bothProtocols are HTTP/1.1, and HTTP/2 without TLS for gRPC.
func bothProtocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}
