package kvtest_test

import (
	"context"
	"testing"
	"time"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func set(t *testing.T, s *kv.Store, key string) error {
	t.Helper()
	return s.Set(t.Context(), kv.Entry{Key: key, Value: []byte("1"), TTL: time.Minute})
}

func present(t *testing.T, s *kv.Store, key string) bool {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return got[0] != nil
}

func TestAServerOfTheTestsOwnStopsStallsAndRestarts(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	patient := server.Open().Of(traffic.Live)
	hasty := server.Open(func(o *kv.Options) { o.Timeout = 50 * time.Millisecond }).Of(traffic.Live)
	if err := set(t, patient, "before"); err != nil {
		t.Fatal(err)
	}
	server.Stall()
	if err := set(t, hasty, "a"); err == nil {
		t.Error("a stalled server answered")
	}
	server.Resume()
	if !present(t, patient, "before") {
		t.Error("a stall lost a key")
	}
	server.Stop()
	if err := set(t, server.Open().Of(traffic.Live), "b"); err == nil {
		t.Error("a dead server answered")
	}
	server.Restart()
	if present(t, server.Open().Of(traffic.Live), "before") {
		t.Error("a server that keeps nothing kept a key")
	}
}

func TestAProxyStallsCutsAndSwallowsReplies(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	proxy := kvtest.Through(t, server.Addr())
	direct := kvtest.At(t, server.Addr(), func(o *kv.Options) { o.Prefix = "one" }).Of(traffic.Live)
	through := kvtest.At(t, proxy.Addr(), func(o *kv.Options) { o.Prefix, o.Rest = "one", time.Nanosecond }).Of(traffic.Live)
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	entry := func(key string) kv.Entry { return kv.Entry{Key: key, Value: []byte("1"), TTL: time.Minute} }
	if err := through.Set(t.Context(), entry("plain")); err != nil {
		t.Fatal(err)
	}
	proxy.Mute()
	if err := through.Set(short(), entry("muted")); err == nil {
		t.Error("a reply came through a mute proxy")
	}
	if !present(t, direct, "muted") || proxy.Dropped() == 0 {
		t.Error("a mute proxy did not pass the command on")
	}
	proxy.Flow()
	proxy.Stall()
	if err := through.Set(short(), entry("stalled")); err == nil {
		t.Error("a reply came through a stalled proxy")
	}
	if present(t, direct, "stalled") {
		t.Error("a stalled proxy passed a command on")
	}
	proxy.Flow()
	proxy.Delay(time.Millisecond)
	if err := through.Set(t.Context(), entry("late")); err != nil {
		t.Error(err)
	}
	proxy.Cut()
	deadline := time.Now().Add(10 * time.Second)
	for set(t, through, "again") != nil { // a connection that was cut is found out by its next use
		if time.Now().After(deadline) {
			t.Fatal("no new connection after a cut")
		}
	}
}

func TestAClockIsSetAndKeysExpireByIt(t *testing.T) {
	k, clock := kvtest.Steered(t, time.Unix(1_000_000, 0))
	s := k.Of(traffic.Live)
	read := func() any {
		at, err := s.Run(t.Context(), kv.NewScript(`return redis.call('TIME')[1]`), []string{"k"})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if err := set(t, s, "k"); err != nil {
		t.Fatal(err)
	}
	if at := read(); at != "1000000" {
		t.Error(at)
	}
	clock.Advance(-10 * time.Minute)
	if at := read(); at != "999400" || !present(t, s, "k") {
		t.Error(at)
	}
	clock.Advance(61 * time.Second)
	if present(t, s, "k") {
		t.Error("a key outlived its time")
	}
}
