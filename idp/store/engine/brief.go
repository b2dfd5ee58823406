package engine

import "context"

// Brief is a change that is one statement. It says by itself whether anything speaks against it,
// and changes nothing then.
type Brief struct {
	Key   Key // what it holds
	Share Key // what it shares (Tx.Share)
	// Query goes on behind «WITH held AS (…), ». It changes something only where held has a row,
	// and returns one row, of one column, where it has changed what it should.
	Query string
	Args  []any
}

// Briefs is an engine that has a short way for such a change: those that come at the same moment
// go to the server together and are committed as one.
type Briefs interface {
	// Brief makes a change and returns when it is on disk. done is false where nothing was
	// changed: something speaks against it, another transaction holds a key, or the server
	// has refused one of those that went together. The long way decides then.
	// Errors: ErrUnknown, the answer was lost. Then it may have been done, or may be yet: whoever
	// holds the key later finds it done or sees to it that it cannot be.
	// idp.ErrUnwritable, the server is not reached, and nothing was done.
	Brief(ctx context.Context, b Brief) (done bool, err error)
}

// Seeks is a session that has a short way for the first row of a query which finds it by its key:
// those that come at the same moment go to the server together.
type Seeks interface {
	// Seek is Row.
	Seek(query string, args []any, dest ...any) error
}
