package remote

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"proscenium/engine"
)

// retries say how often a call is tried.
type retries struct {
	attempts int           // in all, at least 1
	backoff  time.Duration // before the second, doubled for each further one
}

// pause is the time between an attempt, counted from 1, and the next: half of it is chance, so that callers that failed together do not come
// back together.
func (r retries) pause(attempt int, random float64) time.Duration {
	full := r.backoff << (attempt - 1)
	return full/2 + time.Duration(random*float64(full-full/2))
}

// call is one call with all its attempts. The first attempt that is answered decides; answers and refusals alike. Failures that another
// attempt may mend are retried while there is budget and time. An attempt that is slow is hedged, once in a call, beside its retries.
type call[Res any] struct {
	client *Client
	stats  *engine.CallStats
	try    func(context.Context) (*Res, error)
	// accept judges an answer and takes what it says. It runs in the goroutine of the call, at most once.
	accept func(*Res) error
	hedged bool
}

// run returns when no attempt is under way any more.
func (c *call[Res]) run(ctx context.Context) error {
	c.client.budget.earn()
	for attempt := 1; ; attempt++ {
		again, err := c.round(ctx)
		if err == nil {
			return nil
		}
		c.stats.Failed(err)
		if attempt > 1 {
			err = fmt.Errorf("attempt %d: %w", attempt, err)
		}
		if !again || attempt >= c.client.retries.attempts {
			return err
		}
		pause := c.client.retries.pause(attempt, c.client.deps.Random())
		if deadline, ok := ctx.Deadline(); ok && !c.client.deps.Now().Add(pause).Before(deadline) {
			return err // the retry would come too late
		}
		if !c.client.budget.spend() {
			return fmt.Errorf("%w (no retry: the budget is spent)", err)
		}
		select {
		case <-c.client.deps.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// round is one attempt with its hedge. It says whether another round may do better.
func (c *call[Res]) round(ctx context.Context) (again bool, err error) {
	if c.client.hedge == 0 || c.hedged {
		c.stats.Attempt()
		res, err := c.try(ctx)
		return c.judge(ctx, res, err)
	}

	type answer struct {
		res *Res
		err error
	}
	answers := make(chan answer, 2) // room for all
	attempts, cancel := context.WithCancel(ctx)
	underWay := 0
	launch := func() {
		underWay++
		c.stats.Attempt()
		go func() {
			var a answer
			defer func() {
				if p := recover(); p != nil {
					a = answer{err: fmt.Errorf("attempt panicked: %v\n%s", p, debug.Stack())}
				}
				answers <- a
			}()
			a.res, a.err = c.try(attempts)
		}()
	}
	defer func() {
		cancel()
		for ; underWay > 0; underWay-- {
			<-answers
		}
	}()

	launch()
	slow := c.client.deps.After(c.client.hedge)
	for {
		select {
		case a := <-answers:
			underWay--
			if again, err = c.judge(ctx, a.res, a.err); !again || underWay == 0 {
				return again, err
			}
		case <-slow:
			slow = nil
			if c.client.budget.spend() {
				c.hedged = true
				launch()
			}
		}
	}
}

// judge says what an attempt's end means for the call, and whether another may do better.
func (c *call[Res]) judge(ctx context.Context, res *Res, err error) (again bool, classified error) {
	if err == nil {
		err = c.accept(res)
	}
	if err == nil {
		return false, nil
	}
	return c.client.failure(ctx, err)
}
