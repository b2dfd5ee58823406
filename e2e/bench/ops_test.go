package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// row is one kind of request under load.
type row struct {
	name    string
	workers int
	// prepare makes what the operation uses up, before the clock starts.
	prepare prepare
}

// prepare returns an operation and how often it can be done at most.
type prepare func(t testing.TB, s *site, workers int) (most int, op func(c *conn, worker, n int) error)

const endless = 1 << 30

// signedIn signs somebody in and returns their browser and what the
// application got.
func signedIn(t testing.TB, s *site, c *conn, to client) (browser, []byte) {
	t.Helper()
	b := browser{}
	code, err := b.signIn(c, to, s.next(t), 0)
	check(t, err)
	body, err := to.exchange(c, code)
	check(t, err)
	return b, body
}

func refreshes(alg string) prepare {
	return func(t testing.TB, s *site, workers int) (int, func(*conn, int, int) error) {
		c, on := s.clients[alg], s.dial(t)
		tokens := make([]string, workers)
		b, _ := signedIn(t, s, on, c)
		for w := range tokens {
			body, err := c.exchange(on, b.code(t, on, c))
			check(t, err)
			tokens[w], err = field(body, "refresh_token")
			check(t, err)
		}
		return endless, func(on *conn, w, _ int) (err error) {
			tokens[w], err = c.refresh(on, tokens[w])
			return err
		}
	}
}

// exchanges redeems codes that a session gave before the clock started: as many as it gives
// while the first of them is good still.
func exchanges(alg string) prepare {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		c, on := s.clients[alg], s.dial(t)
		b, _ := signedIn(t, s, on, c)
		var codes []string
		for begin := time.Now(); len(codes) < s.prepared && time.Since(begin) < idp.CodeTTL/3; {
			codes = append(codes, b.code(t, on, c))
		}
		return len(codes), func(on *conn, _, n int) error {
			_, err := c.exchange(on, codes[n])
			return err
		}
	}
}

func authorizes(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
	c, on := s.clients["ES256"], s.dial(t)
	b, _ := signedIn(t, s, on, c)
	path, header := authorize(c), b.header()
	return endless, func(on *conn, _, _ int) error {
		a, err := on.ask("GET", path, header, "")
		if err == nil {
			_, err = codeOf(a)
		}
		return err
	}
}

func prepared(path, has string) prepare {
	return func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
		return endless, func(on *conn, _, _ int) error { return answers(on, "GET", path, "", "", has) }
	}
}

// signIns has everybody begin at the application and end with its tokens.
func signIns(alg string) prepare {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		c := s.clients[alg]
		people := make([]int, s.signIns)
		for i := range people {
			people[i] = s.nextOf(t)
		}
		return len(people), func(on *conn, _, n int) error {
			code, err := browser{}.signIn(on, c, s.people[people[n]], 0)
			s.last[people[n]] = time.Now()
			if err != nil {
				return err
			}
			_, err = c.exchange(on, code)
			return err
		}
	}
}

func answers(on *conn, method, path, header, form, has string) error {
	a, err := on.ask(method, path, header, form)
	if err == nil && (a.status != 200 || !strings.Contains(string(a.body), has)) {
		err = fmt.Errorf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return err
}

// medianOf is the medians of what several runs have shown.
func medianOf(all []sample) sample {
	pick := func(of func(sample) float64) float64 {
		values := make([]float64, len(all))
		for i, s := range all {
			values[i] = of(s)
		}
		return median(values)
	}
	return sample{
		perSecond: pick(func(s sample) float64 { return s.perSecond }),
		p50:       time.Duration(pick(func(s sample) float64 { return float64(s.p50) })),
		p99:       time.Duration(pick(func(s sample) float64 { return float64(s.p99) })),
		cpu:       time.Duration(pick(func(s sample) float64 { return float64(s.cpu) })),
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
