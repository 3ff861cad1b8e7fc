package limit

import (
	"time"

	"proscenium/traffic"
)

// fallsBack says that requests are let through, by a part of the limit, while Redis does not answer.
func (k *Keyed) fallsBack() bool { return k.class == traffic.Live }

// giveBack returns what dimensions hold for a request that another one refuses.
func (d *decision) giveBack() {
	for i := range d.parts {
		v, dim := &d.parts[i], &d.k.dims[i]
		if v.ask {
			d.abandon(v, i)
		}
		switch {
		case v.table.tally != nil:
			v.table.giveBack(d.n)
		case v.hot != nil:
			dim.hot.giveBack(v.hot, d.n)
		case v.drawn.chunk != nil:
			dim.reserve.giveBack(v.drawn, d.n)
		}
	}
}

// allow counts what is held. The verdict is that of a dimension that marks or, where none does, of the one with the least left.
func (d *decision) allow() Verdict {
	var least Verdict
	for i := range d.parts {
		v, dim := &d.parts[i], &d.k.dims[i]
		if v.table.tally != nil && !d.peek {
			v.table.count(v.rule, d.now, d.n)
			v.used += d.n
		}
		if v.hot != nil && !d.peek {
			dim.hot.count(v.hot, d.n)
			v.used += d.n
		}
		if of := d.verdict(i, v); i == 0 || of.Outcome > least.Outcome || of.Outcome == least.Outcome && of.Remaining < least.Remaining {
			least = of
		}
		if d.peek {
			continue
		}
		dim.counters.allowed.Add(1)
		if v.outcome == Soft {
			dim.counters.marked.Add(1)
		}
		if v.source == FromFallback {
			dim.counters.fallback.Add(1)
		}
	}
	if d.peek {
		d.giveBack()
	}
	return least
}

// refuse is the verdict of a dimension that refuses.
func (d *decision) refuse(i int, v *verdict) Verdict {
	if !d.peek {
		c := d.k.dims[i].counters
		c.refused.Add(1)
		if v.source == FromFallback {
			c.fallback.Add(1)
		}
	}
	return d.verdict(i, v)
}

func (d *decision) verdict(i int, v *verdict) Verdict {
	r := &d.k.dims[i].rule
	allowed := r.capacity
	if v.source == FromFallback && v.rule != nil {
		r = v.rule
		allowed = r.capacity
	}
	out := Verdict{
		Name: d.k.name, Dimension: r.Dimension, Outcome: v.outcome, Source: v.source, DryRun: d.k.dryRun, Limit: r.Limit, Window: r.Window,
		Remaining: max(allowed-v.used, 0), Reset: time.Duration(v.reset),
	}
	if out.Reset == 0 && out.Outcome != Refused && !d.peek {
		out.Reset = r.first()
	}
	return out
}
