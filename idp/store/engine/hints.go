package engine

import "context"

// Hints are short words from one process on a database to all others. One may be lost, and none
// waits for whoever is away: what has to be known stands in a table.
type Hints interface {
	// Listen hands over what other processes and this one tell, until ctx ends. again is called
	// whenever listening has begun, for the first time or anew: what was told before then was
	// not heard.
	Listen(ctx context.Context, again func(), heard func(word string))
	// Tell tells a word of at most MaxHint bytes. Errors: nobody was told.
	Tell(ctx context.Context, word string) error
	// Close ends what Tell keeps open.
	Close() error
}

// MaxHint is how many bytes a word has at most: a payload of PostgreSQL has less than 8,000.
const MaxHint = 7999
