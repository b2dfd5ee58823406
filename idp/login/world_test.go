package login_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/password"
	"hilum/idp/store"
	"hilum/idp/totp"
)

var _ login.Store = (*store.DB)(nil)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	console = admin.Console("console:test")
)

const (
	goodPassword  = idp.Secret("quiet lamps hum at dawn")
	otherPassword = idp.Secret("slow rivers carry stones")
	wrongPassword = idp.Secret("seven brass owls waiting")
)

// world is a flow on real parts, with a clock moved by hand.
type world struct {
	*testing.T
	*login.Flow
	conf     login.Config // that Flow is built from, see set
	db       *store.DB
	kept     *countedStore
	hasher   *countedHasher
	sealer   *keyring.Sealer
	desk     *admin.Desk
	devices  *device.Registry
	clock    atomic.Int64 // microseconds
	seen     int64        // newest event that kinds has told of
	database store.Config
}

// countedHasher counts what is hashed; hold, when set, is called before each check.
type countedHasher struct {
	*password.Hasher
	hashes, checks atomic.Int64
	hold           func()
}

func (h *countedHasher) Hash(ctx context.Context, p idp.Secret) (string, error) {
	h.hashes.Add(1)
	return h.Hasher.Hash(ctx, p)
}

func (h *countedHasher) Check(ctx context.Context, phc string, p idp.Secret) (bool, error) {
	h.checks.Add(1)
	if h.hold != nil {
		h.hold()
	}
	return h.Hasher.Check(ctx, phc, p)
}

// countedStore counts what is written of tries and of sessions seen, and how
// often people are looked up by what is typed.
type countedStore struct {
	*store.DB
	counters, touches, lookups atomic.Int64
}

func (s *countedStore) AccountByName(ctx context.Context, name string) (*idp.Account, error) {
	s.lookups.Add(1)
	return s.DB.AccountByName(ctx, name)
}

func (s *countedStore) AccountByEmail(ctx context.Context, email string) (*idp.Account, error) {
	s.lookups.Add(1)
	return s.DB.AccountByEmail(ctx, email)
}

func (s *countedStore) UpdateCounter(ctx context.Context, key idp.CounterKey, e *idp.Event, fn func(*idp.Counter) error) error {
	s.counters.Add(1)
	return s.DB.UpdateCounter(ctx, key, e, fn)
}

func (s *countedStore) TouchSession(ctx context.Context, id idp.SessionID, at time.Time) error {
	s.touches.Add(1)
	return s.DB.TouchSession(ctx, id, at)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	w.clock.Store(noon.UnixMicro())
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	db := idptest.Store(t, w.now, log, func(c *store.Config) { w.database = *c })
	t.Cleanup(func() {
		// Whatever a test did, the log it leaves is whole.
		db := w.db
		if err := db.VerifyEvents(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.sealer = idptest.Sealer(t)
	w.db, w.kept = db, &countedStore{DB: db}
	w.hasher = &countedHasher{Hasher: password.New(password.Config{MemoryKiB: 8, Time: 1, QueueFor: time.Minute})}
	w.conf = login.Config{Store: w.kept, Passwords: w.hasher, Sealer: w.sealer, Now: w.now, Log: log,
		Rules: login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: func() *idp.Site { return &idp.Site{Name: "Imaging, Saint Luke", Label: "Imaging"} }, Issuer: testIssuer}}
	w.Flow = login.New(w.conf)
	w.desk = admin.New(admin.Config{Store: db, Now: w.now, Log: log})
	w.devices = device.New(device.Config{Store: db, Sealer: w.sealer, Hasher: w.hasher, Site: idp.Named("Imaging"), Issuer: testIssuer, Now: w.now, Log: log})
	return w
}

// set builds the flow anew from another configuration, on what is stored.
func (w *world) set(change func(*login.Config)) {
	change(&w.conf)
	w.Flow = login.New(w.conf)
}

// match sets how push approval is matched to the person.
func (w *world) match(mode idp.MatchMode) {
	w.set(func(c *login.Config) { c.Rules.Match = mode })
}

// reopen opens the database again that a test has closed.
func (w *world) reopen() *store.DB {
	w.Helper()
	db, err := store.Open(w.Context(), w.database)
	w.must(err)
	w.db = db
	return db
}

const testIssuer = "https://login.example.net"

func (w *world) now() time.Time        { return time.UnixMicro(w.clock.Load()).UTC() }
func (w *world) later(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refuses expects an error.
func (w *world) refuses(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

// at expects a step in a state.
func (w *world) at(s *login.Step, err error, state idp.LoginState) *login.Step {
	w.Helper()
	if err != nil {
		w.Fatalf("%v, want state %s", err, state)
	}
	if s == nil || s.State != state {
		w.Fatalf("step %+v, want state %s", s, state)
	}
	return s
}

// browser is a new one, without a session.
func (w *world) browser() login.Browser {
	return login.Browser{ID: idp.NewToken().Hash(), Address: "192.0.2.7", Agent: "Test/1"}
}

// person is somebody with a password, an authenticator app and recovery codes.
type person struct {
	w        *world
	id       idp.UserID
	name     string
	password idp.Secret
	secret   []byte
	device   idp.DeviceID
	recovery []idp.Secret
}

// person makes one as an administrator does: account, invitation, enrolment.
func (w *world) person(name string) *person {
	w.Helper()
	p := &person{w: w, name: name, password: goodPassword}
	u := &idp.User{Name: name}
	w.must(w.desk.AddUser(w.Context(), console, u))
	p.id = u.ID
	link, err := w.desk.Invite(w.Context(), console, u.ID, admin.ViaLink)
	w.must(err)
	b := w.browser()
	step, err := w.StartInvitation(w.Context(), link.Token, b)
	w.at(step, err, idp.LoginEnrol)
	p.secret = w.secretOf(step)
	step, p.recovery, err = w.Enrol(w.Context(), step.ID, b, login.EnrolForm{Password: p.password, Code: totp.Code(p.secret, w.now())})
	w.at(step, err, idp.LoginDone)
	devices, err := w.db.Devices(w.Context(), u.ID)
	w.must(err)
	p.device = devices[0].ID
	w.kinds()
	return p
}

// secretOf reads an offer as an app would.
func (w *world) secretOf(s *login.Step) []byte {
	w.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s.Enrol.Offer.Secret)
	w.must(err)
	if !strings.Contains(s.Enrol.Offer.URI, s.Enrol.Offer.Secret) {
		w.Fatalf("%s does not hold the secret that is typed", s.Enrol.Offer.URI)
	}
	return secret
}

// code is what the app shows next: one that was not used before.
func (p *person) code() string {
	p.w.later(totp.Period * time.Second)
	return totp.Code(p.secret, p.w.now())
}

// wrongCode is six digits that the app shows neither now nor around it.
func (p *person) wrongCode() string {
	for _, c := range []string{"000000", "111111", "222222", "333333"} {
		if !slices.ContainsFunc([]int64{-2, -1, 0, 1, 2}, func(steps int64) bool {
			return totp.Code(p.secret, time.Unix((totp.Step(p.w.now())+steps)*totp.Period, 0)) == c
		}) {
			return c
		}
	}
	panic("every code is right")
}

// atFactor begins a sign-in and gives the password.
func (p *person) atFactor(b login.Browser) idp.LoginID {
	p.w.Helper()
	step, err := p.w.StartAccount(p.w.Context(), "/account", b)
	p.w.at(step, err, idp.LoginPassword)
	step, err = p.w.Password(p.w.Context(), step.ID, b, p.name, p.password)
	return p.w.at(step, err, idp.LoginFactor).ID
}

// finish goes from the password to the answer.
func (p *person) finish(id idp.LoginID, b login.Browser) *login.Answer {
	p.w.Helper()
	step, err := p.w.Password(p.w.Context(), id, b, p.name, p.password)
	p.w.at(step, err, idp.LoginFactor)
	step, err = p.w.Code(p.w.Context(), id, b, p.code())
	p.w.at(step, err, idp.LoginDone)
	return p.w.collect(id, b)
}

func (w *world) collect(id idp.LoginID, b login.Browser) *login.Answer {
	w.Helper()
	a, err := w.Collect(w.Context(), id, b)
	w.must(err)
	return a
}

// signIn leaves a session of the person in the browser.
func (p *person) signIn(b *login.Browser) *idp.Session {
	p.w.Helper()
	step, err := p.w.StartAccount(p.w.Context(), "/account", *b)
	p.w.at(step, err, idp.LoginPassword)
	b.Session = p.finish(step.ID, *b).Session
	return p.w.session(*b)
}

func (w *world) session(b login.Browser) *idp.Session {
	w.Helper()
	s, _, err := w.Session(w.Context(), b)
	w.must(err)
	return s
}

// client registers an application; change may be nil.
func (w *world) client(id idp.ClientID, change func(*idp.Client)) idp.AuthRequest {
	w.Helper()
	c := &idp.Client{
		ID: id, Name: "The " + string(id), Kind: idp.ClientWeb, Auth: idp.AuthNone, RedirectURIs: []string{"https://rp.example/cb"},
		GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Scopes: []string{"openid", "profile", "email"},
	}
	if change != nil {
		change(c)
	}
	_, err := w.desk.AddClient(w.Context(), console, c)
	w.must(err)
	w.kinds()
	return idp.AuthRequest{
		Client: id, RedirectURI: "https://rp.example/cb", ResponseMode: "query", Scopes: []string{"openid", "profile"},
		State: "s", Nonce: "n", Challenge: "c",
	}
}

// start sends an authorization request that needs the person.
func (w *world) start(req idp.AuthRequest, b login.Browser) *login.Step {
	w.Helper()
	answer, step, err := w.Authorize(w.Context(), req, b)
	w.must(err)
	if answer != nil || step == nil {
		w.Fatalf("answered at once: %+v", answer)
	}
	return step
}

// grantOf returns what a code of an answer stands for.
func (w *world) grantOf(a *login.Answer) *idp.Grant {
	w.Helper()
	if a.Code == "" {
		w.Fatal("no code")
	}
	_, g, err := w.db.Code(w.Context(), a.Code.Hash())
	w.must(err)
	return g
}

// kinds returns what the log says since it was asked last.
func (w *world) kinds() (kinds []idp.EventKind) {
	w.Helper()
	for _, e := range w.events() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (w *world) events() []idp.Event {
	w.Helper()
	events, err := w.db.Events(w.Context(), w.seen, 10_000)
	w.must(err)
	if n := len(events); n > 0 {
		w.seen = events[n-1].Seq
	}
	return events
}

// tells expects exactly these events since it was asked last.
func (w *world) tells(kinds ...idp.EventKind) {
	w.Helper()
	if got := w.kinds(); !slices.Equal(got, kinds) {
		w.Errorf("the log says %q, want %q", got, kinds)
	}
}

// forget takes back what counters have counted against the person.
func (p *person) forget() {
	p.w.Helper()
	p.w.must(p.w.desk.Unlock(p.w.Context(), console, p.id))
	p.w.kinds()
}

// phone puts a device that can be asked beside a person's others, as linking does.
func (p *person) phone(name string) *idp.Speaker {
	p.w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.w.must(err)
	raw, err := key.PublicKey.Bytes()
	p.w.must(err)
	pairing, err := totp.NewPairing(p.w.sealer, p.w.now())
	p.w.must(err)
	pairing.User, pairing.Account = p.id, p.name
	p.w.must(p.w.db.AddPairing(p.w.Context(), pairing))
	d := idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: p.id, Name: name, Kind: idp.DeviceApp, Platform: "android", State: idp.DeviceActive,
		PublicKey: raw[1:], LinkedAt: p.w.now(),
	}
	d.SealedTOTP, err = p.w.sealer.Seal(totp.NewSecret(), string(d.ID))
	p.w.must(err)
	p.w.must(p.w.db.UpdatePairing(p.w.Context(), pairing.ID, func(q *idp.Pairing) (*idp.Device, error) {
		q.UsedAt = p.w.now()
		return &d, nil
	}))
	return &idp.Speaker{Device: d}
}

// asked returns the one challenge that a phone is shown.
func (w *world) asked(s *idp.Speaker) idp.Challenge {
	w.Helper()
	open, err := w.Asked(w.Context(), s)
	w.must(err)
	if len(open) != 1 {
		w.Fatalf("%d challenges", len(open))
	}
	return open[0]
}

func (w *world) pending(s *idp.Speaker) []idp.Challenge {
	w.Helper()
	open, err := w.Asked(w.Context(), s)
	w.must(err)
	return open
}

// known makes the person's browser one that finished a sign-in.
func (p *person) known(b *login.Browser) {
	p.w.Helper()
	step, err := p.w.StartAccount(p.w.Context(), "/account", *b)
	p.w.at(step, err, idp.LoginPassword)
	a := p.finish(step.ID, *b)
	b.Session, b.Known = a.Session, a.Known
}

func reply(c idp.Challenge, v idp.Verdict) login.Reply {
	return login.Reply{Challenge: c.ID, DocHash: c.DocHash(), Verdict: v, Address: "198.51.100.1"}
}

var (
	yes   = idp.Verdict{Approve: true}
	no    = idp.Verdict{}
	notMe = idp.Verdict{NotMe: true, Reason: "not_me"}
)
