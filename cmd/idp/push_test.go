package main

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
)

// The key that browsers subscribe by is made once and found again; one that is
// damaged, or gone while phones have subscribed by it, stops the start, and
// nothing is made in its place.
func TestVAPIDKeyIsMadeOnce(t *testing.T) {
	conf := config.Default()
	conf.DataDir = t.TempDir()
	start := func() (*provider, error) {
		return open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	}
	public := func() string {
		t.Helper()
		p, err := start()
		if err != nil {
			t.Fatal(err)
		}
		key := p.push.vapid
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := public()
	if again := public(); len(first) != 87 || again != first {
		t.Fatalf("first %q, then %q", first, again)
	}

	db, err := sql.Open("sqlite3", conf.DatabasePath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (sealed []byte, public string, n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM vapid_keys").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			if err := db.QueryRowContext(t.Context(), "SELECT sealed, public FROM vapid_keys").Scan(&sealed, &public); err != nil {
				t.Fatal(err)
			}
		}
		return sealed, public, n
	}
	sealed, _, _ := kept()
	refused := func(what, want string) {
		t.Helper()
		before, name, n := kept()
		p, err := start()
		if err == nil {
			t.Errorf("%s: it starts", what)
			_ = p.Close()
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v", what, err)
		}
		if after, same, m := kept(); m != n || string(after) != string(before) || same != name {
			t.Errorf("%s: the key was changed", what)
		}
	}

	bad := append([]byte(nil), sealed...)
	bad[len(bad)-1] ^= 1
	do("UPDATE vapid_keys SET sealed = ?", bad)
	refused("a damaged key", "cannot be opened")
	do("UPDATE vapid_keys SET sealed = ?, public = ?", sealed, strings.Repeat("A", 87))
	refused("another public half", "damaged")
	do("UPDATE vapid_keys SET public = ?", first)
	if again := public(); again != first {
		t.Fatalf("mended, it is %q", again)
	}

	subscribe(t, start)
	do("DELETE FROM vapid_keys")
	refused("a key that is gone", "missing")
	do("INSERT INTO vapid_keys (id, sealed, public, created_at) VALUES (1, ?, ?, 0)", sealed, first)
	if again := public(); again != first {
		t.Fatalf("put back, it is %q", again)
	}
}

// subscribe gives a person a phone with a web push address.
func subscribe(t *testing.T, start func() (*provider, error)) {
	t.Helper()
	p, err := start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, now := context.WithoutCancel(t.Context()), time.Now()
	u := &idp.User{ID: idp.NewID[idp.UserID](), Name: "anna", DisplayName: "Anna", State: idp.UserActive, CreatedAt: now, UpdatedAt: now}
	if err := p.db.AddUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	offer := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: u.ID, Account: u.Name, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	if err := p.db.AddPairing(ctx, offer); err != nil {
		t.Fatal(err)
	}
	d := &idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: "Phone", Kind: idp.DeviceApp, Platform: "web", State: idp.DeviceActive,
		PublicKey: make([]byte, 64), PushType: idp.PushWeb, SealedPush: []byte("sealed"), LinkedAt: now,
	}
	if err := p.db.UpdatePairing(ctx, offer.ID, func(*idp.Pairing) (*idp.Device, error) { return d, nil }); err != nil {
		t.Fatal(err)
	}
}
