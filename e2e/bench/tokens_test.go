package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// What a row is asked with. A remembered token is one of a few, again and again; a new one is
// another each time, which the process has not seen before.
const (
	remembered = "remembered"
	newToken   = "new"
)

// fewGrants is how many tokens are few.
const fewGrants = 16

// supply are tokens that are used once.
type supply struct{ left []string }

// take takes n of them.
func (s *supply) take(t testing.TB, n int) []string {
	t.Helper()
	if n > len(s.left) || n == 0 {
		t.Fatalf("%d tokens are wanted, %d are left", n, len(s.left))
	}
	taken := s.left[:n]
	s.left = s.left[n:]
	return taken
}

const (
	accessKind  = "access"
	refreshKind = "refresh"
)

// fills has a program (fill) put something into the data of a site that does not run, and reads
// what it says of it.
func (s *site) fills(t testing.TB, program string, into any, args ...string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"-folder", s.data, "-url", s.database}, args...)...)
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Fatalf("fill %v: %s", args, failed.Stderr)
	}
	check(t, err)
	check(t, json.Unmarshal(out, into))
}

// seed gives n grants to those who have signed in, and keeps the tokens of as many of each
// application, in no order. Of half of them the access token is used, of the others the refresh
// token, so that none of either is known by the other.
func (s *site) seed(t testing.TB, program string, holders []string, n, keep int) {
	t.Helper()
	algs := []string{"RS256", "ES256"}
	var all []struct{ Client, Access, Refresh string }
	s.fills(t, program, &all, "-people", strings.Join(holders, ","), "-clients", s.clients[algs[0]].id+","+s.clients[algs[1]].id, "-n", strconv.Itoa(n), "-keep", strconv.Itoa(keep))
	mixed := rand.New(rand.NewPCG(1, 2))
	mixed.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, alg := range algs {
		access, refresh := &supply{}, &supply{}
		for i, one := range all {
			switch {
			case one.Client != s.clients[alg].id:
			case i < len(all)/2:
				access.left = append(access.left, one.Access)
			default:
				refresh.left = append(refresh.left, one.Refresh)
			}
		}
		s.unused[alg+accessKind], s.unused[alg+refreshKind] = access, refresh
	}
}

// holders signs n people in, and returns their names.
func (s *site) holders(t testing.TB, n int) []string {
	t.Helper()
	names := make([]string, n)
	c, to := s.dial(t), s.clients["ES256"]
	for i := range names {
		p := s.next(t)
		_, err := browser{}.signIn(c, to, p, 0)
		check(t, err)
		names[i] = p.Name
	}
	return names
}

// few are tokens of so many grants, of which a row takes one after another.
func few(t testing.TB, s *site, c client, on *conn) []string {
	t.Helper()
	b, _ := signedIn(t, s, on, c)
	tokens := make([]string, fewGrants)
	for i := range tokens {
		body, err := c.exchange(on, b.code(t, on, c))
		check(t, err)
		tokens[i], err = field(body, "access_token")
		check(t, err)
	}
	return tokens
}

// asksUserinfo asks with the tokens of tokensFor.
func asksUserinfo(kind string, part int) prepare {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		most, tokens := tokensFor(t, s, kind, "RS256", part)
		return most, func(on *conn, _, n int) error {
			return answers(on, "GET", "/userinfo", "Authorization: Bearer "+tokens[n%len(tokens)]+"\r\n", "", `"sub"`)
		}
	}
}

func asksIntrospection(kind string, part int) prepare {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		c := s.clients["ES256"]
		most, tokens := tokensFor(t, s, kind, "ES256", part)
		return most, func(on *conn, _, n int) error {
			return answers(on, "POST", "/introspect", c.basic, "token="+tokens[n%len(tokens)], `"active":true`)
		}
	}
}

// tokensFor are access tokens: a few again and again, or so many new ones, each once.
func tokensFor(t testing.TB, s *site, kind, alg string, part int) (most int, tokens []string) {
	t.Helper()
	if kind == remembered {
		return endless, few(t, s, s.clients[alg], s.dial(t))
	}
	tokens = s.unused[alg+accessKind].take(t, part)
	return len(tokens), tokens
}

// refreshesNew refreshes each time what the process has not seen.
func refreshesNew(alg string, part int) prepare {
	return func(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
		c, tokens := s.clients[alg], s.unused[alg+refreshKind].take(t, part)
		return len(tokens), func(on *conn, _, n int) error {
			_, err := c.refresh(on, tokens[n])
			return err
		}
	}
}

// credentials has a machine ask for a token of its own (RFC 6749, section 4.4).
func credentials(_ testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
	return endless, func(on *conn, _, _ int) error {
		a, err := on.ask("POST", "/token", s.machine.basic, "grant_type=client_credentials&scope=archive")
		if err == nil {
			_, err = field(a.body, "access_token")
		}
		if err != nil {
			return fmt.Errorf("client credentials: %w", err)
		}
		return nil
	}
}
