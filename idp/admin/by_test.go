package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// picture is a good PNG.
func picture(tb testing.TB) []byte {
	tb.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 32, 20))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{200, 30, 30, 255}), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// as is a person in the administration with a second factor of so long ago.
func (w *world) as(u *idp.User, ago time.Duration) admin.By {
	return admin.By{Actor: idp.Actor{User: u.ID, Name: u.Name}, Role: u.Staff, FactorAt: w.now.Add(-ago)}
}

// asked is one way to ask for an act, upon anna.
type asked struct {
	act admin.Act
	ask func(ctx context.Context, w *world, by admin.By, anna idp.UserID) error
}

// verbs are all verbs, each under the act that the table knows it by.
var verbs = map[string]asked{
	"SearchDevices": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.SearchDevices(ctx, by, idp.DeviceQuery{})
		return err
	}},
	"Device": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Device(ctx, by, "X")
		return err
	}},
	"DeviceHistory": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.DeviceHistory(ctx, by, "X", idp.Page{})
		return err
	}},
	"Devices": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.Devices(ctx, by, u)
		return err
	}},
	"DevicesCSV": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.DevicesCSV(ctx, by, idp.DeviceQuery{}, admin.ExportCSV, &bytes.Buffer{})
	}},
	"SavedSite": {admin.ReadSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.SavedSite(ctx, by)
		return err
	}},
	"Settings": {admin.ReadSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Settings(ctx, by)
		return err
	}},
	"CheckSite": {admin.ReadSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.CheckSite(ctx, by, func(s *idp.Site) { s.Name = "X" })
	}},
	"EditSite": {admin.EditSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.EditSite(ctx, by, func(s *idp.Site) { s.Name = "X" })
	}},
	"FaintLogos": {admin.ReadSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.FaintLogos(ctx, by)
		return err
	}},
	"EditLogos": {admin.EditSettings, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.EditLogos(ctx, by, admin.Logos{Logo: picture(w.T)})
	}},
	"SetIcon": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.SetIcon(ctx, by, "X", nil)
	}},
	"SearchUsers": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.SearchUsers(ctx, by, idp.UserQuery{})
		return err
	}},
	"UsersCSV": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.UsersCSV(ctx, by, idp.UserQuery{}, admin.ExportCSV, &bytes.Buffer{})
	}},
	"Users": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Users(ctx, by, "", 10)
		return err
	}},
	"User": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.User(ctx, by, u)
		return err
	}},
	"FindUser": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.FindUser(ctx, by, "anna")
		return err
	}},
	"Factors": {admin.ReadUsers, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.Factors(ctx, by, u)
		return err
	}},
	"SearchSessions": {admin.ReadSessions, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.SearchSessions(ctx, by, idp.SessionQuery{})
		return err
	}},
	"EndedSessions": {admin.ReadSessions, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.EndedSessions(ctx, by, u)
		return err
	}},
	"EndedSession": {admin.ReadSessions, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.EndedSession(ctx, by, "X")
		return err
	}},
	"Logouts": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Logouts(ctx, by, "X")
		return err
	}},
	"Clients": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Clients(ctx, by)
		return err
	}},
	"Client": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Client(ctx, by, "X")
		return err
	}},
	"PreviewClaims": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.PreviewClaims(ctx, by, u, "X")
		return err
	}},
	"SearchEvents": {admin.ReadAudit, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.SearchEvents(ctx, by, idp.EventQuery{})
		return err
	}},
	"EventsAfter": {admin.ReadAudit, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.EventsAfter(ctx, by, 0, 10)
		return err
	}},
	"ExportEvents": {admin.ReadAudit, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.ExportEvents(ctx, by, idp.EventQuery{}, admin.ExportCSV, &bytes.Buffer{})
	}},
	"VerifyEvents": {admin.ReadAudit, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.VerifyEvents(ctx, by, nil)
		return err
	}},
	"VerifyAgainst": {admin.ReadAudit, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.VerifyAgainst(ctx, by, nil, nil)
		return err
	}},
	"Health": {admin.ReadHealth, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Health(ctx, by)
		return err
	}},
	"Days": {admin.ReadHealth, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Days(ctx, by, 30)
		return err
	}},
	"UnlinkDevices": {admin.UnlinkDevice, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.UnlinkDevices(ctx, by, []idp.DeviceID{"X"}, admin.Why{Reason: "lost"})
		return err
	}},
	"FindDevices": {admin.ReadDevices, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.FindDevices(ctx, by, idp.DeviceQuery{Words: "x"})
		return err
	}},
	"UnlinkFound": {admin.UnlinkDevice, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.UnlinkFound(ctx, by, idp.DeviceQuery{Words: "x"}, "", admin.Why{Reason: "lost"})
		return err
	}},
	"Unlink": {admin.UnlinkDevice, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		return w.Unlink(ctx, by, u, "X", admin.Why{Reason: "lost"})
	}},
	"Reopen": {admin.Reopen, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, _, err := w.Reopen(ctx, by, u, "lost", admin.ViaLink)
		return err
	}},
	"Invite": {admin.Invite, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.Invite(ctx, by, u, admin.ViaLink)
		return err
	}},
	"InviteMany": {admin.Invite, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		got, err := w.InviteMany(ctx, by, []idp.UserID{u}, admin.ViaLink, nil)
		if err == nil {
			err = got[0].Err
		}
		return err
	}},
	"ResetPassword": {admin.ResetPassword, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.ResetPassword(ctx, by, u, admin.ViaLink)
		return err
	}},
	"Reopen by mail": {admin.Reopen, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, _, err := w.Reopen(ctx, by, u, "lost", admin.ViaMail)
		return err
	}},
	"Invite by mail": {admin.Invite, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.Invite(ctx, by, u, admin.ViaMail)
		return err
	}},
	"InviteMany by mail": {admin.Invite, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		got, err := w.InviteMany(ctx, by, []idp.UserID{u}, admin.ViaMail, nil)
		if err == nil {
			err = got[0].Err
		}
		return err
	}},
	"ResetPassword by mail": {admin.ResetPassword, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.ResetPassword(ctx, by, u, admin.ViaMail)
		return err
	}},
	"Unlock": {admin.Unlock, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error { return w.Unlock(ctx, by, u) }},
	"AddUser": {admin.AddUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.AddUser(ctx, by, &idp.User{Name: strings.ToLower(string(idp.NewID[idp.UserID]()))})
	}},
	"AddUser with a role": {admin.EditRoles, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.AddUser(ctx, by, &idp.User{Name: strings.ToLower(string(idp.NewID[idp.UserID]())), Staff: idp.StaffAuditor})
	}},
	"ImportUsers": {admin.AddUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.ImportUsers(ctx, by, strings.NewReader("username\n"), admin.ImportHow{}, nil)
		return err
	}},
	"ImportUsers by mail": {admin.AddUsers, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.ImportUsers(ctx, by, strings.NewReader("username\n"), admin.ImportHow{Mail: true}, nil)
		return err
	}},
	"EditUser": {admin.EditUsers, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		return w.EditUser(ctx, by, u, func(u *idp.User) { u.Locale = "de" })
	}},
	"EditUser, a role": {admin.EditRoles, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		return errors.Join(w.EditUser(ctx, by, u, func(u *idp.User) { u.Staff = idp.StaffAuditor }), w.EditUser(ctx, by, u, func(u *idp.User) { u.Staff = idp.StaffNone }))
	}},
	"Disable": {admin.BlockUsers, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		return w.Disable(ctx, by, u, "left")
	}},
	"Enable": {admin.BlockUsers, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error { return w.Enable(ctx, by, u) }},
	"EndSession": {admin.EndSessions, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		return w.EndSession(ctx, by, u, "X", "")
	}},
	"EndSessions": {admin.EndSessions, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.EndSessions(ctx, by, u, "")
		return err
	}},
	"AddClient": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.AddClient(ctx, by, &idp.Client{})
		return err
	}},
	"EditClient": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.EditClient(ctx, by, "X", func(*idp.Client) {})
	}},
	"PreviewDraft": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, u idp.UserID) error {
		_, err := w.PreviewDraft(ctx, by, u, &idp.Client{ID: "X"})
		return err
	}},
	"Start": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Start(ctx, by)
		return err
	}},
	"Tryout": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.Tryout(ctx, by, "X")
		return err
	}},
	"EndTryout": {admin.ReadClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.EndTryout(ctx, by, "X", &idp.TryoutResult{})
	}},
	"StartTryout": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.StartTryout(ctx, by, admin.Where{Session: "S", Browser: idp.NewToken().Hash()}, "X", "https://idp.example/", false)
		return err
	}},
	"PutStartAside": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.PutStartAside(ctx, by, true)
	}},
	"NewClientSecret": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		_, err := w.NewClientSecret(ctx, by, "X", 0)
		return err
	}},
	"RemoveClient": {admin.EditClients, func(ctx context.Context, w *world, by admin.By, _ idp.UserID) error {
		return w.RemoveClient(ctx, by, "X")
	}},
}

// Every verb, asked by every role, with a fresh and with an old second factor:
// the table says who may.
func TestWhoMayDoWhat(t *testing.T) {
	w, anna := mailing(t)
	people := map[idp.StaffRole]*idp.User{}
	for _, role := range []idp.StaffRole{idp.StaffNone, idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor} {
		people[role] = w.person("staff-"+string(role)+"x", role)
	}
	off := w.person("off", idp.StaffAdmin)
	if err := w.Disable(t.Context(), console, off.ID, ""); err != nil {
		t.Fatal(err)
	}
	tried := map[admin.Act]bool{}
	for name, v := range verbs {
		tried[v.act] = true
		try := func(by admin.By) error {
			err := v.ask(t.Context(), w, by, anna.ID)
			if err := w.Enable(t.Context(), console, anna.ID); err != nil {
				t.Fatal(err)
			}
			return err
		}
		refused := func(err error) bool { return errors.Is(err, idp.ErrDenied) || errors.Is(err, idp.ErrStale) }
		for role, u := range people {
			err := try(w.as(u, time.Minute))
			if may := admin.May(role, v.act); may == refused(err) {
				t.Errorf("%s by %q: may %v, told %v", name, role, may, err)
			}
			old := try(w.as(u, 5*time.Minute+time.Second))
			switch may := admin.May(role, v.act); {
			case may && v.act.Reads():
				if refused(old) {
					t.Errorf("%s by %q reads, and an old factor is refused: %v", name, role, old)
				}
			case may && !errors.Is(old, idp.ErrStale), !may && !errors.Is(old, idp.ErrDenied):
				t.Errorf("%s by %q with an old factor: %v", name, role, old)
			}
			// What a program may is its role's too, without a phone; as a person it may nothing.
			program := try(admin.By{Actor: idp.Actor{Name: "client:x"}, Role: role, Client: "x"})
			if admin.May(role, v.act) == refused(program) {
				t.Errorf("%s by a program as %q: %v", name, role, program)
			}
			if err := try(admin.By{Actor: idp.Actor{User: u.ID}, Role: role, Client: "x"}); !errors.Is(err, idp.ErrDenied) {
				t.Errorf("%s by a program and a person: %v", name, err)
			}
		}
		if err := try(console); refused(err) {
			t.Errorf("%s at the console: %v", name, err)
		}
		for what, by := range map[string]admin.By{
			"nobody":                      {},
			"somebody without a factor":   {Actor: idp.Actor{User: anna.ID}, Role: idp.StaffAdmin},
			"a role that was not given":   w.as(&idp.User{ID: people[idp.StaffAuditor].ID, Staff: idp.StaffAdmin}, 0),
			"a role that was taken":       w.as(&idp.User{ID: people[idp.StaffNone].ID, Staff: idp.StaffAdmin}, 0),
			"somebody disabled":           w.as(off, 0),
			"somebody who does not exist": w.as(&idp.User{ID: "X", Staff: idp.StaffAdmin}, 0),
		} {
			if err := try(by); !errors.Is(err, idp.ErrDenied) {
				t.Errorf("%s by %s: %v", name, what, err)
			}
		}
	}
	for _, act := range admin.Acts {
		if !tried[act] {
			t.Errorf("no verb for %s", act)
		}
	}
}

// The helpdesk does not act upon accounts that have a role: whoever hands
// themselves the link to an administrator's new phone is one.
func TestHelpdeskStaysBelow(t *testing.T) {
	w, _ := mailing(t)
	w.person("chief", idp.StaffAdmin)
	by := w.as(w.person("helga", idp.StaffHelpdesk), 0)
	for _, role := range []idp.StaffRole{idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor} {
		u := w.person("a-"+string(role), role)
		d := w.link(u.ID, "phone")
		events := w.countEvents()
		for name, v := range verbs {
			if v.act.Reads() || !admin.May(idp.StaffHelpdesk, v.act) || name == "UnlinkDevices" || name == "UnlinkFound" {
				continue
			}
			w.fails(name+" upon "+string(role), v.ask(t.Context(), w, by, u.ID), idp.ErrDenied)
		}
		out, err := w.UnlinkDevices(t.Context(), by, []idp.DeviceID{d}, admin.Why{Reason: "lost"})
		if err != nil || !errors.Is(out[0].Err, idp.ErrDenied) {
			t.Errorf("unlink of %s: %+v, %v", role, out, err)
		}
		q := idp.DeviceQuery{Words: u.Name}
		found, err := w.FindDevices(t.Context(), by, q)
		if err != nil || len(found.Rows) != 1 {
			t.Fatalf("found of %s: %+v, %v", role, found, err)
		}
		out, err = w.UnlinkFound(t.Context(), by, q, found.Digest, admin.Why{Reason: "lost"})
		if err != nil || len(out) != 1 || !errors.Is(out[0].Err, idp.ErrDenied) {
			t.Errorf("unlink of what is found of %s: %+v, %v", role, out, err)
		}
		if w.countEvents() != events {
			t.Error("an event for nothing")
		}
	}
}

// docs/administration.md has the same table.
func TestTableInTheDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "administration.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, act := range admin.Acts {
		row := "| " + string(act) + " |"
		for _, role := range []idp.StaffRole{idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor} {
			mark := ""
			if admin.May(role, act) {
				mark = "yes"
			}
			row += fmt.Sprintf(" %s |", mark)
		}
		fresh := "5 min"
		if act.Reads() {
			fresh = ""
		}
		row += fmt.Sprintf(" %s |", fresh)
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("missing: %s", row)
		}
	}
	if n := strings.Count(string(text), "| 5 min |"); n != len(admin.Acts)-7 {
		t.Errorf("%d rows that need a fresh second factor", n)
	}
}

// What the helpdesk handed out while it might opens nothing after the account
// was given a role: the link would make whoever has it an administrator.
func TestLinksDieWhenARoleIsGiven(t *testing.T) {
	w := newWorld(t)
	chief := w.as(w.person("chief", idp.StaffAdmin), 0)
	helga := w.as(w.person("helga", idp.StaffHelpdesk), 0)
	for name, ask := range map[string]func(idp.UserID) (*admin.Link, error){
		"invite":         func(u idp.UserID) (*admin.Link, error) { return w.Invite(t.Context(), helga, u, admin.ViaLink) },
		"reset-password": func(u idp.UserID) (*admin.Link, error) { return w.ResetPassword(t.Context(), helga, u, admin.ViaLink) },
		"reopen": func(u idp.UserID) (*admin.Link, error) {
			_, link, err := w.Reopen(t.Context(), helga, u, "lost", admin.ViaLink)
			return link, err
		},
	} {
		u := w.person(name, idp.StaffNone)
		link, err := ask(u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.EditUser(t.Context(), chief, u.ID, func(u *idp.User) { u.Locale = "de" }); err != nil {
			t.Fatal(err)
		}
		if w.dead(link) {
			t.Errorf("%s: the link died of another change", name)
		}
		if err := w.EditUser(t.Context(), chief, u.ID, func(u *idp.User) { u.Staff = idp.StaffAdmin }); err != nil {
			t.Fatal(err)
		}
		if !w.dead(link) {
			t.Errorf("%s: the link is good for an administrator's account", name)
		}
		fresh, err := w.Invite(t.Context(), chief, u.ID, admin.ViaLink)
		if err != nil || w.dead(fresh) {
			t.Errorf("%s: a new link by an administrator: %v", name, err)
		}
	}
}
