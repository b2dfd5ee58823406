package store

import (
	"context"
	"encoding/base64"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hilum/idp"
)

// listing is a list that is searched as people type, over millions of rows.
//
// There are two ways through it. What is rare is looked up: all rows that have
// the rarest of the words and facets are found by their term, looked at and
// sorted. What is common is read in the order that is wanted until the page is
// full, from an index that has with each row its facets and a signature of its
// words: what cannot be meant is passed over without a look at the row. Which
// way is taken depends on how many rows a term has, counted no further than
// rare. Neither takes long: what has not filled the page by then goes on with
// the next one.
type listing struct {
	list, terms string
	sorts       map[string]order
	facets      int // how many there are; the first is bit 0
}

// order is a column that a list can be sorted by.
type order struct {
	column string
	text   bool
}

// Bounds of one search, measured on three million devices: the first is where
// looking up and reading through cost the same.
const (
	rare     = 16_000
	portion  = 8000                  // rows of an index that are read through at once
	patience = 20 * time.Millisecond // then no further portion is begun for the page
	countAll = 2000                  // rows of which all facets are counted
	termSize = 12                    // bytes of a word that are looked up by
)

// listQuery is a search, as all lists have it.
type listQuery struct {
	words  []string
	facets []int // bits
	sort   string
	down   bool
	idp.Page
}

// found is a part of a list: the numbers of its rows, and the parts beside it.
type found struct {
	ns      []int64
	cursors idp.Cursors
	total   *idp.Count
	facets  []idp.Count // nil: not counted
}

// place is where a row stands in an order: the value it is sorted by, and its number.
type place struct {
	text   string
	number int64
	n      int64
}

func (p *place) value(o order) any {
	if o.text {
		return p.text
	}
	return p.number
}

// placeRow reads a place whose value is a text or a number.
type placeRow struct {
	place
	text bool
}

func (r *placeRow) fields() []any {
	if r.text {
		return []any{&r.n, &r.place.text}
	}
	return []any{&r.n, &r.number}
}

// key is a place as callers are given it, with its order in it, so that it fits no other.
func (o order) key(p *place) idp.Key {
	v := p.text
	if !o.text {
		v = strconv.FormatInt(p.number, 10)
	}
	return idp.Key(base64.RawURLEncoding.EncodeToString([]byte(o.column + " " + strconv.FormatInt(p.n, 10) + " " + v)))
}

var errKey = &idp.FieldError{Field: "page", Message: "page.bad"}

func (o order) place(k idp.Key) (*place, error) {
	b, err := base64.RawURLEncoding.DecodeString(string(k))
	parts := strings.SplitN(string(b), " ", 3)
	if err != nil || len(parts) != 3 || parts[0] != o.column || !utf8.ValidString(parts[2]) {
		return nil, errKey
	}
	p := &place{text: parts[2]}
	if p.n, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return nil, errKey
	}
	if !o.text {
		if p.number, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
			return nil, errKey
		}
	}
	return p, nil
}

// signature has a bit for the first letter of each word, exact for a to z and 0
// to 9, and one for the first two, which some share.
func signature(words []string) (sig int64) {
	const letters, firsts, bits = 36, 40, 63
	for _, w := range words {
		r, size := utf8.DecodeRuneInString(w)
		switch {
		case r >= 'a' && r <= 'z':
			sig |= 1 << (r - 'a')
		case r >= '0' && r <= '9':
			sig |= 1 << (26 + r - '0')
		default:
			sig |= 1 << (letters + r%(firsts-letters))
		}
		if len(w) > size {
			_, second := utf8.DecodeRuneInString(w[size:])
			h := fnv.New32a()
			_, _ = h.Write([]byte(w[:size+second])) // never fails, by its contract
			sig |= 1 << (firsts + h.Sum32()%(bits-firsts))
		}
	}
	return sig
}

// afterAll sorts behind every text that goes on.
const afterAll = "\U0010FFFF"

// term is a range of terms that rows of a list are looked up by.
type term struct{ from, to string }

func wordTerm(w string) term {
	w = bounded(w, termSize)
	return term{w, w + afterAll}
}

func facetTerm(bit int) term {
	t := facetName(bit)
	return term{t, t + " "} // which no term goes on with
}

// facetName is the term of a facet; no word is like it.
func facetName(bit int) string { return "#" + "abcdefghijklmnopqrstuvwxyz"[bit:bit+1] }

// search runs a query. Errors: idp.FieldError (list.sort.bad, page.bad).
func (db *DB) search(ctx context.Context, l *listing, q listQuery) (*found, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	o, ok := l.sorts[q.sort]
	if !ok {
		return nil, &idp.FieldError{Field: "sort", Message: "list.sort.bad"}
	}
	s, err := turnTo(q.Page, r, o, q.down)
	if err != nil {
		return nil, err
	}
	s.listing, s.q = l, q
	for _, bit := range q.facets {
		s.mask |= 1 << bit
	}
	s.sig = signature(q.words)
	return s.run()
}

// searching is one search while it runs.
type searching struct {
	*listing
	s     statements
	q     listQuery
	o     order
	limit int
	back  bool // a page that ends somewhere
	up    bool // the order is read as it grows
	from  *place
	mask  int64
	sig   int64
}

// turnTo begins the search of a page: where it begins, which way it goes, and how many
// rows it has at most. down: the order is read from its end. Errors: idp.FieldError for a
// key that is none of this order.
func turnTo(page idp.Page, r statements, o order, down bool) (*searching, error) {
	s := &searching{s: r, o: o, limit: page.Limit}
	if s.limit <= 0 {
		s.limit = idp.DefaultListPage
	}
	s.limit = min(s.limit, idp.MaxListPage)
	key := page.After
	if s.back = page.Before != "" && page.After == ""; s.back {
		key = page.Before
	}
	s.up = down == s.back
	if key == "" {
		return s, nil
	}
	var err error
	s.from, err = o.place(key)
	return s, err
}

// cut makes a page of what was read, which may be a row more than one has: its rows in
// the order of the list, and the keys of the pages beside it. at is where a row stands;
// short is how far the search came when it gave up, nil when it did not.
func cut[R any](s *searching, rows []R, at func(*R) place, short *place) ([]R, idp.Cursors) {
	more := len(rows) > s.limit
	if more {
		short = nil // there is more than enough before it
	}
	rows = rows[:min(len(rows), s.limit)]
	first, last := s.from, s.from
	if len(rows) > 0 {
		begin, end := at(&rows[0]), at(&rows[len(rows)-1])
		first, last = &begin, &end
	}
	if short != nil {
		last = short
	}
	onward, backward := idp.Key(""), idp.Key("")
	if (more || short != nil) && last != nil {
		onward = s.o.key(last)
	}
	if s.from != nil && first != nil {
		backward = s.o.key(first)
	}
	cursors := idp.Cursors{Next: onward, Prev: backward, Partial: short != nil}
	if s.back {
		slices.Reverse(rows)
		cursors.Next, cursors.Prev = backward, onward
	}
	return rows, cursors
}

func (s *searching) run() (*found, error) {
	best, rows, err := s.rarest()
	if err != nil {
		return nil, err
	}
	var places []place
	var short *place
	if best != nil && rows <= rare {
		places, err = s.lookUp(best)
	} else {
		places, short, err = s.readThrough()
	}
	if err != nil {
		return nil, err
	}
	f := &found{}
	places, f.cursors = cut(s, places, func(p *place) place { return *p }, short)
	for _, p := range places {
		f.ns = append(f.ns, p.n)
	}
	return f, s.count(f, best, rows)
}

// rarest returns the term of the query with the fewest rows, and how many,
// counted no further than just above rare; nil for a query without any.
func (s *searching) rarest() (best *term, rows int64, err error) {
	terms := make([]term, 0, len(s.q.words)+len(s.q.facets))
	for _, w := range s.q.words {
		terms = append(terms, wordTerm(w))
	}
	for _, bit := range s.q.facets {
		terms = append(terms, facetTerm(bit))
	}
	for i := range terms {
		n, err := s.countTerm(terms[i], rare+1)
		if err != nil {
			return nil, 0, err
		}
		if best == nil || n < rows {
			best, rows = &terms[i], n
		}
	}
	return best, rows, nil
}

func (s *searching) countTerm(t term, most int64) (n int64, err error) {
	err = s.s.Row("SELECT count(*) FROM (SELECT 1 FROM "+s.terms+" WHERE term >= ? AND term < ? LIMIT ?) t", []any{t.from, t.to, most}, &n)
	return n, err
}

// sides are the comparison and the direction in SQL that go on in the order.
func (s *searching) sides() (than, direction string) {
	if s.up {
		return ">", "ASC"
	}
	return "<", "DESC"
}

// matches are the conditions in SQL on a row of the list, which is called l.
func (s *searching) matches() (sql string, args []any) {
	sql, args = "l.facets & ? = ?", []any{s.mask, s.mask}
	for _, w := range s.q.words {
		sql += " AND instr(l.words, ?) > 0"
		args = append(args, " "+w)
	}
	return sql, args
}

// lookUp finds all rows of a term and sorts them.
func (s *searching) lookUp(t *term) ([]place, error) {
	than, direction := s.sides()
	conditions, args := s.matches()
	args = append([]any{t.from, t.to}, args...)
	if s.from != nil {
		conditions += " AND (l." + s.o.column + ", l.n) " + than + " (?, ?)"
		args = append(args, s.from.value(s.o), s.from.n)
	}
	return s.places("SELECT l.n, l."+s.o.column+" FROM (SELECT DISTINCT n FROM "+s.terms+" WHERE term >= ? AND term < ?) t CROSS JOIN "+s.list+
		" l ON l.n = t.n WHERE "+conditions+" ORDER BY l."+s.o.column+" "+direction+", l.n "+direction+" LIMIT ?",
		append(args, int64(s.limit+1)))
}

// readThrough reads the list in its order until the page is full, or it has taken too
// long: then short is how far it came.
func (s *searching) readThrough() (out []place, short *place, err error) {
	than, direction := s.sides()
	by := " INDEXED BY " + s.list + "_" + s.o.column
	at := s.from
	for began := time.Now(); at == s.from || time.Since(began) < patience; {
		where, begin := "", []any{}
		if at != nil {
			where, begin = " WHERE ("+s.o.column+", n) "+than+" (?, ?)", []any{at.value(s.o), at.n}
		}
		ordered := " FROM " + s.list + by + where + " ORDER BY " + s.o.column + " " + direction + ", n " + direction + " LIMIT ?"
		part := "(SELECT n, " + s.o.column + " AS k, facets, sig" + ordered + ") o"
		args := append(slices.Clone(begin), int64(portion))
		sql := "SELECT o.n, o.k FROM " + part + " WHERE o.facets & ? = ?"
		if len(s.q.words) > 0 {
			conditions, also := s.matches()
			sql = "SELECT o.n, o.k FROM " + part + " CROSS JOIN " + s.list + " l ON l.n = o.n WHERE o.facets & ? = ? AND o.sig & ? = ? AND " + conditions
			args = append(args, s.mask, s.mask, s.sig, s.sig)
			args = append(args, also...)
		} else {
			args = append(args, s.mask, s.mask)
		}
		got, err := s.places(sql+" LIMIT ?", append(args, int64(s.limit+1-len(out))))
		if err != nil {
			return nil, nil, err
		}
		if out = append(out, got...); len(out) > s.limit || s.mask == 0 && len(s.q.words) == 0 {
			return out, nil, nil
		}
		end, err := s.places("SELECT n, "+s.o.column+ordered+" OFFSET ?", append(slices.Clone(begin), int64(1), int64(portion-1)))
		if err != nil || len(end) == 0 {
			return out, nil, err
		}
		at = &end[0]
	}
	return out, at, nil
}

func (s *searching) places(sql string, args []any) ([]place, error) {
	var rows []placeRow
	err := s.s.Each(sql, args, func() []any {
		rows = append(rows, placeRow{text: s.o.text})
		return rows[len(rows)-1].fields()
	})
	out := make([]place, len(rows))
	for i := range rows {
		out[i] = rows[i].place
	}
	return out, err
}

// count counts what can be counted cheaply: the whole list, one facet, and what was looked
// up where it is little.
func (s *searching) count(f *found, best *term, rows int64) error {
	most := int64(idp.CountUpTo)
	switch {
	case best == nil:
		var n int64
		if err := s.s.Row("SELECT count(*) FROM (SELECT 1 FROM "+s.list+" LIMIT ?) l", []any{most + 1}, &n); err != nil {
			return err
		}
		f.total = counted(n)
		for bit := range s.facets {
			n, err := s.countTerm(facetTerm(bit), most+1)
			if err != nil {
				return err
			}
			f.facets = append(f.facets, *counted(n))
		}
	case rows <= countAll:
		conditions, args := s.matches()
		var sums strings.Builder
		sums.WriteString("count(*)")
		for bit := range s.facets {
			sums.WriteString(", count(CASE WHEN l.facets & " + strconv.Itoa(1<<bit) + " <> 0 THEN 1 END)")
		}
		got := make([]int64, 1+s.facets)
		dest := make([]any, len(got))
		for i := range got {
			dest[i] = &got[i]
		}
		err := s.s.Row("SELECT "+sums.String()+" FROM (SELECT DISTINCT n FROM "+s.terms+" WHERE term >= ? AND term < ?) t CROSS JOIN "+s.list+
			" l ON l.n = t.n WHERE "+conditions, append([]any{best.from, best.to}, args...), dest...)
		if err != nil {
			return err
		}
		f.total = counted(got[0])
		for _, n := range got[1:] {
			f.facets = append(f.facets, *counted(n))
		}
	case len(s.q.words) == 0 && len(s.q.facets) == 1:
		f.total = counted(rows)
	}
	return nil
}

func counted(n int64) *idp.Count {
	return &idp.Count{N: int(min(n, idp.CountUpTo)), More: n > idp.CountUpTo}
}

// listed is what every list has of a row.
type listed struct {
	n      int64
	facets int64
	words  string // each with a space before it
}

func (r *listed) termList() []string {
	var out []string
	for w := range strings.FieldsSeq(r.words) {
		out = append(out, bounded(w, termSize))
	}
	for bit := range 26 {
		if r.facets&(1<<bit) != 0 {
			out = append(out, facetName(bit))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// putTerms makes the terms that a row is found by what they should be.
func (t *tx) putTerms(l *listing, before, after *listed) error {
	old, fresh := before.termList(), after.termList()
	for _, term := range old {
		if !slices.Contains(fresh, term) {
			if _, err := t.Exec("DELETE FROM "+l.terms+" WHERE term = ? AND n = ?", term, after.n); err != nil {
				return err
			}
		}
	}
	for _, term := range fresh {
		if !slices.Contains(old, term) {
			if _, err := t.Exec("INSERT INTO "+l.terms+" (term, n) VALUES (?, ?)", term, after.n); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextNumber is the number for a new row of a list.
func (t *tx) nextNumber(l *listing) (int64, error) {
	return t.in.Next(l.list)
}

// spaced puts a space before each word.
func spaced(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, " ")
}

// bits are facets as their places in the list of all. Errors: idp.FieldError
// (list.facet.bad).
func bits[F ~string](all, wanted []F) ([]int, error) {
	out := make([]int, len(wanted))
	for i, f := range wanted {
		if out[i] = slices.Index(all, f); out[i] < 0 {
			return nil, &idp.FieldError{Field: "facet", Message: "list.facet.bad"}
		}
	}
	return out, nil
}

// perFacet are the counts by the names of the facets.
func perFacet[F ~string](all []F, counts []idp.Count) map[F]idp.Count {
	if counts == nil {
		return nil
	}
	out := make(map[F]idp.Count, len(all))
	for i, f := range all {
		out[f] = counts[i]
	}
	return out
}
