package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
)

func rivalsRedeem(t *testing.T, c *contest) {
	u := c.user("anna")
	const n = 100
	for range 3 {
		in := c.signIn(u)
		issues := make([]idp.Issue, n)
		for i := range issues {
			issues[i] = c.issue(in.grant.ID)
		}
		out := c.race(n, func(s Store, i int) error {
			return s.RedeemCode(c.ctx(), in.code.Hash, c.now, issues[i], c.event(idp.EventCodeRedeemed))
		})
		c.oneOf(out, n, idp.ErrSettled)
		kept := 0
		for _, issue := range issues {
			if _, g, _, err := c.Access(c.ctx(), issue.Access.Hash); err == nil {
				kept++
				if g.RevokedAt.IsZero() {
					t.Fatal("a code was used a hundred times and its grant lives")
				}
			}
		}
		if kept != 1 {
			t.Fatalf("%d sets of tokens for one code", kept)
		}
	}
	c.happened(idp.EventCodeRedeemed, 3)
	c.happened(idp.EventCodeReplayed, 3)
}

func rivalsRotate(t *testing.T, c *contest) {
	const n = 60
	in, first := c.redeemed(c.user("anna"))
	issues := make([]idp.Issue, n)
	for i := range issues {
		issues[i] = c.issue(in.grant.ID)
	}
	out := c.race(n, func(s Store, i int) error { return s.RotateRefresh(c.ctx(), first.Refresh.Hash, c.now, 0, issues[i]) })
	c.oneOf(out, n, idp.ErrSettled)
	kept := 0
	for _, issue := range issues {
		if _, _, err := c.Refresh(c.ctx(), issue.Refresh.Hash); err == nil {
			kept++
		}
	}
	if kept != 1 || !c.revoked(first.Access.Hash) {
		t.Fatalf("%d successors, revoked %v", kept, c.revoked(first.Access.Hash))
	}
	c.happened(idp.EventRefreshReplayed, 1)
}

func rivalsStep(_ *testing.T, c *contest) {
	const n = 40
	u := c.user("anna")
	_, err := c.device(u.ID)
	c.ok(err)
	var logins []*idp.Login
	for range n {
		logins = append(logins, c.login(u.ID, idp.LoginFactor))
	}
	const step = 4711
	out := c.race(n, func(s Store, i int) error {
		return s.UpdateProof(c.ctx(), logins[i].ID, idp.CountCodes, "", func(p *idp.Proof) error {
			if p.Devices[0].LastStep >= step {
				return idp.ErrCodeUsed
			}
			p.Devices[0].LastStep = step
			return p.Login.Apply(idp.OnFactor, c.now)
		})
	})
	c.oneOf(out, n, idp.ErrCodeUsed)
}

func rivalsCount(t *testing.T, c *contest) {
	const n, allowed = 40, 5
	u := c.user("anna")
	var logins []*idp.Login
	for range n {
		logins = append(logins, c.login(u.ID, idp.LoginFactor))
	}
	out := c.race(n, func(s Store, i int) error {
		return s.UpdateProof(c.ctx(), logins[i].ID, idp.CountCodes, "", func(p *idp.Proof) error {
			if p.Counter.InARow >= allowed {
				return idp.ErrTooMany
			}
			p.Counter.InARow++
			p.Login.Note(c.event(idp.EventCodeWrong))
			return nil
		})
	})
	if out.won != allowed || out.kinds[idp.ErrTooMany] != n-allowed {
		t.Fatalf("%d guesses at once, %d were let through: %v", n, out.won, out.kinds)
	}
	c.happened(idp.EventCodeWrong, allowed)
}

// hasher stands in for what hashes passwords: it says how many it has compared. A
// password is its own hash.
type hasher struct {
	login.Passwords
	checks atomic.Int64
}

func (h *hasher) Check(_ context.Context, hash string, typed idp.Secret) (bool, error) {
	h.checks.Add(1)
	runtime.Gosched() // so that others come in between, as they do while a hash is computed
	if hash == "" || hash != typed.Reveal() {
		return false, idp.ErrWrongSecret
	}
	return false, nil
}

// noSealer is one that a sign-in by password needs, and no more.
type noSealer struct{ login.Sealer }

func (noSealer) MAC(purpose, value string) [32]byte { return sha256.Sum256([]byte(purpose + value)) }

// doors are as many ways to sign in as there are instances, by a clock that the test
// moves.
type doors struct {
	*contest
	hasher
	flows map[Store]*login.Flow
	clock atomic.Int64 // microseconds
}

// openDoors gives anna, who is returned, the password «right».
func (c *contest) openDoors() (*doors, *idp.User) {
	c.t.Helper()
	u := c.user("anna")
	c.ok(c.SetPassword(c.ctx(), u.ID, "right", c.passwordAt(u.ID), idp.Within{}, c.event(idp.EventPasswordChanged)))
	d := &doors{contest: c, flows: map[Store]*login.Flow{}}
	d.clock.Store(c.now.UnixMicro())
	for _, s := range c.all {
		d.flows[s] = login.New(login.Config{
			Store: s, Passwords: &d.hasher, Sealer: noSealer{}, Now: d.time, Log: slog.New(slog.DiscardHandler),
		})
	}
	return d, u
}

func (d *doors) time() time.Time { return time.UnixMicro(d.clock.Load()).UTC() }

// knock has so many sign-ins give a password for a name at once.
func (d *doors) knock(name string, passwords ...idp.Secret) outcome {
	d.t.Helper()
	steps, browsers := make([]*login.Step, len(passwords)), make([]login.Browser, len(passwords))
	for i := range passwords {
		var err error
		browsers[i] = login.Browser{ID: idp.NewToken().Hash(), Address: "192.0.2.1"}
		steps[i], err = d.flows[d.all[0]].StartAccount(d.ctx(), "/account", browsers[i])
		d.ok(err)
	}
	return d.race(len(passwords), func(s Store, i int) error {
		_, err := d.flows[s].Password(d.ctx(), steps[i].ID, browsers[i], name, passwords[i])
		return err
	})
}

// Guesses at once at several instances, which share nothing but the database: as many
// are answered as the policy allows one after the other, and from the first that is
// counted on no more are compared either. Of a name that nobody has likewise.
func rivalsGuess(t *testing.T, c *contest) {
	const n = 24
	d, _ := c.openDoors()
	guesses := slices.Repeat([]idp.Secret{"wrong"}, n)
	wrong := 0
	for _, name := range []string{"anna", "nobody"} {
		var model idp.Counter
		for round := range 8 {
			none, allowed := limit.Passwords.None(&model, d.time()), 0
			for limit.Passwords.Allow(&model, d.time()) == nil {
				limit.Passwords.Wrong(&model, d.time())
				allowed++
			}
			before := d.checks.Load()
			out := d.knock(name, guesses...)
			if out.kinds[idp.ErrWrongSecret] != allowed || out.kinds[idp.ErrTooMany] != n-allowed {
				t.Fatalf("%s, round %d: told %v, the policy allows %d", name, round, out.kinds, allowed)
			}
			// Of a counter that was empty each further instance may compare one in vain.
			most := allowed
			if none {
				most += len(c.all) - 1
			}
			if got := int(d.checks.Load() - before); got < allowed || got > most {
				t.Fatalf("%s, round %d: %d compared, the policy allows %d", name, round, got, allowed)
			}
			wrong += allowed
			d.clock.Store(model.NextAt.UnixMicro())
		}
	}
	c.happened(idp.EventPasswordWrong, wrong)
}

// One right password among guesses at several instances: whether it is let through or
// comes too late, what is counted of the month is exactly what was wrong.
func rivalsRight(t *testing.T, c *contest) {
	d, u := c.openDoors()
	month, in := 0, 0
	for range 20 {
		out := d.knock("anna", "wrong", "wrong", "wrong", "wrong", "wrong", "right")
		month += out.kinds[idp.ErrWrongSecret]
		in += out.won
		counter, err := c.Counter(c.ctx(), idp.CounterKey{Kind: idp.CountPasswords, Who: string(u.ID)})
		c.ok(err)
		if counter.Month != month || counter.FactorFirst || out.won+out.kinds[idp.ErrWrongSecret]+out.kinds[idp.ErrTooMany] != 6 {
			t.Fatalf("let in %d, told %v: counted %+v, want %d in the month", out.won, out.kinds, counter, month)
		}
		d.clock.Add((10 * time.Minute).Microseconds())
	}
	c.happened(idp.EventPasswordWrong, month)
	c.happened(idp.EventPasswordRight, in)
}

func rivalsPairing(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	p := c.pairing(u.ID)
	out := c.race(n, func(s Store, _ int) error {
		return s.UpdatePairing(c.ctx(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
			if err := p.Open(c.now); err != nil {
				return nil, err
			}
			p.UsedAt = c.now
			return c.newDevice(u.ID), nil
		})
	})
	c.oneOf(out, n, idp.ErrSettled)
	list, err := c.Devices(c.ctx(), u.ID)
	c.ok(err)
	if len(list) != 1 {
		t.Fatalf("%d devices from one offer", len(list))
	}
}

func rivalsInvitation(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	l, i := c.invited(u)
	// One link, opened in many browsers.
	logins := []idp.LoginID{l.ID}
	for range n - 1 {
		other := *l
		other.ID = idp.NewID[idp.LoginID]()
		c.ok(c.AddLogin(c.ctx(), &other))
		logins = append(logins, other.ID)
	}
	out := c.race(n, func(s Store, i int) error { return s.Enrol(c.ctx(), logins[i], c.use) })
	c.oneOf(out, n, idp.ErrSettled)
	list, err := c.Devices(c.ctx(), u.ID)
	c.ok(err)
	got, err := c.InvitationByToken(c.ctx(), i.Token)
	c.ok(err)
	c.is(got.Open(c.now), idp.ErrSettled)
	if len(list) != 1 {
		t.Fatalf("%d devices from one link", len(list))
	}
	c.happened(idp.EventInvitationUsed, 1)
}

func rivalsRecovery(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	codes := c.recoveryCodes(u.ID)
	c.ok(c.SetRecoveryCodes(c.ctx(), u.ID, codes, idp.Within{}, c.event(idp.EventRecoveryMade)))
	var logins []*idp.Login
	for range n {
		logins = append(logins, c.login(u.ID, idp.LoginFactor))
	}
	out := c.race(n, func(s Store, i int) error {
		return s.UpdateProof(c.ctx(), logins[i].ID, idp.CountRecovery, "", func(p *idp.Proof) error {
			at := slices.IndexFunc(p.Recovery, func(r idp.RecoveryCode) bool { return r.Hash == codes[4].Hash })
			if at < 0 {
				return idp.ErrWrongSecret
			}
			p.Recovery[at].UsedAt = c.now
			return p.Login.Apply(idp.OnFactor, c.now)
		})
	})
	c.oneOf(out, n, idp.ErrWrongSecret)
	left, err := c.RecoveryLeft(c.ctx(), u.ID)
	c.ok(err)
	if left != 9 {
		t.Fatalf("%d left", left)
	}
}

func rivalsSixth(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	for range idp.MaxDevices - 1 {
		_, err := c.device(u.ID)
		c.ok(err)
	}
	// Offers of different origin, so that each rival has an open one.
	var offers []*idp.Pairing
	for range n {
		offers = append(offers, c.pairing(""))
	}
	out := c.race(n, func(s Store, i int) error {
		return s.UpdatePairing(c.ctx(), offers[i].ID, func(p *idp.Pairing) (*idp.Device, error) {
			p.UsedAt = c.now
			return c.newDevice(u.ID), nil
		})
	})
	c.oneOf(out, n, idp.ErrConflict)
	list, err := c.Devices(c.ctx(), u.ID)
	c.ok(err)
	if len(list) != idp.MaxDevices {
		t.Fatalf("%d devices", len(list))
	}
}

func rivalsAdministrators(t *testing.T, c *contest) {
	const n = 8
	var all []*idp.User
	for i := range n {
		all = append(all, c.administrator(fmt.Sprintf("admin%d", i)))
	}
	out := c.race(n, func(s Store, i int) error { return s.DisableUser(c.ctx(), all[i].ID, c.event(idp.EventUserDisabled)) })
	if out.won != n-1 || out.kinds[idp.ErrDenied] != 1 {
		t.Fatalf("%d of %d administrators were disabled, %v", out.won, n, out.kinds)
	}
}

func rivalsName(_ *testing.T, c *contest) {
	const n = 20
	out := c.race(n, func(s Store, _ int) error {
		return s.AddUser(c.ctx(), &idp.User{ID: idp.NewID[idp.UserID](), Name: "anna", CreatedAt: c.now, UpdatedAt: c.now})
	})
	c.oneOf(out, n, idp.ErrConflict)
}

func rivalsCollect(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	l := c.login(u.ID, idp.LoginDone)
	out := c.race(n, func(s Store, _ int) error {
		return s.Collect(c.ctx(), l.ID, func(into *idp.Collection) error {
			into.Session = c.newSession(u.ID, l.Browser)
			into.Grant = c.newGrant(into.Session)
			into.Code = c.newCode(into.Grant)
			return into.Login.Apply(idp.OnCollect, c.now)
		})
	})
	c.oneOf(out, n, idp.ErrSettled)
	live, err := c.Sessions(c.ctx(), u.ID, c.now)
	c.ok(err)
	if len(live) != 1 {
		t.Fatalf("%d sessions from one sign-in", len(live))
	}
}

func rivalsRemove(t *testing.T, c *contest) {
	u := c.user("anna")
	var all []*idp.Device
	for range idp.MaxDevices {
		d, err := c.device(u.ID)
		c.ok(err)
		all = append(all, d)
	}
	out := c.race(len(all), func(s Store, i int) error {
		return s.RemoveDevice(c.ctx(), u.ID, all[i].ID, idp.Unlinking{}, c.event(idp.EventDeviceUnlinked))
	})
	if out.won != len(all)-1 || out.kinds[idp.ErrDenied] != 1 {
		t.Fatalf("%d of %d devices went, %v", out.won, len(all), out.kinds)
	}
}

func rivalsKey(t *testing.T, c *contest) {
	const n = 20
	there := errors.New("there is one")
	out := c.race(n, func(s Store, _ int) error {
		err := s.UpdateSigningKeys(c.ctx(), func(keys []idp.SigningKey) ([]idp.SigningKey, error) {
			if len(keys) > 0 {
				return nil, there
			}
			return []idp.SigningKey{{ID: idp.NewID[idp.KeyID](), Alg: "RS256", CreatedAt: c.now}}, nil
		}, c.event(idp.EventKeyRotated))
		if errors.Is(err, there) {
			return idp.ErrSettled
		}
		return err
	})
	c.oneOf(out, n, idp.ErrSettled)
	keys, err := c.SigningKeys(c.ctx())
	c.ok(err)
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
}

func rivalsEvents(t *testing.T, c *contest) {
	const n = 100
	out := c.race(n, func(s Store, i int) error {
		l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, CreatedAt: c.now, ExpiresAt: c.now}
		l.Note(c.event(idp.EventLoginDenied))
		if err := s.AddLogin(c.ctx(), l); err != nil || i%3 != 0 {
			return err
		}
		// Some fail after they have written events.
		_ = s.UpdateLogin(c.ctx(), l.ID, func(l *idp.Login) error {
			l.Note(c.event(idp.EventLoginDone))
			l.ID = "another"
			return nil
		})
		return nil
	})
	if out.won != n {
		t.Fatalf("%d of %d, %v", out.won, n, out.kinds)
	}
	all, err := c.Events(c.ctx(), 0, 1000)
	c.ok(err)
	if len(all) != n {
		t.Fatalf("%d events", len(all))
	}
	c.happened(idp.EventLoginDenied, n)
}
