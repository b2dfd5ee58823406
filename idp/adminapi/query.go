package adminapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hilum/idp"
)

// Bounds of a query.
const (
	maxParam  = 2 << 10 // one value, in bytes
	maxValues = 20      // of a parameter that may be repeated
	maxID     = 64
)

// query is the query of a request, every parameter of which is known.
type query struct{ url.Values }

// readQuery reads a query that may have these parameters; one named with a star may be
// repeated. Errors: told, over errQuery.
func readQuery(r *http.Request, known ...string) (query, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, &told{errQuery, "", "The query cannot be read."}
	}
	for name, values := range q {
		var most int
		switch {
		case slices.Contains(known, name):
			most = 1
		case slices.Contains(known, name+"*"):
			most = maxValues
		default:
			return query{}, &told{errQuery, bounded(strings.ToValidUTF8(name, "")), "unknown parameter: " + bounded(strings.ToValidUTF8(name, ""))}
		}
		if len(values) > most {
			return query{}, &told{errQuery, name, name + " stands too often"}
		}
		for _, v := range values {
			if len(v) > maxParam || !utf8.ValidString(v) {
				return query{}, &told{errQuery, name, name + " is too long or not UTF-8"}
			}
		}
	}
	return query{q}, nil
}

// part is which part of a list is asked for (after, limit). Errors: told, over errQuery.
func (q query) part() (idp.Page, error) {
	p := idp.Page{After: idp.Key(q.Get("after")), Limit: idp.DefaultListPage}
	n, err := q.number("limit", idp.DefaultListPage, idp.MaxListPage)
	p.Limit = n
	return p, err
}

// number is a parameter that is a whole number from 1 to most; usual: it is not sent.
// Errors: told, over errQuery.
func (q query) number(name string, usual, most int) (int, error) {
	if !q.Has(name) {
		return usual, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, &told{errQuery, name, name + " is a number from 1 to " + strconv.Itoa(most)}
	}
	return n, nil
}

// sort is the order that is asked for; a minus before it turns it around.
func (q query) sort() (order string, down bool) {
	order, down = strings.CutPrefix(q.Get("sort"), "-")
	return order, down
}

// moment is a parameter that is a time (RFC 3339); zero: it is not sent. Errors: told,
// over errQuery.
func (q query) moment(name string) (time.Time, error) {
	if !q.Has(name) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, q.Get(name))
	if err != nil {
		return t, &told{errQuery, name, name + " is a time such as 2026-03-01T00:00:00Z"}
	}
	return t, nil
}

// yes is a parameter that is true or false; false: it is not sent. Errors: told, over
// errQuery.
func (q query) yes(name string) (bool, error) {
	switch q.Get(name) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, &told{errQuery, name, name + " is true or false"}
}

func typed[S ~string](list []string) []S {
	out := make([]S, len(list))
	for i := range list {
		out[i] = S(list[i])
	}
	return out
}

// pathID is an identifier from the path. Errors: idp.ErrNotFound for one that cannot be an
// identifier; nothing is looked up then.
func pathID[T ~string](r *http.Request, name string) (T, error) {
	s := r.PathValue(name)
	if s == "" || len(s) > maxID || strings.ContainsFunc(s, func(c rune) bool {
		ok := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c)
		return !ok
	}) {
		return "", idp.ErrNotFound
	}
	return T(s), nil
}
