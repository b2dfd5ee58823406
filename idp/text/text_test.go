package text_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"hilum/idp/text"
)

// One letter, however it was typed, is one letter.
func TestTextIsKeptInNFC(t *testing.T) {
	for typed, want := range map[string]string{
		"": "", "Anna": "Anna", " Anna\u00a0": "Anna", "Ma\u0308rz": "März", "März": "März", "e\u0302\u0323": "ệ", "\u1112\u1161\u11ab": "한",
		"\u212b": "Å", "ﬁ": "ﬁ", "a\xff": "a\xff",
	} {
		if got := text.Form(typed); got != want || text.Form(got) != got {
			t.Errorf("%+q is kept as %+q, want %+q", typed, got, want)
		}
	}
	if got := text.Forms([]string{"Ro\u0308ntgen", "CT", "Röntgen ", "CT"}); !slices.Equal(got, []string{"Röntgen", "CT"}) {
		t.Errorf("%q", got)
	}
	if text.Forms(nil) != nil {
		t.Error("no list became one")
	}
}

// Two addresses that are one have one key; those that are not have two.
func TestMailKey(t *testing.T) {
	for _, same := range [][]string{
		{"anna@klinik.example", "Anna@Klinik.Example", "ANNA@KLINIK.EXAMPLE"},
		{"müller@klinik.example", "MÜLLER@klinik.example", "mu\u0308ller@klinik.example", "MU\u0308LLER@KLINIK.example"},
		{"anna@krankenhaus-köln.de", "anna@KRANKENHAUS-KÖLN.de", "anna@xn--krankenhaus-kln-ltb.de", "anna@XN--krankenhaus-kln-ltb.DE", "anna@krankenhaus-ko\u0308ln.de"},
		{"σίγμας@x.example", "ΣΊΓΜΑΣ@x.example"},
		{"жанна@x.example", "ЖАННА@X.example"},
	} {
		for _, other := range same[1:] {
			if a, b := text.MailKey(same[0]), text.MailKey(other); a != b {
				t.Errorf("%q and %q: %q, %q", same[0], other, a, b)
			}
		}
	}
	for _, two := range [][2]string{
		{"anna@x.example", "anna@y.example"}, {"anna@x.example", "änna@x.example"}, {"i@x.example", "İ@x.example"}, {"ı@x.example", "i@x.example"},
		{"anna@köln.de", "anna@koln.de"}, {"anna+a@x.example", "anna@x.example"}, {"strasse@x.example", "straße@x.example"},
	} {
		if text.MailKey(two[0]) == text.MailKey(two[1]) {
			t.Errorf("%q and %q have one key", two[0], two[1])
		}
	}
}

func TestMailOut(t *testing.T) {
	for address, want := range map[string]string{
		"anna@klinik.example": "anna@klinik.example", "Anna@Klinik.Example": "Anna@Klinik.Example", "anna@localhost": "anna@localhost",
		"anna@krankenhaus-köln.de": "anna@xn--krankenhaus-kln-ltb.de", "anna@KÖLN.de": "anna@xn--kln-sna.de", "anna@ko\u0308ln.de": "anna@xn--kln-sna.de",
		"müller@köln.de": "müller@xn--kln-sna.de", "anna@xn--kln-sna.de": "anna@xn--kln-sna.de", "anna@例え.テスト": "anna@xn--r8jz45g.xn--zckzah",
		"anna@xn--a.de": "", "anna@-ö.de": "", "anna@ö..de": "", "anna@\u200b.de": "", "anna": "", "@x": "", "anna@": "",
	} {
		got, ascii, ok := text.MailOut(address)
		if got != want || ok != (want != "") || ok && ascii != (strings.IndexFunc(got, func(r rune) bool { return r >= utf8.RuneSelf }) < 0) {
			t.Errorf("%q goes out as %q, %v, %v; want %q", address, got, ascii, ok, want)
		}
	}
}

func TestLocale(t *testing.T) {
	for tag, want := range map[string]bool{
		"de": true, "de-CH": true, "nl-BE": true, "zh-Hant-TW": true, "sr-Latn": true, "en-GB-oxendict": true,
		"": false, "de_DE": false, "german": false, "xx-": false, "d": false, "de-": false, "12": false, "de DE": false, "de-\u00e4": false, "de;q=1": false,
	} {
		if got := text.Locale(tag); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
}

// A key is the key of itself, and in NFC.
func FuzzMailKey(f *testing.F) {
	for _, s := range []string{"anna@x.example", "MÜLLER@krankenhaus-köln.de", "a@xn--kln-sna.de", "İ@x", "\xff@\xff", "@", "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		key := text.MailKey(s)
		if text.MailKey(key) != key || !norm.NFC.IsNormalString(key) {
			t.Errorf("%+q has %+q, that has %+q", s, key, text.MailKey(key))
		}
	})
}

// Who searches types neither capitals nor accents.
func TestBare(t *testing.T) {
	for typed, want := range map[string]string{
		"Änna MÜLLER-Strauß": "anna muller-strauss", " Ørsted ": "orsted", "Łódź": "lodz", "ﬁne": "fine", "Ａ": "a", "İ": "i", "日本": "日本", "": "",
	} {
		if got := text.Bare(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
