package find

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hilum/idp"
)

// Order is a column that a list can be sorted by; what is equal in it is sorted by n.
type Order struct {
	Column string
	Text   bool // else a number
}

// Place is where a row stands in an order: the value it is sorted by, and its number.
type Place struct {
	Text   string
	Number int64
	N      int64
}

func (p *Place) value(o Order) any {
	if o.Text {
		return p.Text
	}
	return p.Number
}

// key is a place as callers are given it, with its order in it, so that it fits no other.
func (o Order) key(p *Place) idp.Key {
	v := p.Text
	if !o.Text {
		v = strconv.FormatInt(p.Number, 10)
	}
	return idp.Key(base64.RawURLEncoding.EncodeToString([]byte(o.Column + " " + strconv.FormatInt(p.N, 10) + " " + v)))
}

var errKey = &idp.FieldError{Field: "page", Message: "page.bad"}

func (o Order) place(k idp.Key) (*Place, error) {
	b, err := base64.RawURLEncoding.DecodeString(string(k))
	parts := strings.SplitN(string(b), " ", 3)
	if err != nil || len(parts) != 3 || parts[0] != o.Column || !utf8.ValidString(parts[2]) {
		return nil, errKey
	}
	p := &Place{Text: parts[2]}
	if p.N, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return nil, errKey
	}
	if !o.Text {
		if p.Number, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
			return nil, errKey
		}
	}
	return p, nil
}

// Turn is the page that is turned to: where it begins, which way it goes, and how many rows
// it has at most.
type Turn struct {
	Limit int
	From  *Place // nil: the page is the first
	Back  bool   // the page ends there
	Up    bool   // the order is read as it grows
	order Order
}

// TurnTo turns to a page. down: the order is read from its end. Errors: idp.FieldError for a
// key that is none of this order.
func TurnTo(page idp.Page, o Order, down bool) (*Turn, error) {
	t := &Turn{order: o, Limit: page.Limit}
	if t.Limit <= 0 {
		t.Limit = idp.DefaultListPage
	}
	t.Limit = min(t.Limit, idp.MaxListPage)
	key := page.After
	if t.Back = page.Before != "" && page.After == ""; t.Back {
		key = page.Before
	}
	t.Up = down == t.Back
	if key == "" {
		return t, nil
	}
	var err error
	t.From, err = o.place(key)
	return t, err
}

// Sides are the comparison and the direction in SQL that go on in the order.
func (t *Turn) Sides() (than, direction string) {
	if t.Up {
		return ">", "ASC"
	}
	return "<", "DESC"
}

// Cut makes a page of what was read, which may be a row more than one has: its rows in
// the order of the list, and the keys of the pages beside it. at is where a row stands;
// short is how far the search came when it gave up, nil when it did not.
func Cut[R any](t *Turn, rows []R, at func(*R) Place, short *Place) ([]R, idp.Cursors) {
	more := len(rows) > t.Limit
	if more {
		short = nil // there is more than enough before it
	}
	rows = rows[:min(len(rows), t.Limit)]
	first, last := t.From, t.From
	if len(rows) > 0 {
		begin, end := at(&rows[0]), at(&rows[len(rows)-1])
		first, last = &begin, &end
	}
	if short != nil {
		last = short
	}
	onward, backward := idp.Key(""), idp.Key("")
	if (more || short != nil) && last != nil {
		onward = t.order.key(last)
	}
	if t.From != nil && first != nil {
		backward = t.order.key(first)
	}
	cursors := idp.Cursors{Next: onward, Prev: backward, Partial: short != nil}
	if t.Back {
		slices.Reverse(rows)
		cursors.Next, cursors.Prev = backward, onward
	}
	return rows, cursors
}
