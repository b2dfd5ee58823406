package desk

import (
	"testing"
	"time"

	"hilum/idp"
)

const otherSession = "SESSIONSESSIONSESSIONSES66"

// endedThere gives the desk a session that has ended, of which one application
// was told, one waits, one could not be told, and one has no address.
func (f *fakeDesk) endedThere() {
	notice := func(c idp.ClientID) idp.Notice {
		return idp.Notice{Session: aSession, User: aUser, Client: c, EndedAt: noon, NextAt: noon, Until: noon.Add(idp.NoticeFor)}
	}
	told, waits, lost := notice("viewer"), notice("archive"), notice("reports")
	told.SettledAt, told.Told = noon, true
	waits.Said, waits.TriedAt = idp.RefusedWith(503), noon
	lost.SettledAt, lost.Said = noon, idp.RefusedForbidden
	f.ended = []idp.EndedSession{{
		Session: idp.Session{ID: aSession, User: aUser, Address: "192.0.2.44", EndedAt: noon}, User: f.user,
		Clients: []idp.ClientID{"viewer", "archive", "reports", "weasis"}, Notices: []idp.Notice{told, waits, lost},
		Names: map[idp.ClientID]string{"viewer": "Viewer <b>", "archive": "The archive", "reports": "Reports"},
	}, {
		Session: idp.Session{ID: otherSession, User: aUser, EndedAt: noon.Add(-time.Hour)}, User: f.user, Notices: []idp.Notice{notice("older")},
	}}
}

func TestEndedSessionsSayWhoWasTold(t *testing.T) {
	d := open(t)
	f := d.staffed(idp.StaffAdmin)
	f.endedThere()
	for _, path := range []string{"/admin/users/" + aUser, "/admin/sessions"} {
		d.Wants(d.Get(path), 200, "192.0.2.44", "Viewer &lt;b&gt;", "The archive", "It answers 503", "Reports", "logout.networks", "weasis", "cannot be told", "could not be told", "being told", "older")
		// One that was named: its applications. All: those of the latest moment.
		told := "These applications are told: Reports, The archive, Viewer &lt;b&gt;."
		d.Wants(d.Get(path+"?did=ended&session="+aSession), 200, told)
		d.Wants(d.Get(path+"?did=ended"), 200, told)
		d.Wants(d.Get(path+"?did=ended&session="+otherSession), 200, "These applications are told: older.")
		d.Wants(d.Get(path+"?did=ended&session="+"SESSIONSESSIONSESSIONSES77"), 200, "Ended. What applications", "not are told")
	}
	d.Wants(d.Get("/admin/sessions?q=bert"), 200, "not Ended lately")
	f.ended = nil
	d.Wants(d.Get("/admin/users/"+aUser+"?did=ended"), 200, "Ended. What applications", "not Ended lately", "not are told")
}

func TestRefusalsHaveWords(t *testing.T) {
	d := open(t)
	for _, r := range []idp.Refusal{
		idp.RefusedUnreachable, idp.RefusedTimeout, idp.RefusedCertificate, idp.RefusedForbidden, idp.RefusedGone, idp.RefusedKey, idp.RefusedWith(400),
	} {
		if m := refusalOf(r); !d.page.Words().Has(m.Key) {
			t.Errorf("%s has no words: %q", r, m.Key)
		}
	}
}

func TestApplicationIsToldAt(t *testing.T) {
	d := open(t)
	f := d.staffed(idp.StaffAdmin)
	at := "/admin/applications/" + string(f.client.ID)
	d.Wants(d.Get(at), 200, "Not told")
	f.client.LogoutURI, f.client.LogoutSession = "https://viewer.hospital.example/out?a=b&c", true
	f.told = idp.LogoutFigures{Client: f.client.ID, Waiting: 3, OldestAt: noon, FailedAt: noon, Said: idp.RefusedTimeout, Lost: 2}
	d.Wants(d.Get(at), 200, "https://viewer.hospital.example/out?a=b&amp;c", "Sessions it was not told of yet: 3", "It does not answer in time", "refusal: 2")
	d.Wants(d.Get(at+"/edit"), 200, `value="https://viewer.hospital.example/out?a=b&amp;c"`, `name="backchannel_logout_session_required" value="1" checked`)
	d.Post(at+"/edit", "client_name", "V", "backchannel_logout_uri", " https://v.example/out ", "backchannel_logout_session_required", "1")
	if f.client.LogoutURI != "https://v.example/out" || !f.client.LogoutSession {
		t.Errorf("%q %v", f.client.LogoutURI, f.client.LogoutSession)
	}
	f.err = &idp.FieldError{Field: "backchannel_logout_uri", Message: "client.redirect.bad"}
	d.Wants(d.Post(at+"/edit", "client_name", "V", "backchannel_logout_uri", `ftp://"x`), 422, "The address for the end of sessions", `value="ftp://&#34;x"`)

	f.health.Logouts = []idp.LogoutFigures{f.told, {Client: "gone", Waiting: 1000, OldestAt: noon}}
	d.Wants(d.Get("/admin/health"), 200, "Telling applications", "It does not answer in time", "1,000&#43;", "gone")
}
