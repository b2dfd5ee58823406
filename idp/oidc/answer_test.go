package oidc

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hilum/idp/serve"
)

// FuzzBasicAuth: what is read of an Authorization header is what net/http reads, with both
// halves decoded (RFC 6749, section 2.3.1).
func FuzzBasicAuth(f *testing.F) {
	for _, header := range []string{basic("id", "secret"), basic("a%20b", "c%3ad"), basic("a+b", "%zz"), "basic aWQ6c2VjcmV0", "Basic  aWQ6c2VjcmV0", "Basic", "Bearer x", "", basic("id", ""), basic("", "x"), basic("a:b", "c:d")} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		id, secret, ok := basicAuth([]string{header})
		if !ok {
			return
		}
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		rawID, rawSecret, theirs := r.BasicAuth()
		wantID, errID := url.QueryUnescape(rawID)
		wantSecret, errSecret := url.QueryUnescape(rawSecret)
		if !theirs || errID != nil || errSecret != nil || id != wantID || secret != wantSecret {
			t.Errorf("%q is read as %q and %q, by net/http as %q and %q", header, id, secret, rawID, rawSecret)
		}
	})
}

// FuzzEndpoints: whatever is posted as a form, no endpoint has a fault, its answer is JSON, and
// goes into no cache.
func FuzzEndpoints(f *testing.F) {
	s := newSite(f)
	c := s.addClient(nil)
	mux := http.NewServeMux()
	s.server.Mount(mux)
	h := serve.Handler(mux, serve.Config{Log: slog.New(slog.DiscardHandler)})
	header := basic(string(c.ID), c.secret.Reveal())
	for _, form := range []string{
		"grant_type=client_credentials&scope=pacs", "grant_type=authorization_code&code=x&redirect_uri=y", "grant_type=refresh_token&refresh_token=x", "token=x&token_type_hint=y",
		"GRANT_TYPE=client_credentials", "grant_type=client_credentials&resource=https://a.test&resource=b", "access_token=x", "=", "%zz", "a.0=b&a[0]=c", "grant_type=refresh_token&refresh_token=%00",
		"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x&subject_token_type=y",
	} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		for _, path := range []string{pathToken, pathIntrospect, pathRevoke, pathUserinfo} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if path != pathUserinfo {
				r.Header.Set("Authorization", header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %q: %d %v %q", path, form, w.Code, w.Header(), w.Body)
			}
		}
	})
}
