package pricecache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"proscenium/kv"
)

// follower reads a stream of purges from where it is, for as long as it runs.
//
// Its place is the last message that it read. While that message is still in the stream, nothing behind it was trimmed, and the stream is the one that it was: so
// it looks for it along with new messages, after errors, and now and then. If it is gone, purges may have been missed: it finds a new place, and then drops
// everything, in this order, so that what comes in between is read.
type follower struct {
	store  *kv.Store
	stream string
	// begin appends a message to an empty stream, so that there is a place. nil: the stream is not ours, and where it is empty, what is first is read.
	begin func(context.Context) (id string, err error)
	// handle is given the messages, in order.
	handle func([]kv.Message)
	// lost is told of a place that was found: the first one, or a new one, before which messages may have been missed.
	lost func(ctx context.Context, first bool)
	// tick is called in each turn, and says how soon the next one has to be.
	tick   func(context.Context) time.Duration
	failed func()
}

const (
	// patience bounds a turn, and so how long closing takes.
	patience = 200 * time.Millisecond
	// checkEvery is how often an idle follower looks whether its place is still there.
	checkEvery = 2 * time.Second
	// nowhere is before the first message.
	nowhere = "0-0"
)

func (f *follower) run(ctx context.Context) {
	at, first := "", true
	shaken := false // something failed since the place was looked for
	var checked time.Time
	for ctx.Err() == nil {
		wait := f.tick(ctx)
		if at == "" {
			place, err := f.place(ctx)
			if err != nil {
				f.pause(ctx)
				continue
			}
			f.lost(ctx, first)
			at, first, shaken, checked = place, false, false, time.Now()
		}
		messages, err := f.store.Follow(ctx, f.stream, at, min(wait, patience))
		if err != nil {
			shaken = true
			f.pause(ctx)
			continue
		}
		if len(messages) > 0 || shaken || time.Since(checked) >= checkEvery {
			there, err := f.there(ctx, at)
			if err != nil {
				shaken = true
				f.pause(ctx)
				continue // the messages are read again
			}
			if !there {
				at = ""
				continue
			}
			shaken, checked = false, time.Now()
		}
		if len(messages) > 0 {
			f.handle(messages)
			at = messages[len(messages)-1].ID
		}
	}
}

// place is the end of the stream.
func (f *follower) place(ctx context.Context) (string, error) {
	last, err := f.store.Last(ctx, f.stream, "", 1)
	switch {
	case err != nil:
		return "", err
	case len(last) > 0:
		return last[0].ID, nil
	case f.begin != nil:
		return f.begin(ctx)
	}
	return nowhere, nil
}

// there says whether a message is still in the stream.
func (f *follower) there(ctx context.Context, id string) (bool, error) {
	if id == nowhere {
		return true, nil
	}
	next, err := successor(id)
	if err != nil {
		return false, err
	}
	found, err := f.store.Last(ctx, f.stream, next, 1)
	return err == nil && len(found) > 0 && found[0].ID == id, err
}

// successor is the smallest id behind one.
func successor(id string) (string, error) {
	ms, seq, ok := strings.Cut(id, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || n+1 == 0 {
		return "", fmt.Errorf("id %q of a message", id)
	}
	return ms + "-" + strconv.FormatUint(n+1, 10), nil
}

// pause waits a moment after an error.
func (f *follower) pause(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	f.failed()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
