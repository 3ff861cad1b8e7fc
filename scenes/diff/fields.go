package diff

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/source"
)

// messages are the fields in which two messages of a type differ. One that is not written is as good as an empty one.
func (c *comparer) messages(path string, before, after protoreflect.Message) []Field {
	if f, other := c.choice(path, before, after); other {
		return f
	}
	var fields []Field
	for _, fd := range fieldsOf(before) {
		at := join(path, fd)
		switch {
		case fd.IsMap() && fd == source.OpenField(before.Descriptor()):
			fields = append(fields, c.entries(func(key string) string { return path + separator(path) + key }, fd, before.Get(fd).Map(), after.Get(fd).Map())...)
		case fd.IsMap():
			fields = append(fields, c.entries(func(key string) string { return at + "[" + key + "]" }, fd, before.Get(fd).Map(), after.Get(fd).Map())...)
		case fd.IsList() && fd.Message() != nil:
			fields = append(fields, c.elements(at, identities()[fd.FullName()], before.Get(fd).List(), after.Get(fd).List())...)
		case fd.IsList():
			fields = append(fields, c.sets(at, fd, before, after)...)
		case fd.Message() != nil && !isTime(fd.Message()):
			fields = append(fields, c.messages(at, before.Get(fd).Message(), after.Get(fd).Message())...)
		default:
			fields = append(fields, c.scalars(at, fd, before, after)...)
		}
	}
	return fields
}

func join(path string, fd protoreflect.FieldDescriptor) string {
	return path + separator(path) + string(fd.Name())
}

// separator stands between a path and what is below it.
func separator(path string) string {
	if path == "" {
		return ""
	}
	return "."
}

// choice compares messages that are one of several things, such as an embedded provider or a service. It is true if they are different ones:
// then their fields have nothing to do with each other.
func (c *comparer) choice(path string, before, after protoreflect.Message) ([]Field, bool) {
	oneofs := before.Descriptor().Oneofs()
	for i := range oneofs.Len() {
		oneof := oneofs.Get(i)
		if oneof.IsSynthetic() || before.WhichOneof(oneof) == after.WhichOneof(oneof) {
			continue
		}
		f := Field{Path: path, Old: c.whole(before), New: c.whole(after)}
		f.OldDefault, f.NewDefault = before.WhichOneof(oneof) == nil, after.WhichOneof(oneof) == nil
		return []Field{f}, true
	}
	return nil, false
}

// entries compares maps of messages by their keys; path is that of an entry.
func (c *comparer) entries(path func(key string) string, fd protoreflect.FieldDescriptor, before, after protoreflect.Map) []Field {
	keys := map[string]protoreflect.MapKey{}
	gather := func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys[k.String()] = k
		return true
	}
	before.Range(gather)
	after.Range(gather)
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		k, at := keys[name], path(name)
		switch {
		case !before.Has(k):
			fields = append(fields, Field{Path: at, New: c.mapValue(fd, after.Get(k))})
		case !after.Has(k):
			fields = append(fields, Field{Path: at, Old: c.mapValue(fd, before.Get(k))})
		case fd.MapValue().Message() != nil:
			fields = append(fields, c.messages(at, before.Get(k).Message(), after.Get(k).Message())...)
		case !before.Get(k).Equal(after.Get(k)):
			fields = append(fields, Field{Path: at, Old: c.mapValue(fd, before.Get(k)), New: c.mapValue(fd, after.Get(k))})
		}
	}
	return fields
}

func (c *comparer) mapValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.MapValue().Message() != nil {
		return c.whole(v.Message())
	}
	return text(fd.MapValue(), v)
}

// elements compares lists of messages by their identity.
func (c *comparer) elements(path string, id identity, before, after protoreflect.List) []Field {
	var fields []Field
	var oldOrder, newOrder []string
	place := map[string]int{}
	for i := range before.Len() {
		place[id.label(before.Get(i).Message())] = i
	}
	for _, p := range matchLists(before, after, id, c.newName) {
		switch {
		case p.before == nil:
			fields = append(fields, Field{Path: path + "[" + id.label(p.after) + "]", New: c.whole(p.after)})
		case p.after == nil:
			fields = append(fields, Field{Path: path + "[" + id.label(p.before) + "]", Old: c.whole(p.before)})
		default:
			fields = append(fields, c.messages(path+"["+id.label(p.after)+"]", p.before, p.after)...)
			newOrder = append(newOrder, id.label(p.after))
		}
	}
	oldOrder = slices.SortedStableFunc(slices.Values(newOrder), func(a, b string) int { return place[a] - place[b] })
	if id.ordered && !slices.Equal(oldOrder, newOrder) {
		fields = append(fields, Field{Path: path, Old: strings.Join(oldOrder, ", "), New: strings.Join(newOrder, ", ")})
	}
	return fields
}

// sets compares lists of texts or enum values: in configuration all of these are sets.
func (c *comparer) sets(path string, fd protoreflect.FieldDescriptor, before, after protoreflect.Message) []Field {
	old, oldDefault := effectiveSet(fd, before)
	now, newDefault := effectiveSet(fd, after)
	for i, name := range old {
		old[i] = c.newName(fd, name)
	}
	f := Field{
		Path:    path,
		Added:   slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(old, s) }),
		Removed: slices.DeleteFunc(slices.Clone(old), func(s string) bool { return slices.Contains(now, s) }),
	}
	if len(f.Added)+len(f.Removed) == 0 {
		return nil
	}
	slices.Sort(f.Removed)
	f.OldDefault, f.NewDefault = oldDefault, newDefault
	return []Field{f}
}

// effectiveSet is what a list says, sorted; true: by default.
func effectiveSet(fd protoreflect.FieldDescriptor, m protoreflect.Message) ([]string, bool) {
	elements := set(fd, m.Get(fd).List())
	if len(elements) == 0 && fd.FullName() == configPackage+"VoucherSettings.price_reducing_reward_types" {
		ed := configv1.RewardType(0).Descriptor()
		return []string{
			enumText(ed, configv1.RewardType_REWARD_TYPE_DISCOUNT.Number()),
			enumText(ed, configv1.RewardType_REWARD_TYPE_PREPAID_DISCOUNT.Number()),
		}, true
	}
	return elements, false
}

// newName is what an entity that a field names is called in the new configuration: that a reference follows a new name is no difference.
func (c *comparer) newName(fd protoreflect.FieldDescriptor, name string) string {
	if now, renamed := c.renamed[references()[fd.FullName()]][name]; renamed {
		return now
	}
	return name
}

// scalars compares values, and times.
func (c *comparer) scalars(path string, fd protoreflect.FieldDescriptor, before, after protoreflect.Message) []Field {
	old, now := c.effective(fd, before), c.effective(fd, after)
	f := Field{Path: path, Old: old.text, New: now.text, OldDefault: old.byDefault, NewDefault: now.byDefault}
	if isExpression(fd) {
		f.Expression = true
		if sameExpression(f.Old, f.New) {
			return nil
		}
		return []Field{f}
	}
	same := f.Old == f.New
	if references()[fd.FullName()] != "" && !old.absent {
		name := c.newName(fd, old.raw)
		if same = name == now.raw; !same && f.Old == f.New {
			f.Old = plain(name) // its name went to another entity, which is what New says
		}
	}
	if same && old.absent == now.absent {
		return nil
	}
	return []Field{f}
}
