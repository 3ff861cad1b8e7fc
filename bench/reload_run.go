package bench

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes/reload"
)

// edit is a change of the directory, and what the server must make of it.
type edit struct {
	what  string
	apply func() error
	// want is the index of the state that must serve then; none: the edit is broken, and the state before goes on serving.
	want int
}

const none = -1

// brokenRules are files that cannot take the place of plainRule: YAML that ends too early, an unknown field in an expression, a reference to nothing.
func brokenRules() []string {
	return []string{
		"exclusion_rules:\n  - id: 2000\n    name: \"reload_rule\n",
		"exclusion_rules:\n  - id: 2000\n    name: reload_rule\n    when: promo.prise > 3\n",
		"exclusion_rules:\n  - id: 2000\n    name: reload_rule\n    excluded_price_rule_types: [no_such_type]\n",
	}
}

// script are edits of a directory, and the states that it has in their course. The first is there from the beginning.
type script struct {
	dir    *directory
	oracle *oracle
	marks  marks
	edits  []edit
	states []*state
}

// newScript makes so many edits: good ones of both kinds, and broken ones which the next of their kind mends.
func newScript(ctx context.Context, d *directory, n int) (*script, error) {
	o, err := newOracle(d.scenes)
	if err != nil {
		return nil, err
	}
	defer o.system.Close()
	s := &script{dir: d, oracle: o}
	if err := s.reach(ctx, true); err != nil {
		return nil, err
	}
	broken := brokenRules()
	for i := range n {
		switch i % 6 {
		case 0, 3:
			err = s.editInPlace(ctx)
		case 1, 5:
			err = s.swap(ctx)
		case 2:
			text := broken[i/6%len(broken)]
			s.edits = append(s.edits, edit{"a broken edit", func() error { return d.write(plainRule, text) }, none})
		case 4:
			wrong := s.marks
			wrong.scope++
			files := wrong.marked(d.scenes)
			files[mounted+"/"+mountPool] = "voucher_pools: []\n"
			s.edits = append(s.edits, edit{"a swap for broken files", func() error { return d.swap(files) }, none})
		}
		if err != nil {
			return nil, fmt.Errorf("edit %d: %w", i, err)
		}
	}
	return s, nil
}

// editInPlace is an edit of the two files that stand in the directory: the first alone is a state too.
func (s *script) editInPlace(ctx context.Context) error {
	s.marks.groups++
	if err := s.reach(ctx, false); err != nil {
		return err
	}
	s.marks.rule++
	files := s.marks.marked(s.dir.scenes)
	s.edits = append(s.edits, edit{"an edit of two files", func() error { return s.dir.edit(files) }, len(s.states)})
	return s.reach(ctx, true)
}

// swap is an edit of the two files that are mounted: there is nothing in between.
func (s *script) swap(ctx context.Context) error {
	s.marks.scope++
	between, err := s.oracle.answer(ctx, s.marks)
	if err != nil {
		return err
	}
	s.marks.pool++
	files := s.marks.marked(s.dir.scenes)
	s.edits = append(s.edits, edit{"a swap of two files", func() error { return s.dir.swap(files) }, len(s.states)})
	if err := s.reach(ctx, true); err != nil {
		return err
	}
	return distinct(between, s.states[len(s.states)-1].answer)
}

// reach adds the state with the present marks. Its answer must be another than those of all before: what mixes two would not show.
func (s *script) reach(ctx context.Context, whole bool) error {
	answer, err := s.oracle.answer(ctx, s.marks)
	if err != nil {
		return err
	}
	for _, other := range s.states {
		if err := distinct(other.answer, answer); err != nil {
			return err
		}
	}
	s.states = append(s.states, &state{version: answer.GetConfigVersion(), whole: whole, answer: answer, seen: make(chan struct{})})
	return nil
}

// distinct is an error where answers of two versions differ in nothing else.
func distinct(a, b *pricingv1.GetPromotionInfoResponse) error {
	same := proto.CloneOf(b)
	same.ConfigVersion = a.GetConfigVersion()
	if proto.Equal(a, same) {
		return fmt.Errorf("versions %s and %s answer the same", a.GetConfigVersion(), b.GetConfigVersion())
	}
	return nil
}

// follow makes the edits one after the other, each when the server has loaded the one before and pause has returned, and gives all loads.
func follow(ctx context.Context, c *child, edits []edit, states []*state, pause func(edit) error) ([]load, error) {
	loads, err := c.loads(ctx, 0)
	if err != nil {
		return nil, err
	}
	serving := states[0].version
	for _, e := range edits {
		if err := e.apply(); err != nil {
			return nil, err
		}
		for done := false; !done; {
			more, err := c.loads(ctx, len(loads))
			if err != nil {
				return nil, err
			}
			for _, l := range more {
				if done, err = e.judge(l, serving, states); err != nil {
					return nil, fmt.Errorf("%s: %w", e.what, err)
				}
				serving = l.Version
			}
			loads = append(loads, more...)
		}
		if err := pause(e); err != nil {
			return nil, err
		}
	}
	return loads, nil
}

// judge says whether a load is the one that the edit is for. Between the writes of two files others may come: of the first file alone, or of
// files that are cut off.
func (e edit) judge(l load, serving string, states []*state) (done bool, err error) {
	switch l.Outcome {
	case reload.Invalid:
		if l.Version != serving {
			return false, fmt.Errorf("what is broken changed version %s to %s", serving, l.Version)
		}
		return e.want == none, nil
	case reload.Applied:
		if e.want != none && l.Version == states[e.want].version {
			return true, nil
		}
		if e.want != none && !states[e.want-1].whole && l.Version == states[e.want-1].version {
			return false, nil
		}
	}
	return false, fmt.Errorf("it is %s, version %s: %s", l.Outcome, l.Version, l.Text)
}

// loads are those behind the first n; it waits until there is one.
func (c *child) loads(ctx context.Context, n int) ([]load, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var loads []load
	err := c.get(ctx, fmt.Sprintf("/loads?after=%d", n), &loads)
	return loads, err
}

func (c *child) memory(ctx context.Context) (memory, error) {
	var m memory
	err := c.get(ctx, "/memory", &m)
	return m, err
}
