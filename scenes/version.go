package scenes

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// versionOf is a hash of what a bundle says, however it is laid out: files, order of entities, comments, notation, and defaults written out
// make no difference. It is the same on all replicas of one release.
func versionOf(b *configv1.Bundle, d defaults) string {
	stripped := proto.CloneOf(b)
	d.strip(stripped.ProtoReflect())
	hash := sha256.New()
	marshal := proto.MarshalOptions{Deterministic: true}
	m := stripped.ProtoReflect()
	fields := m.Descriptor().Fields()
	var parts [][]byte
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		parts = parts[:0]
		each(m, fd, func(entity proto.Message) {
			// Marshalling fails for text that is no UTF-8 only, and that was refused when the files were read.
			data, _ := marshal.Marshal(entity)
			parts = append(parts, data)
		})
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

// each visits the messages of a top-level field, which is a list of entities or one message.
func each(m protoreflect.Message, fd protoreflect.FieldDescriptor, do func(proto.Message)) {
	if !fd.IsList() {
		do(m.Get(fd).Message().Interface())
		return
	}
	list := m.Get(fd).List()
	for i := range list.Len() {
		do(list.Get(i).Message().Interface())
	}
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
