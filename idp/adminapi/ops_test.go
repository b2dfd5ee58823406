package adminapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
	"hilum/idp/idptest"
	"hilum/idp/serve"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the library of the token endpoint tells its routes there
	os.Exit(m.Run())
}

const adm = idp.StaffAdmin

func TestBodiesAreStrict(t *testing.T) {
	w := newWorld(t)
	anna := "/users/" + string(w.anna.ID)
	for _, c := range []struct {
		why, body     string
		status        int
		field, detail string // parts
	}{
		{"an unknown member", `{"name":"A","colour":"red","age":3}`, 400, "age", "unknown members: age, colour"},
		{"a name in capitals", `{"Name":"A"}`, 400, "Name", "unknown members: Name"},
		{"what stays for good", `{"username":"anne"}`, 400, "username", "unknown members"},
		{"a member twice", `{"name":"A","name":"B"}`, 400, "name", "stands twice"},
		{"twice by an escape", `{"name":"A","n\u0061me":"B"}`, 400, "name", "stands twice"},
		{"twice, further in", `{"roles":[{"a":1,"a":2}]}`, 400, "a", "stands twice"},
		{"too deep", `{"roles":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, 400, "", "too deep"},
		{"a list", `[]`, 400, "", "no JSON object"},
		{"null", `null`, 400, "", "no JSON object"},
		{"two objects", `{}{}`, 400, "", "no JSON"},
		{"half of one", `{"name":`, 400, "", "no JSON"},
		{"not UTF-8", "{\"name\":\"\xff\"}", 400, "", "no JSON in UTF-8"},
		{"a number for a text", `{"name":7}`, 400, "name", "is no text"},
		{"a text for a flag", `{"email_verified":"true"}`, 400, "email_verified", "neither true nor false"},
		{"a text for a list", `{"groups":"ct"}`, 400, "groups", "no list of texts"},
		{"null in a list", `{"groups":["ct",null]}`, 400, "groups", "no list of texts"},
		{"too much of a text", `{"name":"` + strings.Repeat("x", 81) + `"}`, 422, "name", "too long"},
		{"letters that turn around", `{"given_name":"a\u202eb"}`, 422, "given_name", "cannot be used"},
		{"no mail address", `{"email":"nobody"}`, 422, "email", "email: This is not an e-mail address."},
		{"no name at all", `{"name":null}`, 422, "name", "name: This is missing."},
		{"no role", `{"staff":"king"}`, 422, "staff", "none of admin"},
		{"too many groups", `{"groups":["g"` + strings.Repeat(`,"g"`, 100) + `]}`, 422, "groups", "groups: This is too long."},
	} {
		p := w.as(adm, "PATCH", anna, c.body).problem(t)
		if p.Status != c.status || p.Field != c.field || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v", c.why, p)
		}
		if (p.Status == 422) != (p.Code != "") {
			t.Errorf("%s: code %q", c.why, p.Code)
		}
	}
	if u := idptest.Must(w.desk.User(t.Context(), console, w.anna.ID))(t); u.DisplayName != w.anna.DisplayName || !slices.Equal(u.Groups, w.anna.Groups) {
		t.Errorf("something was changed: %+v", u)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "text/csv"} {
		w.as(adm, "PATCH", anna, `{"name":"A"}`, "Content-Type", kind).want(t, 415, "unsupported-media-type")
	}
	w.as(adm, "PATCH", anna, `{"name":"A"}`, "Content-Type", "application/json; charset=UTF-8")
	w.as(adm, "POST", "/users/import", `{}`).want(t, 415, "unsupported-media-type")
	w.as(adm, "POST", anna+"/unlock", `{"reason":"x"}`).want(t, 400, "bad-request")
	if r := w.as(adm, "POST", anna+"/unlock", `{}`); r.StatusCode != 204 || r.body != "" {
		t.Errorf("an empty object: %d %s", r.StatusCode, r.body)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t)
	large := `{"name":"` + strings.Repeat("x", serve.MaxBody) + `"}`
	r := w.as(adm, "PATCH", "/users/"+string(w.anna.ID), large)
	if p := r.problem(t); p.Status != 413 {
		t.Errorf("by its length: %+v", p)
	}
	// One that does not say its length is stopped where it gets too long.
	req := idptest.Must(http.NewRequestWithContext(t.Context(), "PATCH", w.srv.URL+adminapi.Base+"/users/"+string(w.anna.ID), io.MultiReader(strings.NewReader(large))))(t)
	req.Header.Set("Authorization", "Bearer "+w.programs[adm].token)
	req.Header.Set("Content-Type", "application/json")
	res := idptest.Must(http.DefaultClient.Do(req))(t)
	defer res.Body.Close()
	(&reply{res, string(idptest.Must(io.ReadAll(res.Body))(t))}).want(t, 413, "too-large")
}

func TestQueriesAreStrict(t *testing.T) {
	w := newWorld(t)
	for path, field := range map[string]string{
		"/users?colour=red":             "colour",
		"/users?q=a&q=b":                "q",
		"/users?limit=0":                "limit",
		"/users?limit=201":              "limit",
		"/users?limit=-1":               "limit",
		"/users?after=nonsense":         "after",
		"/users?facet=tall":             "facet",
		"/users?sort=size":              "sort",
		"/users?username=anna&q=a":      "username",
		"/devices?q=%ff":                "q",
		"/devices?facet=ios&facet=nope": "facet",
		"/sessions?user=x&q=y":          "user",
		"/audit/events?kind=nope.":      "kind",
		"/audit/events?from=yesterday":  "from",
		"/audit/events.csv?limit=3":     "limit",
		"/audit/feed?after=-1":          "after",
		"/days?days=367":                "days",
		"/health?x=1":                   "x",
		"/users?x%zz":                   "",
	} {
		r := w.as(adm, "GET", path, "")
		if p := r.problem(t); p.Status != 400 || p.Field != field {
			t.Errorf("%s: %+v", path, p)
		}
	}
	w.as(adm, "POST", "/users/import?dry_run=maybe", "username\n", "Content-Type", "text/csv").want(t, 400, "bad-request")
}

func TestPatchOfAPerson(t *testing.T) {
	w := newWorld(t)
	anna := "/users/" + string(w.anna.ID)
	var u struct {
		Name, Email, Phone, Staff, State string
		EmailVerified                    bool `json:"email_verified"`
		PhoneVerified                    bool `json:"phone_verified"`
		Groups, Roles                    []string
		FamilyName                       string `json:"family_name"`
		CreatedAt, UpdatedAt             time.Time
	}
	w.as(adm, "PATCH", anna, `{"phone":null,"family_name":"Bergmann","groups":["mr","ct"]}`).into(t, &u)
	if u.Phone != "" || u.PhoneVerified || u.FamilyName != "Bergmann" || !slices.Equal(u.Groups, []string{"mr", "ct"}) || u.Name != "Anna Bergmann" || u.Email != "anna@klinik.test" {
		t.Errorf("%+v", u)
	}
	w.as(adm, "PATCH", anna, `{"email":"a@klinik.test"}`, "Content-Type", "application/merge-patch+json").into(t, &u)
	if !u.EmailVerified {
		t.Error("a new address is not verified")
	}
	w.as(adm, "PATCH", anna, `{"email":"b@klinik.test","email_verified":false}`).into(t, &u)
	if u.EmailVerified {
		t.Error("an address is verified that was said not to be")
	}
	changed := w.events(idp.EventUserChanged)
	if len(changed) != 3 || changed[0].Actor.Name != "client:admin" || changed[0].Actor.User != "" || changed[0].User != w.anna.ID || changed[0].Address != "127.0.0.1" {
		t.Errorf("%+v", changed)
	}
	if r := w.as(adm, "PATCH", anna, `{}`); r.StatusCode != 200 {
		t.Errorf("an empty patch: %d", r.StatusCode)
	}
	if len(w.events(idp.EventUserChanged)) != 3 {
		t.Error("an empty patch left an event")
	}
	// The last administrator is guarded here as everywhere.
	w.as(adm, "PATCH", "/users/"+string(w.boss.ID), `{"staff":null}`).want(t, 403, "denied")
	w.as(adm, "POST", "/users/"+string(w.boss.ID)+"/disable", `{"reason":"left"}`).want(t, 403, "denied")
	// An account with a role is for administrators.
	p := w.as(idp.StaffHelpdesk, "POST", "/users/"+string(w.boss.ID)+"/reset-password", "")
	if p.want(t, 403, "denied"); p.Header.Get("WWW-Authenticate") != "" {
		t.Error("a stronger token is asked for, which is not what lacks")
	}
}

func TestAddingPeople(t *testing.T) {
	w := newWorld(t)
	r := w.as(adm, "POST", "/users", `{"username":"  Carl ","email":"carl@klinik.test","staff":"helpdesk"}`)
	var u map[string]any
	r.into(t, &u)
	if r.StatusCode != 201 || u["username"] != "carl" || u["name"] != "carl" || u["state"] != "invited" || u["email_verified"] != true || u["staff"] != "helpdesk" {
		t.Errorf("%d %v", r.StatusCode, u)
	}
	if got := w.ask(w.programs[adm].token, "GET", r.Header.Get("Location"), ""); got.body != r.body {
		t.Errorf("%s: %s", r.Header.Get("Location"), got.body)
	}
	w.as(adm, "POST", "/users", `{"username":"carl"}`).want(t, 409, "conflict")
	if p := w.as(adm, "POST", "/users", "").want(t, 422, "invalid-field"); p.Field != "username" || p.Code != "user.name.bad" {
		t.Errorf("%+v", p)
	}
	var found struct{ Items []map[string]any }
	w.as(idp.StaffAuditor, "GET", "/users?username=CARL", "").into(t, &found)
	if len(found.Items) != 1 || found.Items[0]["id"] != u["id"] {
		t.Errorf("%v", found)
	}
	w.as(idp.StaffAuditor, "GET", "/users?username=nobody", "").into(t, &found)
	if len(found.Items) != 0 {
		t.Errorf("%v", found)
	}
	// The link leads where the pages have it, and is good once.
	var l struct {
		URL       string
		ExpiresAt time.Time `json:"expires_at"`
	}
	w.as(adm, "POST", "/users/"+u["id"].(string)+"/invite", "").into(t, &l)
	token, ok := strings.CutPrefix(l.URL, w.srv.URL+"/invite/")
	if !ok || !l.ExpiresAt.After(w.clock.Now()) {
		t.Fatalf("%+v", l)
	}
	if i, _, err := w.flow.Invitation(t.Context(), idp.Secret(token)); err != nil || string(i.User) != u["id"] {
		t.Errorf("%v %v", i, err)
	}
	if strings.Contains(w.log.String(), token) {
		t.Error("the link is in the log")
	}
	w.as(adm, "POST", "/users/"+string(w.anna.ID)+"/invite", "").want(t, 409, "conflict") // has a device
}

func TestListsGoOn(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		if err := w.desk.AddUser(t.Context(), console, &idp.User{Name: fmt.Sprintf("p%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	path, turns := "/users?sort=-name&limit=4", 0
	for after := ""; ; turns++ {
		var p struct {
			Items []struct{ Username string }
			Next  string
			Total struct{ Count int }
		}
		w.as(idp.StaffHelpdesk, "GET", path+after, "").into(t, &p)
		for _, u := range p.Items {
			names = append(names, u.Username)
		}
		if p.Next == "" {
			break
		}
		after = "&after=" + p.Next
	}
	if want := []string{"p6", "p5", "p4", "p3", "p2", "p1", "p0", "boss", "anna"}; !slices.Equal(names, want) || turns != 2 {
		t.Errorf("%v in %d turns", names, turns)
	}
}

// Which phones can ask for a fingerprint or PIN stands with each, and finds them.
func TestDevicesThatVerify(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: w.anna.ID, CreatedAt: now, ExpiresAt: now.Add(idp.PairingTTL)}
	native := idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: w.anna.ID, Name: "Native", Kind: idp.DeviceApp, Platform: "ios", State: idp.DeviceActive, LinkedAt: now,
		SealedTOTP: []byte("x"), PublicKey: bytes.Repeat([]byte{1}, 64), UVKey: bytes.Repeat([]byte{2}, 64),
	}
	if err := errors.Join(w.db.AddPairing(t.Context(), p), w.db.UpdatePairing(t.Context(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = now
		d := native
		return &d, nil
	})); err != nil {
		t.Fatal(err)
	}
	type shown struct {
		ID       string
		Verifies *bool
	}
	verifies := func(path string) map[string]bool {
		var list struct{ Items, Devices []shown }
		w.as(idp.StaffAuditor, "GET", path, "").into(t, &list)
		out := map[string]bool{}
		for _, d := range append(list.Items, list.Devices...) {
			if d.Verifies == nil {
				t.Fatalf("%s: %s does not say", path, d.ID)
			}
			out[d.ID] = *d.Verifies
		}
		return out
	}
	both := map[string]bool{string(native.ID): true, string(w.device): false}
	for path, want := range map[string]map[string]bool{
		"/devices?q=anna@klinik.test": both, "/users/" + string(w.anna.ID) + "/factors": both, "/devices?facet=verifies": {string(native.ID): true},
	} {
		if got := verifies(path); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestUnlinking(t *testing.T) {
	w := newWorld(t)
	w.as(adm, "POST", "/devices/"+string(w.device)+"/unlink", `{}`).want(t, 422, "invalid-field")
	w.as(adm, "POST", "/devices/NONE/unlink", `{"reason":"lost"}`).want(t, 404, "not-found")
	own := idptest.Must(w.desk.Devices(t.Context(), console, w.boss.ID))(t)[0].ID
	var several struct {
		Items []struct {
			Device, Username string
			Unlinked         bool
			Problem          *problem
		}
	}
	w.as(idp.StaffHelpdesk, "POST", "/devices/unlink", `{"devices":["`+string(own)+`","NONE","`+string(w.device)+`"],"reason":"lost"}`).into(t, &several)
	if i := several.Items; len(i) != 3 || i[0].Problem == nil || i[0].Problem.Status != 403 || i[1].Problem == nil || i[1].Problem.Status != 404 || !i[2].Unlinked || i[2].Username != "anna" {
		t.Errorf("%+v", several)
	}
	gone := w.events(idp.EventDeviceUnlinked)
	if len(gone) != 1 || gone[0].Actor.Name != "client:helpdesk" || gone[0].Detail["reason"] != "lost" {
		t.Errorf("%+v", gone)
	}
	// Its history is there, and it is not.
	w.as(idp.StaffAuditor, "GET", "/devices/"+string(w.device), "").want(t, 404, "not-found")
	var history struct{ Items []struct{ Kind string } }
	w.as(idp.StaffAuditor, "GET", "/devices/"+string(w.device)+"/events", "").into(t, &history)
	if len(history.Items) == 0 || history.Items[0].Kind != "device.unlinked" {
		t.Errorf("%+v", history)
	}
}

func TestImports(t *testing.T) {
	w := newWorld(t)
	file := "username,email\ncarl,carl@klinik.test\nanna,\nDora Lang,\n"
	var tried struct {
		DryRun        bool `json:"dry_run"`
		People, Added int
		Faults        []struct {
			Line                          int
			Username, Field, Code, Detail string
		}
	}
	r := w.as(adm, "POST", "/users/import?dry_run=true", file, "Content-Type", "text/csv; charset=utf-8")
	r.into(t, &tried)
	if f := tried.Faults; r.StatusCode != 200 || !tried.DryRun || tried.People != 1 || len(f) != 2 || f[0].Line != 3 || f[0].Code != "username.taken" || f[1].Line != 4 || f[1].Code != "user.name.letters" {
		t.Errorf("%d %+v", r.StatusCode, tried)
	}
	p := w.as(adm, "POST", "/users/import", file, "Content-Type", "text/csv").want(t, 422, "faulty-file")
	if len(p.Faults) != 2 {
		t.Errorf("%+v", p)
	}
	if p := w.as(adm, "POST", "/users/import", "username\n\xe4nne\n", "Content-Type", "text/csv").want(t, 422, "faulty-file"); len(p.Faults) != 1 || fmt.Sprintf("%v %v %v", p.Faults[0]["line"], p.Faults[0]["field"], p.Faults[0]["code"]) != "2 username import.encoding" {
		t.Errorf("%+v", p)
	}
	if p := w.as(adm, "POST", "/users/import", "username,emial\nx,\n", "Content-Type", "text/csv").want(t, 422, "invalid-field"); p.Field != "heading" || p.Code != "import.column" || !strings.HasSuffix(p.Detail, ": emial (email?)") {
		t.Errorf("%+v", p)
	}
	if n := len(idptest.Must(w.desk.Users(t.Context(), console, "", 100))(t)); n != 2 {
		t.Errorf("%d people", n)
	}
	var done struct {
		Added int
		Users []idp.UserID
	}
	w.as(adm, "POST", "/users/import?dry_run=false", "username;groups\ncarl;ct|mr\ndora;\n", "Content-Type", "text/csv").into(t, &done)
	if done.Added != 2 || len(done.Users) != 2 {
		t.Fatalf("%+v", done)
	}
	body := idptest.Must(json.Marshal(map[string]any{"users": append(done.Users, "NOBODY")}))(t)
	var invited struct {
		Items []struct {
			Username string
			Link     *struct{ URL string }
			Problem  *problem
		}
	}
	w.as(idp.StaffHelpdesk, "POST", "/users/invite", string(body)).into(t, &invited)
	if i := invited.Items; len(i) != 3 || i[0].Username != "carl" || i[0].Link == nil || i[1].Link == nil || i[2].Problem == nil || i[2].Problem.Status != 404 {
		t.Errorf("%+v", invited)
	}
	// A file may be larger than other bodies.
	var b strings.Builder
	b.WriteString("username,name\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "u%04d,%s\n", i, strings.Repeat("n", 60))
	}
	w.as(adm, "POST", "/users/import?dry_run=true", b.String(), "Content-Type", "text/csv").into(t, &tried)
	if b.Len() < 4*serve.MaxBody || tried.People != 2000 {
		t.Errorf("%d of %d bytes", tried.People, b.Len())
	}
}

func TestApplications(t *testing.T) {
	w := newWorld(t)
	var made struct {
		Client map[string]any
		Secret string `json:"client_secret"`
		Paste  []struct{ Text string }
	}
	r := w.as(adm, "POST", "/clients", `{"client_name":"SIEM","grant_types":["client_credentials"],"scopes":["hilum.auditor"],"access_ttl":300}`)
	if r.into(t, &made); r.StatusCode != 201 || made.Secret == "" || fmt.Sprint(made.Client["deviations"]) != "[admin]" || made.Client["access_ttl"] != 300.0 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	p := &program{id: idp.ClientID(made.Client["client_id"].(string)), secret: idp.Secret(made.Secret)}
	if r := w.ask(w.token(p, ""), "GET", adminapi.Base+"/audit/feed", ""); r.StatusCode != 200 {
		t.Errorf("the program that was made: %d", r.StatusCode)
	}
	if e := w.events(idp.EventClientChanged); e[0].Detail["staff"] != "auditor" || e[0].Actor.Name != "client:admin" {
		t.Errorf("%+v", e[0])
	}
	one := "/clients/" + string(p.id)
	if strings.Contains(w.as(idp.StaffAuditor, "GET", one, "").body+w.log.String(), made.Secret) {
		t.Error("the secret is told again, or logged")
	}
	// Both secrets are good for a while.
	var fresh struct {
		Secret string `json:"client_secret"`
	}
	w.as(adm, "POST", one+"/secrets", "").into(t, &fresh)
	w.token(p, "")
	p.secret = idp.Secret(fresh.Secret)
	w.token(p, "")
	w.as(adm, "POST", one+"/secrets", `{"overlap":-1}`).want(t, 422, "invalid-field")

	for body, code := range map[string]string{
		`{"client_name":"X","redirect_uris":["https://x.test/cb"],"scopes":["openid","hilum.admin"]}`:        "client.scopes.admin",
		`{"client_name":"X","auth":"none","redirect_uris":["https://x.test/cb"],"scopes":["hilum.auditor"]}`: "client.scopes.admin",
		`{"client_name":"X","redirect_uris":["http://x.test/cb"]}`:                                           "client.redirect.bad",
		`{"client_name":"X"}`: "client.redirect.missing",
		`{"client_name":"X","redirect_uris":["https://x.test/cb"],"claims":[{"name":"sub","text":"x"}]}`: "client.claims.name",
	} {
		if p := w.as(adm, "POST", "/clients", body).want(t, 422, "invalid-field"); p.Code != code {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if p := w.as(adm, "PATCH", one, `{"claims":[{"name":"a","values":[{"from":"x","to":"y","with":"z"}]}]}`).want(t, 400, "bad-request"); p.Field != "claims" || !strings.Contains(p.Detail, "unknown members: with") {
		t.Errorf("%+v", p)
	}
	w.as(adm, "PATCH", one, `{"access_ttl":1.5}`).want(t, 400, "bad-request")
	w.as(adm, "POST", "/clients", `{"client_id":"pacs-viewer","client_name":"X","redirect_uris":["https://x.test/cb"]}`).want(t, 409, "conflict")
	var changed map[string]any
	w.as(adm, "PATCH", "/clients/pacs-viewer", `{"scopes":null,"match":"strict","verify":true}`).into(t, &changed)
	if fmt.Sprintf("%v %v %v %v", changed["scopes"], changed["match"], changed["verify"], changed["redirect_uris"]) != "[] strict true [https://viewer.test/cb]" {
		t.Errorf("%v", changed)
	}
	// What it signs and has signed.
	if p := w.as(adm, "PATCH", "/clients/pacs-viewer", `{"require_signed_request_object":true}`).want(t, 422, "invalid-field"); p.Code != "client.request.keys" {
		t.Errorf("%+v", p)
	}
	keys := `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`
	if p := w.as(adm, "PATCH", "/clients/pacs-viewer", `{"request_object_signing_alg":"PS256","jwks":`+keys+`}`).want(t, 422, "invalid-field"); p.Field != "request_object_signing_alg" {
		t.Errorf("%+v", p)
	}
	w.as(adm, "PATCH", "/clients/pacs-viewer", `{"require_signed_request_object":true,"jwks":`+keys+`,"request_object_signing_alg":"ES256","authorization_signed_response_alg":"PS256",
		"userinfo_signed_response_alg":"EdDSA","introspection_signed_response_alg":"RS256"}`).into(t, &changed)
	stored := idptest.Must(w.desk.Client(t.Context(), console, "pacs-viewer"))(t)
	want := idp.ClientSigning{RequestAlg: "ES256", RequireRequest: true, ResponseAlg: "PS256", UserinfoAlg: "EdDSA", IntrospectionAlg: "RS256"}
	if got := fmt.Sprintln(changed["require_signed_request_object"], changed["request_object_signing_alg"], changed["authorization_signed_response_alg"], changed["userinfo_signed_response_alg"], changed["introspection_signed_response_alg"]); got != "true ES256 PS256 EdDSA RS256\n" || stored.Signing != want {
		t.Errorf("%s %+v", got, stored.Signing)
	}
	w.as(adm, "PATCH", "/clients/pacs-viewer", `{"require_signed_request_object":null,"jwks":null,"request_object_signing_alg":null,"userinfo_signed_response_alg":null}`).into(t, &changed)
	if changed["require_signed_request_object"] != false || changed["userinfo_signed_response_alg"] != "" || changed["authorization_signed_response_alg"] != "PS256" {
		t.Errorf("%v", changed)
	}
	w.as(adm, "PATCH", "/clients/pacs-viewer", `{"scopes":["profile"],"default_scopes":["openid","profile"],"claims_in_access_token":true,"keep_refresh_token":true}`).into(t, &changed)
	if fmt.Sprint(changed["default_scopes"], changed["claims_in_access_token"], changed["keep_refresh_token"], changed["deviations"]) != "[openid profile] true true [keep]" {
		t.Errorf("%v", changed)
	}
	if p := w.as(adm, "PATCH", "/clients/pacs-viewer", `{"default_scopes":["roles"]}`).want(t, 422, "invalid-field"); p.Field != "default_scopes" {
		t.Errorf("%+v", p)
	}
	w.as(adm, "PATCH", "/clients/pacs-viewer", `{"default_scopes":null,"claims_in_access_token":null,"keep_refresh_token":null,"scopes":null}`).into(t, &changed)
	w.as(adm, "POST", "/presets/ohif", `{"values":{"base":"https://ohif.test"}}`).into(t, &made)
	if len(made.Paste) != 1 || !strings.Contains(made.Paste[0].Text, "authority: '"+w.srv.URL) {
		t.Errorf("%+v", made.Paste)
	}
	if p := w.as(adm, "POST", "/presets/ohif", `{"values":{"base":"nonsense"}}`).want(t, 422, "invalid-field"); p.Field != "base" {
		t.Errorf("%+v", p)
	}
	if r := w.as(adm, "DELETE", one, ""); r.StatusCode != 204 {
		t.Errorf("%d", r.StatusCode)
	}
	w.as(adm, "GET", one, "").want(t, 404, "not-found")
}

// What is done by programs stands in the log, and the log leaves whole.
func TestTheLog(t *testing.T) {
	w := newWorld(t)
	w.as(adm, "POST", "/users/"+string(w.anna.ID)+"/disable", `{"reason":"left, today"}`)
	if s := idptest.Must(w.desk.SearchSessions(t.Context(), console, idp.SessionQuery{User: w.anna.ID}))(t); len(s.Rows) != 0 {
		t.Error("a session of somebody who is blocked")
	}
	var p struct{ Items []admin.EventLine }
	w.as(idp.StaffAuditor, "GET", "/audit/events?kind=user.&user="+string(w.anna.ID)+"&limit=1", "").into(t, &p)
	if len(p.Items) != 1 || p.Items[0].Kind != idp.EventUserDisabled || p.Items[0].Detail["reason"] != "left, today" || p.Items[0].Actor != "client:admin" {
		t.Errorf("%+v", p)
	}
	// The feed tells every event once, in order, and says where to go on.
	var seqs []int64
	next := "0"
	for {
		var f struct {
			Items []admin.EventLine
			Next  string
			More  bool
		}
		w.as(idp.StaffAuditor, "GET", "/audit/feed?limit=5&after="+next, "").into(t, &f)
		for _, e := range f.Items {
			seqs = append(seqs, e.Seq)
		}
		if next = f.Next; !f.More {
			break
		}
	}
	for i, seq := range seqs {
		if seq != int64(i+1) {
			t.Fatalf("%v", seqs)
		}
	}
	if len(seqs) < 10 || next != fmt.Sprint(len(seqs)) {
		t.Errorf("%d events, next %s", len(seqs), next)
	}
	lines := strings.Split(strings.TrimSpace(w.as(idp.StaffAuditor, "GET", "/audit/events.ndjson", "").body), "\n")
	schema := described().Components.Schemas["Event"].Value
	for _, line := range lines {
		var e any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if err := schema.VisitJSON(e); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	// One more: where the log ended.
	if len(lines) != len(seqs)+1 || !strings.Contains(lines[len(seqs)], fmt.Sprintf(`"seq":%d,`, len(seqs))) || !strings.Contains(lines[len(seqs)], `"kind":"audit.head"`) {
		t.Errorf("%d lines, %d events, the last %s", len(lines), len(seqs), lines[len(lines)-1])
	}
	sheet := idptest.Must(csv.NewReader(strings.NewReader(w.as(idp.StaffAuditor, "GET", "/audit/events.csv?kind=user.disabled", "").body)).ReadAll())(t)
	if len(sheet) != 3 || sheet[1][2] != "user.disabled" || sheet[2][2] != "audit.head" {
		t.Errorf("%v", sheet)
	}
	if devices := w.as(idp.StaffAuditor, "GET", "/devices.csv", ""); !strings.Contains(devices.body, "'=phone") {
		t.Errorf("%s", devices.body)
	}
	var c struct {
		Valid  bool
		Events int
		Head   string
	}
	w.as(idp.StaffAuditor, "GET", "/audit/verify", "").into(t, &c)
	if !c.Valid || c.Events != len(seqs)+1 || c.Head == "" { // with the list that was downloaded above
		t.Errorf("%+v of %d", c, len(seqs)+1)
	}
}

func TestOperation(t *testing.T) {
	w := newWorld(t)
	var h struct {
		Engine string `json:"database_engine"`
		Rows   map[string]int64
		Keys   []struct{ Alg string }
		Push   []struct {
			Service string
			P50     float64 `json:"p50_seconds"`
		}
	}
	w.as(idp.StaffAuditor, "GET", "/health", "").into(t, &h)
	engine := "SQLite"
	if idptest.OnPostgreSQL(t) {
		engine = "PostgreSQL"
	}
	if h.Engine != engine || h.Rows["users"] != 2 || len(h.Keys) == 0 || h.Keys[0].Alg != "ES256" || len(h.Push) != 1 || h.Push[0].P50 != 0.1 {
		t.Errorf("%+v", h)
	}
	var d struct{ Items []struct{ Day string } }
	w.as(idp.StaffAuditor, "GET", "/days?days=3", "").into(t, &d)
	if len(d.Items) != 3 || d.Items[2].Day != w.clock.Now().Format(time.DateOnly) {
		t.Errorf("%+v", d)
	}
	var s struct{ Items []map[string]string }
	w.as(idp.StaffAuditor, "GET", "/settings", "").into(t, &s)
	if len(s.Items) != 2 || s.Items[0]["key"] != "site.name" || s.Items[0]["from"] != "default" || s.Items[1]["place"] != "idp.yaml:3" {
		t.Errorf("%+v", s)
	}
	// What was saved in the administration is in force.
	if err := w.desk.EditSite(t.Context(), admin.Console("test"), func(site *idp.Site) { site.Name = "Klinik" }); err != nil {
		t.Fatal(err)
	}
	w.as(idp.StaffAuditor, "GET", "/settings", "").into(t, &s)
	if is := s.Items[0]; is["value"] != "Klinik" || is["from"] != "administration" || is["default"] != "Hilum" {
		t.Errorf("%+v", s)
	}
	var root struct{ Links map[string]string }
	w.as(idp.StaffHelpdesk, "GET", "", "").into(t, &root)
	if got := slices.Sorted(maps.Keys(root.Links)); !slices.Equal(got, []string{"devices", "openapi", "sessions", "users"}) {
		t.Errorf("%v", got)
	}
	for _, path := range root.Links {
		if r := w.ask(w.programs[idp.StaffHelpdesk].token, "GET", path, ""); r.StatusCode != 200 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

// broken is a desk at which something goes wrong.
type broken struct {
	*admin.Desk
	err atomic.Pointer[error]
}

func (b *broken) breaksWith(err error) { b.err.Store(&err) }

func (b *broken) SearchUsers(context.Context, admin.By, idp.UserQuery) (*idp.UserPage, error) {
	return nil, *b.err.Load()
}

func (b *broken) UsersCSV(_ context.Context, _ admin.By, _ idp.UserQuery, _ admin.ExportFormat, w io.Writer) error {
	if _, err := io.WriteString(w, "username\r\n"); err != nil {
		return err
	}
	return *b.err.Load()
}

func (b *broken) DevicesCSV(context.Context, admin.By, idp.DeviceQuery, admin.ExportFormat, io.Writer) error {
	return *b.err.Load()
}

func (b *broken) VerifyEvents(context.Context, admin.By, func(done, of int64)) (*admin.Chain, error) {
	return nil, fmt.Errorf("event 12 is missing: %w", idp.ErrInvalid)
}

func (b *broken) SearchDevices(context.Context, admin.By, idp.DeviceQuery) (*idp.DevicePage, error) {
	return &idp.DevicePage{Cursors: idp.Cursors{Next: "on", Partial: true}}, nil
}

func TestWhatGoesWrong(t *testing.T) {
	b := &broken{}
	b.breaksWith(errors.New("the disk is full of secrets"))
	w := newWorld(t, func(c *adminapi.Config) {
		b.Desk = c.Desk.(*admin.Desk)
		c.Desk = b
	})
	for _, path := range []string{"/users", "/devices.csv"} {
		r := w.as(adm, "GET", path, "")
		p := r.want(t, 500, "fault")
		if strings.Contains(r.body, "disk") || !strings.Contains(w.log.String(), "request="+p.Request) || p.Request != r.Header.Get("X-Request-Id") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if !strings.Contains(w.log.String(), "the disk is full") {
		t.Error("the log does not say what")
	}
	// What broke off in the middle does not look whole.
	req := idptest.Must(http.NewRequestWithContext(t.Context(), "GET", w.srv.URL+adminapi.Base+"/users.csv", nil))(t)
	req.Header.Set("Authorization", "Bearer "+w.programs[adm].token)
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("half of a file was taken for all")
	}
	b.breaksWith(&idp.RetryError{Err: idp.ErrBusy, After: 2 * time.Second})
	r := w.as(adm, "GET", "/users", "")
	if r.want(t, 503, "busy"); r.Header.Get("Retry-After") != "2" {
		t.Errorf("%v", r.Header)
	}
	var c struct {
		Valid bool
		Fault string
	}
	if w.as(adm, "GET", "/audit/verify", "").into(t, &c); c.Valid || !strings.HasPrefix(c.Fault, "event 12 is missing") {
		t.Errorf("%+v", c)
	}
	// A page that is not full says that the list goes on.
	if got := w.as(adm, "GET", "/devices", ""); !bytes.Equal([]byte(got.body), []byte(`{"items":[],"next":"on","short":true}`+"\n")) {
		t.Errorf("%s", got.body)
	}
}
