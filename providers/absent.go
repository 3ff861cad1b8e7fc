package providers

import (
	"context"
	"fmt"

	"proscenium/engine"
)

// absent stands where nobody answers a command: scenes that need it get an error, all others never ask.
type absent[K, V any] struct{ command engine.Command }

// Query fails.
func (a absent[K, V]) Query(context.Context, *engine.Call, []K, []V) error {
	return fmt.Errorf("no provider answers %s: this program embeds none, and no dependency of the configuration names one", a.command)
}

// AnswersFromMemory marks the provider for the engine: failing takes no time.
func (absent[K, V]) AnswersFromMemory() {}
