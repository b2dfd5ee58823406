package device

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"hilum/idp"
)

// Op is an operation of the device protocol; the typ of its envelope is "<op>+jwt".
type Op string

const (
	OpPair   Op = "pair"
	OpList   Op = "list"
	OpAnswer Op = "answer"
	OpPush   Op = "push"
	OpRename Op = "rename"
	OpUnpair Op = "unpair"
	OpListen Op = "listen"
)

// Ops lists all there are, for the tests.
var Ops = []Op{OpPair, OpList, OpAnswer, OpPush, OpRename, OpUnpair, OpListen}

// timed are the operations that have nothing but the time of signing (iat) to prove that
// they are fresh.
var timed = map[Op]bool{OpList: true, OpPush: true, OpRename: true, OpUnpair: true, OpListen: true}

// once are the operations that change something: each request (jti) is carried out once.
var once = map[Op]bool{OpAnswer: true, OpPush: true, OpRename: true, OpUnpair: true}

// Most is how many bytes an envelope of the operation has at most.
func (op Op) Most() int {
	if op == OpPair {
		return MaxPair
	}
	return MaxEnvelope
}

// Bounds of an envelope.
const (
	MaxEnvelope = 8 << 10  // bytes
	MaxPair     = 32 << 10 // bytes of one to pair, which may hold an attestation
	MinJTI      = 16       // base64url letters: 96 random bits
	MaxJTI      = 64
	MaxSkew     = 120 * time.Second
)

// What is wrong with a request of a device; each is one error of the protocol.
var (
	ErrRequest  = fmt.Errorf("envelope: %w", idp.ErrInvalid) // not a request of this operation
	ErrStranger = errors.New("unknown device or bad signature")
	ErrUnlinked = errors.New("the device was unlinked")
	ErrKey      = errors.New("not a P-256 public key")
	ErrReplaces = errors.New("not the word of a linked device of this account, for this key")
	ErrPairGone = errors.New("the pair code is used or too old")
	ErrLast     = errors.New("the last device stays")
)

// ClockError says that a request was signed at a time too far from ours, which is Now.
type ClockError struct{ Now time.Time }

func (e *ClockError) Error() string { return "the device's clock is wrong" }

// Claims are the claims of a signed request (docs/device-protocol.md); which of them count
// depends on the operation. They are read by the decoder of the JOSE library, which
// compares names letter for letter and refuses a name that stands twice.
type Claims struct {
	Audience string          `json:"aud"`
	IssuedAt *float64        `json:"iat"` // seconds since 1970, with a fraction or without (RFC 7519, section 2)
	JTI      string          `json:"jti"`
	Pair     string          `json:"pair"`
	Account  string          `json:"account"`
	Short    string          `json:"short"`
	Name     string          `json:"name"`
	Platform string          `json:"platform"`
	App      string          `json:"app"`
	Push     json.RawMessage `json:"push"`
	UVKey    json.RawMessage `json:"uv_jwk"`
	Replaces string          `json:"replaces"` // an envelope of its own, see Registry.replaced
	// Attestation is kept room for: what an app can prove of its keys. It is not looked at.
	Attestation json.RawMessage `json:"attestation"`
	Wait        int             `json:"wait"` // seconds
	CID         idp.ChallengeID `json:"cid"`
	DocHash     string          `json:"ch"`
	Decision    string          `json:"decision"`
	Reason      string          `json:"reason"`
	Number      string          `json:"number"`
}

// Request is a signed request whose signature, audience and time are right.
type Request struct {
	Op      Op
	Speaker *idp.Speaker // who has signed it; nil when pairing: nobody is known yet
	// Verified: it is signed by the device's second key, which asks for a fingerprint or PIN.
	Verified bool
	Key      []byte // when pairing: the new device's public key, x and y, 64 bytes
	Claims   Claims
	Seen     idp.Replay // has to be stored in the transaction that carries the request out
}

// Open checks a signed request (a compact JWS, RFC 7515, by ES256 of RFC 7518, section
// 3.4) against the operation that it came in for. Which algorithm and which typ are right
// is ours to say, never the sender's. Errors: ErrRequest, ErrStranger, ErrUnlinked,
// ErrKey, *ClockError.
func (r *Registry) Open(ctx context.Context, op Op, body string) (*Request, error) {
	if len(body) > op.Most() {
		return nil, fmt.Errorf("%d bytes: %w", len(body), ErrRequest)
	}
	jws, err := jose.ParseSignedCompact(body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil && op == OpPair && brokenKey(body) {
		return nil, fmt.Errorf("%w: %v", ErrKey, err) //nolint:errorlint // what it is to us, not to the parser
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	// What a sender calls critical is something that we do not know (RFC 7515, section
	// 4.1.11), also where the library would.
	if _, ok := headerOf(body)["crit"]; ok {
		return nil, fmt.Errorf("crit: %w", ErrRequest)
	}
	head := jws.Signatures[0].Protected
	if typ, _ := head.ExtraHeaders[jose.HeaderType].(string); typ != string(op)+"+jwt" {
		return nil, fmt.Errorf("typ %q for %s: %w", typ, op, ErrRequest)
	}
	req := &Request{Op: op}
	var key *ecdsa.PublicKey
	if op == OpPair {
		if head.KeyID != "" || head.JSONWebKey == nil {
			return nil, fmt.Errorf("pairing needs jwk and no kid: %w", ErrRequest)
		}
		var ok bool
		if key, ok = head.JSONWebKey.Key.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			return nil, ErrKey
		}
		raw, err := key.Bytes() // an error when it is not on the curve
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		req.Key = raw[1:]
	} else {
		if head.KeyID == "" || head.JSONWebKey != nil {
			return nil, fmt.Errorf("%s needs kid and no jwk: %w", op, ErrRequest)
		}
		var id string
		if id, req.Verified = strings.CutSuffix(head.KeyID, uvKey); req.Verified && op != OpAnswer {
			return nil, fmt.Errorf("the second key signs answers only: %w", ErrRequest)
		}
		if req.Speaker, key, err = r.speaker(ctx, idp.DeviceID(id), req.Verified); err != nil {
			return nil, err
		}
	}
	payload, err := jws.Verify(key)
	if err != nil || req.Speaker == nil && op != OpPair {
		return nil, ErrStranger
	}
	if req.Speaker != nil && req.Speaker.Unlinked {
		return nil, ErrUnlinked
	}
	if err := json.Unmarshal(payload, &req.Claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return req, r.fresh(req)
}

// replacement is the typ of the word of a device that another takes its place.
const replacement = "replace+jwt"

// replaced returns the linked device whose place the holder of a new key takes, by that
// device's own word: an envelope with the thumbprint of the new key (jkt, RFC 7638), so
// that it is worth nothing to anybody else. nil where there is no word. Whose device it is
// the caller has to look at. Errors: ErrReplaces.
func (r *Registry) replaced(ctx context.Context, word string, key []byte) (*idp.Device, error) {
	if word == "" {
		return nil, nil
	}
	jws, err := jose.ParseSignedCompact(word, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrReplaces, err) //nolint:errorlint // what it is to us, not to the parser
	}
	head := jws.Signatures[0].Protected
	_, crit := headerOf(word)["crit"]
	if typ, _ := head.ExtraHeaders[jose.HeaderType].(string); typ != replacement || head.KeyID == "" || head.JSONWebKey != nil || crit {
		return nil, fmt.Errorf("%w: header", ErrReplaces)
	}
	old, public, err := r.speaker(ctx, idp.DeviceID(head.KeyID), false)
	if err != nil {
		return nil, err
	}
	var c struct {
		Audience   string   `json:"aud"`
		IssuedAt   *float64 `json:"iat"`
		Thumbprint string   `json:"jkt"`
	}
	payload, err := jws.Verify(public)
	if err != nil || old == nil || old.Unlinked || old.Pairing != "" || json.Unmarshal(payload, &c) != nil {
		return nil, fmt.Errorf("%w: signature", ErrReplaces)
	}
	if c.Audience != r.conf.Issuer || c.IssuedAt == nil || c.Thumbprint != idp.Thumbprint(key) {
		return nil, fmt.Errorf("%w: claims", ErrReplaces)
	}
	return &old.Device, nil
}

// verifying reads the second key of a pairing, a JWK (RFC 7517), as it is kept; nil where
// there is none. Errors: ErrKey, also for the first key once more: what signs without a
// fingerprint or PIN proves none.
func verifying(raw json.RawMessage, first []byte) ([]byte, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return nil, fmt.Errorf("%w: uv_jwk: %v", ErrKey, err) //nolint:errorlint // what it is to us, not to the parser
	}
	key, ok := jwk.Key.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("uv_jwk: %w", ErrKey)
	}
	point, err := key.Bytes() // an error when it is not on the curve
	if err != nil || bytes.Equal(point[1:], first) {
		return nil, fmt.Errorf("uv_jwk: %w", ErrKey)
	}
	return point[1:], nil
}

// headerOf returns the members of an envelope's header; nil where it cannot be read.
func headerOf(body string) map[string]any {
	head, _, _ := strings.Cut(body, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return nil
	}
	var h map[string]any
	if json.Unmarshal(text, &h) != nil {
		return nil
	}
	return h
}

// brokenKey reports whether an envelope that cannot be read is one for pairing
// but for its key.
func brokenKey(body string) bool {
	h := headerOf(body)
	_, ok := h["jwk"].(map[string]any)
	return ok && h["alg"] == string(jose.ES256) && h["typ"] == string(OpPair)+"+jwt"
}

// fresh checks the claims that every request has.
func (r *Registry) fresh(req *Request) error {
	c := &req.Claims
	switch {
	case c.Audience != r.conf.Issuer:
		return fmt.Errorf("meant for %q: %w", c.Audience, ErrRequest)
	case c.IssuedAt == nil:
		return fmt.Errorf("no iat: %w", ErrRequest)
	case len(c.JTI) < MinJTI || len(c.JTI) > MaxJTI:
		return fmt.Errorf("jti of %d letters: %w", len(c.JTI), ErrRequest)
	}
	now := r.conf.Now()
	if timed[req.Op] {
		if skew := *c.IssuedAt - float64(now.Unix()); skew > MaxSkew.Seconds() || -skew > MaxSkew.Seconds() {
			return &ClockError{now}
		}
	}
	if once[req.Op] {
		req.Seen = idp.Replay{Device: req.Speaker.Device.ID, JTI: idp.Secret(c.JTI).Hash(), Until: now.Add(idp.ReplayFor)}
	}
	return nil
}

// uvKey follows the device's id in the kid of an answer that is signed by its second key.
const uvKey = "#uv"

// speaker finds whom a key id (kid) belongs to, and the key: the second one where verified
// says so. The signature of a device that nobody knows, or that has no such key, is
// checked too, by a key that is nobody's: the response takes as long.
func (r *Registry) speaker(ctx context.Context, id idp.DeviceID, verified bool) (*idp.Speaker, *ecdsa.PublicKey, error) {
	s, err := r.conf.Store.Speaker(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nobodysKey, nil
	}
	if err != nil {
		return nil, nil, err
	}
	raw := s.Device.PublicKey
	if verified {
		raw = s.Device.UVKey
	}
	key, err := keyOf(raw)
	if err != nil { // a device that only shows codes
		return nil, nobodysKey, nil //nolint:nilerr // it cannot sign, so it is as unknown
	}
	return s, key, nil
}

// nobodysKey is the base point of P-256; its private key, 1, opens nothing.
var nobodysKey = func() *ecdsa.PublicKey {
	p := elliptic.P256().Params()
	raw := make([]byte, 2*coordinate)
	p.Gx.FillBytes(raw[:coordinate])
	p.Gy.FillBytes(raw[coordinate:])
	k, err := keyOf(raw)
	if err != nil {
		panic(err) // it is a point of the curve
	}
	return k
}()

const coordinate = 32 // bytes of P-256

// uncompressed says that both coordinates follow (SEC 1, section 2.3.3).
const uncompressed = 4

// keyOf reads a public key as it is kept: x and y. Errors: ErrKey.
func keyOf(raw []byte) (*ecdsa.PublicKey, error) {
	if len(raw) != 2*coordinate {
		return nil, ErrKey
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{uncompressed}, raw...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}
