package source

import "google.golang.org/protobuf/reflect/protoreflect"

// homeOf is the field below which a field of that name belongs, somewhere in the message; empty if none has it, or several do.
func homeOf(name string, md protoreflect.MessageDescriptor) string {
	homes := map[string]bool{}
	seen := map[protoreflect.FullName]bool{}
	var visit func(protoreflect.MessageDescriptor, string)
	visit = func(md protoreflect.MessageDescriptor, below string) {
		if below != "" && md.Fields().ByTextName(name) != nil {
			homes[below] = true
		}
		if seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			held := fd.Message()
			if fd.IsMap() {
				held = fd.MapValue().Message()
			}
			if held != nil && held.FullName() != durationName && held.FullName() != timestampName {
				visit(held, string(fd.Name()))
			}
		}
	}
	visit(md, "")
	if len(homes) != 1 {
		return ""
	}
	for home := range homes {
		return home
	}
	return ""
}
