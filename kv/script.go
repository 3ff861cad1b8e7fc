package kv

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Script is Lua that the server runs in one step. It is sent by its hash, and whole where the server does not know it yet, which it says without
// having run anything. It is safe for concurrent use.
type Script struct{ lua *redis.Script }

// NewScript makes a script of its source.
func NewScript(source string) *Script { return &Script{redis.NewScript(source)} }

// Run runs a script over keys, in one exchange. The answer is of integers, strings, nil and lists of those, as go-redis gives them.
func (s *Store) Run(ctx context.Context, script *Script, keys []string, args ...any) (any, error) {
	var out any
	err := s.call(ctx, func(ctx context.Context) error {
		named := s.named(keys)
		reply := script.lua.EvalSha(ctx, s.client, named, args...)
		if err := reply.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			reply = script.lua.Eval(ctx, s.client, named, args...)
		}
		var err error
		out, err = reply.Result()
		return err
	})
	return out, err
}
