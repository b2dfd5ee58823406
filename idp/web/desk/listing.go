package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"hilum/idp"
	"hilum/templates"
)

// listing is the state of a list, all of which is in its address.
type listing struct {
	path   string
	words  string   // searched for
	facets []string // that narrow the list
	sort   string   // what it is ordered by; empty: as usual
	down   bool     // from the end
	cols   []string // optional columns that are shown; empty: the usual ones
	after  idp.Key  // where the page begins
	before idp.Key  // where it ends; both empty: the first page
	row    int      // number of the first row from after on, or of the first behind before; 0: not known
}

// maxRow is the highest number of a row that is believed of an address.
const maxRow = 1_000_000_000

func readListing(r *http.Request, path string) listing {
	q := r.URL.Query()
	l := listing{
		path: path, words: q.Get("q"), facets: q["f"], sort: q.Get("sort"), down: q.Get("down") == "1", cols: q["col"],
		after: idp.Key(q.Get("after")), before: idp.Key(q.Get("before")),
	}
	if n, err := strconv.Atoi(q.Get("row")); err == nil && n > 0 && n <= maxRow {
		l.row = n
	}
	return l
}

// fields are the facets and the order, as the address says them: what a new search keeps.
// The columns are fields of the search form itself.
func (l listing) fields() []templates.Field {
	var out []templates.Field
	for _, f := range l.facets {
		out = append(out, templates.Field{Name: "f", Value: f})
	}
	if l.sort != "" {
		out = append(out, templates.Field{Name: "sort", Value: l.sort})
	}
	if l.down {
		out = append(out, templates.Field{Name: "down", Value: "1"})
	}
	return out
}

// address is the path and query at which the list is as it is.
func (l listing) address() string {
	q := url.Values{}
	for _, f := range l.fields() {
		q.Add(f.Name, f.Value)
	}
	for _, c := range l.cols {
		q.Add("col", c)
	}
	row := ""
	if l.row > 0 {
		row = strconv.Itoa(l.row)
	}
	for name, value := range map[string]string{"q": l.words, "after": string(l.after), "before": string(l.before), "row": row} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return l.path
	}
	return l.path + "?" + q.Encode()
}

// begin is the list from its first page on.
func (l listing) begin() listing {
	l.after, l.before, l.row = "", "", 0
	return l
}

func (l listing) page() idp.Page { return idp.Page{After: l.after, Before: l.before} }

// toggled is the address of the list with this facet, or without it where it has it.
func (l listing) toggled(facet string) string {
	l = l.begin()
	if slices.Contains(l.facets, facet) {
		l.facets = slices.DeleteFunc(slices.Clone(l.facets), func(f string) bool { return f == facet })
	} else {
		l.facets = append(slices.Clone(l.facets), facet)
	}
	return l.address()
}

// head is the heading of a column by which the list can be ordered. usual: the list is
// ordered so where the address does not say; newest: the first click orders from the end,
// the latest time first.
func (l listing) head(sort string, usual, newest bool) templates.Head {
	h := templates.Head{}
	on := l.sort == sort || l.sort == "" && usual
	to := l.begin()
	to.sort, to.down = sort, newest
	if on {
		to.down = !l.down
		h.Sorted = "ascending"
		if l.down {
			h.Sorted = "descending"
		}
	}
	if usual && !to.down {
		to.sort = ""
	}
	h.Path = to.address()
	return h
}

// chip is a facet as it is shown, with how many the list would have by it. counted is
// false where counting would cost too much: then n is not shown.
func (l listing) chip(facet string, label templates.Message, n idp.Count, counted bool) templates.Chip {
	c := templates.Chip{Path: l.toggled(facet), Label: label, On: slices.Contains(l.facets, facet)}
	if counted {
		c.Count, c.None = &templates.Count{N: n.N, More: n.More}, n.N == 0
	}
	return c
}

// column reports whether an optional column is shown; usual: it is where none is chosen.
func (l listing) column(name string, usual bool) bool {
	if len(l.cols) == 0 {
		return usual
	}
	return slices.Contains(l.cols, name)
}

// first is the number of the first of the rows that are shown, from 1 on; 0: not known. A
// list that changes between two pages moves the numbers of an address; at both ends of the
// list they are right again. total nil: the list was not counted.
func (l listing) first(cursors idp.Cursors, shown int, total *idp.Count) int {
	switch {
	case shown == 0 || cursors.Partial:
		return 0
	case cursors.Prev == "":
		return 1
	case cursors.Next == "" && total != nil && !total.More && total.N > shown:
		return total.N - shown + 1
	case l.row == 0:
		return 0
	case l.before != "" && l.after == "":
		return max(1, l.row-shown)
	}
	return l.row
}

// rangeOf says which rows of how many are shown; no key where all are, or it is not known.
func rangeOf(first, shown int, cursors idp.Cursors, total *idp.Count) templates.Message {
	last := first + shown - 1
	switch {
	case first == 0 || cursors.Next == "" && cursors.Prev == "":
		return templates.Message{}
	case total == nil, !total.More && total.N < last: // it has changed while it was read
		return templates.Say("admin.range", "From", first, "To", last)
	}
	return templates.Say("admin.range.of", "From", first, "To", last, "Count", templates.Count{N: total.N, More: total.More})
}

// list is what every list has around it: cursors are those of the page that is shown, shown
// is how many rows it has, and total how many the list has; nil: that was not counted.
func (l listing) list(cursors idp.Cursors, shown int, total *idp.Count) templates.List {
	out := templates.List{Path: l.path, Words: l.words, Hidden: l.fields(), Short: cursors.Partial, Filtered: l.words != "" || len(l.facets) > 0}
	at := l.begin()
	out.CSV = at.csv()
	first := l.first(cursors, shown, total)
	out.Range = rangeOf(first, shown, cursors, total)
	if cursors.Next != "" {
		if at.after, at.before = cursors.Next, ""; first > 0 {
			at.row = first + shown
		}
		out.Next = at.address()
	}
	if cursors.Prev != "" {
		at.after, at.before, at.row = "", cursors.Prev, first
		out.Prev = at.address()
	}
	clear := listing{path: l.path, sort: l.sort, down: l.down, cols: l.cols}
	out.Clear = clear.address()
	return out
}

// csv is the address of the list as a file.
func (l listing) csv() string {
	l.path += ".csv"
	l.cols = nil
	return l.address()
}
