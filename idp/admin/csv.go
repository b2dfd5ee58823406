package admin

import (
	"encoding/csv"
	"io"
	"strings"
	"time"
)

// sheet writes CSV for spreadsheets.
type sheet struct{ w *csv.Writer }

func newSheet(w io.Writer, heading ...string) *sheet {
	s := &sheet{csv.NewWriter(w)}
	s.w.UseCRLF = true // RFC 4180, section 2
	s.row(heading...)
	return s
}

func (s *sheet) row(cells ...string) {
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	_ = s.w.Write(cells) // flush tells
}

func (s *sheet) flush() error {
	s.w.Flush()
	return s.w.Error()
}

// harmless keeps a text from being a formula where a spreadsheet opens the
// file: people choose the names of their devices themselves.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// stamp is a moment in a cell; empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
