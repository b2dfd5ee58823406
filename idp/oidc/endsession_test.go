package oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
)

// signedIn is a person's browser with a session, and its tokens.
func (s *site) signedIn(c *client, p *person) (*browser, *tokens) {
	s.t.Helper()
	b := s.browser()
	return b, s.mustExchange(c, b.signIn(p, request(c)))
}

// inSession reports whether the browser still has its session.
func (b *browser) inSession(c *client) bool {
	b.s.t.Helper()
	return b.get(pathAuthorize + "?" + request(c, "prompt", "none").Encode()).answered(b.s.t).Has("code")
}

func signOutQuery(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return pathEndSession + "?" + q.Encode()
}

const bye = "https://viewer.test/bye"

func TestSignOutWithAnIDToken(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	s.clock.Add(30 * time.Minute) // the ID token has expired
	r := b.get(signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye, "state", "s&t"))
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != bye+"?state=s%26t" {
		t.Fatalf("%d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	if b.inSession(c) || s.alive(tok.Access) {
		t.Error("the session lives")
	}
	_, refreshed := s.refresh(c, tok.Refresh)
	refused(t, refreshed, http.StatusBadRequest, "invalid_grant")
	// Once more: nothing left to end, and still led back.
	if r := b.get(signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye)); r.Header.Get("Location") != bye {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	b, tok = s.signedIn(c, anna)
	if r := b.get(signOutQuery("id_token_hint", tok.ID)); !strings.Contains(r.body, "<title>signed out Viewer</title>") || b.inSession(c) {
		t.Errorf("without an address: %d %s", r.StatusCode, r.body)
	}
}

// TestBareEndSessionEndsNothing: any site can make a browser ask for it.
func TestBareEndSessionEndsNothing(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, _ := s.signedIn(c, anna)
	_, elsewhere := s.signedIn(c, anna)
	for why, path := range map[string]string{
		"nothing":            pathEndSession,
		"a client":           signOutQuery("client_id", string(c.ID)),
		"with an address":    signOutQuery("client_id", string(c.ID), "post_logout_redirect_uri", bye),
		"address alone":      signOutQuery("post_logout_redirect_uri", bye),
		"another session's":  signOutQuery("id_token_hint", elsewhere.ID, "post_logout_redirect_uri", bye),
		"logout_hint, state": signOutQuery("logout_hint", "anna", "state", "x", "ui_locales", "de"),
	} {
		r := b.get(path)
		if r.StatusCode != http.StatusOK || !strings.Contains(r.body, "<title>confirm sign-out") || r.Header.Get("Location") != "" || !b.inSession(c) {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
	if !s.alive(elsewhere.Access) {
		t.Error("another browser's session was ended")
	}
}

func TestConfirmedSignOut(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	action, fields := formOf(b.get(pathEndSession).body)
	if action != pathConfirm || len(fields) != 0 {
		t.Fatalf("%s %v", action, fields)
	}
	if r := b.post(action, fields, "Sec-Fetch-Site", "same-origin"); r.StatusCode != http.StatusOK || !strings.Contains(r.body, "<title>signed out </title>") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if b.inSession(c) || s.alive(tok.Access) {
		t.Error("the session lives")
	}

	b, _ = s.signedIn(c, anna)
	action, fields = formOf(b.get(signOutQuery("client_id", string(c.ID), "post_logout_redirect_uri", bye, "state", "x")).body)
	if r := b.post(action, fields, "Sec-Fetch-Site", "same-origin"); r.Header.Get("Location") != bye+"?state=x" || b.inSession(c) {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	// The address alone cannot be compared with anything: nobody is led there.
	b, _ = s.signedIn(c, anna)
	action, fields = formOf(b.get(signOutQuery("post_logout_redirect_uri", bye)).body)
	if r := b.post(action, fields, "Sec-Fetch-Site", "same-origin"); r.Header.Get("Location") != "" || b.inSession(c) {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
}

func TestConfirmIsNotForOtherSites(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, _ := s.signedIn(c, anna)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.test"}} {
		if r := b.post(pathConfirm, nil, headers...); r.StatusCode != http.StatusForbidden || r.body != "error page "+keyForeign || !b.inSession(c) {
			t.Errorf("%v: %d %s", headers, r.StatusCode, r.body)
		}
	}
	if r := b.get(pathConfirm); r.StatusCode != http.StatusMethodNotAllowed || !b.inSession(c) {
		t.Errorf("GET: %d", r.StatusCode)
	}
	// The fields are looked at as if they had not come from our page.
	for why, form := range map[string]url.Values{
		"unregistered": {"client_id": {string(c.ID)}, "post_logout_redirect_uri": {"https://evil.test/"}},
		"no client":    {"client_id": {"nobody"}},
		"twice":        {"state": {"a", "b"}},
	} {
		if r := b.post(pathConfirm, form, "Sec-Fetch-Site", "same-origin"); r.StatusCode != http.StatusBadRequest || r.body != "error page "+keySignOut || !b.inSession(c) {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
}

// TestUntrustedSignOutsLeadNowhere: a page, no redirect, and nothing is ended.
func TestUntrustedSignOutsLeadNowhere(t *testing.T) {
	s := newSite(t)
	c, other, anna := s.addClient(nil), s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	for why, path := range map[string]string{
		"made-up hint":             signOutQuery("id_token_hint", "x.y.z", "post_logout_redirect_uri", bye),
		"changed hint":             signOutQuery("id_token_hint", tok.ID[:len(tok.ID)-4]+"AAAA", "post_logout_redirect_uri", bye),
		"access token as hint":     signOutQuery("id_token_hint", tok.Access, "post_logout_redirect_uri", bye),
		"unregistered address":     signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", "https://evil.test/"),
		"altered address":          signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye+"?x=1"),
		"callback as address":      signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", callback),
		"hint of another client":   signOutQuery("id_token_hint", tok.ID, "client_id", string(other.ID)),
		"unknown client":           signOutQuery("client_id", "nobody"),
		"address, another client":  signOutQuery("client_id", string(c.ID), "post_logout_redirect_uri", "https://other.test/bye"),
		"hint twice":               pathEndSession + "?id_token_hint=" + tok.ID + "&id_token_hint=" + tok.ID,
		"address twice":            signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye) + "&post_logout_redirect_uri=x",
		"huge state":               signOutQuery("id_token_hint", tok.ID, "state", strings.Repeat("s", maxQuery)),
		"huge query":               signOutQuery("x", strings.Repeat("s", maxQuery)),
		"malformed":                pathEndSession + "?%zz",
		"line feed in the address": signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye+"\n"),
	} {
		r := b.get(path)
		if r.StatusCode != http.StatusBadRequest || r.body != "error page "+keySignOut || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.body, r.Header.Get("Location"))
		}
	}
	if !b.inSession(c) {
		t.Error("a session was ended")
	}
}

// TestLogoutTokenIsNoHint, nor is an at+jwt access token: both are ours, well
// signed, and of another type.
func TestLogoutTokenIsNoHint(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	claims := claimsOf(t, tok.ID)
	key, err := ring().Signer(keyring.RS256)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"iss":"` + s.issuer + `","sub":"` + string(anna.ID) + `","aud":"` + string(c.ID) + `","sid":"` + claims["sid"].(string) + `"}`)
	hints := map[string]string{"at+jwt": tok.Access}
	for _, typ := range []string{"logout+jwt", "", "jwt"} {
		signed, err := sign(key, typ, payload)
		if err != nil {
			t.Fatal(err)
		}
		hints[typ] = string(signed)
	}
	for typ, hint := range hints {
		if r := b.get(signOutQuery("id_token_hint", hint, "post_logout_redirect_uri", bye)); r.body != "error page "+keySignOut || !b.inSession(c) {
			t.Errorf("typ %q at end_session: %d %s", typ, r.StatusCode, r.Header.Get("Location"))
		}
		if got := b.get(pathAuthorize + "?" + request(c, "id_token_hint", hint).Encode()).answered(t); got.Get("error") != codeInvalidRequest {
			t.Errorf("typ %q at authorize: %v", typ, got)
		}
	}
	// A key signs with its own algorithm only.
	mixed, err := sign(keyring.Key{ID: key.ID, Alg: keyring.PS256, Signer: key.Signer}, typeID, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.server.readHint(string(mixed)); err == nil {
		t.Error("a key's other algorithm is accepted")
	}
	right, err := sign(key, typeID, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.server.readHint(string(right)); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
	for why, change := range map[string]string{
		"another issuer": strings.Replace(string(payload), s.issuer, "https://evil.test", 1),
		"nobody":         strings.Replace(string(payload), string(anna.ID), "", 1),
		"no JSON":        "[]",
	} {
		signed, _ := sign(key, typeID, []byte(change))
		if _, err := s.server.readHint(string(signed)); err == nil {
			t.Errorf("%s is a hint", why)
		}
	}
}

func TestSignOutWithoutASession(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	_, tok := s.signedIn(c, anna)
	b := s.browser()
	if r := b.get(pathEndSession); !strings.Contains(r.body, "<title>signed out") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := b.get(signOutQuery("client_id", string(c.ID), "post_logout_redirect_uri", bye)); r.Header.Get("Location") != "" || !strings.Contains(r.body, "<title>signed out Viewer") {
		t.Errorf("led on without an ID token: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := b.get(signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye, "state", "x")); r.Header.Get("Location") != bye+"?state=x" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if !s.alive(tok.Access) {
		t.Error("another browser's session was ended")
	}
}

// TestSignOutByPost: a form of another site brings no cookies, so it goes on by GET.
func TestSignOutByPost(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	r := b.post(pathEndSession, url.Values{"id_token_hint": {tok.ID}, "post_logout_redirect_uri": {bye}, "state": {"x"}}, "Sec-Fetch-Site", "cross-site")
	if r.StatusCode != http.StatusSeeOther || !b.inSession(c) {
		t.Fatalf("%d", r.StatusCode)
	}
	if r := b.get(r.Header.Get("Location")); r.Header.Get("Location") != bye+"?state=x" || b.inSession(c) {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := b.post(pathEndSession+"?state=x", nil); r.body != "error page "+keySignOut {
		t.Errorf("query and form: %d %s", r.StatusCode, r.body)
	}
}
