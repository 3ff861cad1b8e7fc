package hierarchy

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"
)

// memory is an exchange in memory, on a clock of its own.
type memory struct {
	now             func() int64
	term            int64
	leader, epoch   uint64
	leaderEpoch     uint64
	whole           bool
	until           int64
	reports, grants map[uint64]row
}

func newMemory(now func() int64, term time.Duration) *memory {
	m := &memory{now: now, term: int64(term)}
	m.wipe()
	return m
}

// wipe is a restart without persistence.
func (m *memory) wipe() {
	m.leader, m.epoch, m.leaderEpoch, m.until, m.whole = 0, 0, 0, 0, false
	m.reports, m.grants = map[uint64]row{}, map[uint64]row{}
}

func (m *memory) do(_ context.Context, r *request) (*response, error) {
	if m.now() >= m.until {
		m.leader = 0
	}
	leads := m.leader == r.id && m.leaderEpoch == r.epoch
	switch r.op {
	case opReport:
		if last, ok := m.reports[r.id]; !ok || last.seq < r.seq {
			m.reports[r.id] = row{id: r.id, seq: r.seq, data: bytes.Clone(r.report)}
		}
		return &response{leader: m.leader, grant: m.grants[r.id].data}, nil
	case opElect:
		if m.leader != 0 && m.leader != r.id {
			return &response{}, nil
		}
		m.whole = m.whole && m.epoch >= r.floor
		lost := !m.whole
		m.epoch = max(m.epoch, r.floor) + 1
		m.leader, m.leaderEpoch, m.until = r.id, m.epoch, m.now()+m.term
		return &response{ok: true, epoch: m.epoch, lost: lost}, nil
	case opCollect:
		if !leads {
			return &response{}, nil
		}
		m.until = m.now() + m.term
		answer := &response{ok: true, reports: rowsByID(m.reports)}
		if r.withGrants {
			answer.grants = rowsByID(m.grants)
		}
		return answer, nil
	case opPublish:
		if !leads {
			return &response{}, nil
		}
		m.until = m.now() + m.term
		m.whole = m.whole || r.whole
		for _, id := range r.forget {
			delete(m.reports, id)
			delete(m.grants, id)
		}
		for _, g := range r.grants {
			m.grants[g.id] = row{id: g.id, seq: g.seq, data: bytes.Clone(g.data)}
		}
		return &response{ok: true}, nil
	default:
		m.reports[r.id] = row{id: r.id, seq: goodbye}
		delete(m.grants, r.id)
		if m.leader == r.id {
			m.leader = 0
		}
		return &response{ok: true}, nil
	}
}

func rowsByID(rows map[uint64]row) []row {
	out := make([]row, 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[id])
	}
	return out
}
