package server

import (
	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"proscenium/fault"
)

// undecodedField holds, among the unknown fields of a message, why it could not be decoded. Protobuf keeps the numbers from 19000 to 19999
// from all schemas. A caller who sends the field has its own request refused.
const undecodedField protowire.Number = 19_000

// appending is a codec that writes into connect's buffers.
type appending interface {
	connect.Codec
	MarshalAppend(dst []byte, message any) ([]byte, error)
}

// lateCodec leaves it to the interceptors to refuse what cannot be decoded: they give the error its reason, and tell log, metrics and
// trace. Connect answers an error of a codec by itself, without any of these.
type lateCodec struct{ appending }

// Unmarshal decodes data into a proto.Message; what went wrong is for [decoded] to find.
func (c lateCodec) Unmarshal(data []byte, message any) error {
	err := c.appending.Unmarshal(data, message)
	m, ok := message.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	mark := protowire.AppendTag(nil, undecodedField, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(mark, err.Error()))
	return nil
}

// decoded is nil, or the *fault.Error that says why a message could not be decoded.
func decoded(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	unknown := m.ProtoReflect().GetUnknown()
	if len(unknown) == 0 {
		return nil
	}
	number, kind, n := protowire.ConsumeTag(unknown)
	if n < 0 || number != undecodedField || kind != protowire.BytesType {
		return nil
	}
	why, n := protowire.ConsumeString(unknown[n:])
	if n < 0 {
		return nil
	}
	return fault.New(fault.InvalidArgument, "MALFORMED_REQUEST", "the request cannot be decoded: %s", why)
}
