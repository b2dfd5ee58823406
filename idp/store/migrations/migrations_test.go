package migrations

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// Every script has its pair, every script behind [Settled] states its floor, the same for both
// engines, and only adds, unless it raises the floor: programs of one release back go on with what
// it leaves. The scripts of the test that replaces instances are looked at alike.
func TestScripts(t *testing.T) {
	const ofPostgreSQL = 40 // its first has all before it
	const more = "../../../e2e/testdata/rolling"
	last := map[string]int64{"sqlite": FirstFloor, "postgres": FirstFloor}
	for _, folder := range []string{"", "additive", "breaking"} { // each behind the ones before
		floor := map[string]Floor{}
		var named [2][]string
		for i, engine := range []string{"sqlite", "postgres"} {
			own, err := fs.Sub(files, engine)
			if err != nil {
				t.Fatal(err)
			}
			all := own
			if folder != "" {
				all = os.DirFS(filepath.Join(more, folder, engine))
			}
			names, err := fs.Glob(all, "*.sql")
			if err != nil || len(names) == 0 {
				t.Fatalf("%s %s: %v, %v", folder, engine, names, err)
			}
			for _, name := range names {
				n, err := number(name)
				if err != nil {
					t.Fatal(err)
				}
				if n >= ofPostgreSQL {
					named[i] = append(named[i], name)
				}
				if n <= Settled {
					continue
				}
				text, err := fs.ReadFile(all, name)
				if err != nil {
					t.Fatal(err)
				}
				states, faults := look(string(text), engine == "postgres", n, last[engine])
				for _, f := range faults {
					t.Errorf("%s/%s: %s", engine, name, f)
				}
				if other, ok := floor[name]; ok && other != states {
					t.Errorf("%s states another floor for each engine: %v and %v", name, other, states)
				}
				last[engine], floor[name] = states.Level, states
			}
		}
		if !slices.Equal(named[0], named[1]) {
			t.Errorf("the scripts of the engines are no pairs: %q and %q", named[0], named[1])
		}
	}
}

// What of a script would not do.
func TestFaultsOfScripts(t *testing.T) {
	const same = "UPDATE schema_floor SET level = 45, release = '0.1.0';\n"
	const up = "-- +goose Up\n"
	for _, c := range []struct {
		sql      string
		postgres bool
		want     string // a part of the one fault; empty: there is none
	}{
		{sql: up + same},
		{sql: up + "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL UNIQUE);\nCREATE UNIQUE INDEX t_n ON t (n);\nINSERT INTO t VALUES ('a;b', 1);\n" + same},
		{sql: up + "-- DROP TABLE users;\nALTER TABLE clients ADD COLUMN about TEXT NOT NULL DEFAULT ''; -- ; RENAME\n" + same},
		{sql: up + "alter table clients add about BLOB;\n" + same},
		{sql: up + "CREATE INDEX users_x ON users (x) WHERE x <> '';\n" + same},
		{sql: up + "-- +goose StatementBegin\nCREATE TRIGGER t_gone AFTER DELETE ON t BEGIN DELETE FROM users WHERE id = old.id; END;\n-- +goose StatementEnd\nCREATE TABLE t (k TEXT);\n" + same, want: "a trigger"},
		{postgres: true, sql: "-- +goose NO TRANSACTION\n" + up + "DROP INDEX CONCURRENTLY IF EXISTS users_x;\nCREATE INDEX CONCURRENTLY users_x ON users (x);\n" + same},
		{postgres: true, sql: up + "CREATE TABLE t (k TEXT);\nCREATE INDEX t_k ON t (k);\nCREATE SEQUENCE t_n;\n" + same},
		{postgres: true, sql: up + "-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE users; RETURN NULL; END $$;\n-- +goose StatementEnd\n" + same},
		// A floor that is raised says that programs of before do not go on.
		{sql: up + "DROP TABLE users;\nUPDATE schema_floor SET level = 48, release = '0.3.0';\n"},
		{sql: up + "ALTER TABLE users RENAME TO people;\nUPDATE schema_floor SET level = 50, release = '0.3.0';\n"},

		{sql: up + "CREATE TABLE t (k TEXT);\n", want: "states no floor"},
		{sql: up + same + same, want: "states no floor"},
		{sql: up + "UPDATE schema_floor SET level = 44, release = '0.1.0';\n", want: "floor falls"},
		{sql: up + "UPDATE schema_floor SET level = 51, release = '0.3.0';\n", want: "above its own number"},
		{sql: up + "-- UPDATE schema_floor SET level = 45, release = '0.1.0';\n", want: "states no floor"},
		{sql: up + "ALTER TABLE users ADD COLUMN x INTEGER NOT NULL;\n" + same, want: "without a default"},
		{sql: up + "ALTER TABLE users ADD COLUMN x INTEGER NOT NULL, ADD COLUMN y INTEGER DEFAULT 0;\n" + same, want: "without a default"},
		{sql: up + "ALTER TABLE users ADD COLUMN x TEXT NOT NULL CHECK (x <> 'DEFAULT');\n" + same, want: "without a default"},
		{sql: up + "ALTER TABLE users ADD COLUMN x TEXT DEFAULT '' UNIQUE;\n" + same, want: "bounds what"},
		{sql: up + "ALTER TABLE users ADD COLUMN x TEXT REFERENCES t (k);\n" + same, want: "bounds what"},
		{sql: up + "ALTER TABLE users DROP COLUMN x;\n" + same, want: "not known to add"},
		{sql: up + "ALTER TABLE users ADD COLUMN x TEXT, DROP COLUMN y;\n" + same, want: "not known to add"},
		{sql: up + "ALTER TABLE users RENAME COLUMN x TO y;\n" + same, want: "not known to add"},
		{sql: up + "ALTER TABLE users\n  RENAME TO people;\n" + same, want: "not known to add"},
		{postgres: true, sql: up + "ALTER TABLE users ALTER COLUMN x TYPE BIGINT;\n" + same, want: "not known to add"},
		{postgres: true, sql: up + "ALTER TABLE users ALTER x SET NOT NULL;\n" + same, want: "not known to add"},
		{postgres: true, sql: up + "ALTER TABLE users ADD CONSTRAINT c CHECK (x > 0);\n" + same, want: "not known to add"},
		{sql: up + "DROP TABLE IF EXISTS users;\n" + same, want: "not known to add"},
		{sql: up + "/* fine */ drop/**/table users;\n" + same, want: "not known to add"},
		{sql: up + "DROP INDEX users_email;\n" + same, want: "not known to add"},
		{postgres: true, sql: "-- +goose NO TRANSACTION\n" + up + "DROP INDEX CONCURRENTLY IF EXISTS users_y;\nCREATE INDEX CONCURRENTLY users_x ON users (x);\n" + same, want: "not known to add"},
		{sql: up + "CREATE TABLE users_new (id TEXT);\nINSERT INTO users_new SELECT id FROM users;\nDROP TABLE users;\nALTER TABLE users_new RENAME TO users;\n" + same, want: "not known to add"},
		{sql: up + "UPDATE users SET x = '';\n" + same, want: "not known to add"},
		{sql: up + "DELETE FROM users;\n" + same, want: "not known to add"},
		{sql: up + "CREATE UNIQUE INDEX users_x ON users (x);\n" + same, want: "of rows that"},
		{postgres: true, sql: up + "CREATE INDEX users_x ON users (x);\n" + same, want: "holds up who writes"},
		{postgres: true, sql: up + "CREATE INDEX CONCURRENTLY users_x ON users (x);\n" + same, want: "NO TRANSACTION"},
		{postgres: true, sql: "-- +goose NO TRANSACTION\n" + up + "CREATE INDEX CONCURRENTLY users_x ON users (x);\n" + same, want: "DROP INDEX CONCURRENTLY IF EXISTS users_x"},
		{postgres: true, sql: "-- +goose NO TRANSACTION\n" + up + "CREATE TABLE t (k TEXT);\n" + same, want: "half of it"},
	} {
		_, faults := look(c.sql, c.postgres, 50, 45)
		if said := strings.Join(faults, "; "); c.want == "" && said != "" || c.want != "" && !strings.Contains(said, c.want) {
			t.Errorf("%s\n%q, want %q", c.sql, faults, c.want)
		}
	}
}

var (
	comments   = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)
	spaces     = regexp.MustCompile(`\s+`)
	statements = regexp.MustCompile(`(?s)-- \+goose StatementBegin\n(.*?)-- \+goose StatementEnd`)
	adding     = regexp.MustCompile(`(?i)^ALTER TABLE (\S+) (ADD (?:COLUMN )?.+)$`)
	addition   = regexp.MustCompile(`(?i)^ADD (COLUMN )?("?[a-z_0-9]+"?) ([a-z]+.*)$`)
	making     = regexp.MustCompile(`(?i)^CREATE TABLE ("?[a-z_0-9]+"?) ?\(`)
	indexing   = regexp.MustCompile(`(?i)^CREATE (UNIQUE )?INDEX (CONCURRENTLY )?("?[a-z_0-9]+"?) ON ("?[a-z_0-9]+"?) ?\(`)
	dropping   = regexp.MustCompile(`(?i)^DROP INDEX CONCURRENTLY IF EXISTS ("?[a-z_0-9]+"?)$`)
	harmless   = regexp.MustCompile(`(?i)^(CREATE SEQUENCE |CREATE FUNCTION |INSERT INTO |SELECT 1$|UPDATE schema_floor SET level = [0-9]+, release = '[0-9.]+'$)`)
	triggering = regexp.MustCompile(`(?i)^CREATE TRIGGER `)
	noTrip     = regexp.MustCompile(`(?m)^-- \+goose NO TRANSACTION$`)
)

// look says which floor a script of a number states, behind one that stated another, and what is
// wrong with it.
func look(script string, postgres bool, number, before int64) (states Floor, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	states, ok := States(script)
	switch {
	case !ok:
		fault("it states no floor, or two; where it only adds: UPDATE schema_floor SET level = %d, release = '…'; in a line of its own", before)
	case states.Level < before:
		fault("the floor falls from %d to %d", before, states.Level)
	case states.Level > number:
		fault("the floor, %d, is above its own number", states.Level)
	}
	all := split(script)
	alone := noTrip.MatchString(script)
	if alone {
		for _, s := range all {
			if m := indexing.FindStringSubmatch(s); (m == nil || m[2] == "") && !dropping.MatchString(s) && !harmless.MatchString(s) {
				fault("without a transaction half of it may be done: only indexes are made so, not %s", s)
			}
		}
	}
	if ok && states.Level > before {
		return states, faults
	}
	made := map[string]bool{} // tables
	indexes := map[string]bool{}
	for _, s := range all {
		if m := making.FindStringSubmatch(s); m != nil {
			made[m[1]] = true
		}
		if m := indexing.FindStringSubmatch(s); m != nil {
			indexes[m[3]] = true
		}
	}
	dropped := map[string]bool{}
	for _, s := range all {
		switch {
		case making.MatchString(s), harmless.MatchString(s):
		case adding.MatchString(s):
			for _, part := range parts(adding.FindStringSubmatch(s)[2]) {
				if f := addsColumn(part); f != "" {
					fault("%s: %s", f, s)
				}
			}
		case indexing.MatchString(s):
			m := indexing.FindStringSubmatch(s)
			unique, concurrently, name, table := m[1] != "", m[2] != "", m[3], m[4]
			switch {
			case made[table]:
			case unique:
				fault("programs of before know nothing of rows that must differ: %s", s)
			case postgres && !concurrently:
				fault("an index on a table that is in use holds up who writes to it, unless it is made CONCURRENTLY: %s", s)
			case postgres && !alone:
				fault("that is for a script that begins with -- +goose NO TRANSACTION: %s", s)
			case postgres && !dropped[name]:
				fault("one that was cut off is of no use and stays: DROP INDEX CONCURRENTLY IF EXISTS %s before %s", name, s)
			}
		case dropping.MatchString(s) && indexes[dropping.FindStringSubmatch(s)[1]]:
			dropped[dropping.FindStringSubmatch(s)[1]] = true
		case triggering.MatchString(s):
			fault("a trigger changes what programs of before do: %s", s)
		default:
			fault("it is not known to add only, and programs of before go on with what it leaves; raise the floor, in the release after the one that has stopped using it: %s", s)
		}
	}
	return states, faults
}

// addsColumn is what is wrong with a column that is added.
func addsColumn(part string) string {
	m := addition.FindStringSubmatch(part)
	if m == nil || m[1] == "" && slices.Contains([]string{"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"}, strings.ToUpper(m[2])) {
		return "it is not known to add only"
	}
	words := strings.Fields(strings.ToUpper(unquoted(m[3])))
	has := func(w string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return strings.Trim(s, "(),") == w })
	}
	switch {
	case has("NOT") && !has("DEFAULT"):
		return "programs of before know nothing of it, so without a default they cannot add a row"
	case has("UNIQUE"), has("PRIMARY"), has("REFERENCES"), has("CHECK"):
		return "it bounds what programs of before may write"
	}
	return ""
}

// split are the statements of a script, without comments, their spaces single.
func split(script string) (all []string) {
	add := func(s string) {
		if s = strings.TrimSpace(spaces.ReplaceAllString(s, " ")); s != "" {
			all = append(all, s)
		}
	}
	rest := 0
	for _, at := range statements.FindAllStringSubmatchIndex(script, -1) {
		for _, s := range semicolons(script[rest:at[0]]) {
			add(s)
		}
		add(strings.TrimSuffix(strings.TrimSpace(comments.ReplaceAllString(script[at[2]:at[3]], " ")), ";"))
		rest = at[1]
	}
	for _, s := range semicolons(script[rest:]) {
		add(s)
	}
	return all
}

// semicolons splits at those that are in no text, and leaves comments out.
func semicolons(sql string) (all []string) {
	var b strings.Builder
	for i := 0; i < len(sql); {
		switch {
		case sql[i] == '\'':
			end := i + 1 + max(strings.IndexByte(sql[i+1:], '\''), 0) + 1 // '' is two texts
			b.WriteString(sql[i:end])
			i = end
		case strings.HasPrefix(sql[i:], "--"), strings.HasPrefix(sql[i:], "/*"):
			i += comments.FindStringIndex(sql[i:])[1]
			b.WriteByte(' ')
		case sql[i] == ';':
			all = append(all, b.String())
			b.Reset()
			i++
		default:
			b.WriteByte(sql[i])
			i++
		}
	}
	return append(all, b.String())
}

// unquoted is SQL without its texts.
func unquoted(sql string) string { return regexp.MustCompile(`'[^']*'`).ReplaceAllString(sql, "''") }

// parts splits at commas that are in no brackets and no text.
func parts(list string) (all []string) {
	depth, quoted, from := 0, false, 0
	for i := range len(list) {
		switch c := list[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			all = append(all, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	return append(all, strings.TrimSpace(list[from:]))
}

// Which programs work with which tables.
func TestSuits(t *testing.T) {
	for _, c := range []struct {
		name  string
		is    Tables
		known int64
		why   string
	}{
		{"there are none", Tables{}, 46, ""},
		{"older, brought up to date first", Tables{Version: 44}, 46, ""},
		{"its own", Tables{46, Floor{45, "0.1.0"}}, 46, ""},
		{"newer, and only added to", Tables{47, Floor{46, "0.1.0"}}, 46, ""},
		{"newer by several", Tables{52, Floor{45, "0.1.0"}}, 46, ""},
		{"newer, and something was taken away", Tables{48, Floor{47, "0.2.0"}}, 46, "its tables are version 48, this program knows 46; 0.2.0 is the oldest that works with them"},
		{"newer, of before there were floors", Tables{Version: 47}, 46, "its tables are version 47, this program knows 46"},
	} {
		said := ""
		if err := c.is.Suits(c.known); err != nil {
			said = err.Error()
		}
		if said != c.why {
			t.Errorf("%s: %q, want %q", c.name, said, c.why)
		}
	}
}

// The floor that scripts lead to is the highest of those that did not run yet.
func TestFloorBehind(t *testing.T) {
	script := func(level int) *fstest.MapFile {
		return &fstest.MapFile{Data: fmt.Appendf(nil, "-- +goose Up\nUPDATE schema_floor SET level = %d, release = '0.%d.0';\n", level, level-44)}
	}
	all := fstest.MapFS{"0001_a.sql": {Data: []byte("SELECT 1;")}, "0047_b.sql": script(45), "0048_c.sql": script(47), "0049_d.sql": script(47)}
	for version, want := range map[int64]Floor{0: {47, "0.3.0"}, 46: {47, "0.3.0"}, 47: {47, "0.3.0"}, 49: {}} {
		if f, err := FloorBehind(all, version); err != nil || f != want {
			t.Errorf("behind %d: %v, %v, want %v", version, f, err, want)
		}
	}
}

// The scripts of a release that there is not yet are behind our own.
func TestMoreScripts(t *testing.T) {
	own, err := Newest()
	if err != nil {
		t.Fatal(err)
	}
	more = "../../../e2e/testdata/rolling/additive"
	defer func() { more = "" }()
	all, err := SQLite()
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(all, "*.sql")
	newest, bad := Newest()
	if err != nil || bad != nil || newest != 9002 || own >= newest || !slices.IsSorted(names) {
		t.Errorf("%d behind %d, %v, %v: %q", newest, own, err, bad, names)
	}
	if text, err := fs.ReadFile(all, names[0]); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
}
