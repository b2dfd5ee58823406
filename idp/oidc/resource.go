package oidc

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
)

// Resource indicators (RFC 8707): a client says which APIs it wants tokens for, by their
// absolute URIs, and gets tokens for these alone. It may ask for what stands in the audience of
// its registration, for which its tokens are anyway: asking makes them less, never more.
//
// What is asked for when a grant begins (by an authorization request, pushed or signed or not,
// by a device, by the back channel) is kept with the grant. Each token request may ask for less
// again, for its own access token: a grant for two archives gives a token for one.

// readResources reads the parameter resource, which may be sent more than once: each value one
// of may, byte by byte. bad is the one that is refused, if it can be shown. errorResponse:
// invalid_target; nil: all are good.
func readResources(sent, may []string) (asked []string, bad string, refused *errorResponse) {
	for _, r := range sent {
		switch {
		case r == "", slices.Contains(asked, r):
		case !idp.ValidResource(r):
			return nil, "", &errorResponse{codeInvalidTarget, "A resource is an absolute URI without a fragment."}
		case !slices.Contains(may, r):
			return nil, r, &errorResponse{codeInvalidTarget, "The client may not have tokens for this resource."}
		case len(asked) == idp.MaxResources:
			return nil, "", &errorResponse{codeInvalidTarget, "That is for too many resources at once."}
		default:
			asked = append(asked, r)
		}
	}
	return asked, "", nil
}

// resourcesIn is a claim of a request object that names more than one resource, a list of them
// (RFC 8707, section 2); nil: it is another claim, or names one or none.
func resourcesIn(name string, raw json.RawMessage) []string {
	var many []string
	if name != "resource" || json.Unmarshal(raw, &many) != nil || len(many) == 0 {
		return nil
	}
	return many
}

// audienceFor is what an access token of a grant is for, by what the token request asks for
// (RFC 8707, section 2.2): some of what the grant gives now, or all of it. Errors:
// idp.TakenError, nothing is left of what the grant was asked for; invalid_target.
func (s *Server) audienceFor(ctx context.Context, c *idp.Client, g *idp.Grant, sent []string) ([]string, error) {
	may, err := g.Audiences(c)
	if err != nil {
		return nil, err
	}
	asked, bad, refused := readResources(sent, may)
	switch {
	case refused != nil:
		return nil, s.refusedTarget(ctx, c, bad, may, refused)
	case len(asked) == 0:
		return may, nil
	}
	return asked, nil
}

// refusedTarget notes that a client asked for a target that it may not have, and returns the
// error response. What was asked for is noted without its query: that may name a study.
func (s *Server) refusedTarget(ctx context.Context, c *idp.Client, sent string, may []string, refused *errorResponse) error {
	s.rejected(ctx, c, idp.RejectedTarget, redactedURI(sent), may...)
	return (&oidc.Error{ErrorType: codeInvalidTarget}).WithDescription("%s", refused.description)
}

// checkFormat makes sure that the client gets access tokens of the format that a token request
// asks for, if it does (requested_token_type, IHE IUA, ITI TF-2: 3.71.4.1.2): which that is
// the registration says. Error: invalid_request.
func (s *Server) checkFormat(ctx context.Context, c *idp.Client, form url.Values) error {
	switch asked := form.Get("requested_token_type"); {
	case asked == "", asked == typeOfAccess, asked == typeOfAccessIUA, asked == typeOfJWT && c.AccessFormat == idp.AccessJWT:
		return nil
	default:
		s.rejected(ctx, c, idp.RejectedForm, "requested_token_type")
		return oidc.ErrInvalidRequest().WithDescription("The client is not registered for access tokens of this requested_token_type.")
	}
}

// deniedPurpose is a purpose of use among scopes that the client may not ask for; empty: there
// is none. Other scopes that it may not ask for are left out of what it gets. A purpose is not:
// an application that claims one has to know whether its token says so.
func deniedPurpose(c *idp.Client, asked []string) string {
	for _, scope := range asked {
		if _, ok := idp.PurposeOf(scope); idp.IsPurpose(scope) && (!ok || !c.MayAsk(scope)) {
			return scope
		}
	}
	return ""
}

// errPurpose is the error response for one.
var errPurpose = &errorResponse{codeInvalidScope, "The client may not ask for this purpose_of_use."}
