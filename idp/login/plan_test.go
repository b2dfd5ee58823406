package login

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// All that a plan is handed, and what comes out of it, in values.
var (
	planNow   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	planNoted = planNow.Add(time.Second) // hashing took a second
	planRows  = []idp.RecoveryCode{{User: "anna", N: 1, Hash: "r1", MadeAt: planNow}, {User: "anna", N: 2, Hash: "r2", MadeAt: planNow}}
)

// planned is an enrolment as the store reads it: a link of an hour, a minute old,
// that the person follows, with an offer where the plan of its purpose links a device.
func planned(purpose idp.InvitationPurpose) *idp.Enrolment {
	begun := planNow.Add(-time.Minute)
	e := &idp.Enrolment{
		Login: &idp.Login{
			ID: "login", Purpose: idp.ForInvitation, State: idp.LoginEnrol, Target: string(purpose), Invitation: "link", User: "anna",
			CreatedAt: begun, ExpiresAt: begun.Add(idp.LoginTTL),
		},
		Invitation: &idp.Invitation{ID: "link", Purpose: purpose, User: "anna", CreatedAt: begun, ExpiresAt: begun.Add(time.Hour)},
		User:       &idp.User{ID: "anna", Name: "anna", DisplayName: "Anna", State: idp.UserActive, CreatedAt: begun, UpdatedAt: begun},
	}
	switch purpose {
	case idp.InviteSetup:
		e.Login.User, e.Login.NewName, e.Login.NewDisplay, e.Invitation.User, e.User = "", "anna", "Anna", "", nil
	case idp.InviteEnrol:
		e.User.State = idp.UserInvited
	case idp.InviteReset, idp.InviteForgotten: // of an account in use
	}
	if plans[purpose].linksDevice {
		e.Login.Pairing = "offer"
		e.Pairing = &idp.Pairing{ID: "offer", User: e.Login.User, Enrol: true, CreatedAt: begun, ExpiresAt: begun.Add(idp.PairingTTL)}
	}
	return e
}

// gave is what the person gives where a plan asks for all of it.
func gave(purpose idp.InvitationPurpose) *given {
	g := &given{now: planNow, noted: planNoted, address: "192.0.2.7", user: "anna", hash: "phc"}
	if plans[purpose].linksDevice {
		g.device = &idp.Device{ID: "device", Name: "Pixel", Kind: idp.DeviceCode, State: idp.DeviceActive, LastStep: 7, LastUsedAt: planNow}
		g.recovery = planRows
	}
	return g
}

// claimed is the app that has scanned the offer, as the offer keeps it: since the
// person said Login on it a push service has answered.
func claimed(id idp.DeviceID) *idp.Device {
	return &idp.Device{
		ID: id, Name: "Pixel", Kind: idp.DeviceApp, State: idp.DevicePending,
		PushType: "webpush", SealedPush: []byte("address"), PushOKAt: planNow, PushBadAt: planNow.Add(-time.Second), PushSaid: "gone",
	}
}

// byApp has the device be an app: the one that has claimed the offer, proven by «Login».
func byApp(e *idp.Enrolment, g *given) {
	e.Pairing.Claim, e.Pairing.TappedAt = claimed("app"), planNow
	g.device = &idp.Device{ID: "app", Name: "Pixel", Kind: idp.DeviceApp, State: idp.DeviceActive, LinkedAt: planNow, LastUsedAt: planNow}
	g.tapped = true
}

// happened is an event of the enrolment.
func happened(kind idp.EventKind, device idp.DeviceID, detail map[string]string) idp.Event {
	return idp.Event{
		At: planNoted, Kind: kind, Actor: idp.Actor{User: "anna", Name: "anna"}, User: "anna", Login: "login", Device: device,
		Address: "192.0.2.7", Detail: detail,
	}
}

// linked is what every plan that links a device does to what is there.
func linked(e *idp.Enrolment, d *idp.Device, amr ...string) {
	l := e.Login
	l.State, l.User, l.PasswordAt, l.FactorAt, l.AuthTime = idp.LoginDone, "anna", planNow, planNow, planNow
	l.Device, l.ACR, l.AMR = d.ID, idp.ACRMultiFactor, amr
	e.Invitation.UsedAt, e.Pairing.UsedAt, e.Pairing.Claim = planNow, planNow, nil
	d.User = "anna"
	e.Device, e.Recovery = d, planRows
}

func TestPlans(t *testing.T) {
	used := func(purpose idp.InvitationPurpose) idp.Event {
		return happened(idp.EventInvitationUsed, "", map[string]string{"purpose": string(purpose)})
	}
	device := func(id idp.DeviceID, kind string) idp.Event {
		return happened(idp.EventDeviceLinked, id, map[string]string{"name": "Pixel", "kind": kind})
	}
	for _, c := range []struct {
		name    string
		purpose idp.InvitationPurpose
		change  func(*idp.Enrolment, *given) // of what is handed in; nil: nothing
		want    func(*idp.Enrolment)         // of what was handed in, what came out
		events  []idp.Event
	}{
		{"set-up: the first administrator comes into being, with all that others get", idp.InviteSetup, nil, func(e *idp.Enrolment) {
			e.NewUser = true
			e.User = &idp.User{
				ID: "anna", Name: "anna", DisplayName: "Anna", Staff: idp.StaffAdmin, State: idp.UserActive, CreatedAt: planNow, UpdatedAt: planNow,
			}
			e.PasswordHash = "phc"
			linked(e, gave(idp.InviteSetup).device, "pwd", "otp", "mfa")
		}, []idp.Event{
			used(idp.InviteSetup), happened(idp.EventUserCreated, "", map[string]string{"name": "anna", "staff": "admin"}),
			device("device", "code"), happened(idp.EventRecoveryMade, "device", nil),
		}},
		{"enrol: who has no password chooses one", idp.InviteEnrol, nil, func(e *idp.Enrolment) {
			e.User.State, e.User.UpdatedAt = idp.UserActive, planNow
			e.PasswordHash = "phc"
			linked(e, gave(idp.InviteEnrol).device, "pwd", "otp", "mfa")
		}, []idp.Event{used(idp.InviteEnrol), device("device", "code"), happened(idp.EventRecoveryMade, "device", nil)}},
		{"enrol: who has a password keeps it, and an active account is not changed", idp.InviteEnrol, func(e *idp.Enrolment, g *given) {
			e.User.State, e.Login.PasswordAt, g.hash = idp.UserActive, planNow.Add(-time.Minute), ""
		}, func(e *idp.Enrolment) {
			linked(e, gave(idp.InviteEnrol).device, "pwd", "otp", "mfa")
		}, []idp.Event{used(idp.InviteEnrol), device("device", "code"), happened(idp.EventRecoveryMade, "device", nil)}},
		{"enrol: an app that said Login, and what push services have said of it since", idp.InviteEnrol, byApp, func(e *idp.Enrolment) {
			e.User.State, e.User.UpdatedAt = idp.UserActive, planNow
			e.PasswordHash = "phc"
			d := claimed("app")
			d.State, d.LinkedAt, d.LastUsedAt = idp.DeviceActive, planNow, planNow
			linked(e, d, "pwd", "swk", "mfa")
		}, []idp.Event{used(idp.InviteEnrol), device("app", "app"), happened(idp.EventRecoveryMade, "app", nil)}},
		{"enrol: an app that was proven by its code", idp.InviteEnrol, func(e *idp.Enrolment, g *given) {
			byApp(e, g)
			g.tapped = false
		}, func(e *idp.Enrolment) {
			e.User.State, e.User.UpdatedAt = idp.UserActive, planNow
			e.PasswordHash = "phc"
			d := claimed("app")
			d.State, d.LinkedAt, d.LastUsedAt = idp.DeviceActive, planNow, planNow
			linked(e, d, "pwd", "otp", "mfa")
		}, []idp.Event{used(idp.InviteEnrol), device("app", "app"), happened(idp.EventRecoveryMade, "app", nil)}},
		{"reset, handed over: the password is the account's at once, the second factor follows", idp.InviteReset, nil, func(e *idp.Enrolment) {
			e.Login.State, e.Login.PasswordAt = idp.LoginFactor, planNow
			e.Invitation.UsedAt, e.PasswordHash = planNow, "phc"
		}, []idp.Event{used(idp.InviteReset), happened(idp.EventPasswordReset, "", nil)}},
		{"reset, handed over: an account that is not in use yet is not by it", idp.InviteReset, func(e *idp.Enrolment, _ *given) {
			e.User.State = idp.UserInvited
		}, func(e *idp.Enrolment) {
			e.Login.State, e.Login.PasswordAt = idp.LoginFactor, planNow
			e.Invitation.UsedAt, e.PasswordHash = planNow, "phc"
		}, []idp.Event{used(idp.InviteReset), happened(idp.EventPasswordReset, "", nil)}},
		{"reset, by mail: the password waits in the sign-in, the link stays good, nothing is told", idp.InviteReset, func(e *idp.Enrolment, _ *given) {
			e.Invitation.Mailed = true
		}, func(e *idp.Enrolment) {
			e.Login.State, e.Login.PasswordAt, e.Login.NewHash = idp.LoginFactor, planNow, "phc"
		}, nil},
		{"forgotten: as a reset by mail", idp.InviteForgotten, nil, func(e *idp.Enrolment) {
			e.Login.State, e.Login.PasswordAt, e.Login.NewHash = idp.LoginFactor, planNow, "phc"
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			handed := func() (*idp.Enrolment, *given) {
				e, g := planned(c.purpose), gave(c.purpose)
				if c.change != nil {
					c.change(e, g)
				}
				return e, g
			}
			want, g := handed()
			c.want(want)
			for _, e := range c.events {
				want.Login.Note(e)
			}
			// The store runs it again after a conflict, with what it has read anew.
			for _, run := range []string{"first", "second"} {
				got, _ := handed()
				if err := plans[c.purpose].carryOut(got, g); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("the %s run: %s\nwant %s", run, show(t, got), show(t, want))
				}
			}
			if _, unchanged := handed(); !reflect.DeepEqual(g, unchanged) {
				t.Errorf("what was given was changed to %+v", g)
			}
		})
	}
	if len(plans) != 4 {
		t.Errorf("%d plans: a row for each is missing above", len(plans))
	}
}

// show is an enrolment in words, with its events.
func show(t *testing.T, e *idp.Enrolment) string {
	t.Helper()
	l := *e.Login
	b, err := json.MarshalIndent(struct {
		*idp.Enrolment
		Events []idp.Event
	}{e, l.Take()}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPlansRefuse(t *testing.T) {
	link := func(e error) error { return &LinkError{Err: e} }
	offer := func(e error) error { return errors.Join(ErrOffer, e) }
	for _, c := range []struct {
		name    string
		purpose idp.InvitationPurpose
		change  func(*idp.Enrolment, *given)
		want    error // a LinkError where the link is why, with ErrOffer where the offer is; nil: our own fault
	}{
		{"a link that was used", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Invitation.UsedAt = planNow }, link(idp.ErrSettled)},
		{"a link whose time is up", idp.InviteReset, func(e *idp.Enrolment, _ *given) { e.Invitation.ExpiresAt = planNow }, link(idp.ErrExpired)},
		{"a set-up link that was used, before anything else is looked at", idp.InviteSetup, func(e *idp.Enrolment, _ *given) {
			e.Invitation.UsedAt, e.Login.State, e.Pairing = planNow, idp.LoginDone, nil
		}, link(idp.ErrSettled)},
		{"a sign-in that went on in another tab", idp.InviteForgotten, func(e *idp.Enrolment, _ *given) { e.Login.State = idp.LoginFactor }, idp.ErrSettled},
		{"a sign-in whose time is up", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Login.ExpiresAt = planNow }, idp.ErrExpired},
		{"a disabled account: enrol", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.User.State = idp.UserDisabled }, idp.ErrNotFound},
		{"a disabled account: reset", idp.InviteReset, func(e *idp.Enrolment, _ *given) { e.User.State = idp.UserDisabled }, idp.ErrNotFound},
		{"a disabled account: reset by mail", idp.InviteReset, func(e *idp.Enrolment, _ *given) {
			e.Invitation.Mailed, e.User.State = true, idp.UserDisabled
		}, idp.ErrNotFound},
		{"a disabled account: forgotten", idp.InviteForgotten, func(e *idp.Enrolment, _ *given) { e.User.State = idp.UserDisabled }, idp.ErrNotFound},
		{"an account that is gone", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.User = nil }, idp.ErrNotFound},
		{"an offer that was replaced, and is gone", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Pairing = nil }, offer(idp.ErrExpired)},
		{"an offer that was replaced by another", idp.InviteSetup, func(e *idp.Enrolment, _ *given) { e.Pairing.ID = "newer" }, offer(idp.ErrExpired)},
		{"an offer whose time is up", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Pairing.ExpiresAt = planNow }, offer(idp.ErrExpired)},
		{"an offer that was guessed at", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Pairing.WrongCodes = idp.MaxPairingCodes }, offer(idp.ErrSettled)},
		{"an offer that was used", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) { e.Pairing.UsedAt = planNow }, offer(idp.ErrSettled)},
		{"an offer that an app has claimed since the code of another was right", idp.InviteEnrol, func(e *idp.Enrolment, _ *given) {
			e.Pairing.Claim = claimed("app")
		}, offer(idp.ErrSettled)},
		{"an offer that another app has claimed since", idp.InviteEnrol, func(e *idp.Enrolment, g *given) {
			byApp(e, g)
			e.Pairing.Claim = claimed("other")
		}, offer(idp.ErrSettled)},
		{"an offer that its app has claimed no more", idp.InviteSetup, func(e *idp.Enrolment, g *given) {
			byApp(e, g)
			e.Pairing.Claim = nil
		}, offer(idp.ErrSettled)},
		{"a sign-in and a link of two purposes", idp.InviteReset, func(e *idp.Enrolment, _ *given) { e.Invitation.Purpose = idp.InviteForgotten }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, g := planned(c.purpose), gave(c.purpose)
			c.change(e, g)
			err := plans[c.purpose].carryOut(e, g)
			if err == nil {
				t.Fatal("it was carried out")
			}
			for _, known := range []error{idp.ErrExpired, idp.ErrSettled, idp.ErrNotFound, idp.ErrDenied, ErrOffer} {
				if got, want := errors.Is(err, known), c.want != nil && errors.Is(c.want, known); got != want {
					t.Errorf("%v: is %q: %t, want %t", err, known, got, want)
				}
			}
			var is, want *LinkError
			if errors.As(err, &is) != (c.want != nil && errors.As(c.want, &want)) || is != nil && is.Purpose != c.purpose {
				t.Errorf("%v is of the link: %+v", err, is)
			}
		})
	}
}

// What the store alone can know: by now somebody administers this site. The link
// is used as far as its holder is concerned.
func TestPlanRefusedByTheStore(t *testing.T) {
	for _, c := range []struct {
		stored, want error
		link         bool
	}{{nil, nil, false}, {idp.ErrDenied, idp.ErrSettled, true}, {idp.ErrConflict, idp.ErrConflict, false}, {idp.ErrSettled, idp.ErrSettled, false}} {
		err := refusal(idp.InviteSetup, c.stored)
		var link *LinkError
		if !errors.Is(err, c.want) || errors.As(err, &link) != c.link || c.link && link.Purpose != idp.InviteSetup {
			t.Errorf("%v is told as %v, want %v, of the link %t", c.stored, err, c.want, c.link)
		}
	}
}

// What is asked of the person, by purpose and by what the account has.
func TestPlansAsk(t *testing.T) {
	anna := idp.User{ID: "anna", Name: "anna", DisplayName: "Anna"}
	with, without := &idp.Account{User: anna, PasswordHash: "phc"}, &idp.Account{User: anna}
	for _, c := range []struct {
		name    string
		purpose idp.InvitationPurpose
		named   string
		a       *idp.Account
		want    EnrolStep
	}{
		{"set-up: a name first", idp.InviteSetup, "", nil, EnrolStep{NeedName: true, NeedPass: true, NeedLink: true}},
		{"set-up: then the rest", idp.InviteSetup, "chief", nil, EnrolStep{NeedPass: true, NeedLink: true, UserName: "chief", DisplayName: "CHIEF"}},
		{"enrol without a password", idp.InviteEnrol, "", without, EnrolStep{NeedPass: true, NeedLink: true, UserName: "anna", DisplayName: "Anna"}},
		{"enrol with a password", idp.InviteEnrol, "", with, EnrolStep{NeedLink: true, UserName: "anna", DisplayName: "Anna"}},
		{"reset", idp.InviteReset, "", with, EnrolStep{NeedPass: true, UserName: "anna", DisplayName: "Anna"}},
		{"reset without a password", idp.InviteReset, "", without, EnrolStep{NeedPass: true, UserName: "anna", DisplayName: "Anna"}},
		{"forgotten", idp.InviteForgotten, "", with, EnrolStep{NeedPass: true, UserName: "anna", DisplayName: "Anna"}},
	} {
		l := &idp.Login{Target: string(c.purpose), NewName: c.named, NewDisplay: strings.ToUpper(c.named)}
		c.want.Purpose = c.purpose
		p, err := planOf(l)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := p.asks(l, c.a); *got != c.want {
			t.Errorf("%s: asks for %+v, want %+v", c.name, *got, c.want)
		}
	}
	if _, err := planOf(&idp.Login{ID: "login", Target: "/account"}); err == nil {
		t.Error("a plan for a link of no purpose")
	}
}
