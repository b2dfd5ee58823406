// Package mail sends what people are written: one-time links, and what happened
// to their account.
//
// What is to be sent are rows (idp.Mail), which the outbox delivers to the site's
// mail server. The token of a link is made when its letter is written, and stands
// in the letter alone; a letter that is written again has another one. A person
// may be written to twice, but they are written to, and the last link is the one
// that works.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hilum/idp"
	"hilum/idp/outbox"
)

// Store keeps the mails.
type Store interface {
	// ClaimMail claims a mail that is due. idp.ErrNotFound: none is.
	ClaimMail(ctx context.Context, now time.Time) (*idp.Mail, error)
	UpdateMail(ctx context.Context, id idp.MailID, fn func(*idp.Mail) error) error
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

// server is whom letters go to: there is one mail server.
type server struct{}

// result is what came of sending one letter.
type result = outbox.Result[idp.Failure]

// Sender sends mail. Safe for concurrent use.
type Sender = outbox.Relay[server, *idp.Mail, idp.Failure]

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
	return outbox.New(outbox.Config[server, *idp.Mail, idp.Failure]{
		Queue:  queue{c.Store},
		Sender: func(server) outbox.Sender[*idp.Mail, idp.Failure] { return &lane{conf: &c} },
		// Looking, which Due leaves to Claim, is all that can fail there.
		Words: outbox.Words{Claim: "mail cannot be looked for", Keep: "what became of a mail cannot be kept", Fail: "a mail was not sent"},
		Attrs: func(m *idp.Mail) []slog.Attr {
			return []slog.Attr{
				slog.String("mail", string(m.ID)), slog.String("kind", string(m.Kind)), slog.String("user", string(m.User)), slog.Int("try", m.Tries),
			}
		},
		Every: c.Every, PerReceiver: lanes, PerSender: perLine, Rest: c.Pause, RestMost: pauseMost, Now: c.Now, Log: c.Log,
	})
}

// queue is the mails as the outbox sees them.
type queue struct{ store Store }

// Due names the mail server: whether a mail is due shows when it is claimed, which
// costs a read while none is.
func (q queue) Due(context.Context, time.Time) ([]server, error) { return []server{{}}, nil }

func (q queue) Claim(ctx context.Context, _ server, now time.Time) (*idp.Mail, error) {
	return q.store.ClaimMail(ctx, now)
}

func (q queue) Settle(ctx context.Context, m *idp.Mail, f idp.Failure, now time.Time) error {
	return q.store.UpdateMail(ctx, m.ID, func(kept *idp.Mail) error { return kept.Attempted(m.Tries, f, now) })
}

func (q queue) PutBack(ctx context.Context, m *idp.Mail, now time.Time) error {
	return q.store.UpdateMail(ctx, m.ID, func(kept *idp.Mail) error { return kept.BrokenOff(m.Tries, now) })
}

// lane sends letters one after the other, over one connection where it lasts.
type lane struct {
	conf *Config
	line Line // nil: none is open
}

// Close ends the connection.
func (l *lane) Close() {
	if l.line != nil {
		l.line.Close()
		l.line = nil
	}
}

// Try sends one letter, and says what an error of it means.
func (l *lane) Try(ctx context.Context, m *idp.Mail) result {
	err := l.send(ctx, m)
	if err == nil {
		return result{}
	}
	var r *Refused
	if !errors.As(err, &r) {
		r = &Refused{Failure: idp.Failure{Said: idp.UnsentLater}, Err: err} // ours: the store, the keys
	}
	if r.Said == "" { // it was taken, and the connection broke
		return result{}
	}
	return result{
		Attempt: r.Failure, Err: r.Err, Said: string(r.Said), Down: r.Broken,
		Quiet: r.Said == idp.UnsentNobody || r.Said == idp.UnsentWithdrawn, // nothing happened to anybody
	}
}

// send writes the letter of a mail and hands it over. Errors: *Refused, and those of
// the store and of writing, which another try may mend.
func (l *lane) send(ctx context.Context, m *idp.Mail) error {
	if m.Kind == idp.MailForgotten && m.Invitation == "" {
		if err := l.address(ctx, m); err != nil {
			return err
		}
	}
	o := &Occasion{Mail: m}
	var err error
	if o.User, err = l.conf.Store.User(ctx, m.User); errors.Is(err, idp.ErrNotFound) {
		return refused(idp.UnsentWithdrawn, err)
	} else if err != nil {
		return err
	}
	if o.User.Email == "" && m.Detail["to"] == "" {
		return refused(idp.UnsentAddress, errors.New("the person has no address"))
	}
	// Connected first: a link is renewed only when its letter can go.
	if l.line == nil {
		line, err := l.conf.Post.Open(ctx)
		if err != nil {
			return err
		}
		l.line = line
	}
	if m.Invitation != "" {
		o.Token = idp.NewToken()
		o.Link, err = l.conf.Store.RenewInvitation(ctx, m.Invitation, o.Token.Hash(), l.conf.Now())
		if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrExpired) {
			return refused(idp.UnsentWithdrawn, err)
		}
		if err != nil {
			return err
		}
	}
	letter, err := l.conf.Write(o)
	if err != nil {
		return err
	}
	if to := m.Detail["to"]; to != "" {
		letter.To = to
	}
	err = l.line.Send(ctx, m.ID, letter)
	if r := (*Refused)(nil); errors.As(err, &r) && r.Broken {
		l.Close()
	}
	return err
}

// address finds out whose the name is that was typed, and keeps it at once: whoever
// tries again must not count as another who asks. Errors: *Refused when it is
// nobody's.
func (l *lane) address(ctx context.Context, m *idp.Mail) error {
	user, link, err := l.conf.Whose(ctx, m)
	if errors.Is(err, idp.ErrNotFound) {
		return refused(idp.UnsentNobody, err)
	}
	if err != nil {
		return err
	}
	if err := l.conf.Store.UpdateMail(ctx, m.ID, func(kept *idp.Mail) error { kept.Belongs(user, link); return nil }); err != nil {
		return err
	}
	m.Belongs(user, link)
	return nil
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
