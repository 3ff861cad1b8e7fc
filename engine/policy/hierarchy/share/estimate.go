package share

import "time"

// minPeriod is the shortest time over which a rate is worth forming; shorter periods are added to the next one.
const minPeriod = int64(100 * time.Millisecond)

// Estimator turns what an instance counts into what it wants of one queue. It is not safe for concurrent use.
//
// Times are nanoseconds since any fixed moment, from a clock that does not jump.
type Estimator struct {
	timeout int64
	from    int64 // begin of the period that is counted
	until   int64 // the instance starves until then
	counted Period
	waiting bool // callers were waiting at the latest Observe
	want    Rate
}

// Period is what an instance counted since its last report.
type Period struct {
	// Offered is how many requests came, Admitted how many of them, or of those that waited before, got through.
	Offered, Admitted int64
	// Blocked is how many callers were waiting when the period ended.
	Blocked int64
}

// NewEstimator is an estimator for an instance that begins now. For the starving timeout it is new: it wants nothing yet, and
// starves.
func NewEstimator(now int64, starvingTimeout time.Duration) *Estimator {
	timeout := int64(max(starvingTimeout, 0))
	return &Estimator{timeout: timeout, from: now, until: now + timeout}
}

// Observe takes what was counted in the period that ends now and began at the last Observe. One second is a good period; periods
// below a tenth of a second are put together with the next. Negative counts count as 0.
func (e *Estimator) Observe(now int64, p Period) {
	e.counted.Offered += max(p.Offered, 0)
	e.counted.Admitted += max(p.Admitted, 0)
	e.waiting = p.Blocked > 0
	if e.waiting {
		e.until = now + e.timeout
	}
	length := now - e.from
	if length < minPeriod {
		return
	}
	// Callers who wait do not send the next request, so that what is offered says too little; only more capacity shows the rest.
	if e.waiting {
		e.want = max(2*perSecond(e.counted.Admitted, length), PerSecond).bounded()
	} else {
		e.want = perSecond(e.counted.Offered, length)
	}
	e.from, e.counted = now, Period{}
}

// Demand is what the instance of that number wants now: the offered rate of the last period, or, while callers wait, twice the
// admitted one, and at least one request a second, so that a grant that is too small is found out by doubling. The instance
// starves while callers wait, and until the starving timeout has passed since they last did or since the instance began.
func (e *Estimator) Demand(now int64, instance int) Demand {
	return Demand{Instance: instance, Want: e.want, Starving: e.waiting || now < e.until}
}
