package policy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/limit"
	"proscenium/engine/policy/shed"
	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/traffic"
)

// base is a market with two scenes, of two clients; tests put their policies below it.
const base = `
regions:
  - {code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}
price_rule_types:
  - {id: 0, name: original_price, priority: 0, is_original_price: true}
scenarios:
  - {id: 1, name: buyer}
`

// twoScenes are cart, of the client shop, and chat, of the client talk, which may use both. Their bodies are YAML in a line.
func twoScenes(cart, chat, shop string) string {
	with := func(s string) string {
		if s == "" {
			return ""
		}
		return ", " + s
	}
	return `
clients:
  - {id: 1, name: shop, allowed_scenes: [cart]` + with(shop) + `}
  - {id: 2, name: talk, allowed_scenes: [cart, chat]}
scenes:
  - {id: 1, name: cart, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}` + with(cart) + `}
  - {id: 2, name: chat, client: talk, scenario: buyer, model_display: {need_model_main_promo: true}` + with(chat) + `}
`
}

func load(t testing.TB, yaml ...string) *scenes.Snapshot {
	t.Helper()
	text := strings.Join(yaml, "\n")
	result := scenes.Load(fstest.MapFS{"bundle.yaml": {Data: []byte(text)}}, time.Now())
	if result.Snapshot == nil {
		t.Fatalf("%v\n%s", result.Diagnostics, text)
	}
	return result.Snapshot
}

// serve makes the policies of a snapshot those that serve.
func serve(t testing.TB, r *Registry, snap *scenes.Snapshot) *Set {
	t.Helper()
	set, err := r.Apply(snap)
	if err != nil {
		t.Fatal(err)
	}
	r.Retain(set)
	return set
}

func registry(t testing.TB, change ...func(*Deps)) *Registry {
	t.Helper()
	deps := Deps{Now: time.Now, Random: func() float64 { return 0.5 }}
	for _, c := range change {
		c(&deps)
	}
	r := New(deps)
	t.Cleanup(r.Close)
	return r
}

// heard is what a listener was told.
type heard struct {
	verdicts []limit.Verdict
	failed   []string
}

func (h *heard) Decided(v limit.Verdict)         { h.verdicts = append(h.verdicts, v) }
func (h *heard) RuleFailed(rule string, _ error) { h.failed = append(h.failed, rule) }

// silent hears nothing.
type silent struct{}

func (silent) Decided(limit.Verdict)    {}
func (silent) RuleFailed(string, error) {}

// user is the input of a request of a user; 0: a guest.
func user(id int64) *rules.Input {
	return &rules.Input{User: &facts.User{ID: id}, Request: &facts.Request{Region: "US", UserID: id}}
}

// call makes a call of so many batches, which ends as told.
func call(t testing.TB, o *Outbound, batches int, outcome breaker.Outcome) *Refusal {
	t.Helper()
	pass, refused := o.Enter(t.Context(), &Query{Input: user(7), Calls: batches, AtOnce: batches, Listener: silent{}})
	if refused == nil {
		pass.Room().Leave(pass.Room().Size())
		pass.Done(outcome)
	}
	return refused
}

// request asks for a user to be let in, and leaves at once.
func request(t testing.TB, in *Inbound, id int64) *Refusal {
	t.Helper()
	entry, refused := in.Enter(t.Context(), user(id), silent{})
	if refused == nil {
		entry.Leave()
	}
	return refused
}

func wantRefusal(t testing.TB, what string, got *Refusal, layer Layer, key string) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: let through, want the %v %s to refuse", what, layer, key)
		return
	}
	if got.Layer != layer || got.Key != key {
		t.Errorf("%s: %v, want the %v %s to refuse", what, got, layer, key)
	}
}

func wantPass(t testing.TB, what string, got *Refusal) {
	t.Helper()
	if got != nil {
		t.Errorf("%s: %v, want it let through", what, got)
	}
}

// breakerOf is the breaker of a command, by the name that refusals have for it.
func breakerOf(t testing.TB, r *Registry, class traffic.Class, name string) BreakerStatus {
	t.Helper()
	for _, s := range r.Breakers() {
		key := breakerKey{class: s.Class, command: s.Command, scene: s.Scene, downgraded: s.Downgraded}
		if s.Class == class && key.String() == name {
			return s
		}
	}
	t.Fatalf("there is no breaker %s of %v traffic", name, class)
	return BreakerStatus{}
}

// limitOf is the status of limit/dimension or resource/queue.
func limitOf(t testing.TB, r *Registry, class traffic.Class, name string) LimitStatus {
	t.Helper()
	for _, s := range r.Limits() {
		if s.Class == class && s.Name+"/"+s.Dimension == name {
			return s
		}
	}
	t.Fatalf("there is no limit %s of %v traffic", name, class)
	return LimitStatus{}
}

// room is a shedder that lets so many in.
type room struct {
	mu      sync.Mutex
	left    int
	inside  [traffic.Count]int
	asked   []shed.Priority
	rule    shed.Rule
	draws   []uint8
	refused int
}

func (s *room) Enter(class traffic.Class, p shed.Priority, draw uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.draws = append(s.asked, p), append(s.draws, draw)
	if s.left == 0 {
		s.refused++
		return false
	}
	s.left--
	s.inside[class]++
	return true
}

func (s *room) Leave(class traffic.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left++
	s.inside[class]--
}

func (s *room) Reconfigure(r shed.Rule) { s.rule = r }

func canceled(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// replaced is a text with some parts of it replaced, in pairs; each must be there.
func replaced(s string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			panic("nothing to replace: " + pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}
