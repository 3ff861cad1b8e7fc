package diff

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// messagesOf are all messages that a bundle can hold.
func messagesOf() map[protoreflect.FullName]protoreflect.MessageDescriptor {
	all := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if all[md.FullName()] != nil {
			return
		}
		all[md.FullName()] = md
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if fd.IsMap() {
				fd = fd.MapValue()
			}
			if fd.Message() != nil {
				visit(fd.Message())
			}
		}
	}
	visit((&configv1.Bundle{}).ProtoReflect().Descriptor())
	return all
}

func TestEveryListOfABundleSaysWhatIdentifiesItsElements(t *testing.T) {
	known := identities()
	for _, md := range messagesOf() {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if section := md.Name() == "Bundle" && fd.IsMap(); !section && (!fd.IsList() || fd.Message() == nil) {
				continue
			}
			id, ok := known[fd.FullName()]
			if !ok {
				t.Errorf("%s has no entry in identities: say what identifies its elements", fd.FullName())
			}
			delete(known, fd.FullName())
			for _, key := range id.keys {
				for _, name := range key {
					if fd.Message().Fields().ByName(name) == nil {
						t.Errorf("%s: its elements have no field %s", fd.FullName(), name)
					}
				}
			}
		}
	}
	for name := range known {
		t.Errorf("identities has an entry for %s, which is no list and no section", name)
	}
}

func TestReferencesAreFieldsAndLeadToSections(t *testing.T) {
	all := messagesOf()
	bundle := (&configv1.Bundle{}).ProtoReflect().Descriptor().Fields()
	for name, section := range references() {
		md := all[name.Parent()]
		if md == nil || md.Fields().ByName(name.Name()) == nil {
			t.Errorf("there is no field %s", name)
		}
		if bundle.ByName(protoreflect.Name(section)) == nil {
			t.Errorf("%s: a bundle has no %s", name, section)
		}
	}
	for name := range inherited() {
		if md := all[name.Parent()]; md == nil || md.Fields().ByName(name.Name()) == nil {
			t.Errorf("there is no field %s", name)
		}
	}
}
