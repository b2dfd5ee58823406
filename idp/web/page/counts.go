package page

import (
	"errors"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// A hospital is one address. What is counted by address is what begins and what
// goes wrong: never a page that is looked at, never a step that succeeds, and never
// a link that cannot be guessed. Whoever does wrong is slowed before those who share
// the address with them: first the browser, and one that somebody is known in last.
// Accounts are guarded by their own counters, whatever the address (package limit).

// AddressGuard counts what goes wrong by client address: Open reports whether an
// address may go on, else after how long it may, and Count notes one wrong try.
// *limit.Addresses implements it.
type AddressGuard interface {
	Open(address string) (retry time.Duration, ok bool) // uses nothing up
	Count(address string)
}

// BrowserGuard is the same by browser, which is named by the hash of its binding
// cookie; *limit.Browsers implements it.
type BrowserGuard interface {
	Open(id idp.TokenHash) (retry time.Duration, ok bool)
	Count(id idp.TokenHash)
}

// Limits bound what one address, and one browser, may do. A field that is nil bounds
// nothing. The numbers are those of the default configuration.
type Limits struct {
	// Begin is how many sign-ins an address begins (600 a minute). One browser
	// that somebody is known in begins one all the same.
	Begin func(address string) (retry time.Duration, ok bool)
	// Failed are wrong passwords and codes of an address (60 a minute). Beyond, only
	// browsers are refused that have failed themselves: Fails of those that nobody
	// is known in (3 in 10 minutes), KnownFails of the others (20).
	Failed            AddressGuard
	Fails, KnownFails BrowserGuard
	// Wrong are wrong one-time links, and wrong codes in the form of an invitation, of
	// an address (100 in 10 minutes), WrongBrowser those of one browser (10), which
	// is refused before it uses up what its address may do.
	Wrong        AddressGuard
	WrongBrowser BrowserGuard
	// Guess are wrong codes of machines of an address (100 in 10 minutes), GuessAll those of
	// all addresses together (1000): the codes are short, and one is good for whoever types
	// it. Beyond, only browsers that somebody is known in may type one, KnownFails of them
	// wrong.
	Guess, GuessAll AddressGuard
}

// signing is h for a step of a sign-in that is under way. A step of none that this
// browser has, or with a form that says nothing, counts as a sign-in that begins:
// whoever makes up such requests is bounded by address.
func (d *Door) signing(h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if errors.Is(err, idp.ErrNotFound) || errors.Is(err, ErrForm) {
			if over := d.begins(r); over != nil {
				return over
			}
		}
		return err
	}
}

// beginning is h for what begins something that nobody has proven anything for: each
// time counts as a sign-in that begins.
func (d *Door) beginning(h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := d.begins(r); err != nil {
			return err
		}
		return h(w, r)
	}
}

// begins counts a sign-in that begins. Errors: idp.ErrTooMany as *idp.RetryError.
func (d *Door) begins(r *http.Request) error {
	if d.conf.Limits.Begin == nil {
		return nil
	}
	retry, ok := d.conf.Limits.Begin(serve.From(r.Context()).Address)
	if ok {
		return nil
	}
	if b, bound := d.BrowserOf(r); bound {
		// Whoever shares an address with somebody who uses it up still gets in, in
		// a browser where a sign-in was finished before.
		known, err := d.conf.Sessions.Knows(r.Context(), b)
		if err != nil || known && d.fails(b, known) {
			return err
		}
	}
	return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
}

// fails reports whether a browser has few enough wrong tries.
func (d *Door) fails(b login.Browser, known bool) bool {
	guard := d.conf.Limits.Fails
	if known {
		guard = d.conf.Limits.KnownFails
	}
	if guard == nil {
		return true
	}
	_, ok := guard.Open(b.ID)
	return ok
}

// Slowed refuses a password or a code of a browser that has failed too often itself,
// where its address has too. Errors: idp.ErrTooMany as *idp.RetryError.
func (d *Door) Slowed(r *http.Request, b login.Browser) error {
	if d.conf.Limits.Failed == nil {
		return nil
	}
	retry, ok := d.conf.Limits.Failed.Open(serve.From(r.Context()).Address)
	if ok || d.fails(b, false) {
		return nil
	}
	known, err := d.conf.Sessions.Knows(r.Context(), b)
	if err != nil || known && d.fails(b, true) {
		return err
	}
	return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
}

// Failed counts a wrong password, code or recovery code.
func (d *Door) Failed(r *http.Request, b login.Browser) {
	if d.conf.Limits.Failed != nil {
		d.conf.Limits.Failed.Count(serve.From(r.Context()).Address)
	}
	for _, guard := range []BrowserGuard{d.conf.Limits.Fails, d.conf.Limits.KnownFails} {
		if guard != nil {
			guard.Count(b.ID)
		}
	}
}

// everywhere is the address under which GuessAll counts: one for all.
const everywhere = ""

// MayGuess refuses a code of a machine before it is looked up, where too many wrong ones were
// typed. Errors: idp.ErrTooMany as *idp.RetryError.
func (d *Door) MayGuess(r *http.Request, b login.Browser) error {
	retry, ok := open(d.conf.Limits.Guess, serve.From(r.Context()).Address)
	if ok {
		retry, ok = open(d.conf.Limits.GuessAll, everywhere)
	}
	if ok {
		return nil
	}
	known, err := d.conf.Sessions.Knows(r.Context(), b)
	if err != nil || known && d.fails(b, true) {
		return err
	}
	return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
}

// Guessed counts a wrong code of a machine.
func (d *Door) Guessed(r *http.Request, b login.Browser) {
	if d.conf.Limits.Guess != nil {
		d.conf.Limits.Guess.Count(serve.From(r.Context()).Address)
	}
	if d.conf.Limits.GuessAll != nil {
		d.conf.Limits.GuessAll.Count(everywhere)
	}
	if d.conf.Limits.KnownFails != nil {
		d.conf.Limits.KnownFails.Count(b.ID)
	}
}

func open(guard AddressGuard, address string) (retry time.Duration, ok bool) {
	if guard == nil {
		return 0, true
	}
	return guard.Open(address)
}

// inviting is h for a step of a one-time link: one that is not there counts as wrong,
// so that links cannot be guessed.
func (d *Door) inviting(h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if errors.Is(err, idp.ErrNotFound) {
			if over := d.Wrong(r); over != nil {
				return over
			}
		}
		return err
	}
}

// Wrong counts a one-time link that is none, or a wrong code of an invitation, after it
// was found wrong. Errors: idp.ErrTooMany as *idp.RetryError, where there were too many;
// it is answered in place of what was wrong. A right one never comes by here, so none
// is refused.
func (d *Door) Wrong(r *http.Request) error {
	if b, ok := d.BrowserOf(r); ok && d.conf.Limits.WrongBrowser != nil {
		if retry, ok := d.conf.Limits.WrongBrowser.Open(b.ID); !ok {
			return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
		}
		d.conf.Limits.WrongBrowser.Count(b.ID)
	}
	if d.conf.Limits.Wrong == nil {
		return nil
	}
	address := serve.From(r.Context()).Address
	if retry, ok := d.conf.Limits.Wrong.Open(address); !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
	}
	d.conf.Limits.Wrong.Count(address)
	return nil
}
