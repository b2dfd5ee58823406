package phone

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticator apps compute (RFC 6238)
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Account is one linked account: at one provider, of one person.
type Account struct {
	Device  string          `json:"device"`              // its id at the provider
	Issuer  string          `json:"issuer"`              // the provider's URL
	Name    string          `json:"account"`             // sign-in name of the person
	Site    string          `json:"site"`                // name of the provider, as people know it
	Key     jose.JSONWebKey `json:"key"`                 // P-256, private
	UVKey   string          `json:"uv_key,omitempty"`    // the second key, P-256, private, encrypted by the PIN (JWE, compact); empty: none
	Secret  string          `json:"secret"`              // of the codes, base32
	Digits  int             `json:"digits"`              // of a code, 6 to 8
	Period  int             `json:"period"`              // seconds
	Offset  int64           `json:"offset"`              // seconds that the provider's clock is ahead of ours
	VAPID   string          `json:"vapid_key,omitempty"` // the provider's public key for web push (RFC 8292)
	Pending bool            `json:"pending,omitempty"`   // scanned, and not linked yet: Login is to be tapped, or the browser has to finish
	Waiting *Challenge      `json:"waiting,omitempty"`   // the challenge by which it is linked
}

// newKey makes a private P-256 key and tries it before anything is built on it.
func newKey() (jose.JSONWebKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	sum := sha256.Sum256([]byte("a test"))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil || !ecdsa.Verify(&private.PublicKey, sum[:], r, s) {
		return jose.JSONWebKey{}, errors.Join(errors.New("the new key does not sign"), err)
	}
	return jose.JSONWebKey{Key: private}, nil
}

// pinRounds is the count of PBKDF2 for a PIN (RFC 7518, section 4.8.1.2). A PIN of few
// digits is found all the same by whoever has the file: a phone's key store would count
// the tries, and a file cannot.
const pinRounds = 600_000

// lock encrypts a key by a PIN (RFC 7518, section 4.8).
func lock(key jose.JSONWebKey, pin string) (string, error) {
	text, err := key.MarshalJSON()
	if err != nil {
		return "", err
	}
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.PBES2_HS256_A128KW, Key: []byte(pin), PBES2Count: pinRounds}, nil)
	if err != nil {
		return "", err
	}
	sealed, err := e.Encrypt(text)
	if err != nil {
		return "", err
	}
	return sealed.CompactSerialize()
}

// unlock is the second key, by the PIN. Errors say in words that there is none, or that it
// is not the PIN.
func (a *Account) unlock(pin string) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if a.UVKey == "" {
		return key, errors.New("this phone was linked without a PIN")
	}
	sealed, err := jose.ParseEncryptedCompact(a.UVKey, []jose.KeyAlgorithm{jose.PBES2_HS256_A128KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return key, fmt.Errorf("the second key of %s is damaged: %w", a.Name, err)
	}
	text, err := sealed.Decrypt([]byte(pin))
	if err != nil {
		return key, errors.New("that is not the PIN")
	}
	return key, key.UnmarshalJSON(text)
}

// Now is the provider's time at a moment of our clock, as far as it is known.
func (a *Account) Now(ours time.Time) time.Time {
	return ours.Add(time.Duration(a.Offset) * time.Second)
}

// Code is the code of a moment of our clock (RFC 6238). Errors: the account has no
// usable secret, digits or period.
func (a *Account) Code(ours time.Time) (string, error) {
	secret, err := secretBytes(a.Secret)
	if err != nil {
		return "", fmt.Errorf("the secret of %s is damaged: %w", a.Name, err)
	}
	if a.Digits < 6 || a.Digits > 8 || a.Period <= 0 {
		return "", errors.New("codes of a kind that is not known")
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(a.Now(ours).Unix()/int64(a.Period))) //nolint:gosec // after 1970
	m := hmac.New(sha1.New, secret)
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	most := uint32(1)
	for range a.Digits {
		most *= 10
	}
	return fmt.Sprintf("%0*d", a.Digits, n%most), nil
}
