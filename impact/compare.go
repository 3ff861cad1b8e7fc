package impact

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// difference is a field in which two answers differ.
type difference struct {
	// path is without the elements of lists, such as items.models.final_price.
	path string
	fd   protoreflect.FieldDescriptor
	// What the field says. A value that is not valid is absent.
	before, after protoreflect.Value
	// order says that the field is a list of the same elements in another order.
	order bool
}

// ignored are the fields of an answer that say how it was made, and not what the caller gets. The time that was asked for is in the request.
func ignore(answer *pricingv1.GetPromotionInfoResponse) {
	answer.ConfigVersion, answer.PricedAt, answer.Trace = "", nil, nil
}

// identityOf are the fields that say which element of a list, or which promotion or voucher, a message is about; none for messages that are not
// told apart so.
func identityOf(md protoreflect.MessageDescriptor) []protoreflect.Name {
	switch md.Name() {
	case "Item":
		return []protoreflect.Name{"item_id"}
	case "Model":
		return []protoreflect.Name{"model_id"}
	case "Promotion":
		return []protoreflect.Name{"promotion_id", "price_rule_type"}
	case "Voucher":
		return []protoreflect.Name{"voucher_id"}
	case "PackagePromotion":
		return []protoreflect.Name{"package_id"}
	case "LocationStock":
		return []protoreflect.Name{"location"}
	case "TimeslotStock":
		return []protoreflect.Name{"start_time", "end_time"}
	case "Degradation":
		return []protoreflect.Name{"feature", "scope"}
	}
	return nil
}

// sameAnswer compares answers without [ignored] fields, at little cost: nearly all answers are equal.
func sameAnswer(before, after *pricingv1.GetPromotionInfoResponse) bool {
	if before.SizeVT() != after.SizeVT() {
		return false
	}
	a, errA := before.MarshalVT()
	b, errB := after.MarshalVT()
	return errA == nil && errB == nil && bytes.Equal(a, b) || proto.Equal(before, after)
}

// differences tells those between two answers, which have lost what is ignored. There is none if, and only if, they are equal.
func differences(before, after *pricingv1.GetPromotionInfoResponse, tell func(difference)) {
	c := answers{tell}
	c.messages("", before.ProtoReflect(), after.ProtoReflect())
}

type answers struct{ tell func(difference) }

func (c answers) messages(path string, before, after protoreflect.Message) {
	fields := before.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		at := string(fd.Name())
		if path != "" {
			at = path + "." + at
		}
		switch {
		case fd.IsList() && fd.Message() != nil:
			c.elements(at, fd, before.Get(fd).List(), after.Get(fd).List())
		case !before.Has(fd) && !after.Has(fd):
		case fd.Message() != nil && !fd.IsList() && before.Has(fd) && after.Has(fd) && !replaced(fd, before.Get(fd).Message(), after.Get(fd).Message()):
			c.messages(at, before.Get(fd).Message(), after.Get(fd).Message())
		default:
			old, now := valueIn(fd, before), valueIn(fd, after)
			if old.IsValid() != now.IsValid() || !old.Equal(now) {
				c.tell(difference{path: at, fd: fd, before: old, after: now})
			}
		}
	}
}

// valueIn is not valid where the field is absent; a field without presence is never absent.
func valueIn(fd protoreflect.FieldDescriptor, m protoreflect.Message) protoreflect.Value {
	if fd.HasPresence() && !m.Has(fd) {
		return protoreflect.Value{}
	}
	return m.Get(fd)
}

// replaced says whether a field is about another promotion or voucher than before: then their fields have nothing to do with each other. Times
// are values.
func replaced(fd protoreflect.FieldDescriptor, before, after protoreflect.Message) bool {
	if fd.Message().FullName() == "google.protobuf.Timestamp" {
		return true
	}
	id := identityOf(fd.Message())
	return len(id) > 0 && key(before, id) != key(after, id)
}

// elements compares lists by the identity of their elements. Of equal ones the first on each side belong together, and so on.
func (c answers) elements(path string, fd protoreflect.FieldDescriptor, before, after protoreflect.List) {
	id := identityOf(fd.Message())
	left := make(map[string][]int, before.Len())
	for i := range before.Len() {
		k := key(before.Get(i).Message(), id)
		left[k] = append(left[k], i)
	}
	last, moved := -1, false
	for i := range after.Len() {
		now := after.Get(i)
		k := key(now.Message(), id)
		same := left[k]
		if len(same) == 0 {
			c.tell(difference{path: path, fd: fd, after: now})
			continue
		}
		left[k] = same[1:]
		moved = moved || same[0] < last
		last = same[0]
		c.messages(path, before.Get(same[0]).Message(), now.Message())
	}
	var gone []int
	for _, same := range left {
		gone = append(gone, same...)
	}
	slices.Sort(gone)
	for _, i := range gone {
		c.tell(difference{path: path, fd: fd, before: before.Get(i)})
	}
	if moved {
		c.tell(difference{path: path, fd: fd, order: true})
	}
}

// key is the identity of a message as text.
func key(m protoreflect.Message, id []protoreflect.Name) string {
	var b strings.Builder
	for _, name := range id {
		fd := m.Descriptor().Fields().ByName(name)
		b.WriteString(scalarText(fd, m.Get(fd)))
		b.WriteByte(' ')
	}
	return b.String()
}

// scalarText is a value for people: enums without their prefix, times in RFC 3339.
func scalarText(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case fd.Kind() == protoreflect.EnumKind:
		if value := fd.Enum().Values().ByNumber(v.Enum()); value != nil {
			return strings.TrimPrefix(string(value.Name()), enumPrefix(fd.Enum()))
		}
		return strconv.Itoa(int(v.Enum()))
	case fd.Message() != nil:
		if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			if !v.Message().IsValid() {
				return ""
			}
			return t.AsTime().Format(time.RFC3339)
		}
		return messageText(v.Message())
	default:
		return v.String()
	}
}

// enumPrefix is what the values of an enum begin with: that of UNSPECIFIED.
func enumPrefix(ed protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(ed.Values().Get(0).Name()), "UNSPECIFIED")
}

// messageText is a message on one line, without what is at its default. Promotions and vouchers have names.
func messageText(m protoreflect.Message) string {
	switch named := m.Interface().(type) {
	case *pricingv1.Promotion:
		return promoName(named) + " at " + strconv.FormatInt(named.GetPrice(), 10)
	case *pricingv1.Voucher:
		return voucherName(named) + " for " + strconv.FormatInt(named.GetDiscount(), 10)
	}
	var parts []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		parts = append(parts, string(fd.Name())+": "+fieldText(fd, m.Get(fd)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// fieldText is what a field says, for people; empty for an absent one.
func fieldText(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	list, isList := v.Interface().(protoreflect.List)
	switch {
	case !v.IsValid():
		return ""
	case isList:
		parts := make([]string, list.Len())
		for i := range parts {
			parts[i] = scalarText(fd, list.Get(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return scalarText(fd, v)
	}
}
