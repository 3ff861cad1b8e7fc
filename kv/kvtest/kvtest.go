// Package kvtest gives tests a Redis: the one that listens, a process of their own, one within the test whose clock they set, and a way to all of
// them that stalls and loses replies.
//
// Where there is none the tests that need it say "NOT RUN", and fail where CI=true.
package kvtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"net"
	"os"
	"testing"
	"time"

	"proscenium/kv"
	"proscenium/traffic"
)

// AddressVariable names the Redis that tests share.
const AddressVariable = "PROSCENIUM_TEST_REDIS"

const defaultAddress = "127.0.0.1:6379"

// Patience is the timeout of stores in tests, where no test sets its own: an answer of Redis is waited for on the busiest machine.
const Patience = 20 * time.Second

// Open opens stores on the Redis that tests share, 127.0.0.1:6379 where the environment names none. The keys begin with a random prefix and are removed
// when the test ends. Where no Redis listens, the stores are on an embedded one.
func Open(t testing.TB, change ...func(*kv.Options)) *kv.KV {
	t.Helper()
	address := Address(t)
	if address == "" {
		return Embedded(t, change...)
	}
	return openAt(t, address, change)
}

// Address is the Redis that tests share; empty, having said so, where it does not listen.
func Address(t testing.TB) string {
	t.Helper()
	address := cmp.Or(os.Getenv(AddressVariable), defaultAddress)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		notRun(t, "on Redis: none listens at "+address+" (set "+AddressVariable+")")
		return ""
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// Embedded opens stores on a server within the process.
func Embedded(t testing.TB, change ...func(*kv.Options)) *kv.KV {
	t.Helper()
	opts := kv.Options{Timeout: Patience}
	for _, c := range change {
		c(&opts)
	}
	k, err := kv.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// Both runs a test on Redis, where it listens, and on the embedded server.
func Both(t *testing.T, run func(t *testing.T, k *kv.KV)) {
	t.Helper()
	for name, k := range Stores(t) {
		t.Run(name, func(t *testing.T) { run(t, k) })
	}
}

// Stores are on Redis, where it listens, and on the embedded server, by name.
func Stores(t testing.TB, change ...func(*kv.Options)) map[string]*kv.KV {
	t.Helper()
	stores := map[string]*kv.KV{"embedded": Embedded(t, change...)}
	if address := Address(t); address != "" {
		stores["redis"] = openAt(t, address, change)
	}
	return stores
}

// At opens stores on the Redis at an address, for as long as the test runs, with a random prefix. Keys stay: the Redis is the test's own.
func At(t testing.TB, address string, change ...func(*kv.Options)) *kv.KV {
	t.Helper()
	opts := kv.Options{Addresses: []string{address}, Prefix: "test-" + rand.Text(), Timeout: Patience}
	for _, c := range change {
		c(&opts)
	}
	k, err := kv.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func openAt(t testing.TB, address string, change []func(*kv.Options)) *kv.KV {
	t.Helper()
	k := At(t, address, change...)
	t.Cleanup(func() { // before the Close of At
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		for _, class := range traffic.All() {
			if _, err := k.Of(class).Purge(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	return k
}

// notRun says what a test does not show, which is a failure where everything must be shown.
func notRun(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT RUN %s", what)
	}
	t.Logf("NOT RUN %s", what)
}
