package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/scenes/diff"
)

// policies are limits, breakers and queues, with who uses them.
const policies = `
clients: [{id: 1, name: shop, allowed_scenes: [page], quota: of_shop}]
scenes:
  - {id: 1, name: page, client: shop, limits: [per_page], rate_limiter: {resource: capacity, queue: pages}}
  - {id: 2, name: cart, client: other}
inbound: {limits: [all]}
limits:
  of_shop: {per_client: {window: 1s, limit: 10}}
  per_page: {description: "d", per_user: {window: 60s, limit: 5, key: string(user.id)}, per_platform: {window: 1s, limit: 9, burst: 3}}
  shadow_per_page: {per_user: {window: 60s, limit: 1}}
  all: {everybody: {window: 1s, limit: 100, precision: LOCAL}}
  unused: {everybody: {window: 1s, limit: 7}}
breakers:
  price.query: {error_percent_threshold: 50}
  shadow.price.query: {}
scene_breakers:
  price.query: {timeout_percent_threshold: 50, timeout_threshold_seconds: 0.5}
hierarchy_limits:
  capacity: {root_queue: {max_limit: 100, sub_queues: [{queue: pages, guaranteed_limit: 5}, {queue: rest}]}}
`

func TestPoliciesAreComparedByTheirNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"order, forms, and defaults that are written out", []string{
			"all: {everybody: {window: 1s, limit: 100, precision: LOCAL}}", "all: {dimensions: {everybody: {precision: LOCAL, limit: 100, window: 1000ms, counting: EACH}}}",
			"[{queue: pages, guaranteed_limit: 5}, {queue: rest}]", "[{queue: rest}, {queue: pages, guaranteed_limit: 5}]",
			"capacity: {", "capacity: {multiplier: 1, ", "string(user.id)", "\"string( user.id )\"", "{error_percent_threshold: 50}", "{error_percent_threshold: 50, window: 10s, open: 5s}",
		}, nil},
		{
			"a dimension changes, one goes, and one comes",
			[]string{"window: 60s, limit: 5", "window: 30s, limit: 5", "per_platform: {window: 1s, limit: 9, burst: 3}", "per_region: {window: 2s, limit: 1}"},
			[]string{
				"changed limit per_page used by page", "  limits[per_page].per_platform: {window: 1s, limit: 9, burst: 3} -> ",
				"  limits[per_page].per_region:  -> {window: 2s, limit: 1}", "  limits[per_page].per_user.window: 1m0s -> 30s",
			},
		},
		{
			"a key",
			[]string{"key: string(user.id)", "key: request.region"},
			[]string{"changed limit per_page used by page", "  limits[per_page].per_user.key: string(user.id) -> request.region"},
		},
		{
			"limits that are used by a client's scenes, by every scene, and by none",
			[]string{"limit: 10}", "limit: 11}", "limit: 100, precision", "limit: 101, precision", "limit: 7", "limit: 8"},
			[]string{
				"changed limit all used by cart,page (every scene)", "  limits[all].everybody.limit: 100 -> 101",
				"changed limit of_shop used by page", "  limits[of_shop].per_client.limit: 10 -> 11",
				"changed limit unused", "  limits[unused].everybody.limit: 7 -> 8",
			},
		},
		{
			"a twin goes",
			[]string{"  shadow_per_page: {per_user: {window: 60s, limit: 1}}\n", "", "  shadow.price.query: {}\n", ""},
			[]string{
				"removed breaker shadow.price.query",
				"removed limit shadow_per_page used by page", "  limits[shadow_per_page].per_user: {window: 1m0s, limit: 1} -> ",
			},
		},
		{
			"numbers, queues, and breakers of scenes",
			[]string{"capacity: {", "capacity: {multiplier: 1.5, ", "guaranteed_limit: 5", "guaranteed_limit: 6, priority: 2", "{queue: rest}", "{queue: others}", "seconds: 0.5", "seconds: 0.25"},
			[]string{
				"changed scene breaker price.query", "  scene_breakers[price.query].timeout_threshold_seconds: 0.5 -> 0.25",
				"changed hierarchy limit capacity used by page", "  hierarchy_limits[capacity].multiplier: 1 (default) -> 1.5",
				"  hierarchy_limits[capacity].root_queue.sub_queues[pages].guaranteed_limit: 5 -> 6",
				"  hierarchy_limits[capacity].root_queue.sub_queues[pages].priority: 0 -> 2",
				"  hierarchy_limits[capacity].root_queue.sub_queues[others]:  -> {queue: others}",
				"  hierarchy_limits[capacity].root_queue.sub_queues[rest]: {queue: rest} -> ",
			},
		},
		{
			"a scene's own breakers, limits and priority",
			[]string{"client: other}", "client: other, limits: [all], priority: HIGH, breakers: {tax.rates: {error_percent_threshold: 10}}}"},
			[]string{
				"changed scene cart", "  scenes[cart].limits: +[all] -[]", "  scenes[cart].breakers[tax.rates]:  -> {error_percent_threshold: 10}",
				"  scenes[cart].priority: the client's (default) -> HIGH",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			edited := policies
			for i := 0; i < len(c.edits); i += 2 {
				if !strings.Contains(edited, c.edits[i]) {
					t.Fatalf("there is no %q", c.edits[i])
				}
				edited = strings.ReplaceAll(edited, c.edits[i], c.edits[i+1])
			}
			if d := cmp.Diff(c.want, lines(diff.Compare(bundle(t, policies), bundle(t, edited)))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
