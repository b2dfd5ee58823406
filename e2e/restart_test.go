package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"

	"hilum/cmd/phone/phone"
	"hilum/e2e/crowd"
	"hilum/idp"
)

// waiting is somebody who waits at a browser while their phone answers.
type waiting struct {
	*person
	rp    *party
	phone *phone.Client
	at    *page
	ch    *phone.Challenge
	told  bool // the phone was told that it is settled
}

// gets goes on in the browser and gives the code to the application.
func (w *waiting) gets() bool {
	at := w.get(w.at.url.String())
	if find(at.doc, byID("phone-form")) == nil {
		return false
	}
	at = w.submit(at, "phone-form", nil)
	tk, err := w.rp.exchange(w.rp.answer(at))
	return err == nil && tk.Status == http.StatusOK
}

// The power fails while many sign-ins wait and answers are in flight: what a
// phone was told is settled gets its browser in, and nothing is approved twice.
func TestPhonesThroughARestart(t *testing.T) { onEach(t, phonesThroughARestart) }

func phonesThroughARestart(t *testing.T) {
	n := 60
	if text := os.Getenv("SIGN_INS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 30 {
			t.Fatalf("SIGN_INS=%q is not a number from 30 on", text)
		}
	}
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LOG_LEVEL=warn", "IDP_PUSH_MATCH=tap")
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), s.home, "p", n, crowd.Least))
	if err := crowd.Link(context.Background(), s.home, people); err != nil {
		t.Fatal(err)
	}
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	all := make([]*waiting, n)
	for i, p := range people {
		all[i] = &waiting{
			person: &person{t: t, web: newBrowser(t), name: p.Name, password: crowd.Password, seed: p.Seed},
			rp: &party{
				t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid",
				verifier: strings.Repeat("verifier-", 6), web: s.client, state: "state-" + p.Name, nonce: "nonce-" + p.Name,
			},
			phone: &phone.Client{HTTP: s.client, Account: &phone.Account{Device: p.Phone, Issuer: s.issuer, Name: p.Name, Key: jose.JSONWebKey{Key: p.Key}}},
		}
		all[i].web.Transport = s.client.Transport
	}
	each := func(atOnce int, do func(*waiting)) {
		t.Helper()
		queue := make(chan *waiting, n)
		for _, w := range all {
			queue <- w
		}
		close(queue)
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() { // ends when everybody had their turn
				for w := range queue {
					do(w)
				}
			})
		}
		wg.Wait()
	}
	each(8, func(w *waiting) {
		at := w.get(w.rp.authorize())
		w.at = w.submit(at, "password-form", url.Values{"username": {w.name}, "password": {w.password}})
		list, err := w.phone.Challenges(t.Context(), 0)
		if err != nil || len(list) != 1 {
			t.Errorf("%s is asked %v, %v", w.name, list, err)
			return
		}
		w.ch = &list[0]
	})
	if t.Failed() {
		return
	}

	var answered atomic.Int64
	half, killed := make(chan struct{}), make(chan struct{})
	go func() { // ends with the provider, which is waited for below
		defer close(killed)
		<-half
		s.kill(t)
	}()
	each(24, func(w *waiting) {
		state, err := w.phone.Answer(t.Context(), w.ch, phone.Decision{Approve: true})
		w.told = err == nil && state == "approved"
		if answered.Add(1) == int64(n/2) {
			close(half)
		}
	})
	<-killed
	s.launch(t)

	told, in, again := 0, 0, 0
	for _, w := range all {
		if w.told {
			told++
		}
	}
	if told == 0 || told == n {
		t.Fatalf("%d of %d had been told: that was not the middle", told, n)
	}
	var mu sync.Mutex
	each(8, func(w *waiting) {
		if !w.told { // the phone tries again, as it does when no answer came
			state, err := w.phone.Answer(t.Context(), w.ch, phone.Decision{Approve: true})
			var e *phone.Error
			if errors.As(err, &e) && (e.Code == "expired" || e.Code == "withdrawn") || err != nil && strings.Contains(err.Error(), "too old") {
				return // it took the machine more than two minutes
			}
			if err != nil || state != "approved" {
				t.Errorf("%s: answered again: %s, %v", w.name, state, err)
				return
			}
			mu.Lock()
			again++
			mu.Unlock()
		}
		if !w.gets() {
			t.Errorf("%s: the phone was told (before the crash: %t), the browser is not in", w.name, w.told)
			return
		}
		mu.Lock()
		in++
		mu.Unlock()
	})
	t.Logf("%d sign-ins waited; %d phones were told before the crash, %d after it; %d browsers are in", n, told, again, in)

	// Once each, says the log.
	cmd := s.cmd
	s.stop(t, cmd)
	s.cmd = nil
	db := openStore(t, s.home)
	defer db.Close()
	if err := db.VerifyEvents(context.Background()); err != nil {
		t.Error(err)
	}
	approved, factors := map[string]int{}, map[idp.LoginID]int{}
	for after, more := int64(0), true; more; {
		events := must[[]idp.Event](t)(db.Events(context.Background(), after, 1000))
		for _, e := range events {
			after = e.Seq
			switch e.Kind {
			case idp.EventPhoneApproved:
				approved[e.Detail["cid"]]++
			case idp.EventFactorRight:
				factors[e.Login]++
			}
		}
		more = len(events) > 0
	}
	for cid, n := range approved {
		if n != 1 {
			t.Errorf("challenge %s was approved %d times", cid, n)
		}
	}
	if len(approved) < told+again || len(factors) < in {
		text, _ := json.Marshal(approved)
		t.Errorf("%d approvals in the log, %d sign-ins: %s", len(approved), len(factors), text)
	}
	for l, n := range factors {
		if n != 1 {
			t.Errorf("sign-in %s took its second factor %d times", l, n)
		}
	}
}

func byID(id string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attr(n, "id") == id }
}
