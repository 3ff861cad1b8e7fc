package impact_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"proscenium/assembly"
	"proscenium/catalog"
	"proscenium/configs"
	"proscenium/engine"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/impact"
	"proscenium/impact/impacttest"
	"proscenium/recording"
	"proscenium/scenes"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func catalogFiles(t testing.TB) fs.FS {
	t.Helper()
	files, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func loadCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	cat, err := assembly.LoadCatalog(catalogFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

func measure(t testing.TB, cat *catalog.Catalog, records []*pricingv1.RecordedRequest, before, after *scenes.Snapshot, opts impact.Options) *impact.Report {
	t.Helper()
	report, err := impact.Offlines(t.Context(), impacttest.Lines(records),
		impact.Configuration{Snapshot: before, Catalog: cat}, impact.Configuration{Snapshot: after, Catalog: cat}, now, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// naive is a comparison as plain as it can be: one request after the other in systems of their own, answers compared as a whole.
type naive struct{ before, after *engine.Engine }

func newNaive(t testing.TB, before, after *scenes.Snapshot) *naive {
	t.Helper()
	open := func(snap *scenes.Snapshot) *engine.Engine {
		system, err := assembly.Open(assembly.Options{Catalog: catalogFiles(t), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(system.Close)
		if err := system.Apply(snap); err != nil {
			t.Fatal(err)
		}
		return system.Engine
	}
	return &naive{open(before), open(after)}
}

// totals are what the naive comparison counts.
type totals struct {
	Changed, Refused, Allowed int
	ChangedByScene            map[string]int
	Dearer, Cheaper           int
	Sum                       int64
	LargestDelta              int64
}

func (n *naive) run(t testing.TB, records []*pricingv1.RecordedRequest, sceneName func(*pricingv1.GetPromotionInfoRequest) string) totals {
	t.Helper()
	want := totals{ChangedByScene: map[string]int{}}
	for i, record := range records {
		caller := engine.Caller{Client: record.GetClient(), At: record.GetRecordedAt().AsTime()}
		old, oldErr := n.before.Price(t.Context(), caller, record.GetRequest())
		edited, newErr := n.after.Price(t.Context(), caller, record.GetRequest())
		changed := fault.Reason(oldErr) != fault.Reason(newErr)
		if oldErr == nil && newErr == nil {
			old.ConfigVersion, old.PricedAt, edited.ConfigVersion, edited.PricedAt = "", nil, "", nil
			changed = !proto.Equal(old, edited)
			// Slow, and so for some of them only: what cmp says of them.
			if i%40 == 0 && changed == cmp.Equal(old, edited, protocmp.Transform()) {
				t.Errorf("request %d: two ways to compare say different things", i)
			}
			want.prices(old, edited)
		}
		if !changed {
			continue
		}
		want.Changed++
		want.ChangedByScene[sceneName(record.GetRequest())]++
		if oldErr == nil && newErr != nil {
			want.Refused++
		}
		if oldErr != nil && newErr == nil {
			want.Allowed++
		}
	}
	return want
}

func (w *totals) prices(old, edited *pricingv1.GetPromotionInfoResponse) {
	count := func(a, b *int64) {
		if a == nil || b == nil || *a == *b {
			return
		}
		delta := *b - *a
		w.Sum += delta
		if delta > 0 {
			w.Dearer++
		} else {
			w.Cheaper++
		}
		if max(delta, -delta) > max(w.LargestDelta, -w.LargestDelta) {
			w.LargestDelta = delta
		}
	}
	for i, item := range old.GetItems() {
		other := edited.GetItems()[i]
		if len(item.GetModels()) == 0 || len(other.GetModels()) == 0 {
			count(item.FinalPrice, other.FinalPrice)
			continue
		}
		for j, m := range item.GetModels() {
			count(m.FinalPrice, other.GetModels()[j].FinalPrice)
		}
	}
}

// edits are of one line each.
var edits = []struct{ name, file, old, text string }{
	{"vouchers are turned off", "scenes/13_pdp_main.yaml", "enabled: true", "enabled: false"},
	{"a rule drops another type", "rules.yaml", "      - flash_sale\n", "      - weekly_cut\n"},
	{"a type loses its priority", "price_rule_types.yaml", "priority: 400", "priority: 50"},
	{"a scene stops showing stock", "scenes/15_cart.yaml", "need_stock: true\n      need_to_apply_purchase_limit: true", "need_stock: false"},
	{"the tax mode of the region", "regions.yaml", "default_tax_mode: PRE_TAX", "default_tax_mode: POST_TAX"},
	{"a scene needs a user", "scenes/16_cart_guest.yaml", "scenario: buyer_non_user_exclusive", "scenario: buyer_default"},
	{"a scene needs no user", "scenes/15_cart.yaml", "scenario: buyer_default", "scenario: buyer_non_user_exclusive"},
}

func TestTheImpactOfAnEditIsThatOfPricingEachRequestTwice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	cat := loadCatalog(t)
	before := impacttest.Load(t, configs.FS)
	for i, edit := range edits {
		t.Run(edit.name, func(t *testing.T) {
			n := 1_000
			if i == 0 {
				n = 10_000
			}
			records := impacttest.Records(t, seed, n)
			after := impacttest.Load(t, impacttest.Edited(t, edit.file, edit.old, edit.text))
			began := time.Now()
			report := measure(t, cat, records, before, after, impact.Options{Top: 10})
			t.Logf("impact of %d requests in %v", n, time.Since(began))
			want := newNaive(t, before, after).run(t, records, func(req *pricingv1.GetPromotionInfoRequest) string {
				if scene := before.ScenesByName[req.GetSceneName()]; scene != nil {
					return scene.Name
				}
				return before.ScenesByID[req.GetSceneId()].Name
			})
			got := totals{Changed: report.Changed, ChangedByScene: map[string]int{}}
			for _, p := range report.Scenes {
				if p.Changed > 0 {
					got.ChangedByScene[p.Name] = p.Changed
				}
			}
			for _, r := range report.Refusals {
				if r.Old == "" {
					got.Refused += r.Requests
				} else if r.New == "" {
					got.Allowed += r.Requests
				}
			}
			for _, p := range report.Prices {
				got.Dearer += p.Dearer.Prices
				got.Cheaper += p.Cheaper.Prices
				got.Sum += p.Dearer.Sum + p.Cheaper.Sum
			}
			if len(report.Largest) > 0 {
				got.LargestDelta = report.Largest[0].New - report.Largest[0].Old
			}
			// Of a rise and a fall that are equally large, either may be named first.
			got.LargestDelta, want.LargestDelta = max(got.LargestDelta, -got.LargestDelta), max(want.LargestDelta, -want.LargestDelta)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-naive +reported:\n%s", d)
			}
			if report.Requests != n || report.Compared != n || len(report.NotCompared) > 0 {
				t.Errorf("%d requests, %d compared, not compared: %v", report.Requests, report.Compared, report.NotCompared)
			}
			if i == 0 && (report.Changed == 0 || report.Changed == n) {
				t.Errorf("%d requests changed: the test shows nothing", report.Changed)
			}
			for _, c := range slices.Concat(report.Largest, report.LargestByPercent) {
				if c.Old == c.New || len(c.Because) == 0 {
					t.Errorf("%+v says no reason", c)
				}
			}
		})
	}
}

func TestEqualConfigurationsHaveNoImpact(t *testing.T) {
	records := impacttest.Records(t, 7, 2_000)
	report := measure(t, loadCatalog(t), records, impacttest.Load(t, configs.FS), impacttest.Load(t, impacttest.Edited(t, "", "", "")), impact.Options{Top: 10})
	if report.Different() || report.Percent != 0 || len(report.Fields)+len(report.Refusals)+len(report.Largest)+len(report.Turns) > 0 {
		t.Errorf("%+v", report)
	}
	if report.Prices[0].Compared < 1_000 {
		t.Errorf("only %d prices compared", report.Prices[0].Compared)
	}
}

func TestTheOtherWayRoundEverythingIsTheOtherWayRound(t *testing.T) {
	records := impacttest.Records(t, 8, 1_500)
	cat, before := loadCatalog(t), impacttest.Load(t, configs.FS)
	for _, edit := range edits[:3] {
		after := impacttest.Load(t, impacttest.Edited(t, edit.file, edit.old, edit.text))
		there := measure(t, cat, records, before, after, impact.Options{Top: 5})
		back := measure(t, cat, records, after, before, impact.Options{Top: 5})
		for i := range back.Fields {
			back.Fields[i].Old, back.Fields[i].New = back.Fields[i].New, back.Fields[i].Old
		}
		for i := range back.Turns {
			back.Turns[i].Old, back.Turns[i].New = back.Turns[i].New, back.Turns[i].Old
		}
		for i, p := range back.Prices {
			mirror := func(m impact.Moves) impact.Moves {
				return impact.Moves{Prices: m.Prices, Sum: -m.Sum, Median: -m.Median, Largest: -m.Largest}
			}
			back.Prices[i].Dearer, back.Prices[i].Cheaper = mirror(p.Cheaper), mirror(p.Dearer)
		}
		for i := range back.Scenes {
			back.Scenes[i].Dearer, back.Scenes[i].Cheaper = back.Scenes[i].Cheaper, back.Scenes[i].Dearer
		}
		byPath := func(a, b impact.Turn) int { return strings.Compare(a.Path+a.Old+a.New, b.Path+b.Old+b.New) }
		slices.SortFunc(there.Turns, byPath)
		slices.SortFunc(back.Turns, byPath)
		for name, d := range map[string]string{
			"changed": cmp.Diff(there.Changed, back.Changed), "fields": cmp.Diff(there.Fields, back.Fields), "turns": cmp.Diff(there.Turns, back.Turns),
			"prices": cmp.Diff(there.Prices, back.Prices), "scenes": cmp.Diff(there.Scenes, back.Scenes),
		} {
			if d != "" {
				t.Errorf("%s, %s (-there +back):\n%s", edit.name, name, d)
			}
		}
	}
}

func TestReportsDoNotDependOnHowManyWorkAtIt(t *testing.T) {
	records := impacttest.Records(t, 9, 1_000)
	for i, record := range records {
		record.Weight = []float64{0, 1, 1.0 / 3, 7.7}[i%4]
	}
	cat, before := loadCatalog(t), impacttest.Load(t, configs.FS)
	after := impacttest.Load(t, impacttest.Edited(t, edits[0].file, edits[0].old, edits[0].text))
	var first []byte
	for _, workers := range []int{1, 3, 16} {
		text, err := json.Marshal(measure(t, cat, records, before, after, impact.Options{Top: 7, Workers: workers}))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if d := cmp.Diff(string(first), string(text)); d != "" {
			t.Errorf("%d workers:\n%s", workers, d)
		}
	}
}

// answers is a pricer with answers of its own, by the item asked for.
type answers map[int64]impact.Answer

func (a answers) Price(_ context.Context, req *impact.Request) impact.Answer {
	answer := a[req.Msg.GetItems()[0].GetItemId()]
	answer.Response = proto.CloneOf(answer.Response)
	return answer
}

func priced(price int64) impact.Answer {
	return impact.Answer{Response: &pricingv1.GetPromotionInfoResponse{
		Currency: "USD", Items: []*pricingv1.Item{{ItemId: 1, Models: []*pricingv1.Model{{ModelId: 2, FinalPrice: proto.Int64(price)}}}},
	}}
}

func refused(reason string) impact.Answer {
	return impact.Answer{Refused: &impact.Refusal{Reason: reason, Message: "because " + reason}}
}

func failing(text string) impact.Answer { return impact.Answer{Err: errors.New(text)} }

// asking are records of requests for these items.
func asking(items ...int64) []*pricingv1.RecordedRequest {
	var records []*pricingv1.RecordedRequest
	for _, item := range items {
		records = append(records, &pricingv1.RecordedRequest{Request: &pricingv1.GetPromotionInfoRequest{
			Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "page"}, Region: "US", Items: []*pricingv1.RequestItem{{ItemId: item}},
		}})
	}
	return records
}

func TestEveryOutcomeIsCounted(t *testing.T) {
	before := answers{
		1: priced(100), 2: priced(100), 3: priced(100), 4: refused("NOT_ALLOWED"), 5: refused("NOT_ALLOWED"), 6: refused("NOT_ALLOWED"),
		7: failing("UNAVAILABLE: gone"), 8: priced(100), 9: failing("UNAVAILABLE: gone"),
	}
	after := answers{
		1: priced(100), 2: priced(150), 3: refused("NOT_ALLOWED"), 4: priced(100), 5: refused("NOT_FOUND"), 6: refused("NOT_ALLOWED"),
		7: priced(100), 8: failing("TIMEOUT"), 9: failing("TIMEOUT"),
	}
	lines := func(yield func(recording.Line, error) bool) {
		for line, err := range impacttest.Lines(asking(1, 2, 3, 4, 5, 6, 7, 8, 9)) {
			yield(line, err)
		}
		yield(recording.Line{File: "requests.jsonl", Number: 10, Err: errors.New("no JSON")}, nil)
		weighty := asking(1)[0]
		weighty.Weight = -1
		yield(recording.Line{File: "requests.jsonl", Number: 11, Record: weighty}, nil)
	}
	report, err := impact.Run(t.Context(), lines, before, after, impact.Options{Top: 3})
	if err != nil {
		t.Fatal(err)
	}
	at := func(n int) string { return fmt.Sprintf("requests.jsonl:%d", n) }
	want := &impact.Report{
		Requests: 9, Compared: 6, StandFor: 6, Changed: 4, StandForChanged: 4, Percent: 66.67,
		Refusals: []impact.RefusalChange{
			{Old: "", New: "NOT_ALLOWED", Scene: "page", Requests: 1, Message: "because NOT_ALLOWED", Place: at(3)},
			{Old: "NOT_ALLOWED", New: "", Scene: "page", Requests: 1, Message: "because NOT_ALLOWED", Place: at(4)},
			{Old: "NOT_ALLOWED", New: "NOT_FOUND", Scene: "page", Requests: 1, Message: "because NOT_FOUND", Place: at(5)},
		},
		Refused: []impact.RefusalChange{{Old: "NOT_ALLOWED", New: "NOT_ALLOWED", Scene: "page", Requests: 1, Message: "because NOT_ALLOWED", Place: at(6)}},
		Scenes:  []impact.Part{{Name: "page", Requests: 6, Changed: 4, Percent: 66.67, Dearer: 1}},
		Regions: []impact.Part{{Name: "US", Requests: 6, Changed: 4, Percent: 66.67, Dearer: 1}},
		Clients: []impact.Part{{Name: "", Requests: 6, Changed: 4, Percent: 66.67, Dearer: 1}},
		Fields:  []impact.FieldChange{{Path: "items.models.final_price", Answers: 1, Values: 1, Old: "100", New: "150", Place: at(2)}},
		Prices:  []impact.Prices{{Currency: "USD", Compared: 2, Dearer: impact.Moves{Prices: 1, Sum: 50, Median: 50, Largest: 50}}},
		NotCompared: []impact.Failures{
			{Side: "recording", Reason: "BAD_LINE", Count: 2, Examples: []impact.Failure{
				{Place: at(10), Message: "no JSON"}, {Place: at(11), Message: "weight: -1 is not above 0 and at most 1000000"},
			}},
			{Side: "both", Reason: "UNAVAILABLE", Count: 1, Examples: []impact.Failure{{Place: at(9), Message: "UNAVAILABLE: gone"}}},
			{Side: "new", Reason: "TIMEOUT", Count: 1, Examples: []impact.Failure{{Place: at(8), Message: "TIMEOUT"}}},
			{Side: "old", Reason: "UNAVAILABLE", Count: 1, Examples: []impact.Failure{{Place: at(7), Message: "UNAVAILABLE: gone"}}},
		},
		Notes: []string{"9 requests do not say when they arrived: they are priced as of now"},
	}
	for _, c := range report.Largest {
		if c.Old != 100 || c.New != 150 || c.Percent != 50 || c.Place != at(2) || c.Requests != 1 {
			t.Errorf("largest change %+v", c)
		}
	}
	report.Largest, report.LargestByPercent = nil, nil
	if d := cmp.Diff(want, report); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if report.Failed() != 5 {
		t.Errorf("%d failed, want 5", report.Failed())
	}
}

func TestSampledRequestsCountForThoseTheyStandFor(t *testing.T) {
	records := asking(1, 2)
	records[1].Weight = 3
	report, err := impact.Run(t.Context(), impacttest.Lines(records), answers{1: priced(1), 2: priced(1)}, answers{1: priced(1), 2: priced(2)}, impact.Options{})
	if err != nil || report.StandFor != 4 || report.StandForChanged != 3 || report.Percent != 75 || report.Changed != 1 || report.Scenes[0].Percent != 75 {
		t.Errorf("%+v, %v", report, err)
	}
	want := []impact.Prices{{Currency: "USD", Compared: 2, Dearer: impact.Moves{Prices: 1, Sum: 1, Median: 1, Largest: 1}}} // of what was recorded
	if d := cmp.Diff(want, report.Prices); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestAPseudonymIsCalledOne(t *testing.T) {
	records := asking(1, 2)
	for i, users := range []pricingv1.RecordedRequest_Users{pricingv1.RecordedRequest_USERS_HASHED, pricingv1.RecordedRequest_USERS_UNSPECIFIED} {
		records[i].Users, records[i].Request.UserId = users, proto.Int64(77)
	}
	report, err := impact.Run(t.Context(), impacttest.Lines(records), answers{1: priced(1), 2: priced(5)}, answers{1: priced(2), 2: priced(7)}, impact.Options{Top: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Largest {
		if c.User != 77 || c.Pseudonym != (c.Old == 1) {
			t.Errorf("%+v", c)
		}
	}
	if len(report.Largest) != 2 || len(report.Notes) == 0 {
		t.Errorf("%d changes, notes %q", len(report.Largest), report.Notes)
	}
}

func TestPricesInDifferentCurrenciesAreNotCompared(t *testing.T) {
	euros := priced(90)
	euros.Response.Currency = "EUR"
	report, err := impact.Run(t.Context(), impacttest.Lines(asking(1)), answers{1: priced(100)}, answers{1: euros}, impact.Options{Top: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Prices)+len(report.Largest)+len(report.LargestByPercent)+report.Scenes[0].Cheaper > 0 || report.Changed != 1 {
		t.Errorf("%+v", report)
	}
	fields := []impact.FieldChange{
		{Path: "currency", Answers: 1, Values: 1, Old: "USD", New: "EUR", Place: report.Fields[0].Place},
		{Path: "items.models.final_price", Answers: 1, Values: 1, Old: "100", New: "90", Place: report.Fields[0].Place},
	}
	if d := cmp.Diff(fields, report.Fields); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestTheFirstFailuresAreTheExamplesHoweverManyWorkersThereAre(t *testing.T) {
	items, gone := make([]int64, 40), answers{}
	for i := range items {
		items[i] = int64(i + 1)
		gone[items[i]] = failing(fmt.Sprintf("UNAVAILABLE: %d", items[i]))
	}
	for _, workers := range []int{1, 4} {
		report, err := impact.Run(t.Context(), impacttest.Lines(asking(items...)), gone, gone, impact.Options{Workers: workers})
		if err != nil || len(report.NotCompared) != 1 || report.NotCompared[0].Count != 40 {
			t.Fatalf("%+v, %v", report, err)
		}
		var messages []string
		for _, e := range report.NotCompared[0].Examples {
			messages = append(messages, e.Message)
		}
		if d := cmp.Diff([]string{"UNAVAILABLE: 1", "UNAVAILABLE: 2", "UNAVAILABLE: 3", "UNAVAILABLE: 4", "UNAVAILABLE: 5"}, messages); d != "" {
			t.Errorf("%d workers (-want +got):\n%s", workers, d)
		}
	}
}

func TestOneChangeAmongManyIsAboveNoChange(t *testing.T) {
	records := asking(1, 2)
	records[0].Weight = 100_000
	report, err := impact.Run(t.Context(), impacttest.Lines(records), answers{1: priced(1), 2: priced(1)}, answers{1: priced(1), 2: priced(2)}, impact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Percent != 0 || !report.Above(0) || !report.Above(0.0009) || report.Above(0.001) {
		t.Errorf("the share of 1 of 100,001 is %v, above 0: %v, above 0.0009: %v, above 0.001: %v", report.Percent, report.Above(0), report.Above(0.0009), report.Above(0.001))
	}
	none, err := impact.Run(t.Context(), impacttest.Lines(asking(1)), answers{1: priced(1)}, answers{1: priced(1)}, impact.Options{})
	if err != nil || none.Above(0) {
		t.Errorf("no change is above 0: %+v, %v", none, err)
	}
}

func TestARunEndsWithItsContextAndWithItsRecording(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := impact.Run(ctx, impacttest.Lines(asking(1)), answers{}, answers{}, impact.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	broken := errors.New("disk")
	lines := func(yield func(recording.Line, error) bool) { yield(recording.Line{}, broken) }
	if _, err := impact.Run(t.Context(), lines, answers{}, answers{}, impact.Options{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := impact.Run(t.Context(), impacttest.Lines(nil), answers{}, answers{}, impact.Options{}); !errors.Is(err, impact.ErrNoRequests) {
		t.Errorf("got %v", err)
	}
}

func TestOtherServicesAreNotAsked(t *testing.T) {
	after := impacttest.Load(t, impacttest.Edited(t, "dependencies.yaml", "- command: rebate.query\n    provider: {embedded: {}}",
		"- command: rebate.query\n    provider: {connect: {url: \"http://127.0.0.1:1\"}}"))
	report := measure(t, loadCatalog(t), impacttest.Records(t, 3, 300), impacttest.Load(t, configs.FS), after, impact.Options{})
	if report.Different() {
		t.Errorf("%d answers differ", report.Changed)
	}
	if want := []string{"other services are not asked: the catalog answers rebate.query on both sides"}; !slices.Equal(report.Notes, want) {
		t.Errorf("notes %q, want %q", report.Notes, want)
	}
}
