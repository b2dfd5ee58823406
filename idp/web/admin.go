package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
	"hilum/idp/serve"
	"hilum/templates"
)

// Desk is where administrators act; *admin.Desk implements it.
type Desk interface {
	SearchDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*idp.DevicePage, error)
	Device(ctx context.Context, by admin.By, id idp.DeviceID) (*idp.DeviceRow, error)
	DeviceHistory(ctx context.Context, by admin.By, id idp.DeviceID, p idp.Page) (*idp.EventPage, error)
	UnlinkDevices(ctx context.Context, by admin.By, ids []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error)
	FindDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*admin.FoundDevices, error)
	UnlinkFound(ctx context.Context, by admin.By, q idp.DeviceQuery, digest string, why admin.Why) ([]admin.Unlinked, error)
	DevicesCSV(ctx context.Context, by admin.By, q idp.DeviceQuery, format admin.ExportFormat, w io.Writer) error

	SearchUsers(ctx context.Context, by admin.By, q idp.UserQuery) (*idp.UserPage, error)
	UsersCSV(ctx context.Context, by admin.By, q idp.UserQuery, format admin.ExportFormat, w io.Writer) error
	User(ctx context.Context, by admin.By, id idp.UserID) (*idp.User, error)
	FindUser(ctx context.Context, by admin.By, name string) (*idp.Account, error)
	Factors(ctx context.Context, by admin.By, id idp.UserID) (*idp.Factors, error)
	AddUser(ctx context.Context, by admin.By, u *idp.User) error
	EditUser(ctx context.Context, by admin.By, user idp.UserID, fn func(*idp.User)) error
	ImportUsers(ctx context.Context, by admin.By, r io.Reader, how admin.ImportHow, progress func(admin.ImportStep)) (*admin.Import, error)
	Invite(ctx context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error)
	ResetPassword(ctx context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error)
	Unlock(ctx context.Context, by admin.By, user idp.UserID) error
	Reopen(ctx context.Context, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error)
	Disable(ctx context.Context, by admin.By, user idp.UserID, reason string) error
	Enable(ctx context.Context, by admin.By, user idp.UserID) error

	SearchSessions(ctx context.Context, by admin.By, q idp.SessionQuery) (*idp.SessionPage, error)
	UserHistory(ctx context.Context, by admin.By, id idp.UserID) ([]idp.Event, error)
	EndSession(ctx context.Context, by admin.By, user idp.UserID, id idp.SessionID, reason string) error
	EndSessions(ctx context.Context, by admin.By, user idp.UserID, reason string) (int, error)
	EndedSessions(ctx context.Context, by admin.By, user idp.UserID) ([]idp.EndedSession, error)
	EndedSession(ctx context.Context, by admin.By, id idp.SessionID) (*idp.EndedSession, error)
	Logouts(ctx context.Context, by admin.By, client idp.ClientID) (*idp.LogoutFigures, error)

	Clients(ctx context.Context, by admin.By) ([]idp.Client, error)
	Client(ctx context.Context, by admin.By, id idp.ClientID) (*idp.Client, error)
	AddClient(ctx context.Context, by admin.By, c *idp.Client) (idp.Secret, error)
	EditClient(ctx context.Context, by admin.By, id idp.ClientID, fn func(*idp.Client)) error
	NewClientSecret(ctx context.Context, by admin.By, id idp.ClientID, overlap time.Duration) (idp.Secret, error)
	RemoveClient(ctx context.Context, by admin.By, id idp.ClientID) error

	PreviewDraft(ctx context.Context, by admin.By, user idp.UserID, c *idp.Client) (*admin.Preview, error)
	CheckRules(rules []idp.ClaimRule) error
	StartTryout(ctx context.Context, by admin.By, at admin.Where, client idp.ClientID, redirect string, again bool) (*idp.TryoutAsk, error)
	AnswerTryout(ctx context.Context, by admin.By, at admin.Where, state idp.Secret) (*idp.Tryout, *idp.TryoutAsk, error)
	EndTryout(ctx context.Context, by admin.By, id idp.TryoutID, result *idp.TryoutResult) error
	Tryout(ctx context.Context, by admin.By, id idp.TryoutID) (*idp.Tryout, error)
	Start(ctx context.Context, by admin.By) (*admin.Start, error)
	PutStartAside(ctx context.Context, by admin.By, aside bool) error

	SearchEvents(ctx context.Context, by admin.By, q idp.EventQuery) (*idp.EventPage, error)
	ExportEvents(ctx context.Context, by admin.By, q idp.EventQuery, format admin.ExportFormat, w io.Writer) error
	Health(ctx context.Context, by admin.By) (*idp.Health, error)
	Days(ctx context.Context, by admin.By, days int) ([]idp.Day, error)
	SavedSite(ctx context.Context, by admin.By) (*idp.Site, error)
	FixedSite() map[string]bool
	EditSite(ctx context.Context, by admin.By, fn func(*idp.Site)) error
	CheckSite(ctx context.Context, by admin.By, fn func(*idp.Site)) error
	EditLogos(ctx context.Context, by admin.By, c admin.Logos) error
	FaintLogos(ctx context.Context, by admin.By) (brand.Faint, error)
	SetIcon(ctx context.Context, by admin.By, id idp.ClientID, raw []byte) error
	Settings(ctx context.Context, by admin.By) ([]idp.Setting, error)
	VerifyEvents(ctx context.Context, by admin.By, progress func(done, of int64)) (*admin.Chain, error)
}

// staff is somebody with a role in the administration, before one of its pages.
type staff struct {
	who
	by admin.By
}

func (p staff) may(act admin.Act) bool { return admin.May(p.by.Role, act) }

// mayUpon reports whether this role may act upon an account: the helpdesk may
// not where the account has a role itself. The verb decides; this is for a page
// that shows no button which would be refused.
func (p staff) mayUpon(act admin.Act, u *idp.User) bool {
	return p.may(act) && (p.by.Role == idp.StaffAdmin || u.Staff == idp.StaffNone)
}

// anyStaff are the roles that the administration is there for.
var anyStaff = []idp.StaffRole{idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor}

// admin is account for people whose role may do an act. To people without any
// role there is nothing here. Without a second factor, or without a fresh one
// where the act changes something, the step-up comes first and leads back to
// the page; what was posted is not kept.
func (s *Server) admin(act admin.Act, h func(http.ResponseWriter, *http.Request, staff) error) http.Handler {
	return s.page(s.signedIn(s.allowed(act, h)))
}

// uploading is admin for a form that carries a file, which is not read before it
// is known who sends it.
func (s *Server) uploading(act admin.Act, h func(http.ResponseWriter, *http.Request, staff) error) http.Handler {
	unread := func(http.ResponseWriter, *http.Request) error { return nil }
	slots := make(chan struct{}, maxUploads)
	return s.served(unread, s.signedIn(s.allowed(act, func(w http.ResponseWriter, r *http.Request, p staff) error {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			return fmt.Errorf("%d files are on their way: %w", maxUploads, idp.ErrBusy)
		}
		if err := readUpload(w, r); err != nil {
			return err
		}
		return h(w, r, p)
	})))
}

func (s *Server) allowed(act admin.Act, h func(http.ResponseWriter, *http.Request, staff) error) func(http.ResponseWriter, *http.Request, who) error {
	return func(w http.ResponseWriter, r *http.Request, p who) error {
		if !p.user.MayAdminister(anyStaff...) {
			return idp.ErrNotFound
		}
		if !admin.May(p.user.Staff, act) {
			return idp.ErrDenied
		}
		if p.session.FactorAt.IsZero() || !act.Reads() && p.session.Fresh(s.Now()) != nil {
			return s.stepUp(w, r, p, nameOf(r))
		}
		by := admin.By{Actor: p.actor(), Role: p.user.Staff, FactorAt: p.session.FactorAt, Address: serve.From(r.Context()).Address}
		err := h(w, r, staff{p, by})
		if errors.Is(err, idp.ErrStale) { // it has aged in between
			return s.stepUp(w, r, p, nameOf(r))
		}
		return err
	}
}

// nothing is every path below /admin that is none: the page that people without
// a role get for all of them.
func (s *Server) nothing(http.ResponseWriter, *http.Request) error { return idp.ErrNotFound }

// tabs are the pages of the administration that stand above the others, by what
// reads them.
var tabs = []struct {
	name string
	act  admin.Act
}{
	{"devices", admin.ReadDevices},
	{"users", admin.ReadUsers},
	{"applications", admin.ReadClients},
	{"sessions", admin.ReadSessions},
	{"audit", admin.ReadAudit},
	{"health", admin.ReadHealth},
	{"settings", admin.ReadSettings},
}

// adminFrame is what stands around a page of the administration.
func (s *Server) adminFrame(r *http.Request, p staff, tab string) templates.Frame {
	f := s.accountFrame(r, p.who, nameOf(r), tab)
	for _, t := range tabs {
		if p.may(t.act) {
			f.Desk = append(f.Desk, t.name)
		}
	}
	return f
}

// adminHome is the page that the product is known by; on a new site the first
// steps come before it.
func (s *Server) adminHome(w http.ResponseWriter, r *http.Request, p staff) error {
	if p.may(admin.EditClients) {
		start, err := s.Desk.Start(r.Context(), p.by)
		if err != nil {
			return err
		}
		if start.Open() {
			return seeOther(w, r, places["admin-start"])
		}
	}
	return seeOther(w, r, places["admin-devices"])
}

// sheet is the format of a file that whoever asks will open in a spreadsheet: by the
// language that they read our pages in.
func (s *Server) sheet(r *http.Request, p staff) admin.ExportFormat {
	return admin.SheetFor(s.adminFrame(r, p, "").Lang)
}

// download sends a file as it is made, as serve.Download does.
func (s *Server) download(w http.ResponseWriter, r *http.Request, kind, name string, write func(io.Writer) error) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if r.Method == http.MethodHead { // nothing leaves, and nothing is noted
		return nil
	}
	err := serve.Download(w, r, s.Log, write)
	if err != nil {
		h.Del("Content-Type")
		h.Del("Content-Disposition")
	}
	return err
}

// ids reads identifiers that are separated by spaces or dots. ok is false when
// there is none, one is none, or there are more than a page of a list has.
func ids[T ~string](s string) (list []T, ok bool) {
	for id := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == '.' }) {
		if !isID(id) || len(list) == idp.DefaultListPage {
			return nil, false
		}
		list = append(list, T(id))
	}
	return list, len(list) > 0
}

// joined is a list of identifiers as ids reads it.
func joined[T ~string](list []T, sep string) string {
	var b strings.Builder
	for i, id := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(string(id))
	}
	return b.String()
}

// reasonProblem returns what is wrong with the reason that was typed.
func (s *Server) reasonProblem(err error) (templates.Message, bool) {
	field, problem, ok := s.fieldProblem(err)
	if !ok || field != "reason" {
		return templates.Message{}, false
	}
	if problem.Key == "text.missing" {
		problem = templates.Say("admin.reason.missing")
	}
	return problem, true
}
