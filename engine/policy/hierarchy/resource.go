package hierarchy

import (
	"errors"
	"fmt"
	"hash/fnv"

	"proscenium/engine/policy/hierarchy/share"
	"proscenium/traffic"
)

// Resource is a capacity that the fleet shares, for one class of traffic.
type Resource struct {
	Name     string
	Class    traffic.Class
	Share    share.Resource
	SafeMode SafeMode
}

// SafeMode is what a process may use of a queue when nobody grants it anything any more.
type SafeMode uint8

// The safe modes. In each, a process that was never granted anything has its first bucket and then nothing, but for Unlimited.
const (
	// GuaranteedShare is the queue's guarantee divided by the processes known last; where the capacity was lent to others, what was granted of it.
	GuaranteedShare SafeMode = iota
	// Zero lets nothing through.
	Zero
	// KeepLast is what was granted last.
	KeepLast
	// Unlimited lets everything through. The capacity is exceeded.
	Unlimited
	safeModeCount
)

// SafeModeNames are the names of the safe modes.
var SafeModeNames = [safeModeCount]string{"guaranteed_share", "zero", "keep_last", "unlimited"}

func (m SafeMode) String() string {
	if m >= safeModeCount {
		return "unknown"
	}
	return SafeModeNames[m]
}

// safeTarget is the safe share that a process should have.
func (r *Resource) safeTarget(queue, instances int, grant share.Rate) share.Rate {
	switch r.SafeMode {
	case GuaranteedShare:
		return r.Share.Queues[queue].Guaranteed / share.Rate(max(instances, 1))
	case KeepLast:
		return grant
	default:
		return 0
	}
}

// check says what keeps resources from being applied by a fleet of a class.
func check(resources []Resource, class traffic.Class) error {
	var wrong []error
	seen := make(map[string]bool, len(resources))
	for i := range resources {
		r := &resources[i]
		switch {
		case r.Name == "":
			wrong = append(wrong, fmt.Errorf("resource %d has no name", i))
		case seen[r.Name]:
			wrong = append(wrong, fmt.Errorf("resource %s is there twice", r.Name))
		case r.Class != class:
			wrong = append(wrong, fmt.Errorf("resource %s is of %s traffic, the fleet of %s", r.Name, r.Class, class))
		case r.SafeMode >= safeModeCount:
			wrong = append(wrong, fmt.Errorf("resource %s has the unknown safe mode %d", r.Name, r.SafeMode))
		}
		seen[r.Name] = true
		if err := r.Share.Check(); err != nil {
			wrong = append(wrong, fmt.Errorf("resource %s: %w", r.Name, err))
		}
	}
	return errors.Join(wrong...)
}

// keyOf is what a resource or queue is called in messages: a hash of its name. Names are too long for twenty of them in every report.
func keyOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}
