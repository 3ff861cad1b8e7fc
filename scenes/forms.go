package scenes

import (
	"google.golang.org/protobuf/proto"

	"proscenium/scenes/pace"
)

// form is what an entity is to the engine and to the version.
type form struct {
	// canonical is its deterministic encoding without what its absence would say as well: equal meanings have equal ones.
	canonical []byte
	// full is the entity with its defaults; nil while nobody needs it.
	full proto.Message
}

// forms makes the forms of entities, or takes them from a load before that had the same messages.
type forms struct {
	defaults defaults
	before   map[proto.Message]*form
	made     map[proto.Message]*form
	pace     *pace.Pace
}

func newForms(before map[proto.Message]*form, turns *pace.Pace) *forms {
	return &forms{pace: turns, defaults: newDefaults(), before: before, made: make(map[proto.Message]*form, len(before))}
}

func (f *forms) of(m proto.Message) *form {
	f.pace.Step()
	if known := f.made[m]; known != nil {
		return known
	}
	known := f.before[m]
	if known == nil {
		stripped := proto.Clone(m)
		f.defaults.strip(stripped.ProtoReflect())
		// Marshalling fails for text that is no UTF-8 only, and that was refused when the files were read.
		data, _ := proto.MarshalOptions{Deterministic: true}.Marshal(stripped)
		known = &form{canonical: data}
	}
	f.made[m] = known
	return known
}

// filled is an entity, or none, with its defaults. Nobody changes it: other snapshots may hold it too.
func filled[M proto.Message](f *forms, m M) M {
	if !m.ProtoReflect().IsValid() {
		none := m.ProtoReflect().New()
		f.defaults.fill(none)
		return none.Interface().(M) //nolint:forcetypeassert // it is of M's own type
	}
	known := f.of(m)
	if known.full == nil {
		known.full = proto.Clone(m)
		f.defaults.fill(known.full.ProtoReflect())
	}
	return known.full.(M) //nolint:forcetypeassert // it is a copy of m
}
