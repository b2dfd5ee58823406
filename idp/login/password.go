package login

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
)

// The longest user name and password that are looked at, in bytes. A longer name is
// cut off, a longer password is wrong.
const (
	maxTypedName     = idp.MaxEmail
	maxTypedPassword = 2048 // four times what may be chosen: letters with accents may come in parts (Unicode NFD), see password.Check
)

// Password takes user name and password. Errors: idp.ErrWrongSecret (unknown
// name, wrong password and disabled account alike), idp.ErrTooMany and
// idp.ErrBusy as RetryError, idp.ErrSettled, idp.ErrExpired, idp.ErrNotFound.
//
// A right password that lets nobody in (a disabled account, a sign-in for somebody
// else) is a wrong one in every respect: same answer, same work, same count, same
// event. Whatever told them apart would let somebody find out a password without
// its owner hearing of it.
func (f *Flow) Password(ctx context.Context, id idp.LoginID, b Browser, name string, password idp.Secret) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	now := f.now()
	if l.State != idp.LoginLast {
		if err := waits(l, idp.LoginPassword, now); err != nil {
			return nil, err
		}
	} else if err := waits(l, idp.LoginLast, now); err != nil {
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
		if client, err = f.store.Client(ctx, l.Request.Client); err != nil {
			return nil, err
		}
	}
	var a *idp.Account
	var key idp.CounterKey
	if l.State == idp.LoginLast {
		// Of whose second factor was given, whatever name is typed.
		a, err = f.store.Account(ctx, l.User)
		key = idp.CounterKey{Kind: idp.CountPasswords, Who: string(l.User)}
	} else {
		a, key, err = f.whose(ctx, idp.FoldName(name))
	}
	if err != nil {
		return nil, err
	}
	apart, err := f.apart(ctx, l, b, a)
	if err != nil {
		return nil, err
	}
	a, t, rehash, err := f.checkPassword(ctx, l, b, a, key, apart, password)
	if errors.Is(err, errFactorFirst) {
		return f.factorFirst(ctx, id, b, a, key)
	}
	if err != nil {
		return nil, err
	}
	defer t.leave()
	ask := false
	if client != nil {
		// Decided for this person, whoever was here before them.
		if ask, err = f.wantsConsent(ctx, client, &l.Request, a.User.ID); err != nil {
			return nil, err
		}
	}

	var moved idp.Login
	err = f.store.UpdateProof(ctx, id, idp.CountPasswords, t.key.Who, func(p *idp.Proof) error {
		state, l := l.State, p.Login
		if err := bound(l, b); err != nil {
			return err
		}
		if !p.PasswordAt.Equal(a.PasswordAt) {
			return errStalePassword
		}
		if l.State != state || state == idp.LoginLast && l.User != a.User.ID {
			return fmt.Errorf("sign-in %s is at %s by now: %w", id, l.State, idp.ErrSettled)
		}
		if err := t.right(p.Counter, f.now()); err != nil {
			return err
		}
		on := idp.OnPassword
		if l.Purpose == idp.ForInvitation && a.Devices == 0 {
			on = idp.OnInvited
		}
		l.AskConsent = ask
		if err := l.Apply(on, now); err != nil {
			return err
		}
		l.User, l.PasswordAt = a.User.ID, now
		if !l.FactorAt.IsZero() { // it was given first, and this was the last
			l.AuthTime = now
		}
		l.Note(f.event(idp.EventPasswordRight, l, a.User.Name, b))
		moved = *l
		return nil
	})
	switch {
	case errors.Is(err, errStalePassword):
		err = f.wrongPassword(ctx, l, b, a, t)
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		err = f.tooLate(ctx, l, b, a, t, err)
	}
	if errors.Is(err, errFactorFirst) {
		return f.factorFirst(ctx, id, b, a, key)
	}
	if err != nil {
		return nil, err
	}
	t.leave()
	if rehash {
		f.rehash(context.WithoutCancel(ctx), a, password)
	}
	if moved.State == idp.LoginFactor && a.Apps > 0 {
		// No phone is asked where the person has signed in in another tab meanwhile.
		after, err := f.joined(ctx, &moved, b)
		if err != nil {
			return nil, err
		}
		if after.State != idp.LoginFactor {
			return f.stepFor(ctx, after, b, a)
		}
		if err := f.askFor(ctx, id, b, a, false); err != nil {
			return nil, err
		}
		return f.Step(ctx, id, b)
	}
	return f.stepFor(ctx, &moved, b, a)
}

// tooLate answers a right password whose sign-in was moved by another request while
// the password was compared: as a wrong one, or whoever cancels each sign-in in time
// could guess without being counted. Only where the same person's password has moved
// it, as by a second click on the button, the answer is why, the error of the store.
func (f *Flow) tooLate(ctx context.Context, l *idp.Login, b Browser, a *idp.Account, t *try, why error) error {
	now, err := f.store.Login(ctx, l.ID)
	if err == nil && now.User == a.User.ID && !now.PasswordAt.IsZero() {
		return f.forgive(ctx, t, why)
	}
	if err := f.wrongPassword(ctx, l, b, a, t); !errors.Is(err, idp.ErrWrongSecret) {
		return err
	}
	return fmt.Errorf("sign-in %s went elsewhere: %w", l.ID, idp.ErrWrongSecret)
}

// named finds the account that a person means by what they type, as idp.FoldName
// gives it: by sign-in name, or by mail address where no other person has it. A name
// goes before an address. Where there is an @ both are looked up, whatever is found,
// so that the time taken tells nothing. Errors: idp.ErrNotFound.
func (f *Flow) named(ctx context.Context, typed string) (*idp.Account, error) {
	a, err := f.store.AccountByName(ctx, typed)
	if err != nil && !errors.Is(err, idp.ErrNotFound) || !strings.Contains(typed, "@") {
		return a, err
	}
	byMail, errMail := f.store.AccountByEmail(ctx, typed)
	if err == nil {
		return a, nil
	}
	return byMail, errMail
}

// whose finds the account of a typed name, nil for an unknown one, and the key that
// its wrong passwords are counted under: the user's id, whether name or address was
// typed. Of an unknown name it is a keyed hash, because people type their passwords
// into the wrong field, and the database must not have them.
func (f *Flow) whose(ctx context.Context, name string) (*idp.Account, idp.CounterKey, error) {
	a, err := f.named(ctx, name)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		mac := f.sealer.MAC("unknown name", name)
		return nil, idp.CounterKey{Kind: idp.CountPasswords, Who: "?" + hex.EncodeToString(mac[:16])}, nil
	case err != nil:
		return nil, idp.CounterKey{}, err
	}
	return a, idp.CounterKey{Kind: idp.CountPasswords, Who: string(a.User.ID)}, nil
}

// errStalePassword says that the password that was compared was replaced while it was.
var errStalePassword = errors.New("the password was changed meanwhile")

// apart returns by what wrong passwords of a sign-in are counted apart from those of
// strangers, who otherwise would shut the owner out: the sign-in that has given its
// second factor, the invitation, or the known browser; empty for a stranger. Known
// browsers are looked up for an unknown name too, so that the time taken tells nothing.
func (f *Flow) apart(ctx context.Context, l *idp.Login, b Browser, a *idp.Account) (string, error) {
	var user idp.UserID
	if a != nil {
		user = a.User.ID
	}
	switch {
	case l.State == idp.LoginLast && user == l.User:
		return string(l.ID), nil
	case l.Purpose == idp.ForInvitation && user != "" && user == l.Request.HintUser:
		return string(l.Invitation), nil // whoever has no link cannot be here
	}
	token := known(b)
	ok, err := f.store.KnownBrowser(ctx, token, user)
	if err != nil || !ok {
		return "", err
	}
	// By the value itself: a copy of the cookie is counted with it.
	return hex.EncodeToString(token[:16]), nil
}

// try is a password that may be compared.
type try struct {
	key   idp.CounterKey
	rules limit.Policy
	ahead *limit.Try // how it was counted already; nil: it will be with its answer
	leave func()     // lets the next one in; may be called again
}

// right gives the counter what a right password leaves. Errors: those of mayTry, of one
// that was not counted ahead.
func (t *try) right(c *idp.Counter, now time.Time) error {
	if t.ahead != nil {
		t.rules.Forgive(c, t.ahead, now)
	} else if err := mayTry(c, t.rules, now); err != nil {
		return err
	}
	t.rules.Right(c)
	return nil
}

// mayTry returns nil where a counter lets a password be compared. Errors:
// errFactorFirst, idp.ErrTooMany as RetryError.
func mayTry(c *idp.Counter, rules limit.Policy, now time.Time) error {
	if limit.FactorFirst(c, now) {
		return errFactorFirst
	}
	return rules.Allow(c, now)
}

// errSpent says that a counter has counted apart as many as it may.
var errSpent = errors.New("no more are counted apart")

// turnToTry waits until no other request of this process compares a password under the
// same counter, and lets this one. The counter is the one apart (see apart) as long as
// it has fewer than limit.ApartMost wrong tries, else the one that is shared with
// strangers. Errors: those of mayTry, and ctx's.
//
// Other processes have the same counter, not the same queue. So the try is counted
// before the password is hashed, and forgiven when that was right, which costs a
// commit. It is spared where nothing is counted, as at most sign-ins: there a try is
// counted in the transaction in which its answer is decided, and what is told of it is
// what would be told if it came then. The counter that is closed by then keeps the
// answer back, of a right password too. So n instances tell as much as the policy
// allows and no more; they hash up to n-1 guesses in vain, one each, when the first
// others have closed a counter that was empty.
func (f *Flow) turnToTry(ctx context.Context, key idp.CounterKey, apart string) (*try, error) {
	if apart != "" {
		if t, err := f.turnAt(ctx, key.Apart(apart), limit.Apart, limit.ApartMost); !errors.Is(err, errSpent) {
			return t, err
		}
	}
	return f.turnAt(ctx, key, limit.Passwords, 0)
}

// turnAt is turnToTry under one counter, which takes so many in a row; 0: any number.
// Errors: errSpent besides.
func (f *Flow) turnAt(ctx context.Context, key idp.CounterKey, rules limit.Policy, most int) (*try, error) {
	leave, err := f.typing.enter(ctx, key.Who)
	if err != nil {
		return nil, err
	}
	t := &try{key: key, rules: rules, leave: sync.OnceFunc(leave)}
	may := func(c *idp.Counter) error {
		if most > 0 && c.InARow >= most {
			return errSpent
		}
		return mayTry(c, rules, f.now())
	}
	c, err := f.store.Counter(ctx, key)
	if errors.Is(err, idp.ErrNotFound) {
		c, err = &idp.Counter{Key: key}, nil
	}
	if err == nil {
		err = may(c) // a counter that is closed costs no transaction
	}
	if err == nil && !rules.None(c, f.now()) {
		err = f.store.UpdateCounter(ctx, key, nil, func(c *idp.Counter) error {
			if err := may(c); err != nil {
				return err
			}
			ahead := rules.Ahead(c, f.now())
			t.ahead = &ahead
			return nil
		})
	}
	if err != nil {
		t.leave()
		return nil, err
	}
	return t, nil
}

// checkPassword compares a password, and counts a wrong one. It returns the account
// as it is when this request's turn has come, how a right one is counted, whose leave
// the caller calls once that is settled, and whether the hash is to be made anew at a
// higher cost. The work is the same for known, unknown and disabled accounts: a
// counter and an account are read, one hash is computed, and as many counts are
// written. Errors: those of turnToTry, idp.ErrWrongSecret, ErrBusy.
func (f *Flow) checkPassword(ctx context.Context, l *idp.Login, b Browser, a *idp.Account, shared idp.CounterKey, apart string, password idp.Secret) (now *idp.Account, t *try, rehash bool, err error) {
	// One at a time per account: the counter that the next one meets has
	// counted this one, however many are sent at once.
	t, err = f.turnToTry(ctx, shared, apart)
	if err != nil {
		return a, nil, false, err
	}
	right := false
	defer func() {
		if !right {
			t.leave()
		}
	}()
	// Looked up again, nobody too: while this one waited for its turn the password
	// may have been changed, the account disabled.
	var id idp.UserID
	if a != nil {
		id = a.User.ID
	}
	if now, err = f.store.Account(ctx, id); err != nil && !errors.Is(err, idp.ErrNotFound) {
		return a, t, false, f.forgive(ctx, t, err)
	}
	phc := ""
	// Somebody else than the application or the invitation named cannot be right.
	must := l.Request.HintUser
	if now != nil && now.User.State != idp.UserDisabled && (must == "" || must == now.User.ID) {
		phc = now.PasswordHash
	}
	rehash, err = f.passwords.Check(ctx, phc, password)
	switch {
	case err == nil:
		right = true
	case errors.Is(err, idp.ErrWrongSecret):
		err = f.wrongPassword(ctx, l, b, now, t)
	default: // nothing was learned, so nothing is counted
		err = f.forgive(ctx, t, err)
	}
	return now, t, rehash, err
}

// wrongPassword writes down a wrong password, with its event, and returns
// idp.ErrWrongSecret; of one that was not counted ahead also the errors of mayTry, and
// nothing is written. It does so also when the browser has closed the connection
// meanwhile, or closing it would be a way to guess without being counted.
func (f *Flow) wrongPassword(ctx context.Context, l *idp.Login, b Browser, a *idp.Account, t *try) error {
	name := ""
	who := &idp.Login{ID: l.ID, Request: l.Request, Session: l.Session}
	if a != nil {
		who.User, name = a.User.ID, a.User.Name
	}
	e := f.event(idp.EventPasswordWrong, who, name, b)
	err := f.store.UpdateCounter(context.WithoutCancel(ctx), t.key, &e, func(c *idp.Counter) error {
		if t.ahead == nil {
			now := f.now()
			if err := mayTry(c, t.rules, now); err != nil {
				return err
			}
			t.rules.Wrong(c, now)
		} else if !t.ahead.Closes(c) {
			return nil // a lock is another try's, which tells of it
		}
		f.noteLock(c, who, b)
		return nil
	})
	if err != nil {
		return err
	}
	return idp.ErrWrongSecret
}

// forgive takes back the count of a try of which nothing was learned, and returns why
// that is so, or why it could not.
func (f *Flow) forgive(ctx context.Context, t *try, why error) error {
	if t.ahead == nil {
		return why
	}
	err := f.store.UpdateCounter(context.WithoutCancel(ctx), t.key, nil, func(c *idp.Counter) error {
		t.rules.Forgive(c, t.ahead, f.now())
		return nil
	})
	if err != nil {
		return err
	}
	return why
}

// rehash replaces the stored hash of a right password by one of the configured cost.
// Where that fails the old hash stays good, and the log says why.
func (f *Flow) rehash(ctx context.Context, a *idp.Account, password idp.Secret) {
	hash, err := f.passwords.Hash(ctx, password)
	if err == nil {
		err = f.store.RehashPassword(ctx, a.User.ID, a.PasswordHash, hash)
	}
	if err != nil {
		f.log.Warn("password not rehashed", "user", a.User.ID, "error", err)
	}
}

// ChangePassword replaces the password of a session's person, who gives the old one
// and has a fresh second factor (idp.Session.Fresh). All their other sessions end.
// Wrong tries are counted by session, so that strangers who try passwords at a
// sign-in keep nobody from it. Errors: idp.ErrStale, ErrExpired (the session has
// ended), ErrWrongSecret, FieldError (the new password must not be chosen); ErrTooMany
// and ErrBusy as RetryError.
func (f *Flow) ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error {
	if err := s.Fresh(f.now()); err != nil {
		return err
	}
	a, err := f.store.Account(ctx, s.User)
	if err != nil {
		return err
	}
	if err := f.acceptable(new, a.User.Name, a.User.DisplayName, a.User.Email); err != nil {
		return err
	}
	if len(old) > maxTypedPassword {
		old = ""
	}
	key := idp.CounterKey{Kind: idp.CountPasswords, Who: string(a.User.ID)}
	a, t, _, err := f.checkPassword(ctx, &idp.Login{Session: s.ID}, Browser{Address: s.Address}, a, key, string(s.ID), old)
	if err == nil {
		err = f.forgive(ctx, t, nil)
		t.leave()
	}
	if errors.Is(err, errFactorFirst) {
		return &idp.RetryError{Err: idp.ErrTooMany, After: limit.Passwords.FirstFor}
	}
	if err != nil {
		return err
	}
	hash, err := f.passwords.Hash(ctx, new)
	if err != nil {
		return err
	}
	return f.store.SetPassword(ctx, s.User, hash, a.PasswordAt, idp.Within{Session: s.ID, Fresh: true}, idp.Event{
		At: f.now(), Kind: idp.EventPasswordChanged, Actor: idp.Actor{User: a.User.ID, Name: a.User.Name}, User: a.User.ID,
		Session: s.ID, Address: s.Address,
	})
}

// acceptable is Passwords.Acceptable with the site's names among the words that a
// password must not be built from.
func (f *Flow) acceptable(password idp.Secret, words ...string) error {
	return f.passwords.Acceptable(password, append(words, f.rules.Site().Name, f.rules.Site().InApps())...)
}

// turns lets one goroutine at a time in per key, in this process. The zero value is
// ready.
type turns struct {
	mu  sync.Mutex
	who map[string]*turn
}

// turn is the queue of one key.
type turn struct {
	free chan struct{} // holds one value while nobody is in
	n    int           // how many are in or wait; at 0 the key is forgotten
}

// enter waits until nobody else is in under key. The caller calls leave when done.
// Errors: ctx's, when that ends first.
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
