package adminapi

import (
	"errors"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
)

// imported is what an import has done, or would do.
type imported struct {
	DryRun bool         `json:"dry_run"`
	People int          `json:"people"` // lines that are good
	Added  int          `json:"added"`
	Users  []idp.UserID `json:"users"` // in the order of lines
	Faults []faultLine  `json:"faults"`
	More   bool         `json:"more,omitempty"` // faults
	Faulty int          `json:"faulty_lines,omitempty"`
	Left   []string     `json:"ignored_columns,omitempty"` // those that only an export has

	*invitations
}

// invitations says what became of the invitations of an import by mail.
type invitations struct {
	Invited       int         `json:"invited"` // by mail; in a dry run, would be
	Uninvited     []faultLine `json:"uninvited"`
	MoreUninvited int         `json:"more_uninvited,omitempty"`
	BrokenOff     bool        `json:"broken_off,omitempty"`
}

// faultLine is one fault in a line of a file.
type faultLine struct {
	Line     int    `json:"line"`
	Username string `json:"username,omitempty"`
	Field    string `json:"field,omitempty"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
}

func faultLineOf(f *admin.ImportFault) faultLine {
	field := &idp.FieldError{Field: "username", Message: "username.taken"}
	_ = errors.As(f.Err, &field) // else the name is taken
	return faultLine{Line: f.Line, Username: f.Name, Field: field.Field, Code: field.Message, Detail: faultOf(f.Err, field.Field, field)}
}

// uninvitedOf is a person who was added and got no invitation, with why.
func uninvitedOf(u *admin.Unmailed) faultLine {
	if !errors.Is(u.Err, idp.ErrInvalid) {
		return faultLine{Line: u.Line, Username: u.Name, Code: "user.changed", Detail: "The account was changed meanwhile."}
	}
	return faultLineOf(&admin.ImportFault{Line: u.Line, Name: u.Name, Err: u.Err})
}

// importUsers adds the people of a file, all or none, and sends them invitations if that
// is asked. A dry run answers with the faults of the file; else faults are the error.
func (s *Server) importUsers(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := readQuery(r, "dry_run", "invite")
	if err != nil {
		return err
	}
	dry, err := q.yes("dry_run")
	if err != nil {
		return err
	}
	how := admin.ImportHow{Dry: dry}
	if q.Has("invite") {
		if how.Mail = q.Get("invite") == "mail"; !how.Mail {
			return &told{errQuery, "invite", "invite is mail, or not there"}
		}
	}
	if err := ofType(r, "text/csv"); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	for _, set := range []func(time.Time) error{control.SetReadDeadline, control.SetWriteDeadline} {
		if err := set(time.Now().Add(longTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	result, err := s.conf.Desk.ImportUsers(r.Context(), by, r.Body, how, nil)
	if err != nil && result != nil && result.Added > 0 {
		// All are there: whoever is told of a fault would send the file again.
		s.conf.Log.ErrorContext(r.Context(), "sending invitations broke off", "request", serve.From(r.Context()).ID, "invited", result.Mailed, "error", err)
		return s.answer(w, r, http.StatusOK, importedOf(result, how, true))
	}
	if field := (*idp.FieldError)(nil); errors.As(err, &field) && field.Field == "mail" {
		return &idp.FieldError{Field: "invite", Message: field.Message}
	}
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return errTooBig
	}
	if err != nil {
		return err
	}
	faults := each(result.Faults, faultLineOf)
	if len(faults) > 0 && !dry {
		return &faulty{faults, result.More}
	}
	return s.answer(w, r, http.StatusOK, importedOf(result, how, false))
}

func importedOf(i *admin.Import, how admin.ImportHow, broken bool) imported {
	out := imported{DryRun: how.Dry, People: i.People, Added: i.Added, Users: list(i.Users), Faults: each(i.Faults, faultLineOf), More: i.More, Faulty: i.Faulty, Left: i.Ignored}
	if how.Mail {
		out.invitations = &invitations{i.Mailed, each(i.Unmailed, uninvitedOf), i.MoreUnmailed, broken}
	}
	return out
}
