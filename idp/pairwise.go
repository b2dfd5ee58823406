package idp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// SubjectType is what a client is told for sub (OpenID Connect Core 1.0, section 8).
type SubjectType string

// SubjectPairwise is a sub of its sector alone, so that two sectors cannot tell by it that they
// know the same person. Empty is public: the person's id.
const SubjectPairwise SubjectType = "pairwise"

// Sector is the sector identifier of a client (OpenID Connect Core 1.0, section 8.1): the host
// of its sector_identifier_uri, else the one host of its redirect addresses. Empty: it has
// none, because they are at several.
func (c *Client) Sector() string {
	host := func(uri string) string {
		u, err := url.Parse(uri)
		if err != nil {
			return ""
		}
		return strings.ToLower(u.Hostname())
	}
	if c.SectorURI != "" {
		return host(c.SectorURI)
	}
	if len(c.RedirectURIs) == 0 {
		return ""
	}
	first := host(c.RedirectURIs[0])
	if slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return host(uri) != first }) {
		return ""
	}
	return first
}

// Subjects makes the sub of people. Its key has to stay the same as long as the database, for
// each sub hangs on it: it turns with no other.
type Subjects struct{ key []byte }

// NewSubjects returns Subjects by a key of 32 bytes.
func NewSubjects(key []byte) Subjects { return Subjects{key} }

// block is the cipher of a sector.
func (s Subjects) block(sector string) cipher.Block {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(sector))
	b, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return b
}

// Of is the sub of a person for a client. A pairwise one is the person's id, 16 bytes,
// encrypted as one block of AES-256 under a key of the sector: without that key nobody can
// tell it from random, nor two sectors' from another, and only we find the person by it.
func (s Subjects) Of(c *Client, user UserID) string {
	if c.SubjectType != SubjectPairwise || user == "" {
		return string(user)
	}
	id, err := idLetters.DecodeString(string(user))
	if err != nil || len(id) != aes.BlockSize { // no id that NewID has made
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(c.Sector() + "\x00" + string(user)))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	s.block(c.Sector()).Encrypt(id, id)
	return idLetters.EncodeToString(id)
}

// User is the person that a sub for a client stands for; one that is not ours gives an id that
// nobody has.
func (s Subjects) User(c *Client, sub string) UserID {
	if c.SubjectType != SubjectPairwise || sub == "" {
		return UserID(sub)
	}
	id, err := idLetters.DecodeString(sub)
	if err != nil || len(id) != aes.BlockSize {
		return UserID("~" + sub) // which no id begins with
	}
	s.block(c.Sector()).Decrypt(id, id)
	return UserID(idLetters.EncodeToString(id))
}
