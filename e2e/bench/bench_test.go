package bench

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp"
)

// row is one kind of request under load.
type row struct {
	name    string
	workers int
	limit   string // what it is compared with
	target  string
	// prepare makes what the operation uses up, before the clock starts.
	prepare func(t testing.TB, s *site, workers int) (most int, op func(c *conn, worker, n int) error)
}

const endless = 1 << 30

var rows = []row{
	{"refresh, RS256", 16, "RS256 signature", "70 % of the limit", refreshes("RS256")},
	{"refresh, RS256", 64, "RS256 signature", "70 % of the limit", refreshes("RS256")},
	{"refresh, ES256", 16, "ES256 signature", "9,000 /s", refreshes("ES256")},
	{"refresh, ES256", 64, "ES256 signature", "9,000 /s, p99 < 25 ms", refreshes("ES256")},
	{"code exchange, RS256", 16, "RS256 signature", "as refresh", exchanges("RS256")},
	{"code exchange, ES256", 16, "ES256 signature", "as refresh", exchanges("ES256")},
	{"code exchange, at+jwt, ES256", 16, twoSignatures, "", exchanges(withJWT)},
	{"token exchange, at+jwt, ES256", 16, "ES256 signature", "", swaps},
	{"PAR, authorize and code exchange, private_key_jwt and DPoP, ES256", 16, fourAndOne, "", boundSignIns},
	{"authorize, in a session", 16, netHTTP, "", authorizes},
	{"userinfo", 16, netHTTP, "35,000 /s", userinfo},
	{"introspection", 16, netHTTP, "35,000 /s", introspection},
	{"discovery", 16, netHTTP, "95 % of the limit", prepared("/.well-known/openid-configuration", `"issuer"`)},
	{"jwks", 16, netHTTP, "95 % of the limit", prepared("/jwks", `"keys"`)},
	{"whole sign-in, hash at no cost, RS256", 16, "RS256 signature", "2,000 /s", signIns("RS256")},
}

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

func refreshes(alg string) func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
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
func exchanges(alg string) func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
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

func userinfo(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
	_, body := signedIn(t, s, s.dial(t), s.clients["ES256"])
	access, err := field(body, "access_token")
	check(t, err)
	header := "Authorization: Bearer " + access + "\r\n"
	return endless, func(on *conn, _, _ int) error {
		return answers(on, "GET", "/userinfo", header, "", `"sub"`)
	}
}

func introspection(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
	c := s.clients["ES256"]
	_, body := signedIn(t, s, s.dial(t), c)
	access, err := field(body, "access_token")
	check(t, err)
	return endless, func(on *conn, _, _ int) error {
		return answers(on, "POST", "/introspect", c.basic, "token="+access, `"active":true`)
	}
}

func prepared(path, has string) func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
	return func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
		return endless, func(on *conn, _, _ int) error { return answers(on, "GET", path, "", "", has) }
	}
}

// signIns has everybody begin at the application and end with its tokens.
func signIns(alg string) func(testing.TB, *site, int) (int, func(*conn, int, int) error) {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		c := s.clients[alg]
		people := make([]crowd.Person, s.signIns)
		for i := range people {
			people[i] = s.next(t)
		}
		return len(people), func(on *conn, _, n int) error {
			code, err := browser{}.signIn(on, c, people[n], 0)
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

// figures is what several runs have shown, medians of them.
type figures struct{ samples []sample }

func (f *figures) median() sample {
	pick := func(of func(sample) float64) float64 {
		all := make([]float64, len(f.samples))
		for i, s := range f.samples {
			all[i] = of(s)
		}
		return median(all)
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

// TestBench prints the table when BENCH is set, with as many seconds for each
// figure as it says. Else it goes through all of it for a moment, to see that
// every operation does what it should; of time it claims nothing then.
func TestBench(t *testing.T) {
	if os.Getenv("BENCH_ENGINE") == onBoth {
		return // TestBenchEngines measures
	}
	rounds, span, most := 1, 10*time.Second, 32
	prepared, signIns, hashed, starts := 32, 32, 8, 1
	limitSpan := 50 * time.Millisecond
	out := io.Discard
	if s := os.Getenv("BENCH"); s != "" {
		var err error
		span, err = time.ParseDuration(s + "s")
		if err != nil || span <= 0 {
			t.Fatalf("BENCH=%q is not a number of seconds", s)
		}
		rounds, most, limitSpan = 3, endless, span
		prepared, signIns, hashed, starts = int(6000*span.Seconds()), int(1500*span.Seconds()), 500, 10
		out = os.Stdout
	}

	s := newSite(t, rounds*(signIns+len(rows)), crowd.Least)
	s.prepared, s.signIns = prepared, signIns
	var ready []float64
	for i := range starts {
		if i > 0 {
			s.stop(t)
		}
		ready = append(ready, s.start(t).Seconds()*1000)
	}
	time.Sleep(time.Second) // what a start leaves behind is given back
	idle, idleOwn := resident(t, s.pid), own(t, s.pid)

	atMost := map[string][]float64{}
	measured := make([]figures, len(rows))
	for range rounds {
		for name := range limits {
			atMost[name] = append(atMost[name], measureLimit(t, name, limitSpan))
		}
		atMost[netHTTP] = append(atMost[netHTTP], measureLimit(t, netHTTP, limitSpan))
		for i, r := range rows {
			n, op := r.prepare(t, s, r.workers)
			f := load(t, s.host, s.pid, r.workers, span, min(n, most), op)
			measured[i].samples = append(measured[i].samples, f)
		}
	}
	s.stop(t)
	dear := hashes(t, hashed)

	fmt.Fprintln(out, "\n| at most, on one core | per second |\n|---|---|")
	for _, name := range append(slices.Sorted(maps.Keys(limits)), netHTTP) {
		fmt.Fprintf(out, "| %s | %.0f |\n", name, median(atMost[name]))
	}
	fmt.Fprintln(out, "\n| what, on one core | at once | per second | p50, ms | p99, ms | server's CPU, µs | of the limit | | target |\n|---|---|---|---|---|---|---|---|---|")
	for i, r := range rows {
		f, limit := measured[i].median(), median(atMost[r.limit])
		fmt.Fprintf(out, "| %s | %d | %.0f | %.2f | %.2f | %d | %.0f %% | %s | %s |\n", r.name, r.workers, f.perSecond,
			ms(f.p50), ms(f.p99), f.cpu.Microseconds(), 100*f.perSecond/limit, r.limit, r.target)
	}
	argon := median(atMost["argon2id, default cost"])
	fmt.Fprintf(out, "| whole sign-in, hash at the default cost, RS256 | %d | %.1f | %.0f | %.0f | %d | %.0f %% | argon2id, default cost | 90 %% of the limit |\n",
		hashers, dear.signIns.perSecond, ms(dear.signIns.p50), ms(dear.signIns.p99), dear.signIns.cpu.Microseconds(), 100*dear.signIns.perSecond/argon)
	fmt.Fprintf(out, "\n| besides | | target |\n|---|---|---|\n"+
		"| refresh, ES256, beside those sign-ins, p99 | %.1f ms | < 50 ms |\n"+
		"| start to ready, existing keys | %.0f ms | ≤ 150 ms |\n"+
		"| memory, idle after the start | %.0f MB, without the program's file %.0f | ≤ 40 MB |\n"+
		"| memory, %d sign-ins later | %.0f MB, without the program's file %.0f | ≤ 60 MB |\n",
		ms(dear.refresh), median(ready), idle, idleOwn, dear.after, dear.memory, dear.own)
	if !apart {
		fmt.Fprintln(out, "\nThe machine has one core for provider and load: of little worth.")
	}
}

// hashers is how many sign in at once where a password costs what it should.
const hashers = 4

// costly is what a provider does whose hashes cost what they should.
type costly struct {
	signIns sample
	refresh time.Duration // p99
	after   int           // sign-ins until memory was looked at
	memory  float64       // MB
	own     float64       // MB, without the program's file
}

// hashes signs n people in twice. The first time their cheap hash is replaced
// by one that costs what it should; the second is measured, and so is somebody
// who refreshes meanwhile.
func hashes(t *testing.T, n int) costly {
	t.Helper()
	s := newSite(t, n+1, crowd.Least)
	for i, v := range s.env {
		if strings.HasPrefix(v, "IDP_PASSWORD_") {
			s.env[i] = "" // the default
		}
	}
	s.start(t)
	c := s.clients["RS256"]
	sign := func(ago int) func(*conn, int, int) error {
		return func(on *conn, _, i int) error {
			code, err := browser{}.signIn(on, c, s.people[i], ago)
			if err == nil {
				_, err = c.exchange(on, code)
			}
			return err
		}
	}
	load(t, s.host, s.pid, hashers, time.Hour, n, sign(1))

	es, on := s.clients["ES256"], s.dial(t)
	code, err := browser{}.signIn(on, es, s.people[n], 0)
	check(t, err)
	body, err := es.exchange(on, code)
	check(t, err)
	token, err := field(body, "refresh_token")
	check(t, err)
	done, ended := make(chan struct{}), make(chan error, 1)
	var took []time.Duration
	go func() { // ends with the sign-ins
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				ended <- nil
				return
			case <-tick.C:
			}
			at := time.Now()
			var err error
			if token, err = es.refresh(on, token); err != nil {
				ended <- err
				return
			}
			took = append(took, time.Since(at))
		}
	}()
	r := costly{signIns: load(t, s.host, s.pid, hashers, time.Hour, n, sign(0)), after: 2 * n}
	close(done)
	check(t, <-ended)
	slices.Sort(took)
	r.refresh = took[len(took)*99/100]
	time.Sleep(3 * time.Second) // as long as it takes a provider to come to rest
	r.memory, r.own = resident(t, s.pid), own(t, s.pid)
	s.stop(t)
	return r
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
