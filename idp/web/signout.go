package web

import (
	"errors"
	"net/http"
	"slices"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

// signOut ends this browser's session and takes its cookie away, also where it has no
// session any more.
func (a *account) signOut(w http.ResponseWriter, r *http.Request) error {
	p, err := a.door.Person(r)
	to := signedOutPath
	switch {
	case errors.Is(err, idp.ErrNotFound):
	case err != nil:
		return err
	default:
		to = afterSession(p.Session.ID)
		if err := a.logins.SignOut(r.Context(), p.Actor(), p.Session); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
	}
	if err := a.door.ClearSession(w, r); err != nil {
		return err
	}
	return page.SeeOther(w, r, to)
}

// afterSession is the path of the page that says that a session has ended. It names the
// session, of which only the browser that it lived in is told something.
func afterSession(id idp.SessionID) string { return signedOutPath + "?session=" + string(id) }

func (a *account) signedOut(w http.ResponseWriter, r *http.Request) error {
	view, err := a.signedOutPage(r, "", idp.SessionID(r.URL.Query().Get("session")))
	if err != nil {
		return err
	}
	return a.door.Render(w, http.StatusOK, view)
}

// signedOutPage says that this browser is signed out, and lists the applications of the
// session, if it was this browser's. app is the name of the application that asked for it;
// empty: none did.
func (a *account) signedOutPage(r *http.Request, app string, session idp.SessionID) (templates.Notice, error) {
	n := templates.Notice{
		Frame: a.door.Frame(r, "signed-out"), Kind: "good", Title: templates.Say("signedout.title"), Text: templates.Say("signedout.text"),
		Link: "/account", LinkText: templates.Say("signedout.login"),
	}
	if app != "" {
		n.Text = templates.Say("signedout.app", "App", app)
	}
	b, ok := a.door.BrowserOf(r)
	if !ok || !page.IsID(string(session)) {
		return n, nil
	}
	of, err := a.logins.SignedOut(r.Context(), session, b)
	if errors.Is(err, idp.ErrNotFound) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	n.Text, n.Told, n.Left = templates.Say("signedout.text"), of.Told, of.Left
	if app != "" && !slices.Contains(of.Told, app) {
		// It has asked for it, so it knows.
		n.Told = append([]string{app}, of.Told...)
		n.Left = slices.DeleteFunc(n.Left, func(name string) bool { return name == app })
	}
	return n, nil
}
