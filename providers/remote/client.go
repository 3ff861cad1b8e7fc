// Package remote asks the services of proscenium.provider.v1: it turns a command's method into an [engine.Provider] that retries, hedges and
// checks what comes back, and gives services in Go what they need to answer (see [Host]).
//
// A provider's answer is believed only as far as the protocol goes: what was not asked for, what comes twice, and what cannot be is
// [engine.ErrMalformed]. A call that ran out of time is a context.DeadlineExceeded, whoever noticed first.
package remote

import (
	"context"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"proscenium/codec"
	configv1 "proscenium/gen/proscenium/config/v1"
)

// Deps are what clients need of the world.
type Deps struct {
	// ReadFile reads the PEM files of the tls settings.
	ReadFile func(name string) ([]byte, error)
	// Now is the clock, and After its timer, as time.Now and time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Random is uniform in [0, 1), for the jitter of pauses. It is called by many goroutines.
	Random func() float64
	// Dial opens connections. nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Codec is shared by all clients. nil: one of its own.
	Codec *codec.Codec
}

// Client calls one provider service as its configuration says. It is safe for concurrent use. All commands that share a client share its
// connections and its retry budget.
type Client struct {
	url       string
	http      *http.Client
	transport *http.Transport
	options   []connect.ClientOption
	maxBytes  int64
	retries   retries
	hedge     time.Duration // 0: never
	budget    *budget
	deps      Deps
}

// Defaults of a ConnectProvider.
const (
	defaultMaxResponse = 16 << 20
	defaultBackoff     = 5 * time.Millisecond
	defaultBudget      = 10 // percent
)

// New makes a client; it connects with the first call. Errors name the field of the ConnectProvider that is wrong.
func New(conf *configv1.ConnectProvider, deps Deps) (*Client, error) {
	base, err := baseURL(conf)
	if err != nil {
		return nil, err
	}
	tls, err := tlsConfig(base.Scheme, conf.GetTls(), deps.ReadFile)
	if err != nil {
		return nil, err
	}
	c := &Client{
		url:      base.String(),
		maxBytes: defaultMaxResponse,
		retries:  retries{attempts: int(max(conf.GetRetries().GetMaxAttempts(), 1)), backoff: defaultBackoff},
		hedge:    conf.GetHedgingDelay().AsDuration(),
		deps:     deps,
	}
	if n := conf.GetMaxResponseBytes(); n > 0 {
		c.maxBytes = n
	}
	if b := conf.GetRetries().GetBackoff(); b != nil {
		c.retries.backoff = b.AsDuration()
	}
	percent := int64(defaultBudget)
	if p := conf.GetRetries().GetBudgetPercent(); p > 0 {
		percent = int64(p)
	}
	c.budget = newBudget(percent)

	c.transport = newTransport(base.Scheme, conf.GetProtocol(), tls, deps.Dial)
	c.http = &http.Client{
		Transport: bounded{next: c.transport, limit: c.maxBytes + framing},
		// A redirect would send the user's data where nobody configured it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	wire := deps.Codec
	if wire == nil {
		wire = codec.New()
	}
	c.options = []connect.ClientOption{
		connect.WithCodec(wire),
		connect.WithReadMaxBytes(int(c.maxBytes)),
		// Providers stand near: compressing an answer costs more than sending it.
		connect.WithAcceptCompression("gzip", nil, nil),
	}
	switch conf.GetProtocol() {
	case configv1.Protocol_PROTOCOL_GRPC:
		c.options = append(c.options, connect.WithGRPC())
	case configv1.Protocol_PROTOCOL_GRPC_WEB:
		c.options = append(c.options, connect.WithGRPCWeb())
	}
	return c, nil
}

// HTTP is, with URL and Options, what the constructor of a generated client takes.
func (c *Client) HTTP() connect.HTTPClient { return c.http }

// URL is the base of the service's procedures.
func (c *Client) URL() string { return c.url }

// Options choose the protocol and the encoding.
func (c *Client) Options() []connect.ClientOption { return c.options }

// Close closes idle connections. Calls under way end undisturbed, and the client goes on working: it only connects anew.
func (c *Client) Close() { c.transport.CloseIdleConnections() }
