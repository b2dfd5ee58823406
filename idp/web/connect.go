package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/templates"
)

// connectPath is where people type the code that a machine without a browser shows
// (verification_uri of RFC 8628); oidc.ConnectPath names it to the machines.
const connectPath = "/connect"

// connectPage asks for the code. One that comes by the address (verification_uri_complete,
// section 3.3.1) is filled in, to be compared: nothing is looked up before it is posted.
func (s *signIns) connectPage(w http.ResponseWriter, r *http.Request) error {
	p := templates.Connect{}
	if letters, err := login.UserCode(r.URL.Query().Get("user_code")); err == nil {
		p.Code, p.Filled = shownCode(letters), true
	}
	return s.showConnect(w, r, http.StatusOK, p)
}

func (s *signIns) showConnect(w http.ResponseWriter, r *http.Request, status int, p templates.Connect) error {
	p.Frame = s.door.FrameFor(r, "connect")
	return s.door.Render(w, status, p)
}

// shownCode is a code as machines show it.
func shownCode(letters string) string {
	return letters[:len(letters)/2] + "-" + letters[len(letters)/2:]
}

// connectSubmit begins the sign-in for the machine that shows a code. Wrong codes are
// counted, by address and for all together (section 5.1), and where there were too many none
// is looked up any more.
func (s *signIns) connectSubmit(w http.ResponseWriter, r *http.Request) error {
	b, err := s.door.Browser(w, r)
	if err != nil {
		return err
	}
	typed := r.PostFormValue("user_code")
	p := templates.Connect{Code: typed}
	var step *login.Step
	if err = s.door.MayGuess(r, b); err == nil {
		step, err = s.logins.ConnectDevice(r.Context(), typed, b)
	}
	switch {
	case err == nil:
		return page.SeeOther(w, r, page.LoginPath(step.ID))
	case errors.Is(err, idp.ErrInvalid):
		p.Problem = templates.Say("connect.invalid")
	case errors.Is(err, idp.ErrNotFound):
		s.door.Guessed(r, b)
		p.Problem = templates.Say("connect.wrong")
	case errors.Is(err, idp.ErrTooMany):
		after, _ := page.RetryAfter(w, err)
		p.Problem, p.Retry.Seconds = page.TooMany(after), page.Seconds(after)
		return s.showConnect(w, r, http.StatusTooManyRequests, p)
	default:
		return err
	}
	return s.showConnect(w, r, http.StatusUnprocessableEntity, p)
}

// connected says what became of the machine's request. It says so to whoever asks: the page
// decides nothing.
func (s *signIns) connected(w http.ResponseWriter, r *http.Request) error {
	n := templates.Notice{Kind: "good", Title: templates.Say("connect.done.title"), Text: templates.Say("connect.done.text")}
	switch r.PathValue("outcome") {
	case "done":
	case "denied":
		n = deniedDevice()
	default:
		return idp.ErrNotFound
	}
	n.Frame = s.door.FrameFor(r, "")
	if n.Kind == "good" {
		n.Dot = 2
	}
	return s.door.Render(w, http.StatusOK, n)
}

// deniedDevice is the page of a machine that was not signed in.
func deniedDevice() templates.Notice {
	return templates.Notice{Kind: "bad", Title: templates.Say("connect.denied.title"), Text: templates.Say("connect.denied.text")}
}

// showConnectAsk renders the question whether a machine is to be signed in.
func (s *signIns) showConnectAsk(w http.ResponseWriter, status int, frame templates.Frame, step *login.Step, app string, tile templates.Tile) error {
	return s.door.Render(w, status, templates.ConnectAsk{
		Frame: frame, ID: string(step.ID), App: app, Tile: tile, UserName: step.UserName, Where: s.door.Where(step.Device.Address, frame.Lang), At: step.Device.At,
		Scopes: slices.Concat(scopeWords(step.Scopes), resourceWords(step.Resources)), Emergency: idp.Emergency(step.Scopes), Hours: max(1, int(s.sessionAbsolute/time.Hour)), Links: partyLinks(step.Client, frame.Lang),
	})
}

// showConnectEnd is showEnd for a sign-in on another machine; ok is false where that has
// nothing else to say.
func (s *signIns) showConnectEnd(frame templates.Frame, step *login.Step) (status int, n templates.Notice, ok bool) {
	status = http.StatusOK
	switch step.State {
	case idp.LoginDenied:
		n = deniedDevice()
		if step.DeniedBy != "" {
			n.Title = templates.Say("denied.phone", "Name", step.DeniedBy)
		}
	case idp.LoginCollected:
		n = templates.Notice{Kind: "plain", Title: templates.Say("finished.title"), Text: templates.Say("finished.client")}
	case idp.LoginExpired:
		status = http.StatusGone
		n = templates.Notice{Kind: "plain", Title: templates.Say("expired.title"), Text: templates.Say("connect.gone"), Link: connectPath, LinkText: templates.Say("connect.again")}
	default:
		return 0, n, false // to be collected
	}
	n.Frame = frame
	return status, n, true
}
