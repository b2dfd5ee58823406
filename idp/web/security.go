package web

import (
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

func (a *account) security(w http.ResponseWriter, r *http.Request, p page.Person) error {
	list, err := a.phones.List(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	left, err := a.phones.RecoveryLeft(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	view := templates.Security{
		Frame: a.door.PersonFrame(r, p, "security", "security"), Devices: len(list), Max: idp.MaxDevices, Recovery: left, Note: noteOf(r),
	}
	if a.applications != nil {
		all, err := a.applications(r.Context())
		if err != nil {
			return err
		}
		for i := range all {
			if at := all[i].OpensFor(p.User, all[i].Issuer(a.door.Origin(), a.realm)); at != "" {
				view.Apps = append(view.Apps, templates.OpenApp{Name: all[i].Name, At: at})
			}
		}
	}
	return a.door.Render(w, http.StatusOK, view)
}

// passwordChange asks for the second factor first, so that nobody types two
// passwords in vain.
func (a *account) passwordChange(w http.ResponseWriter, r *http.Request, p page.Person) error {
	if err := p.Session.Fresh(a.door.Now()); err != nil {
		return a.door.StepUp(w, r, p, "password")
	}
	return a.door.Render(w, http.StatusOK, templates.ChangePassword{Frame: a.door.PersonFrame(r, p, "password", "security")})
}

func (a *account) passwordChangeSubmit(w http.ResponseWriter, r *http.Request, p page.Person) error {
	err := a.logins.ChangePassword(r.Context(), p.Session, idp.Secret(r.PostFormValue("old_password")), idp.Secret(r.PostFormValue("new_password")))
	view := templates.ChangePassword{Frame: a.door.PersonFrame(r, p, "password", "security")}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		return page.SeeOther(w, r, securityPath+"?did=password")
	case errors.Is(err, idp.ErrStale):
		return a.door.StepUp(w, r, p, "password")
	case errors.Is(err, idp.ErrTooMany):
		status = http.StatusTooManyRequests
		after, _ := page.RetryAfter(w, err)
		view.Problem, view.Wrong = page.TooMany(after), "old_password"
		view.Retry.Seconds = page.Seconds(after)
	case errors.Is(err, idp.ErrBusy):
		status = http.StatusServiceUnavailable
		page.RetryAfter(w, err)
		view.Problem = templates.Say("problem.busy")
	case errors.Is(err, idp.ErrWrongSecret):
		view.Problem, view.Wrong = templates.Say("change.old.wrong"), "old_password"
	default:
		_, problem, ok := a.door.FieldProblem(err)
		if !ok {
			return err
		}
		view.Problem, view.Wrong = problem, "new_password"
	}
	return a.door.Render(w, status, view)
}

func (a *account) recovery(w http.ResponseWriter, r *http.Request, p page.Person) error {
	left, err := a.phones.RecoveryLeft(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	return a.door.Render(w, http.StatusOK, templates.RecoveryIntro{Frame: a.door.PersonFrame(r, p, "recovery", "security"), Left: left})
}

// recoveryMake makes new recovery codes and answers the POST with a page: the codes are
// shown this once and kept as hashes only, so there is nothing a later GET could show.
func (a *account) recoveryMake(w http.ResponseWriter, r *http.Request, p page.Person) error {
	codes, err := a.phones.NewRecoveryCodes(r.Context(), p.Session)
	if errors.Is(err, idp.ErrStale) {
		return a.door.StepUp(w, r, p, "recovery")
	}
	if err != nil {
		return err
	}
	frame := a.door.Frame(r, "")
	frame.Dot = 2
	return a.door.Render(w, http.StatusOK, codesPage(frame, p.User.Name, codes, securityPath, false))
}
