package scenes

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// versionOf is a hash of what a bundle says, however it is laid out: files, order of entities, comments, notation, and defaults written out
// make no difference. It is the same on all replicas of one release.
func versionOf(b *configv1.Bundle, forms *forms) string {
	hash := sha256.New()
	m := b.ProtoReflect()
	fields := m.Descriptor().Fields()
	var parts [][]byte
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		parts = parts[:0]
		switch {
		case fd.IsList():
			for j := range m.Get(fd).List().Len() {
				parts = append(parts, forms.of(m.Get(fd).List().Get(j).Message().Interface()).canonical)
			}
		case fd.IsMap():
			m.Get(fd).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				name := k.String()
				part := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
				parts = append(parts, append(part, forms.of(v.Message().Interface()).canonical...))
				return true
			})
		default:
			if data := forms.of(m.Get(fd).Message().Interface()).canonical; len(data) > 0 {
				parts = append(parts, data) // a message in which nothing is left says no more than none
			}
		}
		if len(parts) == 0 {
			continue
		}
		slices.SortFunc(parts, bytes.Compare)
		hash.Write(binary.AppendUvarint(nil, uint64(fd.Number())))
		hash.Write(binary.AppendUvarint(nil, uint64(len(parts))))
		for _, data := range parts {
			hash.Write(binary.AppendUvarint(nil, uint64(len(data))))
			hash.Write(data)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// sortScalars orders a list of texts or of enum values: in configuration all of these are sets.
func sortScalars(list protoreflect.List) {
	values := make([]protoreflect.Value, list.Len())
	for i := range values {
		values[i] = list.Get(i)
	}
	slices.SortFunc(values, func(a, b protoreflect.Value) int {
		if n, ok := a.Interface().(protoreflect.EnumNumber); ok {
			return cmp.Compare(n, b.Enum())
		}
		return cmp.Compare(a.String(), b.String())
	})
	for i, v := range values {
		list.Set(i, v)
	}
}
