package rules

import (
	"sync"
	"sync/atomic"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Probe counts how evaluations of a rule ended: for tools that ask what a test exercises. It is safe for concurrent use.
type Probe struct {
	// True and False count the values of a condition; an expression that returns a key counts as True.
	True, False atomic.Int64
	// Failed counts evaluation errors.
	Failed atomic.Int64
}

// Probed is a copy of the rule that tells the probe of each evaluation. The rule itself stays as it is: rules that nobody probes pay nothing.
func (r *Rule) Probed(p *Probe) *Rule {
	probed := *r
	switch code := r.code.(type) {
	case fn[bool]:
		probed.code = fn[bool](func(in *Input, l *locals) (bool, error) {
			v, err := code(in, l)
			p.count(v, err)
			return v, err
		})
	case fn[string]:
		probed.code = probedKey(code, p)
	case fn[int64]:
		probed.code = probedKey(code, p)
	}
	if r.program != nil {
		probed.program = &program{program: probedProgram{r.program.program, p}, activations: sync.Pool{New: r.program.activations.New}}
	}
	return &probed
}

func (p *Probe) count(v bool, err error) {
	switch {
	case err != nil:
		p.Failed.Add(1)
	case v:
		p.True.Add(1)
	default:
		p.False.Add(1)
	}
}

func probedKey[T any](code fn[T], p *Probe) fn[T] {
	return func(in *Input, l *locals) (T, error) {
		v, err := code(in, l)
		p.count(true, err)
		return v, err
	}
}

// probedProgram is a program of the interpreter with a probe.
type probedProgram struct {
	cel.Program
	probe *Probe
}

// Eval evaluates and counts.
func (p probedProgram) Eval(input any) (ref.Val, *cel.EvalDetails, error) {
	out, details, err := p.Program.Eval(input)
	p.probe.count(out != types.False, err)
	return out, details, err
}
