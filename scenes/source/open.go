package source

import (
	"fmt"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
)

// OpenField is the map of a message whose entries stand beside the message's other fields in files; nil if it has none.
func OpenField(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	name, _ := proto.GetExtension(md.Options(), configv1.E_OpenField).(string)
	if name == "" {
		return nil
	}
	return md.Fields().ByName(protoreflect.Name(name))
}

// beside decodes what is no field of a message as an entry of its open field. It is false where it is more likely to be a field that is misspelt.
func (d *decoder) beside(m protoreflect.Message, p pair, at *Place) bool {
	fd := OpenField(m.Descriptor())
	if fd == nil || !entryLike(p, fd) {
		return false
	}
	name := string(fd.Name())
	place := at.Field(name)
	switch {
	case place.kind == field && place.Written():
		place.bad = true
		found := d.span(p.key).Finding(diag.ConflictingField, diag.Error, fmt.Sprintf("%s stands beside %s", p.key.Value, name),
			fmt.Sprintf("write all of them below %s, or all of them without it", name))
		found.Path = at.Field(p.key.Value).Path()
		found.Related = []diag.Related{place.KeySpan().Related(name + " stands here")}
		d.report(found)
		return true
	case place.kind != unwritten:
		place = at.add(&Place{name: name, kind: unwritten, text: d.text})
	}
	d.entry(m.Mutable(fd).Map(), fd, p, place)
	return true
}

// entryLike says whether something can be an entry of an open field: it is a mapping, or nothing yet below a name that is like no field.
func entryLike(p pair, fd protoreflect.FieldDescriptor) bool {
	value := p.value
	for value.Kind == yaml.AliasNode && value.Alias != nil {
		value = value.Alias
	}
	if value.Kind == yaml.MappingNode {
		return true
	}
	if !isNull(value) {
		return false
	}
	fields := fd.ContainingMessage().Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	return diag.Nearest(p.key.Value, names) == ""
}
