package desk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// importer adds people from a file, as a job.
type importer struct {
	workbench
	desk interface {
		Imports
		Journal
	}
}

func (s *importer) page(w http.ResponseWriter, r *http.Request, p staff) error {
	return s.door.Render(w, http.StatusOK, s.importForm(r, p))
}

func (s *importer) importForm(r *http.Request, p staff) templates.AdminImport {
	return templates.AdminImport{Frame: s.frame(r, p, "users"), Columns: admin.ImportHeading, People: admin.MaxImport, Megabytes: admin.MaxImportBytes >> 20}
}

// shownFaults is how many faults, and how many people who got no mail, one page names.
const shownFaults = 100

func importJobPath(id idp.JobID) string { return "/admin/imports/" + string(id) }

// check begins to check a file of people, and where the form says so («do») to add them.
func (s *importer) check(w http.ResponseWriter, r *http.Request, p staff) error {
	text := r.PostForm.Get("text")
	if text == "" {
		view := s.importForm(r, p)
		view.Problem = templates.Say("import.empty")
		return s.door.Render(w, http.StatusUnprocessableEntity, view)
	}
	return s.beginImport(w, r, p, text, admin.ImportHow{Dry: r.PostForm.Get("do") != "import"})
}

// beginImport begins a job, and sends the browser to its page.
func (s *importer) beginImport(w http.ResponseWriter, r *http.Request, p staff, text string, how admin.ImportHow) error {
	if how.Dry { // a try says who would be written to
		how.Mail = s.mail && p.may(admin.Invite)
	}
	j, err := s.beginJob(r.Context(), p, &job{Job: idp.Job{Kind: idp.JobImport}, text: text, how: how}, s.run)
	if errors.Is(err, idp.ErrConflict) {
		view := s.importForm(r, p)
		view.Problem, view.Other = templates.Say("admin.import.other"), importJobPath(j.ID)
		if j.Session != p.Session.ID { // of another browser of theirs
			view.Other = ""
		}
		return s.door.Render(w, http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	return page.SeeOther(w, r, importJobPath(j.ID))
}

// run is the job. Where somebody has taken a name since the file was checked, nobody is
// added, and it is checked again, to say which line it is.
func (s *importer) run(ctx context.Context, j *job) outcome {
	result, err := s.desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), j.how, j.tell)
	if errors.Is(err, idp.ErrConflict) {
		result, err = s.desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), admin.ImportHow{Dry: true}, j.tell)
	}
	if fault := (*idp.FieldError)(nil); err != nil && !errors.As(err, &fault) && ctx.Err() == nil {
		s.door.Log().ErrorContext(ctx, "import did not come through", "job", string(j.ID), "error", err)
	}
	return s.importOutcome(j, result, err)
}

// importing shows how far an import is, and what came of it. Of one that nothing is known of
// any more it tells what the log has.
func (s *importer) importing(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.jobOf(r, p, idp.JobImport)
	if err != nil {
		return err
	}
	view := templates.AdminImporting{Frame: s.frame(r, p, "users"), ID: string(id), MayAdd: p.may(admin.AddUsers), Mail: s.mail, Hours: int(idp.InvitationTTL.Hours())}
	view.Here = "import:" + string(id)
	if j == nil {
		view.State = "lost"
		if view.Added, err = s.cameThrough(r, p, id); view.Added > 0 {
			view.State, view.Waits = "done", !s.mail
			if s.mail {
				view.Rest = templates.Say("admin.import.mail.lost")
			}
		}
		if err != nil {
			return err
		}
		return s.door.Render(w, http.StatusOK, view)
	}
	view.Word, view.Done, view.Of, view.Far = wordOf(j), j.Step.Done, j.Step.Of, farOf(j)
	if !j.Over() {
		view.State, _, _ = strings.Cut(view.Word, "-")
		view.Late = j.Step.Mailing
		return s.door.Render(w, http.StatusOK, view)
	}
	o, err := s.jobs.outcomeOf(j)
	if err != nil {
		return err
	}
	o.Importing.show(&view)
	view.State = o.State
	switch view.State {
	case "faults", "wrong", "nobody":
		if o.Keep { // to be mended there
			text, err := s.jobs.file(r.Context(), id, o)
			if err != nil {
				return err
			}
			view.Text = strings.ToValidUTF8(text, "\uFFFD")
		}
	}
	return s.door.Render(w, http.StatusOK, view)
}

// importOutcome is what came of an import, as templates.AdminImporting has it.
type importOutcome struct {
	People, Added, Faulty int
	Faults                []templates.FaultLine
	More                  bool
	Ignored               []string
	Problem, Rest         templates.Message
	Mailed                int
	Unmailed              []templates.UnmailedLine
	MoreUnmailed          int
	Waits                 bool
}

// show puts it on its page.
func (o *importOutcome) show(view *templates.AdminImporting) {
	view.People, view.Added, view.Faulty, view.Faults, view.More, view.Ignored = o.People, o.Added, o.Faulty, o.Faults, o.More, o.Ignored
	view.Problem, view.Rest = o.Problem, o.Rest
	view.Mailed, view.Unmailed, view.MoreUnmailed, view.Waits = o.Mailed, o.Unmailed, o.MoreUnmailed, o.Waits
}

// importOutcome makes of what an import did, and of the error that it came with, what is kept
// of it. The file is kept where it is good, to be added, and where it is short enough to be
// mended on its page, of page.MaxText bytes at most.
func (s *importer) importOutcome(j *job, got *admin.Import, err error) outcome {
	var o outcome
	view := &o.Importing
	stopped := j.now().Stopping && errors.Is(err, context.Canceled)
	short := len(j.text) <= page.MaxText
	switch {
	case err != nil && got != nil && got.Added > 0: // it broke off among the letters
		left := got.Added - got.Mailed - len(got.Unmailed) - got.MoreUnmailed
		view.Rest = templates.Say("admin.import.mail.failed", "N", left, "Reference", string(j.ID))
		if stopped {
			view.Rest = templates.Say("admin.import.mail.stopped", "N", left)
		}
	case err != nil:
		o.State = "failed"
		if _, problem, ok := s.door.FieldProblem(err); ok {
			o.State, o.Keep, view.Problem = "wrong", short, problem
		} else if stopped {
			o.State = "stopped"
		}
		return o
	}
	view.People, view.Added, view.More = got.People, got.Added, got.More || len(got.Faults) > shownFaults
	view.Faulty, view.Ignored = got.Faulty, got.Ignored
	for _, f := range got.Faults[:min(len(got.Faults), shownFaults)] {
		line := templates.FaultLine{Line: f.Line, Name: f.Name}
		if column, problem, ok := s.door.FieldProblem(f.Err); ok {
			line.Problem = problem
			if slices.Contains(admin.ImportHeading, column) {
				line.Column = column
			}
		} else {
			line.Column, line.Problem = "username", templates.Say("username.taken")
		}
		view.Faults = append(view.Faults, line)
	}
	view.Mailed, view.MoreUnmailed = got.Mailed, got.MoreUnmailed+max(0, len(got.Unmailed)-shownFaults)
	for _, u := range got.Unmailed[:min(len(got.Unmailed), shownFaults)] {
		line := templates.UnmailedLine{Line: u.Line, Name: u.Name, ID: string(u.User), Why: templates.Say("admin.import.unmailed.changed")}
		if errors.Is(u.Err, idp.ErrInvalid) {
			line.Why = templates.Say("admin.import.unmailed.address")
		}
		view.Unmailed = append(view.Unmailed, line)
	}
	switch {
	case len(view.Faults) > 0:
		o.State, o.Keep = "faults", short
	case got.Added > 0:
		o.State, view.Waits = "done", got.Mailed < got.Added
	case got.People == 0:
		o.State, o.Keep = "nobody", short
	default:
		o.State, o.Keep = "good", true
	}
	return o
}

// cameThrough looks for the file of a job that is not known here any more among the imports
// of this person in the log, the latest first, and returns how many people it added: 0 when it did
// not come through, or whoever asks may not read the log.
func (s *importer) cameThrough(r *http.Request, p staff, id idp.JobID) (int, error) {
	if !p.may(admin.ReadAudit) {
		return 0, nil
	}
	q := idp.EventQuery{Kinds: []idp.EventKind{idp.EventUsersImported}, Actor: p.User.ID}
	for {
		found, err := s.desk.SearchEvents(r.Context(), p.by, q)
		if err != nil {
			return 0, err
		}
		for i := range found.Rows {
			if d := found.Rows[i].Detail; strings.HasPrefix(d["sha256"], digestOf(id)) {
				return strconv.Atoi(d["count"])
			}
		}
		if found.Next == "" {
			return 0, nil
		}
		q.After = found.Next
	}
}

// add begins to add the people of a file that was checked and found good.
func (s *importer) add(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.jobOf(r, p, idp.JobImport)
	if err != nil {
		return err
	}
	if j == nil || !j.Over() {
		return page.SeeOther(w, r, importJobPath(id))
	}
	o, err := s.jobs.outcomeOf(j)
	if err != nil {
		return err
	}
	if o.State != "good" {
		return page.SeeOther(w, r, importJobPath(id))
	}
	text, err := s.jobs.file(r.Context(), id, o)
	if err != nil {
		return err
	}
	return s.beginImport(w, r, p, text, admin.ImportHow{Mail: o.Importing.Mailed > 0 && r.PostForm.Get("mail") != ""})
}

// stop ends an import before it is through, and takes back those that were added; once
// all are added, they stay, and nobody else is written to.
func (s *importer) stop(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.jobOf(r, p, idp.JobImport)
	if err != nil {
		return err
	}
	if j != nil && !j.Over() {
		if err := s.stopJob(r.Context(), id); err != nil {
			return err
		}
	}
	return page.SeeOther(w, r, importJobPath(id))
}
