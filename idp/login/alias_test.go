package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// A mail address stands for the name where it is one person's: in any case, and
// with the same counter, so that nobody gets a second set of tries by it.
func TestMailAddressIsASignInName(t *testing.T) {
	w := newWorld(t)
	anna, bert, carl := w.person("anna"), w.person("bert"), w.person("carl@clinic.test")
	set := func(p *person, mail string) {
		t.Helper()
		w.must(w.desk.EditUser(t.Context(), console, p.id, func(u *idp.User) { u.Email = mail }))
	}
	set(anna, "Anna.Bergmann@Clinic.test")
	set(bert, "team@clinic.test")
	try := func(name string, p idp.Secret) (*login.Step, error) {
		t.Helper()
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		return w.Password(t.Context(), step.ID, b, name, p)
	}
	for _, typed := range []string{"anna.bergmann@clinic.test", "ANNA.Bergmann@clinic.TEST", "  anna.bergmann@clinic.test "} {
		step, err := try(typed, anna.password)
		if w.at(step, err, idp.LoginFactor); step.UserName != "anna" {
			t.Errorf("%q: %s", typed, step.UserName)
		}
	}
	step, err := try("team@clinic.test", bert.password)
	w.at(step, err, idp.LoginFactor)

	// Of two people it is nobody's, and of one it is the name that counts.
	set(carl, "team@clinic.test")
	_, err = try("team@clinic.test", bert.password)
	w.refuses("an address of two", err, idp.ErrWrongSecret)
	set(bert, "carl@clinic.test")
	step, err = try("carl@clinic.test", carl.password)
	if w.at(step, err, idp.LoginFactor); step.UserName != carl.name {
		t.Errorf("a name that is somebody's address: %s", step.UserName)
	}
	for _, none := range []string{"anna.bergmann", "@", "anna.bergmann@", "@clinic.test", "x@clinic.test", strings.Repeat("a", 300) + "@clinic.test"} {
		_, err := try(none, anna.password)
		w.refuses(none, err, idp.ErrWrongSecret)
	}

	// One counter, whatever is typed.
	for _, typed := range []string{"anna", "anna.bergmann@clinic.test", "ANNA", "Anna.Bergmann@clinic.test", "anna"} {
		_, err := try(typed, wrongPassword)
		w.refuses(typed, err, idp.ErrWrongSecret)
	}
	for _, typed := range []string{"anna", "anna.bergmann@clinic.test"} {
		_, err := try(typed, anna.password)
		w.refuses(typed, err, idp.ErrTooMany)
	}
	w.later(time.Second)
	step, err = try("anna.bergmann@clinic.test", anna.password)
	w.at(step, err, idp.LoginFactor)
}

// An address that is nobody's, of two, of a disabled person or a known one is the
// same work: hashes, counters, rows.
func TestAddressesAreTheSameWork(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"anna", "bert", "carl", "dora"} {
		w.person(name)
	}
	users := map[string]idp.UserID{}
	for name, mail := range map[string]string{"anna": "anna@clinic.test", "bert": "team@clinic.test", "carl": "team@clinic.test", "dora": "dora@clinic.test"} {
		a, err := w.db.AccountByName(t.Context(), name)
		w.must(err)
		users[name] = a.User.ID
		w.must(w.desk.EditUser(t.Context(), console, a.User.ID, func(u *idp.User) { u.Email = mail }))
	}
	w.must(w.desk.Disable(t.Context(), console, users["dora"], "left"))
	for _, typed := range []string{"anna@clinic.test", "team@clinic.test", "dora@clinic.test", "nobody@clinic.test"} {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		w.kinds()
		checks, counters, lookups := w.hasher.checks.Load(), w.kept.counters.Load(), w.kept.lookups.Load()
		_, err = w.Password(t.Context(), step.ID, b, typed, wrongPassword)
		if !errors.Is(err, idp.ErrWrongSecret) || err.Error() != idp.ErrWrongSecret.Error() {
			t.Errorf("%s: %v", typed, err)
		}
		if h, c, l := w.hasher.checks.Load()-checks, w.kept.counters.Load()-counters, w.kept.lookups.Load()-lookups; h != 1 || c != 1 || l != 2 {
			t.Errorf("%s: %d hashes, %d counters, %d lookups", typed, h, c, l)
		}
		w.tells(idp.EventPasswordWrong)
	}
}
