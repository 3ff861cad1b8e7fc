package scenes_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// A configuration is edited again and again, well and badly. A loader that keeps what it can gives what a first load of the same files gives: the
// version, all that is in the snapshot, and every finding where it is.
func TestALoadThatReusesIsALoadFromScratch(t *testing.T) {
	good, bad, reused := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		e := editor{t: t, files: map[string]string{}, past: map[string][]string{}}
		for _, name := range fileNames() {
			e.write(name)
		}
		loader := scenes.Loader{Gentle: rapid.IntRange(0, 9).Draw(t, "gentle") == 9}
		var before *scenes.Snapshot
		for range rapid.IntRange(2, 12).Draw(t, "edits") {
			files := e.list()
			got, want := loader.Load(files, today), scenes.LoadFiles(files, today)
			if diff := cmp.Diff(want.Diagnostics, got.Diagnostics); diff != "" {
				t.Fatalf("findings (-from scratch +reusing):\n%s\nfiles:\n%s", diff, e.dump())
			}
			if diff := cmp.Diff(describe(want.Snapshot), describe(got.Snapshot)); diff != "" {
				t.Fatalf("snapshot (-from scratch +reusing):\n%s\nfiles:\n%s", diff, e.dump())
			}
			if got.Snapshot == nil {
				bad++
			} else {
				good++
				reused += sharedScenes(before, got.Snapshot)
				before = got.Snapshot
			}
			e.edit()
		}
	})
	if good == 0 || bad == 0 || reused == 0 {
		t.Errorf("%d good loads, %d bad ones, %d scenes reused: this shows nothing", good, bad, reused)
	}
}

// What an edit does not touch is the same in the next snapshot: the entities, their defaults and the compiled rules.
func TestALoaderKeepsWhatAnEditDoesNotChange(t *testing.T) {
	files := marketplace(100)
	var loader scenes.Loader
	first := loader.Load(files, today).Snapshot
	for i, f := range files {
		if f.Name == "clients.yaml" {
			files[i].Data = append([]byte("# edited\n"), f.Data...)
		}
	}
	second := loader.Load(files, today).Snapshot
	if n := sharedScenes(first, second); n != 100 {
		t.Errorf("%d of 100 scenes are the same", n)
	}
	for i, s := range second.Scenes {
		if s.Exclusion.When != first.Scenes[i].Exclusion.When {
			t.Fatalf("the rule of scene %s was compiled again", s.Name)
		}
	}
}

func sharedScenes(a, b *scenes.Snapshot) int {
	n := 0
	for _, s := range b.Scenes {
		if a != nil && a.ScenesByName[s.Name] != nil && a.ScenesByName[s.Name].Spec == s.Spec {
			n++
		}
	}
	return n
}

// editor makes files of a configuration, and changes them.
type editor struct {
	t     *rapid.T
	files map[string]string
	past  map[string][]string // texts that a file had
}

const sceneFiles = 4

func fileNames() []string {
	names := []string{"a_regions.yaml", "clients.yaml", "limits_a.yaml", "limits_b.yaml", "pools.yaml", "rules.yaml", "scenarios.yaml", "vouchers.yaml"}
	for i := range sceneFiles {
		names = append(names, fmt.Sprintf("scenes/%d.yaml", i))
	}
	return names
}

// write gives a file a text of its kind.
func (e *editor) write(name string) {
	text := e.text(name)
	if rapid.IntRange(0, 3).Draw(e.t, "comment") == 0 {
		text = strings.Repeat("# a comment\n", rapid.IntRange(1, 3).Draw(e.t, "lines")) + text
	}
	e.files[name] = text
	e.past[name] = append(e.past[name], text)
}

// edit changes something: often one file, sometimes what files there are.
func (e *editor) edit() {
	for range rapid.IntRange(1, 2).Draw(e.t, "files changed") {
		name := rapid.SampledFrom(fileNames()).Draw(e.t, "file")
		switch rapid.SampledFrom([]string{"write", "write", "write", "write", "back", "back", "mend", "delete", "break", "again"}).Draw(e.t, "edit") {
		case "write":
			e.write(name)
		case "back":
			e.files[name] = rapid.SampledFrom(e.past[name]).Draw(e.t, "text")
		case "delete":
			delete(e.files, name)
		case "break":
			e.files[name] += rapid.SampledFrom([]string{"scens: []\n", "  - : [\n", "scenes: 3\n", "\x01", "caches: {price_stock: {ttl: 5}}\n"}).Draw(e.t, "fault")
		case "again": // its entities stand twice
			e.files["zz_copy.yaml"] = e.files[name]
		case "mend":
			delete(e.files, "zz_copy.yaml")
			for name, past := range e.past {
				e.files[name] = past[0]
			}
		}
	}
}

// pick chooses among what is good or, rarely, what is bad.
func (e *editor) pick(label string, good, bad []string) string {
	if e.rarely("bad " + label) {
		good = bad
	}
	return rapid.SampledFrom(good).Draw(e.t, label)
}

// rarely is true for a number in the middle: the first and the last are drawn often.
func (e *editor) rarely(label string) bool { return rapid.IntRange(0, 250).Draw(e.t, label) == 137 }

func (e *editor) text(name string) string {
	var b strings.Builder
	switch name {
	case "a_regions.yaml":
		fmt.Fprintf(&b, "regions: [{code: US, currency: USD, time_zone: %s, default_tax_mode: PRE_TAX}]\n",
			e.pick("zone", []string{"America/New_York", "Asia/Singapore"}, []string{"Mars/One"}))
		fmt.Fprintf(&b, "price_rule_types: [{id: 1, name: original_price, is_original_price: %s}, {id: 2, name: %s, priority: %s}]\n",
			e.pick("original", []string{"true"}, []string{"false"}), e.pick("type", []string{"flash_sale"}, []string{"weekly_cut"}), e.pick("priority", []string{"3", "4"}, []string{"low"}))
	case "clients.yaml":
		b.WriteString("clients:\n  - id: 1\n    name: shop\n    allowed_scenes:\n")
		for i := range 3 * sceneFiles {
			if i != 5 || !e.rarely("a scene is not allowed") {
				fmt.Fprintf(&b, "      - scene_%d\n", i)
			}
		}
		fmt.Fprintf(&b, "    quota: %s\n", e.pick("quota", []string{"of_shop", "every_day"}, []string{"of_shp", "shadow_of_shop"}))
	case "limits_a.yaml":
		fmt.Fprintf(&b, "limits:\n  of_shop: {all: {window: %s, limit: 5%s}}\n  every_day:\n    dimensions: {all: {window: 24h, limit: 5}}\n",
			e.pick("window", []string{"1s", "2s"}, []string{"1", "0s"}), e.pick("more", []string{"", ", burst: 2", ", key: request.region"}, []string{", burst: 2, fixed: true", ", kye: 1"}))
		fmt.Fprintf(&b, "breakers: {%s: {error_percent_threshold: %s}}\n", e.pick("command", []string{"price.query", "tax.rates"}, []string{"price.qery"}), e.pick("percent", []string{"5", "0"}, []string{"101"}))
	case "limits_b.yaml":
		fmt.Fprintf(&b, "%slimits: {%s: {%s: {window: 1s, limit: 7}}}\n", e.pick("inbound", []string{"", "inbound: {limits: [every_day]}\n"}, []string{"inbound: {limits: [some_day]}\n"}),
			e.pick("limit", []string{"shadow_of_shop", "shadow_every_day", "shadow_other"}, []string{"of_shop", "shadow_"}), e.pick("dimension", []string{"all", "other"}, []string{"Other"}))
		fmt.Fprintf(&b, "breakers: {%s: {error_percent_threshold: 5}}\n", e.pick("twin", []string{"shadow.price.query", "gmv.query"}, []string{"price.query"}))
		fmt.Fprintf(&b, "hierarchy_limits:\n  pages: {multiplier: %s, root_queue: {max_limit: 10, sub_queues: [{queue: a, guaranteed_limit: %s}]}}\n",
			e.pick("multiplier", []string{"1", "0.5"}, []string{"0.0001"}), e.pick("guarantee", []string{"5", "10"}, []string{"11"}))
	case "pools.yaml":
		fmt.Fprintf(&b, "voucher_pools:\n  - name: POOL\n    when: %s\n---\nvoucher_pools:\n  - {name: OTHER, when: voucher.hidden}\n",
			e.pick("pool", []string{"voucher.type == 'SHOP_VOUCHER'", "voucher.hidden"}, []string{"voucher.hiden", "voucher.type"}))
	case "rules.yaml":
		for i := range 2 {
			fmt.Fprintf(&b, "%s  - id: %d\n    name: rule_%d\n    excluded_price_rule_types: [flash_sale]\n    when: |\n      %s\n",
				[]string{"exclusion_rules:\n", ""}[i], i, i,
				e.pick("rule", []string{"promo.price < 3", "promo.price < 4\n      && promo.sold_out"}, []string{"promo.prise < 3", "item.brand == 3", "voucher.hidden"}))
		}
	case "scenarios.yaml":
		fmt.Fprintf(&b, "scenarios:\n  - &one\n    id: 1\n    name: style\n    voucher: {shop_voucher_pool: %s}\n  - {<<: *one, id: 2, name: other}\n",
			e.pick("pool", []string{"POOL", "OTHER"}, []string{"POLO"}))
	case "vouchers.yaml":
		fmt.Fprintf(&b, "price_rule_types: [{id: 3, name: %s}]\n", e.pick("type", []string{"live_stream_price", "exclusive_price"}, []string{"Exclusive"}))
		fmt.Fprintf(&b, "vouchers: {price_reducing_reward_types: [%s]}\n", e.pick("reward", []string{"DISCOUNT", "DISCOUNT, PREPAID_DISCOUNT"}, []string{"DISCOUTN"}))
		b.WriteString(e.pick("caches", []string{"", "caches: {price_stock: {enabled: true}}\n", "caches:\n", "downgrades: [{feature: TAX, scenes: [scene_3], reason: x}]\n"},
			[]string{"downgrades: [{feature: TAX, scenes: [scene_99]}]\n"}))
	default:
		e.scenes(&b, int(name[len("scenes/")]-'0'))
	}
	return b.String()
}

func (e *editor) scenes(b *strings.Builder, file int) {
	b.WriteString("scenes:\n")
	for i := range 3 {
		id := 3*file + i
		if e.rarely("a scene is left out") {
			continue
		}
		fmt.Fprintf(b, "  - name: scene_%d\n%s    client: %s\n    scenario: %s\n", id, e.pick("id", []string{fmt.Sprintf("    id: %d\n", id)}, []string{"", "    id: -1\n"}), e.pick("client", []string{"shop"}, []string{"shoop"}),
			e.pick("scenario", []string{"style", "other"}, []string{"stile"}))
		fmt.Fprintf(b, "    product_promotion: {exclusion_rule: %s}\n", e.pick("rule", []string{"rule_0", "rule_1"}, []string{"rule_2"}))
		b.WriteString(e.pick("switch", []string{
			"", "    voucher: {enabled: true}\n", "    voucher:\n      need_applied_voucher_detail: true\n", "    description: \"a\"\n", "    voucher: {}\n",
		}, []string{"    stock: {need_stock_breakdown: true}\n", "    stock: {need_stock: maybe}\n", "    unknown: 1\n"}))
	}
}

func (e *editor) list() []source.File {
	var out []source.File
	for _, name := range slices.Sorted(maps.Keys(e.files)) {
		out = append(out, source.File{Name: name, Data: []byte(e.files[name])})
	}
	return out
}

func (e *editor) dump() string {
	var b strings.Builder
	for _, f := range e.list() {
		fmt.Fprintf(&b, "-- %s --\n%s", f.Name, f.Data)
	}
	return b.String()
}

// describe writes all that is in a snapshot, with names for what other parts are pointed at.
func describe(s *scenes.Snapshot) []string {
	if s == nil {
		return nil
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	message := func(m proto.Message) string { return prototext.MarshalOptions{}.Format(m) }
	when := func(r *rules.Rule) string {
		if r == nil {
			return "always"
		}
		return r.String()
	}
	rule := func(r *scenes.PromoRule) string {
		if r == nil {
			return "none"
		}
		return fmt.Sprint(r.Name, r.Types, when(r.When))
	}
	pool := func(p *scenes.VoucherPool) string {
		if p == nil {
			return "none"
		}
		return p.Name + " " + when(p.When)
	}
	say("%s %v %v %v %s", s.Version, s.LoadedAt, s.Sources, s.ReducesPrice, message(s.Caches))
	say("%s", message(s.Bundle))
	for _, t := range s.Types {
		say("type %+v", t)
	}
	for _, code := range slices.Sorted(maps.Keys(s.Regions)) {
		say("region %+v", *s.Regions[code])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Clients)) {
		var allowed []string
		for scene := range s.Clients[name].Allowed {
			allowed = append(allowed, scene.Name)
		}
		slices.Sort(allowed)
		say("client %d %s %v %v", s.Clients[name].ID, name, s.Clients[name].CredentialIDs, allowed)
	}
	for _, x := range s.Scenes {
		say("scene %d %s %s %s %v %s %s %s", x.ID, x.Name, x.Client.Name, x.Scenario.Name, x.TimeMode, rule(x.Exclusion), rule(x.Inclusion), message(x.Spec))
		say("scenario %s %s %s %s", x.Scenario.Name, pool(x.Scenario.ShopPool), pool(x.Scenario.PlatformPool), message(x.Scenario.Spec))
		if s.ScenesByID[x.ID] != x || s.ScenesByName[x.Name] != x {
			say("scene %s is not found", x.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.VoucherPools)) {
		say("pool %s", pool(s.VoucherPools[name]))
	}
	for _, d := range s.Downgrades {
		say("downgrade %v %s %s", d.Feature, d.Scope, d.Reason)
	}
	return append(out, policyLines(s)...)
}

// An expression that is good in one place may be wrong in another.
func TestAKeptExpressionIsThatOfItsPlace(t *testing.T) {
	files := base(t)
	var loader scenes.Loader
	list := func() []source.File {
		var out []source.File
		for name, text := range files {
			out = append(out, source.File{Name: name, Data: []byte(text)})
		}
		source.Sort(out)
		return out
	}
	if first := loader.Load(list(), today); first.Snapshot == nil {
		t.Fatal(first.Diagnostics)
	}
	files["rules.yaml"] = strings.ReplaceAll(files["rules.yaml"], "promo.price < 1000", "voucher.type == 'SHOP_VOUCHER'") // as that of a voucher pool
	if second := loader.Load(list(), today); second.Snapshot != nil {
		t.Error("a rule of promotions may look at vouchers")
	}
}

// A few megabytes can hold millions of entities, and each takes kilobytes once it is checked: such a configuration is refused before.
func TestAConfigurationOfTooManyEntitiesIsRefusedEarly(t *testing.T) {
	few := source.File{Name: "a.yaml", Data: []byte("scenes:\n" + strings.Repeat("- {}\n", 50_000))}
	many := source.File{Name: "b.yaml", Data: []byte("clients:\n" + strings.Repeat("- {}\n", 50_001))}
	rest := source.File{Name: "c.yaml", Data: []byte("sceens: []\n")}
	values := source.File{Data: []byte("clients: [{allowed_scenes: [" + strings.Repeat("a,", 700_000) + "]}]\n")}
	aliased := source.File{Data: []byte("clients: [{allowed_scenes: &a [" + strings.Repeat("a,", 1_000) + "]}" + strings.Repeat(",{allowed_scenes: *a}", 450) + "]\n")}
	copies := func(of source.File, n int) (files []source.File) {
		for i := range n {
			files = append(files, source.File{Name: fmt.Sprintf("%d.yaml", i), Data: of.Data})
		}
		return append(files, rest)
	}
	var loader scenes.Loader
	for name, files := range map[string][]source.File{"entities": {few, many, rest}, "values": copies(values, 3), "values through aliases": copies(aliased, 5)} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				got := loader.Load(files, today)
				if len(got.Diagnostics) != 1 || got.Diagnostics[0].Code != diag.FileTooLarge || got.Snapshot != nil {
					t.Errorf("%d findings: %.300v", len(got.Diagnostics), got.Diagnostics)
				}
			}
		})
	}
	if got := scenes.LoadFiles([]source.File{few}, today); slices.ContainsFunc(got.Diagnostics, func(d diag.Diagnostic) bool { return d.Code == diag.FileTooLarge }) {
		t.Error("half as many are too many")
	}
}
