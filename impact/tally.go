package impact

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/money"
)

// maxExamples bounds the examples of each kind of failure.
const maxExamples = 5

// weightOne is a weight of 1. Weights are integers in sums, whose result does not depend on the order.
const weightOne = 10_000

// subject is a request that was priced twice.
type subject struct {
	*Request
	seq       int // in the order of the recording
	place     string
	scene     string
	weight    int64
	pseudonym bool
}

// tally counts. The order in which requests come makes no difference, so that each worker has a tally of its own, and all are merged.
type tally struct {
	requests, compared, changed int
	standFor, standForChanged   int64
	first, last                 time.Time
	refusals                    map[refusalKey]*refusalTally
	scenes, regions, clients    map[string]*part
	fields                      map[string]*fieldTally
	turns                       map[turnKey]int
	prices                      map[string]*priceTally
	byAmount, byRatio           *largest
	failures                    map[failureKey]*failureTally
}

type (
	refusalKey   struct{ old, now, scene string }
	refusalTally struct {
		requests int
		first    example
	}
	part struct {
		requests, changed, dearer, cheaper int
		standFor, standForChanged          int64
	}
	fieldTally struct {
		answers, values int
		first           example
	}
	turnKey    struct{ path, old, now string }
	priceTally struct {
		compared int
		changes  map[int64]int // by the difference
	}
	failureKey   struct{ side, reason string }
	failureTally struct {
		count    int
		examples []example
	}
	// example is the first of many.
	example struct {
		seq      int
		place    string
		old, now string // or a message
	}
)

func newTally(top int) *tally {
	return &tally{
		refusals: map[refusalKey]*refusalTally{},
		scenes:   map[string]*part{}, regions: map[string]*part{}, clients: map[string]*part{},
		fields: map[string]*fieldTally{}, turns: map[turnKey]int{}, prices: map[string]*priceTally{},
		byAmount: newLargest(top, byAmount), byRatio: newLargest(top, byRatio),
		failures: map[failureKey]*failureTally{},
	}
}

// entry is the one of a key, made if need be.
func entry[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

// compare counts a request with both answers.
func (t *tally) compare(s *subject, before, after Answer) {
	t.requests++
	if !s.At.IsZero() {
		t.arrived(s.At, s.At)
	}
	if before.Err != nil || after.Err != nil {
		t.failed(s, before.Err, after.Err)
		return
	}
	t.compared++
	t.standFor += s.weight
	parts := [...]*part{entry(t.scenes, s.scene), entry(t.regions, s.Msg.GetRegion()), entry(t.clients, s.Client)}
	var changed bool
	if before.Refused != nil || after.Refused != nil {
		changed = t.refused(s, before.Refused, after.Refused)
	} else {
		var dearer, cheaper int
		changed, dearer, cheaper = t.answered(s, before.Response, after.Response)
		for _, p := range parts {
			p.dearer += dearer
			p.cheaper += cheaper
		}
	}
	for _, p := range parts {
		p.requests++
		p.standFor += s.weight
		if changed {
			p.changed++
			p.standForChanged += s.weight
		}
	}
	if changed {
		t.changed++
		t.standForChanged += s.weight
	}
}

func (t *tally) arrived(first, last time.Time) {
	if t.first.IsZero() || first.Before(t.first) {
		t.first = first
	}
	if last.After(t.last) {
		t.last = last
	}
}

func (t *tally) refused(s *subject, before, after *Refusal) bool {
	k := refusalKey{scene: s.scene}
	message := ""
	if before != nil {
		k.old, message = before.Reason, before.Message
	}
	if after != nil {
		k.now, message = after.Reason, after.Message
	}
	r := entry(t.refusals, k)
	r.requests++
	r.first.take(r.requests == 1, example{seq: s.seq, place: s.place, now: message})
	return k.old != k.now
}

// take keeps the example that comes first in the recording.
func (e *example) take(none bool, other example) {
	if none || other.seq < e.seq {
		*e = other
	}
}

// answered counts how two responses differ.
func (t *tally) answered(s *subject, before, after *pricingv1.GetPromotionInfoResponse) (changed bool, dearer, cheaper int) {
	ignore(before)
	ignore(after)
	same := sameAnswer(before, after)
	if !same {
		seen := map[string]bool{}
		differences(before, after, func(d difference) { t.field(s, d, seen) })
	}
	if before.GetCurrency() != after.GetCurrency() {
		return !same, 0, 0
	}
	currency := entry(t.prices, after.GetCurrency())
	if same {
		prices(before, after, func(priced) { currency.compared++ })
		return false, 0, 0
	}
	prices(before, after, func(p priced) {
		currency.compared++
		if p.old == p.now {
			return
		}
		if p.now > p.old {
			dearer++
		} else {
			cheaper++
		}
		currency.count(p.now-p.old, 1)
		t.largest(s, after.GetCurrency(), p)
	})
	return true, dearer, cheaper
}

func (t *priceTally) count(change int64, n int) {
	if t.changes == nil {
		t.changes = map[int64]int{}
	}
	t.changes[change] += n
}

func (t *tally) largest(s *subject, currency string, p priced) {
	change := PriceChange{
		Scene: s.scene, Region: s.Msg.GetRegion(), Currency: currency, ItemID: p.item, ModelID: p.model, Old: p.old, New: p.now,
		Requests: 1, User: s.Msg.GetUserId(), Pseudonym: s.pseudonym, Place: s.place, request: s.Request, seq: s.seq,
	}
	if p.old != 0 {
		change.Percent = percent(change.delta(), float64(p.old))
	}
	explain := func(c *PriceChange) { c.Because = p.why() }
	t.byAmount.add(change, explain)
	t.byRatio.add(change, explain)
}

func (t *tally) field(s *subject, d difference, seen map[string]bool) {
	path := d.path
	if d.order {
		path += " (order)"
	}
	f := entry(t.fields, path)
	if !seen[path] {
		seen[path] = true
		f.answers++
	}
	f.values++
	if f.values == 1 || s.seq < f.first.seq {
		f.first = example{seq: s.seq, place: s.place, old: fieldText(d.fd, d.before), now: fieldText(d.fd, d.after)}
	}
	if d.order || !d.before.IsValid() || !d.after.IsValid() {
		return
	}
	switch {
	case d.fd.Kind() == protoreflect.EnumKind, d.fd.Kind() == protoreflect.BoolKind:
		t.turns[turnKey{path, scalarText(d.fd, d.before), scalarText(d.fd, d.after)}]++
	case d.fd.Message() != nil && d.fd.Message().Name() == "Promotion" && !d.fd.IsList():
		if old, now := typeOf(d.before), typeOf(d.after); old != now {
			t.turns[turnKey{path + ".price_rule_type", old, now}]++
		}
	}
}

func typeOf(promo protoreflect.Value) string {
	m := promo.Message()
	return m.Get(m.Descriptor().Fields().ByName("price_rule_type")).String()
}

// failed counts a request that a side did not answer.
func (t *tally) failed(s *subject, before, after error) {
	side, err := "both", before
	switch {
	case after == nil:
		side = "old"
	case before == nil:
		side, err = "new", after
	}
	reason, _, _ := strings.Cut(err.Error(), ":")
	t.fail(failureKey{side, reason}, 1, example{seq: s.seq, place: s.place, now: err.Error()})
}

func (t *tally) fail(k failureKey, count int, examples ...example) {
	f := entry(t.failures, k)
	f.count += count
	f.examples = append(f.examples, examples...)
	slices.SortFunc(f.examples, func(a, b example) int { return cmp.Compare(a.seq, b.seq) })
	f.examples = f.examples[:min(len(f.examples), maxExamples)]
}

// merge adds what another tally counted.
func (t *tally) merge(o *tally) {
	t.requests += o.requests
	t.compared += o.compared
	t.changed += o.changed
	t.standFor += o.standFor
	t.standForChanged += o.standForChanged
	if !o.first.IsZero() {
		t.arrived(o.first, o.last)
	}
	for k, r := range o.refusals {
		mine := entry(t.refusals, k)
		mine.first.take(mine.requests == 0, r.first)
		mine.requests += r.requests
	}
	for _, m := range [][2]map[string]*part{{t.scenes, o.scenes}, {t.regions, o.regions}, {t.clients, o.clients}} {
		for k, p := range m[1] {
			mine := entry(m[0], k)
			mine.requests += p.requests
			mine.changed += p.changed
			mine.dearer += p.dearer
			mine.cheaper += p.cheaper
			mine.standFor += p.standFor
			mine.standForChanged += p.standForChanged
		}
	}
	for k, f := range o.fields {
		mine := entry(t.fields, k)
		mine.first.take(mine.values == 0, f.first)
		mine.answers += f.answers
		mine.values += f.values
	}
	for k, n := range o.turns {
		t.turns[k] += n
	}
	for k, p := range o.prices {
		mine := entry(t.prices, k)
		mine.compared += p.compared
		for change, n := range p.changes {
			mine.count(change, n)
		}
	}
	t.byAmount.merge(o.byAmount)
	t.byRatio.merge(o.byRatio)
	for k, f := range o.failures {
		t.fail(k, f.count, f.examples...)
	}
}

// report is what was counted.
func (t *tally) report() *Report {
	r := &Report{
		Requests: t.requests, Compared: t.compared, StandFor: float64(t.standFor) / weightOne,
		Changed: t.changed, StandForChanged: float64(t.standForChanged) / weightOne, Percent: percent(float64(t.standForChanged), float64(t.standFor)),
		Scenes: parts(t.scenes), Regions: parts(t.regions), Clients: parts(t.clients),
		Largest: t.byAmount.sorted, LargestByPercent: t.byRatio.sorted,
	}
	if !t.first.IsZero() {
		r.First, r.Last = &t.first, &t.last
	}
	for k, v := range t.refusals {
		change := RefusalChange{Old: k.old, New: k.now, Scene: k.scene, Requests: v.requests, Message: v.first.now, Place: v.first.place}
		if k.old == k.now {
			r.Refused = append(r.Refused, change)
		} else {
			r.Refusals = append(r.Refusals, change)
		}
	}
	slices.SortFunc(r.Refusals, byRequests)
	slices.SortFunc(r.Refused, byRequests)
	for path, f := range t.fields {
		r.Fields = append(r.Fields, FieldChange{Path: path, Answers: f.answers, Values: f.values, Old: f.first.old, New: f.first.now, Place: f.first.place})
	}
	slices.SortFunc(r.Fields, func(a, b FieldChange) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(b.Values, a.Values), strings.Compare(a.Path, b.Path))
	})
	for k, n := range t.turns {
		r.Turns = append(r.Turns, Turn{Path: k.path, Old: k.old, New: k.now, Values: n})
	}
	slices.SortFunc(r.Turns, func(a, b Turn) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), strings.Compare(a.Path, b.Path), strings.Compare(a.Old, b.Old), strings.Compare(a.New, b.New))
	})
	for _, currency := range slices.Sorted(maps.Keys(t.prices)) {
		p := t.prices[currency]
		r.Prices = append(r.Prices, Prices{
			Currency: currency, Compared: p.compared,
			Dearer:  movesOf(p.changes, func(change int64) bool { return change > 0 }),
			Cheaper: movesOf(p.changes, func(change int64) bool { return change < 0 }),
		})
	}
	for k, f := range t.failures {
		all := Failures{Side: k.side, Reason: k.reason, Count: f.count}
		for _, e := range f.examples {
			all.Examples = append(all.Examples, Failure{Place: e.place, Message: e.now})
		}
		r.NotCompared = append(r.NotCompared, all)
	}
	slices.SortFunc(r.NotCompared, func(a, b Failures) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Side, b.Side), strings.Compare(a.Reason, b.Reason))
	})
	return r
}

func byRequests(a, b RefusalChange) int {
	return cmp.Or(cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Scene, b.Scene), strings.Compare(a.Old, b.Old), strings.Compare(a.New, b.New))
}

func parts(all map[string]*part) []Part {
	out := make([]Part, 0, len(all))
	for name, p := range all {
		out = append(out, Part{
			Name: name, Requests: p.requests, Changed: p.changed, Percent: percent(float64(p.standForChanged), float64(p.standFor)),
			Dearer: p.dearer, Cheaper: p.cheaper,
		})
	}
	slices.SortFunc(out, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Changed, a.Changed), cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Name, b.Name))
	})
	return out
}

// movesOf sums up the changes of one direction.
func movesOf(changes map[int64]int, in func(int64) bool) Moves {
	var m Moves
	var all []int64
	for change := range changes {
		if in(change) {
			all = append(all, change)
		}
	}
	// By their size: the median is the smaller of two, and the largest stands last.
	slices.SortFunc(all, func(a, b int64) int { return cmp.Compare(max(a, -a), max(b, -b)) })
	fits := true
	for _, change := range all {
		n := changes[change]
		m.Prices += n
		if product, ok := money.Mul(change, int64(n)); ok && fits {
			m.Sum, fits = money.Add(m.Sum, product)
		} else {
			fits = false
		}
	}
	if !fits {
		m.Sum = math.MaxInt64
		if all[0] < 0 {
			m.Sum = math.MinInt64
		}
	}
	before := 0
	for _, change := range all {
		if before += changes[change]; 2*before >= m.Prices {
			m.Median = change
			break
		}
	}
	if len(all) > 0 {
		m.Largest = all[len(all)-1]
	}
	return m
}

// percent is 100 a / b, with two decimals.
func percent(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return math.Round(10_000*a/b) / 100
}

func placeOf(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }
