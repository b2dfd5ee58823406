package viewer

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha256" // the hashes of at_hash and c_hash
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// skew is how far the provider's clock may be before ours.
const skew = 5 * time.Minute

// asked is what an ID token has to answer to.
type asked struct {
	nonce  string        // that was sent
	code   string        // that the token was redeemed with
	access string        // the access token that came with it
	maxAge time.Duration // how long ago the person may have signed in; less than 0: any time
	before *session      // that is refreshed, without nonce, code and maxAge; nil: a sign-in
}

// verifier takes tokens of the provider for this viewer, signed by the one algorithm
// that is registered for it (OpenID Connect Core 1.0, section 3.1.3.7, rule 7): one that
// the provider uses for others is refused too.
func (v *viewer) verifier(p *oidc.Provider) *oidc.IDTokenVerifier {
	return p.Verifier(&oidc.Config{ClientID: v.conf.ClientID, SupportedSigningAlgs: []string{v.conf.SigningAlg}})
}

// idToken verifies an ID token (OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2) and
// returns its claims. go-oidc checks signature, iss, exp and that aud names us; what
// remains is here. A key that is not known makes it fetch the provider's keys, once
// (section 10.1.1). Errors: what does not hold, in words.
func (v *viewer) idToken(ctx context.Context, p *oidc.Provider, raw string, a asked) (map[string]any, error) {
	if typ := headerType(raw); typ != "" && typ != "JWT" {
		return nil, fmt.Errorf("a token of type %q is no ID token", typ)
	}
	id, err := v.verifier(p).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return nil, err
	}
	azp, named := claims["azp"]
	switch {
	case id.Subject == "":
		return nil, errors.New("the ID token names nobody (sub)")
	case id.IssuedAt.IsZero():
		return nil, errors.New("the ID token does not say when it was issued (iat)")
	case id.IssuedAt.After(time.Now().Add(skew)):
		return nil, errors.New("the ID token was issued in the future (iat)")
	case named && azp != v.conf.ClientID, !named && len(id.Audience) > 1:
		return nil, errors.New("the ID token was issued to another application (azp)")
	}
	if err := halfHash(raw, claims, "at_hash", a.access); err != nil {
		return nil, err
	}
	if a.before != nil {
		return claims, stillTheSame(a.before.claims, claims)
	}
	// An ID token that answers another request may be somebody else's (section 15.5.2).
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return nil, errors.New("the ID token is for another sign-in (nonce)")
	}
	if err := halfHash(raw, claims, "c_hash", a.code); err != nil {
		return nil, err
	}
	if a.maxAge >= 0 {
		at, ok := claims["auth_time"].(float64)
		if !ok || time.Since(time.Unix(int64(at), 0)) > a.maxAge+skew {
			return nil, errors.New("the person signed in too long ago (auth_time)")
		}
	}
	return claims, nil
}

// stillTheSame compares the ID token that a refresh gave with the one of the sign-in
// (OpenID Connect Core 1.0, section 12.2).
func stillTheSame(before, after map[string]any) error {
	for _, name := range []string{"iss", "sub"} {
		if before[name] != after[name] {
			return fmt.Errorf("the new ID token has another %s", name)
		}
	}
	for _, name := range []string{"nonce", "auth_time", "azp"} {
		if now, ok := after[name]; ok && before[name] != now {
			return fmt.Errorf("the new ID token has another %s", name)
		}
	}
	if a, b := audience(before), audience(after); !slices.Equal(a, b) {
		return fmt.Errorf("the new ID token is for %q, not for %q (aud)", b, a)
	}
	return nil
}

// audience returns the claim aud, which is a text or a list of them, in order.
func audience(claims map[string]any) []string {
	var names []string
	switch aud := claims["aud"].(type) {
	case string:
		names = []string{aud}
	case []any:
		for _, a := range aud {
			names = append(names, fmt.Sprint(a))
		}
	}
	slices.Sort(names)
	return names
}

// halfHash compares the claim of that name, where the ID token has it, with the left
// half of the hash of a value, by the hash of the algorithm that the token is signed
// with (OpenID Connect Core 1.0, sections 3.1.3.6 and 3.3.2.11).
func halfHash(raw string, claims map[string]any, name, of string) error {
	claimed, ok := claims[name]
	if !ok {
		return nil
	}
	hash := crypto.SHA512 // of EdDSA with Ed25519
	switch alg := header(raw).Alg; {
	case strings.HasSuffix(alg, "256"):
		hash = crypto.SHA256
	case strings.HasSuffix(alg, "384"):
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(of))
	sum := h.Sum(nil)
	if claimed != base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) {
		return fmt.Errorf("the ID token came with another one than it says (%s)", name)
	}
	return nil
}

// logoutToken verifies what the provider says has ended (OpenID Connect Back-Channel
// Logout 1.0, section 2.6). go-oidc checks signature, iss, aud, exp, that jti and sub or
// sid are there, and that a nonce is not. Errors: what does not hold, in words.
func (v *viewer) logoutToken(ctx context.Context, p *oidc.Provider, raw string) (*oidc.LogoutToken, error) {
	if typ := headerType(raw); typ != "" && typ != "JWT" && typ != "LOGOUT+JWT" {
		return nil, fmt.Errorf("a token of type %q is no logout token", typ)
	}
	token, err := v.verifier(p).VerifyLogout(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims struct {
		Events map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	switch event := claims.Events["http://schemas.openid.net/event/backchannel-logout"]; {
	case !bytes.HasPrefix(bytes.TrimSpace(event), []byte("{")):
		return nil, errors.New("the logout event is no JSON object")
	case token.IssuedAt.IsZero():
		return nil, errors.New("the logout token does not say when it was issued (iat)")
	case token.IssuedAt.After(time.Now().Add(skew)):
		return nil, errors.New("the logout token was issued in the future (iat)")
	}
	return token, v.once(token)
}

// once notes a logout token, until it has expired. Errors: it was taken before, or too
// many wait to expire.
func (v *viewer) once(token *oidc.LogoutToken) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, until := range v.told {
		if time.Now().After(until) {
			delete(v.told, id)
		}
	}
	if _, ok := v.told[token.TokenID]; ok {
		return errors.New("this logout token was taken before (jti)")
	}
	if len(v.told) >= maxSessions {
		return errors.New("too many logout tokens at once")
	}
	v.told[token.TokenID] = token.Expiry
	return nil
}

// jose is of the header of a JWT what is looked at here (RFC 7515, section 4).
type jose struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
}

// header reads the header of a JWT; of what is none it is empty, and go-oidc says why.
func header(raw string) (h jose) {
	first, _, _ := strings.Cut(raw, ".")
	if b, err := base64.RawURLEncoding.DecodeString(first); err == nil {
		_ = json.Unmarshal(b, &h)
	}
	return h
}

// headerType is the type of a JWT in capitals, without the "application/" that may be
// left out (RFC 7515, section 4.1.9); empty: it says none.
func headerType(raw string) string {
	return strings.TrimPrefix(strings.ToUpper(header(raw).Typ), "APPLICATION/")
}
