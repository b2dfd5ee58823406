package web

import (
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/templates"
)

// asking returns a sign-in in which a link to a new password can be asked for now.
// Where it cannot, the step is nil, and the browser was sent to the sign-in. Errors:
// idp.ErrNotFound.
func (s *signIns) asking(w http.ResponseWriter, r *http.Request) (*login.Step, error) {
	id, b, err := s.bound(r)
	if err != nil {
		return nil, err
	}
	step, err := s.logins.Step(r.Context(), id, b)
	if err != nil {
		return nil, err
	}
	if !step.Mail {
		return nil, page.SeeOther(w, r, page.LoginPath(id))
	}
	return step, nil
}

func (s *signIns) forgotPage(w http.ResponseWriter, r *http.Request) error {
	step, err := s.asking(w, r)
	if err != nil || step == nil {
		return err
	}
	return s.showForgot(w, r, http.StatusOK, step, fault{typed: step.LoginHint})
}

func (s *signIns) showForgot(w http.ResponseWriter, r *http.Request, status int, step *login.Step, f fault) error {
	return s.door.Render(w, status, templates.Forgot{
		Frame: s.door.FrameFor(r, "forgot:"+string(step.ID), s.readsOf(r, step)...), ID: string(step.ID), App: s.appOf(step),
		UserName: f.typed, Problem: f.problem,
	})
}

// forgotSubmit takes the name or mail address that was typed. It answers the same
// whoever has it, if anybody: that is looked up only when the mail is sent.
func (s *signIns) forgotSubmit(w http.ResponseWriter, r *http.Request) error {
	step, err := s.asking(w, r)
	if err != nil || step == nil {
		return err
	}
	id, b, err := s.bound(r)
	if err != nil {
		return err
	}
	typed := r.PostFormValue("username")
	err = s.logins.Forgotten(r.Context(), id, b, typed, s.door.FrameFor(r, "", s.readsOf(r, step)...).Lang)
	switch {
	case err == nil:
		return page.SeeOther(w, r, page.LoginPath(id)+"/forgotten")
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		return page.SeeOther(w, r, page.LoginPath(id))
	}
	_, problem, ok := s.door.FieldProblem(err)
	if !ok {
		return err
	}
	if problem.Key == "text.missing" {
		problem = templates.Say("forgot.missing")
	}
	return s.showForgot(w, r, http.StatusUnprocessableEntity, step, fault{typed: typed, problem: problem})
}

// forgottenPage says that a mail comes, if somebody has what was typed. It does not know
// whether anybody does.
func (s *signIns) forgottenPage(w http.ResponseWriter, r *http.Request) error {
	step, err := s.asking(w, r)
	if err != nil || step == nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, templates.ForgotSent{
		Frame: s.door.FrameFor(r, "forgotten:"+string(step.ID), s.readsOf(r, step)...), ID: string(step.ID), App: s.appOf(step),
	})
}

// appOf is the name of what a sign-in is to: an application, or the site for its own
// pages.
func (s *signIns) appOf(step *login.Step) string {
	if step.Client != nil {
		return step.Client.Name
	}
	return s.door.Site().Name
}

// resets reports whether a sign-in began from a link to a new password that the person
// asked for.
func resets(step *login.Step) bool {
	return step.Purpose == idp.ForInvitation && step.Target == string(idp.InviteForgotten)
}

// linkGone says that the link by which a new password was to be set is not there any
// more, or is not good any more: 410.
func (s *signIns) linkGone(w http.ResponseWriter, r *http.Request) error {
	s.door.Notice(w, r, http.StatusGone, templates.Notice{
		Kind: "plain", Title: templates.Say("forgot.denied.title"), Text: templates.Say("forgot.link.text"),
		Link: "/account", LinkText: templates.Say("startagain.link"),
	})
	return nil
}

// showResetEnd is showEnd for a sign-in by such a link (resets): what matters is which
// password counts now.
func (s *signIns) showResetEnd(w http.ResponseWriter, frame templates.Frame, step *login.Step) error {
	n := templates.Notice{Frame: frame, Kind: "plain", Link: "/account", LinkText: templates.Say("startagain.link")}
	n.Title, n.Text = templates.Say("forgot.denied.title"), templates.Say("forgot.denied.text")
	status := http.StatusOK
	switch step.State {
	case idp.LoginDone:
		n.Dot = 2
		return s.door.Render(w, status, templates.Done{Frame: n.Frame, ID: string(step.ID), NewPassword: true})
	case idp.LoginCollected:
		n.Dot, n.Kind = 2, "good"
		n.Title, n.Text, n.LinkText = templates.Say("finished.title"), templates.Say("change.done"), templates.Say("error.back")
	case idp.LoginDenied:
		if step.DeniedBy != "" {
			n.Kind, n.Text = "bad", templates.Say("forgot.denied.phone", "Name", step.DeniedBy)
		}
	default:
		status, n.Text = http.StatusGone, templates.Say("forgot.late.text")
	}
	return s.door.Render(w, status, n)
}
