package kv_test

import (
	"testing"
	"time"

	"proscenium/kv"
	"proscenium/traffic"
)

func TestTheEmbeddedStoreKeepsClassesApart(t *testing.T) {
	k, err := kv.Open(kv.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	live, shadow := k.Of(traffic.Live), k.Of(traffic.Shadow)
	if err := live.Set(t.Context(), kv.Entry{Key: "a", Value: []byte("1"), TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	got, err := shadow.Get(t.Context(), "a", "b")
	if err != nil || got[0] != nil || got[1] != nil {
		t.Fatalf("shadow sees %q, %v", got, err)
	}
	out, err := live.Run(t.Context(), kv.NewScript(`return {tonumber(redis.call('GET', KEYS[1])) + ARGV[1], redis.call('TIME')[1]}`), []string{"a"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if list, ok := out.([]any); !ok || list[0] != int64(3) {
		t.Fatalf("%#v", out)
	}
	if n, err := shadow.Purge(t.Context()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := live.Purge(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}
