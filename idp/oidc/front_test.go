package oidc

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
)

func TestTokenEndpointRefusesGET(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	q := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_id": {string(c.ID)}, "client_secret": {c.secret.Reveal()}}
	r := s.browser().get(pathToken + "?" + q.Encode())
	if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "OPTIONS, POST" || strings.Contains(r.body, "access_token") {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, r.body)
	}
}

func TestQueryAndBodyAreNotMerged(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	whole := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_id": {string(c.ID)}, "client_secret": {c.secret.Reveal()}, "token": {"x"}}
	for _, path := range []string{pathToken, pathIntrospect, pathRevoke} {
		for name := range whole {
			form := cloned(whole)
			form.Del(name)
			r := s.browser().post(path+"?"+url.Values{name: whole[name]}.Encode(), form)
			refused(t, r, http.StatusBadRequest, "invalid_request")
		}
		refused(t, s.browser().post(path+"?x", whole), http.StatusBadRequest, "invalid_request")
	}
}

func TestEndpointsKnowTheirMethods(t *testing.T) {
	s := newSite(t)
	known := map[string]string{
		pathAuthorize: "GET, POST", CollectPath + "x": "GET", pathToken: "OPTIONS, POST", pathRevoke: "OPTIONS, POST",
		pathIntrospect: "POST", pathUserinfo: "GET, OPTIONS, POST", pathEndSession: "GET, POST", pathConfirm: "POST",
	}
	for path, allow := range known {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"} {
			if strings.Contains(allow, method) && method != "HEAD" {
				continue
			}
			r, err := http.NewRequest(method, s.issuer+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := s.browser().do(r)
			if got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != allow || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d, Allow %q", method, path, got.StatusCode, got.Header.Get("Allow"))
			}
		}
	}
}

func TestFormsAreStrict(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.Auth, c.Audience = idp.AuthPost, []string{"https://a", "https://b"} })
	good := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_id": {string(c.ID)}, "client_secret": {c.secret.Reveal()}, "token": {"x"}}.Encode()
	for _, path := range []string{pathToken, pathIntrospect, pathRevoke} {
		for why, row := range map[string]struct{ kind, body string }{
			"JSON":                  {"application/json", `{}`},
			"no type":               {"", good},
			"multipart":             {"multipart/form-data; boundary=x", good},
			"plain text":            {"text/plain", good},
			"grant_type twice":      {formType, good + "&grant_type=" + idp.GrantClientCredentials},
			"client_id twice":       {formType, good + "&client_id=" + string(c.ID)},
			"unknown twice":         {formType, good + "&foo=1&foo=2"},
			"bad escape":            {formType, good + "&x=%zz"},
			"semicolon":             {formType, good + ";x=1"},
			"a long value":          {formType, good + "&x=" + strings.Repeat("a", maxValue+1)},
			"a long name":           {formType, good + "&" + strings.Repeat("a", maxValue+1) + "=x"},
			"a long token":          {formType, good + "&refresh_token=" + strings.Repeat("a", maxToken+1)},
			"a long body":           {formType, good + strings.Repeat("&", maxForm)},
			"a control character":   {formType, good + "&x=%00"},
			"not UTF-8":             {formType, good + "&x=%ff"},
			"nothing":               {formType, ""},
			"a body of another age": {"application/x-www-form-urlencoded-1", good},
		} {
			r, err := http.NewRequest(http.MethodPost, s.issuer+path, strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", row.kind)
			got := s.browser().do(r)
			if got.StatusCode/100 != 4 || strings.Contains(got.body, "access_token") || strings.Contains(got.body, "active") {
				t.Errorf("%s at %s: %d %s", why, path, got.StatusCode, got.body)
			}
		}
		// What is allowed beside the bare minimum.
		r, err := http.NewRequest(http.MethodPost, s.issuer+path, strings.NewReader(good+"&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb&unknown=1&scope="))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		if got := s.browser().do(r); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
	_, r := s.token(c)
	refused(t, r, http.StatusBadRequest, "invalid_request")
}

// TestBodiesAreBoundedHere, whatever stands in front.
func TestBodiesAreBoundedHere(t *testing.T) {
	reached := false
	h := clientForm(noScripts, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	send := func(n int) int {
		body := "client_id=x"
		for i := 0; len(body) < n; i++ {
			body += fmt.Sprintf("&%d=%s", i, strings.Repeat("x", 1000))
		}
		r := httptest.NewRequest(http.MethodPost, pathToken, strings.NewReader(body[:n]))
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := send(maxForm); code != http.StatusOK || !reached {
		t.Errorf("%d bytes: %d", maxForm, code)
	}
	reached = false
	if code := send(maxForm + 1); code != http.StatusBadRequest || reached {
		t.Errorf("%d bytes: %d", maxForm+1, code)
	}
}

const formType = "application/x-www-form-urlencoded"

// TestForeignOriginIsNeverAllowed: scripts may read what is answered to a
// client that registered their origin, those of any client's origin the errors of
// before a client is known, and nothing else.
func TestForeignOriginIsNeverAllowed(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(public), s.addPerson("anna")
	elsewhere := s.addClient(func(c *idp.Client) { public(c); c.Origins = nil })
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	theirs := s.mustExchange(elsewhere, s.browser().signIn(anna, request(elsewhere)))
	refresh := func(c *client, origin string) *reply {
		return s.call(pathToken, c, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {"x"}}, "Origin", origin)
	}
	const own, evil = "https://viewer.test", "https://evil.test"
	for why, row := range map[string]struct {
		r     *reply
		allow string
	}{
		"token":                       {refresh(c, own), own},
		"token, foreign":              {refresh(c, evil), ""},
		"token, null":                 {refresh(c, "null"), ""},
		"token, other port":           {refresh(c, own+":444"), ""},
		"token, begins alike":         {refresh(c, own+".evil.test"), ""},
		"token, none registered":      {refresh(elsewhere, own), ""},
		"token, nobody":               {s.browser().post(pathToken, url.Values{"grant_type": {idp.GrantRefresh}}, "Origin", own), own},
		"token, nobody, foreign":      {s.browser().post(pathToken, url.Values{"grant_type": {idp.GrantRefresh}}, "Origin", evil), ""},
		"userinfo":                    {s.userinfo(tok.Access, "Origin", own), own},
		"userinfo, foreign":           {s.userinfo(tok.Access, "Origin", evil), ""},
		"userinfo, another's token":   {s.userinfo(theirs.Access, "Origin", own), ""},
		"userinfo, no token":          {s.userinfo("", "Origin", own), own},
		"userinfo, no token, foreign": {s.userinfo("", "Origin", evil), ""},
		"revoke":                      {s.call(pathRevoke, c, url.Values{"token": {"x"}}, "Origin", own), own},
		"revoke, foreign":             {s.call(pathRevoke, c, url.Values{"token": {"x"}}, "Origin", evil), ""},
		"introspect is for no script": {s.call(pathIntrospect, s.addClient(nil), url.Values{"token": {"x"}}, "Origin", own), ""},
	} {
		h := row.r.Header
		if h.Get("Access-Control-Allow-Origin") != row.allow || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", why, h)
		}
		if row.allow != "" && h.Get("Vary") != "Origin" {
			t.Errorf("%s: Vary %q", why, h.Get("Vary"))
		}
	}
}

// TestErrorsCanBeReadByScripts of registered origins at token, userinfo and
// revoke, whatever is wrong and whether or not the client is known by then; by
// others they cannot.
func TestErrorsCanBeReadByScripts(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	gone := s.addClient(func(c *idp.Client) { c.Origins = []string{"https://old.test"} })
	s.editClient(gone, func(c *idp.Client) { c.Disabled = true })
	const grant = "grant_type=client_credentials&"
	id := "client_id=" + string(c.ID)
	for _, row := range []struct {
		name, method, path, kind, body string
		headers                        []string
		status                         int
	}{
		{"no token", "GET", pathUserinfo, "", "", nil, 401},
		{"unknown token", "GET", pathUserinfo, "", "", []string{"Authorization", "Bearer x"}, 401},
		{"another scheme", "GET", pathUserinfo, "", "", []string{"Authorization", "Basic eDp5"}, 401},
		{"token in the URL", "GET", pathUserinfo + "?access_token=x", "", "", nil, 400},
		{"two ways", "POST", pathUserinfo, formType, "access_token=x", []string{"Authorization", "Bearer x"}, 400},
		{"another method", "PUT", pathUserinfo, "", "", nil, 405},
		{"no client", "POST", pathToken, formType, grant, nil, 401},
		{"unknown client", "POST", pathToken, formType, grant + "client_id=nobody&client_secret=x", nil, 401},
		{"wrong secret", "POST", pathToken, formType, grant + id + "&client_secret=x", nil, 401},
		{"wrong way", "POST", pathToken, formType, grant + id, nil, 401},
		{"disabled client", "POST", pathToken, formType, grant + "client_id=" + string(gone.ID) + "&client_secret=" + gone.secret.Reveal(), nil, 401},
		{"malformed header", "POST", pathToken, formType, grant, []string{"Authorization", "Basic ?"}, 401},
		{"no form", "POST", pathToken, "application/json", "{}", nil, 400},
		{"twice", "POST", pathToken, formType, grant + id + "&" + id, nil, 400},
		{"in the URL", "POST", pathToken + "?x=1", formType, grant + id, nil, 400},
		{"no grant type", "POST", pathToken, formType, id + "&client_secret=" + c.secret.Reveal(), nil, 400},
		{"a long body", "POST", pathToken, formType, strings.Repeat("a", 2*maxForm), nil, 413},
		{"another method", "GET", pathToken, "", "", nil, 405},
		{"unknown client", "POST", pathRevoke, formType, "token=x&client_id=nobody", nil, 401},
	} {
		for origin, allow := range map[string]string{"https://viewer.test": "https://viewer.test", "https://evil.test": "", "https://old.test": "", "null": ""} {
			r, err := http.NewRequest(row.method, s.issuer+row.path, strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			if row.kind != "" {
				r.Header.Set("Content-Type", row.kind)
			}
			for i := 0; i < len(row.headers); i += 2 {
				r.Header.Set(row.headers[i], row.headers[i+1])
			}
			got := s.browser().do(r)
			h := got.Header
			if got.StatusCode != row.status || h.Get("Access-Control-Allow-Origin") != allow || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s, %s, from %s: %d %v", row.method, row.path, row.name, origin, got.StatusCode, h)
			}
			if allow != "" && row.status == 401 && (h.Get("WWW-Authenticate") == "" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "WWW-Authenticate")) {
				t.Errorf("%s: the challenge cannot be read: %v", row.name, h)
			}
		}
	}
}

func TestPreflight(t *testing.T) {
	s := newSite(t)
	for path, scripts := range map[string]bool{
		pathToken: true, pathUserinfo: true, pathRevoke: true, pathKeys: true, pathDiscovery: true,
		pathAuthorize: false, pathIntrospect: false, pathEndSession: false,
	} {
		r, err := http.NewRequest(http.MethodOptions, s.issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://viewer.test")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		got := s.browser().do(r)
		if allowed := got.Header.Get("Access-Control-Allow-Origin") == "*" && got.StatusCode == http.StatusNoContent; allowed != scripts {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
		if got.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows cookies", path)
		}
	}
}

func TestAuthorizeHasNoCORS(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	r, err := http.NewRequest(http.MethodGet, s.issuer+pathAuthorize+"?"+request(c).Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://viewer.test")
	for name := range s.browser().do(r).Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s is set", name)
		}
	}
}

// FuzzForm: what is read was there once, within its bounds.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a=1&a=2", "a=%00", "a=;b", "%zz", "=", "a=&a=1", "resource=1&resource=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := parseForm(raw)
		if err != nil {
			return
		}
		again, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		for name, v := range form {
			if name != "resource" && (len(v) != 1 || len(again[name]) != 1) || v[0] == "" || name != "state" && (len(v[0]) > maxToken || !wellFormed(v[0], maxToken)) {
				t.Fatalf("%q: %s = %q", raw, name, v)
			}
		}
	})
}
