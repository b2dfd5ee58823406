package oidc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"hilum/idp"
)

// backchannelParameters are the parameters of an authentication request by the back channel
// (CIBA Core 1.0, section 7.1; request_context: FAPI CIBA, section 5.2.2; resource: RFC 8707).
// Others are ignored.
var backchannelParameters = []string{
	"scope", "client_notification_token", "acr_values", "login_hint_token", "id_token_hint", "login_hint", "binding_message", "user_code", "requested_expiry",
	"request_context", "resource",
}

// Lengths of a client_notification_token in characters. It has at least 128 random bits
// (section 7.1): 22 characters of 6 bits each.
const (
	minNotification = 22
	maxNotification = 1024
)

// notificationToken is the form of a client_notification_token: that of Bearer credentials
// (section 7.1; RFC 6750, section 2.1).
var notificationToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// signedBackchannel is a signed authentication request, as it is noted when it is used.
type signedBackchannel struct {
	hash  idp.TokenHash
	until time.Time
}

// backchannelParametersOf returns what counts of an authentication request by the back
// channel: of a client that signs them the claims of its request object, and nothing else may
// stand outside (CIBA Core 1.0, section 7.1.1); of any other the form. A client signs all
// its requests, or none. signed is nil where it does not sign. Errors: as an error response.
func (s *Server) backchannelParametersOf(ctx context.Context, c *idp.Client, form url.Values) (p url.Values, signed *signedBackchannel, refused *errorResponse) {
	invalid := func(text string) (url.Values, *signedBackchannel, *errorResponse) {
		return nil, nil, &errorResponse{codeInvalidRequest, text}
	}
	token := form.Get("request")
	switch {
	case form.Get("request_uri") != "":
		return invalid("request_uri is not supported.")
	case token == "" && c.Backchannel.RequestAlg == "":
		return form, nil, nil
	case token == "":
		return invalid("The client has to sign its authentication requests.")
	case c.Backchannel.RequestAlg == "":
		return invalid("The client is not registered to sign its authentication requests.")
	}
	for _, name := range backchannelParameters {
		if form.Get(name) != "" {
			return invalid("Of a signed request nothing stands outside: " + name)
		}
	}
	members, _, fault := s.verifyRequestObject(ctx, c, token, []string{c.Backchannel.RequestAlg})
	if fault != nil { // there is one code for whatever is wrong with it (section 13)
		return invalid(fault.description)
	}
	var claims objectClaims
	if claims.read(members) != nil {
		return invalid("The claims of the request object are malformed.")
	}
	if text := s.backchannelClaimsFault(c, &claims); text != "" {
		return invalid(text)
	}
	p = url.Values{}
	for _, name := range []string{"request", "request_uri"} {
		if _, sent := members[name]; sent {
			return invalid("A request object holds no request and no request_uri.")
		}
	}
	for _, name := range backchannelParameters {
		raw, sent := members[name]
		if !sent {
			continue
		}
		if many := resourcesIn(name, raw); many != nil {
			p[name] = many
			continue
		}
		v, ok := backchannelParameter(name, raw)
		if !ok {
			return invalid("A parameter in the request object is malformed: " + name)
		}
		if v != "" {
			p.Set(name, v)
		}
	}
	return p, &signedBackchannel{usedHash("backchannel request", string(c.ID), *claims.id), momentOf(*claims.expires).Add(time.Second)}, nil
}

// backchannelClaimsFault says which claim of a signed authentication request is not good;
// empty: all are. Every one of them is demanded (section 7.1.1). Its life is bounded as FAPI
// CIBA has it (section 5.2.2), for all clients, so that what is noted of one that was used is
// bounded too.
func (s *Server) backchannelClaimsFault(c *idp.Client, o *objectClaims) string {
	switch {
	case o.notBefore == nil:
		return "The request object has no nbf."
	case o.issued == nil:
		return "The request object has no iat."
	case o.id == nil || *o.id == "":
		return "The request object has no jti."
	}
	if text, _ := s.claimsFault(c, o, false); text != "" {
		return text
	}
	if text, _ := s.lifeFault(o); text != "" {
		return text
	}
	return ""
}

// backchannelParameter is a claim of a signed authentication request as the parameter of
// that name: a text, for requested_expiry a number too (section 7.1.1), for request_context
// an object.
func backchannelParameter(name string, raw json.RawMessage) (string, bool) {
	var v string
	switch {
	case raw[0] == '"':
		if json.Unmarshal(raw, &v) != nil {
			return "", false
		}
	case name == "requested_expiry" && raw[0] >= '0' && raw[0] <= '9', name == "request_context" && raw[0] == '{':
		v = string(raw)
	default:
		return "", false
	}
	return v, v == "" || goodValue(name, v)
}

// useBackchannel notes that a signed authentication request was used: each is good once.
// Errors: idp.ErrReplayed.
func (s *Server) useBackchannel(ctx context.Context, signed *signedBackchannel) error {
	if signed == nil {
		return nil
	}
	return s.conf.Store.UseJWT(ctx, signed.hash, signed.until)
}

// notificationFault says what is wrong with the client_notification_token of a request;
// empty: nothing. One of a client that polls says nothing, and is ignored.
func notificationFault(c *idp.Client, token string) string {
	switch {
	case !c.Backchannel.Pings():
		return ""
	case token == "":
		return "client_notification_token is missing."
	case len(token) < minNotification || len(token) > maxNotification || !notificationToken.MatchString(token):
		return "client_notification_token is no Bearer token of 22 to 1024 characters."
	}
	return ""
}

// interactionHeader is the header by which who runs an application finds a request in the
// logs of both sides.
const interactionHeader = "X-Fapi-Interaction-Id"

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// repeatInteraction gives a client of FAPI CIBA back the interaction id that it has sent, or
// makes one (FAPI 1.0 Baseline, section 6.2.1). What is no UUID is not repeated.
func repeatInteraction(ctx context.Context, c *idp.Client, h http.Header) {
	a := responseOf(ctx)
	if a == nil || !c.FAPICIBA() {
		return
	}
	id := h.Get(interactionHeader)
	if !uuidForm.MatchString(id) {
		var b [16]byte
		_, _ = rand.Read(b[:])                      // never fails
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 (RFC 9562, section 5.4)
		id = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	a.Header().Set(interactionHeader, id)
}

// wishes are the acr values of a request that we know.
func wishes(sent string) []string {
	return slices.DeleteFunc(spaceDelimited(sent), func(v string) bool { return !slices.Contains(idp.ACRValues, v) })
}
