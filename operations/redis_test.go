package operations

import (
	"context"
	"slices"
	"sync"
	"testing"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// Redis itself ends and comes back empty, as it does without persistence, while processes go on.
func TestARedisThatEndsAndComesBackEmptyLosesNothing(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return // it has been said that this was not run
	}
	together := func(o *kv.Options) { o.Prefix = "together" }
	ka, kb := server.Open(together), server.Open(together)
	a, b := newNode(t, ka.Of(traffic.Live), "a", t.TempDir()), newNode(t, kb.Of(traffic.Live), "b", "")
	la, lb := newAudit(a), newAudit(b)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, n := range []*node{a, b} {
		running.Go(func() { n.Run(ctx) })
	}
	for _, l := range []*Audit{la, lb} {
		running.Go(func() { l.Run(ctx) })
	}
	a.throw(t, atNight)
	la.Add(Entry{Subject: "first", Operator: "ann"})
	waitFor(t, "b to learn of the switch", func() bool { return len(b.Thrown()) == 1 })
	waitFor(t, "b to list the entry", func() bool { return slices.Equal(listed(t, lb, Query{}), []string{"first"}) })

	server.Stop()
	if _, apart, err := a.Set(t.Context(), Change{Feature: tax, Operator: "ann", Reason: "Redis is down"}); apart == nil || err != nil {
		t.Fatalf("while Redis is down: apart %v, %v", apart, err)
	}
	la.Add(Entry{Subject: "second"})
	restore := atNight
	restore.Restore = true
	if _, apart, err := b.Set(t.Context(), restore); apart == nil || err != nil {
		t.Fatalf("while Redis is down: apart %v, %v", apart, err)
	}
	server.Restart()
	waitFor(t, "both to hold the same", func() bool {
		return slices.Equal(names(a.Thrown()), []string{"TAX in all"}) && slices.Equal(names(b.Thrown()), []string{"TAX in all"})
	})
	waitFor(t, "b to list both entries", func() bool {
		entries, apart := lb.List(t.Context(), Query{})
		return apart == nil && len(entries) == 2
	})
	fresh := newNode(t, server.Open(together).Of(traffic.Live), "c", "")
	if err := fresh.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh.expect(t, "TAX in all")
}

func TestSwitchesAndLogAreTheSameOnRedisAndEmbedded(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		a, b := newNode(t, k.Of(traffic.Live), "a", ""), newNode(t, k.Of(traffic.Live), "b", "")
		a.throw(t, atNight)
		if err := b.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.expect(t, atNightName)
		la, lb := newAudit(a), newAudit(b)
		for range 3 {
			la.Add(Entry{Subject: "x"})
		}
		share(t, la)
		if got := listed(t, lb, Query{}); len(got) != 3 {
			t.Errorf("listed %q", got)
		}
		if n, err := k.Of(traffic.Shadow).Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("%d keys of shadow traffic, %v", n, err)
		}
	})
}
