package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
)

// SearchEvents reads the audit log, newest first. Errors: idp.ErrDenied,
// FieldError (the key of the page).
func (d *Desk) SearchEvents(ctx context.Context, by By, q idp.EventQuery) (*idp.EventPage, error) {
	if err := d.allow(ctx, by, ReadAudit); err != nil {
		return nil, err
	}
	return d.searchEvents(ctx, q)
}

// searchEvents is SearchEvents for whoever may read the part of the log that q finds.
func (d *Desk) searchEvents(ctx context.Context, q idp.EventQuery) (*idp.EventPage, error) {
	p, err := d.conf.Store.SearchEvents(ctx, q)
	if err != nil {
		return nil, err
	}
	p.Names, err = d.nameActors(ctx, p.Rows)
	return p, err
}

// nameActors gives actors whose id alone the log has the sign-in names of today, and
// returns those of everybody whom the events have by id only. The log itself stays as it
// was written, and its chain is checked without them.
func (d *Desk) nameActors(ctx context.Context, events []idp.Event) (map[idp.UserID]string, error) {
	var ids []idp.UserID
	for i := range events {
		if a := events[i].Actor; a.Name == "" && a.User != "" {
			ids = append(ids, a.User)
		}
		if events[i].User != "" {
			ids = append(ids, events[i].User)
		}
	}
	slices.Sort(ids)
	names, err := d.conf.Store.UserNames(ctx, slices.Compact(ids))
	for i := range events {
		if a := &events[i].Actor; a.Name == "" {
			a.Name = names[a.User]
		}
	}
	return names, err
}

// EventsAfter returns the events whose number (Event.Seq) is greater than after,
// oldest first, limit of them and MaxPage at most: for programs that follow the log
// as it grows. Errors: idp.ErrDenied.
func (d *Desk) EventsAfter(ctx context.Context, by By, after int64, limit int) ([]idp.Event, error) {
	if err := d.allow(ctx, by, ReadAudit); err != nil {
		return nil, err
	}
	events, err := d.conf.Store.Events(ctx, after, min(max(limit, 1), MaxPage))
	if err != nil {
		return nil, err
	}
	_, err = d.nameActors(ctx, events)
	return events, err
}

// ExportFormat is the format of a file of events, people or devices.
type ExportFormat string

const (
	ExportJSON ExportFormat = "json" // one object a line; of events only
	ExportCSV  ExportFormat = "csv"  // RFC 4180, with commas, for programs; harmless to spreadsheets as DevicesCSV

	// For spreadsheets, which open a file by a double click and ask nothing: with a
	// byte order mark, and the separator that they expect.
	ExportSheet          ExportFormat = "sheet"
	ExportSheetSemicolon ExportFormat = "sheet;"
)

// SheetFor is the format for the spreadsheet of somebody who reads a language:
// where numbers have a decimal comma, cells are separated by semicolons.
func SheetFor(lang string) ExportFormat {
	if lang == "en" || strings.HasPrefix(lang, "en-") {
		return ExportSheet
	}
	return ExportSheetSemicolon
}

// EventLine is an event as programs are given it.
type EventLine struct {
	Seq     int64             `json:"seq"`
	At      time.Time         `json:"at"`
	Kind    idp.EventKind     `json:"kind"`
	Actor   string            `json:"actor"`
	ActorID idp.UserID        `json:"actor_id,omitempty"`
	ActorIs idp.ActorKind     `json:"actor_kind,omitempty"`
	User    idp.UserID        `json:"user,omitempty"`
	Client  idp.ClientID      `json:"client,omitempty"`
	Login   idp.LoginID       `json:"login,omitempty"`
	Session idp.SessionID     `json:"session,omitempty"`
	Device  idp.DeviceID      `json:"device,omitempty"`
	Address string            `json:"address,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
	Hash    string            `json:"hash"`
}

// EventLineOf is e as programs are given it.
func EventLineOf(e *idp.Event) EventLine {
	return EventLine{
		e.Seq, e.At, e.Kind, e.Actor.Name, e.Actor.User, e.ActorKind(), e.User, e.Client, e.Login, e.Session, e.Device, e.Address, e.Detail,
		hex.EncodeToString(e.Hash[:]),
	}
}

// EventLogHead is the kind of the last line of an export, which is no event: its
// seq and hash are those of the newest event when the export began, whatever the
// query. A file without that line was cut off, or the head of the log had been
// removed or changed.
const EventLogHead idp.EventKind = "audit.head"

// ExportEvents writes all that a query finds, whatever its page, newest first,
// as it is read, and then the head of the log (EventLogHead). Errors: as
// SearchEvents, FieldError (the format), and those of w.
func (d *Desk) ExportEvents(ctx context.Context, by By, q idp.EventQuery, format ExportFormat, w io.Writer) error {
	if err := d.allow(ctx, by, ReadAudit); err != nil {
		return err
	}
	var write func(*idp.Event) error
	flush := func() error { return nil }
	switch format {
	case ExportJSON:
		enc := json.NewEncoder(w)
		write = func(e *idp.Event) error { return enc.Encode(EventLineOf(e)) }
	case ExportCSV, ExportSheet, ExportSheetSemicolon:
		out := newSheet(w, format, "seq", "at", "kind", "actor", "actor_id", "actor_kind", "user", "client", "login", "session", "device", "address", "detail", "hash")
		write = func(e *idp.Event) error {
			detail, err := json.Marshal(e.Detail)
			if err != nil {
				return err
			}
			out.row(strconv.FormatInt(e.Seq, 10), stamp(e.At), string(e.Kind), e.Actor.Name, string(e.Actor.User), string(e.ActorKind()), string(e.User), string(e.Client),
				string(e.Login), string(e.Session), string(e.Device), e.Address, string(detail), hex.EncodeToString(e.Hash[:]))
			return nil
		}
		flush = out.flush
	default:
		return &idp.FieldError{Field: "format", Message: "export.format"}
	}
	// Before the first event is read: all that the head stands for are there then.
	head, unknown := d.conf.Store.LogHead(ctx)
	if unknown != nil && !errors.Is(unknown, idp.ErrInvalid) {
		return unknown
	}
	last := &idp.Event{Seq: head.Seq, At: d.conf.Now().UTC().Truncate(time.Microsecond), Kind: EventLogHead, Actor: idp.Actor{Name: "provider"}, Hash: head.Hash}
	q.Page = idp.Page{Limit: idp.MaxListPage}
	for {
		p, err := d.searchEvents(ctx, q)
		if err != nil {
			return err
		}
		for i := range p.Rows {
			if err := write(&p.Rows[i]); err != nil {
				return err
			}
		}
		if p.Next == "" {
			if unknown == nil {
				if err := write(last); err != nil {
					return err
				}
			}
			return flush()
		}
		if err := flush(); err != nil {
			return err
		}
		q.After = p.Next
	}
}

// Chain is the audit log, checked.
type Chain struct {
	Events int64    // how many there are
	Head   [32]byte // hash of the last event
	Check  idp.LogCheck
}

// VerifyEvents walks the whole log, and leaves an event that says so.
// progress is told how many events are checked; nil: nobody. Errors:
// idp.ErrDenied, idp.ErrInvalid with the first thing that is wrong.
func (d *Desk) VerifyEvents(ctx context.Context, by By, progress func(done, of int64)) (*Chain, error) {
	return d.VerifyAgainst(ctx, by, nil, progress)
}

// VerifyAgainst is VerifyEvents, and compares the log with heads that somebody noted.
func (d *Desk) VerifyAgainst(ctx context.Context, by By, noted []idp.LogHead, progress func(done, of int64)) (*Chain, error) {
	if err := d.allow(ctx, by, ReadAudit); err != nil {
		return nil, err
	}
	check, err := d.conf.Store.CheckEvents(ctx, noted, progress)
	if err != nil && !errors.Is(err, idp.ErrInvalid) {
		return nil, err
	}
	n, head := check.Head.Seq-check.Begin.Seq, check.Head.Hash
	e := d.event(idp.EventAuditChecked, by, map[string]string{"count": strconv.FormatInt(n, 10), "head": hex.EncodeToString(head[:])})
	if err != nil {
		e.Detail["fault"] = strings.TrimSuffix(err.Error(), ": "+idp.ErrInvalid.Error())
	}
	if err := errors.Join(err, d.conf.Store.AddEvent(ctx, e)); err != nil {
		return nil, err
	}
	return &Chain{n, head, *check}, nil
}

// Health is what the database tells of itself. Errors: idp.ErrDenied.
func (d *Desk) Health(ctx context.Context, by By) (*idp.Health, error) {
	if err := d.allow(ctx, by, ReadHealth); err != nil {
		return nil, err
	}
	return d.conf.Store.Health(ctx)
}

// MaxDays is how many days Days counts at most.
const MaxDays = 366

// Days counts what happened on each of the last days (UTC), today the last. Days on
// which nothing happened are there too. Errors: idp.ErrDenied.
func (d *Desk) Days(ctx context.Context, by By, days int) ([]idp.Day, error) {
	if err := d.allow(ctx, by, ReadHealth); err != nil {
		return nil, err
	}
	now := d.conf.Now().UTC()
	return d.conf.Store.Days(ctx, now.AddDate(0, 0, 1-min(max(days, 1), MaxDays)), now)
}
