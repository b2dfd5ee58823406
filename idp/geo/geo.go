// Package geo says at which place a client address is, by a database in the MaxMind DB
// format that an operator has: city and country, as far as the database knows them. It is
// a hint for whoever reads it; nothing is decided by it.
package geo

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"hilum/idp"
)

// Every is how often the file is looked at.
const Every = time.Minute

// MaxFile bounds the file, in bytes: it is kept in memory, since a file that is written
// over while it is mapped would end the process.
const MaxFile = 512 << 20

// maxPlace bounds the name of a place, in runes.
const maxPlace = 80

// Places knows the places of addresses. Safe for concurrent use.
type Places struct {
	path string
	log  *slog.Logger
	now  atomic.Pointer[reading]
	told string // of the last reading: why it failed; empty: it was taken
}

// reading is what was read of the file, and when it was changed then.
type reading struct {
	db   *maxminddb.Reader
	at   time.Time
	size int64
}

// Open reads the database at a path. The error says in a sentence what is wrong with the
// file.
func Open(path string, log *slog.Logger) (*Places, error) {
	p := &Places{path: path, log: log}
	r, err := read(path)
	if err != nil {
		return nil, err
	}
	p.now.Store(r)
	return p, nil
}

func read(path string) (*reading, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() > MaxFile:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are taken", path, info.Size(), int64(MaxFile))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	db, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no database in the MaxMind DB format (.mmdb): %w", path, err)
	}
	if kind := db.Metadata.DatabaseType; !strings.Contains(kind, "City") && !strings.Contains(kind, "Country") && !strings.Contains(kind, "Enterprise") {
		return nil, fmt.Errorf("%s is a database of another kind, %q; one of cities or countries is needed, such as GeoLite2-City", path, kind)
	}
	return &reading{db, info.ModTime(), info.Size()}, nil
}

// Run reads the file again when it has changed, until ctx ends. What was read last stays in
// use while the file is not there or broken; that is logged once.
func (p *Places) Run(ctx context.Context) {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			p.Look()
		}
	}
}

// Look reads the file again if it has changed. It is called by one goroutine at a time.
func (p *Places) Look() {
	was := p.now.Load()
	info, err := os.Stat(p.path)
	if err == nil && info.ModTime().Equal(was.at) && info.Size() == was.size {
		p.told = ""
		return
	}
	r, err := read(p.path)
	if err != nil {
		if p.told != err.Error() {
			p.told = err.Error()
			p.log.Error("the file of places is not taken; the one of before stays in use", "setting", "geo_file", "error", err)
		}
		return
	}
	p.told = ""
	p.now.Store(r)
	p.log.Info("a changed file of places is in use", "path", p.path)
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
	if err := p.now.Load().db.Lookup(a.Unmap()).Decode(&r); err != nil {
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
