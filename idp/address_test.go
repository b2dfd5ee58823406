package idp_test

import (
	"net/mail"
	"strings"
	"testing"

	"hilum/idp"
)

// One mail address, and nothing that a mail server could read as more than that.
func TestMailAddressesAreParsed(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	long := strings.Repeat(x(61)+".", 3)
	for _, good := range []string{
		"anna@example.org", "a@b", "anna@localhost", "anna.maes+ward@klinik-1.example", "o'brien@example.org", "!#$%&'*+-/=?^_`{|}~@example.org",
		"müller@krankenhaus-köln.de", "mu\u0308ller@krankenhaus-ko\u0308ln.de", "用户@例え.テスト", "жанна@пример.испытание", "anna@xn--kln-sna.de", "1@2.example",
		x(64) + "@example.org", x(1) + "@" + long + x(61),
	} {
		if !idp.ValidMail(good) {
			t.Errorf("%.80q is refused", good)
		}
	}
	for _, bad := range []string{
		"", "anna", "@", "@example.org", "anna@", "a@b@c", "anna@@example.org", "a@x, b@y", "a@x,b@y", "a@x;b@y", "a@x b@y", "Anna <a@x.example>", "<a@x.example>",
		"\"a b\"@example.org", "\"a\"@example.org", "a(comment)@example.org", "a@(comment)example.org", "a b@example.org", " a@example.org", "a@example.org ", "a@exa mple.org",
		".a@example.org", "a.@example.org", "a..b@example.org", "a@.example.org", "a@example.org.", "a@example..org", "a@-example.org", "a@example-.org", "a@exa_mple.org",
		"a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@192.0.2.1", "a@example.org:25", "a@example.org\r\nBcc: c@d", "a\x00@example.org", "a@exam\x00ple.org", "a\t@example.org", "a\x7f@example.org",
		"a\u0085@example.org", "a\u202e@example.org", "a\u200b@example.org", "\u3164@example.org", "a@exam\u00adple.org", "a@\u200b.org", "a@example\u3002org", "a@\uff0eorg", "a\xff@example.org",
		"a\\b@example.org", "a:b@example.org", "mailto:a@example.org", "http://a@example.org", "a@http://example.org", "a@example.org/x", "a@example.org?cc=b@c.example", "a%@exam%ple.org", "\u0308@example.org",
		x(65) + "@example.org", "a@" + x(64) + ".org", "a@" + long + x(66), strings.Repeat("ü", 33) + "@example.org", "a[b]@example.org", "a@b\u00a0c.org",
	} {
		if idp.ValidMail(bad) {
			t.Errorf("%.80q is taken", bad)
		}
	}
}

// What is taken is one address to other readers too, with the same two parts.
func FuzzValidMail(f *testing.F) {
	for _, s := range []string{"anna@example.org", "müller@krankenhaus-köln.de", "a@b@c", "a@[::1]", "\"a\"@b", "a,b@c", "a@b.c.", "\xff@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !idp.ValidMail(s) {
			return
		}
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s || a.Name != "" {
			t.Fatalf("%+q was taken, and is %+v, %v", s, a, err)
		}
		if list, err := mail.ParseAddressList(s); err != nil || len(list) != 1 {
			t.Fatalf("%+q was taken, and is %d addresses, %v", s, len(list), err)
		}
	})
}
