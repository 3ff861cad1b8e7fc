package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// framing is room for what the protocols put around a message: envelopes, trailers in the body, an error's details.
const framing = 64 << 10

func baseURL(conf *configv1.ConnectProvider) (*url.URL, error) {
	u, err := url.Parse(conf.GetUrl())
	if wrong := (*url.Error)(nil); errors.As(err, &wrong) {
		err = wrong.Err // without the URL, which may hold a password
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("url: %q must begin with http:// or https://", conf.GetUrl())
	case u.Hostname() == "":
		return nil, fmt.Errorf("url: %q names no host", conf.GetUrl())
	case u.User != nil:
		return nil, errors.New("url: credentials do not belong into a URL; use tls.cert_file and tls.key_file")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("url: %q must end with the host, the port or a path", conf.GetUrl())
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// tlsConfig is nil where the URL is plain http.
func tlsConfig(scheme string, conf *configv1.TlsClient, readFile func(string) ([]byte, error)) (*tls.Config, error) {
	if scheme == "http" {
		if conf != nil {
			return nil, errors.New("tls: needs an https:// url")
		}
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: conf.GetServerName()}
	if name := conf.GetCaFile(); name != "" {
		pem, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no PEM certificate", name)
		}
	}
	certFile, keyFile := conf.GetCertFile(), conf.GetKeyFile()
	if certFile == "" && keyFile == "" {
		return t, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("tls: cert_file and key_file belong together: set both or neither")
	}
	cert, err := readFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	key, err := readFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.key_file: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return t, nil
}

// newTransport speaks HTTP/2 where gRPC needs it, with prior knowledge where there is no TLS to agree on it; the other protocols take HTTP/1.1,
// which costs less between neighbours, and leave the choice to the server under TLS.
func newTransport(scheme string, protocol configv1.Protocol, conf *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	protocols := new(http.Protocols)
	switch grpc := protocol == configv1.Protocol_PROTOCOL_GRPC; {
	case grpc && scheme == "http":
		protocols.SetUnencryptedHTTP2(true)
	case grpc:
		protocols.SetHTTP2(true)
	case scheme == "http":
		protocols.SetHTTP1(true)
	default:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    10 * time.Second,
		Protocols:              protocols,
		MaxIdleConnsPerHost:    256, // a burst of calls must not end in a burst of dials
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		// A connection that died without a word is found out by a ping, not by a timeout of every call on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
}

var errTooLarge = errors.New("the answer is larger than max_response_bytes")

// bounded ends answers that go beyond a limit instead of reading on to see how large they are.
type bounded struct {
	next  http.RoundTripper
	limit int64
}

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &boundedBody{ReadCloser: res.Body, left: b.limit}
	return res, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// The answer may end exactly here.
		var one [1]byte
		if n, err := b.ReadCloser.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
