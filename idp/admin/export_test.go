package admin_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

// full is a disk, or a reader who hangs up, after so many bytes.
type full struct{ left int }

var errFull = errors.New("full")

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// A list of people or devices that leaves is in the log: who took it, by which filter,
// how many rows; also when it broke off, and not when it was refused.
func TestExportsLeaveAnEvent(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"anna", "bert", "carl"} {
		if err := w.AddUser(t.Context(), console, &idp.User{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	before := w.countEvents()
	var out bytes.Buffer
	if err := w.UsersCSV(t.Context(), console, idp.UserQuery{Words: "anna", Facets: []idp.UserFacet{idp.UsersInvited}}, admin.ExportCSV, &out); err != nil {
		t.Fatal(err)
	}
	e := w.last(idp.EventExported)
	if e.Actor.Name != console.Actor.Name || e.Detail["list"] != "users" || e.Detail["count"] != "1" || e.Detail["filter"] != "q=anna f="+string(idp.UsersInvited) || e.Detail["outcome"] != "" {
		t.Errorf("the log says %+v", e)
	}
	if err := w.DevicesCSV(t.Context(), console, idp.DeviceQuery{}, admin.ExportCSV, &out); err != nil {
		t.Fatal(err)
	}
	if e = w.last(idp.EventExported); e.Detail["list"] != "devices" || e.Detail["count"] != "0" || e.Detail["filter"] != "" {
		t.Errorf("the log says %+v", e)
	}
	if err := w.UsersCSV(t.Context(), console, idp.UserQuery{}, admin.ExportCSV, &full{left: 10}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
	if e = w.last(idp.EventExported); e.Detail["outcome"] != "broken off" {
		t.Errorf("the log says %+v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_ = w.UsersCSV(ctx, console, idp.UserQuery{}, admin.ExportCSV, writes(func(b []byte) (int, error) { cancel(); return len(b), nil }))
	if n := w.countEvents() - before; n != 4 {
		t.Errorf("%d events of 4 that left", n)
	}
	if err := w.UsersCSV(t.Context(), admin.By{}, idp.UserQuery{}, admin.ExportCSV, &out); !errors.Is(err, idp.ErrDenied) {
		t.Errorf("nobody: %v", err)
	}
	if n := w.countEvents() - before; n != 4 {
		t.Errorf("a refused one left an event: %d", n)
	}
}

type writes func([]byte) (int, error)

func (w writes) Write(b []byte) (int, error) { return w(b) }
