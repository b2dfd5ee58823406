package postgres

import (
	"regexp"
	"strconv"
	"strings"
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
