// Package migrations has the scripts that bring the tables of a database up to date, one
// folder for each engine. A script of one has its pair in the other, of the same number and
// name: the number of the last is the schema's version, whichever the engine.
//
// A program works with the tables of its own version and with newer ones, as long as these say so:
// the table schema_floor has the oldest version that a program may be made for. Every script
// behind [Settled] states it in a line of its own,
//
//	UPDATE schema_floor SET level = 45, release = '0.1.0';
//
// where the release is the first whose programs are made for that level. A script that only adds
// says the level that was; one that takes away raises it, and goes into the release after the one
// whose programs have stopped using what it takes: so that programs of one release back work with
// the tables of the next, and the two beside one another while instances are replaced. What only
// adds is what the test of this package says.
//
// No script says what programs write, and no test looks at it: programs of before read it all the
// same. A new value of a column that they decide by (a state, a kind, a purpose), and anything but
// the zero value in a new column that is bound by a MAC (store/bind.go: they would take the row for
// one that somebody has changed), are written by the release after the one that reads them.
//
// On PostgreSQL a script runs while instances serve. It is one transaction that waits for a lock
// for a second at most and is tried again, so it has no statement that goes through a large table.
// An index on one is made without holding up who writes, in a script of its own that begins with
// "-- +goose NO TRANSACTION" and says CREATE INDEX CONCURRENTLY behind DROP INDEX CONCURRENTLY IF
// EXISTS, since one that was cut off leaves an index that is of no use.
package migrations

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Settled is the last script of before there were releases: no program that is older works with
// what it makes.
const Settled = 46

//go:embed sqlite postgres
var files embed.FS

// more, when it is not empty, is a folder with more scripts, in sqlite and postgres, of a release
// that there is not yet: the linker sets it for tests.
var more string

// SQLite are the scripts of SQLite.
func SQLite() (fs.FS, error) { return scripts("sqlite") }

// PostgreSQL are the scripts of PostgreSQL, whose first makes all tables as SQLite has them by
// then.
func PostgreSQL() (fs.FS, error) { return scripts("postgres") }

func scripts(engine string) (fs.FS, error) {
	own, err := fs.Sub(files, engine)
	if err != nil || more == "" {
		return own, err
	}
	return both{own, os.DirFS(path.Join(more, engine))}, nil
}

// both are two folders as one.
type both [2]fs.FS

// Open is fs.FS's.
func (b both) Open(name string) (fs.File, error) {
	f, err := b[0].Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b[1].Open(name)
	}
	return f, err
}

// ReadDir is fs.ReadDirFS's.
func (b both) ReadDir(name string) ([]fs.DirEntry, error) {
	one, err := fs.ReadDir(b[0], name)
	other, bad := fs.ReadDir(b[1], name)
	return append(one, other...), errors.Join(err, bad)
}

// Newest is the schema version that this program brings a database to: the number of the
// last script.
func Newest() (int64, error) {
	all, err := SQLite()
	if err != nil {
		return 0, err
	}
	numbers, err := numbers(all)
	if err != nil || len(numbers) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	return slices.Max(numbers), nil
}

// numbers are the numbers of scripts.
func numbers(scripts fs.FS) ([]int64, error) {
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]int64, len(names))
	for i, name := range names {
		if all[i], err = number(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func number(name string) (int64, error) {
	digits, _, _ := strings.Cut(name, "_")
	return strconv.ParseInt(digits, 10, 64)
}

// Floor is the oldest version of the tables that a program may be made for and still work with
// them.
type Floor struct {
	Level   int64
	Release string // the first that is made for it
}

var floorLine = regexp.MustCompile(`(?m)^UPDATE schema_floor SET level = ([0-9]+), release = '([0-9]+\.[0-9]+\.[0-9]+)';$`)

// States is the floor that a script states; stated: it does so, once.
func States(script string) (f Floor, stated bool) {
	all := floorLine.FindAllStringSubmatch(script, -1)
	if len(all) != 1 {
		return Floor{}, false
	}
	level, err := strconv.ParseInt(all[0][1], 10, 64)
	return Floor{level, all[0][2]}, err == nil
}

// FloorBehind is the floor that scripts bring the tables of a version to; the zero Floor: they
// leave it.
func FloorBehind(scripts fs.FS, version int64) (f Floor, err error) {
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return f, err
	}
	for _, name := range names {
		n, err := number(name)
		if err != nil {
			return f, err
		}
		if n <= version {
			continue
		}
		text, err := fs.ReadFile(scripts, name)
		if err != nil {
			return f, err
		}
		if states, ok := States(string(text)); ok && states.Level > f.Level {
			f = states
		}
	}
	return f, nil
}

// Tables says which version the tables of a database are.
type Tables struct {
	Version int64 // number of the last script that they had; 0: there are none
	Floor   Floor // zero: they are of before there were floors
}

// What asks a database of a version's tables, the same for each engine: how far they are, whether
// they have a floor, and which.
const (
	SelectVersion = "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied"
	SelectFloor   = "SELECT level, release FROM schema_floor WHERE id = 1"
)

// Behind is what the log says where a program works with newer tables.
const Behind = "a newer release has brought the tables of the database up to date; this one works with them"

// FirstFloor is the version that brought floors.
const FirstFloor = 45

// Suits returns why a program whose own version of the tables is known does not work with these;
// nil: it does, also where they are older, which it brings up to date first.
func (t Tables) Suits(known int64) error {
	switch {
	case t.Version <= known, t.Floor.Level > 0 && t.Floor.Level <= known:
		return nil
	case t.Floor.Release != "":
		return fmt.Errorf("its tables are version %d, this program knows %d; %s is the oldest that works with them", t.Version, known, t.Floor.Release)
	}
	return fmt.Errorf("its tables are version %d, this program knows %d", t.Version, known)
}
