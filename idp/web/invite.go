package web

import (
	"errors"
	"net/http"
	"strings"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
	"hilum/idp/web/page"
	"hilum/templates"
)

// invitePage says what a one-time link is for. It changes nothing: mail scanners open
// links too. Its button posts, and begins the sign-in.
func (s *signIns) invitePage(w http.ResponseWriter, r *http.Request) error {
	inv, user, err := s.invitations.Invitation(r.Context(), page.PathID[idp.Secret](r, "token"))
	if err != nil {
		return s.inviteFault(w, r, err)
	}
	p := templates.Invite{Frame: s.door.Frame(r, ""), Path: r.URL.Path, Purpose: string(inv.Purpose), ExpiresAt: inv.ExpiresAt}
	if p.App, err = getApp(s.door); err != nil {
		return err
	}
	if user != nil {
		p.UserName = user.Name
	}
	return s.door.Render(w, http.StatusOK, p)
}

func (s *signIns) inviteBegin(w http.ResponseWriter, r *http.Request) error {
	b, err := s.door.Browser(w, r)
	if err != nil {
		return err
	}
	step, err := s.invitations.StartInvitation(r.Context(), page.PathID[idp.Secret](r, "token"), b)
	if err != nil {
		return s.inviteFault(w, r, err)
	}
	return s.next(w, r, step, b)
}

// staleLinks are what is said of a one-time link that is good no more, by what it was
// for. expired and again are title and text where it has expired: again says where a new
// one comes from. used and who are those where it was used: who says what to do if it was
// somebody else.
var staleLinks = map[idp.InvitationPurpose]struct{ expired, again, used, who templates.Message }{
	idp.InviteSetup: {
		templates.Say("invite.setup.expired.title"), templates.Say("setup.again"),
		templates.Say("invite.setup.used.title"), templates.Say("invite.setup.used.text"),
	},
	idp.InviteEnrol: {
		templates.Say("invite.expired.title"), templates.Say("invite.expired.text"),
		templates.Say("invite.used.title"), templates.Say("invite.used.text"),
	},
	idp.InviteReset: {
		templates.Say("invite.reset.expired.title"), templates.Say("invite.reset.expired.text"),
		templates.Say("invite.reset.used.title"), templates.Say("invite.reset.used.text"),
	},
	idp.InviteForgotten: {
		templates.Say("forgot.expired.title"), templates.Say("forgot.expired.text"),
		templates.Say("forgot.used.title"), templates.Say("forgot.used.text"),
	},
}

// inviteFault answers where a one-time link is good no more (410), or is none (404): of
// that one nobody knows what it was for, and it counts as wrong. Errors: idp.ErrTooMany,
// where too many were wrong; an err about something else is returned.
func (s *signIns) inviteFault(w http.ResponseWriter, r *http.Request, err error) error {
	n := templates.Notice{Kind: "bad"}
	status := http.StatusGone
	var link *login.LinkError
	switch setup := strings.HasPrefix(r.URL.Path, "/setup/"); {
	case errors.As(err, &link):
		say := staleLinks[link.Purpose]
		if errors.Is(err, idp.ErrSettled) {
			n.Title, n.Text = say.used, say.who
			n.Link, n.LinkText = "/account", templates.Say("startagain.link")
			break
		}
		n.Title, n.Text = say.expired, say.again
		switch link.Purpose {
		case idp.InviteSetup:
			s.logStaleSetup(r)
		case idp.InviteForgotten: // the person makes it themselves
			n.Link, n.LinkText = "/account", templates.Say("startagain.link")
		case idp.InviteEnrol, idp.InviteReset: // an administrator makes another
		}
	case errors.Is(err, idp.ErrNotFound):
		if over := s.door.Wrong(r); over != nil {
			return over
		}
		status = http.StatusNotFound
		n.Title, n.Text = templates.Say("invite.gone.title"), templates.Say("invite.gone.text")
		if setup { // the address says what it was
			n.Text = templates.Say("setup.again")
			s.logStaleSetup(r)
		}
	default:
		return err
	}
	s.door.Notice(w, r, status, n)
	return nil
}

// logStaleSetup says in the log how a new set-up link is made: nobody but who runs the
// provider can make one.
func (s *signIns) logStaleSetup(r *http.Request) {
	s.door.Log().InfoContext(r.Context(), "a set-up link that is not good any more was opened; \"idp setup-link\" prints a new one", "request", serve.From(r.Context()).ID)
}

func (s *signIns) nameSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	f := enrolFault{userName: r.PostFormValue("username"), name: r.PostFormValue("name")}
	step, err := s.invitations.NameAccount(r.Context(), id, b, f.userName, f.name)
	switch {
	case err == nil:
		return s.next(w, r, step, b)
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		return page.SeeOther(w, r, page.LoginPath(id))
	case errors.Is(err, idp.ErrConflict):
		f.wrong, f.problem = "username", templates.Say("name.taken")
	default:
		var ok bool
		if f.wrong, f.problem, ok = s.door.FieldProblem(err); !ok {
			return err
		}
	}
	return s.enrolAgain(w, r, id, b, http.StatusUnprocessableEntity, f)
}

func (s *signIns) enrolSubmit(w http.ResponseWriter, r *http.Request) error {
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	f := enrolFault{code: r.PostFormValue("code"), device: r.PostFormValue("device_name")}
	// The name of the account is needed after the sign-in has moved on.
	before, err := s.logins.Step(r.Context(), id, b)
	if err != nil {
		return err
	}
	chosen := idp.Secret(r.PostFormValue("password"))
	var step *login.Step
	var codes []idp.Secret
	if e := before.Enrol; e != nil && e.NeedLink && (e.NeedPass || e.Chosen && chosen != "") {
		// Also from the page of before, which «Back» has shown again.
		step, err = s.invitations.ChoosePassword(r.Context(), id, b, chosen)
	} else {
		step, codes, err = s.invitations.Enrol(r.Context(), id, b, login.EnrolForm{Password: chosen, Code: f.code, DeviceName: f.device})
	}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil && len(codes) > 0:
		frame := s.door.Frame(r, "")
		frame.Dot = 2
		name := ""
		if before.Enrol != nil {
			name = before.Enrol.UserName
		}
		return s.door.Render(w, http.StatusOK, codesPage(frame, name, codes, page.LoginPath(id)+"/collect", true))
	case err == nil:
		return s.next(w, r, step, b)
	case errors.Is(err, login.ErrOffer):
		f.wrong, f.code, f.problem = "code", "", templates.Say("enrol.offer")
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		// It was posted twice, and the page has moved on; or the link came to
		// its end meanwhile, and then there is no use in showing it again.
		if !errors.As(err, new(*login.LinkError)) {
			return page.SeeOther(w, r, page.LoginPath(id))
		}
		if step, again := s.logins.Step(r.Context(), id, b); again == nil && step.State == idp.LoginEnrol {
			return s.inviteFault(w, r, err)
		}
		return page.SeeOther(w, r, page.LoginPath(id))
	case errors.Is(err, idp.ErrNotFound) && resets(before):
		return s.linkGone(w, r) // a newer link has replaced it
	case errors.Is(err, idp.ErrBusy):
		status = http.StatusServiceUnavailable
		page.RetryAfter(w, err)
		f.problem = templates.Say("problem.busy")
	default:
		var ok bool
		if f.wrong, f.problem, ok = s.door.FieldProblem(err); ok {
			f.wrong = formField(f.wrong)
			break
		}
		if f.problem, ok = codeProblem(err); !ok {
			return err
		}
		f.wrong, f.code = "code", ""
		if errors.Is(err, idp.ErrWrongSecret) {
			if over := s.door.Wrong(r); over != nil {
				status = http.StatusTooManyRequests
				after, _ := page.RetryAfter(w, over)
				f.problem = page.TooMany(after)
			}
		}
	}
	return s.enrolAgain(w, r, id, b, status, f)
}

// formField returns the field of a form of ours in which the field of an
// idp.FieldError is typed.
func formField(field string) string {
	switch field {
	case "name", "device":
		return "device_name"
	}
	return field
}

// codeProblem says what is wrong with a six-digit code; false for an err about something
// else.
func codeProblem(err error) (templates.Message, bool) {
	switch {
	case errors.Is(err, idp.ErrCodeUsed):
		return templates.Say("problem.code.used"), true
	case errors.Is(err, idp.ErrWrongSecret):
		return templates.Say("problem.code.wrong"), true
	case errors.Is(err, idp.ErrInvalid):
		return templates.Say("problem.code.invalid"), true
	}
	return templates.Message{}, false
}

// enrolFault is what the pages of an invitation say about the last try, and
// keep of it: everything but the password.
type enrolFault struct {
	problem        templates.Message // no key: there was no try
	wrong          string            // field that the problem is about; empty: none of them
	userName, name string            // sign-in name and display name, as typed
	code, device   string            // six digits and the name of the device, as typed
}

// enrolAgain shows the page of an invitation again, with what was wrong; where the
// sign-in has gone on meanwhile, the browser is sent on.

func (s *signIns) enrolAgain(w http.ResponseWriter, r *http.Request, id idp.LoginID, b login.Browser, status int, f enrolFault) error {
	step, err := s.logins.Step(r.Context(), id, b)
	if err != nil {
		return err
	}
	if step.State != idp.LoginEnrol {
		return page.SeeOther(w, r, page.LoginPath(id))
	}
	return s.showEnrol(w, r, status, s.door.Frame(r, "login:"+string(id)), step, f)
}

// showEnrol renders what a one-time link asks next, one thing a page: the names of the
// account, a password, the first device.
func (s *signIns) showEnrol(w http.ResponseWriter, r *http.Request, status int, frame templates.Frame, step *login.Step, f enrolFault) error {
	e := step.Enrol
	if e == nil {
		return errors.New("web: step enrol without its particulars")
	}
	if e.NeedName {
		p := templates.Name{Frame: frame, ID: string(step.ID), UserName: e.UserName, Name: e.DisplayName, Problem: f.problem, Wrong: f.wrong}
		if f.problem.Key != "" {
			p.UserName, p.Name = f.userName, f.name
		}
		return s.door.Render(w, status, p)
	}
	frame.Dot = 1
	if e.NeedPass {
		return s.door.Render(w, status, templates.Choose{
			Frame: frame, ID: string(step.ID), UserName: e.UserName, Linking: e.NeedLink, Forgotten: resets(step),
			Problem: f.problem, Wrong: f.wrong == "password",
		})
	}
	p := templates.Enrol{
		Frame: frame, ID: string(step.ID), UserName: e.UserName, Chosen: e.Chosen, Live: page.LoginPath(step.ID), Word: step.Word(),
		Scan: templates.Scan{Name: e.Claimed, Tapped: e.Tapped, Rival: e.Rival},
		Code: f.code, DeviceName: f.device, Problem: f.problem, Wrong: f.wrong,
	}
	if e.WrongCodes >= 2 {
		p.ServerTime = e.ServerTime
	}
	var err error
	if p.Offer, err = shownOffer(s.door, r, p.Live, e.UserName, e.Offer, e.ExpiresAt); err != nil {
		return err
	}
	if p.App, err = getApp(s.door); err != nil {
		return err
	}
	return s.door.Render(w, status, p)
}

// codesPage shows recovery codes, in groups of four letters. next is the path that the
// button leads to, with post by a form.
func codesPage(frame templates.Frame, user string, codes []idp.Secret, next string, post bool) templates.Codes {
	p := templates.Codes{Frame: frame, UserName: user, Next: next, Post: post}
	for _, c := range codes {
		p.Codes = append(p.Codes, fours(c.Reveal(), "-"))
	}
	p.Text = strings.Join(p.Codes, "\n")
	return p
}

// fours sets a secret that people type in groups of four letters, parted by between. One
// that has spaces or dashes already is left as it is.
func fours(s, between string) string {
	if strings.ContainsAny(s, " -") {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteString(between)
		}
		b.WriteRune(r)
	}
	return b.String()
}
