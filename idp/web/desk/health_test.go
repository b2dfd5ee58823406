package desk_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest/walk"
)

// grown is a desk whose database has grown for years.
type grown struct{ desk.Desk }

func (d grown) Health(ctx context.Context, by admin.By) (*idp.Health, error) {
	h, err := d.Desk.Health(ctx, by)
	if err == nil {
		h.Bytes, h.Engine, h.EngineVersion = 12_345_678, "PostgreSQL", "15.18"
		h.Schema, h.Shared, h.Lag = 48, true, 132_400*time.Microsecond
		h.Instances = []idp.Instance{{ID: "ONE", Host: "idp-0", Version: "1.2.3", SchemaFrom: 45, StartedAt: idptest.Noon, HeardAt: idptest.Noon}, {ID: "TWO", Host: "<b>idp-1", Version: "1.2.4", SchemaFrom: 47, StartedAt: idptest.Noon, HeardAt: idptest.Noon}}
	}
	return h, err
}

// strangers has so many stand before the password of a sign-in.
func strangers(w *walk.Walk, n int) {
	w.Helper()
	var all sync.WaitGroup
	const hands = 16
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < n; i += hands {
				if _, err := w.Flow.StartAccount(w.Context(), "account", login.Browser{ID: idp.NewToken().Hash(), Address: "192.0.2.1"}); err != nil {
					w.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestDeskHealth(t *testing.T) {
	t.Parallel()
	figures := []idp.PushFigures{
		{Type: idp.PushFCM, Attempts: 10, Delivered: 3, Failed: 1, P50: 12 * time.Millisecond, P95: 40 * time.Millisecond, LastError: "503 <b>", LastAt: idptest.Noon, Alarm: "mend me"},
		{Type: idp.PushWeb},
	}
	w := walk.New(t, func(p *walk.Parts) {
		p.Wrap = func(d desk.Desk) desk.Desk { return grown{d} }
		p.Desk.Push = func() []idp.PushFigures { return figures }
	})

	// The day before yesterday the keys were made. Yesterday Bert has four sign-ins, three by code.
	w.Clock.Add(48 * time.Hour)
	bert := w.Enrol(idp.User{Name: "bert"})
	pixel := w.Link(bert.ID, idp.Device{Name: "Pixel 8", Kind: idp.DeviceApp, Platform: "android"})
	for _, name := range []string{"Old", "Older"} {
		w.Link(bert.ID, idp.Device{Name: name, Kind: idp.DeviceApp, Platform: "android", PushType: idp.PushFCM, PushBadAt: w.Clock.Now()})
	}
	for range 3 {
		w.Fresh()
		w.SignIn(bert, w.Visit("/account"))
	}
	recovery := w.RecoveryCodes(w.Submit(w.Visit("/account/recovery"), "/account/recovery"))[0]

	// Today he has one by his phone and one by recovery code, and three that come to nothing.
	w.Clock.Add(24 * time.Hour)
	password := func(password string) string {
		w.Fresh()
		return w.Submit(w.Visit("/account"), "/password", "username", "bert", "password", password)
	}
	says := func(v idp.Verdict) {
		t.Helper()
		phone := &idp.Speaker{Device: pixel}
		asked := idptest.Must(w.Flow.Asked(t.Context(), phone))(t)
		if len(asked) != 1 {
			t.Fatalf("the phone is asked %d times", len(asked))
		}
		v.Number = asked[0].Number
		if _, err := w.Flow.Answer(t.Context(), phone, login.Reply{Challenge: asked[0].ID, DocHash: asked[0].DocHash(), Verdict: v}); err != nil {
			t.Fatal(err)
		}
	}
	password("wrong")
	password(walk.Password)
	says(idp.Verdict{Approve: true})
	w.Sees(w.Submit(w.Visit(w.Path), "/phone"), "/account")
	page := password(walk.Password)
	w.Submit(page, "/code", "code", "000000")
	w.Sees(w.Submit(page, "/recovery", "recovery_code", recovery), "/account")
	password(walk.Password)
	says(idp.Verdict{})

	// RSA keys are about to turn, and the others are of no use any more.
	if _, err := keyring.Open(t.Context(), keyring.Config{Store: w.DB, Sealer: w.Sealer, Algs: []string{"RS256"}, RotateEvery: 96 * time.Hour, Now: w.Clock.Now, Log: idptest.Quiet()}); err != nil {
		t.Fatal(err)
	}
	strangers(w, idp.CountUpTo)
	w.Fresh()
	w.Staff(idp.StaffAuditor)
	events := idptest.Must(w.DB.LogHead(t.Context()))(t).Seq
	w.Wants(w.Get("/admin/health"), 200, "<b>2</b></li>", "Devices</span><b>5</b>", `<b>2</b> <a href="/admin/devices?f=failing"`, "12.3 MB", `id="engine">PostgreSQL 15.18<`, `id="version">1.2.3-test<`, fmt.Sprintf("<b>%d</b></li>", events),
		"Instances", "idp-0", "ONE", "1.2.4", "&lt;b&gt;idp-1", `id="tables">Tables 48<`, `<td data-label="Version">1.2.3</td><td data-label="Tables">45</td>`, `<td data-label="Version">1.2.4</td><td data-label="Tables">47</td>`, `id="lag">132ms<`,
		"<dd>1,000&#43;</dd>", "for 3 days", ">Next<", "published until", "75 %", "503 &lt;b&gt;", "mend me", "Web Push", "Firebase Cloud Messaging", "12ms", "not <dd>0s", "not No push service",
		"Signed in <b>7</b>", "4 a day at most", "Phone <b>1</b>", "Code <b>3</b>", "Recovery codes <b>1</b>", "Password wrong <b>1</b>", "Code wrong <b>1</b>", "Denied on the phone <b>1</b>", "<rect")
}

// newborn is a desk that nobody has signed in to yet, whose database is nobody else's.
type newborn struct{ desk.Desk }

func (d newborn) Health(ctx context.Context, by admin.By) (*idp.Health, error) {
	h, err := d.Desk.Health(ctx, by)
	if err == nil {
		h.Shared = false
	}
	return h, err
}

func (newborn) Days(context.Context, admin.By, int) ([]idp.Day, error) { return nil, nil }

func TestDeskHealthOfANewSite(t *testing.T) {
	t.Parallel()
	w := walk.New(t, func(p *walk.Parts) { p.Wrap = func(d desk.Desk) desk.Desk { return newborn{d} } })
	w.Staff(idp.StaffAuditor)
	w.Wants(w.Get("/admin/health"), 200, "No push service is set up", "not Instances", "not Log behind", "not <rect", "for 0 days", "not published until", "not mend me")
}
