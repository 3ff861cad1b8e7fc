package kv

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Message is one entry of a stream.
type Message struct {
	// ID orders the messages of a stream.
	ID     string
	Fields map[string]string
}

// Append adds a message to a stream that keeps about the last most messages, and returns its id.
func (s *Store) Append(ctx context.Context, stream string, most int64, fields map[string]string) (string, error) {
	values := make(map[string]any, len(fields))
	for k, v := range fields {
		values[k] = v
	}
	var id string
	err := s.call(ctx, func(ctx context.Context) error {
		var err error
		id, err = s.client.XAdd(ctx, &redis.XAddArgs{Stream: s.prefix + stream, MaxLen: most, Approx: true, Values: values}).Result()
		return err
	})
	return id, err
}

// Follow waits up to patience for messages behind the one named ("0-0": all there are), and returns at most 1000; none is no error. It is not
// bounded by the store's timeout, and neither heeds nor moves Down.
func (s *Store) Follow(ctx context.Context, stream, after string, patience time.Duration) ([]Message, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Second)
	defer cancel()
	read, err := s.client.XRead(ctx, &redis.XReadArgs{Streams: []string{s.prefix + stream, after}, Count: 1000, Block: max(patience, time.Millisecond)}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return messagesOf(read[0].Messages), nil
}

// Last returns up to most messages of a stream, the newest first, older than the one named (empty: from the end).
func (s *Store) Last(ctx context.Context, stream, before string, most int64) ([]Message, error) {
	from := "+"
	if before != "" {
		from = "(" + before
	}
	var out []Message
	err := s.call(ctx, func(ctx context.Context) error {
		read, err := s.client.XRevRangeN(ctx, s.prefix+stream, from, "-", most).Result()
		out = messagesOf(read)
		return err
	})
	return out, err
}

func messagesOf(read []redis.XMessage) []Message {
	out := make([]Message, len(read))
	for i, m := range read {
		out[i] = Message{ID: m.ID, Fields: make(map[string]string, len(m.Values))}
		for k, v := range m.Values {
			if text, ok := v.(string); ok {
				out[i].Fields[k] = text
			}
		}
	}
	return out
}
