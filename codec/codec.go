// Package codec is the binary encoding of the request path: generated vtproto code where a message has it, proto.Marshal where it has not.
//
// It writes the bytes that the standard codec writes, and refuses strings that are not UTF-8 as that does; generated code alone would let them
// pass. Stricter than the standard codec, it refuses a known field of another wire type instead of keeping it among the unknown ones.
package codec

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ErrInvalid is wrapped by the errors of Unmarshal: the bytes are no message of the type.
var ErrInvalid = errors.New("invalid protobuf")

// Codec is a connect.Codec of the name "proto" for clients and handlers, in place of connect's own. It appends to the buffers of connect's
// pool, so that marshalling copies nothing. It is safe for concurrent use; share one: it keeps what it learns of message types.
type Codec struct {
	shapes sync.Map // protoreflect.MessageDescriptor -> *shape
}

// New makes a codec.
func New() *Codec { return &Codec{} }

// Name is the name that content types carry.
func (*Codec) Name() string { return "proto" }

type marshaler interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
}

type unmarshaler interface {
	proto.Message
	UnmarshalVT([]byte) error
}

// Marshal encodes a proto.Message. Generated code does not check strings when it writes: they were checked where they came in.
func (c *Codec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend appends the encoding of a proto.Message to dst and returns the extended slice.
func (*Codec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	switch m := message.(type) {
	case marshaler:
		size := m.SizeVT()
		dst = slices.Grow(dst, size)
		end := len(dst) + size
		n, err := m.MarshalToSizedBufferVT(dst[len(dst):end])
		if err != nil {
			return nil, fmt.Errorf("marshal %T: %w", message, err)
		}
		if n != size {
			return nil, fmt.Errorf("marshal %T: changed while it was written", message)
		}
		return dst[:end], nil
	case proto.Message:
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}
	return nil, fmt.Errorf("marshal %T: not a protobuf message", message)
}

// Unmarshal decodes data into a proto.Message, which loses what it held. It keeps nothing of data. Errors wrap [ErrInvalid].
func (c *Codec) Unmarshal(data []byte, message any) error {
	switch m := message.(type) {
	case unmarshaler:
		s := c.shape(m.ProtoReflect().Descriptor())
		if s == nil {
			return standard(data, m)
		}
		proto.Reset(m)
		if err := m.UnmarshalVT(data); err != nil {
			return fmt.Errorf("%w: %T: %w", ErrInvalid, message, err)
		}
		if !s.valid(data) {
			return fmt.Errorf("%w: %T: a string is not UTF-8", ErrInvalid, message)
		}
		return nil
	case proto.Message:
		return standard(data, m)
	}
	return fmt.Errorf("unmarshal %T: not a protobuf message", message)
}

func standard(data []byte, m proto.Message) error {
	if err := proto.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrInvalid, m, err)
	}
	return nil
}

// shape is the one of a message type, nil where there is none.
func (c *Codec) shape(d protoreflect.MessageDescriptor) *shape {
	if s, ok := c.shapes.Load(d); ok {
		return s.(*shape)
	}
	s, _ := c.shapes.LoadOrStore(d, newShape(d))
	return s.(*shape)
}
