package scenes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// What the names of shadow twins begin with: of limits, hierarchical limits and queues, and of breakers.
const (
	shadowPrefix  = "shadow_"
	shadowCommand = "shadow."
)

// liveName is the name of what a twin is the twin of; a name that is no twin's is its own.
func liveName(name string) string { return strings.TrimPrefix(name, shadowPrefix) }

func isTwin(name string) bool { return strings.HasPrefix(name, shadowPrefix) }

// queueName names a queue of a hierarchical limit, both by their live names.
type queueName struct{ resource, queue string }

// indexKeys gathers the names of a map's entries. A twin is found by the name of the live one: that is what others call it.
func indexKeys[E any](l *linker, kind, plural, section string, entries map[string]E) *index {
	x := &index{kind: kind, plural: plural, byName: make(map[string]int, len(entries)), used: map[string]bool{}, whole: l.whole, guesses: maxGuesses}
	places := l.root.Field(section)
	x.whole = x.whole && !places.Bad()
	for name := range entries {
		l.pace.Step()
		if len(l.broken) > 0 && l.broken[places.Key(name).Path()] {
			x.whole = false
		}
		x.byName[liveName(name)] = 0
	}
	return x
}

// twins refuses names that are the twin of nothing that could be there.
func (l *linker) twins() {
	look := func(section, name string) {
		live := liveName(name)
		if !isTwin(name) || live != "" && !isTwin(live) {
			return
		}
		l.report(l.root.Field(section).Key(name).Error(diag.Constraint, fmt.Sprintf("%s is no name: what begins with %s is the shadow twin of what is called like the rest", name, shadowPrefix),
			"write "+shadowPrefix+"NAME, where NAME is the live one and no twin itself"))
	}
	for _, name := range sortedKeys(l.bundle.GetLimits()) {
		look("limits", name)
	}
	for _, name := range sortedKeys(l.bundle.GetHierarchyLimits()) {
		look("hierarchy_limits", name)
	}
}

// queuesOf gathers the queues of all hierarchical limits, and reports those that stand twice.
func (l *linker) queuesOf() {
	l.queues = make(map[string]map[string]int, len(l.bundle.GetHierarchyLimits()))
	l.usedQueues = map[queueName]bool{}
	for _, name := range sortedKeys(l.bundle.GetHierarchyLimits()) {
		places := l.root.Field("hierarchy_limits").Key(name).Field("root_queue").Field("sub_queues")
		known := map[string]int{}
		for i, q := range l.bundle.GetHierarchyLimits()[name].GetRootQueue().GetSubQueues() {
			at, queue := places.Index(i).Field("queue"), q.GetQueue()
			switch {
			case queue == "":
				continue // reported by the constraints
			case isTwin(queue) && !isTwin(name):
				l.report(at.Error(diag.Constraint, fmt.Sprintf("queue %s is for shadow traffic, which takes nothing from the live %s", queue, name),
					fmt.Sprintf("put it into %s%s, or give it another name", shadowPrefix, name)))
				continue
			case isTwin(name):
				queue = liveName(queue)
			}
			if first, twice := known[queue]; twice {
				l.twice(diag.DuplicateName, fmt.Sprintf("queue %s stands twice in %s", queue, name), "give one of them another name, or take it out", at, places.Index(first).Field("queue"))
				continue
			}
			known[queue] = i
		}
		l.queues[name] = known
	}
}

// policyReferences follows what clients, scenes and the way in name of limits, queues and commands.
func (l *linker) policyReferences() {
	for i, c := range l.bundle.GetClients() {
		l.limit(c.GetQuota(), l.root.Field("clients").Index(i), "quota")
	}
	for i, s := range l.bundle.GetScenes() {
		l.pace.Step()
		if len(s.GetLimits()) == 0 && len(s.GetBreakers()) == 0 && s.GetRateLimiter() == nil {
			continue
		}
		at := l.root.Field("scenes").Index(i)
		l.limitsIn(s.GetLimits(), at.Field("limits"))
		l.rateLimiter(s.GetRateLimiter(), at.Field("rate_limiter"))
		l.breakerCommands(s.GetBreakers(), at.Field("breakers"))
	}
	l.limitsIn(l.bundle.GetInbound().GetLimits(), l.root.Field("inbound").Field("limits"))
	l.breakerCommands(l.bundle.GetBreakers(), l.root.Field("breakers"))
	l.breakerCommands(l.bundle.GetSceneBreakers(), l.root.Field("scene_breakers"))
}

func (l *linker) limitsIn(names []string, list *source.Place) {
	for i, name := range names {
		l.limit(name, list.Index(i))
	}
}

// limit follows a reference to a limit, which names the live one.
func (l *linker) limit(name string, at *source.Place, fields ...string) {
	if l.twin(l.limits, name, at, fields...) {
		return
	}
	l.find(l.limits, name, at, fields...)
}

// twin reports a reference to a shadow twin.
func (l *linker) twin(x *index, name string, at *source.Place, fields ...string) bool {
	if !isTwin(name) || liveName(name) == "" {
		return false
	}
	for _, field := range fields {
		at = at.Field(field)
	}
	x.used[liveName(name)] = true
	hint := "write " + liveName(name)
	if _, known := x.byName[liveName(name)]; !known && x.whole {
		hint = "name a live one: " + x.suggest(liveName(name))
	}
	l.report(at.Error(diag.ShadowReference, fmt.Sprintf("%s is for shadow traffic, which takes it by itself where %s is named", name, liveName(name)), hint))
	return true
}

// rateLimiter follows a reference to a queue: both classes of traffic must find theirs.
func (l *linker) rateLimiter(r *configv1.RateLimiter, at *source.Place) {
	resource, queue := r.GetResource(), r.GetQueue()
	if l.twin(l.resources, resource, at, "resource") {
		return
	}
	if _, ok := l.find(l.resources, resource, at, "resource"); !ok || queue == "" {
		return
	}
	l.usedQueues[queueName{resource, liveName(queue)}] = true
	if isTwin(queue) {
		l.report(at.Field("queue").Error(diag.ShadowReference, fmt.Sprintf("%s is for shadow traffic, which takes it by itself where %s is named", queue, liveName(queue)), "write "+liveName(queue)))
		return
	}
	for _, name := range []string{resource, shadowPrefix + resource} {
		known, is := l.queues[name]
		queues := l.root.Field("hierarchy_limits").Key(name).Field("root_queue").Field("sub_queues")
		if _, ok := known[queue]; !is || ok || queues.Bad() || l.root.Field("hierarchy_limits").Key(name).Field("root_queue").Bad() {
			continue
		}
		hint := diag.Suggest(queue, "queues", slices.Collect(maps.Keys(known)))
		if isTwin(name) && len(l.queues[resource]) > 0 {
			hint = fmt.Sprintf("add %s%s to the queues of %s, or take %s out: then the live values apply", shadowPrefix, queue, name, name)
		}
		d := at.Field("queue").Error(diag.UnknownReference, fmt.Sprintf("%s has no queue %s", name, queue), hint)
		d.Related = []diag.Related{queues.Span().Related("its queues")}
		l.report(d)
		return
	}
}

// breakerCommands checks the keys of breakers.
func (l *linker) breakerCommands(breakers map[string]*configv1.Breaker, at *source.Place) {
	for _, key := range sortedKeys(breakers) {
		command, shadow := strings.CutPrefix(key, shadowCommand)
		if slices.Contains(commands[:], command) {
			continue
		}
		hint := diag.Suggest(command, "commands", commands[:])
		if near := diag.Nearest(command, commands[:]); near != "" && shadow {
			hint = "did you mean " + shadowCommand + near + "?"
		} else if other, is := strings.CutPrefix(key, shadowPrefix); is && slices.Contains(commands[:], other) {
			hint = "did you mean " + shadowCommand + other + "?"
		}
		l.report(at.Key(key).Error(diag.UnknownCommand, fmt.Sprintf("there is no command %s", command), hint))
	}
}

func sortedKeys[E any](m map[string]E) []string { return slices.Sorted(maps.Keys(m)) }
