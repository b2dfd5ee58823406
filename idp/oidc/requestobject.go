package oidc

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
)

// requestObjectTypes are the typ headers of a request object, in lower case (RFC 9101,
// section 10.8). A JWT that says it is something else, such as a client assertion, is none.
var requestObjectTypes = []string{"", "oauth-authz-req+jwt"}

// maxRequestAge bounds, under FAPI 2.0, how long ago the nbf of a request object may be, and
// how long after it its exp (FAPI 2.0 Message Signing, section 5.3.1).
const maxRequestAge = time.Hour

// parameters is what counts of an authorization request.
type parameters struct {
	url.Values
	// signed is the key that they are signed by, in a request object; nil: they are not.
	signed *idp.RequestKey
	// refused says that the request cannot be carried out. Values then are good for telling
	// the client so, and for nothing else.
	refused *errorResponse
}

// objectFault is why a request object is refused: what its client is told, and what who runs
// the client is.
type objectFault struct {
	errorResponse
	reason idp.RejectionReason
	sent   string
}

// parametersOf returns what counts of an authorization request: the claims of its request
// object, if it has one, and of what stands outside then client_id alone (RFC 9101, sections
// 5 and 6.3). Refusals are noted for who runs the client.
func (s *Server) parametersOf(ctx context.Context, c *idp.Client, sent url.Values) parameters {
	objects := slices.DeleteFunc(slices.Clone(sent["request"]), func(v string) bool { return v == "" })
	refuse := func(p parameters, f *objectFault) parameters {
		s.rejected(ctx, c, f.reason, f.sent)
		p.refused = &f.errorResponse
		return p
	}
	switch {
	case len(sent["request"]) > 1:
		return parameters{Values: sent} // refused as every parameter that is sent twice
	case len(objects) == 0 && c.Signing.RequireRequest:
		return refuse(parameters{Values: sent}, &objectFault{
			errorResponse{codeInvalidRequest, "The client has to sign its authorization requests."}, idp.RejectedNotSigned, "",
		})
	case len(objects) == 0:
		return parameters{Values: sent}
	}
	p, fault := s.readRequestObject(ctx, c, objects[0])
	switch {
	case fault != nil:
		return refuse(parameters{Values: errorTarget(sent, objects[0])}, fault)
	case sent.Get("request_uri") != "":
		return refuse(p, &objectFault{errorResponse{codeInvalidRequest, "A request has request or request_uri, not both."}, idp.RejectedRequestObject, "request_uri"})
	case !agrees(sent["response_type"], p.Get("response_type")) && slices.Contains(spaceDelimited(p.Get("scope")), scopeOpenID):
		// It stands outside for OAuth 2.0 software in between, which must not be told otherwise
		// (OpenID Connect Core 1.0, section 6.1).
		return refuse(p, &objectFault{errorResponse{codeInvalidRequest, "response_type contradicts the request object."}, idp.RejectedRequestObject, "response_type: " + sent.Get("response_type")})
	}
	return p
}

// agrees reports whether what is sent outside of a request object, if anything, is what
// stands in it.
func agrees(outside []string, inside string) bool {
	return !slices.ContainsFunc(outside, func(v string) bool { return v != "" && v != inside })
}

// errorTarget is the parameters by which a client is told that its request object is not
// good: those outside, which came through the browser as well. Response mode and state that
// stand in the object alone are taken from there: they say how the client can be told, and
// which of its requests failed, and whoever made the object could have sent them outside.
// The redirect URI is not: of an object that nobody has signed nothing decides where a
// browser is sent.
func errorTarget(sent url.Values, object string) url.Values {
	target := url.Values{}
	for _, name := range []string{"redirect_uri", "response_mode", "response_type", "state"} {
		target[name] = sent[name]
	}
	parts := strings.Split(object, ".")
	if len(parts) != 3 || len(object) > maxToken {
		return target
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(payload, &members) != nil {
		return target
	}
	for _, name := range []string{"response_mode", "response_type", "state"} {
		var v string
		if target.Get(name) == "" && json.Unmarshal(members[name], &v) == nil && v != "" && goodValue(name, v) {
			target[name] = []string{v}
		}
	}
	return target
}

// readRequestObject verifies a request object by the keys of its client (RFC 9101, section
// 6) and returns the authorization request in it.
func (s *Server) readRequestObject(ctx context.Context, c *idp.Client, token string) (parameters, *objectFault) {
	refuse := func(text, what string) (parameters, *objectFault) {
		return parameters{}, &objectFault{errorResponse{codeInvalidRequestObject, text}, idp.RejectedRequestObject, what}
	}
	if !c.HasJWKS() {
		return parameters{}, &objectFault{
			errorResponse{codeRequestUnsupported, "The client has registered no keys to verify a request object by."},
			idp.RejectedRequestObject, "no keys",
		}
	}
	if !wellFormed(token, maxToken) {
		return refuse("The request object is malformed or too long.", "too long")
	}
	sig, err := jose.ParseSignedCompact(token, joseAlgs(requestAlgs(c)))
	if odd := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &odd) {
		return refuse("The client does not sign request objects by that alg.", "alg: "+string(odd.Got))
	}
	if err != nil || len(sig.Signatures) != 1 {
		return refuse("The request object is no signed JWT.", "not a signed JWT")
	}
	header := sig.Signatures[0].Protected
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	_, named := header.ExtraHeaders[jose.HeaderType]
	short := strings.TrimPrefix(strings.ToLower(typ), "application/") // RFC 7515, section 4.1.9
	if named && short == "" || !slices.Contains(requestObjectTypes, short) {
		return refuse("The typ of a request object is oauth-authz-req+jwt.", "typ: "+typ)
	}
	keys, err := s.keys.of(ctx, c, header.KeyID, header.Algorithm)
	if err != nil {
		p, f := refuse("The keys of the client cannot be read.", err.Error())
		f.reason = idp.RejectedKeys
		return p, f
	}
	if len(keys) == 0 {
		return refuse("The client has no key with that kid and alg.", "kid: "+header.KeyID)
	}
	var payload []byte
	by := slices.IndexFunc(keys, func(k jose.JSONWebKey) bool {
		payload, err = sig.Verify(k.Key)
		return err == nil
	})
	if by < 0 {
		return refuse("The signature of the request object is wrong.", "signature")
	}
	thumbprint, err := keys[by].Thumbprint(crypto.SHA256)
	if err != nil {
		return refuse("The signature of the request object is wrong.", "signature")
	}
	var claims objectClaims
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || members == nil || claims.read(members) != nil {
		return refuse("The claims of the request object are malformed.", "claims")
	}
	if text, what := s.claimsFault(c, &claims); text != "" {
		return refuse(text, what)
	}
	p := parameters{Values: url.Values{}, signed: &idp.RequestKey{Thumbprint: base64.RawURLEncoding.EncodeToString(thumbprint), Alg: header.Algorithm}}
	for _, name := range requestParameters {
		raw, ok := members[name]
		if !ok {
			continue
		}
		if name == "request" || name == "request_uri" { // RFC 9101, section 4
			return refuse("A request object holds no request and no request_uri.", name)
		}
		v, ok := parameterOf(name, raw)
		if !ok {
			return refuse("A parameter in the request object is malformed: "+name, name)
		}
		p.Set(name, v)
	}
	return p, nil
}

// objectClaims is the claims of a request object that are about the JWT (RFC 9101, section
// 4). Times are seconds since 1970, with or without a fraction.
type objectClaims struct {
	issuer, subject, client, id *string
	audience                    audience
	expires, notBefore, issued  *float64
}

// read reads the claims by their exact names: Go would take "EXP" for exp. Error: one is of
// another kind.
func (o *objectClaims) read(members map[string]json.RawMessage) error {
	var errs error
	for name, to := range map[string]any{
		"iss": &o.issuer, "sub": &o.subject, "client_id": &o.client, "jti": &o.id, "aud": &o.audience,
		"exp": &o.expires, "nbf": &o.notBefore, "iat": &o.issued,
	} {
		if raw, ok := members[name]; ok {
			errs = errors.Join(errs, json.Unmarshal(raw, to))
		}
	}
	return errs
}

// claimsFault says which claim of a request object is not good, for the client and for who
// runs it; empty: all are. exp is demanded of every client: an object without would be good
// for ever to whoever has read it once.
func (s *Server) claimsFault(c *idp.Client, o *objectClaims) (text, what string) {
	now := s.now()
	ahead := now.Add(clockSkew)
	switch {
	case o.issuer == nil || *o.issuer != string(c.ID):
		return "The iss of the request object is the client_id.", "iss: " + textOf(o.issuer)
	case o.client != nil && *o.client != string(c.ID):
		return "The client_id of the request object is another client's.", "client_id: " + textOf(o.client)
	case o.subject != nil && *o.subject == string(c.ID):
		// So a client assertion has it: neither shall pass for the other (RFC 9101, section 10.8).
		return "The sub of a request object is not the client_id.", "sub: " + textOf(o.subject)
	case !slices.Contains(o.audience, s.issuerOf(c)):
		return "The aud of the request object is the issuer.", "aud: " + strings.Join(o.audience, " ")
	case o.id != nil && len(*o.id) > maxJTI:
		return "The jti of the request object is too long.", "jti"
	case o.expires == nil:
		return "The request object has no exp.", "exp is missing"
	case !now.Before(momentOf(*o.expires)):
		return "The request object has expired.", "exp is past"
	case o.notBefore != nil && momentOf(*o.notBefore).After(ahead):
		return "The nbf of the request object is ahead.", "nbf is ahead"
	case o.issued != nil && momentOf(*o.issued).After(ahead):
		return "The iat of the request object is ahead.", "iat is ahead"
	case !c.FAPI2():
		return "", ""
	case o.notBefore == nil:
		return "The request object has no nbf.", "nbf is missing"
	case now.Sub(momentOf(*o.notBefore)) > maxRequestAge:
		return "The nbf of the request object is more than 60 minutes ago.", "nbf is long ago"
	case momentOf(*o.expires).Sub(momentOf(*o.notBefore)) > maxRequestAge:
		return "The exp of the request object is more than 60 minutes after its nbf.", "exp is too far ahead"
	}
	return "", ""
}

func textOf(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

// parameterOf is a member of a request object as the parameter of that name: a text, for
// max_age a number too, for claims an object (RFC 9101, section 4; OpenID Connect Core 1.0,
// section 6.1).
func parameterOf(name string, raw json.RawMessage) (string, bool) {
	var v string
	if json.Unmarshal(raw, &v) == nil && raw[0] == '"' {
		return v, true
	}
	switch {
	case name == "max_age" && raw[0] >= '0' && raw[0] <= '9':
		return string(raw), true
	case name == "claims" && raw[0] == '{':
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return "", false
		}
		return b.String(), true
	}
	return "", false
}

// requestAlgs are the algorithms by which a client may sign its request objects: the one that
// it has registered, else those of its assertions. none is never one of them.
func requestAlgs(c *idp.Client) []string {
	if c.Signing.RequestAlg != "" {
		return []string{c.Signing.RequestAlg}
	}
	return assertionAlgs(c)
}

// signedStill says what of a request that was good when it was sent is not good any more, for
// its client may not sign so now, or have its response so: the key was taken away, or
// something has to be signed that was not. Empty: it is good. Keys that a client publishes
// are those that were read last.
func (s *Server) signedStill(ctx context.Context, c *idp.Client, req *idp.AuthRequest) string {
	switch {
	case req.Signed == nil && c.Signing.RequireRequest:
		return "not signed"
	case c.SignsMessages() && !strings.HasSuffix(req.ResponseMode, modeSigned):
		return "response_mode: " + req.ResponseMode
	case req.Signed == nil:
		return ""
	case !c.HasJWKS() || !slices.Contains(requestAlgs(c), req.Signed.Alg):
		return "alg: " + req.Signed.Alg
	}
	keys, err := s.keys.of(ctx, c, "", req.Signed.Alg)
	if err != nil {
		return err.Error()
	}
	for i := range keys {
		sum, err := keys[i].Thumbprint(crypto.SHA256)
		if err == nil && base64.RawURLEncoding.EncodeToString(sum) == req.Signed.Thumbprint {
			return ""
		}
	}
	return "key taken away"
}
