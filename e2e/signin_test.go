package e2e

import (
	"net/http"
	"net/url"
	"testing"
)

func TestSignInByForms(t *testing.T) {
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	rp := d.confidential(t)

	at := anna.get(rp.authorize())
	at = anna.submit(at, "password-form", url.Values{"username": {d.Username}, "password": {"wrong, for sure"}})
	if at.status != http.StatusUnprocessableEntity {
		t.Fatalf("wrong password: status %d", at.status)
	}
	at = anna.submit(at, "password-form", url.Values{"username": {d.Username}, "password": {d.Password}})
	at = anna.submit(at, "code-form", url.Values{"code": {"000000"}})
	if at.status != http.StatusUnprocessableEntity {
		t.Fatalf("wrong code: status %d", at.status)
	}
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	tk := must[*tokens](t)(rp.exchange(rp.answer(at)))
	if tk.Status != http.StatusOK || tk.Access == "" || tk.ID == "" || tk.Refresh == "" {
		t.Fatalf("tokens: %+v", tk)
	}
	status, claims, err := rp.userinfo(tk.Access)
	if err != nil || status != http.StatusOK || claims["preferred_username"] != d.Username {
		t.Fatalf("userinfo: %d %v %v", status, claims, err)
	}
	again := must[*tokens](t)(rp.refresh(tk.Refresh))
	if again.Status != http.StatusOK || again.Access == tk.Access || again.Refresh == tk.Refresh || again.ID == "" {
		t.Fatalf("refresh: %+v", again)
	}
	// The session answers a second application without a page.
	second := d.public(t)
	code := second.answer(anna.get(second.authorize()))
	if tk := must[*tokens](t)(second.exchange(code)); tk.Status != http.StatusOK || tk.ID == "" {
		t.Fatalf("second application: %+v", tk)
	}
}
