package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hilum/e2e/crowd"
)

// sizes measures what is better when it is smaller.
func (x extent) sizes(t *testing.T) (all []size) {
	t.Helper()
	for _, engine := range []string{onSQLite, onPostgres} {
		all = append(all, x.memory(t, engine)...)
		all = append(all, counted(t, engine, min(50, x.after))...)
	}
	all = append(all, x.besideHashes(t))
	if x.waiting >= enoughWait {
		all = append(all, x.waits(t)...)
	}
	return all
}

// memory measures start and memory on an engine, each round by a process of its own: at rest,
// after sign-ins, and after so many different tokens.
func (x extent) memory(t *testing.T, engine string) []size {
	t.Helper()
	s := newSiteOn(t, engine, x.rounds*x.after+fewGrants, crowd.Least)
	name := place{engine: engine}.name()
	start := size{What: "start to ready, existing keys", On: name, Unit: "ms", Target: "≤ 100"}
	idle := size{What: "memory at rest", On: name, Unit: "MB", Target: "≤ 16"}
	later := size{What: fmt.Sprintf("memory, %s sign-ins later", number(float64(x.after))), On: name, Unit: "MB", Target: "≤ 30"}
	many := size{What: fmt.Sprintf("memory, %s different tokens later", number(float64(x.tokens))), On: name, Unit: "MB", Target: "≤ 50"}
	s.start(t) // makes the keys
	names := s.holders(t, fewGrants)
	s.stop(t)
	s.seed(t, fillBinary, names, 2*x.tokens, x.tokens)
	tokens := append(s.unused["RS256"+accessKind].left, s.unused["ES256"+accessKind].left...)
	for range x.starts {
		start.Rounds = append(start.Rounds, round(s.start(t).Seconds()*1000, 3))
		s.stop(t)
	}
	s.signIns = x.after
	for range x.rounds {
		s.start(t)
		time.Sleep(x.rest)
		idle.Rounds = append(idle.Rounds, round(own(t, s.pid), 3))
		n, op := signIns("ES256")(t, s, busy[0])
		load(t, s.host, s.pid, busy[0], time.Hour, n, op)
		time.Sleep(x.rest)
		later.Rounds = append(later.Rounds, round(own(t, s.pid), 3))
		s.stop(t)

		s.start(t)
		load(t, s.host, s.pid, busy[0], time.Hour, len(tokens), func(on *conn, _, n int) error {
			return answers(on, "GET", "/userinfo", "Authorization: Bearer "+tokens[n]+"\r\n", "", `"sub"`)
		})
		time.Sleep(x.rest)
		many.Rounds = append(many.Rounds, round(own(t, s.pid), 3))
		s.stop(t)
	}
	all := []size{start, idle, later, many}
	for i := range all {
		all[i].Value = median(all[i].Rounds)
	}
	return all
}

// enoughWait is how many have to wait to tell what one costs.
const enoughWait = 1000

// waits measures what a browser that waits for a phone costs, and a phone that listens.
func (x extent) waits(t *testing.T) []size {
	t.Helper()
	s := newSiteOn(t, onSQLite, x.waiting+enoughWait, crowd.Least)
	s.env = append(s.env, "IDP_PUSH_MATCH=tap", "IDP_LIMITS_DEVICE_PER_MINUTE=0")
	check(t, crowd.Link(context.Background(), crowd.Home{Folder: s.data}, s.people))
	s.start(t)
	r := tells(t, s, x.waiting, 500)
	phone := listeners(t, s, x.waiting/2)
	s.stop(t)
	of := func(what, unit, target string, v float64) size {
		v = round(v, 3)
		return size{What: what, On: "SQLite", Unit: unit, Value: v, Rounds: []float64{v}, Target: target}
	}
	return []size{
		of("memory of a waiting browser", "KB", "≤ 20", r.perBrowser),
		of("memory of a listening phone", "KB", "≤ 25", phone),
		of(fmt.Sprintf("from the phone's answer to its browser, %s waiting, p50", number(float64(x.waiting))), "ms", "< 3", ms(r.p50)),
		of(fmt.Sprintf("from the phone's answer to its browser, %s waiting, p99", number(float64(x.waiting))), "ms", "< 20", ms(r.p99)),
	}
}

// besideHashes measures how long it takes to refresh while others sign in with passwords that
// are hashed as they are shipped: p99, of what is asked every ten milliseconds.
func (x extent) besideHashes(t *testing.T) size {
	t.Helper()
	s := newSiteOn(t, onSQLite, x.rounds*x.dear+1, crowd.Least)
	s.signIns = x.dear
	s.asShipped() // each hash is made anew at the first sign-in, which costs as much as a later one
	s.start(t)
	es, on := s.clients["ES256"], s.dial(t)
	_, body := signedIn(t, s, on, es)
	token, err := field(body, "refresh_token")
	check(t, err)
	r := size{What: "refresh, ES256, beside sign-ins at the default hash, p99", On: "SQLite", Unit: "ms", Target: "< 50"}
	for range x.rounds {
		n, op := signIns("RS256")(t, s, hashers)
		done, ended := make(chan struct{}), make(chan error, 1)
		var took []time.Duration
		go func() { // ends with the sign-ins
			ended <- every(10*time.Millisecond, done, func() (err error) {
				at := time.Now()
				token, err = es.refresh(on, token)
				took = append(took, time.Since(at))
				return err
			})
		}()
		load(t, s.host, s.pid, hashers, time.Hour, n, op)
		close(done)
		check(t, <-ended)
		r.Rounds = append(r.Rounds, round(ms(percentile(took, 99)), 3))
	}
	s.stop(t)
	r.Value = median(r.Rounds)
	return r
}

// every does something again and again, at once first, until done is closed or it fails.
func every(interval time.Duration, done <-chan struct{}, do func() error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-tick.C:
		}
	}
}
