package oidc

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/recent"
)

// Why a token request was refused stands in its log line with the client, and on the
// application's page; the caller hears what it heard before.
func TestRefusedTokenRequestsAreTold(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	anna := s.addPerson("anna")
	basic, other := s.addClient(nil), s.addClient(nil)
	post := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	page := s.addClient(public)
	program := s.addClient(func(c *idp.Client) {
		c.GrantTypes, c.RedirectURIs, c.PostLogoutURIs, c.Scopes = []string{idp.GrantClientCredentials}, nil, nil, []string{"pacs"}
	})
	code := func(c *client, pairs ...string) idp.Secret { return s.browser().signIn(anna, request(c, pairs...)) }
	form := func(pairs ...string) url.Values {
		f := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	send := func(f url.Values, headers ...string) *reply { return s.browser().post(pathToken, f, headers...) }
	only := func(_ *tokens, r *reply) *reply { return r }
	wrong := *basic
	wrong.secret = "wrong"
	r, _ := http.NewRequest(http.MethodPost, s.issuer, nil)
	r.SetBasicAuth(string(post.ID), url.QueryEscape(post.secret.Reveal()))
	header := r.Header.Get("Authorization")

	used := code(basic)
	refresh := s.mustExchange(basic, used).Refresh
	s.mustRefresh(basic, refresh)
	late := code(basic)

	for _, c := range []struct {
		why    string
		of     *client // whose page tells; nil: nobody's
		do     func() *reply
		status int
		reason idp.RejectionReason
		log    string // besides, in the log line
	}{
		{"Basic where post is registered", post, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x"), "Authorization", header)
		}, 401,
			idp.RejectedMethod, `sent=client_secret_basic registered=\[client_secret_post\]`},
		{"post where Basic is registered", basic, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", string(basic.ID), "client_secret", basic.secret.Reveal()))
		}, 401, idp.RejectedMethod, `sent=client_secret_post registered=\[client_secret_basic\]`},
		{"nothing where a secret is registered", basic, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", string(basic.ID)))
		}, 401,
			idp.RejectedMethod, `sent=none registered=\[client_secret_basic\]`},
		{"a secret where none is registered", page, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", string(page.ID), "client_secret", "geheim"))
		}, 401, idp.RejectedMethod, `sent=client_secret_post registered=\[none\]`},
		{"an assertion", basic, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", string(basic.ID), "client_assertion", "geheim"))
		}, 401, idp.RejectedMethod, `sent=client_assertion registered=\[client_secret_basic\]`},
		{"a bearer token", basic, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", string(basic.ID)), "Authorization", "Bearer geheim")
		}, 401, idp.RejectedMethod, `sent="Authorization: Bearer" registered=\[client_secret_basic\]`},
		{"two ways", post, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_secret", post.secret.Reveal()), "Authorization", header)
		}, 400, idp.RejectedCredentials, `registered=\[client_secret_post\]`},
		{"Basic that is none", nil, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x"), "Authorization", "Basic geheim")
		}, 401, idp.RejectedCredentials, ""},
		{"nobody", nil, func() *reply {
			return send(form("grant_type", "authorization_code", "code", "x", "client_id", "nobody\"here"))
		}, 401, idp.RejectedUnknown, `client_sent="nobody\\"here" refused=client`},
		{"a wrong secret", basic, func() *reply { return only(s.exchange(&wrong, "x")) }, 401, idp.RejectedSecret, ""},
		{"a grant type that it has not", page, func() *reply { return only(s.token(page, "grant_type", "client_credentials")) }, 400,
			idp.RejectedGrantType, `sent=client_credentials registered="\[authorization_code refresh_token\]"`},
		{"a grant type that nobody has", basic, func() *reply {
			return only(s.token(basic, "grant_type", "password", "username", "anna", "password", "geheim"))
		}, 400, idp.RejectedGrantType, `sent=password`},
		{"a code that nobody issued", basic, func() *reply { return only(s.exchange(basic, "no-such-geheim")) }, 400, idp.RejectedToken, ""},
		{"a used code", basic, func() *reply { return only(s.exchange(basic, used)) }, 400, idp.RejectedUsed, ""},
		{"another's code", other, func() *reply { return only(s.exchange(other, code(basic))) }, 400, idp.RejectedForeign, ""},
		{"a wrong verifier", basic, func() *reply {
			return only(s.exchange(basic, code(basic), "code_verifier", strings.Repeat("geheim", 10)))
		}, 400, idp.RejectedVerifier, ""},
		{"no verifier", basic, func() *reply { return only(s.exchange(basic, code(basic), "code_verifier", "")) }, 400, idp.RejectedNoVerifier, ""},
		{"another address", basic, func() *reply { return only(s.exchange(basic, code(basic), "redirect_uri", callback+"/")) }, 400,
			idp.RejectedRedirect, `sent=https://viewer.test/callback/ registered=\[https://viewer.test/callback\]`},
		{"a refresh token that nobody issued", basic, func() *reply { return only(s.refresh(basic, "no-such-geheim")) }, 400, idp.RejectedToken, ""},
		{"another's refresh token", other, func() *reply { return only(s.refresh(other, s.mustExchange(basic, code(basic)).Refresh)) }, 400, idp.RejectedForeign, ""},
		{"a used refresh token", basic, func() *reply {
			old := s.mustExchange(basic, code(basic)).Refresh
			s.mustRefresh(basic, old)
			s.clock.Add(time.Minute)
			return only(s.refresh(basic, old))
		}, 400, idp.RejectedUsed, ""},
		{"a scope beyond", program, func() *reply { return only(s.token(program, "grant_type", "client_credentials", "scope", "email")) }, 400, idp.RejectedScope, `sent=email registered=\[pacs\]`},
		{"a late code", basic, func() *reply { s.clock.Add(2 * time.Minute); return only(s.exchange(basic, late)) }, 400, idp.RejectedExpired, ""},
		{"nothing but a client", nil, func() *reply { return only(s.token(basic)) }, 400, idp.RejectedForm, ""},
		{"a disabled client", other, func() *reply {
			s.editClient(other, func(c *idp.Client) { c.Disabled = true })
			return only(s.exchange(other, "x"))
		}, 401, idp.RejectedDisabled, ""},
	} {
		before := len(s.log.String())
		got := c.do()
		id := got.Header.Get("X-Request-Id")
		if got.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.why, got.StatusCode, got.body)
		}
		line := regexp.MustCompile(`(?m)^.*msg=request id=` + id + ` .*$`).FindString(s.log.String()[before:])
		pattern := `refused=` + string(c.reason) + `( |$)`
		if c.of != nil {
			pattern = `client=` + string(c.of.ID) + ` .*` + pattern
		}
		if !regexp.MustCompile(pattern).MatchString(line) || !regexp.MustCompile(c.log).MatchString(line) || strings.Count(line, "refused=") != 1 {
			t.Errorf("%s: logged %s, want %s and %s", c.why, line, pattern, c.log)
		}
		if c.of != nil {
			if last := list.Of(c.of.ID); len(last) == 0 || last[0].Reference != id || last[0].Reason != c.reason {
				t.Errorf("%s: its page has %+v", c.why, last)
			}
		}
		if strings.Contains(line, "geheim") {
			t.Errorf("%s: the log has a secret: %s", c.why, line)
		}
	}
	for _, c := range []*client{basic, other, post, page, program} {
		for _, one := range list.Of(c.ID) {
			if strings.Contains(one.Sent+strings.Join(one.Registered, " "), "geheim") || one.Sent == c.secret.Reveal() && one.Sent != "" {
				t.Errorf("a page has a secret: %+v", one)
			}
		}
	}
	if list.Of("nobody\"here") != nil {
		t.Error("something is kept for a client that there is not")
	}
}

// A secret that was replaced is told from one that never was.
func TestExpiredSecretIsTold(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c := s.addClient(nil)
	if _, err := s.desk.NewClientSecret(t.Context(), s.admin, c.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.clock.Add(2 * time.Hour)
	_, r := s.token(c, "grant_type", "client_credentials")
	refused(t, r, 401, "invalid_client")
	if last := list.Of(c.ID); len(last) != 1 || last[0].Reason != idp.RejectedOldSecret {
		t.Errorf("%+v", last)
	}
}

// A refused address stands beside the registered ones in the line that the page's
// reference finds, without what may be a secret in it.
func TestRefusedAddressesAreTold(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c := s.addClient(func(c *idp.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://viewer.test/second?tenant=a") })
	for sent, want := range map[string]string{
		"https://viewer.test/callback/":                             "https://viewer.test/callback/",
		"https://viewer.test/second?tenant=b":                       "https://viewer.test/second?tenant=b",
		"https://anna:geheim@viewer.test/callback":                  "https://anna:…@viewer.test/callback",
		"https://viewer.test/callback?code=geheim&a=1&Token=geheim": "https://viewer.test/callback?code=…&a=1&Token=…",
		"https://viewer.test/callback?c%6fde=geheim":                "https://viewer.test/callback?c%6fde=…",
		"https://viewer.test/callback#access_token=geheim":          "https://viewer.test/callback#…",
		"https://viewer.test/viewer?StudyInstanceUIDs=1.2.3&a=1":    "https://viewer.test/viewer?StudyInstanceUIDs=…&a=1",
		"https://viewer.test/viewer?a=1;patientID=4711":             "https://viewer.test/viewer?a=1&patientID=…",
		"https://viewer.test/\u202ekcabllac":                        "https://viewer.test/\ufffdkcabllac",
		"https://viewer.test/a\r\nlevel=ERROR":                      "https://viewer.test/a\ufffd\ufffdlevel=ERROR",
		"javascript:alert(1)":                                       "javascript:alert(1)",
		"https://viewer.test/" + strings.Repeat("ä", 300):           "https://viewer.test/" + strings.Repeat("ä", 140) + "…",
		"": "",
	} {
		got := s.browser().get(pathAuthorize + "?" + request(c, "redirect_uri", sent).Encode())
		if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, keyRedirect) {
			t.Fatalf("%q: %d %s", sent, got.StatusCode, got.body)
		}
		id := got.Header.Get("X-Request-Id")
		last := list.Of(c.ID)
		if len(last) == 0 || last[0].Reference != id || last[0].Reason != idp.RejectedAddress || last[0].Sent != want || len(last[0].Registered) != 2 || last[0].Registered[1] != "https://viewer.test/second?tenant=a" {
			t.Errorf("%q: %+v", sent, last)
		}
		line := regexp.MustCompile(`(?m)^.*id=` + id + ` .*refused=address .*registered=.*second\?tenant=a.*$`).FindString(s.log.String())
		if line == "" || strings.Contains(line, "geheim") || sent == callback+"/" && !strings.Contains(line, "sent=https://viewer.test/callback/") {
			t.Errorf("%q: logged %s", sent, line)
		}
	}
	got := s.browser().get(pathEndSession + "?client_id=" + string(c.ID) + "&post_logout_redirect_uri=https%3A%2F%2Fviewer.test%2Felsewhere")
	if last := list.Of(c.ID); got.StatusCode != http.StatusOK || !strings.Contains(got.body, "no way back") || last[0].Reason != idp.RejectedSignOutAddress || last[0].Sent != "https://viewer.test/elsewhere" || last[0].Registered[0] != "https://viewer.test/bye" {
		t.Errorf("sign-out: %+v", last[0])
	}
	if n := len(list.Of(c.ID)); n > recent.PerClient {
		t.Errorf("%d are kept", n)
	}
}
