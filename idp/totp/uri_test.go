package totp

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pquerna/otp"

	"hilum/idp"
)

// The links as they are, letter by letter: every authenticator app reads them
// in its own way, so a change here is a change to be tried on phones.
func TestURIsAreFrozen(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, c := range []struct {
		label, account string
		extra          []Extra
		want           string
	}{
		{"Hilum", "anna", nil,
			"otpauth://totp/Hilum:anna?secret=" + secret + "&issuer=Hilum"},
		{"Klinikum Nord", "anna.meier@klinikum-nord.example", nil,
			"otpauth://totp/Klinikum%20Nord:anna.meier%40klinikum-nord.example?secret=" + secret + "&issuer=Klinikum%20Nord"},
		{"A&B=C?/#%+", "a+b", nil,
			"otpauth://totp/A%26B%3DC%3F%2F%23%25%2B:a%2Bb?secret=" + secret + "&issuer=A%26B%3DC%3F%2F%23%25%2B"},
		{"Spital Zürich", "jörg", nil,
			"otpauth://totp/Spital%20Z%C3%BCrich:j%C3%B6rg?secret=" + secret + "&issuer=Spital%20Z%C3%BCrich"},
		{"Ward: 3", "x:y", nil,
			"otpauth://totp/Ward%203:xy?secret=" + secret + "&issuer=Ward%203"},
		{"Hilum", "anna", []Extra{{"idp", "id.example:8443/x"}, {"pair", "AAAAAAAAAAAAAAAAAAAAAA"}},
			"otpauth://totp/Hilum:anna?secret=" + secret + "&issuer=Hilum&idp=id.example:8443/x&pair=AAAAAAAAAAAAAAAAAAAAAA"},
	} {
		if got := URI(c.label, c.account, rfcSecret, c.extra...); got != c.want {
			t.Errorf("%q, %q:\n got %s\nwant %s", c.label, c.account, got, c.want)
		}
	}
}

func TestURIsAreReadByAnotherLibrary(t *testing.T) {
	for _, c := range [][2]string{
		{"Hilum", "anna"},
		{"Klinikum Nord", "anna.meier+x@klinikum-nord.example"},
		{"Spital Zürich", "jörg"},
		{"病院", "日本"},
		{"100% A&B=C?/#+", "a&secret=AAAA"},
	} {
		uri := URI(c[0], c[1], rfcSecret)
		key, err := otp.NewKeyFromURL(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if key.Type() != "totp" || key.Issuer() != c[0] || key.AccountName() != c[1] || key.Secret() != Base32(rfcSecret) ||
			key.Period() != 30 || key.Digits() != otp.DigitsSix || key.Algorithm() != otp.AlgorithmSHA1 {
			t.Errorf("%s: read as %q, %q, %q", uri, key.Issuer(), key.AccountName(), key.Secret())
		}
		u, err := url.Parse(uri)
		if err != nil || len(u.Query()) != 2 || u.Host != "totp" || u.Path != "/"+c[0]+":"+c[1] {
			t.Errorf("%s: %v, %v", uri, u, err)
		}
	}
}

func TestURIsScanFromAScreen(t *testing.T) {
	extra := []Extra{{"idp", "anmeldung.klinikum-nord.example"}, {"pair", strings.Repeat("A", 22)}}
	labels := map[string]string{
		"longest label":          strings.Repeat("L", 40),
		"longest, all escaped":   strings.Repeat("é", 40),
		"longest, four bytes":    strings.Repeat("🏥", 40),
		"longest, spaces":        strings.Repeat("a ", 20),
		"a usual one":            "Klinikum Nord",
		"nothing but separators": "::::",
	}
	accounts := []string{strings.Repeat("a", idp.MaxName), strings.Repeat("@", idp.MaxName), "a", strings.Repeat("日", idp.MaxName)}
	for name, label := range labels {
		for _, account := range accounts {
			for _, x := range [][]Extra{nil, extra} {
				uri := URI(label, account, rfcSecret, x...)
				if len(uri) > MaxURI {
					t.Errorf("%s, account %.5s…: %d letters: %s", name, account, len(uri), uri)
				}
				key, err := otp.NewKeyFromURL(uri)
				if err != nil {
					t.Errorf("%s: %v", uri, err)
					continue
				}
				// The rules of the device protocol, by a reader of its own.
				_, query, _ := strings.Cut(uri, "?")
				var names []string
				for pair := range strings.SplitSeq(query, "&") {
					name, value, _ := strings.Cut(pair, "=")
					names = append(names, name)
					if (name == "idp" || name == "pair") && strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/") != "" {
						t.Errorf("%s: %s is %q", uri, name, value)
					}
				}
				want := []string{"secret", "issuer"}
				for _, extra := range x {
					want = append(want, extra.Name)
				}
				if !slices.Equal(names, want) || strings.ContainsAny(uri, "+ ") {
					t.Errorf("%s: has %v", uri, names)
				}
				if !strings.HasPrefix(label, key.Issuer()) && name != "nothing but separators" {
					t.Errorf("%s: a letter was cut in two: %q", name, key.Issuer())
				}
				head, tail, _ := strings.Cut(key.AccountName(), cut)
				if head == "" || !strings.HasPrefix(account, head) || !strings.HasSuffix(account, tail) {
					t.Errorf("%s: account %q", uri, key.AccountName())
				}
			}
		}
	}
	// A plain account is never cut, however long the label.
	if uri := URI(strings.Repeat("L", 40), strings.Repeat("a", idp.MaxName), rfcSecret); !strings.Contains(uri, strings.Repeat("a", idp.MaxName)) {
		t.Errorf("the account was cut: %s", uri)
	}
}

// What is too long is shortened so that people still tell two accounts apart.
func TestLongNamesAreShortened(t *testing.T) {
	here := []Extra{{"idp", "sso.klinik.example"}, {"pair", strings.Repeat("A", pairLetters)}}
	for _, c := range []struct {
		why, label, account string
		wantLabel, wantName string
	}{
		{"what fits stays", "Klinikum Nord", "anna.meier@klinik.example", "Klinikum Nord", "anna.meier@klinik.example"},
		{"the host loses its end", "Klinikum Nord", "maximiliane.von.hohenfels1@radiologie.klinik.example", "Klinikum Nord", "maximiliane.von.hohenfels1@radiologie.kli.."},
		{"and nothing before the @", "Klinikum Nord", "maximiliane.von.hohenfels2@radiologie.klinik.example", "Klinikum Nord", "maximiliane.von.hohenfels2@radiologie.kli.."},
		{"no host is left", "Klinikum Nord", "maximiliane.von-und-zu-hohenfels-lichtenstein1@klinik.example", "Klinikum Nord", "maximiliane.von-und-z..ohenfels-lichtenstein1"},
		{"a name of 60 letters loses its middle", "Klinikum Nord", strings.Repeat("lang", 14) + "-und", "Klinikum Nord", "langlanglanglanglangl..nglanglanglanglang-und"},
		{"a label has its quarter of the room", "Universitätsklinikum am Nordring", strings.Repeat("lang", 16), "Universitätsk", "langlanglanglangla..anglanglanglanglang"},
		{"two @, the last is before the host", "Klinikum Nord", "anna@radiologie@sehr-langer-name-eines-krankenhauses.example", "Klinikum Nord", "anna@radiologie@sehr-langer-name-eines-.."},
		{"an @ at the beginning is no host", "Klinikum Nord", "@" + strings.Repeat("lang", 15), "Klinikum Nord", "@langlanglanglangla..nglanglanglanglanglang"},
		{"Arabic", "مستشفى الملك فيصل", "محمد.عبدالرحمن.الحسيني1@klinik.example", "مست", "محم..يني1"},
		{"Japanese", "東京大学医学部附属病院", "山田太郎一号@放射線科.病院.example", "東京", "山田..一号"},
		{"a letter and its accent", "Spital Z" + strings.Repeat("u\u0308", 12), "anna", "Spital Zu\u0308u\u0308", "anna"},
		{"a family is one character", "Klinik", strings.Repeat("👨‍👩‍👧", 3), "Klinik", "..👨‍👩‍👧"},
		{"a flag", strings.Repeat("🇧🇪", 10), "anna", "🇧🇪", "anna"},
		{"a character longer than the room", "Klinik", "a" + strings.Repeat("\u0323", 31), "Klinik", "a" + strings.Repeat("\u0323", 10)},
	} {
		key, err := otp.NewKeyFromURL(URI(c.label, c.account, rfcSecret, here...))
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if key.Issuer() != c.wantLabel || key.AccountName() != c.wantName {
			t.Errorf("%s: %q, %q; want %q, %q", c.why, key.Issuer(), key.AccountName(), c.wantLabel, c.wantName)
		}
	}
}
