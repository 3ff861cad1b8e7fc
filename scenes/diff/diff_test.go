package diff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"proscenium/configs"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/scenes"
	"proscenium/scenes/diff"
	"proscenium/scenes/source"
)

// bundle reads YAML as far as a bundle needs it; nothing else is checked.
func bundle(t *testing.T, yaml string) *configv1.Bundle {
	t.Helper()
	parsed := source.Parse([]source.File{{Name: "a.yaml", Data: []byte(yaml)}})
	if len(parsed.Findings) > 0 {
		t.Fatalf("%s\n%v", yaml, parsed.Findings)
	}
	return parsed.Bundle
}

// lines are changes as short as a test can have them.
func lines(changes []diff.Change) []string {
	var out []string
	for _, c := range changes {
		head := fmt.Sprintf("%s %s %s", c.Kind, c.Entity, c.Name)
		if c.OldName != "" {
			head += " was " + c.OldName
		}
		if c.UsedBy != nil {
			head += " used by " + strings.Join(c.UsedBy, ",")
		}
		if c.EveryScene {
			head += " (every scene)"
		}
		out = append(out, strings.TrimSpace(head))
		for _, f := range c.Fields {
			old, now := f.Old, f.New
			if f.OldDefault {
				old += " (default)"
			}
			if f.NewDefault {
				now += " (default)"
			}
			text := fmt.Sprintf("  %s: %s -> %s", c.Path(f), old, now)
			if len(f.Added)+len(f.Removed) > 0 {
				text = fmt.Sprintf("  %s: +%v -%v", c.Path(f), f.Added, f.Removed)
			}
			out = append(out, text)
		}
	}
	return out
}

const base = `
regions:
  - {code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}
price_rule_types:
  - {id: 1, name: list, is_original_price: true}
  - {id: 2, name: cut, priority: 10}
  - {id: 3, name: flash, priority: 20}
clients:
  - {id: 1, name: web, allowed_scenes: [page, cart]}
scenarios:
  - {id: 1, name: buyer, voucher: {shop_voucher_pool: ALL}, eligibility: {login_mode: true}}
  - {id: 2, name: guest}
voucher_pools:
  - {name: ALL, when: "voucher.hidden == false"}
  - {name: NONE, when: "false"}
exclusion_rules:
  - {id: 1, name: no_flash, excluded_price_rule_types: [flash]}
  - {id: 2, name: cheap, when: "promo.price < 100 && promo.sold_out"}
scenes:
  - {id: 1, name: page, client: web, scenario: guest, product_promotion: {exclusion_rule: no_flash}}
  - {id: 2, name: cart, client: web, scenario: guest, ab_test: try, voucher: {enabled: true}, product_promotion: {exclusion_rule: cheap}}
experiments:
  - name: try
    salt: s
    scenes: [cart]
    groups:
      - {name: a, share: 50000}
      - {name: b, share: 50000, features: {scenario: buyer}}
dependencies:
  - {command: price.query, provider: {connect: {url: "http://a:1"}}, timeout: 80ms}
downgrades:
  - {feature: REBATE, regions: [US], reason: slow}
eligibility_rules:
  - {command: eligibility.exclusive_price, when: "user.id > 0"}
caches:
  price_stock: {enabled: true}
`

func TestConfigurationsAreComparedByMeaning(t *testing.T) {
	for _, c := range []struct {
		name string
		// edits replace parts of base: old, new, old, new.
		edits []string
		want  []string
	}{
		{name: "nothing"},
		{
			"a field is written",
			[]string{"exclusion_rule: no_flash}", "exclusion_rule: no_flash, need_price_detail: true}"},
			[]string{"changed scene page", "  scenes[page].product_promotion.need_price_detail: false -> true"},
		},
		{
			"a scene is renamed",
			[]string{"name: page", "name: product_page", "[page, cart]", "[product_page, cart]"},
			[]string{"changed scene product_page was page"},
		},
		{
			"a rule is renamed, and scenes follow",
			[]string{"name: no_flash", "name: flashless", "exclusion_rule: no_flash", "exclusion_rule: flashless"},
			[]string{"changed exclusion rule flashless was no_flash used by page"},
		},
		{
			"a rule is renamed, and a scene takes another",
			[]string{"name: no_flash", "name: flashless", "exclusion_rule: no_flash", "exclusion_rule: cheap"},
			[]string{
				"changed scene page", "  scenes[page].product_promotion.exclusion_rule: no_flash -> cheap",
				"changed exclusion rule flashless was no_flash",
			},
		},
		{
			"two rules exchange their names, and a scene that keeps the name gets the other rule",
			[]string{"name: no_flash", "name: CHEAP", "name: cheap,", "name: no_flash,", "name: CHEAP", "name: cheap", "exclusion_rule: cheap", "exclusion_rule: no_flash"},
			[]string{
				"changed scene page", "  scenes[page].product_promotion.exclusion_rule: cheap -> no_flash",
				"changed exclusion rule cheap was no_flash", "changed exclusion rule no_flash was cheap used by cart,page (every scene)",
			},
		},
		{
			"a pool that scenes used goes",
			[]string{"  - {name: ALL, when: \"voucher.hidden == false\"}\n", "", "voucher: {shop_voucher_pool: ALL}", "voucher: {shop_voucher_pool: NONE}"},
			[]string{
				"changed scenario buyer used by cart", "  scenarios[buyer].voucher.shop_voucher_pool: ALL -> NONE",
				"removed voucher pool ALL used by cart", "  voucher_pools[ALL].when: voucher.hidden == false -> ",
			},
		},
		{
			"an id changes",
			[]string{"{id: 2, name: cart", "{id: 7, name: cart"},
			[]string{"changed scene cart", "  scenes[cart].id: 2 -> 7"},
		},
		{
			"a scene is added, another goes",
			[]string{"{id: 1, name: page, client: web, scenario: guest,", "{id: 9, name: list, client: web, scenario: buyer,", "[page, cart]", "[cart, list]"},
			[]string{
				"changed client web", "  clients[web].allowed_scenes: +[list] -[page]",
				"added scene list", "  scenes[list].id: 0 -> 9", "  scenes[list].client:  -> web", "  scenes[list].scenario:  -> buyer",
				"  scenes[list].product_promotion.exclusion_rule:  -> no_flash",
				"removed scene page", "  scenes[page].id: 1 -> 0", "  scenes[page].client: web -> ", "  scenes[page].scenario: guest -> ",
				"  scenes[page].product_promotion.exclusion_rule: no_flash -> ",
			},
		},
		{
			"a type's priority concerns the scenes whose rules let it pass",
			[]string{"priority: 20", "priority: 5"},
			[]string{"changed price rule type flash used by cart", "  price_rule_types[flash].priority: 20 -> 5"},
		},
		{
			"a type of every scene",
			[]string{"priority: 10", "priority: 5"},
			[]string{"changed price rule type cut used by cart,page (every scene)", "  price_rule_types[cut].priority: 10 -> 5"},
		},
		{
			"a pool is used through the scenario of a group",
			[]string{"voucher.hidden == false", "!voucher.hidden"},
			[]string{"changed voucher pool ALL used by cart", "  voucher_pools[ALL].when: voucher.hidden == false -> !voucher.hidden"},
		},
		{
			"eligibility is checked in login mode",
			[]string{"user.id > 0", "user.id > 1"},
			[]string{"changed eligibility rule eligibility.exclusive_price used by cart", "  eligibility_rules[eligibility.exclusive_price].when: user.id > 0 -> user.id > 1"},
		},
		{
			"white space, comments, parentheses and quotes of an expression",
			[]string{`"promo.price < 100 && promo.sold_out"`, "\"(promo.price<100)\\n  && promo.sold_out // so it is\""},
			nil,
		},
		{
			"white space in a text of an expression is no white space",
			[]string{`"promo.price < 100 && promo.sold_out"`, `"item.name == 'a  b'"`, `"user.id > 0"`, `"user.id > 0"`},
			[]string{"changed exclusion rule cheap used by cart", "  exclusion_rules[cheap].when: promo.price < 100 && promo.sold_out -> item.name == 'a  b'"},
		},
		{
			"defaults that are written out",
			[]string{
				"timeout: 80ms}", "timeout: 0.08s, max_batch: 100, max_parallel: 8}", "{enabled: true}\n", "{enabled: true, ttl: 5s, max_entries: 100000}\n",
				"default_tax_mode: PRE_TAX", "rounding: HALF_UP, default_tax_mode: PRE_TAX", "{id: 2, name: guest}", "{id: 2, name: guest, time_mode: REAL_TIME, tax: {}}",
				"{url: \"http://a:1\"}", "{url: \"http://a:1\", protocol: CONNECT, retries: {max_attempts: 1}}",
				"scenarios:\n", "vouchers: {price_reducing_reward_types: [PREPAID_DISCOUNT, DISCOUNT]}\nscenarios:\n",
				"dependencies:\n", "dependencies:\n  - {command: stock.query, provider: {embedded: {}}, max_batch: 100}\n",
			},
			nil,
		},
		{
			"a default is left",
			[]string{"timeout: 80ms}", "}", "{enabled: true}\n", "{enabled: true, ttl: 1s}\n"},
			[]string{
				"changed dependency price.query", "  dependencies[price.query].timeout: 80ms -> 500ms (default)",
				"changed caches", "  caches.price_stock.ttl: 5s (default) -> 1s",
			},
		},
		{
			"a provider becomes another",
			[]string{`provider: {connect: {url: "http://a:1"}}, `, ``, "timeout: 80ms", "timeout: 80ms, regions: {US: {embedded: {name: own}}}"},
			[]string{
				"changed dependency price.query",
				"  dependencies[price.query].provider: {connect: {url: http://a:1}} -> embedded (default)",
				"  dependencies[price.query].regions[US]:  -> {embedded: {name: own}}",
			},
		},
		{
			"a field of a provider",
			[]string{"http://a:1", "http://b:1"},
			[]string{"changed dependency price.query", "  dependencies[price.query].provider.connect.url: http://a:1 -> http://b:1"},
		},
		{
			"the order of groups decides who is in which",
			[]string{
				"      - {name: a, share: 50000}\n      - {name: b, share: 50000, features: {scenario: buyer}}",
				"      - {name: b, share: 50000, features: {scenario: buyer}}\n      - {name: a, share: 50000}",
			},
			[]string{"changed experiment try used by cart", "  experiments[try].groups: a, b -> b, a"},
		},
		{
			"a group is added",
			[]string{"{name: a, share: 50000}", "{name: a, share: 20000}\n      - {name: c, share: 30000, features: {price_after_voucher: false}}"},
			[]string{
				"changed experiment try used by cart", "  experiments[try].groups[a].share: 50000 -> 20000",
				"  experiments[try].groups[c]:  -> {name: c, share: 30000, features: {price_after_voucher: false}}",
			},
		},
		{
			"a feature that is false is not one that is absent",
			[]string{"{scenario: buyer}", "{scenario: buyer, price_after_voucher: false}"},
			[]string{"changed experiment try used by cart", "  experiments[try].groups[b].features.price_after_voucher: the scene's (default) -> false"},
		},
		{
			"a downgrade is the same as long as it holds in the same place",
			[]string{"reason: slow", "reason: very slow"},
			[]string{`changed downgrade REBATE region:US used by cart,page (every scene)`, `  downgrades[REBATE region:US].reason: slow -> "very slow"`},
		},
		{
			"a second downgrade of the same feature in the same place",
			[]string{"  - {feature: REBATE, regions: [US], reason: slow}\n", "  - {feature: REBATE, regions: [US], reason: slow}\n  - {feature: REBATE, regions: [US], reason: more}\n"},
			[]string{"added downgrade REBATE region:US used by cart,page (every scene)", "  downgrades[REBATE region:US].reason:  -> more"},
		},
		{
			"a time mode that overrides the scenario's",
			[]string{"name: page, client", "name: page, time_mode: ANY_TIME, client"},
			[]string{"changed scene page", "  scenes[page].time_mode: the scenario's (default) -> ANY_TIME"},
		},
		{
			"the order of entities and of sets, and where they stand",
			[]string{
				"[page, cart]", "[cart, page]", "regions:\n", "clients: []\nregions:\n",
				"  - {name: ALL, when: \"voucher.hidden == false\"}\n  - {name: NONE, when: \"false\"}", "  - {name: NONE, when: \"false\"}\n  - {name: ALL, when: \"voucher.hidden == false\"}",
			},
			nil,
		},
		{
			"an unused pool goes",
			[]string{"  - {name: NONE, when: \"false\"}\n", ""},
			[]string{"removed voucher pool NONE", "  voucher_pools[NONE].when: false -> "},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			edited := base
			for i := 0; i < len(c.edits); i += 2 {
				if !strings.Contains(edited, c.edits[i]) {
					t.Fatalf("base has no %q", c.edits[i])
				}
				edited = strings.ReplaceAll(edited, c.edits[i], c.edits[i+1])
			}
			edited = strings.Replace(edited, "clients: []\n", "", 1)
			got := lines(diff.Compare(bundle(t, base), bundle(t, edited)))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestDowngradesOfOneFeatureInOnePlaceAreTakenInTheirOrder(t *testing.T) {
	const twice = "downgrades:\n  - {feature: TAX, reason: a}\n  - {feature: TAX, reason: b}\n"
	if got := lines(diff.Compare(bundle(t, twice), bundle(t, twice))); got != nil {
		t.Errorf("differences: %q", got)
	}
}

func reference(t testing.TB) *scenes.Snapshot {
	t.Helper()
	loaded := scenes.Load(configs.FS, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if loaded.Snapshot == nil {
		t.Fatal(loaded.Diagnostics)
	}
	return loaded.Snapshot
}

func TestWhatASnapshotFillsInIsNoDifference(t *testing.T) {
	snap := reference(t)
	full := proto.CloneOf(snap.Bundle)
	full.Caches = snap.Caches
	full.Scenes, full.Scenarios, full.Dependencies = nil, nil, nil
	for _, s := range slices.Backward(snap.Scenes) {
		full.Scenes = append(full.Scenes, s.Spec)
		if !slices.Contains(full.Scenarios, s.Scenario.Spec) {
			full.Scenarios = append(full.Scenarios, s.Scenario.Spec)
		}
	}
	for _, s := range snap.Bundle.GetScenarios() {
		if !slices.ContainsFunc(full.Scenarios, func(other *configv1.Scenario) bool { return other.GetName() == s.GetName() }) {
			full.Scenarios = append(full.Scenarios, s)
		}
	}
	for _, d := range snap.Dependencies {
		full.Dependencies = append(full.Dependencies, d)
	}
	if got := lines(diff.Compare(snap.Bundle, full)); got != nil {
		t.Errorf("differences:\n%s", strings.Join(got, "\n"))
	}
}

// leaf is a field of a message that an edit may change.
type leaf struct {
	path string
	m    protoreflect.Message
	fd   protoreflect.FieldDescriptor
}

// leaves are the fields below a message that are no part of its identity.
func leaves(path string, m protoreflect.Message, out []leaf) []leaf {
	identity := map[protoreflect.Name]bool{"id": true, "name": true, "code": true, "command": true, "feature": true}
	if m.Descriptor().Name() == "Downgrade" {
		identity["regions"], identity["scenes"] = true, true
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		at := path + "." + string(fd.Name())
		switch {
		case fd == source.OpenField(m.Descriptor()):
			for _, key := range keys(m.Get(fd).Map()) {
				out = leaves(path+"."+key.String(), m.Get(fd).Map().Get(key).Message(), out)
			}
		case identity[fd.Name()] || fd.IsMap() || fd.IsList() && fd.Message() != nil:
		case fd.ContainingOneof() != nil && fd.Message() != nil:
		case fd.Message() != nil && !fd.IsList() && !strings.HasPrefix(string(fd.Message().FullName()), "google."):
			out = leaves(at, m.Mutable(fd).Message(), out)
		case fd.Message() != nil && fd.Message().Name() == "Timestamp":
		default:
			out = append(out, leaf{at, m, fd})
		}
	}
	return out
}

func keys(m protoreflect.Map) []protoreflect.MapKey {
	var out []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		out = append(out, k)
		return true
	})
	slices.SortFunc(out, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// edit gives the field another meaning.
func (l leaf) edit() {
	switch fd := l.fd; {
	case fd.IsList():
		list := l.m.Mutable(fd).List()
		if fd.Kind() == protoreflect.EnumKind {
			list.Append(protoreflect.ValueOfEnum(fd.Enum().Values().Get(fd.Enum().Values().Len() - 1).Number()))
			return
		}
		list.Append(protoreflect.ValueOfString("zz"))
	case fd.Message() != nil:
		d := l.m.Get(fd).Message().Interface().(*durationpb.Duration)
		l.m.Set(fd, protoreflect.ValueOfMessage(durationpb.New(d.AsDuration()+1234*time.Hour).ProtoReflect()))
	case fd.Kind() == protoreflect.BoolKind:
		l.m.Set(fd, protoreflect.ValueOfBool(!l.m.Get(fd).Bool()))
	case fd.Kind() == protoreflect.StringKind:
		l.m.Set(fd, protoreflect.ValueOfString(l.m.Get(fd).String()+" && zz"))
	case fd.Kind() == protoreflect.EnumKind:
		last := fd.Enum().Values().Get(fd.Enum().Values().Len() - 1).Number()
		if l.m.Get(fd).Enum() == last {
			last--
		}
		l.m.Set(fd, protoreflect.ValueOfEnum(last))
	case fd.Kind() == protoreflect.Int32Kind:
		l.m.Set(fd, protoreflect.ValueOfInt32(int32(l.m.Get(fd).Int())+7))
	case fd.Kind() == protoreflect.DoubleKind:
		l.m.Set(fd, protoreflect.ValueOfFloat64(l.m.Get(fd).Float()+0.125))
	default:
		l.m.Set(fd, protoreflect.ValueOfInt64(l.m.Get(fd).Int()+7))
	}
}

func allLeaves(b *configv1.Bundle) []leaf {
	var out []leaf
	m := b.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.IsMap() {
			for _, key := range keys(m.Get(fd).Map()) {
				out = leaves(fmt.Sprintf("%s[%s]", fd.Name(), key), m.Get(fd).Map().Get(key).Message(), out)
			}
			continue
		}
		if !fd.IsList() {
			out = leaves(string(fd.Name()), m.Mutable(fd).Message(), out)
			continue
		}
		for j := range m.Get(fd).List().Len() {
			e := m.Get(fd).List().Get(j).Message()
			out = leaves(fmt.Sprintf("%s[%s]", fd.Name(), label(e)), e, out)
		}
	}
	return out
}

func TestADowngradeFollowsTheNewNameOfItsScene(t *testing.T) {
	named := strings.Replace(base, "regions: [US], reason: slow", "regions: [US], scenes: [page, cart], reason: slow", 1)
	renamed := strings.NewReplacer("name: cart", "name: zebra", "[page, cart]", "[page, zebra]", "scenes: [cart]", "scenes: [zebra]").Replace(named)
	want := []string{"changed scene zebra was cart"}
	if d := cmp.Diff(want, lines(diff.Compare(bundle(t, named), bundle(t, renamed)))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func label(m protoreflect.Message) string {
	for _, name := range []protoreflect.Name{"name", "code", "command"} {
		if fd := m.Descriptor().Fields().ByName(name); fd != nil {
			return m.Get(fd).String()
		}
	}
	return "REBATE region:US"
}

func paths(changes []diff.Change) []string {
	var out []string
	for _, c := range changes {
		for _, f := range c.Fields {
			out = append(out, c.Path(f))
		}
	}
	slices.Sort(out)
	return out
}

func TestEveryEditIsReportedAndNothingElse(t *testing.T) {
	original := proto.CloneOf(reference(t).Bundle)
	original.Downgrades = bundle(t, base).Downgrades
	original.Limits, original.Breakers, original.HierarchyLimits = bundle(t, policies).Limits, bundle(t, policies).Breakers, bundle(t, policies).HierarchyLimits
	rapid.Check(t, func(t *rapid.T) {
		edited := proto.CloneOf(original)
		all := allLeaves(edited)
		var want []string
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(all)-1), 0, 12, rapid.ID[int]).Draw(t, "fields") {
			all[i].edit()
			want = append(want, all[i].path)
		}
		slices.Sort(want)
		if d := cmp.Diff(want, paths(diff.Compare(original, edited))); d != "" {
			t.Fatalf("-edited +reported:\n%s", d)
		}
		// Back again, everything is the other way round.
		there, back := diff.Compare(original, edited), diff.Compare(edited, original)
		for i := range back {
			for j, f := range back[i].Fields {
				f.Old, f.New, f.OldDefault, f.NewDefault, f.Added, f.Removed = f.New, f.Old, f.NewDefault, f.OldDefault, f.Removed, f.Added
				back[i].Fields[j] = f
			}
			back[i].UsedBy, there[i].UsedBy = nil, nil
			back[i].EveryScene, there[i].EveryScene = false, false
		}
		if d := cmp.Diff(there, back, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("-there +back:\n%s", d)
		}
	})
}
