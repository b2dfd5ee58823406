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
	// The fields are looked at as if they had not come from our page: the person's
	// yes counts, and nobody is led anywhere.
	for why, form := range map[string]url.Values{
		"unregistered":     {"client_id": {string(c.ID)}, "post_logout_redirect_uri": {"https://evil.test/"}},
		"no client":        {"client_id": {"nobody"}, "post_logout_redirect_uri": {bye}},
		"no client at all": {"post_logout_redirect_uri": {bye}},
	} {
		b, _ := s.signedIn(c, anna)
		if r := b.post(pathConfirm, form, "Sec-Fetch-Site", "same-origin"); r.StatusCode != http.StatusOK || r.Header.Get("Location") != "" || b.inSession(c) {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
	if r := b.post(pathConfirm, url.Values{"state": {"a", "b"}}, "Sec-Fetch-Site", "same-origin"); r.StatusCode != http.StatusBadRequest || r.body != "error page "+keySignOut || !b.inSession(c) {
		t.Errorf("malformed: %d %s", r.StatusCode, r.body)
	}
}

// TestSignOutMeansOut: what is wrong with a request leads nobody anywhere, and keeps
// nobody from signing out. Where the ID token is of this very session they are out;
// else they are asked, and are out after their yes.
func TestSignOutMeansOut(t *testing.T) {
	s := newSite(t)
	c, other, anna := s.addClient(nil), s.addClient(nil), s.addPerson("anna")
	off := s.addClient(nil)
	s.editClient(off, func(c *idp.Client) { c.Disabled = true })
	for why, row := range map[string]struct {
		query func(tok *tokens) string
		asked bool
		noWay bool // the page says that there is no way back
	}{
		"made-up hint": {func(*tokens) string { return signOutQuery("id_token_hint", "x.y.z", "post_logout_redirect_uri", bye) }, true, false},
		"changed hint": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID[:len(tok.ID)-4]+"AAAA", "post_logout_redirect_uri", bye)
		}, true, false},
		"access token as hint": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.Access, "post_logout_redirect_uri", bye)
		}, true, false},
		"unregistered address": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", "https://evil.test/")
		}, false, true},
		"altered address": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye+"?x=1")
		}, false, true},
		"a page of the application": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", "https://viewer.test/viewer?StudyInstanceUIDs=1.2.3", "state", "x")
		}, false, true},
		"callback as address": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", callback)
		}, false, true},
		"address without a hint": {func(*tokens) string {
			return signOutQuery("client_id", string(c.ID), "post_logout_redirect_uri", "https://other.test/bye")
		}, true, true},
		"hint of another client": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "client_id", string(other.ID), "post_logout_redirect_uri", bye)
		}, true, false},
		"unknown client": {func(*tokens) string {
			return signOutQuery("client_id", "nobody", "post_logout_redirect_uri", bye)
		}, true, false},
		"disabled client": {func(*tokens) string {
			return signOutQuery("client_id", string(off.ID), "post_logout_redirect_uri", bye)
		}, true, false},
		"hint twice": {func(tok *tokens) string {
			return pathEndSession + "?id_token_hint=" + tok.ID + "&id_token_hint=" + tok.ID
		}, true, false},
		"address twice": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye) + "&post_logout_redirect_uri=x"
		}, true, false},
		"huge state": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "state", strings.Repeat("s", maxQuery))
		}, true, false},
		"huge query": {func(*tokens) string { return signOutQuery("x", strings.Repeat("s", maxQuery)) }, true, false},
		"malformed":  {func(*tokens) string { return pathEndSession + "?%zz" }, true, false},
		"line feed in the address": {func(tok *tokens) string {
			return signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye+"\n")
		}, true, false},
	} {
		b, tok := s.signedIn(c, anna)
		r := b.get(row.query(tok))
		if row.asked {
			if !strings.Contains(r.body, "<title>confirm sign-out") || !b.inSession(c) {
				t.Errorf("%s: not asked: %d %s %s", why, r.StatusCode, r.body, r.Header.Get("Location"))
				continue
			}
			action, fields := formOf(r.body)
			if fields.Has("post_logout_redirect_uri") {
				t.Errorf("%s: the page's form has %v", why, fields)
			}
			r = b.post(action, fields, "Sec-Fetch-Site", "same-origin")
		}
		if r.StatusCode != http.StatusOK || !strings.Contains(r.body, "<title>signed out") || r.Header.Get("Location") != "" || strings.Contains(r.body, "no way back") != row.noWay {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.body, r.Header.Get("Location"))
		}
		if b.inSession(c) || s.alive(tok.Access) {
			t.Errorf("%s: the session lives", why)
		}
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
		if r := b.get(signOutQuery("id_token_hint", hint, "post_logout_redirect_uri", bye)); !strings.Contains(r.body, "<title>confirm sign-out") || !b.inSession(c) {
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
	if _, err := s.server.readHint(string(mixed), s.issuer); err == nil {
		t.Error("a key's other algorithm is accepted")
	}
	right, err := sign(key, typeID, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.server.readHint(string(right), s.issuer); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
	for why, change := range map[string]string{
		"another issuer": strings.Replace(string(payload), s.issuer, "https://evil.test", 1),
		"nobody":         strings.Replace(string(payload), string(anna.ID), "", 1),
		"no JSON":        "[]",
	} {
		signed, _ := sign(key, typeID, []byte(change))
		if _, err := s.server.readHint(string(signed), s.issuer); err == nil {
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
	for why, r := range map[string]*reply{
		"query and form": b.post(pathEndSession+"?state=x", nil),
		"too long":       b.post(pathEndSession, url.Values{"x": {strings.Repeat("s", maxQuery)}}),
	} {
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != pathEndSession {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
}
