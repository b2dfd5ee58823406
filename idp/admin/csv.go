package admin

import (
	"bufio"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// sheet writes CSV (RFC 4180), for programs or for spreadsheets.
type sheet struct {
	w     *bufio.Writer
	comma string
	signs string // a cell with one of these is put between quotation marks
}

// newSheet begins a file with its heading. For spreadsheets it has a byte order
// mark, by which Excel knows UTF-8.
func newSheet(w io.Writer, format ExportFormat, heading ...string) *sheet {
	s := &sheet{bufio.NewWriter(w), ",", "\",\r\n"}
	if format == ExportSheetSemicolon {
		s.comma = ";"
	}
	if format != ExportCSV {
		s.signs = "\",;\t\r\n"           // whichever separator it is opened with
		_, _ = s.w.WriteString("\ufeff") // flush tells
	}
	s.row(heading...)
	return s
}

// row writes one line.
func (s *sheet) row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = s.w.WriteString(s.comma)
		}
		if cell = harmless(cell); strings.ContainsAny(cell, s.signs) || strings.HasPrefix(cell, " ") {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		_, _ = s.w.WriteString(cell)
	}
	_, _ = s.w.WriteString("\r\n") // RFC 4180, section 2
}

func (s *sheet) flush() error { return s.w.Flush() }

// formula are the signs with which a formula begins, their full-width forms, which
// spreadsheets in East Asia take for the same, and blanks that some spreadsheets take
// away before they look.
const formula = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

// harmless keeps a text from being a formula where a spreadsheet opens the
// file: people choose the names of their devices themselves. The apostrophe before
// it is taken away by bare.
func harmless(s string) string {
	if startsFormula(s) {
		return "'" + s
	}
	return s
}

// bare is the text that harmless was given.
func bare(s string) string {
	if strings.HasPrefix(s, "'") && startsFormula(s) {
		return s[1:]
	}
	return s
}

// startsFormula reports whether a text begins like a formula, or like one that was made
// harmless.
func startsFormula(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, "'"))
	return r != utf8.RuneError && strings.ContainsRune(formula, r)
}

// stamp is a moment in a cell (RFC 3339, UTC, whole seconds); empty for the zero one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
