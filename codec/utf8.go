package codec

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape says where the strings of a message type are on the wire. Strings are checked there, in one pass that skips whatever holds none:
// walking the decoded message by reflection costs ten times as much, and a check of all bytes at once is no substitute, since numbers need not
// be UTF-8 and the end of a broken string may join with the tag that follows into a valid character.
type shape struct {
	// fields is indexed by field number; numbers beyond it hold no string.
	fields []field
	// strings: a string may be found here or below.
	strings bool
}

type field struct {
	text  bool   // a string
	below *shape // a message; nil where there is no string to check in it
}

// maxNumber bounds the table of a message.
const maxNumber = 1 << 10

// newShape compiles the shape of a message type and of those below it. It returns nil where a table does not do: strings of other syntaxes
// than proto3 may be anything, groups have no length to skip them by, and large field numbers would cost memory. Such messages, of which the
// request path has none, are left to the standard decoder.
func newShape(d protoreflect.MessageDescriptor) *shape {
	all := map[protoreflect.FullName]*shape{}
	if compile(d, all) == nil {
		return nil
	}
	// A type holds strings if one below does; types may be recursive, so this goes on until nothing changes.
	for changed := true; changed; {
		changed = false
		for _, s := range all {
			if s.strings {
				continue
			}
			for _, f := range s.fields {
				if f.below != nil && f.below.strings {
					s.strings, changed = true, true
				}
			}
		}
	}
	for _, s := range all {
		for i := range s.fields {
			if f := &s.fields[i]; f.below != nil && !f.below.strings {
				f.below = nil
			}
		}
	}
	return all[d.FullName()]
}

func compile(d protoreflect.MessageDescriptor, all map[protoreflect.FullName]*shape) *shape {
	if s, ok := all[d.FullName()]; ok {
		return s
	}
	if d.ParentFile().Syntax() != protoreflect.Proto3 {
		return nil
	}
	s := &shape{}
	all[d.FullName()] = s
	fields := d.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		var f field
		switch fd.Kind() {
		case protoreflect.StringKind:
			f.text, s.strings = true, true
		case protoreflect.MessageKind:
			if f.below = compile(fd.Message(), all); f.below == nil {
				return nil
			}
		default:
			continue
		}
		if fd.Number() > maxNumber {
			return nil
		}
		if n := int(fd.Number()); n >= len(s.fields) {
			s.fields = append(s.fields, make([]field, n+1-len(s.fields))...)
		}
		s.fields[fd.Number()] = f
	}
	return s
}

// valid says whether every string in b is UTF-8. b was decoded before, so that it is well-formed; where it is not, the answer is false.
func (s *shape) valid(b []byte) bool {
	if !s.strings {
		return true
	}
	for len(b) > 0 {
		// Tags and lengths of one byte are most of what there is.
		tag, n := uint64(b[0]), 1
		if tag >= 0x80 {
			if tag, n = protowire.ConsumeVarint(b); n < 0 {
				return false
			}
		}
		b = b[n:]
		switch protowire.Type(tag & 7) {
		case protowire.VarintType:
			n = 0
			for n < len(b) && b[n] >= 0x80 {
				n++
			}
			if n++; n > len(b) {
				return false
			}
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return false
			}
			b = b[n:]
			number := tag >> 3
			if number >= uint64(len(s.fields)) {
				continue
			}
			f := &s.fields[number]
			if f.text && !utf8.Valid(v) || f.below != nil && !f.below.valid(v) {
				return false
			}
		default: // fixed width, or a group of unknown fields
			n := protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), b)
			if n < 0 {
				return false
			}
			b = b[n:]
		}
	}
	return true
}
