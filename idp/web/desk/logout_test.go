package desk_test

import (
	"context"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest/walk"
)

// toldAt is an application that is told at an address when a session ends; none: it is not told.
func toldAt(w *walk.Walk, id idp.ClientID, name, address string) *idp.Client {
	w.Helper()
	c := idp.Client{
		ID: id, Name: name, Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode},
		RedirectURIs: []string{"https://" + string(id) + ".hospital.example/cb"}, Scopes: []string{"openid"}, LogoutURI: address,
	}
	w.Register(c)
	return &c
}

// telling tries to tell an application once, with what comes of it.
func telling(w *walk.Walk, c *idp.Client, a idp.Attempt) {
	w.Helper()
	now := w.Clock.Now()
	n := idptest.Must(w.DB.ClaimNotice(w.Context(), c.ID, now))(w.TB)
	if err := w.DB.UpdateNotice(w.Context(), n.ID, func(at *idp.Notice) error { return at.Attempted(n.Tries, a, now) }); err != nil {
		w.Fatal(err)
	}
}

func TestEndedSessionsSayWhoWasTold(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	chief := w.Staff(idp.StaffAdmin)
	viewer, archive, reports := toldAt(w, "viewer", "Viewer <b>", "https://viewer.hospital.example/out"), toldAt(w, "archive", "The archive", "https://archive.hospital.example/out"), toldAt(w, "reports", "Reports", "https://reports.hospital.example/out")
	older, weasis := toldAt(w, "older", "Older", "https://older.hospital.example/out"), toldAt(w, "weasis", "Weasis", "")

	// Two sessions of bert, one after the other; two of his applications are removed since.
	var bert *walk.Account
	ends := func() idp.SessionID {
		t.Helper()
		id := w.Session(bert.ID).ID
		if err := w.Desk.EndSession(t.Context(), walk.Console, bert.ID, id, ""); err != nil {
			t.Fatal(err)
		}
		return id
	}
	w.Elsewhere(func() {
		bert = w.Enrol(idp.User{Name: "bert"})
		w.Opens(older)
	})
	first := ends()
	w.Clock.Add(10 * time.Minute)
	w.Elsewhere(func() {
		w.Address = "192.0.2.44"
		w.SignIn(bert, w.Visit("/account/security"))
		for _, app := range []*idp.Client{viewer, archive, reports, weasis} {
			w.Opens(app)
		}
		w.Address = "192.0.2.1"
	})
	second := ends()
	for _, gone := range []*idp.Client{older, weasis} {
		if err := w.Desk.RemoveClient(t.Context(), walk.Console, gone.ID); err != nil {
			t.Fatal(err)
		}
	}
	telling(w, viewer, idp.Attempt{})
	telling(w, archive, idp.Attempt{Said: idp.RefusedWith(503)})
	telling(w, reports, idp.Attempt{Said: idp.RefusedForbidden, Final: true})

	for _, path := range []string{"/admin/users/" + string(bert.ID), "/admin/sessions"} {
		w.Wants(w.Get(path), 200, "192.0.2.44",
			`<span class="lamp good"></span><bdi>Viewer &lt;b&gt;</bdi> <span class="hint">told</span>`, `<bdi>The archive</bdi> <span class="hint">being told · <span class="why">It answers 503</span>`,
			`<span class="lamp bad"></span><bdi>Reports</bdi> <span class="hint">could not be told · <span class="why">Its address may not be called; the setting logout.networks`,
			`weasis <span class="hint">cannot be told`, `<bdi>older</bdi> <span class="hint">being told</span>`)
		// One that was named: its applications. All: those of the latest moment.
		told := "These applications are told: Reports, The archive, Viewer &lt;b&gt;."
		w.Wants(w.Get(path+"?did=ended&session="+string(second)), 200, told)
		w.Wants(w.Get(path+"?did=ended"), 200, told)
		w.Wants(w.Get(path+"?did=ended&session="+string(first)), 200, "These applications are told: older.")
		w.Wants(w.Get(path+"?did=ended&session="+string(idp.NewID[idp.SessionID]())), 200, "Ended. What applications", "not are told")
	}
	w.Wants(w.Get("/admin/sessions?q=bert"), 200, "not Ended lately")
	w.Wants(w.Get("/admin/users/"+string(chief.ID)+"?did=ended"), 200, "Ended. What applications", "not Ended lately", "not are told")
}

// Wherever the administration shows an address it shows its place: of sessions, open and ended,
// and of what happened to people and devices.
func TestAddressesHavePlaces(t *testing.T) {
	t.Parallel()
	w := walk.New(t, func(p *walk.Parts) {
		p.Page.Place = func(address, lang string) string {
			return map[string]string{"192.0.2.44": "Ghent in " + lang, "192.0.2.45": "Bruges in " + lang}[address]
		}
	})
	w.Staff(idp.StaffAdmin)
	var bert *walk.Account
	w.Elsewhere(func() {
		w.Address = "192.0.2.44"
		bert = w.Enrol(idp.User{Name: "bert"})
		w.Address = "192.0.2.1"
	})
	path := "/admin/users/" + string(bert.ID)
	w.Wants(w.Get(path), 200, `Ghent in en · <span dir="ltr">192.0.2.44</span>`)
	w.Wants(w.Get("/admin/sessions"), 200, "Ghent in en<br>")
	if err := w.Desk.EndSession(t.Context(), walk.Console, bert.ID, w.Session(bert.ID).ID, ""); err != nil {
		t.Fatal(err)
	}
	device := w.Device(bert.ID).ID
	note(w, idp.Event{At: w.Clock.Now(), Kind: idp.EventDeviceRenamed, User: bert.ID, Actor: idp.Actor{User: bert.ID}, Device: device, Address: "192.0.2.45"})
	w.Wants(w.Get(path), 200, `Ghent in en · <span dir="ltr">192.0.2.44</span>`, `Bruges in en · <span dir="ltr">192.0.2.45</span>`)
	w.Wants(w.Get("/admin/sessions"), 200, `Ghent in en · <span dir="ltr">192.0.2.44</span>`)
	w.Wants(w.Get("/admin/devices/"+string(device)), 200, `Bruges in en · <span dir="ltr">192.0.2.45</span>`)
	w.Wants(w.Get("/admin/audit"), 200, "Bruges in en<br>")
}

// lagging is the real desk, of which one application was told of no session for long.
type lagging struct {
	desk.Desk
	app idp.ClientID
}

// Health implements desk.Desk.
func (l *lagging) Health(ctx context.Context, by admin.By) (*idp.Health, error) {
	h, err := l.Desk.Health(ctx, by)
	for i := range h.Logouts {
		if h.Logouts[i].Client == l.app {
			h.Logouts[i].Waiting = idp.CountUpTo
		}
	}
	return h, err
}

func TestApplicationIsToldAt(t *testing.T) {
	t.Parallel()
	w := walk.New(t, func(p *walk.Parts) { p.Wrap = func(d desk.Desk) desk.Desk { return &lagging{d, "gone"} } })
	w.Staff(idp.StaffAdmin)
	viewer, gone := toldAt(w, "rad.viewer", "Radiology Viewer", ""), toldAt(w, "gone", "Gone", "https://gone.hospital.example/out")
	const at = "/admin/applications/rad.viewer"
	edit := func(address string) []string {
		return []string{"client_name", "V", "redirect_uris", viewer.RedirectURIs[0], "scopes", "openid", "backchannel_logout_uri", address, "backchannel_logout_session_required", "1"}
	}
	w.Wants(w.Get(at), 200, "Not told")
	w.Leads(w.Held().Post(at+"/edit", edit(" https://viewer.hospital.example/out?a=b&c ")...), at+"?did=edited")
	c := idptest.Must(w.DB.Client(t.Context(), viewer.ID))(t)
	if c.LogoutURI != "https://viewer.hospital.example/out?a=b&c" || !c.LogoutSession {
		t.Errorf("%q %v", c.LogoutURI, c.LogoutSession)
	}
	w.Wants(w.Get(at+"/edit"), 200, `value="https://viewer.hospital.example/out?a=b&amp;c"`, `name="backchannel_logout_session_required" value="1" checked`)
	w.Wants(w.Post(at+"/edit", edit(`ftp://"x`)...), 422, "The address for the end of sessions", `value="ftp://&#34;x"`)

	// Five sessions end: of two it is never told, three wait.
	bert := w.Person(idp.User{Name: "bert"})
	for range 5 {
		w.Elsewhere(func() {
			w.SignIn(bert, w.Visit("/account/security"))
			w.Opens(viewer)
		})
	}
	w.Elsewhere(func() {
		w.SignIn(bert, w.Visit("/account/security"))
		w.Opens(gone)
	})
	if _, err := w.Desk.EndSessions(t.Context(), walk.Console, bert.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, final := range []bool{true, true, false} {
		telling(w, viewer, idp.Attempt{Said: idp.RefusedTimeout, Final: final})
	}
	w.Wants(w.Get(at), 200, "https://viewer.hospital.example/out?a=b&amp;c", "Sessions it was not told of yet: 3", "It does not answer in time", "refusal: 2")

	if err := w.Desk.RemoveClient(t.Context(), walk.Console, gone.ID); err != nil {
		t.Fatal(err)
	}
	w.Wants(w.Get("/admin/health"), 200, "Telling applications", `<a href="/admin/applications/rad.viewer">V</a>`, "It does not answer in time", `<a href="/admin/applications/gone">gone</a>`, "1,000&#43;")
}
