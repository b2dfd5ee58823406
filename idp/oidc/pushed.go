package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/serve"
)

// pushedPrefix begins the request_uri of a pushed authorization request (RFC 9126, section
// 2.2); the handle follows.
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// push is the pushed authorization request endpoint (RFC 9126, section 2). A request is
// validated as at the authorization endpoint, but by a client that has proven who it is
// and is told in JSON what is wrong; only what was pushed counts later.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	c, err := s.authenticate(r.Context(), idp.GrantCode)
	if err != nil {
		op.WriteError(w, r, err, nil)
		return
	}
	refuse := func(e *errorResponse) {
		s.rejected(ctx, c, idp.RejectedPushed, e.code+": "+e.description)
		writeError(w, http.StatusBadRequest, e.code, e.description)
	}
	if c.Public() && s.conf.AllowPush != nil {
		if retry, ok := s.conf.AllowPush(serve.From(ctx).Address); !ok {
			tooManyPushed(w, retry)
			return
		}
	}
	if r.Form.Has("request_uri") {
		refuse(&errorResponse{codeInvalidRequest, "A pushed request has no request_uri."})
		return
	}
	p := s.parametersOf(ctx, c, r.Form)
	if p.refused != nil {
		writeError(w, http.StatusBadRequest, p.refused.code, p.refused.description)
		return
	}
	uri, ok := single(p.Values, "redirect_uri")
	if !ok || !registered(c, uri) {
		s.rejected(ctx, c, idp.RejectedAddress, redactedURI(p.Get("redirect_uri")), c.RedirectURIs...)
		writeError(w, http.StatusBadRequest, codeInvalidRequest, "The redirect_uri is not registered.")
		return
	}
	if refused := s.unsigned(ctx, c); refused != nil {
		writeError(w, http.StatusBadRequest, refused.code, refused.description)
		return
	}
	req, refused := s.readRequest(p, c, targetOf(p.Values, c, uri))
	if refused != nil {
		refuse(refused)
		return
	}
	if req.Study != "" && c.Public() {
		refuse(errLaunch)
		return
	}
	bound, err := s.tokenProof(ctx, r.Header, pathPushed, c, false)
	if err == nil && bound != nil && req.JKT != "" && req.JKT != bound.jkt {
		s.rejected(ctx, c, idp.RejectedKey, req.JKT)
		err = errProof("dpop_jkt is of another key")
	}
	if err == nil {
		err = s.useProof(ctx, c, bound)
	}
	if err != nil {
		op.WriteError(w, r, err, nil)
		return
	}
	if bound != nil {
		req.JKT = bound.jkt // the code is bound to it as by dpop_jkt (RFC 9449, section 10.1)
	}
	handle := idp.NewToken()
	req.Pushed = idp.PushedIDOf(handle)
	err = s.conf.Store.AddPushed(ctx, &idp.Pushed{ID: req.Pushed, Client: c.ID, Request: *req, ExpiresAt: s.now().Add(idp.PushedTTL)})
	switch {
	case errors.Is(err, idp.ErrTooMany):
		s.rejected(ctx, c, idp.RejectedPushed, "too many")
		tooManyPushed(w, idp.PushedTTL)
		return
	case err != nil:
		op.WriteError(w, r, s.fault(ctx, "pushing a request", err), nil)
		return
	}
	b := append(make([]byte, 0, 160), `{"request_uri":`...)
	b = claim.AppendString(b, pushedPrefix+handle.Reveal())
	b = append(b, `,"expires_in":`...)
	b = strconv.AppendInt(b, int64(idp.PushedTTL/time.Second), 10)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(append(b, '}')) // the caller went away
}

// tooManyPushed is the response to a client with too many requests at once (RFC 9126,
// section 2.3).
func tooManyPushed(w http.ResponseWriter, retry time.Duration) {
	w.Header().Set("Retry-After", serve.RetryAfter(retry))
	writeError(w, http.StatusTooManyRequests, codeUnavailable, "Too many requests at once; try again soon.")
}

// pushedHandle returns the handle of the pushed request that an authorization request
// names; false: it names none.
func pushedHandle(q url.Values) (idp.Secret, bool) {
	for _, uri := range q["request_uri"] {
		if handle, ok := strings.CutPrefix(uri, pushedPrefix); ok && len(q["request_uri"]) == 1 {
			return idp.Secret(handle), true
		}
	}
	return "", false
}

// authorizePushed begins the sign-in of a pushed authorization request (RFC 9126, section
// 4). What else stands in the URL is ignored: it came through the browser.
//
// The request is used up by the code that it gives, in the same transaction (addGrant of
// the store), and not when this page is asked for: a reload, or a program that looks at a
// link before its person does, would take the sign-in away (FAPI 2.0 Security Profile,
// section 5.3.2.2). Until then it can be asked for again while it lives.
func (s *Server) authorizePushed(w http.ResponseWriter, r *http.Request, c *idp.Client, handle idp.Secret) {
	p, why, err := s.pushedRequest(r.Context(), c, handle)
	switch {
	case err != nil:
		s.serverErrorPage(w, r, "pushed request", err)
		return
	case why != "":
		s.rejected(r.Context(), c, idp.RejectedRequestURI, why)
		s.unverifiedErrorPage(w, r, keyPushed, "request_uri "+why)
		return
	}
	// The registration may have changed since.
	if !registered(c, p.Request.RedirectURI) || !c.Allows(idp.GrantCode) {
		s.rejected(r.Context(), c, idp.RejectedAddress, redactedURI(p.Request.RedirectURI), c.RedirectURIs...)
		s.unverifiedErrorPage(w, r, keyRedirect, "redirect_uri")
		return
	}
	if unsigned := s.signedStill(r.Context(), c, &p.Request); unsigned != "" {
		s.rejected(r.Context(), c, idp.RejectedRequestObject, unsigned)
		s.unverifiedErrorPage(w, r, keyPushed, "request object: "+unsigned)
		return
	}
	to := responseTarget{client: c, uri: p.Request.RedirectURI, mode: p.Request.ResponseMode, state: p.Request.State}
	if refused := s.unsigned(r.Context(), c); refused != nil {
		s.sendAuthError(w, r, to, refused)
		return
	}
	s.begin(w, r, to, &p.Request)
}

// pushedRequest returns the request of a handle. why says, for who runs the client, why it
// cannot be used; empty: it can.
func (s *Server) pushedRequest(ctx context.Context, c *idp.Client, handle idp.Secret) (p *idp.Pushed, why string, err error) {
	p, err = s.conf.Store.Pushed(ctx, idp.PushedIDOf(handle))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, "unknown", nil
	case err != nil:
		return nil, "", err
	case p.Client != c.ID:
		return nil, "of another application", nil
	}
	switch live := p.Live(s.now()); {
	case errors.Is(live, idp.ErrSettled):
		return nil, "used", nil
	case live != nil:
		return nil, "expired", nil //nolint:nilerr // said in a word
	}
	return p, "", nil
}
