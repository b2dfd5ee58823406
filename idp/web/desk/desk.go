// Package desk is the pages of the administration, at the people's door: devices, people,
// applications, sessions, the audit log, how the provider fares, and settings. What they
// show and do is decided by the verb admin, which also asks again who may do what.
//
// Mount adds them to a page.Door. What takes longer than a request, the import of a file
// of people and the check of the log, is a job (Jobs), which all instances show.
package desk

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
	"hilum/idp/web/page"
	"hilum/templates"
)

// Desk is where administrators act; *admin.Desk implements it, and says which errors come
// back.
type Desk interface {
	Devices
	People
	Acts
	Imports
	Sessions
	Clients
	Claims
	Tryouts
	Starts
	Journal
	Figures
	Settings
}

// Devices are the devices of all people.
type Devices interface {
	SearchDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*idp.DevicePage, error)
	Device(ctx context.Context, by admin.By, id idp.DeviceID) (*idp.DeviceRow, error)
	DeviceHistory(ctx context.Context, by admin.By, id idp.DeviceID, p idp.Page) (*idp.EventPage, error)
	UnlinkDevices(ctx context.Context, by admin.By, ids []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error)
	FindDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*admin.FoundDevices, error)
	UnlinkFound(ctx context.Context, by admin.By, q idp.DeviceQuery, digest string, why admin.Why) ([]admin.Unlinked, error)
	DevicesCSV(ctx context.Context, by admin.By, q idp.DeviceQuery, format admin.ExportFormat, w io.Writer) error
}

// People are the accounts of all people.
type People interface {
	SearchUsers(ctx context.Context, by admin.By, q idp.UserQuery) (*idp.UserPage, error)
	UsersCSV(ctx context.Context, by admin.By, q idp.UserQuery, format admin.ExportFormat, w io.Writer) error
	User(ctx context.Context, by admin.By, id idp.UserID) (*idp.User, error)
	FindUser(ctx context.Context, by admin.By, name string) (*idp.Account, error)
	Factors(ctx context.Context, by admin.By, id idp.UserID) (*idp.Factors, error)
	UserHistory(ctx context.Context, by admin.By, id idp.UserID) ([]idp.Event, error)
	AddUser(ctx context.Context, by admin.By, u *idp.User) error
	EditUser(ctx context.Context, by admin.By, user idp.UserID, fn func(*idp.User)) error
}

// Acts are done to one person at a time, after a page that asks.
type Acts interface {
	Invite(ctx context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error)
	ResetPassword(ctx context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error)
	Unlock(ctx context.Context, by admin.By, user idp.UserID) error
	Reopen(ctx context.Context, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error)
	Disable(ctx context.Context, by admin.By, user idp.UserID, reason string) error
	Enable(ctx context.Context, by admin.By, user idp.UserID) error
	EndSessions(ctx context.Context, by admin.By, user idp.UserID, reason string) (int, error)
}

// Imports add people from a file.
type Imports interface {
	ImportUsers(ctx context.Context, by admin.By, r io.Reader, how admin.ImportHow, progress func(admin.ImportStep)) (*admin.Import, error)
}

// Sessions are who is signed in, and what became of those that were ended.
type Sessions interface {
	SearchSessions(ctx context.Context, by admin.By, q idp.SessionQuery) (*idp.SessionPage, error)
	EndSession(ctx context.Context, by admin.By, user idp.UserID, id idp.SessionID, reason string) error
	EndedSessions(ctx context.Context, by admin.By, user idp.UserID) ([]idp.EndedSession, error)
	EndedSession(ctx context.Context, by admin.By, id idp.SessionID) (*idp.EndedSession, error)
}

// Clients are the applications.
type Clients interface {
	Clients(ctx context.Context, by admin.By) ([]idp.Client, error)
	Client(ctx context.Context, by admin.By, id idp.ClientID) (*idp.Client, error)
	AddClient(ctx context.Context, by admin.By, c *idp.Client) (idp.Secret, error)
	EditClient(ctx context.Context, by admin.By, id idp.ClientID, fn func(*idp.Client)) error
	Algs() []string
	NewClientSecret(ctx context.Context, by admin.By, id idp.ClientID, overlap time.Duration) (idp.Secret, error)
	RemoveClient(ctx context.Context, by admin.By, id idp.ClientID) error
	SetIcon(ctx context.Context, by admin.By, id idp.ClientID, raw []byte) error
	Logouts(ctx context.Context, by admin.By, client idp.ClientID) (*idp.LogoutFigures, error)
	AddRegistrationToken(ctx context.Context, by admin.By, t *idp.RegistrationToken) (idp.Secret, error)
	RegistrationTokens(ctx context.Context, by admin.By) ([]idp.RegistrationToken, error)
	RevokeRegistrationToken(ctx context.Context, by admin.By, id idp.RegistrationTokenID) error
	BlockRegistered(ctx context.Context, by admin.By, id idp.RegistrationTokenID) (int, error)
}

// Claims are what applications are told of people.
type Claims interface {
	PreviewDraft(ctx context.Context, by admin.By, user idp.UserID, c *idp.Client) (*admin.Preview, error)
	CheckRules(rules []idp.ClaimRule) error
}

// Tryouts are test sign-ins.
type Tryouts interface {
	StartTryout(ctx context.Context, by admin.By, at admin.Where, client idp.ClientID, redirect string, again bool) (*idp.TryoutAsk, error)
	AnswerTryout(ctx context.Context, by admin.By, at admin.Where, state idp.Secret) (*idp.Tryout, *idp.TryoutAsk, error)
	EndTryout(ctx context.Context, by admin.By, id idp.TryoutID, result *idp.TryoutResult) error
	Tryout(ctx context.Context, by admin.By, id idp.TryoutID) (*idp.Tryout, error)
}

// Starts are the first steps of a new site.
type Starts interface {
	Start(ctx context.Context, by admin.By) (*admin.Start, error)
	PutStartAside(ctx context.Context, by admin.By, aside bool) error
}

// Journal is the audit log.
type Journal interface {
	SearchEvents(ctx context.Context, by admin.By, q idp.EventQuery) (*idp.EventPage, error)
	ExportEvents(ctx context.Context, by admin.By, q idp.EventQuery, format admin.ExportFormat, w io.Writer) error
	VerifyEvents(ctx context.Context, by admin.By, progress func(done, of int64)) (*admin.Chain, error)
}

// Figures say how the provider fares.
type Figures interface {
	Health(ctx context.Context, by admin.By) (*idp.Health, error)
	Days(ctx context.Context, by admin.By, days int) ([]idp.Day, error)
}

// Settings are how the site presents itself, and the settings that are in force.
type Settings interface {
	SavedSite(ctx context.Context, by admin.By) (*idp.Site, error)
	FixedSite() map[string]bool
	EditSite(ctx context.Context, by admin.By, fn func(*idp.Site)) error
	CheckSite(ctx context.Context, by admin.By, fn func(*idp.Site)) error
	EditLogos(ctx context.Context, by admin.By, c admin.Logos) error
	FaintLogos(ctx context.Context, by admin.By) (brand.Faint, error)
	Settings(ctx context.Context, by admin.By) ([]idp.Setting, error)
}

// Config is what the administration is built from.
type Config struct {
	Door *page.Door
	Desk Desk
	// Register says that applications may register themselves (the setting clients.registration).
	Register bool
	Realm    string                   // the name of the realm (clients.realm); empty: there is none
	Party    Party                    // the relying party of test sign-ins
	Mail     bool                     // mail can be sent
	Push     func() []idp.PushFigures // how push services fare; nil: the page of health does not say
	// Rejected are the last refused requests of a client, latest first; nil: nothing is kept.
	Rejected func(idp.ClientID) []idp.Rejection
	JobKey   []byte          // 32 bytes, authenticates the ids of jobs (HMAC-SHA-256)
	Jobs     *Jobs           // what administrators began that takes long
	Version  string          // of the running program, as «idp version» says it
	Ending   <-chan struct{} // closed when the server is to end: jobs end too
}

// Mount adds the pages of the administration to the door.
func Mount(c Config) {
	r := room{door: c.Door, mail: c.Mail}
	bench := workbench{room: r, jobs: c.Jobs, key: c.JobKey, ending: c.Ending}
	for _, routes := range [][]page.Route{
		(&start{r, c.Desk}).routes(),
		(&devices{r, c.Desk}).routes(),
		(&people{r, c.Desk}).routes(),
		(&importer{bench, c.Desk}).routes(),
		(&applications{r, c.Desk, c.Rejected, c.Realm}).routes(),
		(&registrations{r, c.Desk, c.Register}).routes(),
		(&tryouts{r, c.Desk, c.Party}).routes(),
		(&audits{bench, c.Desk}).routes(),
		(&health{r, c.Desk, c.Push, c.Version}).routes(),
		(&settings{r, c.Desk}).routes(),
	} {
		c.Door.Add(routes...)
	}
}

// room is what every part of the administration has.
type room struct {
	door *page.Door
	mail bool // mail can be sent
}

// staff is somebody with a role in the administration who asks for one of its pages.
type staff struct {
	page.Person
	by admin.By // the same, as the verb admin is told who asks
}

func (p staff) may(act admin.Act) bool { return admin.May(p.by.Role, act) }

// mayUpon reports whether this role may do an act to an account: where the account has
// a role in the administration itself, only an administrator may. The verb decides; this
// is for a page that shows no button, and asks no question, which would be refused.
func (p staff) mayUpon(act admin.Act, u *idp.User) bool {
	return p.may(act) && (p.by.Role == idp.StaffAdmin || u.Staff == idp.StaffNone)
}

// handler is a page.PersonHandler for somebody of the staff.
type handler func(w http.ResponseWriter, r *http.Request, p staff) error

// staff is for people whose role may do an act. To people without any role there is
// nothing here (idp.ErrNotFound); those of another role are refused (idp.ErrDenied).
// Without a second factor, or without a fresh one where the act changes something, the
// step-up comes first and leads back to the page; what was posted is not kept.
func (s *room) staff(act admin.Act, h handler) page.Access {
	return s.door.Staff("staff: "+string(act), s.allowed(act, h))
}

// maxUploads is how many forms that carry a file are read and answered at once, of each
// page that has one: they are held in memory.
const maxUploads = 2

// upload is staff for a form that carries a file, which is not read before it is known
// who sends it. Beyond maxUploads it is refused (idp.ErrBusy).
func (s *room) upload(act admin.Act, h handler) page.Access {
	slots := make(chan struct{}, maxUploads)
	return s.door.Upload("staff: "+string(act), s.allowed(act, func(w http.ResponseWriter, r *http.Request, p staff) error {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			return fmt.Errorf("%d files are on their way: %w", maxUploads, idp.ErrBusy)
		}
		if err := s.door.ReadUpload(w, r, admin.MaxImportBytes); err != nil {
			return err
		}
		return h(w, r, p)
	}))
}

// allowed is h for somebody who may do an act, as staff has it.
func (s *room) allowed(act admin.Act, h handler) page.PersonHandler {
	return func(w http.ResponseWriter, r *http.Request, p page.Person) error {
		if !p.User.MayAdminister(idp.StaffRoles...) {
			return idp.ErrNotFound
		}
		if !admin.May(p.User.Staff, act) {
			return idp.ErrDenied
		}
		if p.Session.FactorAt.IsZero() || !act.Reads() && p.Session.Fresh(s.door.Now()) != nil {
			return s.door.StepUp(w, r, p, s.door.Here(r))
		}
		by := admin.By{Actor: p.Actor(), Role: p.User.Staff, FactorAt: p.Session.FactorAt, Address: serve.From(r.Context()).Address}
		err := h(w, r, staff{p, by})
		if errors.Is(err, idp.ErrStale) { // it has aged in between
			return s.door.StepUp(w, r, p, s.door.Here(r))
		}
		return err
	}
}

// nothing answers every path below /admin at which there is no page: 404, as people
// without a role get for all of them.
func (s *start) nothing(http.ResponseWriter, *http.Request) error { return idp.ErrNotFound }

// tabs are the entries of the administration's menu, each with the act that a role has to
// be allowed for it.
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

// frame is what stands around a page of the administration; tab is the entry of the menu
// that it belongs to.
func (s *room) frame(r *http.Request, p staff, tab string) templates.Frame {
	f := s.door.PersonFrame(r, p.Person, s.door.Here(r), tab)
	for _, t := range tabs {
		if p.may(t.act) {
			f.Desk = append(f.Desk, t.name)
		}
	}
	return f
}

// sheet is the format of a CSV file that whoever asks will open in a spreadsheet, by the
// language that they read our pages in (admin.SheetFor).
func (s *room) sheet(r *http.Request, p staff) admin.ExportFormat {
	return admin.SheetFor(s.frame(r, p, "").Lang)
}

// download sends a file as it is made, as serve.Download does; kind is its Content-Type.
// Errors: those of write before anything was sent.
func (s *room) download(w http.ResponseWriter, r *http.Request, kind, name string, write func(io.Writer) error) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if r.Method == http.MethodHead { // no data leaves, and no export is noted in the log
		return nil
	}
	err := serve.Download(w, r, s.door.Log(), write)
	if err != nil {
		h.Del("Content-Type")
		h.Del("Content-Disposition")
	}
	return err
}

// ids reads identifiers that are separated by spaces or dots. ok is false when
// there is none, one has not the form of an identifier, or there are more than
// idp.DefaultListPage.
func ids[T ~string](s string) (list []T, ok bool) {
	for id := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == '.' }) {
		if !page.IsID(id) || len(list) == idp.DefaultListPage {
			return nil, false
		}
		list = append(list, T(id))
	}
	return list, len(list) > 0
}

// joined is a list of identifiers with sep between them: a space or a dot for ids.
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

// reasonProblem returns what is wrong with the reason that was typed; false for an err
// about something else.
func (s *room) reasonProblem(err error) (templates.Message, bool) {
	field, problem, ok := s.door.FieldProblem(err)
	if !ok || field != "reason" {
		return templates.Message{}, false
	}
	if problem.Key == "text.missing" {
		problem = templates.Say("admin.reason.missing")
	}
	return problem, true
}
