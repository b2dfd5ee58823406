package oidc

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// family is a public client whose refresh tokens are bound to a key, with a grace, and the
// first of them.
type family struct {
	*site
	client *client
	key    *ownKey
	first  string
	list   recent.Rejections
}

const tabGrace = 10 * time.Second

func newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{site: newSite(t), key: newKey(t, keyring.ES256, "")}
	f.server.conf.Rejected = f.list.Add
	f.client = f.addClient(func(c *idp.Client) {
		public(c)
		c.DPoP, c.RefreshGrace = true, tabGrace
	})
	tok, r := f.exchangeBy(f.client, f.proof(f.key), f.browser().signIn(f.addPerson("anna"), request(f.client)))
	if r.StatusCode != http.StatusOK || tok.Refresh == "" {
		t.Fatal(r.body)
	}
	f.first = tok.Refresh
	return f
}

func (f *family) proof(k *ownKey) string {
	return k.prove(f.t, f.proofOf("POST", pathToken, ""))
}

// renew uses a refresh token with a proof of a key.
func (f *family) renew(k *ownKey, token string) (*tokens, *reply) {
	f.t.Helper()
	return f.tokenBy(f.client, f.proof(k), "grant_type", idp.GrantRefresh, "refresh_token", token)
}

// next is the token that one is renewed by.
func (f *family) next(token string) string {
	f.t.Helper()
	got, r := f.renew(f.key, token)
	if r.StatusCode != http.StatusOK || got.Refresh == "" || got.Refresh == token || got.Type != "DPoP" {
		f.t.Fatalf("a tab is not served: %s", r.body)
	}
	return got.Refresh
}

// ended makes sure that none of the tokens of the family is good, unused as they may be.
func (f *family) ended(why string, tokens ...string) {
	f.t.Helper()
	for _, token := range tokens {
		if _, r := f.renew(f.key, token); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, `"invalid_grant"`) {
			f.t.Errorf("%s: a token of the family lives: %d %s", why, r.StatusCode, r.body)
		}
	}
}

// said makes sure that the audit log has the reuse, once.
func (f *family) said() {
	f.t.Helper()
	events, err := f.db.Events(f.t.Context(), 0, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Kind == idp.EventRefreshReplayed {
			n++
		}
	}
	if n != 1 {
		f.t.Errorf("the log has the reuse %d times", n)
	}
}

// TestTabsRenewAtOnce: a duplicated tab has the refresh token of the first. Of eight that use
// it at the same moment each gets tokens of its own, and goes on with them by itself.
func TestTabsRenewAtOnce(t *testing.T) {
	f := newFamily(t)
	const tabs = 8
	got := make([]string, tabs)
	proofs := make([]string, tabs)
	for i := range tabs {
		proofs[i] = f.proof(f.key)
	}
	var wg sync.WaitGroup
	for i := range tabs {
		wg.Go(func() { // ends with its answer
			tok, r := f.tokenBy(f.client, proofs[i], "grant_type", idp.GrantRefresh, "refresh_token", f.first)
			if r.StatusCode != http.StatusOK {
				t.Errorf("tab %d: %s", i, r.body)
			}
			got[i] = tok.Refresh
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if own := slices.Compact(slices.Sorted(slices.Values(got))); len(own) != tabs {
		t.Fatalf("%d refresh tokens for %d tabs", len(own), tabs)
	}
	f.clock.Add(5 * time.Minute)
	for i := range got {
		got[i] = f.next(got[i])
	}
	f.clock.Add(5 * time.Minute)
	for i := range got {
		got[i] = f.next(got[i])
	}
	// They are one family still: what ends it ends all.
	_, _ = f.renew(f.key, f.first)
	f.ended("the first token came again after ten minutes", got...)
	f.said()
}

// TestGraceTwice: the copy of a copy has the same right as the first.
func TestGraceTwice(t *testing.T) {
	f := newFamily(t)
	a, b := f.next(f.first), f.next(f.first)
	var all []string
	for _, token := range []string{a, b} {
		all = append(all, f.next(token), f.next(token))
	}
	f.clock.Add(time.Minute)
	for i := range all {
		all[i] = f.next(all[i])
	}
	// Of each branch a reuse is noticed as of a single one.
	if _, r := f.renew(f.key, b); r.StatusCode != http.StatusBadRequest {
		t.Fatal(r.body)
	}
	f.ended("a branch was reused after its grace", all...)
	f.said()
}

// TestGraceEnds, in time and in count, and with it the family.
func TestGraceEnds(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		f := newFamily(t)
		a := f.next(f.first)
		f.clock.Add(tabGrace)
		b := f.next(f.first)
		f.clock.Add(time.Microsecond)
		_, r := f.renew(f.key, f.first)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		f.ended("reuse after the grace", a, b)
		f.said()
	})
	t.Run("in count", func(t *testing.T) {
		f := newFamily(t)
		all := []string{f.next(f.first)}
		for range maxRepeats {
			all = append(all, f.next(f.first))
		}
		_, r := f.renew(f.key, f.first)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		f.ended("repeated too often", all...)
		f.said()
	})
	t.Run("when it is taken away", func(t *testing.T) {
		f := newFamily(t)
		a := f.next(f.first)
		f.editClient(f.client, func(c *idp.Client) { c.RefreshGrace = 0 })
		_, r := f.renew(f.key, f.first)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		f.ended("reuse without a grace", a)
	})
	t.Run("of a client that proves itself, in time alone", func(t *testing.T) {
		s := newSite(t)
		c := s.addClient(func(c *idp.Client) { c.RefreshGrace = tabGrace })
		first := s.mustExchange(c, s.browser().signIn(s.addPerson("anna"), request(c)))
		for range maxRepeats + 4 { // as many requests of a page may find its token old at once
			s.mustRefresh(c, first.Refresh)
		}
	})
}

// TestStolenWithoutItsKey: the grace is for who has the key. A used token in other hands was
// stolen, and ends the family at once; an unused one is of no use, and changes nothing.
func TestStolenWithoutItsKey(t *testing.T) {
	f := newFamily(t)
	thief := newKey(t, keyring.ES256, "")
	_, r := f.renew(thief, f.first)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	a := f.next(f.first)
	_, r = f.refresh(f.client, f.first)
	refused(t, r, http.StatusBadRequest, "invalid_dpop_proof")
	b := f.next(f.first)
	_, r = f.renew(thief, f.first)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if got := f.list.Of(f.client.ID)[0]; got.Reason != idp.RejectedKey {
		t.Errorf("its page says %+v", got)
	}
	f.ended("a used token came by another key", a, b)
	f.said()
	_, r = f.renew(thief, f.first) // and gets no other answer than before
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	f.said()
}
