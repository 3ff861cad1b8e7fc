package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

var (
	errNoInput = errors.New("there is no input")
	errNotBool = errors.New("the expression is not of type bool")
	errNotKey  = errors.New("the expression is not of type string or int")
)

// Bool evaluates an expression of type bool. An error is an evaluation error, such as a division by zero or a variable whose part of the
// input is nil; the caller knows the safe answer of its place.
func (r *Rule) Bool(in *Input) (bool, error) {
	if in == nil {
		return false, errNoInput
	}
	if r.program != nil {
		return r.program.bool(in)
	}
	eval, ok := r.code.(fn[bool])
	if !ok {
		return false, errNotBool
	}
	if r.locals == nil {
		return eval(in, nil)
	}
	l := r.locals.Get().(*locals)
	v, err := eval(in, l)
	r.locals.Put(l)
	return v, err
}

// Key evaluates an expression of type string or int; an int is formatted in decimal. Errors are those of Bool.
func (r *Rule) Key(in *Input) (string, error) {
	if in == nil {
		return "", errNoInput
	}
	if r.program != nil {
		return r.program.key(in)
	}
	var l *locals
	if r.locals != nil {
		l = r.locals.Get().(*locals)
		defer r.locals.Put(l)
	}
	switch eval := r.code.(type) {
	case fn[string]:
		return eval(in, l)
	case fn[int64]:
		v, err := eval(in, l)
		if err != nil {
			return "", err
		}
		return strconv.FormatInt(v, 10), nil
	default:
		return "", errNotKey
	}
}

// program runs an expression in the interpreter.
type program struct {
	program     cel.Program
	activations sync.Pool
}

// newProgram plans a checked expression. Its cost was bounded when it was compiled, so it runs without a limit.
func newProgram(env *environment, checked *cel.Ast) (*program, error) {
	p, err := env.cel.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &program{program: p, activations: sync.Pool{New: func() any { return &activation{env: env} }}}, nil
}

func (p *program) bool(in *Input) (bool, error) {
	out, err := p.eval(in)
	if err != nil {
		return false, err
	}
	v, ok := out.(types.Bool)
	if !ok {
		return false, errNotBool
	}
	return bool(v), nil
}

func (p *program) key(in *Input) (string, error) {
	out, err := p.eval(in)
	if err != nil {
		return "", err
	}
	switch v := out.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	default:
		return "", errNotKey
	}
}

// eval turns a panic of the interpreter into an error: one expression must not end the process.
func (p *program) eval(in *Input) (out ref.Val, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("the interpreter panicked: %v", r)
		}
	}()
	a := p.activations.Get().(*activation)
	a.in = in
	out, _, err = p.program.Eval(a)
	a.in = nil
	p.activations.Put(a)
	return out, err
}

// activation shows the input to the interpreter. Variables of a part that is nil are not there.
type activation struct {
	env *environment
	in  *Input
}

// Parent is nil: there is one scope.
func (a *activation) Parent() cel.Activation { return nil }

// ResolveName reads a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	switch read := a.env.vars[strings.TrimPrefix(name, ".")].read.(type) {
	case fn[bool]:
		v, err := read(a.in, nil)
		return types.Bool(v), err == nil
	case fn[int64]:
		v, err := read(a.in, nil)
		return types.Int(v), err == nil
	case fn[string]:
		v, err := read(a.in, nil)
		return types.String(v), err == nil
	case fn[[]string]:
		v, err := read(a.in, nil)
		return v, err == nil
	case instants:
		v, err := read(a.in, nil)
		return types.Timestamp{Time: timeOf(v)}, err == nil
	default:
		return nil, false
	}
}

// ResolveFunction binds the functions of time to the input's zone.
func (a *activation) ResolveFunction(name string) (cel.LateBoundFunction, bool) {
	f, is := a.env.clocks[name]
	if !is {
		return nil, false
	}
	zone := a.in.Zone
	return func(_ string, args ...ref.Val) ref.Val {
		if zone == nil {
			return types.WrapErr(errNoZone)
		}
		t, ok := args[0].Value().(time.Time)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		return f.value(t.In(zone))
	}, true
}
