package impact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/recording"
)

// Bounds of what is in memory at once: requests that were read, and that many more while the next are read.
const (
	maxBatchLines = 20_000
	maxBatchBytes = 32 << 20
)

// maxWeight bounds how many requests one may stand for.
const maxWeight = 1_000_000

// Options are what a run may have. The zero value is one that can be used.
type Options struct {
	// Workers price at the same time; 0: one for each processor.
	Workers int
	// Top is how many of the largest price changes are kept.
	Top int
	// Restorer gives users their ids back; nil: pseudonyms are taken for ids.
	Restorer *recording.Restorer
	// SceneName names the scene that a request asks for; nil, and where it is false, the request's own words are taken.
	SceneName func(*pricingv1.GetPromotionInfoRequest) (string, bool)
	// Done is told, from time to time, how many requests are done. It may be nil. It is called by one goroutine at a time.
	Done func(requests int)
	// Servers says that both sides price as of now: they are asked at the same time, in the order of the recording.
	Servers bool
	// Rate bounds how many requests are priced in a second; 0: no bound.
	Rate float64
}

// Run prices each line of a recording on both sides and compares the answers. The report does not depend on the number of workers. An error ends
// it: that ctx has ended, or that the recording cannot be read on.
func Run(ctx context.Context, lines iter.Seq2[recording.Line, error], before, after Pricer, opts Options) (*Report, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{ctx: ctx, opts: opts, before: before, after: after, read: newTally(0), pace: newPace(opts.Rate)}
	batches := make(chan []*subject)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		if err := r.readAll(lines, batches); err != nil {
			cancel(err)
		}
	})
	total := newTally(opts.Top)
	for batch := range batches {
		r.price(batch, total)
	}
	reading.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	total.merge(r.read)
	if total.requests == 0 && len(total.failures) == 0 {
		return nil, ErrNoRequests
	}
	report := total.report()
	report.UnknownUsers, report.Notes = r.pseudonyms, r.notes()
	return report, nil
}

// run is one under way.
type run struct {
	ctx           context.Context //nolint:containedctx // it lives as long as the run
	opts          Options
	before, after Pricer
	done          int
	pace          pace

	// What the reader counts.
	read                              *tally
	pseudonyms, untimed, withoutToken int
}

// readAll turns lines into batches.
func (r *run) readAll(lines iter.Seq2[recording.Line, error], batches chan<- []*subject) error {
	var batch []*subject
	bytes, seq := 0, 0
	send := func() bool {
		select {
		case batches <- batch:
			batch, bytes = nil, 0
			return true
		case <-r.ctx.Done():
			return false
		}
	}
	for line, err := range lines {
		if err != nil {
			return err
		}
		seq++
		s, err := r.subject(line, seq)
		if err != nil {
			r.read.fail(failureKey{"recording", "BAD_LINE"}, 1, example{seq: seq, place: placeOf(line.File, line.Number), now: err.Error()})
			continue
		}
		batch = append(batch, s)
		if bytes += line.Bytes; len(batch) < maxBatchLines && bytes < maxBatchBytes {
			continue
		}
		if !send() {
			return nil
		}
	}
	if len(batch) > 0 {
		send()
	}
	return nil
}

// subject is the request of a line.
func (r *run) subject(line recording.Line, seq int) (*subject, error) {
	record, err := line.Record, line.Err
	if err != nil {
		return nil, err
	}
	weight := record.GetWeight()
	if weight == 0 {
		weight = 1
	}
	if !(weight > 0 && weight <= maxWeight) { // NaN is neither
		return nil, fmt.Errorf("weight: %v is not above 0 and at most %d", weight, maxWeight)
	}
	s := &subject{
		Request: &Request{Client: record.GetClient(), Msg: record.GetRequest()},
		seq:     seq, place: placeOf(line.File, line.Number), weight: max(1, int64(math.Round(weight*weightOne))),
	}
	if at := record.GetRecordedAt(); at != nil {
		if err := at.CheckValid(); err != nil {
			return nil, fmt.Errorf("recorded_at: %w", err)
		}
		if y := at.AsTime().Year(); y < 1970 || y > 2200 {
			return nil, fmt.Errorf("recorded_at: the year %d is not between 1970 and 2200", y)
		}
		s.At = at.AsTime()
	} else {
		r.untimed++
	}
	if r.opts.Restorer != nil {
		r.opts.Restorer.Restore(record)
	}
	if record.GetUsers() == pricingv1.RecordedRequest_USERS_HASHED && record.GetRequest().UserId != nil {
		s.pseudonym = true
		r.pseudonyms++
	}
	if record.GetTokenRemoved() {
		r.withoutToken++
	}
	s.scene = r.sceneOf(s.Msg)
	return s, nil
}

func (r *run) sceneOf(msg *pricingv1.GetPromotionInfoRequest) string {
	if r.opts.SceneName != nil {
		if name, ok := r.opts.SceneName(msg); ok {
			return name
		}
	}
	if byID, ok := msg.GetScene().(*pricingv1.GetPromotionInfoRequest_SceneId); ok {
		return fmt.Sprintf("id %d", byID.SceneId)
	}
	return msg.GetSceneName()
}

// price prices a batch, and adds what it finds to total.
func (r *run) price(batch []*subject, total *tally) {
	if !r.opts.Servers {
		// The catalog builds what depends on the time once for each stretch of it, and keeps few.
		slices.SortStableFunc(batch, func(a, b *subject) int { return cmp.Compare(a.instant(), b.instant()) })
	}
	var next, done atomic.Int64
	var workers sync.WaitGroup
	var telling sync.Mutex
	tallies := make([]*tally, min(r.opts.Workers, len(batch)))
	for w := range tallies {
		tallies[w] = newTally(r.opts.Top)
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(batch) && r.ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				before, after := r.both(batch[i].Request)
				if r.ctx.Err() != nil {
					return // a call that was cut short is no failure of a side
				}
				tallies[w].compare(batch[i], before, after)
				if n := int(done.Add(1)); r.opts.Done != nil && n%100 == 0 {
					telling.Lock()
					r.opts.Done(r.done + n)
					telling.Unlock()
				}
			}
		})
	}
	workers.Wait()
	r.done += len(batch)
	for _, t := range tallies {
		total.merge(t)
	}
}

// both asks both sides.
func (r *run) both(req *Request) (before, after Answer) {
	if !r.opts.Servers {
		return r.before.Price(r.ctx, req), r.after.Price(r.ctx, req)
	}
	if !r.pace.wait(r.ctx) {
		return before, after
	}
	var asking sync.WaitGroup
	asking.Go(func() { before = r.before.Price(r.ctx, req) })
	after = r.after.Price(r.ctx, req)
	asking.Wait()
	return before, after
}

// instant is when a request is priced, 0 for now.
func (s *subject) instant() int64 {
	switch at := s.Msg.GetAtTime(); {
	case at != nil:
		return at.AsTime().Unix()
	case s.At.IsZero():
		return 0
	default:
		return s.At.Unix()
	}
}

// notes say what the recording does not.
func (r *run) notes() []string {
	var notes []string
	if r.pseudonyms > 0 {
		note := howMany(r.pseudonyms, "request names its user", "requests name their users") + " by a pseudonym that was not resolved: what the catalog " +
			"knows of these users, such as segments and vouchers, is missing on both sides"
		if !r.opts.Servers && r.opts.Restorer == nil {
			note += "; --user-key finds those that the catalog knows"
		}
		notes = append(notes, note)
	}
	if r.untimed > 0 && !r.opts.Servers {
		notes = append(notes, howMany(r.untimed, "request does not say when it arrived: it is", "requests do not say when they arrived: they are")+" priced as of now")
	}
	if r.withoutToken > 0 {
		notes = append(notes, howMany(r.withoutToken, "request", "requests")+" had a token that was not recorded: what it admits to is missing on both sides")
	}
	return notes
}

func howMany(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ErrNoRequests says that a recording has no line.
var ErrNoRequests = errors.New("the recording has no request in it")
