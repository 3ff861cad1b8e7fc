package assembly_test

import (
	"reflect"
	"testing"
	"unsafe"

	"proscenium/traffic"
)

// The joins take the separation out of a process, to show that the tests of it can fail. The program has no switch for that, so they write to what it keeps
// to itself; one that no longer finds its field fails its test.

// joinPolicies gives shadow traffic the breakers, limits, queues and bulkheads of live traffic.
func joinPolicies(t testing.TB, s *isolationStage) {
	t.Helper()
	field(t, reflect.ValueOf(s.policies).Elem(), "joined").SetBool(true)
}

// joinStores gives the store of shadow traffic the keys of that of live traffic.
func joinStores(t testing.TB, s *isolationStage) {
	t.Helper()
	live, shadow := reflect.ValueOf(s.stores.Of(traffic.Live)).Elem(), reflect.ValueOf(s.stores.Of(traffic.Shadow)).Elem()
	field(t, shadow, "prefix").SetString(field(t, live, "prefix").String())
}

// joinCaches gives shadow traffic the caches of live traffic, in memory and in Redis.
func joinCaches(t testing.TB, s *isolationStage) {
	t.Helper()
	caches := field(t, reflect.ValueOf(s.system.Engine).Elem(), "caches").Elem()
	lanes := field(t, caches, "lanes")
	lanes.Index(int(traffic.Shadow)).Set(lanes.Index(int(traffic.Live)))
	s.oneCache = true
}

// field is a field that may be set, whoever's it is.
func field(t testing.TB, of reflect.Value, name string) reflect.Value {
	t.Helper()
	f := of.FieldByName(name)
	if !f.IsValid() {
		t.Fatalf("%v has no field %s any more: this control joins nothing", of.Type(), name)
	}
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}
