package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"proscenium/scenes/remote/etcd"
	"proscenium/scenes/remote/etcd/etcdtest"
)

// stored are all keys of a server, and their values.
func stored(t *testing.T, s *etcdtest.Server) map[string]string {
	t.Helper()
	res, err := s.Client.Get(t.Context(), "\x00", clientv3.WithFromKey())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, kv := range res.Kvs {
		all[string(kv.Key)] = string(kv.Value)
	}
	return all
}

func TestAPublicationWritesWhatChangedAndNothingElse(t *testing.T) {
	s := etcdtest.Start(t)
	a := at(s.Endpoint, "/m/")
	s.Put("/m2/a.yaml", "another's", "/m/README.md", "by hand")
	for _, c := range []struct {
		name                    string
		files                   map[string]string
		added, changed, removed []string
		writes                  bool
	}{
		{"the first", map[string]string{"a.yaml": "1", "b/c.yaml": "2"}, []string{"a.yaml", "b/c.yaml"}, nil, nil, true},
		{"the same", map[string]string{"a.yaml": "1", "b/c.yaml": "2"}, nil, nil, nil, false},
		{"all kinds of changes", map[string]string{"a.yaml": "3", "d.yaml": "4"}, []string{"d.yaml"}, []string{"a.yaml"}, []string{"b/c.yaml"}, true},
		{"an empty file", map[string]string{"a.yaml": "", "d.yaml": "4"}, nil, []string{"a.yaml"}, nil, true},
		{"only a removal", map[string]string{"d.yaml": "4"}, nil, nil, []string{"a.yaml"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.Revision()
			plan, err := publish(t, a, c.files)
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(plan.Added, c.added) || !cmp.Equal(plan.Changed, c.changed) || !cmp.Equal(plan.Removed, c.removed) || plan.Empty() == c.writes {
				t.Errorf("added %v, changed %v, removed %v", plan.Added, plan.Changed, plan.Removed)
			}
			want := map[string]string{"/m2/a.yaml": "another's", "/m/README.md": "by hand", "/m/.version": "v"}
			for name, text := range c.files {
				want["/m/"+name] = text
			}
			if diff := cmp.Diff(want, stored(t, s)); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
			if wrote := s.Revision() - before; wrote != 1 && c.writes || wrote != 0 && !c.writes {
				t.Errorf("the revision grew by %d", wrote)
			}
		})
	}
}

func TestWhatReadersCannotReadIsTakenAway(t *testing.T) {
	s := etcdtest.Start(t)
	s.Put("/m//a.yaml", "no file", "/m/\xff.yaml", "no file", "/m/b.yaml", "\xff")
	if _, err := publish(t, at(s.Endpoint, "/m/"), map[string]string{"b.yaml": "good"}); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, newSource(t, at(s.Endpoint, "/m/"))); !cmp.Equal(got, map[string]string{"b.yaml": "good"}) {
		t.Errorf("files %v", got)
	}
}

func TestOfTwoPublicationsOneFailsAndWritesNothing(t *testing.T) {
	s := etcdtest.Start(t)
	a := at(s.Endpoint, "/m/")
	base := map[string]string{"a.yaml": "1", "b.yaml": "2", "c.yaml": "3"}
	for _, c := range []struct {
		name   string
		first  func() // between plan and publication of the second
		second map[string]string
	}{
		{"both change a file", func() { mustPublish(t, a, map[string]string{"a.yaml": "x", "b.yaml": "2", "c.yaml": "3"}) }, map[string]string{"a.yaml": "y", "b.yaml": "2", "c.yaml": "3"}},
		{"each changes another file", func() { mustPublish(t, a, map[string]string{"a.yaml": "x", "b.yaml": "2", "c.yaml": "3"}) }, map[string]string{"a.yaml": "1", "b.yaml": "y", "c.yaml": "3"}},
		{"both only remove", func() { mustPublish(t, a, map[string]string{"b.yaml": "2", "c.yaml": "3"}) }, map[string]string{"a.yaml": "1", "c.yaml": "3"}},
		{"one adds what the other adds", func() { mustPublish(t, a, map[string]string{"d.yaml": "x"}) }, map[string]string{"d.yaml": "y"}},
		{"somebody writes by hand", func() { s.Put("/m/z.yaml", "by hand") }, map[string]string{"a.yaml": "y"}},
		{"somebody writes what was there", func() { s.Put("/m/a.yaml", "1") }, map[string]string{"a.yaml": "y"}},
		{"somebody deletes and makes it anew", func() { s.Delete("/m/a.yaml"); s.Put("/m/a.yaml", "1") }, map[string]string{"a.yaml": "y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustPublish(t, a, base)
			p := newPublisher(t, a)
			plan, err := p.Plan(t.Context(), filesOf(c.second))
			if err != nil {
				t.Fatal(err)
			}
			c.first()
			before := stored(t, s)
			if _, err := p.Publish(t.Context(), plan, "second"); !errors.Is(err, etcd.ErrConflict) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(before, stored(t, s)); diff != "" {
				t.Errorf("something was written:\n%s", diff)
			}
		})
	}
}

func mustPublish(t *testing.T, a etcd.Address, files map[string]string) {
	t.Helper()
	if _, err := publish(t, a, files); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatSomebodyDeletesMeanwhileIsMissed(t *testing.T) {
	s := etcdtest.Start(t)
	a := at(s.Endpoint, "/m/")
	mustPublish(t, a, map[string]string{"a.yaml": "1", "b.yaml": "2", "c.yaml": "3"})
	p := newPublisher(t, a)
	wanted := map[string]string{"a.yaml": "1", "b.yaml": "3"}
	plan, err := p.Plan(t.Context(), filesOf(wanted))
	if err != nil {
		t.Fatal(err)
	}
	s.Delete("/m/c.yaml", "/m/a.yaml") // c.yaml is to go anyway
	if _, err := p.Publish(t.Context(), plan, "v"); err == nil || !strings.Contains(err.Error(), "somebody deleted a.yaml meanwhile") {
		t.Errorf("error %v", err)
	}
	mustPublish(t, a, wanted)
	if got := texts(t, newSource(t, a)); !cmp.Equal(got, wanted) {
		t.Errorf("files %v", got)
	}
}

func TestManyPublishersNeverMix(t *testing.T) {
	s := etcdtest.Start(t)
	a := at(s.Endpoint, "/m/")
	// Each has files of its own number, and as many as that.
	set := func(n int) map[string]string {
		files := map[string]string{"a.yaml": fmt.Sprint(n)}
		for i := range n {
			files[fmt.Sprintf("%d.yaml", i)] = fmt.Sprint(n)
		}
		return files
	}
	mustPublish(t, a, set(1))
	var publishers, reader sync.WaitGroup
	var published atomic.Int64
	for n := 1; n <= 4; n++ {
		publishers.Go(func() {
			for range 25 {
				_, err := publish(t, a, set(n))
				if err == nil {
					published.Add(1)
				} else if !errors.Is(err, etcd.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	src := newSource(t, a)
	reads := 0
	reader.Go(func() {
		for ; ctx.Err() == nil; reads++ {
			got := texts(t, src)
			var n int
			if _, err := fmt.Sscan(got["a.yaml"], &n); err != nil || !cmp.Equal(got, set(n)) {
				t.Errorf("a mixture: %v", got)
				return
			}
		}
	})
	publishers.Wait()
	cancel()
	reader.Wait()
	t.Logf("%d of 100 publications were done, %d reads in between", published.Load(), reads)
}

func TestWhatIsTooMuchForOneTransactionIsRefusedWhole(t *testing.T) {
	s := etcdtest.Start(t, "--quota-backend-bytes", fmt.Sprint(16<<20))
	roomy := etcdtest.Start(t, "--max-txn-ops", "202", "--max-request-bytes", fmt.Sprint(8<<20))
	many := make(map[string]string)
	for i := range 200 {
		many[fmt.Sprintf("scenes/%03d.yaml", i)] = "x"
	}
	filled := strings.Repeat("#", 1<<20)
	for i, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"200 files", many, []string{"nothing was written", "202 operations", "--max-txn-ops=202", "default is 128"}},
		{"2 MiB in two files", map[string]string{"a.yaml": filled, "b.yaml": filled}, []string{"nothing was written", "20971", "--max-request-bytes", "1572864"}},
		{"a file of 4 MiB", map[string]string{"a.yaml": strings.Repeat("#", 4<<20)}, []string{"nothing was written", "41943", "--max-request-bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			prefix := fmt.Sprintf("/%d/", i)
			_, err := publish(t, at(s.Endpoint, prefix), c.files)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v; want %q", err, want)
				}
			}
			if got := stored(t, s); len(got) != 0 {
				t.Errorf("%d keys were written", len(got))
			}
			mustPublish(t, at(roomy.Endpoint, prefix), c.files)
			if got := texts(t, newSource(t, at(roomy.Endpoint, prefix))); !cmp.Equal(got, c.files) {
				t.Errorf("%d files", len(got))
			}
		})
	}
	t.Run("a full store", func(t *testing.T) {
		var full error
		for i := range 40 {
			if _, full = s.Client.Put(t.Context(), "/other", fmt.Sprint(i)+filled); full != nil {
				break
			}
		}
		_, err := publish(t, at(s.Endpoint, "/m/"), map[string]string{"a.yaml": "1"})
		if err == nil || !strings.Contains(err.Error(), "nothing was written: etcd is full") {
			t.Errorf("error %v, after %v", err, full)
		}
	})
}

func TestOneConfigurationIsNotInsideAnother(t *testing.T) {
	s := etcdtest.Start(t)
	files := map[string]string{"a.yaml": "1"}
	mustPublish(t, at(s.Endpoint, "/a/b/"), files)
	for prefix, want := range map[string]string{
		"/a/":       "another configuration, at /a/b/",
		"/a/b/c/":   "another configuration, at /a/b/",
		"/a/b/c/d/": "another configuration, at /a/b/",
	} {
		if _, err := publish(t, at(s.Endpoint, prefix), files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", prefix, err)
		}
	}
	for _, prefix := range []string{"/a/c/", "/a/b2/", "/b/", "/a/b/"} {
		mustPublish(t, at(s.Endpoint, prefix), files)
	}
}

func TestPublishingToWhatIsAwaySaysSo(t *testing.T) {
	t.Parallel() // it waits for times to run out
	s := etcdtest.Start(t)
	a := at(s.Endpoint, "/m/")
	p := newPublisher(t, a)
	plan, err := p.Plan(t.Context(), filesOf(map[string]string{"a.yaml": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{cancelled, t.Context()} {
		if _, err := p.Publish(ctx, plan, "v"); err == nil || !strings.Contains(err.Error(), "not known whether this was written") || !strings.Contains(err.Error(), "publish again") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := p.Plan(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "read what is there") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}
