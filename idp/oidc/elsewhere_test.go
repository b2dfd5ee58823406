package oidc

import (
	"testing"

	"hilum/idp"
	"hilum/idp/store"
)

// elsewhere disables an application by another process on the same database, of which ours has
// heard nothing yet.
func (s *site) elsewhere(c *client) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := db.UpdateClient(s.t.Context(), c.ID, func(c *idp.Client) error { c.Disabled = true; return nil }); err != nil {
		s.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	if known, err := s.db.Client(s.t.Context(), c.ID); err != nil || known.Disabled {
		s.t.Fatalf("it is known here already: %v", err)
	}
}

// TestClientsDisabledElsewhere: nothing is given to a client from the moment at which it was
// disabled, also by an instance that serves it from its memory still.
func TestClientsDisabledElsewhere(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	pending := idp.Secret(b.get(pathAuthorize + "?" + request(c).Encode()).answered(t).Get("code"))
	if pending == "" {
		t.Fatal("the session gave no code")
	}
	other := s.browser()
	id := other.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	other.prove(id, anna)
	s.elsewhere(c)
	for what, r := range map[string]*reply{
		"a session": b.get(pathAuthorize + "?" + request(c).Encode()),
		"a sign-in": other.get(CollectPath + string(id)),
	} {
		if r.Header.Get("Location") != "" || r.body != "error page "+keyClient {
			t.Errorf("%s: %d %s %s", what, r.StatusCode, r.body, r.Header.Get("Location"))
		}
	}
	_, code := s.exchange(c, pending)
	_, refreshed := s.refresh(c, tok.Refresh)
	_, own := s.token(c, "grant_type", idp.GrantClientCredentials)
	for what, row := range map[string]struct {
		r    *reply
		want string
	}{
		"a code": {code, "400 invalid_grant"}, "a refresh token": {refreshed, "400 invalid_grant"}, "the client": {own, "401 invalid_client"},
	} {
		if got := said(t, row.r); got != row.want {
			t.Errorf("%s: %s, want %s", what, got, row.want)
		}
	}
}

func TestExchangersDisabledElsewhere(t *testing.T) {
	x := newExchangers(t, false)
	x.elsewhere(x.gateway)
	if _, r := x.swap(x.gateway, x.tok.Access, "audience", "archive"); said(t, r) != "401 invalid_client" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
