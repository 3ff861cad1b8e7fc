package breaker_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/breaker"
)

// inState is a breaker that is in a state at an hour on the clock, and stays as it is for the minutes around.
func inState(t *testing.T, s breaker.State) *breaker.Breaker {
	t.Helper()
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, Open: time.Hour, HalfOpenCalls: 2, HalfOpenMaxWait: time.Hour}
	b := breaker.New(rule, nil)
	fail := func(now time.Duration) {
		for range 4 {
			permit, _ := b.Allow(int64(now))
			permit.Done(int64(now), failure)
		}
	}
	switch s {
	case breaker.Open:
		fail(30 * time.Minute)
	case breaker.HalfOpen:
		fail(0)
	}
	if got := b.State(int64(time.Hour)); got != s {
		t.Fatalf("%v, want %v", got, s)
	}
	return b
}

func TestTwoLevelsAreAcquiredTogetherOrNotAtAll(t *testing.T) {
	const now = int64(time.Hour)
	// full is a half-open breaker without a free place.
	full := func(t *testing.T) *breaker.Breaker {
		t.Helper()
		b := inState(t, breaker.HalfOpen)
		for range 2 {
			if _, ok := b.Allow(now); !ok {
				t.Fatal("refused")
			}
		}
		return b
	}
	in := func(s breaker.State) func(*testing.T) *breaker.Breaker {
		return func(t *testing.T) *breaker.Breaker {
			t.Helper()
			return inState(t, s)
		}
	}
	levels := []struct {
		name   string
		make   func(*testing.T) *breaker.Breaker
		passes bool
		probes int // one more call takes
	}{
		{"closed", in(breaker.Closed), true, 0},
		{"half-open", in(breaker.HalfOpen), true, 1},
		{"half-open without a free place", full, false, 0},
		{"open", in(breaker.Open), false, 0},
	}
	for _, command := range levels {
		for _, scene := range levels {
			t.Run(command.name+" and "+scene.name, func(t *testing.T) {
				a, b := command.make(t), scene.make(t)
				beforeA, beforeB := a.Status(now), b.Status(now)
				permits, ok := breaker.AllowBoth(now, a, b)
				if want := command.passes && scene.passes; ok != want {
					t.Fatalf("allowed: %v, want %v", ok, want)
				}
				var refuser *breaker.Breaker
				switch {
				case !command.passes && !scene.passes:
					refuser = permits.Refuser()
					if refuser != a && refuser != b {
						t.Error("neither refused")
					}
				case !command.passes:
					refuser = a
				case !scene.passes:
					refuser = b
				}
				if permits.Refuser() != refuser {
					t.Error("the refuser is not the one that refused")
				}
				wantA, wantB := beforeA, beforeB
				if ok {
					wantA.Probes += command.probes
					wantB.Probes += scene.probes
				}
				if diff := cmp.Diff([]breaker.Status{wantA, wantB}, []breaker.Status{a.Status(now), b.Status(now)}); diff != "" {
					t.Errorf("after AllowBoth (-want +got):\n%s", diff)
				}
				permits.Done(now, success)
				if ok {
					wantA.Calls, wantB.Calls = 1, 1
				}
				wantA.Probes, wantB.Probes = beforeA.Probes, beforeB.Probes
				if diff := cmp.Diff([]breaker.Status{wantA, wantB}, []breaker.Status{a.Status(now), b.Status(now)}); diff != "" {
					t.Errorf("after Done (-want +got):\n%s", diff)
				}
			})
		}
	}
	t.Run("a refusal takes no place for good", func(t *testing.T) {
		a, b := inState(t, breaker.HalfOpen), full(t)
		for range 100 {
			if _, ok := breaker.AllowBoth(now, a, b); ok {
				t.Fatal("allowed")
			}
			if _, ok := breaker.AllowBoth(now, b, a); ok {
				t.Fatal("allowed")
			}
		}
		for range 2 {
			if _, ok := a.Allow(now); !ok {
				t.Fatal("a place is gone")
			}
		}
	})
}

func TestEitherLevelMayBeMissing(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 100, MinimumCalls: 2}
	t.Run("both", func(t *testing.T) {
		permits, ok := breaker.AllowBoth(0, nil, nil)
		if !ok || permits.Refuser() != nil {
			t.Error("refused")
		}
		permits.Start(1)
		permits.Done(2, failure)
	})
	for _, test := range []struct {
		name string
		pair func(b *breaker.Breaker) (first, second *breaker.Breaker)
	}{
		{"the command", func(b *breaker.Breaker) (first, second *breaker.Breaker) { return nil, b }},
		{"the scene", func(b *breaker.Breaker) (first, second *breaker.Breaker) { return b, nil }},
		{"neither, but both are the same: it is asked and told once", func(b *breaker.Breaker) (first, second *breaker.Breaker) { return b, b }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := breaker.New(rule, nil)
			first, second := test.pair(b)
			for i := range 2 {
				permits, ok := breaker.AllowBoth(0, first, second)
				if !ok || permits.Refuser() != nil {
					t.Fatal("refused")
				}
				if got := b.Status(0).Calls; got != int64(i) {
					t.Fatalf("%d calls, want %d", got, i)
				}
				permits.Done(0, failure)
			}
			if permits, ok := breaker.AllowBoth(0, first, second); ok || permits.Refuser() != b {
				t.Error("an open breaker did not refuse")
			}
		})
	}
}

func TestBothLevelsJudgeTheCallByTheirOwnRule(t *testing.T) {
	a := breaker.New(breaker.Rule{SlowPercent: 100, SlowAfter: time.Second, MinimumCalls: 1}, nil)
	b := breaker.New(breaker.Rule{SlowPercent: 100, SlowAfter: time.Minute, MinimumCalls: 1}, nil)
	permits, _ := breaker.AllowBoth(0, a, b)
	permits.Start(int64(time.Hour))
	now := int64(time.Hour + 2*time.Second)
	permits.Done(now, success)
	permits.Done(now, failure)
	if a.State(now) != breaker.Open || b.State(now) != breaker.Closed {
		t.Errorf("%v and %v, want open and closed", a.State(now), b.State(now))
	}
	if s := b.Status(now); s.Calls != 1 || s.Errors != 0 || s.Slow != 0 {
		t.Errorf("%+v, want one good call", s)
	}
}

func TestHooksOfAPairRunWhenNeitherIsLocked(t *testing.T) {
	var a, b *breaker.Breaker
	var told []string
	rule := breaker.Rule{ErrorPercent: 1, MinimumCalls: 1}
	hook := func(name string) breaker.Option {
		return breaker.OnTransition(func(_, to breaker.State, now int64) {
			told = append(told, name+" "+to.String())
			a.Status(now)
			b.Status(now)
		})
	}
	a, b = breaker.New(rule, nil, hook("a")), breaker.New(rule, nil, hook("b"))
	permits, _ := breaker.AllowBoth(0, a, b)
	permits.Done(0, failure)
	if _, ok := breaker.AllowBoth(int64(5*time.Second), a, b); !ok {
		t.Fatal("refused")
	}
	if diff := cmp.Diff([]string{"a open", "b open", "a half_open", "b half_open"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestAPanicInACallIsAFailureAndGoesOnUp(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, SlowPercent: 100, SlowAfter: time.Second, MinimumCalls: 100}
	boom := new(int) // the very same has to come up
	now := int64(time.Hour)
	clock := func() int64 { now += int64(2 * time.Second); return now }
	for _, test := range []struct {
		name string
		call func() breaker.Outcome
		want [3]int64 // calls, errors, slow
	}{
		{"a panic", func() breaker.Outcome { panic(boom) }, [3]int64{1, 1, 1}},
		{"a goroutine that ends in the call", func() breaker.Outcome { runtime.Goexit(); return success }, [3]int64{1, 1, 1}},
		{"a success", func() breaker.Outcome { return success }, [3]int64{1, 0, 1}},
		{"a failure", func() breaker.Outcome { return failure }, [3]int64{1, 1, 1}},
		{"an ignored call", func() breaker.Outcome { return ignored }, [3]int64{0, 0, 0}},
	} {
		for _, pair := range []bool{false, true} {
			name := test.name + " of one"
			if pair {
				name = test.name + " of two"
			}
			t.Run(name, func(t *testing.T) {
				a, b := breaker.New(rule, nil), breaker.New(rule, nil)
				raised := make(chan any)
				go func() {
					defer func() { raised <- recover() }()
					if pair {
						permits, _ := breaker.AllowBoth(now, a, b)
						permits.Do(clock, test.call)
						return
					}
					permit, _ := a.Allow(now)
					permit.Do(clock, test.call)
				}()
				if got := <-raised; (got == boom) != (test.name == "a panic") {
					t.Errorf("the caller sees %v", got)
				}
				for _, level := range []*breaker.Breaker{a, b} {
					want := test.want
					if level == b && !pair {
						want = [3]int64{}
					}
					if s := level.Status(now); [3]int64{s.Calls, s.Errors, s.Slow} != want {
						t.Errorf("counted %+v, want %v", s, want)
					}
				}
			})
		}
	}
}
