package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Where transactions run side by side, two of them may read the same, decide by it, and both
// write: a code is then used twice. So a transaction holds a person, or where there is none the
// thing that it is about, before the first read that decides, to its end. Who comes second waits
// there, and reads what the first has left. It is a lock on a name, not on a row: it also holds
// what has no row yet, such as a counter.
//
// What is held is held in one order, so that nobody waits in a circle: a person, their sign-in,
// a thing, an application, then what there is one of: the administrators, the keys, the log.
//
// An application is shared by all that it is given something in: they do not wait for one another.
// Whoever disables or deletes it holds it, and is answered when those have ended; what comes
// later is given nothing.

const (
	holdAdministrators engine.Key = "administrators"
	holdKeys           engine.Key = "keys"
	holdLog            engine.Key = "log"
	holdClients        engine.Key = "clients"
	holdSite           engine.Key = "site"
	holdRegistrations  engine.Key = "registrations"
	holdVAPID          engine.Key = "vapid"
	holdWakes          engine.Key = "wakes"
	holdJobs           engine.Key = "jobs"
)

const (
	beforePerson engine.Key = "person "
	beforeClient engine.Key = "client "
)

func ofPerson(id idp.UserID) engine.Key     { return beforePerson + engine.Key(id) }
func ofLogin(id idp.LoginID) engine.Key     { return "login " + engine.Key(id) }
func ofClient(id idp.ClientID) engine.Key   { return beforeClient + engine.Key(id) }
func ofThing(kind, id string) engine.Key    { return engine.Key(kind + " " + id) }
func ofPairing(id idp.PairingID) engine.Key { return "offer " + engine.Key(id) }
func ofCounter(k idp.CounterKey) engine.Key {
	if u := k.User(); u != "" {
		return ofPerson(u)
	}
	return "counter " + engine.Key(k.Who)
}

// rank is where a key stands in the order.
func rank(k engine.Key) int {
	switch {
	case strings.HasPrefix(string(k), string(beforePerson)), strings.HasPrefix(string(k), "counter "):
		return 0
	case strings.HasPrefix(string(k), "login "):
		return 1
	case strings.HasPrefix(string(k), string(beforeClient)):
		return 3
	}
	if i := slices.Index([]engine.Key{holdAdministrators, holdKeys, holdLog}, k); i >= 0 {
		return 10 + i
	}
	return 2
}

// hold holds names, in the order in which they are given. See above.
func (t *tx) hold(keys ...engine.Key) error {
	if err := t.strict.hold(keys...); err != nil {
		return err
	}
	if !t.deferred {
		return nil
	}
	for _, k := range keys {
		if name, ok := strings.CutPrefix(string(k), string(beforePerson)); ok {
			t.owners = append(t.owners, &name)
		}
	}
	return t.in.Hold(keys...)
}

// tryHold is hold for whom there is nothing to do where another transaction holds the name: held is
// false then.
func (t *tx) tryHold(k engine.Key) (held bool, err error) {
	if err := t.strict.hold(k); err != nil {
		return false, err
	}
	return t.in.TryHold(k)
}

// holdOwner holds the person whom a row is of, then other names: the query's only column is
// that person, empty where there is none. Whether the row is of somebody else by now, ours says.
func (t *tx) holdOwner(query string, args []any, keys ...engine.Key) error {
	if err := t.strict.hold(beforePerson); err != nil {
		return err
	}
	if t.deferred {
		var owner string
		t.owners = append(t.owners, &owner)
		if err := t.in.HoldRow(beforePerson, query, args, &owner); err != nil {
			return err
		}
	}
	return t.hold(keys...)
}

// holdRow holds what a row names, by a query of one column.
func (t *tx) holdRow(before engine.Key, query string, args ...any) error {
	if err := t.strict.hold(before); err != nil || !t.deferred {
		return err
	}
	var name string
	return t.in.HoldRow(before, query, args, &name)
}

// share shares a name, see engine.Tx.
func (t *tx) share(k engine.Key) error {
	if err := t.strict.hold(k); err != nil {
		return err
	}
	return t.in.Share(k)
}

// shareRow shares what a row names, by a query of one column.
func (t *tx) shareRow(before engine.Key, query string, args ...any) error {
	if err := t.strict.hold(before); err != nil {
		return err
	}
	return t.in.ShareRow(before, query, args)
}

// errMoved has the engine run the transaction again.
var errMoved = fmt.Errorf("a row became another person's meanwhile: %w", engine.ErrAgain)

// ours returns nil when a person is held, or nobody has to be: it is to be asked after a read
// that came behind holdOwner.
func (t *tx) ours(user idp.UserID) error {
	if !t.deferred || user == "" {
		return nil
	}
	for _, o := range t.owners {
		if *o == string(user) {
			return nil
		}
	}
	return errMoved
}

// strict notes what a transaction reads and holds, and fails one that writes by what it read
// when nothing was held. For tests: nil watches nothing.
type strict struct {
	held   []engine.Key
	looked string // a statement that read while nothing was held
}

// errUnheld is a fault of this package.
var errUnheld = errors.New("a transaction decides by what it holds nothing of")

func (s *strict) hold(keys ...engine.Key) error {
	if s == nil {
		return nil
	}
	for _, k := range keys {
		if n := len(s.held); n > 0 && rank(s.held[n-1]) > rank(k) {
			return fmt.Errorf("%q is held behind %q: %w", k, s.held[n-1], errUnheld)
		}
		s.held = append(s.held, k)
	}
	s.looked = ""
	return nil
}

func (s *strict) read(query string) {
	if s != nil && len(s.held) == 0 && s.looked == "" {
		s.looked = query
	}
}

func (s *strict) write(query string) error {
	if s == nil || s.looked == "" {
		return nil
	}
	return fmt.Errorf("%q was read, then %q: %w", s.looked, query, errUnheld)
}

// Exec is engine.Statements'.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	if err := t.strict.write(query); err != nil {
		return 0, err
	}
	return t.session.Exec(query, args...)
}

// put is Exec for whom the number of rows says nothing.
func (t *tx) put(query string, args ...any) error {
	if err := t.strict.write(query); err != nil {
		return err
	}
	return t.in.Put(query, args...)
}

// sure is put for a change of one row that has to be there. Errors, at the latest from the commit:
// idp.ErrNotFound.
func (t *tx) sure(query string, args ...any) error {
	if err := t.strict.write(query); err != nil {
		return err
	}
	return t.in.Sure(query, args...)
}

// must fails with otherwise, at the latest from the commit, where a query of one column finds nothing.
func (t *tx) must(otherwise error, query string, args ...any) error {
	if err := t.strict.write(query); err != nil {
		return err
	}
	return t.in.Must(otherwise, query, args...)
}

// later is Each for rows that are not needed yet: next is called, at the latest, with the next
// statement that is answered.
func (t *tx) later(query string, args []any, next func() []any) error {
	t.strict.read(query)
	return t.in.Later(query, args, next)
}

// Row is engine.Statements'.
func (t *tx) Row(query string, args []any, dest ...any) error {
	t.strict.read(query)
	return t.session.Row(query, args, dest...)
}

// Each is engine.Statements'.
func (t *tx) Each(query string, args []any, next func() []any) error {
	t.strict.read(query)
	return t.session.Each(query, args, next)
}

// claim is Row for a queue that several take from: it holds the row, and passes over those that
// others have.
func (t *tx) claim(query string, args []any, dest ...any) error {
	if err := t.strict.hold("row"); err != nil {
		return err
	}
	return t.in.Claim(query, args, dest...)
}

// locking is a transaction whose rows are held as they are read, one by one.
type locking struct{ *tx }

// Row is lock.
func (l locking) Row(query string, args []any, dest ...any) error {
	return l.lock(query, args, dest...)
}

// lock is Row for a row that is then held.
func (t *tx) lock(query string, args []any, dest ...any) error {
	if err := t.strict.hold("row"); err != nil {
		return err
	}
	return t.in.Lock(query, args, dest...)
}
