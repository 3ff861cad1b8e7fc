package source

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"

	"proscenium/scenes/diag"
)

// decoder turns the documents of one file into parts of the bundle.
type decoder struct {
	*parser
	text *text
	left int // what may still be decoded of this file, see afford
}

func (d *decoder) span(n *yaml.Node) Span { return d.text.span(n.Line, n.Column, width(d.text, n)) }

// document adds a document to the bundle. Keys of the document that begin with x- hold anchors and the like, and are no part of it.
func (d *decoder) document(doc *yaml.Node) {
	for _, n := range doc.Content {
		d.root.text = d.text
		if isNull(n) {
			continue
		}
		if n.Kind != yaml.MappingNode {
			d.report(d.span(n).Finding(diag.WrongType, diag.Error, "a file must be a mapping, got "+describe(n), "write sections such as scenes: at the left margin"))
			continue
		}
		pairs := d.pairs(n, d.root)
		for _, p := range pairs {
			if !strings.HasPrefix(p.key.Value, "x-") {
				d.section(p)
			}
		}
	}
}

// section adds a top-level field. Lists of several files are one list, and maps one map; a single message may stand once.
func (d *decoder) section(p pair) {
	m := d.into
	fd := m.Descriptor().Fields().ByTextName(p.key.Value)
	if fd == nil {
		d.unknownField(m.Descriptor(), p.key, d.root)
		return
	}
	before, single := d.root.Field(p.key.Value), !fd.IsList() && !fd.IsMap()
	if single && before.Written() {
		found := d.span(p.key).Finding(diag.DuplicateSection, diag.Error, fmt.Sprintf("%s stands in more than one place", p.key.Value), "put all of it into one file")
		found.Related = []diag.Related{before.KeySpan().Related("first given here")}
		found.Path = p.key.Value
		d.report(found)
		return
	}
	d.sections = append(d.sections, fd)
	if single {
		d.field(m, fd, p, d.root)
		return
	}
	at := before
	if !before.Written() {
		at = d.root.add(&Place{name: p.key.Value, kind: field})
	}
	// The place of the list or map is where it stands in this file, while this file is read.
	at.text, at.key, at.written, at.value, at.from = d.text, p.key, p.value, p.value, nil
	if fd.IsList() {
		d.elements(m.Mutable(fd).List(), fd, p.value, at)
	} else if value, ok := d.resolve(p.value, at); ok {
		d.entries(m.Mutable(fd).Map(), fd, value, at)
	} else {
		at.bad = true
	}
}

// message decodes the fields of a mapping. Nothing at all is a message without fields.
func (d *decoder) message(m protoreflect.Message, n *yaml.Node, at *Place) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		hint := at.label() + ": {field: value}, or each field on a line of its own below it"
		if parts := fieldWithoutSpace.FindStringSubmatch(n.Value); parts != nil {
			hint = fmt.Sprintf("write %s: %s, with a space behind the colon", shorten(parts[1]), shorten(parts[3]))
		}
		d.wrong(at, n, "a set of fields, indented below it", hint)
		return
	}
	fields := m.Descriptor().Fields()
	var others []pair
	for _, p := range d.pairs(n, at) {
		if fd := fields.ByTextName(p.key.Value); fd != nil {
			d.field(m, fd, p, at)
		} else {
			others = append(others, p)
		}
	}
	for _, p := range others {
		if !d.beside(m, p, at) {
			d.unknownField(m.Descriptor(), p.key, at)
		}
	}
}

func (d *decoder) unknownField(md protoreflect.MessageDescriptor, key *yaml.Node, at *Place) {
	if d.findings.Full() {
		d.report(diag.Diagnostic{Code: diag.UnknownField}) // to be counted only: hints cost more than anything else
		return
	}
	names := make([]string, 0, md.Fields().Len())
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	hint, opened := "fields here: "+strings.Join(names, ", "), OpenField(md)
	if near := diag.Nearest(key.Value, names); near != "" {
		hint = "did you mean " + near + "?"
		at.guess(near, &Place{text: d.text, key: key})
	} else if opened != nil && opened.MapValue().Message().Fields().ByTextName(key.Value) != nil {
		hint = fmt.Sprintf("write it below a name of your own: NAME: {%s: ...}", key.Value)
		at.guess(string(opened.Name()), &Place{text: d.text, key: key})
	} else if home := homeOf(key.Value, d.into.Descriptor()); home != "" {
		hint = key.Value + " is a field of " + home + ": indent it below that"
	} else if opened != nil { // it may be the name of an entry
		hint = "write fields of its own behind it, in brackets or below it; " + hint
		at.guess(string(opened.Name()), &Place{text: d.text, key: key})
	}
	found := d.span(key).Finding(diag.UnknownField, diag.Error, "unknown field "+key.Value, hint)
	found.Path = at.Field(key.Value).Path()
	d.report(found)
}

// field decodes one field of a message.
func (d *decoder) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, p pair, parent *Place) {
	at := parent.add(&Place{name: p.key.Value, kind: field, text: d.text, key: p.key, written: p.value})
	value, ok := d.resolve(p.value, at)
	if !ok {
		at.bad = true
		return
	}
	at.value = value
	if one := fd.ContainingOneof(); one != nil && !one.IsSynthetic() {
		if other := m.WhichOneof(one); other != nil {
			d.report(at.Error(diag.ConflictingField,
				fmt.Sprintf("%s and %s exclude each other", other.Name(), fd.Name()), "keep one of them"))
			return
		}
	}
	switch {
	case fd.IsMap():
		d.entries(m.Mutable(fd).Map(), fd, value, at)
	case fd.IsList():
		d.elements(m.Mutable(fd).List(), fd, value, at)
	default:
		if v, ok := d.single(m.NewField(fd), fd, value, at); ok {
			m.Set(fd, v)
		}
	}
}

// single decodes a value that is neither a list nor a map. For messages, into is the new one.
func (d *decoder) single(into protoreflect.Value, fd protoreflect.FieldDescriptor, n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	if fd.Message() == nil {
		return d.scalar(fd, n, at)
	}
	switch fd.Message().FullName() {
	case durationName:
		return d.duration(n, at)
	case timestampName:
		return d.timestamp(n, at)
	}
	d.message(into.Message(), n, at)
	return into, !at.bad
}

// elements appends to a list.
func (d *decoder) elements(list protoreflect.List, fd protoreflect.FieldDescriptor, n *yaml.Node, at *Place) {
	n, ok := d.resolve(n, at)
	switch {
	case !ok:
		at.bad = true
		return
	case isNull(n):
		return
	case n.Kind != yaml.SequenceNode:
		hint := "put it behind a dash: - " + shorten(n.Value)
		if n.Kind == yaml.MappingNode {
			hint = "put a dash before its first field"
		}
		d.wrong(at, n, "a list", hint)
		return
	}
	for _, written := range n.Content {
		d.pace.Step()
		elem := &Place{parent: at, index: list.Len(), kind: element, text: d.text, written: written}
		value, ok := d.resolve(written, elem)
		if !ok {
			at.bad = true
			return
		}
		elem.value = value
		var into protoreflect.Value
		if fd.Message() != nil {
			into = list.NewElement()
			if isNull(value) {
				d.wrong(elem, value, "a set of fields", "take out the dash, or write fields behind it")
				at.bad = true
				continue
			}
		}
		if v, ok := d.single(into, fd, value, elem); ok {
			list.Append(v)
			at.children = append(at.children, elem)
		} else {
			at.bad = true
		}
	}
}

// entries adds to a map. Its keys are text.
func (d *decoder) entries(m protoreflect.Map, fd protoreflect.FieldDescriptor, n *yaml.Node, at *Place) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(at, n, "names with values, indented below it", at.label()+": {name: value}, or each name on a line of its own below it")
		return
	}
	for _, p := range d.pairs(n, at) {
		d.pace.Step()
		if first := at.keys[p.key.Value]; first != nil {
			d.again(p.key, first)
			continue
		}
		d.entry(m, fd, p, at)
	}
}

// entry adds one entry to a map.
func (d *decoder) entry(m protoreflect.Map, fd protoreflect.FieldDescriptor, p pair, at *Place) {
	place := at.add(&Place{name: p.key.Value, kind: entry, text: d.text, key: p.key, written: p.value})
	value, ok := d.resolve(p.value, place)
	if !ok {
		at.bad, place.bad = true, true
		return
	}
	place.value = value
	if v, ok := d.single(m.NewValue(), fd.MapValue(), value, place); ok {
		m.Set(protoreflect.ValueOfString(p.key.Value).MapKey(), v)
	} else {
		at.bad = true
	}
}

// wrong reports that a value is of another type than its field.
func (d *decoder) wrong(at *Place, n *yaml.Node, wanted, hint string) {
	at.bad = true
	d.report(at.Error(diag.WrongType, fmt.Sprintf("%s must be %s, got %s", at.label(), wanted, describe(n)), hint))
}

// label is how messages name the place: the field, or the element of a field.
func (p *Place) label() string {
	switch {
	case p.kind == element && p.parent != nil:
		return "an element of " + p.parent.label()
	case p.name == "":
		return "the file"
	}
	return p.name
}
