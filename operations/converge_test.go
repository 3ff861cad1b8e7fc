package operations

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/fault"

	"pgregory.net/rapid"
)

// Processes throw and take back switches in any order, under clocks that are hours apart, while their lines are cut or lose answers, one restarts with
// what is on its disk, and Redis is emptied. A change is later than all that its process knew; and whenever everyone can talk again, all hold the latest
// change of each switch, and nothing else.
func TestProcessesConverge(t *testing.T) {
	shared, ctx := embedded(t), context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := shared.Purge(ctx); err != nil {
			rt.Fatal(err)
		}
		nodes, skews := make([]*node, 3), make([]time.Duration, 3)
		for i := range nodes {
			dir := ""
			if i == 0 {
				dir = t.TempDir()
			}
			skews[i] = time.Duration(rapid.IntRange(-240, 240).Draw(rt, "skew in minutes")) * time.Minute
			nodes[i] = newNode(t, shared, fmt.Sprintf("n%d", i), dir)
		}
		process := func(rt *rapid.T) int { return rapid.IntRange(0, len(nodes)-1).Draw(rt, "process") }
		at, starts := noon, 0
		latest := map[string]Switch{} // the model: of each switch the change of the greatest stamp
		settle := func(rt *rapid.T) {
			for range 2 { // in the second round those hear that came first
				for i, n := range nodes {
					n.line.set(false, false)
					if err := n.Exchange(ctx); err != nil {
						rt.Fatalf("%d: %v", i, err)
					}
				}
			}
			var want []string
			for name, s := range latest {
				if !s.Restored {
					want = append(want, name)
				}
			}
			slices.Sort(want)
			for i, n := range nodes {
				if got := names(n.Thrown()); !slices.Equal(got, want) {
					rt.Fatalf("process %d holds %q, want %q", i, got, want)
				}
				if got := names(n.lastTold()); !slices.Equal(got, want) {
					rt.Fatalf("process %d was told of %q last, and holds %q", i, got, want)
				}
				for _, e := range n.all() {
					if e.Stamp != latest[e.Name()].Stamp {
						rt.Fatalf("process %d has the change %v of %s, the latest is %v", i, e.Stamp, e.Name(), latest[e.Name()].Stamp)
					}
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"change": func(rt *rapid.T) {
				at = at.Add(time.Duration(rapid.IntRange(0, 60).Draw(rt, "seconds")) * time.Second)
				for i, n := range nodes {
					n.now = at.Add(skews[i])
				}
				n := nodes[process(rt)]
				c := Change{Restore: rapid.Bool().Draw(rt, "restore")}
				c.Feature = rapid.SampledFrom([]configv1.DowngradeFeature{voucher, tax}).Draw(rt, "feature")
				if rapid.Bool().Draw(rt, "scene") {
					c.Scenes = []string{"cart"}
				}
				field := (&Switch{Feature: c.Feature, Scenes: c.Scenes}).field()
				before := n.all()[field]
				cut, lost := n.line.state()
				got, apart, err := n.Set(ctx, c)
				if err != nil {
					if fault.Reason(err) != "SWITCH_NOT_THROWN" || !c.Restore || before != nil {
						rt.Fatal(err)
					}
					return
				}
				if (apart != nil) != (cut || lost) {
					rt.Fatalf("apart: %v; cut %v, answers lost %v", apart, cut, lost)
				}
				if before != nil && got.Stamp.compare(before.Stamp) <= 0 {
					rt.Fatalf("%v is not later than %v, which the process knew", got.Stamp, before.Stamp)
				}
				if l, ok := latest[got.Name()]; !ok || got.Stamp.compare(l.Stamp) > 0 {
					latest[got.Name()] = got
				}
			},
			"exchange": func(rt *rapid.T) { _ = nodes[process(rt)].Exchange(ctx) },
			"line": func(rt *rapid.T) {
				nodes[process(rt)].line.set(rapid.Bool().Draw(rt, "cut"), rapid.Bool().Draw(rt, "lost"))
			},
			"restart": func(rt *rapid.T) {
				n := nodes[0]
				before := names(n.Thrown())
				starts++
				n.restart(fmt.Sprintf("n0-%d", starts))
				if got := names(n.Thrown()); !slices.Equal(got, before) {
					rt.Fatalf("after a restart %q are held, before it %q were", got, before)
				}
			},
			"empty Redis": func(rt *rapid.T) {
				if _, err := shared.Purge(ctx); err != nil {
					rt.Fatal(err)
				}
			},
			"all can talk": settle,
		})
		settle(rt)
	})
}
