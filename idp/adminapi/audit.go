package adminapi

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
)

func (s *Server) eventQuery(r *http.Request, known ...string) (idp.EventQuery, error) {
	q, err := readQuery(r, append(known, "kind*", "user", "actor", "device", "client", "address", "from", "until")...)
	if err != nil {
		return idp.EventQuery{}, err
	}
	for _, k := range q.Values["kind"] {
		group := strings.HasSuffix(k, ".")
		if !slices.ContainsFunc(idp.EventKinds, func(is idp.EventKind) bool {
			return string(is) == k || group && strings.HasPrefix(string(is), k)
		}) {
			return idp.EventQuery{}, &told{errQuery, "kind", "there is no such kind of event"}
		}
	}
	from, err1 := q.moment("from")
	until, err2 := q.moment("until")
	p, err3 := q.part()
	return idp.EventQuery{
		Kinds: typed[idp.EventKind](q.Values["kind"]), User: idp.UserID(q.Get("user")), Actor: idp.UserID(q.Get("actor")), Device: idp.DeviceID(q.Get("device")),
		Client: idp.ClientID(q.Get("client")), Address: q.Get("address"), From: from, Until: until, Page: p,
	}, errors.Join(err1, err2, err3)
}

func (s *Server) searchEvents(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := s.eventQuery(r, "after", "limit")
	if err != nil {
		return err
	}
	found, err := s.conf.Desk.SearchEvents(r.Context(), by, q)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, pageOf(found.Rows, found.Cursors, admin.EventLineOf))
}

// exportEvents sends every event that a query finds, while it is read.
func (s *Server) exportEvents(format admin.ExportFormat, kind string) func(http.ResponseWriter, *http.Request, admin.By) error {
	return func(w http.ResponseWriter, r *http.Request, by admin.By) error {
		q, err := s.eventQuery(r)
		if err != nil {
			return err
		}
		return s.stream(w, r, kind, func(out io.Writer) error { return s.conf.Desk.ExportEvents(r.Context(), by, q, format, out) })
	}
}

// fed is a part of the log for a program that follows it. Next is the number to ask for
// next time, also when there is nothing new.
type fed struct {
	Items []admin.EventLine `json:"items"`
	Next  string            `json:"next"`
	More  bool              `json:"more"` // there may be: ask again at once
}

// feed is the log as it grows, oldest first, after the event of a number.
func (s *Server) feed(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := readQuery(r, "after", "limit")
	if err != nil {
		return err
	}
	var after int64
	if q.Has("after") {
		if after, err = strconv.ParseInt(q.Get("after"), 10, 64); err != nil || after < 0 {
			return &told{errQuery, "after", "after is the number of an event"}
		}
	}
	limit, err := q.number("limit", idp.DefaultListPage, idp.MaxListPage)
	if err != nil {
		return err
	}
	events, err := s.conf.Desk.EventsAfter(r.Context(), by, after, limit)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		after = events[len(events)-1].Seq
	}
	return s.answer(w, r, http.StatusOK, fed{each(events, admin.EventLineOf), strconv.FormatInt(after, 10), len(events) == limit})
}

// chain says whether the chain of the log holds.
type chain struct {
	Valid  bool   `json:"valid"`
	Events int64  `json:"events,omitempty"`
	First  int64  `json:"first,omitempty"` // number of the first event; those before were deleted when their time was up
	Head   string `json:"head,omitempty"`  // hash of the last event
	Fault  string `json:"fault,omitempty"`
}

// verify walks the whole chain of the log.
func (s *Server) verify(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	c, err := s.conf.Desk.VerifyEvents(r.Context(), by, nil)
	if errors.Is(err, idp.ErrInvalid) {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelError, "the audit log does not hold together", slog.String("request", serve.From(r.Context()).ID), slog.Any("error", err))
		return s.answer(w, r, http.StatusOK, chain{Fault: err.Error()})
	}
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, chain{Valid: true, Events: c.Events, First: c.Check.Begin.Seq + 1, Head: hex.EncodeToString(c.Head[:])})
}
