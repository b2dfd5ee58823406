package totp

import (
	"slices"
	"strings"
	"unicode/utf8"

	"hilum/idp/text"
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
// MaxURI is shortened. Everything but unreserved characters is percent-encoded,
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
	most := max(room/4, (room-len(escape(account)))/2)
	label = beginning(label, min(most, (room-MinAccount)/2))
	account = shortened(account, room-2*len(label))
	return scheme + label + ":" + account + secretIs + key + issuerIs + label + extras.String()
}

// cut stands where something of an account's name is left out: two of its letters are not
// percent-encoded, as those of «…» would be.
const cut = ".."

// shortened percent-encodes an account's name in at most most bytes. Apps write one
// account over another of the same name, and names differ at the end of what is before
// the @ more often than anywhere else (max.weber1@, max.weber2@, max.weber-admin@): so
// the host loses its end, and if that is not enough, what is before it loses its middle.
func shortened(account string, most int) string {
	whole := escaped(account)
	if length(whole) <= most {
		return strings.Join(whole, "")
	}
	name, host := whole, []string(nil)
	if i := strings.LastIndexByte(account, '@'); i > 0 {
		name, host = escaped(account[:i]), escaped(account[i:])
	}
	if rest := most - length(name); rest >= 0 {
		local := strings.Join(name, "")
		if rest >= len("%40"+cut) {
			local += first(host, rest-len(cut)) + cut
		}
		return local
	}
	head := trimmed(first(name, (most-len(cut))/2))
	tail := last(name, most-len(head+cut))
	if head+tail == "" {
		return beginning(account, most)
	}
	return head + cut + tail
}

// beginning percent-encodes as much of s, from its beginning, as most bytes have room
// for. Where the first character alone is too long, as one of ten accents is, some of
// its code points stand for it.
func beginning(s string, most int) string {
	whole := escaped(s)
	if len(whole) > 0 && len(whole[0]) > most {
		whole = nil
		for _, r := range s {
			whole = append(whole, escape(string(r)))
		}
	}
	return trimmed(first(whole, most))
}

// escape percent-encodes all but the unreserved characters of RFC 3986,
// section 2.3, and leaves colons out.
func escape(s string) string { return strings.Join(escaped(s), "") }

// escaped is escape, character by character as people see them, which are not cut in two.
func escaped(s string) []string {
	const hex = "0123456789ABCDEF"
	var out []string
	for _, c := range text.Characters(strings.ReplaceAll(s, ":", "")) {
		var b strings.Builder
		for _, r := range c {
			if unreserved(r) {
				b.WriteRune(r)
				continue
			}
			for _, raw := range utf8.AppendRune(nil, r) {
				b.Write([]byte{'%', hex[raw>>4], hex[raw&15]})
			}
		}
		out = append(out, b.String())
	}
	return out
}

func length(parts []string) int {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	return n
}

// first is as many of the parts, from the first, as most bytes have room for.
func first(parts []string, most int) string {
	n := 0
	for i, p := range parts {
		if n += len(p); n > most {
			return strings.Join(parts[:i], "")
		}
	}
	return strings.Join(parts, "")
}

// last is first from the other end.
func last(parts []string, most int) string {
	n := 0
	for i, p := range slices.Backward(parts) {
		if n += len(p); n > most {
			return strings.Join(parts[i+1:], "")
		}
	}
	return strings.Join(parts, "")
}

// trimmed is an encoded text without the space that cutting may leave at its end.
func trimmed(s string) string { return strings.TrimSuffix(s, "%20") }

func unreserved(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r)
}
