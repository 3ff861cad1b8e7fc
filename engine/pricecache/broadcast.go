package pricecache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"proscenium/kv"
)

// Fields of the messages of purges.
const (
	fieldFrom   = "from"
	fieldWhat   = "what"
	fieldKinds  = "caches"
	fieldRegion = "region"
	fieldKeys   = "models" // ITEM:MODEL, 0 for all of an item, apart by spaces
)

// What messages say.
const (
	sayHello      = "hello" // begins a stream
	sayItems      = "items"
	sayEverything = "everything"
)

// follow starts or ends the goroutine that hears of purges by other processes.
func (l *lane) follow(on bool) {
	if on == (l.follower != nil) {
		return
	}
	if !on {
		l.follower.close()
		l.follower = nil
		return
	}
	f := &follower{
		store: l.store, stream: purgesStream,
		begin: func(ctx context.Context) (string, error) {
			return l.store.Append(ctx, purgesStream, purgesKept, map[string]string{fieldFrom: l.self, fieldWhat: sayHello})
		},
		handle: l.hear,
		lost: func(ctx context.Context, first bool) {
			if first { // entries of Redis have their marks; only memory may have missed something
				l.drop(&order{what: everything}, FromStart)
				return
			}
			_, _ = l.purgeAll(ctx, FromLostPlace, false) // what fails is done later
		},
		tick: func(ctx context.Context) time.Duration {
			l.retry(ctx)
			return patience
		},
		failed: func() { l.obs.CacheRedisFailed(Follow) },
	}
	l.follower = startWorker(f.run)
}

// hear does what other processes tell.
func (l *lane) hear(messages []kv.Message) {
	for _, m := range messages {
		if m.Fields[fieldFrom] == l.self || m.Fields[fieldWhat] == sayHello {
			continue
		}
		o, err := orderOf(m.Fields)
		if err != nil {
			o = &order{what: everything} // of another release: it may be any purge
		}
		l.drop(o, FromBroadcast)
	}
}

// message is what tells other processes of an order.
func (l *lane) message(o *order) map[string]string {
	if o.what == everything {
		return map[string]string{fieldFrom: l.self, fieldWhat: sayEverything}
	}
	kinds := make([]string, len(o.kinds))
	for i, k := range o.kinds {
		kinds[i] = k.String()
	}
	var keys []byte
	for i, k := range o.keys {
		if i > 0 {
			keys = append(keys, ' ')
		}
		keys = strconv.AppendInt(keys, k.ItemID, 10)
		keys = append(keys, ':')
		keys = strconv.AppendInt(keys, k.ModelID, 10)
	}
	return map[string]string{
		fieldFrom: l.self, fieldWhat: sayItems, fieldKinds: strings.Join(kinds, " "), fieldRegion: o.region, fieldKeys: string(keys),
	}
}

// orderOf reads a message of another process.
func orderOf(fields map[string]string) (*order, error) {
	switch fields[fieldWhat] {
	case sayEverything:
		return &order{what: everything}, nil
	case sayItems:
	default:
		return nil, fmt.Errorf("%q is nothing that is told", fields[fieldWhat])
	}
	o := &order{what: someItems, region: fields[fieldRegion]}
	for name := range strings.FieldsSeq(fields[fieldKinds]) {
		kind := slices.Index(KindNames[:], name)
		if kind < 0 {
			return nil, fmt.Errorf("there is no cache %q", name)
		}
		o.kinds = append(o.kinds, Kind(kind))
	}
	for text := range strings.FieldsSeq(fields[fieldKeys]) {
		item, model, ok := strings.Cut(text, ":")
		id, err1 := strconv.ParseInt(item, 10, 64)
		of, err2 := strconv.ParseInt(model, 10, 64)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is not ITEM:MODEL", text)
		}
		o.keys = append(o.keys, Key{id, of})
	}
	if len(o.kinds) == 0 || len(o.keys) == 0 || o.region == "" {
		return nil, errors.New("it names nothing")
	}
	return o, nil
}
