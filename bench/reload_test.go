package bench

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"proscenium/scenes"
)

var (
	reloadFor   = flag.Duration("reload-for", time.Minute, "how long BenchmarkReload edits a configuration under load")
	reloadEvery = flag.Duration("reload-every", 2*time.Second, "the pause between an edit that was loaded and the next")
)

// reloading is a server under edits and traffic.
type reloading struct {
	*script
	server *child
}

func startReloading(tb testing.TB, count, edits int) *reloading {
	tb.Helper()
	dir, err := newDirectory(tb.TempDir(), count, marks{})
	if err != nil {
		tb.Fatal(err)
	}
	r := &reloading{}
	if r.script, err = newScript(tb.Context(), dir, edits); err != nil {
		tb.Fatal(err)
	}
	if r.server, err = startChild(tb.Context(), "reloading", configVariable+"="+dir.path); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.server.stop() })
	return r
}

// underLoad makes the edits while traffic keeps the connections busy, and gives the loads and the requests.
func (r *reloading) underLoad(tb testing.TB, connections int, pause func(edit) error) ([]load, []sample) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	t := newTraffic(r.states)
	ended := make(chan error, 1)
	go func() {
		err := t.run(ctx, r.server.address, r.dir.scenes, connections)
		cancel() // what waits for the traffic need not any more
		ended <- err
	}()
	loads, err := follow(ctx, r.server, r.edits, r.states, func(e edit) error {
		if e.want != none {
			select {
			case <-r.states[e.want].seen:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return pause(e)
	})
	t.stop.Store(true)
	if failed := <-ended; failed != nil {
		tb.Fatal(failed)
	}
	if err != nil {
		tb.Fatal(err)
	}
	samples := slices.Concat(t.samples...)
	if err := checkApplied(loads, samples, r.states); err != nil {
		tb.Fatal(err)
	}
	return loads, samples
}

// Each mark alone changes the answer: what mixes two configurations shows.
func TestEachMarkShowsInAnswers(t *testing.T) {
	o, err := newOracle(40)
	if err != nil {
		t.Fatal(err)
	}
	defer o.system.Close()
	base, err := o.answer(t.Context(), marks{})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]marks{"group": {groups: 1}, "rule": {rule: 1}, "scope": {scope: 1}, "pool": {pool: 1}} {
		answer, err := o.answer(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := distinct(base, answer); err != nil {
			t.Errorf("the mark of the %s does not show: %v", name, err)
		}
	}
}

// A server under load is edited: in place, by swaps of a mounted folder, and into what is broken. No request fails, no answer mixes two
// configurations, each good edit is answered, and no broken one is.
func TestReloadUnderLoad(t *testing.T) {
	r := startReloading(t, 40, 7)
	before, err := r.server.memory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	loads, samples := r.underLoad(t, 4, func(edit) error { return nil })
	if len(loads) < 1+len(r.edits) {
		t.Errorf("%d loads of %d edits", len(loads), len(r.edits))
	}
	t.Logf("%d requests over %d loads", len(samples), len(loads))
	wait, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		after, err := r.server.memory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if after.Goroutines <= before.Goroutines && after.Heap < 2*before.Heap {
			break // the connections take a moment to end
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-wait.Done():
			t.Fatalf("goroutines %d before and %d after, heap %d and %d bytes", before.Goroutines, after.Goroutines, before.Heap, after.Heap)
		}
	}
}

// A minute of edits of a configuration of 1,000 scenes while 16 connections keep the machine busy. x-p99 is the 99th percentile of the latencies of
// requests that were under way while the server loaded, against that of those in equal times between loads; x-behind is the same right behind
// a load. The bar of x-p99 is 2.
func BenchmarkReload(b *testing.B) {
	const count = 1_000
	for range b.N {
		edits := int(*reloadFor / *reloadEvery)
		r := startReloading(b, count, edits)
		before, err := r.server.memory(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		loads, samples := r.underLoad(b, connections, func(edit) error {
			<-time.After(*reloadEvery)
			return nil
		})
		after, err := r.server.memory(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		f := figuresOf(loads, samples)
		b.Logf("%d requests, %d loads, %d requests during loads, %d behind, %d between", f.requests, f.loads, len(f.during), len(f.behind), len(f.quiet))
		b.Logf("heap %d MB before and %d MB after, goroutines %d and %d", before.Heap>>20, after.Heap>>20, before.Goroutines, after.Goroutines)
		if f.loads < edits-1 || len(f.ratios) == 0 {
			b.Fatalf("%d loads of %d edits: choose a longer -reload-every", f.loads, edits)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(millis(f.load), "load-ms")
		b.ReportMetric(millis(quantile(f.quiet, .99)), "quiet-p99-ms")
		b.ReportMetric(millis(quantile(f.during, .99)), "reload-p99-ms")
		b.ReportMetric(ratio(quantile(f.during, .99), quantile(f.quiet, .99)), "x-p99")
		b.ReportMetric(median(f.ratios), "x-p99-median")
		b.ReportMetric(ratio(quantile(f.behind, .99), quantile(f.quiet, .99)), "x-behind")
		b.ReportMetric(float64(after.Heap)/float64(before.Heap), "x-heap")
	}
}

// How a load grows with the scenes that there are: the first one, and one after an edit of one line. Ten scenes stand in a file.
func BenchmarkGrowthLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1_000, 10_000} {
		o, err := newOracle(n)
		if err != nil {
			b.Fatal(err)
		}
		o.system.Close() // only its files are needed
		files := o.files(marks{})
		var first time.Duration
		b.Run(fmt.Sprintf("first/scenes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if read := scenes.LoadFiles(files, o.now); read.Snapshot == nil {
					b.Fatal(read.Diagnostics)
				}
			}
			first = b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(micros(first)/float64(n), "us/scene")
		})
		b.Run(fmt.Sprintf("edit/scenes=%d", n), func(b *testing.B) {
			var loader scenes.Loader
			loader.Load(files, o.now)
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				if read := loader.Load(o.files(marks{rule: i}), o.now); read.Snapshot == nil {
					b.Fatal(read.Diagnostics)
				}
			}
			each := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(micros(each)/float64(n), "us/scene")
			b.ReportMetric(ratio(each, first), "of-first")
		})
	}
}
