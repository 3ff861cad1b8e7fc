// Package schema describes the files that people write: configuration as a JSON Schema, for editors, and as a reference, for people, and scene
// tests as a JSON Schema. All are made from the protobuf schemas of the files, their comments and their constraints.
package schema

import (
	_ "embed"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "proscenium/gen/proscenium/config/v1"
	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"
)

// image is the protobuf schemas with their comments, which the generated Go code does not carry. `make generate` writes it.
//
//go:embed config.binpb
var image []byte

// bundle is the message that configuration files are parts of.
func bundle() protoreflect.MessageDescriptor { return (&configv1.Bundle{}).ProtoReflect().Descriptor() }

// testFile is the message of a file of scene tests.
func testFile() protoreflect.MessageDescriptor {
	return (&scenetestv1.TestFile{}).ProtoReflect().Descriptor()
}

// comments are the comments of the schema, by the full names of what they are about.
type comments map[protoreflect.FullName]string

func readComments() (comments, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &set); err != nil {
		return nil, fmt.Errorf("image of the schema: %w", err)
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("image of the schema: %w", err)
	}
	out := comments{}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		take := func(d protoreflect.Descriptor) {
			out[d.FullName()] = clean(f.SourceLocations().ByDescriptor(d).LeadingComments)
		}
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			take(m)
			for j := range m.Fields().Len() {
				take(m.Fields().Get(j))
			}
		}
		for i := range f.Enums().Len() {
			e := f.Enums().Get(i)
			take(e)
			for j := range e.Values().Len() {
				take(e.Values().Get(j))
			}
		}
		return true
	})
	return out, nil
}

// clean joins the lines of a comment, and drops what speaks to tools.
func clean(comment string) string {
	var kept []string
	for line := range strings.Lines(comment) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "buf:") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}

// messages are a message and all that it can hold, in the order in which a reader meets them.
func messages(root protoreflect.MessageDescriptor) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	seen := map[protoreflect.FullName]bool{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] || isTime(md) {
			return
		}
		seen[md.FullName()] = true
		out = append(out, md)
		for i := range md.Fields().Len() {
			if held := heldBy(md.Fields().Get(i)); held != nil {
				visit(held)
			}
		}
	}
	visit(root)
	return out
}

// heldBy is the message that a field holds, one or many of; nil if it holds none.
func heldBy(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		return fd.MapValue().Message()
	}
	return fd.Message()
}

func isTime(md protoreflect.MessageDescriptor) bool { return isDuration(md) || isTimestamp(md) }

func isDuration(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Duration"
}

func isTimestamp(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Timestamp"
}
