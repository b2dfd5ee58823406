package device_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/password"
	"hilum/idp/store"
	"hilum/idp/totp"
)

var _ device.Store = (*store.DB)(nil)

// world is a registry on real parts, with a clock moved by hand.
type world struct {
	*testing.T
	*device.Registry
	db     *store.DB
	sealer *keyring.Sealer
	hasher *password.Hasher
	now    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)}
	w.db, w.sealer = idptest.Store(t, func() time.Time { return w.now }, nil), idptest.Sealer(t)
	w.hasher = password.New(password.Config{MemoryKiB: 8, Time: 1})
	w.Registry = device.New(device.Config{
		Store: w.db, Sealer: w.sealer, Hasher: w.hasher, Site: idp.Named("Klinikum Nord"), Issuer: testIssuer,
		Now: func() time.Time { return w.now },
	})
	return w
}

// person makes an account and a session with a fresh second factor.
func (w *world) person(name string) *idp.Session {
	w.Helper()
	u := &idp.User{ID: idp.NewID[idp.UserID](), Name: name, DisplayName: name, State: idp.UserActive, CreatedAt: w.now, UpdatedAt: w.now}
	if err := w.db.AddUser(w.Context(), u); err != nil {
		w.Fatal(err)
	}
	s := &idp.Session{
		ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: idp.NewToken().Hash(), User: u.ID,
		FactorAt: w.now, AuthTime: w.now, CreatedAt: w.now, LastSeenAt: w.now, IdleAfter: time.Hour, ExpiresAt: w.now.Add(time.Hour),
	}
	l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginDone, Browser: s.Browser, User: u.ID, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Minute)}
	err := w.db.AddLogin(w.Context(), l)
	if err == nil {
		err = w.db.Collect(w.Context(), l.ID, func(c *idp.Collection) error { c.Session = s; return c.Login.Apply(idp.OnCollect, w.now) })
	}
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// proves keeps that a second factor was given in a session just now.
func (w *world) proves(s *idp.Session) {
	w.Helper()
	l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForStepUp, State: idp.LoginDone, Browser: s.Browser, Session: s.ID, User: s.User, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Minute)}
	err := w.db.AddLogin(w.Context(), l)
	if err == nil {
		err = w.db.Collect(w.Context(), l.ID, func(c *idp.Collection) error {
			c.Old.FactorAt, c.Old.LastSeenAt = w.now, w.now
			return c.Login.Apply(idp.OnCollect, w.now)
		})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// secretOf reads an offer as an app would.
func (w *world) secretOf(o *device.Offer) []byte {
	w.Helper()
	p, err := w.db.Pairing(w.Context(), o.ID)
	if err != nil {
		w.Fatal(err)
	}
	secret, err := w.sealer.Open(p.SealedTOTP, string(p.ID))
	if err != nil {
		w.Fatal(err)
	}
	if totp.Base32(secret) != o.Secret || !strings.Contains(o.URI, o.Secret) {
		w.Fatalf("the offer shows another secret than it keeps: %+v", o)
	}
	return secret
}

func (w *world) start(s *idp.Session) *device.Offer {
	w.Helper()
	o, err := w.StartPairing(w.Context(), s)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// link links a device in one go.
func (w *world) link(s *idp.Session, name string) *idp.Device {
	w.Helper()
	o := w.start(s)
	d, err := w.Confirm(w.Context(), s, o.ID, totp.Code(w.secretOf(o), w.now), name)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func (w *world) names(s *idp.Session) (names []string) {
	w.Helper()
	devices, err := w.List(w.Context(), s.User)
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range devices {
		names = append(names, d.Name)
	}
	return names
}

// events returns what the log says of one kind.
func (w *world) events(kind idp.EventKind) (found []idp.Event) {
	w.Helper()
	all, err := w.db.Events(w.Context(), 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range all {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// one returns the only event of a kind, and checks who did it.
func (w *world) one(kind idp.EventKind, s *idp.Session, actor string) idp.Event {
	w.Helper()
	es := w.events(kind)
	if len(es) != 1 {
		w.Fatalf("%d events %s, want one", len(es), kind)
	}
	e := es[0]
	if e.Actor != (idp.Actor{User: s.User, Name: actor}) || e.User != s.User || e.Session != s.ID || !e.At.Equal(w.now) {
		w.Errorf("event %+v", e)
	}
	return e
}

func (w *world) fails(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

const testIssuer = "https://login.example.net"

func TestLinkingAnApp(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o := w.start(anna)
	secret := w.secretOf(o)
	if o.Plain != totp.URI("Klinikum Nord", "anna", secret) || !strings.HasPrefix(o.URI, o.Plain+"&idp=login.example.net&pair=") || o.Account != "anna" || o.Label != "Klinikum Nord" ||
		!o.ExpiresAt.Equal(w.now.Add(idp.PairingTTL)) || o.WrongCodes != 0 || !o.ServerTime.Equal(w.now) {
		t.Errorf("offer %+v", o)
	}
	again, err := w.Offer(t.Context(), anna, o.ID)
	if err != nil || again.URI != o.URI || again.Secret != o.Secret || !again.ExpiresAt.Equal(o.ExpiresAt) {
		t.Errorf("the page a second time: %+v, %v", again, err)
	}
	w.one(idp.EventPairingStarted, anna, "anna")

	d, err := w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "  Anna's phone ")
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.List(t.Context(), anna.User)
	if err != nil || len(list) != 1 || list[0].ID != d.ID || list[0].Name != "Anna's phone" || list[0].Kind != idp.DeviceCode ||
		list[0].State != idp.DeviceActive || !list[0].LinkedAt.Equal(w.now) || !list[0].LastUsedAt.IsZero() {
		t.Fatalf("listed %+v, %v", list, err)
	}
	e := w.one(idp.EventDeviceLinked, anna, "anna")
	if e.Device != d.ID || e.Detail["name"] != "Anna's phone" || e.Detail["kind"] != "code" {
		t.Errorf("event %+v", e)
	}

	// The secret is the device's now: bound to its row, not to the offer's.
	if got, err := w.sealer.Open(list[0].SealedTOTP, string(d.ID)); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("sealed secret: %v", err)
	}
	if _, err := w.sealer.Open(list[0].SealedTOTP, string(o.ID)); err == nil {
		t.Error("still sealed for the offer")
	}
	// The code that confirmed is spent for signing in, the next one is good.
	_, err = totp.Check(secret, totp.Code(secret, w.now), w.now, list[0].LastStep, list[0].Drift)
	w.fails("the confirming code again", err, idp.ErrCodeUsed)
	later := w.now.Add(30 * time.Second)
	if _, err = totp.Check(secret, totp.Code(secret, later), later, list[0].LastStep, list[0].Drift); err != nil {
		t.Errorf("the next code: %v", err)
	}

	// The offer is used up.
	if used, err := w.Offer(t.Context(), anna, o.ID); err != nil || !used.Linked || used.Secret != "" || used.URI != "" {
		t.Errorf("the used offer: %+v, %v", used, err)
	}
	_, err = w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "")
	w.fails("confirming it again", err, idp.ErrSettled)
	if len(w.events(idp.EventDeviceLinked)) != 1 {
		t.Error("linked twice")
	}
}

func TestClockOfAPhoneIsLearntWhenItIsLinked(t *testing.T) {
	for steps, want := range map[int]struct {
		drift int64
		err   error
	}{
		-2: {0, idp.ErrWrongSecret},
		-1: {-1, nil},
		0:  {0, nil},
		1:  {1, nil},
		2:  {0, idp.ErrWrongSecret},
	} {
		w := newWorld(t)
		anna := w.person("anna")
		o := w.start(anna)
		shown := w.now.Add(time.Duration(steps) * 30 * time.Second)
		d, err := w.Confirm(t.Context(), anna, o.ID, totp.Code(w.secretOf(o), shown), "")
		if !errors.Is(err, want.err) {
			t.Errorf("%+d steps: %v, want %v", steps, err, want.err)
			continue
		}
		if err == nil && (d.Drift != want.drift || d.LastStep != totp.Step(shown)) {
			t.Errorf("%+d steps: drift %d, last step %d", steps, d.Drift, d.LastStep)
		}
	}
}

func TestAddingAndRemovingNeedAFreshSecondFactor(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	d := w.link(anna, "phone")
	w.link(anna, "tablet")
	o := w.start(anna)
	code := totp.Code(w.secretOf(o), w.now)

	stale := *anna
	stale.FactorAt = w.now.Add(-idp.StepUpFor - time.Microsecond)
	_, err := w.StartPairing(t.Context(), &stale)
	w.fails("start", err, idp.ErrStale)
	_, err = w.Confirm(t.Context(), &stale, o.ID, code, "")
	w.fails("confirm", err, idp.ErrStale)
	w.fails("unlink", w.Unlink(t.Context(), &stale, d.ID, false), idp.ErrStale)
	_, err = w.NewRecoveryCodes(t.Context(), &stale)
	w.fails("recovery codes", err, idp.ErrStale)
	if _, err := w.StartPairing(t.Context(), &idp.Session{User: anna.User}); !errors.Is(err, idp.ErrStale) {
		t.Errorf("a session without a second factor: %v", err)
	}

	if err := w.Rename(t.Context(), &stale, d.ID, "old phone"); err != nil {
		t.Errorf("renaming needs none: %v", err)
	}
	if _, err := w.Offer(t.Context(), &stale, o.ID); err != nil {
		t.Errorf("looking at the offer needs none: %v", err)
	}
	just := *anna
	just.FactorAt = w.now.Add(-idp.StepUpFor)
	if _, err := w.Confirm(t.Context(), &just, o.ID, code, ""); err != nil {
		t.Errorf("after exactly five minutes: %v", err)
	}
}

func TestOfferIsItsOwnersAlone(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	o := w.start(anna)
	code := totp.Code(w.secretOf(o), w.now)
	for what, id := range map[string]idp.PairingID{"another's": o.ID, "a made-up one": idp.NewID[idp.PairingID](), "none": ""} {
		_, err := w.Offer(t.Context(), bert, id)
		w.fails("looking at "+what, err, idp.ErrNotFound)
		_, err = w.Confirm(t.Context(), bert, id, code, "")
		w.fails("confirming "+what, err, idp.ErrNotFound)
	}
	if _, err := w.Confirm(t.Context(), anna, o.ID, code, ""); err != nil {
		t.Errorf("its owner: %v", err)
	}
	if len(w.names(bert)) != 0 {
		t.Error("linked to somebody else")
	}
}

func TestFiveWrongCodesKillTheOffer(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o := w.start(anna)
	code := totp.Code(w.secretOf(o), w.now)
	wrong := "000000"
	if wrong == code {
		wrong = "000001"
	}
	// What is no code at all, or a bad name, is not counted.
	for _, typed := range []string{"", "12345", "abcdef", "1234567"} {
		_, err := w.Confirm(t.Context(), anna, o.ID, typed, "")
		w.fails("not a code", err, idp.ErrInvalid)
	}
	_, err := w.Confirm(t.Context(), anna, o.ID, code, "a\x00b")
	w.fails("a bad name", err, idp.ErrInvalid)
	for i := range idp.MaxPairingCodes {
		if seen, err := w.Offer(t.Context(), anna, o.ID); err != nil || seen.WrongCodes != i {
			t.Fatalf("after %d wrong codes: %+v, %v", i, seen, err)
		}
		_, err := w.Confirm(t.Context(), anna, o.ID, wrong, "")
		w.fails("a wrong code", err, idp.ErrWrongSecret)
	}
	_, err = w.Confirm(t.Context(), anna, o.ID, code, "")
	w.fails("the right code, too late", err, idp.ErrSettled)
	_, err = w.Offer(t.Context(), anna, o.ID)
	w.fails("the dead offer", err, idp.ErrSettled)
	if len(w.names(anna)) != 0 {
		t.Error("linked")
	}
	w.link(anna, "phone") // a new offer helps
}

func TestOfferEndsAfterTenMinutes(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o := w.start(anna)
	secret := w.secretOf(o)
	w.now = w.now.Add(idp.PairingTTL - time.Second)
	anna.FactorAt = w.now
	if _, err := w.Offer(t.Context(), anna, o.ID); err != nil {
		t.Errorf("a second before: %v", err)
	}
	w.now = w.now.Add(time.Second)
	_, err := w.Offer(t.Context(), anna, o.ID)
	w.fails("looking", err, idp.ErrExpired)
	_, err = w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "")
	w.fails("confirming", err, idp.ErrExpired)
}

func TestNewOfferReplacesTheOld(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	others := w.start(bert)
	old := w.start(anna)
	code := totp.Code(w.secretOf(old), w.now)
	next := w.start(anna)
	if next.ID == old.ID || next.Secret == old.Secret {
		t.Error("the same again")
	}
	if _, err := w.Confirm(t.Context(), anna, old.ID, code, ""); !errors.Is(err, idp.ErrSettled) && !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("the old offer: %v", err)
	}
	if _, err := w.Offer(t.Context(), anna, next.ID); err != nil {
		t.Errorf("the new offer: %v", err)
	}
	if _, err := w.Offer(t.Context(), bert, others.ID); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
}

func TestFiveDevicesAtMost(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	want := []string{"one", "two", "three", "four"}
	for _, name := range want {
		w.link(anna, name)
		w.now = w.now.Add(time.Second)
	}
	// The fifth offer is open while a fifth device is linked by other means.
	o := w.start(anna)
	secret := w.secretOf(o)
	other := &idp.Pairing{ID: "OTHER", Account: "anna", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	if err := w.db.AddPairing(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	err := w.db.UpdatePairing(t.Context(), other.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = w.now
		return &idp.Device{ID: "FIVE", User: anna.User, Name: "five", Kind: idp.DeviceCode, State: idp.DeviceActive, LinkedAt: w.now}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "six")
	w.fails("a sixth", err, idp.ErrConflict)
	_, err = w.StartPairing(t.Context(), anna)
	w.fails("a sixth offer", err, idp.ErrConflict)
	if got := w.names(anna); !slices.Equal(got, append(want, "five")) {
		t.Errorf("linked %v, want the oldest first", got)
	}
	if len(w.events(idp.EventDeviceLinked)) != 4 {
		t.Error("an event for a device that was not linked")
	}
	// What failed left the offer as it was.
	if err := w.Unlink(t.Context(), anna, "FIVE", false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "six"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestTwoTabsConfirmOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o := w.start(anna)
	code := totp.Code(w.secretOf(o), w.now)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Confirm(t.Context(), anna, o.ID, code, "phone") })
	}
	wg.Wait()
	linked := 0
	for _, err := range errs {
		if err == nil {
			linked++
		} else if !errors.Is(err, idp.ErrSettled) {
			t.Errorf("a rival: %v", err)
		}
	}
	if linked != 1 || len(w.names(anna)) != 1 || len(w.events(idp.EventDeviceLinked)) != 1 {
		t.Errorf("%d succeeded, %v are linked", linked, w.names(anna))
	}
}

func TestNamesOfDevices(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for typed, want := range map[string]string{
		"":                                device.DefaultName,
		" \t ":                            device.DefaultName,
		" Дом ":                           "Дом",
		`<b>"phone"</b>`:                  `<b>"phone"</b>`,
		strings.Repeat("日", 40):           strings.Repeat("日", 40),
		strings.Repeat("日", 41):           "",
		"a\nb":                            "",
		"a\u202eb":                        "",
		"a\xffb":                          "",
		"\u2066Anna\u2069":                "",
		"phone\u2028with two lines":       "",
		strings.Repeat(" ", 50) + "phone": "phone",
	} {
		w.now = w.now.Add(time.Minute)
		anna.FactorAt = w.now
		w.proves(anna)
		o := w.start(anna)
		d, err := w.Confirm(t.Context(), anna, o.ID, totp.Code(w.secretOf(o), w.now), typed)
		if want == "" {
			var fault *idp.FieldError
			if !errors.As(err, &fault) || fault.Field != "name" {
				t.Errorf("%q: %v", typed, err)
			}
			continue
		}
		if err != nil || d.Name != want {
			t.Errorf("%q: %v, %v", typed, d, err)
			continue
		}
		if err := w.db.RemoveDevice(t.Context(), anna.User, d.ID, idp.Unlinking{Last: true}, idp.Event{At: w.now}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRenaming(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	d := w.link(anna, "phone")
	if err := w.Rename(t.Context(), anna, d.ID, "phone "); err != nil || len(w.events(idp.EventDeviceRenamed)) != 0 {
		t.Errorf("the same name: %v, %v", err, w.events(idp.EventDeviceRenamed))
	}
	if err := w.Rename(t.Context(), anna, d.ID, " Blue phone "); err != nil {
		t.Fatal(err)
	}
	if got := w.names(anna); !slices.Equal(got, []string{"Blue phone"}) {
		t.Errorf("named %v", got)
	}
	e := w.one(idp.EventDeviceRenamed, anna, "anna")
	if e.Device != d.ID || e.Detail["name"] != "Blue phone" || e.Detail["was"] != "phone" {
		t.Errorf("event %+v", e)
	}
	for _, name := range []string{"", "  ", "\u200b", "\u3164\u2800", "a\x00", strings.Repeat("x", 41)} {
		w.fails("a bad name", w.Rename(t.Context(), anna, d.ID, name), idp.ErrInvalid)
	}
	w.fails("another's device", w.Rename(t.Context(), bert, d.ID, "mine"), idp.ErrNotFound)
	w.fails("a made-up device", w.Rename(t.Context(), anna, "X", "mine"), idp.ErrNotFound)
	if got := w.names(anna); !slices.Equal(got, []string{"Blue phone"}) {
		t.Errorf("named %v", got)
	}
}

func TestUnlinking(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	first := w.link(anna, "first")
	w.link(bert, "his")
	w.fails("the last one", w.Unlink(t.Context(), anna, first.ID, false), idp.ErrDenied)
	w.now = w.now.Add(time.Second)
	second := w.link(anna, "second")
	w.fails("another's", w.Unlink(t.Context(), bert, first.ID, false), idp.ErrNotFound)
	w.fails("a made-up one", w.Unlink(t.Context(), anna, "X", false), idp.ErrNotFound)
	if err := w.Unlink(t.Context(), anna, first.ID, false); err != nil {
		t.Fatal(err)
	}
	e := w.one(idp.EventDeviceUnlinked, anna, "anna")
	if e.Device != first.ID || e.Detail["name"] != "first" || e.Detail["kind"] != "code" {
		t.Errorf("event %+v", e)
	}
	w.fails("once more", w.Unlink(t.Context(), anna, first.ID, false), idp.ErrNotFound)
	w.fails("the last one again", w.Unlink(t.Context(), anna, second.ID, false), idp.ErrDenied)
	if got := w.names(anna); !slices.Equal(got, []string{"second"}) {
		t.Errorf("left %v", got)
	}
}

func TestTwoTabsCannotUnlinkTheLastTwo(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	devices := []*idp.Device{w.link(anna, "a"), w.link(anna, "b")}
	errs := make([]error, len(devices))
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() { errs[i] = w.Unlink(t.Context(), anna, d.ID, false) })
	}
	wg.Wait()
	if len(w.names(anna)) != 1 || (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("left %v; %v", w.names(anna), errs)
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, idp.ErrDenied) {
			t.Errorf("the second: %v", err)
		}
	}
}

func TestRecoveryCodes(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	if left, err := w.RecoveryLeft(t.Context(), anna.User); err != nil || left != 0 {
		t.Errorf("before: %d, %v", left, err)
	}
	first, err := w.NewRecoveryCodes(t.Context(), anna)
	if err != nil || len(first) != 10 {
		t.Fatalf("%d codes, %v", len(first), err)
	}
	if e := w.one(idp.EventRecoveryMade, anna, "anna"); e.Detail != nil && strings.Contains(e.Detail["code"], "-") {
		t.Errorf("event %+v", e)
	}
	second, err := w.NewRecoveryCodes(t.Context(), anna)
	if err != nil || slices.Equal(first, second) {
		t.Errorf("the same again, %v", err)
	}
	for s, want := range map[*idp.Session]int{anna: 10, bert: 0} {
		if left, err := w.RecoveryLeft(t.Context(), s.User); err != nil || left != want {
			t.Errorf("%d left, %v; want %d", left, err, want)
		}
	}
}

// busyAfter hashes a few times and is busy then.
type busyAfter struct {
	*password.Hasher
	left int
}

func (h *busyAfter) Hash(ctx context.Context, secret idp.Secret) (string, error) {
	if h.left--; h.left < 0 {
		return "", &idp.RetryError{Err: idp.ErrBusy, After: time.Second}
	}
	return h.Hasher.Hash(ctx, secret)
}

func TestRecoveryCodesOnABusyMachine(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	if _, err := w.NewRecoveryCodes(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	busy := device.New(device.Config{
		Store: w.db, Sealer: w.sealer, Hasher: &busyAfter{w.hasher, 7}, Site: idp.Named("X"), Now: func() time.Time { return w.now },
	})
	codes, err := busy.NewRecoveryCodes(t.Context(), anna)
	w.fails("the eighth code", err, idp.ErrBusy)
	if codes != nil {
		t.Error("codes that are not stored were shown")
	}
	// The old ones are as good as before.
	if left, err := w.RecoveryLeft(t.Context(), anna.User); err != nil || left != 10 {
		t.Errorf("%d left, %v", left, err)
	}
	w.one(idp.EventRecoveryMade, anna, "anna")
}

// Nothing that rests, and nothing that is logged, shows a seed or a code.
func TestNothingAtRestShowsTheSecret(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o := w.start(anna)
	secret := w.secretOf(o)
	p, err := w.db.Pairing(t.Context(), o.ID)
	if err != nil || bytes.Contains(p.SealedTOTP, secret) {
		t.Errorf("the pairing holds the secret, %v", err)
	}
	d, err := w.Confirm(t.Context(), anna, o.ID, totp.Code(secret, w.now), "")
	if err != nil || bytes.Contains(d.SealedTOTP, secret) {
		t.Errorf("the device holds the secret, %v", err)
	}
	all, err := w.db.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		for k, v := range e.Detail {
			if strings.Contains(v, o.Secret) || v == totp.Code(secret, w.now) {
				t.Errorf("event %s tells in %s: %s", e.Kind, k, v)
			}
		}
	}
}
