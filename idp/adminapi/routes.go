// Package adminapi is the door of a hospital's own programs: provisioning, the leaver
// process, the export of the log. It speaks JSON below /admin/api/v1 and does what the
// pages of the administration do, by the same verbs.
//
// A caller is a client with an access token of client credentials whose scopes stand for a
// role (bearer.go). No cookie counts here, so no page of another site can make a browser
// act. openapi.json describes the operations to programs, and the tests hold it to be
// true; errors are problem documents (RFC 9457), all from the one table in errors.go.
package adminapi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// Desk is the administration; *admin.Desk implements it, and says what each method does
// and which errors come back.
type Desk interface {
	SearchDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*idp.DevicePage, error)
	Device(ctx context.Context, by admin.By, id idp.DeviceID) (*idp.DeviceRow, error)
	DeviceHistory(ctx context.Context, by admin.By, id idp.DeviceID, p idp.Page) (*idp.EventPage, error)
	UnlinkDevices(ctx context.Context, by admin.By, ids []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error)
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
	InviteMany(ctx context.Context, by admin.By, users []idp.UserID, via admin.Via, progress func(done int)) ([]admin.Invited, error)
	ResetPassword(ctx context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error)
	Unlock(ctx context.Context, by admin.By, user idp.UserID) error
	Reopen(ctx context.Context, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error)
	Disable(ctx context.Context, by admin.By, user idp.UserID, reason string) error
	Enable(ctx context.Context, by admin.By, user idp.UserID) error

	SearchSessions(ctx context.Context, by admin.By, q idp.SessionQuery) (*idp.SessionPage, error)
	EndSession(ctx context.Context, by admin.By, user idp.UserID, id idp.SessionID, reason string) error
	EndSessions(ctx context.Context, by admin.By, user idp.UserID, reason string) (int, error)

	Clients(ctx context.Context, by admin.By) ([]idp.Client, error)
	Client(ctx context.Context, by admin.By, id idp.ClientID) (*idp.Client, error)
	AddClient(ctx context.Context, by admin.By, c *idp.Client) (idp.Secret, error)
	EditClient(ctx context.Context, by admin.By, id idp.ClientID, fn func(*idp.Client)) error
	NewClientSecret(ctx context.Context, by admin.By, id idp.ClientID, overlap time.Duration) (idp.Secret, error)
	RemoveClient(ctx context.Context, by admin.By, id idp.ClientID) error
	AddRegistrationToken(ctx context.Context, by admin.By, t *idp.RegistrationToken) (idp.Secret, error)
	RegistrationTokens(ctx context.Context, by admin.By) ([]idp.RegistrationToken, error)
	RevokeRegistrationToken(ctx context.Context, by admin.By, id idp.RegistrationTokenID) error
	PreviewClaims(ctx context.Context, by admin.By, user idp.UserID, client idp.ClientID) (*admin.Preview, error)

	SearchEvents(ctx context.Context, by admin.By, q idp.EventQuery) (*idp.EventPage, error)
	EventsAfter(ctx context.Context, by admin.By, after int64, limit int) ([]idp.Event, error)
	ExportEvents(ctx context.Context, by admin.By, q idp.EventQuery, format admin.ExportFormat, w io.Writer) error
	VerifyEvents(ctx context.Context, by admin.By, progress func(done, of int64)) (*admin.Chain, error)
	Health(ctx context.Context, by admin.By) (*idp.Health, error)
	Days(ctx context.Context, by admin.By, days int) ([]idp.Day, error)
	Settings(ctx context.Context, by admin.By) ([]idp.Setting, error) // in force now, wherever they come from
}

// Config is what a Server is built from. Issuer, Store and Desk are required.
type Config struct {
	Issuer  string // scheme, host and path, with which one-time links begin
	Realm   string // the name of the realm (clients.realm); empty: there is none
	Version string // of the provider
	Store   Store
	Desk    Desk
	Push    func() []idp.PushFigures // how push services fare; nil: there is none
	// Allow counts a request of a client, and says whether it is within its limit (600 a
	// minute) or when to come back. nil: no limit.
	Allow func(client idp.ClientID) (retry time.Duration, ok bool)
	// KeyLives reports whether a token that is a JWT is signed by a key that still counts;
	// nil: all are.
	KeyLives func(token string) bool
	Now      func() time.Time
	Log      *slog.Logger
}

// Server serves every operation of the admin API. Safe for concurrent use.
type Server struct {
	conf     Config
	path     string // of the issuer: what an answer calls an operation begins with it
	document []byte
	mux      *http.ServeMux
}

// Prefix is the path that everything here is below, Base that of this version of the API.
const (
	Prefix = "/admin/api/"
	Base   = Prefix + "v1"
)

// ImportPath is where a file of people is sent, of admin.MaxImportBytes at most.
const ImportPath = Base + "/users/import"

// New returns a Server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Server{conf: c, document: document, mux: http.NewServeMux()}
	if u, err := url.Parse(c.Issuer); err == nil && u.Path != "" {
		s.path = u.Path
		s.document = bytes.Replace(document, []byte(`"url": "/admin/api"`), []byte(`"url": "`+u.Path+`/admin/api"`), 1)
	}
	for _, o := range s.operations() {
		s.mux.Handle(o.pattern(), s.served(o))
	}
	return s
}

// operation is one operation of the API: method, path, and who may do it.
type operation struct {
	method, path string    // the path below Base
	act          admin.Act // which roles it is there for; empty: everybody, without a token
	do           func(w http.ResponseWriter, r *http.Request, by admin.By) error
}

func (o *operation) pattern() string { return o.method + " " + Base + o.path }

// operations lists all operations of the API.
func (s *Server) operations() []operation {
	return []operation{
		{"GET", "", admin.ReadDevices, s.root}, // there for every role
		{"GET", "/openapi.json", "", s.openAPI},

		{"GET", "/devices", admin.ReadDevices, s.searchDevices},
		{"GET", "/devices.csv", admin.ReadDevices, s.devicesCSV},
		{"GET", "/devices/{device}", admin.ReadDevices, s.device},
		{"GET", "/devices/{device}/events", admin.ReadDevices, s.deviceEvents},
		{"POST", "/devices/{device}/unlink", admin.UnlinkDevice, s.unlinkDevice},
		{"POST", "/devices/unlink", admin.UnlinkDevice, s.unlinkDevices},

		{"GET", "/users", admin.ReadUsers, s.searchUsers},
		{"GET", "/users.csv", admin.ReadUsers, s.usersCSV},
		{"POST", "/users", admin.AddUsers, s.addUser},
		{"POST", "/users/import", admin.AddUsers, s.importUsers},
		{"POST", "/users/invite", admin.Invite, s.inviteUsers},
		{"GET", "/users/{user}", admin.ReadUsers, s.user},
		{"PATCH", "/users/{user}", admin.EditUsers, s.editUser},
		{"GET", "/users/{user}/factors", admin.ReadUsers, s.factors},
		{"POST", "/users/{user}/invite", admin.Invite, s.invite},
		{"POST", "/users/{user}/reset-password", admin.ResetPassword, s.resetPassword},
		{"POST", "/users/{user}/unlock", admin.Unlock, s.unlock},
		{"POST", "/users/{user}/reopen", admin.Reopen, s.reopen},
		{"POST", "/users/{user}/disable", admin.BlockUsers, s.disable},
		{"POST", "/users/{user}/enable", admin.BlockUsers, s.enable},
		{"DELETE", "/users/{user}/sessions", admin.EndSessions, s.endSessions},
		{"DELETE", "/users/{user}/sessions/{session}", admin.EndSessions, s.endSession},

		{"GET", "/sessions", admin.ReadSessions, s.searchSessions},

		{"GET", "/clients", admin.ReadClients, s.clients},
		{"POST", "/clients", admin.EditClients, s.addClient},
		{"GET", "/clients/{client}", admin.ReadClients, s.client},
		{"PATCH", "/clients/{client}", admin.EditClients, s.editClient},
		{"DELETE", "/clients/{client}", admin.EditClients, s.removeClient},
		{"POST", "/clients/{client}/secrets", admin.EditClients, s.newSecret},
		{"GET", "/clients/{client}/preview", admin.ReadClients, s.preview},
		{"GET", "/registration-tokens", admin.ReadClients, s.registrationTokens},
		{"POST", "/registration-tokens", admin.EditClients, s.addRegistrationToken},
		{"DELETE", "/registration-tokens/{token}", admin.EditClients, s.revokeRegistrationToken},
		{"GET", "/presets", admin.ReadClients, s.presets},
		{"POST", "/presets/{preset}", admin.EditClients, s.addByPreset},

		{"GET", "/audit/events", admin.ReadAudit, s.searchEvents},
		{"GET", "/audit/events.ndjson", admin.ReadAudit, s.exportEvents(admin.ExportJSON, typeLines)},
		{"GET", "/audit/events.csv", admin.ReadAudit, s.exportEvents(admin.ExportCSV, typeCSV)},
		{"GET", "/audit/feed", admin.ReadAudit, s.feed},
		{"GET", "/audit/verify", admin.ReadAudit, s.verify},

		{"GET", "/health", admin.ReadHealth, s.health},
		{"GET", "/days", admin.ReadHealth, s.days},
		{"GET", "/settings", admin.ReadSettings, s.settings},
	}
}

// methods are the HTTP methods that the mux takes below Prefix: all of them, and in each.
// The pages have GET of the rest of /admin, and a pattern for all methods would be at odds
// with theirs.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// Mount adds everything below Prefix to mux.
func (s *Server) Mount(mux *http.ServeMux) {
	for _, m := range methods {
		mux.Handle(m+" "+Prefix, s)
	}
}

// ServeHTTP answers everything below Prefix, also what is no operation: 404, or 405 with
// Allow.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	var allowed []string
	for _, m := range methods {
		if _, pattern := s.mux.Handler(&http.Request{Method: m, Host: r.Host, URL: r.URL}); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		s.fail(w, r, "", idp.ErrNotFound)
		return
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	s.fail(w, r, "", errMethod)
}

// served is the chain of every operation: the access token, the role, the limit of the
// client; then the operation.
func (s *Server) served(o operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		var by admin.By
		var err error
		if o.act != "" {
			by, err = s.caller(r, o.act)
		}
		if err == nil {
			err = o.do(w, r, by)
		}
		if err != nil {
			s.fail(w, r, o.act, err)
		}
	})
}
