package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
)

// rows say of every route what its example answers whose role suffices. A route
// without a row is a fault.
var rows = map[string]int{
	"GET ":                                    200,
	"GET /openapi.json":                       200,
	"GET /devices":                            200,
	"GET /devices.csv":                        200,
	"GET /devices/{device}":                   200,
	"GET /devices/{device}/events":            200,
	"POST /devices/{device}/unlink":           204,
	"POST /devices/unlink":                    200,
	"GET /users":                              200,
	"GET /users.csv":                          200,
	"POST /users":                             201,
	"POST /users/import":                      200,
	"POST /users/invite":                      200,
	"GET /users/{user}":                       200,
	"PATCH /users/{user}":                     200,
	"GET /users/{user}/factors":               200,
	"POST /users/{user}/invite":               201,
	"POST /users/{user}/reset-password":       201,
	"POST /users/{user}/unlock":               204,
	"POST /users/{user}/reopen":               201,
	"POST /users/{user}/disable":              204,
	"POST /users/{user}/enable":               204,
	"DELETE /users/{user}/sessions":           200,
	"DELETE /users/{user}/sessions/{session}": 204,
	"GET /sessions":                           200,
	"GET /clients":                            200,
	"POST /clients":                           201,
	"GET /clients/{client}":                   200,
	"PATCH /clients/{client}":                 200,
	"DELETE /clients/{client}":                204,
	"POST /clients/{client}/secrets":          201,
	"GET /clients/{client}/preview":           200,
	"GET /registration-tokens":                200,
	"POST /registration-tokens":               201,
	"DELETE /registration-tokens/{token}":     204,
	"POST /registration-tokens/{token}/block": 200,
	"GET /presets":                            200,
	"POST /presets/{preset}":                  201,
	"GET /audit/events":                       200,
	"GET /audit/events.ndjson":                200,
	"GET /audit/events.csv":                   200,
	"GET /audit/feed":                         200,
	"GET /audit/verify":                       200,
	"GET /health":                             200,
	"GET /days":                               200,
	"GET /settings":                           200,
}

// TestWhoMay asks for every route as everybody: the requests that the document
// shows succeed for the roles that it names, and open nothing to all others.
func TestWhoMay(t *testing.T) {
	w := newWorld(t)
	operations := w.door.Operations()
	if len(operations) != len(rows) {
		t.Errorf("%d routes and %d rows", len(operations), len(rows))
	}
	none := w.program("no-scope-of-ours", nil, "pacs")
	disabled := w.program("disabled", nil, idp.ScopeAdmin)
	if err := w.desk.EditClient(t.Context(), console, disabled.id, func(c *idp.Client) { c.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	brief := w.program("brief", func(c *idp.Client) { c.AccessTTL = time.Second }, idp.ScopeAdmin)
	w.clock.Add(2 * time.Second)
	strangers := []struct {
		why, token string
		status     int
		challenge  string
	}{
		{"no token", "", 401, `Bearer realm="admin"`},
		{"garbage", "x.y.z", 401, `Bearer realm="admin", error="invalid_token"`},
		{"an expired token", brief.token, 401, `Bearer realm="admin", error="invalid_token"`},
		{"a disabled client", disabled.token, 401, `Bearer realm="admin", error="invalid_token"`},
		{"a person's token", w.personsToken(), 403, `Bearer realm="admin", error="insufficient_scope", scope="`},
		{"a client without our scopes", none.token, 403, `Bearer realm="admin", error="insufficient_scope", scope="`},
	}
	for _, o := range operations {
		name := o.Method + " " + o.Path
		want, ok := rows[name]
		if !ok {
			t.Errorf("%s has no row", name)
			continue
		}
		if o.Act == "" {
			if got := w.send("", o); got.StatusCode != want {
				t.Errorf("%s: %d", name, got.StatusCode)
			}
			continue
		}
		if changes := o.Method != http.MethodGet; changes == o.Act.Reads() {
			t.Errorf("%s by an act to %s", name, o.Act)
		}
		before := idptest.Must(w.desk.EventsAfter(t.Context(), console, 0, 1000))(t)
		for _, s := range strangers {
			got := w.send(s.token, o)
			if challenge := got.Header.Get("WWW-Authenticate"); got.StatusCode != s.status || !strings.HasPrefix(challenge, s.challenge) {
				t.Errorf("%s, %s: %d %q", name, s.why, got.StatusCode, challenge)
			}
		}
		for _, role := range roles {
			if admin.May(role, o.Act) {
				continue
			}
			got := w.send(w.programs[role].token, o)
			if got.StatusCode != 403 || !strings.Contains(got.Header.Get("WWW-Authenticate"), `error="insufficient_scope", scope="hilum.`) {
				t.Errorf("%s, %s: %d %q", name, role, got.StatusCode, got.Header.Get("WWW-Authenticate"))
			}
			got.want(t, 403, "insufficient-scope")
		}
		if after := idptest.Must(w.desk.EventsAfter(t.Context(), console, 0, 1000))(t); len(after) != len(before) {
			t.Errorf("%s: who may not left %d events", name, len(after)-len(before))
		}
		for _, role := range roles {
			if !admin.May(role, o.Act) {
				continue
			}
			fresh := w
			if o.Method != http.MethodGet {
				fresh = newWorld(t)
				fresh.prepare(o)
			}
			if got := fresh.send(fresh.programs[role].token, o); got.StatusCode != want {
				t.Errorf("%s, %s: %d %s", name, role, got.StatusCode, got.body)
			}
		}
	}
}

// A token is good in the one way that the standard has for it.
func TestHowTokensAreSent(t *testing.T) {
	w := newWorld(t)
	token := w.programs[idp.StaffAuditor].token
	path := adminapi.Base + "/users"
	for _, c := range []struct {
		why     string
		path    string
		headers []string
		status  int
	}{
		{"the scheme in small", path, []string{"Authorization", "bearer " + token}, 200},
		{"a cookie besides", path, []string{"Authorization", "Bearer " + token, "Cookie", "__Host-session=x"}, 200},
		{"a cookie alone", path, []string{"Cookie", "__Host-session=" + token}, 401},
		{"another scheme", path, []string{"Authorization", "Basic " + token}, 401},
		{"in the URL", path + "?access_token=" + token, nil, 400},
		{"in the URL, too", path + "?access_token=" + token, []string{"Authorization", "Bearer " + token}, 400},
		{"two", path, []string{"Authorization", "Bearer " + token + ", Bearer " + token}, 400},
		{"none behind the scheme", path, []string{"Authorization", "Bearer "}, 400},
		{"one that is too long", path, []string{"Authorization", "Bearer " + strings.Repeat("x", 5000)}, 401},
	} {
		if got := w.ask("", "GET", c.path, "", c.headers...); got.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.why, got.StatusCode, got.body)
		}
	}
}

// What is taken from a program's registration opens nothing at the next request.
func TestWhatIsTakenFromAProgramOpensNothing(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		thing  string
		take   func(*idp.Client)
		status int
	}{
		{"nothing", func(*idp.Client) {}, 200},
		{"scope", func(c *idp.Client) { c.Scopes = []string{"pacs"} }, 403},
		{"every scope", func(c *idp.Client) { c.Scopes = nil }, 403},
		{"grant type", func(c *idp.Client) {
			c.Scopes, c.GrantTypes, c.RedirectURIs, c.IDTokenAlg = []string{"pacs"}, []string{idp.GrantCode}, []string{"https://siem.test/cb"}, keyring.ES256
		}, 403},
		{"client disabled", func(c *idp.Client) { c.Disabled = true }, 401},
	} {
		p := w.program(fmt.Sprint("program-", i), nil, idp.ScopeAuditor, "pacs")
		if got := w.ask(p.token, "GET", adminapi.Base, ""); got.StatusCode != 200 {
			t.Fatalf("before: %d %s", got.StatusCode, got.body)
		}
		if err := w.desk.EditClient(t.Context(), console, p.id, c.take); err != nil {
			t.Fatal(c.thing, err)
		}
		got := w.ask(p.token, "GET", adminapi.Base, "")
		t.Logf("%-16s admin API  %d", c.thing, got.StatusCode)
		if got.StatusCode != c.status {
			t.Errorf("%s: %d %s, want %d", c.thing, got.StatusCode, got.body, c.status)
		}
	}
}

// The strongest scope of the token counts, as far as the registration has it
// still; signed tokens are as good as opaque ones.
// TestTokenOfALeakedKey: a token whose signature counts no more opens nothing.
func TestTokenOfALeakedKey(t *testing.T) {
	lives := true
	w := newWorld(t, func(c *adminapi.Config) {
		c.KeyLives = func(token string) bool { return lives || !strings.Contains(token, ".") }
	})
	signed := w.program("signed", func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }, idp.ScopeAuditor)
	opaque := w.programs[idp.StaffAuditor]
	for _, lives = range []bool{true, false, true} {
		want := http.StatusOK
		if !lives {
			want = http.StatusUnauthorized
		}
		if r := w.ask(signed.token, "GET", adminapi.Base+"/users", ""); r.StatusCode != want {
			t.Errorf("%t: %d, want %d", lives, r.StatusCode, want)
		}
		if r := w.ask(opaque.token, "GET", adminapi.Base+"/users", ""); r.StatusCode != http.StatusOK {
			t.Errorf("%t: a token without a signature: %d", lives, r.StatusCode)
		}
	}
}

func TestWhichRoleATokenHas(t *testing.T) {
	w := newWorld(t)
	p := w.program("both", func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }, idp.ScopeAuditor, "pacs", idp.ScopeHelpdesk)
	roleOf := func(token string) string {
		t.Helper()
		var root struct{ Client, Role, Version string }
		r := w.ask(token, "GET", adminapi.Base, "")
		if r.StatusCode != 200 {
			return r.Status
		}
		r.into(t, &root)
		if root.Client != "both" || root.Version != "test" {
			t.Errorf("%+v", root)
		}
		return root.Role
	}
	if strings.Count(p.token, ".") != 2 {
		t.Errorf("%s is not signed", p.token)
	}
	narrow := w.token(p, idp.ScopeAuditor)
	if got := roleOf(p.token); got != "helpdesk" {
		t.Errorf("of two scopes: %s", got)
	}
	if got := roleOf(narrow); got != "auditor" {
		t.Errorf("of a narrow token: %s", got)
	}
	edit := func(fn func(*idp.Client)) {
		t.Helper()
		if err := w.desk.EditClient(t.Context(), console, p.id, fn); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(c *idp.Client) { c.Scopes = []string{idp.ScopeAuditor} })
	if got := roleOf(p.token); got != "auditor" {
		t.Errorf("when the stronger was taken away: %s", got)
	}
	edit(func(c *idp.Client) { c.Scopes, c.IDTokenAlg = nil, keyring.ES256 })
	if got := roleOf(p.token); got != "403 Forbidden" {
		t.Errorf("when both were: %s", got)
	}
	edit(func(c *idp.Client) { c.Scopes = []string{idp.ScopeAdmin} }) // more than the token was given for
	if got := roleOf(p.token); got != "403 Forbidden" {
		t.Errorf("by a registration that the token does not have: %s", got)
	}
	edit(func(c *idp.Client) { c.Scopes, c.Disabled = []string{idp.ScopeAuditor}, true })
	edit(func(c *idp.Client) { c.Disabled = false })
	if got := roleOf(narrow); got != "401 Unauthorized" {
		t.Errorf("a token of before the client was disabled: %s", got)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path string
		status       int
		kind, allow  string
	}{
		{"GET", "/admin/api/", 404, "not-found", ""},
		{"GET", "/admin/api/v2/users", 404, "not-found", ""},
		{"POST", "/admin/api/v1/nothing", 404, "not-found", ""},
		{"PUT", "/admin/api/v1/users", 405, "method-not-allowed", "GET, POST, HEAD"},
		{"DELETE", "/admin/api/v1/users/" + string(w.anna.ID), 405, "method-not-allowed", "GET, PATCH, HEAD"},
		{"OPTIONS", "/admin/api/v1/users/import", 405, "method-not-allowed", "GET, POST, PATCH, HEAD"},
		{"GET", "/admin/api/v1/devices/unlink/unlink", 405, "method-not-allowed", "POST"},
	} {
		r := w.ask("", c.method, c.path, "")
		r.want(t, c.status, c.kind)
		if r.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: allowed are %q", c.method, c.path, r.Header.Get("Allow"))
		}
	}
	// Absent and hidden are the same, whatever may have been there.
	for _, path := range []string{"/users/NOBODY", "/users/a..b", "/users/%00", "/devices/NONE", "/devices/NONE/events", "/clients/none", "/clients/%2e"} {
		w.as(idp.StaffAdmin, "GET", path, "").want(t, 404, "not-found")
	}
	w.as(idp.StaffAdmin, "DELETE", "/users/"+string(w.boss.ID)+"/sessions/"+string(w.live), "").want(t, 404, "not-found")
	w.as(idp.StaffAdmin, "POST", "/presets/none", `{}`).want(t, 404, "not-found")
}

func TestOneClientIsBounded(t *testing.T) {
	var full idp.ClientID
	w := newWorld(t, func(c *adminapi.Config) {
		c.Allow = func(id idp.ClientID) (time.Duration, bool) { return 1500 * time.Millisecond, id != full }
	})
	full = w.programs[idp.StaffAuditor].id
	r := w.as(idp.StaffAuditor, "GET", "/users", "")
	if r.want(t, 429, "too-many"); r.Header.Get("Retry-After") != "2" {
		t.Errorf("retry after %q", r.Header.Get("Retry-After"))
	}
	if r := w.as(idp.StaffAdmin, "GET", "/users", ""); r.StatusCode != 200 {
		t.Errorf("another client: %d", r.StatusCode)
	}
}
