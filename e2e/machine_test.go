package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/cmd/phone/phone"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// machine is a modality without a browser, registered without a secret.
type machine struct {
	t      testing.TB
	issuer string
	id     string
	code   string // device_code
	shown  string // user_code
	page   string // verification_uri_complete
}

// newMachine registers a machine and has it ask for a code.
func newMachine(t testing.TB, d *demo, id, name string) *machine {
	t.Helper()
	d.idp(t, "client", "add", name, "--id", id, "--public", "--grant", deviceGrant, "--grant", "refresh_token", "--scope", "openid,profile,offline_access")
	m := &machine{t: t, issuer: d.Issuer, id: id}
	m.asks()
	return m
}

// asks has the machine show a new code.
func (m *machine) asks() {
	m.t.Helper()
	got := m.post("/device_authorization", url.Values{"scope": {"openid profile offline_access"}})
	m.code, m.shown, m.page = got["device_code"], got["user_code"], got["verification_uri_complete"]
	if m.code == "" || m.shown == "" || m.page == "" {
		m.t.Fatalf("the machine got %v", got)
	}
}

// polls asks for the outcome: the access token, or the error.
func (m *machine) polls() (access, code string) {
	m.t.Helper()
	got := m.post("/token", url.Values{"grant_type": {deviceGrant}, "device_code": {m.code}})
	return got["access_token"], got["error"]
}

func (m *machine) post(path string, form url.Values) map[string]string {
	m.t.Helper()
	form.Set("client_id", m.id)
	r := must[*http.Response](m.t)(http.PostForm(m.issuer+path, form))
	defer r.Body.Close()
	var all map[string]any
	if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
		m.t.Fatal(err)
	}
	got := map[string]string{}
	for name, v := range all {
		if s, ok := v.(string); ok {
			got[name] = s
		}
	}
	return got
}

// A machine without a browser is signed in by its person in another one: the code typed, the
// password, a yes on the phone, and a yes on the page. The machine goes on by itself. Another
// code is denied.
func TestMachineSignsIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	machineSignsIn(t, newMachine(t, d, "ct", "CT 2"), d.invite(t, "bert"))
}

// machineSignsIn is that of a machine that is called CT 2, and of a person without a phone.
func machineSignsIn(t *testing.T, m *machine, bert *person) {
	t.Helper()
	ph := bert.links(m.issuer, "Pixel 8", nil)
	if _, code := m.polls(); code != "authorization_pending" {
		t.Errorf("nobody has come, and the machine is told %q", code)
	}
	w := openWindow(t, true)
	w.open(m.issuer + "/connect")
	w.fill("#user_code", "zzzz zzzz")
	w.click("#continue")
	w.see("#problem")
	w.fill("#user_code", strings.ToLower(m.shown))
	w.click("#continue")
	w.see("#password-form")
	if text := w.text("h1"); !strings.Contains(text, "CT 2") {
		t.Errorf("signing in to %q", text)
	}
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.see("#number")
	ch, doc := ph.asked()
	if doc.App != "CT 2" {
		t.Errorf("asked %s", ch.Text)
	}
	ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")})
	w.see("#warning")
	if text := w.text("main"); !strings.Contains(text, "CT 2") || !strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "in front of you") || !strings.Contains(text, bert.name) {
		t.Errorf("the question says %q", text)
	}
	w.click("#allow")
	w.see("#notice")
	if text := w.text("#notice"); !strings.Contains(text, "Go back to the machine") || !strings.HasSuffix(w.at(), "/connect/done") {
		t.Errorf("%s says %q", w.at(), text)
	}
	time.Sleep(5 * time.Second) // the interval
	access, code := m.polls()
	if access == "" {
		t.Fatalf("allowed, and the machine is told %q", code)
	}
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, m.issuer+"/userinfo", nil))
	r.Header.Set("Authorization", "Bearer "+access)
	got := must[*http.Response](t)(http.DefaultClient.Do(r))
	defer got.Body.Close()
	var who struct {
		Name string `json:"preferred_username"`
	}
	if err := json.NewDecoder(got.Body).Decode(&who); err != nil || who.Name != bert.name {
		t.Errorf("signed in as %+v, %v", who, err)
	}

	// The session is fresh: the next code, by its picture, leads to the question.
	m.asks()
	w.open(m.page)
	if w.value("#user_code") != m.shown {
		t.Errorf("the page has %q for %q", w.value("#user_code"), m.shown)
	}
	w.click("#continue")
	w.see("#warning")
	w.click("#deny")
	w.see("#notice")
	if text := w.text("#notice"); !strings.Contains(text, "was not signed in") {
		t.Errorf("denied: %q", text)
	}
	if _, code := m.polls(); code != "access_denied" {
		t.Errorf("denied, and the machine is told %q", code)
	}
	w.quiet()
}

// tourMachine is the pages on which a machine without a browser is signed in, with the long
// name that a department gives one.
func tourMachine(t *testing.T, d *demo, w *window, visit func(name string)) {
	t.Helper()
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	m := newMachine(t, d, "angiography", "Angiography Suite 2, Control Room of the Department of Interventional Radiology")
	w.open(d.Issuer + "/connect")
	w.see("#connect-form")
	visit("connect")
	w.fill("#user_code", "ZZZZ-ZZZZ")
	w.click("#continue")
	w.see("#problem")
	visit("connect-wrong")
	w.open(m.page)
	w.see("#connect-form")
	visit("connect-compare")
	w.click("#continue")
	w.see("#password-form")
	visit("connect-password")
	w.fill("#username", anna.name)
	w.fill("#password", anna.password)
	w.click("#continue")
	w.typeCode(anna.code())
	w.see("#warning")
	visit("connect-question")
	w.click("#allow")
	w.see("#notice")
	visit("connect-done")
	w.open(d.Issuer + "/connect/denied")
	w.see("#notice")
	visit("connect-denied")
}
