package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// reader is a viewer that reads an archive with its access token, and the archive, which asks
// the provider about tokens that it is handed. Both are registered by the real command.
type reader struct {
	t                testing.TB
	d                *demo
	redirect         string
	secrets          map[string]string // by client id
	verifier         string
	archive, records string // addresses of two APIs
}

func newReader(t testing.TB, d *demo) *reader {
	t.Helper()
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><title>Viewer</title><p id="arrived">Here</p>`)
	}))
	t.Cleanup(there.Close)
	r := &reader{
		t: t, d: d, redirect: there.URL + "/callback", secrets: map[string]string{}, verifier: strings.Repeat("verifier-", 6),
		archive: "https://archive.example/dicom-web", records: "https://records.example/fhir",
	}
	add := func(id, name string, args ...string) {
		out := d.idp(t, append([]string{"client", "add", name, "--id", id, "--json"}, args...)...)
		var c struct {
			Secret string `json:"client_secret"`
		}
		if err := json.Unmarshal([]byte(out), &c); err != nil || c.Secret == "" {
			t.Fatalf("%s, %v", out, err)
		}
		r.secrets[id] = c.Secret
	}
	const act = "purpose_of_use=http://terminology.hl7.org/CodeSystem/v3-ActReason|"
	add("iua-archive", "Archive", "--grant", "client_credentials", "--scope", "archive", "--resource", r.archive,
		"--claim", "ihe_iua.subject_name=name", "--claim", "ihe_iua.subject_organization='Central Hospital'", "--claim", "ihe_iua.subject_organization_id='urn:oid:1.2.3.4'")
	add("iua-records", "Records", "--grant", "client_credentials", "--scope", "records", "--resource", r.records)
	add("iua-viewer", "Reading room", "--redirect-uri", r.redirect, "--access-format", "jwt", "--audience", r.archive+","+r.records,
		"--scope", "openid,profile,offline_access,"+act+"TREAT,"+act+"ETREAT")
	return r
}

// begins is where the browser goes to sign in for a purpose, for the archive alone.
func (r *reader) begins(purpose string) string {
	sum := sha256.Sum256([]byte(r.verifier))
	return r.d.Issuer + "/authorize?" + url.Values{
		"client_id": {"iua-viewer"}, "redirect_uri": {r.redirect}, "response_type": {"code"}, "state": {"s"}, "resource": {r.archive},
		"scope":          {"openid profile offline_access purpose_of_use=http://terminology.hl7.org/CodeSystem/v3-ActReason|" + purpose},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// ask posts a form as a client.
func (r *reader) ask(path, client string, form url.Values) map[string]any {
	r.t.Helper()
	req := must[*http.Request](r.t)(http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.d.Issuer+path, strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, r.secrets[client])
	res := must[*http.Response](r.t)(http.DefaultClient.Do(req))
	defer res.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		r.t.Fatal(err)
	}
	return got
}

// redeems redeems the code that the browser at an address came back with.
func (r *reader) redeems(at string) map[string]any {
	r.t.Helper()
	code := must[*url.URL](r.t)(url.Parse(at)).Query().Get("code")
	return r.ask("/token", "iua-viewer", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.redirect}, "code_verifier": {r.verifier}})
}

// TestViewerReadsOneArchive: a viewer gets a token for one of its archives, which is told who
// reads, for which hospital and for what purpose; the other archive is told nothing. An
// emergency the person has to claim, in the browser that they are signed in in.
func TestViewerReadsOneArchive(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	r := newReader(t, d)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	w := openWindow(t, true)
	w.open(r.begins("TREAT"))
	w.see("#password-form")
	w.gives(anna)
	w.see("#arrived")
	tok := r.redeems(w.at())
	access, _ := tok["access_token"].(string)
	seen := r.ask("/introspect", "iua-archive", url.Values{"token": {access}})
	said, _ := json.Marshal(seen["extensions"])
	if seen["active"] != true || !strings.Contains(string(said), `"code":"TREAT"`) || !strings.Contains(string(said), `"subject_organization":"Central Hospital"`) || !strings.Contains(string(said), `"subject_name":"Anna Bergmann"`) {
		t.Errorf("the archive is told %v", seen)
	}
	payload := must[[]byte](t)(base64.RawURLEncoding.DecodeString(strings.Split(access, ".")[1]))
	var own struct {
		Aud        []string        `json:"aud"`
		Extensions json.RawMessage `json:"extensions"`
	}
	if err := json.Unmarshal(payload, &own); err != nil || len(own.Aud) != 1 || own.Aud[0] != r.archive || !strings.Contains(string(own.Extensions), `"code":"TREAT"`) {
		t.Errorf("the token says %s, %v", payload, err)
	}
	if other := r.ask("/introspect", "iua-records", url.Values{"token": {access}}); other["active"] != false || len(other) != 1 {
		t.Errorf("the other archive is told %v", other)
	}
	refresh, _ := tok["refresh_token"].(string)
	if got := r.ask("/token", "iua-viewer", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "resource": {r.records}}); got["error"] != "invalid_target" {
		t.Errorf("refreshed for the other: %v", got)
	}

	w.open(r.begins("ETREAT"))
	w.see("#emergency")
	if text := w.text("main"); !strings.Contains(text, "Archive") || !strings.Contains(text, "is recorded") {
		t.Errorf("the page says %q", text)
	}
	w.do(chromedp.Click(chromedp.CSS("#allow")))
	w.see("#arrived")
	access, _ = r.redeems(w.at())["access_token"].(string)
	said, _ = json.Marshal(r.ask("/introspect", "iua-archive", url.Values{"token": {access}})["extensions"])
	if !strings.Contains(string(said), `"code":"ETREAT"`) {
		t.Errorf("an emergency: %s", said)
	}
	if log := d.idp(t, "audit", "list", "--kind", "consent.emergency", "--json"); !strings.Contains(log, "iua-viewer") || !strings.Contains(log, "ETREAT") {
		t.Errorf("the log has %s", log)
	}
	w.quiet()
}
