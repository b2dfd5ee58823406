package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"hilum/idp"
)

// signOut is a validated end-session request.
type signOut struct {
	client  *idp.Client // that asks, or nil
	session string      // sid of the hint, or empty
	hinted  bool        // an ID token of ours came along
	uri     string      // registered for client, or empty
	state   string
}

// endSession signs a person out at a relying party's wish (OpenID Connect
// RP-Initiated Logout 1.0). Any site can make a browser ask for this, so the
// person is asked, unless the request brings an ID token of the very session
// that this browser has. It leads back to a relying party only by an address
// that is registered; what does not add up is shown here.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		s.refusePage(w, r, keySignOut, "query too long")
		return
	}
	q, err := parseForm(r.URL.RawQuery)
	if err != nil {
		s.refusePage(w, r, keySignOut, "query malformed")
		return
	}
	req, reason, err := s.readSignOut(r, q)
	switch {
	case err != nil:
		s.faultPage(w, r, "client", err)
		return
	case reason != "":
		s.refusePage(w, r, keySignOut, reason)
		return
	}
	session, user, err := s.session(w, r)
	switch {
	case err != nil:
		s.faultPage(w, r, "session", err)
	case session == nil:
		// Nobody was asked, so only an ID token of ours leads back.
		if !req.hinted {
			req.uri = ""
		}
		s.signedOut(w, r, req, "")
	case req.session != "" && req.session == string(session.ID):
		s.end(w, r, req, session, user)
	default:
		s.conf.Pages.ConfirmSignOut(w, r, pathConfirm, req.fields(), req.name())
	}
}

// endSessionPost takes a request by form; a form of another site brings no
// cookies, see authorizePost.
func (s *Server) endSessionPost(w http.ResponseWriter, r *http.Request) {
	s.again(w, r, pathEndSession, keySignOut)
}

// endSessionConfirm is the person's yes, from our own page. The fields came
// from there, and are looked at as if they had not.
func (s *Server) endSessionConfirm(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(r)
	if err != nil || r.URL.RawQuery != "" {
		s.refusePage(w, r, keySignOut, "form malformed")
		return
	}
	req, reason, err := s.readSignOut(r, form)
	switch {
	case err != nil:
		s.faultPage(w, r, "client", err)
		return
	case reason != "":
		s.refusePage(w, r, keySignOut, reason)
		return
	}
	session, user, err := s.session(w, r)
	switch {
	case err != nil:
		s.faultPage(w, r, "session", err)
	case session == nil:
		s.signedOut(w, r, req, "")
	default:
		s.end(w, r, req, session, user)
	}
}

// readSignOut validates an end-session request. A reason says what is wrong
// with it; an error is our fault.
func (s *Server) readSignOut(r *http.Request, q url.Values) (req *signOut, reason string, err error) {
	req = &signOut{state: q.Get("state")}
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
	// Without a client there is nothing to compare the address with: the person
	// can sign out, and is led nowhere.
	if uri := q.Get("post_logout_redirect_uri"); uri != "" && req.client != nil {
		if !slices.Contains(req.client.PostLogoutURIs, uri) {
			s.rejected(r.Context(), req.client, idp.RejectedSignOutAddress, address(uri), req.client.PostLogoutURIs...)
			return nil, "post_logout_redirect_uri", nil
		}
		req.uri = uri
	}
	return req, "", nil
}

// session returns the live session of the browser and its user, or nil.
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

// end ends the session with every token it gave, and sends the person on. The
// party that asks is told by back channel like every other: it may have the
// session in more than this browser's tab.
func (s *Server) end(w http.ResponseWriter, r *http.Request, req *signOut, session *idp.Session, user *idp.User) {
	err := s.conf.Logins.SignOut(r.Context(), idp.Actor{User: user.ID, Name: user.Name}, session)
	if err != nil && !errors.Is(err, idp.ErrNotFound) && !errors.Is(err, idp.ErrSettled) {
		s.faultPage(w, r, "ending a session", err)
		return
	}
	s.signedOut(w, r, req, session.ID)
}

// signedOut takes the cookie away and answers, at the relying party or here.
// ended is the session that was, if any.
func (s *Server) signedOut(w http.ResponseWriter, r *http.Request, req *signOut, ended idp.SessionID) {
	if err := s.conf.Browsers.ClearSession(w, r); err != nil {
		s.faultPage(w, r, "session cookie", err)
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

// fields are what the confirming page posts back.
func (req *signOut) fields() url.Values {
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

// name is what people call the application that asks, or empty.
func (req *signOut) name() string {
	if req.client == nil {
		return ""
	}
	return req.client.Name
}
