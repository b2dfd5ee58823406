package admin

import (
	"strings"
	"unicode"
)

// Bounds of one row of a file: a file of nothing but commas would else need a hundred
// times its size in memory. A person with the longest of everything needs a fifth of
// that.
const (
	maxRow   = 64 << 10 // bytes
	maxCells = 256
)

// maxTorn is for how many rows in which a quotation mark is not closed the next
// lines are searched for it; else a file of nothing but such rows would be read
// a thousand times.
const maxTorn = 100

// table cuts a file into rows and cells (RFC 4180). Lines end with LF, CRLF or
// CR, and cells with sep. It takes only so much of a row as a row may have, and
// where a row is broken it goes on with the line behind.
type table struct {
	rest string
	sep  byte
	line int // of what is in rest; the first is 1
	torn int // rows so far whose quotation mark is not closed, see maxTorn
}

// row is one row; its cells are good until the next.
type row struct {
	line   int
	cells  []string
	fault  string // message key of why it cannot be cut, or empty
	column int    // of the cell it is about
}

// next returns the next row that has anything in it; false at the end.
func (t *table) next(r *row) bool {
	for t.rest != "" {
		r.line, r.fault, r.column = t.line, "", 0
		line, end := lineOf(t.rest)
		// What is empty at the end is counted, and not cut.
		full := strings.TrimRight(line, " \t\u00a0"+string(t.sep))
		if full == "" || blank(full, t.sep) {
			t.skip(end, 1)
			continue
		}
		if len(full) > maxRow {
			r.fault, r.cells = "import.row.long", r.cells[:0]
			t.skip(end, 1)
			return true
		}
		open := t.cut(r, full)
		if open {
			end = t.sew(r, end)
		} else if r.fault == "" {
			for n := strings.Count(line[len(full):], string(t.sep)); n > 0 && len(r.cells) < maxCells; n-- {
				r.cells = append(r.cells, "")
			}
		}
		t.skip(end, -1)
		return true
	}
	return false
}

// sew reads a row whose cell goes on in the next line, and returns where it ends.
// When it ends nowhere, the row is this line alone.
func (t *table) sew(r *row, end int) int {
	at := len(r.cells)
	if t.torn < maxTorn {
		within := t.rest[:min(len(t.rest), maxRow)]
		if n := endOfRow(within); n > 0 && (n < len(within) || len(within) == len(t.rest)) {
			all := within[:n]
			if open := t.cut(r, strings.TrimRight(all, "\r\n")); !open && r.fault == "" {
				return n
			}
		}
		t.torn++
	}
	r.fault, r.column, r.cells = "import.quotes", at, r.cells[:0]
	return end
}

// endOfRow is behind the first end of a line that is not between quotation
// marks, or the end of s; 0 when a quotation mark is open there.
func endOfRow(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\n', '\r':
			if quoted {
				continue
			}
			if s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			return i + 1
		}
	}
	if quoted {
		return 0
	}
	return len(s)
}

// cut cuts a row into its cells. open: it ended between quotation marks.
func (t *table) cut(r *row, s string) (open bool) {
	r.cells, r.fault, r.column = r.cells[:0], "", 0
	for {
		var cell string
		if strings.HasPrefix(s, `"`) {
			from, inner := 1, false // inner: it has quotation marks
			for {
				i := strings.IndexByte(s[from:], '"')
				if i < 0 {
					return true
				}
				from += i + 1
				if from == len(s) || s[from] != '"' {
					break
				}
				from, inner = from+1, true
			}
			if cell = s[1 : from-1]; inner {
				cell = strings.ReplaceAll(cell, `""`, `"`)
			}
			s = s[from:]
			if s != "" && s[0] != t.sep {
				r.fault, r.column = "import.quotes", len(r.cells)
				return false
			}
		} else {
			i := strings.IndexByte(s, t.sep)
			if i < 0 {
				i = len(s)
			}
			if cell = s[:i]; strings.Contains(cell, `"`) {
				r.fault, r.column = "import.quotes", len(r.cells)
				return false
			}
			s = s[i:]
		}
		if len(r.cells) == maxCells {
			if cell != "" {
				r.fault = "import.row.long"
				return false
			}
		} else {
			r.cells = append(r.cells, cell)
		}
		if s == "" {
			return false
		}
		s = s[1:]
	}
}

// skip goes on n bytes, over so many lines; -1: as many as there are.
func (t *table) skip(n, lines int) {
	if lines < 0 {
		lines = strings.Count(t.rest[:n], "\n")
		for i := range n {
			if t.rest[i] == '\r' && (i+1 == len(t.rest) || t.rest[i+1] != '\n') {
				lines++
			}
		}
	}
	t.rest, t.line = t.rest[n:], t.line+lines
}

// lineOf is the first line of s, and where the next begins.
func lineOf(s string) (line string, next int) {
	i := strings.IndexAny(s, "\r\n")
	switch {
	case i < 0:
		return s, len(s)
	case s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n':
		return s[:i], i + 2
	}
	return s[:i], i + 1
}

// blank reports whether a line has nothing but spaces and separators: a row that a
// spreadsheet left behind. One of empty quotation marks shows when it is cut.
func blank(line string, sep byte) bool {
	return !strings.ContainsFunc(line, func(r rune) bool { return r != rune(sep) && !unicode.IsSpace(r) })
}
