package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	provider "github.com/knadh/koanf/providers/etcd/v2"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"proscenium/scenes/remote"
)

const (
	// answer is how long etcd may take to answer.
	answer = 5 * time.Second
	// afresh is how long a new connection may take, to be made and to answer.
	afresh = 2 * time.Second
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
	return remote.New(&reader{p, a}, remote.Options{
		Prefix:  a.Prefix,
		Watch:   p.Watch,
		Within:  2 * answer, // the provider gives up before
		Explain: a.explain,
	}), nil
}

// reader is koanf's provider, and a way past its connection.
type reader struct {
	*provider.Etcd
	address Address
}

// Read is the provider's. The connection of that waits longer and longer before it is tried again, in the end two minutes; so where there is no
// answer, one is asked for on a new connection. Without it a server would follow that much later when etcd is back.
func (r *reader) Read() (map[string]any, error) {
	values, err := r.Etcd.Read()
	if err == nil || !away(err, codeOf(err)) {
		return values, err
	}
	if again, fresh := r.address.read(context.Background()); fresh == nil { // a provider has no context
		return again, nil
	}
	return nil, err
}

// read is what the provider reads, on a connection of its own.
func (a Address) read(ctx context.Context) (map[string]any, error) {
	client, err := newClient(a)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	ctx, cancel := context.WithTimeout(ctx, afresh)
	defer cancel()
	there, err := client.Get(ctx, a.Prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	values := make(map[string]any, len(there.Kvs))
	for _, kv := range there.Kvs {
		values[string(kv.Key)] = kv.Value
	}
	return values, nil
}

// newClient is a client that leaves logging to its caller. It does not connect yet.
func newClient(a Address) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: a.urls(), DialTimeout: answer, Logger: zap.NewNop(),
		MaxCallSendMsgSize: math.MaxInt32, MaxCallRecvMsgSize: math.MaxInt32, // how much it takes, the server says
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	return client, nil
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
