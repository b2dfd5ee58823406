package main

import (
	"iter"
	"strings"

	"github.com/spf13/pflag"

	"hilum/idp"
)

// listFlags are the flags that all lists have which are searched.
type listFlags struct {
	facets        []string
	sort          string
	down          bool
	limit         int
	asJSON, asCSV bool
}

// register adds the flags. facets and sorts are those of the list; the first sort is
// the default.
func (f *listFlags) register(flags *pflag.FlagSet, facets, sorts []string) {
	flags.StringSliceVar(&f.facets, "facet", nil, "only those that are all of these: `"+strings.Join(facets, ", ")+"`")
	flags.StringVar(&f.sort, "sort", sorts[0], "`order`: "+strings.Join(sorts, ", "))
	flags.BoolVar(&f.down, "down", false, "from the end of the order")
	flags.IntVar(&f.limit, "limit", 0, "stop after so many `lines` (0: all)")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a line, for scripts")
	flags.BoolVar(&f.asCSV, "csv", false, "comma-separated values, for spreadsheets")
}

// check returns a usageError for flags that exclude one another.
func (f *listFlags) check() error {
	if f.asJSON && f.asCSV {
		return usagef("--json and --csv exclude one another")
	}
	return nil
}

// found yields the rows of a list that is searched, in its order, at most so many
// (0: all). search returns one page of it. After an error nothing comes any more.
func found[T any](most int, search func(idp.Page) ([]T, idp.Cursors, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		left := most
		paged("", func(after idp.Key) ([]T, idp.Key, bool, error) {
			p := idp.Page{After: after, Limit: idp.MaxListPage}
			if most > 0 {
				p.Limit = min(p.Limit, left)
			}
			rows, cursors, err := search(p)
			left -= len(rows)
			return rows, cursors.Next, cursors.Next != "" && (most <= 0 || left > 0), err
		})(yield)
	}
}

// paged yields the rows of a list that is read page by page, from a place in it
// on. page returns the rows behind a place, the place behind them, and whether to
// go on there. After an error nothing comes any more.
func paged[T, Place any](from Place, page func(after Place) (rows []T, next Place, more bool, err error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for at, more := from, true; more; {
			var rows []T
			var err error
			if rows, at, more, err = page(at); err != nil {
				yield(nil, err)
				return
			}
			for i := range rows {
				if !yield(&rows[i], nil) {
					return
				}
			}
		}
	}
}
