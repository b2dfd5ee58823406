package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// program is a script of a hospital's IT, on a library for client credentials
// that is not ours.
type program struct {
	t    testing.TB
	base string
	http *http.Client
}

func (s *served) program(t testing.TB, name, scope string) (p *program, id string) {
	t.Helper()
	id, secret := s.addClient(t, name, "--grant", "client_credentials", "--scope", scope)
	conf := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: s.issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader}
	return &program{t, s.issuer + "/admin/api/v1", conf.Client(context.WithValue(t.Context(), oauth2.HTTPClient, s.client))}, id
}

// ask sends a request and reads the JSON of the answer into v, where there is one.
func (p *program) ask(method, path, kind, body string, want int, v any) string {
	p.t.Helper()
	r := must[*http.Request](p.t)(http.NewRequestWithContext(p.t.Context(), method, p.base+path, strings.NewReader(body)))
	if body != "" {
		r.Header.Set("Content-Type", kind)
	}
	res := must[*http.Response](p.t)(p.http.Do(r))
	defer res.Body.Close()
	text := must[[]byte](p.t)(io.ReadAll(res.Body))
	if res.StatusCode != want {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, text, want)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return string(text)
}

// TestAdminAPI is what a hospital's IT does from somebody's first day to the
// last, and what its SIEM reads of it.
func TestAdminAPI(t *testing.T) {
	s := startServe(t)
	res := must[*http.Response](t)(s.client.Get(s.issuer + "/admin/api/v1/openapi.json"))
	text := must[[]byte](t)(io.ReadAll(res.Body))
	res.Body.Close()
	doc := must[*openapi3.T](t)(openapi3.NewLoader().LoadFromData(text))
	if err := doc.Validate(t.Context()); err != nil || doc.Paths.Len() < 30 {
		t.Errorf("the description: %d paths, %v", doc.Paths.Len(), err)
	}

	hr, hrID := s.program(t, "Provisioning", "hilum.admin")
	siem, _ := s.program(t, "SIEM", "hilum.auditor")

	// The first day.
	var u struct{ ID, State string }
	hr.ask("POST", "/users", "application/json", `{"username":"anna","name":"Anna Bergmann","email":"anna@klinik.test","groups":["ct"]}`, 201, &u)
	var link struct{ URL string }
	hr.ask("POST", "/users/"+u.ID+"/invite", "", "", 201, &link)
	anna := invited(t, link.URL, "anna", s.client.Transport)
	if hr.ask("GET", "/users/"+u.ID, "", "", 200, &u); u.State != "active" {
		t.Errorf("anna is %s", u.State)
	}
	hr.ask("POST", "/users/import?dry_run=true", "text/csv", "username\nanna\n", 200, nil)
	hr.ask("POST", "/users/import", "text/csv", "username\nanna\n", 422, nil)
	hr.ask("POST", "/users/import", "text/csv", "username,groups\ncarl,mr\ndora,mr\n", 200, nil)
	var people struct {
		Items []struct{ Username string }
		Total struct{ Count int }
	}
	if siem.ask("GET", "/users?q=mr", "", "", 200, &people); len(people.Items) != 2 {
		t.Errorf("%+v", people)
	}

	// A phone is lost.
	var devices struct{ Items []struct{ ID string } }
	if hr.ask("GET", "/devices?q=anna", "", "", 200, &devices); len(devices.Items) != 1 {
		t.Fatalf("%+v", devices)
	}
	siem.ask("POST", "/devices/"+devices.Items[0].ID+"/unlink", "application/json", `{"reason":"lost"}`, 403, nil)
	hr.ask("POST", "/devices/"+devices.Items[0].ID+"/unlink", "application/json", `{"reason":"lost"}`, 204, nil)

	// The last day.
	hr.ask("POST", "/users/"+u.ID+"/disable", "application/json", `{"reason":"left"}`, 204, nil)
	if at := anna.get(s.issuer + "/admin/api/v1/users"); at.status != 401 || !strings.HasPrefix(at.head.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("a browser: %d %s", at.status, at.body)
	}

	// What the SIEM reads, and that it is whole.
	log := siem.ask("GET", "/audit/events.ndjson", "", "", 200, nil)
	for _, kind := range []string{"user.created", "invitation.made", "device.linked", "device.unlinked", "user.disabled"} {
		if !strings.Contains(log, `"kind":"`+kind+`","actor":"client:`+hrID+`"`) && kind != "device.linked" || !strings.Contains(log, `"kind":"`+kind+`"`) {
			t.Errorf("%s by %s is not in the log", kind, hrID)
		}
	}
	var chain struct {
		Valid  bool
		Events int
	}
	if siem.ask("GET", "/audit/verify", "", "", 200, &chain); !chain.Valid || chain.Events < strings.Count(log, "\n")-1 { // the last line is no event
		t.Errorf("%+v of %d", chain, strings.Count(log, "\n"))
	}
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "events") {
		t.Errorf("%s", out)
	}
	var settings struct {
		Items []struct{ Key, Value, Place string }
	}
	siem.ask("GET", "/settings", "", "", 200, &settings)
	found := false
	for _, one := range settings.Items {
		found = found || one.Key == "issuer" && one.Value == s.issuer && one.Place == "IDP_ISSUER"
	}
	if !found {
		t.Errorf("%+v", settings)
	}

	// Somebody at the console takes the door from the program.
	s.idp(t, "client", "edit", hrID, "--disabled")
	hr.ask("GET", "/users", "", "", 401, nil)
}
