package admin_test

import (
	"errors"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

// Whatever the keyboard, a group is the group: what is typed about people and
// applications is kept in NFC, and whom an application admits is compared in it.
func TestGroupsAreComparedInNFC(t *testing.T) {
	const apart, whole = "Ro\u0308ntgen", "Röntgen"
	w := newWorld(t)
	u := &idp.User{Name: "anna", DisplayName: " " + apart, Groups: []string{apart, whole, " ct "}, Roles: []string{apart}}
	if err := w.AddUser(t.Context(), console, u); err != nil {
		t.Fatal(err)
	}
	if u := w.user(u.ID); u.DisplayName != whole || !slices.Equal(u.Groups, []string{whole, "ct"}) || !slices.Equal(u.Roles, []string{whole}) {
		t.Errorf("kept as %+v", u)
	}
	c := &idp.Client{
		ID: "viewer", Name: apart, Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{"https://viewer.klinik.test/cb"}, GrantTypes: []string{idp.GrantCode},
		Groups: []string{apart}, Claims: []idp.ClaimRule{{Name: "role", From: "groups", Values: []idp.ClaimValue{{From: apart, To: "x"}}}},
	}
	if _, err := w.AddClient(t.Context(), console, c); err != nil {
		t.Fatal(err)
	}
	got, err := w.db.Client(t.Context(), "viewer")
	if err != nil || got.Name != whole || !got.Admits(w.user(u.ID)) || got.Claims[0].Values[0].From != whole {
		t.Errorf("kept as %+v, %v", got, err)
	}
	if err := w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.Groups = []string{"R\u00f6ntgen"} }); err != nil {
		t.Fatal(err)
	}
	if !got.Admits(w.user(u.ID)) {
		t.Error("not admitted by the same name")
	}
}

// Names of people, of their groups and roles, and of applications have something to see.
func TestNamesThatShowNothingAreRefused(t *testing.T) {
	w := newWorld(t)
	u := &idp.User{Name: "anna", DisplayName: "Anna"}
	if err := w.AddUser(t.Context(), console, u); err != nil {
		t.Fatal(err)
	}
	for _, nothing := range []string{"\u200b", "\u3164", "\u200b \u2800", "\u00ad\ufeff", "\U000e0041", "\u0301"} {
		for what, err := range map[string]error{
			"a person":       w.AddUser(t.Context(), console, &idp.User{Name: "bert", DisplayName: nothing}),
			"another name":   w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.DisplayName = nothing }),
			"a given name":   w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.GivenName = nothing }),
			"a group":        w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.Groups = []string{"ct", nothing} }),
			"a role":         w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.Roles = []string{nothing} }),
			"an application": second(w.AddClient(t.Context(), console, &idp.Client{Name: nothing, Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantClientCredentials}})),
			"its own group":  second(w.AddClient(t.Context(), console, &idp.Client{Name: "X", Groups: []string{nothing}, Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantClientCredentials}})),
		} {
			if !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("%+q as %s: %v", nothing, what, err)
			}
		}
	}
}

func second[A any](_ A, err error) error { return err }

// Who mends one thing of a person is not asked for another that was taken in its time;
// whoever types it anew is.
func TestOldValuesStayUntilTheyAreTyped(t *testing.T) {
	w := newWorld(t)
	u := &idp.User{ID: "OLD", Name: "old", DisplayName: "Old", Phone: "call the desk", Locale: "de_DE", Email: "old@[192.0.2.1]", State: idp.UserActive}
	if err := w.db.AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.DisplayName = "New" }); err != nil {
		t.Errorf("another name: %v", err)
	}
	for field, change := range map[string]func(u *idp.User){
		"phone": func(u *idp.User) { u.Phone = "ask" }, "locale": func(u *idp.User) { u.Locale = "nl_BE" }, "email": func(u *idp.User) { u.Email = "old@[192.0.2.2]" },
	} {
		var f *idp.FieldError
		if err := w.EditUser(t.Context(), console, u.ID, change); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if got := w.user(u.ID); got.DisplayName != "New" || got.Phone != "call the desk" {
		t.Errorf("%+v", got)
	}
	if err := admin.ValidatePerson(w.user(u.ID)); !errors.Is(err, idp.ErrInvalid) {
		t.Error("as a new person they would be taken")
	}
}
