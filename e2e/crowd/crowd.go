// Package crowd fills a provider's data folder with people for the tests that
// need many: crashes and benchmarks. They come the way that people come, by
// invitation, only that their passwords are hashed at next to no cost.
package crowd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/password"
	"hilum/idp/store"
	"hilum/idp/totp"
)

// Password is everybody's.
const Password = "slow-amber-river-42"

// The code that links a device is spent by it. It is one of long ago, so that
// those of the steps before, now and after are good.
const before = time.Hour

// Person is one of the crowd.
type Person struct {
	Name string
	Seed []byte // TOTP secret of the linked device

	// After Link: the phone that can be asked besides.
	Phone string // its device id
	Key   *ecdsa.PrivateKey

	user idp.UserID
}

// Cost is what hashing a password takes, in KiB and passes.
type Cost struct {
	MemoryKiB uint32
	Time      uint32
}

// Least is the cheapest hash that the provider reads.
var Least = Cost{MemoryKiB: 8, Time: 1}

// Home is where a provider keeps everything.
type Home struct {
	Folder string // of its sealing key, and of its database where there is no URL
	URL    string // of a PostgreSQL database
}

func (h Home) conf() *config.Config {
	conf := config.Default()
	conf.DataDir = h.Folder
	return conf
}

// Open opens the database and its sealing key, as a command does. Both are made where there
// are none.
func (h Home) Open(ctx context.Context) (*store.DB, *keyring.Sealer, error) {
	conf := h.conf()
	if err := os.MkdirAll(h.Folder, 0o700); err != nil {
		return nil, nil, err
	}
	db, err := store.Open(ctx, store.Config{Driver: "sqlite", Path: conf.DatabasePath(), URL: h.URL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	sealer, err := keyring.OpenSealer(conf.SealFile(), db.Fresh())
	if err == nil {
		err = db.Trust(ctx, sealer.Derive("store", 32))
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, sealer, nil
}

// Fill adds n people, named from prefix, where no provider runs.
func Fill(ctx context.Context, home Home, prefix string, n int, cost Cost) (people []Person, err error) {
	db, sealer, err := home.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conf, log := home.conf(), slog.New(slog.DiscardHandler)
	then := func() time.Time { return time.Now().Add(-before) }
	flow := login.New(login.Config{
		Store: db, Sealer: sealer, Now: then, Log: log,
		Passwords: password.New(password.Config{MemoryKiB: cost.MemoryKiB, Time: cost.Time, QueueFor: time.Minute}),
		Rules:     login.Rules{SessionIdle: conf.Sessions.Idle, SessionAbsolute: conf.Sessions.Absolute, Site: idp.Named(conf.Label())},
	})
	desk := admin.New(admin.Config{Store: db, Now: then, Log: log})

	people = make([]Person, n)
	errs := make([]error, n)
	const atOnce = 32 // the store commits those together that wait together
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, atOnce) {
		wg.Go(func() { // ends when next is closed
			for i := range next {
				people[i], errs[i] = enrol(ctx, desk, flow, fmt.Sprintf("%s%04d", prefix, i), then)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return people, errors.Join(errs...)
}

func enrol(ctx context.Context, desk *admin.Desk, flow *login.Flow, name string, now func() time.Time) (p Person, err error) {
	u := &idp.User{Name: name, DisplayName: "Test person " + name}
	by := admin.Console("test")
	if err := desk.AddUser(ctx, by, u); err != nil {
		return p, err
	}
	link, err := desk.Invite(ctx, by, u.ID, admin.ViaLink)
	if err != nil {
		return p, err
	}
	browser := login.Browser{ID: idp.NewToken().Hash(), Address: "127.0.0.1", Agent: "test"}
	step, err := flow.StartInvitation(ctx, link.Token, browser)
	if err != nil {
		return p, err
	}
	p.Name = name
	if p.Seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(step.Enrol.Offer.Secret); err != nil {
		return p, err
	}
	p.user = u.ID
	_, _, err = flow.Enrol(ctx, step.ID, browser, login.EnrolForm{Password: Password, Code: totp.Code(p.Seed, now()), DeviceName: "Phone"})
	return p, err
}

// Link gives each person a phone that can be asked at sign-in, where no provider runs.
func Link(ctx context.Context, home Home, people []Person) (err error) {
	db, sealer, err := home.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	errs := make([]error, len(people))
	var wg sync.WaitGroup
	next := make(chan int)
	const atOnce = 32
	for range min(len(people), atOnce) {
		wg.Go(func() { // ends when next is closed
			for i := range next {
				errs[i] = link(ctx, db, sealer, &people[i])
			}
		})
	}
	for i := range people {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

func link(ctx context.Context, db *store.DB, sealer *keyring.Sealer, p *Person) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return err
	}
	now := time.Now()
	offer, err := totp.NewPairing(sealer, now)
	if err != nil {
		return err
	}
	offer.User, offer.Account = p.user, p.Name
	if err := db.AddPairing(ctx, offer); err != nil {
		return err
	}
	d := idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: p.user, Name: "Pixel", Kind: idp.DeviceApp, Platform: "android", State: idp.DeviceActive,
		PublicKey: public[1:], LinkedAt: now,
	}
	if d.SealedTOTP, err = sealer.Seal(totp.NewSecret(), string(d.ID)); err != nil {
		return err
	}
	p.Phone, p.Key = string(d.ID), key
	return db.UpdatePairing(ctx, offer.ID, func(q *idp.Pairing) (*idp.Device, error) {
		q.UsedAt = now
		return &d, nil
	})
}
