// Package admin is what only an administrator may do to users, devices and
// clients, by page or by command; who asks is an argument.
//
// No verb here can read a seed or set a password that somebody knows: what an
// administrator hands out is a one-time link, and the person does the rest. Where
// mail is configured it hands the link out itself, and no administrator sees it.
package admin

import (
	"context"
	"log/slog"
	"time"

	"hilum/idp"
)

// Store is what administration needs kept. Every method but AddUsers is atomic.
type Store interface {
	AddUser(ctx context.Context, u *idp.User) error // idp.ErrConflict: the name is taken
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	AccountByName(ctx context.Context, name string) (*idp.Account, error)
	Users(ctx context.Context, after string, limit int) ([]idp.Account, error) // by name
	// UserNames returns the sign-in names of accounts; who is gone is not among them.
	UserNames(ctx context.Context, ids []idp.UserID) (map[idp.UserID]string, error)
	// UpdateUser changes a person, and cuts off what a change of their role, mail
	// address or state takes away (idp.CutOff). idp.ErrDenied when fn takes its role
	// from the last active administrator; FieldError when it gives a role and the
	// linked devices are not those of User.Confirmed.
	UpdateUser(ctx context.Context, id idp.UserID, fn func(*idp.User) error) error
	// DisableUser sets the state and cuts off what idp.CutDisabled takes away.
	// idp.ErrDenied for the last active administrator.
	DisableUser(ctx context.Context, id idp.UserID, e idp.Event) error
	EnableUser(ctx context.Context, id idp.UserID, e idp.Event) error
	ClearCounters(ctx context.Context, id idp.UserID, e idp.Event) error
	Administered(ctx context.Context) (bool, error) // an active account administers the site
	// AddInvitation replaces the user's open ones; for set-up, all open set-up
	// links, and may is not asked: idp.ErrDenied while somebody administers.
	AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error
	// Reopen unlinks every device, cuts off all that the person has and adds the
	// invitation, in one transaction; returns what was unlinked.
	Reopen(ctx context.Context, i *idp.Invitation, because idp.Event, unlinked func(*idp.Device) idp.Event, may func(*idp.User) error) ([]idp.Device, error)
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	RemoveDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, how idp.Unlinking, e idp.Event) error
	SearchDevices(ctx context.Context, q idp.DeviceQuery) (*idp.DevicePage, error) // FieldError
	Device(ctx context.Context, id idp.DeviceID) (*idp.DeviceRow, error)
	SearchUsers(ctx context.Context, q idp.UserQuery) (*idp.UserPage, error) // FieldError
	Account(ctx context.Context, id idp.UserID) (*idp.Account, error)
	// AddUsers adds n people, all or none, in several transactions: when one fails,
	// those added before are removed, but for who has used an invitation meanwhile.
	// user gives each person, the same if it is asked twice. progress is told how many
	// are added, and e is written with the last. idp.ErrConflict: a name is taken.
	AddUsers(ctx context.Context, n int, user func(i int) idp.User, e idp.Event, progress func(done int)) error
	// TakenNames returns which of the names somebody has.
	TakenNames(ctx context.Context, names []string) ([]string, error)
	// TakenEmails returns which of the mail addresses somebody has, in whatever case.
	TakenEmails(ctx context.Context, addresses []string) ([]string, error)
	Counters(ctx context.Context, user idp.UserID) ([]idp.Counter, error)
	Guard(ctx context.Context, user idp.UserID) (*idp.PushGuard, error)
	OpenInvitation(ctx context.Context, user idp.UserID, now time.Time) (*idp.Invitation, error)

	Sessions(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Session, error)
	SearchSessions(ctx context.Context, q idp.SessionQuery, now time.Time) (*idp.SessionPage, error) // FieldError
	// CutOff takes away what its cause says; ErrNotFound where one session alone is meant that is not open.
	CutOff(ctx context.Context, c idp.CutOff) ([]idp.SessionID, error)

	// EndedSessions returns the ended sessions of one person, or of everybody where
	// user is empty, the latest first.
	EndedSessions(ctx context.Context, user idp.UserID, limit int) ([]idp.EndedSession, error)
	EndedSession(ctx context.Context, id idp.SessionID) (*idp.EndedSession, error)
	LogoutFigures(ctx context.Context, client idp.ClientID) ([]idp.LogoutFigures, error)

	Events(ctx context.Context, after int64, limit int) ([]idp.Event, error)
	SearchEvents(ctx context.Context, q idp.EventQuery) (*idp.EventPage, error)                                 // FieldError
	CheckEvents(ctx context.Context, noted []idp.LogHead, progress func(done, of int64)) (*idp.LogCheck, error) // idp.ErrInvalid
	LogHead(ctx context.Context) (idp.LogHead, error)                                                           // idp.ErrInvalid
	AddEvent(ctx context.Context, e idp.Event) error
	Health(ctx context.Context) (*idp.Health, error)
	Days(ctx context.Context, from, until time.Time) ([]idp.Day, error)

	AddClient(ctx context.Context, c *idp.Client) error
	Clients(ctx context.Context) ([]idp.Client, error)
	SetIcon(ctx context.Context, id idp.ClientID, icon *idp.Picture, e idp.Event) error  // nil takes it away
	UpdateClient(ctx context.Context, id idp.ClientID, fn func(*idp.Client) error) error // revokes grants when it disables
	RemoveClient(ctx context.Context, id idp.ClientID, e idp.Event) error                // and its grants

	AddRegistrationToken(ctx context.Context, t *idp.RegistrationToken) error // idp.ErrTooMany
	RegistrationTokens(ctx context.Context) ([]idp.RegistrationToken, error)
	UpdateRegistrationToken(ctx context.Context, id idp.RegistrationTokenID, fn func(*idp.RegistrationToken) error) error
	// RegisterClient adds the application that fn makes of the token with a hash.
	RegisterClient(ctx context.Context, hash idp.TokenHash, fn func(*idp.RegistrationToken) (*idp.Client, error), pictures ...*idp.Picture) error
	UpdateRegisteredClient(ctx context.Context, id idp.ClientID, fn func(*idp.RegistrationToken, *idp.Client) error, pictures ...*idp.Picture) error
	// UpdateRegisteredBy changes a token and every application that was registered by it.
	UpdateRegisteredBy(ctx context.Context, id idp.RegistrationTokenID, fn func(*idp.RegistrationToken) error, each func(*idp.Client) error) error
	RemoveRegisteredClient(ctx context.Context, id idp.ClientID, hash idp.TokenHash, e idp.Event) error // of its registration access token

	SavedSite(ctx context.Context) (*idp.Site, error) // as it is now, not from memory; not to be changed
	// UpdateSite changes it, with pictures that it shows from now on.
	UpdateSite(ctx context.Context, fn func(*idp.Site) error, pictures ...*idp.Picture) error
	Picture(ctx context.Context, id idp.PictureID) (*idp.Picture, error)
	AddTryout(ctx context.Context, t *idp.Tryout) error
	Tryout(ctx context.Context, id idp.TryoutID) (*idp.Tryout, error)
	TryoutByState(ctx context.Context, state idp.TokenHash) (*idp.Tryout, error)
	UpdateTryout(ctx context.Context, id idp.TryoutID, fn func(*idp.Tryout) error) error // deletes what the double was given, when fn ends the test
	StartAside(ctx context.Context) (time.Time, error)                                   // when the first steps were put aside; zero: they were not
	PutStartAside(ctx context.Context, at time.Time, e idp.Event) error
}

// Config is what a Desk is built from.
type Config struct {
	Store  Store
	Sealer Sealer // for test sign-ins; nil: there are none
	// Site is how the site presents itself now, Fixed what of it the configuration
	// sets, Languages those that there are words in. Issuer stands in every QR code
	// beside the site's name.
	Site      func() *idp.Site
	Fixed     idp.Site
	Languages []string
	Issuer    string
	Mail      bool                 // a sender hands out mail; false: links are shown
	Settings  func() []idp.Setting // of the configuration, in its order; nil: none
	// Algs are the algorithms that there are signing keys for (keys.algs); nil: all of IDTokenAlgs.
	Algs []string
	// Mutual says that there is a listener that asks for certificates (tls.mtls_listen), and
	// MutualCA that authorities are trusted to issue them (tls.mtls_ca_file).
	Mutual, MutualCA bool
	Realm            string // the name of the realm (clients.realm); empty: there is none
	// Wake wakes whoever waits for a topic, and has phones told of an idp.TopicChanged;
	// nil: nobody.
	Wake func(topics ...idp.Topic)
	// Subjects makes the sub of people for applications.
	Subjects idp.Subjects
	// Sector reads the redirect addresses that a sector_identifier_uri lists; it has to guard whom
	// it calls. nil: there are no such addresses.
	Sector func(ctx context.Context, uri string) ([]string, error)
	// Logo reads the picture at a logo_uri, as Sector does. nil: there are no such pictures.
	Logo func(ctx context.Context, uri string) ([]byte, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Desk is where administrators act. Safe for concurrent use.
type Desk struct{ conf Config }

// New returns a Desk.
func New(c Config) *Desk {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Site == nil {
		c.Site = idp.Named("Hilum")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Desk{c}
}

func (d *Desk) event(kind idp.EventKind, by By, detail map[string]string) idp.Event {
	return idp.Event{At: d.conf.Now(), Kind: kind, Actor: by.Actor, Address: by.Address, Detail: detail}
}
