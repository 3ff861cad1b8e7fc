package scenetest

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/scenes/source"
)

// longest bounds what is shown of a value: a trace can have megabytes.
const longest = 300

// show writes a value as a test file would, on one line.
func show(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.IsList() {
		return showList(fd, v.List())
	}
	return showOne(fd, v)
}

func showList(fd protoreflect.FieldDescriptor, list protoreflect.List) string {
	var b strings.Builder
	writeList(&b, fd, list)
	return shorten(b.String())
}

func showOne(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	var b strings.Builder
	writeOne(&b, fd, v)
	return shorten(b.String())
}

func showMessage(m protoreflect.Message) string {
	var b strings.Builder
	writeMessage(&b, m)
	return shorten(b.String())
}

func writeList(b *strings.Builder, fd protoreflect.FieldDescriptor, list protoreflect.List) {
	b.WriteByte('[')
	for i := range list.Len() {
		if b.Len() > longest {
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		writeOne(b, fd, list.Get(i))
	}
	b.WriteByte(']')
}

func writeOne(b *strings.Builder, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		writeMessage(b, v.Message())
	case protoreflect.EnumKind:
		b.WriteString(enumName(fd.Enum(), v.Enum()))
	case protoreflect.StringKind:
		writeText(b, v.String())
	default:
		b.WriteString(v.String())
	}
}

func writeMessage(b *strings.Builder, m protoreflect.Message) {
	switch t := m.Interface().(type) {
	case *timestamppb.Timestamp:
		b.WriteString(t.AsTime().Format(time.RFC3339Nano))
		return
	case *durationpb.Duration:
		b.WriteString(t.AsDuration().String())
		return
	}
	b.WriteByte('{')
	first := true
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) || b.Len() > longest {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(string(fd.Name()) + ": ")
		if fd.IsList() {
			writeList(b, fd, m.Get(fd).List())
		} else {
			writeOne(b, fd, m.Get(fd))
		}
	}
	b.WriteByte('}')
}

func enumName(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	if v := ed.Values().ByNumber(n); v != nil {
		return source.EnumShort(ed, string(v.Name()))
	}
	return strconv.Itoa(int(n))
}

// writeText quotes what would not be read as the same text.
func writeText(b *strings.Builder, s string) {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == "" && strings.Trim(s, "0123456789.-") != "" {
		b.WriteString(s)
		return
	}
	b.WriteString(strconv.Quote(s))
}

func shorten(s string) string {
	if len(s) <= longest {
		return s
	}
	at := longest
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "..."
}

func isTime(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Timestamp" || md.FullName() == "google.protobuf.Duration"
}
