package geo_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"hilum/idp/file"
	"hilum/idp/geo"
)

func names(of map[string]string) mmdbtype.Map {
	list := mmdbtype.Map{}
	for lang, name := range of {
		list[mmdbtype.String(lang)] = mmdbtype.String(name)
	}
	return mmdbtype.Map{"names": list}
}

// write makes a database of one kind, with a city in two networks.
func write(t *testing.T, path, kind, city string) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	country := names(map[string]string{"en": "Belgium", "de": "Belgien"})
	for network, entry := range map[string]mmdbtype.Map{
		"81.82.0.0/16":   {"city": names(map[string]string{"en": city, "nl": "Gent"}), "country": country},
		"2a02:1810::/32": {"country": country},
		"10.0.0.0/8":     {"city": names(map[string]string{"en": "Nowhere"})},
		"100.64.0.0/10":  {"city": names(map[string]string{"en": "Nowhere"})},
		"82.1.0.0/16":    {"city": names(map[string]string{"en": "evil\nline"}), "country": country},
		"82.2.0.0/16":    {"city": names(map[string]string{"en": strings.Repeat("x", 81)})},
		"82.3.0.0/16":    {"postal": names(map[string]string{"en": "9000"})},
	} {
		_, prefix, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(prefix, entry); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "places.mmdb")
	write(t, path, "Test-City", "Ghent")
	p, err := geo.Open(path, &file.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, lang, want string }{
		{"81.82.1.2", "en", "Ghent, Belgium"},
		{"81.82.1.2", "nl", "Gent, Belgium"},
		{"81.82.1.2", "nl-BE", "Gent, Belgium"},
		{"81.82.1.2", "de", "Ghent, Belgien"},
		{"81.82.1.2", "", "Ghent, Belgium"},
		{"::ffff:81.82.1.2", "en", "Ghent, Belgium"},
		{"2a02:1810::1", "de", "Belgien"},
		{"81.83.1.2", "en", ""}, // not in it
		{"82.3.1.2", "en", ""},  // without a name
		{"82.1.1.2", "en", "Belgium"},
		{"82.2.1.2", "en", ""},
		{"10.20.30.40", "en", ""}, // of this hospital, and of every other
		{"100.64.1.1", "en", ""},
		{"127.0.0.1", "en", ""}, {"::1", "en", ""}, {"fe80::1%eth0", "en", ""}, {"fd00::1", "en", ""}, {"169.254.1.1", "en", ""}, {"0.0.0.0", "en", ""},
		{"", "en", ""}, {"nonsense", "en", ""},
	} {
		if got := p.Place(c.address, c.lang); got != c.want {
			t.Errorf("%s in %q is at %q, want %q", c.address, c.lang, got, c.want)
		}
	}
}

func TestFilesThatHaveNoPlaces(t *testing.T) {
	dir := t.TempDir()
	broken, other := filepath.Join(dir, "broken.mmdb"), filepath.Join(dir, "asn.mmdb")
	if err := os.WriteFile(broken, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, other, "Test-ASN", "Ghent")
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file", broken: "no database in the MaxMind DB format", other: "of another kind", dir: "is not a file",
	} {
		_, err := geo.Open(path, &file.Watcher{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// A changed file is taken up, a broken one is not, and is told once.
func TestAChangedFileIsTakenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "places.mmdb")
	write(t, path, "Test-City", "Ghent")
	var log bytes.Buffer
	files := &file.Watcher{Log: slog.New(slog.NewTextHandler(&log, nil))}
	p, err := geo.Open(path, files)
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string) {
		t.Helper()
		files.Look()
		if got := p.Place("81.82.1.2", "en"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// touched is later than what was written before, whatever the clock's grain.
	touched := func(hours int) {
		t.Helper()
		at := time.Date(2026, 1, 1, hours, 0, 0, 0, time.UTC)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	is("Ghent, Belgium")
	if log.Len() > 0 {
		t.Errorf("nothing has changed, and it says %q", log.String())
	}
	write(t, path, "Test-City", "Bruges")
	touched(1)
	is("Bruges, Belgium")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	touched(2)
	is("Bruges, Belgium")
	is("Bruges, Belgium")
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	write(t, path, "Test-City", "Ostend")
	touched(3)
	is("Ostend, Belgium")
}
