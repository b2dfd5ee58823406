package password

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

func TestWhatMayBeChosen(t *testing.T) {
	context := []string{"anna.meier", "Dr. Anna Meier", "anna.meier@klinikum-nord.example", "Klinikum Nord", "Hilum"}
	for pw, want := range map[string]string{
		// Length, in runes.
		"":                                "password.short",
		"x7Kq9Zp":                         "password.short",
		"x7Kq9ZpL":                        "",
		"日本語日本":                           "password.short",
		"кот-и-дом":                       "",
		strings.Repeat("x7Kq9ZpL", 16):    "",
		randomText(128):                   "",
		randomText(128) + "x":             "password.long",
		strings.Repeat("日", 129):          "password.long",
		strings.Repeat("x", 100_000):      "password.long",
		strings.Repeat("\xff", 100_000):   "password.long",
		"correct horse battery staple":    "",
		"  spaces  count  too 77":         "",
		"Winter fell on the 🏥 by the sea": "",

		// What cannot be typed again.
		"x7Kq9ZpL\xff":     "text.invalid",
		"x7Kq9ZpL\x00":     "text.invalid",
		"x7Kq9ZpL\n":       "text.invalid",
		"x7Kq9ZpL\tx7Kq9Z": "text.invalid",

		// What is guessed first.
		"12345678":                 "password.common",
		"password":                 "password.common",
		"Password1":                "password.common",
		"P@ssw0rd":                 "password.common",
		"qwertzuiop":               "password.common",
		"qwerty123":                "password.common",
		"aaaaaaaaaaaa":             "password.common",
		"abcdefgh":                 "password.common",
		"19830214":                 "password.common",
		strings.Repeat("a", 128):   "password.common",
		strings.Repeat("abc", 40):  "password.common",
		strings.Repeat("1234", 30): "password.common",
		"abcabcabcabca":            "password.common",
		"iloveyou":                 "password.common",

		// What is built from names.
		"annameier":              "password.context",
		"AnnaMeier2024":          "password.context",
		"meier.anna!":            "password.context",
		"Hilum2026":              "password.context",
		"hilum-password":         "password.context",
		"Klinikum-Nord1":         "password.context",
		"hilumhilumhilum":        "password.context",
		"annameier-und-der-wolf": "",
		"nordwind und 3 sonnen":  "",
	} {
		got := ""
		if err := New(Config{}).Acceptable(idp.Secret(pw), context...); err != nil {
			var fault *idp.FieldError
			if !errors.As(err, &fault) || fault.Field != "password" || !errors.Is(err, idp.ErrInvalid) {
				t.Fatalf("%v is no FieldError", err)
			}
			got = fault.Message
			if len(pw) > 3 && strings.Contains(err.Error(), pw) && !strings.Contains("password.common", pw) {
				t.Errorf("the error shows the password: %v", err)
			}
		}
		if got != want {
			t.Errorf("%.40q: %q, want %q", pw, got, want)
		}
	}
}

// randomText has no pattern that a list knows.
func randomText(n int) string {
	const letters = "k7Qz!vX2m-Wp9Rt_bL4cYh8sGd6Nf3Ja5"
	var b strings.Builder
	for i := range n {
		b.WriteByte(letters[(i*i*7+i*13+i/5)%len(letters)])
	}
	return b.String()
}

func TestContextWordsThatAreNone(t *testing.T) {
	h := New(Config{})
	for _, context := range [][]string{nil, {""}, {"x"}, {"..."}, {"x7", "Kq"}, {"\xff"}, {strings.Repeat("a", 10000)}} {
		if err := h.Acceptable("x7Kq9ZpLm2", context...); err != nil {
			t.Errorf("%.20q: %v", context, err)
		}
	}
}

// Judging must not be a way to keep the machine busy: these letters all stand
// for others, which the search for words tries in every combination.
func TestJudgingIsBounded(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("4@8({[<369&#!1|0$5+7%2/", 6)[:128],
		strings.Repeat("4(", 64), strings.Repeat("1|!", 42), strings.Repeat("1902", 32),
		strings.Repeat("aA@4", 32), randomText(128), strings.Repeat("0", 127) + "x",
	} {
		start := time.Now()
		_ = New(Config{}).Acceptable(idp.Secret(text), "anna.meier", "Klinikum Nord")
		if took := time.Since(start); took > time.Second { // some 50 ms, more under -race
			t.Errorf("%.20q… takes %s", text, took)
		}
	}
}

func FuzzAcceptable(f *testing.F) {
	for _, s := range []string{"password", "x7Kq9ZpLm2", "anna2024", "\xff", "4@8({[<36", "İstanbul34"} {
		f.Add(s, "anna")
	}
	f.Fuzz(func(t *testing.T, pw, word string) {
		key := fault(pw, []string{word})
		switch key {
		case "", "password.short", "password.long", "password.context", "password.common", "text.invalid":
		default:
			t.Errorf("%q: key %q", pw, key)
		}
		if key == "" && (len([]rune(pw)) < MinRunes || len([]rune(pw)) > MaxRunes) {
			t.Errorf("%q was accepted", pw)
		}
	})
}
