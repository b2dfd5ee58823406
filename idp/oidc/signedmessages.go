package oidc

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/claim"
)

// Media types of messages that are signed.
const (
	kindJWT           = "application/jwt"                     // OpenID Connect Core 1.0, section 5.3.2
	kindIntrospection = "application/token-introspection+jwt" // RFC 9701, section 5
	typeIntrospection = "token-introspection+jwt"
	// typeNone is for JWTs whose standard names no type. Libraries refuse one that they do not
	// know, and JWT is what our ID tokens say: without it none passes for one as a hint.
	typeNone = ""
)

// responseTTL is the lifetime of a signed authorization response (JARM, section 2.1: ten
// minutes at most).
const responseTTL = 5 * time.Minute

// appendParties begins a JWT from us for a client: iss and aud. The caller goes on.
func (s *Server) appendParties(b []byte, c *idp.Client) []byte {
	b = append(b, `{"iss":`...)
	b = claim.AppendString(b, s.issuerOf(c))
	b = append(b, `,"aud":`...)
	return claim.AppendString(b, string(c.ID))
}

// signFor signs claims for a client, by the algorithm of its registration for that kind of
// message, else by Client.SignedBy. Error: no key signs by it.
func (s *Server) signFor(c *idp.Client, alg, typ string, claims []byte) ([]byte, error) {
	key, err := s.conf.Keys.Signer(c.SignedBy(alg))
	if err != nil {
		return nil, err
	}
	return sign(key, typ, claims)
}

// signedResponse is an authorization response as the one parameter of it that is sent (JWT
// Secured Authorization Response Mode, section 2.1): a JWT of its parameters.
func (s *Server) signedResponse(c *idp.Client, params url.Values) (url.Values, error) {
	b := s.appendParties(make([]byte, 0, 512), c)
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, s.now().Add(responseTTL))
	for _, name := range []string{"code", "error", "error_description", "state"} {
		if v := params.Get(name); v != "" {
			b = append(b, ',')
			b = claim.AppendString(b, name)
			b = append(b, ':')
			b = claim.AppendString(b, v)
		}
	}
	signed, err := s.signFor(c, c.Signing.ResponseAlg, typeNone, append(b, '}'))
	if err != nil {
		return nil, err
	}
	return url.Values{"response": {string(signed)}}, nil
}

// introspection answers with the response to an introspection request, as the caller accepts
// it: JSON, or signed for the caller. A signed one has no exp, and no sub of its own, so that
// it passes for no token (RFC 9701, section 5).
func (s *Server) introspection(ctx context.Context, h http.Header, c *idp.Client, body []byte) (result, error) {
	if !acceptsSigned(h) {
		return result{body: body}, nil
	}
	b := s.appendParties(make([]byte, 0, len(body)+256), c)
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, s.now())
	b = append(b, `,"token_introspection":`...)
	b = append(b, body...)
	signed, err := s.signFor(c, c.Signing.IntrospectionAlg, typeIntrospection, append(b, '}'))
	if err != nil {
		return result{}, s.fault(ctx, "signing an introspection response", err)
	}
	return result{signed, []string{kindIntrospection}}, nil
}

// acceptsSigned reports whether a request asks for a signed introspection response (RFC 9701,
// section 4): it names the media type, and prefers none of JSON to it. Wildcards name JSON,
// as they have since before there was another.
func acceptsSigned(h http.Header) bool {
	lists := h.Values("Accept")
	if !slices.ContainsFunc(lists, func(l string) bool { return strings.Contains(strings.ToLower(l), kindIntrospection) }) {
		return false // as most callers ask: nothing more is read
	}
	signed, plain := 0.0, 0.0
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			kind, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			q := 1.0 // RFC 9110, section 12.4.2
			if v, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(v, 64); err != nil || q < 0 || q > 1 {
					q = 0
				}
			}
			if kind == kindIntrospection {
				signed = max(signed, q)
			} else if slices.Contains([]string{"application/json", "application/*", "*/*"}, kind) {
				plain = max(plain, q)
			}
		}
	}
	return signed > 0 && signed >= plain
}
