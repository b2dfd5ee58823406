package login

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"hilum/idp"
	"hilum/idp/limit"
)

// What is typed longer than this is wrong without being looked at further.
const (
	maxTypedName     = idp.MaxEmail // bytes
	maxTypedPassword = 2048         // bytes; letters may come apart, see password.Check
)

// Password takes user name and password. Errors: idp.ErrWrongSecret (unknown
// name, wrong password and disabled account alike), idp.ErrTooMany and
// idp.ErrBusy as RetryError, idp.ErrSettled, idp.ErrExpired, idp.ErrNotFound.
//
// A right password that lets nobody in is a wrong one in every respect: same
// answer, same work, same count, same event. Whatever told them apart would let
// somebody try passwords where their owner hears of nothing.
func (f *Flow) Password(ctx context.Context, id idp.LoginID, b Browser, name string, password idp.Secret) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	now := f.Now()
	if err := waits(l, idp.LoginPassword, now); err != nil {
		return nil, err
	}
	if len(name) > maxTypedName {
		name = name[:maxTypedName]
	}
	if len(password) > maxTypedPassword {
		password = ""
	}
	var client *idp.Client
	if l.Purpose == idp.ForClient {
		// Before anything is known of the password: that the application was removed
		// must not tell a right one.
		if client, err = f.Store.Client(ctx, l.Request.Client); err != nil {
			return nil, err
		}
	}
	a, key, rehash, err := f.checkPassword(ctx, l, b, idp.FoldName(name), password)
	if err != nil {
		return nil, err
	}
	ask := false
	if client != nil {
		// Decided for this person, whoever was here before them.
		if ask, err = f.wantsConsent(ctx, client, &l.Request, a.User.ID); err != nil {
			return nil, err
		}
	}

	var moved idp.Login
	err = f.Store.UpdateProof(ctx, id, idp.CountPasswords, key.Who, func(p *idp.Proof) error {
		l := p.Login
		if err := bound(l, b); err != nil {
			return err
		}
		if !p.PasswordAt.Equal(a.PasswordAt) {
			return errStalePassword
		}
		on := idp.OnPassword
		if l.Purpose == idp.ForInvitation && a.Devices == 0 {
			on = idp.OnInvited
		}
		if err := l.Apply(on, now); err != nil {
			return err
		}
		l.User, l.PasswordAt, l.AskConsent = a.User.ID, now, ask
		limit.Passwords.Right(p.Counter)
		l.Note(f.event(idp.EventPasswordRight, l, a.User.Name, b))
		moved = *l
		return nil
	})
	if errors.Is(err, errStalePassword) {
		if err = f.countPassword(ctx, l, b, a, key); err == nil {
			err = idp.ErrWrongSecret
		}
		return nil, err
	}
	if errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrExpired) {
		return nil, f.tooLate(ctx, l, b, a, key, err)
	}
	if err != nil {
		return nil, err
	}
	if rehash {
		f.rehash(context.WithoutCancel(ctx), a, password)
	}
	if moved.State == idp.LoginFactor && a.Apps > 0 {
		if err := f.askFor(ctx, id, b, a, false); err != nil {
			return nil, err
		}
		return f.Step(ctx, id, b)
	}
	return f.stepFor(ctx, &moved, a)
}

// tooLate answers a right password whose sign-in went elsewhere while it was
// looked at: as a wrong one, or whoever cancels each sign-in in time could guess
// unseen. Only the second of two clicks of the same person is told what it is.
func (f *Flow) tooLate(ctx context.Context, l *idp.Login, b Browser, a *idp.Account, key idp.CounterKey, why error) error {
	now, err := f.Store.Login(ctx, l.ID)
	if err == nil && now.User == a.User.ID && !now.PasswordAt.IsZero() {
		return why
	}
	if err := f.countPassword(ctx, l, b, a, key); err != nil {
		return err
	}
	return fmt.Errorf("sign-in %s went elsewhere: %w", l.ID, idp.ErrWrongSecret)
}

// named finds the account that a person means by what they type, folded: their
// name, or their mail address while it is nobody else's. A name goes before an
// address. With an @ both are looked for whatever is found, so that how long it
// takes tells nothing. Errors: idp.ErrNotFound.
func (f *Flow) named(ctx context.Context, typed string) (*idp.Account, error) {
	a, err := f.Store.AccountByName(ctx, typed)
	if err != nil && !errors.Is(err, idp.ErrNotFound) || !strings.Contains(typed, "@") {
		return a, err
	}
	byMail, errMail := f.Store.AccountByEmail(ctx, typed)
	if err == nil {
		return a, nil
	}
	return byMail, errMail
}

// whose finds the account of a typed name, nil for an unknown one, and the key
// its wrong passwords are counted under: the account's, however it was named. The
// key of an unknown name is keyed: people type passwords into the wrong field.
func (f *Flow) whose(ctx context.Context, name string) (*idp.Account, idp.CounterKey, error) {
	a, err := f.named(ctx, name)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		mac := f.Sealer.MAC("unknown name", name)
		return nil, idp.CounterKey{Kind: idp.CountPasswords, Who: "?" + hex.EncodeToString(mac[:16])}, nil
	case err != nil:
		return nil, idp.CounterKey{}, err
	}
	return a, idp.CounterKey{Kind: idp.CountPasswords, Who: string(a.User.ID)}, nil
}

// errStalePassword: what was compared was the password a moment ago.
var errStalePassword = errors.New("the password was changed meanwhile")

// checkPassword compares, and counts what is wrong. Known, unknown and disabled
// accounts go the same way: one look at the account and at a counter, one hash,
// one count. name is folded; the account is nil for an unknown one.
func (f *Flow) checkPassword(ctx context.Context, l *idp.Login, b Browser, name string, password idp.Secret) (a *idp.Account, key idp.CounterKey, rehash bool, err error) {
	if a, key, err = f.whose(ctx, name); err != nil {
		return nil, key, false, err
	}
	// One at a time per account: the counter that the next one meets has
	// counted this one, however many are sent at once.
	leave, err := f.typing.enter(ctx, key.Who)
	if err != nil {
		return nil, key, false, err
	}
	defer leave()
	// Looked up again: while this one waited for its turn the password may have
	// been changed, the account disabled.
	if a, key, err = f.whose(ctx, name); err != nil {
		return nil, key, false, err
	}
	c, err := f.Store.Counter(ctx, key)
	if errors.Is(err, idp.ErrNotFound) {
		c, err = &idp.Counter{Key: key}, nil
	}
	if err != nil {
		return nil, key, false, err
	}
	if err := limit.Passwords.Allow(c, f.Now()); err != nil {
		return nil, key, false, err
	}
	phc := ""
	// Somebody else than the application or the invitation named cannot be right.
	must := l.Request.HintUser
	if a != nil && a.User.State != idp.UserDisabled && (must == "" || must == a.User.ID) {
		phc = a.PasswordHash
	}
	rehash, err = f.Passwords.Check(ctx, phc, password)
	if errors.Is(err, idp.ErrWrongSecret) {
		if err = f.countPassword(ctx, l, b, a, key); err == nil {
			err = idp.ErrWrongSecret
		}
	}
	return a, key, rehash, err
}

// countPassword counts a wrong password, with its event, also when the browser
// has gone meanwhile.
func (f *Flow) countPassword(ctx context.Context, l *idp.Login, b Browser, a *idp.Account, key idp.CounterKey) error {
	name := ""
	who := &idp.Login{ID: l.ID, Request: l.Request, Session: l.Session}
	if a != nil {
		who.User, name = a.User.ID, a.User.Name
	}
	e := f.event(idp.EventPasswordWrong, who, name, b)
	return f.Store.UpdateCounter(context.WithoutCancel(ctx), key, &e, func(c *idp.Counter) error {
		limit.Passwords.Wrong(c, f.Now())
		f.noteLock(c, who, b)
		return nil
	})
}

// rehash raises the cost of a stored hash; the old one stays good when it fails.
func (f *Flow) rehash(ctx context.Context, a *idp.Account, password idp.Secret) {
	hash, err := f.Passwords.Hash(ctx, password)
	if err == nil {
		err = f.Store.RehashPassword(ctx, a.User.ID, a.PasswordHash, hash)
	}
	if err != nil {
		f.Log.Warn("password not rehashed", "user", a.User.ID, "error", err)
	}
}

// ChangePassword needs the old password and a fresh second factor. All other
// sessions end. Errors: idp.ErrStale, ErrWrongSecret, FieldError, ErrTooMany, ErrBusy.
func (f *Flow) ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error {
	if err := s.Fresh(f.Now()); err != nil {
		return err
	}
	a, err := f.Store.Account(ctx, s.User)
	if err != nil {
		return err
	}
	if err := f.acceptable(new, a.User.Name, a.User.DisplayName, a.User.Email); err != nil {
		return err
	}
	if len(old) > maxTypedPassword {
		old = ""
	}
	a, _, _, err = f.checkPassword(ctx, &idp.Login{Session: s.ID}, Browser{Address: s.Address}, a.User.Name, old)
	if err != nil {
		return err
	}
	hash, err := f.Passwords.Hash(ctx, new)
	if err != nil {
		return err
	}
	return f.Store.SetPassword(ctx, s.User, hash, a.PasswordAt, idp.Within{Session: s.ID, Fresh: true}, idp.Event{
		At: f.Now(), Kind: idp.EventPasswordChanged, Actor: idp.Actor{User: a.User.ID, Name: a.User.Name}, User: a.User.ID,
		Session: s.ID, Address: s.Address,
	})
}

func (f *Flow) acceptable(password idp.Secret, words ...string) error {
	return f.Passwords.Acceptable(password, append(words, f.Rules.Site().Name, f.Rules.Site().InApps())...)
}

// turns lets one at a time pass per key. The zero value is ready.
type turns struct {
	mu  sync.Mutex
	who map[string]*turn
}

type turn struct {
	free chan struct{} // holds one value while nobody is in
	n    int           // in or waiting
}

// enter waits until nobody else is in under key, or ctx ends.
func (t *turns) enter(ctx context.Context, key string) (leave func(), err error) {
	t.mu.Lock()
	if t.who == nil {
		t.who = map[string]*turn{}
	}
	at := t.who[key]
	if at == nil {
		at = &turn{free: make(chan struct{}, 1)}
		at.free <- struct{}{}
		t.who[key] = at
	}
	at.n++
	t.mu.Unlock()

	gone := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if at.n--; at.n == 0 {
			delete(t.who, key)
		}
	}
	select {
	case <-at.free:
		return func() { at.free <- struct{}{}; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
}
