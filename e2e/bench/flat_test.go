package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// series is what was measured of one thing, in the order of time.
type series struct {
	name string
	at   []time.Duration
	v    []float64
}

func (s *series) add(at time.Duration, v float64) {
	s.at, s.v = append(s.at, at), append(s.v, v)
}

// quarter is what was measured in one of four equal parts, 0 to 3.
func (s *series) quarter(i int) []float64 { return s.v[len(s.v)*i/4 : len(s.v)*(i+1)/4] }

// trend is the straight line through the second half, by least squares: how much it rises from
// the half's beginning to its end, how much single values lie beside it (standard deviation),
// and how sure the rise is (its standard error).
func (s *series) trend() (rise, spread, sure float64) {
	from := len(s.v) / 2
	at, v := s.at[from:], s.v[from:]
	n := float64(len(v))
	var mt, mv float64
	for i := range v {
		mt, mv = mt+at[i].Seconds()/n, mv+v[i]/n
	}
	var tt, tv float64
	for i := range v {
		d := at[i].Seconds() - mt
		tt, tv = tt+d*d, tv+d*(v[i]-mv)
	}
	if n < 3 || tt == 0 {
		return 0, 0, math.Inf(1)
	}
	slope := tv / tt
	var rest float64
	for i := range v {
		d := v[i] - mv - slope*(at[i].Seconds()-mt)
		rest += d * d
	}
	span := at[len(at)-1].Seconds() - at[0].Seconds()
	spread = math.Sqrt(rest / (n - 2))
	return slope * span, spread, spread / math.Sqrt(tt) * span
}

// Rules of what may not grow.
const (
	memoryGrows = 1.1 // of the second quarter's median, in the last
	memorySlack = 8.0 // MB, that a collector takes a little later than at other times

	// A rise is one where it is four times its standard error, and more than what connections
	// kept and threads begun by chance make.
	risesBy    = 4.0
	countSlack = 6.0
	countShare = 0.05 // of the middle

	// Fewer measurements say nothing of a trend: then only what is left at rest is judged.
	enough = 40
)

// flatMemory says why a series of MB is not flat; empty: it is.
func flatMemory(s *series) string {
	second, last := median(s.quarter(1)), median(s.quarter(3))
	if last > memoryGrows*second+memorySlack {
		return fmt.Sprintf("%s grows: %.1f MB in the last quarter, %.1f in the second", s.name, last, second)
	}
	return ""
}

// flatCount says why a series of things that are counted is not flat; empty: it is.
func flatCount(s *series) string {
	rise, spread, sure := s.trend()
	if rise > risesBy*sure && rise > countSlack+countShare*median(s.v) {
		return fmt.Sprintf("%s grows: by %.1f in the second half, with a spread of %.1f", s.name, rise, spread)
	}
	return ""
}

// flatAtRest is the rule for few measurements: what is open when nobody asks for anything is
// what was open before.
func flatAtRest(name string, before, after, slack float64) string {
	if after > before+slack {
		return fmt.Sprintf("%s: %.0f at rest after the load, %.0f before it", name, after, before)
	}
	return ""
}

// What leaks is found, and noise is no leak.
func TestFlat(t *testing.T) {
	const n = 120 // measurements of an hour
	made := func(seed uint64, of func(i int, r *rand.Rand) float64) *series {
		s, r := &series{name: "it"}, rand.New(rand.NewPCG(seed, seed))
		for i := range n {
			s.add(time.Duration(i)*30*time.Second, of(i, r))
		}
		return s
	}
	for seed := range uint64(200) {
		for _, c := range []struct {
			name   string
			judge  func(*series) string
			grows  bool
			values func(i int, r *rand.Rand) float64
		}{
			{"descriptors come and go", flatCount, false, func(_ int, r *rand.Rand) float64 { return 90 + 8*r.NormFloat64() }},
			{"goroutines of a burst now and then", flatCount, false, func(_ int, r *rand.Rand) float64 { return 300 + 200*math.Floor(r.Float64()*1.1) }},
			{"connections opened once, late", flatCount, false, func(i int, _ *rand.Rand) float64 { return 10 + 4*math.Floor(float64(i)/80) }},
			{"one descriptor lost each minute", flatCount, true, func(i int, r *rand.Rand) float64 { return 90 + float64(i)/2 + 8*r.NormFloat64() }},
			{"a goroutine lost each ten seconds", flatCount, true, func(i int, r *rand.Rand) float64 { return 300 + 3*float64(i) + 30*r.NormFloat64() }},
			{"a heap as its collector leaves it", flatMemory, false, func(i int, r *rand.Rand) float64 { return 40 + 20*float64(i%7)/7 + 2*r.NormFloat64() }},
			{"caches that fill in the beginning", flatMemory, false, func(i int, r *rand.Rand) float64 {
				return 30 + 40*(1-math.Exp(-float64(i)/10)) + 2*r.NormFloat64()
			}},
			{"a MB lost each minute", flatMemory, true, func(i int, r *rand.Rand) float64 { return 30 + float64(i)/2 + 2*r.NormFloat64() }},
		} {
			if why := c.judge(made(seed, c.values)); (why != "") != c.grows {
				t.Errorf("%s (seed %d): it says %q", c.name, seed, why)
			}
		}
	}
	if flatAtRest("descriptors", 30, 33, 3) != "" || flatAtRest("descriptors", 30, 34, 3) == "" {
		t.Error("what is left at rest is judged wrongly")
	}
}
