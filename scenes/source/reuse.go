package source

import (
	"bytes"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/pace"
)

// Parts are the files of a configuration as they were parsed, those without a finding. What holds the same when it is read again need not be
// parsed again. They are immutable, and safe for concurrent use; nil are none.
type Parts struct{ byName map[string]*part }

// part is what one file adds to a message.
type part struct {
	into     protoreflect.MessageType
	file     File
	values   int // in the file
	sections []section
	tree     func() *Place // the places in this file alone, parsed again when one of them is asked for
}

// section is a top-level field in one file.
type section struct {
	field protoreflect.FieldDescriptor
	// entities are the elements of a list, the entries of a map, or the one message.
	entities []entity
}

// entity is one message of a section.
type entity struct {
	// message is a part of every bundle that the file was read for: nobody changes it.
	message protoreflect.Value
	local   int    // of an element: its index within the file
	key     string // of an entry
	// open is the name of the open field, if entries of it are written.
	open string
	// fields has a bit for each of the first 64 fields of the message that is written. Whether one is, is asked for more often than where.
	fields uint64
}

// ParseReusing does what [Parse] does, and takes from kept what it holds of files that are equal. It also returns the parts for the next time.
// The entities of files that were reused are the same messages as before; their places are found when they are asked for.
func ParseReusing(files []File, kept *Parts, turns *pace.Pace) (Parsed, *Parts) {
	bundle := &configv1.Bundle{}
	p := parser{into: bundle.ProtoReflect(), root: &Place{}, whole: true, pace: turns}
	next := &Parts{byName: make(map[string]*part, len(files))}
	for _, f := range files {
		p.pace.Step()
		used := kept.find(f)
		if used == nil || !p.reuse(used) {
			used = p.record(f)
		}
		if used != nil {
			next.byName[f.Name] = used
		}
		if !p.room(0, p.entities()) {
			break
		}
	}
	return Parsed{Bundle: bundle, Root: p.root, Whole: p.whole, Full: p.full, Findings: p.findings.All()}, next
}

// entities is how many there are so far.
func (p *parser) entities() int {
	sum := 0
	p.into.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			sum += v.List().Len()
		case fd.IsMap():
			sum += v.Map().Len()
		}
		return true
	})
	return sum
}

func (p *Parts) find(f File) *part {
	if p == nil {
		return nil
	}
	known := p.byName[f.Name]
	if known == nil || !bytes.Equal(known.file.Data, f.Data) {
		return nil
	}
	return known
}

// record parses a file, and returns what it adds; nil if there is a finding about it.
func (p *parser) record(f File) *part {
	fields := p.into.Descriptor().Fields()
	before := make([]int, fields.Len()) // how much of each field there is
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.IsList() || fd.IsMap() {
			before[i] = len(p.root.Field(string(fd.Name())).children)
		}
	}
	reported, values := p.reported, p.values
	p.sections = p.sections[:0]
	p.file(f)
	if p.reported != reported {
		return nil
	}
	made := &part{into: p.into.Type(), file: f, values: p.values - values}
	made.tree = sync.OnceValue(made.parse)
	for _, fd := range p.sections {
		if slices.ContainsFunc(made.sections, func(s section) bool { return s.field == fd }) {
			continue // the next document of the file
		}
		s, place := section{field: fd}, p.root.Field(string(fd.Name()))
		value := p.into.Get(fd)
		switch {
		case fd.IsList():
			for i := before[fd.Index()]; i < len(place.children); i++ {
				s.entities = append(s.entities, entity{message: value.List().Get(i), local: len(s.entities), fields: place.children[i].fieldsWritten(fd.Message())})
			}
		case fd.IsMap():
			for _, at := range place.children[before[fd.Index()]:] {
				e := entity{message: value.Map().Get(protoreflect.ValueOfString(at.name).MapKey()), key: at.name, fields: at.fieldsWritten(heldBy(fd))}
				if i := slices.IndexFunc(at.children, func(c *Place) bool { return c.kind == unwritten }); i >= 0 {
					e.open = at.children[i].name
				}
				s.entities = append(s.entities, e)
			}
		default:
			s.entities = []entity{{message: value, fields: place.fieldsWritten(fd.Message())}}
		}
		made.sections = append(made.sections, s)
	}
	return made
}

// heldBy is the message that a section holds, one or many of.
func heldBy(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		return fd.MapValue().Message()
	}
	return fd.Message()
}

// parse makes the places of the file. There is no finding about it, so its message is the one that is known.
func (p *part) parse() *Place { return ParseInto(p.into.New().Interface(), []File{p.file}).Root }

// reuse adds what a part holds. It is false if it cannot, and then nothing was added: what may stand once stands in another file too, or there is no room.
func (p *parser) reuse(from *part) bool {
	if p.values+from.values > maxValues {
		return false // what is reported is reported where it is read
	}
	for _, s := range from.sections {
		if p.taken(s) {
			return false
		}
	}
	p.values += from.values
	for _, s := range from.sections {
		name := string(s.field.Name())
		if !s.field.IsList() && !s.field.IsMap() {
			p.into.Set(s.field, s.entities[0].message)
			p.root.add(&Place{name: name, kind: field, from: from, entity: &s.entities[0]})
			continue
		}
		place := p.root.Field(name)
		if !place.Written() {
			place = p.root.add(&Place{name: name, kind: field})
		}
		place.text, place.key, place.written, place.value, place.from = nil, nil, nil, nil, from
		if s.field.IsMap() {
			entries := p.into.Mutable(s.field).Map()
			for i := range s.entities {
				e := &s.entities[i]
				place.add(&Place{name: e.key, kind: entry, from: from, entity: e})
				entries.Set(protoreflect.ValueOfString(e.key).MapKey(), e.message)
			}
			continue
		}
		list := p.into.Mutable(s.field).List()
		places := make([]Place, len(s.entities))
		for i := range s.entities {
			places[i] = Place{parent: place, index: list.Len(), kind: element, from: from, entity: &s.entities[i]}
			place.children = append(place.children, &places[i])
			list.Append(s.entities[i].message)
		}
	}
	return true
}

// taken says whether something of a section that may stand once is there already.
func (p *parser) taken(s section) bool {
	at := p.root.Field(string(s.field.Name()))
	switch {
	case s.field.IsList():
		return false
	case s.field.IsMap():
		return slices.ContainsFunc(s.entities, func(e entity) bool { return at.keys[e.key] != nil })
	default:
		return at.Written()
	}
}

// fieldsWritten has a bit for each field of the message that is written at the place.
func (p *Place) fieldsWritten(md protoreflect.MessageDescriptor) uint64 {
	var out uint64
	for _, c := range p.children {
		if fd := md.Fields().ByTextName(c.name); fd != nil {
			out |= 1 << fd.Index() // 0 beyond the 64th
		}
	}
	return out
}

// reusedWritten is Written of a place that was reused. It only looks into the file for what is deep inside of an entity.
func (p *Place) reusedWritten() bool {
	if p.parent.parent == nil || p.entity != nil {
		return true
	}
	if e := p.parent.entity; e != nil && (p.kind == field || p.kind == unwritten) {
		if fd := heldBy(p.section()).Fields().ByTextName(p.name); fd != nil && fd.Index() < 64 {
			return e.fields&(1<<fd.Index()) != 0
		}
	}
	return p.real().Written()
}

// section is the top-level field that the place is in.
func (p *Place) section() protoreflect.FieldDescriptor {
	fields := p.from.into.Descriptor().Fields()
	for p.parent.parent != nil {
		p = p.parent
	}
	return fields.ByTextName(p.name)
}

// real is the place in the tree of its own file that stands for a place which was reused; any other place is its own.
func (p *Place) real() *Place {
	switch {
	case p.from == nil:
		return p
	case p.parent.parent == nil: // a section
		return p.from.tree().Field(p.name)
	case p.entity != nil && p.kind == entry:
		return p.from.tree().Field(p.parent.name).Key(p.name)
	case p.entity != nil:
		return p.from.tree().Field(p.parent.name).Index(p.entity.local)
	case p.kind == element:
		return p.parent.real().Index(p.index)
	case p.kind == entry:
		return p.parent.real().Key(p.name)
	default:
		return p.parent.real().Field(p.name)
	}
}

// Without is what was parsed but for the entities that known says are known: what is left of it can be checked as the whole is, and its places
// keep their paths.
func (p Parsed) Without(known func(proto.Message) bool) Parsed {
	rest := &configv1.Bundle{}
	top := &Place{text: p.Root.text, children: slices.Clone(p.Root.children)}
	p.Bundle.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				if !known(e.Message().Interface()) {
					rest.ProtoReflect().Mutable(fd).Map().Set(k, e)
				}
				return true
			})
			return true
		case !fd.IsList():
			if !known(v.Message().Interface()) {
				rest.ProtoReflect().Set(fd, v)
			}
			return true
		}
		at := slices.IndexFunc(top.children, func(c *Place) bool { return c.name == string(fd.Name()) })
		list := *top.children[at]
		elements := list.children
		list.children = nil
		for i := range v.List().Len() {
			if e := v.List().Get(i); !known(e.Message().Interface()) {
				rest.ProtoReflect().Mutable(fd).List().Append(e)
				list.children = append(list.children, elements[i])
			}
		}
		top.children[at] = &list
		return true
	})
	return Parsed{Bundle: rest, Root: top, Whole: p.Whole, Findings: p.Findings}
}
