package pgtest

import (
	"regexp"
	"strings"
)

// dollar is the beginning of a text between $tag$ and $tag$.
var dollar = regexp.MustCompile(`^\$([\pL_][\pL\pN_]*)?\$`)

// commits tells whether one of the statements of a text is COMMIT. Its other name, END, is
// none here: it ends blocks, too.
func commits(sql string) bool {
	first := true // at the beginning of a statement
	for sql != "" {
		n := 1
		switch c := sql[0]; {
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		case c == ';':
			first = true
		case strings.HasPrefix(sql, "--"):
			if n = strings.IndexByte(sql, '\n'); n < 0 {
				return false
			}
		case strings.HasPrefix(sql, "/*"):
			n = comment(sql)
		case c == '\'' || c == '"':
			first, n = false, quoted(sql, false)
		case c == '$' && dollar.MatchString(sql):
			tag := dollar.FindString(sql)
			end := strings.Index(sql[len(tag):], tag)
			if end < 0 {
				return false
			}
			first, n = false, end+2*len(tag)
		case letter(c):
			for n < len(sql) && (letter(sql[n]) || sql[n] >= '0' && sql[n] <= '9' || sql[n] == '$') {
				n++
			}
			word := sql[:n]
			if first && strings.EqualFold(word, "commit") {
				return true
			}
			first = false
			if strings.EqualFold(word, "e") && strings.HasPrefix(sql[n:], "'") {
				n += quoted(sql[n:], true)
			}
		default:
			first = false
		}
		sql = sql[n:]
	}
	return false
}

func letter(c byte) bool {
	return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// quoted is the length of a text between quotes, of which the first byte is one. A quote
// that is doubled ends one such text and begins another.
func quoted(sql string, backslash bool) int {
	for i := 1; i < len(sql); i++ {
		switch {
		case backslash && sql[i] == '\\':
			i++
		case sql[i] == sql[0]:
			return i + 1
		}
	}
	return len(sql)
}

// comment is the length of a comment, in which others may be.
func comment(sql string) int {
	depth := 0
	for i := 0; i < len(sql)-1; i++ {
		switch sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(sql)
}
