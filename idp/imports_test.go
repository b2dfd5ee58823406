package idp_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// layer is a storey of the house; arrows point down.
type layer string

const (
	ground   layer = "ground"  // beneath the tools: the standard library only
	letters  layer = "letters" // how text is kept and compared, for all but the nouns
	nouns    layer = "nouns"
	tool     layer = "tool"
	verb     layer = "verb"
	door     layer = "door"
	frame    layer = "pages" // what the pages of the people's door are made with
	shared   layer = "shared by doors"
	adapter  layer = "adapter"
	sender   layer = "sender" // what the outbox delivers by
	keeper   layer = "store"  // an adapter, made of the three below
	engines  layer = "engine" // how the store speaks to one database
	part     layer = "part of the store"
	contract layer = "contract of engines"
	settings layer = "settings"
	channel  layer = "push channel"
	party    layer = "relying party"          // an example of one, for trying things out
	builtin  layer = "built-in relying party" // as any other, but part of the provider
	client   layer = "device"                 // knows the provider by its protocol only
	joiner   layer = "main"                   // builds the parts and joins them
	suite    layer = "suite"                  // tests that stand in a package of their own
)

// packages has a row for every package of the module.
var packages = map[string]layer{
	"cmd/idp":              joiner,
	"cmd/phone":            joiner,
	"cmd/phone/phone":      client,
	"cmd/viewer":           party,
	"cmd/viewer/viewer":    party,
	"config":               settings,
	"e2e":                  suite,
	"e2e/bench":            suite,
	"e2e/balance":          suite,
	"e2e/bench/fill":       suite,
	"e2e/crowd":            suite,
	"idp":                  nouns,
	"idp/admin":            verb,
	"idp/adminapi":         door,
	"idp/brand":            tool,
	"idp/claim":            tool,
	"idp/device":           verb,
	"idp/deviceapi":        door,
	"idp/file":             ground,
	"idp/geo":              tool,
	"idp/idptest":          suite,
	"idp/jwks":             tool,
	"idp/keyring":          tool,
	"idp/limit":            tool,
	"idp/live":             adapter,
	"idp/login":            verb,
	"idp/logout":           sender,
	"idp/mail":             sender,
	"idp/mail/mailtest":    suite,
	"idp/oidc":             door,
	"idp/outbound":         adapter,
	"idp/outbox":           adapter,
	"idp/password":         tool,
	"idp/ping":             sender,
	"idp/push":             adapter,
	"idp/push/fcm":         channel,
	"idp/push/pushtest":    suite,
	"idp/push/webpush":     channel,
	"idp/recent":           tool,
	"idp/serve":            shared,
	"idp/store":            keeper,
	"idp/store/engine":     contract,
	"idp/store/find":       part,
	"idp/store/migrations": contract,
	"idp/store/pgtest":     suite,
	"idp/store/postgres":   engines,
	"idp/store/sqlite":     engines,
	"idp/store/storetest":  suite,
	"idp/text":             letters,
	"idp/totp":             tool,
	"idp/tryout":           builtin,
	"idp/web":              door,
	"idp/web/desk":         door,
	"idp/web/page":         frame,
	"idp/web/webtest":      suite,
	"idp/web/webtest/walk": suite,
	"static":               shared,
	"static/source":        ground,
	"templates":            shared,
	"templates/words":      shared,
}

// knows says which layers the code of a layer may name. Its own is in the list
// only where packages of one layer may know one another. Tests may name all
// but a main package.
var knows = map[layer][]layer{
	ground:   {},
	letters:  {},
	nouns:    {},
	tool:     {nouns, ground, letters},
	verb:     {nouns, letters, tool},
	adapter:  {nouns, letters},
	keeper:   {ground, nouns, letters, engines, part, contract},
	engines:  {nouns, letters, contract},
	part:     {nouns, letters, contract},
	contract: {nouns, letters},
	sender:   {nouns, letters, adapter},
	channel:  {nouns, adapter, ground},
	client:   {},
	shared:   {nouns, shared, ground},
	door:     {nouns, letters, tool, verb, frame, shared},
	frame:    {ground, nouns, letters, tool, verb, shared},
	settings: {nouns, tool, ground}, // to ask whether a setting fits
	party:    {party},
	builtin:  {nouns},
	suite:    {suite, ground, nouns, letters, tool, verb, door, frame, shared, adapter, keeper, engines, part, contract, sender, settings, party, builtin, channel, client},
	joiner:   {ground, nouns, letters, tool, verb, door, frame, shared, adapter, keeper, sender, settings, party, builtin, channel, client},
}

// besides has the files that may name a package which their layer may not.
var besides = map[string]string{
	"cmd/idp/database.go": "idp/store/engine", // why a database could not be opened
	"cmd/idp/migrate.go":  "idp/store/engine", // as above
	"cmd/idp/version.go":  "idp/store/sqlite", // which release of it is built in
}

// home is where a library lives: the packages whose code, and those whose
// tests besides, may import it.
type home struct {
	code, tests []string
}

// outside has a row for every library that is not of the standard one.
var outside = map[string]home{
	"github.com/SherClockHolmes/webpush-go":   {code: []string{"idp/push/webpush"}},
	"github.com/appleboy/go-fcm":              {code: []string{"idp/push/fcm"}},
	"firebase.google.com/go/v4":               {code: []string{"idp/push/fcm"}},
	"google.golang.org/api":                   {code: []string{"idp/push/fcm"}},
	"github.com/boombuler/barcode":            {code: []string{"idp/web", "cmd/idp"}, tests: []string{"cmd/phone/phone", "e2e"}}, // in a page, in a terminal
	"github.com/chromedp/cdproto":             {tests: []string{"e2e"}},
	"github.com/chromedp/chromedp":            {tests: []string{"e2e"}},
	"github.com/coreos/go-oidc/v3":            {code: []string{"cmd/viewer/viewer", "idp/tryout"}, tests: []string{"cmd/idp", "e2e", "idp/oidc"}},
	"github.com/go-jose/go-jose/v4":           {code: []string{"cmd/phone/phone", "idp/device", "idp/jwks", "idp/oidc", "idp/push/pushtest", "idp/push/webpush"}, tests: []string{"e2e", "e2e/bench", "idp/keyring"}},
	"github.com/emersion/go-sasl":             {code: []string{"idp/mail/mailtest"}},
	"github.com/emersion/go-smtp":             {code: []string{"idp/mail/mailtest"}},
	"github.com/evanw/esbuild":                {tests: []string{"static"}},
	"github.com/getkin/kin-openapi":           {tests: []string{"e2e", "idp/adminapi"}},
	"github.com/golang-fips/openssl/v2":       {code: []string{"idp/keyring"}},
	"github.com/gorilla/securecookie":         {code: []string{"idp/web/page"}},
	"github.com/gorilla/sessions":             {code: []string{"idp/web/page"}},
	"github.com/jackc/pgx/v5":                 {code: []string{"idp/store/pgtest", "idp/store/postgres"}, tests: []string{"idp/store"}},
	"github.com/jba/templatecheck":            {tests: []string{"templates"}},
	"github.com/makiuchi-d/gozxing":           {code: []string{"cmd/phone/phone"}},
	"github.com/mileusna/useragent":           {code: []string{"idp/web/page"}},
	"github.com/nicksnyder/go-i18n/v2":        {code: []string{"templates/words"}},
	"github.com/pquerna/otp":                  {code: []string{"idp/totp"}},
	"github.com/pressly/goose/v3":             {code: []string{"idp/store/postgres", "idp/store/sqlite"}},
	"github.com/rivo/uniseg":                  {code: []string{"idp/text"}},
	"github.com/rogpeppe/go-internal":         {tests: []string{"cmd/idp"}},
	"github.com/spf13/cobra":                  {code: []string{"cmd/idp", "cmd/phone"}},
	"github.com/spf13/pflag":                  {code: []string{"cmd/idp"}},
	"github.com/trustelem/zxcvbn":             {code: []string{"idp/password"}},
	"github.com/wneessen/go-mail":             {code: []string{"idp/mail"}},
	"github.com/zitadel/oidc/v3":              {code: []string{"idp/oidc"}},
	"go.yaml.in/yaml/v3":                      {code: []string{"config"}},
	"golang.org/x/crypto/argon2":              {code: []string{"idp/password"}},
	"golang.org/x/crypto/cryptobyte":          {code: []string{"idp/keyring"}},
	"golang.org/x/image/draw":                 {code: []string{"idp/brand"}},
	"golang.org/x/mod":                        {tests: []string{"cmd/idp"}},
	"golang.org/x/net/html":                   {tests: []string{"e2e"}},
	"golang.org/x/net/idna":                   {code: []string{"idp/text"}},
	"golang.org/x/oauth2":                     {code: []string{"cmd/viewer/viewer", "idp/push/fcm", "idp/tryout"}, tests: []string{"cmd/idp", "e2e", "idp/oidc"}},
	"golang.org/x/sync/errgroup":              {code: []string{"cmd/idp"}},
	"golang.org/x/sys/unix":                   {tests: []string{"e2e/bench"}},
	"golang.org/x/term":                       {code: []string{"cmd/idp"}},
	"golang.org/x/text/language":              {code: []string{"idp/text", "templates/words"}},
	"golang.org/x/text/message":               {code: []string{"templates/words"}},
	"golang.org/x/text/number":                {code: []string{"templates/words"}},
	"golang.org/x/text/feature/plural":        {tests: []string{"templates/words"}},
	"golang.org/x/text/unicode/bidi":          {code: []string{"templates/words"}},
	"golang.org/x/text/unicode/norm":          {code: []string{"idp/text"}, tests: []string{"idp/password"}},
	"golang.org/x/time/rate":                  {code: []string{"idp/limit"}},
	"github.com/mattn/go-sqlite3":             {code: []string{"idp/store/sqlite"}, tests: []string{"idp/store"}},
	"gorm.io/driver/sqlite":                   {code: []string{"idp/store/sqlite"}, tests: []string{"idp/store"}},
	"gorm.io/driver/postgres":                 {code: []string{"idp/store/postgres"}},
	"gorm.io/gorm":                            {code: []string{"idp/store", "idp/store/engine", "idp/store/postgres", "idp/store/sqlite"}},
	"github.com/maxmind/mmdbwriter":           {tests: []string{"idp/geo"}},
	"github.com/oschwald/maxminddb-golang/v2": {code: []string{"idp/geo"}},
}

// inside bounds what of the standard library only some may know; tests may.
var inside = map[string][]layer{
	"net/http":     {door, frame, shared, party, builtin, joiner, client, channel, adapter, sender},
	"database/sql": {engines},
}

// source is one Go file, as far as the table looks at it.
type source struct {
	path    string
	dir     string // package path below the module
	test    bool
	imports []string
}

// sources reads every Go file below the module's root, whatever its build
// constraints. The root itself holds no package.
func sources(fsys fs.FS) ([]source, error) {
	var all []source
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(p); d.IsDir() {
			if p != "." && (base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".go" || path.Dir(p) == "." {
			return nil
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go")}
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// faults says what the table forbids, one line each.
func faults(all []source) (found []string) {
	fault := func(s source, format string, args ...any) {
		found = append(found, s.path+": "+fmt.Sprintf(format, args...))
	}
	for _, s := range all {
		of, ok := packages[s.dir]
		if !ok {
			fault(s, "package %s has no row", s.dir)
			continue
		}
		for _, name := range s.imports {
			if own, ok := strings.CutPrefix(name, "hilum/"); ok {
				to, ok := packages[own]
				switch {
				case !ok:
					fault(s, "package %s has no row", own)
				case to == joiner || own == "cmd/viewer":
					fault(s, "nobody imports %s", own)
				case !s.test && own != s.dir && !slices.Contains(knows[of], to) && besides[s.path] != own:
					fault(s, "%s may not know %s (%s)", of, own, to)
				}
				continue
			}
			if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
				h, ok := outside[under(name, slices.Collect(maps.Keys(outside)))]
				switch {
				case !ok:
					fault(s, "%s has no home", name)
				case !slices.Contains(h.code, s.dir) && !(s.test && slices.Contains(h.tests, s.dir)):
					fault(s, "%s lives in %q, and in the tests of %q", name, h.code, h.tests)
				}
				continue
			}
			may, bounded := inside[under(name, slices.Collect(maps.Keys(inside)))]
			if bounded && !s.test && !slices.Contains(may, of) && of != suite {
				fault(s, "%s may not know %s", of, name)
			}
		}
	}
	return found
}

// under returns the longest of the paths that name is, or lies below.
func under(name string, paths []string) (best string) {
	for _, p := range paths {
		if (name == p || strings.HasPrefix(name, p+"/")) && len(p) > len(best) {
			best = p
		}
	}
	return best
}

// Who may know whom, in the whole module.
func TestImports(t *testing.T) {
	all, err := sources(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults(all) {
		t.Error(f)
	}

	// What the tables say is there, is there.
	dirs, used := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		dirs[s.dir] = true
		for _, name := range s.imports {
			used[under(name, slices.Collect(maps.Keys(outside)))] = true
		}
	}
	for file, own := range besides {
		if !slices.ContainsFunc(all, func(s source) bool { return s.path == file && slices.Contains(s.imports, "hilum/"+own) }) {
			t.Errorf("%s may name %s, and does not", file, own)
		}
	}
	for dir := range packages {
		if !dirs[dir] {
			t.Errorf("a row for package %s, which does not exist", dir)
		}
	}
	for name, h := range outside {
		if !used[name] {
			t.Errorf("a home for %s, which nobody imports", name)
		}
		for _, dir := range append(slices.Clone(h.code), h.tests...) {
			if !dirs[dir] {
				t.Errorf("%s lives in %s, which does not exist", name, dir)
			}
		}
	}
}

// The table itself keeps the promises that the layers are named for.
func TestImportTables(t *testing.T) {
	for of, may := range knows {
		if slices.Contains(may, joiner) {
			t.Errorf("a %s may know main", of)
		}
		if slices.Contains(may, adapter) && of != joiner && of != suite && of != channel && of != sender {
			t.Errorf("a %s may know adapters", of)
		}
		if slices.Contains(may, keeper) && of != joiner && of != suite {
			t.Errorf("a %s may know the store", of)
		}
		if slices.Contains(may, engines) && of != keeper && of != suite {
			t.Errorf("a %s may know engines", of)
		}
		if slices.Contains(may, door) && of != joiner && of != suite {
			t.Errorf("a %s may know doors", of)
		}
	}
	for dir, of := range packages {
		if _, ok := knows[of]; !ok {
			t.Errorf("%s is a %s, and nothing says whom that may know", dir, of)
		}
	}
	for name, h := range outside {
		if slices.Contains(h.code, "idp") || slices.Contains(h.tests, "idp") {
			t.Errorf("%s lives among the nouns", name)
		}
	}
}

// The reading of sources catches what it is for.
func TestImportsAreCaught(t *testing.T) {
	for _, c := range []struct {
		why, path, imports string
		want               string // part of the one fault, empty for none
	}{
		{"a door beside a door", "idp/web/x.go", `import "hilum/idp/oidc"`, "door may not know idp/oidc"},
		{"a door's test beside a door", "idp/web/x_test.go", `import "hilum/idp/oidc"`, ""},
		{"a door and a verb", "idp/web/x.go", `import "hilum/idp/login"`, ""},
		{"a door and the database", "idp/oidc/x.go", `import "hilum/idp/store"`, "door may not know idp/store"},
		{"a verb and the database", "idp/login/x.go", `import db "hilum/idp/store"`, "verb may not know idp/store"},
		{"a verb beside a verb", "idp/login/x.go", `import "hilum/idp/device"`, "verb may not know idp/device"},
		{"a verb and HTTP", "idp/login/x.go", `import "net/http"`, "verb may not know net/http"},
		{"a verb and HTTP below", "idp/device/x.go", `import "net/http/httptest"`, "verb may not know net/http/httptest"},
		{"a verb and SQL", "idp/admin/x.go", `import _ "database/sql"`, "verb may not know database/sql"},
		{"a verb and gorm", "idp/admin/x.go", `import "gorm.io/gorm/clause"`, "gorm.io/gorm/clause lives in [\"idp/store\" "},
		{"a tool and a tool", "idp/totp/x.go", `import "hilum/idp/limit"`, "tool may not know idp/limit"},
		{"a tool and HTTP", "idp/limit/x.go", `import "net/http"`, "tool may not know net/http"},
		{"a noun and a tool", "idp/x.go", `import "hilum/idp/totp"`, "nouns may not know idp/totp"},
		{"a noun and a library", "idp/x.go", `import "golang.org/x/time/rate"`, "lives in [\"idp/limit\"]"},
		{"a noun's test and a library", "idp/x_test.go", `import "golang.org/x/time/rate"`, "lives in [\"idp/limit\"]"},
		{"an adapter and a verb", "idp/live/x.go", `import "hilum/idp/login"`, "adapter may not know idp/login"},
		{"the store and a verb", "idp/store/x.go", `import "hilum/idp/login"`, "store may not know idp/login"},
		{"an adapter's test and a verb", "idp/store/x_test.go", `import "hilum/idp/login"`, ""},
		{"an adapter beside an adapter", "idp/live/x.go", `import "hilum/idp/outbox"`, "adapter may not know idp/outbox"},
		{"an adapter and the store", "idp/outbox/x.go", `import "hilum/idp/store"`, "adapter may not know idp/store"},
		{"the store and an adapter", "idp/store/x.go", `import "hilum/idp/outbox"`, "store may not know idp/outbox"},
		{"the store and an engine", "idp/store/x.go", `import "hilum/idp/store/sqlite"`, ""},
		{"a verb and an engine", "idp/admin/x.go", `import "hilum/idp/store/postgres"`, "verb may not know idp/store/postgres"},
		{"an engine beside an engine", "idp/store/postgres/x.go", `import "hilum/idp/store/sqlite"`, "engine may not know idp/store/sqlite"},
		{"the store and SQL", "idp/store/x.go", `import "database/sql"`, "store may not know database/sql"},
		{"an engine and its contract", "idp/store/sqlite/x.go", `import "hilum/idp/store/engine"`, ""},
		{"an engine and the store", "idp/store/sqlite/x.go", `import "hilum/idp/store"`, "engine may not know idp/store"},
		{"an engine and a part", "idp/store/sqlite/x.go", `import "hilum/idp/store/find"`, "engine may not know idp/store/find"},
		{"a part and an engine", "idp/store/find/x.go", `import "hilum/idp/store/sqlite"`, "part of the store may not know idp/store/sqlite"},
		{"a part's test and an engine", "idp/store/find/x_test.go", `import "hilum/idp/store/sqlite"`, ""},
		{"the contract and an engine", "idp/store/engine/x.go", `import "hilum/idp/store/sqlite"`, "contract of engines may not know idp/store/sqlite"},
		{"an adapter and a contract", "idp/outbox/x.go", `import "hilum/idp/store/engine"`, "adapter may not know idp/store/engine"},
		{"main and an engine", "cmd/idp/x.go", `import "hilum/idp/store/sqlite"`, "main may not know idp/store/sqlite"},
		{"main's version and an engine", "cmd/idp/version.go", `import "hilum/idp/store/sqlite"`, ""},
		{"main's version and a part", "cmd/idp/version.go", `import "hilum/idp/store/find"`, "main may not know idp/store/find"},
		{"a sender and the outbox", "idp/mail/x.go", `import "hilum/idp/outbox"`, ""},
		{"a sender beside a sender", "idp/mail/x.go", `import "hilum/idp/logout"`, "sender may not know idp/logout"},
		{"a verb and a sender", "idp/login/x.go", `import "hilum/idp/mail"`, "verb may not know idp/mail"},
		{"main, imported", "e2e/x_test.go", `import "hilum/cmd/idp"`, "nobody imports cmd/idp"},
		{"the viewer in a door", "idp/web/x.go", `import "hilum/cmd/viewer/viewer"`, "door may not know cmd/viewer/viewer"},
		{"the other OpenID library in the provider", "idp/oidc/x.go", `import "github.com/coreos/go-oidc/v3/oidc"`, `lives in ["cmd/viewer/viewer" "idp/tryout"]`},
		{"the same in its tests", "idp/oidc/x_test.go", `import "github.com/coreos/go-oidc/v3/oidc"`, ""},
		{"a test library in code", "cmd/idp/x.go", `import "github.com/rogpeppe/go-internal/testscript"`, `lives in [], and in the tests of ["cmd/idp"]`},
		{"a library below another's name", "idp/store/x.go", `import "gorm.io/gormx"`, "gorm.io/gormx has no home"},
		{"a new library", "idp/web/x.go", `import "example.org/left/pad"`, "example.org/left/pad has no home"},
		{"a new library in a test", "idp/web/x_test.go", `import "example.org/left/pad"`, "example.org/left/pad has no home"},
		{"a new package", "idp/utils/x.go", ``, "package idp/utils has no row"},
		{"a new package, imported", "idp/web/x.go", `import "hilum/idp/utils"`, "package idp/utils has no row"},
		{"behind a build constraint", "idp/web/x.go", `import "hilum/idp/store"`, "door may not know idp/store"},
		{"what is not built at all", "idp/web/testdata/x.go", `import "hilum/idp/store"`, ""},
		{"main and everything", "cmd/idp/x.go", "import (\n\"net/http\"\n\"hilum/idp/store\"\n\"hilum/idp/web\"\n\"hilum/idp/oidc\"\n)", ""},
	} {
		text := "package x\n" + c.imports
		if strings.HasPrefix(c.why, "behind") {
			text = "//go:build plan9\n\n" + text
		}
		all, err := sources(fstest.MapFS{c.path: {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		found := faults(all)
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: %q", c.why, found)
		case c.want != "" && (len(found) != 1 || !strings.Contains(found[0], c.want)):
			t.Errorf("%s: %q, want %q", c.why, found, c.want)
		}
	}
}

// The picture in docs/architecture.md is that of the table: every package of the
// storeys that it has, in its storey.
func TestArchitectureIsThePicture(t *testing.T) {
	b, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	storeys := map[string]layer{
		"doors": door, "verbs": verb, "tools": tool, "ground": ground, "nouns": nouns, "letters": letters, "adapters": adapter, "senders": sender, "shared": shared,
		"store": keeper, "engines": engines, "parts": part, "contract": contract,
	}
	drawn := map[layer][]string{}
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "  ")
		of, is := storeys[name]
		if !ok || !is || !strings.HasPrefix(line, "    ") {
			continue
		}
		list, _, _ := strings.Cut(strings.TrimSpace(rest), "   ")
		drawn[of] = append(drawn[of], strings.Fields(list)...)
	}
	for name, of := range storeys {
		var want []string
		for pkg, l := range packages {
			if l == of {
				want = append(want, path.Base(pkg))
			}
		}
		slices.Sort(want)
		if !slices.Equal(drawn[of], want) {
			t.Errorf("%s are drawn as %q, and are %q", name, drawn[of], want)
		}
	}
}
