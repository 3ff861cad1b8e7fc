package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"proscenium/scenes/remote/etcd/etcdtest"
)

// fleet is some servers that follow one configuration in etcd.
type fleet struct {
	etcd    *etcdtest.Server
	binary  string
	address string
	config  string // the directory that is published
	data    []string
	servers []*serving
	// versions are those that were published.
	versions []string
}

// startFleet publishes the reference marketplace and starts n servers on it.
func startFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{etcd: etcdtest.Start(t), binary: build(t), config: copyConfigs(t)}
	f.address = "etcd://" + f.etcd.Endpoint + "/proscenium/market"
	f.publish(t)
	for i := range n {
		f.data = append(f.data, t.TempDir())
		f.servers = append(f.servers, f.start(t, i))
	}
	return f
}

func (f *fleet) start(t *testing.T, i int) *serving {
	t.Helper()
	return startServing(t, f.binary, "--config", f.address, "--catalog", filepath.Join(f.config, "catalog"), "--data", f.data[i])
}

var published = regexp.MustCompile(`has version (\S+)`)

// publish puts the directory into etcd, and returns its version.
func (f *fleet) publish(t *testing.T) string {
	t.Helper()
	got := command(t, "", "publish", f.config, "--to", f.address)
	version := published.FindStringSubmatch(got.stdout)
	if got.code != exitDone || version == nil {
		t.Fatalf("publish: exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	f.versions = append(f.versions, version[1])
	return version[1]
}

// key is that of a file.
func (f *fleet) key(file string) string { return "/proscenium/market/" + file }

// await waits until all servers are as they should be.
func (f *fleet) await(t *testing.T, what string, is func(s *serving) bool) {
	t.Helper()
	for i, s := range f.servers {
		waitFor(t, fmt.Sprintf("server %d: %s", i, what), func() bool { return is(s) })
	}
}

// serves says whether a server answers with a version.
func serves(t *testing.T, version string) func(s *serving) bool {
	t.Helper()
	return func(s *serving) bool { return s.ask(t).ConfigVersion == version }
}

// state is what a server says of its configuration.
type state struct {
	Version  string `json:"version"`
	Outcome  string `json:"outcome"`
	Differs  bool   `json:"differs"`
	Findings []struct {
		File    string `json:"file"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"findings"`
}

func (s *serving) state(t *testing.T) (st state) {
	t.Helper()
	_, page := s.page(t, "/configz")
	if err := json.Unmarshal([]byte(page), &st); err != nil {
		t.Fatal(err, page)
	}
	return st
}

// outOfSync says whether the metrics and readiness are those of a server that serves something else than its source holds.
func (s *serving) outOfSync(t *testing.T, want int) {
	t.Helper()
	if _, page := s.page(t, "/metrics"); !strings.Contains(page, fmt.Sprintf("proscenium_config_out_of_sync %d", want)) {
		t.Errorf("the metric out_of_sync is not %d", want)
	}
	if code, _ := s.page(t, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d", code)
	}
}

// load is requests with next to no pause, by two callers of each server.
type load struct {
	end      context.CancelFunc
	all      sync.WaitGroup
	mu       sync.Mutex
	answers  map[string]int // by version
	failures []string
}

func (f *fleet) load(t *testing.T) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{end: cancel, answers: make(map[string]int)}
	for _, s := range f.servers {
		for range 2 {
			l.all.Go(func() {
				for ctx.Err() == nil {
					version, err := price(s.prices)
					l.mu.Lock()
					if err != nil {
						l.failures = append(l.failures, err.Error())
					} else {
						l.answers[version]++
					}
					l.mu.Unlock()
					<-time.After(time.Millisecond) // others test on this machine too
				}
			})
		}
	}
	t.Cleanup(func() {
		cancel()
		l.all.Wait()
	})
	return l
}

// price asks for a price, and returns the version of the answer.
func price(url string) (string, error) {
	body := `{"scene_name": "cart_guest", "region": "US", "items": [{"item_id": 1000}]}`
	res, err := http.Post(url+"/proscenium.pricing.v1.PricingService/GetPromotionInfo", "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var got answer
	if err := json.Unmarshal(data, &got); err != nil || res.StatusCode != http.StatusOK || len(got.Items) != 1 || got.Items[0].Status != "STATUS_OK" {
		return "", fmt.Errorf("%d %s", res.StatusCode, data)
	}
	return got.ConfigVersion, nil
}

// check ends the load. No request may have failed, and none may have been answered by what was not published.
func (l *load) check(t *testing.T, versions []string) {
	t.Helper()
	l.end()
	l.all.Wait()
	answers := 0
	for version, n := range l.answers {
		answers += n
		if !slices.Contains(versions, version) {
			t.Errorf("%d answers have version %s, which was not published", n, version)
		}
	}
	if len(l.failures) > 0 || answers == 0 {
		t.Errorf("%d requests failed, %d were answered; the first failure: %v", len(l.failures), answers, l.failures[:min(1, len(l.failures))])
	}
	t.Logf("%d answers of %d versions, %d failures", answers, len(l.answers), len(l.failures))
}

const sceneFile = "scenes/16_cart_guest.yaml"

func TestAFleetFollowsWhatIsPublishedAndRefusesWhatIsBroken(t *testing.T) {
	f := startFleet(t, 3)
	f.await(t, "the first version", serves(t, f.versions[0]))
	load := f.load(t)

	file := filepath.Join(f.config, sceneFile)
	edit(t, file, "    client: cart", "    item_display: {need_item_main_promo: true}\n    client: cart")
	var times []time.Duration
	for range 5 { // there and back
		for _, change := range [][2]string{{"promo: true", "promo: false"}, {"promo: false", "promo: true"}} {
			edit(t, file, change[0], change[1])
			version := f.publish(t)
			begin := time.Now()
			f.await(t, "version "+version, serves(t, version))
			times = append(times, time.Since(begin))
		}
	}
	slices.Sort(times)
	t.Logf("from publication to all %d servers, under load, %d times: median %s, longest %s",
		len(f.servers), len(times), times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))

	last := f.versions[len(f.versions)-1]
	good := f.etcd.Get(f.key(sceneFile))
	f.etcd.Put(f.key(sceneFile), strings.Replace(good, "scenario: buyer_non_user_exclusive", "scenario: buyer_non_user_exclusiv", 1))
	f.await(t, "the broken version is refused", func(s *serving) bool { return s.state(t).Differs })
	for _, s := range f.servers {
		st := s.state(t)
		if st.Version != last || st.Outcome != "invalid" || len(st.Findings) == 0 || st.Findings[0].File != sceneFile || !strings.Contains(st.Findings[0].Hint, "did you mean buyer_non_user_exclusive?") {
			t.Errorf("state %+v", st)
		}
		s.outOfSync(t, 1)
		if !serves(t, last)(s) {
			t.Error("the last good version does not serve on")
		}
		if log := s.log(); !strings.Contains(log, "the one before serves on") || !strings.Contains(log, f.address+"/"+sceneFile+":") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	}

	if version := f.publish(t); version != last {
		t.Errorf("the directory has version %s, and had %s", version, last)
	}
	f.await(t, "the mended version", func(s *serving) bool { return !s.state(t).Differs && serves(t, last)(s) })
	for _, s := range f.servers {
		s.outOfSync(t, 0)
	}
	load.check(t, f.versions)
}

func TestAFleetOutlivesItsEtcd(t *testing.T) {
	f := startFleet(t, 3)
	last := f.versions[0]
	f.await(t, "the first version", serves(t, last))
	load := f.load(t)

	f.etcd.Kill()
	f.await(t, "the source is away", func(s *serving) bool { return s.state(t).Outcome == "unreadable" })
	for _, s := range f.servers {
		st := s.state(t)
		if st.Version != last || !st.Differs || len(st.Findings) != 1 || !strings.Contains(st.Findings[0].Message, "etcd gives no answer within 5s") ||
			!strings.Contains(st.Findings[0].Hint, f.etcd.Endpoint) {
			t.Errorf("state %+v", st)
		}
		s.outOfSync(t, 1)
		if !serves(t, last)(s) {
			t.Error("the last good version does not serve on")
		}
	}
	load.check(t, f.versions)

	// A server that starts now has what it served before, or nothing.
	if err := f.servers[0].command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-f.servers[0].stdoutClosed
	if err := f.servers[0].command.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	f.servers[0] = f.start(t, 0)
	if st := f.servers[0].state(t); !serves(t, last)(f.servers[0]) || !st.Differs {
		t.Errorf("after a restart: %+v", st)
	}
	f.servers[0].outOfSync(t, 1)
	got := command(t, "", "serve", "--config", f.address, "--catalog", filepath.Join(f.config, "catalog"), "--data", t.TempDir(),
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "text")
	if got.code != exitFindings || !strings.Contains(got.stderr, f.address) || !strings.Contains(got.stderr, "etcd gives no answer within 5s") ||
		!strings.Contains(got.stderr, "connection refused") {
		t.Errorf("a server that never had a configuration: exit code %d\n%s", got.code, got.stderr)
	}

	load = f.load(t)
	f.etcd.Restart()
	f.await(t, "the source is back", func(s *serving) bool { return !s.state(t).Differs })
	edit(t, filepath.Join(f.config, sceneFile), "    client: cart", "    item_display: {need_item_main_promo: true}\n    client: cart")
	next := f.publish(t)
	f.await(t, "the next version", serves(t, next))
	load.check(t, f.versions)
}

func TestPublishSaysWhatItDoes(t *testing.T) {
	server := etcdtest.Start(t)
	to := "etcd://" + server.Endpoint + "/market"
	a := dir(t, map[string]string{"a.yaml": regions, "a_test.yaml": "no: test", "catalog/models.csv": "model"})
	b := dir(t, map[string]string{"b.yaml": regions + "clients:\n  - {id: 1, name: shop}\n"})
	warned := dir(t, map[string]string{"a.yaml": regions + "voucher_pools:\n  - {name: UNUSED, when: 'true'}\n"})
	broken := dir(t, map[string]string{"a.yaml": regions + "clents: []\n"})
	empty := dir(t, nil)
	key := func(name string) string { return "/market/" + name }
	versionA := published.FindStringSubmatch(command(t, "", "publish", a, "--to", to, "--dry-run").stdout + "has version ")
	if versionA != nil || server.Revision() != 1 {
		t.Fatalf("a dry run wrote something, or says so: %v", versionA)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		out  []string
		err  []string
	}{
		{"a dry run", []string{a, "--dry-run"}, 0, []string{"+ a.yaml\n", "would get version ", " in place of none; nothing was written"}, nil},
		{"a broken one", []string{broken}, 1, nil, []string{"a.yaml:5:1", "did you mean clients?", "nothing was written"}},
		{"an empty one", []string{empty}, 1, nil, []string{"nothing was written"}},
		{"one with warnings, strictly", []string{warned, "--strict"}, 1, nil, []string{"UNUSED", "nothing was written"}},
		{"a version that is not there", []string{a, "--if-version", "5e1c1b8d0a8ab4ce"}, 2, nil, []string{"--if-version", "has version none, not 5e1c1b8d0a8ab4ce", "nothing was written"}},
		{"the first", []string{a, "--if-version", "none"}, 0, []string{"+ a.yaml\n", " in place of none, at revision 2\n"}, nil},
		{"the same", []string{a}, 0, []string{"already; nothing to write"}, nil},
		{"something where nothing may be", []string{b, "--if-version", "none"}, 2, nil, []string{"nothing was written"}},
		{"another", []string{b}, 0, []string{"+ b.yaml\n", "- a.yaml\n", "at revision 3\n"}, nil},
		{"one with warnings", []string{warned}, 0, []string{"+ a.yaml\n", "at revision 4\n"}, []string{"UNUSED"}},
		{"no directory", []string{filepath.Join(a, "none")}, 2, nil, []string{"none"}},
		{"a file", []string{filepath.Join(a, "a.yaml")}, 2, nil, []string{"name the directory"}},
		{"another place", []string{a, "--to", "consul://127.0.0.1/market"}, 2, nil, []string{"--to", "etcd://"}},
		{"no place", []string{a, "--to", ""}, 2, nil, []string{"--to"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, "", append([]string{"publish", "--to", to}, c.args...)...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("standard output does not say %q", want)
				}
			}
			for _, want := range c.err {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("standard error does not say %q", want)
				}
			}
			if t.Failed() {
				t.Logf("stdout:\n%s\nstderr:\n%s", got.stdout, got.stderr)
			}
		})
	}
	if server.Get(key("a_test.yaml")) != "" || server.Get(key("catalog/models.csv")) != "" {
		t.Error("what is no part of the configuration was published")
	}
	server.Put(key("a.yaml"), "broken: [")
	if got := command(t, "", "publish", a, "--to", to); got.code != 0 || !strings.Contains(got.stdout, "in place of broken") {
		t.Errorf("over a broken one: %+v", got)
	}
}

func TestAPriceIsExplainedByWhatIsInEtcd(t *testing.T) {
	server := etcdtest.Start(t)
	config := copyConfigs(t)
	to := "etcd://" + server.Endpoint + "/market"
	explain := []string{"explain", "--config", to, "--catalog", filepath.Join(config, "catalog"), "--request", "-"}
	if got := command(t, exampleBody, explain...); got.code != exitFindings || !strings.Contains(got.stderr, "there is no configuration: no key /market/*.yaml") {
		t.Errorf("before: exit code %d\n%s", got.code, got.stderr)
	}
	if got := command(t, "", "publish", config, "--to", to); got.code != exitDone {
		t.Fatal(got.stderr)
	}
	here := command(t, exampleBody, "explain", "--config", config, "--request", "-", "--format", "json")
	there := command(t, exampleBody, append(explain, "--format", "json")...)
	version := regexp.MustCompile(`"config_version":\s*"(\w+)"`)
	if there.code != exitDone || version.FindString(here.stdout) == "" || version.FindString(here.stdout) != version.FindString(there.stdout) {
		t.Errorf("exit code %d\n%s%s", there.code, there.stdout, there.stderr)
	}
}

func TestAServerOfAnotherPlaceSaysWhatItNeeds(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no catalog", []string{"--config", "etcd://127.0.0.1:1/market"}, []string{"a catalog is a directory", "--catalog"}},
		{"an unknown place", []string{"--config", "consul://127.0.0.1:1/market", "--catalog", "."}, []string{"--config", "etcd://HOST:PORT/PREFIX"}},
		{"no prefix", []string{"--config", "etcd://127.0.0.1:1", "--catalog", "."}, []string{"--config", "a prefix is missing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, "", append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, c.args...)...)
			for _, want := range c.want {
				if got.code != exitUsage || !strings.Contains(got.stderr, want) {
					t.Errorf("exit code %d, want %q in\n%s", got.code, want, got.stderr)
				}
			}
		})
	}
}

func TestAServerThatDoesNotTrustItsEtcdSaysSo(t *testing.T) {
	server := etcdtest.StartTLS(t)
	server.Put("/market/a.yaml", regions)
	binary, catalog := build(t), filepath.Join(copyConfigs(t), "catalog")
	args := []string{"--config", "etcds://" + server.Endpoint + "/market", "--catalog", catalog, "--data", t.TempDir()}
	got := command(t, "", append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "text"}, args...)...)
	if got.code != exitFindings || !strings.Contains(got.stderr, "certificate signed by unknown authority") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
	t.Setenv("SSL_CERT_FILE", server.Roots)
	if trusting := startServing(t, binary, args...); trusting.state(t).Version == "" {
		t.Error("it serves nothing")
	}
}
