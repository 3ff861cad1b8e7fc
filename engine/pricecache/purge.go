package pricecache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"proscenium/traffic"
)

// batch is how many keys are purged in one exchange with Redis.
const batch = 1000

// NotToldError is the error of a purge that stands in this process, but of which Redis and the other processes could not be told. They are told as soon as that is
// possible, for as long as this process runs; until then they may serve what they have, for as long as it lasts.
type NotToldError struct {
	// Classes are those whose Redis did not answer.
	Classes []traffic.Class
	Cause   error
}

func (e *NotToldError) Error() string {
	names := make([]string, len(e.Classes))
	for i, c := range e.Classes {
		names[i] = c.String()
	}
	return fmt.Sprintf("the purge was not told to others (%s): %v", strings.Join(names, ", "), e.Cause)
}

func (e *NotToldError) Unwrap() error { return e.Cause }

// Purge drops the entries of models (with those of their whole items), or of whole items, from a cache of both classes of traffic: here, in Redis, and in every
// other process. When it returns without an error, nobody finds what was loaded before in Redis, and other processes drop it as soon as they hear of
// it. It returns how many entries memory had here. The error is a *NotToldError.
func (c *Caches) Purge(ctx context.Context, kind Kind, region string, keys []Key) (dropped int, err error) {
	return c.each(traffic.All(), func(l *lane) (int, error) {
		total := 0
		var errs []error
		for some := range slices.Chunk(keys, batch) {
			n, err := l.purge(ctx, []Kind{kind}, region, some, FromCaller, true)
			total += n
			errs = append(errs, err)
		}
		return total, errors.Join(errs...)
	})
}

// PurgeShadow is Purge for everything that shadow traffic has.
func (c *Caches) PurgeShadow(ctx context.Context) (dropped int, err error) {
	n, err := c.lanes[traffic.Shadow].purgeAll(ctx, FromCaller, true)
	if err != nil {
		return n, &NotToldError{Classes: []traffic.Class{traffic.Shadow}, Cause: err}
	}
	return n, nil
}

// each does something in the lane of each class.
func (c *Caches) each(classes [traffic.Count]traffic.Class, do func(*lane) (int, error)) (int, error) {
	total := 0
	var silent NotToldError
	for _, class := range classes {
		n, err := do(c.lanes[class])
		total += n
		if err != nil {
			silent.Classes = append(silent.Classes, class)
			silent.Cause = errors.Join(silent.Cause, err)
		}
	}
	if silent.Cause != nil {
		return total, &silent
	}
	return total, nil
}
