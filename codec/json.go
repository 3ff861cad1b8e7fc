package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// JSON is a connect.Codec for JSON that refuses fields which a message does not have. Connect's own drops them without a word, so that a
// misspelt quantity is a quantity of 1: in a question about prices that is worse than an error. It is safe for concurrent use.
type JSON struct{ name string }

// NewJSON makes the codec of a content type: "json", or "json; charset=utf-8".
func NewJSON(name string) JSON { return JSON{name} }

// Name is the name that content types carry.
func (c JSON) Name() string { return c.name }

// Marshal encodes a proto.Message.
func (c JSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend appends the encoding of a proto.Message to dst and returns the extended slice.
func (JSON) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a protobuf message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

// Unmarshal decodes data into a proto.Message, which loses what it held. An empty body is no JSON: an empty message is {}.
func (JSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a protobuf message", message)
	}
	if len(data) == 0 {
		return fmt.Errorf("the body is empty: send a JSON object, {} for an empty message")
	}
	return protojson.Unmarshal(data, m)
}

// IsBinary says that the encoding is text.
func (JSON) IsBinary() bool { return false }

// MarshalStable is Marshal: object keys stand in the order of the schema.
func (c JSON) MarshalStable(message any) ([]byte, error) { return c.Marshal(message) }
