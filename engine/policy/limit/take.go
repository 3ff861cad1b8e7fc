package limit

import (
	"context"
	"time"
)

// silenceReset is the time after which a request may do better that was refused because Redis did not answer.
const silenceReset = time.Second

// verdict is what one dimension says.
type verdict struct {
	reading
	source Source
	ask    bool // Redis
	fill   bool // Redis, for a whole chunk
	key    string

	// Where the requests are held until all dimensions have decided; none: in Redis, or nowhere.
	table held
	rule  *rule // of table
	hot   *hotKey
	drawn drawn
}

// Take decides on a request: it is counted in all dimensions or, if one refuses, in none. keys has the key of each rule, in the order of the rules;
// empty where there is one count for all. A cost of 0 asks what one of cost 1 would be told, and consumes nothing; a negative one panics, as does a
// wrong number of keys. A cost beyond what a dimension ever lets through at once is refused with a Reset of 0: never.
//
// Redis is asked once, in one exchange, and not again when it does not answer: live requests are then counted by this process's part of the limit,
// shadow requests are refused. A request that Redis has counted without our hearing of it is not given back. Where ctx has ended the request is over:
// it is refused, whatever Redis may say later, and is not counted in Status.
//
// now is a reading of Deps.Now.
func (k *Keyed) Take(ctx context.Context, now int64, keys []string, cost int64) Verdict {
	if cost < 0 || len(keys) != len(k.dims) {
		panic("limit: a negative cost, or not one key for each dimension")
	}
	var few [4]verdict
	d := decision{k: k, now: now, n: max(cost, 1), peek: cost == 0, parts: few[:0]}
	return d.decide(ctx, keys)
}

type decision struct {
	k     *Keyed
	now   int64
	n     int64
	peek  bool
	parts []verdict
}

func (d *decision) decide(ctx context.Context, keys []string) Verdict {
	for i := range d.k.dims {
		if r := &d.k.dims[i].rule; d.n > r.capacity {
			return d.refuse(i, &verdict{reading: reading{outcome: Refused, used: r.capacity}, source: FromLocal})
		}
	}
	asks := 0
	for i, key := range keys {
		v := d.here(i, key)
		if v.outcome == Refused {
			d.giveBack()
			return d.refuse(i, &v)
		}
		if v.ask {
			asks++
		}
		d.parts = append(d.parts, v)
	}
	if asks > 0 {
		if i := d.redis(ctx, asks); i >= 0 {
			d.giveBack()
			if ctx.Err() != nil && d.parts[i].source == FromFallback {
				return d.verdict(i, &d.parts[i])
			}
			return d.refuse(i, &d.parts[i])
		}
	}
	return d.allow()
}

// here decides on a dimension in the process, or says that Redis is to be asked.
func (d *decision) here(i int, key string) verdict {
	dim := &d.k.dims[i]
	v := verdict{key: canonical(key)}
	var known bool
	switch dim.rule.Counting {
	case ByProcess:
		v.source, v.rule = FromLocal, &dim.rule
		v.table, v.reading = dim.table.hold(v.rule, d.now, v.key, d.n)
		return v
	case Reserved:
		v.source = FromReserve
		if v.drawn, v.used, known, v.fill = dim.reserve.draw(v.key, d.now, d.n); known {
			if soft := dim.rule.Soft; soft > 0 && v.used > soft && dim.rule.kind != flow {
				v.outcome = Soft
			}
			return v
		}
	case Flushed:
		v.source = FromFlushed
		if v.hot, v.reading, known = dim.hot.hold(&dim.rule, d.now, v.key, d.n); known {
			return v
		}
	case Each:
	}
	if no := d.k.deny.find(i, v.key, d.n, d.now); no != nil {
		d.abandon(&v, i)
		v.reading, v.source = reading{outcome: Refused, used: no.used, reset: max(no.reset-d.now, 0)}, FromDenyCache
		return v
	}
	v.ask = true
	return v
}

// abandon ends what was begun for Redis to be asked, which is not, or has not answered, or has not counted.
func (d *decision) abandon(v *verdict, i int) {
	if v.fill {
		d.k.dims[i].reserve.filled(v.drawn, d.now, 0, 0, 0)
	}
	if v.hot != nil {
		d.k.dims[i].hot.giveBack(v.hot, d.n)
	}
	v.fill, v.hot, v.drawn = false, nil, drawn{}
}

// redis asks Redis for the dimensions that are to be asked for. It returns the dimension that refused, the one that does so the longest, or -1.
func (d *decision) redis(ctx context.Context, asks int) int {
	s := d.k.state
	names := make([]string, 1, asks+1)
	names[0] = s.tag + ":clock"
	args := make([]any, 2, 2+7*asks)
	args[0], args[1] = d.n, 1
	if d.peek {
		args[1] = 0
	}
	failing := s.deps.Store == nil
	for i := range d.parts {
		v := &d.parts[i]
		if !v.ask {
			continue
		}
		dim := &d.k.dims[i]
		n := d.n
		if v.fill && !d.peek {
			n = max(n, dim.rule.Chunk)
		}
		names = append(names, keyOf(s.tag, dim.rule.escaped, dim.rule.kind, v.key))
		args = append(append(args, dim.rule.args[:]...), n)
	}
	var words []int64
	if !failing {
		reply, err := s.deps.Store.Run(ctx, s.scripts.take, names, args...)
		if err == nil {
			words, err = integers(reply, 1+4*asks)
		}
		if err != nil {
			failing = true
			if s.deps.Failed != nil && ctx.Err() == nil {
				s.deps.Failed(err)
			}
		}
	}
	if failing {
		return d.withoutRedis(ctx)
	}
	return d.heard(words) //nolint:contextcheck // what it starts in the background outlives the request
}

// heard takes in the answer of take.lua.
func (d *decision) heard(words []int64) int {
	refused := -1
	admitted := words[0] == 1
	words = words[1:]
	for i := range d.parts {
		v := &d.parts[i]
		if !v.ask {
			continue
		}
		outcome, taken, used, reset := Outcome(words[0]), words[1], words[2], words[3]*int64(time.Microsecond)
		words = words[4:]
		dim := &d.k.dims[i]
		v.reading, v.source = reading{outcome: outcome, used: used, reset: reset}, FromRedis
		if outcome == Refused {
			d.k.deny.remember(i, v.key, d.n, used, d.now, reset)
			if refused < 0 || reset > d.parts[refused].reset {
				refused = i
			}
		}
		if v.fill {
			until := d.now + dim.rule.lease
			if dim.rule.kind == fixed {
				until = min(until, d.now+reset)
			}
			dim.reserve.filled(v.drawn, d.now, max(taken-d.n, 0), until, used)
			v.used, v.fill = used-max(taken-d.n, 0), false
		}
		if admitted && !d.peek && v.hot != nil {
			dim.hot.counted(v.hot, d.n, d.now, used, reset)
			d.k.state.run(dim.rule.interval())
			v.hot = nil
		}
		d.abandon(v, i)
	}
	return refused
}

// withoutRedis decides for dimensions that Redis was to decide on.
func (d *decision) withoutRedis(ctx context.Context) int {
	over := ctx.Err() != nil
	var rules []rule
	for i := range d.parts {
		v := &d.parts[i]
		if !v.ask {
			continue
		}
		d.abandon(v, i)
		v.source = FromFallback
		if over || !d.k.fallsBack() {
			v.reading = reading{outcome: Refused, used: d.k.dims[i].rule.capacity}
			if !over {
				v.reset = int64(silenceReset)
			}
			return i
		}
		if rules == nil {
			rules = d.k.sharesOf(d.k.state.deps.Instances())
		}
		v.rule = &rules[i]
		if d.n > v.rule.capacity {
			v.reading = reading{outcome: Refused, used: v.rule.capacity, reset: int64(silenceReset)}
			return i
		}
		if v.table, v.reading = d.k.dims[i].fallback.hold(v.rule, d.now, v.key, d.n); v.outcome == Refused {
			v.table = held{}
			return i
		}
	}
	return -1
}
