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

func importJobPath(id jobID) string { return "/admin/imports/" + string(id) }

// check begins to check a file of people, and where the form says so («do») to add them.
func (s *importer) check(w http.ResponseWriter, r *http.Request, p staff) error {
	text := r.PostForm.Get("text")
	if text == "" {
		view := s.importForm(r, p)
		view.Problem = templates.Say("import.empty")
		return s.door.Render(w, http.StatusUnprocessableEntity, view)
	}
	return s.beginImport(w, r, p, &job{text: text, dry: r.PostForm.Get("do") != "import"})
}

// beginImport begins a job, and sends the browser to its page.
func (s *importer) beginImport(w http.ResponseWriter, r *http.Request, p staff, j *job) error {
	j.kind = jobImport
	if j.dry { // a try says who would be written to
		j.mail = s.mail && p.may(admin.Invite)
	}
	j, err := s.beginJob(p, j, s.run)
	if errors.Is(err, idp.ErrConflict) {
		view := s.importForm(r, p)
		view.Problem, view.Other = templates.Say("admin.import.other"), importJobPath(j.id)
		if j.session != p.Session.ID { // of another browser of theirs
			view.Other = ""
		}
		return s.door.Render(w, http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	return page.SeeOther(w, r, importJobPath(j.id))
}

// run is the job. Where somebody has taken a name since the file was checked, nobody is
// added, and it is checked again, to say which line it is. Errors: those of
// admin.Desk.ImportUsers.
func (s *importer) run(ctx context.Context, j *job) error {
	result, err := s.desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), admin.ImportHow{Dry: j.dry, Mail: j.mail}, j.tell)
	if errors.Is(err, idp.ErrConflict) {
		result, err = s.desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), admin.ImportHow{Dry: true}, j.tell)
	}
	if fault := (*idp.FieldError)(nil); err != nil && !errors.As(err, &fault) && ctx.Err() == nil {
		s.door.Log().ErrorContext(ctx, "import did not come through", "job", string(j.id), "error", err)
	}
	j.mu.Lock()
	j.result = result
	j.mu.Unlock()
	return err
}

// importing shows how far an import is, and what came of it. Of one that is not known here
// any more it tells what the log has.
func (s *importer) importing(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.ownJob(r, p, jobImport)
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
	s.importState(j, &view)
	return s.door.Render(w, http.StatusOK, view)
}

// importState fills a page from a job.
func (s *importer) importState(j *job, view *templates.AdminImporting) {
	j.mu.Lock()
	defer j.mu.Unlock()
	view.Word, view.Done, view.Of, view.Far = j.wordNow(), j.step.Done, j.step.Of, j.far()
	got := j.result
	switch {
	case j.ended.IsZero():
		view.State, _, _ = strings.Cut(view.Word, "-")
		view.Late = j.step.Mailing
		return
	case j.err != nil && got != nil && got.Added > 0: // it broke off among the letters
		view.Rest = templates.Say("admin.import.mail.failed", "N", got.Added-got.Mailed-len(got.Unmailed)-got.MoreUnmailed, "Reference", view.ID)
		if j.stopping && errors.Is(j.err, context.Canceled) {
			view.Rest = templates.Say("admin.import.mail.stopped", "N", got.Added-got.Mailed-len(got.Unmailed)-got.MoreUnmailed)
		}
	case j.err != nil:
		view.State = "failed"
		if _, problem, ok := s.door.FieldProblem(j.err); ok {
			view.State, view.Problem = "wrong", problem
			s.mend(j, view)
		} else if j.stopping && errors.Is(j.err, context.Canceled) {
			view.State = "stopped"
		}
		return
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
		view.State = "faults"
		s.mend(j, view)
	case got.Added > 0:
		view.State, view.Waits = "done", got.Mailed < got.Added
	case got.People == 0:
		view.State = "nobody"
		s.mend(j, view)
	default:
		view.State = "good"
	}
}

// mend gives the text of a short file, of page.MaxText bytes at most, into the page, to be
// mended there.
func (s *importer) mend(j *job, view *templates.AdminImporting) {
	if len(j.text) <= page.MaxText {
		view.Text = strings.ToValidUTF8(j.text, "\uFFFD")
	}
}

// cameThrough looks for the file of a job that is not known here any more among the imports
// of this person in the log, the latest first, and returns how many people it added: 0 when it did
// not come through, or whoever asks may not read the log.
func (s *importer) cameThrough(r *http.Request, p staff, id jobID) (int, error) {
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
	id, j, err := s.ownJob(r, p, jobImport)
	if err != nil {
		return err
	}
	if j == nil {
		return page.SeeOther(w, r, importJobPath(id))
	}
	var view templates.AdminImporting
	if s.importState(j, &view); view.State != "good" {
		return page.SeeOther(w, r, importJobPath(id))
	}
	return s.beginImport(w, r, p, &job{text: j.text, mail: view.Mailed > 0 && r.PostForm.Get("mail") != ""})
}

// stop ends an import before it is through, and takes back those that were added; once
// all are added, they stay, and nobody else is written to.
func (s *importer) stop(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.ownJob(r, p, jobImport)
	if err != nil {
		return err
	}
	if j != nil {
		j.stop()
	}
	return page.SeeOther(w, r, importJobPath(id))
}
