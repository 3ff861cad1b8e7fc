package remote

import "sync/atomic"

// budget bounds retries and hedges together to a share of calls, so that a provider in trouble is not asked twice as much for it. Among any N
// calls in a row there are at most 10 + N*percent/100 further attempts: a bucket of ten attempts that every call fills a little.
type budget struct {
	percent int64
	left    atomic.Int64 // in hundredths of an attempt
}

const (
	attemptCost  = 100
	budgetAtOnce = 10 * attemptCost
)

func newBudget(percent int64) *budget {
	b := &budget{percent: percent}
	b.left.Store(budgetAtOnce)
	return b
}

// earn is called once for each call.
func (b *budget) earn() {
	for {
		left := b.left.Load()
		if left >= budgetAtOnce || b.left.CompareAndSwap(left, min(left+b.percent, budgetAtOnce)) {
			return
		}
	}
}

// spend takes one further attempt, if there is one.
func (b *budget) spend() bool {
	for {
		left := b.left.Load()
		if left < attemptCost {
			return false
		}
		if b.left.CompareAndSwap(left, left-attemptCost) {
			return true
		}
	}
}
