package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hilum/e2e/crowd"
)

// cut is what a program takes away from a seat through the admin API.
type cut struct {
	method, path, kind, body string
}

// cuts are the ways to take something away that end sessions and tokens, one
// for each seat in turn. USER is the person's id.
var cuts = []cut{
	{http.MethodDelete, "/users/USER/sessions", "", ""},
	{http.MethodPost, "/users/USER/reopen", "application/json", `{"reason":"phone stolen"}`},
	{http.MethodPost, "/users/USER/disable", "application/json", `{"reason":"left the house"}`},
	{http.MethodPatch, "/users/USER", "application/merge-patch+json", `{"staff":"auditor","confirm_devices":["DEVICE"]}`},
}

// A provider that dies while it takes things away has taken from each person all
// or nothing, and all where it has said so.
func TestCrashWhileThingsAreCutOff(t *testing.T) { onEach(t, crashWhileThingsAreCutOff) }

func crashWhileThingsAreCutOff(t *testing.T) {
	n := 32
	if text := os.Getenv("SIGN_INS"); text != "" {
		all, err := strconv.Atoi(text)
		if err != nil || all < 30 {
			t.Fatalf("SIGN_INS=%q is not a number from 30 on", text)
		}
		n = max(n, all/4)
	}
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LIMITS_ADMIN_PER_MINUTE=0", "IDP_LOG_LEVEL=warn")
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), s.home, "p", n, crowd.Least))
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	program, _ := s.program(t, "Leavers", "hilum.admin")
	seats, requests := make([]*seat, n), make([]cut, n)
	for i, p := range people {
		seats[i] = &seat{
			person: &person{t: t, web: newBrowser(t), name: p.Name, password: crowd.Password, seed: p.Seed},
			rp: &party{
				t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile offline_access",
				verifier: strings.Repeat("verifier-", 6), web: s.client, state: "state-" + p.Name, nonce: "nonce-" + p.Name,
			},
		}
		seats[i].web.Transport = s.client.Transport
		seats[i].begins()
		seats[i].goesOn()
		if seats[i].second == nil {
			t.Fatalf("%s is not signed in", p.Name)
		}
		var found struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
		}
		program.ask(http.MethodGet, "/users?username="+p.Name, "", "", http.StatusOK, &found)
		var has struct {
			Devices []struct {
				ID string `json:"id"`
			} `json:"devices"`
		}
		program.ask(http.MethodGet, "/users/"+found.Items[0].ID+"/factors", "", "", http.StatusOK, &has)
		c := cuts[i%len(cuts)]
		c.path = strings.ReplaceAll(c.path, "USER", found.Items[0].ID)
		c.body = strings.ReplaceAll(c.body, "DEVICE", has.Devices[0].ID)
		requests[i] = c
	}

	said := make([]int, n) // what was answered; 0: nothing
	var answered atomic.Int64
	some, killed := make(chan struct{}), make(chan struct{})
	go func() { // ends with the provider, which is waited for below
		defer close(killed)
		<-some
		s.kill(t)
	}()
	queue := make(chan int, n)
	for i := range n {
		queue <- i
	}
	close(queue)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { // ends when everybody had their turn
			for i := range queue {
				c := requests[i]
				r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), c.method, program.base+c.path, strings.NewReader(c.body)))
				if c.body != "" {
					r.Header.Set("Content-Type", c.kind)
				}
				if res, err := program.http.Do(r); err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					if err == nil {
						said[i] = res.StatusCode
					}
				}
				if answered.Add(1) == int64(n/2) {
					close(some)
				}
			}
		})
	}
	wg.Wait()
	<-killed
	s.launch(t)

	taken, kept, unsaid := 0, 0, 0
	for i, seat := range seats {
		what := fmt.Sprintf("%s: %s %s, answered %d", seat.name, requests[i].method, requests[i].path, said[i])
		at := seat.get(seat.rp.authorize())
		session := at.url.Query().Get("code") != ""
		status, _, err := seat.rp.userinfo(seat.second.Access)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		tk, err := seat.rp.refresh(seat.second.Refresh)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		access, refresh := status == http.StatusOK, tk.Status == http.StatusOK
		switch {
		case session != access || access != refresh:
			t.Errorf("%s: session %t, access token %t, refresh token %t", what, session, access, refresh)
		case said[i] >= 300:
			t.Errorf("%s", what)
		case said[i] != 0 && session:
			t.Errorf("%s: and it goes on", what)
		case said[i] != 0:
			taken++
		case session:
			kept++
		default:
			unsaid++
		}
	}
	t.Logf("said and taken: %d, not said and kept: %d, not said and taken: %d; none in part", taken, kept, unsaid)
	if taken == 0 || kept == 0 {
		t.Error("that was not the middle")
	}
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify printed %s", out)
	}
}
