package oidc

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/jwks"
)

// Headers of RFC 9449, as Go spells them.
const (
	headerProof = "Dpop"
	headerNonce = "Dpop-Nonce"
)

const typeProof = "dpop+jwt" // RFC 9449, section 4.2

// proofAlgs are the algorithms by which proofs may be signed.
var proofAlgs = []string{"PS256", "ES256", "EdDSA"}

// Nonces are made anew every nonceStep, and are good for nonceLife besides.
const (
	nonceStep = time.Minute
	nonceLife = 5 * time.Minute
	nonceMAC  = 16 // bytes
)

// proof is a DPoP proof that was verified: who sends it holds the private key.
type proof struct {
	jkt string // SHA-256 thumbprint of the key (RFC 7638), in base64url
	jti string
}

// proofClaims is the claims of a DPoP proof (RFC 9449, section 4.2).
type proofClaims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	Nonce    string   `json:"nonce"`
	Access   string   `json:"ath"`
}

// faults of a proof, in words for the caller and for who runs the client.
type proofFault string

const faultNonce proofFault = "nonce"

// dpopNonce is a nonce for proofs of this moment (RFC 9449, section 8): when it was made,
// and an HMAC over that. Nothing is stored; every process with the key takes it. It bounds
// how long a proof made beforehand can be used, whatever the clock of the client says.
func (s *Server) dpopNonce(now time.Time) string {
	return s.nonceOf(uint64(now.Unix()) / uint64(nonceStep/time.Second)) //nolint:gosec // after 1970
}

func (s *Server) nonceOf(step uint64) string {
	var b [8 + sha256.Size]byte
	binary.BigEndian.PutUint64(b[:8], step)
	mac := hmac.New(sha256.New, s.conf.NonceKey)
	mac.Write(b[:8])
	mac.Sum(b[8:8])
	return base64.RawURLEncoding.EncodeToString(b[:8+nonceMAC])
}

// goodNonce reports whether a nonce is one of ours that is still good.
func (s *Server) goodNonce(nonce string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != 8+nonceMAC {
		return false
	}
	step, current := binary.BigEndian.Uint64(b), uint64(now.Unix())/uint64(nonceStep/time.Second) //nolint:gosec // after 1970
	return step <= current && current-step <= uint64(nonceLife/nonceStep) &&
		subtle.ConstantTimeCompare([]byte(nonce), []byte(s.nonceOf(step))) == 1
}

// tellNonce gives the caller a nonce for its next proof.
func (s *Server) tellNonce(ctx context.Context) {
	if a := responseOf(ctx); a != nil {
		a.Header().Set(headerNonce, s.dpopNonce(s.now()))
	}
}

// readProof verifies the DPoP proof in the header of a request (RFC 9449, section 4.3) by
// method to a path of ours; access is the token that is sent with it, empty at an endpoint
// that gives tokens. nil without a fault: there is none. Whether it was used before useProof
// says.
func (s *Server) readProof(ctx context.Context, h http.Header, method, path, access string) (*proof, proofFault) {
	header := h[headerProof]
	if len(header) == 0 {
		return nil, ""
	}
	if len(header) != 1 || len(header[0]) > maxToken {
		return nil, "more than one"
	}
	sig, err := jose.ParseSignedCompact(header[0], joseAlgs(proofAlgs))
	if odd := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &odd) {
		return nil, "alg"
	}
	if err != nil || len(sig.Signatures) != 1 {
		return nil, "not a signed JWT with a public key"
	}
	protected := sig.Signatures[0].Protected
	key := protected.JSONWebKey
	switch {
	case protected.ExtraHeaders[jose.HeaderType] != typeProof:
		return nil, "typ"
	case key == nil || !key.Valid() || !key.IsPublic() || !jwks.Fits(key, protected.Algorithm):
		return nil, "jwk"
	}
	payload, err := sig.Verify(key.Key)
	if err != nil {
		return nil, "signature"
	}
	var claims proofClaims
	if json.Unmarshal(payload, &claims) != nil {
		return nil, "claims"
	}
	if fault := s.proofFault(&claims, method, s.base(ctx), path, access); fault != "" {
		return nil, fault
	}
	print, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, "jwk"
	}
	return &proof{jkt: base64.RawURLEncoding.EncodeToString(print), jti: claims.ID}, ""
}

// proofFault says which claim of a proof is not good; empty: all are. The nonce comes last:
// who is asked for another makes the same proof again.
func (s *Server) proofFault(c *proofClaims, method, base, path, access string) proofFault {
	now := s.now()
	switch {
	case c.ID == "" || len(c.ID) > maxJTI:
		return "jti"
	case c.Method != method:
		return "htm"
	case !sameURL(c.URL, base, path):
		return "htu"
	case c.IssuedAt == nil:
		return "iat"
	case momentOf(*c.IssuedAt).After(now.Add(clockSkew)), momentOf(*c.IssuedAt).Before(now.Add(-nonceLife)):
		return "iat"
	}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		if c.Access != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return "ath"
		}
	}
	if !s.goodNonce(c.Nonce, now) {
		return faultNonce
	}
	return ""
}

// sameURL reports whether htu is the URL of a path of ours, without query and fragment and
// in the normal form of RFC 3986, section 6.2, as RFC 9449, section 4.3, has it.
func sameURL(htu, issuer, path string) bool {
	u, err := url.Parse(htu)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	own, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	return strings.EqualFold(u.Scheme, own.Scheme) && normalHost(u) == normalHost(own) && u.JoinPath().Path == own.Path+path
}

// normalHost is the host of a URL in lower case, with its port unless that is the usual one.
func normalHost(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return host + " " + port
}

// tokenProof is the proof of a request to an endpoint that gives tokens, or that pushes a
// request; nil: none was sent and none is needed. Errors: use_dpop_nonce, invalid_dpop_proof
// (RFC 9449, sections 5 and 8).
func (s *Server) tokenProof(ctx context.Context, h http.Header, path string, c *idp.Client, needed bool) (*proof, error) {
	if len(h[headerProof]) == 0 && !needed {
		return nil, nil
	}
	s.tellNonce(ctx)
	p, fault := s.readProof(ctx, h, http.MethodPost, path, "")
	switch {
	case fault == faultNonce:
		s.rejected(ctx, nil, idp.RejectedNonce, "")
		return nil, (&oidc.Error{ErrorType: codeUseNonce}).WithDescription("Use the nonce in DPoP-Nonce.")
	case fault != "":
		s.rejected(ctx, c, idp.RejectedProof, string(fault))
		return nil, errProof(fault)
	case p == nil:
		s.rejected(ctx, c, idp.RejectedNoProof, "")
		return nil, errProof("missing")
	}
	return p, nil
}

// errProof is the error response for a proof that is not good.
func errProof(fault proofFault) error {
	return (&oidc.Error{ErrorType: codeInvalidProof}).WithDescription("The DPoP proof is not good: %s.", string(fault))
}

// useProof notes that a proof was used; nil for none. Errors: invalid_dpop_proof, it was
// used before; a fault of ours that is logged.
func (s *Server) useProof(ctx context.Context, c *idp.Client, p *proof) error {
	if p == nil {
		return nil
	}
	err := s.conf.Store.UseJWT(ctx, usedHash("DPoP proof", p.jkt, p.jti), s.now().Add(nonceLife+2*nonceStep))
	if errors.Is(err, idp.ErrReplayed) {
		s.rejected(ctx, c, idp.RejectedProof, "used before")
		return errProof("used before")
	}
	if err != nil {
		return s.fault(ctx, "noting a DPoP proof", err)
	}
	return nil
}

// thumbprint is the jkt of a proof; empty: there is none.
func (p *proof) thumbprint() string {
	if p == nil {
		return ""
	}
	return p.jkt
}

// byProof reports whether the Authorization header has an access token that is bound to a
// key (RFC 9449, section 7.1).
func byProof(h http.Header) bool {
	scheme, _, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "DPoP")
}

// checkBound makes sure that an access token, of which t is kept, is used as it was issued, at
// userinfo: one that is bound to a key with a proof of that key, any other as a bearer token.
// Errors: 401 with a challenge (RFC 9449, section 7.1).
func (s *Server) checkBound(r *http.Request, c *idp.Client, t *idp.AccessToken, access string) error {
	ctx := r.Context()
	bound := byProof(r.Header)
	if !sameCertificate(ctx, t.X5T) { // RFC 8705, section 3
		return s.invalidToken(ctx, r.Header)
	}
	if t.X5T != "" && c.ByCertificate() { // it may have been taken from the registration since
		if reason, sent := s.certificateFault(ctx, c); reason != "" {
			s.rejected(ctx, c, reason, sent)
			return s.invalidToken(ctx, r.Header)
		}
	}
	switch {
	case t.JKT == "" && !bound:
		return nil
	case t.JKT == "":
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidToken, Description: "The access token is bound to no key."})
	case !bound:
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidToken, Description: "The access token is bound to a key."})
	}
	s.tellNonce(ctx)
	p, fault := s.readProof(ctx, r.Header, r.Method, pathUserinfo, access)
	switch {
	case fault == faultNonce:
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeUseNonce, Description: "Use the nonce in DPoP-Nonce."})
	case fault != "":
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidProof, Description: "The DPoP proof is not good: " + string(fault) + "."})
	case p == nil:
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidProof, Description: "The DPoP proof is not good: missing."})
	case p.jkt != t.JKT:
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidToken, Description: "The access token is bound to another key."})
	}
	err := s.useProof(ctx, c, p)
	if refused := (*oidc.Error)(nil); errors.As(err, &refused) && string(refused.ErrorType) == codeInvalidProof {
		return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidProof, Description: refused.Description})
	}
	return err
}

// refuseBound is the error response of a resource to a token or proof that is not good.
func (s *Server) refuseBound(ctx context.Context, e *oidc.Error) error {
	if a := responseOf(ctx); a != nil {
		a.Header().Set("WWW-Authenticate", `DPoP error="`+string(e.ErrorType)+`", algs="`+strings.Join(proofAlgs, " ")+`"`)
	}
	return op.NewStatusError(e, http.StatusUnauthorized)
}

// validThumbprint reports whether a text has the form of a SHA-256 thumbprint in base64url.
func validThumbprint(v string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(v)
	return err == nil && len(b) == sha256.Size
}
