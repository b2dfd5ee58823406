package adminapi

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/serve"
)

// Media types of what is answered.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeLines   = "application/x-ndjson"
	typeCSV     = "text/csv; charset=utf-8"
)

// answer sends v as JSON, with a status.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v any) error {
	w.Header().Set("Content-Type", typeJSON)
	s.write(w, r, status, v)
	return nil
}

// done is the response of an act without a result: 204.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// write sends v as JSON, whole or not at all.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // texts, numbers and times always encode
		panic(err)
	}
	w.WriteHeader(status)
	if _, err := w.Write(body.Bytes()); err != nil {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelDebug, "answer not taken", slog.String("request", serve.From(r.Context()).ID), slog.Any("error", err))
	}
}

// page is a part of a list. Without Next it is the last. Short: the list was
// searched as far as one request may and the part is not full, perhaps empty;
// Next goes on.
type page[T any] struct {
	Items  []T              `json:"items"`
	Next   idp.Key          `json:"next,omitempty"`
	Short  bool             `json:"short,omitempty"`
	Total  *count           `json:"total,omitempty"`
	Facets map[string]count `json:"facets,omitempty"`
}

// count is a number of rows; they are counted no further than idp.CountUpTo, and More says
// that there are others.
type count struct {
	Count int  `json:"count"`
	More  bool `json:"more,omitempty"`
}

func pageOf[Row, T any](rows []Row, cursors idp.Cursors, item func(*Row) T) page[T] {
	return page[T]{Items: each(rows, item), Next: cursors.Next, Short: cursors.Partial}
}

// each makes items of rows; of no rows an empty list, never null.
func each[Row, T any](rows []Row, item func(*Row) T) []T {
	items := make([]T, len(rows))
	for i := range rows {
		items[i] = item(&rows[i])
	}
	return items
}

func (p *page[T]) counted(total *idp.Count) {
	if total != nil {
		p.Total = &count{total.N, total.More}
	}
}

func facets[F ~string](of map[F]idp.Count) map[string]count {
	if of == nil {
		return nil
	}
	out := map[string]count{}
	for f, n := range of {
		out[string(f)] = count{n.N, n.More}
	}
	return out
}

// list is l, or an empty list where l is nil: JSON has no null for lists here.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// moment is a time as JSON has it, in UTC to the microsecond; nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond) // as it is kept
	return &t
}

// stream sends a long response while it is made, as serve.Download does.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, kind string, write func(io.Writer) error) error {
	w.Header().Set("Content-Type", kind)
	return serve.Download(w, r, s.conf.Log, write)
}
