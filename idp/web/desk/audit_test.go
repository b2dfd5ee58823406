package desk

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

func TestEveryEventHasWords(t *testing.T) {
	d := open(t)
	for _, kind := range idp.EventKinds {
		if key := eventWords[kind]; key == "" || !d.page.Words().Has(key) {
			t.Errorf("%s is said by %q", kind, key)
		}
	}
	if len(eventWords) != len(idp.EventKinds) {
		t.Errorf("%d kinds, %d words", len(idp.EventKinds), len(eventWords))
	}
	for _, f := range idp.DeviceFacets {
		if deviceFacets[f].Key == "" {
			t.Errorf("facet %s has no words", f)
		}
	}
}

func TestDeskAudit(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	desk.events = idp.EventPage{Rows: []idp.Event{{Seq: 7, At: noon, Kind: idp.EventUserDisabled, User: aUser, Actor: idp.Actor{Name: "helga"}, Address: "192.0.2.5", Detail: map[string]string{"reason": "left <b>", "user": "bert"}}, {Seq: 6, At: noon, Kind: "some.new"}},
		Turns: idp.Turns{Next: "older", Prev: "newer"}}
	d.Wants(d.Get("/admin/audit?kind=user.&who=bert&as=actor&address=192.0.2.5&from=2026-03-01&until=2026-03-14&after=k"), 200, "Account blocked", "helga", "left &lt;b&gt;", "some.new", "after=older", "before=newer",
		"/admin/audit.json?", "/admin/users/"+aUser, "not data-follow")
	want := idp.EventQuery{Kinds: []idp.EventKind{"user."}, Actor: aUser, Address: "192.0.2.5", From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC), Page: idp.Page{After: "k"}}
	if got := desk.log; !slices.Equal(got.Kinds, want.Kinds) || got.Actor != want.Actor || got.User != "" || got.Address != want.Address || !got.From.Equal(want.From) || !got.Until.Equal(want.Until) || got.Page != want.Page {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	d.Wants(d.Get("/admin/audit?who=bert"), 200, "data-follow")
	if desk.log.User != aUser {
		t.Errorf("asked for %+v", desk.log)
	}
	d.Wants(d.Get("/admin/audit?who=nobody"), 422, "Nobody has this user name.", `value="nobody"`)
	d.Wants(d.Get("/admin/audit?from=yesterday"), 422, "2026-03-14.")
	d.Wants(d.Get("/admin/audit?kind=x"), 422)
	d.Wants(d.Get("/admin/audit?after=bad"), 400)
	d.Wants(d.Get("/admin/audit.json?who=nobody"), 400)
	if r := d.Get("/admin/audit.json?kind=device."); r.Header.Get("Content-Disposition") != `attachment; filename="audit.jsonl"` || desk.format != admin.ExportJSON || len(desk.log.Kinds) != 1 {
		t.Errorf("JSON: %v, %q, %+v", r.Header, desk.format, desk.log)
	}
	if d.Get("/admin/audit.csv"); desk.format != admin.ExportSheet { // the page is in English
		t.Errorf("CSV is %q", desk.format)
	}
	desk.events = idp.EventPage{}
	d.Wants(d.Get("/admin/audit"), 200, "Nothing was recorded")

}

// Every group of the filter finds something, and every kind is in a group.
func TestEveryEventIsInAGroup(t *testing.T) {
	for _, kind := range idp.EventKinds {
		n := 0
		for _, g := range eventGroups {
			if strings.HasPrefix(string(kind), g.Value) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d groups", kind, n)
		}
	}
}

// Every sentence that a page may open with can be said by every list.
func TestDeskNotes(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	for did := range deskDid {
		for _, path := range []string{"/admin/devices", "/admin/users", "/admin/users/" + aUser, "/admin/sessions"} {
			d.Wants(d.Get(path+"?did="+did), 200, `id="note"`)
		}
	}
	d.Wants(d.Get("/admin/devices?did=%3Cscript%3E"), 200, `not id="note"`)
}

// What a person asked for by mail is not said as what an administrator did.
func TestForgottenInTheLog(t *testing.T) {
	for _, c := range []struct {
		e    idp.Event
		want string
	}{
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "forgotten"}}, "event.invitation.forgotten"},
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "reset"}}, "event.invitation.made"},
		{idp.Event{Kind: idp.EventPasswordReset, Detail: map[string]string{"by": "mail"}}, "event.user.password.mail"},
		{idp.Event{Kind: idp.EventPasswordReset}, "event.user.password.reset"},
	} {
		if got := deskEvents([]idp.Event{c.e})[0].What.Key; got != c.want {
			t.Errorf("%s %v is said by %s, want %s", c.e.Kind, c.e.Detail, got, c.want)
		}
	}
	d := open(t)
	for _, key := range []string{"event.invitation.forgotten", "event.user.password.mail", lockWords(&idp.Counter{Key: idp.CounterKey{Kind: idp.CountForgotten}}).Key} {
		if !d.page.Words().Has(key) {
			t.Errorf("%s is not said", key)
		}
	}
}
