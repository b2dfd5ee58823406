package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"hilum/idp/store/engine"
	"hilum/idp/store/migrations"
	"hilum/idp/store/pgtest"
)

// told is a log that tests read while it is written.
type told struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *told) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// tryOpen opens a database and closes it.
func tryOpen(ctx context.Context, url string, log *told) error {
	e, err := Open(ctx, Config{URL: url, Pool: 1, Log: slog.New(slog.NewTextHandler(log, nil))}, engine.Hooks{Begin: func(in engine.Tx) engine.Work { return &work{in} }})
	if err != nil {
		return err
	}
	return e.Close()
}

// older makes a database of its own version one of before the floor.
func older(t *testing.T, url string) {
	t.Helper()
	by(t, url, "DROP TABLE schema_floor", "DROP TABLE log_begin",
		"DROP INDEX refresh_tokens_gone, codes_gone, grants_gone, sessions_gone, logins_gone, logout_notices_gone, mails_gone", // 0046
		"DELETE FROM goose_db_version WHERE version_id >= "+fmt.Sprint(migrations.FirstFloor))
}

// A database that a newer program has brought up to date is opened where its floor allows that, and
// else not.
func TestNewerTables(t *testing.T) {
	url := pgtest.Fresh(t)
	_ = open(t, url, 1)
	by(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, true)")
	log := &told{}
	if err := tryOpen(t.Context(), url, log); err != nil || !log.has(migrations.Behind) || !log.has("tables=9001") {
		t.Errorf("newer, and made for us: %v, %s", err, log.b.String())
	}
	by(t, url, "UPDATE schema_floor SET level = 9000, release = '7.1.0'")
	refused := (*engine.OpenError)(nil)
	if err := tryOpen(t.Context(), url, log); !errors.As(err, &refused) || refused.Kind != engine.OpenNewer || !strings.Contains(err.Error(), "7.1.0 is the oldest that works with them") {
		t.Errorf("newer, and not made for us: %v", err)
	}
}

// Tables are not changed beneath an instance that would not work with them. One that is listed and
// says nothing any more is in nobody's way.
func TestInstancesAreNotLeftBehind(t *testing.T) {
	url := pgtest.Fresh(t)
	_ = open(t, url, 1)
	older(t, url)
	before := watchFor
	watchFor = 3 * time.Second
	t.Cleanup(func() { watchFor = before })
	insert := func(id string, from int64) string {
		return fmt.Sprintf("INSERT INTO instances (id, host, version, started_at, heard_at, schema_from, schema_to) VALUES ('%s', 'idp-0', '0.0.9', 1, 1, %d, %d)", id, from, from)
	}
	by(t, url, insert("DEAD", 43), insert("NEWER", 9000), insert("LIVES", 43))

	ctx, stop := context.WithCancel(t.Context())
	var lives sync.WaitGroup
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	lives.Go(func() { // ends with ctx
		for ctx.Err() == nil {
			if err := c.Exec(context.WithoutCancel(ctx), "UPDATE instances SET heard_at = heard_at + 1 WHERE id IN ('LIVES', 'NEWER')").Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	log, refused := &told{}, (*engine.OpenError)(nil)
	err = tryOpen(t.Context(), url, log)
	if !errors.As(err, &refused) || refused.Kind != engine.OpenOlder || !strings.Contains(err.Error(), "instance LIVES on idp-0 runs version 0.0.9; stop it first") {
		t.Errorf("while an instance lives that would be left behind: %v", err)
	}
	stop()
	lives.Wait()
	var n int64
	if err := errors.Join(c.Close(t.Context()), tryOpen(t.Context(), url, log)); err != nil {
		t.Errorf("once it is gone: %v", err)
	}
	e := open(t, url, 1)
	if err := e.Read().Row(migrations.SelectVersion, nil, &n); err != nil || n < migrations.FirstFloor {
		t.Errorf("version %d, %v", n, err)
	}
}

// A script that does not get a table at once lets others use it, and comes again.
func TestScriptsComeAgain(t *testing.T) {
	url := pgtest.Fresh(t)
	_ = open(t, url, 1)
	older(t, url)
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	run := func(sql string) {
		t.Helper()
		if err := c.Exec(t.Context(), sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN")
	run("LOCK TABLE goose_db_version IN SHARE MODE") // it is read, and not written
	log, ended := &told{}, make(chan error, 1)
	go func() { ended <- tryOpen(t.Context(), url, log) }() // ends by what is committed below
	for end := time.Now().Add(time.Minute); !log.has("a table is in use"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it waits for the table and lets nobody pass")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended while the table was in use: %v", err)
	default:
	}
	run("COMMIT")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// thing is a row of makeThings, for gorm.
type thing struct {
	K string
	N int64
	B []byte
}

// TableName is gorm's.
func (thing) TableName() string { return "aside.things" }

// Columns that are added, and types that change, beneath what all connections of a pool have
// prepared, by hand and by gorm: nobody notices.
func TestTablesThatChangeBeneathMany(t *testing.T) {
	const size = 6
	url := pgtest.Fresh(t)
	by(t, url, makeThings, "INSERT INTO aside.things VALUES ('a', 7)")
	e := open(t, url, size)
	within := func(do func(engine.Tx) error) error {
		return e.Write(t.Context(), func(w engine.Work) error { return do(w.Tx()) })
	}
	byHand := func(x engine.Tx) (n int64, err error) {
		err = x.Row("SELECT n FROM aside.things", nil, &n)
		return n, err
	}
	// at has it done on all connections at once.
	at := func(what string, do func() (int64, error)) {
		t.Helper()
		var all sync.WaitGroup
		for range 4 * size {
			all.Go(func() {
				if n, err := do(); err != nil || n != 7 {
					t.Errorf("%s: %d, %v", what, n, err)
				}
			})
		}
		all.Wait()
	}
	byGorm := func(g *gorm.DB) (int64, error) {
		var row thing
		err := g.Take(&row, "k = ?", "a").Error
		return row.N, err
	}
	everything := func(when string) {
		t.Helper()
		at(when+", read by hand", func() (n int64, err error) {
			err = e.Read().Row("SELECT n FROM aside.things", nil, &n)
			return n, err
		})
		at(when+", in a transaction", func() (n int64, err error) {
			err = within(func(x engine.Tx) error {
				n, err = byHand(x)
				return err
			})
			return n, err
		})
		at(when+", read by gorm", func() (int64, error) { return byGorm(e.Read().ORM()) })
		at(when+", by gorm in a transaction", func() (n int64, err error) {
			err = within(func(x engine.Tx) error {
				n, err = byGorm(x.ORM())
				return err
			})
			return n, err
		})
	}
	// prepared has all connections know the statement.
	prepared := func() {
		t.Helper()
		var all, there sync.WaitGroup
		there.Add(size)
		for range size {
			arrive := sync.OnceFunc(there.Done)
			all.Go(func() {
				err := within(func(x engine.Tx) error {
					_, err := byHand(x)
					arrive()
					there.Wait()
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	everything("before")
	again, _, _ := e.Ran()
	by(t, url, "ALTER TABLE aside.things ADD COLUMN more text NOT NULL DEFAULT ''")
	everything("a column more")
	if now, _, _ := e.Ran(); now != again {
		t.Errorf("transactions ran %d times more for a column that they do not ask for", now-again)
	}
	for _, as := range []string{"integer", "bigint"} {
		prepared()
		by(t, url, "ALTER TABLE aside.things ALTER COLUMN n TYPE "+as)
		// One meets them one after the other.
		if err := within(func(x engine.Tx) error {
			_, err := byHand(x)
			return err
		}); err != nil {
			t.Errorf("as %s: %v", as, err)
		}
		everything("as " + as)
	}
}
