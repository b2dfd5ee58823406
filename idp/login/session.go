package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/text"
)

// touchEvery is how exactly idp.Session.LastSeenAt is kept: a write for each page
// would cost more than it tells.
const touchEvery = time.Minute

// Session returns the live session of a browser and its user, and notes that it was
// seen. A session cookie that comes from another browser than the one it was given to
// is as none, at every door, so that a stolen cookie alone is worth nothing. Errors:
// idp.ErrNotFound where there is no live session, or its user is disabled.
func (f *Flow) Session(ctx context.Context, b Browser) (*idp.Session, *idp.User, error) {
	if b.Session == "" || b.ID.IsZero() {
		return nil, nil, fmt.Errorf("session: %w", idp.ErrNotFound)
	}
	s, err := f.store.SessionByToken(ctx, b.Session.Hash())
	if err != nil {
		return nil, nil, err
	}
	if subtle.ConstantTimeCompare(s.Browser[:], b.ID[:]) != 1 {
		return nil, nil, fmt.Errorf("session %s in another browser: %w", s.ID, idp.ErrNotFound)
	}
	now := f.now()
	if err := s.Live(now); err != nil {
		return nil, nil, fmt.Errorf("session %s (%w): %w", s.ID, err, idp.ErrNotFound)
	}
	a, err := f.store.Account(ctx, s.User)
	if err != nil {
		return nil, nil, err
	}
	if a.User.State == idp.UserDisabled {
		return nil, nil, fmt.Errorf("session %s: %w", s.ID, idp.ErrNotFound)
	}
	if now.Sub(s.LastSeenAt) >= touchEvery {
		// While nothing can be written, or somebody else changes it, the session goes on, and ends too soon rather than too late.
		if err := f.store.TouchSession(ctx, s.ID, now); err != nil && !errors.Is(err, idp.ErrUnwritable) && !errors.Is(err, idp.ErrBusy) {
			return nil, nil, err
		}
		s.LastSeenAt = now
	}
	return s, &a.User, nil
}

// SessionView is a session as its owner sees it.
type SessionView struct {
	idp.Session
	Clients []SessionClientView // applications signed in to from it, latest first
}

// SessionClientView is an application signed in to from a session.
type SessionClientView struct {
	Name   string
	LastAt time.Time // when it was last signed in to
}

// Sessions lists a person's live sessions, newest first.
func (f *Flow) Sessions(ctx context.Context, user idp.UserID) ([]SessionView, error) {
	sessions, err := f.store.Sessions(ctx, user, f.now())
	if err != nil {
		return nil, err
	}
	used, err := f.store.SessionClients(ctx, user)
	if err != nil {
		return nil, err
	}
	views := make([]SessionView, len(sessions))
	for i, s := range sessions {
		views[i].Session = s
		for _, u := range used {
			if u.Session != s.ID {
				continue
			}
			name, err := f.clientName(ctx, u.Client)
			if err != nil {
				return nil, err
			}
			views[i].Clients = append(views[i].Clients, SessionClientView{Name: name, LastAt: u.LastAt})
		}
	}
	return views, nil
}

// SignOut ends the session s that the person acts in, and every token that was issued
// from it. The browser stays known to them (idp.Known). Errors: idp.ErrNotFound when
// the session has ended already.
func (f *Flow) SignOut(ctx context.Context, actor idp.Actor, s *idp.Session) error {
	return f.endOne(ctx, idp.CutSignedOut, actor, s.User, s.ID)
}

// EndSession ends one session of the person and every token that was issued from it.
// Its browser is not known to them any more: it may be somebody else's. Errors:
// idp.ErrNotFound for another person's session and for one that has ended already.
func (f *Flow) EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error {
	return f.endOne(ctx, idp.CutEndedOne, actor, user, id)
}

// endOne ends one session for a cause, and wakes the person's phones.
func (f *Flow) endOne(ctx context.Context, cause idp.CutCause, actor idp.Actor, user idp.UserID, id idp.SessionID) error {
	_, err := f.store.CutOff(ctx, idp.CutOff{
		User: user, Cause: cause, Session: id,
		Because: idp.Event{At: f.now(), Kind: idp.EventSessionEnded, Actor: actor, User: user, Session: id},
	})
	f.wake(idp.TopicUser(user))
	return err
}

// EndOthers ends all sessions of the person but keep, and what else was begun in
// other browsers (idp.CutEndedOthers). Errors: idp.ErrNotFound when keep is not a
// session of the person.
func (f *Flow) EndOthers(ctx context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error {
	_, err := f.store.CutOff(ctx, idp.CutOff{
		User: user, Cause: idp.CutEndedOthers, Session: keep,
		Because: idp.Event{
			At: f.now(), Kind: idp.EventSessionEnded, Actor: actor, User: user,
			Detail: map[string]string{"reason": "all others"},
		},
	})
	f.wake(idp.TopicUser(user))
	return err
}

// ChooseLanguage changes the language that the person reads, a tag (BCP 47); empty: the one
// of the browser. Errors: FieldError for what is no tag.
func (f *Flow) ChooseLanguage(ctx context.Context, actor idp.Actor, s *idp.Session, locale string) error {
	if locale != "" && !text.Locale(locale) {
		return &idp.FieldError{Field: "locale", Message: "user.locale.bad"}
	}
	return f.store.UpdateUser(ctx, s.User, func(u *idp.User) error {
		if u.Locale == locale {
			return nil
		}
		u.Locale, u.UpdatedAt = locale, f.now()
		u.Note(idp.Event{
			At: f.now(), Kind: idp.EventUserChanged, Actor: actor, User: u.ID, Session: s.ID,
			Detail: map[string]string{"user": u.Name, "reason": "language"},
		})
		return nil
	})
}

// Remembered lists the browsers that are remembered for a person, where one tap is enough
// (idp.Known), the latest first.
func (f *Flow) Remembered(ctx context.Context, user idp.UserID) ([]idp.Known, error) {
	return f.store.KnownBrowsers(ctx, user, f.now())
}

// Forget has one of the browsers that are remembered for the person forgotten, by its
// number; 0: all of them. Sessions there go on. Errors: idp.ErrNotFound where there is none.
func (f *Flow) Forget(ctx context.Context, actor idp.Actor, s *idp.Session, n int64) error {
	e := idp.Event{At: f.now(), Kind: idp.EventForgot, Actor: actor, User: s.User, Session: s.ID}
	if n == 0 {
		e.Detail = map[string]string{"reason": "all"}
	}
	return f.store.ForgetBrowsers(ctx, s.User, n, e)
}

// SignedOut has the names of the applications that were signed in to from a session
// that has ended.
type SignedOut struct {
	Told []string // they are told, and sign the person out (OpenID Connect Back-Channel Logout 1.0)
	Left []string // they cannot be told, and the person may still be signed in to them
}

// signedOutFor is how long after the end of a session its browser is told of it.
const signedOutFor = 10 * time.Minute

// SignedOut returns which applications a session that has ended was signed in to, to
// the browser that it was in, for signedOutFor. Errors: idp.ErrNotFound.
func (f *Flow) SignedOut(ctx context.Context, id idp.SessionID, b Browser) (*SignedOut, error) {
	s, err := f.store.OwnEndedSession(ctx, id, b.ID)
	if err != nil {
		return nil, err
	}
	if f.now().Sub(s.Session.EndedAt) > signedOutFor {
		return nil, fmt.Errorf("session %s ended long ago: %w", id, idp.ErrNotFound)
	}
	out := &SignedOut{}
	told, left := s.Tells()
	for _, list := range []struct {
		ids []idp.ClientID
		to  *[]string
	}{{told, &out.Told}, {left, &out.Left}} {
		for _, c := range list.ids {
			name, err := f.clientName(ctx, c)
			if err != nil {
				return nil, err
			}
			*list.to = append(*list.to, name)
		}
	}
	return out, nil
}

// clientName is the name of an application, or its client id when it is not
// registered any more.
func (f *Flow) clientName(ctx context.Context, id idp.ClientID) (string, error) {
	c, err := f.store.Client(ctx, id)
	switch {
	case err == nil:
		return c.Name, nil
	case !errors.Is(err, idp.ErrNotFound):
		return "", err
	}
	if of, _, ok := idp.TryoutOf(id); ok {
		return idp.TryoutName(string(of)), nil // for as long as its double is not swept
	}
	return string(id), nil
}
