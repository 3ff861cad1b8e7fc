package hierarchy

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// stage runs stations of both classes on real stores in virtual time, one step after the other, and writes down all that live ones are answered.
type stage struct {
	t    *testing.T
	now  int64
	live bytes.Buffer
}

type actor struct {
	station *station
	member  *Member
	x       exchange
	loads   []int
}

func (s *stage) actor(id uint64, r Resource, x exchange, loads ...int) *actor {
	timing := new(DefaultTiming())
	a := &actor{station: newStation(s.now, id, timing, false), x: x, loads: loads}
	a.member = newMember(r.Name, func() int64 { return s.now }, timing)
	a.member.configure(s.now, &r)
	a.station.configure([]Resource{r}, []*Member{a.member})
	return a
}

// act lets an actor do all that is due.
func (s *stage) act(a *actor, heard func(*request, *response)) {
	s.t.Helper()
	for q, load := range a.loads {
		for range load {
			a.member.Take(q, s.now, 1)
		}
	}
	for q, _ := a.station.next(s.now); q != nil; q, _ = a.station.next(s.now) {
		r, err := a.x.do(s.t.Context(), q)
		if err != nil {
			s.t.Fatal(err)
		}
		heard(q, r)
		a.station.done(s.now, s.now, q, r)
	}
}

// transcript is what live processes are answered in some seconds, with or without shadow processes on a store beside.
func transcript(t *testing.T, shadows bool, shadowClass traffic.Class) string {
	t.Helper()
	k := kvtest.Embedded(t)
	s := &stage{t: t}
	timing := new(DefaultTiming())
	var lives, others []*actor
	for i := range 3 {
		lives = append(lives, s.actor(uint64(i)+1, contended(), &redisExchange{store: k.Of(traffic.Live), timing: timing}, 2*i, 3, i))
	}
	if shadows {
		for i := range 4 {
			r := contended() // of the same name, as a copied configuration has it
			r.Class = traffic.Shadow
			others = append(others, s.actor(uint64(i)+101, r, &redisExchange{store: k.Of(shadowClass), timing: timing}, 20, 20, 20))
		}
	}
	for range 150 {
		s.now += sec / 10
		for i, a := range lives {
			s.act(a, func(q *request, r *response) {
				slices.SortFunc(r.reports, func(x, y row) int { return bytes.Compare(x.data, y.data) })
				fmt.Fprintf(&s.live, "%d %d: %v %v %x %x\n", i, q.op, r.ok, r.epoch, r.grant, r.reports)
			})
			for q, status := range a.member.Status(s.now) {
				fmt.Fprintf(&s.live, "%d/%d: %+v\n", i, q, status)
			}
		}
		for _, a := range others {
			s.act(a, func(*request, *response) {})
		}
	}
	return s.live.String()
}

func TestShadowProcessesDoNotEnterTheComputationOfLiveOnes(t *testing.T) { // I12
	alone := transcript(t, false, traffic.Shadow)
	if beside := transcript(t, true, traffic.Shadow); beside != alone {
		t.Error("live processes are answered something else when there are shadow ones")
	}
	if len(alone) < 10_000 {
		t.Errorf("only %d bytes were compared", len(alone))
	}
	// What this test is worth: on the store of the other class they do.
	if joined := transcript(t, true, traffic.Live); joined == alone {
		t.Error("shadow processes on the live store change nothing")
	}
}
