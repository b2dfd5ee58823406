package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/cmd/phone/phone"
)

// reception is an application that asks phones by itself.
type reception struct {
	t              testing.TB
	issuer, secret string
}

func (c *reception) post(path string, form url.Values) (status int, got map[string]any) {
	c.t.Helper()
	r := must[*http.Request](c.t)(http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.issuer+path, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("reception", url.QueryEscape(c.secret))
	resp := must[*http.Response](c.t)(http.DefaultClient.Do(r))
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, got
}

// asks has the person's phones asked, and returns the request's id.
func (c *reception) asks(name, message string) string {
	c.t.Helper()
	status, got := c.post("/bc-authorize", url.Values{"scope": {"openid profile"}, "login_hint": {name}, "binding_message": {message}})
	id, _ := got["auth_req_id"].(string)
	if status != http.StatusOK || id == "" {
		c.t.Fatalf("%d %v", status, got)
	}
	return id
}

func (c *reception) polls(id string) (int, map[string]any) {
	c.t.Helper()
	return c.post("/token", url.Values{"grant_type": {"urn:openid:params:grant-type:ciba"}, "auth_req_id": {id}})
}

// An application asks a person's phone without a browser: it shows the message, a yes gives
// tokens, and the person finds the session among theirs; a no is told.
func TestApplicationAsksThePhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	ph := bert.links(d.Issuer, "Pixel 8", nil)
	said := d.idp(t, "client", "add", "Reception", "--id", "reception", "--grant", "urn:openid:params:grant-type:ciba", "--scope", "openid,profile")
	secret := regexp.MustCompile(`[A-Za-z0-9_-]{43}`).FindString(said)
	if secret == "" {
		t.Fatalf("no secret in %q", said)
	}
	c := &reception{t, d.Issuer, secret}
	if status, got := c.post("/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {"nobody"}, "binding_message": {"x"}}); status != http.StatusBadRequest || got["error"] != "unknown_user_id" {
		t.Errorf("nobody: %d %v", status, got)
	}
	id := c.asks("bert", "Desk 4, W4SCT")
	if status, got := c.polls(id); status != http.StatusBadRequest || got["error"] != "authorization_pending" {
		t.Errorf("%d %v", status, got)
	}
	ch, doc := ph.asked()
	if doc.App != "Reception" || doc.Act.Text != "Reception: Desk 4, W4SCT" || doc.Match.Mode != "tap" || doc.Account != "bert" {
		t.Errorf("asked %s", ch.Text)
	}
	ph.answers(ch, phone.Decision{Approve: true})
	time.Sleep(5 * time.Second) // the interval
	status, got := c.polls(id)
	if status != http.StatusOK || got["id_token"] == nil {
		t.Fatalf("approved: %d %v", status, got)
	}
	if at := bert.get(d.Issuer + "/account/sessions"); !strings.Contains(at.body, "Reception") {
		t.Errorf("the sessions do not tell of it (%s, %d)", at.url, at.status)
	}
	id = c.asks("bert", "Desk 4, HRZLK")
	ch, _ = ph.asked()
	ph.answers(ch, phone.Decision{Reason: "mistake"})
	if status, got := c.polls(id); status != http.StatusBadRequest || got["error"] != "access_denied" {
		t.Errorf("denied: %d %v", status, got)
	}
	if status, got := c.post("/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {"bert"}, "binding_message": {"again"}}); status != http.StatusForbidden || got["error"] != "access_denied" {
		t.Errorf("asked after a denial: %d %v", status, got)
	}
}
