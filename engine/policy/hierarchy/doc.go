// Package hierarchy shares the capacity of a resource among its queues and among the processes of a fleet.
//
// How much everyone gets is worked out by package share. This package carries it: every process reports what it wants and runs a bucket for each queue
// at the rate it was granted; one of them, elected, divides. They talk through Redis and through nothing else.
//
// # What holds
//
// The rates in force, over all processes and queues of a resource, never add up to more than its capacity, whatever messages are late, lost or doubled,
// whoever crashes, and if Redis loses all it had. A rate in force is that of a bucket at an instant; besides, each bucket holds up to one burst, which a
// change of rate never adds to. So in any time w a resource lets through at most capacity*w and one burst for each process and queue.
//
// # How
//
// A grant answers one report, which it names. Its lease begins, on the member's own monotonic clock, when that report was sent; the allocator counts the
// grant from when it read the report, which was later, and for longer by all that two clocks may drift apart. So nobody compares clocks, Redis needs
// none, and a grant that arrives late, or from a table that an operator restored, is worth only what is left of it.
//
// The allocator keeps account of all that may be in force: what a member has acknowledged, and whatever was published to it since, until the member
// acknowledges something later or the lease has run out. It publishes more to somebody only out of what this account leaves free.
//
// An allocator that begins knows no leases. For the length of the hold, in which all of them end, its grants say: keep what you have. Nothing that
// a predecessor wrote is needed for that. Its predecessor cannot write any more, for writes are fenced by the term of the election.
//
// A member whose lease ends goes on at its safe share, which came with the grant. The allocator counts it until the member acknowledges another, says
// goodbye, or was silent for [Timing.Forget].
package hierarchy
