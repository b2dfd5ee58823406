package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/serve"
)

// Error codes of our responses, beside those that the library names: RFC 6749, sections
// 4.1.2.1 and 5.2, where nothing else is said.
const (
	codeInvalidRequest       = "invalid_request"
	codeInvalidClient        = "invalid_client"
	codeInvalidScope         = "invalid_scope"
	codeInvalidToken         = "invalid_token" // RFC 6750
	codeInsufficientScope    = "insufficient_scope"
	codeInvalidTarget        = "invalid_target" // RFC 8707, RFC 8693
	codeUnauthorizedClient   = "unauthorized_client"
	codeUnsupportedGrant     = "unsupported_grant_type"
	codeUnsupportedResponse  = "unsupported_response_type"
	codeAccessDenied         = "access_denied"
	codeServerError          = "server_error"
	codeUnavailable          = "temporarily_unavailable"
	codeRequestUnsupported   = "request_not_supported" // OpenID Connect Core 1.0, section 3.1.2.6
	codeInvalidRequestObject = "invalid_request_object"
	codeRequestURI           = "request_uri_not_supported"
	codeUseNonce             = "use_dpop_nonce" // RFC 9449
	codeInvalidProof         = "invalid_dpop_proof"
	codeInvalidRequestURI    = "invalid_request_uri"
	codeRegistration         = "registration_not_supported"
	codeLoginRequired        = "login_required"
	codeConsentRequired      = "consent_required"
	codeUnmetAuthRequirement = "unmet_authentication_requirements" // OpenID Connect Core Error Code 1.0
)

// Message keys of the error pages of this package.
const (
	keyClient   = "authorize.client"
	keyRedirect = "authorize.redirect"
	keyRequest  = "authorize.request"
	keyPushed   = "authorize.pushed"
	keyGone     = "collect.gone"
	keySignOut  = "signout.bad"
	keyForeign  = "foreign"
	keyServer   = "server"

	keyUnwritable = "unwritable"
	keyBusy       = "busy"
)

// errInvalidGrant is the error response for every code and refresh token that is not
// good, whatever the reason (RFC 6749, section 5.2).
func errInvalidGrant() error {
	return oidc.ErrInvalidGrant().WithDescription("The grant is unknown, expired, used or revoked.")
}

// errInvalidClient is the error response for every client that did not authenticate,
// known or not (RFC 6749, section 5.2).
func errInvalidClient() error {
	return op.NewStatusError(oidc.ErrInvalidClient().WithDescription("Client authentication failed."), http.StatusUnauthorized)
}

// fault logs what went wrong on our side and returns the error response for it: 503 where
// nothing can be written for now, or what is needed is busy, else 500. what names the part that failed.
func (s *Server) fault(ctx context.Context, what string, err error) error {
	status := http.StatusInternalServerError
	if errors.Is(err, idp.ErrUnwritable) || errors.Is(err, idp.ErrBusy) {
		status = http.StatusServiceUnavailable // a caller may come back
	}
	return op.NewStatusError(oidc.ErrServerError().WithDescription("%s", s.logFault(ctx, what, err)), status)
}

// logFault logs a fault of ours and returns the error description for the caller, with
// the reference that finds the log line.
func (s *Server) logFault(ctx context.Context, what string, err error) string {
	id := serve.From(ctx).ID
	level := slog.LevelError
	if ctx.Err() != nil { // the caller went away
		level = slog.LevelInfo
	}
	s.conf.Log.LogAttrs(ctx, level, what, slog.String("id", id), slog.Any("error", err))
	return "Something went wrong on our side. Reference " + id
}

// writeError writes the error response of an endpoint that clients call (RFC 6749,
// section 5.2).
func writeError(w http.ResponseWriter, status int, code, description string) {
	b := make([]byte, 0, 128)
	b = append(b, `{"error":`...)
	b = claim.AppendString(b, code)
	b = append(b, `,"error_description":`...)
	b = claim.AppendString(b, description)
	b = append(b, '}', '\n')
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) //nolint:gosec // JSON, and said to be; an error: the caller went away
}
