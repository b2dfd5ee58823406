package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
)

// exchangers are a viewer that people sign in to, a gateway that its tokens are meant for, and
// an archive behind that.
type exchangers struct {
	*site
	viewer, gateway, archive *client
	anna                     *person
	browser                  *browser
	tok                      *tokens // of the viewer
}

const filesAddress = "https://files.example/wado"

func newExchangers(t *testing.T, jwt bool) *exchangers {
	t.Helper()
	x := &exchangers{site: newSite(t)}
	format := idp.AccessOpaque
	if jwt {
		format = idp.AccessJWT
	}
	x.viewer = x.addClient(func(c *idp.Client) {
		c.ID, c.Audience, c.AccessFormat, c.Groups = "viewer", []string{"viewer", "gateway"}, format, []string{"mri"}
	})
	x.gateway = x.addClient(func(c *idp.Client) {
		c.ID, c.AccessFormat, c.RedirectURIs, c.PostLogoutURIs, c.Origins = "gateway", format, nil, nil, nil
		c.GrantTypes, c.ExchangeTargets, c.Scopes = []string{idp.GrantExchange}, []string{"archive", filesAddress}, []string{"openid", "profile", "pacs", "email"}
	})
	x.archive = x.addClient(func(c *idp.Client) {
		c.ID, c.AccessFormat, c.RedirectURIs, c.PostLogoutURIs, c.Origins = "archive", format, nil, nil, nil
		c.GrantTypes, c.ExchangeTargets, c.Scopes = []string{idp.GrantExchange, idp.GrantClientCredentials}, []string{"store"}, []string{"pacs"}
	})
	x.anna, x.browser = x.addPerson("anna"), x.site.browser()
	x.tok = x.mustExchange(x.viewer, x.browser.signIn(x.anna, request(x.viewer, "scope", "openid profile pacs groups offline_access")))
	return x
}

// swap exchanges a subject token, with what else stands in pairs; an empty value leaves a
// parameter out.
func (x *exchangers) swap(c *client, token string, pairs ...string) (*tokens, *reply) {
	x.t.Helper()
	form := url.Values{"grant_type": {idp.GrantExchange}, "subject_token": {token}, "subject_token_type": {typeOfAccess}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	r := x.call(pathToken, c, form)
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		x.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return &got, r
}

func (x *exchangers) mustSwap(c *client, token string, pairs ...string) *tokens {
	x.t.Helper()
	got, r := x.swap(c, token, pairs...)
	if r.StatusCode != http.StatusOK || got.Access == "" {
		x.t.Fatalf("no token: %d %s", r.StatusCode, r.body)
	}
	return got
}

// seen is what a client is told of a token by introspection.
func (x *exchangers) seen(c *client, token string) map[string]any {
	x.t.Helper()
	r := x.call(pathIntrospect, c, url.Values{"token": {token}})
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || r.StatusCode != http.StatusOK {
		x.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return m
}

// TestTokenExchange: a gateway acts for a person at an archive, and that at a store; who acts
// stands in the token and in introspection, nested.
func TestTokenExchange(t *testing.T) {
	for _, jwt := range []bool{false, true} {
		x := newExchangers(t, jwt)
		kind := typeOfAccess
		if jwt {
			kind = typeOfJWT
		}
		first, r := x.swap(x.gateway, x.tok.Access, "audience", "archive", "subject_token_type", kind)
		var body map[string]any
		idptest.Must(0, json.Unmarshal([]byte(r.body), &body))(t)
		if body["issued_token_type"] != typeOfAccess || body["token_type"] != "Bearer" || body["scope"] != "openid profile pacs" || body["expires_in"] != 900.0 ||
			body["id_token"] != nil || body["refresh_token"] != nil || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", body)
		}
		got := x.seen(x.archive, first.Access)
		if got["active"] != true || got["sub"] != string(x.anna.ID) || got["client_id"] != "gateway" || !reflect.DeepEqual(got["aud"], []any{"archive"}) ||
			!reflect.DeepEqual(got["act"], map[string]any{"sub": "gateway"}) || got["acr"] == nil || got["auth_time"] == nil {
			t.Errorf("the archive sees %v", got)
		}
		if !x.alive(first.Access) {
			t.Error("it has openid and is not good at userinfo")
		}
		second := x.mustSwap(x.archive, first.Access)
		got = x.seen(x.archive, second.Access)
		chain := map[string]any{"sub": "archive", "act": map[string]any{"sub": "gateway"}}
		if got["scope"] != "pacs" || !reflect.DeepEqual(got["aud"], []any{"store"}) || !reflect.DeepEqual(got["act"], chain) {
			t.Errorf("what the archive got: %v", got)
		}
		if jwt {
			if c := claimsOf(t, second.Access); !reflect.DeepEqual(c["act"], chain) || c["sub"] != string(x.anna.ID) || c["client_id"] != "archive" {
				t.Errorf("at+jwt: %v", c)
			}
		}
		if m := x.seen(x.viewer, x.tok.Access); m["act"] != nil {
			t.Errorf("nobody acts in %v", m)
		}
		if m := x.seen(x.viewer, first.Access); m["active"] != false {
			t.Error("the viewer is told of what is not meant for it")
		}
		// The log says who got what for whose token.
		found := idptest.Must(x.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventCodeIssued}}))(t)
		if !slices.ContainsFunc(found.Rows, func(e idp.Event) bool {
			return e.Client == "gateway" && e.User == x.anna.ID && e.Detail["reason"] == "token exchange" && e.Detail["subject"] == "viewer"
		}) {
			t.Errorf("the log has %+v", found.Rows)
		}
	}
}

// TestTokenExchangeOfAnIDToken: a client exchanges the ID token of its own, while it is good
// and its session lives.
func TestTokenExchangeOfAnIDToken(t *testing.T) {
	x := newExchangers(t, false)
	c := x.addClient(func(c *idp.Client) {
		c.GrantTypes, c.ExchangeTargets = append(c.GrantTypes, idp.GrantExchange), []string{"archive"}
	})
	b := x.site.browser()
	tok := x.mustExchange(c, b.signIn(x.anna, request(c, "scope", "openid pacs")))
	got := x.mustSwap(c, tok.ID, "subject_token_type", typeOfID)
	if m := x.seen(x.archive, got.Access); m["scope"] != "pacs" || m["sub"] != string(x.anna.ID) {
		t.Errorf("%v", m)
	}
	_, r := x.swap(c, x.tok.ID, "subject_token_type", typeOfID)
	refused(t, r, 400, codeInvalidRequest)
	_, r = x.swap(c, tok.ID)
	refused(t, r, 400, codeInvalidRequest)
	_, r = x.swap(c, tok.Access, "subject_token_type", typeOfID)
	refused(t, r, 400, codeInvalidRequest)
	x.clock.Add(16 * time.Minute)
	_, r = x.swap(c, tok.ID, "subject_token_type", typeOfID)
	refused(t, r, 400, codeInvalidRequest)
	x.clock.Add(-16 * time.Minute)
	x.mustSwap(c, tok.ID, "subject_token_type", typeOfID)
	if _, err := x.desk.EndSessions(t.Context(), x.admin, x.anna.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, r = x.swap(c, tok.ID, "subject_token_type", typeOfID)
	refused(t, r, 400, codeInvalidRequest)
	if m := x.seen(x.archive, got.Access); m["active"] != false {
		t.Error("it outlives the session")
	}
}

// TestTokenExchangesThatAreRefused is what each thing wrong with a token exchange is answered
// with.
func TestTokenExchangesThatAreRefused(t *testing.T) {
	x := newExchangers(t, false)
	own, _ := x.token(x.archive, "grant_type", idp.GrantClientCredentials)
	stranger := x.addClient(func(c *idp.Client) {
		c.GrantTypes, c.ExchangeTargets = []string{idp.GrantExchange}, []string{"archive"}
	})
	page := x.addClient(public)
	var deep string
	var hops []*client
	for _, id := range []idp.ClientID{"hop1", "hop2", "hop3", "hop4", "hop5"} {
		next := string(id[:3]) + string(rune(id[3]+1))
		hops = append(hops, x.addClient(func(c *idp.Client) {
			c.ID, c.GrantTypes, c.ExchangeTargets, c.Scopes = id, []string{idp.GrantExchange}, []string{next}, []string{"pacs"}
		}))
	}
	x.editClient(x.viewer, func(c *idp.Client) { c.Audience = append(c.Audience, "hop1") })
	fresh := x.mustExchange(x.viewer, x.site.browser().signIn(x.anna, request(x.viewer, "scope", "openid profile pacs")))
	deep = fresh.Access
	for _, hop := range hops[:idp.MaxActors] {
		deep = x.mustSwap(hop, deep).Access
	}
	for _, row := range []struct {
		why    string
		c      *client
		token  string
		pairs  []string
		status int
		code   string
	}{
		{"no subject token", x.gateway, "", []string{"subject_token", "", "audience", "archive"}, 400, codeInvalidRequest},
		{"no type", x.gateway, x.tok.Access, []string{"subject_token_type", "", "audience", "archive"}, 400, codeInvalidRequest},
		{"an unknown type", x.gateway, x.tok.Access, []string{"subject_token_type", "urn:x", "audience", "archive"}, 400, codeInvalidRequest},
		{"a refresh token", x.gateway, x.tok.Refresh, []string{"subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "audience", "archive"}, 400, codeInvalidRequest},
		{"a refresh token as an access token", x.gateway, x.tok.Refresh, []string{"audience", "archive"}, 400, codeInvalidRequest},
		{"made up", x.gateway, idp.NewToken().Reveal(), []string{"audience", "archive"}, 400, codeInvalidRequest},
		{"an ID token of another client", x.gateway, x.tok.ID, []string{"subject_token_type", typeOfID, "audience", "archive"}, 400, codeInvalidRequest},
		{"a token that is not meant for the caller", stranger, x.tok.Access, nil, 400, codeInvalidRequest},
		{"a token that stands for no person", x.archive, own.Access, nil, 400, codeInvalidRequest},
		{"an actor token", x.gateway, x.tok.Access, []string{"audience", "archive", "actor_token", own.Access, "actor_token_type", typeOfAccess}, 400, codeInvalidRequest},
		{"a refresh token is asked for", x.gateway, x.tok.Access, []string{"audience", "archive", "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, 400, codeInvalidRequest},
		{"an ID token is asked for", x.gateway, x.tok.Access, []string{"audience", "archive", "requested_token_type", typeOfID}, 400, codeInvalidRequest},
		{"one client more than may act", hops[idp.MaxActors], deep, nil, 400, codeInvalidRequest},
		{"no target, of two", x.gateway, x.tok.Access, nil, 400, codeInvalidTarget},
		{"another target", x.gateway, x.tok.Access, []string{"audience", "viewer"}, 400, codeInvalidTarget},
		{"itself", x.gateway, x.tok.Access, []string{"audience", "gateway"}, 400, codeInvalidTarget},
		{"another resource", x.gateway, x.tok.Access, []string{"resource", filesAddress + "/other"}, 400, codeInvalidTarget},
		{"one right, one wrong", x.gateway, x.tok.Access, []string{"audience", "archive", "resource", "https://evil.example"}, 400, codeInvalidTarget},
		{"a scope that the subject token does not have", x.gateway, x.tok.Access, []string{"audience", "archive", "scope", "email"}, 400, codeInvalidScope},
		{"a scope that the client does not have", x.gateway, x.tok.Access, []string{"audience", "archive", "scope", "groups"}, 400, codeInvalidScope},
		{"offline access", x.gateway, x.tok.Access, []string{"audience", "archive", "scope", "offline_access"}, 400, codeInvalidScope},
		{"a client without the grant", x.viewer, x.tok.Access, nil, 400, codeUnauthorizedClient},
		{"a public client", page, x.tok.Access, nil, 400, codeUnauthorizedClient},
		{"a wrong secret", &client{Client: x.gateway.Client, secret: "wrong"}, x.tok.Access, []string{"audience", "archive"}, 401, codeInvalidClient},
	} {
		_, r := x.swap(row.c, row.token, row.pairs...)
		if refused(t, r, row.status, row.code); t.Failed() {
			t.Fatalf("%s: %s", row.why, r.body)
		}
	}
	got, r := x.swap(x.gateway, x.tok.Access, "audience", "archive", "resource", filesAddress, "scope", "pacs", "requested_token_type", typeOfAccess)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	if m := x.seen(x.gateway, got.Access); m["scope"] != "pacs" || !reflect.DeepEqual(m["aud"], []any{"archive", filesAddress}) {
		t.Errorf("%v", m)
	}
}

// TestExchangedTokensEnd is what ends × the tokens at first and second hand: with any of it both
// are gone, and nothing is given for the token of before.
func TestExchangedTokensEnd(t *testing.T) {
	off := func(c *idp.Client) { c.Disabled = true }
	for why, end := range map[string]func(x *exchangers) error{
		"the session": func(x *exchangers) error {
			_, err := x.desk.EndSessions(x.t.Context(), x.admin, x.anna.ID, "")
			return err
		},
		"the person is blocked":   func(x *exchangers) error { return x.desk.Disable(x.t.Context(), x.admin, x.anna.ID, "") },
		"the viewer is disabled":  func(x *exchangers) error { x.editClient(x.viewer, off); return nil },
		"the viewer is removed":   func(x *exchangers) error { return x.desk.RemoveClient(x.t.Context(), x.admin, "viewer") },
		"the gateway is disabled": func(x *exchangers) error { x.editClient(x.gateway, off); return nil },
		"the gateway is removed":  func(x *exchangers) error { return x.desk.RemoveClient(x.t.Context(), x.admin, "gateway") },
		"the refresh token is revoked": func(x *exchangers) error {
			x.call(pathRevoke, x.viewer, url.Values{"token": {x.tok.Refresh}})
			return nil
		},
		"the grant type": func(x *exchangers) error {
			x.editClient(x.gateway, func(c *idp.Client) {
				c.GrantTypes, c.ExchangeTargets = []string{idp.GrantClientCredentials}, nil
			})
			return nil
		},
		"the group of the viewer": func(x *exchangers) error {
			return x.desk.EditUser(x.t.Context(), x.admin, x.anna.ID, func(u *idp.User) { u.Groups = nil })
		},
		"the scope, from the viewer": func(x *exchangers) error {
			x.editClient(x.viewer, func(c *idp.Client) { c.Scopes = []string{"email"} })
			return nil
		},
		"the lifetime": func(x *exchangers) error { x.clock.Add(16 * time.Minute); return nil },
	} {
		t.Run(why, func(t *testing.T) {
			x := newExchangers(t, false)
			first := x.mustSwap(x.gateway, x.tok.Access, "audience", "archive", "scope", "pacs")
			second := x.mustSwap(x.archive, first.Access)
			for _, token := range []string{first.Access, second.Access} {
				if m := x.seen(x.archive, token); m["active"] != true {
					t.Fatalf("before: %v", m)
				}
			}
			if err := end(x); err != nil {
				t.Fatal(err)
			}
			for hand, token := range map[string]string{"first": first.Access, "second": second.Access} {
				if m := x.seen(x.archive, token); m["active"] != false {
					t.Errorf("at %s hand: %v", hand, m)
				}
			}
			if _, r := x.swap(x.archive, first.Access); r.StatusCode == http.StatusOK {
				t.Error("it is exchanged still")
			}
			if _, r := x.swap(x.gateway, x.tok.Access, "audience", "archive", "scope", "pacs"); r.StatusCode == http.StatusOK {
				t.Error("the token of before is exchanged still")
			}
		})
	}
	t.Run("the target", func(t *testing.T) {
		x := newExchangers(t, false)
		first := x.mustSwap(x.gateway, x.tok.Access, "audience", "archive")
		x.editClient(x.gateway, func(c *idp.Client) { c.ExchangeTargets = []string{filesAddress} })
		if m := x.seen(x.archive, first.Access); m["active"] != false {
			t.Errorf("%v", m)
		}
		if _, r := x.swap(x.archive, first.Access); r.StatusCode == http.StatusOK {
			t.Error("it is exchanged still")
		}
	})
}

// TestExchangeOfBoundTokens: a token that is bound to a key is exchanged with a proof of that
// key alone, and what is given with a proof is bound to its key.
func TestExchangeOfBoundTokens(t *testing.T) {
	x := newExchangers(t, false)
	key, other := newKey(t, keyring.ES256, ""), newKey(t, keyring.ES256, "")
	by := func(k *ownKey) string { return k.prove(t, x.proofOf("POST", pathToken, "")) }
	tok, r := x.exchangeBy(x.viewer, by(key), x.site.browser().signIn(x.anna, request(x.viewer, "scope", "openid pacs")))
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	ask := []string{"grant_type", idp.GrantExchange, "subject_token", tok.Access, "subject_token_type", typeOfAccess, "audience", "archive"}
	_, r = x.token(x.gateway, ask...)
	refused(t, r, 400, codeInvalidProof)
	_, r = x.tokenBy(x.gateway, by(other), ask...)
	refused(t, r, 400, codeInvalidRequest)
	got, r := x.tokenBy(x.gateway, by(key), ask...)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	if m := x.seen(x.archive, got.Access); m["token_type"] != "DPoP" || !reflect.DeepEqual(m["cnf"], map[string]any{"jkt": key.thumbprint(t)}) {
		t.Errorf("%v", m)
	}
	// One that is bound to no key becomes bound to the caller's.
	free := []string{"grant_type", idp.GrantExchange, "subject_token", x.tok.Access, "subject_token_type", typeOfAccess, "audience", "archive"}
	got, r = x.tokenBy(x.gateway, by(other), free...)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	if m := x.seen(x.archive, got.Access); !reflect.DeepEqual(m["cnf"], map[string]any{"jkt": other.thumbprint(t)}) {
		t.Errorf("%v", m)
	}
}
