package claim

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendTime writes a moment as a JSON number, whole seconds since 1970
// (NumericDate, RFC 7519, section 2).
func AppendTime(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.Unix(), 10) }

// AppendStrings writes a JSON array of strings.
func AppendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, s)
	}
	return append(b, ']')
}

// AppendString writes a JSON string (RFC 8259, section 7).
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	b = AppendEscaped(b, s)
	return append(b, '"')
}

// AppendEscaped writes what stands between the quotes of a JSON string. What
// is not UTF-8 becomes U+FFFD.
func AppendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	start := 0 // of what needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		if c < 0x20 {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		} else {
			b = append(b, '\\', c)
		}
		i++
		start = i
	}
	return append(b, s[start:]...)
}
