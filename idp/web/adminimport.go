package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates"
)

func (s *Server) adminImport(w http.ResponseWriter, r *http.Request, p staff) error {
	return s.render(w, http.StatusOK, s.importForm(r, p))
}

func (s *Server) importForm(r *http.Request, p staff) templates.AdminImport {
	return templates.AdminImport{Frame: s.adminFrame(r, p, "users"), Columns: admin.ImportHeading, People: admin.MaxImport, Megabytes: maxFile >> 20}
}

// shownFaults is how many faulty lines one page names.
const shownFaults = 100

func importJobPath(id jobID) string { return "/admin/imports/" + string(id) }

// adminImportSubmit begins to check a file of people, and with «do» to add them.
func (s *Server) adminImportSubmit(w http.ResponseWriter, r *http.Request, p staff) error {
	text := r.PostForm.Get("text")
	if text == "" {
		page := s.importForm(r, p)
		page.Problem = templates.Say("import.empty")
		return s.render(w, http.StatusUnprocessableEntity, page)
	}
	return s.beginImport(w, r, p, &job{text: text, dry: r.PostForm.Get("do") != "import"})
}

func (s *Server) beginImport(w http.ResponseWriter, r *http.Request, p staff, j *job) error {
	j.kind = jobImport
	if j.dry { // a try says who would be written to
		j.mail = s.Mail && p.may(admin.Invite)
	}
	j, err := s.beginJob(p, j, s.importing)
	if errors.Is(err, idp.ErrConflict) {
		page := s.importForm(r, p)
		page.Problem, page.Other = templates.Say("admin.import.other"), importJobPath(j.id)
		if j.session != p.session.ID { // of another browser of theirs
			page.Other = ""
		}
		return s.render(w, http.StatusConflict, page)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, importJobPath(j.id))
}

// importing is the job. A name that was taken since it was tried is found by
// another try.
func (s *Server) importing(ctx context.Context, j *job) error {
	result, err := s.Desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), admin.ImportHow{Dry: j.dry, Mail: j.mail}, j.tell)
	if errors.Is(err, idp.ErrConflict) {
		result, err = s.Desk.ImportUsers(ctx, j.by, strings.NewReader(j.text), admin.ImportHow{Dry: true}, j.tell)
	}
	if fault := (*idp.FieldError)(nil); err != nil && !errors.As(err, &fault) && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "import did not come through", "job", string(j.id), "error", err)
	}
	j.mu.Lock()
	j.result = result
	j.mu.Unlock()
	return err
}

// adminImporting shows how far an import is, and what came of it.
func (s *Server) adminImporting(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.ownJob(r, p, jobImport)
	if err != nil {
		return err
	}
	page := templates.AdminImporting{Frame: s.adminFrame(r, p, "users"), ID: string(id), Columns: admin.ImportHeading, MayAdd: p.may(admin.AddUsers), Mail: s.Mail, Hours: int(idp.InvitationTTL.Hours())}
	page.Here = "import:" + string(id)
	if j == nil {
		page.State = "lost"
		if page.Added, err = s.cameThrough(r, p, id); page.Added > 0 {
			page.State, page.Waits = "done", !s.Mail
			if s.Mail {
				page.Rest = templates.Say("admin.import.mail.lost")
			}
		}
		if err != nil {
			return err
		}
		return s.render(w, http.StatusOK, page)
	}
	s.importState(j, &page)
	return s.render(w, http.StatusOK, page)
}

// importState fills a page from a job.
func (s *Server) importState(j *job, page *templates.AdminImporting) {
	j.mu.Lock()
	defer j.mu.Unlock()
	page.Word, page.Done, page.Of, page.Far = j.wordNow(), j.step.Done, j.step.Of, j.far()
	got := j.result
	switch {
	case j.ended.IsZero():
		page.State, _, _ = strings.Cut(page.Word, "-")
		page.Late = j.step.Mailing
		return
	case j.err != nil && got != nil && got.Added > 0: // it broke off among the letters
		page.Rest = templates.Say("admin.import.mail.failed", "N", got.Added-got.Mailed-len(got.Unmailed)-got.MoreUnmailed, "Reference", page.ID)
		if j.stopping && errors.Is(j.err, context.Canceled) {
			page.Rest = templates.Say("admin.import.mail.stopped", "N", got.Added-got.Mailed-len(got.Unmailed)-got.MoreUnmailed)
		}
	case j.err != nil:
		page.State = "failed"
		if _, problem, ok := s.fieldProblem(j.err); ok {
			page.State, page.Problem = "wrong", problem
			s.mend(j, page)
		} else if j.stopping && errors.Is(j.err, context.Canceled) {
			page.State = "stopped"
		}
		return
	}
	page.People, page.Added, page.More = got.People, got.Added, got.More || len(got.Faults) > shownFaults
	page.Faulty, page.Ignored = got.Faulty, got.Ignored
	for _, f := range got.Faults[:min(len(got.Faults), shownFaults)] {
		line := templates.FaultLine{Line: f.Line, Name: f.Name}
		if column, problem, ok := s.fieldProblem(f.Err); ok {
			line.Problem = problem
			if slices.Contains(admin.ImportHeading, column) {
				line.Column = column
			}
		} else {
			line.Column, line.Problem = "username", templates.Say("admin.person.taken")
		}
		page.Faults = append(page.Faults, line)
	}
	page.Mailed, page.MoreUnmailed = got.Mailed, got.MoreUnmailed+max(0, len(got.Unmailed)-shownFaults)
	for _, u := range got.Unmailed[:min(len(got.Unmailed), shownFaults)] {
		line := templates.UnmailedLine{Line: u.Line, Name: u.Name, ID: string(u.User), Why: templates.Say("admin.import.unmailed.changed")}
		if errors.Is(u.Err, idp.ErrInvalid) {
			line.Why = templates.Say("admin.import.unmailed.address")
		}
		page.Unmailed = append(page.Unmailed, line)
	}
	switch {
	case len(page.Faults) > 0:
		page.State = "faults"
		s.mend(j, page)
	case got.Added > 0:
		page.State, page.Waits = "done", got.Mailed < got.Added
	case got.People == 0:
		page.State = "nobody"
		s.mend(j, page)
	default:
		page.State = "good"
	}
}

// mend gives the text of a short file into the page, to be mended there.
func (s *Server) mend(j *job, page *templates.AdminImporting) {
	if len(j.text) <= maxMend {
		page.Text = strings.ToValidUTF8(j.text, "\uFFFD")
	}
}

// cameThrough looks in the log for the file of a job that is not known here any
// more, and returns how many people it added: 0 when it did not come through.
func (s *Server) cameThrough(r *http.Request, p staff, id jobID) (int, error) {
	if !p.may(admin.ReadAudit) {
		return 0, nil
	}
	q := idp.EventQuery{Kinds: []idp.EventKind{idp.EventUsersImported}, Actor: p.user.ID}
	found, err := s.Desk.SearchEvents(r.Context(), p.by, q)
	if err != nil {
		return 0, err
	}
	for i := range found.Rows {
		if d := found.Rows[i].Detail; strings.HasPrefix(d["sha256"], digestOf(id)) {
			return strconv.Atoi(d["count"])
		}
	}
	return 0, nil
}

// adminImportAdd adds the people of a file that was tried.
func (s *Server) adminImportAdd(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.ownJob(r, p, jobImport)
	if err != nil {
		return err
	}
	if j == nil {
		return seeOther(w, r, importJobPath(id))
	}
	var page templates.AdminImporting
	if s.importState(j, &page); page.State != "good" {
		return seeOther(w, r, importJobPath(id))
	}
	return s.beginImport(w, r, p, &job{text: j.text, mail: page.Mailed > 0 && r.PostForm.Get("mail") != ""})
}

// adminImportStop ends an import before it is through, and takes back all; once
// all are added, nobody else is written to.
func (s *Server) adminImportStop(w http.ResponseWriter, r *http.Request, p staff) error {
	id, j, err := s.ownJob(r, p, jobImport)
	if err != nil {
		return err
	}
	if j != nil {
		j.stop()
	}
	return seeOther(w, r, importJobPath(id))
}
