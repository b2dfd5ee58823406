package oidc

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// authorize is the authorization endpoint (OpenID Connect Core 1.0, section 3.1.2): it
// begins a sign-in, or answers at once from a live session.
//
// Until client and redirect URI are known to belong together, whatever is wrong
// is shown to the person here: an error sent to an address that nobody
// registered would make us an open redirector. From there on errors are
// authorization responses (section 3.1.2.6), in the response mode that was asked for.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		s.unverifiedErrorPage(w, r, keyRequest, "query too long")
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.unverifiedErrorPage(w, r, keyRequest, "query malformed")
		return
	}
	id, ok := single(q, "client_id")
	if !ok {
		s.unverifiedErrorPage(w, r, keyClient, "client_id missing or repeated")
		return
	}
	c, err := s.conf.Store.Client(r.Context(), idp.ClientID(id))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		serve.From(r.Context()).Note(slog.String("client_sent", shown(id)))
		s.unverifiedErrorPage(w, r, keyClient, "client unknown")
		return
	case err != nil:
		s.serverErrorPage(w, r, "client", err)
		return
	case c.Disabled:
		s.unverifiedErrorPage(w, r, keyClient, "client disabled")
		return
	case !belongs(r.Context(), c):
		s.rejectedElsewhere(r.Context(), c)
		s.unverifiedErrorPage(w, r, keyClient, "client of the other issuer")
		return
	}
	identified(r.Context(), c)
	if handle, ok := pushedHandle(q); ok {
		s.authorizePushed(w, r, c, handle)
		return
	}
	p := s.parametersOf(r.Context(), c, q)
	uri, ok := single(p.Values, "redirect_uri")
	if !ok && p.refused != nil {
		s.unverifiedErrorPage(w, r, keyRequest, p.refused.code)
		return
	}
	if !ok || !registered(c, uri) {
		s.rejected(r.Context(), c, idp.RejectedAddress, redactedURIs(p.Values["redirect_uri"]), c.RedirectURIs...)
		s.unverifiedErrorPage(w, r, keyRedirect, "redirect_uri")
		return
	}
	to := targetOf(p.Values, c, uri)
	if c.RequirePushed {
		s.rejected(r.Context(), c, idp.RejectedNotPushed, "")
		s.sendAuthError(w, r, to, &errorResponse{codeInvalidRequest, "The client has to push its authorization requests."})
		return
	}
	if refused := s.unsigned(r.Context(), c); refused != nil {
		s.sendAuthError(w, r, to, refused)
		return
	}
	req, refused := s.readRequest(p, c, to)
	if refused != nil {
		s.sendAuthError(w, r, to, refused)
		return
	}
	if req.Study != "" { // by way of the browser
		s.sendAuthError(w, r, to, errLaunch)
		return
	}
	s.begin(w, r, to, req)
}

// begin begins a sign-in for a validated request, or answers it at once.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, to responseTarget, req *idp.AuthRequest) {
	b, err := s.conf.Browsers.Browser(w, r)
	if err != nil {
		s.sendAuthError(w, r, to, s.serverError(r, "browser", err))
		return
	}
	result, step, err := s.conf.Logins.Authorize(r.Context(), *req, b)
	switch {
	case errors.Is(err, idp.ErrClientDisabled):
		s.requestErrorPage(w, r, keyClient, "client disabled")
	case err != nil:
		s.sendAuthError(w, r, to, s.loginError(r, err))
	case result != nil:
		s.completeSignIn(w, r, result)
	default:
		redirect(w, s.conf.Pages.LoginPath(step.ID))
	}
}

// redactedURIs are the redirect URIs of a request, three at most, as people may see
// them (redactedURI). More than one is a fault of its own.
func redactedURIs(all []string) string {
	out := make([]string, 0, 3)
	for _, uri := range all[:min(len(all), 3)] {
		out = append(out, redactedURI(uri))
	}
	return strings.Join(out, " ")
}

// authorizePost takes an authorization request by POST (OpenID Connect Core 1.0,
// section 3.1.2.1). A form of another site brings no cookies (SameSite), so the browser
// is redirected to the same request by GET, with cookies, where it is looked at.
func (s *Server) authorizePost(w http.ResponseWriter, r *http.Request) {
	query, wrong := formAsQuery(r)
	if wrong != "" {
		s.requestErrorPage(w, r, keyRequest, wrong)
		return
	}
	redirect(w, s.pathAt(r.Context(), pathAuthorize)+"?"+query)
}

// formAsQuery returns the parameters of a form as the query of the same request by GET;
// wrong says, for the log, why there is none.
func formAsQuery(r *http.Request) (query, wrong string) {
	body, err := readBody(r)
	if err != nil || r.URL.RawQuery != "" {
		return "", "form malformed"
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return "", "form malformed"
	}
	if query = form.Encode(); len(query) > maxQuery {
		return "", "form too long"
	}
	return query, ""
}

// collect sends the authorization response of a finished sign-in to the relying party,
// once, by the browser that the sign-in is bound to. The session cookie is set here and
// nowhere before.
func (s *Server) collect(w http.ResponseWriter, r *http.Request) {
	b, err := s.conf.Browsers.Browser(w, r)
	if err != nil {
		s.serverErrorPage(w, r, "browser", err)
		return
	}
	result, err := s.conf.Logins.Collect(r.Context(), idp.LoginID(r.PathValue("id")), b)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		s.conf.Pages.ErrorPage(w, r, http.StatusNotFound, keyGone)
	case errors.Is(err, idp.ErrReplayed):
		s.requestErrorPage(w, r, keyPushed, "request_uri used")
	case errors.Is(err, idp.ErrClientDisabled):
		s.requestErrorPage(w, r, keyClient, "client disabled meanwhile")
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		// Its page says how it stands, and leads on: Back after a sign-in, a step done
		// twice, one whose time is up.
		redirect(w, s.conf.Pages.LoginPath(idp.LoginID(r.PathValue("id"))))
	case err != nil:
		s.serverErrorPage(w, r, "collecting", err)
	default:
		s.completeSignIn(w, r, result)
	}
}

// completeSignIn sets the session cookie, if there is a new one, and sends the
// authorization response. The client is looked at once more: it may have been disabled,
// or have lost the redirect URI or the key of the request, while the person signed in.
func (s *Server) completeSignIn(w http.ResponseWriter, r *http.Request, a *login.Answer) {
	if a.Purpose != idp.ForClient {
		s.requestErrorPage(w, r, keyGone, "not for a relying party")
		return
	}
	c, err := s.conf.Store.Client(r.Context(), a.Request.Client)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		s.serverErrorPage(w, r, "client", err)
		return
	}
	unsigned := ""
	if err == nil {
		unsigned = s.signedStill(r.Context(), c, &a.Request)
	}
	trusted := err == nil && !c.Disabled && registered(c, a.Request.RedirectURI) && unsigned == ""
	to := responseTarget{client: c, uri: a.Request.RedirectURI, mode: a.Request.ResponseMode, state: a.Request.State}
	if a.Request.Polled != "" {
		s.completeDevice(w, r, a)
		return
	}
	if a.Session != "" {
		if err := s.conf.Browsers.SetSession(w, r, a.Session, a.Known); err != nil && trusted {
			s.sendAuthError(w, r, to, s.serverError(r, "session cookie", err))
			return
		} else if err != nil {
			s.serverErrorPage(w, r, "session cookie", err)
			return
		}
	}
	if !trusted {
		switch {
		case err != nil || c.Disabled:
		case unsigned != "":
			s.rejected(r.Context(), c, idp.RejectedRequestObject, unsigned)
		default:
			s.rejected(r.Context(), c, idp.RejectedAddress, redactedURI(a.Request.RedirectURI), c.RedirectURIs...)
		}
		s.requestErrorPage(w, r, keyClient, "client changed meanwhile")
		return
	}
	if a.Denied || a.Code == "" {
		s.sendAuthError(w, r, to, &errorResponse{codeAccessDenied, "The sign-in was denied."})
		return
	}
	s.sendAuthResponse(w, r, to, url.Values{"code": {a.Code.Reveal()}})
}

// loginError is the authorization error response (OpenID Connect Core 1.0, section
// 3.1.2.6; RFC 6749, section 4.1.2.1) for an error of login.Flow.
func (s *Server) loginError(r *http.Request, err error) *errorResponse {
	switch {
	case errors.Is(err, login.ErrLoginRequired):
		return &errorResponse{codeLoginRequired, "The person has to sign in."}
	case errors.Is(err, login.ErrConsentRequired):
		return &errorResponse{codeConsentRequired, "The person has to consent."}
	case errors.Is(err, login.ErrNotAdmitted):
		return &errorResponse{codeAccessDenied, "The person may not sign in to this application."}
	case errors.Is(err, idp.ErrReplayed):
		return &errorResponse{codeInvalidRequestURI, "The request_uri was used before."}
	case errors.Is(err, idp.ErrBusy), errors.Is(err, idp.ErrTooMany):
		return &errorResponse{codeUnavailable, "Too many sign-ins at once; try again soon."}
	}
	if errors.Is(err, idp.ErrUnwritable) {
		s.logFault(r.Context(), "authorizing", err)
		return &errorResponse{codeUnavailable, "Nothing can be kept for now; try again later."}
	}
	return s.serverError(r, "authorizing", err)
}

// serverError logs a fault of ours and returns the authorization error response for it.
// what names the part that failed.
func (s *Server) serverError(r *http.Request, what string, err error) *errorResponse {
	return &errorResponse{codeServerError, s.logFault(r.Context(), what, err)}
}

// requestErrorPage shows the person what is wrong with their request, which is not carried
// out, nor answered to a relying party (400). key as of Pages.ErrorPage; reason goes to the
// request's log line.
func (s *Server) requestErrorPage(w http.ResponseWriter, r *http.Request, key, reason string) {
	serve.From(r.Context()).Note(slog.String("reason", reason))
	s.conf.Pages.ErrorPage(w, r, http.StatusBadRequest, key)
}

// unverifiedErrorPage is requestErrorPage for a request without a client and redirect URI
// that belong together. Beyond what Config.AllowPage allows the client address it is 429.
func (s *Server) unverifiedErrorPage(w http.ResponseWriter, r *http.Request, key, reason string) {
	if s.conf.AllowPage != nil {
		if retry, ok := s.conf.AllowPage(serve.From(r.Context()).Address); !ok {
			serve.From(r.Context()).Note(slog.String("limit", "authorize"), slog.String("reason", reason))
			w.Header().Set("Retry-After", serve.RetryAfter(retry))
			s.conf.Pages.ErrorPage(w, r, http.StatusTooManyRequests, serve.KeyTooMany)
			return
		}
	}
	s.requestErrorPage(w, r, key, reason)
}

// serverErrorPage logs a fault of ours and shows the person that there was one: 503 where
// nothing can be written for now, or what is needed is busy, else 500. what names the part that failed.
func (s *Server) serverErrorPage(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.logFault(r.Context(), what, err)
	switch {
	case errors.Is(err, idp.ErrUnwritable):
		s.conf.Pages.ErrorPage(w, r, http.StatusServiceUnavailable, keyUnwritable)
		return
	case errors.Is(err, idp.ErrBusy):
		s.conf.Pages.ErrorPage(w, r, http.StatusServiceUnavailable, keyBusy)
		return
	}
	s.conf.Pages.ErrorPage(w, r, http.StatusInternalServerError, keyServer)
}

// crossOrigin refuses a form that a page of another origin has posted (403).
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) {
	setNoStore(w.Header())
	s.conf.Pages.ErrorPage(w, r, http.StatusForbidden, keyForeign)
}
