package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
)

// link is one as programs are told of it.
type link struct {
	URL, To   string
	ExpiresAt time.Time `json:"expires_at"`
}

// A link that goes by mail is told to no program: there is the address in its place.
func TestLinksGoByMail(t *testing.T) {
	w := newWorld(t)
	w.mails(true)
	anna := "/users/" + string(w.anna.ID)
	mailed := func(what string, r *reply, l *link) {
		t.Helper()
		if l == nil || l.URL != "" || l.To != w.anna.Email || !l.ExpiresAt.Equal(w.clock.Now().Add(idp.InvitationTTL)) || strings.Contains(r.body, "/invite/") {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
		}
		if e := w.events(idp.EventInvited)[0]; e.Detail["by"] != "mail" || e.User != w.anna.ID {
			t.Errorf("%s: event %+v", what, e)
		}
	}
	var l link
	r := w.as(idp.StaffHelpdesk, "POST", anna+"/reset-password", `{"deliver":"mail"}`)
	r.into(t, &l)
	mailed("reset", r, &l)
	var re struct {
		Unlinked []any
		Link     *link
	}
	r = w.as(idp.StaffHelpdesk, "POST", anna+"/reopen", `{"deliver":"mail","reason":"lost"}`)
	r.into(t, &re)
	if mailed("reopen", r, re.Link); len(re.Unlinked) != 1 {
		t.Errorf("unlinked %v", re.Unlinked)
	}
	l = link{}
	r = w.as(idp.StaffHelpdesk, "POST", anna+"/invite", `{"deliver":"mail"}`)
	r.into(t, &l)
	mailed("invite", r, &l)
	carl := idp.User{Name: "carl"} // has no address
	if err := w.desk.AddUser(t.Context(), console, &carl); err != nil {
		t.Fatal(err)
	}
	var many struct {
		Items []struct {
			Link    *link
			Problem *problem
		}
	}
	r = w.as(idp.StaffHelpdesk, "POST", "/users/invite", fmt.Sprintf(`{"deliver":"mail","users":[%q,%q]}`, w.anna.ID, carl.ID))
	r.into(t, &many)
	if len(many.Items) != 2 || many.Items[1].Link != nil || many.Items[1].Problem == nil || many.Items[1].Problem.Code != "mail.address" {
		t.Fatalf("%s", r.body)
	}
	mailed("many", r, many.Items[0].Link)

	// Told, where nothing is said, or that is wanted.
	for _, body := range []string{"", `{}`, `{"deliver":"link"}`, `{"deliver":null}`} {
		l = link{}
		w.as(adm, "POST", anna+"/invite", body).into(t, &l)
		if !strings.HasPrefix(l.URL, w.srv.URL+"/invite/") || l.To != "" {
			t.Errorf("%s: %+v", body, l)
		}
	}
	// What cannot be is said, and nothing done.
	events := len(w.events(idp.EventInvited))
	for _, bad := range []string{`{"deliver":"pigeon"}`, `{"deliver":true}`, `{"deliver":""}`, `{"via":"mail"}`, `{"reason":"x"}`} {
		w.as(adm, "POST", anna+"/invite", bad).want(t, 400, "bad-request")
	}
	w.as(adm, "POST", anna+"/disable", `{"reason":"left","deliver":"mail"}`).want(t, 400, "bad-request")
	if p := w.as(adm, "POST", "/users/"+string(carl.ID)+"/invite", `{"deliver":"mail"}`).want(t, 422, "invalid-field"); p.Field != "email" || p.Code != "mail.address" {
		t.Errorf("%+v", p)
	}
	w.mails(false)
	for _, path := range []string{anna + "/invite", anna + "/reset-password", anna + "/reopen", "/users/invite"} {
		body := `{"deliver":"mail"}`
		switch {
		case strings.HasSuffix(path, "/reopen"):
			body = `{"deliver":"mail","reason":"lost"}`
		case path == "/users/invite":
			body = fmt.Sprintf(`{"deliver":"mail","users":[%q]}`, w.anna.ID)
		}
		if p := w.as(adm, "POST", path, body).want(t, 422, "invalid-field"); p.Field != "deliver" || p.Code != "mail.off" || p.Detail != "deliver: No mail is sent from here. Have the link shown instead." {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if n := len(w.events(idp.EventInvited)); n != events {
		t.Errorf("%d events for nothing", n-events)
	}
}

// halted is a desk whose imports break off among the letters.
type halted struct {
	*admin.Desk
	err error
}

func (h *halted) ImportUsers(ctx context.Context, by admin.By, r io.Reader, how admin.ImportHow, progress func(admin.ImportStep)) (*admin.Import, error) {
	got, err := h.Desk.ImportUsers(ctx, by, r, how, progress)
	if err == nil && h.err != nil && !how.Dry {
		got.Mailed--
		err = h.err
	}
	return got, err
}

func TestImportingWithInvitations(t *testing.T) {
	h := &halted{}
	w := newWorld(t, func(c *adminapi.Config) {
		h.Desk = c.Desk.(*admin.Desk)
		c.Desk = h
	})
	const file = "username,email\ncarl,carl@klinik.test\ndora,\nemil,emil@klinik.test\n"
	imp := func(query, file string) *reply {
		t.Helper()
		return w.as(adm, "POST", "/users/import"+query, file, "Content-Type", "text/csv")
	}
	if p := imp("?invite=mail", file).want(t, 422, "invalid-field"); p.Field != "invite" || p.Code != "mail.off" || p.Detail != "invite: No mail is sent from here. Have the link shown instead." {
		t.Errorf("%+v", p)
	}
	w.mails(true)
	imp("?invite=post", file).want(t, 400, "bad-request")
	imp("?invite=", file).want(t, 400, "bad-request")
	type answer struct {
		Added, Invited int
		Uninvited      []struct {
			Line                  int
			Username, Field, Code string
		}
		Broken bool `json:"broken_off"`
	}
	is := func(r *reply, added, invited int, broken bool) {
		t.Helper()
		var got answer
		r.into(t, &got)
		if r.StatusCode != 200 || got.Added != added || got.Invited != invited || got.Broken != broken || len(got.Uninvited) != 1 {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		if u := got.Uninvited[0]; u.Line != 3 || u.Username != "dora" || u.Field != "email" || u.Code != "mail.address" {
			t.Errorf("%+v", u)
		}
	}
	is(imp("?invite=mail&dry_run=true", file), 0, 2, false)
	is(imp("?invite=mail", file), 3, 2, false)
	if n := len(w.events(idp.EventInvited)); n != 2+2 { // two of the world's own
		t.Errorf("%d invitations", n)
	}
	var plain map[string]json.RawMessage
	imp("", "username\nfritz\n").into(t, &plain)
	if plain["invited"] != nil || plain["uninvited"] != nil {
		t.Errorf("without invitations: %v", plain)
	}
	// All are there when it breaks off: a fault would have the file sent again.
	h.err = errors.New("the disk is full of secrets")
	r := imp("?invite=mail", strings.NewReplacer("carl", "carla", "emil", "emilia", "dora", "dorothea").Replace(file))
	var got answer
	r.into(t, &got)
	if r.StatusCode != 200 || got.Added != 3 || got.Invited != 1 || !got.Broken || strings.Contains(r.body, "disk") || !strings.Contains(w.log.String(), "the disk is full") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
