package oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
)

// selfRegistered is an application that has registered itself, and by what.
type selfRegistered struct {
	*registeredClient
	initial   idp.Secret
	initialID idp.RegistrationTokenID
}

// TestOwnRegistrations is who asks for, changes and deletes which registration × what comes: with
// wrong, foreign, revoked, expired and rotated tokens. Nothing changes but where it says so.
func TestOwnRegistrations(t *testing.T) {
	_, s := partyAndRegistrar(t)
	register := func(change func(*idp.RegistrationToken)) *selfRegistered {
		initial, id := s.initialForAll(change)
		return &selfRegistered{s.metadataCall("POST", pathRegister, initial, plainMetadata).registered(t, http.StatusCreated), initial, id}
	}
	desk := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	other := register(nil)
	rotated := func(a *selfRegistered) string {
		s.metadataCall("PUT", pathRegister+"/"+a.ID, idp.Secret(a.Token), `{"client_id":"`+a.ID+`","redirect_uris":["https://rp.example/cb"]}`).registered(t, http.StatusOK)
		return a.Token
	}
	blocked := func(a *selfRegistered) string {
		if n, err := s.desk.BlockRegistered(t.Context(), s.admin, a.initialID); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		return a.Token
	}
	for _, row := range []struct {
		why    string
		method string
		body   string // of a PUT, after client_id
		before func(a *selfRegistered) (token string)
		want   int
		code   string
	}{
		// By its own token, which is good.
		{"GET by its own", "GET", "", nil, 200, ""},
		{"PUT by its own", "PUT", `"redirect_uris":["https://rp.example/new"]`, nil, 200, ""},
		{"DELETE by its own", "DELETE", "", nil, 204, ""},
		// By others.
		{"GET by none", "GET", "", func(*selfRegistered) string { return "" }, 401, codeInvalidToken},
		{"PUT by none", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(*selfRegistered) string { return "" }, 401, codeInvalidToken},
		{"DELETE by none", "DELETE", "", func(*selfRegistered) string { return "" }, 401, codeInvalidToken},
		{"GET by one made up", "GET", "", func(*selfRegistered) string { return idp.NewToken().Reveal() }, 401, codeInvalidToken},
		{"PUT by one made up", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(*selfRegistered) string { return idp.NewToken().Reveal() }, 401, codeInvalidToken},
		{"DELETE by one made up", "DELETE", "", func(*selfRegistered) string { return idp.NewToken().Reveal() }, 401, codeInvalidToken},
		{"GET by another's", "GET", "", func(*selfRegistered) string { return other.Token }, 401, codeInvalidToken},
		{"PUT by another's", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(*selfRegistered) string { return other.Token }, 401, codeInvalidToken},
		{"DELETE by another's", "DELETE", "", func(*selfRegistered) string { return other.Token }, 401, codeInvalidToken},
		{"GET by the initial one", "GET", "", func(a *selfRegistered) string { return a.initial.Reveal() }, 401, codeInvalidToken},
		{"PUT by the initial one", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(a *selfRegistered) string { return a.initial.Reveal() }, 401, codeInvalidToken},
		{"DELETE by the initial one", "DELETE", "", func(a *selfRegistered) string { return a.initial.Reveal() }, 401, codeInvalidToken},
		{"GET by the client secret", "GET", "", func(a *selfRegistered) string { return a.Secret }, 401, codeInvalidToken},
		{"DELETE by the client secret", "DELETE", "", func(a *selfRegistered) string { return a.Secret }, 401, codeInvalidToken},
		// By the one of before a change.
		{"GET by the one of before", "GET", "", rotated, 401, codeInvalidToken},
		{"PUT by the one of before", "PUT", `"redirect_uris":["https://rp.example/new"]`, rotated, 401, codeInvalidToken},
		{"DELETE by the one of before", "DELETE", "", rotated, 401, codeInvalidToken},
		// The initial access token was revoked: it reads and deletes, and changes nothing.
		{"GET, the initial one revoked", "GET", "", func(a *selfRegistered) string {
			desk(s.desk.RevokeRegistrationToken(t.Context(), s.admin, a.initialID))
			return a.Token
		}, 200, ""},
		{"PUT, the initial one revoked", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(a *selfRegistered) string {
			desk(s.desk.RevokeRegistrationToken(t.Context(), s.admin, a.initialID))
			return a.Token
		}, 403, codeAccessDenied},
		{"DELETE, the initial one revoked", "DELETE", "", func(a *selfRegistered) string {
			desk(s.desk.RevokeRegistrationToken(t.Context(), s.admin, a.initialID))
			return a.Token
		}, 204, ""},
		// It has expired, or is used up: that was about registering, and its bounds hold.
		{"PUT, the initial one expired", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(a *selfRegistered) string { s.clock.Add(2 * time.Hour); return a.Token }, 200, ""},
		{"PUT beyond it, the initial one expired", "PUT", `"redirect_uris":["https://evil.example/new"]`, func(a *selfRegistered) string { s.clock.Add(2 * time.Hour); return a.Token }, 400, codeInvalidRedirect},
		// Blocked together, or changed, disabled or deleted by the administration.
		{"GET, blocked together", "GET", "", blocked, 401, codeInvalidToken},
		{"PUT, blocked together", "PUT", `"redirect_uris":["https://rp.example/new"]`, blocked, 401, codeInvalidToken},
		{"DELETE, blocked together", "DELETE", "", blocked, 401, codeInvalidToken},
		{"GET, changed by the administration", "GET", "", func(a *selfRegistered) string {
			desk(s.desk.EditClient(t.Context(), s.admin, idp.ClientID(a.ID), func(c *idp.Client) { c.Name = "Ours" }))
			return a.Token
		}, 401, codeInvalidToken},
		{"PUT, its icon taken away by the administration", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(a *selfRegistered) string {
			desk(s.desk.SetIcon(t.Context(), s.admin, idp.ClientID(a.ID), nil))
			return a.Token
		}, 401, codeInvalidToken},
		{"DELETE, disabled by the administration", "DELETE", "", func(a *selfRegistered) string {
			desk(s.desk.EditClient(t.Context(), s.admin, idp.ClientID(a.ID), func(c *idp.Client) { c.Disabled = true }))
			return a.Token
		}, 401, codeInvalidToken},
		{"PUT, deleted by the administration", "PUT", `"redirect_uris":["https://rp.example/new"]`, func(a *selfRegistered) string {
			desk(s.desk.RemoveClient(t.Context(), s.admin, idp.ClientID(a.ID)))
			return a.Token
		}, 401, codeInvalidToken},
		// By its own token, beyond the bounds, or what no registration may be.
		{"PUT at another host", "PUT", `"redirect_uris":["https://evil.example/cb"]`, nil, 400, codeInvalidRedirect},
		{"PUT with another page", "PUT", `"redirect_uris":["https://rp.example/cb"],"policy_uri":"https://evil.example/"`, nil, 400, codeInvalidMetadata},
		{"PUT with keys elsewhere", "PUT", `"redirect_uris":["https://rp.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://evil.example/keys"`, nil, 400, codeInvalidMetadata},
		{"PUT of another grant type", "PUT", `"redirect_uris":["https://rp.example/cb"],"grant_types":["authorization_code","` + idp.GrantExchange + `"]`, nil, 400, codeInvalidMetadata},
		{"PUT of more scopes", "PUT", `"redirect_uris":["https://rp.example/cb"],"scope":"openid roles"`, nil, 400, codeInvalidMetadata},
		{"PUT of an algorithm without a key", "PUT", `"redirect_uris":["https://rp.example/cb"],"id_token_signed_response_alg":"EdDSA"`, nil, 400, codeInvalidMetadata},
		{"PUT of encryption", "PUT", `"redirect_uris":["https://rp.example/cb"],"userinfo_encrypted_response_alg":"RSA-OAEP"`, nil, 400, codeInvalidMetadata},
		{"PUT of another sub", "PUT", `"redirect_uris":["https://rp.example/cb"],"subject_type":"pairwise"`, nil, 400, codeInvalidMetadata},
		{"PUT of a public one", "PUT", `"redirect_uris":["https://rp.example/cb"],"token_endpoint_auth_method":"none"`, nil, 400, codeInvalidMetadata},
		{"PUT of a statement", "PUT", `"redirect_uris":["https://rp.example/cb"],"software_statement":"eyJ"`, nil, 400, codeStatement},
		{"PUT with its own token", "PUT", `"redirect_uris":["https://rp.example/cb"],"registration_access_token":"x"`, nil, 400, codeInvalidRequest},
		{"PUT with another secret", "PUT", `"redirect_uris":["https://rp.example/cb"],"client_secret":"x"`, nil, 400, codeInvalidMetadata},
	} {
		a := register(nil)
		token := a.Token
		if row.before != nil {
			token = row.before(a)
		}
		kept, _ := s.db.Client(t.Context(), idp.ClientID(a.ID))
		body := ""
		if row.method == "PUT" {
			body = `{"client_id":"` + a.ID + `",` + row.body + `}`
		}
		r := s.metadataCall(row.method, pathRegister+"/"+a.ID, idp.Secret(token), body)
		if r.StatusCode != row.want || row.code != "" && !strings.Contains(r.body, `"`+row.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", row.why, r.StatusCode, r.body, row.want, row.code)
		}
		if challenge := r.Header.Get("WWW-Authenticate"); (row.want == 401) != strings.HasPrefix(challenge, "Bearer ") {
			t.Errorf("%s: challenge %q", row.why, challenge)
		}
		now, err := s.db.Client(t.Context(), idp.ClientID(a.ID))
		switch {
		case row.want == 200 && row.method == "PUT":
			if err != nil || now.RegistrationHash == kept.RegistrationHash || now.RedirectURIs[0] != "https://rp.example/new" {
				t.Errorf("%s: %+v, %v", row.why, now, err)
			}
		case row.want == 204:
			if err == nil {
				t.Errorf("%s: it is there", row.why)
			}
		case kept != nil:
			if err != nil || now.RegistrationHash != kept.RegistrationHash || now.RedirectURIs[0] != kept.RedirectURIs[0] || !now.UpdatedAt.Equal(kept.UpdatedAt) {
				t.Errorf("%s: it has changed: %+v, %v", row.why, now, err)
			}
		}
	}
}

// holdings is what an application that has registered itself was given.
type holdings struct {
	*selfRegistered
	c        *client
	tokens   *tokens
	inFlight idp.LoginID // a sign-in that nobody has collected
	at       *browser    // of it
	code     idp.Secret  // not redeemed
	machine  *waiting
	pushed   string // where a pushed request is begun
	person   *person
	own      *tokens // of itself
}

// heldBy registers an application and gives it one of everything.
func heldBy(t *testing.T, s *site, initial idp.Secret, id idp.RegistrationTokenID, name string) *holdings {
	t.Helper()
	body := `{"redirect_uris":["` + callback + `"],"scope":"openid profile offline_access","grant_types":["authorization_code","refresh_token","client_credentials","` + idp.GrantDevice + `"]}`
	h := &holdings{selfRegistered: &selfRegistered{s.metadataCall("POST", pathRegister, initial, body).registered(t, http.StatusCreated), initial, id}, person: s.addPerson(name)}
	h.c = s.clientOf(h.registeredClient, nil)
	consent := func(b *browser, q url.Values) idp.Secret {
		login := b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		b.prove(login, h.person)
		return idp.Secret(b.get(CollectPath + string(login)).answered(t).Get("code"))
	}
	q := request(h.c, "scope", "openid profile offline_access", "prompt", "consent")
	h.tokens = s.mustExchange(h.c, consent(s.browser(), q))
	h.code = consent(s.browser(), q)
	h.own, _ = s.token(h.c, "grant_type", idp.GrantClientCredentials)
	h.machine = s.startDevice(h.c, "openid profile")
	h.pushed = begun(h.c, s.mustPush(h.c, q))
	h.at = s.browser()
	h.inFlight = h.at.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
	h.at.prove(h.inFlight, h.person)
	if !s.alive(h.tokens.Access) || h.own == nil || h.tokens.Refresh == "" {
		t.Fatalf("%s was not given what is taken away", name)
	}
	return h
}

// gone makes sure that nothing that an application was given is good for anything.
func (h *holdings) gone(t *testing.T, s *site, why string) {
	t.Helper()
	sessions := idptest.Must(s.db.Sessions(t.Context(), h.person.ID, s.clock.Now()))(t)
	for _, session := range sessions {
		if g, _, err := s.db.GrantFor(t.Context(), h.person.ID, session.ID, h.c.ID, s.clock.Now()); err == nil {
			t.Errorf("%s: a session has the grant %s", why, g.ID)
		}
	}
	api := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	for name, token := range map[string]string{"an access token": h.tokens.Access, "a refresh token": h.tokens.Refresh, "its own access token": h.own.Access} {
		if got := s.introspect(api, token); got["active"] != false {
			t.Errorf("%s: %s is active: %v", why, name, got)
		}
	}
	if s.alive(h.tokens.Access) {
		t.Errorf("%s: userinfo is told", why)
	}
	for name, pairs := range map[string][]string{
		"refresh": {"grant_type", idp.GrantRefresh, "refresh_token", h.tokens.Refresh},
		"code":    {"grant_type", idp.GrantCode, "code", h.code.Reveal(), "redirect_uri", callback, "code_verifier", verifier},
		"itself":  {"grant_type", idp.GrantClientCredentials},
		"machine": {"grant_type", idp.GrantDevice, "device_code", h.machine.Device},
	} {
		got, r := s.token(h.c, pairs...)
		if got.Access != "" || r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s: %d %s", why, name, r.StatusCode, r.body)
		}
	}
	for name, path := range map[string]string{"a pushed request": h.pushed, "a request": pathAuthorize + "?" + request(h.c).Encode(), "a sign-in under way": CollectPath + string(h.inFlight)} {
		r := h.at.get(path)
		if r.StatusCode < 400 && !strings.HasPrefix(r.Header.Get("Location"), "/login/") || strings.HasPrefix(r.Header.Get("Location"), callback) {
			t.Errorf("%s: %s: %d %s", why, name, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

// TestWhatADeletedClientHadIsGone: an application that deletes itself takes with it all that it
// was given, and what was under way; its neighbour by the same token keeps its own.
func TestWhatADeletedClientHadIsGone(t *testing.T) {
	_, s := partyAndRegistrar(t)
	initial, id := s.initialForAll(nil)
	h, other := heldBy(t, s, initial, id, "anna"), heldBy(t, s, initial, id, "bert")
	if r := s.metadataCall("DELETE", pathRegister+"/"+h.ID, idp.Secret(h.Token), ""); r.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	h.gone(t, s, "deleted")
	if _, err := s.db.Consent(t.Context(), h.person.ID, h.c.ID); err == nil {
		t.Error("the consent to it is kept")
	}
	if !s.alive(other.tokens.Access) {
		t.Error("its neighbour's tokens are gone")
	}
	if _, r := s.refresh(other.c, other.tokens.Refresh); r.StatusCode != http.StatusOK {
		t.Errorf("its neighbour: %d %s", r.StatusCode, r.body)
	}
}

// TestBlockingWhatATokenRegistered: a token is revoked with all its applications, and with
// whatever these were given; other tokens and what the administration has registered stay.
func TestBlockingWhatATokenRegistered(t *testing.T) {
	_, s := partyAndRegistrar(t)
	initial, id := s.initialForAll(nil)
	second, secondID := s.initialForAll(nil)
	h, taken, other := heldBy(t, s, initial, id, "anna"), heldBy(t, s, initial, id, "bert"), heldBy(t, s, second, secondID, "carl")
	ours := s.addClient(nil)
	// One that the administration has taken over was registered by the token all the same.
	if err := s.desk.EditClient(t.Context(), s.admin, taken.c.ID, func(c *idp.Client) { c.Name = "Ours" }); err != nil {
		t.Fatal(err)
	}
	if n, err := s.desk.BlockRegistered(t.Context(), s.admin, id); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	h.gone(t, s, "blocked")
	taken.gone(t, s, "taken over, and blocked")
	refused(t, s.metadataCall("POST", pathRegister, initial, plainMetadata), http.StatusUnauthorized, codeInvalidToken)
	if !s.alive(other.tokens.Access) || idptest.Must(s.db.Client(t.Context(), ours.ID))(t).Disabled {
		t.Error("more was blocked")
	}
	if n, err := s.desk.BlockRegistered(t.Context(), s.admin, id); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if _, err := s.desk.BlockRegistered(t.Context(), s.admin, "nothing"); err == nil {
		t.Error("a token that there is not was blocked")
	}
	var did []string
	for _, e := range idptest.Must(s.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventRegistrationToken, idp.EventClientChanged}}))(t).Rows {
		if e.Actor.Name == "console:test" && (e.Detail["change"] == "blocked" || e.Client == h.c.ID || e.Client == taken.c.ID) {
			did = append(did, e.Detail["change"])
		}
	}
	if len(did) != 5 { // one is edited, two are blocked, the token is twice
		t.Errorf("the log has %v", did)
	}
}
