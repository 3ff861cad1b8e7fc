package etcd_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/remote"
	"proscenium/scenes/remote/etcd"
	"proscenium/scenes/remote/etcd/etcdtest"
	"proscenium/scenes/source"
)

// at is the address of a prefix on a server.
func at(endpoint, prefix string) etcd.Address {
	return etcd.Address{Endpoints: []string{endpoint}, Prefix: prefix}
}

func newSource(t *testing.T, a etcd.Address) *remote.Source {
	t.Helper()
	s, err := etcd.NewSource(a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follow watches until the test ends.
func follow(t *testing.T, s *remote.Source) <-chan struct{} {
	t.Helper()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.Watch(ctx, changed) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the watch ended with %v", err)
		}
	})
	<-changed
	return changed
}

// texts reads the files, and wants no findings.
func texts(t *testing.T, s *remote.Source) map[string]string {
	t.Helper()
	files, findings := s.Read(t.Context())
	if findings != nil {
		t.Fatalf("findings %+v", findings)
	}
	all := make(map[string]string)
	for _, f := range files {
		all[f.Name] = string(f.Data)
	}
	return all
}

// await waits until done, which is asked whenever something changed, and now and then.
func await(t *testing.T, what string, changed <-chan struct{}, done func() bool) {
	t.Helper()
	for deadline := time.After(30 * time.Second); !done(); {
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitEvent puts values of a key until an event tells of one.
func awaitEvent(t *testing.T, s *etcdtest.Server, changed <-chan struct{}, key string) {
	t.Helper()
	for i := range 600 {
		s.Put(key, fmt.Sprint("event ", i))
		select {
		case <-changed:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("no event comes")
}

func TestAPrefixIsReadToItsEndAndNoFurther(t *testing.T) {
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "a", "/m/scenes/b.yaml", "b", "/m/.version", "v", "/m/README.md", "r",
		"/m", "no", "/m.yaml", "no", "/m2/a.yaml", "no", "/ma/a.yaml", "no", "/m0", "no", "/l/a.yaml", "no", "m/a.yaml", "no", "/", "no", "\xff", "no")
	got := texts(t, newSource(t, at(s.Endpoint, "/m/")))
	if len(got) != 2 || got["a.yaml"] != "a" || got["scenes/b.yaml"] != "b" {
		t.Errorf("files %v", got)
	}
	_, findings := newSource(t, at(s.Endpoint, "/n/")).Read(t.Context())
	if len(findings) != 1 || !strings.Contains(findings[0].Message, "no key /n/*.yaml") || !strings.Contains(findings[0].Hint, "publish") {
		t.Errorf("a prefix without keys: %+v", findings)
	}
}

func TestAMemberThatIsAwayIsMadeUpForByAnother(t *testing.T) {
	gone, s := etcdtest.Start(t), etcdtest.Start(t)
	s.Put("/m/a.yaml", "1")
	a := etcd.Address{Endpoints: []string{gone.Endpoint, s.Endpoint}, Prefix: "/m/"}
	gone.Kill()
	src := newSource(t, a)
	changed := follow(t, src)
	for range 10 {
		if got := texts(t, src); got["a.yaml"] != "1" {
			t.Errorf("files %v", got)
		}
	}
	awaitEvent(t, s, changed, "/m/a.yaml")
	mustPublish(t, a, map[string]string{"a.yaml": "2"})
}

func TestChangesAreToldAndReadAtOneRevision(t *testing.T) {
	s := etcdtest.Start(t, "--max-txn-ops", "1000")
	src := newSource(t, at(s.Endpoint, "/m/"))
	putAll := func(text string) {
		var ops []clientv3.Op
		for i := range 200 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("/m/scenes/%03d.yaml", i), text))
		}
		if _, err := s.Client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Error(err)
		}
	}
	putAll("0")
	changed := follow(t, src)
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 50 {
			putAll(fmt.Sprint(i))
		}
		putAll("last")
	})
	await(t, "the last write", changed, func() bool {
		got := texts(t, src)
		first := got["scenes/000.yaml"]
		for name, text := range got {
			if text != first {
				t.Fatalf("%s is %s beside %s", name, text, first)
			}
		}
		if len(got) != 200 {
			t.Fatalf("%d files", len(got))
		}
		return first == "last"
	})
	writer.Wait()
}

func TestWhatIsAwayIsAFindingThatStaysTheSameUntilItIsBack(t *testing.T) {
	t.Parallel() // it waits for times to run out
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "1")
	src := newSource(t, at(s.Endpoint, "/m/"))
	changed := follow(t, src)
	texts(t, src)
	s.Kill()
	var first diag.Diagnostic
	for i := range 3 { // so long that the provider's connection waits for longer than a read does
		files, findings := src.Read(t.Context())
		if files != nil || len(findings) != 1 || findings[0].Code != diag.Unreadable || !strings.Contains(findings[0].Message, "no answer within 5s") {
			t.Fatalf("files %v, findings %+v", files, findings)
		}
		if i == 0 {
			first = findings[0]
			if first.Hint != s.Endpoint+": connect: connection refused" {
				t.Errorf("hint %q", first.Hint)
			}
		}
		if findings[0].Message != first.Message {
			t.Errorf("the same trouble is told in two ways: %q, %q", first.Message, findings[0].Message)
		}
	}
	s.Restart()
	if got := texts(t, src); got["a.yaml"] != "1" {
		t.Errorf("files %v", got)
	}
	awaitEvent(t, s, changed, "/m/a.yaml")
}

func TestAReadThatIsNotWantedAnyMoreEndsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	src := newSource(t, at(l.Addr().String(), "/m/"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		src.Read(ctx)
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(4 * time.Second): // before the provider gives up
		t.Error("the read goes on")
	}
}

// cable is between a client and a server, and can be cut.
type cable struct {
	to       string
	listener net.Listener
	mu       sync.Mutex
	cut      bool
	open     []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{to: to, listener: l}
	go c.accept()
	t.Cleanup(func() {
		_ = l.Close()
		c.set(true)
	})
	return c
}

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		c.mu.Lock()
		if err != nil || c.cut {
			_ = near.Close()
			if far != nil {
				_ = far.Close()
			}
		} else {
			c.open = append(c.open, near, far)
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				}()
			}
		}
		c.mu.Unlock()
	}
}

// set cuts the cable, or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.open = nil
}

// A watch that was cut off resumes at the revision that it had. If that is compacted by then, etcd ends it, and koanf's provider does not tell.
func TestAWatchWhoseEventsAreCompactedIsBegunAgain(t *testing.T) {
	t.Parallel() // it waits for times to run out
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "1")
	line := newCable(t, s.Endpoint)
	src := newSource(t, at(line.listener.Addr().String(), "/m/"))
	changed := follow(t, src)
	awaitEvent(t, s, changed, "/m/a.yaml")
	texts(t, src)

	line.set(true)
	for range 10 {
		s.Put("/other", "x")
	}
	s.Put("/m/a.yaml", "while cut")
	if _, err := s.Client.Compact(t.Context(), s.Revision()); err != nil {
		t.Fatal(err)
	}
	line.set(false)
	await(t, "the news, by polling", nil, func() bool {
		files, _ := src.Read(t.Context())
		return len(files) == 1 && string(files[0].Data) == "while cut"
	})
	awaitEvent(t, s, changed, "/m/a.yaml") // this is what fails where the watch is not begun again
	awaitEvent(t, s, changed, "/m/a.yaml")
}

func TestReadsAndEventsLeaveNothingBehind(t *testing.T) {
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "1")
	src := newSource(t, at(s.Endpoint, "/m/"))
	changed := follow(t, src)
	awaitEvent(t, s, changed, "/m/a.yaml")
	texts(t, src)
	before := runtime.NumGoroutine()
	for i := range 300 {
		s.Put("/m/a.yaml", fmt.Sprint(i))
		texts(t, src)
	}
	await(t, "goroutines to end", nil, func() bool { return runtime.NumGoroutine() <= before })
}

func TestATextThatIsNoUTF8IsFoundWhereItIs(t *testing.T) {
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "regions: []\n# \xff\n")
	files, findings := newSource(t, at(s.Endpoint, "/m/")).Read(t.Context())
	if findings != nil {
		t.Fatal(findings)
	}
	found := scenes.LoadFiles(files, time.Now()).Diagnostics
	if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code == diag.NotUTF8 && d.File == "a.yaml" }) {
		t.Errorf("findings %+v", found)
	}
}

func TestAFileMayBeAsLargeAsEtcdTakesIt(t *testing.T) {
	s := etcdtest.Start(t, "--max-request-bytes", fmt.Sprint(32<<20))
	large := strings.Repeat("#", 12<<20)
	s.Put("/m/a.yaml", large)
	if got := texts(t, newSource(t, at(s.Endpoint, "/m/"))); got["a.yaml"] != large {
		t.Errorf("%d bytes", len(got["a.yaml"]))
	}
}

func TestTLSTrustsWhatTheSystemTrusts(t *testing.T) {
	s := etcdtest.StartTLS(t)
	t.Setenv("SSL_CERT_FILE", s.Roots) // read once in a process: no other test here may come before it
	s.Put("/m/a.yaml", "1")
	a := at(s.Endpoint, "/m/")
	a.TLS = true
	src := newSource(t, a)
	changed := follow(t, src)
	if got := texts(t, src); got["a.yaml"] != "1" {
		t.Errorf("files %v", got)
	}
	awaitEvent(t, s, changed, "/m/a.yaml")
	if _, err := publish(t, a, map[string]string{"a.yaml": "2"}); err != nil || s.Get("/m/a.yaml") != "2" {
		t.Errorf("published %q, %v", s.Get("/m/a.yaml"), err)
	}
	plain := newSource(t, at(s.Endpoint, "/m/"))
	if _, findings := plain.Read(t.Context()); len(findings) != 1 || !strings.Contains(findings[0].Message, "no answer") {
		t.Errorf("without TLS: %+v", findings)
	}
}

func TestAnEtcdThatAsksForAUserSaysSo(t *testing.T) {
	s := etcdtest.Start(t)
	s.Put("/m/a.yaml", "1")
	ctx := t.Context()
	_, err := s.Client.UserAdd(ctx, "root", rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.RoleAdd(ctx, "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.UserGrantRole(ctx, "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
	_, findings := newSource(t, at(s.Endpoint, "/m/")).Read(ctx)
	if len(findings) != 1 || !strings.Contains(findings[0].Message, "etcd asks for a user") || findings[0].Hint == "" {
		t.Errorf("findings %+v", findings)
	}
	if _, err := publish(t, at(s.Endpoint, "/m/"), map[string]string{"a.yaml": "2"}); err == nil || !strings.Contains(err.Error(), "etcd asks for a user") {
		t.Errorf("error %v", err)
	}
}

// publish plans and publishes files, by a publisher of its own, under the version "v".
func publish(t *testing.T, a etcd.Address, files map[string]string) (*etcd.Plan, error) {
	t.Helper()
	p := newPublisher(t, a)
	plan, err := p.Plan(t.Context(), filesOf(files))
	if err != nil {
		return nil, err
	}
	_, err = p.Publish(t.Context(), plan, "v")
	return plan, err
}

func newPublisher(t *testing.T, a etcd.Address) *etcd.Publisher {
	t.Helper()
	p, err := etcd.NewPublisher(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func filesOf(texts map[string]string) (files []source.File) {
	for name, text := range texts {
		files = append(files, source.File{Name: name, Data: []byte(text)})
	}
	source.Sort(files)
	return files
}
