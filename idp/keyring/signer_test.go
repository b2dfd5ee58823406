package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// rsaKey makes one RSA key for all tests; finding primes takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// openSSL returns the test's RSA key inside OpenSSL, or skips where there is none.
func openSSL(t testing.TB) *opensslRSA {
	t.Helper()
	if err := libcrypto().err; err != nil {
		t.Skip(err)
	}
	s, err := newOpenSSLRSA(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keyFor makes a key that signs in Go or, for RSA and where there is, in OpenSSL.
func keyFor(t testing.TB, alg string, goOnly bool) Key {
	t.Helper()
	private := crypto.Signer(rsaKey())
	if alg == ES256 || alg == EdDSA {
		var err error
		if private, err = generate(alg, 0); err != nil {
			t.Fatal(err)
		}
	}
	return Key{ID: "k", Alg: alg, Signer: newSigner(private, goOnly), Public: private.Public()}
}

var algs = []string{RS256, PS256, ES256, EdDSA}

func TestRSAInOpenSSLIsByteForByteThatOfGo(t *testing.T) {
	s := openSSL(t)
	for i := range 200 {
		digest := sha256.Sum256([]byte(strconv.Itoa(i)))
		want, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Sign(nil, digest[:], crypto.SHA256); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d: %x, %v; want %x", i, got, err, want)
		}
	}
	digest := sha512.Sum512([]byte("another hash"))
	want, _ := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA512, digest[:])
	if got, err := s.Sign(nil, digest[:], crypto.SHA512); err != nil || !bytes.Equal(got, want) {
		t.Errorf("SHA-512: %x, %v", got, err)
	}
}

func TestPSSInOpenSSLVerifiesInGo(t *testing.T) {
	s := openSSL(t)
	digest := sha256.Sum256([]byte("x"))
	for _, c := range []struct{ salt, verify int }{
		{rsa.PSSSaltLengthEqualsHash, 32},
		{20, 20},
		{rsa.PSSSaltLengthAuto, 2048/8 - 32 - 2},
	} {
		sig, err := s.Sign(nil, digest[:], &rsa.PSSOptions{SaltLength: c.salt, Hash: crypto.SHA256})
		if err != nil {
			t.Fatal(err)
		}
		err = rsa.VerifyPSS(&rsaKey().PublicKey, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: c.verify})
		if err != nil {
			t.Errorf("salt %d is not %d bytes: %v", c.salt, c.verify, err)
		}
	}
	if _, err := s.Sign(nil, digest[:], &rsa.PSSOptions{SaltLength: -5, Hash: crypto.SHA256}); err == nil {
		t.Error("a salt of -5 bytes was accepted")
	}
}

func TestOpenSSLRefusesWhatGoRefuses(t *testing.T) {
	s := openSSL(t)
	digest := sha256.Sum256([]byte("x"))
	for name, sign := range map[string]func() ([]byte, error){
		"a short digest": func() ([]byte, error) { return s.Sign(nil, digest[:31], crypto.SHA256) },
		"no digest":      func() ([]byte, error) { return s.Sign(nil, nil, crypto.SHA256) },
		"another hash":   func() ([]byte, error) { return s.Sign(nil, digest[:], crypto.SHA512) },
		"no hash":        func() ([]byte, error) { return s.Sign(nil, digest[:], crypto.Hash(0)) },
	} {
		if sig, err := sign(); err == nil {
			t.Errorf("%s: signed %x", name, sig)
		}
	}
	three := *rsaKey()
	three.Primes = append(slices.Clone(three.Primes), big.NewInt(3))
	if _, err := newOpenSSLRSA(&three); err == nil {
		t.Error("a key of three primes was accepted")
	}
}

func TestWrongKeyIsNoticedBeforeItSigns(t *testing.T) {
	openSSL(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k := *rsaKey()
	k.PublicKey = rsa.PublicKey{N: new(big.Int).Set(other.N), E: other.E}
	if _, err := newOpenSSLRSA(&k); err == nil {
		t.Error("a public part that does not fit was accepted")
	}
}

// verify checks a raw JWS signature with the standard library.
func verify(k Key, input, sig []byte) error {
	digest := sha256.Sum256(input)
	ok := true
	switch k.Alg {
	case RS256:
		return rsa.VerifyPKCS1v15(k.Public.(*rsa.PublicKey), crypto.SHA256, digest[:], sig)
	case PS256:
		return rsa.VerifyPSS(k.Public.(*rsa.PublicKey), crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32})
	case ES256:
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		ok = len(sig) == 64 && ecdsa.Verify(k.Public.(*ecdsa.PublicKey), digest[:], r, s)
	case EdDSA:
		ok = ed25519.Verify(k.Public.(ed25519.PublicKey), input, sig)
	}
	if !ok {
		return fmt.Errorf("%s: signature does not verify", k.Alg)
	}
	return nil
}

func TestSignJWSVerifiesElsewhere(t *testing.T) {
	for _, alg := range algs {
		for _, goOnly := range []bool{false, true} {
			k := keyFor(t, alg, goOnly)
			header := []byte(`{"alg":"` + alg + `","kid":"k"}`)
			input := []byte(b64(header) + "." + b64([]byte(`{"sub":"anna"}`)))
			// Enough of them for r and s with leading zeros.
			n := 20
			if alg == ES256 {
				n = 600
			}
			for range n {
				sig, err := SignJWS(k, input)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(k, input, sig); err != nil {
					t.Fatal(err)
				}
				jws, err := jose.ParseSignedCompact(string(input)+"."+b64(sig), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
				if err != nil {
					t.Fatal(err)
				}
				if payload, err := jws.Verify(k.Public); err != nil || string(payload) != `{"sub":"anna"}` {
					t.Fatalf("%s, goOnly=%v: go-jose says %q, %v", alg, goOnly, payload, err)
				}
			}
		}
	}
}

func TestSignJWSNeedsASignerAndAKnownAlgorithm(t *testing.T) {
	k := keyFor(t, ES256, true)
	k.Alg = "HS256"
	if _, err := SignJWS(k, nil); err == nil {
		t.Error("signed for HS256")
	}
	if _, err := SignJWS(Key{ID: "k", Alg: ES256, Public: k.Public}, nil); err == nil {
		t.Error("signed without a signer")
	}
}

func TestRawP256(t *testing.T) {
	pad := func(b ...byte) string { return strings.Repeat("\x00", 32-len(b)) + string(b) }
	long := strings.Repeat("\x7f", 33)
	for name, c := range map[string]struct{ der, want string }{
		"small numbers are padded":  {"\x30\x06\x02\x01\x01\x02\x01\x02", pad(1) + pad(2)},
		"a sign byte is taken off":  {"\x30\x08\x02\x02\x00\xff\x02\x02\x00\x80", pad(0xff) + pad(0x80)},
		"a negative number":         {"\x30\x06\x02\x01\xff\x02\x01\x02", ""},
		"33 bytes":                  {"\x30\x26\x02\x21" + long + "\x02\x01\x02", ""},
		"one number":                {"\x30\x03\x02\x01\x01", ""},
		"three numbers":             {"\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01", ""},
		"something behind":          {"\x30\x06\x02\x01\x01\x02\x01\x02\x00", ""},
		"nothing":                   {"", ""},
		"a number not in DER":       {"\x30\x08\x02\x02\x00\x01\x02\x02\x00\x02", ""},
		"a length longer than that": {"\x30\x07\x02\x01\x01\x02\x01\x02", ""},
	} {
		got, err := rawP256([]byte(c.der))
		if string(got) != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func TestPrivateKeysDoNotLeave(t *testing.T) {
	for _, alg := range algs {
		for _, goOnly := range []bool{false, true} {
			k := keyFor(t, alg, goOnly)
			switch k.Signer.(type) {
			case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
				t.Errorf("%s: the signer is the private key", alg)
			}
			if _, ok := k.Signer.(crypto.Decrypter); ok {
				t.Errorf("%s: the signer decrypts", alg)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if out := fmt.Sprintf(verb, k.Signer); out != "[secret]" {
					t.Errorf("%s: %s prints %s", alg, verb, out)
				}
			}
			if out, err := json.Marshal(k.Signer); err != nil || string(out) != "{}" {
				t.Errorf("%s: JSON is %s, %v", alg, out, err)
			}
		}
	}
}

func TestSigningConcurrently(t *testing.T) {
	for _, alg := range algs {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k := keyFor(t, alg, false)
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Go(func() {
					for i := range 20 {
						input := fmt.Appendf(nil, "%d.%d", g, i)
						sig, err := SignJWS(k, input)
						if err == nil {
							err = verify(k, input, sig)
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// OpenSSL's memory is not Go's: nobody collects what is forgotten there.
func TestOpenSSLGivesItsMemoryBack(t *testing.T) {
	s := openSSL(t)
	if testing.Short() {
		t.Skip("a second of work")
	}
	digest := sha256.Sum256([]byte("x"))
	work := func() {
		for range 300 {
			if _, err := newOpenSSLRSA(rsaKey()); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			if _, err := s.Sign(nil, digest[:], pss); err != nil {
				t.Fatal(err)
			}
		}
		// Finalizers run after a collection, and free what they hold.
		runtime.GC()
		runtime.GC()
	}
	// What leaks grows each time, by 900 keys of some 10 KB or 3000 contexts of
	// 1 KB. An allocator that settles, or a finalizer that was late, does not.
	work()
	var grown []int
	for range 5 {
		before := resident(t)
		for range 3 {
			work()
		}
		kept := resident(t) - before
		if kept < 3<<20 {
			return
		}
		grown = append(grown, kept>>10)
	}
	t.Errorf("%d KiB were kept, each time", grown)
}

// resident returns the resident set of this process in bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestBackendSaysItsVersion(t *testing.T) {
	if b := Backend(); b != "Go" && !strings.HasPrefix(b, "OpenSSL 3.") {
		t.Errorf("got %q", b)
	}
}

func BenchmarkSign(b *testing.B) {
	input := bytes.Repeat([]byte("claims"), 100)
	for _, alg := range algs {
		for _, goOnly := range []bool{true, false} {
			name := "go"
			if !goOnly {
				if name = "openssl"; libcrypto().err != nil || alg == ES256 || alg == EdDSA {
					continue // Go signs these in any case
				}
			}
			k := keyFor(b, alg, goOnly)
			b.Run(alg+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := SignJWS(k, input); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
