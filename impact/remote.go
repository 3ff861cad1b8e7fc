package impact

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"proscenium/codec"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

// RemoteOptions say how a server is called.
type RemoteOptions struct {
	// Key is presented with each call; empty: none. It is never part of an error.
	Key string
	// ClientHeader names, where no key is presented, the header that takes the client of a request; empty: it is not sent.
	ClientHeader string
	// Timeout bounds a call.
	Timeout time.Duration
	// Connections are kept open for so many calls at once.
	Connections int
}

// Remote asks a server. It prices at the server's own time; only scenes of any time go by the request's at_time.
type Remote struct {
	url       *url.URL
	opts      RemoteOptions
	transport *http.Transport
	client    pricingv1connect.PricingServiceClient

	mu       sync.Mutex
	versions []string
}

// NewRemote makes a pricer of a server's address, such as http://127.0.0.1:8080. It calls nothing yet.
func NewRemote(address string, opts RemoteOptions) (*Remote, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL; write http://HOST:PORT")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is no URL of a server; write http://HOST:PORT", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has more than scheme, host and path; a key is read from a file", u.Redacted())
	}
	r := &Remote{url: u, opts: opts}
	r.transport = &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: opts.Connections, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: opts.Timeout,
	}
	r.client = pricingv1connect.NewPricingServiceClient(&http.Client{Transport: r.transport}, strings.TrimSuffix(u.String(), "/"), connect.WithCodec(codec.New()))
	return r, nil
}

// Reach says whether the server takes connections.
func (r *Remote) Reach(ctx context.Context) error {
	port := r.url.Port()
	if port == "" {
		port = r.url.Scheme
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(r.url.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// Close closes the connections that are idle.
func (r *Remote) Close() { r.transport.CloseIdleConnections() }

// Versions are those of the configurations that have answered, sorted: more than one, where the server loaded another meanwhile.
func (r *Remote) Versions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.versions)
}

func (r *Remote) answeredBy(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, known := slices.BinarySearch(r.versions, version); !known && version != "" {
		r.versions = slices.Insert(r.versions, at, version)
	}
}

// Price asks the server.
func (r *Remote) Price(ctx context.Context, req *Request) Answer {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	call := connect.NewRequest(req.Msg)
	switch {
	case r.opts.Key != "":
		call.Header().Set("Authorization", "Bearer "+r.opts.Key)
	case r.opts.ClientHeader != "" && req.Client != "":
		call.Header().Set(r.opts.ClientHeader, req.Client)
	}
	resp, err := r.client.GetPromotionInfo(ctx, call)
	if err != nil {
		return refusedBy(err)
	}
	r.answeredBy(resp.Msg.GetConfigVersion())
	return Answer{Response: resp.Msg}
}

// refusedBy sorts the errors of a call. A server that does not know the key, or is no such server, has not answered.
func refusedBy(err error) Answer {
	var e *connect.Error
	if !errors.As(err, &e) {
		return Answer{Err: err}
	}
	reason := ""
	for _, detail := range e.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				reason = info.GetReason()
			}
		}
	}
	switch e.Code() {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeAlreadyExists, connect.CodePermissionDenied, connect.CodeFailedPrecondition:
		if reason != "" && !strings.HasPrefix(reason, "CREDENTIAL_") {
			return Answer{Refused: &Refusal{Reason: reason, Message: e.Message()}}
		}
	}
	if reason == "" {
		reason = e.Code().String()
	}
	return Answer{Err: fmt.Errorf("%s: %s", reason, e.Message())}
}
