package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// state is a content of the directory, with the answer that is right under it.
type state struct {
	version string
	// whole says that an edit ended with it. What is between two files of one edit may be loaded, and need not.
	whole  bool
	answer *pricingv1.GetPromotionInfoResponse
	seen   chan struct{} // closed when it was answered first
	first  sync.Once
}

// sample is one request that was answered: when it was sent, when its answer was there, in Unix nanoseconds, and under which state.
type sample struct {
	start, end int64
	state      int32
}

// traffic sends requests to a server whose configuration changes, and looks at every answer.
type traffic struct {
	states []*state // in the order in which the directory has them
	stop   atomic.Bool
	seed   maphash.Seed
	// known are the verdicts on answers by their hash, an int32 each: equal answers come by the thousand.
	known sync.Map
	// samples of each connection.
	samples [][]sample
}

func newTraffic(states []*state) *traffic { return &traffic{states: states, seed: maphash.MakeSeed()} }

// run keeps so many connections busy, each with requests for one scene, until stop is set. It ends early with an error if a request fails,
// or an answer is not all of one state, or a connection is taken back to an earlier state.
func (t *traffic) run(ctx context.Context, address string, n, connections int) error {
	t.samples = make([][]sample, connections)
	errs := make([]error, connections)
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() { errs[i] = t.connection(ctx, address, i, n) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (t *traffic) connection(ctx context.Context, address string, i, n int) error {
	names := shownScenes(n)
	scene := names[i%len(names)]
	body, err := proto.Marshal(basketOf(scene))
	if err != nil {
		return err
	}
	c, err := dial(ctx, address, call(address, procedure, body))
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }()
	var answer []byte
	last := int32(0)
	for !t.stop.Load() {
		answer = answer[:0]
		start := time.Now()
		if err := c.do(func(part []byte) { answer = append(answer, part...) }); err != nil {
			return fmt.Errorf("scene %s: a request failed: %w", scene, err)
		}
		end := time.Now()
		at, err := t.look(answer)
		if err != nil {
			return fmt.Errorf("scene %s: %w", scene, err)
		}
		if at < last {
			return fmt.Errorf("scene %s: version %s was answered behind %s", scene, t.states[at].version, t.states[last].version)
		}
		last = at
		t.samples[i] = append(t.samples[i], sample{start.UnixNano(), end.UnixNano(), at})
	}
	return nil
}

// look finds the state that an answer belongs to. It is an error if there is none: its parts come from different configurations.
func (t *traffic) look(answer []byte) (int32, error) {
	var hash maphash.Hash
	hash.SetSeed(t.seed)
	if err := lasting(answer, func(part []byte) { _, _ = hash.Write(part) }); err != nil {
		return 0, err
	}
	sum := hash.Sum64()
	if at, known := t.known.Load(sum); known {
		return at.(int32), nil //nolint:forcetypeassert // nothing else is put in
	}
	at, err := t.judge(answer)
	if err != nil {
		return 0, err
	}
	t.states[at].first.Do(func() { close(t.states[at].seen) })
	t.known.Store(sum, at)
	return at, nil
}

// lasting passes over all of an answer but the instant that it was priced for, which is another in each.
func lasting(answer []byte, take func([]byte)) error {
	const pricedAt = 7
	for len(answer) > 0 {
		number, _, n := protowire.ConsumeField(answer)
		if n < 0 {
			return fmt.Errorf("the answer is no message: %w", protowire.ParseError(n))
		}
		if number != pricedAt {
			take(answer[:n])
		}
		answer = answer[n:]
	}
	return nil
}

func (t *traffic) judge(data []byte) (int32, error) {
	answer := &pricingv1.GetPromotionInfoResponse{}
	if err := proto.Unmarshal(data, answer); err != nil {
		return 0, err
	}
	answer.PricedAt = nil
	for i, s := range t.states {
		if s.version != answer.GetConfigVersion() {
			continue
		}
		if !proto.Equal(s.answer, answer) {
			return 0, fmt.Errorf("an answer says version %s, and is not what that version answers: group %s, degradations %v", s.version,
				answer.GetExperiment().GetGroup(), answer.GetDegradations())
		}
		return int32(i), nil
	}
	return 0, fmt.Errorf("an answer says version %s, which the directory never had", answer.GetConfigVersion())
}
