package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"proscenium/traffic"
)

// ErrDown is the error of calls to a store that did not answer a moment ago. They were not sent.
var ErrDown = errors.New("redis did not answer a moment ago")

// Store holds the keys of one class of traffic. Keys are given without the prefix of the class: no key reaches another's. In a cluster, keys that one
// script or pipeline names together have a hash tag in common: "{tag}rest". It is safe for concurrent use.
type Store struct {
	class   traffic.Class
	client  redis.UniversalClient
	prefix  string
	cluster bool
	timeout time.Duration
	gate    gate
	now     func() time.Time
}

// Class is whose keys these are.
func (s *Store) Class() traffic.Class { return s.class }

// Patient is the same store for work in the background, which may wait longer for an answer: a process that has much to do sends and reads late. What it
// finds out about the server is its own.
func (s *Store) Patient(timeout time.Duration) *Store {
	return &Store{
		class: s.class, client: s.client, prefix: s.prefix, cluster: s.cluster, timeout: max(timeout, s.timeout), now: s.now, gate: gate{rest: s.gate.rest},
	}
}

// Down says that the store did not answer a moment ago: calls fail at once, but for one from time to time that finds out.
func (s *Store) Down() bool { return s.gate.closed(s.now()) }

// call runs one exchange under the store's time and gate. Answers that are errors of the server (a wrong type, a script's error) say nothing against it,
// nor does a caller that gives up; but one whose deadline passes after half of the store's time has found it silent: otherwise callers in a hurry would
// find that out again and again.
func (s *Store) call(ctx context.Context, exchange func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	begin := s.now()
	if !s.gate.enter(begin) {
		return ErrDown
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := exchange(bounded)
	var answered redis.Error
	switch {
	case err == nil || errors.As(err, &answered):
		s.gate.leave(s.now(), answer)
	case gaveUp(ctx, s.now().Sub(begin) >= s.timeout/2):
		s.gate.leave(s.now(), abandoned) // the caller's end is not the store's fault
	default:
		s.gate.leave(s.now(), silence)
	}
	return err
}

// gaveUp says that a call ended with its caller, by a deadline only where the store had not had time enough. A connection may be a little ahead of its
// context in finding out that the deadline has passed.
func gaveUp(ctx context.Context, enough bool) bool {
	if errors.Is(ctx.Err(), context.Canceled) {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && !enough && time.Until(deadline) < time.Millisecond
}

func (s *Store) named(keys []string) []string {
	full := make([]string, len(keys))
	for i, k := range keys {
		full[i] = s.prefix + k
	}
	return full
}

// Get returns the values of keys; nil where there is none.
func (s *Store) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	out := make([][]byte, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	err := s.call(ctx, func(ctx context.Context) error {
		if s.cluster && len(keys) > 1 {
			return s.getEach(ctx, keys, out)
		}
		values, err := s.client.MGet(ctx, s.named(keys)...).Result()
		if err != nil {
			return err
		}
		for i, v := range values {
			if text, ok := v.(string); ok {
				out[i] = []byte(text)
			}
		}
		return nil
	})
	return out, err
}

// getEach is Get over the nodes of a cluster.
func (s *Store) getEach(ctx context.Context, keys []string, out [][]byte) error {
	pipe := s.client.Pipeline()
	gets := make([]*redis.StringCmd, len(keys))
	for i, k := range keys {
		gets[i] = pipe.Get(ctx, s.prefix+k)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for i, g := range gets {
		b, err := g.Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		if err == nil {
			out[i] = b
		}
	}
	return nil
}

// Entry is a key with its value, kept for TTL (at least a millisecond).
type Entry struct {
	Key   string
	Value []byte
	TTL   time.Duration
}

// Set writes entries in one exchange; each stands for itself.
func (s *Store) Set(ctx context.Context, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return s.call(ctx, func(ctx context.Context) error {
		pipe := s.client.Pipeline()
		for _, e := range entries {
			pipe.Set(ctx, s.prefix+e.Key, e.Value, e.TTL)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
}

// Delete removes keys and returns how many there were.
func (s *Store) Delete(ctx context.Context, keys ...string) (int, error) {
	deleted := 0
	if len(keys) == 0 {
		return 0, nil
	}
	err := s.call(ctx, func(ctx context.Context) error {
		pipe := s.client.Pipeline()
		counts := make([]*redis.IntCmd, len(keys))
		for i, k := range keys {
			counts[i] = pipe.Unlink(ctx, s.prefix+k)
		}
		_, err := pipe.Exec(ctx)
		for _, c := range counts {
			deleted += int(c.Val())
		}
		return err
	})
	return deleted, err
}

// Purge removes every key of the class and returns how many there were. It goes on for as long as there are keys, or until ctx ends.
func (s *Store) Purge(ctx context.Context) (int, error) {
	const page = 500
	deleted := 0
	sweep := func(ctx context.Context, node redis.Cmdable) error {
		for cursor := uint64(0); ; {
			keys, next, err := node.Scan(ctx, cursor, s.prefix+"*", page).Result()
			if err != nil {
				return fmt.Errorf("list the keys of %s: %w", s.prefix, err)
			}
			for _, k := range keys {
				n, err := node.Unlink(ctx, k).Result()
				if err != nil {
					return fmt.Errorf("remove keys of %s: %w", s.prefix, err)
				}
				deleted += int(n)
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	if c, ok := s.client.(*redis.ClusterClient); ok {
		err := c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return sweep(ctx, node) })
		return deleted, err
	}
	return deleted, sweep(ctx, s.client)
}
