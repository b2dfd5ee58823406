package store_test

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// tokens makes a grant with a refresh token and returns what its rotation needs.
type tokens struct {
	grant   *idp.Grant
	refresh idp.TokenHash
	code    idp.TokenHash
}

func issueFor(g *idp.Grant, now time.Time) idp.Issue {
	return idp.Issue{
		Access: idp.AccessToken{Hash: idp.NewToken().Hash(), Grant: g.ID, Scopes: g.Scopes, Audience: []string{"viewer"},
			IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute)},
		Refresh: &idp.RefreshToken{Hash: idp.NewToken().Hash(), Grant: g.ID, Scopes: g.Scopes, IssuedAt: now, ExpiresAt: now.Add(90 * time.Minute)},
	}
}

// signInAs leaves a session, a grant and a code, as a finished sign-in does.
func signInAs(b testing.TB, db *store.DB, u idp.UserID, now time.Time) tokens {
	s := &idp.Session{ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), User: u, AuthTime: now, FactorAt: now, ACR: idp.ACRMultiFactor,
		AMR: []string{"pwd", "otp", "mfa"}, CreatedAt: now, LastSeenAt: now, IdleAfter: time.Hour, ExpiresAt: now.Add(12 * time.Hour)}
	l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginPassword, Browser: idp.NewToken().Hash(),
		Request: idp.AuthRequest{Client: "viewer", RedirectURI: "https://viewer.example/cb", ResponseMode: "query",
			Scopes: []string{"openid", "profile", "offline_access"}, State: idp.NewID[string](), Nonce: idp.NewID[string](), Challenge: idp.NewToken().Reveal()},
		CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL)}
	event := func(kind idp.EventKind) idp.Event {
		return idp.Event{At: now, Kind: kind, Actor: idp.Actor{User: u, Name: "anna"}, User: u, Client: "viewer", Login: l.ID, Session: s.ID,
			Address: "192.0.2.1", Detail: map[string]string{"method": "code"}}
	}
	try := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	try(db.AddLogin(b.Context(), l))
	_, err := db.AccountByName(b.Context(), "anna"+string(u))
	try(err)
	try(db.UpdateProof(b.Context(), l.ID, idp.CountPasswords, string(u), func(p *idp.Proof) error {
		p.Login.User, p.Login.PasswordAt = u, now
		p.Login.Note(event(idp.EventPasswordRight))
		return p.Login.Apply(idp.OnPassword, now)
	}))
	try(db.UpdateProof(b.Context(), l.ID, idp.CountCodes, "", func(p *idp.Proof) error {
		p.Devices[0].LastStep++
		p.Devices[0].LastUsedAt = now
		p.Login.FactorAt, p.Login.AuthTime, p.Login.ACR, p.Login.AMR = now, now, s.ACR, s.AMR
		p.Login.Note(event(idp.EventFactorRight))
		return p.Login.Apply(idp.OnFactor, now)
	}))
	g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: "viewer", User: u, Session: s.ID, Scopes: l.Request.Scopes, Nonce: l.Request.Nonce, ACR: s.ACR,
		AMR: s.AMR, AuthTime: now, CreatedAt: now, ExpiresAt: s.ExpiresAt}
	code := &idp.Code{Hash: idp.NewToken().Hash(), Grant: g.ID, RedirectURI: l.Request.RedirectURI, Challenge: l.Request.Challenge, ExpiresAt: now.Add(idp.CodeTTL)}
	try(db.Collect(b.Context(), l.ID, func(c *idp.Collection) error {
		c.Session, c.Grant, c.Code = s, g, code
		c.Login.Note(event(idp.EventLoginDone))
		c.Grant.Note(event(idp.EventCodeIssued))
		return c.Login.Apply(idp.OnCollect, now)
	}))
	return tokens{grant: g, code: code.Hash}
}

func redeem(b testing.TB, db *store.DB, t *tokens, now time.Time) {
	issue := issueFor(t.grant, now)
	err := db.RedeemCode(b.Context(), t.code, now, issue, idp.Event{At: now, Kind: idp.EventCodeRedeemed, Actor: idp.Actor{Name: "viewer"},
		User: t.grant.User, Client: "viewer", Session: t.grant.Session, Address: "192.0.2.1"})
	if err != nil {
		b.Fatal(err)
	}
	t.refresh = issue.Refresh.Hash
}

// viewer registers the application that people sign in to.
func viewer(b testing.TB, db *store.DB) {
	if err := db.AddClient(b.Context(), &idp.Client{ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthNone}); err != nil && !errors.Is(err, idp.ErrConflict) {
		b.Fatal(err)
	}
}

func person(b testing.TB, db *store.DB, now time.Time) idp.UserID {
	viewer(b, db)
	id := idp.NewID[idp.UserID]()
	u := &idp.User{ID: id, Name: "anna" + string(id), DisplayName: "Anna", Email: "anna@example.org", Roles: []string{"reader"},
		State: idp.UserActive, CreatedAt: now, UpdatedAt: now}
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: u.ID, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	if err := db.AddUser(b.Context(), u); err != nil {
		b.Fatal(err)
	}
	if err := db.AddPairing(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	err := db.UpdatePairing(b.Context(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = now
		return &idp.Device{ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: "Pixel", Kind: idp.DeviceCode, State: idp.DeviceActive, SealedTOTP: make([]byte, 48), LinkedAt: now}, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return u.ID
}

// cpu is what this process has used so far, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU tells the time of the processor beside the time that passed, most
// of which is waiting for the disk.
func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// inParallel is how many callers wait at once.
const inParallel = 32

func sqliteConf(tb testing.TB) store.Config {
	return store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(tb.TempDir(), "idp.db"), Mail: true}
}

func postgresConf(tb testing.TB) store.Config {
	return store.Config{Key: make([]byte, 32), URL: pgtest.Fresh(tb), Mail: true, Pool: 16}
}

// bench runs do alone and with many callers at once; each caller has a state.
func bench[T any](b *testing.B, prepare func(*store.DB) func() T, do func(*store.DB, *T)) {
	for _, of := range []struct {
		name    string
		conf    func(testing.TB) store.Config
		callers int
	}{
		{"sqlite/alone", sqliteConf, 0}, {"sqlite/parallel", sqliteConf, inParallel},
		{"postgres/alone", postgresConf, 0}, {"postgres/parallel", postgresConf, inParallel},
	} {
		b.Run(of.name, func(b *testing.B) {
			callers := of.callers
			db, err := store.Open(b.Context(), of.conf(b))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := db.Close(); err != nil {
					b.Error(err)
				}
			})
			state := prepare(db)
			b.ReportAllocs()
			if callers == 0 {
				s := state()
				defer reportCPU(b, cpu(b))
				for b.Loop() {
					do(db, &s)
				}
				return
			}
			states := make([]T, callers*4)
			for i := range states {
				states[i] = state()
			}
			var next atomic.Int64
			b.SetParallelism(callers / 2)
			defer reportCPU(b, cpu(b))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				s := states[next.Add(1)-1]
				for pb.Next() {
					do(db, &s)
				}
			})
		})
	}
}

func BenchmarkRotateRefresh(b *testing.B) {
	now := time.Now().UTC()
	bench(b, func(db *store.DB) func() tokens {
		return func() tokens {
			u := person(b, db, now)
			t := signInAs(b, db, u, now)
			redeem(b, db, &t, now)
			return t
		}
	}, func(db *store.DB, t *tokens) {
		issue := issueFor(t.grant, now)
		if err := db.RotateRefresh(b.Context(), t.refresh, now, 0, issue); err != nil {
			b.Fatal(err)
		}
		t.refresh = issue.Refresh.Hash
	})
}

func BenchmarkRedeem(b *testing.B) {
	now := time.Now().UTC()
	bench(b, func(db *store.DB) func() tokens {
		viewer(b, db)
		return func() tokens { return tokens{} }
	}, func(db *store.DB, t *tokens) {
		// The transaction before it makes the code: the measure is of both.
		g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: "viewer", User: "u", Session: "", Scopes: []string{"openid"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, CreatedAt: now, ExpiresAt: now}
		code := &idp.Code{Hash: idp.NewToken().Hash(), Grant: g.ID, ExpiresAt: now.Add(time.Minute)}
		if err := db.AddLogin(b.Context(), l); err != nil {
			b.Fatal(err)
		}
		err := db.Collect(b.Context(), l.ID, func(c *idp.Collection) error { c.Grant, c.Code = g, code; return nil })
		if err != nil {
			b.Fatal(err)
		}
		redeem(b, db, &tokens{grant: g, code: code.Hash}, now)
	})
}

// BenchmarkSignIn is everything that a sign-in writes and reads, and its first exchange.
func BenchmarkSignIn(b *testing.B) {
	now := time.Now().UTC()
	bench(b, func(db *store.DB) func() idp.UserID {
		return func() idp.UserID { return person(b, db, now) }
	}, func(db *store.DB, u *idp.UserID) {
		t := signInAs(b, db, *u, now)
		redeem(b, db, &t, now)
	})
}

func BenchmarkAccess(b *testing.B) {
	now := time.Now().UTC()
	type held struct{ access idp.TokenHash }
	bench(b, func(db *store.DB) func() held {
		return func() held {
			u := person(b, db, now)
			t := signInAs(b, db, u, now)
			issue := issueFor(t.grant, now)
			if err := db.RedeemCode(b.Context(), t.code, now, issue, idp.Event{}); err != nil {
				b.Fatal(err)
			}
			return held{issue.Access.Hash}
		}
	}, func(db *store.DB, h *held) {
		if _, _, _, err := db.Access(b.Context(), h.access); err != nil {
			b.Fatal(err)
		}
	})
}
