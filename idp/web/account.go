package web

import (
	"errors"
	"net/http"
	"slices"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/templates"
)

// who is the person an account page is for.
type who struct {
	session *idp.Session
	user    *idp.User
	browser login.Browser
}

func (p who) actor() idp.Actor { return idp.Actor{User: p.user.ID, Name: p.user.Name} }

// account is page for a live session. Without one a sign-in begins that leads
// back here; what was posted is not kept.
func (s *Server) account(h func(http.ResponseWriter, *http.Request, who) error) http.Handler {
	return s.page(s.signedIn(h))
}

func (s *Server) signedIn(h func(http.ResponseWriter, *http.Request, who) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := s.person(r)
		if errors.Is(err, idp.ErrNotFound) {
			return s.begin(w, r)
		}
		if err != nil {
			return err
		}
		return h(w, r, p)
	}
}

// person returns who is signed in. Errors: idp.ErrNotFound.
func (s *Server) person(r *http.Request) (who, error) {
	b, ok := s.browser(r)
	if !ok || b.Session == "" {
		return who{}, idp.ErrNotFound
	}
	session, user, err := s.Logins.Session(r.Context(), b)
	if err != nil {
		return who{}, err
	}
	return who{session, user, b}, nil
}

// begin starts a sign-in that leads back to the page asked for.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead { // looks, and begins nothing
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := s.begins(r); err != nil {
		return err
	}
	b, err := s.Browser(w, r)
	if err != nil {
		return err
	}
	step, err := s.Logins.StartAccount(r.Context(), nameOf(r), b)
	if err != nil {
		return err
	}
	return seeOther(w, r, loginPath(step.ID))
}

// stepUp asks for a fresh second factor and comes back to the page named. Every
// page that needs one comes by here. A link or a picture on another site leads to
// our pages with the person's cookies: it must not have their phone ring, so that a
// page with a button comes first.
func (s *Server) stepUp(w http.ResponseWriter, r *http.Request, p who, to string) error {
	if !ownDoing(r) {
		return s.render(w, http.StatusOK, templates.Confirm{Frame: s.accountFrame(r, p, "", ""), To: to})
	}
	step, err := s.Logins.StartStepUp(r.Context(), p.session, to, p.browser)
	if err != nil {
		return err
	}
	return seeOther(w, r, loginPath(step.ID))
}

// ownDoing reports whether a request is the person's own doing: a form of ours,
// which no other site can post, or a page that they came to from ours or by typing
// the address (W3C Fetch Metadata, section 2.3: "none"). Without the header nothing
// tells it from a link of another site. A HEAD is nobody's.
func ownDoing(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost: // past CrossOriginProtection
		return true
	case http.MethodGet:
		from := r.Header.Get("Sec-Fetch-Site")
		return from == "same-origin" || from == "none"
	}
	return false
}

// confirm goes on from the page with the button.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, p who) error {
	to := r.PostFormValue("to")
	path, ok := place(to)
	if !ok {
		return errForm
	}
	if p.session.Fresh(s.Now()) == nil { // confirmed elsewhere meanwhile
		return seeOther(w, r, path)
	}
	return s.stepUp(w, r, p, to)
}

// accountFrame is what stands around an account page.
func (s *Server) accountFrame(r *http.Request, p who, here, tab string) templates.Frame {
	f := s.frameFor(r, here, p.user.Locale)
	f.Tab, f.User, f.Staff = tab, p.user.DisplayName, p.user.MayAdminister(anyStaff...)
	if f.User == "" {
		f.User = p.user.Name
	}
	return f
}

// did are sentences that an account page may open with, by the name in its query.
var did = map[string]string{
	"linked":   "devices.linked.done",
	"unlinked": "devices.unlinked.done",
	"stolen":   "devices.stolen.done",
	"renamed":  "devices.renamed.done",
	"tested":   "devices.tested.done",
	"nopush":   "devices.nopush.done",
	"password": "change.done",
	"ended":    "sessions.ended.done",
	"others":   "sessions.others.done",
}

func noteOf(r *http.Request) templates.Message {
	if key, ok := did[r.URL.Query().Get("did")]; ok {
		return templates.Say(key)
	}
	return templates.Message{}
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	return seeOther(w, r, "/account")
}

func (s *Server) accountHome(w http.ResponseWriter, r *http.Request, _ who) error {
	return seeOther(w, r, places["security"])
}

// signOut ends this browser's session; without one it still takes the cookie.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	to := places["signed-out"]
	switch {
	case errors.Is(err, idp.ErrNotFound):
	case err != nil:
		return err
	default:
		to = signedOutPath(p.session.ID)
		if err := s.Logins.SignOut(r.Context(), p.actor(), p.session); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
	}
	if err := s.ClearSession(w, r); err != nil {
		return err
	}
	return seeOther(w, r, to)
}

// signedOutPath leads to the page that says so. It names the session, of which
// only the browser that it lived in is told something.
func signedOutPath(id idp.SessionID) string { return places["signed-out"] + "?session=" + string(id) }

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) error {
	page, err := s.signedOutPage(r, "", idp.SessionID(r.URL.Query().Get("session")))
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, page)
}

// signedOutPage lists the applications of the session, if it was this browser's.
func (s *Server) signedOutPage(r *http.Request, app string, session idp.SessionID) (templates.Notice, error) {
	n := templates.Notice{
		Frame: s.frame(r, "signed-out"), Kind: "good", Title: templates.Say("signedout.title"), Text: templates.Say("signedout.text"),
		Link: "/account", LinkText: templates.Say("signedout.login"),
	}
	if app != "" {
		n.Text = templates.Say("signedout.app", "App", app)
	}
	b, ok := s.browser(r)
	if !ok || !isID(string(session)) {
		return n, nil
	}
	of, err := s.Logins.SignedOut(r.Context(), session, b)
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
