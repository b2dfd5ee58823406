// Package storetest is the one suite that every database has to pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/logout"
	"hilum/idp/mail"
	"hilum/idp/oidc"
	"hilum/idp/store/engine"
	"hilum/idp/web/desk"
)

// Store is what is tested: all that doors and verbs ask for, and what keeps a
// database healthy.
type Store interface {
	login.Store
	device.Store
	admin.Store
	keyring.Store
	oidc.Store
	logout.Store
	mail.Store
	desk.JobStore
	Site(ctx context.Context) (*idp.Site, error)
	Ping(ctx context.Context) error
	Sweep(ctx context.Context, now time.Time) error
	Events(ctx context.Context, after int64, limit int) ([]idp.Event, error)
	VerifyEvents(ctx context.Context) error
	Mail(ctx context.Context, id idp.MailID) (*idp.Mail, error)
	MailFigures(ctx context.Context) (*idp.MailFigures, error)
	Picture(ctx context.Context, id idp.PictureID) (*idp.Picture, error)
	SealCheck(ctx context.Context) ([]byte, error)
	SetSealCheck(ctx context.Context, sealed []byte) error
	CountUsers(ctx context.Context) (int, error)
}

// Open gives a test a fresh database, as so many instances as it asks for.
type Open func(t *testing.T, instances int) []Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	one := func(test func(*testing.T, *site)) func(*testing.T) {
		return func(t *testing.T) {
			test(t, &site{Store: open(t, 1)[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)})
		}
	}
	t.Run("users", one(users))
	t.Run("passwords", one(passwords))
	t.Run("the last administrator stays", one(lastAdministrator))
	t.Run("devices", one(devices))
	t.Run("a device of another person is not found", one(strangersDevice))
	t.Run("an unlinked phone is handed out once", one(unheardDevices))
	t.Run("a phone takes the place of another", one(replacedDevices))
	t.Run("pairings", one(pairings))
	t.Run("recovery codes", one(recovery))
	t.Run("invitations", one(invitations))
	t.Run("logins", one(logins))
	t.Run("proof by code", one(proofByCode))
	t.Run("proof by recovery code", one(proofByRecovery))
	t.Run("proof by password", one(proofByPassword))
	t.Run("a step that was burnt stays burnt", one(burntStep))
	t.Run("counters", one(counters))
	t.Run("collect", one(collect))
	t.Run("collect within a live session", one(collectAgain))
	t.Run("collect beside a session that is not this browser's", one(collectStranger))
	t.Run("grant from a session", one(grantFromSession))
	t.Run("sessions", one(sessions))
	t.Run("enrol by invitation", one(enrol))
	t.Run("enrol: a wrong code is counted and uses nothing", one(enrolWrongCode))
	t.Run("set up", one(setUp))
	t.Run("set up after people are there", one(setUpLater))
	t.Run("reset a password", one(reset))
	t.Run("codes", one(codes))
	t.Run("refresh tokens", one(refreshTokens))
	t.Run("refresh tokens within grace", one(refreshGrace))
	t.Run("rivals for the repeats of a refresh token", one(refreshRivals))
	t.Run("access tokens", one(accessTokens))
	t.Run("tokens of what was taken away", one(takenAway))
	t.Run("what was issued, in two instances", func(t *testing.T) {
		both := open(t, 2)
		issuedAnywhere(t, &site{Store: both[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, both[1])
	})
	t.Run("client credentials", one(clientCredentials))
	t.Run("pushed requests", one(pushedRequests))
	t.Run("polled requests", one(polledRequests))
	t.Run("refresh tokens that are kept", func(t *testing.T) {
		both := open(t, 2)
		keptRefresh(t, &site{Store: both[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, both[1])
	})
	t.Run("a JWT that is good once", func(t *testing.T) {
		both := open(t, 2)
		usedOnce(t, &site{Store: both[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, both[1])
	})
	t.Run("what ends a grant", one(endsOfGrants))
	t.Run("clients", one(clients))
	t.Run("clients are not shared for change", one(clientCopies))
	t.Run("clients and the site, as the administration sees them in another instance", func(t *testing.T) {
		both := open(t, 2)
		seenAtOnce(t, &site{Store: both[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, both[1])
	})
	t.Run("an application is disabled in another instance while it is given tokens", func(t *testing.T) {
		both := open(t, 2)
		disabledWaits(t, &site{Store: both[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, both[1])
	})
	t.Run("site", one(siteSaved))
	t.Run("pictures", one(pictures))
	t.Run("consents", one(consents))
	t.Run("test sign-ins", one(tryouts))
	t.Run("the first steps put aside", one(startAside))
	t.Run("signing keys", one(signingKeys))
	t.Run("seal check", one(sealCheck))
	t.Run("jobs", one(jobs))
	t.Run("sweep", one(sweep))
	t.Run("events", one(events))
	t.Run("notices that a session has ended", one(notices))
	t.Run("notices of sessions whose time is up", one(noticesSwept))
	t.Run("notices in the transaction that ends the session", one(noticesAtomic))
	t.Run("mail", one(mails))
	t.Run("mail that fails", one(mailFailing))
	t.Run("mail of a link", one(invitationMail))
	t.Run("renew an invitation", one(renewInvitation))
	t.Run("invitations that were asked for", one(invitationsAskedFor))
	t.Run("an account by its mail address", one(accountByEmail))
	t.Run("texts are kept in one form", one(textForms))
	t.Run("owners are told", one(ownersTold))
	t.Run("collect a new password", one(collectPassword))
	t.Run("search devices", one(searchDevices))
	t.Run("devices nobody uses", one(unusedDevices))
	t.Run("pages of devices", one(devicePages))
	t.Run("search users", one(searchUsers))
	t.Run("import users", one(importUsers))
	t.Run("search events", one(searchEvents))
	t.Run("search sessions", one(searchSessions))
	t.Run("health", one(health))
	t.Run("a failed change leaves nothing", one(nothingLeft))
	t.Run("a panic fails its caller only", one(panicking))
	t.Run("a context that has ended", one(endedContext))

	for _, instances := range []int{1, 2} {
		t.Run(fmt.Sprintf("rivals in %d instances", instances), func(t *testing.T) {
			for _, r := range rivalries {
				t.Run(r.name, func(t *testing.T) { r.run(t, open(t, instances)) })
			}
		})
	}
}

// rivalry lets many do the same at once.
type rivalry struct {
	name string
	test func(*testing.T, *contest)
}

func (r rivalry) run(t *testing.T, all []Store) {
	r.test(t, &contest{site: &site{Store: all[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, all: all})
}

var rivalries = []rivalry{
	{"redeem a code", rivalsRedeem},
	{"answer a test sign-in", rivalsAnswer},
	{"rotate a refresh token", rivalsRotate},
	{"disable an application", rivalsDisabled},
	{"remove the application that tokens came by", rivalsDisabledOrigin},
	{"burn a step", rivalsStep},
	{"count wrong codes", rivalsCount},
	{"guess a password", rivalsGuess},
	{"give the right password among guesses", rivalsRight},
	{"use a pairing", rivalsPairing},
	{"use an invitation", rivalsInvitation},
	{"use a recovery code", rivalsRecovery},
	{"link a sixth device", rivalsSixth},
	{"disable the last administrators", rivalsAdministrators},
	{"take each other's role", rivalsRoles},
	{"invite who is given a role", rivalsRaised},
	{"unlink many", rivalsUnlink},
	{"take a name", rivalsName},
	{"collect a sign-in", rivalsCollect},
	{"remove the last devices", rivalsRemove},
	{"make a signing key", rivalsKey},
	{"begin a job", rivalsJob},
	{"claim a notice", rivalsNotice},
	{"claim a mail", rivalsMail},
	{"collect a new password", rivalsReset},
	{"write events", rivalsEvents},
}

// Rivals runs so many rounds, each of another of the rivalries of Run, in two instances; several
// rounds at once, for a database that is far away.
func Rivals(t *testing.T, rounds int, open Open) {
	for i := range rounds {
		r := rivalries[i%len(rivalries)]
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			all := open(t, 2)
			r.test(t, &contest{site: &site{Store: all[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, all: all, patient: true})
		})
	}
}

// site is a database with short ways to fill it.
type site struct {
	Store
	t   *testing.T
	now time.Time
}

func (s *site) ctx() context.Context { return s.t.Context() }

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) is(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Fatalf("error %v, want %v", err, want)
	}
}

// passwordAt is when a person's password was chosen; zero where there is none.
func (s *site) passwordAt(id idp.UserID) time.Time {
	a, err := s.Account(s.ctx(), id)
	if errors.Is(err, idp.ErrNotFound) {
		return time.Time{}
	}
	s.ok(err)
	return a.PasswordAt
}

func (s *site) event(kind idp.EventKind) idp.Event {
	return idp.Event{At: s.now, Kind: kind, Actor: idp.Actor{Name: "test"}, Detail: map[string]string{"reason": "test"}}
}

// kinds returns the events that were written, by kind.
func (s *site) kinds() map[idp.EventKind]int {
	s.t.Helper()
	events, err := s.Events(s.ctx(), 0, 100000)
	s.ok(err)
	n := map[idp.EventKind]int{}
	for _, e := range events {
		n[e.Kind]++
	}
	s.ok(s.VerifyEvents(s.ctx()))
	return n
}

func (s *site) happened(kind idp.EventKind, want int) {
	s.t.Helper()
	if got := s.kinds()[kind]; got != want {
		s.t.Fatalf("%d events %s, want %d", got, kind, want)
	}
}

// user adds an account.
func (s *site) user(name string) *idp.User {
	s.t.Helper()
	u := &idp.User{
		ID: idp.NewID[idp.UserID](), Name: name, DisplayName: "Dr. " + name, GivenName: "Anna", FamilyName: "Über & \"Söhne\"",
		Email: name + "@example.org", EmailVerified: true, Phone: "+49", Locale: "de-CH", Roles: []string{"reader", "a,b", `q"\`},
		Groups: []string{"x"}, State: idp.UserActive, CreatedAt: s.now, UpdatedAt: s.now,
	}
	u.Note(s.event(idp.EventUserCreated))
	s.ok(s.AddUser(s.ctx(), u))
	return u
}

func (s *site) administrator(name string) *idp.User {
	s.t.Helper()
	u := s.user(name)
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Staff = idp.StaffAdmin; return nil }))
	return u
}

// device links a device by way of a pairing.
func (s *site) device(user idp.UserID) (*idp.Device, error) {
	s.t.Helper()
	p := s.pairing(user)
	d := s.newDevice(user)
	err := s.UpdatePairing(s.ctx(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = s.now
		return d, nil
	})
	return d, err
}

func (s *site) newDevice(user idp.UserID) *idp.Device {
	return &idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: user, Name: "Pixel", Kind: idp.DeviceCode, Platform: "other", State: idp.DeviceActive,
		SealedTOTP: []byte("sealed"), LastStep: 100, LinkedAt: s.now,
	}
}

func (s *site) pairing(user idp.UserID) *idp.Pairing {
	s.t.Helper()
	p := &idp.Pairing{
		ID: idp.NewID[idp.PairingID](), User: user, Account: "anna", Browser: idp.NewToken().Hash(), SealedTOTP: []byte("sealed"),
		CreatedAt: s.now, ExpiresAt: s.now.Add(idp.PairingTTL),
	}
	s.ok(s.AddPairing(s.ctx(), p))
	return p
}

func (s *site) invitation(user idp.UserID, purpose idp.InvitationPurpose) *idp.Invitation {
	s.t.Helper()
	i := &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: purpose, User: user,
		By: idp.Actor{User: "boss", Name: "console:root"}, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.InvitationTTL),
	}
	s.ok(s.AddInvitation(s.ctx(), i, func(*idp.User) error { return nil }))
	return i
}

// registered adds an application, unless it is there.
func (s *site) registered(id idp.ClientID) {
	s.t.Helper()
	if err := s.AddClient(s.ctx(), &idp.Client{ID: id, Name: string(id), Kind: idp.ClientWeb, Auth: idp.AuthNone, CreatedAt: s.now, UpdatedAt: s.now}); !errors.Is(err, idp.ErrConflict) {
		s.ok(err)
	}
}

// login adds a sign-in in a state, to an application that is registered.
func (s *site) login(user idp.UserID, state idp.LoginState) *idp.Login {
	s.t.Helper()
	s.registered("viewer")
	age := int64(600)
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: state, Browser: idp.NewToken().Hash(),
		Request: idp.AuthRequest{
			Client: "viewer", RedirectURI: "https://viewer.example/cb", ResponseMode: "query", Scopes: []string{"openid", "profile"},
			State: "s<&>", Nonce: "n", Challenge: "c", Prompt: []string{"login"}, MaxAge: &age, Claims: []byte(`{"a":1}`),
		},
		User: user, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	l.Note(s.event(idp.EventLoginDenied))
	s.ok(s.AddLogin(s.ctx(), l))
	return l
}

func (s *site) newSession(user idp.UserID, browser idp.TokenHash) *idp.Session {
	return &idp.Session{
		ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: browser, User: user, AuthTime: s.now, FactorAt: s.now,
		ACR: idp.ACRMultiFactor, AMR: []string{"pwd", "otp", "mfa"}, Agent: "Firefox", Address: "192.0.2.1",
		CreatedAt: s.now, LastSeenAt: s.now, IdleAfter: time.Hour, ExpiresAt: s.now.Add(12 * time.Hour),
	}
}

func (s *site) newGrant(session *idp.Session) *idp.Grant {
	return &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: "viewer", User: session.User, Session: session.ID, Scopes: []string{"openid", "offline_access"},
		Nonce: "n", ACR: idp.ACRMultiFactor, AMR: []string{"pwd", "otp"}, AuthTime: s.now, Claims: []byte(`{"userinfo":{"email":null}}`),
		CreatedAt: s.now, ExpiresAt: session.ExpiresAt, Resources: []string{"https://archive.example/dicom-web"}, Study: "1.2.840.1",
	}
}

func (s *site) newCode(g *idp.Grant) *idp.Code {
	return &idp.Code{
		Hash: idp.NewToken().Hash(), Grant: g.ID, RedirectURI: "https://viewer.example/cb", Challenge: "c",
		ExpiresAt: s.now.Add(idp.CodeTTL),
	}
}

func (s *site) issue(grant idp.GrantID) idp.Issue {
	return idp.Issue{
		Access: idp.AccessToken{
			Hash: idp.NewToken().Hash(), Grant: grant, Scopes: []string{"openid"}, Audience: []string{"https://api.example/"},
			IssuedAt: s.now, ExpiresAt: s.now.Add(15 * time.Minute),
		},
		Refresh: &idp.RefreshToken{
			Hash: idp.NewToken().Hash(), Grant: grant, Scopes: []string{"openid"}, IssuedAt: s.now, ExpiresAt: s.now.Add(90 * time.Minute),
		},
	}
}

// collected is a person with a session, a grant and a code.
type collected struct {
	user    *idp.User
	login   *idp.Login
	session *idp.Session
	grant   *idp.Grant
	code    *idp.Code
}

// signIn walks a sign-in to its end.
func (s *site) signIn(u *idp.User) *collected {
	s.t.Helper()
	c := &collected{user: u, login: s.login(u.ID, idp.LoginDone)}
	c.session = s.newSession(u.ID, c.login.Browser)
	c.grant = s.newGrant(c.session)
	c.code = s.newCode(c.grant)
	s.ok(s.Collect(s.ctx(), c.login.ID, func(into *idp.Collection) error {
		if into.Old != nil {
			return errors.New("there is no session yet")
		}
		into.Session, into.Grant, into.Code = c.session, c.grant, c.code
		return into.Login.Apply(idp.OnCollect, s.now)
	}))
	return c
}

// redeemed is signIn and the first exchange.
func (s *site) redeemed(u *idp.User) (*collected, idp.Issue) {
	s.t.Helper()
	c := s.signIn(u)
	issue := s.issue(c.grant.ID)
	s.ok(s.RedeemCode(s.ctx(), c.code.Hash, s.now, issue, s.event(idp.EventCodeRedeemed)))
	return c, issue
}

// revoked reports whether the grant of an access token is.
func (s *site) revoked(token idp.TokenHash) bool {
	s.t.Helper()
	_, g, _, err := s.Access(s.ctx(), token)
	s.ok(err)
	return !g.RevokedAt.IsZero()
}

// contest lets many do the same at once, spread over all instances.
type contest struct {
	*site
	all []Store
	// patient: who is told that the database is away, or that it was waited for too long, comes
	// again, as callers do. Nothing was changed then.
	patient bool
}

// comesAgain reports whether a rival comes again after an error.
func (c *contest) comesAgain(err error) bool {
	return c.patient && (errors.Is(err, idp.ErrUnwritable) || errors.Is(err, engine.ErrHeld)) && !errors.Is(err, engine.ErrUnknown)
}

// outcome counts what rivals were told.
type outcome struct {
	won   int
	kinds map[error]int
}

var sentinels = []error{
	idp.ErrNotFound, idp.ErrConflict, idp.ErrExpired, idp.ErrSettled, idp.ErrDenied, idp.ErrCodeUsed, idp.ErrWrongSecret, idp.ErrTooMany, idp.ErrBusy,
}

// race runs n rivals at once. Errors that are no sentinel fail the test.
func (c *contest) race(n int, rival func(s Store, i int) error) outcome {
	c.t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			for {
				errs[i] = rival(c.all[i%len(c.all)], i)
				if !c.comesAgain(errs[i]) || c.ctx().Err() != nil {
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	out := outcome{kinds: map[error]int{}}
	for _, err := range errs {
		if err == nil {
			out.won++
			continue
		}
		at := slices.IndexFunc(sentinels, func(s error) bool { return errors.Is(err, s) })
		if at < 0 {
			c.t.Fatalf("a rival was told: %v", err)
		}
		out.kinds[sentinels[at]]++
	}
	return out
}

// oneOf says that one won and all others were told why not.
func (c *contest) oneOf(out outcome, n int, told error) {
	c.t.Helper()
	if out.won != 1 || out.kinds[told] != n-1 {
		c.t.Fatalf("%d won, others %v; want 1, and %d times %v", out.won, out.kinds, n-1, told)
	}
}
