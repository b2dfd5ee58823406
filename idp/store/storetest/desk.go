package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// phone links our app, changed as said.
func (s *site) phone(user idp.UserID, change func(*idp.Device)) *idp.Device {
	s.t.Helper()
	p := s.pairing(user)
	d := s.newDevice(user)
	d.Kind, d.Platform, d.PublicKey, d.PushType = idp.DeviceApp, "ios", make([]byte, 64), idp.PushWeb
	if change != nil {
		change(d)
	}
	s.ok(s.UpdatePairing(s.ctx(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = s.now
		return d, nil
	}))
	return d
}

// finds says which devices a query has to find, in this order.
func (s *site) finds(q idp.DeviceQuery, want ...*idp.Device) *idp.DevicePage {
	s.t.Helper()
	p, err := s.SearchDevices(s.ctx(), q)
	s.ok(err)
	var got, wanted []string
	for _, r := range p.Rows {
		got = append(got, r.Device.Name+" of "+r.User.Name)
		if len(r.Device.SealedTOTP)+len(r.Device.PublicKey)+len(r.Device.SealedPush) > 0 {
			s.t.Errorf("%q: something sealed is shown", q.Words)
		}
	}
	for _, d := range want {
		u, err := s.User(s.ctx(), d.User)
		s.ok(err)
		wanted = append(wanted, d.Name+" of "+u.Name)
	}
	if !slices.Equal(got, wanted) {
		s.t.Fatalf("%+v finds %q, want %q", q, got, wanted)
	}
	return p
}

func (s *site) named(name, display, mail string) *idp.User {
	s.t.Helper()
	u := s.user(name)
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.DisplayName, u.Email = display, mail; return nil }))
	return u
}

func searchDevices(t *testing.T, s *site) {
	anna, bert := s.named("anna.mueller", "Änna Müller-Strauß", "a.mueller@klinik.example"), s.named("bert", "Bert Ørsted", "")
	pixel := s.phone(anna.ID, func(d *idp.Device) { d.Name, d.Platform, d.UVKey = "Pixel 8", "android", bytes.Repeat([]byte{8}, 64) })
	iphone := s.phone(anna.ID, func(d *idp.Device) { d.Name, d.PushBadAt, d.PushSaid = "iPhone (privé)", s.now, "gone" })
	app := s.phone(bert.ID, func(d *idp.Device) {
		d.Name, d.Kind, d.Platform, d.PublicKey, d.PushType = "Authenticator", idp.DeviceCode, "windows", nil, ""
		d.LinkedAt = s.now.Add(-100 * 24 * time.Hour)
	})
	byName := func(words string, facets ...idp.DeviceFacet) idp.DeviceQuery {
		return idp.DeviceQuery{Words: words, Facets: facets, Sort: idp.DevicesByName}
	}
	s.finds(byName(""), app, iphone, pixel)
	for words, want := range map[string][]*idp.Device{
		"a": {app, iphone, pixel}, "anna": {iphone, pixel}, "ANNA.m": {iphone, pixel}, "anna.mueller": {iphone, pixel}, "Müller": {iphone, pixel},
		"muller": {iphone, pixel}, "strauss": {iphone, pixel}, "a.mueller@kl": {iphone, pixel}, "klinik": {}, "mueller pix": {pixel},
		"prive": {iphone}, "(PRIVÉ": {iphone}, "8": {pixel}, "orsted": {app}, "ørs auth": {app}, "nna": {}, "anna auth": {}, "linik": {}, "%": {app, iphone, pixel},
		"_": {app, iphone, pixel}, `anna" OR 1`: {}, "日": {}, strings.Repeat("x", 300): {},
	} {
		s.finds(byName(words), want...)
	}
	for _, c := range []struct {
		facet idp.DeviceFacet
		want  []*idp.Device
	}{
		{idp.FacetIOS, []*idp.Device{iphone}}, {idp.FacetAndroid, []*idp.Device{pixel}}, {idp.FacetWeb, nil}, {idp.FacetOther, []*idp.Device{app}},
		{idp.FacetApp, []*idp.Device{iphone, pixel}}, {idp.FacetCode, []*idp.Device{app}}, {idp.FacetFailing, []*idp.Device{iphone}}, {idp.FacetSilent, nil},
		{idp.FacetUnused, []*idp.Device{app}}, {idp.FacetOnly, []*idp.Device{app}}, {idp.FacetFull, nil}, {idp.FacetBlocked, nil}, {idp.FacetVerifies, []*idp.Device{pixel}},
	} {
		p := s.finds(byName("", c.facet), c.want...)
		if p.Total == nil || p.Total.N != len(c.want) || p.Facets[c.facet].N != len(c.want) {
			t.Errorf("%s: total %+v, facets %+v", c.facet, p.Total, p.Facets)
		}
	}
	s.finds(byName("an", idp.FacetIOS, idp.FacetFailing), iphone)
	s.finds(byName("", idp.FacetIOS, idp.FacetAndroid))

	// What changes shows at once.
	s.ok(s.UpdateDevice(s.ctx(), anna.ID, iphone.ID, idp.Replay{}, func(d *idp.Device) error {
		d.Name, d.PushBadAt, d.PushType = "Zweites", time.Time{}, ""
		return nil
	}))
	iphone.Name = "Zweites"
	s.finds(byName("iphone"))
	s.finds(byName("zwei", idp.FacetSilent), iphone)
	s.finds(byName("", idp.FacetFailing))
	s.ok(s.UpdateDevice(s.ctx(), bert.ID, app.ID, idp.Replay{}, func(d *idp.Device) error { d.LastUsedAt = s.now; return nil }))
	s.finds(byName("", idp.FacetUnused))
	s.ok(s.UpdateUser(s.ctx(), bert.ID, func(u *idp.User) error { u.DisplayName = "Cem"; return nil }))
	s.finds(byName("orsted"))
	s.finds(byName("cem"), app)
	s.ok(s.DisableUser(s.ctx(), bert.ID, s.event(idp.EventUserDisabled)))
	s.finds(byName("", idp.FacetBlocked), app)
	s.ok(s.EnableUser(s.ctx(), bert.ID, s.event(idp.EventUserEnabled)))
	s.ok(s.RemoveDevice(s.ctx(), anna.ID, pixel.ID, idp.Unlinking{}, s.event(idp.EventDeviceUnlinked)))
	s.finds(byName("pixel"))
	s.finds(byName("anna", idp.FacetOnly), iphone)
	_, err := s.Device(s.ctx(), pixel.ID)
	s.is(err, idp.ErrNotFound)
	row, err := s.Device(s.ctx(), iphone.ID)
	s.ok(err)
	if row.User.ID != anna.ID || row.Devices != 1 || row.Unused {
		t.Errorf("%+v", row)
	}
	for range idp.MaxDevices - 1 {
		s.phone(anna.ID, nil)
	}
	if p, err := s.SearchDevices(s.ctx(), byName("", idp.FacetFull)); err != nil || len(p.Rows) != idp.MaxDevices {
		t.Errorf("full: %v", err)
	}
	for what, q := range map[string]idp.DeviceQuery{
		"a facet": {Facets: []idp.DeviceFacet{"tall"}}, "an order": {Sort: "height"}, "a key": {Page: idp.Page{After: "x"}},
		"a key of another order": {Sort: idp.DevicesByUsed, Page: idp.Page{After: s.keyOf(idp.DevicesByName)}},
	} {
		_, err := s.SearchDevices(s.ctx(), q)
		if !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (s *site) keyOf(sort idp.DeviceSort) idp.Key {
	p, err := s.SearchDevices(s.ctx(), idp.DeviceQuery{Sort: sort, Page: idp.Page{Limit: 1}})
	s.ok(err)
	return p.Next
}

// A mark that time sets: nobody touches the device when it becomes unused.
func unusedDevices(t *testing.T, s *site) {
	u := s.user("anna")
	d := s.phone(u.ID, nil)
	other := s.phone(u.ID, func(d *idp.Device) { d.LastUsedAt = s.now })
	q := idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetUnused}, Sort: idp.DevicesByUsed}
	s.ok(s.Sweep(s.ctx(), s.now.Add(89*24*time.Hour)))
	s.finds(q)
	s.ok(s.Sweep(s.ctx(), s.now.Add(92*24*time.Hour)))
	s.finds(q, d, other)
	s.ok(s.UpdateDevice(s.ctx(), u.ID, other.ID, idp.Replay{}, func(d *idp.Device) error { d.LastUsedAt = s.now.Add(92 * 24 * time.Hour); return nil }))
	if row, err := s.Device(s.ctx(), other.ID); err != nil || row.Unused {
		t.Errorf("used today, and unused: %v", err)
	}
}

// Pages by key: forwards and backwards they show every row once, and rows that
// come and go in between move no other onto another page.
func devicePages(t *testing.T, s *site) {
	for i := range 30 {
		u := s.named(fmt.Sprintf("user%02d", i), fmt.Sprintf("Person %d", i%4), "")
		for k := range 1 + i%3 {
			s.phone(u.ID, func(d *idp.Device) {
				d.Name = fmt.Sprintf("Phone %d", k)
				d.LinkedAt = s.now.Add(-time.Duration(i%7) * time.Hour)
				d.LastUsedAt = s.now.Add(-time.Duration(i%5) * 24 * time.Hour)
			})
		}
	}
	for _, sort := range idp.DeviceSorts {
		for _, down := range []bool{false, true} {
			for _, words := range []string{"", "p", "user1"} {
				q := idp.DeviceQuery{Words: words, Sort: sort, Down: down, Page: idp.Page{Limit: 200}}
				all, err := s.SearchDevices(s.ctx(), q)
				s.ok(err)
				var want, got []idp.DeviceID
				for _, r := range all.Rows {
					want = append(want, r.Device.ID)
				}
				q.Limit = 7
				var last idp.Key
				for {
					p, err := s.SearchDevices(s.ctx(), q)
					s.ok(err)
					for _, r := range p.Rows {
						got = append(got, r.Device.ID)
					}
					if (q.After == "") != (p.Prev == "") {
						t.Fatalf("a page before: %q", p.Prev)
					}
					last = p.Prev
					if q.After = p.Next; q.After == "" {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s, down %v, %q: %d rows forwards, want %d", sort, down, words, len(got), len(want))
				}
				rest := len(want) % 7
				if rest == 0 {
					rest = 7
				}
				got = got[len(got)-rest:]
				for q.After, q.Before = "", last; q.Before != ""; {
					p, err := s.SearchDevices(s.ctx(), q)
					s.ok(err)
					var page []idp.DeviceID
					for _, r := range p.Rows {
						page = append(page, r.Device.ID)
					}
					got = append(page, got...)
					q.Before = p.Prev
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s, down %v, %q: %d rows backwards, want %d", sort, down, words, len(got), len(want))
				}
			}
		}
	}
}

func searchUsers(t *testing.T, s *site) {
	anna := s.named("anna", "Dr. Anna Über", "anna@klinik.example")
	s.user("bert")
	s.ok(s.UpdateUser(s.ctx(), anna.ID, func(u *idp.User) error { u.Groups, u.Staff = []string{"ct-readers"}, idp.StaffAuditor; return nil }))
	finds := func(q idp.UserQuery, want ...string) {
		t.Helper()
		p, err := s.SearchUsers(s.ctx(), q)
		s.ok(err)
		var got []string
		for _, r := range p.Rows {
			got = append(got, r.User.Name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v finds %q, want %q", q, got, want)
		}
	}
	finds(idp.UserQuery{}, "anna", "bert")
	finds(idp.UserQuery{Sort: idp.UsersByName, Down: true}, "bert", "anna")
	finds(idp.UserQuery{Words: "uber"}, "anna")
	finds(idp.UserQuery{Words: "ct-r"}, "anna")
	finds(idp.UserQuery{Words: "readers anna@kli"}, "anna")
	finds(idp.UserQuery{Facets: []idp.UserFacet{idp.UsersStaff}}, "anna")
	finds(idp.UserQuery{Facets: []idp.UserFacet{idp.UsersNoDevice, idp.UsersActive}}, "anna", "bert")
	s.phone(anna.ID, nil)
	finds(idp.UserQuery{Facets: []idp.UserFacet{idp.UsersNoDevice}}, "bert")
	s.ok(s.DisableUser(s.ctx(), anna.ID, s.event(idp.EventUserDisabled)))
	finds(idp.UserQuery{Facets: []idp.UserFacet{idp.UsersDisabled}}, "anna")
}

func importUsers(t *testing.T, s *site) {
	s.user("taken")
	people := func(prefix string, n int, last string) (int, func(int) idp.User) {
		us := make([]idp.User, n)
		for i := range us {
			us[i] = idp.User{ID: idp.NewID[idp.UserID](), Name: fmt.Sprintf("%s%d", prefix, i), DisplayName: "X", State: idp.UserInvited, CreatedAt: s.now, UpdatedAt: s.now}
			if last != "" && i == n-1 {
				us[i].Name = last
			}
			us[i].Note(s.event(idp.EventUserCreated))
		}
		return n, func(i int) idp.User { return us[i] }
	}
	add := func(ctx context.Context, prefix string, n int, last string, told func(int)) error {
		n, user := people(prefix, n, last)
		return s.AddUsers(ctx, n, user, s.event(idp.EventUsersImported), told)
	}
	// A name that is taken meanwhile takes everybody back, of earlier transactions too.
	told := 0
	s.is(add(s.ctx(), "a", 350, "taken", func(int) { told++ }), idp.ErrConflict)
	if n, err := s.CountUsers(s.ctx()); err != nil || n != 1 || told == 0 {
		t.Fatalf("%d people are left, %v; told %d times", n, err, told)
	}
	if p, err := s.SearchUsers(s.ctx(), idp.UserQuery{Words: "a"}); err != nil || len(p.Rows) != 0 {
		t.Fatalf("the list keeps %d of them, %v", len(p.Rows), err)
	}
	n := s.kinds()
	if n[idp.EventUserCreated]-1 != n[idp.EventUserRemoved] || n[idp.EventUserRemoved] == 0 || n[idp.EventUsersImported] != 0 {
		t.Fatalf("events %v", n)
	}
	// So does who stops it.
	ctx, stop := context.WithCancel(s.ctx())
	s.is(add(ctx, "c", 350, "", func(int) { stop() }), context.Canceled)
	if n, err := s.CountUsers(s.ctx()); err != nil || n != 1 || s.kinds()[idp.EventUsersImported] != 0 {
		t.Fatalf("%d people are left, %v", n, err)
	}
	done := 0
	s.ok(add(s.ctx(), "b", 250, "", func(n int) { done = n }))
	if n, err := s.CountUsers(s.ctx()); err != nil || n != 251 || done != 250 || s.kinds()[idp.EventUsersImported] != 1 {
		t.Fatalf("%d people, told %d, %v", n, done, err)
	}
	names, err := s.TakenNames(s.ctx(), []string{"b7", "c7", "taken"})
	s.ok(err)
	if !slices.Equal(names, []string{"b7", "taken"}) {
		t.Fatalf("taken: %q", names)
	}
	s.ok(s.Sweep(s.ctx(), s.now.Add(time.Hour)))
	if n, _ := s.CountUsers(s.ctx()); n != 251 {
		t.Fatalf("an import that came through was taken back: %d", n)
	}
}

func searchEvents(t *testing.T, s *site) {
	anna, bert := s.user("anna"), s.user("bert")
	for i := range 300 {
		e := idp.Event{At: s.now.Add(time.Duration(i) * time.Minute), Kind: idp.EventCodeWrong, Actor: idp.Actor{User: anna.ID}, User: anna.ID, Address: "192.0.2.1"}
		switch i % 3 {
		case 1:
			e.Kind, e.Actor, e.User, e.Device = idp.EventDeviceUnlinked, idp.Actor{User: bert.ID, Name: "bert"}, anna.ID, "D1"
		case 2:
			e.Kind, e.User, e.Actor, e.Client, e.Address = idp.EventLoginDone, bert.ID, idp.Actor{User: bert.ID}, "viewer", "192.0.2.2"
		}
		s.ok(s.ClearCounters(s.ctx(), e.User, e))
	}
	count := func(what string, q idp.EventQuery, want int) {
		t.Helper()
		n, before := 0, int64(1<<62)
		q.Limit = 40
		var prev idp.Key
		for {
			p, err := s.SearchEvents(s.ctx(), q)
			s.ok(err)
			for _, e := range p.Rows {
				if e.Seq >= before {
					t.Fatalf("%s: %d after %d", what, e.Seq, before)
				}
				before = e.Seq
			}
			n += len(p.Rows)
			prev = p.Prev
			if q.After = p.Next; q.After == "" {
				break
			}
		}
		for q.After, q.Before = "", prev; q.Before != ""; {
			p, err := s.SearchEvents(s.ctx(), q)
			s.ok(err)
			n += len(p.Rows)
			q.Before = p.Prev
		}
		rest := want % 40
		if rest == 0 {
			rest = min(want, 40)
		}
		if n != 2*want-rest {
			t.Errorf("%s: %d there and back, want %d", what, n, 2*want-rest)
		}
	}
	hours := func(from, until int) idp.EventQuery {
		return idp.EventQuery{From: s.now.Add(time.Duration(from) * time.Hour), Until: s.now.Add(time.Duration(until) * time.Hour)}
	}
	count("all", idp.EventQuery{}, 302)
	count("of a person", idp.EventQuery{User: anna.ID}, 200)
	count("by a person", idp.EventQuery{Actor: bert.ID}, 200)
	count("by a person upon another", idp.EventQuery{Actor: bert.ID, User: anna.ID}, 100)
	count("of a device", idp.EventQuery{Device: "D1"}, 100)
	count("of a kind", idp.EventQuery{Kinds: []idp.EventKind{idp.EventLoginDone}}, 100)
	count("of kinds", idp.EventQuery{Kinds: []idp.EventKind{"login.", "device."}}, 300)
	count("of no kind", idp.EventQuery{Kinds: []idp.EventKind{"nothing."}}, 0)
	count("of a client", idp.EventQuery{Client: "viewer"}, 100)
	count("from an address", idp.EventQuery{Address: "192.0.2.1"}, 200)
	count("of two hours", hours(1, 3), 120)
	count("before", hours(-5, 0), 0)
	q := hours(1, 2)
	q.User, q.Kinds = anna.ID, []idp.EventKind{idp.EventCodeWrong}
	count("of all at once", q, 20)
	_, err := s.SearchEvents(s.ctx(), idp.EventQuery{Page: idp.Page{After: "x"}})
	s.is(err, idp.ErrInvalid)
	s.ok(s.AddEvent(s.ctx(), s.event(idp.EventAuditChecked)))
	if s.kinds()[idp.EventAuditChecked] != 1 {
		t.Fatal("the event is not in the log")
	}
	check, err := s.CheckEvents(s.ctx(), nil, nil)
	head, err2 := s.LogHead(s.ctx())
	if err != nil || err2 != nil || check.Head.Seq != 303 || check.Head != head || check.Keyed != 1 || len(check.Told) != 0 {
		t.Errorf("%+v, %v, %v, %v", check, err, head, err2)
	}
	again, err := idp.ParseLogHead(head.String())
	if err != nil || again != head {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := s.CheckEvents(s.ctx(), []idp.LogHead{head}, nil); err != nil {
		t.Error(err)
	}
	head.Hash[0]++
	_, err = s.CheckEvents(s.ctx(), []idp.LogHead{head}, nil)
	s.is(err, idp.ErrInvalid)
	_, err = s.CheckEvents(s.ctx(), []idp.LogHead{{Seq: 304}}, nil)
	s.is(err, idp.ErrInvalid)
	days, err := s.Days(s.ctx(), s.now.Add(-24*time.Hour), s.now.Add(24*time.Hour))
	s.ok(err)
	done := 0
	for _, d := range days {
		done += d.Done[idp.EventLoginDone]
	}
	if len(days) != 3 || done != 100 || len(days[0].Done) != 0 {
		t.Errorf("%d days, %d sign-ins", len(days), done)
	}
}

func searchSessions(t *testing.T, s *site) {
	anna, bert := s.named("anna", "Anna Über", ""), s.user("bert")
	var last idp.SessionID
	for i := range 12 {
		u := anna
		if i%3 == 0 {
			u = bert
		}
		last = s.signIn(u).session.ID
	}
	_, err := s.CutOff(s.ctx(), idp.CutOff{User: anna.ID, Cause: idp.CutEndedOne, Session: last, Because: s.event(idp.EventSessionEnded)})
	s.ok(err)
	count := func(q idp.SessionQuery, want int) {
		t.Helper()
		n := 0
		for q.Limit = 3; ; {
			p, err := s.SearchSessions(s.ctx(), q, s.now)
			s.ok(err)
			for _, r := range p.Rows {
				if !r.Session.Token.IsZero() || r.User.ID != r.Session.User || !slices.Equal(r.Clients, []idp.ClientID{"viewer"}) {
					t.Fatalf("%+v", r)
				}
			}
			n += len(p.Rows)
			if q.After = p.Next; q.After == "" {
				break
			}
		}
		if n != want {
			t.Errorf("%+v: %d, want %d", q, n, want)
		}
	}
	count(idp.SessionQuery{}, 11)
	count(idp.SessionQuery{Words: "uber"}, 7)
	count(idp.SessionQuery{User: bert.ID}, 4)
	if p, err := s.SearchSessions(s.ctx(), idp.SessionQuery{}, s.now.Add(2*time.Hour)); err != nil || len(p.Rows) != 0 {
		t.Errorf("idle ones: %d, %v", len(p.Rows), err)
	}
}

func health(t *testing.T, s *site) {
	u := s.user("anna")
	s.phone(u.ID, func(d *idp.Device) { d.PushBadAt = s.now })
	s.login(u.ID, idp.LoginPassword)
	s.invitation(u.ID, idp.InviteReset)
	h, err := s.Health(s.ctx())
	s.ok(err)
	if h.Rows["users"] != 1 || h.Rows["devices"] != 1 || h.Failing != 1 || h.Waiting["logins"] != 1 || h.Waiting["invitations"] != 1 || h.Bytes == 0 || h.Events == 0 || h.Engine == "" || h.EngineVersion == "" {
		t.Errorf("%+v", h)
	}
}

// Two administrators take each other's role at once: one keeps it.
func rivalsRoles(_ *testing.T, c *contest) {
	both := []idp.UserID{c.administrator("anna").ID, c.administrator("bert").ID}
	out := c.race(2, func(s Store, i int) error {
		return s.UpdateUser(c.ctx(), both[i], func(u *idp.User) error { u.Staff = idp.StaffNone; return nil })
	})
	c.oneOf(out, 2, idp.ErrDenied)
}

// Links are handed out by somebody who may not where there is a role, while one
// is given: none of them is left.
func rivalsRaised(t *testing.T, c *contest) {
	u := c.user("anna")
	c.invitation(u.ID, idp.InviteReset)
	out := c.race(8, func(s Store, i int) error {
		if i == 3 {
			return s.UpdateUser(c.ctx(), u.ID, func(u *idp.User) error { u.Staff = idp.StaffAuditor; return nil })
		}
		return s.AddInvitation(c.ctx(), &idp.Invitation{
			ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteReset, User: u.ID, CreatedAt: c.now, ExpiresAt: c.now.Add(time.Hour),
		}, func(u *idp.User) error {
			if u.Staff != idp.StaffNone {
				return idp.ErrDenied
			}
			return nil
		})
	})
	if told := out.kinds[idp.ErrDenied]; out.won+told != 8 {
		t.Errorf("%d won, %d were refused, of 8", out.won, told)
	}
	if i, err := c.OpenInvitation(c.ctx(), u.ID, c.now); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("%+v is open, %v", i, err)
	}
}

// An administrator unlinks all devices while their owner unlinks and links:
// each device goes once, and the list ends as the devices do.
func rivalsUnlink(t *testing.T, c *contest) {
	u := c.user("anna")
	var devices []*idp.Device
	for range idp.MaxDevices {
		devices = append(devices, c.phone(u.ID, nil))
	}
	out := c.race(4*len(devices), func(s Store, i int) error {
		d := devices[i%len(devices)]
		if i%4 == 3 {
			return s.UpdateDevice(c.ctx(), u.ID, d.ID, idp.Replay{}, func(d *idp.Device) error { d.LastUsedAt, d.Name = c.now.Add(time.Hour), "renamed"; return nil })
		}
		return s.RemoveDevice(c.ctx(), u.ID, d.ID, idp.Unlinking{Last: true}, c.event(idp.EventDeviceUnlinked))
	})
	c.happened(idp.EventDeviceUnlinked, len(devices))
	if told := out.kinds[idp.ErrNotFound]; out.won+told != 4*len(devices) {
		t.Fatalf("%d won, %v", out.won, out.kinds)
	}
	c.finds(idp.DeviceQuery{})
	p, err := c.SearchUsers(c.ctx(), idp.UserQuery{Facets: []idp.UserFacet{idp.UsersNoDevice}})
	if err != nil || len(p.Rows) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
}
