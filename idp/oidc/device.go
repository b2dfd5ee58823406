package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// DeviceAuthorization begins a sign-in for a device without a browser, such as a modality
// (RFC 8628, section 3.1): it gets a code that it keeps and one that it shows. Clients
// authenticate as at the token endpoint; public ones are counted by address, for nobody
// knows who they are.
func (s *Server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	c, err := clientOf(r.Client)
	if err != nil {
		return nil, err
	}
	if !c.Allows(idp.GrantDevice) {
		s.rejected(ctx, c, idp.RejectedGrantType, idp.GrantDevice, c.GrantTypes...)
		return nil, oidc.ErrUnauthorizedClient().WithDescription("The client is not registered for the device grant.")
	}
	if c.Public() && s.conf.AllowPush != nil {
		if retry, ok := s.conf.AllowPush(serve.From(ctx).Address); !ok {
			return nil, s.tooManyAsked(ctx, c, retry)
		}
	}
	scopes := allowedScopes(c, spaceDelimited(r.Form.Get("scope")))
	if len(scopes) == 0 {
		s.rejected(ctx, c, idp.RejectedScope, r.Form.Get("scope"), c.Scopes...)
		return nil, oidc.ErrInvalidScope().WithDescription("No scope that this client may ask for.")
	}
	if purpose := deniedPurpose(c, spaceDelimited(r.Form.Get("scope"))); purpose != "" {
		s.rejected(ctx, c, idp.RejectedScope, purpose, c.Scopes...)
		return nil, oidc.ErrInvalidScope().WithDescription("%s", errPurpose.description)
	}
	resources, bad, refused := readResources(r.Form["resource"], c.Audiences())
	if refused != nil {
		return nil, s.refusedTarget(ctx, c, bad, c.Audiences(), refused)
	}
	req := idp.AuthRequest{Client: c.ID, Scopes: scopes, Resources: resources, Nonce: r.Form.Get("nonce"), UILocales: spaceDelimited(r.Form.Get("ui_locales"))}
	codes, err := s.conf.Logins.StartDevice(ctx, req, serve.From(ctx).Address)
	switch {
	case errors.Is(err, idp.ErrTooMany):
		return nil, s.tooManyAsked(ctx, c, idp.PolledTTL)
	case err != nil:
		return nil, s.fault(ctx, "starting a device", err)
	}
	return op.NewResponse(s.deviceResponse(codes)), nil
}

// deviceResponse is the response to a device (RFC 8628, section 3.2).
func (s *Server) deviceResponse(c *login.DeviceCodes) *oidc.DeviceAuthorizationResponse {
	page := s.conf.Issuer + ConnectPath
	return &oidc.DeviceAuthorizationResponse{
		DeviceCode: c.Device.Reveal(), UserCode: c.User.Reveal(),
		VerificationURI: page, VerificationURIComplete: page + "?user_code=" + c.User.Reveal(), // letters and a hyphen
		ExpiresIn: int(c.ExpiresIn / time.Second), Interval: int(c.Interval / time.Second),
	}
}

// tooManyAsked is the error response to a client that has as many requests waiting as it
// may, or an address that asks too often.
func (s *Server) tooManyAsked(ctx context.Context, c *idp.Client, retry time.Duration) error {
	s.rejected(ctx, c, idp.RejectedPoll, "too many")
	if a := responseOf(ctx); a != nil {
		a.Header().Set("Retry-After", serve.RetryAfter(retry))
	}
	return op.NewStatusError((&oidc.Error{ErrorType: codeUnavailable}).WithDescription("Too many requests at once; try again soon."), http.StatusTooManyRequests)
}

// pollFor answers a client that asks at the token endpoint for the outcome of a request, which
// it names by a parameter (RFC 8628, section 3.4; CIBA Core 1.0, section 10.1).
func (s *Server) pollFor(r *http.Request, c *idp.Client, parameter string) (result, error) {
	if err := missing(r.Form, parameter); err != nil {
		return result{}, err
	}
	return s.poll(r.Context(), c, r.Header, idp.Secret(r.Form.Get(parameter)), r.Form.Get("grant_type"), r.Form["resource"])
}

// poll answers a client that asks for the outcome of a request, by a grant type: with its
// tokens, once, when somebody has said yes. Errors: authorization_pending, slow_down,
// access_denied, expired_token (RFC 8628, section 3.5), invalid_grant for a code that nobody
// has, another client's, or one that was used. A second use revokes what the first has given,
// as with authorization codes.
func (s *Server) poll(ctx context.Context, c *idp.Client, h http.Header, code idp.Secret, grant string, resources []string) (result, error) {
	x5t, err := s.boundCertificate(ctx, c)
	if err != nil {
		return result{}, err
	}
	bound, err := s.tokenProof(ctx, h, pathToken, c, c.DPoP)
	if err != nil {
		return result{}, err
	}
	now, id := s.now(), idp.PolledIDOf(code)
	var outcome error
	err = s.conf.Store.UpdatePolled(ctx, id, func(p *idp.Polled) error {
		outcome = nil
		if p.Client != c.ID || p.Type != grant {
			return errForeign // and left alone
		}
		outcome = p.Poll(now)
		if p.Live(now) != nil {
			return errAnswered // nothing of it has changed
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errAnswered):
	case errors.Is(err, errForeign):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedForeign)
	case errors.Is(err, idp.ErrNotFound):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedToken)
	default:
		return result{}, s.fault(ctx, "asking for an outcome", err)
	}
	if outcome != nil {
		unanswered(ctx)
	}
	switch {
	case errors.Is(outcome, idp.ErrPending):
		return result{}, oidc.ErrAuthorizationPending().WithDescription("Nobody has answered yet; ask again after the interval.")
	case errors.Is(outcome, idp.ErrTooMany):
		s.rejected(ctx, c, idp.RejectedPoll, "slow_down")
		return result{}, oidc.ErrSlowDown().WithDescription("The client asks too often; it has to leave 5 seconds more between two questions from now on.")
	case errors.Is(outcome, idp.ErrDenied):
		return result{}, oidc.ErrAccessDenied().WithDescription("The sign-in was denied.")
	case outcome != nil:
		return result{}, oidc.ErrExpiredDeviceCode().WithDescription("Nobody has answered in time; begin anew.")
	}
	hash := id.Hash()
	redeemable, g, err := s.conf.Store.IssuedCode(ctx, hash)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedToken)
	case err != nil:
		return result{}, s.fault(ctx, "reading a code", err)
	case g.Client != c.ID || g.Type != grant:
		return result{}, s.invalidGrant(ctx, c, idp.RejectedForeign)
	case !redeemable.UsedAt.IsZero():
		s.rejected(ctx, c, idp.RejectedUsed, "")
		return result{}, s.revokeAndRefuse(ctx, g, now, idp.EventCodeReplayed, "")
	case !now.Before(redeemable.ExpiresAt) || g.Live(now) != nil:
		return result{}, s.invalidGrant(ctx, c, idp.RejectedExpired)
	}
	return s.redeem(ctx, c, g, hash, bound, x5t, resources, now)
}

var (
	errForeign  = errors.New("of another client, or another grant type")
	errAnswered = errors.New("answered")
)

// completeDevice sets the session cookie, if there is a new one, and sends the browser to
// the page that says what became of the device's request.
func (s *Server) completeDevice(w http.ResponseWriter, r *http.Request, a *login.Answer) {
	if a.Session != "" {
		if err := s.conf.Browsers.SetSession(w, r, a.Session, a.Known); err != nil {
			s.serverErrorPage(w, r, "session cookie", err)
			return
		}
	}
	outcome := "done"
	if a.Denied {
		outcome = "denied"
	}
	redirect(w, ConnectedPath+outcome)
}
