package limit

import "sync/atomic"

// Share is by how many instances a bound is divided that each of them counts in memory, so that
// all together allow what one would. The zero value and nil are for one instance. Safe for
// concurrent use.
type Share struct{ live atomic.Int64 }

// Set says how many instances live.
func (s *Share) Set(live int) { s.live.Store(int64(live)) }

// Live is how many instances live, at least 1.
func (s *Share) Live() int {
	if s == nil {
		return 1
	}
	return int(max(1, s.live.Load()))
}

// Of is the share of this instance in a bound: a part of it, rounded up, so that something is
// allowed everywhere.
func (s *Share) Of(bound int) int {
	live := s.Live()
	return (bound + live - 1) / live
}
