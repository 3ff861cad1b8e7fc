package scenes

import (
	"fmt"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/pace"
	"proscenium/scenes/source"
)

// links are the entities of a bundle by what others call them.
type links struct {
	regions, types, clients, scenarios, scenes           *index
	exclusions, inclusions, pools, bypasses, experiments *index
	limits, resources                                    *index // by the live names
	// queues are those of each hierarchical limit, as it is called itself, by their live names.
	queues map[string]map[string]int
	// usedQueues are those that something takes its share from.
	usedQueues map[queueName]bool
}

// index finds the entities of one kind by name.
type index struct {
	kind, plural string
	byName       map[string]int
	used         map[string]bool
	whole        bool // all names are known
	guesses      int  // hints that may still be looked for
}

// maxGuesses bounds the search for names that are like an unknown one, which looks at all names there are.
const maxGuesses = 100

// linker follows the references between entities.
type linker struct {
	links
	bundle   *configv1.Bundle
	root     *source.Place
	pace     *pace.Pace
	whole    bool
	broken   map[string]bool // the paths of values that break a constraint
	findings diag.List
}

// link checks that what entities name is there, once, and may be used so. constraints are the findings about single values: a name that is
// wrong by itself is not missed elsewhere too.
func link(parsed source.Parsed, constraints []diag.Diagnostic, turns *pace.Pace) (links, []diag.Diagnostic) {
	l := &linker{pace: turns, bundle: parsed.Bundle, root: parsed.Root, whole: parsed.Whole, broken: make(map[string]bool, len(constraints))}
	for _, d := range constraints {
		l.broken[d.Path] = true
	}
	l.index()
	l.clientReferences()
	l.scenarioReferences()
	l.sceneReferences()
	l.ruleReferences()
	l.twins()
	l.queuesOf()
	l.policyReferences()
	l.dependencyReferences()
	l.downgradeReferences()
	l.experimentReferences()
	return l.links, l.findings.All()
}

func (l *linker) report(d diag.Diagnostic) { l.findings.Add(d) }

// index gathers the names of all entities, and reports those that stand twice.
func (l *linker) index() {
	b := l.bundle
	l.regions = indexBy(l, "region", "regions", "regions", "code", b.GetRegions(), (*configv1.Region).GetCode)
	l.types = indexBy(l, "price rule type", "price rule types", "price_rule_types", "name", b.GetPriceRuleTypes(), (*configv1.PriceRuleType).GetName)
	l.clients = indexBy(l, "client", "clients", "clients", "name", b.GetClients(), (*configv1.Client).GetName)
	l.scenarios = indexBy(l, "scenario", "scenarios", "scenarios", "name", b.GetScenarios(), (*configv1.Scenario).GetName)
	l.scenes = indexBy(l, "scene", "scenes", "scenes", "name", b.GetScenes(), (*configv1.Scene).GetName)
	l.exclusions = indexBy(l, "exclusion rule", "exclusion rules", "exclusion_rules", "name", b.GetExclusionRules(), (*configv1.ExclusionRule).GetName)
	l.inclusions = indexBy(l, "inclusion rule", "inclusion rules", "inclusion_rules", "name", b.GetInclusionRules(), (*configv1.InclusionRule).GetName)
	l.pools = indexBy(l, "voucher pool", "voucher pools", "voucher_pools", "name", b.GetVoucherPools(), (*configv1.VoucherPool).GetName)
	l.bypasses = indexBy(l, "bypass rule", "bypass rules", "bypass_rules", "name", b.GetBypassRules(), (*configv1.BypassRule).GetName)
	l.experiments = indexBy(l, "experiment", "experiments", "experiments", "name", b.GetExperiments(), (*configv1.Experiment).GetName)

	l.limits = indexKeys(l, "limit", "limits", "limits", b.GetLimits())
	l.resources = indexKeys(l, "hierarchical limit", "hierarchical limits", "hierarchy_limits", b.GetHierarchyLimits())

	uniqueIDs(l, "price rule type", "price_rule_types", b.GetPriceRuleTypes(), func(t *configv1.PriceRuleType) int64 { return int64(t.GetId()) })
	uniqueIDs(l, "client", "clients", b.GetClients(), (*configv1.Client).GetId)
	uniqueIDs(l, "scenario", "scenarios", b.GetScenarios(), (*configv1.Scenario).GetId)
	uniqueIDs(l, "scene", "scenes", b.GetScenes(), (*configv1.Scene).GetId)
	uniqueIDs(l, "exclusion rule", "exclusion_rules", b.GetExclusionRules(), (*configv1.ExclusionRule).GetId)
	uniqueIDs(l, "inclusion rule", "inclusion_rules", b.GetInclusionRules(), (*configv1.InclusionRule).GetId)
}

func indexBy[E any](l *linker, kind, plural, list, field string, entities []E, name func(E) string) *index {
	x := &index{kind: kind, plural: plural, byName: make(map[string]int, len(entities)), used: map[string]bool{}, whole: l.whole, guesses: maxGuesses}
	places := l.root.Field(list)
	x.whole = x.whole && !places.Bad()
	for i, e := range entities {
		l.pace.Step()
		n := name(e)
		if n == "" { // reported by the constraints, or when it was read
			x.whole = false
			continue
		}
		if len(l.broken) > 0 && l.broken[places.Index(i).Field(field).Path()] {
			x.whole = false // what others call it may be what it should be called
		}
		first, twice := x.byName[n]
		if !twice {
			x.byName[n] = i
			continue
		}
		l.twice(diag.DuplicateName, fmt.Sprintf("%s %s stands twice", kind, n), "give one of them another "+field, places.Index(i).Field(field), places.Index(first).Field(field))
	}
	return x
}

func uniqueIDs[E any](l *linker, kind, list string, entities []E, id func(E) int64) {
	seen := make(map[int64]int, len(entities))
	places := l.root.Field(list)
	for i, e := range entities {
		l.pace.Step()
		at := places.Index(i).Field("id")
		if !at.Written() || at.Bad() {
			continue
		}
		if first, twice := seen[id(e)]; twice {
			l.twice(diag.DuplicateID, fmt.Sprintf("id %d belongs to two %ss", id(e), kind), "give one of them another id", at, places.Index(first).Field("id"))
			continue
		}
		seen[id(e)] = i
	}
}

// twice reports the second of two equal things, with the place of the first.
func (l *linker) twice(code diag.Code, message, hint string, second, first *source.Place) {
	d := second.Error(code, message, hint)
	d.Related = []diag.Related{first.Span().Related("first given here")}
	l.report(d)
}

// find is the position of the entity that is named at a place, or in a field below it; it reports a name that nothing has. An empty name is no
// reference. The place of the field is looked for when there is something to report: of thousands of scenes, that is rare.
func (l *linker) find(x *index, name string, at *source.Place, fields ...string) (int, bool) {
	if name == "" {
		return 0, false
	}
	i, ok := x.byName[name]
	if ok {
		x.used[name] = true
		return i, true
	}
	if !x.whole {
		return 0, false // it may be in what was not understood
	}
	for _, field := range fields {
		at = at.Field(field)
	}
	l.report(at.Error(diag.UnknownReference, fmt.Sprintf("there is no %s %s", x.kind, name), x.suggest(name)))
	return 0, false
}

// means says whether a list holds a name that nothing has, and that probably means this one: then that is what is wrong.
func (x *index) means(names []string, name string) bool {
	for _, n := range names {
		if _, known := x.byName[n]; !known && diag.Nearest(n, []string{name}) != "" {
			return true
		}
	}
	return false
}

// findAll is find for each element of a list of names.
func (l *linker) findAll(x *index, names []string, list *source.Place) {
	for i, name := range names {
		l.find(x, name, list.Index(i))
	}
}
