package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// Error codes of OpenID Connect Client-Initiated Backchannel Authentication Core 1.0, section
// 13.
const (
	codeUnknownUser    = "unknown_user_id"
	codeBindingMessage = "invalid_binding_message"
)

// backchannel is the backchannel authentication endpoint (CIBA Core 1.0, section 7), for
// clients that prove themselves, and poll for the outcome or are told that there is one.
func (s *Server) backchannel(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	c, err := s.authenticate(r.Context(), idp.GrantCIBA)
	if err != nil {
		op.WriteError(w, r, err, nil)
		return
	}
	refuse := func(status int, e *errorResponse) {
		s.rejected(ctx, c, idp.RejectedBackchannel, e.code+": "+e.description)
		writeError(w, status, e.code, e.description)
	}
	if c.Public() { // registered otherwise since
		s.rejected(ctx, c, idp.RejectedPublic, "")
		op.WriteError(w, r, errInvalidClient(), nil)
		return
	}
	if s.conf.AllowBackchannel != nil {
		if retry, ok := s.conf.AllowBackchannel(c.ID); !ok {
			op.WriteError(w, r, s.tooManyAsked(ctx, c, retry), nil)
			return
		}
	}
	p, signed, refused := s.backchannelParametersOf(ctx, c, r.Form)
	var ask *login.Backchannel
	if refused == nil {
		ask, refused = s.readBackchannel(ctx, p, c)
	}
	if refused != nil {
		refuse(http.StatusBadRequest, refused)
		return
	}
	switch err := s.useBackchannel(ctx, signed); {
	case errors.Is(err, idp.ErrReplayed):
		refuse(http.StatusBadRequest, &errorResponse{codeInvalidRequest, "The request object was used before: each needs a jti of its own."})
		return
	case err != nil:
		op.WriteError(w, r, s.fault(ctx, "noting a signed request", err), nil)
		return
	}
	started, err := s.conf.Logins.StartBackchannel(ctx, *ask)
	switch {
	case errors.Is(err, login.ErrNobody):
		s.conf.Log.InfoContext(ctx, "nobody is asked", "id", serve.From(ctx).ID, "client", string(c.ID), "why", err.Error())
		refuse(http.StatusBadRequest, &errorResponse{codeUnknownUser, "The hint is of nobody whose phones can be asked."})
	case errors.Is(err, login.ErrMessage):
		refuse(http.StatusBadRequest, &errorResponse{codeBindingMessage, "A binding_message of 1 to " + strconv.Itoa(login.MaxBindingMessage) + " characters on one line is needed."})
	case errors.Is(err, login.ErrUnasked):
		s.conf.Log.InfoContext(ctx, "nobody is asked", "id", serve.From(ctx).ID, "client", string(c.ID), "why", err.Error())
		refuse(http.StatusForbidden, &errorResponse{codeAccessDenied, "The phones of this person are not asked just now."})
	case errors.Is(err, idp.ErrTooMany):
		op.WriteError(w, r, s.tooManyAsked(ctx, c, idp.ChallengeTTL), nil)
	case err != nil:
		op.WriteError(w, r, s.fault(ctx, "asking phones", err), nil)
	default:
		b := append(make([]byte, 0, 128), `{"auth_req_id":`...)
		b = claim.AppendString(b, started.ID.Reveal())
		b = append(b, `,"expires_in":`...)
		b = strconv.AppendInt(b, int64(started.ExpiresIn/time.Second), 10)
		b = append(b, `,"interval":`...)
		b = strconv.AppendInt(b, int64(started.Interval/time.Second), 10)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(b, '}')) //nolint:gosec // JSON, and said to be; an error: the caller went away
	}
}

// readBackchannel validates a request (CIBA Core 1.0, section 7.1). The errorResponse says
// what is wrong; nil: nothing. user_code is not offered and is ignored, as what is unknown
// is.
func (s *Server) readBackchannel(ctx context.Context, p url.Values, c *idp.Client) (*login.Backchannel, *errorResponse) {
	invalid := func(text string) (*login.Backchannel, *errorResponse) {
		return nil, &errorResponse{codeInvalidRequest, text}
	}
	get := p.Get
	hints := 0
	for _, name := range []string{"login_hint", "id_token_hint", "login_hint_token"} {
		if get(name) != "" {
			hints++
		}
	}
	asked := spaceDelimited(get("scope"))
	ask := &login.Backchannel{
		Request: idp.AuthRequest{Client: c.ID, Scopes: allowedScopes(c, asked), LoginHint: get("login_hint"), ACRValues: wishes(get("acr_values"))},
		Message: get("binding_message"), Address: serve.From(ctx).Address,
	}
	switch {
	case hints != 1:
		return invalid("Exactly one of login_hint and id_token_hint is needed.")
	case get("login_hint_token") != "":
		return invalid("login_hint_token is not supported.")
	case !slices.Contains(asked, scopeOpenID):
		return nil, &errorResponse{codeInvalidScope, "The scope openid is needed."}
	case deniedPurpose(c, asked) != "":
		return nil, errPurpose
	}
	resources, _, refused := readResources(p["resource"], c.Audiences())
	if refused != nil {
		return nil, refused
	}
	ask.Request.Resources = resources
	if text := notificationFault(c, get("client_notification_token")); text != "" {
		return invalid(text)
	}
	ask.Notify = idp.Secret(get("client_notification_token"))
	if token := get("id_token_hint"); token != "" {
		h, err := s.readHint(token, s.issuerOf(c))
		if err != nil || !h.isFor(c.ID) {
			return invalid("id_token_hint is not an ID token of this client.")
		}
		ask.Request.HintUser = s.conf.Subjects.User(c, h.Subject)
	}
	if expiry := get("requested_expiry"); expiry != "" {
		n, err := strconv.ParseUint(expiry, 10, 31)
		if err != nil || n == 0 {
			return invalid("requested_expiry is no positive number of seconds.")
		}
		ask.Expiry = time.Duration(n) * time.Second
	}
	return ask, nil
}
