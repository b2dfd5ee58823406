package idp

// Key is where a page of a list begins or ends: an opaque text, safe in a URL,
// that a page gave out. It names a place in the order of the list and no row, so
// it stays good when rows come and go.
type Key string

// Page asks for a part of a list. After and Before exclude one another; with
// neither, it is the first part. Limit is at most MaxListPage; 0 is DefaultListPage.
type Page struct {
	After  Key
	Before Key // the part that ends before it
	Limit  int
}

// Bounds of a page of a list.
const (
	DefaultListPage = 50
	MaxListPage     = 200
)

// Cursors are the keys of the pages beside one; empty: there is none.
type Cursors struct {
	Next Key
	Prev Key
	// Partial: the list was searched as far as one request may, and what was asked
	// for is so rare that the page is not full. Next (Prev, for Before) goes on.
	Partial bool
}

// Count is a number that is counted no further than CountUpTo.
type Count struct {
	N    int
	More bool // there are more: «1,000+»
}

// CountUpTo is where counting ends.
const CountUpTo = 1000

// MaxWords is how many words of a search count; MaxWord how many bytes of each.
const (
	MaxWords = 6
	MaxWord  = 64
)
