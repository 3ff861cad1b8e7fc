package reference

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// far is from an id to one that nobody asks for.
const far = 1 << 40

// spoil changes an answer: its one list holds an entry for each id that is known.
func spoil(message any, how Garbage) {
	res := message.(proto.Message).ProtoReflect()
	field := res.Descriptor().Fields().Get(0)
	switch how {
	case Clean, NoMessage:
		return
	case Empty:
		res.Clear(field)
		return
	}
	list := res.Mutable(field).List()
	if list.Len() == 0 {
		list.AppendMutable() // of id 0, which is nobody's
	}
	first := list.Get(0).Message()
	switch how {
	case OtherModels:
		for i := range list.Len() {
			shift(list.Get(i).Message(), "model_id", "item_id")
		}
	case WrongItem:
		shift(first, "item_id", "model_id")
	case Twice:
		list.Append(protoreflect.ValueOfMessage(proto.Clone(first.Interface()).ProtoReflect()))
	case Negative:
		if set := find(first, amount); set != nil {
			set(protoreflect.ValueOfInt64(-1))
		}
	case NotText:
		if set := find(first, text); set != nil {
			set(protoreflect.ValueOfString("caf\xC3"))
		}
	}
}

// pad adds a field that nobody knows.
func pad(message any, size int) {
	if size > 0 {
		field := protowire.AppendTag(nil, 1000, protowire.BytesType)
		message.(proto.Message).ProtoReflect().SetUnknown(protowire.AppendBytes(field, make([]byte, size)))
	}
}

// amount says whether a field must not be negative.
func amount(f protoreflect.FieldDescriptor) bool {
	switch f.Name() {
	case "pre_tax_price", "available", "rate", "product_promo_rebate", "discount", "gmv", "package_price", "shop_id":
		return true
	}
	return false
}

func text(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.StringKind && !f.IsList()
}

// shift moves the first of the ids that the message has.
func shift(m protoreflect.Message, ids ...protoreflect.Name) {
	for _, id := range ids {
		if f := m.Descriptor().Fields().ByName(id); f != nil {
			m.Set(f, protoreflect.ValueOfInt64(m.Get(f).Int()+far))
			return
		}
	}
}

// find is the setter of the first field that fits, depth first, in the message or in those that it holds; nil if there is none.
func find(m protoreflect.Message, fits func(protoreflect.FieldDescriptor) bool) func(protoreflect.Value) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		var below protoreflect.Message
		switch {
		case fits(f):
			return func(v protoreflect.Value) { m.Set(f, v) }
		case f.Message() == nil || !m.Has(f):
			continue
		case f.IsList():
			below = m.Get(f).List().Get(0).Message()
		default:
			below = m.Get(f).Message()
		}
		if set := find(below, fits); set != nil {
			return set
		}
	}
	return nil
}

// noMessage is what an answer of [NoMessage] is encoded from.
type noMessage struct{}

// SizeVT and MarshalToSizedBufferVT make the codec write bytes that no message begins with.
func (noMessage) SizeVT() int { return 4 }

// MarshalToSizedBufferVT fills the buffer.
func (noMessage) MarshalToSizedBufferVT(b []byte) (int, error) {
	return copy(b, "\xff\xff\xff\xff"), nil
}
