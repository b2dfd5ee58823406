package admin_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// mailing is a world that sends mail, and anna, who has an address.
func mailing(t *testing.T) (*world, *idp.User) {
	t.Helper()
	w := newWorld(t)
	w.set(func(c *admin.Config) { c.Mail = true })
	u := &idp.User{Name: "anna", Email: "anna@klinik.test"}
	if err := w.AddUser(t.Context(), console, u); err != nil {
		t.Fatal(err)
	}
	return w, u
}

// waiting are the mails with a link that wait to be sent, in their order.
func (w *world) waiting() (links []idp.Mail) {
	w.Helper()
	for {
		m, err := w.db.ClaimMail(w.Context(), w.now)
		if errors.Is(err, idp.ErrNotFound) {
			return links
		}
		if err != nil {
			w.Fatal(err)
		}
		if m.Kind == idp.MailLink {
			links = append(links, *m)
		}
	}
}

// texts are all texts and bytes in a value.
func texts(v reflect.Value) (found []string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			found = texts(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			found = append(found, texts(field)...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			found = append(found, texts(v.Index(i))...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			found = append(found, append(texts(k), texts(v.MapIndex(k))...)...)
		}
	case reflect.String:
		found = []string{v.String()}
	}
	return found
}

// A link that goes by mail is seen by nobody who asked for it: there is a mail
// that waits, and nothing that is returned, or stands in the log, opens anything.
func TestALinkByMailIsSeenByNobody(t *testing.T) {
	for what, ask := range map[string]struct {
		purpose idp.InvitationPurpose
		do      func(w *world, u idp.UserID) (*admin.Link, any, error)
	}{
		"invite": {idp.InviteEnrol, func(w *world, u idp.UserID) (*admin.Link, any, error) {
			l, err := w.Invite(t.Context(), console, u, admin.ViaMail)
			return l, nil, err
		}},
		"many": {idp.InviteEnrol, func(w *world, u idp.UserID) (*admin.Link, any, error) {
			all, err := w.InviteMany(t.Context(), console, []idp.UserID{u}, admin.ViaMail, nil)
			if err != nil {
				return nil, all, err
			}
			return all[0].Link, all, all[0].Err
		}},
		"reset": {idp.InviteReset, func(w *world, u idp.UserID) (*admin.Link, any, error) {
			l, err := w.ResetPassword(t.Context(), console, u, admin.ViaMail)
			return l, nil, err
		}},
		"reopen": {idp.InviteEnrol, func(w *world, u idp.UserID) (*admin.Link, any, error) {
			gone, l, err := w.Reopen(t.Context(), console, u, "lost", admin.ViaMail)
			return l, gone, err
		}},
	} {
		t.Run(what, func(t *testing.T) {
			w, u := mailing(t)
			l, more, err := ask.do(w, u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if l.Token != "" || l.To != u.Email || !l.ExpiresAt.Equal(w.now.Add(idp.InvitationTTL)) {
				t.Errorf("told %+v", l)
			}
			e := w.last(idp.EventInvited)
			if e.Detail["by"] != "mail" || e.Detail["purpose"] != string(ask.purpose) || e.User != u.ID {
				t.Errorf("event %+v", e)
			}
			opens := func(text string) bool {
				_, err := w.db.InvitationByToken(t.Context(), idp.Secret(text).Hash())
				return !errors.Is(err, idp.ErrNotFound)
			}
			for _, text := range texts(reflect.ValueOf([]any{l, more, e})) {
				if opens(text) {
					t.Error("the token is in what is returned or logged")
				}
			}
			if strings.Contains(fmt.Sprint(e.Detail), u.Email) {
				t.Errorf("the log tells the address: %v", e.Detail)
			}
			waits := w.waiting()
			if len(waits) != 1 || waits[0].User != u.ID || !waits[0].Until.Equal(l.ExpiresAt) || len(waits[0].Detail) != 0 {
				t.Fatalf("waiting %+v", waits)
			}
			for _, text := range texts(reflect.ValueOf(waits)) {
				if opens(text) {
					t.Error("the token waits with the mail")
				}
			}
			// What the letter will carry opens the very invitation that was made.
			token := idp.NewToken()
			i, err := w.db.RenewInvitation(t.Context(), waits[0].Invitation, token.Hash(), w.now)
			if err != nil || i.Purpose != ask.purpose || i.User != u.ID || !opens(token.Reveal()) {
				t.Errorf("renewed %+v, %v", i, err)
			}
		})
	}
}

// A link that is shown has its token and no mail; the log does not say «by mail».
func TestALinkThatIsShownWaitsForNoMail(t *testing.T) {
	w, u := mailing(t)
	l, err := w.Invite(t.Context(), console, u.ID, admin.ViaLink)
	if err != nil || l.To != "" || w.invitation(l).User != u.ID {
		t.Errorf("%+v, %v", l, err)
	}
	if e := w.last(idp.EventInvited); e.Detail["by"] != "" {
		t.Errorf("event %+v", e)
	}
	if waits := w.waiting(); len(waits) != 0 {
		t.Errorf("waiting %+v", waits)
	}
}

// What cannot be sent is refused before anything is done: the old link stays, and
// so do the phones.
func TestWhatCannotBeMailed(t *testing.T) {
	w, anna := mailing(t)
	old, err := w.Invite(t.Context(), console, anna.ID, admin.ViaLink)
	if err != nil {
		t.Fatal(err)
	}
	bert := w.person("bert", idp.StaffNone) // has no address
	w.link(bert.ID, "phone")
	dora := w.person("dora", idp.StaffNone) // neither, nor a phone
	events := w.countEvents()
	is := func(what string, err error, field, message string) {
		t.Helper()
		var f *idp.FieldError
		if !errors.As(err, &f) || f.Field != field || f.Message != message {
			t.Errorf("%s: %v, want %s: %s", what, err, field, message)
		}
	}
	_, err = w.Invite(t.Context(), console, dora.ID, admin.ViaMail)
	is("an invitation without an address", err, "email", "mail.address")
	_, err = w.ResetPassword(t.Context(), console, bert.ID, admin.ViaMail)
	is("a new password without an address", err, "email", "mail.address")
	gone, _, err := w.Reopen(t.Context(), console, bert.ID, "lost", admin.ViaMail)
	is("reopened without an address", err, "email", "mail.address")
	if len(gone) != 0 {
		t.Errorf("unlinked %+v", gone)
	}
	w.set(func(c *admin.Config) { c.Mail = false })
	_, err = w.Invite(t.Context(), console, anna.ID, admin.ViaMail)
	is("an invitation without mail", err, "mail", "mail.off")
	_, err = w.ResetPassword(t.Context(), console, anna.ID, admin.ViaMail)
	is("a new password without mail", err, "mail", "mail.off")
	_, _, err = w.Reopen(t.Context(), console, bert.ID, "lost", admin.ViaMail)
	is("reopened without mail", err, "mail", "mail.off")
	_, err = w.InviteMany(t.Context(), console, []idp.UserID{anna.ID}, admin.ViaMail, nil)
	is("many without mail", err, "mail", "mail.off")
	_, err = w.ImportUsers(t.Context(), console, strings.NewReader("username\nemil\n"), admin.ImportHow{Mail: true}, nil)
	is("a file without mail", err, "mail", "mail.off")
	if w.countEvents() != events || w.dead(old) || len(w.waiting()) != 0 {
		t.Error("something was done")
	}
	if devices, err := w.Devices(t.Context(), console, bert.ID); err != nil || len(devices) != 1 {
		t.Errorf("devices %v, %v", devices, err)
	}
}

// The letter after a reopening says that phones were unlinked, if any were.
func TestReopeningByMailSaysWhatWasUnlinked(t *testing.T) {
	w, u := mailing(t)
	w.link(u.ID, "phone")
	if _, _, err := w.Reopen(t.Context(), console, u.ID, "lost", admin.ViaMail); err != nil {
		t.Fatal(err)
	}
	if waits := w.waiting(); len(waits) != 1 || waits[0].Detail["devices"] != "unlinked" {
		t.Errorf("waiting %+v", waits)
	}
}

// Several are told of one by one; only whoever can be written to is.
func TestInvitingManyByMail(t *testing.T) {
	w, anna := mailing(t)
	linked, off := &idp.User{Name: "linked", Email: "l@klinik.test"}, &idp.User{Name: "off", Email: "o@klinik.test"}
	for _, u := range []*idp.User{linked, off} {
		if err := w.AddUser(t.Context(), console, u); err != nil {
			t.Fatal(err)
		}
	}
	w.link(linked.ID, "phone")
	if err := w.Disable(t.Context(), console, off.ID, ""); err != nil {
		t.Fatal(err)
	}
	none := w.person("none", idp.StaffNone)
	var told []int
	got, err := w.InviteMany(t.Context(), console, []idp.UserID{anna.ID, none.ID, linked.ID, off.ID, "X"}, admin.ViaMail, func(done int) { told = append(told, done) })
	if err != nil || len(got) != 5 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []error{nil, idp.ErrInvalid, idp.ErrConflict, idp.ErrDenied, idp.ErrNotFound} {
		if !errors.Is(got[i].Err, want) {
			t.Errorf("%d, %s: %v, want %v", i, got[i].Name, got[i].Err, want)
		}
	}
	if got[0].Name != "anna" || got[0].Link == nil || got[0].Link.To != anna.Email || !slices.Equal(told, []int{1, 2, 3, 4, 5}) {
		t.Errorf("%+v, told %v", got[0], told)
	}
	if waits := w.waiting(); len(waits) != 1 || waits[0].User != anna.ID {
		t.Errorf("waiting %+v", waits)
	}
	// Whoever stops it is told what was done by then.
	ctx, stop := context.WithCancel(t.Context())
	got, err = w.InviteMany(ctx, console, []idp.UserID{anna.ID, none.ID}, admin.ViaMail, func(int) { stop() })
	if !errors.Is(err, context.Canceled) || len(got) != 1 || got[0].Err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

const mailedFile = "username,email\nemil,emil@klinik.test\nfrida,\ngina,gina@klinik.test\n"

// A file with invitations: a dry run says to whom they would go, and when all are
// added, they do.
func TestImportingWithInvitations(t *testing.T) {
	w, _ := mailing(t)
	imp := func(how admin.ImportHow, text string) *admin.Import {
		t.Helper()
		got, err := w.ImportUsers(t.Context(), console, strings.NewReader(text), how, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	unmailed := func(what string, got *admin.Import, added bool) {
		t.Helper()
		if got.Mailed != 2 || len(got.Unmailed) != 1 || got.MoreUnmailed != 0 {
			t.Fatalf("%s: %+v", what, got)
		}
		if u := got.Unmailed[0]; u.Line != 3 || u.Name != "frida" || !errors.Is(u.Err, idp.ErrInvalid) || (u.User != "") != added {
			t.Errorf("%s: %+v", what, u)
		}
	}
	unmailed("a dry run", imp(admin.ImportHow{Dry: true, Mail: true}, mailedFile), false)
	if got := imp(admin.ImportHow{Mail: true}, mailedFile+"anna,a@klinik.test\n"); got.Added != 0 || got.Mailed != 0 || len(got.Faults) != 1 {
		t.Errorf("with a fault: %+v", got)
	}
	if len(w.waiting()) != 0 {
		t.Fatal("somebody is written to who was not added")
	}
	got := imp(admin.ImportHow{Mail: true}, mailedFile)
	if unmailed("an import", got, true); got.Added != 3 {
		t.Errorf("%+v", got)
	}
	if waits := w.waiting(); len(waits) != 2 || waits[0].User != got.Users[0] || waits[1].User != got.Users[2] {
		t.Errorf("waiting %+v", waits)
	}
	if got := imp(admin.ImportHow{}, "username,email\nhugo,h@klinik.test\n"); got.Added != 1 || got.Mailed != 0 || len(w.waiting()) != 0 {
		t.Errorf("without invitations: %+v", got)
	}
}

// An import that takes longer than a second factor is fresh writes to all, and one
// that is stopped among the letters says how many went.
func TestImportingWithInvitationsTakesItsTime(t *testing.T) {
	w, _ := mailing(t)
	by := w.as(w.person("chief", idp.StaffAdmin), time.Minute)
	var file strings.Builder
	file.WriteString("username,email\n")
	for i := range 120 {
		fmt.Fprintf(&file, "p%d,p%d@klinik.test\n", i, i)
	}
	var told []admin.ImportStep
	got, err := w.ImportUsers(t.Context(), by, strings.NewReader(file.String()), admin.ImportHow{Mail: true}, func(s admin.ImportStep) {
		if s.Mailing {
			told = append(told, s)
			w.now = w.now.Add(10 * time.Minute)
		}
	})
	want := []admin.ImportStep{{Mailing: true, Of: 120}, {Mailing: true, Done: 50, Of: 120}, {Mailing: true, Done: 100, Of: 120}, {Mailing: true, Done: 120, Of: 120}}
	if err != nil || got.Mailed != 120 || !slices.Equal(told, want) {
		t.Fatalf("%+v, %v, told %v", got, err, told)
	}
	w.waiting()
	ctx, stop := context.WithCancel(t.Context())
	got, err = w.ImportUsers(ctx, console, strings.NewReader(strings.ReplaceAll(file.String(), "p", "q")), admin.ImportHow{Mail: true}, func(s admin.ImportStep) {
		if s.Mailing && s.Done == 50 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || got == nil || got.Added != 120 || got.Mailed != 50 {
		t.Errorf("stopped: %+v, %v", got, err)
	}
	if n := len(w.waiting()); n != 50 {
		t.Errorf("%d wait", n)
	}
}
