package web

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/deviceapi"
	"hilum/idp/web/page"
)

// A page that is served has a record: nothing else of the people's door speaks to the
// mux, and Door.Mount mounts the records.
func TestEveryPageHasARecord(t *testing.T) {
	handles := regexp.MustCompile(`\.(Handle|HandleFunc)\(`)
	found := map[string]int{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if n := len(handles.FindAll(b, -1)); n > 0 {
			found[path] = n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[filepath.Join("page", "routes.go")] != 1 {
		t.Errorf("pages are mounted in %v, want only in page/routes.go, once", found)
	}
}

// What the record of a page leaves out, or says wrongly, is told before anybody asks
// for the page.
func TestARecordThatCannotBe(t *testing.T) {
	d := open(t)
	anyone, own := d.page.Anyone(nil), d.page.Account((&account{}).accountHome)
	answers := d.page.Anyone((&signIns{}).loginPage)
	for name, r := range map[string]page.Route{
		"nothing answers":               {Pattern: "GET /new", Who: anyone},
		"no access":                     {Pattern: "GET /new"},
		"there already":                 {Pattern: "GET /signed-out", Who: answers},
		"a name twice":                  {Pattern: "GET /new", Who: answers, Name: "devices"},
		"a bound and no upload":         {Pattern: "POST /new", Who: answers, Body: 1},
		"an account's, and no way back": {Pattern: "GET /account/new", Who: own},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			d.page.Add(r)
		}()
	}
	d.page.Add(page.Route{Pattern: "GET /account/new", Who: own, Back: "no-such-page"})
	defer func() {
		if recover() == nil {
			t.Error("a page that leads back to none was mounted")
		}
	}()
	d.page.Mount(http.NewServeMux())
}

// What a page does in the background is quiet: what it asks all day, by its path.
func TestPagesThatWaitAreQuiet(t *testing.T) {
	quiet := openAll(t).page.Quiet()
	waits := regexp.MustCompile(`/(state|events|waiting|here|sw\.js)$|^GET /static/`)
	for _, r := range openAll(t).page.Routes() {
		if waits.MatchString(r.Pattern) != slices.Contains(quiet, r.Pattern) {
			t.Errorf("%s: quiet %v", r.Pattern, r.Quiet)
		}
	}
	if len(quiet) < 11 {
		t.Errorf("%d pages wait", len(quiet))
	}
}

// Whoever sets up a proxy reads in docs/proxy.md which paths must not be held back: those of
// all event streams, and no others. Only pages that say so can open one.
func TestProxiesAreToldOfStreams(t *testing.T) {
	streams := []string{deviceapi.StreamPath}
	wildcard := regexp.MustCompile(`\{[^}]*\}`)
	for _, r := range openAll(t).page.Routes() {
		if _, path, _ := strings.Cut(r.Pattern, " "); r.Stream {
			streams = append(streams, wildcard.ReplaceAllString(path, "*"))
		}
	}
	text, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| event streams not held back: ([^|]*) \|`).FindSubmatch(text)
	if row == nil {
		t.Fatal("docs/proxy.md has no row about event streams")
	}
	var told []string
	for _, path := range regexp.MustCompile("`([^`]*)`").FindAllSubmatch(row[1], -1) {
		told = append(told, string(path[1]))
	}
	slices.Sort(streams)
	slices.Sort(told)
	if !slices.Equal(streams, told) {
		t.Errorf("docs/proxy.md names %q, and streams are %q", told, streams)
	}

	// Streams are opened here, where the records are asked, and at the phones' door, by its
	// one operation.
	var found []string
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if n := strings.Count(string(b), "Streams.Follow(") + strings.Count(string(b), `"text/event-stream"`); n > 0 {
			found = append(found, path)
		}
		return err
	})
	if want := []string{"../deviceapi/listen.go", "../serve/stream.go", "../web/page/live.go"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("streams are opened in %q, want %q; %v", found, want, err)
	}
}

// A page opens no stream unless its record says so.
func TestOnlyMarkedPagesStream(t *testing.T) {
	pulse := func(context.Context) (string, []idp.Topic, error) { return "here", nil, nil }
	d := openWith(t, nil, func(p *page.Door) {
		for path, stream := range map[string]bool{"/marked": true, "/unmarked": false} {
			p.Add(page.Route{Pattern: "GET " + path, Stream: stream, Who: p.Anyone(func(w http.ResponseWriter, r *http.Request) error {
				return p.Follow(w, r, pulse, func() (<-chan struct{}, func()) { return nil, func() {} })
			})})
		}
	})
	if r := d.From("same-origin", http.MethodHead, "/marked"); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("a stream answers %d %v", r.StatusCode, r.Header)
	}
	if r := d.From("same-origin", http.MethodHead, "/unmarked"); r.StatusCode != http.StatusInternalServerError {
		t.Errorf("what is no stream answers %d %v", r.StatusCode, r.Header)
	}
}

// Each page that is somebody's can be come back to: by its own name, or by that of
// another, and every name leads to a page that is got.
func TestEveryPageLeadsBack(t *testing.T) {
	p := openAll(t).page
	names := map[string]bool{}
	for _, r := range p.Routes() {
		if r.Name != "" {
			names[r.Name] = true
			if !strings.HasPrefix(r.Pattern, "GET ") {
				t.Errorf("%s has the name %s, and is not got", r.Pattern, r.Name)
			}
		}
	}
	for _, r := range p.Routes() {
		switch {
		case !r.Who.Person:
		case r.Name == "" && r.Back == "":
			t.Errorf("%s leads back nowhere", r.Pattern)
		case r.Back != "" && !names[r.Back]:
			t.Errorf("%s leads back to %s, which is none", r.Pattern, r.Back)
		}
	}
	for name := range names {
		_, plain := p.Place(name)
		_, about := p.Place(name + ":" + aDevice)
		_, query := p.Place(name + ":f=ios")
		_, event := p.Place(name + ":12")
		if !plain && !about && !query && !event {
			t.Errorf("%s leads nowhere", name)
		}
		if path, ok := p.Place(name + ":../x"); ok {
			t.Errorf("%s:../x leads to %s", name, path)
		}
	}
}
