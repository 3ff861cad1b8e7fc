package assembly_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// unsteeredConfig is for a Redis with a clock of its own: nothing that is counted there leaves its window, and nothing that is cached ends, while a run lasts. Dependencies have
// all the time that the machine may need. What is added up each second is left to the runs on one clock, as are the queues.
func unsteeredConfig() string {
	return strings.NewReplacer(
		"SHORT", "700h", "LONG", "740h", "QUOTA", "220", "HALF", "18", "FEW", "14", "MEMORY", "24h", "CACHED", "24h", "timeout: 20ms", "timeout: 30s",
		"limit: 12, counting", "limit: 60, counting", "limits: [of_all, of_fleet]", "limits: [of_fleet]",
	).Replace(isolationConfig)
}

// playOnRedis makes a run of live traffic on a real Redis. The clock of the process only moves from step to step.
func playOnRedis(t *testing.T, address string, run isolationRun) []string {
	t.Helper()
	prefix := "test-" + rand.Text()
	stores := kvtest.At(t, address, func(o *kv.Options) { o.Prefix = prefix })
	t.Cleanup(func() { purgeBoth(t, stores) })
	var passed atomic.Int64
	s := &isolationStage{
		subject: run.subject, stores: stores, market: &isolationMarket{wait: func(time.Duration) {}, over: make(chan struct{})}, patience: 3 * time.Millisecond,
		now: func() time.Time { return time.Unix(1_800_000_000, passed.Load()) },
	}
	openStage(t, s, unsteeredConfig(), run.join)
	var crowd sync.WaitGroup
	for i := range run.steps {
		passed.Store(int64(time.Duration(i+1) * gap))
		disturb := func() {
			for j := range run.others[i] {
				s.disturb(t.Context(), &run.others[i][j])
			}
		}
		switch {
		case run.others == nil:
		case run.atOnce:
			crowd.Go(disturb)
		default:
			disturb()
		}
		s.act(t.Context(), i, &run.steps[i])
	}
	crowd.Wait()
	close(s.market.over)
	s.system.Close() // what is on its way to Redis is there now
	s.policies.Close()
	s.status("")
	keys, err := keysOf(t.Context(), address, prefix+":"+run.subject.String()+":", false)
	if err != nil {
		t.Fatal(err)
	}
	if run.join == nil {
		for _, strange := range s.strange {
			t.Error(strange)
		}
	}
	return slices.Concat(s.lines, keys)
}

func purgeBoth(t testing.TB, stores *kv.KV) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kvtest.Patience)
	defer cancel()
	for _, class := range traffic.All() {
		if _, err := stores.Of(class).Purge(ctx); err != nil {
			t.Error(err)
		}
	}
}

// quickTreatment is how dependencies treat live traffic where time is not the test's own.
var quickTreatment = []behaviour{answering, answering, failing, panicking}

func TestLiveTrafficOnARealRedisIsTheSameWhateverShadowTrafficDoes(t *testing.T) {
	address := kvtest.Address(t)
	if address == "" {
		return
	}
	seed, steps := drawnSeed(t), 300
	t.Logf("%s=%d", isolationSeedVariable, seed)
	run := isolationRun{subject: traffic.Live, steps: stepsOf(seed, steps, quickTreatment)}
	alone := playOnRedis(t, address, run)
	all := strings.Join(alone, "\n")
	for _, want := range []string{"Outcome:refused", "Outcome:soft", "transition ", `key "{limit:of_user}`, `key "prices:price_sold_out:`} {
		if !strings.Contains(all, want) {
			t.Errorf("the run has no %s: it shows nothing of it", want)
		}
	}
	run.others = disturbancesOf(seed, steps)
	for _, run.atOnce = range []bool{false, true} {
		wantEqual(t, alone, playOnRedis(t, address, run))
	}
	run.atOnce, run.join = false, joinStores
	kinds, first := kindsThatDiffer(alone, playOnRedis(t, address, run))
	t.Logf("with joined stores %v differ; the first line: %s", kinds, first)
	for _, kind := range []string{"key", "verdict"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("with joined stores no %s differs", kind)
		}
	}
}
