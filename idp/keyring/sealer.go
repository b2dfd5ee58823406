package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// keySize is that of the sealing key, and of every key derived from it.
const keySize = 32

// A sealed value is
//
//	version (1 byte) | id of the sealing key (1 byte) | nonce (12) | ciphertext and tag
//
// and is authenticated together with version, key id and the row it belongs to.
const (
	sealVersion = 1
	headerSize  = 2
)

// errUnseal is the error for every value that cannot be opened, whatever the reason: who
// feeds us values learns nothing from it.
var errUnseal = errors.New("damaged, moved from another row, or sealed with another key")

// Sealer encrypts secrets that are stored (AES-256-GCM, with the row they belong to as
// associated data), and derives keys for values that have to be found again or compared
// without being readable. All keys come from one sealing key, which lives in a file
// outside the database. Safe for concurrent use.
type Sealer struct {
	id     byte
	aead   cipher.AEAD
	mac    []byte
	master []byte
}

func newSealer(id byte, master []byte) (*Sealer, error) {
	if len(master) != keySize {
		return nil, fmt.Errorf("sealing key of %d bytes, %d are needed", len(master), keySize)
	}
	s := &Sealer{id: id, master: master}
	block, err := aes.NewCipher(s.derive("seal", keySize))
	if err != nil {
		return nil, err
	}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	s.mac = s.derive("mac", keySize)
	return s, nil
}

// Seal encrypts plain for one row of the database; row is its identifier, and with no
// other can the value be opened again.
func (s *Sealer) Seal(plain []byte, row string) ([]byte, error) {
	out := make([]byte, 0, headerSize+len(plain)+s.aead.Overhead())
	out = append(out, sealVersion, s.id)
	return s.aead.Seal(out, nil, plain, additional(out, row)), nil //nolint:gosec // the AEAD draws a nonce of its own
}

// Open decrypts what Seal made for the same row. Error: errUnseal for anything else.
func (s *Sealer) Open(sealed []byte, row string) ([]byte, error) {
	if len(sealed) < headerSize+s.aead.Overhead() {
		return nil, fmt.Errorf("sealed value of %d bytes: %w", len(sealed), errUnseal)
	}
	if sealed[0] != sealVersion || sealed[1] != s.id {
		return nil, fmt.Errorf("sealed in form %d with key %d, this is form %d with key %d: %w",
			sealed[0], sealed[1], sealVersion, s.id, errUnseal)
	}
	plain, err := s.aead.Open(nil, nil, sealed[headerSize:], additional(sealed[:headerSize], row))
	if err != nil {
		return nil, fmt.Errorf("sealed value: %w", errUnseal)
	}
	return plain, nil
}

// additional is what is authenticated but not encrypted. The header has a
// fixed length, so that no two pairs of header and row read alike.
func additional(header []byte, row string) []byte {
	return append(append(make([]byte, 0, len(header)+len(row)), header...), row...)
}

// MAC returns HMAC-SHA-256 of a purpose and a value under a key of its own, so that values
// can be compared but neither read nor guessed from the database. MACs of equal values for
// different purposes have nothing in common.
func (s *Sealer) MAC(purpose, value string) [32]byte {
	h := hmac.New(sha256.New, s.mac)
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(purpose)))
	h.Write(n[:])
	h.Write([]byte(purpose))
	h.Write([]byte(value))
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// Derive returns a key of n bytes for a purpose, the same at every start (HKDF-SHA-256,
// RFC 5869). n is at most 8160.
func (s *Sealer) Derive(purpose string, n int) []byte { return s.derive("derive "+purpose, n) }

func (s *Sealer) derive(label string, n int) []byte {
	key, err := hkdf.Key(sha256.New, s.master, nil, "hilum "+label, n)
	if err != nil {
		panic("keyring: " + err.Error()) // n is too large: a fault of the caller
	}
	return key
}
