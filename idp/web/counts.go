package web

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

// AddressGuard bounds what goes wrong by client address; *limit.Addresses implements it.
type AddressGuard interface {
	Open(address string) (retry time.Duration, ok bool) // uses nothing up
	Count(address string)
}

// BrowserGuard is the same by browser; *limit.Browsers implements it.
type BrowserGuard interface {
	Open(id idp.TokenHash) (retry time.Duration, ok bool)
	Count(id idp.TokenHash)
}

// Limits bound what one address, and one browser, may do. What is nil is no bound.
type Limits struct {
	// Begin is how many sign-ins an address begins (600 a minute). One browser
	// that somebody is known in begins one all the same.
	Begin func(address string) (retry time.Duration, ok bool)
	// Failed are wrong passwords and codes of an address (60 a minute). Beyond, only
	// browsers are refused that have failed themselves: Fails of those that nobody
	// is known in (3 in 10 minutes), KnownFails of the others (20).
	Failed            AddressGuard
	Fails, KnownFails BrowserGuard
	// Wrong are wrong one-time links, and wrong codes of forms that link a device, of
	// an address (100 in 10 minutes), WrongBrowser those of one browser (10), which
	// is refused before it uses up what its address may do.
	Wrong        AddressGuard
	WrongBrowser BrowserGuard
}

// signing is page for a step of a sign-in that is under way.
func (s *Server) signing(h handler) http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if errors.Is(err, idp.ErrNotFound) || errors.Is(err, errForm) {
			if over := s.begins(r); over != nil {
				return over
			}
		}
		return err
	})
}

// beginning is page for what begins something that nobody has proven anything for.
func (s *Server) beginning(h handler) http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.begins(r); err != nil {
			return err
		}
		return h(w, r)
	})
}

// begins counts a sign-in that begins. Errors: idp.ErrTooMany as RetryError.
func (s *Server) begins(r *http.Request) error {
	if s.Limits.Begin == nil {
		return nil
	}
	retry, ok := s.Limits.Begin(serve.From(r.Context()).Address)
	if ok {
		return nil
	}
	if b, bound := s.browser(r); bound {
		// Whoever shares an address with somebody who uses it up still gets in, in
		// a browser where a sign-in was finished before.
		known, err := s.Logins.Knows(r.Context(), b)
		if err != nil || known && s.fails(b, known) {
			return err
		}
	}
	return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
}

// fails reports whether a browser has few enough wrong tries.
func (s *Server) fails(b login.Browser, known bool) bool {
	guard := s.Limits.Fails
	if known {
		guard = s.Limits.KnownFails
	}
	if guard == nil {
		return true
	}
	_, ok := guard.Open(b.ID)
	return ok
}

// slowed refuses a try of a browser that has failed itself, where its address has
// failed too often. Errors: idp.ErrTooMany as RetryError.
func (s *Server) slowed(r *http.Request, b login.Browser) error {
	if s.Limits.Failed == nil {
		return nil
	}
	retry, ok := s.Limits.Failed.Open(serve.From(r.Context()).Address)
	if ok || s.fails(b, false) {
		return nil
	}
	known, err := s.Logins.Knows(r.Context(), b)
	if err != nil || known && s.fails(b, true) {
		return err
	}
	return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
}

// failed counts a wrong password or code.
func (s *Server) failed(r *http.Request, b login.Browser) {
	if s.Limits.Failed != nil {
		s.Limits.Failed.Count(serve.From(r.Context()).Address)
	}
	for _, guard := range []BrowserGuard{s.Limits.Fails, s.Limits.KnownFails} {
		if guard != nil {
			guard.Count(b.ID)
		}
	}
}

// inviting is page for a step of a one-time link.
func (s *Server) inviting(h handler) http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if errors.Is(err, idp.ErrNotFound) {
			if over := s.wrong(r); over != nil {
				return over
			}
		}
		return err
	})
}

// wrong counts a link that is none, or a wrong code. Errors: idp.ErrTooMany as
// RetryError, where there were too many: that is what is answered then. Nothing
// that is right is refused by it.
func (s *Server) wrong(r *http.Request) error {
	if b, ok := s.browser(r); ok && s.Limits.WrongBrowser != nil {
		if retry, ok := s.Limits.WrongBrowser.Open(b.ID); !ok {
			return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
		}
		s.Limits.WrongBrowser.Count(b.ID)
	}
	if s.Limits.Wrong == nil {
		return nil
	}
	address := serve.From(r.Context()).Address
	if retry, ok := s.Limits.Wrong.Open(address); !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
	}
	s.Limits.Wrong.Count(address)
	return nil
}
