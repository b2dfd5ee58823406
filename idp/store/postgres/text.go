package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	byIndex = regexp.MustCompile(` INDEXED BY [a-z_]+`)
	// Arguments in the order in which they stand, or by number.
	argument = regexp.MustCompile(`\?[0-9]*`)
)

// rewrite is a statement as PostgreSQL takes it: arguments have numbers, the planner chooses
// indexes and the order of joins, an empty blob is written by its own name.
func rewrite(query string) string {
	query = byIndex.ReplaceAllLiteralString(query, "")
	query = strings.ReplaceAll(query, "CROSS JOIN", "JOIN")
	query = strings.ReplaceAll(query, "x''", "''")
	n := 0
	return argument.ReplaceAllStringFunc(query, func(a string) string {
		if len(a) > 1 {
			return "$" + a[1:]
		}
		n++
		return "$" + strconv.Itoa(n)
	})
}

// reads reports whether a statement changes nothing.
func reads(query string) bool { return strings.HasPrefix(query, "SELECT") }

// never is in no text that is kept: a noncharacter (Unicode, section 23.7).
const never = "\uFDD0"

// asKept is a text as PostgreSQL can compare it. It keeps no NUL and nothing that is not UTF-8,
// and answers a question about such a text with an error. SQLite answers that there is none, and
// so does the server of a text with a noncharacter in place of what it does not keep. What is
// written is not changed: it is refused (idp.ErrInvalid).
func asKept(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, never), "\x00", never)
}
