package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hilum/idp"
)

// micros is a time as it is stored: microseconds since 1970, and 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// listText is a list as it is stored: a JSON array of strings.
func listText(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	n := 2
	for _, s := range list {
		if !plain(s) {
			b, err := json.Marshal(list)
			if err != nil {
				panic(err) // strings always encode
			}
			return string(b)
		}
		n += len(s) + 3
	}
	b := make([]byte, 0, n)
	for _, s := range list {
		b = append(b, ',', '"')
		b = append(b, s...)
		b = append(b, '"')
	}
	b[0] = '['
	return string(append(b, ']'))
}

// textList is the list that listText stored; an empty one is nil.
func textList(text string) ([]string, error) {
	if text == "[]" {
		return nil, nil
	}
	// Without a backslash nothing is escaped, and quotes stand only around.
	if n := len(text); n > 4 && strings.HasPrefix(text, `["`) && strings.HasSuffix(text, `"]`) && strings.IndexByte(text, '\\') < 0 {
		return strings.Split(text[2:n-2], `","`), nil
	}
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("a list is kept wrongly: %w", err)
	}
	return list, nil
}

// plain reports whether s is the same inside a JSON string.
func plain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < 0x20 || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

// hash is a stored token hash. Error: it is not 32 bytes.
func hash(b []byte) (h idp.TokenHash, err error) {
	if copy(h[:], b) != len(h) || len(b) != len(h) {
		return h, fmt.Errorf("a hash of %d bytes is kept", len(b))
	}
	return h, nil
}
