package desk

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// audits is the audit log: a list, files, and its check, which is a job.
type audits struct {
	workbench
	desk interface {
		Journal
		Devices
		People
		Clients
		Tryouts
	}
}

// eventGroups are what the log can be narrowed to, by the beginning of an idp.EventKind.
var eventGroups = []templates.Choice{
	{Value: "login.", Label: templates.Say("audit.login")},
	{Value: "phone.", Label: templates.Say("audit.phone")},
	{Value: "device.", Label: templates.Say("admin.tab.devices")},
	{Value: "pairing.", Label: templates.Say("audit.pairing")},
	{Value: "recovery.", Label: templates.Say("admin.recovery")},
	{Value: "invitation.", Label: templates.Say("audit.invitation")},
	{Value: "user.", Label: templates.Say("audit.user")},
	{Value: "session.", Label: templates.Say("tab.sessions")},
	{Value: "browser.", Label: templates.Say("sessions.remembered")},
	{Value: "logout.", Label: templates.Say("logout.title")},
	{Value: "mail.", Label: templates.Say("health.mail")},
	{Value: "consent.", Label: templates.Say("audit.consent")},
	{Value: "grant.", Label: templates.Say("audit.grant")},
	{Value: "client.", Label: templates.Say("audit.client")},
	{Value: "start.", Label: templates.Say("start.title")},
	{Value: "key.", Label: templates.Say("audit.key")},
	{Value: "setting.", Label: templates.Say("admin.tab.settings")},
	{Value: "store.", Label: templates.Say("health.database")},
	{Value: "audit.", Label: templates.Say("admin.tab.audit")},
	{Value: "list.", Label: templates.Say("audit.list")},
}

// audit is what the log is narrowed to, all of which is in its address.
type audit struct {
	kind          string // an idp.EventKind, or a group of them
	who           string // sign-in name
	as            string // "actor": who is the one who acted; else the one whom the event concerns
	address       string // client address
	from, until   string // first and last day, YYYY-MM-DD in UTC
	after, before idp.Key
}

func readAudit(r *http.Request) audit {
	q := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return audit{text("kind"), text("who"), text("as"), text("address"), text("from"), text("until"), idp.Key(q.Get("after")), idp.Key(q.Get("before"))}
}

// link is the address of the log, or of a file of it, at a path.
func (a audit) link(path string) string {
	q := url.Values{}
	for _, f := range []templates.Field{
		{Name: "kind", Value: a.kind}, {Name: "who", Value: a.who}, {Name: "as", Value: a.as}, {Name: "address", Value: a.address}, {Name: "from", Value: a.from},
		{Name: "until", Value: a.until}, {Name: "after", Value: string(a.after)}, {Name: "before", Value: string(a.before)},
	} {
		if f.Value != "" {
			q.Set(f.Name, f.Value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// turned is the address of another page of the list; empty where there is none.
func (a audit) turned(after, before idp.Key) string {
	if after == "" && before == "" {
		return ""
	}
	a.after, a.before = after, before
	return a.link(auditPath)
}

// auditQuery makes of a what the log is asked. Errors: idp.FieldError.
func (s *audits) auditQuery(r *http.Request, p staff, a audit) (idp.EventQuery, error) {
	q := idp.EventQuery{Address: a.address, Page: idp.Page{After: a.after, Before: a.before}}
	if a.kind != "" {
		known := slices.ContainsFunc(eventGroups, func(c templates.Choice) bool { return c.Value == a.kind })
		if !known && !slices.Contains(idp.EventKinds, idp.EventKind(a.kind)) {
			return q, &idp.FieldError{Field: "kind", Message: "problem.text"}
		}
		q.Kinds = []idp.EventKind{idp.EventKind(a.kind)}
	}
	for _, day := range []struct {
		field, typed string
		at           *time.Time
		plus         int
	}{{"from", a.from, &q.From, 0}, {"until", a.until, &q.Until, 1}} {
		if day.typed == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, day.typed)
		if err != nil {
			return q, &idp.FieldError{Field: day.field, Message: "audit.day.bad"}
		}
		*day.at = t.AddDate(0, 0, day.plus) // the last day counts whole
	}
	if a.who != "" {
		u, err := s.desk.FindUser(r.Context(), p.by, a.who)
		if errors.Is(err, idp.ErrNotFound) {
			return q, &idp.FieldError{Field: "who", Message: "audit.who.none"}
		}
		if err != nil {
			return q, err
		}
		if a.as == "actor" {
			q.Actor = u.User.ID
		} else {
			q.User = u.User.ID
		}
	}
	return q, nil
}

func (s *audits) list(w http.ResponseWriter, r *http.Request, p staff) error {
	a := readAudit(r)
	view := templates.AdminAudit{
		Frame: s.frame(r, p, "audit"), Kinds: eventGroups, Kind: a.kind, Who: a.who, ByActor: a.as == "actor", Address: a.address, From: a.from, Until: a.until,
		Filtered: a.turned("", "x") != auditPath+"?before=x", First: a.after == "" && a.before == "",
	}
	q, err := s.auditQuery(r, p, a)
	if err == nil {
		var found *idp.EventPage
		if found, err = s.desk.SearchEvents(r.Context(), p.by, q); err == nil {
			view.Events = s.events(found.Rows, view.Lang)
			if err := s.nameEvents(r, p, view.Events, found.Names); err != nil {
				return err
			}
			view.Next, view.Prev, view.Short = a.turned(found.Next, ""), a.turned("", found.Prev), found.Partial
			a.after, a.before = "", ""
			view.JSON, view.CSV = a.link("/admin/audit.json"), a.link("/admin/audit.csv")
			return s.door.Render(w, http.StatusOK, view)
		}
	}
	field, problem, ok := s.door.FieldProblem(err)
	if !ok || field == "page" {
		return err
	}
	view.Wrong, view.Problem = field, problem
	return s.door.Render(w, http.StatusUnprocessableEntity, view)
}

// nameEvents says by name whom events concern and what they are about, where the log has
// ids only; names are those of accounts. What is gone stays without a name.
func (s *audits) nameEvents(r *http.Request, p staff, events []templates.DeskEvent, names map[idp.UserID]string) error {
	for i := range events {
		if e := &events[i]; e.Of == "" {
			e.Of = names[idp.UserID(e.Person)]
		}
	}
	if err := s.nameDevices(r, p, events); err != nil {
		return err
	}
	return s.nameTests(r, p, events)
}

// nameDevices finds the names of the devices that events are about: the one that an event
// has itself, which the device had then, or else the one that the device has now, or had
// at last.
func (s *audits) nameDevices(r *http.Request, p staff, events []templates.DeskEvent) error {
	names := map[string]string{}
	for i := range events {
		e := &events[i]
		if e.Device == "" {
			continue
		}
		if e.About != "" {
			e.DeviceName, e.About = e.About, ""
			continue
		}
		name, known := names[e.Device]
		if !known {
			var err error
			if name, err = s.nameOf(r, p, idp.DeviceID(e.Device)); err != nil {
				return err
			}
			names[e.Device] = name
		}
		e.DeviceName = name
	}
	return nil
}

// nameOf is the name of a device; of one that is not linked any more, the last that the log
// has of it, empty where it has none.
func (s *audits) nameOf(r *http.Request, p staff, id idp.DeviceID) (string, error) {
	row, err := s.desk.Device(r.Context(), p.by, id)
	if err == nil {
		return row.Device.Name, nil
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return "", err
	}
	history, err := s.desk.DeviceHistory(r.Context(), p.by, id, idp.Page{Limit: 20})
	if err != nil {
		return "", err
	}
	return lastName(history.Rows), nil
}

// nameTests says of which application a sign-in was a test: by its name as long as it is
// registered, else by its id.
func (s *audits) nameTests(r *http.Request, p staff, events []templates.DeskEvent) error {
	if !p.may(admin.ReadClients) || !slices.ContainsFunc(events, func(e templates.DeskEvent) bool { return e.Test }) {
		return nil
	}
	clients, err := s.desk.Clients(r.Context(), p.by)
	if err != nil {
		return err
	}
	for i := range events {
		for k := range clients {
			if events[i].Test && events[i].Client == string(clients[k].ID) {
				events[i].Client = clients[k].Name
			}
		}
	}
	return nil
}

// file sends the log as a file, in one of two formats: an event a line in JSON, or CSV for
// the spreadsheet of whoever asks (sheet). kind is the Content-Type.
func (s *audits) file(format admin.ExportFormat, kind, name string) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		q, err := s.auditQuery(r, p, readAudit(r))
		if err != nil {
			return err
		}
		return s.download(w, r, kind, name, func(out io.Writer) error {
			as := format
			if format == admin.ExportCSV {
				as = s.sheet(r, p)
			}
			return s.desk.ExportEvents(r.Context(), p.by, q, as, out)
		})
	}
}

func checkPath(id idp.JobID) string { return "/admin/checks/" + string(id) }

// checkPage says when the log was checked last, and has the button to check it again.
func (s *audits) checkPage(w http.ResponseWriter, r *http.Request, p staff) error {
	view := templates.AdminChain{Frame: s.frame(r, p, "audit")}
	view.Here = "admin-check"
	found, err := s.desk.SearchEvents(r.Context(), p.by, idp.EventQuery{Kinds: []idp.EventKind{idp.EventAuditChecked}, Page: idp.Page{Limit: 1}})
	if err != nil {
		return err
	}
	if len(found.Rows) > 0 {
		e := &found.Rows[0]
		view.LastAt, view.LastBy, view.LastFault, view.LastDigest = e.At, e.Actor.Name, e.Detail["fault"], e.Detail["head"]
		view.Events, _ = strconv.Atoi(e.Detail["count"]) // of our own making
	}
	return s.door.Render(w, http.StatusOK, view)
}

// check begins a job that walks the whole log, unless one of this session does already.
func (s *audits) check(w http.ResponseWriter, r *http.Request, p staff) error {
	j, err := s.beginJob(r.Context(), p, &job{Job: idp.Job{Kind: idp.JobCheck}}, s.run)
	if errors.Is(err, idp.ErrConflict) && j.Session == p.Session.ID { // that one will do
		err = nil
	}
	if err != nil {
		return err
	}
	return page.SeeOther(w, r, checkPath(j.ID))
}

// checkOutcome is what came of a check, as templates.AdminChain has it.
type checkOutcome struct {
	Said   string // what is wrong
	Events int
	Begins int // as AdminChain's
	Digest string
}

// run is the job.
func (s *audits) run(ctx context.Context, j *job) outcome {
	chain, err := s.desk.VerifyEvents(ctx, j.by, func(done, of int64) { j.tell(admin.ImportStep{Done: int(done), Of: int(of)}) })
	switch {
	case errors.Is(err, idp.ErrInvalid):
		s.door.Log().ErrorContext(ctx, "the audit log does not hold together", "job", string(j.ID), "error", err)
		return outcome{State: "broken", Checking: checkOutcome{Said: err.Error()}}
	case err != nil:
		if ctx.Err() == nil {
			s.door.Log().ErrorContext(ctx, "the audit log was not checked", "job", string(j.ID), "error", err)
		}
		return outcome{State: "failed"}
	}
	did := checkOutcome{Events: int(chain.Events), Digest: hex.EncodeToString(chain.Head[:])}
	if behind := chain.Check.Begin.Seq; behind > 0 {
		did.Begins = int(behind) + 1
	}
	return outcome{State: "whole", Checking: did}
}

// checking shows how far a check is, and what came of it. A check that nothing is known of
// any more is in the log, if it came through.
func (s *audits) checking(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.jobOf(r, p, idp.JobCheck)
	if err != nil {
		return err
	}
	if j == nil {
		return page.SeeOther(w, r, checkLogPath)
	}
	view := templates.AdminChain{Frame: s.frame(r, p, "audit"), ID: string(id), State: "checking"}
	view.Here = "check:" + string(id)
	view.Word, view.Done, view.Of, view.Far = wordOf(j), j.Step.Done, j.Step.Of, farOf(j)
	if j.Over() {
		o, err := s.jobs.outcomeOf(j)
		if err != nil {
			return err
		}
		view.State, view.Said, view.Events, view.Begins, view.Digest = o.State, o.Checking.Said, o.Checking.Events, o.Checking.Begins, o.Checking.Digest
	}
	return s.door.Render(w, http.StatusOK, view)
}
