package shed

import (
	"math"
	"runtime/metrics"
	"time"
)

// waits reads how long goroutines waited for a processor. In a server that is the time between the arrival of a request's bytes and the look at them.
type waits struct {
	samples []metrics.Sample
	before  []uint64
}

const schedulingLatencies = "/sched/latencies:seconds"

func newWaits() *waits {
	w := &waits{samples: []metrics.Sample{{Name: schedulingLatencies}}}
	w.mean()
	return w
}

// mean is that of the waits since the last call; 0 where there were none.
func (w *waits) mean() time.Duration {
	metrics.Read(w.samples)
	if w.samples[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0 // of a runtime that does not tell: only MaxConcurrent bounds
	}
	h := w.samples[0].Value.Float64Histogram()
	if w.before == nil {
		w.before = make([]uint64, len(h.Counts))
	}
	var n, sum float64
	for i, c := range h.Counts {
		since := float64(c - w.before[i])
		w.before[i] = c
		if since == 0 {
			continue
		}
		n += since
		sum += since * middle(h.Buckets[i], h.Buckets[i+1])
	}
	if n == 0 {
		return 0
	}
	return time.Duration(sum / n * float64(time.Second))
}

// middle is the middle of a bucket, whose ends may be infinite.
func middle(low, high float64) float64 {
	switch {
	case math.IsInf(low, -1):
		return max(high, 0)
	case math.IsInf(high, 1):
		return low
	}
	return (low + high) / 2
}
