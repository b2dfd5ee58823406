// Package mail sends what people are written: one-time links, and what happened
// to their account.
//
// What is to be sent are rows (idp.Mail), which come into being in the
// transaction of what they tell of, in whatever process. A Sender claims one
// by a conditional update, writes the letter, hands it to the site's mail server
// and settles the row or puts it off. The token of a link is made at that moment
// and stands in the letter alone; a letter that is written again has another one.
// What a crash breaks off is sent again when its claim has run out: a person may
// be written to twice, but they are written to, and the last link is the one that
// works.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"hilum/idp"
)

// Store keeps the mails.
type Store interface {
	// ClaimMail claims a mail that is due. idp.ErrNotFound: none is.
	ClaimMail(ctx context.Context, now time.Time) (*idp.Mail, error)
	Mail(ctx context.Context, id idp.MailID) (*idp.Mail, error)
	UpdateMail(ctx context.Context, id idp.MailID, fn func(*idp.Mail) error) error
	MailFigures(ctx context.Context) (*idp.MailFigures, error)
	// RenewInvitation: idp.ErrNotFound, ErrSettled, ErrExpired when the link is not open any more.
	RenewInvitation(ctx context.Context, id idp.InvitationID, token idp.TokenHash, now time.Time) (*idp.Invitation, error)
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
}

// Occasion is what a letter is written from.
type Occasion struct {
	Mail  *idp.Mail
	User  *idp.User
	Link  *idp.Invitation // nil: the letter has none
	Token idp.Secret      // of the link
}

// Post hands letters to a mail server. Errors are *Refused.
type Post interface {
	// Open connects for several letters.
	Open(ctx context.Context) (Line, error)
}

// Line is a connection to a mail server.
type Line interface {
	// Send hands one letter over; id makes its Message-ID. After an error that
	// says Broken the line is of no use.
	Send(ctx context.Context, id idp.MailID, l *idp.Letter) error
	Close()
}

// Config is what a Sender is built from.
type Config struct {
	Store Store
	Post  Post
	// Whose finds whom a mail about a forgotten password is for, and makes their
	// link. idp.ErrNotFound: nobody is written to.
	Whose func(ctx context.Context, m *idp.Mail) (idp.UserID, idp.InvitationID, error)
	// Write writes the letter.
	Write func(o *Occasion) (*idp.Letter, error)
	Every time.Duration // how often is looked for mail; 0: lookEvery
	Pause time.Duration // after the mail server could not be spoken to; 0: pauseFirst, doubled to pauseMost
	Now   func() time.Time
	Log   *slog.Logger
}

const (
	lookEvery  = time.Second
	pauseFirst = 5 * time.Second
	pauseMost  = time.Minute
	// lanes is how many letters are under way at once.
	lanes = 2
	// perLine is how many letters one connection carries: servers bound it.
	perLine = 50
)

// Sender sends mail. Safe for concurrent use.
type Sender struct{ Config }

// New returns a Sender.
func New(c Config) *Sender {
	if c.Every == 0 {
		c.Every = lookEvery
	}
	if c.Pause == 0 {
		c.Pause = pauseFirst
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Sender{c}
}

// Run sends what is due until ctx ends. Every goroutine it starts has ended when
// it returns; letters under way are broken off and put back.
func (s *Sender) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range lanes {
		wg.Go(func() { s.lane(ctx) }) // ends with ctx
	}
	wg.Wait()
}

// lane sends one letter after the other while any is due, and looks again.
func (s *Sender) lane(ctx context.Context) {
	failing, pause := false, time.Duration(0)
	for ctx.Err() == nil {
		ok, err := s.round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.Error("mail cannot be looked for", "error", err)
		}
		failing = err != nil
		wait := s.Every
		if ok {
			pause = 0
		} else {
			pause = min(max(2*pause, s.Pause), max(pauseMost, s.Pause))
			wait = max(wait, pause)
		}
		sleep(ctx, wait)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// round sends what is due over one connection. false: the mail server cannot be
// spoken to. The error is the store's.
func (s *Sender) round(ctx context.Context) (bool, error) {
	var line Line
	defer func() {
		if line != nil {
			line.Close()
		}
	}()
	for range perLine {
		m, err := s.Store.ClaimMail(ctx, s.Now())
		switch {
		case errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrSettled):
			return true, nil
		case err != nil:
			return true, err
		}
		var r *Refused
		if line, r = s.send(ctx, m, line); r != nil && r.Broken && r.Said != "" {
			return false, nil
		}
	}
	return true, nil
}

// send tries one mail and keeps what became of it.
func (s *Sender) send(ctx context.Context, m *idp.Mail, line Line) (Line, *Refused) {
	line, err := s.try(ctx, m, line)
	var r *Refused
	if err != nil && !errors.As(err, &r) {
		r = &Refused{Failure: idp.Failure{Said: idp.UnsentLater}, Err: err} // ours: the store, the keys
	}
	broken := r != nil && r.Said != "" && ctx.Err() != nil
	// What has come of it is kept although the provider ends.
	kept := s.Store.UpdateMail(context.WithoutCancel(ctx), m.ID, func(now *idp.Mail) error {
		if broken {
			return now.BrokenOff(m.Tries, s.Now())
		}
		var f idp.Failure
		if r != nil { // a failure that says nothing: it was taken, and the connection broke
			f = r.Failure
		}
		return now.Attempted(m.Tries, f, s.Now())
	})
	if kept != nil && !errors.Is(kept, idp.ErrSettled) { // settled: our claim had run out
		s.Log.Error("what became of a mail cannot be kept", "mail", m.ID, "error", kept)
	}
	if r != nil && !broken && r.Said != "" && r.Said != idp.UnsentNobody && r.Said != idp.UnsentWithdrawn {
		s.Log.Warn("a mail was not sent", "mail", m.ID, "kind", m.Kind, "user", m.User, "try", m.Tries, "said", string(r.Said), "error", r.Err)
	}
	return line, r
}

// try sends one mail, over line or a new one, which it returns.
func (s *Sender) try(ctx context.Context, m *idp.Mail, line Line) (Line, error) {
	if m.Kind == idp.MailForgotten && m.Invitation == "" {
		user, link, err := s.Whose(ctx, m)
		if errors.Is(err, idp.ErrNotFound) {
			return line, refused(idp.UnsentNobody, err)
		}
		if err != nil {
			return line, err
		}
		// Kept at once: whoever tries again must not count as another who asks.
		if err := s.Store.UpdateMail(ctx, m.ID, func(now *idp.Mail) error { now.Belongs(user, link); return nil }); err != nil {
			return line, err
		}
		m.Belongs(user, link)
	}
	o := &Occasion{Mail: m}
	var err error
	if o.User, err = s.Store.User(ctx, m.User); errors.Is(err, idp.ErrNotFound) {
		return line, refused(idp.UnsentWithdrawn, err)
	} else if err != nil {
		return line, err
	}
	if o.User.Email == "" && m.Detail["to"] == "" {
		return line, refused(idp.UnsentAddress, errors.New("the person has no address"))
	}
	// Connected first: a link is renewed only when its letter can go.
	if line == nil {
		if line, err = s.Post.Open(ctx); err != nil {
			return nil, err
		}
	}
	if m.Invitation != "" {
		o.Token = idp.NewToken()
		o.Link, err = s.Store.RenewInvitation(ctx, m.Invitation, o.Token.Hash(), s.Now())
		if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrExpired) {
			return line, refused(idp.UnsentWithdrawn, err)
		}
		if err != nil {
			return line, err
		}
	}
	letter, err := s.Write(o)
	if err != nil {
		return line, err
	}
	if to := m.Detail["to"]; to != "" {
		letter.To = to
	}
	err = line.Send(ctx, m.ID, letter)
	if r := (*Refused)(nil); errors.As(err, &r) && r.Broken {
		line.Close()
		line = nil
	}
	return line, err
}

// Refused says why a letter did not go.
type Refused struct {
	idp.Failure
	Broken bool // the connection is of no use, or there is none
	Err    error
}

func (r *Refused) Error() string { return string(r.Said) + ": " + r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

func refused(said idp.Unsent, err error) *Refused {
	return &Refused{Failure: idp.Failure{Said: said, Final: true}, Err: err}
}
