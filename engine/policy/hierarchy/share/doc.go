// Package share works out how a capacity is divided among queues and the instances of a fleet.
//
// It is the pure part of the hierarchical limiter: values in, values out. It reads no clock, keeps no goroutine and knows
// nothing of how reports arrive or grants travel. Three parts are used together at every tick of an allocator:
//
//	demanded := resource.DemandedGuarantees(demands)
//	effective := surge.Effective(resource, now, demanded)
//	granted := allocator.Allocate(resource, effective, demands, grants)
//	surge.Observe(now, granted, used)
//
// and a fourth, the [Estimator], on every instance, which turns counts of requests into a [Demand].
//
// Rates are integers in thousandths of a request a second, and all arithmetic is on integers: what is granted adds up exactly, a
// thousandth is never lost, and the same input gives the same grants on every machine.
package share
