// Package diff compares two configurations by what they say: which entities were added, removed, renamed and changed, and in which fields. Where a
// thing stands, in which order, with which comments and notation, and whether a default is written out, is no difference.
package diff

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes"
)

// Kind is what became of an entity.
type Kind string

// The kinds. An entity that was renamed is Changed.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Change is an entity that differs.
type Change struct {
	Kind Kind `json:"kind"`
	// Section is the list, map or message of the bundle that the entity stands in, such as scenes.
	Section string `json:"section"`
	// Entity is what a person calls it, such as scene.
	Entity string `json:"entity"`
	// Name identifies it: in the new configuration, unless it was removed. It is empty for what a bundle has once, such as caches.
	Name string `json:"name,omitempty"`
	// OldName is the name before, of an entity that was renamed.
	OldName string `json:"old_name,omitempty"`
	// Fields differ, in the order of the schema: of an entity that was added or removed those that are not at their default.
	Fields []Field `json:"fields,omitempty"`
	// UsedBy are the names of the scenes that use the entity, sorted: in the new configuration, or in the old one if it was removed.
	UsedBy []string `json:"used_by,omitempty"`
	// EveryScene says that UsedBy are all scenes of that configuration.
	EveryScene bool `json:"every_scene,omitempty"`
}

// Path is the whole path of a field of the entity, such as scenes[pdp_main].voucher.enabled.
func (c Change) Path(f Field) string {
	path := c.Section
	if c.Name != "" {
		path += "[" + c.Name + "]"
	}
	if f.Path == "" {
		return path
	}
	return path + "." + f.Path
}

// Field is a field that differs. A set has Added and Removed, everything else Old and New.
type Field struct {
	// Path is the path below the entity, such as voucher.enabled or groups[by_gmv].share.
	Path string `json:"path"`
	// Old and New are as files write them. A value that does not exist at all is empty.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// OldDefault and NewDefault say that the value is not written, and holds by default.
	OldDefault bool `json:"old_default,omitempty"`
	NewDefault bool `json:"new_default,omitempty"`
	// Added and Removed are the elements of a set that only one side has, sorted.
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// Expression says that the values are CEL.
	Expression bool `json:"expression,omitempty"`
}

// Compare finds what differs, in the order of the schema, and of names within it. Both bundles are valid, as those of snapshots are.
func Compare(before, after *configv1.Bundle) []Change {
	c := &comparer{
		defaults: scenes.Defaults(),
		before:   normal(before), after: normal(after),
		renamed: map[string]map[string]string{},
	}
	c.match()
	c.compare()
	return c.changes
}

// comparer holds what is known of both bundles.
type comparer struct {
	defaults      map[protoreflect.FullName]protoreflect.Value
	before, after *configv1.Bundle
	pairs         map[protoreflect.Name][]pair
	// renamed has the new name of each entity that has another now, by section and old name.
	renamed map[string]map[string]string
	changes []Change
}

// normal is a copy in which equal meanings have one notation, where the default of a single field does not say so.
func normal(b *configv1.Bundle) *configv1.Bundle {
	out := proto.CloneOf(b)
	// A command that no dependency names, or whose dependency names no provider, is answered by the embedded one.
	for _, d := range out.GetDependencies() {
		if e := d.GetProvider().GetEmbedded(); e != nil && e.GetName() == "" {
			d.Provider = nil
		}
	}
	return out
}

// match finds which entities of both sides are the same.
func (c *comparer) match() {
	c.pairs = map[protoreflect.Name][]pair{}
	before, after := c.before.ProtoReflect(), c.after.ProtoReflect()
	for _, fd := range fieldsOf(before) {
		if fd.IsMap() {
			c.pairs[fd.Name()] = matchMaps(before.Get(fd).Map(), after.Get(fd).Map())
		}
		if !fd.IsList() {
			continue
		}
		id := identities()[fd.FullName()]
		c.pairs[fd.Name()] = matchLists(before.Get(fd).List(), after.Get(fd).List(), id, c.newName)
		for _, p := range c.pairs[fd.Name()] {
			if !p.both() || id.label(p.before) == id.label(p.after) {
				continue
			}
			section := string(fd.Name())
			if c.renamed[section] == nil {
				c.renamed[section] = map[string]string{}
			}
			c.renamed[section][id.label(p.before)] = id.label(p.after)
		}
	}
}

func (c *comparer) compare() {
	used := newUses(c.before, c.after)
	before, after := c.before.ProtoReflect(), c.after.ProtoReflect()
	for _, fd := range fieldsOf(before) {
		section := string(fd.Name())
		var changes []Change
		if !fd.IsList() && !fd.IsMap() {
			fields := c.messages("", before.Get(fd).Message(), after.Get(fd).Message())
			if len(fields) > 0 {
				changes = append(changes, Change{Kind: Changed, Section: section, Entity: entityOf(fd), Fields: fields})
			}
		}
		for _, p := range c.pairs[fd.Name()] {
			if change, differs := c.entity(section, identities()[fd.FullName()], p); differs {
				changes = append(changes, change)
			}
		}
		slices.SortStableFunc(changes, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
		for i := range changes {
			used.add(&changes[i])
		}
		c.changes = append(c.changes, changes...)
	}
}

// entity compares the two sides of an entity; one may be missing.
func (c *comparer) entity(section string, id identity, p pair) (Change, bool) {
	change := Change{Kind: Changed, Section: section, Entity: id.entity}
	before, after := p.before, p.after
	switch {
	case !p.both() && before != nil:
		change.Kind, change.Name = Removed, p.label(id, before)
		after = before.Type().Zero()
	case !p.both():
		change.Kind, change.Name = Added, p.label(id, after)
		before = after.Type().Zero()
	default:
		change.Name = p.label(id, after)
		if old := p.label(id, before); old != change.Name {
			change.OldName = old
		}
	}
	change.Fields = c.messages("", before, after)
	if p.both() && len(change.Fields) == 0 {
		return change, false
	}
	// The names of the change say what identifies it.
	change.Fields = slices.DeleteFunc(change.Fields, func(f Field) bool { return id.isLabel(f.Path) })
	if p.both() {
		return change, true
	}
	// A dependency that says nothing beyond the defaults is as good as none.
	return change, len(change.Fields) > 0 || section != "dependencies"
}

func fieldsOf(m protoreflect.Message) []protoreflect.FieldDescriptor {
	fields := m.Descriptor().Fields()
	out := make([]protoreflect.FieldDescriptor, fields.Len())
	for i := range out {
		out[i] = fields.Get(i)
	}
	return out
}
