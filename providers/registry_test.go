package providers

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers/reference"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
	"proscenium/scenes"
	"proscenium/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sold is a provider that answers each model with one number.
func sold(n int64) engine.GMVProvider {
	return remotetest.Each(func(engine.PriceKey) int64 { return n })
}

func serve(t *testing.T, n int64) string {
	t.Helper()
	return remotetest.Serve(t, reference.Handler(engine.Providers{GMV: sold(n)}, remotetest.Snapshot))
}

func at(url string) *configv1.Provider {
	return &configv1.Provider{Kind: &configv1.Provider_Connect{Connect: &configv1.ConnectProvider{Url: url}}}
}

func embedded(name string) *configv1.Provider {
	return &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{Name: name}}}
}

func snapshot(version string, dependencies ...*configv1.Dependency) *scenes.Snapshot {
	snap := remotetest.Snapshot()
	snap.Version = version
	for _, code := range []string{"CA", "MX"} {
		r := *snap.Regions["US"]
		r.Code = code
		snap.Regions[code] = &r
	}
	snap.Dependencies = map[string]*configv1.Dependency{}
	for _, d := range dependencies {
		snap.Dependencies[d.GetCommand()] = d
	}
	return snap
}

func ask(t *testing.T, p *engine.Providers) (int64, error) {
	t.Helper()
	got, err := remotetest.Ask(t.Context(), p.GMV, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 1})
	return got[0], err
}

func TestARegionGetsItsOwnProviderElseThatOfAllElseTheEmbeddedOne(t *testing.T) {
	all := map[string]*configv1.Provider{"US": at(serve(t, 1)), "CA": embedded("ours")}
	for _, tc := range []struct {
		name string
		dep  *configv1.Dependency
		want map[string]int64
	}{
		{"no dependency", nil, map[string]int64{"US": 9, "CA": 9, "MX": 9}},
		{"only policies", &configv1.Dependency{Command: "gmv.query", MaxBatch: 5}, map[string]int64{"US": 9, "CA": 9, "MX": 9}},
		{"regions", &configv1.Dependency{Command: "gmv.query", Regions: all}, map[string]int64{"US": 1, "CA": 7, "MX": 9}},
		{"regions and all", &configv1.Dependency{Command: "gmv.query", Regions: all, Provider: at(serve(t, 2))}, map[string]int64{"US": 1, "CA": 7, "MX": 2}},
		{"the embedded one by name", &configv1.Dependency{Command: "gmv.query", Provider: embedded("")}, map[string]int64{"US": 9, "CA": 9, "MX": 9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := New(engine.Providers{GMV: sold(9)}, remotetest.Deps(), Named("ours", engine.Providers{GMV: sold(7)}))
			defer r.Close()
			var deps []*configv1.Dependency
			if tc.dep != nil {
				deps = append(deps, tc.dep)
			}
			snap := snapshot("1", deps...)
			for region, want := range tc.want {
				p, err := r.Open(snap, snap.Regions[region], traffic.Live)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := ask(t, p); got != want || err != nil {
					t.Errorf("%s: %d, %v; want %d", region, got, err, want)
				}
			}
		})
	}
}

func TestErrorsNameTheDependencyAndTheField(t *testing.T) {
	deps := remotetest.Deps()
	deps.ReadFile = func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	r := New(engine.Providers{GMV: sold(9)}, deps, Named("ours", engine.Providers{GMV: sold(7)}), Named("other", engine.Providers{Tax: nil}))
	defer r.Close()
	tls := &configv1.Provider{Kind: &configv1.Provider_Connect{Connect: &configv1.ConnectProvider{
		Url: "https://a.example", Tls: &configv1.TlsClient{CaFile: "/etc/ca.pem"},
	}}}
	snap := snapshot("1",
		&configv1.Dependency{Command: "gmv.query", Provider: embedded("theirs")},
		&configv1.Dependency{Command: "tax.rates", Provider: embedded("other")},
		&configv1.Dependency{Command: "rebate.query", Provider: embedded("")},
		&configv1.Dependency{Command: "price.query", Regions: map[string]*configv1.Provider{"US": at("ftp://a")}},
		&configv1.Dependency{Command: "stock.query", Provider: tls},
		&configv1.Dependency{Command: "stock.forecast", Provider: embedded("")},
		&configv1.Dependency{Command: "package.query", Provider: &configv1.Provider{}},
	)
	_, err := r.Open(snap, snap.Regions["US"], traffic.Live)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`dependencies: gmv.query.provider.embedded.name: "theirs" is not registered; registered are other, ours`,
		`dependencies: tax.rates.provider.embedded.name: "other" does not answer tax.rates`,
		`dependencies: rebate.query.provider.embedded.name: this program embeds no provider of the command`,
		`dependencies: price.query.regions[US].connect: url: "ftp://a" must begin with http:// or https://`,
		`dependencies: stock.query.provider.connect: tls.ca_file: open /etc/ca.pem: permission denied`,
		`dependencies: stock.forecast: there is no such command`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d errors, want 6:\n%v", n, err)
	}
}

func TestACommandThatNobodyAnswersFailsWhenItIsAsked(t *testing.T) {
	r := New(engine.Providers{}, remotetest.Deps())
	snap := snapshot("1")
	p, err := r.Open(snap, snap.Regions["US"], traffic.Live)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, p); err == nil || !strings.Contains(err.Error(), "no provider answers gmv.query") {
		t.Error(err)
	}
	if _, memory := p.GMV.(engine.FromMemory); !memory {
		t.Error("failing takes no time")
	}
}

// dialled counts the connections that a registry opened, and those that are open.
type dialled struct{ opened, open atomic.Int64 }

type countedConn struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}

func (d *dialled) deps() remote.Deps {
	deps := remotetest.Deps()
	deps.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		d.opened.Add(1)
		d.open.Add(1)
		return &countedConn{Conn: conn, done: func() { d.open.Add(-1) }}, nil
	}
	return deps
}

func (d *dialled) want(t *testing.T, when string, opened, open int64) {
	t.Helper()
	if a, b := d.opened.Load(), d.open.Load(); a != opened || b != open {
		t.Errorf("%s: %d connections were opened and %d are, want %d and %d", when, a, b, opened, open)
	}
}

func TestClientsLiveAsLongAsTheirConfiguration(t *testing.T) {
	var d dialled
	r := New(engine.Providers{}, d.deps())
	one, two := serve(t, 1), serve(t, 2)
	load := func(version string, wants map[string]int64, dependency *configv1.Dependency) {
		t.Helper()
		snap := snapshot(version, dependency)
		for region, want := range wants {
			p, err := r.Open(snap, snap.Regions[region], traffic.Live)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ask(t, p); got != want || err != nil {
				t.Errorf("%s in %s: %d, %v", region, version, got, err)
			}
		}
		r.Retain(snap)
	}
	gmv := func(p *configv1.Provider, regions map[string]*configv1.Provider) *configv1.Dependency {
		return &configv1.Dependency{Command: "gmv.query", Provider: p, Regions: regions}
	}
	load("1", map[string]int64{"US": 1, "CA": 1}, gmv(at(one), nil))
	d.want(t, "two regions of one provider", 1, 1)
	load("2", map[string]int64{"US": 1, "CA": 1}, gmv(at(one), nil))
	d.want(t, "the same again", 1, 1)
	load("3", map[string]int64{"US": 2, "CA": 1}, gmv(at(one), map[string]*configv1.Provider{"US": at(two)}))
	d.want(t, "one more", 2, 2)
	load("4", map[string]int64{"US": 2}, gmv(at(two), nil))
	d.want(t, "the first is gone", 2, 1)

	// A configuration that is opened and then not applied takes nothing away.
	refused := snapshot("5", gmv(at(one), nil))
	if _, err := r.Open(refused, refused.Regions["US"], traffic.Live); err != nil {
		t.Fatal(err)
	}
	d.want(t, "a configuration that is not applied", 2, 1)
	load("6", map[string]int64{"US": 2}, gmv(at(two), nil))
	d.want(t, "the next that is", 2, 1)
	r.Close()
	d.want(t, "closed", 2, 0)
}

func TestARenewedCertificateMakesANewClient(t *testing.T) {
	content := []byte("first")
	deps := remotetest.Deps()
	deps.ReadFile = func(string) ([]byte, error) { return content, nil }
	conf := &configv1.ConnectProvider{Url: "https://a.example", Tls: &configv1.TlsClient{CaFile: "ca.pem"}}
	first, err := fingerprint(conf, deps.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	content = []byte("second")
	second, err := fingerprint(conf, deps.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("the client of the old certificate would be kept")
	}
	if again, err := fingerprint(conf, deps.ReadFile); err != nil || again != second {
		t.Errorf("equal settings make other clients: %v", err)
	}
}

func TestCallsUnderWayOutliveTheirClient(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	url := remotetest.Serve(t, reference.Handler(engine.Providers{
		GMV: remotetest.Provider[engine.PriceKey, int64](func(_ context.Context, _ *engine.Call, _ []engine.PriceKey, out []int64) error {
			close(asked)
			<-answer
			out[0] = 5
			return nil
		}),
	}, remotetest.Snapshot))
	for name, protocol := range map[string]configv1.Protocol{"connect": configv1.Protocol_PROTOCOL_CONNECT, "grpc": configv1.Protocol_PROTOCOL_GRPC} {
		r := New(engine.Providers{GMV: sold(9)}, remotetest.Deps())
		snap := snapshot("1", &configv1.Dependency{Command: "gmv.query", Provider: &configv1.Provider{
			Kind: &configv1.Provider_Connect{Connect: &configv1.ConnectProvider{Url: url, Protocol: protocol}},
		}})
		p, err := r.Open(snap, snap.Regions["US"], traffic.Live)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			got, err := remotetest.Ask(context.Background(), p.GMV, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 1})
			if err == nil && got[0] != 5 {
				err = errors.New("a wrong answer")
			}
			done <- err
		}()
		<-asked
		next := snapshot("2")
		if _, err := r.Open(next, next.Regions["US"], traffic.Live); err != nil {
			t.Fatal(err)
		}
		r.Retain(next)
		close(answer)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
		asked, answer = make(chan struct{}), make(chan struct{})
	}
}

func TestReloadsUnderLoad(t *testing.T) {
	one, two := serve(t, 1), serve(t, 2)
	r := New(engine.Providers{}, remotetest.Deps())
	defer r.Close()
	var current atomic.Pointer[engine.Providers]
	apply := func(n int) {
		url := []string{one, two}[n%2]
		snap := snapshot([]string{"even", "odd"}[n%2], &configv1.Dependency{Command: "gmv.query", Provider: at(url)})
		p, err := r.Open(snap, snap.Regions["US"], traffic.Live)
		if err != nil {
			t.Error(err)
			return
		}
		current.Store(p)
		r.Retain(snap)
	}
	apply(0)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := remotetest.Ask(context.Background(), current.Load().GMV, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 1}); err != nil || got[0] != 1 && got[0] != 2 {
					t.Errorf("%d, %v", got, err)
					return
				}
			}
		})
	}
	for n := range 100 {
		apply(n)
	}
	close(stop)
	readers.Wait()
	// The old configuration's client may have connected anew after it was let go.
	r.Close()
}

func TestAnUnknownHostIsAFailureOfTheCallNotOfTheLoad(t *testing.T) {
	r := New(engine.Providers{}, remotetest.Deps())
	defer r.Close()
	snap := snapshot("1", &configv1.Dependency{Command: "gmv.query", Provider: at("http://127.0.0.1:1")})
	p, err := r.Open(snap, snap.Regions["US"], traffic.Live)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, p); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Error(err)
	}
}

func TestLiveAndShadowTrafficShareNoConnection(t *testing.T) {
	var conns sync.Map
	answer := reference.Handler(engine.Providers{GMV: sold(5)}, remotetest.Snapshot)
	url := remotetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns.Store(r.RemoteAddr, r.Header.Get(traffic.Header))
		answer.ServeHTTP(w, r)
	}))
	r := New(engine.Providers{}, remotetest.Deps())
	defer r.Close()
	snap := snapshot("1", &configv1.Dependency{Command: "gmv.query", Provider: at(url)})
	for _, class := range traffic.All() {
		p, err := r.Open(snap, snap.Regions["US"], class)
		if err != nil {
			t.Fatal(err)
		}
		call := remotetest.Call(snap)
		call.Class = class
		for range 3 {
			if err := p.GMV.Query(t.Context(), call, []engine.PriceKey{{ItemID: 1, ModelID: 2}}, make([]int64, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]int{}
	conns.Range(func(_, mark any) bool { got[mark.(string)]++; return true })
	if diff := cmp.Diff(map[string]int{"": 1, "1": 1}, got); diff != "" {
		t.Errorf("connections by the mark of what went over them (-want +got):\n%s", diff)
	}
}
