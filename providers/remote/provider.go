package remote

import (
	"context"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/traffic"
)

// Method is how a command speaks the protocol.
type Method[K, V any, ID comparable, Req, Res any] struct {
	// ID is what answers name a key by.
	ID func(K) ID
	// Encode writes the question. No two keys have the same ID.
	Encode func(call *engine.Call, keys []K) *Req
	// Decode checks the answer and fills out, which is zeroed and as long as keys. Its errors come from [Malformed].
	Decode func(res *Res, at *Index[ID], out []V) error
}

// NewProvider makes the provider of a command that another service answers: procedure is the method of a generated client of c.
//
// It counts each attempt in the [engine.CallStats] of the context. It does not mark itself as answering from memory.
func NewProvider[K, V any, ID comparable, Req, Res any](
	c *Client,
	procedure func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error),
	m Method[K, V, ID, Req, Res],
) engine.Provider[K, V] {
	return &provider[K, V, ID, Req, Res]{client: c, procedure: procedure, method: m}
}

type provider[K, V any, ID comparable, Req, Res any] struct {
	client    *Client
	procedure func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error)
	method    Method[K, V, ID, Req, Res]
}

// Query asks for all keys in one call. Where keys share an ID, which the protocol cannot tell apart, those that come later are asked for in a
// call of their own.
func (p *provider[K, V, ID, Req, Res]) Query(ctx context.Context, call *engine.Call, keys []K, out []V) error {
	index, later := newIndex(keys, p.method.ID)
	if later == nil {
		return p.ask(ctx, call, keys, index, out)
	}
	first, second := make([]K, 0, len(keys)), make([]K, 0, len(later))
	for i, k := range keys {
		if later[i] {
			second = append(second, k)
		} else {
			first = append(first, k)
		}
	}
	index, _ = newIndex(first, p.method.ID)
	answers := make([]V, len(keys))
	if err := p.ask(ctx, call, first, index, answers[:len(first)]); err != nil {
		return err
	}
	if err := p.Query(ctx, call, second, answers[len(first):]); err != nil {
		return err
	}
	one, other := answers[:len(first)], answers[len(first):]
	for i := range out {
		if later[i] {
			out[i], other = other[0], other[1:]
		} else {
			out[i], one = one[0], one[1:]
		}
	}
	return nil
}

func (p *provider[K, V, ID, Req, Res]) ask(ctx context.Context, c *engine.Call, keys []K, index *Index[ID], out []V) error {
	req := p.method.Encode(c, keys)
	attempts := call[Res]{
		client: p.client,
		stats:  engine.CallStatsFrom(ctx),
		try: func(ctx context.Context) (*Res, error) {
			question := connect.NewRequest(req)
			if c.Class == traffic.Shadow {
				markShadow(ctx, question.Header())
			}
			res, err := p.procedure(ctx, question)
			if err != nil {
				return nil, err
			}
			return res.Msg, nil
		},
		accept: func(res *Res) error { return p.method.Decode(res, index, out) },
	}
	return attempts.run(ctx)
}

// Index finds the positions of what an answer names.
type Index[ID comparable] struct {
	at   map[ID]int
	seen []bool
}

// newIndex also returns which keys have the ID of one before, nil if none has.
func newIndex[K any, ID comparable](keys []K, id func(K) ID) (x *Index[ID], later []bool) {
	x = &Index[ID]{at: make(map[ID]int, len(keys)), seen: make([]bool, len(keys))}
	for i, k := range keys {
		name := id(k)
		if _, ok := x.at[name]; !ok {
			x.at[name] = i
			continue
		}
		if later == nil {
			later = make([]bool, len(keys))
		}
		later[i] = true
	}
	return x, later
}

// Find is the position that was asked about by id.
func (x *Index[ID]) Find(id ID) (int, bool) {
	i, ok := x.at[id]
	return i, ok
}

// Take is the position of an entry of the answer. It is [Malformed] if the id was not asked for, or was taken before.
func (x *Index[ID]) Take(id ID) (int, error) {
	i, ok := x.at[id]
	switch {
	case !ok:
		return 0, Malformed("%+v was not asked for", id)
	case x.seen[i]:
		return 0, Malformed("%+v is answered twice", id)
	}
	x.seen[i] = true
	return i, nil
}
