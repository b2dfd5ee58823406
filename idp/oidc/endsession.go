package oidc

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"hilum/idp"
	"hilum/idp/serve"
)

// logoutRequest is what a logout request says, as far as it can be trusted (RP-Initiated
// Logout 1.0, section 2). What was wrong with the rest stands in the request's log line.
type logoutRequest struct {
	client  *idp.Client // that asks; nil: it says nothing of a client
	session string      // sid of the id_token_hint, or empty
	hinted  bool        // with an ID token of ours as id_token_hint
	uri     string      // post_logout_redirect_uri, registered for client; or empty
	noWay   bool        // a post_logout_redirect_uri came that is not registered
	state   string
}

// fieldNoWay of the confirming page's form is logoutRequest.noWay. Whoever makes it up
// gets a sentence.
const fieldNoWay = "no_way_back"

// endSession is the logout endpoint: it signs a person out at a client's wish (OpenID
// Connect RP-Initiated Logout 1.0, section 2). Any site can make a browser ask for this,
// so the person is asked, unless the request brings an ID token of the very session
// that this browser has. The browser is sent back to a client only by a post-logout
// redirect URI that is registered (section 3).
//
// What is wrong with a request never keeps the person from signing out: somebody who
// pressed Logout goes away, and the next person at the workstation must not be them. A
// parameter that is not valid is not used (section 4), and the rest of the request counts.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	req, err := s.readLogoutRequest(r, s.logoutQuery(r))
	if err != nil {
		s.serverErrorPage(w, r, "client", err)
		return
	}
	session, user, err := s.session(w, r)
	switch {
	case err != nil:
		s.serverErrorPage(w, r, "session", err)
	case session == nil:
		// Nobody was asked, so only a request with an ID token of ours is redirected.
		if !req.hinted {
			req.uri = ""
		}
		s.loggedOut(w, r, req, "")
	case req.session != "" && req.session == string(session.ID):
		s.logOut(w, r, req, session, user)
	default:
		s.conf.Pages.ConfirmSignOut(w, r, s.pathAt(r.Context(), pathConfirm), req.fields(), req.name())
	}
}

// logoutQuery returns the parameters of a logout request; none of one that cannot be read.
func (s *Server) logoutQuery(r *http.Request) url.Values {
	if len(r.URL.RawQuery) > maxQuery {
		dropped(r, "query too long")
		return nil
	}
	q, err := parseForm(r.URL.RawQuery)
	if err != nil {
		dropped(r, "query malformed")
		return nil
	}
	return q
}

// dropped notes, for the log, what of a request was not used.
func dropped(r *http.Request, what string) {
	serve.From(r.Context()).Note(slog.String("dropped", what))
}

// endSessionPost takes a logout request by POST; a form of another site brings no
// cookies, see authorizePost. One that cannot be read goes on as one without parameters.
func (s *Server) endSessionPost(w http.ResponseWriter, r *http.Request) {
	query, wrong := formAsQuery(r)
	if wrong != "" {
		dropped(r, wrong)
	}
	to := s.pathAt(r.Context(), pathEndSession)
	if query != "" {
		to += "?" + query
	}
	redirect(w, to)
}

// endSessionConfirm takes the person's yes, a form of our own page. Its fields are
// validated as if they came from anywhere.
func (s *Server) endSessionConfirm(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(r)
	if err != nil || r.URL.RawQuery != "" {
		s.requestErrorPage(w, r, keySignOut, "form malformed")
		return
	}
	req, err := s.readLogoutRequest(r, form)
	if err != nil {
		s.serverErrorPage(w, r, "client", err)
		return
	}
	session, user, err := s.session(w, r)
	switch {
	case err != nil:
		s.serverErrorPage(w, r, "session", err)
	case session == nil:
		s.loggedOut(w, r, req, "")
	default:
		s.logOut(w, r, req, session, user)
	}
}

// readLogoutRequest returns what of a logout request is valid. An error is a fault of
// ours.
func (s *Server) readLogoutRequest(r *http.Request, q url.Values) (*logoutRequest, error) {
	req := &logoutRequest{noWay: q.Has(fieldNoWay)}
	id := idp.ClientID(q.Get("client_id"))
	if token := q.Get("id_token_hint"); token != "" {
		h, err := s.readHint(token, s.issuerAt(r.Context()))
		switch {
		case err != nil:
			dropped(r, "id_token_hint")
		case id != "" && !h.isFor(id):
			// One of the two is wrong, and nobody knows which.
			dropped(r, "id_token_hint of another client")
			return req, nil
		default:
			req.hinted, req.session = true, h.Session
			if id == "" && len(h.Audience) > 0 {
				id = idp.ClientID(h.Audience[0])
			}
		}
	}
	if id == "" {
		// Without a client there is nothing to compare the URI with: the person
		// can sign out, and is redirected nowhere.
		return req, nil
	}
	c, err := s.conf.Store.Client(r.Context(), id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		dropped(r, "client unknown")
		return req, nil
	case err != nil:
		return nil, err
	case c.Disabled:
		dropped(r, "client disabled")
		return req, nil
	case !belongs(r.Context(), c):
		dropped(r, "client of the other issuer")
		s.rejectedElsewhere(r.Context(), c)
		return req, nil
	}
	req.client = c
	if uri := q.Get("post_logout_redirect_uri"); uri != "" {
		if !slices.Contains(c.PostLogoutURIs, uri) {
			s.rejected(r.Context(), c, idp.RejectedSignOutAddress, redactedURI(uri), c.PostLogoutURIs...)
			req.noWay = true
			return req, nil
		}
		req.uri, req.state = uri, q.Get("state")
	}
	return req, nil
}

// session returns the live session of the browser and its person; nil where there is
// none.
func (s *Server) session(w http.ResponseWriter, r *http.Request) (*idp.Session, *idp.User, error) {
	b, err := s.conf.Browsers.Browser(w, r)
	if err != nil || b.Session == "" {
		return nil, nil, err
	}
	session, user, err := s.conf.Logins.Session(r.Context(), b)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil, nil
	}
	return session, user, err
}

// logOut ends the session with every token of it, and answers. The client that asks gets
// a logout token by back channel like every other of the session (OpenID Connect
// Back-Channel Logout 1.0): it may have the session in more than this browser's tab.
func (s *Server) logOut(w http.ResponseWriter, r *http.Request, req *logoutRequest, session *idp.Session, user *idp.User) {
	err := s.conf.Logins.SignOut(r.Context(), idp.Actor{User: user.ID, Name: user.Name}, session)
	if err != nil && !errors.Is(err, idp.ErrNotFound) && !errors.Is(err, idp.ErrSettled) {
		s.serverErrorPage(w, r, "ending a session", err)
		return
	}
	s.loggedOut(w, r, req, session.ID)
}

// loggedOut takes the session cookie away and redirects to the client, or shows a page
// where there is no URI to redirect to. ended is the session that was, if any.
func (s *Server) loggedOut(w http.ResponseWriter, r *http.Request, req *logoutRequest, ended idp.SessionID) {
	if err := s.conf.Browsers.ClearSession(w, r); err != nil {
		s.serverErrorPage(w, r, "session cookie", err)
		return
	}
	if req.uri == "" {
		s.conf.Pages.SignedOut(w, r, req.name(), ended, req.noWay && req.client != nil)
		return
	}
	if req.state == "" {
		redirect(w, req.uri)
		return
	}
	redirect(w, withQuery(req.uri, url.Values{"state": {req.state}}))
}

// fields are the parameters that the confirming page posts back.
func (req *logoutRequest) fields() url.Values {
	f := url.Values{}
	if req.client != nil {
		f.Set("client_id", string(req.client.ID))
	}
	if req.uri != "" {
		f.Set("post_logout_redirect_uri", req.uri)
	}
	if req.state != "" {
		f.Set("state", req.state)
	}
	if req.noWay {
		f.Set(fieldNoWay, "1")
	}
	return f
}

// name is the client_name of the client that asks, or empty.
func (req *logoutRequest) name() string {
	if req.client == nil {
		return ""
	}
	return req.client.Name
}
