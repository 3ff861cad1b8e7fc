package hierarchy

import "context"

// exchange is where the processes of a fleet meet. Each request is carried out in one step or not at all; whether one without an answer was is not known.
type exchange interface {
	do(ctx context.Context, r *request) (*response, error)
}

// op is what is asked of the exchange.
type op uint8

const (
	// opReport keeps a report of a process, unless a later one is there, and answers with the grants for it and who is the allocator.
	opReport op = iota
	// opElect makes the process the allocator, if there is none, in an epoch above floor and above all that the exchange knows of.
	opElect
	// opCollect answers with all reports, and if asked all grants, if the process still is the allocator of the epoch; it is for another term then.
	opCollect
	// opPublish replaces grants and forgets processes, on the same condition.
	opPublish
	// opLeave replaces the report of a process by its goodbye, which no report replaces, and takes its grants and the office of allocator from it.
	opLeave
)

type request struct {
	op op
	// id is the process that asks, seq numbers its reports.
	id, seq uint64
	report  []byte
	// floor is the highest epoch that the process heard of.
	floor uint64
	// epoch is the term of the allocator that asks.
	epoch uint64
	// withGrants asks for the grants too.
	withGrants bool
	// whole says that what is published leaves nobody out.
	whole  bool
	grants []row
	forget []uint64
}

type response struct {
	// ok says that the process is the allocator.
	ok bool
	// leader is the allocator; 0: there is none.
	leader uint64
	// epoch is that of the election. lost says that the exchange did not remember one as high as floor, or nothing whole was published since.
	epoch uint64
	lost  bool
	// grant is what was published last for the process; nil: nothing.
	grant           []byte
	reports, grants []row
}

// row is what the exchange keeps of a process.
type row struct {
	id, seq uint64
	data    []byte
}

// goodbye is the number of the report of a process that left.
const goodbye = ^uint64(0)
