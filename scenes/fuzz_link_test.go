package scenes_test

import (
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// bundle is a configuration as nodes of YAML, so that it can be changed by its structure.
type bundle struct {
	sections []string
	entities map[string][]*yaml.Node
	// maps are the sections whose entities are entries: mappings with one key.
	maps map[string]bool
	// single are the sections that are one message.
	single map[string]*yaml.Node
}

// more is of the sections that the base does not have.
const more = `
downgrades:
  - {feature: TAX, regions: [US], scenes: [cart]}
  - {feature: PRICE_AFTER_VOUCHER, until: "2027-01-01T00:00:00Z"}
dependencies:
  - {command: tax.rates, regions: {US: {connect: {url: "http://tax"}}}, timeout: 1s}
  - {command: gmv.query, provider: {embedded: {}}, max_batch: 10}
eligibility_rules:
  - {command: eligibility.live_stream, when: live_stream.ongoing}
caches: {price_stock: {enabled: true, ttl: 1s}}
limits:
  everybody: {all: {window: 1s, limit: 5, precision: LOCAL}}
  per_user: {each: {window: 24h, limit: 5, key: "string(user.id) + request.region"}, dry_run: true}
  shadow_per_user: {dimensions: {each: {window: 24h, limit: 5}}}
hierarchy_limits:
  capacity: {multiplier: 0.5, root_queue: {max_limit: 10, sub_queues: [{queue: a, guaranteed_limit: 4}, {queue: b, guaranteed_limit: 6}]}}
  shadow_capacity: {root_queue: {max_limit: 10, sub_queues: [{queue: shadow_a}, {queue: b}]}}
breakers: {price.query: {error_percent_threshold: 50}, shadow.price.query: {timeout_percent_threshold: 5, timeout_threshold_seconds: 0.5}}
scene_breakers: {tax.rates: {error_percent_threshold: 50}}
inbound: {limits: [everybody]}
clients: [{id: 7, name: limited, allowed_scenes: [cart, queued], quota: per_user}]
scenes:
  - {id: 7, name: queued, client: limited, scenario: buyer, model_display: {need_model_main_promo: true}, rate_limiter: {resource: capacity, queue: a}, limits: [per_user]}
`

func readBundle(tb testing.TB, dir, more string) *bundle {
	tb.Helper()
	files, findings := source.Read(os.DirFS(dir))
	if len(findings) > 0 {
		tb.Fatal(findings)
	}
	files = append(files, source.File{Name: "more.yaml", Data: []byte(more)})
	b := &bundle{entities: map[string][]*yaml.Node{}, single: map[string]*yaml.Node{}, maps: map[string]bool{}}
	for _, f := range files {
		var doc yaml.Node
		if err := yaml.Unmarshal(f.Data, &doc); err != nil {
			tb.Fatal(err)
		}
		if len(doc.Content) == 0 {
			continue
		}
		top := doc.Content[0]
		for i := 0; i < len(top.Content); i += 2 {
			name, value := top.Content[i].Value, top.Content[i+1]
			isMap := slices.Contains([]string{"limits", "hierarchy_limits", "breakers", "scene_breakers"}, name)
			if value.Kind != yaml.SequenceNode && !isMap {
				b.single[name] = value
				continue
			}
			if b.entities[name] == nil {
				b.sections = append(b.sections, name)
			}
			if !isMap {
				b.entities[name] = append(b.entities[name], value.Content...)
				continue
			}
			b.maps[name] = true
			for pair := range slices.Chunk(value.Content, 2) {
				b.entities[name] = append(b.entities[name], &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: pair})
			}
		}
	}
	slices.Sort(b.sections)
	return b
}

func cloneNode(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i := range n.Content {
		c.Content[i] = cloneNode(n.Content[i])
	}
	return &c
}

func (b *bundle) clone() *bundle {
	out := &bundle{sections: b.sections, entities: map[string][]*yaml.Node{}, single: b.single, maps: b.maps}
	for name, list := range b.entities {
		for _, n := range list {
			out.entities[name] = append(out.entities[name], cloneNode(n))
		}
	}
	return out
}

// scalars are the values of an entity, with their keys where they have one.
func scalars(n *yaml.Node, out []*yaml.Node) []*yaml.Node {
	switch n.Kind {
	case yaml.ScalarNode:
		return append(out, n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			out = scalars(n.Content[i], out)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			out = scalars(c, out)
		}
	}
	return out
}

// mutate applies one change for every four bytes: what to do, to which section, to which entity of it, and to which value of that.
func (b *bundle) mutate(ops []byte) {
	for ; len(ops) >= 4; ops = ops[4:] {
		section := b.sections[int(ops[1])%len(b.sections)]
		list := b.entities[section]
		if len(list) == 0 {
			continue
		}
		i, which := int(ops[2])%len(list), int(ops[3])
		entity := list[i]
		values := scalars(entity, nil)
		switch ops[0] % 8 {
		case 0: // removed
			b.entities[section] = slices.Delete(slices.Clone(list), i, i+1)
		case 1: // duplicated
			b.entities[section] = append(list, cloneNode(entity))
		case 2: // moved
			j := which % len(list)
			list[i], list[j] = list[j], list[i]
		case 3: // renamed
			if len(values) > 0 {
				values[which%len(values)].Value += "x"
			}
		case 4: // a value of another entity of the section
			others := scalars(list[which%len(list)], nil)
			if len(values) > 0 && len(others) > 0 {
				values[which%len(values)].Value = others[int(ops[1])%len(others)].Value
			}
		case 5: // a field taken out
			if len(entity.Content) >= 2 {
				at := which % (len(entity.Content) / 2) * 2
				entity.Content = slices.Delete(entity.Content, at, at+2)
			}
		case 6: // a number, or a switch
			if len(values) > 0 {
				v := values[which%len(values)]
				switch v.Value {
				case "true":
					v.Value = "false"
				case "false":
					v.Value = "true"
				default:
					v.Value, v.Style, v.Tag = strconv.Itoa(int(ops[2])-100), 0, "!!int"
				}
			}
		case 7: // duplicated under a name and a number of its own
			c := cloneNode(entity)
			for at := 0; at+1 < len(c.Content); at += 2 {
				switch c.Content[at].Value {
				case "name":
					c.Content[at+1].Value += "_two"
				case "id":
					c.Content[at+1].Value = strconv.Itoa(500 + which)
				}
			}
			b.entities[section] = append(list, c)
		}
	}
}

// files writes the bundle, its entities in a random order, into as many files as asked for.
func (b *bundle) files(tb testing.TB, count int, random *rand.Rand) []source.File {
	tb.Helper()
	lists := make([]map[string][]*yaml.Node, count)
	for i := range lists {
		lists[i] = map[string][]*yaml.Node{}
	}
	for _, section := range b.sections {
		list := slices.Clone(b.entities[section])
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, n := range list {
			at := random.IntN(count)
			lists[at][section] = append(lists[at][section], n)
		}
	}
	out := make([]source.File, count)
	for i, sections := range lists {
		doc := map[string]any{}
		for name, list := range sections {
			if !b.maps[name] {
				doc[name] = list
				continue
			}
			whole := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			for _, n := range list {
				whole.Content = append(whole.Content, n.Content...)
			}
			doc[name] = whole
		}
		if i == 0 {
			for name, n := range b.single {
				doc[name] = n
			}
		}
		data, err := yaml.Marshal(doc)
		if err != nil {
			tb.Fatal(err)
		}
		out[i] = source.File{Name: "f" + strconv.Itoa(i) + ".yaml", Data: data}
	}
	return out
}

// consistent checks that what a snapshot points at is what the snapshot holds.
func consistent(t *testing.T, s *scenes.Snapshot) {
	t.Helper()
	if len(s.Scenes) != len(s.ScenesByID) || len(s.Scenes) != len(s.ScenesByName) || len(s.Scenes) != len(s.Bundle.GetScenes()) {
		t.Errorf("%d scenes, %d by id, %d by name, %d in the bundle", len(s.Scenes), len(s.ScenesByID), len(s.ScenesByName), len(s.Bundle.GetScenes()))
	}
	scenarios := map[string]*scenes.Scenario{}
	one := func(name string, of *scenes.Scenario) {
		t.Helper()
		if first := scenarios[of.Name]; first != nil && first != of || of.Name != name {
			t.Errorf("scenario %s is there twice, or is not %s", of.Name, name)
		}
		scenarios[of.Name] = of
		if of.ShopPool != s.VoucherPools[of.Spec.GetVoucher().GetShopVoucherPool()] || of.PlatformPool != s.VoucherPools[of.Spec.GetVoucher().GetPlatformVoucherPool()] {
			t.Errorf("scenario %s has other pools than it names", of.Name)
		}
	}
	for i, x := range s.Scenes {
		if i > 0 && s.Scenes[i-1].ID >= x.ID || s.ScenesByID[x.ID] != x || s.ScenesByName[x.Name] != x {
			t.Errorf("scene %s is not where it belongs", x.Name)
		}
		if x.Client == nil || s.Clients[x.Spec.GetClient()] != x.Client || !x.Client.Allowed[x] || x.Scenario == nil || x.Scenario.Spec.GetRetired() || x.TimeMode == 0 {
			t.Errorf("scene %s has client %v and scenario %v", x.Name, x.Client, x.Scenario)
			continue
		}
		one(x.Spec.GetScenario(), x.Scenario)
		promos, voucher := x.Spec.GetProductPromotion(), x.Spec.GetVoucher()
		for _, named := range []struct {
			name string
			rule *scenes.PromoRule
		}{
			{promos.GetExclusionRule(), x.Exclusion},
			{promos.GetInclusionRule(), x.Inclusion},
			{x.Spec.GetItemDisplay().GetItemTeaserPromoInclusionRule(), x.ItemTeaserInclusion},
		} {
			if (named.rule == nil) != (named.name == "") || named.rule != nil && named.rule.Name != named.name {
				t.Errorf("scene %s names rule %q and has %v", x.Name, named.name, named.rule)
			}
		}
		if x.Bypass != s.BypassRules[voucher.GetBypassValidation()] || x.DowngradedShopPool != s.VoucherPools[voucher.GetDowngradedShopVoucherPool()] ||
			x.DowngradedPlatformPool != s.VoucherPools[voucher.GetDowngradedPlatformVoucherPool()] || x.Experiment != s.Experiments[x.Spec.GetAbTest()] {
			t.Errorf("scene %s has other parts than it names", x.Name)
		}
	}
	for _, c := range s.Clients {
		for x := range c.Allowed {
			if s.ScenesByID[x.ID] != x {
				t.Errorf("client %s may use a scene that there is not", c.Name)
			}
		}
	}
	for _, d := range s.Downgrades {
		for x := range d.Scenes {
			if x == nil || s.ScenesByID[x.ID] != x {
				t.Errorf("a downgrade is of a scene that there is not")
			}
		}
		for code := range d.Regions {
			if s.Regions[code] == nil {
				t.Errorf("a downgrade is of region %s", code)
			}
		}
	}
	for _, line := range policyLines(s) {
		if strings.Contains(line, "another") {
			t.Errorf("a policy is another than it is named: %s", line)
		}
	}
	for _, x := range s.Experiments {
		for _, g := range x.Groups {
			if g.Scenario != nil {
				one(g.Scenario.Name, g.Scenario)
			}
		}
		if x.Groups[len(x.Groups)-1].Upper != 100_000 {
			t.Errorf("experiment %s ends at %d", x.Name, x.Groups[len(x.Groups)-1].Upper)
		}
	}
	if s.OriginalType == nil || s.Type(s.OriginalType.ID) != s.OriginalType || len(s.Regions) == 0 || s.Version == "" {
		t.Errorf("original price %v, %d regions, version %q", s.OriginalType, len(s.Regions), s.Version)
	}
}

// Whatever is removed, renamed, duplicated, moved or exchanged in a good configuration, linking ends without a panic, always with the same
// findings, with a consistent snapshot or with errors; and in whichever files and order the entities stand, the version is the same.
func FuzzLink(f *testing.F) {
	small, large := readBundle(f, "testdata/base", more), readBundle(f, "../configs", "")
	f.Add(uint8(0), uint64(1), []byte{})
	for kind := range byte(8) {
		for section := range byte(16) {
			f.Add(kind, uint64(section), []byte{kind, section, 0, 1, kind + 1, section, 1, 2})
			f.Add(kind*15, uint64(kind), []byte{kind, section, 2, section})
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, ops []byte) {
		b := small.clone()
		if which%16 == 15 { // ten times as large
			b = large.clone()
		}
		b.mutate(ops[:min(len(ops), 64)])
		random := rand.New(rand.NewPCG(seed, 1))
		files := b.files(t, 1+int(seed%4), random)
		first, again := scenes.LoadFiles(files, today), scenes.LoadFiles(files, today)
		if !reflect.DeepEqual(first.Diagnostics, again.Diagnostics) || (first.Snapshot == nil) != diag.HasErrors(first.Diagnostics) {
			t.Fatalf("a snapshot: %v, with findings\n%v\nand when loaded again\n%v", first.Snapshot != nil, first.Diagnostics, again.Diagnostics)
		}
		if len(ops) == 0 && first.Snapshot == nil {
			t.Fatalf("what nothing was done to has findings: %v", first.Diagnostics)
		}
		shuffled := scenes.LoadFiles(b.files(t, 1+int(seed%3), random), today)
		if (shuffled.Snapshot == nil) != (first.Snapshot == nil) {
			t.Fatalf("in another order it is another thing:\n%v\n%v", first.Diagnostics, shuffled.Diagnostics)
		}
		if first.Snapshot == nil {
			return
		}
		consistent(t, first.Snapshot)
		consistent(t, shuffled.Snapshot)
		if first.Snapshot.Version != again.Snapshot.Version || first.Snapshot.Version != shuffled.Snapshot.Version {
			t.Errorf("versions %s, %s when loaded again, %s in another order", first.Snapshot.Version, again.Snapshot.Version, shuffled.Snapshot.Version)
		}
	})
}
