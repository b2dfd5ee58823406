package totp

import (
	"strings"
	"unicode/utf8"
)

// MaxURI is the length of the longest link, so that its QR code still scans
// well from a screen (version 8 at error correction L).
const MaxURI = 190

// Extra is a further parameter of the link, for apps that know it. Its value
// is made of A-Z a-z 0-9 - . _ ~ : / only: one popular app percent-decodes the
// whole link before it parses it.
type Extra struct{ Name, Value string }

// URI returns the otpauth link that authenticator apps scan:
//
//	otpauth://totp/{label}:{account}?secret={base32}&issuer={label}
//
// Algorithm, digits and period are the defaults and not named, because some
// apps stumble over them. label and account are what the app shows; colons are
// taken out, which apps would read as the separator, and what is too long for
// MaxURI is cut off. Everything but unreserved characters is percent-encoded,
// spaces as %20 (some apps show a plus sign as it is).
func URI(label, account string, secret []byte, extra ...Extra) string {
	var extras strings.Builder
	for _, x := range extra {
		extras.WriteString("&" + x.Name + "=" + x.Value)
	}
	const scheme, secretIs, issuerIs = "otpauth://totp/", "?secret=", "&issuer="
	key := Base32(secret)
	room := MaxURI - len(scheme+":"+secretIs+key+issuerIs) - extras.Len()
	// The label stands there twice. It may have what the account leaves, a
	// quarter in any case unless that left the account next to nothing.
	most := max(room/4, (room-len(escape(account, room)))/2)
	label = escape(label, min(most, (room-MinAccount)/2))
	account = escape(account, room-2*len(label))
	return scheme + label + ":" + account + secretIs + key + issuerIs + label + extras.String()
}

// escape percent-encodes all but the unreserved characters of RFC 3986,
// section 2.3, leaves colons out, and stops before the result has more than
// most bytes. No character is cut in two.
func escape(s string, most int) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, r := range s {
		if r == ':' {
			continue
		}
		enc := utf8.AppendRune(nil, r)
		if !unreserved(r) {
			raw := enc
			enc = nil
			for _, c := range raw {
				enc = append(enc, '%', hex[c>>4], hex[c&15])
			}
		}
		if b.Len()+len(enc) > most {
			break
		}
		b.Write(enc)
	}
	return strings.TrimSuffix(b.String(), "%20") // what a cut may leave
}

func unreserved(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r)
}
