package keyring

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"strings"
	"sync"

	"github.com/golang-fips/openssl/v2"
	"github.com/golang-fips/openssl/v2/bbig"
)

// library is what came of loading OpenSSL.
type library struct {
	name string        // "OpenSSL 3.0.19"
	gate chan struct{} // bounds how many sign at once
	err  error         // nil when it is there
}

// libcrypto loads OpenSSL 3 when it is first needed. A shared library belongs
// to the process and cannot be loaded anew, hence once.
var libcrypto = sync.OnceValue(func() library {
	for _, file := range []string{"libcrypto.so.3", "libcrypto.3.dylib"} {
		// Init remembers its first failure for good, so look before.
		if there, _ := openssl.CheckVersion(file); !there {
			continue
		}
		if err := openssl.Init(file); err != nil {
			return library{err: err}
		}
		name := strings.Fields(openssl.VersionText()) // "OpenSSL 3.0.19 27 Jan 2026 …"
		return library{
			name: strings.Join(name[:min(2, len(name))], " "),
			gate: make(chan struct{}, min(runtime.NumCPU(), runtime.GOMAXPROCS(0))),
		}
	}
	return library{err: errors.New("no libcrypto of OpenSSL 3 found")}
})

// Backend says what signs with RSA here, such as "OpenSSL 3.0.19", or "Go"
// where there is no OpenSSL.
func Backend() string {
	if lib := libcrypto(); lib.err == nil {
		return lib.name
	}
	return "Go"
}

// opensslRSA is an RSA key inside OpenSSL, which signs three times faster than
// crypto/rsa. OpenSSL checks each signature against faults of the hardware
// before it returns it, as Go does. Its memory is freed with the value.
//
// No more sign at once than there are cores. Each call into C holds a thread,
// and threads beyond the cores take turns of milliseconds: with 64 signing on
// one core, one in a hundred waited 400 ms instead of 25, and so did
// everything else in the process.
type opensslRSA struct {
	public  *rsa.PublicKey
	private *openssl.PrivateKeyRSA
}

// newOpenSSLRSA hands a key to OpenSSL and has it prove itself: a signature
// that Go does not accept means that this library is not to be used.
func newOpenSSLRSA(key *rsa.PrivateKey) (*opensslRSA, error) {
	if len(key.Primes) != 2 {
		return nil, errors.New("not a key of two primes")
	}
	key.Precompute()
	private, err := openssl.NewPrivateKeyRSA(
		bbig.Enc(key.N), bbig.Enc(big.NewInt(int64(key.E))), bbig.Enc(key.D),
		bbig.Enc(key.Primes[0]), bbig.Enc(key.Primes[1]),
		bbig.Enc(key.Precomputed.Dp), bbig.Enc(key.Precomputed.Dq), bbig.Enc(key.Precomputed.Qinv))
	if err != nil {
		return nil, err
	}
	s := &opensslRSA{public: &key.PublicKey, private: private}
	digest := sha256.Sum256([]byte("proof"))
	sig, err := s.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if err := rsa.VerifyPKCS1v15(s.public, crypto.SHA256, digest[:], sig); err != nil {
		return nil, fmt.Errorf("OpenSSL signs wrongly: %w", err)
	}
	return s, nil
}

// Public returns the *rsa.PublicKey.
func (s *opensslRSA) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer: PKCS #1 v1.5, or PSS with *rsa.PSSOptions.
// OpenSSL draws its own randomness.
func (s *opensslRSA) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if hash == 0 || len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes does not fit %s", len(digest), hash)
	}
	gate := libcrypto().gate
	gate <- struct{}{}
	defer func() { <-gate }()
	o, ok := opts.(*rsa.PSSOptions)
	if !ok {
		return openssl.SignRSAPKCS1v15(s.private, hash, digest)
	}
	salt := o.SaltLength
	if salt == rsa.PSSSaltLengthEqualsHash {
		salt = hash.Size()
	}
	return openssl.SignRSAPSS(s.private, hash, digest, salt)
}

// String keeps the key out of logs.
func (*opensslRSA) String() string   { return "[secret]" }
func (*opensslRSA) GoString() string { return "[secret]" }
