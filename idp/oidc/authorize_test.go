package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
)

// TestUntrustedRequestsAreShownHere: without a client and a redirect URI that
// belong together nobody is sent anywhere.
func TestUntrustedRequestsAreShownHere(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	disabled := s.addClient(nil)
	s.editClient(disabled, func(c *idp.Client) { c.Disabled = true })
	good := request(c).Encode()
	for why, row := range map[string]struct{ query, key string }{
		"no client":             {request(c, "client_id", "").Encode(), keyClient},
		"unknown client":        {request(c, "client_id", "nobody").Encode(), keyClient},
		"disabled client":       {request(disabled).Encode(), keyClient},
		"client twice":          {good + "&client_id=" + string(c.ID), keyClient},
		"no redirect_uri":       {request(c, "redirect_uri", "").Encode(), keyRedirect},
		"unregistered redirect": {request(c, "redirect_uri", "https://evil.test/").Encode(), keyRedirect},
		"redirect with more":    {request(c, "redirect_uri", callback+"?x=1").Encode(), keyRedirect},
		"redirect twice":        {good + "&redirect_uri=" + url.QueryEscape(callback), keyRedirect},
		"bad escape":            {good + "&x=%zz", keyRequest},
		"semicolon":             {good + ";x=1", keyRequest},
		"too long":              {good + "&x=" + strings.Repeat("a", maxQuery), keyRequest},
		"empty":                 {"", keyClient},
	} {
		r := s.browser().get(pathAuthorize + "?" + row.query)
		if r.StatusCode != http.StatusBadRequest || r.body != "error page "+row.key || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.body, r.Header.Get("Location"))
		}
	}
}

func TestUnknownClientIsNoFault(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	r := s.browser().get(pathAuthorize + "?" + request(c, "client_id", "nobody").Encode())
	if r.StatusCode != http.StatusBadRequest || strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("%d, log: %s", r.StatusCode, s.log)
	}
}

func TestRedirectURIIsNotDecodedTwice(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.RedirectURIs = []string{"https://viewer.test/cb?to=%2Fhome"} })
	q := request(c)
	s.browser().get(pathAuthorize + "?" + q.Encode()).loginOf(t)
	q.Set("redirect_uri", "https://viewer.test/cb?to=/home")
	if r := s.browser().get(pathAuthorize + "?" + q.Encode()); r.body != "error page "+keyRedirect {
		t.Errorf("a decoded URI passed: %d %s", r.StatusCode, r.body)
	}
	q.Set("redirect_uri", "https%3A%2F%2Fviewer.test%2Fcb%3Fto%3D%252Fhome") // encoded once more by Encode
	if r := s.browser().get(pathAuthorize + "?" + q.Encode()); r.body != "error page "+keyRedirect {
		t.Errorf("an URI encoded twice passed: %d %s", r.StatusCode, r.body)
	}
}

func TestLoopbackMayOnlyChangeThePort(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) {
		public(c)
		c.Kind, c.RedirectURIs = idp.ClientNative, []string{"http://127.0.0.1/cb"}
	})
	s.browser().get(pathAuthorize + "?" + request(c, "redirect_uri", "http://127.0.0.1:51234/cb").Encode()).loginOf(t)
	for _, uri := range []string{"http://localhost:51234/cb", "http://[::1]:51234/cb", "http://x@127.0.0.1:51234/cb", "http://127.0.0.1:51234/cb#f", "http://127.0.0.1:51234/other"} {
		if r := s.browser().get(pathAuthorize + "?" + request(c, "redirect_uri", uri).Encode()); r.body != "error page "+keyRedirect {
			t.Errorf("%s: %d %s", uri, r.StatusCode, r.body)
		}
	}
}

// TestErrorsGoToTheRelyingParty: in the query, with our name and its state.
func TestErrorsGoToTheRelyingParty(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	optional := s.addClient(func(c *idp.Client) { c.OptionalPKCE = true })
	machineOnly := s.addClient(func(c *idp.Client) { c.GrantTypes = []string{idp.GrantClientCredentials} })
	good := request(c).Encode()
	long := strings.Repeat("a", maxValue+1)
	for why, row := range map[string]struct{ query, code string }{
		"no response_type":       {request(c, "response_type", "").Encode(), codeInvalidRequest},
		"none":                   {request(c, "response_type", "none").Encode(), codeUnsupportedResponse},
		"unknown response_mode":  {request(c, "response_mode", "web_message").Encode(), codeInvalidRequest},
		"request object":         {request(c, "request", "eyJhbGciOiJub25lIn0.e30.").Encode(), codeRequestUnsupported},
		"request_uri":            {request(c, "request_uri", "https://viewer.test/r").Encode(), codeRequestURI},
		"registration":           {request(c, "registration", "{}").Encode(), codeRegistration},
		"no scope":               {request(c, "scope", "").Encode(), codeInvalidScope},
		"no allowed scope":       {request(c, "scope", "root admin").Encode(), codeInvalidScope},
		"no challenge":           {request(c, "code_challenge", "", "code_challenge_method", "").Encode(), codeInvalidRequest},
		"method, no challenge":   {request(optional, "code_challenge", "").Encode(), codeInvalidRequest},
		"plain":                  {request(c, "code_challenge_method", "plain").Encode(), codeInvalidRequest},
		"plain by default":       {request(c, "code_challenge_method", "").Encode(), codeInvalidRequest},
		"plain though optional":  {request(optional, "code_challenge_method", "plain").Encode(), codeInvalidRequest},
		"unknown method":         {request(c, "code_challenge_method", "S512").Encode(), codeInvalidRequest},
		"method in small":        {request(c, "code_challenge_method", "s256").Encode(), codeInvalidRequest},
		"short challenge":        {request(c, "code_challenge", strings.Repeat("a", 42)).Encode(), codeInvalidRequest},
		"long challenge":         {request(c, "code_challenge", strings.Repeat("a", 129)).Encode(), codeInvalidRequest},
		"padded challenge":       {request(c, "code_challenge", strings.Repeat("a", 43)+"=").Encode(), codeInvalidRequest},
		"none and login":         {request(c, "prompt", "none login").Encode(), codeInvalidRequest},
		"none and the unknown":   {request(c, "prompt", "none create").Encode(), codeInvalidRequest},
		"negative max_age":       {request(c, "max_age", "-1").Encode(), codeInvalidRequest},
		"signed max_age":         {request(c, "max_age", "+1").Encode(), codeInvalidRequest},
		"max_age in words":       {request(c, "max_age", "1h").Encode(), codeInvalidRequest},
		"huge max_age":           {request(c, "max_age", "99999999999999999999").Encode(), codeInvalidRequest},
		"hint of nobody":         {request(c, "id_token_hint", "x.y.z").Encode(), codeInvalidRequest},
		"claims no JSON":         {request(c, "claims", "{").Encode(), codeInvalidRequest},
		"claims a list":          {request(c, "claims", "[]").Encode(), codeInvalidRequest},
		"claims null":            {request(c, "claims", "null").Encode(), codeInvalidRequest},
		"claims of wrong shape":  {request(c, "claims", `{"userinfo":{"name":true}}`).Encode(), codeInvalidRequest},
		"claims too long":        {request(c, "claims", `{"a":"`+long+`"}`).Encode(), codeInvalidRequest},
		"acr out of reach":       {request(c, "claims", `{"id_token":{"acr":{"essential":true,"value":"loa-9"}}}`).Encode(), codeUnmetAuthRequirement},
		"two subjects":           {request(c, "claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`).Encode(), codeInvalidRequest},
		"nonce twice":            {good + "&nonce=b", codeInvalidRequest},
		"response_type twice":    {good + "&response_type=code", codeInvalidRequest},
		"scope twice":            {good + "&scope=openid", codeInvalidRequest},
		"challenge twice":        {good + "&code_challenge=" + challengeOf("b"), codeInvalidRequest},
		"nonce too long":         {request(c, "nonce", long).Encode(), codeInvalidRequest},
		"nonce not UTF-8":        {good + "&login_hint=%ff", codeInvalidRequest},
		"nonce with a line feed": {request(c, "nonce", "a\nb").Encode(), codeInvalidRequest},
		"not for this flow":      {request(machineOnly).Encode(), codeUnauthorizedClient},
		"prompt none, nobody in": {request(c, "prompt", "none").Encode(), codeLoginRequired},
	} {
		r := s.browser().get(pathAuthorize + "?" + row.query)
		got := r.answered(t)
		if !strings.HasPrefix(r.Header.Get("Location"), callback+"?") || got.Get("error") != row.code ||
			got.Get("state") != "the state" || got.Get("iss") != s.issuer || got.Has("code") {
			t.Errorf("%s: %s, want %s", why, r.Header.Get("Location"), row.code)
		}
	}
	if log := s.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("what relying parties do wrong is no fault of ours: %s", log)
	}
}

// TestToleratedRequests: what the standards let relying parties send, or tell
// us to ignore.
func TestToleratedRequests(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	optional := s.addClient(func(c *idp.Client) { c.OptionalPKCE = true })
	apis := s.addClient(func(c *idp.Client) { c.Audience = []string{"https://a", "https://b"} })
	for why, query := range map[string]string{
		"as it should be":         request(c).Encode(),
		"unknown parameters":      request(c).Encode() + "&foo=1&foo=2",
		"two resources":           request(apis).Encode() + "&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb",
		"empty parameters":        request(c).Encode() + "&prompt=&max_age=&claims=&request=&id_token_hint=",
		"unknown locale":          request(c, "ui_locales", "tlh xx-XX", "claims_locales", "tlh").Encode(),
		"unknown display":         request(c, "display", "hologram").Encode(),
		"unknown prompt":          request(c, "prompt", "create").Encode(),
		"max_age nought":          request(c, "max_age", "0").Encode(),
		"wished acr":              request(c, "acr_values", "loa-9 "+idp.ACRMultiFactor).Encode(),
		"wished acr by claims":    request(c, "claims", `{"id_token":{"acr":{"value":"loa-9"}},"other":{}}`).Encode(),
		"essential acr":           request(c, "claims", `{"id_token":{"acr":{"essential":true,"values":["x","`+idp.ACRMultiFactor+`"]}}}`).Encode(),
		"no nonce, no state":      request(c, "nonce", "", "state", "").Encode(),
		"unknown scopes":          request(c, "scope", "openid address foo").Encode(),
		"PKCE left out, optional": request(optional, "code_challenge", "", "code_challenge_method", "").Encode(),
		"without openid":          request(c, "scope", "pacs").Encode(),
	} {
		if r := s.browser().get(pathAuthorize + "?" + query); !strings.HasPrefix(r.Header.Get("Location"), "/login/") {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func TestOnlyS256Challenges(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for _, method := range []string{"plain", "", "S512", "none"} {
		q := request(c, "code_challenge", verifier, "code_challenge_method", method)
		if got := s.browser().get(pathAuthorize + "?" + q.Encode()).answered(t); got.Get("error") != codeInvalidRequest {
			t.Errorf("method %q: %v", method, got)
		}
	}
}

func TestPublicClientsNeedPKCE(t *testing.T) {
	s := newSite(t)
	c := s.addClient(public)
	// Even if it stood so in the database.
	r := &idp.AuthRequest{}
	loose := *c.Client
	loose.OptionalPKCE = true
	if why := readPKCE(r, &loose, "", ""); why == nil {
		t.Error("a public client without PKCE")
	}
}

// TestOnlyCodeIsAResponseType: who asks for tokens in the browser is told that there are none
// where it looks for them, in the fragment, or as it has asked for (OAuth 2.0 Multiple
// Response Type Encoding Practices, section 5).
func TestOnlyCodeIsAResponseType(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	fragment := []string{"id_token", "token", "code id_token", "code token", "id_token token", "code id_token token"}
	for _, kind := range append(fragment, "code code", "CODE", "none", "tokens") {
		for mode, usual := range map[string]string{"": modeQuery, "jwt": modeQuery + modeSigned, modeQuery: modeQuery, modeFragment: modeFragment, modeFormPost: modeFormPost} {
			if slices.Contains(fragment, kind) && (mode == "" || mode == modeJWT) {
				usual = strings.Replace(usual, modeQuery, modeFragment, 1)
			}
			r := s.browser().get(pathAuthorize + "?" + request(c, "response_type", kind, "response_mode", mode).Encode())
			got := stateIn(t, r, strings.TrimSuffix(usual, modeSigned))
			if strings.HasSuffix(usual, modeSigned) {
				claims := s.response(c, keyring.RS256, got.Get("response"))
				got = url.Values{"error": {claims["error"].(string)}, "state": {claims["state"].(string)}}
			}
			if got.Get("error") != codeUnsupportedResponse || got.Has("id_token") || got.Has("access_token") || got.Get("state") != "the state" {
				t.Errorf("%s %s: %v", kind, mode, got)
			}
		}
	}
}

func TestUnknownResponseModeIsRefused(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for _, mode := range []string{"JWT", ".jwt", "web_message", "web_message.jwt", "jwt.jwt", "QUERY"} {
		if got := s.browser().get(pathAuthorize + "?" + request(c, "response_mode", mode).Encode()).answered(t); got.Get("error") != codeInvalidRequest {
			t.Errorf("%s: %v", mode, got)
		}
	}
	q := request(c).Encode() + "&response_mode=query&response_mode=fragment"
	if got := s.browser().get(pathAuthorize + "?" + q).answered(t); got.Get("error") != codeInvalidRequest {
		t.Errorf("two modes: %v", got)
	}
}

func TestRequestObjectsAreRefused(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	r := s.browser().get(pathAuthorize + "?" + request(c, "request", "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjB9.c2ln").Encode())
	if got := r.answered(t); got.Get("error") != codeRequestUnsupported {
		t.Error(got)
	}
}

func TestRequestURIIsRefused(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	r := s.browser().get(pathAuthorize + "?" + request(c, "request_uri", "urn:x").Encode())
	if got := r.answered(t); got.Get("error") != codeRequestURI {
		t.Error(got)
	}
}

func TestHugeStateIsRefused(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	huge := strings.Repeat("s", 9<<20)
	r := s.browser().post(pathAuthorize, request(c, "state", huge))
	if r.StatusCode/100 != 4 || r.Header.Get("Location") != "" {
		t.Errorf("posted: %d", r.StatusCode)
	}
	r = s.browser().get(pathAuthorize + "?" + request(c, "state", strings.Repeat("s", maxQuery+1)).Encode())
	if r.StatusCode/100 != 4 || r.Header.Get("Location") != "" {
		t.Errorf("beyond the bound of the request: %d", r.StatusCode)
	}
}

func TestAmbiguousStateIsNotRepeated(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	got := s.browser().get(pathAuthorize + "?" + request(c).Encode() + "&state=other").answered(t)
	if got.Get("error") != codeInvalidRequest || got.Has("state") {
		t.Errorf("%v", got)
	}
}

// TestFormPostErrorsArePosted, and those of fragment go into the fragment.
func TestFormPostErrorsArePosted(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	r := s.browser().get(pathAuthorize + "?" + request(c, "response_mode", "form_post", "response_type", "").Encode())
	action, fields := formOf(r.body)
	if r.StatusCode != http.StatusOK || action != callback || fields.Get("error") != codeInvalidRequest ||
		fields.Get("state") != "the state" || fields.Get("iss") != s.issuer || r.Header.Get("Location") != "" {
		t.Errorf("%d %s %v", r.StatusCode, action, fields)
	}
	r = s.browser().get(pathAuthorize + "?" + request(c, "response_mode", "fragment", "prompt", "none").Encode())
	at, fragment, _ := strings.Cut(r.Header.Get("Location"), "#")
	got, _ := url.ParseQuery(fragment)
	if at != callback || got.Get("error") != codeLoginRequired || got.Get("iss") != s.issuer {
		t.Errorf("%s", r.Header.Get("Location"))
	}
}

func TestFormPostNeedsAWebAddress(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) {
		public(c)
		c.Kind, c.RedirectURIs = idp.ClientNative, []string{"org.weasis.viewer:/cb"}
	})
	r := s.browser().get(pathAuthorize + "?" + request(c, "response_mode", "form_post").Encode())
	if at := r.Header.Get("Location"); !strings.HasPrefix(at, "org.weasis.viewer:/cb?error=invalid_request") {
		t.Errorf("%d %s", r.StatusCode, at)
	}
}

// TestIssInEveryAuthorizationAnswer, errors included (RFC 9207).
func TestIssInEveryAuthorizationAnswer(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	for _, mode := range []string{"query", "fragment", "form_post"} {
		b := s.browser()
		id := b.get(pathAuthorize + "?" + request(c, "response_mode", mode).Encode()).loginOf(t)
		b.prove(id, anna)
		success := b.get(CollectPath + string(id))
		silent := b.get(pathAuthorize + "?" + request(c, "response_mode", mode, "prompt", "none").Encode())
		failure := b.get(pathAuthorize + "?" + request(c, "response_mode", mode, "prompt", "none", "max_age", "0").Encode())
		for i, r := range []*reply{success, silent, failure} {
			var got url.Values
			switch mode {
			case "query":
				got = r.answered(t)
			case "fragment":
				_, f, _ := strings.Cut(r.Header.Get("Location"), "#")
				got, _ = url.ParseQuery(f)
			case "form_post":
				_, got = formOf(r.body)
			}
			if got.Get("iss") != s.issuer || got.Get("state") != "the state" || got.Has("code") == got.Has("error") || got.Has("error") != (i == 2) {
				t.Errorf("%s, answer %d: %v", mode, i, got)
			}
			if r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, answer %d may be cached", mode, i)
			}
		}
	}
}

// TestAuthorizeByCrossSitePost: a form of another site brings no cookies, so
// the request goes on by GET, where they are.
func TestAuthorizeByCrossSitePost(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	b.signIn(anna, request(c))
	r := b.post(pathAuthorize, request(c), "Origin", "https://viewer.test", "Sec-Fetch-Site", "cross-site")
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), pathAuthorize+"?") {
		t.Fatalf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if got := b.get(r.Header.Get("Location")).answered(t); got.Get("code") == "" {
		t.Errorf("no code: %v", got)
	}
	for why, r := range map[string]*reply{
		"query and form": b.post(pathAuthorize+"?x=1", request(c)),
		"too long":       b.post(pathAuthorize, request(c, "state", strings.Repeat("s", maxQuery))),
		"JSON":           b.post(pathAuthorize, request(c), "Content-Type", "application/json"),
		"no type":        b.post(pathAuthorize, request(c), "Content-Type", ""),
	} {
		if r.StatusCode != http.StatusBadRequest || r.body != "error page "+keyRequest {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
}

func TestAuthorizeRefusesOtherMethods(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for _, method := range []string{"HEAD", "PUT", "DELETE", "TRACE", "PATCH", "OPTIONS"} {
		r, err := http.NewRequest(method, s.issuer+pathAuthorize+"?"+request(c).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := s.browser().do(r)
		if got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, POST" || got.Header.Get("Set-Cookie") != "" || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v", method, got.StatusCode, got.Header)
		}
	}
}

func TestCollectTooEarly(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	early := b.get(CollectPath + string(id))
	if early.loginOf(t) != id || early.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d %s", early.StatusCode, early.body)
	}
	b.prove(id, anna)
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("code") == "" {
		t.Errorf("asking early spoilt it: %v", got)
	}
}

func TestCollectTwice(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	b.prove(id, anna)
	codes := make(chan string, 8)
	for range 8 {
		go func() {
			u, _ := url.Parse(b.get(CollectPath + string(id)).Header.Get("Location"))
			codes <- u.Query().Get("code")
		}()
	}
	given := 0
	for range 8 {
		if <-codes != "" {
			given++
		}
	}
	if given != 1 {
		t.Errorf("%d codes from one sign-in", given)
	}
	if r := b.get(CollectPath + string(id)); r.loginOf(t) != id { // whose page leads to the application
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestCollectFromAnotherBrowser(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	b.prove(id, anna)
	for why, other := range map[string]*browser{"new": s.browser(), "with a sign-in of its own": func() *browser {
		o := s.browser()
		o.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
		return o
	}()} {
		if r := other.get(CollectPath + string(id)); r.StatusCode != http.StatusNotFound || r.body != "error page "+keyGone {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.body, r.Header.Get("Location"))
		}
	}
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("code") == "" {
		t.Errorf("another browser spoilt it: %v", got)
	}
}

func TestCollectAfterItsTime(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	b.prove(id, anna)
	s.clock.Add(idp.LoginTTL)
	if r := b.get(CollectPath + string(id)); r.loginOf(t) != id { // whose page begins anew
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := b.get(CollectPath + "made-up"); r.StatusCode != http.StatusNotFound || r.body != "error page "+keyGone {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestCollectFromAClientThatWasDisabledMeanwhile(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	b.prove(id, anna)
	s.editClient(c, func(c *idp.Client) { c.Disabled = true })
	if r := b.get(CollectPath + string(id)); r.Header.Get("Location") != "" || r.body != "error page "+keyClient {
		t.Errorf("%d %s %s", r.StatusCode, r.body, r.Header.Get("Location"))
	}
}

func TestDenialIsToldToTheRelyingParty(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	b := s.browser()
	id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	if _, err := s.flow.Cancel(t.Context(), id, b.asLogin()); err != nil {
		t.Fatal(err)
	}
	got := b.get(CollectPath + string(id)).answered(t)
	if got.Get("error") != codeAccessDenied || got.Get("state") != "the state" || got.Get("iss") != s.issuer || got.Has("code") {
		t.Errorf("%v", got)
	}
}

// TestPromptNoneAfterASignIn: the same person and moment, without a page.
func TestPromptNoneAfterASignIn(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	first := claimsOf(t, s.mustExchange(c, b.signIn(anna, request(c))).ID)
	s.clock.Add(5 * time.Minute)
	got := b.get(pathAuthorize + "?" + request(c, "prompt", "none", "nonce", "another").Encode()).answered(t)
	second := claimsOf(t, s.mustExchange(c, idp.Secret(got.Get("code"))).ID)
	for _, name := range []string{"sub", "auth_time", "sid", "acr"} {
		if first[name] == nil || first[name] != second[name] {
			t.Errorf("%s: %v, then %v", name, first[name], second[name])
		}
	}
	if second["nonce"] != "another" {
		t.Errorf("nonce %v", second["nonce"])
	}
}

func TestPromptLoginAndMaxAgeAskAgain(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	first := claimsOf(t, s.mustExchange(c, b.signIn(anna, request(c))).ID)
	s.clock.Add(time.Minute)
	for _, change := range [][]string{{"prompt", "login"}, {"max_age", "10"}} {
		again := claimsOf(t, s.mustExchange(c, b.signIn(anna, request(c, change...))).ID)
		if again["sub"] != first["sub"] || again["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v: auth_time %v, then %v", change, first["auth_time"], again["auth_time"])
		}
		first = again
		s.clock.Add(time.Minute)
	}
	if r := b.get(pathAuthorize + "?" + request(c, "max_age", "3600").Encode()); r.answered(t).Get("code") == "" {
		t.Error("asked again within max_age")
	}
}

func TestIDTokenHint(t *testing.T) {
	s := newSite(t)
	c, other := s.addClient(nil), s.addClient(nil)
	anna, bert := s.addPerson("anna"), s.addPerson("bert")
	b, b2 := s.browser(), s.browser()
	ofAnna := s.mustExchange(c, b.signIn(anna, request(c))).ID
	ofBert := s.mustExchange(c, b2.signIn(bert, request(c))).ID
	ask := func(c *client, hint string) url.Values {
		return b.get(pathAuthorize + "?" + request(c, "prompt", "none", "id_token_hint", hint).Encode()).answered(t)
	}
	if got := ask(c, ofAnna); got.Get("code") == "" {
		t.Errorf("the person hinted at: %v", got)
	}
	if got := ask(c, ofBert); got.Get("error") != codeLoginRequired {
		t.Errorf("another person: %v", got)
	}
	if got := ask(other, ofAnna); got.Get("error") != codeInvalidRequest {
		t.Errorf("another client's token: %v", got)
	}
	s.clock.Add(30 * time.Minute)
	if got := ask(c, ofAnna); got.Get("code") == "" {
		t.Errorf("an expired token: %v", got)
	}
	head, rest, _ := strings.Cut(ofAnna, ".")
	for why, bad := range map[string]string{
		"signature changed": ofAnna[:len(ofAnna)-4] + "AAAA",
		"no signature":      head + "." + strings.Split(rest, ".")[0] + ".",
		"alg none":          "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(rest, ".")[0] + ".",
	} {
		if got := ask(c, bad); got.Get("error") != codeInvalidRequest {
			t.Errorf("%s: %v", why, got)
		}
	}
}

// TestSubjectByClaims: a subject named in the claims parameter is whom the
// relying party expects.
func TestSubjectByClaims(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	b.signIn(anna, request(c))
	ask := func(sub string) url.Values {
		return b.get(pathAuthorize + "?" + request(c, "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+sub+`"}}}`).Encode()).answered(t)
	}
	if got := ask(string(anna.ID)); got.Get("code") == "" {
		t.Error(got)
	}
	if got := ask("somebody"); got.Get("error") != codeLoginRequired {
		t.Error(got)
	}
}

// TestHostHeaderBuildsNoURL: whatever a request says about where we are.
func TestHostHeaderBuildsNoURL(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for _, path := range []string{pathDiscovery, pathAuthorize + "?" + request(c, "prompt", "none").Encode(), pathAuthorize + "?" + request(c).Encode()} {
		r, err := http.NewRequest(http.MethodGet, s.issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.test"
		r.Header.Set("Forwarded", "host=evil.test;proto=https")
		r.Header.Set("X-Forwarded-Host", "evil.test")
		got := s.browser().do(r)
		if strings.Contains(got.body, "evil.test") || strings.Contains(got.Header.Get("Location"), "evil.test") {
			t.Errorf("%s: %s %s", path, got.Header.Get("Location"), got.body)
		}
	}
}

func TestFaultsAtAuthorizeStayInside(t *testing.T) {
	s := newSite(t)
	s.store.breakWith(errors.New("disk on fire: /var/lib/idp.db"))
	c := s.addClient(nil)
	r := s.browser().get(pathAuthorize + "?" + request(c, "client_id", "broken").Encode())
	if r.StatusCode != http.StatusInternalServerError || r.body != "error page "+keyServer {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if !strings.Contains(s.log.String(), "disk on fire") {
		t.Error("the cause is not in the log")
	}
}

// TestWhatSignInsAnswerWith: each error of login.Flow in the protocol's words.
func TestWhatSignInsAnswerWith(t *testing.T) {
	s := newSite(t)
	r := httptest.NewRequest(http.MethodGet, pathAuthorize, nil)
	for err, code := range map[error]string{
		login.ErrLoginRequired:                                codeLoginRequired,
		login.ErrConsentRequired:                              codeConsentRequired,
		&idp.RetryError{Err: idp.ErrBusy}:                     codeUnavailable,
		&idp.UnwritableError{Err: errors.New("disk on fire")}: codeUnavailable,
		errors.New("disk on fire"):                            codeServerError,
	} {
		if why := s.server.loginError(r, fmt.Errorf("wrapped: %w", err)); why.code != code || strings.Contains(why.description, "fire") {
			t.Errorf("%v: %+v", err, why)
		}
	}
}

// TestConsentIsToldApart: a client that asks for consent, before and after.
func TestConsentIsToldApart(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	asking := s.addClient(func(c *idp.Client) { c.Consent = true })
	b := s.browser()
	b.signIn(anna, request(c))
	silent := pathAuthorize + "?" + request(asking, "prompt", "none").Encode()
	if got := b.get(silent).answered(t); got.Get("error") != codeConsentRequired {
		t.Errorf("before: %v", got)
	}
	id := b.get(pathAuthorize + "?" + request(asking).Encode()).loginOf(t)
	if _, err := s.flow.Consent(t.Context(), id, b.asLogin(), true); err != nil {
		t.Fatal(err)
	}
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("code") == "" {
		t.Errorf("at the yes: %v", got)
	}
	if got := b.get(silent).answered(t); got.Get("code") == "" {
		t.Errorf("after: %v", got)
	}
}
