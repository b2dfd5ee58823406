package login_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// signIn finds the event of the sign-in that a session came of.
func (w *world) signIn(user idp.UserID, session idp.SessionID) (*login.ActivityEvent, error) {
	w.Helper()
	a, err := w.Activity(w.Context(), user, idp.Page{})
	if err != nil {
		return nil, err
	}
	for i := range a.Events {
		if a.Events[i].Kind == idp.EventLoginDone && a.Events[i].Session == session {
			return &a.Events[i], nil
		}
	}
	return nil, errors.New("there is no such sign-in")
}

func described(string) (browser, system string) { return "Firefox", "Linux" }

// What happened to an account is told to its owner: their sign-ins, with browser, device
// and address, and what others did to it, but nothing of anybody else.
func TestActivity(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *login.Config) { c.Describe = described })
	anna, bert := w.person("anna"), w.person("bert")
	here := w.browser()
	anna.signIn(&here)
	there := w.browser()
	bert.signIn(&there)
	w.must(w.desk.EditUser(t.Context(), console, anna.id, func(u *idp.User) { u.DisplayName = "Dr. Anna" }))

	e, err := w.signIn(anna.id, w.session(here).ID)
	w.must(err)
	if e.Detail["browser"] != "Firefox" || e.Detail["system"] != "Linux" || e.Address != "192.0.2.7" || e.Device == "" || e.Foreign || !e.Disownable() {
		t.Errorf("%+v", e)
	}
	a, err := w.Activity(t.Context(), anna.id, idp.Page{})
	w.must(err)
	if newest := a.Events[0]; newest.Kind != idp.EventUserChanged || !newest.Foreign || newest.Disownable() {
		t.Errorf("newest %+v", newest)
	}
	for _, e := range a.Events {
		if e.User != anna.id || !slices.Contains(login.OwnKinds(), e.Kind) {
			t.Errorf("tells of %+v", e.Event)
		}
	}
	first, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 1})
	w.must(err)
	second, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 1, After: first.Next})
	w.must(err)
	if len(second.Events) != 1 || second.Events[0].Seq != a.Events[1].Seq {
		t.Errorf("the second page has %+v", second.Events)
	}
}

// One session is open in each of three browsers; the owner says in the first that the
// second was not them.
func TestDisown(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	here, theirs, third, strange := w.browser(), w.browser(), w.browser(), w.browser()
	for _, b := range []*login.Browser{&here, &theirs, &third} {
		anna.known(b)
		w.later(time.Minute)
	}
	bert.signIn(&strange)
	mine := w.session(here)
	e, err := w.signIn(anna.id, w.session(theirs).ID)
	w.must(err)
	actor := idp.Actor{User: anna.id, Name: anna.name}

	d, err := w.Doubt(t.Context(), mine, e.Seq)
	w.must(err)
	if d.Session == nil || d.Session.ID != e.Session || d.Here || !d.Linked {
		t.Errorf("%+v", d)
	}
	one, err := w.Disown(t.Context(), actor, mine, e.Seq)
	w.must(err)
	if !one {
		t.Error("more than one session was ended")
	}
	_, _, err = w.Session(t.Context(), theirs)
	w.refuses("the session that was not theirs", err, idp.ErrNotFound)
	w.session(here)
	w.session(third)
	for name, b := range map[string]login.Browser{"the other's": theirs, "the third": third} {
		if known, err := w.db.KnownBrowser(t.Context(), b.Known.Hash(), anna.id); err != nil || known {
			t.Errorf("%s is remembered: %v", name, err)
		}
	}
	if known, err := w.db.KnownBrowser(t.Context(), here.Known.Hash(), anna.id); err != nil || !known {
		t.Errorf("the browser it was said in is forgotten: %v", err)
	}
	a, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 3})
	w.must(err)
	said := slices.IndexFunc(a.Events, func(of login.ActivityEvent) bool { return of.Kind == idp.EventDisowned })
	if said < 0 || a.Events[said].Session != e.Session || a.Events[said].Detail["kind"] != string(idp.EventLoginDone) || a.Events[said].Actor != actor || a.Events[said].Detail["ended"] != "one" {
		t.Errorf("the log says %+v", a.Events)
	}

	// Once more: its session is not open any more, and all others end.
	d, err = w.Doubt(t.Context(), mine, e.Seq)
	w.must(err)
	if d.Session != nil {
		t.Errorf("%+v", d.Session)
	}
	one, err = w.Disown(t.Context(), actor, mine, e.Seq)
	w.must(err)
	if one {
		t.Error("one session was ended, want all others")
	}
	a, err = w.Activity(t.Context(), anna.id, idp.Page{Limit: 1})
	w.must(err)
	if e := a.Events[0]; e.Kind != idp.EventDisowned || e.Detail["ended"] != "others" {
		t.Errorf("the log says %+v", e)
	}
	_, _, err = w.Session(t.Context(), third)
	w.refuses("the third session", err, idp.ErrNotFound)
	w.session(here)
	w.session(strange)

	// Not of their own, of another kind, or none.
	other, err := w.signIn(bert.id, w.session(strange).ID)
	w.must(err)
	w.must(w.desk.EditUser(t.Context(), console, anna.id, func(u *idp.User) { u.DisplayName = "Dr. Anna" }))
	newest, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 1})
	w.must(err)
	for _, seq := range []int64{other.Seq, newest.Events[0].Seq, 1 << 40, 0, -3} {
		_, err := w.Doubt(t.Context(), mine, seq)
		w.refuses("doubt", err, idp.ErrNotFound)
		_, err = w.Disown(t.Context(), actor, mine, seq)
		w.refuses("disown", err, idp.ErrNotFound)
	}
	w.session(strange)
}

// A browser is remembered after a sign-in, known again by what its owner saw of it, and
// forgotten when they say so; the sessions in it go on.
func TestForgetBrowsers(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	one, two, strange := w.browser(), w.browser(), w.browser()
	two.Address, two.Agent = "198.51.100.9", "Other/2"
	anna.known(&one)
	w.later(time.Minute)
	anna.known(&two)
	bert.known(&strange)
	list, err := w.Remembered(t.Context(), anna.id)
	w.must(err)
	at := func(b login.Browser) int {
		return slices.IndexFunc(list, func(k idp.Known) bool { return k.Browser == b.ID })
	}
	if at(two) != 0 || at(one) <= 0 || at(strange) >= 0 || list[0].Address != "198.51.100.9" || list[0].Agent != "Other/2" || !list[0].Token.IsZero() {
		t.Fatalf("%+v", list)
	}
	actor, mine := idp.Actor{User: anna.id, Name: anna.name}, w.session(two)
	known := func(b login.Browser, p *person, want bool) {
		t.Helper()
		if got, err := w.db.KnownBrowser(t.Context(), b.Known.Hash(), p.id); err != nil || got != want {
			t.Errorf("remembered: %v, %v, want %v", got, err, want)
		}
	}
	others, err := w.Remembered(t.Context(), bert.id)
	w.must(err)
	w.refuses("another's browser", w.Forget(t.Context(), actor, mine, others[0].N), idp.ErrNotFound)
	w.must(w.Forget(t.Context(), actor, mine, list[at(one)].N))
	known(one, anna, false)
	known(two, anna, true)
	w.session(one)
	w.refuses("the same twice", w.Forget(t.Context(), actor, mine, list[at(one)].N), idp.ErrNotFound)
	w.must(w.Forget(t.Context(), actor, mine, 0))
	known(two, anna, false)
	known(strange, bert, true)
	w.refuses("all of none", w.Forget(t.Context(), actor, mine, 0), idp.ErrNotFound)
	a, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 2})
	w.must(err)
	for i, want := range []string{"all", ""} {
		if e := a.Events[i]; e.Kind != idp.EventForgot || e.Detail["reason"] != want || e.Actor != actor {
			t.Errorf("%+v", e)
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	anna.signIn(&b)
	actor, mine := idp.Actor{User: anna.id, Name: anna.name}, w.session(b)
	w.must(w.ChooseLanguage(t.Context(), actor, mine, "nl-BE"))
	w.must(w.ChooseLanguage(t.Context(), actor, mine, "nl-BE")) // changes nothing
	if err := w.ChooseLanguage(t.Context(), actor, mine, "not a tag"); err == nil {
		t.Error("taken: what is no tag")
	}
	a, err := w.db.Account(t.Context(), anna.id)
	w.must(err)
	if a.User.Locale != "nl-BE" || a.User.DisplayName == "" {
		t.Errorf("%+v", a.User)
	}
	w.session(b) // nothing ends by it
	happened, err := w.Activity(t.Context(), anna.id, idp.Page{Limit: 2})
	w.must(err)
	if e := happened.Events[0]; e.Kind != idp.EventUserChanged || e.Foreign || e.Detail["reason"] != "language" {
		t.Errorf("%+v", e)
	}
	if e := happened.Events[1]; e.Kind == idp.EventUserChanged {
		t.Errorf("changed twice: %+v", e)
	}
}
