package totp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// rfcSecret is the SHA-1 secret of RFC 6238, appendix B.
var rfcSecret = []byte("12345678901234567890")

// RFC 6238, appendix B, SHA-1: eight digits there, of which six are shown.
func TestCodesOfRFC6238(t *testing.T) {
	for _, c := range []struct {
		unix int64
		code string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	} {
		at := time.Unix(c.unix, 0)
		want := c.code[2:]
		if got := Code(rfcSecret, at); got != want {
			t.Errorf("at %d: %s, want %s", c.unix, got, want)
		}
		if step, err := Check(rfcSecret, want, at, 0, 0); err != nil || step != c.unix/30 {
			t.Errorf("at %d: step %d, %v; want %d", c.unix, step, err, c.unix/30)
		}
	}
}

var now = time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)

// steps returns the time n steps from now.
func steps(n int) time.Time { return now.Add(time.Duration(n) * Period * time.Second) }

func TestWhichStepsAreAccepted(t *testing.T) {
	for _, c := range []struct {
		step, drift int64
		err         error
	}{
		{-3, 0, idp.ErrWrongSecret},
		{-2, 0, idp.ErrWrongSecret},
		{-1, 0, nil},
		{0, 0, nil},
		{1, 0, nil},
		{2, 0, idp.ErrWrongSecret},
		{-2, 1, idp.ErrWrongSecret},
		{-1, 1, idp.ErrWrongSecret},
		{0, 1, nil},
		{1, 1, nil},
		{2, 1, nil},
		{3, 1, idp.ErrWrongSecret},
		{-3, -1, idp.ErrWrongSecret},
		{-2, -1, nil},
		{-1, -1, nil},
		{0, -1, nil},
		{1, -1, idp.ErrWrongSecret},
		// What stands in a row beyond the bound is as the bound.
		{0, 100, nil},
		{2, 100, nil},
		{3, 100, idp.ErrWrongSecret},
		{0, -100, nil},
		{-2, -100, nil},
		{-3, -100, idp.ErrWrongSecret},
	} {
		step, err := Check(rfcSecret, Code(rfcSecret, steps(int(c.step))), now, 0, c.drift)
		if !errors.Is(err, c.err) || c.err == nil && (err != nil || step != Step(now)+c.step) {
			t.Errorf("step %+d, drift %+d: %d, %v; want %v", c.step, c.drift, step, err, c.err)
		}
	}
}

// A clock is followed from use to use, as far as the step of now is among those
// accepted; no step is good twice on the way, and none before one that was used.
func TestDriftIsLearntAtEveryUse(t *testing.T) {
	type use struct {
		ahead int64 // of the step of now: what the device shows
		err   error
		drift int64 // learnt
	}
	for name, uses := range map[string][]use{
		"a clock that gains":      {{0, nil, 0}, {1, nil, 1}, {2, nil, 1}, {3, idp.ErrWrongSecret, 1}, {2, nil, 1}},
		"a clock that loses":      {{0, nil, 0}, {-1, nil, -1}, {-2, nil, -1}, {-3, idp.ErrWrongSecret, -1}},
		"two ahead at once":       {{2, idp.ErrWrongSecret, 0}, {1, nil, 1}, {2, nil, 1}},
		"set right again":         {{1, nil, 1}, {2, nil, 1}, {0, nil, 0}, {1, nil, 1}},
		"slow typing, then quick": {{-1, nil, -1}, {0, nil, 0}, {1, nil, 1}},
		"slow twice, then quick":  {{-1, nil, -1}, {-2, nil, -1}, {0, nil, 0}},
	} {
		at, last, drift := now, int64(0), int64(0)
		for i, u := range uses {
			code := Code(rfcSecret, at.Add(time.Duration(u.ahead)*Period*time.Second))
			step, err := Check(rfcSecret, code, at, last, drift)
			if !errors.Is(err, u.err) || u.err == nil && err != nil {
				t.Fatalf("%s, use %d: %v, want %v", name, i+1, err, u.err)
			}
			if err == nil {
				if step <= last {
					t.Fatalf("%s, use %d: step %d after %d", name, i+1, step, last)
				}
				last, drift = step, Drift(step, at)
				if _, err := Check(rfcSecret, code, at, last, drift); !errors.Is(err, idp.ErrCodeUsed) && !errors.Is(err, idp.ErrWrongSecret) || err == nil {
					t.Fatalf("%s, use %d: again: %v", name, i+1, err)
				}
			}
			if drift != u.drift {
				t.Fatalf("%s, use %d: drift %d, want %d", name, i+1, drift, u.drift)
			}
			at = at.Add(10 * Period * time.Second)
		}
	}
}

func TestStepIsGoodOnce(t *testing.T) {
	code := Code(rfcSecret, now)
	step, err := Check(rfcSecret, code, now, Step(now)-1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []int64{step, step + 1, step + 100} {
		_, err := Check(rfcSecret, code, now, last, 0)
		if !errors.Is(err, idp.ErrCodeUsed) || !errors.Is(err, idp.ErrWrongSecret) {
			t.Errorf("last %+d: %v, want ErrCodeUsed", last-step, err)
		}
	}
	// The next step is good although this one is spent, the one before is not.
	if _, err := Check(rfcSecret, Code(rfcSecret, steps(1)), steps(1), step, 0); err != nil {
		t.Errorf("the next code: %v", err)
	}
	if _, err := Check(rfcSecret, Code(rfcSecret, steps(-1)), now, step, 0); !errors.Is(err, idp.ErrCodeUsed) {
		t.Errorf("the code before the one that was used: %v", err)
	}
}

// Two neighbouring steps can have the same code. When the older is spent, the
// newer still counts, and is the one to be burnt.
func TestSameCodeInTwoSteps(t *testing.T) {
	at := time.Unix(910738*Period, 0) // found by trying
	if Code(rfcSecret, at) != Code(rfcSecret, at.Add(-Period*time.Second)) {
		t.Fatal("not the same")
	}
	code, step := Code(rfcSecret, at), Step(at)
	for last, want := range map[int64]int64{step - 2: step, step - 1: step} {
		if got, err := Check(rfcSecret, code, at, last, 0); err != nil || got != want {
			t.Errorf("last %d: %d, %v; want %d", last, got, err, want)
		}
	}
	if _, err := Check(rfcSecret, code, at, step, 0); !errors.Is(err, idp.ErrCodeUsed) {
		t.Errorf("both spent: %v", err)
	}
}

func TestEveryOtherCodeIsWrong(t *testing.T) {
	good := map[string]bool{Code(rfcSecret, now): true, Code(rfcSecret, steps(-1)): true}
	accepted := 0
	for n := 0; n < 1_000_000; n += 71 {
		code := fmt.Sprintf("%06d", n)
		_, err := Check(rfcSecret, code, now, 0, 0)
		if (err == nil) != good[code] {
			t.Fatalf("%s: %v", code, err)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted > 2 {
		t.Errorf("%d codes are accepted", accepted)
	}
}

func TestHowCodesAreTyped(t *testing.T) {
	code := Code(rfcSecret, now)
	for _, typed := range []string{
		code, " " + code + "\n", code[:3] + " " + code[3:], code[:3] + "-" + code[3:],
		code[:3] + "\u00a0" + code[3:], code[:3] + "\u2009" + code[3:], code[:3] + "\u202f" + code[3:],
		code[:2] + "\u2013" + code[2:4] + "\u2212" + code[4:], code + "\t",
	} {
		if _, err := Check(rfcSecret, typed, now, 0, 0); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for name, typed := range map[string]string{
		"nothing":              "",
		"spaces":               "      ",
		"five digits":          "12345",
		"seven digits":         "1234567",
		"eight digits":         "12345678",
		"a letter":             "12345a",
		"a sign":               "+12345",
		"Arabic-Indic digits":  "١٢٣٤٥٦",
		"full-width digits":    "１２３４５６",
		"a recovery code":      "ABCD-EFGH-IJKL-MNOP",
		"a NUL":                "12345\x00",
		"broken UTF-8":         "12345\xff",
		"a zero-width space":   "123\u200b456",
		"dashes without end":   strings.Repeat("-", 100) + "123456",
		"a decimal point":      "123.456",
		"six bytes, one digit": "1\u3000\u00a0",
	} {
		if step, err := Check(rfcSecret, typed, now, 0, 0); !errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrWrongSecret) {
			t.Errorf("%s: %d, %v; want ErrInvalid", name, step, err)
		}
	}
}

func TestNoSecretIsNoSecondFactor(t *testing.T) {
	for _, secret := range [][]byte{nil, {}, rfcSecret[:15]} {
		for _, code := range []string{"328482", "000000"} { // 328482 is that of an empty secret at step 0
			if _, err := Check(secret, code, time.Unix(0, 0), -1, 0); err == nil {
				t.Errorf("a secret of %d bytes was accepted", len(secret))
			}
		}
	}
}

func TestBefore1970NothingIsAccepted(t *testing.T) {
	at := time.Unix(-100, 0)
	if _, err := Check(rfcSecret, "123456", at, -1000, 1); !errors.Is(err, idp.ErrWrongSecret) {
		t.Errorf("got %v", err)
	}
	if Step(time.Unix(-1, 0)) != -1 || Step(time.Unix(-30, 0)) != -1 || Step(time.Unix(-31, 0)) != -2 || Step(time.Unix(0, 0)) != 0 {
		t.Error("steps are not rounded down")
	}
}

func TestNewSecrets(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	if len(a) != 20 || string(a) == string(b) || len(Base32(a)) != 32 {
		t.Errorf("%x, %x, %s", a, b, Base32(a))
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"123456", "123 456", "12-34-56", "\u00a0123456", "１23456", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := Clean(typed)
		if err != nil {
			if code != "" || !errors.Is(err, idp.ErrInvalid) {
				t.Fatalf("%q: %q, %v", typed, code, err)
			}
			return
		}
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q became %q", typed, code)
		}
		if again, err := Clean(code); err != nil || again != code {
			t.Fatalf("%q became %q, then %q, %v", typed, code, again, err)
		}
		rest := typed
		for i := range len(code) {
			at := strings.IndexByte(rest, code[i])
			if at < 0 {
				t.Fatalf("%q became %q: digits appeared or moved", typed, code)
			}
			rest = rest[at+1:]
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	code := Code(rfcSecret, now)
	for b.Loop() {
		if _, err := Check(rfcSecret, code, now, 0, 0); err != nil {
			b.Fatal(err)
		}
	}
}
