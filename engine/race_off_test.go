//go:build !race

package engine_test

// raced says that the tests run under the race detector, whose pools lose things at random.
const raced = false
