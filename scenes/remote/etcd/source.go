package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	provider "github.com/knadh/koanf/providers/etcd/v2"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"proscenium/scenes/remote"
)

const (
	// answer is how long etcd may take to answer.
	answer = 5 * time.Second
	// knock is how long a connection may take that is tried to learn why there was no answer.
	knock = time.Second
)

// NewSource makes a Source of the configuration at an address, by koanf's provider. It does not connect yet. The connection that it makes lasts
// as long as the process: the provider has no end.
func NewSource(a Address) (*remote.Source, error) {
	p, err := provider.Provider(provider.Config{Endpoints: a.urls(), DialTimeout: answer, Prefix: true, Key: a.Prefix})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	return remote.New(p, remote.Options{
		Prefix:  a.Prefix,
		Watch:   p.Watch,
		Within:  2 * answer, // the provider gives up before
		Explain: a.explain,
	}), nil
}

// explain words why etcd could not be asked. The hint may differ from time to time.
func (a Address) explain(ctx context.Context, err error) (message, hint string) {
	code := codeOf(err)
	switch {
	case errors.Is(err, context.Canceled), code == codes.Canceled:
		return "it was interrupted", ""
	case away(err, code):
		return fmt.Sprintf("etcd gives no answer within %s", answer), a.knock(ctx)
	case strings.Contains(err.Error(), "user name is empty"), code == codes.PermissionDenied, code == codes.Unauthenticated:
		return "etcd asks for a user: " + err.Error(), "this address has none; use an etcd without authentication, or a proxy before it that has the credentials"
	}
	return err.Error(), ""
}

// away says whether err is that nobody answered, or none that could.
func away(err error, code codes.Code) bool {
	return errors.Is(err, context.DeadlineExceeded) || code == codes.DeadlineExceeded || code == codes.Unavailable
}

func codeOf(err error) codes.Code {
	if refused := (rpctypes.EtcdError{}); errors.As(err, &refused) {
		return refused.Code()
	}
	return status.Code(err)
}

// knock tries each endpoint, and says what is wrong with it. The client of etcd only says that time is up.
func (a Address) knock(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, knock)
	defer cancel()
	found := make([]string, len(a.Endpoints))
	var all sync.WaitGroup
	for i, endpoint := range a.Endpoints {
		all.Go(func() { found[i] = endpoint + ": " + a.try(ctx, endpoint) })
	}
	all.Wait()
	return strings.Join(found, "; ")
}

func (a Address) try(ctx context.Context, endpoint string) string {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if a.TLS {
		dialer = &tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}}
	}
	conn, err := dialer.DialContext(ctx, "tcp", endpoint)
	var op *net.OpError
	switch {
	case err == nil:
		_ = conn.Close()
		return "it can be reached, but does not answer: is it an etcd, with a quorum?"
	case errors.Is(err, context.DeadlineExceeded):
		return "it cannot be reached"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
