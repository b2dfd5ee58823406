package oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
)

// TestTextsThatAreNone: a NUL, or bytes that are no UTF-8, in any parameter are the caller's fault
// or nobody's; not every database keeps such a text.
func TestTextsThatAreNone(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	fault := func(r *reply) bool {
		return r.StatusCode >= 500 || strings.Contains(r.Header.Get("Location"), codeServerError) || strings.Contains(r.body, codeServerError) || strings.Contains(r.body, keyServer)
	}
	for _, odd := range []string{"a\x00b", "\xff\xfe"} {
		for _, name := range []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "prompt", "max_age", "login_hint", "id_token_hint", "ui_locales", "acr_values", "display", "claims", "resource", "request", "request_uri", "launch"} {
			for _, by := range []*browser{b, s.browser()} {
				if r := by.get(pathAuthorize + "?" + request(c, name, odd).Encode()); fault(r) {
					t.Errorf("%s=%q: %d %s %s", name, odd, r.StatusCode, r.Header.Get("Location"), r.body)
				}
			}
		}
		fresh := s.browser()
		if r := fresh.get(pathAuthorize + "?" + request(c, "nonce", odd, "state", odd).Encode()); r.StatusCode == http.StatusSeeOther && strings.HasPrefix(r.Header.Get("Location"), "/login/") {
			id := r.loginOf(t)
			fresh.prove(id, anna)
			r := fresh.get(CollectPath + string(id))
			if fault(r) {
				t.Errorf("collecting a nonce %q: %d %s", odd, r.StatusCode, r.body)
			} else if code := r.answered(t).Get("code"); code != "" {
				if _, r := s.exchange(c, idp.Secret(code)); fault(r) {
					t.Errorf("a code with a nonce %q: %d %s", odd, r.StatusCode, r.body)
				}
			}
		}
		if r := s.browser().get(CollectPath + url.PathEscape(odd)); fault(r) {
			t.Errorf("collecting %q: %d %s", odd, r.StatusCode, r.body)
		}
		for path, form := range map[string]url.Values{
			pathToken:      {"grant_type": {idp.GrantCode}, "code": {odd}, "redirect_uri": {odd}, "code_verifier": {odd}},
			pathRevoke:     {"token": {odd}, "token_type_hint": {odd}},
			pathIntrospect: {"token": {odd}},
		} {
			if r := s.call(path, c, form); fault(r) {
				t.Errorf("%s of %q: %d %s", path, odd, r.StatusCode, r.body)
			}
		}
		for _, pairs := range [][]string{
			{"grant_type", idp.GrantRefresh, "refresh_token", odd}, {"grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh, "scope", odd},
			{"grant_type", idp.GrantClientCredentials, "scope", odd}, {"grant_type", idp.GrantClientCredentials, "resource", odd}, {"grant_type", odd},
		} {
			if _, r := s.token(c, pairs...); fault(r) {
				t.Errorf("%q: %d %s", pairs, r.StatusCode, r.body)
			}
		}
		stranger := &client{Client: &idp.Client{ID: idp.ClientID(odd), Auth: idp.AuthBasic}}
		if r := s.call(pathIntrospect, stranger, url.Values{"token": {"x"}}); fault(r) {
			t.Errorf("client %q: %d %s", odd, r.StatusCode, r.body)
		}
	}
}
