package engine

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// together runs the functions at once and waits for all of them: the last one in this goroutine, the others in their own. A panic in one
// comes out as its error, so that it cannot end the process; the errors are in the order of the functions.
func together(fns ...func() error) []error {
	errs := make([]error, len(fns))
	if len(fns) == 0 {
		return errs
	}
	var wg sync.WaitGroup
	for i, fn := range fns[:len(fns)-1] {
		wg.Go(func() { errs[i] = guarded(fn) })
	}
	last := len(fns) - 1
	errs[last] = guarded(fns[last])
	wg.Wait()
	return errs
}

func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
