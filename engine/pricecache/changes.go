package pricecache

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/kv"
	"proscenium/traffic"
)

const (
	defaultDebounce = 100 * time.Millisecond
	// pendingAtMost purges are collected; then they are done before their time.
	pendingAtMost = 10_000
)

// changes purges what a stream of price and stock events names, in the caches of both classes. Every process reads the whole stream, so that none needs to be told;
// in Redis each of them sets marks of its own for the same events, which costs a few more loads and no more than that.
type changes struct {
	conf     *configv1.ChangeStream
	debounce time.Duration
	lanes    [traffic.Count]*lane
	worker   *worker

	pending map[change]struct{}
	due     time.Time // of the pending
}

type change struct {
	region string
	Key
}

// newChanges follows a stream. Where it takes the place of another one, what happened in between is unknown.
func newChanges(conf *configv1.ChangeStream, lanes [traffic.Count]*lane, replaces bool) *changes {
	c := &changes{conf: conf, debounce: defaultDebounce, lanes: lanes, pending: make(map[change]struct{})}
	if conf.GetDebounce() != nil {
		c.debounce = conf.GetDebounce().AsDuration()
	}
	live := lanes[traffic.Live]
	f := &follower{
		store: live.store, stream: conf.GetStream(), handle: c.note,
		lost: func(ctx context.Context, first bool) {
			for _, l := range lanes {
				if first && !replaces {
					l.drop(&order{what: everything}, FromStart)
					continue
				}
				_, _ = l.purgeAll(ctx, FromLostPlace, false) // what fails is done later
			}
		},
		tick:   c.tick,
		failed: func() { live.obs.CacheRedisFailed(Follow) },
	}
	c.worker = startWorker(func(ctx context.Context) {
		f.run(ctx)
		c.flush(context.WithoutCancel(ctx))
	})
	return c
}

func (c *changes) close() { c.worker.close() }

// note collects what events name.
func (c *changes) note(messages []kv.Message) {
	malformed := 0
	for _, m := range messages {
		what, ok := changeOf(m.Fields)
		if !ok {
			malformed++
			continue
		}
		if len(c.pending) == 0 {
			c.due = time.Now().Add(c.debounce)
		}
		c.pending[what] = struct{}{}
	}
	c.lanes[traffic.Live].obs.CacheEvents(len(messages)-malformed, malformed)
}

// changeOf reads the fields of an event: region, item_id and, for a single model, model_id.
func changeOf(fields map[string]string) (change, bool) {
	region := fields["region"]
	if len(region) != 2 || region[0] < 'A' || region[0] > 'Z' || region[1] < 'A' || region[1] > 'Z' {
		return change{}, false
	}
	item, err := strconv.ParseInt(fields["item_id"], 10, 64)
	if err != nil || item <= 0 {
		return change{}, false
	}
	model := int64(0)
	if text := fields["model_id"]; text != "" {
		if model, err = strconv.ParseInt(text, 10, 64); err != nil || model < 0 {
			return change{}, false
		}
	}
	return change{region, Key{item, model}}, true
}

// tick purges what is due.
func (c *changes) tick(ctx context.Context) time.Duration {
	if len(c.pending) == 0 {
		return patience
	}
	if left := time.Until(c.due); left > 0 && len(c.pending) < pendingAtMost {
		return left
	}
	c.flush(ctx)
	return patience
}

func (c *changes) flush(ctx context.Context) {
	byRegion := make(map[string][]Key)
	for what := range c.pending {
		byRegion[what.region] = append(byRegion[what.region], what.Key)
	}
	clear(c.pending)
	for _, region := range slices.Sorted(maps.Keys(byRegion)) {
		for _, l := range c.lanes {
			for keys := range slices.Chunk(byRegion[region], batch) {
				_, _ = l.purge(ctx, []Kind{PriceStock, PriceSoldOut}, region, keys, FromChanges, false) // what fails is done later
			}
		}
	}
}
