package login_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/login"
	"hilum/idp/totp"
)

// invited makes an account and its invitation.
func (w *world) invited(name string) (idp.UserID, idp.Secret) {
	w.Helper()
	u := &idp.User{Name: name}
	w.must(w.desk.AddUser(w.Context(), console, u))
	link, err := w.desk.Invite(w.Context(), console, u.ID, admin.ViaLink)
	w.must(err)
	w.kinds()
	return u.ID, link.Token
}

// opened is what a browser sees that follows a link.
func (w *world) opened(token idp.Secret) (login.Browser, *login.Step) {
	w.Helper()
	b := w.browser()
	step, err := w.StartInvitation(w.Context(), token, b)
	return b, w.at(step, err, idp.LoginEnrol)
}

// again is the same page, asked for once more.
func (w *world) again(id idp.LoginID, b login.Browser) *login.Step {
	w.Helper()
	step, err := w.Step(w.Context(), id, b)
	w.must(err)
	return step
}

func (w *world) form(s *login.Step) login.EnrolForm {
	w.Helper()
	return login.EnrolForm{Password: goodPassword, Code: totp.Code(w.secretOf(s), w.now()), DeviceName: " Anna's phone "}
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	id, token := w.invited("anna")
	i, u, err := w.Invitation(t.Context(), token)
	if err != nil || i.Purpose != idp.InviteEnrol || u.ID != id {
		t.Fatalf("the link is for %+v, %+v (%v)", i, u, err)
	}
	b, step := w.opened(token)
	if e := step.Enrol; !e.NeedPass || !e.NeedLink || e.NeedName || step.UserName != "anna" || !e.ServerTime.Equal(w.now()) {
		t.Fatalf("asked for %+v", e)
	}
	secret := w.secretOf(step)
	step, codes, err := w.Enrol(t.Context(), step.ID, b, w.form(step))
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventInvitationUsed, idp.EventDeviceLinked, idp.EventRecoveryMade)

	a, err := w.db.Account(t.Context(), id)
	w.must(err)
	if a.User.State != idp.UserActive || a.PasswordHash == "" || a.Devices != 1 || a.RecoveryLeft != 10 || len(codes) != 10 {
		t.Errorf("the account is %+v, with %d codes", a, len(codes))
	}
	devices, err := w.db.Devices(t.Context(), id)
	w.must(err)
	if d := devices[0]; d.Name != "Anna's phone" || d.Kind != idp.DeviceCode || d.LastStep != totp.Step(w.now()) || d.Drift != 0 {
		t.Errorf("linked %+v", d)
	}
	// It is a sign-in with both factors: the code that linked is spent.
	answer := w.collect(step.ID, b)
	b.Session = answer.Session
	if s := w.session(b); s.User != id || s.ACR != idp.ACRMultiFactor || !slices.Contains(s.AMR, "otp") {
		t.Errorf("the session is %+v", s)
	}
	w.kinds()
	p := &person{w: w, id: id, name: "anna", password: goodPassword, secret: secret}
	other := w.browser()
	_, err = w.Code(t.Context(), p.atFactor(other), other, totp.Code(secret, w.now()))
	w.refuses("the code that linked the device", err, idp.ErrCodeUsed)
	if _, err = w.Code(t.Context(), p.atFactor(other), other, p.code()); err != nil {
		t.Errorf("the next code: %v", err)
	}

	_, err = w.StartInvitation(t.Context(), token, w.browser())
	w.refuses("the link, a second time", err, idp.ErrSettled)
	_, _, err = w.Invitation(t.Context(), token)
	w.refuses("the link, looked at a second time", err, idp.ErrSettled)
	w.linkWas("the link, looked at a second time", err, idp.InviteEnrol)
}

// linkWas holds that an error of a link that was good says what it was for, and
// that of one which never was does not.
func (w *world) linkWas(what string, err error, purpose idp.InvitationPurpose) {
	w.Helper()
	var link *login.LinkError
	if as := errors.As(err, &link); as == errors.Is(err, idp.ErrNotFound) || as && link.Purpose != purpose {
		w.Errorf("%s: %v was for %+v, want %s", what, err, link, purpose)
	}
}

func TestLinksThatAreNone(t *testing.T) {
	w := newWorld(t)
	refuses := func(what string, token idp.Secret, want error) {
		t.Helper()
		_, err := w.StartInvitation(t.Context(), token, w.browser())
		w.refuses(what, err, want)
		_, _, err = w.Invitation(t.Context(), token)
		w.refuses(what+", looked at", err, want)
		w.linkWas(what, err, idp.InviteEnrol)
	}
	refuses("made up", idp.NewToken(), idp.ErrNotFound)
	refuses("empty", "", idp.ErrNotFound)

	bert, first := w.invited("bert")
	second, err := w.desk.Invite(t.Context(), console, bert, admin.ViaLink)
	w.must(err)
	refuses("replaced by a newer one", first, idp.ErrNotFound)
	b, step := w.opened(second.Token)
	form := w.form(step)
	w.must(w.desk.Disable(t.Context(), console, bert, "left"))
	refuses("of somebody disabled", second.Token, idp.ErrNotFound)
	_, _, err = w.Enrol(t.Context(), step.ID, b, form)
	if err == nil {
		t.Error("somebody disabled has enrolled on a page that was open")
	}

	_, last := w.invited("carl")
	w.later(idp.InvitationTTL - time.Microsecond)
	w.opened(last)
	w.later(time.Microsecond)
	refuses("a day later", last, idp.ErrExpired)
}

// A link that is good no more says what it was for.
func TestLinksSayWhatTheyWereFor(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	setup, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	reset, err := w.desk.ResetPassword(t.Context(), console, anna.id, admin.ViaLink)
	w.must(err)
	w.later(idp.InvitationTTL)
	for purpose, token := range map[idp.InvitationPurpose]idp.Secret{idp.InviteSetup: setup.Token, idp.InviteReset: reset.Token} {
		_, _, err := w.Invitation(t.Context(), token)
		w.refuses("looked at", err, idp.ErrExpired)
		w.linkWas("looked at", err, purpose)
		_, err = w.StartInvitation(t.Context(), token, w.browser())
		w.refuses("begun", err, idp.ErrExpired)
		w.linkWas("begun", err, purpose)
	}
}

// A page that is still open has no use once the link has none.
func TestEnrolTooLate(t *testing.T) {
	w := newWorld(t)
	_, token := w.invited("anna")
	w.later(idp.InvitationTTL - time.Minute)
	b, step := w.opened(token)
	form := w.form(step)
	w.later(time.Minute)
	form.Code = totp.Code(w.secretOf(step), w.now())
	_, _, err := w.Enrol(t.Context(), step.ID, b, form)
	w.refuses("the link ended", err, idp.ErrExpired)
	w.linkWas("the link ended", err, idp.InviteEnrol)
	if errors.Is(err, login.ErrOffer) {
		t.Error("a new offer would be of no use")
	}

	_, token = w.invited("bert")
	b, step = w.opened(token)
	w.later(idp.EnrolTTL)
	_, _, err = w.Enrol(t.Context(), step.ID, b, w.form(step))
	w.refuses("the sign-in ended", err, idp.ErrExpired)
	if errors.As(err, new(*login.LinkError)) {
		t.Error("the link is good still")
	}

	bert := w.browser()
	_, _, err = w.Enrol(t.Context(), step.ID, bert, login.EnrolForm{})
	w.refuses("another browser", err, idp.ErrNotFound)
}

// The same QR code stays on the page until it is too old or guessed at.
func TestOffer(t *testing.T) {
	w := newWorld(t)
	_, token := w.invited("anna")
	b, step := w.opened(token)
	first := step.Enrol
	if again := w.again(step.ID, b).Enrol; again.Offer.Secret != first.Offer.Secret || again.Offer.URI != first.Offer.URI || !again.ExpiresAt.Equal(first.ExpiresAt) {
		t.Errorf("loaded again, the page offers %+v after %+v", again, first)
	}
	w.later(idp.PairingTTL)
	late := login.EnrolForm{Password: goodPassword, Code: totp.Code(w.secretOf(step), w.now())}
	_, _, err := w.Enrol(t.Context(), step.ID, b, late)
	w.refuses("a code of an old offer", err, idp.ErrExpired)
	w.refuses("a code of an old offer", err, login.ErrOffer)
	step = w.again(step.ID, b)
	if step.Enrol.Offer.Secret == first.Offer.Secret || !step.Enrol.ExpiresAt.Equal(w.now().Add(idp.PairingTTL)) {
		t.Errorf("the offer was not renewed: %+v", step.Enrol)
	}

	// Wrong codes are counted, and the fifth ends the offer.
	right := totp.Code(w.secretOf(step), w.now())
	wrong := (&person{w: w, secret: w.secretOf(step)}).wrongCode()
	for i := range idp.MaxPairingCodes {
		if n := w.again(step.ID, b).Enrol.WrongCodes; n != i {
			t.Errorf("%d wrong codes shown, there were %d", n, i)
		}
		_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: goodPassword, Code: wrong})
		w.refuses("wrong code", err, idp.ErrWrongSecret)
	}
	_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: goodPassword, Code: right})
	w.refuses("the right code of an offer that was guessed at", err, idp.ErrSettled)
	w.refuses("the right code of an offer that was guessed at", err, login.ErrOffer)
	if again := w.again(step.ID, b).Enrol; again.Offer.Secret == step.Enrol.Offer.Secret || again.WrongCodes != 0 {
		t.Errorf("the offer was not replaced: %+v", again)
	}
}

// What is wrong loses nothing: the offer is the same, and the next try works.
func TestEnrolFaults(t *testing.T) {
	w := newWorld(t)
	id, token := w.invited("anna")
	b, step := w.opened(token)
	secret := w.secretOf(step)
	code := totp.Code(secret, w.now())
	for what, c := range map[string]struct {
		form  login.EnrolForm
		field string
		err   error
	}{
		"a short password":      {login.EnrolForm{Password: "short", Code: code}, "password", nil},
		"a common password":     {login.EnrolForm{Password: "password1", Code: code}, "password", nil},
		"their own name":        {login.EnrolForm{Password: "anna-anna-anna", Code: code}, "password", nil},
		"no code":               {login.EnrolForm{Password: goodPassword}, "", idp.ErrInvalid},
		"five digits":           {login.EnrolForm{Password: goodPassword, Code: "12345"}, "", idp.ErrInvalid},
		"a name of two lines":   {login.EnrolForm{Password: goodPassword, Code: code, DeviceName: "a\nb"}, "device_name", nil},
		"a name that is a book": {login.EnrolForm{Password: goodPassword, Code: code, DeviceName: string(make([]rune, idp.MaxDeviceName+1))}, "device_name", nil},
	} {
		_, codes, err := w.Enrol(t.Context(), step.ID, b, c.form)
		var field *idp.FieldError
		switch {
		case c.field != "" && (!errors.As(err, &field) || field.Field != c.field):
			t.Errorf("%s: %v", what, err)
		case c.err != nil && !errors.Is(err, c.err):
			t.Errorf("%s: %v, want %v", what, err, c.err)
		case codes != nil:
			t.Errorf("%s: recovery codes", what)
		}
	}
	if n := w.again(step.ID, b).Enrol.WrongCodes; n != 0 {
		t.Errorf("%d wrong codes were counted", n)
	}
	if a, err := w.db.Account(t.Context(), id); err != nil || a.PasswordHash != "" || a.Devices != 0 || a.User.State != idp.UserInvited {
		t.Errorf("the account is %+v (%v)", a, err)
	}
	w.tells()
	// The code of the step before is good too, and an unnamed device has a name.
	w.later(totp.Period * time.Second)
	step, _, err := w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: goodPassword, Code: code})
	w.at(step, err, idp.LoginDone)
	if d, err := w.db.Devices(t.Context(), id); err != nil || d[0].Name == "" {
		t.Errorf("linked %+v (%v)", d, err)
	}
}

// A phone whose clock is ahead is believed once, and allowed for from then on.
func TestPhoneThatIsAhead(t *testing.T) {
	w := newWorld(t)
	id, token := w.invited("anna")
	b, step := w.opened(token)
	secret := w.secretOf(step)
	ahead := w.now().Add(totp.Period * time.Second)
	step, _, err := w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: goodPassword, Code: totp.Code(secret, ahead)})
	w.at(step, err, idp.LoginDone)
	d, err := w.db.Devices(t.Context(), id)
	w.must(err)
	if d[0].Drift != 1 || d[0].LastStep != totp.Step(ahead) {
		t.Errorf("linked %+v", d[0])
	}
	w.later(totp.Period * time.Second)
	anna := &person{w: w, name: "anna", password: goodPassword, secret: secret}
	b = w.browser()
	if _, err := w.Code(t.Context(), anna.atFactor(b), b, totp.Code(secret, w.now().Add(totp.Period*time.Second))); err != nil {
		t.Errorf("its next code, as much ahead: %v", err)
	}
}

// A form that arrives a hundred times at once: one account, one device, once.
func TestOneInvitationOnce(t *testing.T) {
	w := newWorld(t)
	for round := range 3 {
		id, token := w.invited([]string{"anna", "bert", "carl"}[round])
		b, step := w.opened(token)
		form := w.form(step)
		n := w.together(100, func(int) error {
			_, _, err := w.Enrol(t.Context(), step.ID, b, form)
			return err
		}, idp.ErrSettled)
		if n != 1 {
			t.Fatalf("round %d: %d have enrolled", round, n)
		}
		a, err := w.db.Account(t.Context(), id)
		w.must(err)
		if a.Devices != 1 || a.RecoveryLeft != 10 {
			t.Errorf("round %d: %d devices, %d recovery codes", round, a.Devices, a.RecoveryLeft)
		}
		w.tells(idp.EventInvitationUsed, idp.EventDeviceLinked, idp.EventRecoveryMade)
	}
}

// A link that is open in several browsers has one offer, the newest; the
// others are told that theirs is too old and get it anew.
func TestOneInvitationManyBrowsers(t *testing.T) {
	w := newWorld(t)
	_, token := w.invited("anna")
	const rivals = 20
	forms, steps, browsers := make([]login.EnrolForm, rivals), make([]*login.Step, rivals), make([]login.Browser, rivals)
	for i := range rivals {
		browsers[i], steps[i] = w.opened(token)
		forms[i] = w.form(steps[i])
	}
	_, _, err := w.Enrol(t.Context(), steps[0].ID, browsers[0], forms[0])
	w.refuses("an offer that was replaced", err, login.ErrOffer)
	if again := w.again(steps[0].ID, browsers[0]); again.Enrol.Offer.Secret == steps[0].Enrol.Offer.Secret {
		t.Error("the page shows what was replaced")
	}
	steps[0] = w.again(steps[0].ID, browsers[0])
	forms[0] = w.form(steps[0])
	n := w.together(rivals, func(i int) error {
		_, _, err := w.Enrol(t.Context(), steps[i].ID, browsers[i], forms[i])
		return err
	}, idp.ErrSettled, idp.ErrExpired)
	if n != 1 {
		t.Fatalf("%d have enrolled", n)
	}
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for i, code := range anna.recovery[:3] {
		b := w.browser()
		step, err := w.Recovery(t.Context(), anna.atFactor(b), b, code.Reveal())
		w.at(step, err, idp.LoginDone)
		other := w.browser()
		_, err = w.Recovery(t.Context(), anna.atFactor(other), other, code.Reveal())
		w.refuses("a second time", err, idp.ErrWrongSecret)
		if left, err := w.db.RecoveryLeft(t.Context(), anna.id); err != nil || left != 9-i {
			t.Errorf("%d left (%v)", left, err)
		}
		anna.forget()
	}
}

// An administrator who has taken the last device away invites anew: whoever
// has a password gives it first, for a link may come into wrong hands.
func TestInvitationOfSomebodyWithAPassword(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	w.must(w.desk.Unlink(t.Context(), console, anna.id, anna.device, admin.Why{Reason: "lost"}))
	link, err := w.desk.Invite(t.Context(), console, anna.id, admin.ViaLink)
	w.must(err)
	w.kinds()
	b := w.browser()
	step, err := w.StartInvitation(t.Context(), link.Token, b)
	w.at(step, err, idp.LoginPassword)
	_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: otherPassword, Code: "123456"})
	w.refuses("without the password", err, idp.ErrSettled)
	_, err = w.Password(t.Context(), step.ID, b, "anna", wrongPassword)
	w.refuses("wrong password", err, idp.ErrWrongSecret)
	step, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginEnrol)
	if step.Enrol.NeedPass || !step.Enrol.NeedLink {
		t.Errorf("asked for %+v", step.Enrol)
	}
	w.kinds()
	step, codes, err := w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: otherPassword, Code: totp.Code(w.secretOf(step), w.now())})
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventInvitationUsed, idp.EventDeviceLinked, idp.EventRecoveryMade)
	if len(codes) != 10 || codes[0] == anna.recovery[0] {
		t.Errorf("recovery codes: %d", len(codes))
	}
	// A password nobody asked for changes nothing.
	other := w.browser()
	anna.atFactor(other)
}

// A reset sets the password and nothing else: the second factor is asked for,
// and whoever was signed in with the old password is so no more.
func TestReset(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	there := w.browser()
	anna.signIn(&there)
	link, err := w.desk.ResetPassword(t.Context(), console, anna.id, admin.ViaLink)
	w.must(err)
	w.kinds()
	b, step := w.opened(link.Token)
	if e := step.Enrol; !e.NeedPass || e.NeedLink || e.Offer.Secret != "" {
		t.Errorf("asked for %+v", e)
	}
	_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: "short"})
	if _, ok := errors.AsType[*idp.FieldError](err); !ok {
		t.Errorf("a short password: %v", err)
	}
	w.session(there) // nothing has happened yet
	step, codes, err := w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: otherPassword})
	w.at(step, err, idp.LoginFactor)
	if codes != nil {
		t.Error("a reset made recovery codes")
	}
	_, _, err = w.Session(t.Context(), there)
	w.refuses("a session of before", err, idp.ErrNotFound)
	w.tells(idp.EventInvitationUsed, idp.EventPasswordReset, idp.EventSessionEnded)

	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginDone)
	other := w.browser()
	step, err = w.StartAccount(t.Context(), "/account", other)
	w.at(step, err, idp.LoginPassword)
	_, err = w.Password(t.Context(), step.ID, other, "anna", anna.password)
	w.refuses("the old password", err, idp.ErrWrongSecret)
	anna.password = otherPassword
	anna.atFactor(other)
	if left, err := w.db.RecoveryLeft(t.Context(), anna.id); err != nil || left != 10 {
		t.Errorf("%d recovery codes left (%v)", left, err)
	}
}

// The set-up link makes the first administrator, once.
func TestSetup(t *testing.T) {
	w := newWorld(t)
	link, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	w.kinds()
	b, step := w.opened(link.Token)
	if !step.Enrol.NeedName || step.Enrol.Offer.Secret != "" {
		t.Fatalf("asked for %+v", step.Enrol)
	}
	_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: goodPassword, Code: "123456"})
	w.refuses("without a name", err, idp.ErrSettled)
	_, err = w.NameAccount(t.Context(), step.ID, b, "two words", "")
	var field *idp.FieldError
	if !errors.As(err, &field) || field.Field != "username" {
		t.Errorf("a name of two words: %v", err)
	}
	step, err = w.NameAccount(t.Context(), step.ID, b, " Chief ", "")
	w.at(step, err, idp.LoginEnrol)
	if step.Enrol.NeedName || step.UserName != "chief" {
		t.Errorf("asked for %+v", step.Enrol)
	}
	first := step.Enrol.Offer.Secret
	// A second thought about the name makes a new offer: its link names the account.
	step, err = w.NameAccount(t.Context(), step.ID, b, "chief", "The Chief")
	w.at(step, err, idp.LoginEnrol)
	if step.Enrol.Offer.Secret == first || step.Enrol.DisplayName != "The Chief" {
		t.Errorf("offers %+v", step.Enrol)
	}
	form := w.form(step)
	step, _, err = w.Enrol(t.Context(), step.ID, b, form)
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventInvitationUsed, idp.EventUserCreated, idp.EventDeviceLinked, idp.EventRecoveryMade)
	a, err := w.db.AccountByName(t.Context(), "chief")
	if err != nil || a.User.Staff != idp.StaffAdmin || a.User.State != idp.UserActive || a.User.DisplayName != "The Chief" {
		t.Errorf("made %+v (%v)", a, err)
	}
	if _, err := w.desk.SetupLink(t.Context(), console); !errors.Is(err, idp.ErrDenied) {
		t.Errorf("a second set-up link: %v", err)
	}
}

// Two who follow one set-up link at once make one administrator.
func TestSetupOnce(t *testing.T) {
	w := newWorld(t)
	link, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	const rivals = 20
	forms, steps, browsers := make([]login.EnrolForm, rivals), make([]*login.Step, rivals), make([]login.Browser, rivals)
	for i := range rivals {
		browsers[i], steps[i] = w.opened(link.Token)
		steps[i], err = w.NameAccount(t.Context(), steps[i].ID, browsers[i], "chief", "")
		w.must(err)
		forms[i] = w.form(steps[i])
	}
	n := w.together(rivals, func(i int) error {
		_, _, err := w.Enrol(t.Context(), steps[i].ID, browsers[i], forms[i])
		return err
	}, idp.ErrSettled, idp.ErrExpired, idp.ErrConflict)
	users, err := w.db.CountUsers(t.Context())
	if n != 1 || users != 1 || err != nil {
		t.Errorf("%d have set up, %d accounts (%v)", n, users, err)
	}
}

// A name that somebody else has is told before anything else is asked for.
func TestSetupNameTaken(t *testing.T) {
	w := newWorld(t)
	link, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	b, step := w.opened(link.Token)
	w.must(w.desk.AddUser(t.Context(), console, &idp.User{Name: "chief"}))
	_, err = w.NameAccount(t.Context(), step.ID, b, "CHIEF", "")
	w.refuses("a name that is taken", err, idp.ErrConflict)

	id, token := w.invited("anna")
	b, step = w.opened(token)
	_, err = w.NameAccount(t.Context(), step.ID, b, "berta", "")
	w.refuses("somebody invited has a name", err, idp.ErrSettled)
	if u, err := w.db.User(t.Context(), id); err != nil || u.Name != "anna" {
		t.Errorf("renamed: %+v (%v)", u, err)
	}
}

// Two browsers have the set-up link open, and one was quicker: the other is told
// that the link was used, and no page again that leads nowhere.
func TestSetupInTwoBrowsers(t *testing.T) {
	w := newWorld(t)
	link, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	var at [2]*login.Step
	var in [2]login.Browser
	for i, name := range []string{"anna", "bert"} {
		in[i], at[i] = w.opened(link.Token)
		at[i], err = w.NameAccount(t.Context(), at[i].ID, in[i], name, "")
		w.must(err)
	}
	step, _, err := w.Enrol(t.Context(), at[0].ID, in[0], w.form(at[0]))
	w.at(step, err, idp.LoginDone)
	_, _, err = w.Enrol(t.Context(), at[1].ID, in[1], w.form(at[1]))
	w.refuses("the slower one", err, idp.ErrSettled)
	var used *login.LinkError
	if !errors.As(err, &used) || used.Purpose != idp.InviteSetup {
		t.Errorf("not told that the link was used: %v", err)
	}
	if _, err := w.db.AccountByName(t.Context(), "bert"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a second account: %v", err)
	}
}

// A set-up link is open, and somebody who was there before comes to administer: it
// makes nobody an administrator any more.
func TestSetupOnceSomebodyAdministers(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	link, err := w.desk.SetupLink(t.Context(), console)
	w.must(err)
	b, step := w.opened(link.Token)
	step, err = w.NameAccount(t.Context(), step.ID, b, "chief", "")
	w.at(step, err, idp.LoginEnrol)
	w.must(w.desk.EditUser(t.Context(), console, anna.id, func(u *idp.User) {
		u.Staff, u.Confirmed = idp.StaffAdmin, []idp.DeviceID{anna.device}
	}))
	w.kinds()
	_, codes, err := w.Enrol(t.Context(), step.ID, b, w.form(step))
	w.refuses("the set-up link", err, idp.ErrSettled)
	w.linkWas("the set-up link", err, idp.InviteSetup)
	if codes != nil {
		t.Error("recovery codes of nobody")
	}
	if _, err := w.db.AccountByName(t.Context(), "chief"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a second administrator: %v", err)
	}
	w.tells()
}

// The password has a page before the device: it waits in the sign-in's row, whatever
// happens to the offer, and nothing of the account has changed before a device is linked.
func TestPasswordBeforeTheDevice(t *testing.T) {
	w := newWorld(t)
	user, token := w.invited("anna")
	b := w.browser()
	step, err := w.StartInvitation(t.Context(), token, b)
	w.at(step, err, idp.LoginEnrol)
	if !step.Enrol.NeedPass || step.Enrol.Chosen {
		t.Fatalf("asked %+v", step.Enrol)
	}
	for _, bad := range []idp.Secret{"", "short", "password1", idp.Secret("anna anna")} {
		if _, err := w.ChoosePassword(t.Context(), step.ID, b, bad); !errors.As(err, new(*idp.FieldError)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err = w.ChoosePassword(t.Context(), step.ID, w.browser(), goodPassword)
	w.refuses("another browser", err, idp.ErrNotFound)
	for _, chosen := range []idp.Secret{goodPassword, otherPassword} { // the last counts
		step, err = w.ChoosePassword(t.Context(), step.ID, b, chosen)
		w.at(step, err, idp.LoginEnrol)
		if step.Enrol.NeedPass || !step.Enrol.Chosen || step.Enrol.Offer.Secret == "" {
			t.Fatalf("asked %+v", step.Enrol)
		}
	}
	if a, err := w.db.Account(t.Context(), user); err != nil || a.PasswordHash != "" || a.User.State != idp.UserInvited {
		t.Errorf("before a device: %+v, %v", a, err)
	}
	_, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Code: "12"})
	w.refuses("no code", err, idp.ErrInvalid)
	// The offer ends, and the phone was being set up meanwhile.
	w.later(idp.PairingTTL)
	step, err = w.Step(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginEnrol)
	if step.Enrol.NeedPass || !step.Enrol.Chosen {
		t.Errorf("after a new offer: asked %+v", step.Enrol)
	}
	secret := w.secretOf(step)
	step, codes, err := w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Code: totp.Code(secret, w.now())})
	w.at(step, err, idp.LoginDone)
	if len(codes) == 0 {
		t.Error("no recovery codes")
	}
	_, err = w.ChoosePassword(t.Context(), step.ID, b, goodPassword)
	w.refuses("once it is linked", err, idp.ErrSettled)
	if l, err := w.db.Login(t.Context(), step.ID); err != nil || l.NewHash != "" {
		t.Errorf("the row keeps the hash: %v", err)
	}
	b.Session = w.collect(step.ID, b).Session
	w.session(b)
	// Of what was chosen the last signs in.
	for chosen, right := range map[idp.Secret]bool{goodPassword: false, otherPassword: true} {
		c := w.browser()
		step, err := w.StartAccount(t.Context(), "security", c)
		w.at(step, err, idp.LoginPassword)
		if _, err = w.Password(t.Context(), step.ID, c, "anna", chosen); (err == nil) != right {
			t.Errorf("%q: %v", chosen, err)
		}
	}
}
