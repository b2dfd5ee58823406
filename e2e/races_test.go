package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rivals is how many want the same thing at the same instant.
const rivals = 100

// rounds is how often they do: ROUNDS, or else what make test has time for.
func rounds(t *testing.T, usual int) int {
	t.Helper()
	s := os.Getenv("ROUNDS")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("ROUNDS=%q is not a number of rounds", s)
	}
	return n
}

// atOnce runs do for each of n, all let go together, each on its way before
// the first has come back, and returns how each ended.
func atOnce[T any](t *testing.T, n int, do func(i int) (T, error)) []T {
	t.Helper()
	results, errs := make([]T, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i], errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("rival %d: %v", i, err)
		}
	}
	if t.Failed() { // one of them has said why
		t.FailNow()
	}
	return results
}

// winner returns the one answer that has tokens, and sees that all others were
// refused as RFC 6749, section 5.2, says.
func winner(t *testing.T, round int, answers []*tokens) *tokens {
	t.Helper()
	var won *tokens
	for i, tk := range answers {
		switch {
		case tk.Status == http.StatusOK && tk.Access != "" && tk.ID != "":
			if won != nil {
				t.Fatalf("round %d: a second winner", round)
			}
			won = tk
		case tk.Status != http.StatusBadRequest || tk.Error != "invalid_grant" || tk.Access+tk.Refresh+tk.ID != "":
			t.Fatalf("round %d: rival %d: %+v", round, i, tk)
		}
	}
	if won == nil {
		t.Fatalf("round %d: no winner", round)
	}
	return won
}

// manyConnections keeps one connection open for each rival, so that they meet
// at the provider and not in front of it.
func manyConnections(p *party) *party {
	q := *p
	q.web = &http.Client{Timeout: p.web.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: rivals}}
	return &q
}

// Whoever steals an authorization code gets nothing beside its owner, and what
// the owner got dies with the theft (RFC 6749, section 4.1.2).
func TestRivalsForOneCode(t *testing.T) {
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	rp := manyConnections(d.confidential(t))
	rp.answer(anna.signIn(rp.authorize()))
	for round := range rounds(t, 50) {
		code := rp.answer(anna.get(rp.authorize())) // the session answers
		won := winner(t, round, atOnce(t, rivals, func(int) (*tokens, error) { return rp.exchange(code) }))
		stayDead(t, rp, won)
	}
}

// A refresh token works once; a second use ends the family (RFC 9700, section 4.14.2).
func TestRivalsForOneRefreshToken(t *testing.T) {
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	rp := manyConnections(d.public(t))
	rp.answer(anna.signIn(rp.authorize()))
	for round := range rounds(t, 50) {
		tk := must[*tokens](t)(rp.exchange(rp.answer(anna.get(rp.authorize()))))
		if tk.Refresh == "" {
			t.Fatalf("round %d: no refresh token: %+v", round, tk)
		}
		won := winner(t, round, atOnce(t, rivals, func(int) (*tokens, error) { return rp.refresh(tk.Refresh) }))
		stayDead(t, rp, won, tk.Access)
	}
}

// stayDead sees that what a replayed code or refresh token gave is of no use.
func stayDead(t *testing.T, rp *party, won *tokens, others ...string) {
	t.Helper()
	for _, access := range append(others, won.Access) {
		if status, _, err := rp.userinfo(access); err != nil || status != http.StatusUnauthorized {
			t.Fatalf("an access token lived on after the replay: %d %v", status, err)
		}
	}
	if won.Refresh == "" {
		return
	}
	if tk := must[*tokens](t)(rp.refresh(won.Refresh)); tk.Error != "invalid_grant" {
		t.Fatalf("a refresh token lived on after the replay: %+v", tk)
	}
}

// A six-digit code lets one browser in, however many know it and however
// exactly they meet (RFC 6238, section 5.2). Each round has a person of its own,
// since a person has a fresh code only every 30 seconds.
func TestRivalsForOneTimeStep(t *testing.T) {
	d := startDemo(t)
	rp := d.confidential(t)
	for round := range rounds(t, 2) {
		var p *person
		if round == 0 {
			p = newPerson(t, d.Username, d.Password, d.TOTPSecret)
		} else {
			p = d.invite(t, "rival-"+strconv.Itoa(round))
		}
		browsers := make([]*person, rivals)
		forms := make([]*page, rivals)
		begin := func(i int) {
			q := *p
			q.elsewhere()
			browsers[i] = &q
			forms[i] = q.submit(q.get(rp.authorize()), "password-form", url.Values{"username": {q.name}, "password": {q.password}})
		}
		for i := 0; i < rivals; i += 4 { // no more at once than passwords are hashed
			var wg sync.WaitGroup
			for j := i; j < i+4; j++ {
				wg.Go(func() { begin(j) })
			}
			wg.Wait()
		}
		code := p.code()
		in := 0
		for i, at := range atOnce(t, rivals, func(i int) (*page, error) {
			return browsers[i].submit(forms[i], "code-form", url.Values{"code": {code}}), nil
		}) {
			switch {
			case strings.HasPrefix(at.url.String(), rp.redirect+"?"):
				rp.answer(at)
				in++
			case at.status != http.StatusUnprocessableEntity && at.status != http.StatusTooManyRequests: // spent codes count
				t.Errorf("round %d: rival %d: status %d at %s", round, i, at.status, at.url)
			}
		}
		if in != 1 {
			t.Fatalf("round %d: one code let %d browsers in", round, in)
		}
	}
}
