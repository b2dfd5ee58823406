package login_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/login"
)

// writable gives a person a mail address, and the site a mail server.
func (p *person) writable(address string) {
	p.w.Helper()
	p.w.set(func(c *login.Config) { c.Mail = true })
	p.w.must(p.w.db.UpdateUser(p.w.Context(), p.id, func(u *idp.User) error { u.Email = address; return nil }))
}

// ask types something on the page and returns the mail that waits then.
func (w *world) ask(typed string) *idp.Mail {
	w.Helper()
	b := w.browser()
	step, err := w.StartAccount(w.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	if !step.Mail {
		w.Fatal("a link cannot be asked for")
	}
	w.must(w.Forgotten(w.Context(), step.ID, b, typed, "nl"))
	w.at(w.again(step.ID, b), nil, idp.LoginPassword)
	m, err := w.db.ClaimMail(w.Context(), w.now())
	w.must(err)
	return m
}

// sent does what the sender does, and returns the link in the letter.
func (w *world) sent(m *idp.Mail) (*idp.Invitation, idp.Secret) {
	w.Helper()
	user, link, err := w.Whose(w.Context(), m)
	w.must(err)
	token := idp.NewToken()
	i, err := w.db.RenewInvitation(w.Context(), link, token.Hash(), w.now())
	w.must(err)
	if i.User != user || i.Purpose != idp.InviteForgotten {
		w.Fatalf("the link of %s is %+v", user, i)
	}
	w.settled(m)
	return i, token
}

func (w *world) settled(m *idp.Mail) {
	w.Helper()
	w.must(w.db.UpdateMail(w.Context(), m.ID, func(m *idp.Mail) error { return m.Attempted(m.Tries, idp.Failure{}, w.now()) }))
}

// link is asked for and read.
func (p *person) link() idp.Secret {
	p.w.Helper()
	_, token := p.w.sent(p.w.ask(p.name))
	p.w.kinds()
	return token
}

// chosen has opened a link in a browser and chosen the other password.
func (p *person) chosen(token idp.Secret, b login.Browser) *login.Step {
	p.w.Helper()
	step, err := p.w.StartInvitation(p.w.Context(), token, b)
	p.w.at(step, err, idp.LoginEnrol)
	step, codes, err := p.w.Enrol(p.w.Context(), step.ID, b, login.EnrolForm{Password: otherPassword})
	p.w.at(step, err, idp.LoginFactor)
	if codes != nil {
		p.w.Error("recovery codes were made")
	}
	return step
}

// untouched says that nothing of a reset has come to be: the old password is
// good, the session elsewhere lives, the link is open.
func (p *person) untouched(there login.Browser, token idp.Secret) {
	p.w.Helper()
	p.w.session(there)
	if _, _, err := p.w.Invitation(p.w.Context(), token); err != nil {
		p.w.Errorf("the link: %v", err)
	}
	p.old()
	if s := p.newPassword(); !errors.Is(s, idp.ErrWrongSecret) {
		p.w.Errorf("the new password: %v", s)
	}
}

// old expects that the password of before is good.
func (p *person) old() {
	p.w.Helper()
	a, err := p.w.db.Account(p.w.Context(), p.id)
	p.w.must(err)
	if _, err := p.w.hasher.Check(p.w.Context(), a.PasswordHash, p.password); err != nil {
		p.w.Errorf("the old password: %v", err)
	}
}

// newPassword says whether the other password is good.
func (p *person) newPassword() error {
	p.w.Helper()
	a, err := p.w.db.Account(p.w.Context(), p.id)
	p.w.must(err)
	_, err = p.w.hasher.Check(p.w.Context(), a.PasswordHash, otherPassword)
	return err
}

// changed says that all of it has: the new password alone is good, only the
// browser that set it is signed in, the link is used up.
func (p *person) changed(here, there login.Browser, token idp.Secret) {
	p.w.Helper()
	p.w.must(p.newPassword())
	_, _, err := p.w.Session(p.w.Context(), there)
	p.w.refuses("a session elsewhere", err, idp.ErrNotFound)
	_, _, err = p.w.Invitation(p.w.Context(), token)
	p.w.refuses("the link again", err, idp.ErrSettled)
	live, err := p.w.db.Sessions(p.w.Context(), p.id, p.w.now())
	p.w.must(err)
	if len(live) != 1 || live[0].ID != p.w.session(here).ID {
		p.w.Errorf("sessions that live: %+v", live)
	}
	b := p.w.browser()
	step, err := p.w.StartAccount(p.w.Context(), "/account", b)
	p.w.at(step, err, idp.LoginPassword)
	_, err = p.w.Password(p.w.Context(), step.ID, b, p.name, p.password)
	p.w.refuses("the old password", err, idp.ErrWrongSecret)
	step, err = p.w.Password(p.w.Context(), step.ID, b, p.name, otherPassword)
	p.w.at(step, err, idp.LoginFactor)
}

// wrongPasswords closes passwords for strangers: the second factor comes first.
func (p *person) wrongPasswords() {
	p.w.Helper()
	p.w.guess(p.name)
	b := p.w.browser()
	step, err := p.w.StartAccount(p.w.Context(), "/account", b)
	p.w.at(step, err, idp.LoginPassword)
	before := p.w.hasher.checks.Load()
	step, err = p.w.Password(p.w.Context(), step.ID, b, p.name, p.password)
	p.w.at(step, err, idp.LoginFirst)
	if p.w.hasher.checks.Load() != before {
		p.w.Error("the right one was looked at")
	}
}

// guess tries a hundred wrong passwords for a name.
func (w *world) guess(name string) {
	w.Helper()
	b := w.browser()
	var step *login.Step
	for n := range 100 {
		var err error
		if n%10 == 0 {
			step, err = w.StartAccount(w.Context(), "/account", b)
			w.at(step, err, idp.LoginPassword)
		}
		_, err = w.Password(w.Context(), step.ID, b, name, wrongPassword)
		w.refuses("a wrong password", err, idp.ErrWrongSecret)
		w.later(time.Minute)
	}
}

// Whoever asks learns nothing: not by an answer, not by what is written, counted
// or hashed, whomever they ask for.
func TestForgottenIsTheSameForEveryName(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	anna.writable("anna@example.org")
	disabled := w.person("dora")
	disabled.writable("dora@example.org")
	w.must(w.desk.Disable(t.Context(), console, disabled.id, "left"))
	invited, _ := w.invited("iris")
	silent := w.person("silas") // no address
	locked := w.person("lena")
	locked.writable("lena@example.org")
	locked.wrongPasswords()
	often := w.person("olaf")
	often.writable("olaf@example.org")
	for range 3 {
		w.sent(w.ask("olaf"))
	}
	w.kinds()

	var first idp.Mail
	var happened idp.Event
	counters, hashes, checks := w.kept.counters.Load(), w.hasher.hashes.Load(), w.hasher.checks.Load()
	for i, typed := range []string{
		"anna", " ANNA ", "anna@example.org", "Anna@Example.ORG", "dora", "iris", "silas", "lena", "olaf", "nobody", "nobody@example.org",
		"correct horse battery staple", "%", "o'hara", "\u00fcber",
	} {
		m := w.ask(typed)
		events := w.events()
		if len(events) != 1 || events[0].Kind != idp.EventForgotten {
			t.Fatalf("%q: the log says %+v", typed, events)
		}
		e := events[0]
		if plain := strings.ToLower(strings.TrimSpace(typed)); len(m.Typed) == 0 || len(plain) > 3 && strings.Contains(string(m.Typed), plain) {
			t.Errorf("%q is kept as %q", typed, m.Typed)
		}
		m.ID, m.Typed = "", nil
		e.Seq, e.Login, e.Hash = 0, "", [32]byte{}
		if i == 0 {
			first, happened = *m, e
			continue
		}
		if !reflect.DeepEqual(*m, first) {
			t.Errorf("%q waits as\n%+v, another name as\n%+v", typed, *m, first)
		}
		if !reflect.DeepEqual(e, happened) {
			t.Errorf("%q is told of as\n%+v, another name as\n%+v", typed, e, happened)
		}
	}
	if w.kept.counters.Load() != counters || w.hasher.hashes.Load() != hashes || w.hasher.checks.Load() != checks {
		t.Error("something was counted or hashed")
	}
	if happened.User != "" || happened.Actor.User != "" || happened.Actor.Name != "" || len(happened.Detail) != 0 {
		t.Errorf("the log says whose name it may be: %+v", happened)
	}
	for _, id := range []idp.UserID{anna.id, disabled.id, invited, silent.id, locked.id} {
		if i, err := w.db.OpenInvitation(t.Context(), id, w.now()); err == nil && id != invited {
			t.Errorf("a link before anything was sent: %+v", i)
		}
	}
}

func TestForgottenRefused(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	step, err := w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	if step.Mail {
		t.Error("a link can be asked for where no mail can be sent")
	}
	w.refuses("without a mail server", w.Forgotten(t.Context(), step.ID, b, "anna", "en"), idp.ErrDenied)
	anna.writable("anna@example.org")
	for _, typed := range []string{"", "  ", strings.Repeat("x", 255), "a\nb", "a\u202eb"} {
		var field *idp.FieldError
		if err := w.Forgotten(t.Context(), step.ID, b, typed, "en"); !errors.As(err, &field) || field.Field != "username" {
			t.Errorf("%q: %v", typed, err)
		}
	}
	w.must(w.Forgotten(t.Context(), step.ID, b, strings.Repeat("x", 254), "en"))
	w.refuses("another browser", w.Forgotten(t.Context(), step.ID, w.browser(), "anna", "en"), idp.ErrNotFound)
	step, err = w.Password(t.Context(), step.ID, b, anna.name, anna.password)
	w.at(step, err, idp.LoginFactor)
	w.refuses("past the password", w.Forgotten(t.Context(), step.ID, b, "anna", "en"), idp.ErrSettled)
	step, err = w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	w.later(idp.LoginTTL)
	w.refuses("too late", w.Forgotten(t.Context(), step.ID, b, "anna", "en"), idp.ErrExpired)

	// Who comes by an invitation and has a password gives it, or asks for a new invitation.
	w.must(w.desk.Unlink(t.Context(), console, anna.id, anna.device, admin.Why{Reason: "lost"}))
	link, err := w.desk.Invite(t.Context(), console, anna.id, admin.ViaLink)
	w.must(err)
	step, err = w.StartInvitation(t.Context(), link.Token, b)
	w.at(step, err, idp.LoginPassword)
	if step.Mail {
		t.Error("by an invitation a link can be asked for")
	}
	w.refuses("by an invitation", w.Forgotten(t.Context(), step.ID, b, "anna", "en"), idp.ErrDenied)
}

// An address is found in capitals beyond ASCII too, with its accents typed either
// way, and with the domain in letters or as A-labels.
func TestForgottenFindsAddressesBeyondASCII(t *testing.T) {
	w := newWorld(t)
	ulla := w.person("ulla")
	ulla.writable("Ulla.Müller@Krankenhaus-Köln.de")
	for _, typed := range []string{
		"ulla.müller@krankenhaus-köln.de", "ULLA.MÜLLER@KRANKENHAUS-KÖLN.DE", "ulla.mu\u0308ller@krankenhaus-ko\u0308ln.de", "Ulla.Müller@xn--krankenhaus-kln-ltb.de",
	} {
		w.forgetAsked(ulla)
		m := w.ask(typed)
		w.kinds()
		if i, _ := w.sent(m); i.User != ulla.id {
			t.Errorf("%s: %+v", typed, i)
		}
	}
	for _, typed := range []string{"ulla.muller@krankenhaus-köln.de", "ulla.müller@krankenhaus-koln.de"} {
		_, _, err := w.Whose(t.Context(), w.ask(typed))
		w.refuses(typed, err, idp.ErrNotFound)
	}
}

// Nobody gets in by a mail alone, and nobody is written to who could not.
func TestWhose(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	anna.writable("Anna@Example.org")
	for _, typed := range []string{"anna", "Anna", "anna@example.org", "ANNA@EXAMPLE.ORG"} {
		w.forgetAsked(anna)
		m := w.ask(typed)
		w.kinds()
		i, _ := w.sent(m)
		if i.User != anna.id || !i.ExpiresAt.Equal(w.now().Add(time.Hour)) || i.By.User != "" {
			t.Errorf("%s: %+v", typed, i)
		}
		events := w.events()
		if len(events) != 2 || events[0].Kind != idp.EventInvited || events[0].User != anna.id || events[0].Address != "192.0.2.7" ||
			events[0].Detail["purpose"] != "forgotten" || events[1].Kind != idp.EventMailSent {
			t.Errorf("%s: the log says %+v", typed, events)
		}
	}
	nobody := func(what, typed string) {
		t.Helper()
		m := w.ask(typed)
		w.kinds()
		_, _, err := w.Whose(t.Context(), m)
		w.refuses(what, err, idp.ErrNotFound)
		w.tells()
		w.settled(m)
	}
	nobody("an unknown name", "nobody")
	nobody("an unknown address", "nobody@example.org")
	nobody("a part of an address", "@example.org")

	twin := w.person("twin")
	twin.writable("anna@example.org")
	w.forgetAsked(anna)
	nobody("an address of two people", "anna@example.org")
	w.settledLink(w.ask("anna")) // by name they are told apart
	twin.writable("")

	disabled := w.person("dora")
	disabled.writable("dora@example.org")
	w.must(w.desk.Disable(t.Context(), console, disabled.id, "left"))
	nobody("a disabled account", "dora")
	nobody("a disabled account, by address", "dora@example.org")

	id, _ := w.invited("iris")
	w.must(w.db.UpdateUser(t.Context(), id, func(u *idp.User) error { u.Email = "iris@example.org"; return nil }))
	nobody("who was only invited", "iris")
	w.person("silas")
	nobody("who has no address", "silas")

	bare := w.person("bea")
	bare.writable("bea@example.org")
	w.must(w.desk.Unlink(t.Context(), console, bare.id, bare.device, admin.Why{Reason: "lost"}))
	nobody("who has nothing linked, but recovery codes", "bea")

	locked := w.person("lena")
	locked.writable("lena@example.org")
	locked.wrongPasswords()
	w.settledLink(w.ask("lena")) // a stranger's wrong passwords keep nobody from a new one

	// What has waited until nobody waits for it any more.
	w.forgetAsked(anna)
	m := w.ask("anna")
	w.later(idp.ForgottenFor)
	_, _, err := w.Whose(t.Context(), m)
	w.refuses("a mail that waited long", err, idp.ErrNotFound)
	w.settled(m)

	// What was sealed for one mail is of no use in another.
	m = w.ask("anna")
	swapped := *m
	swapped.ID = "another"
	if _, _, err := w.Whose(t.Context(), &swapped); err == nil || errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a mail with what was typed for another: %v", err)
	}
}

func (w *world) settledLink(m *idp.Mail) {
	w.Helper()
	w.sent(m)
	w.kinds()
}

// forgetAsked lets a person be written to again.
func (w *world) forgetAsked(p *person) {
	w.Helper()
	w.later(24 * time.Hour)
	p.forget()
}

// A person is written to three times an hour and ten times a day, whoever asks.
func TestForgottenIsBounded(t *testing.T) {
	w := newWorld(t)
	w.later(12 * time.Hour) // days are counted from midnight
	anna, bert := w.person("anna"), w.person("bert")
	anna.writable("anna@example.org")
	bert.writable("bert@example.org")
	sent := 0
	try := func() bool {
		t.Helper()
		m := w.ask("anna")
		_, _, err := w.Whose(t.Context(), m)
		if err != nil {
			w.refuses("one too many", err, idp.ErrNotFound)
			w.settled(m)
			return false
		}
		sent++
		w.settled(m)
		return true
	}
	for hour := range 3 {
		for n := range 4 {
			if got := try(); got != (n < 3) {
				t.Errorf("number %d in hour %d: %v", n+1, hour+1, got)
			}
		}
		w.later(time.Hour)
	}
	if !try() || try() {
		t.Errorf("the tenth and the eleventh in a day; %d were sent", sent)
	}
	w.later(2 * time.Hour)
	if try() {
		t.Errorf("later that day; %d were sent", sent)
	}
	w.settledLink(w.ask("bert")) // another person is not touched by it
	w.later(24 * time.Hour)
	if !try() {
		t.Error("the day after")
	}
	// Passwords and codes are counted apart.
	anna.atFactor(w.browser())
}

// The whole way, by each of the second factors.
func TestForgottenPassword(t *testing.T) {
	for how, prove := range map[string]func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser) (*login.Step, error){
		"by code": func(p *person, _ *idp.Speaker, s *login.Step, b login.Browser) (*login.Step, error) {
			return p.w.Code(p.w.Context(), s.ID, b, p.code())
		},
		"by phone": func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser) (*login.Step, error) {
			c := p.w.asked(ph)
			if !strings.Contains(c.Doc, `"new_password":true`) || s.Phones == nil || s.Phones.State != login.PhoneAsked {
				p.w.Errorf("the phone is shown %s, the page %+v", c.Doc, s.Phones)
			}
			_, err := p.w.Answer(p.w.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
			p.w.must(err)
			return p.w.Continue(p.w.Context(), s.ID, b)
		},
		"by recovery code": func(p *person, _ *idp.Speaker, s *login.Step, b login.Browser) (*login.Step, error) {
			return p.w.Recovery(p.w.Context(), s.ID, b, p.recovery[0].Reveal())
		},
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			anna.writable("anna@example.org")
			ph := anna.phone("Pixel")
			there, here := w.browser(), w.browser()
			anna.signIn(&there)
			anna.signIn(&here) // a session in the same browser ends as well
			before := here
			token := anna.link()

			step, err := w.StartInvitation(t.Context(), token, here)
			w.at(step, err, idp.LoginEnrol)
			if e := step.Enrol; e.Purpose != idp.InviteForgotten || !e.NeedPass || e.NeedLink || e.Offer.Secret != "" || e.UserName != "anna" {
				t.Errorf("asked for %+v", e)
			}
			for _, bad := range []idp.Secret{"", "short", "anna anna", idp.Secret(strings.Repeat("x", 200))} {
				_, _, err = w.Enrol(t.Context(), step.ID, here, login.EnrolForm{Password: bad})
				var field *idp.FieldError
				if !errors.As(err, &field) || field.Field != "password" {
					t.Errorf("%q: %v", bad.Reveal(), err)
				}
			}
			w.tells()
			step = anna.chosen(token, here)
			if !step.NewPassword {
				t.Error("the page does not know what it is for")
			}
			anna.untouched(there, token)
			_, err = w.Collect(t.Context(), step.ID, here)
			w.refuses("collected before the second factor", err, idp.ErrSettled)
			w.kinds()

			step, err = prove(anna, ph, step, here)
			w.at(step, err, idp.LoginDone)
			anna.untouched(there, token)
			w.session(before)
			w.kinds()

			a := w.collect(step.ID, here)
			if a.Purpose != idp.ForInvitation || a.Target != string(idp.InviteForgotten) || a.Session == "" || a.Known == "" || a.Denied {
				t.Errorf("answer %+v", a)
			}
			kinds := w.kinds()
			for kind, n := range map[idp.EventKind]int{idp.EventInvitationUsed: 1, idp.EventPasswordReset: 1, idp.EventSessionEnded: 2, idp.EventLoginDone: 1} {
				got := 0
				for _, k := range kinds {
					if k == kind {
						got++
					}
				}
				if got != n {
					t.Errorf("%d events %s, want %d: %q", got, kind, n, kinds)
				}
			}
			here.Session = a.Session
			_, _, err = w.Session(t.Context(), before)
			w.refuses("the session this browser had", err, idp.ErrNotFound)
			anna.changed(here, there, token)
			_, err = w.Collect(t.Context(), step.ID, here)
			w.refuses("collected twice", err, idp.ErrSettled)
			if devices, err := w.db.Devices(t.Context(), anna.id); err != nil || len(devices) != 2 {
				t.Errorf("%d devices, %v", len(devices), err)
			}
		})
	}
}

// Whatever is said but yes, nothing has changed, and the link is still good.
func TestForgottenPasswordThatComesToNothing(t *testing.T) {
	for how, c := range map[string]struct {
		end   func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser)
		state idp.LoginState
	}{
		"five wrong codes": {func(p *person, _ *idp.Speaker, s *login.Step, b login.Browser) {
			for range idp.MaxWrongCodes {
				_, err := p.w.Code(p.w.Context(), s.ID, b, p.wrongCode())
				p.w.refuses("a wrong code", err, idp.ErrWrongSecret)
				p.w.later(30 * time.Second)
			}
		}, idp.LoginDenied},
		"denied on the phone": {func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser) {
			_, err := p.w.Answer(p.w.Context(), ph, reply(p.w.asked(ph), no))
			p.w.must(err)
		}, idp.LoginDenied},
		"«it wasn't me»": {func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser) {
			_, err := p.w.Answer(p.w.Context(), ph, reply(p.w.asked(ph), notMe))
			p.w.must(err)
		}, idp.LoginDenied},
		"«it wasn't me» after a yes": {func(p *person, ph *idp.Speaker, s *login.Step, b login.Browser) {
			c := p.w.asked(ph)
			_, err := p.w.Answer(p.w.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
			p.w.must(err)
			step, err := p.w.Continue(p.w.Context(), s.ID, b)
			p.w.at(step, err, idp.LoginDone)
			_, err = p.w.Answer(p.w.Context(), p.phone("Fairphone"), reply(c, notMe))
			p.w.must(err)
		}, idp.LoginDenied},
		"started over": {func(p *person, _ *idp.Speaker, s *login.Step, b login.Browser) {
			_, err := p.w.StartOver(p.w.Context(), s.ID, b)
			p.w.must(err)
		}, idp.LoginDenied},
		"cancelled": {func(p *person, _ *idp.Speaker, s *login.Step, b login.Browser) {
			_, err := p.w.Cancel(p.w.Context(), s.ID, b)
			p.w.must(err)
		}, idp.LoginDenied},
		"time is up": {func(p *person, _ *idp.Speaker, _ *login.Step, _ login.Browser) {
			p.w.later(idp.LoginTTL)
		}, idp.LoginExpired},
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			anna.writable("anna@example.org")
			ph := anna.phone("Pixel")
			there, here := w.browser(), w.browser()
			anna.signIn(&there)
			token := anna.link()
			step := anna.chosen(token, here)
			c.end(anna, ph, step, here)
			w.at(w.again(step.ID, here), nil, c.state)
			if _, err := w.Password(t.Context(), step.ID, here, anna.name, anna.password); err == nil {
				t.Error("and it goes on with a password")
			}
			if a, err := w.Collect(t.Context(), step.ID, here); err == nil && (!a.Denied || a.Session != "") {
				t.Errorf("collected as %+v", a)
			}
			anna.untouched(there, token)
			if l, err := w.db.Login(t.Context(), step.ID); err != nil || c.state == idp.LoginDenied && l.NewHash != "" {
				t.Errorf("the new password is kept: %v, %v", l, err)
			}

			// The link is good for another go.
			w.later(40 * time.Second)
			anna.forget()
			step = anna.chosen(token, here)
			step, err := w.Code(t.Context(), step.ID, here, anna.code())
			w.at(step, err, idp.LoginDone)
			here.Session = w.collect(step.ID, here).Session
			anna.changed(here, there, token)
		})
	}
}

// linkGone expects that whoever collects is told that it is the link, and not that
// the sign-in was collected.
func (w *world) linkGone(what string, err error) {
	w.Helper()
	if !errors.As(err, new(*login.LinkError)) || !errors.Is(err, idp.ErrExpired) || errors.Is(err, idp.ErrSettled) {
		w.Errorf("%s: %v, want a link that is good no more", what, err)
	}
}

// What ends a link ends what was begun by it, at whatever step that is.
func TestForgottenLinkThatIsNotGoodAnyMore(t *testing.T) {
	expired := func(p *person) { p.w.later(idp.ForgottenTTL) }
	for how, c := range map[string]struct {
		end    func(p *person)
		choose error // who is about to choose is told
		prove  error // who has chosen
		link   bool  // it is the link, not the sign-in, that whoever collects hears of
	}{
		"an administrator hands out another": {func(p *person) {
			_, err := p.w.desk.ResetPassword(p.w.Context(), console, p.id, admin.ViaLink)
			p.w.must(err)
		}, idp.ErrNotFound, nil, true},
		"asked for again": {func(p *person) { p.link() }, idp.ErrNotFound, nil, true},
		"the account is disabled": {func(p *person) {
			p.w.must(p.w.desk.Disable(p.w.Context(), console, p.id, "left"))
		}, idp.ErrSettled, idp.ErrSettled, false},
		"the account is disabled and enabled": {func(p *person) {
			p.w.must(p.w.desk.Disable(p.w.Context(), console, p.id, "left"))
			p.w.must(p.w.desk.Enable(p.w.Context(), console, p.id))
		}, idp.ErrSettled, idp.ErrSettled, false},
		"too old": {expired, idp.ErrExpired, idp.ErrExpired, false}, // the sign-in is too
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			anna.writable("anna@example.org")
			token := anna.link()
			early, late, last := w.browser(), w.browser(), w.browser()
			choosing, err := w.StartInvitation(t.Context(), token, early)
			w.at(choosing, err, idp.LoginEnrol)
			chosen := anna.chosen(token, late)
			proven := anna.chosen(token, last)
			proven, err = w.Code(t.Context(), proven.ID, last, anna.code())
			w.at(proven, err, idp.LoginDone)

			c.end(anna)

			_, _, err = w.Enrol(t.Context(), choosing.ID, early, login.EnrolForm{Password: otherPassword})
			w.refuses("choosing", err, c.choose)
			step, err := w.Code(t.Context(), chosen.ID, late, anna.code())
			if c.prove != nil {
				w.refuses("proving", err, c.prove)
			} else {
				w.at(step, err, idp.LoginDone)
				_, err = w.Collect(t.Context(), chosen.ID, late)
				w.linkGone("collecting", err)
			}
			_, err = w.Collect(t.Context(), proven.ID, last)
			if err == nil || errors.As(err, new(*login.LinkError)) != c.link || c.link && !errors.Is(err, idp.ErrExpired) || c.link && errors.Is(err, idp.ErrSettled) {
				t.Errorf("collecting what was proven before: %v", err)
			}
			anna.old()
			w.refuses("the new password", anna.newPassword(), idp.ErrWrongSecret)
			_, err = w.StartInvitation(t.Context(), token, early)
			if err == nil {
				t.Error("the link opens")
			}
		})
	}
}

// A link that is too old, although the sign-in by it is not.
func TestForgottenLinkExpiresDuringTheSignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	anna.writable("anna@example.org")
	token, b := anna.link(), w.browser()
	w.later(idp.ForgottenTTL - time.Minute)
	choosing, err := w.StartInvitation(t.Context(), token, b)
	w.at(choosing, err, idp.LoginEnrol)
	other := w.browser()
	step := anna.chosen(token, other)
	w.later(time.Minute)
	_, _, err = w.Enrol(t.Context(), choosing.ID, b, login.EnrolForm{Password: otherPassword})
	w.refuses("choosing", err, idp.ErrExpired)
	step, err = w.Code(t.Context(), step.ID, other, anna.code())
	w.at(step, err, idp.LoginDone)
	_, err = w.Collect(t.Context(), step.ID, other)
	w.linkGone("collecting", err)
	w.refuses("the new password", anna.newPassword(), idp.ErrWrongSecret)
}

// One link in two browsers: whoever collects first has it, the other is told.
func TestForgottenLinkInTwoBrowsers(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	anna.writable("anna@example.org")
	token := anna.link()
	here, there := w.browser(), w.browser()
	first, second := anna.chosen(token, here), anna.chosen(token, there)
	first, err := w.Code(t.Context(), first.ID, here, anna.code())
	w.at(first, err, idp.LoginDone)
	second, err = w.Code(t.Context(), second.ID, there, anna.code())
	w.at(second, err, idp.LoginDone)
	here.Session = w.collect(first.ID, here).Session
	_, err = w.Collect(t.Context(), second.ID, there)
	w.refuses("the other", err, idp.ErrSettled)
	w.at(w.again(second.ID, there), nil, idp.LoginExpired)
	w.session(here)
	_, err = w.StartInvitation(t.Context(), token, there)
	w.refuses("the link again", err, idp.ErrSettled)
	n := 0
	for _, k := range w.kinds() {
		if k == idp.EventPasswordReset {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d times a new password", n)
	}
}

// The owner of an account is told when it is closed for long, and only then.
func TestLockIsNoted(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	locks := func() (out []idp.Event) {
		for _, e := range w.events() {
			if e.Kind == idp.EventLocked {
				out = append(out, e)
			}
		}
		return out
	}
	anna.wrongPasswords()
	if got := locks(); len(got) != 1 || got[0].User != anna.id || got[0].Detail["kind"] != "password" || got[0].Detail["until"] != "second factor" {
		t.Errorf("a hundred wrong passwords: %+v", got)
	}
	anna.forget()
	b := w.browser()
	for n := 1; n <= 10; n++ {
		if n%idp.MaxWrongCodes == 1 {
			w.later(31 * time.Second)
		}
		id := anna.atFactor(b)
		_, err := w.Code(t.Context(), id, b, anna.wrongCode())
		w.refuses("a wrong code", err, idp.ErrWrongSecret)
		until := w.now().Add(30 * time.Minute).Format(time.RFC3339)
		got := locks()
		if (n < 10) != (len(got) == 0) || n == 10 && (got[0].Detail["kind"] != "code" || got[0].Detail["until"] != until) {
			t.Errorf("wrong code %d: %+v", n, got)
		}
		w.later(31 * time.Second)
	}
	// Names that are nobody's have no owner to tell.
	w.guess("nobody")
	if got := locks(); len(got) != 0 {
		t.Errorf("nobody is locked out: %+v", got)
	}
}
