package adminapi

import (
	"errors"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// imported is what an import did, or would do.
type imported struct {
	DryRun bool         `json:"dry_run"`
	People int          `json:"people"` // lines that are good
	Added  int          `json:"added"`
	Users  []idp.UserID `json:"users"` // in the order of lines
	Faults []faultLine  `json:"faults"`
	More   bool         `json:"more,omitempty"` // faults
}

// faultLine is one thing wrong with a file.
type faultLine struct {
	Line     int    `json:"line"`
	Username string `json:"username,omitempty"`
	Field    string `json:"field,omitempty"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
}

func faultLineOf(f *admin.ImportFault) faultLine {
	l := faultLine{Line: f.Line, Username: f.Name, Field: "username", Code: "username.taken", Detail: "username " + words("username.taken")}
	if field := (*idp.FieldError)(nil); errors.As(f.Err, &field) {
		l.Field, l.Code, l.Detail = field.Field, field.Message, field.Field+" "+words(field.Message)
	}
	return l
}

// importUsers adds the people of a file, all or none. A dry run is asked for the
// faults, and has them in its answer; else they are what it is refused for.
func (s *Server) importUsers(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := readQuery(r, "dry_run")
	if err != nil {
		return err
	}
	dry, err := q.yes("dry_run")
	if err != nil {
		return err
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
	result, err := s.Desk.ImportUsers(r.Context(), by, r.Body, admin.ImportHow{Dry: dry}, nil)
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
	return s.answer(w, r, http.StatusOK, imported{dry, result.People, result.Added, list(result.Users), faults, result.More})
}
