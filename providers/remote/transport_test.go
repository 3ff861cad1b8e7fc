package remote_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers/gmv"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service knows of each model that it sold for its id.
func service(p engine.GMVProvider) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(gmv.NewHandler(&remote.Host{Snap: remotetest.Snapshot}, p))
	return mux
}

func own() remotetest.Provider[engine.PriceKey, int64] {
	return remotetest.Each(func(k engine.PriceKey) int64 { return k.ModelID })
}

func ask(ctx context.Context, c *remote.Client) error {
	got, err := remotetest.Ask(ctx, gmv.NewRemote(c), remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 11})
	if err == nil && got[0] != 11 {
		return errors.New("a wrong answer")
	}
	return err
}

func TestEachProtocolTakesTheVersionOfHTTPThatItNeeds(t *testing.T) {
	for name, protocol := range remotetest.Protocols() {
		var proto atomic.Value
		h := service(own())
		url := remotetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			proto.Store(r.Proto + " " + r.Header.Get("Content-Type"))
			h.ServeHTTP(w, r)
		}))
		if err := ask(t.Context(), remotetest.Dial(t, &configv1.ConnectProvider{Url: url + "/", Protocol: protocol})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := map[string]string{
			"connect": "HTTP/1.1 application/proto", "grpc": "HTTP/2.0 application/grpc", "grpc_web": "HTTP/1.1 application/grpc-web+proto",
		}[name]
		if proto.Load() != want {
			t.Errorf("%s came as %v, want %s", name, proto.Load(), want)
		}
	}
}

func TestAServiceMayStandBelowAPath(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/promo/", http.StripPrefix("/promo", service(own())))
	if err := ask(t.Context(), remotetest.Dial(t, &configv1.ConnectProvider{Url: remotetest.Serve(t, mux) + "/promo/"})); err != nil {
		t.Error(err)
	}
}

func TestCallsReuseTheirConnection(t *testing.T) {
	for name, protocol := range remotetest.Protocols() {
		dials := 0
		deps := remotetest.Deps()
		deps.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		c, err := remote.New(&configv1.ConnectProvider{Url: remotetest.Serve(t, service(own())), Protocol: protocol}, deps)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if err := ask(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if dials != 1 {
			t.Errorf("%s: 20 calls dialled %d times", name, dials)
		}
		c.Close()
		if err := ask(t.Context(), c); err != nil {
			t.Errorf("%s: a closed client connects anew: %v", name, err)
		}
		c.Close()
	}
}

func TestWhatIsNoAnswerFailsTheCall(t *testing.T) {
	status := func(code int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/proto")
		chunk := make([]byte, 1<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	for _, tc := range []struct {
		name      string
		h         http.Handler
		malformed bool
		attempts  int64
	}{
		{"bytes that are no message", status(200, "application/proto", "\xff\xff\xff\xff"), true, 1},
		{"half a message", status(200, "application/proto", "\x0a\x05\x08"), true, 1},
		{"an answer without end", endless, true, 1},
		{"an answer that is too large", status(200, "application/proto", strings.Repeat("\x0a\x00", 1000)), true, 1},
		{"an error that is too large", status(503, "application/json", `{"code":"unavailable","message":"`+strings.Repeat("x", 100_000)+`"}`), true, 1},
		{"a web page", status(200, "text/html", "<html>"), false, 1},
		{"not found", status(404, "text/plain", "404"), false, 1},
		{"a redirect", http.RedirectHandler("http://elsewhere.example/", http.StatusTemporaryRedirect), false, 1},
		{"a gateway without backend", status(502, "text/html", "<html>"), false, 3},
		{"an overloaded gateway", status(503, "text/html", "<html>"), false, 3},
		{"a broken connection", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), false, 3},
		{"a connection that breaks in the answer", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/proto")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "\x0a\x02")
			_ = http.NewResponseController(w).Flush() // so that the answer begins
			panic(http.ErrAbortHandler)
		}), false, 3},
		{"a connection that is reset", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}), false, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var attempts atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				tc.h.ServeHTTP(w, r)
			}))
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			s.Start()
			defer s.Close()
			c := remotetest.Dial(t, &configv1.ConnectProvider{Url: s.URL, MaxResponseBytes: 1_000, Retries: &configv1.Retries{MaxAttempts: 3}})
			defer c.Close()
			err := ask(t.Context(), c)
			if err == nil || errors.Is(err, engine.ErrMalformed) != tc.malformed {
				t.Errorf("error %v, want malformed %v", err, tc.malformed)
			}
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v looks like the caller's own end", err)
			}
			if attempts.Load() != tc.attempts {
				t.Errorf("%d attempts, want %d", attempts.Load(), tc.attempts)
			}
		})
	}
}

func TestAnAnswerMayBeAsLargeAsTheLimit(t *testing.T) {
	var keys []engine.PriceKey
	for id := range int64(50) {
		keys = append(keys, engine.PriceKey{ItemID: 1, ModelID: id + 1})
	}
	for name, protocol := range remotetest.Protocols() {
		url := remotetest.Serve(t, service(own()))
		// The answer for a model below 128 is 6 bytes: a tag and a length around two fields of two.
		for limit, fits := range map[int64]bool{300: true, 299: false} {
			c := remotetest.Dial(t, &configv1.ConnectProvider{Url: url, Protocol: protocol, MaxResponseBytes: limit})
			_, err := remotetest.Ask(t.Context(), gmv.NewRemote(c), remotetest.Call(remotetest.Snapshot()), keys...)
			if fits && err != nil || !fits && !errors.Is(err, engine.ErrMalformed) {
				t.Errorf("%s: with a limit of %d: %v", name, limit, err)
			}
		}
	}
}

func TestNobodyAtTheAddressIsAFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, protocol := range remotetest.Protocols() {
		err := ask(t.Context(), remotetest.Dial(t, &configv1.ConnectProvider{Url: "http://" + address, Protocol: protocol}))
		if connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHangingProvidersEndWithTheDeadlineAndTheCaller(t *testing.T) {
	for name, protocol := range remotetest.Protocols() {
		gone := make(chan struct{})
		c := remotetest.Dial(t, &configv1.ConnectProvider{Protocol: protocol, Url: remotetest.Serve(t, service(
			remotetest.Provider[engine.PriceKey, int64](func(ctx context.Context, _ *engine.Call, _ []engine.PriceKey, _ []int64) error {
				<-ctx.Done()
				gone <- struct{}{}
				return ctx.Err()
			}))), Retries: &configv1.Retries{MaxAttempts: 3}})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := ask(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		<-gone // the provider learns that nobody waits any more

		ctx, cancel = context.WithCancel(t.Context())
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		if err := ask(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		timer.Stop()
		<-gone
	}
}

func TestTheLoserOfAHedgeIsCancelled(t *testing.T) {
	for name, protocol := range remotetest.Protocols() {
		var calls atomic.Int64
		gone := make(chan struct{})
		c := remotetest.Dial(t, &configv1.ConnectProvider{Protocol: protocol, HedgingDelay: durationpb.New(10 * time.Millisecond), Url: remotetest.Serve(t, service(
			remotetest.Provider[engine.PriceKey, int64](func(ctx context.Context, _ *engine.Call, keys []engine.PriceKey, out []int64) error {
				if calls.Add(1) == 1 {
					<-ctx.Done()
					close(gone)
					return ctx.Err()
				}
				out[0] = keys[0].ModelID
				return nil
			})))})
		if err := ask(t.Context(), c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		<-gone
	}
}

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes the PEM of a certificate for a name, and of its key.
func (a *authority) sign(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	serverCert, serverKey := ours.sign(t, "provider.example")
	clientCert, clientKey := ours.sign(t, "engine.example")
	ca, otherCA := file("ca.pem", ours.pem), file("other.pem", theirs.pem)
	cert, key := file("cert.pem", clientCert), file("key.pem", clientKey)

	pair, err := tls.X509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	var proto atomic.Value
	h := service(own())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		h.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()

	for _, tc := range []struct {
		name string
		tls  *configv1.TlsClient
		ok   bool
	}{
		{"both know each other", &configv1.TlsClient{CaFile: ca, CertFile: cert, KeyFile: key, ServerName: "provider.example"}, true},
		{"another name", &configv1.TlsClient{CaFile: ca, CertFile: cert, KeyFile: key}, false},
		{"another authority", &configv1.TlsClient{CaFile: otherCA, CertFile: cert, KeyFile: key, ServerName: "provider.example"}, false},
		{"no certificate to show", &configv1.TlsClient{CaFile: ca, ServerName: "provider.example"}, false},
		{"the system's authorities", nil, false},
	} {
		for name, protocol := range remotetest.Protocols() {
			t.Run(tc.name+" over "+name, func(t *testing.T) {
				c := remotetest.Dial(t, &configv1.ConnectProvider{Url: s.URL, Protocol: protocol, Tls: tc.tls})
				defer c.Close()
				if err := ask(t.Context(), c); (err == nil) != tc.ok {
					t.Errorf("error %v, want success %v", err, tc.ok)
				}
				if tc.ok && proto.Load() != "HTTP/2.0" {
					t.Errorf("%v was agreed on, want HTTP/2.0", proto.Load())
				}
			})
		}
	}
}

func TestWrongSettingsNameTheField(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign(t, "engine.example")
	_, otherKey := a.sign(t, "engine.example")
	files := map[string][]byte{"ca": a.pem, "cert": cert, "key": key, "other": otherKey, "text": []byte("hello")}
	deps := remotetest.Deps()
	deps.ReadFile = func(name string) ([]byte, error) {
		if b, ok := files[name]; ok {
			return b, nil
		}
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	const https = "https://provider.example"
	for _, tc := range []struct {
		name string
		conf *configv1.ConnectProvider
		want string
	}{
		{"no URL", &configv1.ConnectProvider{}, "url: "},
		{"a URL of another scheme", &configv1.ConnectProvider{Url: "httpx://a"}, "url: "},
		{"no host", &configv1.ConnectProvider{Url: "http://:80"}, "url: "},
		{"a query", &configv1.ConnectProvider{Url: "http://a?b=c"}, "url: "},
		{"what is no URL", &configv1.ConnectProvider{Url: "http://[::1"}, "url: "},
		{"a password in what is no URL", &configv1.ConnectProvider{Url: "https://user:secret@[::1"}, "url: "},
		{"a password", &configv1.ConnectProvider{Url: "https://user:secret@a"}, "url: "},
		{"TLS without https", &configv1.ConnectProvider{Url: "http://a", Tls: &configv1.TlsClient{}}, "tls: "},
		{"an authority that is not there", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CaFile: "none"}}, "tls.ca_file: open none"},
		{"an authority that is none", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CaFile: "text"}}, "tls.ca_file: "},
		{"a certificate without key", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CertFile: "cert"}}, "tls: cert_file"},
		{"a certificate that is not there", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CertFile: "none", KeyFile: "key"}}, "tls.cert_file: "},
		{"a key that is not there", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CertFile: "cert", KeyFile: "none"}}, "tls.key_file: "},
		{"a key of another certificate", &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CertFile: "cert", KeyFile: "other"}}, "tls.cert_file, tls.key_file: "},
	} {
		_, err := remote.New(tc.conf, deps)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v shows the password", tc.name, err)
		}
	}
	good := &configv1.ConnectProvider{Url: https, Tls: &configv1.TlsClient{CaFile: "ca", CertFile: "cert", KeyFile: "key"}}
	if _, err := remote.New(good, deps); err != nil {
		t.Error(err)
	}
}
