package e2e

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/totp"
)

// seat is somebody who signs in while the power fails, with all that they and
// their application were answered.
type seat struct {
	*person
	rp     *party
	at     *page // where the code is typed
	step   int64 // time step of the code that was typed
	in     bool  // the redirect to the application was answered
	code   string
	sent   bool // the code went to the token endpoint
	first  *tokens
	turned bool // the first refresh token went there
	second *tokens
}

// begins goes as far as the password.
func (s *seat) begins() {
	at := s.get(s.rp.authorize())
	s.at = s.submit(at, "password-form", url.Values{"username": {s.name}, "password": {s.password}})
}

// goesOn goes the rest of the way, until it is done or an answer does not come.
func (s *seat) goesOn() {
	s.step = totp.Step(time.Now())
	to, form := s.fill(s.at, "code-form", url.Values{"code": {totp.Code(s.seed, time.Unix(s.step*totp.Period, 0))}})
	at, err := readPage(s.send(http.MethodPost, to, form))
	if err != nil {
		return
	}
	s.code, s.in = s.rp.answer(at), true
	s.sent = true
	if s.first, err = s.rp.exchange(s.code); err != nil {
		s.first = nil
		return
	}
	s.turned = true
	if s.second, err = s.rp.refresh(s.first.Refresh); err != nil {
		s.second = nil
	}
}

// keeps sees that what was answered before the crash is true after it.
func (s *seat) keeps() {
	good := func(what string, tk *tokens, err error) {
		if err != nil || tk.Status != http.StatusOK || tk.Access == "" {
			s.t.Errorf("%s: %s was answered before the crash and is gone: %+v %v", s.name, what, tk, err)
		}
	}
	known := func(what string, tk *tokens) {
		if status, claims, err := s.rp.userinfo(tk.Access); err != nil || status != http.StatusOK || claims["preferred_username"] != s.name {
			s.t.Errorf("%s: %s was answered before the crash: userinfo %d %v %v", s.name, what, status, claims, err)
		}
	}
	// What was asked and not answered may have happened or not; it is one of
	// the two, and never a fault.
	either := func(what string, tk *tokens, err error) *tokens {
		if err == nil && tk.Status == http.StatusOK && tk.Access != "" {
			return tk
		}
		if err != nil || tk.Status != http.StatusBadRequest || tk.Error != "invalid_grant" {
			s.t.Errorf("%s: %s was cut off: %+v %v", s.name, what, tk, err)
		}
		return nil
	}
	if s.in {
		at := s.get(s.rp.authorize())
		if at.url.Query().Get("code") == "" {
			s.t.Errorf("%s: was signed in before the crash, then saw %d at %s", s.name, at.status, at.url)
		}
	}
	if s.in && s.first == nil {
		if tk, err := s.rp.exchange(s.code); s.sent {
			s.first = either("the redemption", tk, err)
		} else {
			good("the code", tk, err)
			s.first = tk
		}
		s.sent = true
	}
	if s.first != nil && s.second == nil {
		known("the first access token", s.first)
		if tk, err := s.rp.refresh(s.first.Refresh); s.turned {
			s.second = either("the rotation", tk, err)
		} else {
			good("the refresh token", tk, err)
			s.second = tk
		}
		s.turned = true
	} else if s.first != nil {
		known("the first access token", s.first)
		known("the second access token", s.second)
		tk, err := s.rp.refresh(s.second.Refresh)
		good("the second refresh token", tk, err)
	}
}

// stranger types at another workstation the code that was spent here. It
// reports whether the code would have been good, had it not been spent.
func (s *seat) stranger() (fresh bool) {
	thief := *s.person
	thief.elsewhere()
	at := thief.get(s.rp.authorize())
	at = thief.submit(at, "password-form", url.Values{"username": {s.name}, "password": {s.password}})
	at = thief.submit(at, "code-form", url.Values{"code": {totp.Code(s.seed, time.Unix(s.step*totp.Period, 0))}})
	if at.status != http.StatusUnprocessableEntity {
		s.t.Errorf("%s: a code that was spent before the crash: status %d at %s", s.name, at.status, at.url)
	}
	return totp.Step(time.Now()) <= s.step+1
}

// replays sends once more what was spent. It ends the grant, so it comes last.
func (s *seat) replays() {
	refused := func(what string, tk *tokens, err error) {
		if err != nil || tk.Status != http.StatusBadRequest || tk.Error != "invalid_grant" {
			s.t.Errorf("%s: %s worked a second time: %+v %v", s.name, what, tk, err)
		}
	}
	if s.second != nil {
		tk, err := s.rp.refresh(s.first.Refresh)
		refused("a refresh token", tk, err)
	}
	if s.sent {
		tk, err := s.rp.exchange(s.code)
		refused("a code", tk, err)
	}
}

// finishes is what a person does whose sign-in was cut off. Who has not typed
// the code yet types it on the page that is still there; who has cannot know
// whether it was spent, begins again and takes the next.
func (s *seat) finishes() {
	if s.at == nil {
		s.begins()
	}
	if s.step == 0 {
		s.goesOn()
		if s.second == nil {
			s.t.Errorf("%s: did not get to the end after the crash", s.name)
		}
		return
	}
	at := s.get(s.rp.authorize())
	if at.url.Query().Get("code") != "" {
		return // the last step had been taken after all
	}
	at = s.submit(at, "password-form", url.Values{"username": {s.name}, "password": {s.password}})
	s.spent = s.step
	s.rp.answer(s.submit(at, "code-form", url.Values{"code": {s.person.code()}}))
}

// A provider that dies in the middle of many sign-ins has lost nothing that it
// has answered, and nothing that was spent works again.
func TestCrashInTheMiddleOfManySignIns(t *testing.T) { onEach(t, crashInTheMiddleOfManySignIns) }

func crashInTheMiddleOfManySignIns(t *testing.T) {
	n := 60
	if text := os.Getenv("SIGN_INS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 30 {
			t.Fatalf("SIGN_INS=%q is not a number from 30 on", text)
		}
	}
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LOG_LEVEL=warn")
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), s.home, "p", n, crowd.Least))
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	seats := make([]*seat, n)
	for i, p := range people {
		seats[i] = &seat{
			person: &person{t: t, web: newBrowser(t), name: p.Name, password: crowd.Password, seed: p.Seed},
			rp: &party{
				t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile offline_access",
				verifier: strings.Repeat("verifier-", 6), web: s.client, state: "state-" + p.Name, nonce: "nonce-" + p.Name,
			},
		}
		seats[i].web.Transport = s.client.Transport
	}

	each := func(seats []*seat, atOnce int, do func(*seat)) {
		t.Helper()
		queue := make(chan *seat, len(seats))
		for _, s := range seats {
			queue <- s
		}
		close(queue)
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() { // ends when everybody had their turn
				for s := range queue {
					do(s)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	const hashing = 4 // passwords at once; more would only wait

	const typing = 12 // codes at once, so that the power fails at every stage of somebody's sign-in

	// A third is done. The power fails in the middle of the second, and the last
	// has only given the password.
	done, crowded, begun := seats[:n/3], seats[n/3:2*n/3], seats[2*n/3:]
	each(done, hashing, func(s *seat) { s.begins(); s.goesOn() })
	each(crowded, hashing, (*seat).begins)
	each(begun, hashing, (*seat).begins)
	var answered atomic.Int64
	some, killed, now := make(chan struct{}), make(chan struct{}), int64(len(crowded)/2)
	go func() { // ends with the provider, which is waited for below
		defer close(killed)
		<-some
		s.kill(t)
	}()
	each(crowded, typing, func(s *seat) {
		s.goesOn()
		if answered.Add(1) == now {
			close(some)
		}
	})
	<-killed
	s.launch(t)

	var in, redeemed, rotated, noCode, noTokens, noRotation, fresh int
	for _, s := range seats {
		count := func(n *int, is bool) {
			if is {
				*n++
			}
		}
		count(&in, s.in)
		count(&redeemed, s.first != nil)
		count(&rotated, s.second != nil)
		count(&noCode, s.step != 0 && !s.in)
		count(&noTokens, s.sent && s.first == nil)
		count(&noRotation, s.turned && s.second == nil)
	}
	t.Logf("answered before the crash: %d sign-ins, %d redemptions, %d rotations; cut off: %d, %d, %d",
		in, redeemed, rotated, noCode, noTokens, noRotation)
	if in < len(done) || noCode+noTokens+noRotation == 0 {
		t.Fatal("that was not the middle")
	}
	var counted sync.Mutex
	for _, who := range [][]*seat{crowded, done} { // codes get too old to tell: the latest first
		each(who, hashing, func(s *seat) {
			if s.in && s.stranger() {
				counted.Lock()
				fresh++
				counted.Unlock()
			}
		})
	}
	if fresh == 0 {
		t.Error("every spent code was too old to tell whether it was spent")
	}
	t.Logf("%d codes were spent before the crash, would still be good after it, and were refused", fresh)
	each(seats, hashing, (*seat).keeps)
	each(seats, hashing, func(s *seat) {
		if !s.in {
			s.finishes()
		}
	})
	each(seats, hashing, (*seat).replays)
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify printed %s", out)
	}
}
