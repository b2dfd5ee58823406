// Package geo says at which place a client address is, by a database in the MaxMind DB
// format that an operator has: city and country, as far as the database knows them. It is
// a hint for whoever reads it; nothing is decided by it.
package geo

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"hilum/idp"
	"hilum/idp/file"
)

// MaxFile bounds the file, in bytes: it is kept in memory, since a file that is written
// over while it is mapped would end the process.
const MaxFile = 512 << 20

// maxPlace bounds the name of a place, in runes.
const maxPlace = 80

// Places knows the places of addresses. Safe for concurrent use.
type Places struct {
	now atomic.Pointer[maxminddb.Reader]
}

// Open reads the database at a path, which files reads again when it changes. The error
// says in a sentence what is wrong with the file.
func Open(path string, files *file.Watcher) (*Places, error) {
	p := &Places{}
	err := files.Open(file.Source{
		Files: []file.Named{{Setting: "geo_file", Path: path, Large: MaxFile}},
		Take: func(all []file.Content) error {
			db, err := database(path, all[0].Bytes)
			if err == nil {
				p.now.Store(db)
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// database is what a file holds, if it has places. Errors name the path.
func database(path string, raw []byte) (*maxminddb.Reader, error) {
	db, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no database in the MaxMind DB format (.mmdb): %w", path, err)
	}
	if kind := db.Metadata.DatabaseType; !strings.Contains(kind, "City") && !strings.Contains(kind, "Country") && !strings.Contains(kind, "Enterprise") {
		return nil, fmt.Errorf("%s is a database of another kind, %q; one of cities or countries is needed, such as GeoLite2-City", path, kind)
	}
	return db, nil
}

// record is what is read of an entry.
type record struct {
	City    named `maxminddb:"city"`
	Country named `maxminddb:"country"`
}

type named struct {
	Names map[string]string `maxminddb:"names"`
}

// Place is the place of an address, such as «Ghent, Belgium», in a language (BCP 47) or, where
// the database has no names in it, in English. Empty: it is not known. Addresses that are not
// of the public Internet have no place, whatever the database says.
func (p *Places) Place(address, lang string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !public(a.Unmap()) {
		return ""
	}
	var r record
	if err := p.now.Load().Lookup(a.Unmap()).Decode(&r); err != nil {
		return "" // of a database that is damaged there
	}
	var parts []string
	for _, n := range []named{r.City, r.Country} {
		if s := n.in(lang); s != "" && idp.ValidText("place", s, 1, maxPlace) == nil {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// in is the name in a language: letter for letter, in the language without its region, or
// in English.
func (n named) in(lang string) string {
	base, _, _ := strings.Cut(lang, "-")
	for _, tag := range []string{lang, base, "en"} {
		if s := n.Names[tag]; s != "" {
			return s
		}
	}
	return ""
}

// shared are the addresses that a provider shares among its customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// public reports whether an address is of the public Internet.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}
