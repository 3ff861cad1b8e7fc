package schema

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"proscenium/scenes/source"
)

// Reference is the reference of all entities and their fields, in Markdown: docs/reference/configuration.md.
func Reference() (string, error) {
	docs, err := readComments()
	if err != nil {
		return "", err
	}
	r := reference{docs: docs}
	r.intro()
	for _, md := range messages(bundle()) {
		if err := r.message(md); err != nil {
			return "", err
		}
	}
	r.enums()
	return r.out.String(), nil
}

type reference struct {
	docs comments
	out  strings.Builder
}

func (r *reference) write(format string, args ...any) { fmt.Fprintf(&r.out, format, args...) }

func (r *reference) intro() {
	r.out.WriteString(strings.ReplaceAll(introduction, "'", "`"))
}

// introduction is Markdown with ' for `.
const introduction = `# Configuration reference

<!-- Generated from proto/proscenium/config by "make generate". Do not edit. -->

A configuration is a directory of YAML files ('*.yaml', '*.yml'), in folders as you like. Each file holds a part of one bundle: the fields of
[Bundle](#bundle) stand at its left margin. Files whose names end in '_test.yaml', folders named 'tests' or 'testdata', and what begins with a dot
are left out.

- Lists of several files are one list, and maps one map, in which a name stands once. Any other section stands in one file.
- Names of enum values are written short, such as 'HALF_UP'. A field that is left out has its default.
- Durations are written with units ('500ms', '5s', '1m30s'), times as RFC 3339 ('2026-01-31T18:00:00Z').
- YAML is read by its 1.2 core schema: 'NO' and 'yes' are texts, 'true' is not. A text that looks like a number needs quotes.
- Anchors, aliases and merge keys work within a document. Top-level keys that begin with 'x-' are ignored: a place for anchors.
- [diagnostics.md](diagnostics.md) explains each finding of 'proscenium validate'.
`

func (r *reference) message(md protoreflect.MessageDescriptor) error {
	r.write("\n## %s\n", md.Name())
	if doc := r.docs[md.FullName()]; doc != "" {
		r.write("\n%s\n", doc)
	}
	if md.Fields().Len() == 0 {
		return nil
	}
	r.write("\n| field | type | limits | meaning |\n|---|---|---|---|\n")
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		l, err := limitsOf(fd)
		if err != nil {
			return err
		}
		r.write("| %s | %s | %s | %s |\n", fd.Name(), typeOf(fd, l), cell(l.words(fd)), cell(r.docs[fd.FullName()]))
	}
	return nil
}

// typeOf names the type of a field, with links to messages and enums.
func typeOf(fd protoreflect.FieldDescriptor, l limits) string {
	switch {
	case fd.IsMap() && fd == source.OpenField(fd.ContainingMessage()):
		return "names beside the fields below, each with a " + link(fd.MapValue().Message())
	case fd.IsMap():
		return "map of text to " + link(fd.MapValue().Message())
	case fd.IsList() && fd.Message() != nil:
		return "list of " + link(fd.Message())
	case fd.IsList():
		return "list of " + scalar(fd, l.elements())
	case fd.Message() != nil && isDuration(fd.Message()):
		return "duration"
	case fd.Message() != nil && isTimestamp(fd.Message()):
		return "time"
	case fd.Message() != nil:
		return link(fd.Message())
	default:
		return scalar(fd, l)
	}
}

func scalar(fd protoreflect.FieldDescriptor, l limits) string {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return link(fd.Enum())
	case protoreflect.StringKind:
		if in := l.rules.GetString().GetIn(); len(in) > 0 {
			return "one of " + strings.Join(in, ", ")
		}
		return "text"
	case protoreflect.DoubleKind:
		return "number"
	default:
		return "whole number"
	}
}

func link(d protoreflect.Descriptor) string {
	return fmt.Sprintf("[%s](#%s)", d.Name(), strings.ToLower(string(d.Name())))
}

// enums lists the enums that fields have, in the order in which a reader meets them.
func (r *reference) enums() {
	seen := map[protoreflect.FullName]bool{}
	for _, md := range messages(bundle()) {
		for i := range md.Fields().Len() {
			ed := md.Fields().Get(i).Enum()
			if ed == nil || seen[ed.FullName()] {
				continue
			}
			seen[ed.FullName()] = true
			r.write("\n## %s\n", ed.Name())
			if doc := r.docs[ed.FullName()]; doc != "" {
				r.write("\n%s\n", doc)
			}
			r.write("\n| value | meaning |\n|---|---|\n")
			for _, v := range source.EnumValues(ed) {
				r.write("| %s | %s |\n", v.Short, cell(r.docs[v.Descriptor.FullName()]))
			}
		}
	}
}

// cell escapes what would end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
