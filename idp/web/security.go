package web

import (
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/templates"
)

func (s *Server) security(w http.ResponseWriter, r *http.Request, p who) error {
	list, err := s.Devices.List(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	left, err := s.Devices.RecoveryLeft(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, templates.Security{
		Frame: s.accountFrame(r, p, "security", "security"), Devices: len(list), Max: idp.MaxDevices, Recovery: left, Note: noteOf(r),
	})
}

// passwordChange asks for the second factor first, so that nobody types two
// passwords in vain.
func (s *Server) passwordChange(w http.ResponseWriter, r *http.Request, p who) error {
	if err := p.session.Fresh(s.Now()); err != nil {
		return s.stepUp(w, r, p, "password")
	}
	return s.render(w, http.StatusOK, templates.ChangePassword{Frame: s.accountFrame(r, p, "password", "security")})
}

func (s *Server) passwordChangeSubmit(w http.ResponseWriter, r *http.Request, p who) error {
	err := s.Logins.ChangePassword(r.Context(), p.session, idp.Secret(r.PostFormValue("old_password")), idp.Secret(r.PostFormValue("new_password")))
	page := templates.ChangePassword{Frame: s.accountFrame(r, p, "password", "security")}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		return seeOther(w, r, places["security"]+"?did=password")
	case errors.Is(err, idp.ErrStale):
		return s.stepUp(w, r, p, "password")
	case errors.Is(err, idp.ErrTooMany):
		status = http.StatusTooManyRequests
		after, _ := retryAfter(w, err)
		page.Problem, page.Wrong = tooMany(after), "old_password"
		page.Retry.Seconds = seconds(after)
	case errors.Is(err, idp.ErrBusy):
		status = http.StatusServiceUnavailable
		retryAfter(w, err)
		page.Problem = templates.Say("problem.busy")
	case errors.Is(err, idp.ErrWrongSecret):
		page.Problem, page.Wrong = templates.Say("change.old.wrong"), "old_password"
	default:
		_, problem, ok := s.fieldProblem(err)
		if !ok {
			return err
		}
		page.Problem, page.Wrong = problem, "new_password"
	}
	return s.render(w, status, page)
}

func (s *Server) recovery(w http.ResponseWriter, r *http.Request, p who) error {
	left, err := s.Devices.RecoveryLeft(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, templates.RecoveryIntro{Frame: s.accountFrame(r, p, "recovery", "security"), Left: left})
}

// recoveryMake answers a POST with a page: the codes are shown this once and
// kept nowhere, so there is nothing a later GET could show.
func (s *Server) recoveryMake(w http.ResponseWriter, r *http.Request, p who) error {
	codes, err := s.Devices.NewRecoveryCodes(r.Context(), p.session)
	if errors.Is(err, idp.ErrStale) {
		return s.stepUp(w, r, p, "recovery")
	}
	if err != nil {
		return err
	}
	frame := s.frame(r, "")
	frame.Dot = 2
	return s.render(w, http.StatusOK, codesPage(frame, p.user.Name, codes, places["security"], false))
}
