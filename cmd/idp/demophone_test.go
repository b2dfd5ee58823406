package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hilum/cmd/phone/phone"
)

// Keys of the demo's terminal become the answer that was meant, and none where they
// cannot be it: a wrong number ends a sign-in.
func TestDemoKeys(t *testing.T) {
	approve := func(number string) *phone.Decision { return &phone.Decision{Approve: true, Number: number} }
	for name, c := range map[string]struct {
		mode string
		keys string
		want *phone.Decision
		says string // what the last key prints; empty: nothing
	}{
		"a tap is l":                           {"tap", "l", approve(""), ""},
		"a tap is no number":                   {"tap", "42\r", nil, ""},
		"a tap is no number, and that is said": {"tap", "4", nil, "Login (l)"},
		"d denies":                             {"tap", "d", &phone.Decision{}, ""},
		"n is not me":                          {"type", "n", &phone.Decision{Reason: "not_me"}, ""},
		"a number is typed":                    {"type", "42\r", approve("42"), ""},
		"a line feed ends it too":              {"type", "42\n", approve("42"), ""},
		"l is no number":                       {"type", "l", nil, "type the 2 digits of the browser"},
		"l and Enter are no number":            {"type", "l\r", nil, ""},
		"l among digits begins anew":           {"type", "4l42\r", approve("42"), ""},
		"a number too short":                   {"type", "4\r", nil, "type the 2 digits of the browser"},
		"a number too long":                    {"type", "421\r", nil, "type the 2 digits of the browser"},
		"a digit is taken back":                {"type", "41\x7f2\r", approve("42"), ""},
		"there is nothing to take back":        {"type", "\x7f\b", nil, ""},
		"Enter alone":                          {"type", "\r", nil, ""},
		"d after digits denies":                {"type", "4d", &phone.Decision{}, ""},
		"a number is picked":                   {"pick", "55\r", approve("55"), ""},
		"one that cannot be picked":            {"pick", "42\r", nil, "(17, 55, 80)"},
		"l picks nothing":                      {"pick", "l", nil, "(17, 55, 80)"},
		"keys that mean nothing":               {"type", "xyz \x00", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			q := &question{mode: c.mode, length: 2, choices: []string{"17", "55", "80"}}
			var got *phone.Decision
			var said string
			for i, k := range c.keys {
				if got, said = q.key(k); got != nil && i < len(c.keys)-1 {
					t.Fatalf("answered %+v after %q", got, c.keys[:i+1])
				}
			}
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
				t.Errorf("answers %+v, want %+v", got, c.want)
			}
			if c.says == "" && said != "" || !strings.Contains(said, c.says) {
				t.Errorf("says %q", said)
			}
		})
	}
}

// The code of the moment is said with how long it is good for.
func TestCodeNow(t *testing.T) {
	for at, want := range map[int64]string{0: "755 224, for 30 s more", 1: "755 224, for 29 s more", 29: "755 224, for 1 s more", 30: "287 082, for 30 s more"} {
		if got, err := codeNow("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", time.Unix(at, 0)); got != want || err != nil {
			t.Errorf("at %d s: %q, %v", at, got, err)
		}
	}
	if got, err := codeNow("not base32", time.Unix(0, 0)); err == nil {
		t.Errorf("no secret shows %q", got)
	}
}

// endless is an input that always has more, up to a bound at which a test has failed.
type endless struct {
	text string
	left int // bytes
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, errors.New("all of it was read")
	}
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	e.left -= n
	return n, nil
}

// stuck is an input that says neither anything nor that it has ended.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// An input that never ends is not read as fast as the machine can ("yes | idp demo",
// "idp demo </dev/zero"), and one that has ended is not read again.
func TestDemoKeysArePaced(t *testing.T) {
	for name, text := range map[string]string{"yes": "y\n", "zero": "\x00"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var said bytes.Buffer
				keys, _ := (&cli{stdin: &endless{text, 1 << 20}, stdout: &said}).keys(ctx)
				n := 0
				for range keys {
					n++
				}
				if most := int(time.Minute/keyPace) + 1; n < 10 || n > most {
					t.Errorf("%d keys in a minute, want at most %d; said %q", n, most, &said)
				}
			})
		})
	}
	for name, c := range map[string]struct {
		in   io.Reader
		says string
	}{"ended": {strings.NewReader(""), ""}, "stuck": {stuck{}, io.ErrNoProgress.Error()}} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			keys, _ := (&cli{stdin: c.in, stdout: &said}).keys(t.Context())
			if k, more := <-keys; more {
				t.Errorf("key %q", k)
			}
			if c.says == "" && said.Len() > 0 || !strings.Contains(said.String(), c.says) {
				t.Errorf("said %q", &said)
			}
		})
	}
}
