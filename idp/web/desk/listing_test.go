package desk

import (
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest"
)

// Of every page of a list it is said which rows are shown: counted on from the address, and
// from the ends of the list, which know better.
func TestRangeOfAPage(t *testing.T) {
	count := func(n int) *idp.Count { return &idp.Count{N: n} }
	both := idp.Cursors{Next: "n", Prev: "p"}
	for name, c := range map[string]struct {
		at      listing
		cursors idp.Cursors
		shown   int
		total   *idp.Count
		want    string
		next    int // row in the address of the next page
		prev    int // row in that of the page before
	}{
		"all of it":                           {listing{}, idp.Cursors{}, 50, count(50), "", 0, 0},
		"the first page":                      {listing{}, idp.Cursors{Next: "n"}, 50, count(61), "1–50 of 61", 51, 0},
		"the last page":                       {listing{after: "k", row: 51}, idp.Cursors{Prev: "p"}, 11, count(61), "51–61 of 61", 0, 51},
		"the last page, rows have gone":       {listing{after: "k", row: 51}, idp.Cursors{Prev: "p"}, 11, count(58), "48–58 of 58", 0, 48},
		"the last page of an old address":     {listing{after: "k"}, idp.Cursors{Prev: "p"}, 11, count(61), "51–61 of 61", 0, 51},
		"between":                             {listing{after: "k", row: 51}, both, 50, count(134), "51–100 of 134", 101, 51},
		"between, of an old address":          {listing{after: "k"}, both, 50, count(134), "", 0, 0},
		"back, between":                       {listing{before: "k", row: 101}, both, 50, count(134), "51–100 of 134", 101, 51},
		"back at the first page":              {listing{before: "k", row: 49}, idp.Cursors{Next: "n"}, 50, count(134), "1–50 of 134", 51, 0},
		"too many to count":                   {listing{after: "k", row: 1951}, both, 50, &idp.Count{N: 1000, More: true}, "1,951–2,000 of 1,000+", 2001, 1951},
		"not counted":                         {listing{after: "k", row: 51}, both, 50, nil, "51–100", 101, 51},
		"more rows than were counted":         {listing{after: "k", row: 101}, both, 50, count(134), "101–150", 151, 101},
		"an address that somebody made up":    {listing{before: "k", row: 3}, both, 50, count(134), "1–50 of 134", 51, 1},
		"searched in part":                    {listing{after: "k", row: 51}, idp.Cursors{Next: "n", Prev: "p", Partial: true}, 3, nil, "", 0, 0},
		"nothing left on the page":            {listing{after: "k", row: 51}, idp.Cursors{Prev: "p"}, 0, count(50), "", 0, 0},
		"the first page, searched for a word": {listing{words: "x"}, idp.Cursors{Next: "n"}, 50, count(51), "1–50 of 51", 51, 0},
	} {
		l := c.at.list(c.cursors, c.shown, c.total)
		said, err := webtest.Words().In("en").Say(l.Range)
		if err != nil || said != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, said, c.want, err)
		}
		first := c.at.first(c.cursors, c.shown, c.total)
		at := c.at.begin()
		if at.after = c.cursors.Next; at.after != "" {
			if at.row = c.next; l.Next != at.address() {
				t.Errorf("%s: the next page is %s, want %s", name, l.Next, at.address())
			}
		}
		at = c.at.begin()
		if at.before = c.cursors.Prev; at.before != "" {
			if at.row = c.prev; l.Prev != at.address() {
				t.Errorf("%s: the page before is %s, want %s (from row %d)", name, l.Prev, at.address(), first)
			}
		}
	}
}
