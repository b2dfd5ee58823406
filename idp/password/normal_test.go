package password

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"hilum/idp"
)

// A password is the same from whatever keyboard, and a hash of before, of the
// bytes as they were typed, is still good; it is to be made anew.
func TestPasswordsAreHashedInNFC(t *testing.T) {
	h := cheap(Config{})
	for _, whole := range []string{"Grüße aus Köln", "ộ ộ ộ ộ ộ ộ", "한국어 비밀번호", "plain ASCII", strings.Repeat("ệ", MaxRunes)} {
		whole = norm.NFC.String(whole)
		apart := norm.NFD.String(whole)
		stored, err := h.Hash(t.Context(), idp.Secret(apart))
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{whole, apart} {
			if rehash, err := h.Check(t.Context(), stored, idp.Secret(typed)); err != nil || rehash {
				t.Errorf("%+q: rehash=%v, %v", typed, rehash, err)
			}
		}
		if len(apart) > MaxRunes*4 || apart == whole {
			continue
		}
		p, err := parsePHC(h.dummy)
		if err != nil {
			t.Fatal(err)
		}
		p.key = argon2.IDKey([]byte(apart), p.salt, p.time, p.memory, p.lanes, keySize)
		if rehash, err := h.Check(t.Context(), p.String(), idp.Secret(apart)); err != nil || !rehash {
			t.Errorf("%+q against a hash of before: rehash=%v, %v", apart, rehash, err)
		}
		for _, wrong := range []string{whole, apart + "x", "x" + apart} { // of another keyboard it never was good
			if _, err := h.Check(t.Context(), p.String(), idp.Secret(wrong)); !errors.Is(err, idp.ErrWrongSecret) {
				t.Errorf("%+q against a hash of before: %v", wrong, err)
			}
		}
		if _, err := h.Check(t.Context(), "", idp.Secret(apart)); !errors.Is(err, idp.ErrWrongSecret) {
			t.Errorf("nobody: %v", err)
		}
	}
}

// How much is hashed depends on what was typed, not on whose account it is.
func TestSecondTryCostsTheSameForAll(t *testing.T) {
	h := New(Config{MemoryKiB: 4096, Time: 1, AtOnce: 1})
	right, err := h.Hash(t.Context(), "Grüße aus Köln")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := parsePHC(right)
	p.key = argon2.IDKey([]byte(norm.NFD.String("Grüße aus Köln")), p.salt, p.time, p.memory, p.lanes, keySize)
	for typed, want := range map[string]uint64{"Grüße aus Köln": 1, norm.NFD.String("Grüße aus Köln"): 2, "plain": 1, norm.NFD.String("ein anderes öäü"): 2, strings.Repeat("o\u0308", 250): 1, strings.Repeat("o\u0308", 300): 0} {
		for what, stored := range map[string]string{"known": right, "of before": p.String(), "nobody": ""} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = h.Check(t.Context(), stored, idp.Secret(typed))
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc + 2<<20) / (4 << 20); n != want {
				t.Errorf("%+.20q for %s: %d hashes, want %d", typed, what, n, want)
			}
		}
	}
}

// What may be chosen is counted and looked at in the form that is hashed.
func TestPolicyLooksAtNFC(t *testing.T) {
	h := cheap(Config{})
	if err := h.Acceptable(idp.Secret(norm.NFD.String("öäüöäü7"))); err == nil {
		t.Error("seven letters were taken for more")
	}
	if err := h.Acceptable(idp.Secret(strings.Repeat(norm.NFD.String("ệx7ộ"), MaxRunes/4))); err != nil {
		t.Errorf("128 letters: %v", err)
	}
	var f *idp.FieldError
	if err := h.Acceptable(idp.Secret(norm.NFD.String("müllerröntgen")), "Müller", norm.NFD.String("Röntgen")); !errors.As(err, &f) || f.Message != "password.context" {
		t.Errorf("the names of the person: %v", err)
	}
}
