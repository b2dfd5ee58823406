package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// pushed is the answer to a pushed request.
type pushed struct {
	URI     string `json:"request_uri"`
	Expires int    `json:"expires_in"`
}

// push pushes a request as its client.
func (s *site) push(c *client, q url.Values) (*pushed, *reply) {
	s.t.Helper()
	r := s.call(pathPushed, c, q)
	var p pushed
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return &p, r
}

func (s *site) mustPush(c *client, q url.Values) string {
	s.t.Helper()
	p, r := s.push(c, q)
	if r.StatusCode != http.StatusCreated || !strings.HasPrefix(p.URI, pushedPrefix) || len(p.URI) != len(pushedPrefix)+43 || p.Expires != 90 || r.Header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%d %v %s", r.StatusCode, r.Header, r.body)
	}
	return p.URI
}

// begun is the query of a browser that begins the sign-in of a pushed request.
func begun(c *client, uri string, pairs ...string) string {
	q := url.Values{"client_id": {string(c.ID)}, "request_uri": {uri}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return pathAuthorize + "?" + q.Encode()
}

// TestPushedRequest: what was pushed counts, and nothing that comes through the browser. It
// may be asked for again until it has given a code; from then on it is used up.
func TestPushedRequest(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for name, c := range map[string]*client{
		"by secret": s.addClient(nil), "by key": s.addKeyed(nil, newKey(t, keyring.ES256, "k")), "public": s.addClient(public),
	} {
		uri := s.mustPush(c, request(c))
		b := s.browser()
		first := b.get(begun(c, uri)).loginOf(t)
		second := b.get(begun(c, uri, "state", "another", "redirect_uri", "https://evil.test/", "nonce", "another", "response_mode", "fragment", "scope", "openid roles")).loginOf(t)
		if first == second {
			t.Errorf("%s: the same sign-in", name)
		}
		b.prove(second, anna)
		got := b.get(CollectPath + string(second)).answered(t)
		if got.Get("state") != "the state" || got.Get("iss") != s.issuer || got.Get("code") == "" {
			t.Fatalf("%s: %v", name, got)
		}
		tok := s.mustExchange(c, idp.Secret(got.Get("code")))
		if claims := claimsOf(t, tok.ID); claims["nonce"] != "the nonce" || strings.Contains(tok.Scope, "roles") {
			t.Errorf("%s: %v %s", name, claims, tok.Scope)
		}
		// Used: in this browser with its session, in another, and for the sign-in that began first.
		for where, r := range map[string]*reply{"here": b.get(begun(c, uri)), "elsewhere": s.browser().get(begun(c, uri))} {
			if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, keyPushed) {
				t.Errorf("%s, %s: %d %s", name, where, r.StatusCode, r.body)
			}
		}
		b.prove(first, anna)
		if r := b.get(CollectPath + string(first)); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, keyPushed) {
			t.Errorf("%s: the other tab: %d %s %s", name, r.StatusCode, r.Header.Get("Location"), r.body)
		}
		// From the live session, without a page, once.
		uri = s.mustPush(c, request(c, "prompt", "none"))
		if got := b.get(begun(c, uri)).answered(t); got.Get("code") == "" {
			t.Errorf("%s: %v", name, got)
		}
		if r := b.get(begun(c, uri)); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: again from the session: %d", name, r.StatusCode)
		}
	}
}

// TestPushedRequestsAreRefused: what is wrong with a request is told when it is pushed, in
// JSON, and stands on the application's page.
func TestPushedRequestsAreRefused(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c := s.addClient(nil)
	for _, row := range []struct {
		why    string
		q      url.Values
		code   string
		reason idp.RejectionReason
		sent   string
	}{
		{"no redirect_uri", request(c, "redirect_uri", ""), "invalid_request", idp.RejectedAddress, ""},
		{"another redirect_uri", request(c, "redirect_uri", "https://evil.test/cb"), "invalid_request", idp.RejectedAddress, "https://evil.test/cb"},
		{"a request_uri", request(c, "request_uri", pushedPrefix+"x"), "invalid_request", idp.RejectedPushed, "invalid_request: A pushed request has no request_uri."},
		{"a request object", request(c, "request", "x.y.z"), "request_not_supported", idp.RejectedRequestObject, "no keys"},
		{"no challenge", request(c, "code_challenge", ""), "invalid_request", idp.RejectedPushed, "invalid_request: code_challenge is missing."},
		{"plain", request(c, "code_challenge_method", "plain"), "invalid_request", idp.RejectedPushed, "invalid_request: The code_challenge_method offered is S256."},
		{"a token in the browser", request(c, "response_type", "token"), "unsupported_response_type", idp.RejectedPushed, "unsupported_response_type: The response_type offered is code."},
		{"no response_type", request(c, "response_type", ""), "invalid_request", idp.RejectedPushed, "invalid_request: response_type is missing."},
		{"an unknown response mode", request(c, "response_mode", "web_message"), "invalid_request", idp.RejectedPushed, "invalid_request: This response_mode is not supported."},
		{"no scope of it", request(c, "scope", "none"), "invalid_scope", idp.RejectedPushed, "invalid_scope: No scope that this client may ask for."},
		{"prompt=none and login", request(c, "prompt", "none login"), "invalid_request", idp.RejectedPushed, "invalid_request: prompt=none stands alone."},
		{"a foreign hint", request(c, "id_token_hint", "x.y.z"), "invalid_request", idp.RejectedPushed, "invalid_request: id_token_hint is not an ID token of this client."},
		{"a max_age of words", request(c, "max_age", "soon"), "invalid_request", idp.RejectedPushed, "invalid_request: max_age is no number of seconds."},
	} {
		_, r := s.push(c, row.q)
		refused(t, r, http.StatusBadRequest, row.code)
		if got := list.Of(c.ID)[0]; got.Reason != row.reason || got.Sent != row.sent {
			t.Errorf("%s: its page says %s %q", row.why, got.Reason, got.Sent)
		}
	}
	wrong := *c
	wrong.secret = "wrong"
	_, r := s.push(&wrong, request(c))
	refused(t, r, http.StatusUnauthorized, "invalid_client")
	program := s.addClient(func(c *idp.Client) {
		c.GrantTypes, c.RedirectURIs, c.PostLogoutURIs, c.Scopes = []string{idp.GrantClientCredentials}, nil, nil, []string{"pacs"}
	})
	_, r = s.push(program, request(c, "client_id", string(program.ID)))
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	r = s.browser().post(pathPushed+"?client_id="+string(c.ID), request(c))
	refused(t, r, http.StatusBadRequest, "invalid_request")
	if r := s.browser().get(pathPushed); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.StatusCode)
	}
}

// TestPushedHandles: a handle is of its own client, lives for 90 seconds, and leads nobody
// away from here when it is not good.
func TestPushedHandles(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c, other := s.addClient(nil), s.addClient(nil)
	page := func(why string, r *reply, key string) {
		t.Helper()
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, key) || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.Header.Get("Location"), r.body)
		}
	}
	said := func(c *client, sent string) {
		t.Helper()
		if got := list.Of(c.ID); len(got) == 0 || got[0].Reason != idp.RejectedRequestURI || got[0].Sent != sent {
			t.Errorf("its page says %+v, not %q", got, sent)
		}
	}
	uri := s.mustPush(c, request(c))
	page("of another client", s.browser().get(begun(other, uri)), keyPushed)
	said(other, "of another application")
	page("that nobody was given", s.browser().get(begun(c, pushedPrefix+"AAAA", "redirect_uri", callback)), keyPushed)
	said(c, "unknown")
	page("of nobody", s.browser().get(pathAuthorize+"?request_uri="+url.QueryEscape(uri)), keyClient)
	s.clock.Add(89 * time.Second)
	s.browser().get(begun(c, uri)).loginOf(t)
	s.clock.Add(time.Second)
	page("of 90 seconds ago", s.browser().get(begun(c, uri)), keyPushed)
	said(c, "expired")
	if got := s.browser().get(pathAuthorize + "?" + request(c, "request_uri", "https://viewer.test/request.jwt").Encode()).answered(t); got.Get("error") != "request_uri_not_supported" {
		t.Errorf("an address: %v", got)
	}
	uri = s.mustPush(c, request(c))
	s.editClient(c, func(c *idp.Client) { c.RedirectURIs = []string{"https://viewer.test/new"} })
	page("whose address was taken away", s.browser().get(begun(c, uri)), keyRedirect)
	s.editClient(c, func(c *idp.Client) { c.Disabled = true })
	page("of a client that is disabled", s.browser().get(begun(c, uri)), keyClient)

	// A sign-in that began in time may be finished later.
	anna, b := s.addPerson("anna"), s.browser()
	id := b.get(begun(other, s.mustPush(other, request(other)))).loginOf(t)
	s.clock.Add(10 * time.Minute)
	if err := s.db.Sweep(t.Context(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	b.prove(id, anna)
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("code") == "" {
		t.Error(got)
	}

	// Who has to push is told so; others need not.
	s.editClient(other, func(c *idp.Client) { c.RequirePushed = true })
	got := b.get(pathAuthorize + "?" + request(other).Encode()).answered(t)
	if got.Get("error") != "invalid_request" || got.Get("state") != "the state" || list.Of(other.ID)[0].Reason != idp.RejectedNotPushed {
		t.Errorf("%v %+v", got, list.Of(other.ID)[0])
	}
	if got := b.get(begun(other, s.mustPush(other, request(other)))).answered(t); got.Get("code") == "" {
		t.Error(got)
	}
}

// TestPushedRequestsAreBounded: by client, and for clients that cannot prove themselves by
// the address that pushes besides.
func TestPushedRequestsAreBounded(t *testing.T) {
	s := newSite(t)
	c, other := s.addClient(nil), s.addClient(nil)
	for range idp.MaxPushed {
		err := s.db.AddPushed(t.Context(), &idp.Pushed{ID: idp.PushedIDOf(idp.NewToken()), Client: c.ID, ExpiresAt: s.clock.Now().Add(idp.PushedTTL)})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, r := s.push(c, request(c))
	refused(t, r, http.StatusTooManyRequests, "temporarily_unavailable")
	if r.Header.Get("Retry-After") == "" {
		t.Error("not said when to come back")
	}
	s.mustPush(other, request(other))
	s.clock.Add(idp.PushedTTL)
	s.mustPush(c, request(c))

	left := 1
	s.server.conf.AllowPush = func(string) (time.Duration, bool) { left--; return time.Second, left >= 0 }
	open := s.addClient(public)
	s.mustPush(open, request(open))
	_, r = s.push(open, request(open))
	refused(t, r, http.StatusTooManyRequests, "temporarily_unavailable")
	s.mustPush(c, request(c))
}
