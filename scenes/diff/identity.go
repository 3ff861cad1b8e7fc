package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// identity says which elements of two lists of messages are the same one.
type identity struct {
	// entity is what a person calls an element.
	entity string
	// keys are tried in this order: elements with equal values in all fields of a key are the same. The last one names an element.
	keys [][]protoreflect.Name
	// ordered says that the order of the elements has a meaning.
	ordered bool
}

// identities are those of all lists of messages that a bundle can hold, and of the maps that are its sections: entries of these are the same if their
// keys are. A new list needs an entry; a test says so.
func identities() map[protoreflect.FullName]identity {
	by := func(names ...protoreflect.Name) [][]protoreflect.Name {
		keys := make([][]protoreflect.Name, len(names))
		for i, name := range names {
			keys[i] = []protoreflect.Name{name}
		}
		return keys
	}
	all := map[string]identity{
		"Bundle.regions":           {entity: "region", keys: by("code")},
		"Bundle.price_rule_types":  {entity: "price rule type", keys: by("id", "name")},
		"Bundle.clients":           {entity: "client", keys: by("id", "name")},
		"Bundle.scenarios":         {entity: "scenario", keys: by("id", "name")},
		"Bundle.scenes":            {entity: "scene", keys: by("id", "name")},
		"Bundle.exclusion_rules":   {entity: "exclusion rule", keys: by("id", "name")},
		"Bundle.inclusion_rules":   {entity: "inclusion rule", keys: by("id", "name")},
		"Bundle.voucher_pools":     {entity: "voucher pool", keys: by("name")},
		"Bundle.bypass_rules":      {entity: "bypass rule", keys: by("name")},
		"Bundle.dependencies":      {entity: "dependency", keys: by("command")},
		"Bundle.downgrades":        {entity: "downgrade", keys: [][]protoreflect.Name{{"feature", "regions", "scenes"}}},
		"Bundle.experiments":       {entity: "experiment", keys: by("name")},
		"Bundle.eligibility_rules": {entity: "eligibility rule", keys: by("command")},
		// The shares of the groups are laid one after the other: another order puts units into other groups.
		"Experiment.groups":       {entity: "group", keys: by("name"), ordered: true},
		"RootQueue.sub_queues":    {entity: "queue", keys: by("queue")},
		"Bundle.breakers":         {entity: "breaker"},
		"Bundle.scene_breakers":   {entity: "scene breaker"},
		"Bundle.limits":           {entity: "limit"},
		"Bundle.hierarchy_limits": {entity: "hierarchy limit"},
	}
	full := make(map[protoreflect.FullName]identity, len(all))
	for name, id := range all {
		full[configPackage+protoreflect.FullName(name)] = id
	}
	return full
}

const configPackage = "proscenium.config.v1."

// references are the fields that name an entity, by the section that it stands in.
func references() map[protoreflect.FullName]string {
	all := map[string]string{
		"Client.allowed_scenes":                             "scenes",
		"Client.quota":                                      "limits",
		"Scene.limits":                                      "limits",
		"Inbound.limits":                                    "limits",
		"Dependency.limits":                                 "limits",
		"RateLimiter.resource":                              "hierarchy_limits",
		"Scene.client":                                      "clients",
		"Scene.scenario":                                    "scenarios",
		"Scene.ab_test":                                     "experiments",
		"SceneVoucher.bypass_validation":                    "bypass_rules",
		"SceneVoucher.downgraded_shop_voucher_pool":         "voucher_pools",
		"SceneVoucher.downgraded_platform_voucher_pool":     "voucher_pools",
		"SceneProductPromotion.exclusion_rule":              "exclusion_rules",
		"SceneProductPromotion.inclusion_rule":              "inclusion_rules",
		"SceneItemDisplay.item_teaser_promo_inclusion_rule": "inclusion_rules",
		"ScenarioVoucher.shop_voucher_pool":                 "voucher_pools",
		"ScenarioVoucher.platform_voucher_pool":             "voucher_pools",
		"ExclusionRule.excluded_price_rule_types":           "price_rule_types",
		"InclusionRule.included_price_rule_types":           "price_rule_types",
		"Downgrade.regions":                                 "regions",
		"Downgrade.scenes":                                  "scenes",
		"Experiment.scenes":                                 "scenes",
		"Features.scenario":                                 "scenarios",
	}
	full := make(map[protoreflect.FullName]string, len(all))
	for name, section := range all {
		full[configPackage+protoreflect.FullName(name)] = section
	}
	return full
}

// entityOf is what a person calls a message that a bundle has once: voucher settings, caches.
func entityOf(fd protoreflect.FieldDescriptor) string {
	var b strings.Builder
	for i, r := range string(fd.Message().Name()) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// label names an element for people.
func (id identity) label(m protoreflect.Message) string {
	return valueOf(m, id.keys[len(id.keys)-1], asWritten)
}

func (id identity) isLabel(path string) bool {
	return len(id.keys) > 0 && slices.Contains(id.keys[len(id.keys)-1], protoreflect.Name(path))
}

// naming says what an entity that a field names is called.
type naming func(fd protoreflect.FieldDescriptor, name string) string

func asWritten(_ protoreflect.FieldDescriptor, name string) string { return name }

// valueOf is what the fields of a key say. Lists are sets.
func valueOf(m protoreflect.Message, key []protoreflect.Name, called naming) string {
	var words []string
	for _, name := range key {
		fd := m.Descriptor().Fields().ByName(name)
		if !fd.IsList() {
			words = append(words, text(fd, m.Get(fd)))
			continue
		}
		elements := set(fd, m.Get(fd).List())
		for i, e := range elements {
			elements[i] = called(fd, e)
		}
		slices.Sort(elements)
		if len(elements) > 0 {
			words = append(words, fmt.Sprintf("%s:%s", strings.TrimSuffix(string(name), "s"), strings.Join(elements, ",")))
		}
	}
	return strings.Join(words, " ")
}

// pair is an element on both sides; one of them may be nil.
type pair struct {
	before, after protoreflect.Message
	key           string // of the entry of a map
}

func (p pair) both() bool { return p.before != nil && p.after != nil }

// label names one of the sides.
func (p pair) label(id identity, side protoreflect.Message) string {
	if len(id.keys) == 0 {
		return p.key
	}
	return id.label(side)
}

// matchMaps finds the pairs of two maps: entries with one key.
func matchMaps(before, after protoreflect.Map) []pair {
	byKey := map[string]*pair{}
	at := func(k protoreflect.MapKey) *pair {
		if byKey[k.String()] == nil {
			byKey[k.String()] = &pair{key: k.String()}
		}
		return byKey[k.String()]
	}
	before.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		at(k).before = v.Message()
		return true
	})
	after.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		at(k).after = v.Message()
		return true
	})
	pairs := make([]pair, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		pairs = append(pairs, *byKey[key])
	}
	return pairs
}

// matchLists finds the pairs: in the order of the new list, and then what only the old one has. Of elements with equal keys, such as two
// downgrades of one feature, the first on each side are the same, and so on. What the old ones name is called as it is now.
func matchLists(before, after protoreflect.List, id identity, now naming) []pair {
	pairs := make([]pair, after.Len())
	for i := range pairs {
		pairs[i].after = after.Get(i).Message()
	}
	left := make([]protoreflect.Message, before.Len())
	for i := range left {
		left[i] = before.Get(i).Message()
	}
	for _, key := range id.keys {
		waiting := map[string][]int{}
		for i, m := range left {
			if m != nil {
				value := valueOf(m, key, now)
				waiting[value] = append(waiting[value], i)
			}
		}
		for i := range pairs {
			if pairs[i].before != nil {
				continue
			}
			value := valueOf(pairs[i].after, key, asWritten)
			if same := waiting[value]; len(same) > 0 {
				pairs[i].before, left[same[0]] = left[same[0]], nil
				waiting[value] = same[1:]
			}
		}
	}
	var gone []pair
	for _, m := range left {
		if m != nil {
			gone = append(gone, pair{before: m})
		}
	}
	return slices.Concat(pairs, gone)
}
