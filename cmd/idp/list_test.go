package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hilum/idp"
)

// A list is read page by page as far as it is asked for, and no page more.
func TestListsAreReadPageByPage(t *testing.T) {
	broken := errors.New("disk gone")
	for name, c := range map[string]struct {
		have, most int
		breaks     int    // the page that cannot be read; 0: none
		want       string // the rows, and the pages that were asked for
	}{
		"an empty list":              {0, 0, 0, "0 rows; 0+200"},
		"one page":                   {200, 0, 0, "200 rows; 0+200 200+200"},
		"three pages":                {450, 0, 0, "450 rows; 0+200 200+200 400+200"},
		"less than a page":           {450, 7, 0, "7 rows; 0+7"},
		"more than a page":           {450, 250, 0, "250 rows; 0+200 200+50"},
		"a page to the row":          {450, 200, 0, "200 rows; 0+200"},
		"more than there are":        {3, 250, 0, "3 rows; 0+200"},
		"a page that cannot be read": {450, 0, 2, "200 rows; 0+200 200+200; disk gone"},
		"the first of them":          {450, 0, 1, "0 rows; 0+200; disk gone"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			list := found(c.most, func(p idp.Page) ([]int, idp.Cursors, error) {
				from := 0
				_, _ = fmt.Sscan(string(p.After), &from)
				asked = append(asked, fmt.Sprintf("%d+%d", from, p.Limit))
				if len(asked) == c.breaks {
					return nil, idp.Cursors{}, broken
				}
				var rows []int
				for n := from; n < min(from+p.Limit, c.have); n++ {
					rows = append(rows, n)
				}
				var cursors idp.Cursors
				if len(rows) == p.Limit {
					cursors.Next = idp.Key(fmt.Sprint(from + p.Limit))
				}
				return rows, cursors, nil
			})
			for range 2 { // it can be gone through again
				asked = nil
				rows, failed := 0, ""
				for row, err := range list {
					if err != nil {
						failed += "; " + err.Error()
						continue
					}
					if *row != rows {
						t.Errorf("row %d is %d", rows, *row)
					}
					rows++
				}
				if got := fmt.Sprintf("%d rows; %s%s", rows, strings.Join(asked, " "), failed); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
		})
	}
}

// A search that gave up early has a short page, even an empty one, and goes on; who
// has seen enough asks for nothing more.
func TestListsGoOnBehindShortPages(t *testing.T) {
	pages := [][]int{{0}, {}, {1, 2}, {3}}
	asked := 0
	list := found(0, func(idp.Page) ([]int, idp.Cursors, error) {
		rows, cursors := pages[asked], idp.Cursors{Partial: true}
		if asked++; asked < len(pages) {
			cursors.Next = "on"
		}
		return rows, cursors, nil
	})
	var got []int
	for row := range list {
		if got = append(got, *row); *row == 1 {
			break
		}
	}
	if fmt.Sprint(got) != "[0 1]" || asked != 3 {
		t.Errorf("%v after %d pages", got, asked)
	}
}

// A phone that can ask for a fingerprint or PIN is told from others, to people and scripts.
func TestDeviceLinesSayWhoseFingerprintIsAsked(t *testing.T) {
	for want, key := range map[string][]byte{"yes": make([]byte, 64), "no": nil} {
		l := ownedLineOf(&idp.DeviceRow{Device: idp.Device{Kind: idp.DeviceApp, UVKey: key}})
		if l.verifies() != want || l.Verifies != (want == "yes") {
			t.Errorf("%v, %q, want %s", l.Verifies, l.verifies(), want)
		}
	}
}
