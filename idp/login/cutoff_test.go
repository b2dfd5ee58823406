package login_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/idp/totp"
)

// held is all that a person has, and somebody beside them could go on with:
// "here" is the owner's browser, "there" the other's.
type held struct {
	w        *world
	p        *person
	here     login.Browser
	there    login.Browser
	mine     *idp.Session // here
	theirs   *idp.Session // there
	second   *idp.Speaker // a phone beside the device that was linked first
	refresh  map[idp.SessionID]idp.Secret
	done     idp.LoginID // a sign-in there that waits to be collected
	offer    *device.Offer
	reset    *admin.Link // handed over by hand
	forgot   idp.Secret  // a link that lies in the mailbox
	recovery idp.Secret
	other    *person
}

var rounds = 0

func (w *world) held() *held {
	w.Helper()
	rounds++
	h := &held{w: w, p: w.person(fmt.Sprint("anna", rounds)), other: w.person(fmt.Sprint("bert", rounds)), here: w.browser(), there: w.browser(), refresh: map[idp.SessionID]idp.Secret{}}
	viewer := idp.ClientID(fmt.Sprint("viewer", rounds))
	req := w.client(viewer, nil)
	h.second = h.p.phone("Pixel")
	h.recovery = h.p.recovery[0]
	var err error
	h.reset, err = w.desk.ResetPassword(w.Context(), console, h.p.id, admin.ViaLink)
	w.must(err)
	h.forgot = idp.NewToken()
	w.must(w.db.AddInvitation(w.Context(), &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: h.forgot.Hash(), Purpose: idp.InviteForgotten, User: h.p.id, CreatedAt: w.now(), ExpiresAt: w.now().Add(time.Hour),
	}, func(*idp.User) error { return nil }))

	// There by the code of the first device, here by the phone.
	h.p.known(&h.there)
	h.theirs = w.session(h.there)
	h.mine = h.byPhone(&h.here)
	for _, b := range []login.Browser{h.here, h.there} {
		h.refresh[w.session(b).ID] = h.tokens(req, b)
	}
	h.offer, err = w.devices.StartPairing(w.Context(), h.theirs)
	w.must(err)
	step, err := w.StartAccount(w.Context(), "/account", login.Browser{ID: h.there.ID, Known: h.there.Known})
	w.at(step, err, idp.LoginPassword)
	step, err = w.Password(w.Context(), step.ID, h.there, h.p.name, h.p.password)
	w.at(step, err, idp.LoginFactor)
	step, err = w.Code(w.Context(), step.ID, h.there, h.p.code())
	h.done = w.at(step, err, idp.LoginDone).ID
	return h
}

// byPhone signs the owner in by their phone.
func (h *held) byPhone(b *login.Browser) *idp.Session {
	w := h.w
	w.Helper()
	id := h.p.atFactor(*b)
	c := w.asked(h.second)
	_, err := w.Answer(w.Context(), h.second, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
	w.must(err)
	step, err := w.Continue(w.Context(), id, *b)
	w.at(step, err, idp.LoginDone)
	a := w.collect(id, *b)
	b.Session, b.Known = a.Session, a.Known
	return w.session(*b)
}

// tokens has an application sign the browser's session in, and returns its refresh token.
func (h *held) tokens(req idp.AuthRequest, b login.Browser) idp.Secret {
	w := h.w
	w.Helper()
	a, _, err := w.Authorize(w.Context(), req, b)
	w.must(err)
	_, g, err := w.db.Code(w.Context(), a.Code.Hash())
	w.must(err)
	token := idp.NewToken()
	w.must(w.db.RedeemCode(w.Context(), a.Code.Hash(), w.now(), idp.Issue{Refresh: h.token(g.ID, token)}, idp.Event{At: w.now(), Kind: idp.EventCodeRedeemed, User: h.p.id}))
	return token
}

func (h *held) token(g idp.GrantID, token idp.Secret) *idp.RefreshToken {
	return &idp.RefreshToken{Hash: token.Hash(), Grant: g, IssuedAt: h.w.now(), ExpiresAt: h.w.now().Add(time.Hour)}
}

// renew uses a refresh token and returns the next.
func (h *held) renew(ctx context.Context, token idp.Secret) (idp.Secret, error) {
	_, g, err := h.w.db.Refresh(ctx, token.Hash())
	if err != nil {
		return "", err
	}
	next := idp.NewToken()
	return next, h.w.db.RotateRefresh(ctx, token.Hash(), h.w.now(), 0, idp.Issue{Refresh: h.token(g.ID, next)})
}

// pair is what a phone sends that has scanned the offer.
func (h *held) pair() *device.Request {
	h.w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.w.must(err)
	raw, err := key.PublicKey.Bytes()
	h.w.must(err)
	u, err := url.Parse(h.offer.URI)
	h.w.must(err)
	return &device.Request{Key: raw[1:], Claims: device.Claims{Pair: u.Query().Get("pair"), Name: "Thief's", Platform: "android"}}
}

// fabricated is a sign-in of the person that waits for a second factor, so that
// what is asked for there can be tried whatever has become of the account.
func (h *held) fabricated(b login.Browser) idp.LoginID {
	h.w.Helper()
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginFactor, Browser: b.ID, User: h.p.id,
		PasswordAt: h.w.now(), CreatedAt: h.w.now(), ExpiresAt: h.w.now().Add(idp.LoginTTL),
	}
	h.w.must(h.w.db.AddLogin(h.w.Context(), l))
	return l.ID
}

// uses tries each thing as whoever has it would, and says what still works. Each
// is tried by the verb that it is of use for, or by the store right beneath it
// where the verb would refuse for another reason as well.
func (h *held) uses() idp.Cut {
	w, ctx := h.w, h.w.Context()
	w.Helper()
	var works idp.Cut
	try := func(c idp.Cut, ok bool) {
		if ok {
			works |= c
		}
	}
	s, _, err := w.Session(ctx, h.there)
	try(idp.CutSessions, err == nil)
	try(idp.CutFactor, err == nil && s.Fresh(w.now()) == nil)
	_, err = h.renew(ctx, h.refresh[h.theirs.ID])
	try(idp.CutGrants, err == nil)
	_, err = w.devices.Pair(ctx, h.pair(), "192.0.2.9")
	try(idp.CutOffers, err == nil)
	_, _, err = w.Invitation(ctx, h.forgot)
	try(idp.CutLinks, err == nil)
	known := false
	w.must(w.db.Ask(ctx, h.fabricated(h.there), h.there.Known.Hash(), func(_ *idp.Asking, is bool) error { known = is; return nil }))
	try(idp.CutBrowsers, known)
	_, err = w.Recovery(ctx, h.fabricated(h.there), h.there, h.recovery.Reveal())
	try(idp.CutRecovery, err == nil)
	// Last: it would change the browser's session.
	_, err = w.Collect(ctx, h.done, h.there)
	try(idp.CutLogins, err == nil)
	return works
}

// callers are the verbs that take something away, one for each cause.
var callers = map[idp.CutCause]func(h *held) error{
	idp.CutReopened: func(h *held) error {
		_, _, err := h.w.desk.Reopen(h.w.Context(), console, h.p.id, "phone stolen", admin.ViaLink)
		return err
	},
	idp.CutLost: func(h *held) error {
		return h.w.desk.Unlink(h.w.Context(), console, h.p.id, h.p.device, admin.Why{Reason: "left on the train", Lost: true})
	},
	idp.CutStolen: func(h *held) error { return h.w.devices.Unlink(h.w.Context(), h.mine, h.p.device, true) },
	idp.CutUnlinked: func(h *held) error {
		return h.w.devices.Unlink(h.w.Context(), h.mine, h.p.device, false)
	},
	idp.CutChanged: func(h *held) error {
		return h.w.ChangePassword(h.w.Context(), h.mine, h.p.password, otherPassword)
	},
	idp.CutReset: func(h *held) error {
		b := h.w.browser()
		step, err := h.w.StartInvitation(h.w.Context(), h.reset.Token, b)
		if err == nil {
			_, _, err = h.w.Enrol(h.w.Context(), step.ID, b, login.EnrolForm{Password: otherPassword})
		}
		return err
	},
	idp.CutEndedAll: func(h *held) error {
		_, err := h.w.desk.EndSessions(h.w.Context(), console, h.p.id, "")
		return err
	},
	idp.CutEndedOthers: func(h *held) error {
		return h.w.EndOthers(h.w.Context(), idp.Actor{User: h.p.id}, h.p.id, h.mine.ID)
	},
	idp.CutDisowned: func(h *held) error {
		// A sign-in that nobody knows the session of any more.
		e, err := h.w.signIn(h.p.id, h.theirs.ID)
		if err != nil {
			return err
		}
		_, err = h.w.Disown(h.w.Context(), idp.Actor{User: h.p.id, Name: h.p.name}, h.mine, e.Seq)
		return err
	},
	idp.CutEndedOne: func(h *held) error {
		return h.w.EndSession(h.w.Context(), idp.Actor{User: h.p.id}, h.p.id, h.theirs.ID)
	},
	idp.CutSignedOut: func(h *held) error {
		return h.w.SignOut(h.w.Context(), idp.Actor{User: h.p.id}, h.theirs)
	},
	idp.CutReplaced: func(h *held) error {
		step, err := h.w.StartAccount(h.w.Context(), "/account", h.there)
		if err == nil {
			h.there.Known = h.other.finish(step.ID, h.there).Known // the browser stays known, by another value
		}
		return err
	},
	idp.CutDisabled: func(h *held) error { return h.w.desk.Disable(h.w.Context(), console, h.p.id, "left") },
	idp.CutRole: func(h *held) error {
		for {
			devices, err := h.w.db.Devices(h.w.Context(), h.p.id)
			if err != nil {
				return err
			}
			err = h.w.desk.EditUser(h.w.Context(), console, h.p.id, func(u *idp.User) {
				u.Staff = idp.StaffHelpdesk
				for i := range devices {
					u.Confirmed = append(u.Confirmed, devices[i].ID)
				}
			})
			var field *idp.FieldError
			if !errors.As(err, &field) || field.Message != "devices.confirm" {
				return err
			}
			// A phone was linked since they were looked at: it is asked again.
		}
	},
	idp.CutAddress: func(h *held) error {
		return h.w.desk.EditUser(h.w.Context(), console, h.p.id, func(u *idp.User) { u.Email = "new@example.org" })
	},
}

// TestCutOffTable proves the table of docs/security.md row by row: who takes
// something away, and what of it works afterwards.
func TestCutOffTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rule := "| |", "|---|"
	for _, c := range idp.Cuts() {
		head += " " + c.String() + " |"
		rule += "---|"
	}
	table := head + "\n" + rule + "\n"

	// Without a cause everything works: what is told below cannot be for another reason.
	all := newWorld(t).held().uses()
	for _, c := range idp.Cuts() {
		if !all.Has(c) {
			t.Errorf("nothing was cut off, and does not work: %s", c)
		}
	}
	if len(callers) != len(idp.CutCauses) {
		t.Errorf("%d callers for %d causes", len(callers), len(idp.CutCauses))
	}
	for _, cause := range idp.CutCauses {
		h := newWorld(t).held()
		if err := callers[cause](h); err != nil {
			t.Errorf("%s: %v", cause, err)
			continue
		}
		if cause.Keeps() || cause.Alone() || cause == idp.CutAddress {
			if s, _, err := h.w.Session(t.Context(), h.here); err != nil || s.ID != h.mine.ID {
				t.Errorf("%s: the owner's own session: %v", cause, err)
			}
			if _, err := h.renew(t.Context(), h.refresh[h.mine.ID]); err != nil {
				t.Errorf("%s: what the owner's own session gave: %v", cause, err)
			}
		} else if _, _, err := h.w.Session(t.Context(), h.here); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%s: the other session goes on: %v", cause, err)
		}
		works := h.uses()
		row := "| " + string(cause) + " |"
		for _, c := range idp.Cuts() {
			mark := "gone"
			if works.Has(c) {
				mark = ""
			}
			if (mark == "gone") != cause.Cut().Has(c) {
				t.Errorf("%s: %s: gone %t, and is said to be %t", cause, c, mark == "gone", cause.Cut().Has(c))
			}
			row += fmt.Sprintf(" %s |", mark)
		}
		table += row + "\n"
	}
	t.Log("\n" + table)
	if !strings.Contains(string(text), table) {
		t.Error("docs/security.md has another table")
	}
}

// TestMailedResetWaits: a link to a new password that went by mail sets it only
// once a second factor is proven; one from hand to hand at once.
func TestMailedResetWaits(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for _, mailed := range []bool{true, false} {
		token := idp.NewToken()
		i := &idp.Invitation{
			ID: idp.NewID[idp.InvitationID](), Token: token.Hash(), Purpose: idp.InviteReset, User: anna.id,
			CreatedAt: w.now(), ExpiresAt: w.now().Add(idp.InvitationTTL), Mailed: mailed,
		}
		if mailed {
			i.Mail = idp.NewLinkMail(i)
		}
		w.must(w.db.AddInvitation(t.Context(), i, func(*idp.User) error { return nil }))
		there := w.browser()
		anna.signIn(&there)
		before, err := w.db.Account(t.Context(), anna.id)
		w.must(err)
		b := w.browser()
		step, err := w.StartInvitation(t.Context(), token, b)
		w.at(step, err, idp.LoginEnrol)
		step, _, err = w.Enrol(t.Context(), step.ID, b, login.EnrolForm{Password: otherPassword})
		w.at(step, err, idp.LoginFactor)
		now, err := w.db.Account(t.Context(), anna.id)
		w.must(err)
		if set := now.PasswordHash != before.PasswordHash; set == mailed {
			t.Errorf("mailed %t: set before the second factor: %t", mailed, set)
		}
		_, _, err = w.Session(t.Context(), there)
		if lives := err == nil; lives != mailed {
			t.Errorf("mailed %t: the session of before lives: %t", mailed, lives)
		}
		step, err = w.Code(t.Context(), step.ID, b, anna.code())
		w.at(step, err, idp.LoginDone)
		w.collect(step.ID, b)
		now, err = w.db.Account(t.Context(), anna.id)
		w.must(err)
		if now.PasswordHash == before.PasswordHash {
			t.Errorf("mailed %t: never set", mailed)
		}
		anna.password = otherPassword
		_, _, err = w.Invitation(t.Context(), token)
		w.refuses("used", err, idp.ErrSettled)
		w.must(w.db.SetPassword(t.Context(), anna.id, before.PasswordHash, now.PasswordAt, idp.Within{}, idp.Event{At: w.now(), Kind: idp.EventPasswordChanged, User: anna.id}))
		anna.password = goodPassword
	}
}

// TestSignInsBegunWithTheOldPassword: whoever waits for their turn while the
// password changes is compared with the new one.
func TestSignInsBegunWithTheOldPassword(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	here := w.browser()
	s := anna.signIn(&here)
	const many = 40
	browsers, logins := make([]login.Browser, many), make([]idp.LoginID, many)
	for i := range many {
		browsers[i] = w.browser()
		step, err := w.StartAccount(t.Context(), "/account", browsers[i])
		logins[i] = w.at(step, err, idp.LoginPassword).ID
	}
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			_, err := w.Password(t.Context(), logins[i], browsers[i], "anna", goodPassword)
			if err != nil && !errors.Is(err, idp.ErrWrongSecret) && !errors.Is(err, idp.ErrTooMany) && !errors.Is(err, idp.ErrSettled) {
				t.Error(err)
			}
		})
		if i == many/2 {
			wg.Go(func() { w.must(w.ChangePassword(t.Context(), s, goodPassword, otherPassword)) })
		}
	}
	wg.Wait()
	for i := range many {
		l, err := w.db.Login(t.Context(), logins[i])
		w.must(err)
		if l.State == idp.LoginFactor {
			t.Errorf("sign-in %d waits for a second factor, by the old password", i)
		}
	}
}

// TestNobodyIsCutOffLate lets each verb that takes something away run against a
// sign-in that is collected, a refresh, a pairing and an approval at the same
// moment. Either they were before it, and what they got is gone, or they are
// refused: nothing survives. ROUNDS sets how often.
func TestNobodyIsCutOffLate(t *testing.T) {
	n := 3
	if s := os.Getenv("ROUNDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	causes := []idp.CutCause{
		idp.CutReopened, idp.CutLost, idp.CutStolen, idp.CutChanged, idp.CutReset, idp.CutEndedAll, idp.CutEndedOthers, idp.CutDisabled, idp.CutRole, idp.CutAddress,
	}
	for _, cause := range causes {
		w := newWorld(t)
		before := map[string]int{} // how many rivals were before the verb
		for range n {
			h := w.held()
			req := h.pair()
			paired, err := w.devices.Pair(t.Context(), req, "192.0.2.9")
			w.must(err)
			claim := &idp.Speaker{Device: paired.Device, Pairing: h.offer.ID}
			asking := w.browser()
			step, err := w.StartAccount(t.Context(), "/account", asking)
			w.at(step, err, idp.LoginPassword)
			step, err = w.Password(t.Context(), step.ID, asking, h.p.name, h.p.password)
			w.at(step, err, idp.LoginFactor)
			asked := step.ID
			challenge := w.asked(h.second)
			w.kinds()

			var wg sync.WaitGroup
			var collected, approved *login.Answer
			var renewed idp.Secret
			start := make(chan struct{})
			rival := func(do func()) { wg.Go(func() { <-start; do() }) }
			rival(func() { w.must(callers[cause](h)) })
			rival(func() { collected, _ = w.Collect(t.Context(), h.done, h.there) })
			rival(func() { renewed, _ = h.renew(t.Context(), h.refresh[h.theirs.ID]) })
			rival(func() { w.Answer(t.Context(), claim, reply(paired.Challenge, yes)) })
			rival(func() {
				w.Answer(t.Context(), h.second, reply(challenge, idp.Verdict{Approve: true, Number: challenge.Number}))
				if _, err := w.Continue(t.Context(), asked, asking); err == nil {
					approved, _ = w.Collect(t.Context(), asked, asking)
				}
			})
			close(start)
			wg.Wait()

			events := w.events()
			verb := slices.IndexFunc(events, func(e idp.Event) bool { return e.Kind == verbEvents[cause] })
			if verb < 0 {
				t.Fatalf("%s: %v", cause, events)
			}
			for i, e := range events {
				needs := map[idp.EventKind]idp.Cut{idp.EventLoginDone: idp.CutLogins, idp.EventDeviceLinked: idp.CutOffers}[e.Kind]
				if needs == 0 {
					continue
				}
				if i < verb {
					before[string(e.Kind)]++
				} else if cause.Cut().Has(needs) {
					t.Errorf("%s: %s came after it", cause, e.Kind)
				}
			}
			alive := func(a *login.Answer, b login.Browser) bool {
				if a == nil || a.Session == "" {
					return false
				}
				_, _, err := w.Session(context.WithoutCancel(t.Context()), login.Browser{ID: b.ID, Session: a.Session})
				return err == nil
			}
			if cause.Cut().Has(idp.CutSessions) && (alive(collected, h.there) || alive(approved, asking)) {
				t.Errorf("%s: a session survived", cause)
			}
			if renewed != "" && cause.Cut().Has(idp.CutGrants) {
				before["renewed"]++
				if _, err := h.renew(t.Context(), renewed); err == nil {
					t.Errorf("%s: a refresh token survived", cause)
				}
			}
			for _, id := range []idp.LoginID{h.done, asked} {
				if l, err := w.db.Login(t.Context(), id); err != nil || !l.Final() {
					t.Errorf("%s: a sign-in is under way: %+v (%v)", cause, l, err)
				}
			}
			if cause.Cut().Has(idp.CutOffers) {
				if p, err := w.db.Pairing(t.Context(), h.offer.ID); err == nil && p.Open(w.now()) == nil {
					t.Errorf("%s: an offer is open", cause)
				}
			}
		}
		t.Logf("%s: %d rounds, none survived; before it: %v", cause, n, before)
	}
}

// verbEvents are what the log says of each verb.
var verbEvents = map[idp.CutCause]idp.EventKind{
	idp.CutReopened: idp.EventReopened, idp.CutLost: idp.EventDeviceUnlinked, idp.CutStolen: idp.EventDeviceUnlinked,
	idp.CutChanged: idp.EventPasswordChanged, idp.CutReset: idp.EventPasswordReset, idp.CutEndedAll: idp.EventSessionEnded,
	idp.CutEndedOthers: idp.EventSessionEnded, idp.CutDisabled: idp.EventUserDisabled, idp.CutRole: idp.EventUserChanged, idp.CutAddress: idp.EventUserChanged,
}

// TestQRCodeEndsWithItsSession: an offer links nothing once the session that
// shows it has ended, whoever ended it, its own time too.
func TestQRCodeEndsWithItsSession(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	s := anna.signIn(&b)
	offer, err := w.devices.StartPairing(t.Context(), s)
	w.must(err)
	h := &held{w: w, p: anna, offer: offer}
	paired, err := w.devices.Pair(t.Context(), h.pair(), "192.0.2.9")
	w.must(err)
	claim := &idp.Speaker{Device: paired.Device, Pairing: offer.ID}
	// The session runs out by itself while the QR code is good.
	w.must(w.db.Collect(t.Context(), h.fabricatedDone(s), func(c *idp.Collection) error {
		c.Old.ExpiresAt = w.now().Add(time.Minute)
		return c.Login.Apply(idp.OnCollect, w.now())
	}))
	w.later(2 * time.Minute)
	_, err = w.Answer(t.Context(), claim, reply(paired.Challenge, yes))
	w.refuses("a tap after the session's end", err, idp.ErrSettled)
	_, err = w.devices.Confirm(t.Context(), s, offer.ID, totp.Code(nil, w.now()), "x")
	if err == nil {
		t.Error("a code after the session's end has linked a device")
	}
	devices, err := w.db.Devices(t.Context(), anna.id)
	w.must(err)
	if len(devices) != 1 {
		t.Errorf("%d devices", len(devices))
	}
}

// fabricatedDone is a finished step-up of a session, not collected.
func (h *held) fabricatedDone(s *idp.Session) idp.LoginID {
	h.w.Helper()
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForStepUp, State: idp.LoginDone, Browser: s.Browser, User: s.User, Session: s.ID,
		CreatedAt: h.w.now(), ExpiresAt: h.w.now().Add(idp.LoginTTL),
	}
	h.w.must(h.w.db.AddLogin(h.w.Context(), l))
	return l.ID
}

// TestSessionCookieInAnotherBrowser: it is as none, at every door that asks for
// the session.
func TestSessionCookieInAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	anna.signIn(&b)
	thief := w.browser()
	thief.Session = b.Session
	_, _, err := w.Session(t.Context(), thief)
	w.refuses("another browser", err, idp.ErrNotFound)
	_, _, err = w.Session(t.Context(), login.Browser{Session: b.Session})
	w.refuses("no browser", err, idp.ErrNotFound)
	w.session(b)
}
