package bench

import (
	"context"
	"fmt"
	"time"

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

// script are so many edits of a directory, and the states that it has in their course. The first is there from the beginning.
func script(ctx context.Context, d *directory, n int) ([]edit, []*state, error) {
	o, err := newOracle(d.scenes)
	if err != nil {
		return nil, nil, err
	}
	defer o.system.Close()
	var m marks
	var edits []edit
	var states []*state
	add := func(whole bool) error {
		answer, err := o.answer(ctx, m)
		if err != nil {
			return err
		}
		states = append(states, &state{version: answer.GetConfigVersion(), whole: whole, answer: answer, seen: make(chan struct{})})
		return nil
	}
	if err := add(true); err != nil {
		return nil, nil, err
	}
	broken := brokenRules()
	for i := range n {
		next := edit{want: none}
		switch i % 6 {
		case 0, 3: // the latter mends what the one before broke
			m.groups = i + 1
			if err := add(false); err != nil {
				return nil, nil, err
			}
			m.rule = i + 1
			files := m.marked(d.scenes)
			next.what, next.apply = "an edit of two files", func() error { return d.edit(files) }
		case 1, 5:
			m.scope, m.pool = i+1, i+1
			files := m.marked(d.scenes)
			next.what, next.apply = "a swap of two files", func() error { return d.swap(files) }
		case 2:
			text := broken[i/6%len(broken)]
			next.what, next.apply = "a broken edit", func() error { return d.write(plainRule, text) }
		case 4:
			wrong := m
			wrong.scope, wrong.pool = i+1, i+1
			files := wrong.marked(d.scenes)
			files[mounted+"/"+mountPool] = "voucher_pools: []\n"
			next.what, next.apply = "a swap for broken files", func() error { return d.swap(files) }
		}
		if good := i%6 != 2 && i%6 != 4; good {
			if err := add(true); err != nil {
				return nil, nil, err
			}
			next.want = len(states) - 1
		}
		edits = append(edits, next)
	}
	return edits, states, nil
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
