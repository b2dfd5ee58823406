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
