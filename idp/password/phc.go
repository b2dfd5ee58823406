package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// phc is an argon2id hash with its cost and salt, written as
//
//	$argon2id$v=19$m=19456,t=2,p=1${salt}${key}
//
// salt and key in base64 without padding (the PHC string format).
type phc struct {
	memory uint32 // KiB
	time   uint32 // passes
	lanes  uint8
	salt   []byte
	key    []byte
}

// Bounds of what is read back, so that a row written by somebody else cannot
// make us compute for an hour.
const (
	maxMemory          = 1 << 20 // KiB: 1 GiB
	maxTime            = 64
	maxLanes           = 64
	minSalt, maxSalt   = 8, 64
	minKey, maxKeySize = 16, 64
)

var phcBase64 = base64.RawStdEncoding.Strict()

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.lanes,
		phcBase64.EncodeToString(p.salt), phcBase64.EncodeToString(p.key))
}

// errPHC is the error for a row that holds something else. It never shows the hash.
var errPHC = errors.New("stored hash is not argon2id in PHC form")

// parsePHC reads a stored hash. What parses is written back to the same bytes.
// Errors: errPHC.
func parsePHC(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return p, errPHC
	}
	var err error
	if p.salt, err = phcBase64.DecodeString(parts[4]); err != nil {
		return p, errPHC
	}
	if p.key, err = phcBase64.DecodeString(parts[5]); err != nil {
		return p, errPHC
	}
	switch {
	case p.lanes < 1 || p.lanes > maxLanes,
		p.memory < 8*uint32(p.lanes) || p.memory > maxMemory,
		p.time < 1 || p.time > maxTime,
		len(p.salt) < minSalt || len(p.salt) > maxSalt,
		len(p.key) < minKey || len(p.key) > maxKeySize:
		return p, fmt.Errorf("%w: out of bounds", errPHC)
	}
	// One way to write each: no leading zeros, signs, spaces or other versions.
	if p.String() != s {
		return p, errPHC
	}
	return p, nil
}
