package scenes_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes"
	"proscenium/traffic"
)

// withPolicies is the base with a file of policies.
func withPolicies(tb testing.TB, text string) map[string]string {
	tb.Helper()
	files := base(tb)
	files["policies.yaml"] = text
	return files
}

// limitLines are the limits of both classes, a line for each.
func limitLines(limits map[string]*scenes.Limit) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		for _, class := range traffic.All() {
			rule := limits[name].Of[class]
			line := fmt.Sprintf("%s %s", limits[name].Name, class)
			if rule.Inherited {
				line += " inherited"
			}
			if rule.DryRun {
				line += " dry"
			}
			for _, d := range rule.Dimensions {
				line += fmt.Sprintf(" %s:%d/%s", d.Name, d.Spec.GetLimit(), d.Window)
				if d.Key != nil {
					line += " by " + d.Key.String()
				}
			}
			out = append(out, line)
		}
	}
	return out
}

// resourceLines are the hierarchical limits of both classes, a line for each.
func resourceLines(resources map[string]*scenes.Resource) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		for _, class := range traffic.All() {
			r := resources[name].Of[class]
			line := fmt.Sprintf("%s %s %d %s", resources[name].Name, class, r.Max, strings.TrimPrefix(r.SafeMode.String(), "SAFE_MODE_"))
			if r.Inherited {
				line += " inherited"
			}
			if r.Suppressed {
				line += fmt.Sprintf(" suppressed %d+%d", r.Activation, r.Step)
			}
			for _, q := range r.Queues {
				line += fmt.Sprintf(" %s:%d^%d burst %d/%s", q.Name, q.Guaranteed, q.Priority, q.Burst, q.StarvingTimeout)
			}
			out = append(out, line)
		}
	}
	return out
}

// breakerLines are the breakers of both classes, a line for each.
func breakerLines(breakers [traffic.Count]map[string]scenes.BreakerRule) []string {
	var out []string
	for class, rules := range breakers {
		for _, command := range slices.Sorted(maps.Keys(rules)) {
			line := fmt.Sprintf("%s %s %d", traffic.Class(class), command, rules[command].Spec.GetErrorPercentThreshold())
			if rules[command].Inherited {
				line += " inherited"
			}
			out = append(out, line)
		}
	}
	return out
}

func equal(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestALimitOfShadowTrafficIsItsTwinOrTheLiveOne(t *testing.T) {
	s := good(t, withPolicies(t, `
inbound: {limits: [with_twin, live_only, alone]}
limits:
  with_twin: {b: {window: 1s, limit: 10}, a: {window: 2s, limit: 20, key: string(user.id) + request.region}}
  shadow_with_twin: {dry_run: true, c: {window: 3s, limit: 0, key: request.region}}
  live_only: {all: {window: 1s, limit: 1000}}
  shadow_alone: {all: {window: 1s, limit: 5}}
`))
	equal(t, "limits", []string{
		"alone live",
		"alone shadow all:5/1s",
		"live_only live all:1000/1s",
		"live_only shadow inherited all:1000/1s",
		"with_twin live a:20/2s by string(user.id) + request.region b:10/1s",
		"with_twin shadow dry c:0/3s by request.region",
	}, limitLines(s.Policies.Limits))
	var inbound []string
	for _, l := range s.Policies.Inbound {
		inbound = append(inbound, l.Name)
		if s.Policies.Limits[l.Name] != l {
			t.Errorf("%s is another one on the way in", l.Name)
		}
	}
	equal(t, "inbound", []string{"with_twin", "live_only", "alone"}, inbound)
}

func TestDimensionsHaveTheirDefaults(t *testing.T) {
	s := good(t, withPolicies(t, `
inbound: {limits: [l]}
limits:
  l:
    each: {window: 1s, limit: 1000}
    flow: {window: 1s, limit: 1000, burst: 3, counting: RESERVED}
    flushed: {window: 10s, limit: 1000, counting: FLUSHED}
    local: {window: 1s, limit: 1000, precision: LOCAL}
    many: {window: 1s, limit: 1000, counting: RESERVED}
    chosen: {window: 1s, limit: 1000, counting: RESERVED, chunk: 7}
    none: {window: 1s, limit: 0, counting: RESERVED}
`))
	var got []string
	for _, d := range s.Policies.Limits["l"].Of[traffic.Shadow].Dimensions {
		got = append(got, fmt.Sprintf("%s %s %s %d", d.Name, strings.TrimPrefix(d.Spec.GetPrecision().String(), "LIMIT_PRECISION_"),
			strings.TrimPrefix(d.Spec.GetCounting().String(), "LIMIT_COUNTING_"), d.Spec.GetChunk()))
	}
	equal(t, "dimensions", []string{
		"chosen PRECISE RESERVED 7", "each PRECISE EACH 0", "flow PRECISE RESERVED 3", "flushed PRECISE FLUSHED 0", "local LOCAL EACH 0", "many PRECISE RESERVED 10",
		"none PRECISE RESERVED 1",
	}, got)
	if written := s.Bundle.GetLimits()["l"].GetDimensions()["many"]; written.GetChunk() != 0 || written.GetPrecision() != 0 {
		t.Errorf("the bundle is not as written: %v", written)
	}
}

func TestCapacitiesAreScaledExactly(t *testing.T) {
	s := good(t, withPolicies(t, `
hierarchy_limits:
  plain: {root_queue: {max_limit: 12000, sub_queues: [{queue: b, priority: -1}, {queue: a, guaranteed_limit: 625, priority: 1, per_instance: {burst: 25}}]}}
  third:
    multiplier: 0.333
    safe_mode: UNLIMITED
    root_queue:
      max_limit: 7
      surge_suppressor: {activation_rate: 3, max_increment_step: 1}
      sub_queues: [{queue: a, guaranteed_limit: 5, per_instance: {want_estimation: {starving_timeout: 500ms}}}]
  largest: {multiplier: 1000, root_queue: {max_limit: 1000000, sub_queues: [{queue: a, guaranteed_limit: 1000000}]}}
  tenths: {multiplier: 1.1, root_queue: {max_limit: 3, surge_suppressor: {max_increment_step: 1}, sub_queues: [{queue: a}]}}
  twin: {root_queue: {max_limit: 10, sub_queues: [{queue: a}, {queue: b}]}}
  shadow_twin: {multiplier: 0.5, safe_mode: KEEP_LAST, root_queue: {max_limit: 4, sub_queues: [{queue: shadow_b}, {queue: a}]}}
  shadow_user_voucher: {root_queue: {max_limit: 4, sub_queues: [{queue: shadow_high, guaranteed_limit: 4}]}}
`))
	equal(t, "resources", []string{
		"largest live 1000000000000 GUARANTEED_SHARE a:1000000000000^0 burst 50000000/2s",
		"largest shadow 1000000000000 ZERO inherited a:1000000000000^0 burst 50000000/2s",
		"plain live 12000000 GUARANTEED_SHARE a:625000^1 burst 25/2s b:0^-1 burst 1/2s",
		"plain shadow 12000000 ZERO inherited a:625000^1 burst 25/2s b:0^-1 burst 1/2s",
		"tenths live 3300 GUARANTEED_SHARE suppressed 0+1100 a:0^0 burst 1/2s",
		"tenths shadow 3300 ZERO inherited suppressed 0+1100 a:0^0 burst 1/2s",
		"third live 2331 UNLIMITED suppressed 999+333 a:1665^0 burst 1/500ms",
		"third shadow 2331 UNLIMITED inherited suppressed 999+333 a:1665^0 burst 1/500ms",
		"twin live 10000 GUARANTEED_SHARE a:0^0 burst 1/2s b:0^0 burst 1/2s",
		"twin shadow 2000 KEEP_LAST a:0^0 burst 1/2s b:0^0 burst 1/2s",
		"user_voucher live 0 UNSPECIFIED",
		"user_voucher shadow 4000 ZERO high:4000^0 burst 1/2s",
	}, resourceLines(s.Policies.Resources))
}

// Every multiplier of three decimals is a whole number of thousandths, whatever binary fraction stands for it.
func TestEveryMultiplierOfThreeDecimalsIsTaken(t *testing.T) {
	for _, thousandths := range []int{1, 7, 29, 57, 58, 69, 115, 333, 999, 1001, 1005, 1009, 1115, 4035, 9999, 16001, 99999, 999999} {
		text := fmt.Sprintf("%d.%03d", thousandths/1000, thousandths%1000)
		s := good(t, withPolicies(t, "hierarchy_limits: {r: {multiplier: "+text+", root_queue: {max_limit: 1000, sub_queues: [{queue: a}]}}}\n"))
		if got := s.Policies.Resources["r"].Of[traffic.Live].Max; got != int64(1000*thousandths) {
			t.Errorf("%s times 1000 is %d thousandths", text, got)
		}
	}
}

func TestBreakersOfAllScenesAndOfOneHaveTwins(t *testing.T) {
	files := withPolicies(t, `
breakers:
  price.query: {error_percent_threshold: 10}
  tax.rates: {error_percent_threshold: 20}
  shadow.tax.rates: {error_percent_threshold: 21}
  shadow.listing.items: {error_percent_threshold: 31}
scene_breakers:
  price.query: {error_percent_threshold: 40}
  shadow.price.query: {error_percent_threshold: 41}
  tax.rates: {error_percent_threshold: 50}
  shadow.tax.rates: {error_percent_threshold: 51}
  listing.items: {error_percent_threshold: 60}
`)
	files["page.yaml"] += `
    breakers:
      tax.rates: {error_percent_threshold: 70}
      shadow.listing.items: {}
      listing.labels: {error_percent_threshold: 80}
`
	s := good(t, files)
	equal(t, "of all scenes together", []string{
		"live price.query 10", "live tax.rates 20", "shadow listing.items 31", "shadow price.query 10 inherited", "shadow tax.rates 21",
	}, breakerLines(s.Policies.Breakers))
	equal(t, "of a scene without its own", []string{
		"live listing.items 60", "live price.query 40", "live tax.rates 50",
		"shadow listing.items 60 inherited", "shadow price.query 41", "shadow tax.rates 51",
	}, breakerLines(s.ScenesByName["cart"].Breakers))
	equal(t, "of a scene with its own", []string{
		"live listing.items 60", "live listing.labels 80", "live price.query 40", "live tax.rates 70",
		"shadow listing.items 0", "shadow listing.labels 80 inherited", "shadow price.query 41", "shadow tax.rates 70 inherited",
	}, breakerLines(s.ScenesByName["product_page"].Breakers))
	if b := s.Policies.Breakers[traffic.Live]["price.query"].Spec; b.GetWindow() != nil || b.GetMinimumNumberOfCalls() != 0 {
		t.Errorf("defaults are filled in: %v", b)
	}
}

func TestClientsScenesAndDependenciesHaveTheirPolicies(t *testing.T) {
	files := withPolicies(t, `
limits:
  quota: {all: {window: 1s, limit: 1}}
  one: {all: {window: 1s, limit: 1}}
  two: {all: {window: 1s, limit: 1}}
  of_calls: {all: {window: 1s, limit: 1}}
hierarchy_limits:
  capacity: {root_queue: {max_limit: 1, sub_queues: [{queue: pages}, {queue: taxes}]}}
inbound: {load_shedding: {enabled: true}}
dependencies:
  - {command: tax.rates, provider: {connect: {url: "http://tax"}}, limits: [of_calls], rate_limiter: {resource: capacity, queue: taxes}, max_concurrent: 3}
  - {command: price.query, provider: {connect: {url: "http://price"}}}
`)
	files["clients.yaml"] += "    quota: quota\n    allow_shadow: true\n    priority: LOW\n  - {id: 2, name: other, allowed_scenes: [cart]}\n"
	files["page.yaml"] += "    limits: [two, one]\n    priority: CRITICAL\n    rate_limiter: {resource: capacity, queue: pages}\n"
	s := good(t, files)
	p, shop, other := s.Policies, s.Clients["shop"], s.Clients["other"]
	if shop.Quota != p.Limits["quota"] || !shop.AllowShadow || shop.Priority != configv1.Priority_PRIORITY_LOW ||
		other.Quota != nil || other.AllowShadow || other.Priority != configv1.Priority_PRIORITY_NORMAL {
		t.Errorf("clients %+v, %+v", shop, other)
	}
	page, cart := s.ScenesByName["product_page"], s.ScenesByName["cart"]
	if !slices.Equal(page.Limits, []*scenes.Limit{p.Limits["two"], p.Limits["one"]}) || page.Priority != configv1.Priority_PRIORITY_CRITICAL ||
		*page.Queue != (scenes.QueueRef{Resource: p.Resources["capacity"], Queue: "pages"}) {
		t.Errorf("scene %v, %s, %v", page.Limits, page.Priority, page.Queue)
	}
	if cart.Limits != nil || cart.Priority != configv1.Priority_PRIORITY_UNSPECIFIED || cart.Queue != nil {
		t.Errorf("scene %v, %s, %v", cart.Limits, cart.Priority, cart.Queue)
	}
	if !slices.Equal(s.DependencyLimits["tax.rates"], []*scenes.Limit{p.Limits["of_calls"]}) || len(s.DependencyLimits) != 1 || len(s.DependencyQueues) != 1 ||
		*s.DependencyQueues["tax.rates"] != (scenes.QueueRef{Resource: p.Resources["capacity"], Queue: "taxes"}) {
		t.Errorf("dependencies %v, %v", s.DependencyLimits, s.DependencyQueues)
	}
	if p.Shedding.GetTargetLatency().AsDuration() != 20*time.Millisecond || s.Bundle.GetInbound().GetLoadShedding().GetTargetLatency() != nil {
		t.Errorf("load shedding %v", p.Shedding)
	}
	if s.Caches.GetChangeStream() != nil {
		t.Errorf("a stream is read that nobody names: %v", s.Caches)
	}
	if none := good(t, base(t)).Policies; none == nil || none.Shedding != nil || none.Inbound != nil || len(none.Limits)+len(none.Resources)+len(none.Breakers[traffic.Live]) > 0 {
		t.Errorf("policies of a configuration without any: %+v", none)
	}
}

// policyLines are all policies of a snapshot, with who uses them.
func policyLines(s *scenes.Snapshot) []string {
	names := func(limits []*scenes.Limit) string {
		var out []string
		for _, l := range limits {
			if s.Policies.Limits[l.Name] != l {
				out = append(out, "another")
			}
			out = append(out, l.Name)
		}
		return strings.Join(out, ",")
	}
	queue := func(q *scenes.QueueRef) string {
		if q == nil {
			return "none"
		}
		if s.Policies.Resources[q.Resource.Name] != q.Resource {
			return "another"
		}
		return q.Resource.Name + "/" + q.Queue
	}
	out := slices.Concat(limitLines(s.Policies.Limits), resourceLines(s.Policies.Resources), breakerLines(s.Policies.Breakers))
	out = append(out, "inbound "+names(s.Policies.Inbound)+" "+prototext.MarshalOptions{}.Format(s.Policies.Shedding))
	for _, x := range s.Scenes {
		out = append(out, fmt.Sprint(x.Name, names(x.Limits), queue(x.Queue), x.Priority, breakerLines(x.Breakers)))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Clients)) {
		c := s.Clients[name]
		if c.Quota != nil {
			out = append(out, name+" "+names([]*scenes.Limit{c.Quota}))
		}
		out = append(out, fmt.Sprint(name, c.AllowShadow, c.Priority))
	}
	for _, command := range slices.Sorted(maps.Keys(s.Dependencies)) {
		out = append(out, fmt.Sprint(command, names(s.DependencyLimits[command]), queue(s.DependencyQueues[command])))
	}
	return out
}
