package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hilum/idp"
)

// JOSE names of the algorithms that keys are made for (RFC 7518, section 3.1;
// RFC 8037, section 3.1).
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// Key is a signing key as it is handed out: its Signer signs and never gives the private
// key away.
type Key struct {
	ID     idp.KeyID
	Alg    string
	Signer crypto.Signer // nil in Public's list
	Public crypto.PublicKey
}

// pss is the salt as long as the hash (RFC 7518, section 3.5).
var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// SignJWS signs the input of a JWS (RFC 7515, section 5.1, step 5) and returns
// the signature as JOSE wants it, not yet in base64url: for ES256 that is r
// and s of 32 bytes each (RFC 7518, section 3.4).
func SignJWS(k Key, signingInput []byte) ([]byte, error) {
	if k.Signer == nil {
		return nil, fmt.Errorf("key %s has no signer", k.ID)
	}
	if k.Alg == EdDSA {
		return k.Signer.Sign(rand.Reader, signingInput, crypto.Hash(0))
	}
	digest := sha256.Sum256(signingInput)
	switch k.Alg {
	case RS256:
		return k.Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	case PS256:
		return k.Signer.Sign(rand.Reader, digest[:], pss)
	case ES256:
		der, err := k.Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return rawP256(der)
	}
	return nil, fmt.Errorf("key %s: unknown algorithm %q", k.ID, k.Alg)
}

// rawP256 turns an ASN.1 signature into r and s side by side, 32 bytes each.
func rawP256(der []byte) ([]byte, error) {
	const size = 32
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	var r, s []byte
	if !input.ReadASN1(&seq, asn1.SEQUENCE) || !input.Empty() ||
		!seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&s) || !seq.Empty() ||
		len(r) > size || len(s) > size {
		return nil, errors.New("not an ECDSA signature of P-256")
	}
	raw := make([]byte, 2*size)
	copy(raw[size-len(r):size], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// generate makes a private key for an algorithm.
func generate(alg string, rsaBits int) (crypto.Signer, error) {
	switch alg {
	case RS256, PS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("unknown algorithm %q", alg)
}

// fits reports whether a private key is of the kind that its algorithm needs.
func fits(alg string, key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return (alg == RS256 || alg == PS256) && k.N.BitLen() >= minRSABits
	case *ecdsa.PrivateKey:
		return alg == ES256 && k.Curve == elliptic.P256()
	case ed25519.PrivateKey:
		return alg == EdDSA
	}
	return false
}

// newSigner wraps a private key so that it signs and does nothing else, with
// whichever implementation is the faster for its kind. RSA is three times
// faster in OpenSSL; for P-256 and Ed25519 Go's own is as fast or faster.
func newSigner(key crypto.Signer, goOnly bool) crypto.Signer {
	if k, ok := key.(*rsa.PrivateKey); ok && !goOnly && libcrypto().err == nil {
		if s, err := newOpenSSLRSA(k); err == nil {
			return s
		}
	}
	return &goSigner{key}
}

// goSigner is a key in Go's own implementation.
type goSigner struct{ key crypto.Signer }

func (s *goSigner) Public() crypto.PublicKey { return s.key.Public() }

func (s *goSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.Sign(rand, digest, opts)
}

// String keeps the key out of logs.
func (*goSigner) String() string   { return "[secret]" }
func (*goSigner) GoString() string { return "[secret]" }
