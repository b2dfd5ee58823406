// Package engine is what the store asks of a database, whichever it is: statements, and
// transactions that are whole or not at all. Its implementations are beside it, sqlite and
// postgres; what they share is here, too.
//
// The text of a statement is the same for all. It is written as SQLite takes it, with "?"
// for each argument, and an engine rewrites it once, when it prepares it: PostgreSQL numbers
// its arguments, and knows neither INDEXED BY nor that a CROSS JOIN keeps the order in which
// tables are written.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"hilum/idp"
)

// ErrAgain says that a transaction is to be run once more: what it held is not what it has to
// hold.
var ErrAgain = errors.New("run again")

// ErrClosed says that a database was closed.
var ErrClosed = errors.New("the database is closed")

// ErrUnknown says that a transaction may have been committed, and may not: the server was lost
// before it answered. Whoever was told looks before they do it again.
var ErrUnknown = errors.New("whether it was committed is not known")

// ErrHeld says that a transaction gave up waiting for what another one holds. Nothing was changed,
// and it says nothing of the database: it is an idp.ErrBusy.
var ErrHeld = fmt.Errorf("another transaction holds what it needs for too long: %w", idp.ErrBusy)

// HeldRetry is when callers are to come back then.
const HeldRetry = 5 * time.Second

// UnwritableRetry is when callers are to come back where nothing can be written: somebody has
// to act first, mostly.
const UnwritableRetry = 10 * time.Second

// Statements runs SQL that is written by hand. Texts are constants or made from constants;
// each is prepared at its first use. Arguments and destinations are strings, int64, bool and
// []byte, or pointers to them.
type Statements interface {
	// Exec returns how many rows were changed. Errors: idp.ErrConflict.
	Exec(query string, args ...any) (int64, error)
	// Row reads the first row into dest. Errors: idp.ErrNotFound.
	Row(query string, args []any, dest ...any) error
	// Each reads all rows, each into what next returns.
	Each(query string, args []any, next func() []any) error
}

// Session runs statements by hand and by gorm, in a transaction or each by itself.
type Session interface {
	Statements
	ORM() *gorm.DB
	// Translate gives an error of gorm its name here: idp.ErrNotFound, idp.ErrConflict. Any
	// other stays as it is.
	Translate(err error) error
}

// Key names what transactions hold one after another: a person, a sign-in, the keys.
type Key string

// Tx is a transaction. It is for one goroutine.
type Tx interface {
	Session
	// Put is Exec for whom the number of rows says nothing. An engine may keep it until the
	// next statement that is answered, or the commit: an error of it, idp.ErrConflict too,
	// then comes from there.
	Put(query string, args ...any) error
	// Sure is Put for a change that has to meet a row. Errors, as those of Put: idp.ErrNotFound.
	Sure(query string, args ...any) error
	// Must fails with otherwise where a query, of one column, finds nothing. It may be asked as
	// late as Put.
	Must(otherwise error, query string, args ...any) error
	// Later is Each for rows that are not needed yet: next is called, at the latest, with the next
	// statement that is answered.
	Later(query string, args []any, next func() []any) error
	// Hold waits until no other transaction holds any of the keys, and holds them to the
	// end. What is read after it is as the last holder left it. An engine that runs one
	// transaction after another has nothing to wait for.
	Hold(keys ...Key) error
	// TryHold is Hold for whom there is nothing to do where another transaction holds the key:
	// held is false then.
	TryHold(k Key) (held bool, err error)
	// HoldRow is Hold for a key that has to be read: of the first row of a query, its only
	// column. Where there is no such row nothing is held. A key is put before the text that
	// was read. held is told what it was, at the latest with the next statement that is
	// answered; of an engine that holds nothing it stays empty.
	HoldRow(before Key, query string, args []any, held *string) error
	// Share waits until no other transaction holds the key by Hold, and keeps those that come to
	// hold it waiting to the end. Those who share a key do not wait for one another. ShareRow is
	// Share for a key that has to be read, as HoldRow is Hold.
	Share(k Key) error
	ShareRow(before Key, query string, args []any) error
	// Next is a number that no row of a list has: one more than its greatest, or later.
	Next(list string) (int64, error)
	// Claim is Row for a queue that several take from: a row that another transaction holds is
	// passed over. Lock is Row that waits for it instead. Either row is held to the end.
	Claim(query string, args []any, dest ...any) error
	Lock(query string, args []any, dest ...any) error
}

// Work is what the store remembers of a transaction, beside what it has written. One serves
// all transactions that are committed together.
type Work interface {
	Tx() Tx
	// Mark remembers where the work is now. Undo takes back, in memory, what was done since the
	// last mark, when that is taken back in the database.
	Mark()
	Undo()
	// Noted counts the events that were written so far.
	Noted() int64
	// Finish writes what was gathered, right before the commit.
	Finish() error
	// Committed is called when the transaction is on disk.
	Committed()
}

// Hooks are what an engine calls the store by.
type Hooks struct {
	// Begin begins the work of a transaction.
	Begin func(Tx) Work
	// Wrote is told what came of each commit, or of what kept one from being tried. Nil: nobody
	// wants to know.
	Wrote func(error)
}

// Engine is an open database.
type Engine interface {
	// Write runs fn in a transaction and returns when it is on disk, or when it is certain
	// that it never will be; a server that stays away leaves that open (ErrUnknown). An error or a panic of fn leaves nothing behind. fn may run more
	// than once. A context that ends before fn begins prevents it; one that ends later
	// changes nothing. Errors: idp.ErrUnwritable, where it is the database that takes nothing;
	// ErrHeld.
	Write(ctx context.Context, fn func(Work) error) error
	// Alone runs do unless somebody does the same, by its key, at the moment, in whichever
	// instance: alone is false then, and do is not run. It is for work of many transactions
	// that comes to the same however often it is done: should the connection to the database
	// be lost meanwhile, another may begin. An engine whose database is one provider's runs do.
	Alone(ctx context.Context, k Key, do func(context.Context) error) (alone bool, err error)
	// Read is for statements that change nothing.
	Read() Session
	// Probe writes and commits something, much or little, in a transaction of its own.
	// Errors: idp.ErrUnwritable.
	Probe(much bool) error
	// About is the engine's name, and its version; of a server, the server's.
	About() (name, version string, err error)
	// Bytes is how much room the database takes up.
	Bytes() (int64, error)
	// Backup writes a copy, as the database is at one moment, to a file, which is there,
	// empty and open. Errors: errors.ErrUnsupported, the engine has a way of its own.
	Backup(ctx context.Context, path string) error
	// Close waits for the reads and transactions that have begun. Those that come later fail.
	Close() error
}

// Named gives an error of gorm or of a database its name here, by the dialect's own list:
// idp.ErrNotFound, idp.ErrConflict. Any other stays as it is.
func Named(dialect gorm.Dialector, err error) error {
	if t, ok := dialect.(gorm.ErrorTranslator); ok && err != nil {
		err = t.Translate(err)
	}
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return idp.ErrNotFound
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return idp.ErrConflict
	}
	return err
}
