package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"hilum/idp"
)

// logoutRequest is a validated logout request (RP-Initiated Logout 1.0, section 2).
type logoutRequest struct {
	client  *idp.Client // that asks; nil: it says nothing of a client
	session string      // sid of the id_token_hint, or empty
	hinted  bool        // with an ID token of ours as id_token_hint
	uri     string      // post_logout_redirect_uri, registered for client; or empty
	state   string
}

// endSession is the logout endpoint: it signs a person out at a client's wish (OpenID
// Connect RP-Initiated Logout 1.0, section 2). Any site can make a browser ask for this,
// so the person is asked, unless the request brings an ID token of the very session
// that this browser has. The browser is sent back to a client only by a post-logout
// redirect URI that is registered (section 3); what is wrong is shown to the person.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		s.requestErrorPage(w, r, keySignOut, "query too long")
		return
	}
	q, err := parseForm(r.URL.RawQuery)
	if err != nil {
		s.requestErrorPage(w, r, keySignOut, "query malformed")
		return
	}
	req, reason, err := s.readLogoutRequest(r, q)
	switch {
	case err != nil:
		s.serverErrorPage(w, r, "client", err)
		return
	case reason != "":
		s.requestErrorPage(w, r, keySignOut, reason)
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
		s.conf.Pages.ConfirmSignOut(w, r, pathConfirm, req.fields(), req.name())
	}
}

// endSessionPost takes a logout request by POST; a form of another site brings no
// cookies, see authorizePost.
func (s *Server) endSessionPost(w http.ResponseWriter, r *http.Request) {
	s.redirectToGet(w, r, pathEndSession, keySignOut)
}

// endSessionConfirm takes the person's yes, a form of our own page. Its fields are
// validated as if they came from anywhere.
func (s *Server) endSessionConfirm(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(r)
	if err != nil || r.URL.RawQuery != "" {
		s.requestErrorPage(w, r, keySignOut, "form malformed")
		return
	}
	req, reason, err := s.readLogoutRequest(r, form)
	switch {
	case err != nil:
		s.serverErrorPage(w, r, "client", err)
		return
	case reason != "":
		s.requestErrorPage(w, r, keySignOut, reason)
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

// readLogoutRequest validates a logout request. reason says, for the log, what is wrong
// with it; an error is a fault of ours.
func (s *Server) readLogoutRequest(r *http.Request, q url.Values) (req *logoutRequest, reason string, err error) {
	req = &logoutRequest{state: q.Get("state")}
	id := idp.ClientID(q.Get("client_id"))
	if token := q.Get("id_token_hint"); token != "" {
		h, err := s.readHint(token)
		switch {
		case err != nil:
			return nil, "id_token_hint", nil //nolint:nilerr // the caller's fault
		case id != "" && !h.isFor(id):
			return nil, "id_token_hint of another client", nil
		case id == "" && len(h.Audience) > 0:
			id = idp.ClientID(h.Audience[0])
		}
		req.hinted, req.session = true, h.Session
	}
	if id != "" {
		c, err := s.conf.Store.Client(r.Context(), id)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			return nil, "client unknown", nil
		case err != nil:
			return nil, "", err
		case c.Disabled:
			return nil, "client disabled", nil
		}
		req.client = c
	}
	// Without a client there is nothing to compare the URI with: the person
	// can sign out, and is redirected nowhere.
	if uri := q.Get("post_logout_redirect_uri"); uri != "" && req.client != nil {
		if !slices.Contains(req.client.PostLogoutURIs, uri) {
			s.rejected(r.Context(), req.client, idp.RejectedSignOutAddress, redactedURI(uri), req.client.PostLogoutURIs...)
			return nil, "post_logout_redirect_uri", nil
		}
		req.uri = uri
	}
	return req, "", nil
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
		s.conf.Pages.SignedOut(w, r, req.name(), ended)
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
	return f
}

// name is the client_name of the client that asks, or empty.
func (req *logoutRequest) name() string {
	if req.client == nil {
		return ""
	}
	return req.client.Name
}
