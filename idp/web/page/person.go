package page

import (
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/templates"
)

// Person is somebody who is signed in: their session, their account, and the browser that
// the session lives in.
type Person struct {
	Session *idp.Session
	User    *idp.User
	Browser login.Browser
}

// Actor is the person as the audit log names who did something.
func (p Person) Actor() idp.Actor { return idp.Actor{User: p.User.ID, Name: p.User.Name} }

// PersonHandler is a Handler for somebody who is signed in.
type PersonHandler func(w http.ResponseWriter, r *http.Request, p Person) error

// signedIn is h for a live session. Without one a sign-in begins that leads back to
// the page; what was posted is not kept, for somebody else may sign in, and the sign-in
// says that nothing was changed.
func (d *Door) signedIn(h PersonHandler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := d.Person(r)
		if errors.Is(err, idp.ErrNotFound) {
			return d.begin(w, r)
		}
		if err != nil {
			return err
		}
		return h(w, r, p)
	}
}

// Person returns who is signed in. Errors: idp.ErrNotFound, where nobody is.
func (d *Door) Person(r *http.Request) (Person, error) {
	b, ok := d.BrowserOf(r)
	if !ok || b.Session == "" {
		return Person{}, idp.ErrNotFound
	}
	session, user, err := d.conf.Sessions.Session(r.Context(), b)
	if err != nil {
		return Person{}, err
	}
	return Person{session, user, b}, nil
}

// begin starts a sign-in that leads back to the page asked for. Errors: idp.ErrTooMany as
// *idp.RetryError, where the address has begun too many.
func (d *Door) begin(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead { // looks, and begins nothing
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := d.begins(r); err != nil {
		return err
	}
	b, err := d.Browser(w, r)
	if err != nil {
		return err
	}
	step, err := d.conf.Sessions.StartAccount(r.Context(), d.Here(r), b)
	if err != nil {
		return err
	}
	path := LoginPath(step.ID)
	if r.Method == http.MethodPost {
		path += "?note=" + NoteEnded
	}
	return SeeOther(w, r, path)
}

// What the page of a sign-in opens with, by the parameter «note» of its query: what became
// of a form that was posted before.
const (
	NoteEnded = "ended" // the session was over, and nothing was changed
	NoteHeld  = "held"  // it is sent when the second factor was given
	NoteAgain = "again" // nothing was changed, and it is to be sent again after the second factor
)

// StepUp asks for a fresh second factor and leads back to the page with the name to, as
// Here gives it; a form that was posted is held meanwhile, and sent when the factor was
// given (Held). Every page that needs one comes by here, or by StepUpTo. A link or a
// picture on another site leads to our pages with the person's cookies: it must not have
// their phone ring, so that a page with a button comes first.
func (d *Door) StepUp(w http.ResponseWriter, r *http.Request, p Person, to string) error {
	if r.Method != http.MethodPost {
		return d.stepUp(w, r, p, to, nil, "")
	}
	held, err := hold(r)
	if err != nil {
		return err
	}
	note := NoteHeld
	if held == nil {
		note = NoteAgain
	}
	return d.stepUp(w, r, p, to, held, note)
}

// StepUpTo is StepUp for a form that asks for nothing but to get to the page.
func (d *Door) StepUpTo(w http.ResponseWriter, r *http.Request, p Person, to string) error {
	return d.stepUp(w, r, p, to, nil, "")
}

func (d *Door) stepUp(w http.ResponseWriter, r *http.Request, p Person, to string, held []byte, note string) error {
	if !ownDoing(r) {
		return d.Render(w, http.StatusOK, templates.Confirm{Frame: d.PersonFrame(r, p, "", ""), To: to})
	}
	step, err := d.conf.Sessions.StartStepUp(r.Context(), p.Session, to, held, p.Browser)
	if err != nil {
		return err
	}
	path := LoginPath(step.ID)
	if note != "" {
		path += "?note=" + note
	}
	return SeeOther(w, r, path)
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

// PersonFrame is what stands around a page of somebody who is signed in: here is the
// name that the page is come back to by, tab the entry of the menu that it belongs to.
func (d *Door) PersonFrame(r *http.Request, p Person, here, tab string) templates.Frame {
	f := d.FrameFor(r, here, p.User.Locale)
	f.Tab, f.User, f.Staff = tab, p.User.DisplayName, p.User.MayAdminister(idp.StaffRoles...)
	if f.User == "" {
		f.User = p.User.Name
	}
	f.Ends, f.Lasts = d.Ends(p.Session)
	return f
}

// Ends returns in how many seconds a session ends where nothing is done in it, and whether
// it lasts no longer whatever is done.
func (d *Door) Ends(s *idp.Session) (seconds int, last bool) {
	idle := s.LastSeenAt.Add(s.IdleAfter)
	if !idle.Before(s.ExpiresAt) {
		return d.Left(s.ExpiresAt), true
	}
	return d.Left(idle), false
}
