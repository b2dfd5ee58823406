// Package find searches lists as people type, over millions of rows.
//
// There are two ways through a list. What is rare is looked up: all rows that have
// the rarest of the words and facets are found by their term, looked at and
// sorted. What is common is read in the order that is wanted until the page is
// full, from an index that has with each row its facets and a signature of its
// words: what cannot be meant is passed over without a look at the row. Which
// way is taken depends on how many rows a term has, counted no further than
// rare. Neither takes long: what has not filled the page by then goes on with
// the next one.
//
// Every statement says by which index it goes and in which order it joins, for an engine that
// would guess otherwise.
package find

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// List is a list that is searched. Its table has what Row has, and for each order a column and
// an index over that, n, facets and sig, named after both.
type List struct {
	Table, Terms string
	Orders       map[string]Order // by the names that they are asked for by
	Facets       int              // how many there are; the first is bit 0
}

// Bounds of one search, measured on three million devices: the first is where
// looking up and reading through cost the same.
const (
	rare     = 16_000
	portion  = 8000                  // rows of an index that are read through at once
	patience = 20 * time.Millisecond // then no further portion is begun for the page
	countAll = 2000                  // rows of which all facets are counted
)

// Query is a search, as all lists have it.
type Query struct {
	Words  []string // see Typed
	Facets []int    // bits
	Order  string
	Down   bool // from the end of the order
	idp.Page
}

// Page is a part of a list: the numbers of its rows, and the parts beside it.
type Page struct {
	Numbers []int64
	idp.Cursors
	Total  *idp.Count
	Facets []idp.Count // nil: not counted
}

// Search runs a query. Errors: idp.FieldError (list.sort.bad, page.bad).
func (l *List) Search(s engine.Statements, q Query) (*Page, error) {
	o, ok := l.Orders[q.Order]
	if !ok {
		return nil, &idp.FieldError{Field: "sort", Message: "list.sort.bad"}
	}
	t, err := TurnTo(q.Page, o, q.Down)
	if err != nil {
		return nil, err
	}
	return (&search{Turn: t, Filter: l.Filter(q.Words, q.Facets...), s: s}).run()
}

// CountFacet counts the rows that have a facet, up to a number.
func (l *List) CountFacet(s engine.Statements, bit int, most int64) (int64, error) {
	return l.countTerm(s, facetTerm(bit), most)
}

func (l *List) countTerm(s engine.Statements, t term, most int64) (n int64, err error) {
	err = s.Row("SELECT count(*) FROM (SELECT 1 FROM "+l.Terms+" WHERE term >= ? AND term < ? LIMIT ?) t", []any{t.from, t.to, most}, &n)
	return n, err
}

// having is where the rows of a term are found, each as l.
func (l *List) having(t *term) (from string, args []any) {
	return " FROM (SELECT DISTINCT n FROM " + l.Terms + " WHERE term >= ? AND term < ?) t CROSS JOIN " + l.Table + " l ON l.n = t.n", []any{t.from, t.to}
}

// Filter is what rows of a list have to be: each of the words is the beginning of one of
// theirs, and they have all of the facets.
type Filter struct {
	*List
	words     []string
	facets    []int
	mask, sig int64
}

// Filter is made of words as Typed returns them, and of facets as bits.
func (l *List) Filter(words []string, facets ...int) *Filter {
	f := &Filter{List: l, words: words, facets: facets, sig: signature(words)}
	for _, bit := range facets {
		f.mask |= 1 << bit
	}
	return f
}

// Words are those that were asked for.
func (f *Filter) Words() []string { return f.words }

// Rare is where rows are found by the rarest term, in SQL: whether they match is to be asked
// of each, which is called l. It is empty where no term is rare, or there is none.
func (f *Filter) Rare(s engine.Statements) (from string, args []any, err error) {
	best, rows, err := f.rarest(s)
	if err != nil || best == nil || rows > rare {
		return "", nil, err
	}
	from, args = f.having(best)
	return from, args, nil
}

// rarest returns the term with the fewest rows, and how many, counted no further than just
// above rare; nil where there is none.
func (f *Filter) rarest(s engine.Statements) (best *term, rows int64, err error) {
	terms := make([]term, 0, len(f.words)+len(f.facets))
	for _, w := range f.words {
		terms = append(terms, wordTerm(w))
	}
	for _, bit := range f.facets {
		terms = append(terms, facetTerm(bit))
	}
	for i := range terms {
		n, err := f.countTerm(s, terms[i], rare+1)
		if err != nil {
			return nil, 0, err
		}
		if best == nil || n < rows {
			best, rows = &terms[i], n
		}
	}
	return best, rows, nil
}

// Matches are the conditions in SQL on a row of the list, which is called l.
func (f *Filter) Matches() (sql string, args []any) {
	sql, args = "l.facets & ? = ?", []any{f.mask, f.mask}
	for _, w := range f.words {
		sql += " AND instr(l.words, ?) > 0"
		args = append(args, " "+w)
	}
	return sql, args
}

// search is one search while it runs.
type search struct {
	*Turn
	*Filter
	s engine.Statements
}

func (s *search) run() (*Page, error) {
	best, rows, err := s.rarest(s.s)
	if err != nil {
		return nil, err
	}
	var places []Place
	var short *Place
	if best != nil && rows <= rare {
		places, err = s.lookUp(best)
	} else {
		places, short, err = s.readThrough()
	}
	if err != nil {
		return nil, err
	}
	p := &Page{}
	places, p.Cursors = Cut(s.Turn, places, func(p *Place) Place { return *p }, short)
	for _, at := range places {
		p.Numbers = append(p.Numbers, at.N)
	}
	return p, s.count(p, best, rows)
}

// lookUp finds all rows of a term and sorts them.
func (s *search) lookUp(t *term) ([]Place, error) {
	than, direction := s.Sides()
	from, args := s.having(t)
	conditions, also := s.Matches()
	args = append(args, also...)
	by := s.order.Column
	if s.From != nil {
		conditions += " AND (l." + by + ", l.n) " + than + " (?, ?)"
		args = append(args, s.From.value(s.order), s.From.N)
	}
	return s.places("SELECT l.n, l."+by+from+" WHERE "+conditions+" ORDER BY l."+by+" "+direction+", l.n "+direction+" LIMIT ?",
		append(args, int64(s.Limit+1)))
}

// readThrough reads the list in its order until the page is full, or it has taken too
// long: then short is how far it came.
func (s *search) readThrough() (out []Place, short *Place, err error) {
	than, direction := s.Sides()
	by := s.order.Column
	at := s.From
	for began := time.Now(); at == s.From || time.Since(began) < patience; {
		where, begin := "", []any{}
		if at != nil {
			where, begin = " WHERE ("+by+", n) "+than+" (?, ?)", []any{at.value(s.order), at.N}
		}
		ordered := " FROM " + s.Table + " INDEXED BY " + s.Table + "_" + by + where + " ORDER BY " + by + " " + direction + ", n " + direction + " LIMIT ?"
		part := "(SELECT n, " + by + " AS k, facets, sig" + ordered + ") o"
		args := append(slices.Clone(begin), int64(portion))
		sql := "SELECT o.n, o.k FROM " + part + " WHERE o.facets & ? = ?"
		if len(s.words) > 0 {
			conditions, also := s.Matches()
			sql = "SELECT o.n, o.k FROM " + part + " CROSS JOIN " + s.Table + " l ON l.n = o.n WHERE o.facets & ? = ? AND o.sig & ? = ? AND " + conditions
			args = append(args, s.mask, s.mask, s.sig, s.sig)
			args = append(args, also...)
		} else {
			args = append(args, s.mask, s.mask)
		}
		got, err := s.places(sql+" LIMIT ?", append(args, int64(s.Limit+1-len(out))))
		if err != nil {
			return nil, nil, err
		}
		if out = append(out, got...); len(out) > s.Limit || s.mask == 0 && len(s.words) == 0 {
			return out, nil, nil
		}
		end, err := s.places("SELECT n, "+by+ordered+" OFFSET ?", append(slices.Clone(begin), int64(1), int64(portion-1)))
		if err != nil || len(end) == 0 {
			return out, nil, err
		}
		at = &end[0]
	}
	return out, at, nil
}

func (s *search) places(sql string, args []any) ([]Place, error) {
	var out []Place
	err := s.s.Each(sql, args, func() []any {
		out = append(out, Place{})
		p := &out[len(out)-1]
		if s.order.Text {
			return []any{&p.N, &p.Text}
		}
		return []any{&p.N, &p.Number}
	})
	return out, err
}

// count counts what can be counted cheaply: the whole list, one facet, and what was looked
// up where it is little.
func (s *search) count(p *Page, best *term, rows int64) error {
	most := int64(idp.CountUpTo)
	switch {
	case best == nil:
		var n int64
		if err := s.s.Row("SELECT count(*) FROM (SELECT 1 FROM "+s.Table+" LIMIT ?) l", []any{most + 1}, &n); err != nil {
			return err
		}
		p.Total = counted(n)
		for bit := range s.Facets {
			n, err := s.CountFacet(s.s, bit, most+1)
			if err != nil {
				return err
			}
			p.Facets = append(p.Facets, *counted(n))
		}
	case rows <= countAll:
		from, args := s.having(best)
		conditions, also := s.Matches()
		var sums strings.Builder
		sums.WriteString("count(*)")
		for bit := range s.Facets {
			sums.WriteString(", count(CASE WHEN l.facets & " + strconv.Itoa(1<<bit) + " <> 0 THEN 1 END)")
		}
		got := make([]int64, 1+s.Facets)
		dest := make([]any, len(got))
		for i := range got {
			dest[i] = &got[i]
		}
		if err := s.s.Row("SELECT "+sums.String()+from+" WHERE "+conditions, append(args, also...), dest...); err != nil {
			return err
		}
		p.Total = counted(got[0])
		for _, n := range got[1:] {
			p.Facets = append(p.Facets, *counted(n))
		}
	case len(s.words) == 0 && len(s.facets) == 1:
		p.Total = counted(rows)
	}
	return nil
}

func counted(n int64) *idp.Count {
	return &idp.Count{N: int(min(n, idp.CountUpTo)), More: n > idp.CountUpTo}
}

// Bits are facets as their places in the list of all. Errors: idp.FieldError
// (list.facet.bad).
func Bits[F ~string](all, wanted []F) ([]int, error) {
	out := make([]int, len(wanted))
	for i, f := range wanted {
		if out[i] = slices.Index(all, f); out[i] < 0 {
			return nil, &idp.FieldError{Field: "facet", Message: "list.facet.bad"}
		}
	}
	return out, nil
}

// PerFacet are the counts of a page by the names of the facets.
func PerFacet[F ~string](all []F, counts []idp.Count) map[F]idp.Count {
	if counts == nil {
		return nil
	}
	out := make(map[F]idp.Count, len(all))
	for i, f := range all {
		out[f] = counts[i]
	}
	return out
}
