package admin_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

// nameCalls counts how often names of accounts are asked for.
type nameCalls struct {
	admin.Store
	n int
}

func (s *nameCalls) UserNames(ctx context.Context, ids []idp.UserID) (map[idp.UserID]string, error) {
	s.n++
	return s.Store.UserNames(ctx, ids)
}

// Whoever did something has a name and a kind wherever the log is read, also where it was
// written with an id alone; names are asked for once a part.
func TestActorsHaveNames(t *testing.T) {
	w := newWorld(t)
	calls := &nameCalls{Store: w.db}
	w.set(func(c *admin.Config) { c.Store = calls })
	chief, anna := w.person("chief", idp.StaffAdmin), w.person("anna", idp.StaffNone)
	id := func(u *idp.User) idp.Actor { return idp.Actor{User: u.ID} }
	for _, c := range []struct {
		e    idp.Event
		name string
		is   idp.ActorKind
	}{
		{idp.Event{Kind: idp.EventPhoneApproved, Actor: id(anna), User: anna.ID, Device: "D1"}, "anna", idp.ActorPhone},
		{idp.Event{Kind: idp.EventLoginDenied, Actor: id(anna), User: anna.ID, Detail: map[string]string{"by": "phone"}}, "anna", idp.ActorPhone},
		{idp.Event{Kind: idp.EventLoginDenied, Actor: id(anna), User: anna.ID, Detail: map[string]string{"by": "browser"}}, "anna", idp.ActorPerson},
		{idp.Event{Kind: idp.EventDeviceRenamed, Actor: id(anna), User: anna.ID, Device: "D1", Detail: map[string]string{"by": "device"}}, "anna", idp.ActorPhone},
		{idp.Event{Kind: idp.EventDeviceRenamed, Actor: idp.Actor{User: anna.ID, Name: "anna"}, User: anna.ID, Device: "D1"}, "anna", idp.ActorPerson},
		{idp.Event{Kind: idp.EventSessionEnded, Actor: id(anna), User: anna.ID, Device: "D1", Detail: map[string]string{"reason": idp.ReasonNotMe}}, "anna", idp.ActorPhone},
		{idp.Event{Kind: idp.EventFactorRight, Actor: id(anna), User: anna.ID}, "anna", idp.ActorPerson},
		{idp.Event{Kind: idp.EventUserDisabled, Actor: idp.Actor{User: chief.ID, Name: "boss"}, User: anna.ID}, "boss", idp.ActorAdmin}, // as it was called then
		{idp.Event{Kind: idp.EventSettingChanged, Actor: id(chief)}, "chief", idp.ActorAdmin},
		{idp.Event{Kind: idp.EventUserDisabled, Actor: idp.Actor{Name: "console:root"}, User: anna.ID}, "console:root", idp.ActorCommand},
		{idp.Event{Kind: idp.EventUserDisabled, Actor: idp.Actor{Name: "client:hr"}, User: anna.ID}, "client:hr", idp.ActorProgram},
		{idp.Event{Kind: idp.EventKeyRotated, Actor: idp.Actor{Name: "provider"}}, "provider", idp.ActorProvider},
		{idp.Event{Kind: idp.EventFactorRight, Actor: idp.Actor{User: "GONE"}, User: "GONE"}, "", idp.ActorPerson},
		{idp.Event{Kind: idp.EventPasswordWrong}, "", ""},
	} {
		c.e.At = w.now
		if err := w.db.AddEvent(t.Context(), c.e); err != nil {
			t.Fatal(err)
		}
		calls.n = 0
		found, err := w.SearchEvents(t.Context(), console, idp.EventQuery{Page: idp.Page{Limit: 1}})
		if err != nil {
			t.Fatal(err)
		}
		line := admin.EventLineOf(&found.Rows[0])
		if line.Kind != c.e.Kind || line.Actor != c.name || line.ActorIs != c.is || calls.n != 1 {
			t.Errorf("%+v was done by %q, a %q, want %q, a %q; names were asked for %d times", c.e, line.Actor, line.ActorIs, c.name, c.is, calls.n)
		}
		if c.e.User == anna.ID && found.Names[anna.ID] != "anna" {
			t.Errorf("whom %s concerns has the names %v", c.e.Kind, found.Names)
		}
	}
	calls.n = 0
	all, err := w.EventsAfter(t.Context(), console, 0, 100)
	if err != nil || calls.n != 1 || all[0].Actor.Name != "anna" {
		t.Errorf("the feed begins with %+v, %v; names were asked for %d times", all[0], err, calls.n)
	}
	if history, err := w.UserHistory(t.Context(), console, anna.ID); err != nil || history[len(history)-1].Actor.Name != "anna" {
		t.Errorf("the page of a person has %+v, %v", history, err)
	}
	var b bytes.Buffer
	if err := w.ExportEvents(t.Context(), console, idp.EventQuery{Kinds: []idp.EventKind{idp.EventPhoneApproved}}, admin.ExportCSV, &b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || rows[0][3] != "actor" || rows[1][3] != "anna" || rows[0][5] != "actor_kind" || rows[1][5] != "phone" {
		t.Errorf("the file has %v, %v", rows, err)
	}
	if _, err := w.VerifyEvents(t.Context(), console, nil); err != nil { // names that were looked up are not part of it
		t.Error(err)
	}
}
