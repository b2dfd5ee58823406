package totp

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"hilum/idp"
)

// Sealer encrypts what is stored. row names the row that a value belongs to: it
// opens with no other. idp/keyring implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
}

// Site is what a QR code says of the provider.
type Site struct {
	Label  string // its name in apps: no colon
	Issuer string // its URL
}

// MinAccount is how much of the link is kept for the account's name, in bytes:
// a label and a host that leave less are a fault of the configuration.
const MinAccount = 24

const (
	pairBytes    = 16 // random bytes of the pair parameter
	pairLetters  = 22 // the same in base64url
	shortLetters = 8  // of a short code, 5 bits each
)

// NewPairing makes an offer to link a device: a secret for any authenticator
// app, a code that an app of ours claims it by, and a short one for typing. The
// caller fills in whose it is. Errors: those of the Sealer.
func NewPairing(s Sealer, now time.Time) (*idp.Pairing, error) {
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), CreatedAt: now, ExpiresAt: now.Add(idp.PairingTTL)}
	var raw [pairBytes]byte
	rand.Read(raw[:]) // never fails, by its contract
	code := base64.RawURLEncoding.EncodeToString(raw[:])
	p.Code = idp.Secret(code).Hash()
	short := make([]byte, shortLetters)
	rand.Read(short)
	for i := range short {
		short[i] = crockford[short[i]&31]
	}
	for _, x := range []struct {
		to    *[]byte
		plain []byte
		what  string
	}{{&p.SealedTOTP, NewSecret(), ""}, {&p.SealedCode, []byte(code), "/code"}, {&p.SealedShort, short, "/short"}} {
		var err error
		if *x.to, err = s.Seal(x.plain, string(p.ID)+x.what); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// crockford is an alphabet without letters that are read as others.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Offer is what a page shows of a pairing.
type Offer struct {
	URI    string // otpauth link, with what our own apps read
	Plain  string // the same without, for an app that stumbles over it
	Secret string // base32, for typing
	Short  string // for typing into an app of ours: two groups of four; empty where URI has no pair parameter
}

// Show returns what the page of an open offer shows. Errors: those of the Sealer.
func Show(s Sealer, p *idp.Pairing, site Site) (*Offer, error) {
	secret, err := s.Open(p.SealedTOTP, string(p.ID))
	if err != nil {
		return nil, err
	}
	o := &Offer{Plain: URI(site.Label, p.Account, secret), Secret: Base32(secret)}
	o.URI = o.Plain
	host := Host(site.Issuer)
	if len(p.SealedCode) == 0 || host == "" {
		return o, nil
	}
	code, err := s.Open(p.SealedCode, string(p.ID)+"/code")
	if err != nil {
		return nil, err
	}
	o.URI = URI(site.Label, p.Account, secret, Extra{"idp", host}, Extra{"pair", string(code)})
	short, err := ShortCode(s, p)
	if err != nil {
		return nil, err
	}
	o.Short = short[:4] + "-" + short[4:]
	return o, nil
}

// ShortCode returns an offer's code for typing, eight letters.
func ShortCode(s Sealer, p *idp.Pairing) (string, error) {
	short, err := s.Open(p.SealedShort, string(p.ID)+"/short")
	if err == nil && len(short) != shortLetters {
		err = fmt.Errorf("pairing %s: a short code of %d letters", p.ID, len(short))
	}
	return string(short), err
}

// CleanShort gives a typed short code the form it is compared in: case,
// spaces and dashes do not matter, I and L are 1, O is 0 (Crockford's base 32).
// Errors: idp.ErrInvalid.
func CleanShort(typed string) (string, error) {
	if len(typed) > maxTyped {
		return "", fmt.Errorf("short code: %w", idp.ErrInvalid)
	}
	s := strings.NewReplacer(" ", "", "-", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(typed))
	if len(s) != shortLetters || strings.Trim(s, crockford) != "" {
		return "", fmt.Errorf("short code: %w", idp.ErrInvalid)
	}
	return s, nil
}

// CleanPair returns the pair parameter of a link as it is. Errors: idp.ErrInvalid
// when it is not 16 bytes in base64url.
func CleanPair(code string) (idp.Secret, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil || len(code) != pairLetters || len(raw) != pairBytes {
		return "", fmt.Errorf("pair code: %w", idp.ErrInvalid)
	}
	return idp.Secret(code), nil
}

// Host is the idp parameter of the link: host, port and path of an issuer's
// URL. A loopback host is reached by http, every other by https. It is empty
// where the address has letters that not every app reads, as an IPv6 address
// has: such a site links other apps only.
func Host(issuer string) string {
	_, rest, _ := strings.Cut(issuer, "://")
	if strings.ContainsFunc(rest, func(r rune) bool { return !unreserved(r) && r != ':' && r != '/' }) {
		return ""
	}
	return strings.TrimSuffix(rest, "/")
}

// Fits returns nil when a site's links leave MinAccount bytes for an account's name.
// The error says, to operators, what does not fit.
func Fits(site Site) error {
	host := Host(site.Issuer)
	const fixed = len("otpauth://totp/" + ":" + "?secret=" + "&issuer=" + "&idp=" + "&pair=")
	label := escape(site.Label)
	room := MaxURI - fixed - SecretSize*8/5 - pairLetters - len(host) - 2*len(label)
	if room < MinAccount {
		return fmt.Errorf("the label %q (%d bytes as a link has it) and the address %q (%d) leave %d bytes of the QR code for an account's name, "+
			"and %d are needed: take a shorter label", site.Label, len(label), host, len(host), max(0, room), MinAccount)
	}
	return nil
}

// Confirm checks the code that proves that a device holds an offer, and
// returns that device, active and of nobody yet: the app of ours that has
// claimed the offer, or any other. Errors: as Check, and those of the Sealer.
func Confirm(s Sealer, p *idp.Pairing, code string, now time.Time) (*idp.Device, error) {
	d := &idp.Device{
		ID: idp.NewID[idp.DeviceID](), Kind: idp.DeviceCode, Platform: "other", State: idp.DeviceActive, LinkedAt: now,
	}
	sealed, row := p.SealedTOTP, string(p.ID)
	if p.Claim != nil {
		// The secret in the QR code is dead: a photograph of it is worthless.
		claim := *p.Claim
		d, sealed, row = &claim, claim.SealedTOTP, string(claim.ID)
		d.State, d.LinkedAt = idp.DeviceActive, now
	}
	secret, err := s.Open(sealed, row)
	if err != nil {
		return nil, err
	}
	step, err := Check(secret, code, now, d.LastStep, 0)
	if err != nil {
		return nil, err
	}
	d.LastStep, d.Drift = step, Drift(step, now)
	d.SealedTOTP, err = s.Seal(secret, string(d.ID))
	return d, err
}
