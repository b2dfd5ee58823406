package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hilum/idp/store/pgtest"
)

// TestDatabaseAway stops the server of the database beneath a running provider, and starts
// it again: people, applications and orchestrators are told within seconds, in terms that are
// true, and it goes on by itself.
func TestDatabaseAway(t *testing.T) {
	server := pgtest.Own(t)
	dir := t.TempDir()
	named := filepath.Join(dir, "database.url")
	if err := os.WriteFile(named, []byte(server.Fresh(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("IDP_DATABASE_URL_FILE", named)
	data := filepath.Join(dir, "data")
	p := runs(t, data, "serve")
	at, is := <-p.ready
	if !is {
		t.Fatal(p.ends())
	}
	defer func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := p.ends(); err != nil {
			t.Error(err)
		}
	}()
	add := runs(t, data, "client", "add", "Archive", "--grant", "client_credentials", "--scope", "archive", "--json")
	if err := add.ends(); err != nil {
		t.Fatal(err)
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(add.out.String()), &client); err != nil {
		t.Fatal(err)
	}
	// An answer comes while somebody still waits for it.
	const patience = 5 * time.Second
	ask := func(method, path string, form url.Values, change func(*http.Request)) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Language", "en")
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		if change != nil {
			change(req)
		}
		began := time.Now()
		code, header, text := answered(t, req)
		if took := time.Since(began); took > patience {
			t.Errorf("%s: answered after %v", path, took)
		}
		return code, header, text
	}
	token := func() int {
		code, _, _ := ask(http.MethodPost, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"archive"}}, func(r *http.Request) {
			r.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret))
		})
		return code
	}
	begin := func() (int, http.Header, string) { return ask(http.MethodGet, "/account", nil, nil) }
	ready := func() int {
		code, _, _ := ask(http.MethodGet, "/readyz", nil, nil)
		return code
	}
	// until asks until an answer is as it should be.
	until := func(what string, within time.Duration, is func() bool) {
		t.Helper()
		began := time.Now()
		for !is() {
			if time.Since(began) > within {
				t.Fatalf("%s: not within %v", what, within)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
	}
	until("a token is given", 10*time.Second, func() bool { return token() == http.StatusOK })
	code, header, _ := begin()
	page := header.Get("Location")
	if code != http.StatusSeeOther || !strings.HasPrefix(page, "/login/") {
		t.Fatalf("a sign-in: %d, to %q", code, page)
	}
	cookies := header.Values("Set-Cookie")
	within := func(r *http.Request) {
		for _, c := range cookies {
			text, _, _ := strings.Cut(c, ";")
			r.Header.Add("Cookie", text)
		}
	}
	if code, _, text := ask(http.MethodGet, page, nil, within); code != http.StatusOK {
		t.Fatalf("the page of the sign-in: %d %s", code, text)
	}

	for _, stop := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate} {
		server.Stop(t, stop)
		until("it says that it is not ready", patience, func() bool { return ready() == http.StatusServiceUnavailable })
		if _, _, text := ask(http.MethodGet, "/readyz", nil, nil); !strings.Contains(text, "the database server cannot be reached") {
			t.Errorf("readyz: %s", text)
		}
		if code := token(); code != http.StatusServiceUnavailable {
			t.Errorf("token: %d", code)
		}
		for what, told := range map[string]func() (int, http.Header, string){
			"a sign-in begins": begin,
			"its page":         func() (int, http.Header, string) { return ask(http.MethodGet, page, nil, within) },
			"a password": func() (int, http.Header, string) {
				return ask(http.MethodPost, page+"/password", url.Values{"user_name": {"anna"}, "password": {"wrong"}}, within)
			},
		} {
			code, header, text := told()
			if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %v %s", what, code, header, text)
			}
		}
		if code, _ := fetch(t, http.MethodGet, at+"/jwks"); code != http.StatusOK {
			t.Errorf("jwks: %d", code)
		}
		server.Start(t)
		until("a token is given again", patience, func() bool { return token() == http.StatusOK })
		if code, _, text := ask(http.MethodGet, page, nil, within); code != http.StatusOK {
			t.Errorf("the page of the sign-in again: %d %s", code, text)
		}
		if code, _, _ := begin(); code != http.StatusSeeOther {
			t.Errorf("a sign-in begins: %d", code)
		}
		until("it says that it is ready", patience, func() bool { return ready() == http.StatusOK })
	}
}
