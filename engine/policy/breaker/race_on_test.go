//go:build race

package breaker_test

// raced says that the tests run under the race detector, which allocates on its own.
const raced = true
