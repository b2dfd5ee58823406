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

// authorize begins a sign-in for a relying party, or answers at once from a
// live session (OpenID Connect Core 1.0, section 3.1.2).
//
// Until client and redirect URI are known to belong together, whatever is wrong
// is shown to the person here: an error sent to an address that nobody
// registered would make us an open redirector. From there on the relying party
// is told, in the response mode it asked for.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		s.untrusted(w, r, keyRequest, "query too long")
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.untrusted(w, r, keyRequest, "query malformed")
		return
	}
	id, ok := single(q, "client_id")
	if !ok {
		s.untrusted(w, r, keyClient, "client_id missing or repeated")
		return
	}
	c, err := s.conf.Store.Client(r.Context(), idp.ClientID(id))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		serve.From(r.Context()).Note(slog.String("client_sent", shown(id)))
		s.untrusted(w, r, keyClient, "client unknown")
		return
	case err != nil:
		s.faultPage(w, r, "client", err)
		return
	case c.Disabled:
		s.untrusted(w, r, keyClient, "client disabled")
		return
	}
	known(r.Context(), c)
	uri, ok := single(q, "redirect_uri")
	if !ok || !registered(c, uri) {
		s.rejected(r.Context(), c, idp.RejectedAddress, sentAddresses(q["redirect_uri"]), c.RedirectURIs...)
		s.untrusted(w, r, keyRedirect, "redirect_uri")
		return
	}
	to := destinationOf(q, uri)
	req, why := s.readRequest(q, c, to)
	if why != nil {
		s.refuse(w, r, to, why)
		return
	}
	b, err := s.conf.Browsers.Browser(w, r)
	if err != nil {
		s.refuse(w, r, to, s.faultRefusal(r, "browser", err))
		return
	}
	answer, step, err := s.conf.Logins.Authorize(r.Context(), *req, b)
	switch {
	case err != nil:
		s.refuse(w, r, to, s.loginRefusal(r, err))
	case answer != nil:
		s.finish(w, r, answer)
	default:
		redirect(w, s.conf.Pages.LoginPath(step.ID))
	}
}

// sentAddresses are the addresses of a request as people may see them; more than one
// is a fault of its own.
func sentAddresses(all []string) string {
	out := make([]string, 0, 3)
	for _, uri := range all[:min(len(all), 3)] {
		out = append(out, address(uri))
	}
	return strings.Join(out, " ")
}

// authorizePost takes a request by form. A form of another site brings no
// cookies, so the browser is sent on to ask the same by GET, with cookies; what
// the request says is looked at there.
func (s *Server) authorizePost(w http.ResponseWriter, r *http.Request) {
	s.again(w, r, pathAuthorize, keyRequest)
}

// again answers a form by a redirect to the same request as GET, or by an error
// page with the key given.
func (s *Server) again(w http.ResponseWriter, r *http.Request, path, key string) {
	body, err := readBody(r)
	if err != nil || r.URL.RawQuery != "" {
		s.refusePage(w, r, key, "form malformed")
		return
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		s.refusePage(w, r, key, "form malformed")
		return
	}
	query := form.Encode()
	if len(query) > maxQuery {
		s.refusePage(w, r, key, "form too long")
		return
	}
	redirect(w, path+"?"+query)
}

// collect gives the relying party the answer of a finished sign-in, once, to
// the browser that the sign-in is bound to. The session cookie is set here and
// nowhere before.
func (s *Server) collect(w http.ResponseWriter, r *http.Request) {
	b, err := s.conf.Browsers.Browser(w, r)
	if err != nil {
		s.faultPage(w, r, "browser", err)
		return
	}
	answer, err := s.conf.Logins.Collect(r.Context(), idp.LoginID(r.PathValue("id")), b)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		s.conf.Pages.ErrorPage(w, r, http.StatusNotFound, keyGone)
	case errors.Is(err, idp.ErrSettled):
		s.conf.Pages.ErrorPage(w, r, http.StatusConflict, keySettled)
	case errors.Is(err, idp.ErrExpired):
		s.conf.Pages.ErrorPage(w, r, http.StatusGone, keyExpired)
	case err != nil:
		s.faultPage(w, r, "collecting", err)
	default:
		s.finish(w, r, answer)
	}
}

// finish sets the session cookie, if there is a new one, and answers the
// relying party. The client is looked at once more: it may have been disabled,
// or have lost the redirect URI, while the person signed in.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, a *login.Answer) {
	if a.Purpose != idp.ForClient {
		s.refusePage(w, r, keyGone, "not for a relying party")
		return
	}
	c, err := s.conf.Store.Client(r.Context(), a.Request.Client)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		s.faultPage(w, r, "client", err)
		return
	}
	known := err == nil && !c.Disabled && registered(c, a.Request.RedirectURI)
	to := destination{uri: a.Request.RedirectURI, mode: a.Request.ResponseMode, state: a.Request.State}
	if a.Session != "" {
		if err := s.conf.Browsers.SetSession(w, r, a.Session, a.Known); err != nil && known {
			s.refuse(w, r, to, s.faultRefusal(r, "session cookie", err))
			return
		} else if err != nil {
			s.faultPage(w, r, "session cookie", err)
			return
		}
	}
	if !known {
		if err == nil && !c.Disabled {
			s.rejected(r.Context(), c, idp.RejectedAddress, address(a.Request.RedirectURI), c.RedirectURIs...)
		}
		s.refusePage(w, r, keyClient, "client changed meanwhile")
		return
	}
	if a.Denied || a.Code == "" {
		s.refuse(w, r, to, &refusal{codeAccessDenied, "The sign-in was denied."})
		return
	}
	s.send(w, r, to, url.Values{"code": {a.Code.Reveal()}})
}

// loginRefusal says to a relying party what login.Flow said.
func (s *Server) loginRefusal(r *http.Request, err error) *refusal {
	switch {
	case errors.Is(err, login.ErrLoginRequired):
		return &refusal{codeLoginRequired, "The person has to sign in."}
	case errors.Is(err, login.ErrConsentRequired):
		return &refusal{codeConsentRequired, "The person has to consent."}
	case errors.Is(err, login.ErrInteractionRequired):
		return &refusal{codeInteractionRequired, "The person has to be asked."}
	case errors.Is(err, login.ErrNotAdmitted):
		return &refusal{codeAccessDenied, "The person may not sign in to this application."}
	case errors.Is(err, idp.ErrBusy), errors.Is(err, idp.ErrTooMany):
		return &refusal{codeUnavailable, "Too many sign-ins at once; try again soon."}
	}
	if errors.Is(err, idp.ErrUnwritable) {
		s.logFault(r.Context(), "authorizing", err)
		return &refusal{codeUnavailable, "Nothing can be kept for now; try again later."}
	}
	return s.faultRefusal(r, "authorizing", err)
}

func (s *Server) faultRefusal(r *http.Request, what string, err error) *refusal {
	return &refusal{codeServerError, s.logFault(r.Context(), what, err)}
}

// refusePage shows the person why they are not sent anywhere; reason goes to
// the request's log line.
func (s *Server) refusePage(w http.ResponseWriter, r *http.Request, key, reason string) {
	serve.From(r.Context()).Note(slog.String("reason", reason))
	s.conf.Pages.ErrorPage(w, r, http.StatusBadRequest, key)
}

// untrusted is refusePage where no relying party is known that could be told,
// within the bound of the address.
func (s *Server) untrusted(w http.ResponseWriter, r *http.Request, key, reason string) {
	if s.conf.AllowPage != nil {
		if retry, ok := s.conf.AllowPage(serve.From(r.Context()).Address); !ok {
			serve.From(r.Context()).Note(slog.String("limit", "authorize"), slog.String("reason", reason))
			w.Header().Set("Retry-After", serve.RetryAfter(retry))
			s.conf.Pages.ErrorPage(w, r, http.StatusTooManyRequests, serve.KeyTooMany)
			return
		}
	}
	s.refusePage(w, r, key, reason)
}

func (s *Server) faultPage(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.logFault(r.Context(), what, err)
	if errors.Is(err, idp.ErrUnwritable) {
		s.conf.Pages.ErrorPage(w, r, http.StatusServiceUnavailable, keyUnwritable)
		return
	}
	s.conf.Pages.ErrorPage(w, r, http.StatusInternalServerError, keyServer)
}

// foreign refuses a form that another site had posted.
func (s *Server) foreign(w http.ResponseWriter, r *http.Request) {
	setNoStore(w.Header())
	s.conf.Pages.ErrorPage(w, r, http.StatusForbidden, keyForeign)
}
