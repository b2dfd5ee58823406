package password

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hilum/idp"
)

// cheap is a Hasher that costs next to nothing.
func cheap(c Config) *Hasher {
	c.MemoryKiB, c.Time = 8, 1
	return New(c)
}

func TestHashedPasswordChecks(t *testing.T) {
	h := cheap(Config{})
	for _, pw := range []idp.Secret{"correct horse battery", "", "ünïcödé 日本", "a\x00b", idp.Secret(strings.Repeat("日", 128))} {
		stored, err := h.Hash(t.Context(), pw)
		if err != nil {
			t.Fatal(err)
		}
		if rehash, err := h.Check(t.Context(), stored, pw); err != nil || rehash {
			t.Errorf("%d bytes: rehash=%v, %v", len(pw), rehash, err)
		}
		for _, wrong := range []idp.Secret{pw + "x", "x" + pw, "X"} {
			if _, err := h.Check(t.Context(), stored, wrong); !errors.Is(err, idp.ErrWrongSecret) {
				t.Errorf("a wrong password: %v", err)
			}
		}
		if again, _ := h.Hash(t.Context(), pw); again == stored {
			t.Error("two hashes share a salt")
		}
	}
}

// The reference implementation's own answer for this password, salt and cost.
func TestKnownHash(t *testing.T) {
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := New(Config{MemoryKiB: 65536, Time: 2})
	if _, err := h.Check(t.Context(), stored, "password"); err != nil {
		t.Error(err)
	}
	if _, err := h.Check(t.Context(), stored, "passwore"); !errors.Is(err, idp.ErrWrongSecret) {
		t.Error(err)
	}
}

func TestNobodyHasNoPassword(t *testing.T) {
	h := cheap(Config{})
	for _, pw := range []idp.Secret{"", "password", idp.Secret(make([]byte, 32))} {
		if _, err := h.Check(t.Context(), "", pw); !errors.Is(err, idp.ErrWrongSecret) {
			t.Errorf("%q: %v", pw.Reveal(), err)
		}
	}
	// Even if somebody knew what the dummy is the hash of.
	var err error
	if h.dummy, err = h.Hash(t.Context(), "known"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Check(t.Context(), "", "known"); !errors.Is(err, idp.ErrWrongSecret) {
		t.Errorf("the dummy opens: %v", err)
	}
}

// An unknown person has to take as long as a known one: the same cost, and the
// same place in the queue.
func TestNobodyCostsAsMuchAsSomebody(t *testing.T) {
	h := New(Config{MemoryKiB: 4096, Time: 1})
	stored, err := h.Hash(t.Context(), "somebody's")
	if err != nil {
		t.Fatal(err)
	}
	// In turn, so that a machine that others use for a while is as slow for both.
	somebody, nobody := time.Hour, time.Hour
	for range 40 {
		for _, of := range []struct {
			stored string
			best   *time.Duration
		}{{stored, &somebody}, {"", &nobody}} {
			start := time.Now()
			_, _ = h.Check(t.Context(), of.stored, "guess")
			*of.best = min(*of.best, time.Since(start))
		}
	}
	if nobody < somebody/2 || somebody < nobody/2 {
		t.Errorf("somebody takes %s, nobody %s", somebody, nobody)
	}
	h.slots = make(chan struct{}) // no place at all
	h.conf.QueueFor = time.Millisecond
	for _, s := range []string{stored, ""} {
		if _, err := h.Check(t.Context(), s, "guess"); !errors.Is(err, idp.ErrBusy) {
			t.Errorf("stored %q did not queue: %v", s, err)
		}
	}
}

func TestDefaultsAreThoseOfThePolicy(t *testing.T) {
	h := New(Config{})
	if h.conf.AtOnce != runtime.GOMAXPROCS(0) || h.conf.QueueFor != 2*time.Second {
		t.Errorf("%+v", h.conf)
	}
	stored, err := h.Hash(t.Context(), "x")
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %v", stored, err)
	}
	if p, err := parsePHC(stored); err != nil || len(p.salt) != 16 || len(p.key) != 32 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestHashIsRenewedWhenTheCostWasRaised(t *testing.T) {
	old := Config{MemoryKiB: 16, Time: 2}
	stored, err := New(old).Hash(t.Context(), "pw")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		conf Config
		want bool
	}{
		"the same":              {old, false},
		"more memory":           {Config{MemoryKiB: 32, Time: 2}, true},
		"more time":             {Config{MemoryKiB: 16, Time: 3}, true},
		"less memory":           {Config{MemoryKiB: 8, Time: 2}, false},
		"less time":             {Config{MemoryKiB: 16, Time: 1}, false},
		"more memory less time": {Config{MemoryKiB: 32, Time: 1}, true},
	} {
		h := New(c.conf)
		if rehash, err := h.Check(t.Context(), stored, "pw"); err != nil || rehash != c.want {
			t.Errorf("%s: %v, %v; want %v", name, rehash, err, c.want)
		}
		if rehash, err := h.Check(t.Context(), stored, "wrong"); !errors.Is(err, idp.ErrWrongSecret) || rehash {
			t.Errorf("%s, wrong password: %v, %v", name, rehash, err)
		}
	}
	// A hash of less salt or key, from elsewhere.
	weak := phc{16, 2, 1, make([]byte, 8), make([]byte, 16)}
	weak.key, _ = New(old).compute(t.Context(), weak, "pw", 16)
	if rehash, err := New(old).Check(t.Context(), weak.String(), "pw"); err != nil || !rehash {
		t.Errorf("short salt: %v, %v", rehash, err)
	}
}

func TestOverlongPasswordIsNotHashed(t *testing.T) {
	h := cheap(Config{})
	h.slots = make(chan struct{}) // whoever hashes waits for ever
	long := idp.Secret(strings.Repeat("x", 513))
	var fault *idp.FieldError
	if _, err := h.Hash(t.Context(), long); !errors.As(err, &fault) || fault.Message != "password.long" {
		t.Errorf("Hash: %v", err)
	}
	for _, stored := range []string{"", h.dummy} {
		if _, err := h.Check(t.Context(), stored, long); !errors.Is(err, idp.ErrWrongSecret) {
			t.Errorf("Check: %v", err)
		}
	}
}

func TestDamagedHashIsAFaultNotAWrongPassword(t *testing.T) {
	_, err := cheap(Config{}).Check(t.Context(), "$argon2id$v=19$m=8,t=1,p=1$", "pw")
	if err == nil || errors.Is(err, idp.ErrWrongSecret) || !errors.Is(err, errPHC) {
		t.Errorf("got %v", err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := cheap(Config{AtOnce: 2, QueueFor: 2 * time.Second})
		// Both places are taken.
		for range 2 {
			if err := h.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		// One gives up after two seconds, exactly.
		wg.Go(func() {
			start := time.Now()
			_, err := h.Hash(t.Context(), "pw")
			var retry *idp.RetryError
			if !errors.As(err, &retry) || !errors.Is(err, idp.ErrBusy) || retry.After <= 0 || time.Since(start) != 2*time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
		// One whose caller goes away stops waiting at once.
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := h.Check(ctx, "", "pw"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
		wg.Wait()
		// One is served when a place becomes free.
		wg.Go(func() {
			if _, err := h.Hash(t.Context(), "pw"); err != nil {
				t.Errorf("did not get the free place: %v", err)
			}
		})
		time.Sleep(time.Second)
		<-h.slots
		wg.Wait()
		<-h.slots
		if len(h.slots) != 0 {
			t.Errorf("%d places are lost", len(h.slots))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Hash(ctx, "pw"); !errors.Is(err, context.Canceled) || len(h.slots) != 0 {
			t.Errorf("hashed for somebody who is gone: %v", err)
		}
	})
}

func TestHashingConcurrently(t *testing.T) {
	h := cheap(Config{AtOnce: 2, QueueFor: time.Minute})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			pw := idp.Secret(fmt.Sprint("password ", i))
			stored, err := h.Hash(t.Context(), pw)
			if err == nil {
				_, err = h.Check(t.Context(), stored, pw)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestStoredHashesAreReadStrictly(t *testing.T) {
	salt, key := "c29tZXNhbHQ", strings.Repeat("A", 43)
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key
	if p, err := parsePHC(good); err != nil || p.memory != 19456 || p.time != 2 || p.lanes != 1 || p.String() != good {
		t.Fatalf("%+v, %v", p, err)
	}
	for name, s := range map[string]string{
		"empty":                    "",
		"argon2i":                  strings.Replace(good, "argon2id", "argon2i", 1),
		"bcrypt":                   "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"an older version":         strings.Replace(good, "v=19", "v=16", 1),
		"no version":               strings.Replace(good, "$v=19", "", 1),
		"leading zero":             strings.Replace(good, "t=2", "t=02", 1),
		"a sign":                   strings.Replace(good, "t=2", "t=+2", 1),
		"negative":                 strings.Replace(good, "t=2", "t=-2", 1),
		"another order":            strings.Replace(good, "m=19456,t=2", "t=2,m=19456", 1),
		"a parameter more":         strings.Replace(good, "p=1", "p=1,data=AA", 1),
		"a space":                  strings.Replace(good, "p=1", "p=1 ", 1),
		"padding":                  good + "=",
		"other base64":             strings.Replace(good, "AAAA", "-_AA", 1),
		"stray bits":               good[:len(good)-1] + "B",
		"a line break":             good[:len(good)-2] + "\nAA",
		"something behind":         good + "$",
		"no time":                  strings.Replace(good, "t=2", "t=0", 1),
		"an hour of time":          strings.Replace(good, "t=2", "t=65", 1),
		"a terabyte":               strings.Replace(good, "m=19456", "m=1073741824", 1),
		"memory beyond 32 bits":    strings.Replace(good, "m=19456", "m=4294967304", 1),
		"less memory than lanes":   strings.Replace(good, "m=19456", "m=7", 1),
		"no lanes":                 strings.Replace(good, "p=1", "p=0", 1),
		"lanes beyond eight bits":  strings.Replace(good, "p=1", "p=257", 1),
		"too little salt":          strings.Replace(good, salt, "c29tZQ", 1),
		"no salt":                  strings.Replace(good, salt, "", 1),
		"too short a key":          strings.Replace(good, key, "AAAA", 1),
		"no key":                   strings.Replace(good, key, "", 1),
		"too long a key":           good + strings.Repeat("A", 84),
		"far too much of anything": good + strings.Repeat("$", 1000),
	} {
		if _, err := parsePHC(s); !errors.Is(err, errPHC) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=01,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err == nil && p.String() != s {
			t.Errorf("%q is written back as %q", s, p)
		}
		if err == nil && (p.memory > maxMemory || p.time > maxTime || len(p.salt) < minSalt || len(p.key) < minKey) {
			t.Errorf("%q is out of bounds", s)
		}
	})
}

func TestHasherShowsNoSecret(t *testing.T) {
	_, err := cheap(Config{}).Check(t.Context(), "", "hunter2hunter2")
	if strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func BenchmarkHash(b *testing.B) {
	h := New(Config{})
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse battery"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRecoverySet(t *testing.T) {
	h := cheap(Config{AtOnce: 1})
	made := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	codes, rows, err := NewRecoverySet(t.Context(), h, "U", made)
	if err != nil || len(codes) != 10 || len(rows) != 10 {
		t.Fatalf("%d codes, %d rows, %v", len(codes), len(rows), err)
	}
	seen := map[idp.Secret]bool{}
	for i, code := range codes {
		row := rows[i]
		if row.User != "U" || row.N != i+1 || !row.MadeAt.Equal(made) || !row.UsedAt.IsZero() {
			t.Errorf("row %+v", row)
		}
		shown := code.Reveal()
		if len(shown) != 19 || strings.Count(shown, "-") != 3 || strings.Trim(shown, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-") != "" {
			t.Errorf("shown as %q", shown)
		}
		if seen[code] {
			t.Error("a code twice")
		}
		seen[code] = true
		if bytes.Contains([]byte(row.Hash), []byte(shown)) {
			t.Error("the code is stored")
		}
		for _, typed := range []string{shown, strings.ToLower(shown), strings.ReplaceAll(shown, "-", ""), " " + strings.ReplaceAll(shown, "-", " ") + "\t"} {
			clean, err := CleanRecovery(typed)
			if err != nil {
				t.Errorf("%q: %v", typed, err)
			}
			if _, err := h.Check(t.Context(), row.Hash, clean); err != nil {
				t.Errorf("%q does not match: %v", typed, err)
			}
		}
	}
	full := cheap(Config{AtOnce: 1, QueueFor: time.Millisecond})
	full.slots <- struct{}{}
	if codes, rows, err := NewRecoverySet(t.Context(), full, "U", made); !errors.Is(err, idp.ErrBusy) || codes != nil || rows != nil {
		t.Errorf("a busy machine: %d codes, %v", len(codes), err)
	}
}

func TestHowRecoveryCodesAreTyped(t *testing.T) {
	for typed, want := range map[string]idp.Secret{
		"ABCD-EFGH-IJKL-MNOP":             "ABCDEFGHIJKLMNOP",
		"abcd efgh ijkl mnop":             "ABCDEFGHIJKLMNOP",
		"ABCD\u00a0EFGH\u2013IJKL MNOP\n": "ABCDEFGHIJKLMNOP",
		"0BCD-EFGH-1JKL-MN8P":             "OBCDEFGHIJKLMNBP",
		"2345-6777-AAAA-AAAA":             "23456777AAAAAAAA",
	} {
		if got, err := CleanRecovery(typed); err != nil || got != want {
			t.Errorf("%q: %q, %v", typed, got.Reveal(), err)
		}
	}
	for _, typed := range []string{
		"", "123456", "ABCD-EFGH-IJKL-MNO", "ABCD-EFGH-IJKL-MNOPQ", "ABCD-EFGH-IJKL-MNO9", "ABCD-EFGH-IJKL-MNO\x00",
		"ſBCD-EFGH-IJKL-MNOP", "ABCDEFGHIJKLMNOÄ", "\xff", strings.Repeat("-", 100) + "ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOı",
	} {
		if got, err := CleanRecovery(typed); !errors.Is(err, idp.ErrInvalid) || got != "" {
			t.Errorf("%q: %q, %v", typed, got.Reveal(), err)
		}
	}
}

func FuzzCleanRecovery(f *testing.F) {
	f.Add("ABCD-EFGH-IJKL-MNOP")
	f.Add("0bcd efgh 1jkl mn8p")
	f.Add("ſſſſıııı")
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := CleanRecovery(typed)
		if err != nil {
			if code != "" || !errors.Is(err, idp.ErrInvalid) {
				t.Fatalf("%q: %q, %v", typed, code.Reveal(), err)
			}
			return
		}
		if len(code) != recoveryLen || strings.Trim(code.Reveal(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Fatalf("%q became %q", typed, code.Reveal())
		}
		if again, err := CleanRecovery(code.Reveal()); err != nil || again != code {
			t.Fatalf("%q became %q, then %q", typed, code.Reveal(), again.Reveal())
		}
	})
}
