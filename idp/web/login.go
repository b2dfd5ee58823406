package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/templates"
)

func (s *signIns) loginPulse(r *http.Request) (page.Pulse, error) {
	id, b, err := s.bound(r)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, []idp.Topic, error) { return s.logins.Pulse(ctx, id, b) }, nil
}

func (s *signIns) loginState(w http.ResponseWriter, r *http.Request) error {
	look, err := s.loginPulse(r)
	if err != nil {
		return err
	}
	return s.door.State(w, r, look)
}

func (s *signIns) loginEvents(w http.ResponseWriter, r *http.Request) error {
	look, err := s.loginPulse(r)
	if err != nil {
		return err
	}
	return s.door.Events(w, r, look)
}

// signIns is the pages of a sign-in, with those of a one-time link, which leads to one.
type signIns struct {
	door            *page.Door
	logins          SignIns
	invitations     Invitations
	collectPath     string        // as Config.CollectPath
	sessionAbsolute time.Duration // as Config.SessionAbsolute
	native          NativeApps
}

// bound returns the id of the sign-in that a path names, and the browser that asks for
// it. Errors: idp.ErrNotFound, for what cannot be an id, and for a browser without a
// binding cookie, which has no sign-in.
func (s *signIns) bound(r *http.Request) (idp.LoginID, login.Browser, error) {
	id := page.PathID[idp.LoginID](r, "id")
	b, ok := s.door.BrowserOf(r)
	if id == "" || !ok {
		return "", login.Browser{}, idp.ErrNotFound
	}
	return id, b, nil
}

// stepOf returns the step of the sign-in that a path names, and the browser that asks for
// it. Errors: those of bound and of SignIns.Step.
func (s *signIns) stepOf(r *http.Request) (*login.Step, login.Browser, error) {
	id, b, err := s.bound(r)
	if err != nil {
		return nil, b, err
	}
	step, err := s.logins.Step(r.Context(), id, b)
	return step, b, err
}

// notes are the message keys of sentences that the pages of a password and of a second
// factor may open with, by the parameter «note» of their query.
var notes = map[string]string{
	"spent": "password.spent", page.NoteEnded: "note.ended", page.NoteHeld: "note.held", page.NoteAgain: "note.again",
}

func (s *signIns) loginPage(w http.ResponseWriter, r *http.Request) error {
	step, b, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if step.State == idp.LoginDone && step.BySession && step.Purpose == idp.ForAccount {
		return s.collectOwn(w, r, step.ID, b) // signed in in another tab: nothing is left to be asked
	}
	return s.show(w, r, http.StatusOK, step, fault{note: notes[r.URL.Query().Get("note")]})
}

func (s *signIns) loginAgain(w http.ResponseWriter, r *http.Request) error {
	id := page.PathID[idp.LoginID](r, "id")
	if id == "" {
		return idp.ErrNotFound
	}
	return page.SeeOther(w, r, page.LoginPath(id))
}

// fault is what a page says about the last try, and keeps of it.
type fault struct {
	problem  templates.Message
	retry    templates.Retry
	typed    string // sign-in name or mail address
	note     string // message key of the sentence that the page opens with
	recovery bool   // it was a recovery code
}

// show renders the step that a sign-in is at, with what f says of the last try. One that
// the relying parties' door collects is not for us to render: the browser is sent on.
func (s *signIns) show(w http.ResponseWriter, r *http.Request, status int, step *login.Step, f fault) error {
	frame := s.door.FrameFor(r, "login:"+string(step.ID), s.readsOf(r, step)...)
	app, back, tile := frame.Site, step.Purpose == idp.ForClient && step.Request.Polled == "", templates.Tile{}
	if step.Client != nil {
		app, tile = step.Client.NameIn(frame.Lang), page.TileOf(step.Client)
	}
	// Cancel stands on each of these pages, and leads to the relying party.
	switch step.State {
	case idp.LoginPassword, idp.LoginLast, idp.LoginConsent:
		page.SetFormAction(w.Header(), partySources(step)...)
	case idp.LoginFactor, idp.LoginFirst:
		page.SetFraming(w.Header(), partySources(step))
	default: // the forms of the others end here
	}
	switch step.State {
	case idp.LoginLast:
		frame.Dot = 1
		p := templates.Password{
			Frame: frame, ID: string(step.ID), App: app, Tile: tile, UserName: step.UserName, Fixed: true, Word: step.Word(), Problem: f.problem, Retry: f.retry, Cancel: back,
			Note: templates.Say("first.done"), Links: partyLinks(step.Client, frame.Lang),
		}
		return s.door.Render(w, status, p)
	case idp.LoginFirst:
		p := templates.First{Frame: frame, ID: string(step.ID), App: app, Problem: f.problem, Retry: f.retry, Cancel: back}
		p.Phones = *s.phones(step)
		return s.door.Render(w, status, p)
	case idp.LoginPassword:
		name := f.typed
		if name == "" {
			name = step.LoginHint
		}
		p := templates.Password{Frame: frame, ID: string(step.ID), App: app, Tile: tile, UserName: name, Word: step.Word(), Problem: f.problem, Retry: f.retry, Cancel: back, Mail: step.Mail, Links: partyLinks(step.Client, frame.Lang)}
		if f.note != "" {
			p.Note = templates.Say(f.note)
		}
		return s.door.Render(w, status, p)
	case idp.LoginFactor:
		frame.Dot = 1
		p := templates.Factor{
			Frame: frame, ID: string(step.ID), App: app, UserName: step.UserName, StepUp: step.Purpose == idp.ForStepUp,
			Linked: step.Devices > 0, Recovery: step.Recovery, OpenRecovery: step.Recovery && (f.recovery || step.Devices == 0),
			Problem: f.problem, Retry: f.retry, Cancel: back, NewPassword: step.NewPassword,
		}
		if f.note != "" && p.StepUp {
			p.Note = templates.Say(f.note)
		}
		p.Phones, p.OpenCode = s.phones(step), step.Phones == nil || step.Phones.State != login.PhoneAsked
		if status == http.StatusTooManyRequests && step.Recovery && !f.recovery {
			p.Aside = templates.Say("toomany.aside")
		}
		return s.door.Render(w, status, p)
	case idp.LoginConsent:
		frame.Dot = 1
		if step.Device != nil {
			return s.showConnectAsk(w, status, frame, step, app, tile)
		}
		return s.door.Render(w, status, templates.Consent{
			Frame: frame, ID: string(step.ID), App: app, Tile: tile, Host: hostOf(step.Request.RedirectURI), UserName: step.UserName,
			Scopes: slices.Concat(scopeWords(step.Scopes), claimWords(step.Claims), resourceWords(step.Resources)), Emergency: idp.Emergency(step.Scopes), Hours: max(1, int(s.sessionAbsolute/time.Hour)), Links: partyLinks(step.Client, frame.Lang),
		})
	case idp.LoginEnrol:
		return s.showEnrol(w, r, status, frame, step, enrolFault{})
	case idp.LoginDone, idp.LoginCollected, idp.LoginDenied, idp.LoginExpired:
	}
	return s.showEnd(w, r, frame, step, app)
}

// partyLinks lead to the pages that an application has of its own, for a reader of a language.
// Its pictures are ours (page.PicturePath): nobody else learns who signs in.
func partyLinks(c *idp.Client, lang string) []templates.PartyLink {
	if c == nil {
		return nil
	}
	var out []templates.PartyLink
	for _, l := range []struct {
		text templates.Message
		href string
	}{
		{templates.Say("party.home"), c.About.Home.In(lang)},
		{templates.Say("party.policy"), c.About.Policy.In(lang)},
		{templates.Say("party.terms"), c.About.Terms.In(lang)},
	} {
		if l.href != "" {
			out = append(out, templates.PartyLink{Text: l.text, Href: l.href})
		}
	}
	return out
}

// readsOf are the languages that somebody before a sign-in is known to read, as
// page.Door.FrameFor takes them: in a step-up those of their account, else the
// application's ui_locales (OpenID Connect Core 1.0, section 3.1.2.1).
func (s *signIns) readsOf(r *http.Request, step *login.Step) []string {
	if step.Purpose == idp.ForStepUp {
		if p, err := s.door.Person(r); err == nil {
			return []string{p.User.Locale}
		}
	}
	return []string{strings.Join(step.Request.UILocales, ",")}
}

// partySources is where the forms of a sign-in may end (form-action of CSP Level 3): here,
// at the redirect URI, and at the client's registered origins, because browsers check
// every redirect that follows a post, also those of the relying party itself (a proxy
// with one callback for many sites sends people on).
func partySources(step *login.Step) []string {
	sources := slices.Clone(page.OwnForms)
	if step.Client == nil {
		return sources
	}
	ends := append([]string{step.Request.RedirectURI}, step.Client.Origins...)
	for _, end := range ends {
		if src := page.FormSource(end); src != "" && !slices.Contains(sources, src) {
			sources = append(sources, src)
		}
	}
	return sources
}

// showEnd renders a sign-in that asks for no proof any more: it is done, collected, denied
// or expired. app is the name of what it is to.
func (s *signIns) showEnd(w http.ResponseWriter, r *http.Request, frame templates.Frame, step *login.Step, app string) error {
	client := step.Purpose == idp.ForClient
	frame.Here = ""
	if resets(step) {
		return s.showResetEnd(w, frame, step)
	}
	if step.Request.Polled != "" {
		if status, n, ok := s.showConnectEnd(frame, step); ok {
			return s.door.Render(w, status, n)
		}
	}
	n := templates.Notice{Frame: frame, Kind: "plain"}
	if step.Purpose == idp.ForStepUp && (step.State == idp.LoginDenied || step.State == idp.LoginExpired) {
		n.More = templates.Say("did.nothing")
	}
	status := http.StatusOK
	switch {
	case step.State == idp.LoginDenied && step.DeniedBy != "":
		// Said here first: the person at this browser is to know why.
		n.Kind, n.Title, n.Text = "bad", templates.Say("denied.phone", "Name", step.DeniedBy), templates.Say("denied.text")
		n.Link, n.LinkText = "/account", templates.Say("error.back")
		if client {
			n.Link, n.LinkText = s.collectPath+string(step.ID), templates.Say("denied.back", "App", app)
		}
	case client && (step.State == idp.LoginDone || step.State == idp.LoginDenied):
		return page.SeeOther(w, r, s.collectPath+string(step.ID))
	case step.State == idp.LoginDone:
		frame.Dot = 2
		return s.door.Render(w, status, templates.Done{Frame: frame, ID: string(step.ID)})
	case step.State == idp.LoginCollected && client:
		n.Dot, n.Kind = 2, "good"
		n.Title, n.Text = templates.Say("finished.title"), templates.Say("finished.client")
		n.Link, n.LinkText = homeOf(step), templates.Say("denied.back", "App", app)
	case step.State == idp.LoginCollected:
		n.Dot, n.Kind = 2, "good"
		n.Title, n.Text = templates.Say("finished.title"), templates.Say("finished.account")
		n.Link, n.LinkText = "/account", templates.Say("error.back")
	case step.State == idp.LoginDenied:
		n.Title, n.Text = templates.Say("denied.title"), templates.Say("denied.text")
		n.Link, n.LinkText = "/account", templates.Say("error.back")
	default:
		status = http.StatusGone
		n.Title, n.Text = templates.Say("expired.title"), templates.Say("expired.text")
		switch {
		case !client:
			n.Link, n.LinkText = "/account", templates.Say("startagain.link")
		case step.Client == nil: // removed meanwhile
			n.Text = templates.Say("expired.gone")
			n.Link, n.LinkText = "/account", templates.Say("error.back")
		default:
			n.Form, n.FormText = page.LoginPath(step.ID)+"/anew", templates.Say("expired.again")
			n.Link, n.LinkText = homeOf(step), templates.Say("denied.back", "App", app)
		}
	}
	return s.door.Render(w, status, n)
}

// next sends the browser on after a step that was taken: to the page of the next one, or,
// at the end of the sign-in, to what comes after it.
func (s *signIns) next(w http.ResponseWriter, r *http.Request, step *login.Step, b login.Browser) error {
	switch {
	case step.State != idp.LoginDone && step.State != idp.LoginDenied:
		return page.SeeOther(w, r, page.LoginPath(step.ID))
	case step.Purpose == idp.ForClient:
		return page.SeeOther(w, r, s.collectPath+string(step.ID))
	case step.State == idp.LoginDenied && resets(step):
		return page.SeeOther(w, r, page.LoginPath(step.ID)) // which password counts is said there
	case step.State == idp.LoginDenied && step.Purpose == idp.ForStepUp:
		return page.SeeOther(w, r, securityPath+"?did=nothing")
	case step.State == idp.LoginDenied:
		return page.SeeOther(w, r, securityPath)
	}
	return s.collectOwn(w, r, step.ID, b)
}

// collectOwn finishes a sign-in for our own pages: here the session cookie is
// set.
func (s *signIns) collectOwn(w http.ResponseWriter, r *http.Request, id idp.LoginID, b login.Browser) error {
	a, err := s.logins.Collect(r.Context(), id, b)
	switch {
	case errors.Is(err, idp.ErrSettled):
		return page.SeeOther(w, r, page.LoginPath(id)) // which says what became of it
	case errors.As(err, new(*login.LinkError)):
		return s.linkGone(w, r)
	case errors.Is(err, idp.ErrExpired):
		// Also when the session of a step-up has ended meanwhile: the sign-in
		// itself still says done, so this is said here.
		s.door.Notice(w, r, http.StatusGone, templates.Notice{
			Kind: "plain", Title: templates.Say("expired.title"), Text: templates.Say("expired.own"),
			Link: "/account", LinkText: templates.Say("startagain.link"),
		})
		return nil
	case err != nil:
		return err
	}
	if a.Session != "" {
		if err := s.door.SetSession(w, r, a.Session, a.Known); err != nil {
			return err
		}
	}
	if a.Held != nil {
		return s.door.Held(w, r, a.Held)
	}
	path, ok := s.door.Place(a.Target)
	if a.Purpose == idp.ForInvitation {
		switch idp.InvitationPurpose(a.Target) {
		case idp.InviteSetup:
			path, ok = s.door.Place("admin-start")
		case idp.InviteForgotten:
			path, ok = securityPath+"?did=password", true
		case idp.InviteEnrol, idp.InviteReset: // lead to the account's first page
		}
	}
	if !ok || a.Denied {
		path = securityPath
	}
	return page.SeeOther(w, r, path)
}

// phones is what a page shows of asking the person's phones; nil: nothing.
func (s *signIns) phones(step *login.Step) *templates.Phones {
	p := step.Phones
	if p == nil {
		return nil
	}
	t := &templates.Phones{
		State: p.State, Word: p.Word(), Names: p.Devices, Mode: string(p.Mode), Number: p.Number, Seconds: s.door.Left(p.ExpiresAt),
		Total: int(idp.ChallengeTTL / time.Second), Resend: !p.ResendAt.IsZero(), App: s.native.link(step.ID),
	}
	if t.Resend {
		t.ResendIn = s.door.Left(p.ResendAt.Add(time.Second - 1)) // rounded up: not too early
	}
	if p.Retry > 0 {
		t.Wait, t.WaitSeconds = askedAgain(p.Retry), page.Seconds(p.Retry)
	}
	return t
}

// loginWaiting stands in a frame of the page of the second factor where there is no
// script, and tells how the question to the phones stands. It reloads itself, so
// that the page need not: a code that is being typed there is left alone.
func (s *signIns) loginWaiting(w http.ResponseWriter, r *http.Request) error {
	step, _, err := s.stepOf(r)
	if err != nil {
		return err
	}
	page.SetFramed(w.Header(), partySources(step))
	view := templates.Waiting{Frame: s.door.FrameFor(r, "", s.readsOf(r, step)...), ID: string(step.ID)}
	switch {
	case step.Phones != nil:
		view.State = step.Phones.State
	case step.BySession:
		view.State = "joined"
	}
	return s.door.Render(w, http.StatusOK, view)
}

// loginHere tells our app, in the same browser as the sign-in, what the page shows to be
// typed there: {"cid": the challenge, "number": the number, empty for a tap}. The number
// stands for being at the browser that asks, and whoever has its binding cookie is; a link
// that a stranger has sent leads to a sign-in of the stranger's browser, which is not found.
func (s *signIns) loginHere(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("state") {
		return s.toNative(w, r) // a native app, which has no cookie, asks by way of the browser
	}
	step, _, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if step.Phones == nil || step.Phones.State != login.PhoneAsked {
		return idp.ErrSettled
	}
	return page.JSON(w, struct {
		CID    idp.ChallengeID `json:"cid"`
		Number string          `json:"number"`
	}{step.Phones.Challenge, step.Phones.Number})
}

// askedAgain says when phones may be asked again, in minutes or hours, rounded up.
func askedAgain(after time.Duration) templates.Message {
	if after <= 90*time.Minute {
		return templates.Say("phone.paused.minutes", "N", int((after+time.Minute-1)/time.Minute))
	}
	return templates.Say("phone.paused.hours", "N", int((after+time.Hour-1)/time.Hour))
}

// phoneSubmit moves on by what a phone has answered.
func (s *signIns) phoneSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	step, err := s.logins.Continue(r.Context(), id, b)
	if errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrExpired) {
		return page.SeeOther(w, r, page.LoginPath(id)) // which says how it stands
	}
	if err != nil {
		return err
	}
	return s.next(w, r, step, b)
}

// resendSubmit asks the phones once more, or, before the password, for the first time.
func (s *signIns) resendSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	step, err := s.logins.Resend(r.Context(), id, b)
	if errors.Is(err, idp.ErrTooMany) {
		// The page says why, and from when it can be done.
		if now, err := s.logins.Step(r.Context(), id, b); err == nil && now.State == idp.LoginFactor {
			return s.show(w, r, http.StatusOK, now, fault{})
		}
	}
	if err != nil {
		return s.again(w, r, id, b, idp.LoginFactor, err, fault{}, "problem.code.wrong", "problem.code.invalid")
	}
	return s.next(w, r, step, b)
}

// collect takes the button that ends a sign-in, on the page that says so and on that of
// the recovery codes.
func (s *signIns) collect(w http.ResponseWriter, r *http.Request) error {
	step, b, err := s.stepOf(r)
	if err != nil {
		return err
	}
	return s.next(w, r, step, b)
}

// again answers a try that failed: the same page with what is wrong, or, when
// the sign-in is elsewhere by now, that page. state is what the try was for: the
// password or the second factor, whichever of them comes first. wrong and invalid are the
// message keys for idp.ErrWrongSecret, which is counted by address and browser, and for
// idp.ErrInvalid. An err that the person cannot put right by trying again is returned.
func (s *signIns) again(w http.ResponseWriter, r *http.Request, id idp.LoginID, b login.Browser, state idp.LoginState, err error, f fault, wrong, invalid string) error {
	status := http.StatusUnprocessableEntity
	if errors.Is(err, idp.ErrWrongSecret) {
		s.door.Failed(r, b)
	}
	switch {
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		return page.SeeOther(w, r, page.LoginPath(id))
	case errors.Is(err, idp.ErrTooMany):
		status = http.StatusTooManyRequests
		after, _ := page.RetryAfter(w, err)
		f.problem, f.retry.Seconds = page.TooMany(after), page.Seconds(after)
	case errors.Is(err, idp.ErrBusy):
		status = http.StatusServiceUnavailable
		page.RetryAfter(w, err)
		f.problem = templates.Say("problem.busy")
	case errors.Is(err, idp.ErrCodeUsed):
		f.problem = templates.Say("problem.code.used")
	case errors.Is(err, idp.ErrWrongSecret):
		f.problem = templates.Say(wrong)
	case errors.Is(err, idp.ErrInvalid):
		f.problem = templates.Say(invalid)
	default:
		return err
	}
	step, err := s.logins.Step(r.Context(), id, b)
	if err != nil {
		return err
	}
	if step.State != state && !(state == idp.LoginFactor && step.State == idp.LoginFirst) && !(state == idp.LoginPassword && step.State == idp.LoginLast) {
		return s.moved(w, r, step, state)
	}
	return s.show(w, r, status, step, f)
}

// moved sends the browser to where its sign-in is now; from is the state that it was in.
func (s *signIns) moved(w http.ResponseWriter, r *http.Request, step *login.Step, from idp.LoginState) error {
	path := page.LoginPath(step.ID)
	if from == idp.LoginFactor && step.State == idp.LoginPassword {
		path += "?note=spent"
	}
	return page.SeeOther(w, r, path)
}

func (s *signIns) passwordSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	name := r.PostFormValue("username")
	var step *login.Step
	if err = s.door.Slowed(r, b); err == nil {
		step, err = s.logins.Password(r.Context(), id, b, name, idp.Secret(r.PostFormValue("password")))
	}
	if err != nil {
		return s.again(w, r, id, b, idp.LoginPassword, err, fault{typed: name}, "password.wrong", "password.wrong")
	}
	// A password manager may have filled the next page's field already. When
	// its code does not do, the next page simply asks.
	if code := r.PostFormValue("code"); code != "" && step.State == idp.LoginFactor {
		if after, err := s.logins.Code(r.Context(), id, b, code); err == nil {
			step = after
		}
	}
	return s.next(w, r, step, b)
}

func (s *signIns) codeSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	var step *login.Step
	if err = s.door.Slowed(r, b); err == nil {
		step, err = s.logins.Code(r.Context(), id, b, r.PostFormValue("code"))
	}
	if err != nil {
		return s.again(w, r, id, b, idp.LoginFactor, err, fault{}, "problem.code.wrong", "problem.code.invalid")
	}
	return s.proven(w, r, step, b)
}

func (s *signIns) recoverySubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	var step *login.Step
	if err = s.door.Slowed(r, b); err == nil {
		step, err = s.logins.Recovery(r.Context(), id, b, r.PostFormValue("recovery_code"))
	}
	if err != nil {
		return s.again(w, r, id, b, idp.LoginFactor, err, fault{recovery: true}, "problem.recovery.wrong", "problem.recovery.invalid")
	}
	return s.proven(w, r, step, b)
}

// proven goes on after a second factor, or back when the tries are spent.
func (s *signIns) proven(w http.ResponseWriter, r *http.Request, step *login.Step, b login.Browser) error {
	if step.State == idp.LoginPassword {
		return s.moved(w, r, step, idp.LoginFactor)
	}
	return s.next(w, r, step, b)
}

func (s *signIns) consentSubmit(w http.ResponseWriter, r *http.Request) error {
	answer := r.PostFormValue("answer")
	if answer != "allow" && answer != "deny" {
		return page.ErrForm
	}
	return s.step(w, r, func(id idp.LoginID, b login.Browser) (*login.Step, error) {
		return s.logins.Consent(r.Context(), id, b, answer == "allow")
	})
}

func (s *signIns) startOver(w http.ResponseWriter, r *http.Request) error {
	return s.step(w, r, func(id idp.LoginID, b login.Browser) (*login.Step, error) {
		return s.logins.StartOver(r.Context(), id, b)
	})
}

func (s *signIns) cancel(w http.ResponseWriter, r *http.Request) error {
	return s.step(w, r, func(id idp.LoginID, b login.Browser) (*login.Step, error) {
		return s.logins.Cancel(r.Context(), id, b)
	})
}

// step moves a sign-in on by a button, where nothing is typed.
func (s *signIns) step(w http.ResponseWriter, r *http.Request, take func(idp.LoginID, login.Browser) (*login.Step, error)) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	step, err := take(id, b)
	if errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrExpired) {
		return page.SeeOther(w, r, page.LoginPath(id))
	}
	if err != nil {
		return err
	}
	return s.next(w, r, step, b)
}

// anew begins a sign-in that nobody has finished in time once more, with the same request.
func (s *signIns) anew(w http.ResponseWriter, r *http.Request) error {
	return s.step(w, r, func(id idp.LoginID, b login.Browser) (*login.Step, error) {
		return s.logins.Anew(r.Context(), id, b)
	})
}

// homeOf returns an address at which the application of a sign-in begins, as far as we
// know: where it wants people to land after signing out, on the site that it is answered
// at, else that site. Empty for a native application.
func homeOf(step *login.Step) string {
	site := page.FormSource(step.Request.RedirectURI)
	if !strings.HasPrefix(site, "https://") && !strings.HasPrefix(site, "http://") {
		return ""
	}
	if step.Client != nil {
		for _, uri := range step.Client.PostLogoutURIs {
			if page.FormSource(uri) == site {
				return uri
			}
		}
	}
	return site + "/"
}

// hostOf returns what a person recognizes of a redirect URI: host and port, or the scheme
// alone of a native application (RFC 8252, section 7.1); empty for what is no URI.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme
	}
	return u.Host
}

// claimWords say what an application gets by claims that it asks for by name.
func claimWords(names []string) []templates.Message {
	known := map[string]string{
		"name": "claim.name", "given_name": "claim.given_name", "family_name": "claim.family_name", "preferred_username": "claim.preferred_username",
		"locale": "claim.locale", "updated_at": "claim.updated_at", "email": "scope.email", "email_verified": "claim.email_verified",
		"phone_number": "scope.phone", "phone_number_verified": "claim.phone_number_verified", "groups": "scope.groups", "roles": "scope.roles",
	}
	words := make([]templates.Message, 0, len(names))
	for _, name := range names {
		if key, ok := known[name]; ok {
			words = append(words, templates.Say(key))
			continue
		}
		words = append(words, templates.Say("scope.other", "Scope", name))
	}
	return words
}

// scopeWords says what an application gets by each scope.
func scopeWords(scopes []string) []templates.Message {
	known := map[string]string{
		"openid": "scope.openid", "profile": "scope.profile", "email": "scope.email", "phone": "scope.phone", "address": "scope.address",
		"groups": "scope.groups", "roles": "scope.roles", "offline_access": "scope.offline", idp.ScopeStudy: "scope.study",
	}
	words := make([]templates.Message, 0, len(scopes))
	for _, scope := range scopes {
		if key, ok := known[scope]; ok {
			words = append(words, templates.Say(key))
			continue
		}
		if purpose, ok := idp.PurposeOf(scope); ok {
			words = append(words, purposeWords(purpose))
			continue
		}
		words = append(words, templates.Say("scope.other", "Scope", scope))
	}
	return words
}

// purposeWords says what an application wants access for. Codes of which there are no words
// are shown as they are.
func purposeWords(c idp.Coding) templates.Message {
	known := map[string]string{
		"TREAT": "purpose.treat", "HOPERAT": "purpose.operations", "HPAYMT": "purpose.payment", "HRESCH": "purpose.research", "PATRQT": "purpose.patient", "PUBHLTH": "purpose.public",
	}
	switch key := known[c.Code]; {
	case c.Emergency():
		return templates.Say("purpose.emergency")
	case c.IsActReason() && key != "":
		return templates.Say(key)
	}
	return templates.Say("purpose.other", "Code", c.Code, "System", c.System)
}

// resourceWords says for which APIs an application asks.
func resourceWords(names []string) []templates.Message {
	words := make([]templates.Message, 0, len(names))
	for _, name := range names {
		words = append(words, templates.Say("scope.resource", "Name", name))
	}
	return words
}
