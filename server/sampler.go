package server

import (
	"sync"
	"time"
)

// sampler lets so many events of a second through, and counts the others.
type sampler struct {
	now       func() time.Time
	perSecond int

	mu         sync.Mutex
	second     int64
	taken      int
	suppressed int64
}

// take says whether the event may pass, and if so how many were held back since the last that did.
func (s *sampler) take() (suppressed int64, ok bool) {
	second := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if second != s.second {
		s.second, s.taken = second, 0
	}
	if s.taken >= s.perSecond {
		s.suppressed++
		return 0, false
	}
	s.taken++
	suppressed, s.suppressed = s.suppressed, 0
	return suppressed, true
}
