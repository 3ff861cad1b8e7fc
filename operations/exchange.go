package operations

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"proscenium/kv"
)

// What the fleet shares: a hash of all switches by field, and a stream with a message for each change of it.
const (
	sharedEntries = "{switches}entries"
	sharedNotices = "{switches}notices"
)

const (
	// patience is how long a look for notices waits, which cannot be ended; quietTurns of it are how late a change is known whose notice was missed.
	patience   = time.Second
	quietTurns = 3
	// retryAfter is the pause after Redis did not answer.
	retryAfter = time.Second
	// attempts at an exchange: others may write at the same time.
	attempts = 4
)

var (
	readEntries = kv.NewScript(`return redis.call('HGETALL', KEYS[1])`)
	// Each write is a field, what must be there, and what to put in its place, empty for nothing. Who wins was decided by the process: here it only
	// counts that nobody wrote in between.
	writeEntries = kv.NewScript(`
		local written = 0
		for i = 2, #ARGV, 3 do
			if (redis.call('HGET', KEYS[1], ARGV[i]) or '') == ARGV[i + 1] then
				if ARGV[i + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
				written = written + 1
			end
		end
		if written > 0 then redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100, '*', 'node', ARGV[1]) end
		return written`)
)

// Run keeps in step with the other processes until ctx ends: at once when one of them changes something, and every few seconds.
func (s *Switches) Run(ctx context.Context) {
	after, quiet := "0-0", quietTurns
	for ctx.Err() == nil {
		if quiet >= quietTurns {
			_ = s.keep() // the log has it
			_ = s.Exchange(ctx)
			quiet = 0
		}
		messages, err := s.options.Shared.Follow(ctx, sharedNotices, after, patience)
		quiet++
		if len(messages) > 0 {
			after, quiet = messages[len(messages)-1].ID, quietTurns
		}
		if err != nil {
			wait(ctx, retryAfter)
			quiet = quietTurns
		}
	}
}

func wait(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// Exchange takes over what other processes changed, and tells them what they do not know. Its error says why that could not be.
func (s *Switches) Exchange(ctx context.Context) error {
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	changed, err := s.exchange(ctx)
	if changed {
		s.tell()
		_ = s.keep()
	}
	if ctx.Err() != nil {
		return err // the caller's end is no trouble
	}
	return s.troubles.note(inRedis, err)
}

func (s *Switches) exchange(ctx context.Context) (changed bool, err error) {
	for range attempts {
		shared, err := s.read(ctx)
		if err != nil {
			return changed, err
		}
		var known []*entry
		for field, text := range shared {
			if e, err := decode([]byte(text)); err == nil && e.field() == field {
				known = append(known, e)
			}
		}
		changed = s.merge(known) || changed
		writes := s.lacking(shared)
		if len(writes) == 0 {
			return changed, nil
		}
		written, err := s.options.Shared.Run(ctx, writeEntries, []string{sharedEntries, sharedNotices}, append([]any{s.options.Node}, writes...)...)
		if err != nil {
			return changed, fmt.Errorf("tell the fleet of switches: %w", err)
		}
		if written == int64(len(writes)/3) {
			return changed, nil
		}
	}
	return changed, fmt.Errorf("tell the fleet of switches: others changed them all the time; it is tried again")
}

func (s *Switches) read(ctx context.Context) (map[string]string, error) {
	answer, err := s.options.Shared.Run(ctx, readEntries, []string{sharedEntries})
	if err != nil {
		return nil, fmt.Errorf("read the fleet's switches: %w", err)
	}
	list, ok := answer.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, fmt.Errorf("read the fleet's switches: the answer is %T", answer)
	}
	shared := make(map[string]string, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		field, _ := list[i].(string)
		text, _ := list[i+1].(string)
		shared[field] = text
	}
	return shared, nil
}

// lacking are the writes that bring what is shared to what is here: field, what is there, what replaces it.
func (s *Switches) lacking(shared map[string]string) (writes []any) {
	now := s.options.Now()
	entries := s.all()
	for field, e := range entries {
		if there := shared[field]; !bytes.Equal([]byte(there), e.text) {
			writes = append(writes, field, there, string(e.text))
		}
	}
	for field, text := range shared {
		if e, err := decode([]byte(text)); err == nil && e.forgotten(now) && entries[field] == nil {
			writes = append(writes, field, text, "")
		}
	}
	return writes
}

// troubles tells the log when something begins to fail, and when it works again: not each time. It is safe for concurrent use.
type troubles struct {
	log *slog.Logger

	mu  sync.Mutex
	now [troubleCount]bool
}

type trouble int

const (
	onDisk trouble = iota
	inRedis
	auditOnDisk
	auditInRedis
	troubleCount
)

// troubleNames say what is not where it should be.
var troubleNames = [troubleCount]string{
	onDisk: "switches on disk", inRedis: "switches in Redis", auditOnDisk: "audit log on disk", auditInRedis: "audit log in Redis",
}

// note returns err.
func (t *troubles) note(which trouble, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	failing := err != nil
	if failing == t.now[which] {
		return err
	}
	t.now[which] = failing
	if failing {
		t.log.Warn("what operators do is not kept everywhere: other processes, or this one after a restart, may not know of it; it is tried again",
			slog.String("missing", troubleNames[which]), slog.Any("error", err))
	} else {
		t.log.Info("what operators do is kept here again", slog.String("where", troubleNames[which]))
	}
	return err
}
