package limit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"proscenium/kv"
)

// keysOfMessage are added up in one exchange.
const keysOfMessage = 200

// flushed counts hot keys of a dimension in the process, on top of what Redis said last, and adds them up there. A key that is not hot is not here: its
// next request asks Redis.
type flushed struct {
	most int
	sent *kv.Script

	mu   sync.Mutex
	rule *rule // of who counted last
	keys map[string]*hotKey
	// failing: the last message got no answer. Until it has one, Redis is asked for each request: where it is down the fallback decides.
	failing bool

	// What follows belongs to the goroutine that flushes.
	number  int64
	message []*hotKey // on its way, until it is known to have arrived or counts no longer
	since   int64
}

type hotKey struct {
	key string
	// hot: Redis has said how much is used.
	hot bool
	// used is what Redis said last, at a reading of the clock; of a fixed window it holds until end.
	used, at, end int64
	pending       int64 // counted since
	sending       int64 // in the message
	held          int64 // not decided on yet, here or in Redis
	asked         bool  // since the last message
}

// interval is how often a rule's counts are added up.
func (r *rule) interval() time.Duration {
	return min(max(r.Window/10, 10*time.Millisecond), time.Second)
}

// hold asks for n requests of a hot key and, where they may go on, holds them. known is false where Redis must be asked.
func (f *flushed) hold(r *rule, now int64, key string, n int64) (k *hotKey, a reading, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = r
	k = f.keys[key]
	if k == nil {
		if len(f.keys) >= f.most {
			return nil, a, false
		}
		k = &hotKey{key: key}
		f.keys[key] = k
	}
	k.asked = true
	if !k.hot || f.failing {
		k.held += n // Redis may count it before it says so
		return k, a, false
	}
	used := k.estimate(r, now) + k.held
	a = reading{used: used, reset: max(k.end-now, int64(r.interval()))}
	switch {
	case used+n > r.capacity:
		a.outcome = Refused
		return k, a, true
	case r.Soft > 0 && r.kind != flow && used+n > r.Soft:
		a.outcome = Soft
	}
	k.held += n
	return k, a, true
}

// estimate is what is used: what Redis said, less what is sure to count no longer, and what was counted here since.
func (k *hotKey) estimate(r *rule, now int64) int64 {
	used := k.used
	switch r.kind {
	case fixed:
		if now >= k.end {
			used = 0
		}
	case flow:
		used = (drain(used*grain, max(now-k.at, 0), r.Limit, r.window) + grain - 1) / grain
	case sliding:
	}
	return used + k.sending + k.pending
}

// count counts what was held.
func (f *flushed) count(k *hotKey, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k.held -= n
	k.pending += n
}

// giveBack forgets what was held.
func (f *flushed) giveBack(k *hotKey, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k.held -= n
}

// counted ends what was held while Redis was asked, at a reading of the clock, and counted it.
func (f *flushed) counted(k *hotKey, n, now, used, reset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k.held -= n
	if k.hot {
		k.used = max(k.used, used)
		return
	}
	k.hot, k.used, k.at, k.end = true, used, now, now+reset
}

// flush adds up all there is. A message without an answer may have arrived: it is sent again with its number, by which Redis knows it.
func (f *flushed) flush(ctx context.Context, store *kv.Store, tag, process string, clock func() int64) error {
	left := f.due()
	for f.message != nil || len(left) > 0 {
		if f.message == nil {
			n := min(len(left), keysOfMessage)
			f.compose(left[:n], clock())
			left = left[n:]
		}
		if err := f.send(ctx, store, tag, process, clock()); err != nil {
			f.lose(clock())
			return err
		}
	}
	return nil
}

// due are the keys to be added up; those that nobody asks for are forgotten.
func (f *flushed) due() []*hotKey {
	f.mu.Lock()
	defer f.mu.Unlock()
	var due []*hotKey
	for key, k := range f.keys {
		switch {
		case k.sending > 0 || !k.hot && k.held > 0: // it is on its way to Redis
		case k.hot && (k.pending > 0 || k.asked):
			due = append(due, k)
		case k.held == 0:
			delete(f.keys, key)
		}
	}
	return due
}

func (f *flushed) compose(keys []*hotKey, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		k.sending, k.pending, k.asked = k.pending, 0, false
	}
	f.message, f.since = keys, now
	f.number++
}

func (f *flushed) send(ctx context.Context, store *kv.Store, tag, process string, now int64) error {
	f.mu.Lock()
	r := f.rule
	f.mu.Unlock()
	kept := r.Window + time.Hour
	names := []string{tag + ":clock", tag + ":" + r.escaped + ":sent:" + r.Algorithm() + ":" + process}
	args := []any{f.number, kept.Milliseconds()}
	for _, k := range f.message {
		names = append(names, keyOf(tag, r.escaped, r.kind, k.key))
		args = append(append(args, r.args[:]...), k.sending)
	}
	reply, err := store.Run(ctx, f.sent, names, args...)
	var words []int64
	if err == nil {
		words, err = integers(reply, 2*len(f.message))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing = err != nil; f.failing {
		return fmt.Errorf("add up %s: %w", tag, err)
	}
	for i, k := range f.message {
		k.used, k.at, k.end, k.sending = words[2*i], now, now+words[2*i+1]*int64(time.Microsecond), 0
	}
	f.message = nil
	return nil
}

// lose gives up a message that would count no longer.
func (f *flushed) lose(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now-f.since < f.rule.window {
		return
	}
	for _, k := range f.message {
		k.sending = 0
		delete(f.keys, k.key) // the next request asks Redis
	}
	f.message, f.failing = nil, false
}
