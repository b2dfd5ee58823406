package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The realm of an issuer that has a path has all its addresses beneath it.
func TestRealmBeneathAPath(t *testing.T) {
	t.Parallel()
	s, _ := startPlainBeneath(t, "127.0.0.1", "/login", "IDP_CLIENTS_REALM=hospital")
	realm := s.issuer + "/realms/hospital"
	const redirect = "https://viewer.klinik.test/callback"
	s.idp(t, "client", "preset", "keycloak", "--set", "base=https://viewer.klinik.test", "--id", "viewer")
	s.idp(t, "client", "edit", "viewer", "--redirect-uri", redirect)
	document := func(address string) map[string]any {
		t.Helper()
		res := must[*http.Response](t)(s.client.Get(address))
		defer res.Body.Close()
		var m map[string]any
		if err := json.Unmarshal(must[[]byte](t)(io.ReadAll(res.Body)), &m); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", address, res.StatusCode, err)
		}
		return m
	}
	meta := document(realm + "/.well-known/openid-configuration")
	if info := document(realm); meta["issuer"] != realm || info["token-service"] != realm+"/protocol/openid-connect" {
		t.Errorf("%v %v", meta["issuer"], info)
	}
	anna := s.invite(t, "anna")
	sum := sha256.Sum256([]byte(strings.Repeat("verifier-", 6)))
	q := url.Values{
		"client_id": {"viewer"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	at := anna.signIn(meta["authorization_endpoint"].(string) + "?" + q.Encode())
	back := at.url
	if back.Query().Get("iss") != realm || !strings.HasPrefix(back.String(), redirect) {
		t.Fatalf("answered %d %s", at.status, back)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"viewer"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {strings.Repeat("verifier-", 6)}}
	res := must[*http.Response](t)(s.client.PostForm(meta["token_endpoint"].(string), form))
	defer res.Body.Close()
	var tk tokens
	if err := json.NewDecoder(res.Body).Decode(&tk); err != nil || claim(t, tk.Access, "iss") != realm {
		t.Errorf("%d %v %+v", res.StatusCode, err, tk)
	}
	// A form is led on beneath the path, and the sign-out asks there.
	still := &http.Client{Transport: s.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, name := range []string{"authorization_endpoint", "end_session_endpoint"} {
		res := must[*http.Response](t)(still.PostForm(meta[name].(string), url.Values{"client_id": {"viewer"}, "redirect_uri": {redirect}}))
		res.Body.Close()
		if to := res.Header.Get("Location"); !strings.HasPrefix(to, "/login/realms/hospital/protocol/openid-connect/") {
			t.Errorf("%s leads to %s", name, to)
		}
	}
	if res := must[*http.Response](t)(s.client.Get(strings.TrimSuffix(s.issuer, "/login") + "/realms/hospital")); res.StatusCode != http.StatusNotFound {
		t.Errorf("outside of the path: %d", res.StatusCode)
	}
}
