package web

import (
	"log/slog"
	"net/http"
	"net/url"

	"hilum/idp"
	"hilum/idp/serve"
	"hilum/idp/web/page"
	"hilum/templates"
)

// LoginPath is the path of the page at which a sign-in goes on.
func (s *Server) LoginPath(id idp.LoginID) string { return page.LoginPath(id) }

// partyErrors are the message keys of the errors that the relying parties' door and package
// serve show, by the key that those have for them.
var partyErrors = map[string]struct{ title, text string }{
	"authorize.client":   {"party.client", "party.client.text"},
	"authorize.redirect": {"party.redirect", "party.redirect.text"},
	"authorize.request":  {"party.request", "party.request.text"},
	"authorize.pushed":   {"party.pushed", "party.pushed.text"},
	"collect.gone":       {"error.gone", "error.gone.text"},
	"signout.bad":        {"party.signout", "party.signout.text"},
	"foreign":            {"error.foreign", "error.foreign.text"},
	"busy":               {"error.busy", "error.busy.text"},
	"size":               {"error.size", "error.size.text"},
	"server":             {"trouble", "trouble.text"},
	"unwritable":         {"error.unwritable", "error.unwritable.text"},
}

// ErrorPage answers with a page that says what happened and what to do. key is one of
// partyErrors; any other gets a general sentence.
func (s *Server) ErrorPage(w http.ResponseWriter, r *http.Request, status int, key string) {
	s.door.SetHeaders(w.Header())
	say, ok := partyErrors[key]
	if !ok {
		say.title, say.text = "error.general", "error.general.text"
	}
	info := serve.From(r.Context())
	info.Note(slog.String("refused", say.title))
	n := templates.Notice{Kind: "bad", Title: templates.Say(say.title), Text: templates.Say(say.text), Reference: info.ID}
	if key != "foreign" {
		n.Link, n.LinkText = "/account", templates.Say("error.back")
	}
	s.door.Notice(w, r, status, n)
}

// FormPost answers with a form that posts fields to a relying party by itself (OAuth 2.0
// Form Post Response Mode). action is the redirect URI; the caller has compared it with
// the registered ones.
func (s *Server) FormPost(w http.ResponseWriter, r *http.Request, action string, fields url.Values) {
	s.door.SetHeaders(w.Header())
	src := page.FormSource(action)
	if src == "" {
		s.ErrorPage(w, r, http.StatusInternalServerError, "server")
		return
	}
	page.SetFormAction(w.Header(), src)
	frame := s.door.Frame(r, "")
	frame.Dot = 2
	if err := s.door.Render(w, http.StatusOK, templates.FormPost{Frame: frame, Action: action, Fields: page.Fields(fields)}); err != nil {
		s.door.Fail(w, r, err)
	}
}

// ConfirmSignOut asks whether to sign out (OpenID Connect RP-Initiated Logout 1.0, section
// 2), posting fields to action on yes. A post_logout_redirect_uri among them is where that
// post may end. client is the name of the application that asks; empty: none does.
func (s *Server) ConfirmSignOut(w http.ResponseWriter, r *http.Request, action string, fields url.Values, client string) {
	s.door.SetHeaders(w.Header())
	if src := page.FormSource(fields.Get("post_logout_redirect_uri")); src != "" {
		page.SetFormAction(w.Header(), "'self'", src)
	}
	view := templates.SignOut{Frame: s.door.Frame(r, ""), Action: action, Fields: page.Fields(fields), App: client}
	if err := s.door.Render(w, http.StatusOK, view); err != nil {
		s.door.Fail(w, r, err)
	}
}

// SignedOut says that this browser is signed out; client is the application
// that asked, if any, session the one that was ended. noWayBack says that the
// application asked for a redirect to an address that is not registered for it.
func (s *Server) SignedOut(w http.ResponseWriter, r *http.Request, client string, session idp.SessionID, noWayBack bool) {
	s.door.SetHeaders(w.Header())
	view, err := s.account.signedOutPage(r, client, session)
	if noWayBack {
		view.More = templates.Say("signedout.noway", "App", client)
	}
	if err == nil {
		err = s.door.Render(w, http.StatusOK, view)
	}
	if err != nil {
		s.door.Fail(w, r, err)
	}
}
