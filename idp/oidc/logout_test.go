package oidc

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/keyring"
	"hilum/idp/login"
)

// listening is a client that is told when a session ends.
func listening(c *idp.Client) {
	c.Name = "Listening"
	c.LogoutURI = "https://viewer.test/told?logout=backchannel"
}

// waiting are the sessions that a client is still to be told of.
func (s *site) waiting(c *client) []idp.SessionID {
	s.t.Helper()
	var out []idp.SessionID
	for {
		n, err := s.db.ClaimNotice(s.t.Context(), c.ID, s.clock.Now())
		if err != nil {
			return out
		}
		if n.Client != c.ID {
			s.t.Fatalf("a notice to %s", n.Client)
		}
		out = append(out, n.Session)
	}
}

// Every way a session ends, and what stays: who is told of which session.
func TestWhoeverEndsASessionApplicationsAreTold(t *testing.T) {
	type stage struct {
		*site
		c           *client
		anna        *person
		here        *browser // of anna
		tokens      *tokens
		hereID      idp.SessionID
		elsewhere   *browser
		elsewhereID idp.SessionID
	}
	sid := func(s *site, b *browser) *idp.Session {
		session, _, err := s.flow.Session(t.Context(), b.asLogin())
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	actor := func(g *stage) idp.Actor { return idp.Actor{User: g.anna.ID, Name: g.anna.Name} }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, way := range map[string]struct {
		end       func(g *stage)
		here      bool // anna's session here is told of
		elsewhere bool
	}{
		"the person signs out":            {func(g *stage) { must(g.flow.SignOut(t.Context(), actor(g), sid(g.site, g.here))) }, true, false},
		"the person signs out all others": {func(g *stage) { must(g.flow.EndOthers(t.Context(), actor(g), g.anna.ID, g.hereID)) }, false, true},
		"a relying party signs out": {func(g *stage) {
			g.here.get(signOutQuery("id_token_hint", g.tokens.ID, "post_logout_redirect_uri", bye))
		}, true, false},
		"the person says yes to a relying party": {func(g *stage) {
			action, fields := formOf(g.here.get(pathEndSession).body)
			g.here.post(action, fields, "Sec-Fetch-Site", "same-origin")
		}, true, false},
		"a relying party asks and nobody says yes": {func(g *stage) { g.here.get(pathEndSession) }, false, false},
		"an administrator ends one":                {func(g *stage) { must(g.desk.EndSession(t.Context(), g.admin, g.anna.ID, g.hereID, "")) }, true, false},
		"an administrator ends all": {func(g *stage) {
			_, err := g.desk.EndSessions(t.Context(), g.admin, g.anna.ID, "")
			must(err)
		}, true, true},
		"the account is blocked": {func(g *stage) { must(g.desk.Disable(t.Context(), g.admin, g.anna.ID, "left")) }, true, true},
		"the account is blocked by editing": {func(g *stage) {
			must(g.db.UpdateUser(t.Context(), g.anna.ID, func(u *idp.User) error { u.State = idp.UserDisabled; return nil }))
		}, true, true},
		"the password is changed": {func(g *stage) {
			must(g.flow.ChangePassword(t.Context(), sid(g.site, g.here), rightPassword, "another seven lamps hum at noon"))
		}, false, true},
		"the password is set anew": {func(g *stage) {
			a, err := g.db.Account(t.Context(), g.anna.ID)
			must(err)
			must(g.db.SetPassword(t.Context(), g.anna.ID, "hash", a.PasswordAt, idp.Within{}, idp.Event{At: g.clock.Now(), Kind: idp.EventPasswordReset}))
		}, true, true},
		"the password is reset by a link": {func(g *stage) {
			link, err := g.desk.ResetPassword(t.Context(), g.admin, g.anna.ID, admin.ViaLink)
			must(err)
			b := login.Browser{ID: idp.NewToken().Hash(), Address: "127.0.0.1", Agent: "test"}
			step, err := g.flow.StartInvitation(t.Context(), link.Token, b)
			must(err)
			_, _, err = g.flow.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: "another seven lamps hum at noon"})
			must(err)
		}, true, true},
		"somebody else signs in in this browser": {func(g *stage) {
			g.here.signIn(g.addPerson("berta"), request(g.addClient(nil), "prompt", "login"))
		}, true, false},
		"the person signs in here once more": {func(g *stage) { g.here.signIn(g.anna, request(g.c, "prompt", "login")) }, false, false},
		"the person is idle": {func(g *stage) {
			g.clock.Add(3 * time.Hour)
			must(g.db.Sweep(t.Context(), g.clock.Now()))
		}, false, false},
		"the time is up": {func(g *stage) {
			g.clock.Add(12*time.Hour + time.Minute)
			must(g.db.Sweep(t.Context(), g.clock.Now()))
		}, true, true},
		"idle, and ended then": {func(g *stage) {
			g.clock.Add(3 * time.Hour)
			_, err := g.desk.EndSessions(t.Context(), g.admin, g.anna.ID, "")
			must(err)
		}, true, true},
		"tokens are revoked": {func(g *stage) {
			g.call(pathRevoke, g.c, url.Values{"token": {g.tokens.Refresh}})
		}, false, false},
		"the application is switched off": {func(g *stage) { g.editClient(g.c, func(c *idp.Client) { c.Disabled = true }) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := &stage{site: newSite(t)}
			g.c, g.anna = g.addClient(listening), g.addPerson("anna")
			deaf := g.addClient(nil)
			g.here, g.tokens = g.signedIn(g.c, g.anna)
			g.here.get(pathAuthorize + "?" + request(deaf).Encode()).answered(t)
			g.elsewhere, _ = g.signedIn(g.c, g.anna)
			g.hereID, g.elsewhereID = sid(g.site, g.here).ID, sid(g.site, g.elsewhere).ID
			_, stranger := g.signedIn(g.c, g.addPerson("carl")) // of whom nothing is told
			if got := g.waiting(g.c); len(got) != 0 {
				t.Fatalf("told of before: %v", got)
			}
			way.end(g)
			want := map[idp.SessionID]bool{}
			if way.here {
				want[g.hereID] = true
			}
			if way.elsewhere {
				want[g.elsewhereID] = true
			}
			got := g.waiting(g.c)
			if name == "the time is up" { // carl's, too
				got = slices.DeleteFunc(got, func(id idp.SessionID) bool { return id != g.hereID && id != g.elsewhereID })
			} else if !strings.Contains(name, "idle") && !strings.Contains(name, "switched") && !g.alive(stranger.Access) {
				t.Error("a stranger was signed out")
			}
			slices.Sort(got)
			if wanted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, wanted) {
				t.Errorf("told of %v, want %v", got, wanted)
			}
			if got := g.waiting(deaf); len(got) != 0 {
				t.Errorf("an application without an address is told: %v", got)
			}
		})
	}
}

// The logout token, for each algorithm, read by a library that had no part in it.
func TestLogoutToken(t *testing.T) {
	s := newSite(t)
	for _, alg := range []string{keyring.RS256, keyring.PS256, keyring.ES256, keyring.EdDSA} {
		c := s.addClient(func(c *idp.Client) { listening(c); c.IDTokenAlg = alg })
		signed, err := s.server.LogoutToken(c.Client, "the person", "the session")
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.server.LogoutToken(c.Client, "the person", "the session")
		if err != nil {
			t.Fatal(err)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(s.browser().get(pathKeys).body), &set); err != nil {
			t.Fatal(err)
		}
		claims := func(token idp.Secret) map[string]any {
			sig, err := jose.ParseSignedCompact(token.Reveal(), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			header := sig.Signatures[0].Protected
			if header.ExtraHeaders[jose.HeaderType] != "logout+jwt" || header.Algorithm != alg || header.KeyID == "" {
				t.Errorf("%s: header %+v", alg, header)
			}
			payload, err := sig.Verify(set.Key(header.KeyID)[0])
			if err != nil {
				t.Fatal(err)
			}
			var out map[string]any
			if err := json.Unmarshal(payload, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		got, other := claims(signed), claims(again)
		if got["jti"] == other["jti"] || got["jti"] == "" {
			t.Errorf("%s: jti %v and %v", alg, got["jti"], other["jti"])
		}
		now := float64(s.clock.Now().Unix())
		want := map[string]any{
			"iss": s.issuer, "sub": "the person", "aud": string(c.ID), "sid": "the session", "iat": now, "exp": now + 120, "jti": got["jti"],
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) { // no nonce, and nothing else
			t.Errorf("%s:\n%s\nwant\n%s", alg, a, b)
		}
		// It is neither a hint nor an access token.
		if r := s.userinfo(signed.Reveal()); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: taken for an access token: %d %s", alg, r.StatusCode, r.body)
		}
		if r := s.browser().get(signOutQuery("id_token_hint", signed.Reveal(), "post_logout_redirect_uri", bye)); r.Header.Get("Location") != "" {
			t.Errorf("%s: taken for a hint: %d %s", alg, r.StatusCode, r.Header.Get("Location"))
		}
	}
	c := s.addClient(listening)
	c.IDTokenAlg = "none"
	if _, err := s.server.LogoutToken(c.Client, "u", "s"); err == nil {
		t.Error("a token by an algorithm that there is not")
	}
}
