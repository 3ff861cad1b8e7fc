package kv_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func entry(key string) kv.Entry {
	return kv.Entry{Key: key, Value: []byte("v " + key), TTL: time.Minute}
}

func TestAStoreReadsWhatItWroteAndNothingOfTheOther(t *testing.T) {
	for name, k := range kvtest.Stores(t) {
		live, shadow := k.Of(traffic.Live), k.Of(traffic.Shadow)
		if err := live.Set(t.Context(), entry("a"), entry("b")); err != nil {
			t.Fatal(err)
		}
		if err := shadow.Set(t.Context(), entry("c"), entry("live:a"), entry("*")); err != nil {
			t.Fatal(err)
		}
		got, err := live.Get(t.Context(), "b", "c", "a")
		if err != nil || string(got[0]) != "v b" || got[1] != nil || string(got[2]) != "v a" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if n, err := live.Delete(t.Context(), "a", "nothing", "c"); n != 1 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		var many []kv.Entry
		for i := range 1200 {
			many = append(many, entry(fmt.Sprint(i)))
		}
		if err := live.Set(t.Context(), many...); err != nil {
			t.Fatal(err)
		}
		if n, err := live.Purge(t.Context()); n != 1201 || err != nil {
			t.Errorf("%s: %d purged, %v", name, n, err)
		}
		if got, err := shadow.Get(t.Context(), "c", "live:a", "*"); err != nil || got[0] == nil || got[1] == nil || got[2] == nil {
			t.Errorf("%s: the purge of live keys took %q, %v", name, got, err)
		}
		none, err := live.Get(t.Context())
		if n, errOf := live.Delete(t.Context()); len(none) != 0 || n != 0 || err != nil || errOf != nil || live.Set(t.Context()) != nil {
			t.Errorf("%s: nothing was asked for", name)
		}
	}
}

func TestScriptsAreSentWholeToAServerThatForgotThem(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	s := server.Open().Of(traffic.Live)
	count := kv.NewScript(`return redis.call('INCR', KEYS[1])`)
	flush := kv.NewScript(`return redis.call('PING')`)
	var got []any
	run := func(script *kv.Script) {
		out, err := s.Run(t.Context(), script, []string{"n"})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, out)
	}
	run(count)
	run(count)
	raw(t, server.Addr(), "SCRIPT FLUSH")
	run(count)
	run(flush)
	if diff := cmp.Diff([]any{int64(1), int64(2), int64(3), "PONG"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Run(t.Context(), kv.NewScript(`return redis.error_reply('NO')`), []string{"n"}); err == nil || s.Down() {
		t.Errorf("the error of a script: %v, down %v", err, s.Down())
	}
}

// raw sends one command to a server, past the store.
func raw(t *testing.T, address, command string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "+") {
		t.Fatalf("%s, %v", answer[:n], err)
	}
}

func TestASilentStoreIsLeftAlone(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	var mu sync.Mutex
	now := time.Unix(1_000_000, 0)
	s := server.Open(func(o *kv.Options) {
		o.Timeout = 50 * time.Millisecond
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	}).Of(traffic.Live)
	set := func(ctx context.Context) error { return s.Set(ctx, entry("k")) }
	for set(t.Context()) != nil { // a busy machine may not connect in time
		now = now.Add(kv.DefaultRest)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := set(cancelled); !errors.Is(err, context.Canceled) || s.Down() {
		t.Errorf("a caller that had given up: %v", err)
	}
	server.Stall()
	if err := set(t.Context()); err == nil || errors.Is(err, kv.ErrDown) || !s.Down() {
		t.Errorf("a stalled server: %v, down %v", err, s.Down())
	}
	if err := set(t.Context()); !errors.Is(err, kv.ErrDown) {
		t.Errorf("a store that is down was asked: %v", err)
	}
	server.Resume()
	if !s.Down() {
		t.Error("nobody has asked yet")
	}
	mu.Lock()
	now = now.Add(kv.DefaultRest)
	mu.Unlock()
	for deadline := time.Now().Add(20 * time.Second); set(t.Context()) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("it is not asked again")
		}
		mu.Lock()
		now = now.Add(kv.DefaultRest)
		mu.Unlock()
	}
	if s.Down() {
		t.Error("it has answered")
	}
}

func TestAConnectionThatIsNotTakenDoesNotKeepCallers(t *testing.T) {
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done() // a network that swallows what it is sent
		return nil, ctx.Err()
	}
	k := kvtest.At(t, "192.0.2.1:6379", func(o *kv.Options) { o.Dial, o.Timeout = never, 30*time.Millisecond })
	begin := time.Now()
	if err := k.Of(traffic.Live).Set(t.Context(), entry("k")); err == nil {
		t.Error("it was connected")
	}
	t.Logf("gave up after %v", time.Since(begin))
	if took := time.Since(begin); took > 900*time.Millisecond { // below the timeout of a connection
		t.Errorf("the store's time did not end the call: %v", took)
	}
}

// More callers than connections meet a server that says nothing: all return, and leave nothing behind.
func TestAStallLeavesNoConnectionsAndGoroutines(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	before := goleak.IgnoreCurrent()
	k, err := kv.Open(kv.Options{
		Addresses: []string{server.Addr()}, Prefix: "test-" + rand.Text(), Timeout: 100 * time.Millisecond, Rest: time.Nanosecond, Connections: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := k.Of(traffic.Live)
	storm := func() (failed int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if err := s.Set(t.Context(), entry("k")); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed++
				}
			})
		}
		all.Wait()
		return failed
	}
	storm()
	server.Stall()
	if failed := storm(); failed != 64 {
		t.Errorf("%d of 64 calls failed", failed)
	}
	server.Resume()
	for deadline := time.Now().Add(20 * time.Second); storm() > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the pool does not recover")
		}
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
	if err := s.Set(t.Context(), entry("k")); err == nil {
		t.Error("a closed store answered")
	}
}

func TestAServerThatRestartsIsFoundAgain(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	s := server.Open(func(o *kv.Options) { o.Rest = time.Millisecond }).Of(traffic.Live)
	if err := s.Set(t.Context(), entry("k")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := s.Set(t.Context(), entry("k")); err == nil {
		t.Error("a dead server answered")
	}
	server.Restart()
	for deadline := time.Now().Add(20 * time.Second); s.Set(t.Context(), entry("k")) != nil; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it is not found")
		}
	}
}

func TestStreamsAreFollowedFromWhereTheReaderStands(t *testing.T) {
	for name, k := range kvtest.Stores(t) {
		s := k.Of(traffic.Live)
		var ids []string
		for i := range 3 {
			id, err := s.Append(t.Context(), "s", 100, map[string]string{"n": fmt.Sprint(i)})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		all, err := s.Follow(t.Context(), "s", "0-0", time.Millisecond)
		if err != nil || len(all) != 3 || all[2].ID != ids[2] || all[2].Fields["n"] != "2" {
			t.Errorf("%s: %v, %v", name, all, err)
		}
		if none, err := s.Follow(t.Context(), "s", ids[2], time.Millisecond); len(none) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, none, err)
		}
		if last, err := s.Last(t.Context(), "s", ids[2], 1); err != nil || len(last) != 1 || last[0].ID != ids[1] {
			t.Errorf("%s: %v, %v", name, last, err)
		}
		if foreign, err := k.Of(traffic.Shadow).Follow(t.Context(), "s", "0-0", time.Millisecond); len(foreign) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, foreign, err)
		}
	}
}

func TestOptionsThatMakeNoSenseAreSaid(t *testing.T) {
	for want, opts := range map[string]kv.Options{
		"redis.prefix":           {Prefix: "a{b}"},
		"redis.shadow_addresses": {ShadowAddresses: []string{"localhost:1"}},
		"negative":               {Timeout: -1},
	} {
		if _, err := kv.Open(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestAClusterHasKeysInManySlots(t *testing.T) {
	server := kvtest.StartCluster(t)
	if server == nil {
		return
	}
	k := server.Open()
	live, shadow := k.Of(traffic.Live), k.Of(traffic.Shadow)
	keys := []string{"a", "b", "c", "{t}a", "{t}b"}
	for _, key := range keys {
		if err := errors.Join(live.Set(t.Context(), entry(key), entry(key+key)), shadow.Set(t.Context(), entry(key))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := live.Get(t.Context(), append(keys, "nothing")...)
	if err != nil || string(got[1]) != "v b" || got[5] != nil {
		t.Errorf("%q, %v", got, err)
	}
	out, err := live.Run(t.Context(), kv.NewScript(`return redis.call('GET', KEYS[1]) .. redis.call('GET', KEYS[2])`), []string{"{t}a", "{t}b"})
	if err != nil || out != "v {t}av {t}b" {
		t.Errorf("%v, %v", out, err)
	}
	if n, err := live.Delete(t.Context(), "a", "b", "c"); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := live.Purge(t.Context()); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got, err := shadow.Get(t.Context(), keys...); err != nil || got[0] == nil || got[4] == nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Whoever has less time than the store waits closes the gate all the same, if it was time enough; who has hardly any does not.
func TestCallersInAHurryFindOutThatAStoreIsSilent(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	for _, c := range []struct {
		name           string
		store, patient time.Duration
		down           bool
	}{
		{"most of the store's time", 200 * time.Millisecond, 150 * time.Millisecond, true},
		{"hardly any of it", 20 * time.Second, 10 * time.Millisecond, false},
	} {
		s := server.Open(func(o *kv.Options) { o.Timeout, o.Rest = c.store, time.Hour }).Of(traffic.Live)
		server.Stall()
		ctx, cancel := context.WithTimeout(t.Context(), c.patient)
		err := s.Set(ctx, entry("k"))
		cancel()
		server.Resume()
		if err == nil || s.Down() != c.down {
			t.Errorf("%s: %v, down %v", c.name, err, s.Down())
		}
	}
}
