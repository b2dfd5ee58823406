package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/driver/sqlite"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/pgtest"
)

// MoveChild makes this test binary a process that moves a file and kills itself at a point: its
// value is the file, the URL, the point and the how many-eth time, each in a line.
const MoveChild = "STORE_TEST_MOVE"

// RunMoveChild is that process.
func RunMoveChild() int {
	said := strings.Split(os.Getenv(MoveChild), "\n")
	times, _ := strconv.Atoi(said[3])
	c := moveConfig(said[0], said[1])
	c.Witness = filepath.Join(filepath.Dir(said[0]), "audit.head")
	c.at = func(point string) {
		if point != said[2] {
			return
		}
		if times--; times == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if _, err := Move(context.Background(), c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func moveConfig(path, url string) MoveConfig {
	return MoveConfig{
		From: path, URL: url, To: "PostgreSQL database of the test", Key: testKey, Actor: idp.Actor{Name: "console:root"}, atOnce: 2,
		Prove: func(sealed []byte) error {
			if string(sealed) != "sealed" {
				return errors.New("sealing key of the test: it is another database's")
			}
			return nil
		},
	}
}

func (s *logSite) moving(url string) MoveConfig {
	c := moveConfig(s.path(), url)
	c.Witness = s.witness()
	return c
}

// inEveryTable is a site with rows in every table there is: those of filled as the store writes
// them, in others as their columns ask for.
func inEveryTable(t *testing.T) *logSite {
	t.Helper()
	s := filled(t)
	db := s.open()
	s.ok(db.SetSealCheck(t.Context(), []byte("sealed")))
	db.conf.KeepEvents = 30 * day
	s.ok(db.prune(t.Context(), time.Now().Add(40*day))) // the log does not begin with event 1
	for i := range 12 {
		u := &idp.User{ID: idp.UserID(fmt.Sprintf("u%d", i)), Name: fmt.Sprintf("röntgen%d", i), DisplayName: "Ünal " + strings.Repeat("é", i), State: idp.UserInvited}
		u.Note(idp.Event{Kind: idp.EventUserCreated, User: u.ID})
		s.ok(db.AddUser(t.Context(), u))
	}
	_, _, err := db.KeepHead(t.Context(), true)
	s.ok(errors.Join(err, db.Close()))
	raw, err := sql.Open(sqlite.DriverName, "file:"+s.path()+"?_foreign_keys=on")
	s.ok(err)
	defer raw.Close()
	for _, table := range listOf(t, raw, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> 'moved'") {
		var n int
		s.ok(raw.QueryRow("SELECT count(*) FROM " + table).Scan(&n))
		if n > 0 {
			continue
		}
		rows := 3
		columns := listOf(t, raw, "SELECT name || ' ' || type || ' ' || pk FROM pragma_table_info('"+table+"')")
		if slices.Contains(columns, "id INTEGER 1") || table == "push_guards" {
			rows = 1
		}
		for i := range rows {
			var cols, marks []string
			var values []any
			for _, c := range columns {
				part := strings.Fields(c)
				cols, marks = append(cols, `"`+part[0]+`"`), append(marks, "?")
				switch {
				case part[0] == "user_id":
					values = append(values, "u")
				case part[0] == "id" && part[1] == "INTEGER":
					values = append(values, 1)
				case part[1] == "INTEGER":
					values = append(values, int64(1)<<62-int64(i))
				case part[1] == "BLOB":
					values = append(values, []byte{0, byte(i), 255})
				default:
					values = append(values, fmt.Sprintf("é\t\\%d'", i))
				}
			}
			if _, err := raw.Exec("INSERT INTO "+table+" ("+strings.Join(cols, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...); err != nil && i == 0 {
				t.Fatalf("%s: %v", table, err)
			}
		}
	}
	s.sql("UPDATE days SET n = -n WHERE n = 1", "UPDATE devices SET name = ''")
	return s
}

func listOf(t *testing.T, raw *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := raw.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// server asks a database of PostgreSQL past this package.
type server struct {
	*testing.T
	url string
}

func (s server) do(statement string) {
	s.Helper()
	c, err := pgx.Connect(s.Context(), s.url)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(s.Context(), statement); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
}

func (s server) list(query string) (out []string) {
	s.Helper()
	c, err := pgx.Connect(s.Context(), s.url)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close(context.Background())
	rows, err := c.Query(s.Context(), query)
	if err != nil {
		s.Fatal(err)
	}
	if out, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		s.Fatal(err)
	}
	return out
}

// has is everything in the schema, which a new database has not.
func (s server) has() []string {
	s.Helper()
	return s.list(`SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)
}

// definitions are the indexes and constraints of the schema.
func (s server) definitions() []string {
	s.Helper()
	return s.list(`SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1`)
}

func (s *logSite) refuses(err error, words ...string) {
	s.Helper()
	if err == nil {
		s.Errorf("it is taken, and %q expected", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			s.Errorf("%q is not in: %v", w, err)
		}
	}
}

func (s *logSite) openFile() (*DB, error) {
	return Open(context.Background(), Config{Driver: "sqlite", Path: s.path(), Key: s.key, Witness: s.witness(), Log: slog.New(slog.DiscardHandler)})
}

func (s *logSite) openMoved(url string) (*DB, error) {
	return Open(context.Background(), Config{URL: url, Existing: true, Key: s.key, Witness: s.witness(), Log: slog.New(slog.DiscardHandler)})
}

// works uses what was moved, and what is made anew beside it.
func (s *logSite) works(url string, head idp.LogHead) {
	s.Helper()
	db, err := s.openMoved(url)
	s.ok(err)
	defer func() { s.ok(db.Close()) }()
	ctx, now := s.Context(), time.Now()
	hash := func(b byte) idp.TokenHash { return idp.TokenHash{0: b, 31: b} }
	if u, err := db.User(ctx, "u"); err != nil || u.Staff != idp.StaffAdmin || u.State != idp.UserActive {
		s.Errorf("the person: %+v, %v", u, err)
	}
	if a, err := db.Account(ctx, "u"); err != nil || a.PasswordHash != "phc2" {
		s.Errorf("the password: %+v, %v", a, err)
	}
	if c, err := db.Client(ctx, "c"); err != nil || c.Disabled || len(c.Secrets) != 1 {
		s.Errorf("the application: %+v, %v", c, err)
	}
	_, _, _, err = db.Access(ctx, hash(8))
	s.ok(err)
	_, _, err = db.Refresh(ctx, hash(9))
	s.ok(err)
	_, _, err = db.Code(ctx, hash(7))
	s.ok(err)
	_, err = db.SessionByToken(ctx, hash(5))
	s.ok(err)
	s.ok(db.UpdateDevice(ctx, "u", "d", idp.Replay{}, func(d *idp.Device) error { d.LastStep++; return nil }))
	if p, err := db.SearchDevices(ctx, idp.DeviceQuery{}); err != nil || len(p.Rows) != 1 {
		s.Errorf("devices: %+v, %v", p, err)
	}
	if sealed, err := db.SealCheck(ctx); err != nil || string(sealed) != "sealed" {
		s.Errorf("the seal check: %q, %v", sealed, err)
	}
	if keys, err := db.SigningKeys(ctx); err != nil || len(keys) != 3 {
		s.Errorf("%d signing keys, %v", len(keys), err)
	}
	if m := misfits(s.T, db); len(m) != 0 {
		s.Errorf("rows that do not fit: %v", m)
	}
	check, err := db.CheckEvents(ctx, []idp.LogHead{head}, nil)
	s.ok(err)
	events, err := db.Events(ctx, head.Seq, 10)
	s.ok(err)
	if len(events) == 0 || events[0].Kind != idp.EventStoreMoved || events[0].Seq != head.Seq+1 || events[0].Detail["head"] != head.String() || events[0].Actor.Name != "console:root" {
		s.Errorf("after event %d (%s): %+v", head.Seq, check.Head, events)
	}
	// Numbers go on above those that were moved.
	u := &idp.User{ID: "new", Name: "new", State: idp.UserActive}
	s.ok(db.AddUser(ctx, u))
	s.ok(db.AddTokens(ctx, &idp.Grant{ID: "g3", Client: "c", User: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}, idp.Issue{
		Access:  idp.AccessToken{Hash: hash(18), Grant: "g3", ExpiresAt: now.Add(time.Hour)},
		Refresh: &idp.RefreshToken{Hash: hash(19), Grant: "g3", ExpiresAt: now.Add(time.Hour)},
	}))
	s.ok(db.AddPushed(ctx, &idp.Pushed{ID: "handle2", Client: "c", Request: idp.AuthRequest{Client: "c"}, ExpiresAt: now.Add(time.Minute)}))
	if p, err := db.SearchUsers(ctx, idp.UserQuery{Words: "new"}); err != nil || len(p.Rows) != 1 {
		s.Errorf("people: %+v, %v", p, err)
	}
	if err := db.RemoveClient(ctx, "c", idp.Event{Kind: idp.EventClientChanged}); err != nil { // takes its secrets along
		s.Error(err)
	}
}

// Every table of a file is moved, or it is said why it is not.
func TestMoveTakesEveryTable(t *testing.T) {
	s := inEveryTable(t)
	url := pgtest.Fresh(t)
	pg := server{t, url}
	got, err := Move(t.Context(), s.moving(url))
	s.ok(err)
	raw, err := sql.Open(sqlite.DriverName, "file:"+s.path())
	s.ok(err)
	defer raw.Close()
	var moved int
	for _, table := range listOf(t, raw, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'") {
		var here string
		s.ok(raw.QueryRow("SELECT count(*) FROM " + table).Scan(&here))
		if leftBehind[table] != "" {
			continue
		}
		if moved++; here == "0" {
			t.Errorf("%s is empty: nothing of it is shown", table)
		}
		if there := pg.list(`SELECT count(*)::text FROM "` + table + `"`); there[0] != here {
			t.Errorf("%s has %s rows, of which %s arrived", table, here, there[0])
		}
	}
	if got.Tables != moved || moved < 40 {
		t.Errorf("%d tables were moved, and there are %d", got.Tables, moved)
	}
	for _, table := range pg.list("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'") {
		var n int
		s.ok(raw.QueryRow("SELECT count(*) FROM sqlite_master WHERE name = ?", table).Scan(&n))
		if n == 0 && table != "events_pending" {
			t.Errorf("%s is in the database and not in the file", table)
		}
	}
	// It is what a start makes, but for the rows.
	made := server{t, pgtest.Fresh(t)}
	db, err := Open(t.Context(), Config{URL: made.url, Key: testKey})
	s.ok(err)
	s.ok(db.Close())
	if a, b := pg.definitions(), made.definitions(); !slices.Equal(a, b) || len(a) < 80 {
		t.Errorf("indexes and constraints:\n%s\nand of a start:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	if a, b := pg.has(), made.has(); len(a) != len(b) {
		t.Errorf("%d things in the schema, %d after a start", len(a), len(b))
	}
}

// What was moved works, and the file does not any more.
func TestMove(t *testing.T) {
	s := inEveryTable(t)
	url := pgtest.Fresh(t)
	var steps []MoveStep
	c := s.moving(url)
	c.Progress = func(p MoveProgress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			steps = append(steps, p.Step)
		}
	}
	if got, err := LookMove(t.Context(), c); err != nil || got.Rows == 0 || len((server{t, url}).has()) != 0 {
		t.Fatalf("a look: %+v, %v", got, err)
	}
	steps = nil
	got, err := Move(t.Context(), c)
	s.ok(err)
	if want := []MoveStep{MoveLook, MoveTables, MoveCopy, MoveIndexes, MoveVerify, MoveSwitch}; !slices.Equal(steps, want) || len(got.Steps) != len(want) || got.Again {
		t.Errorf("%v, %+v", steps, got)
	}
	_, err = s.openFile()
	s.refuses(err, "was moved to the PostgreSQL database of the test", "database.url", "backup from before")
	_, err = Move(t.Context(), c)
	s.refuses(err, "was moved to the PostgreSQL database of the test", "cannot be taken back")
	s.refuses(UndoMove(t.Context(), c), "cannot be taken back", "backup")
	s.works(url, got.Head)
}

// TestMoveIsKilled kills the process that moves at every kind of point, one after another, in one
// move, which goes on each time.
func TestMoveIsKilled(t *testing.T) {
	s := inEveryTable(t)
	url := pgtest.Fresh(t)
	self, err := os.Executable()
	s.ok(err)
	child := func(point string, times int) (killed bool, said string) {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), MoveChild+"="+strings.Join([]string{s.path(), url, point, strconv.Itoa(times)}, "\n"))
		out, err := cmd.CombinedOutput()
		left := (*exec.ExitError)(nil)
		if errors.As(err, &left) {
			w, _ := left.Sys().(syscall.WaitStatus)
			return w.Signaled() && w.Signal() == syscall.SIGKILL, string(out)
		}
		s.ok(err)
		return false, string(out)
	}
	db, err := s.openFile()
	s.ok(err)
	head, err := db.LogHead(t.Context())
	s.ok(errors.Join(err, db.Close()))
	for _, at := range []struct {
		point    string
		times    int
		far      string // what is said of the target then; empty: it is empty
		given    bool   // the file is given up
		finished bool
	}{
		{point: "looked", times: 1},
		{point: "begun", times: 1, far: "the tables are made"},
		{point: "tables", times: 1, far: "the tables are made"},
		{point: "bare", times: 1, far: "0 of "},
		{point: "copy", times: 1, far: " rows are copied"},
		{point: "copy", times: 30, far: " rows are copied"},
		{point: "copied", times: 1, far: "indexes are made"},
		{point: "index", times: 1, far: "indexes are made"},
		{point: "index", times: 20, far: "indexes are made"},
		{point: "sequences", times: 1, far: "indexes are made"},
		{point: "indexed", times: 1, far: "not compared yet"},
		{point: "same", times: 5, far: "not compared yet"},
		{point: "compared", times: 1, far: "not given up yet"},
		{point: "given up", times: 1, far: "not given up yet", given: true},
		{point: "taken", times: 1, given: true, finished: true},
	} {
		killed, said := child(at.point, at.times)
		if !killed {
			t.Fatalf("%s: it was not killed: %s", at.point, said)
		}
		db, err := s.openMoved(url)
		opening := (*OpenError)(nil)
		switch {
		case at.finished:
			s.ok(err)
			s.ok(db.Close())
		case !errors.As(err, &opening):
			t.Fatalf("%s: the target: %v", at.point, err)
		case at.far == "" && opening.Kind != engine.OpenEmpty, at.far != "" && opening.Kind != engine.OpenMoving, !strings.Contains(err.Error(), at.far):
			t.Errorf("%s: the target: %v", at.point, err)
		}
		db, err = s.openFile()
		if at.given {
			s.refuses(err, "was moved to", "idp migrate")
		} else {
			s.ok(err)
			s.ok(db.Close())
		}
	}
	s.works(url, head)
}

// A move that was cut off is taken back, and leaves both as they were; also when the file was
// given up already.
func TestMoveIsUndone(t *testing.T) {
	for _, point := range []string{"begun", "tables", "copy", "copied", "index", "compared", "given up"} {
		t.Run(point, func(t *testing.T) {
			s := inEveryTable(t)
			url := pgtest.Fresh(t)
			s.cut(url, point)
			if len((server{t, url}).has()) == 0 {
				t.Fatal("nothing was begun")
			}
			var db *DB
			var err error
			if point != "given up" { // a provider has been started on it again
				db, err = s.openFile()
				s.ok(err)
			}
			s.ok(UndoMove(t.Context(), s.moving(url)))
			if has := (server{t, url}).has(); len(has) != 0 {
				t.Errorf("left in the database: %v", has)
			}
			if db == nil {
				db, err = s.openFile()
				s.ok(err)
			}
			s.ok(errors.Join(db.VerifyEvents(t.Context()), db.AddEvent(t.Context(), idp.Event{Kind: idp.EventUserUnlocked}), db.Close()))
			s.refuses(UndoMove(t.Context(), s.moving(url)), "no move to take back")
			if point != "copy" && point != "given up" {
				return
			}
			got, err := Move(t.Context(), s.moving(url))
			s.ok(err)
			s.works(url, got.Head)
		})
	}
}

// cut moves as far as a point.
func (s *logSite) cut(url, point string) {
	s.Helper()
	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	c := s.moving(url)
	c.at = func(at string) {
		switch {
		case at != point:
		case at == "given up": // which a wish to stop does not stop any more
			server{s.T, url}.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		default:
			stop()
		}
	}
	if _, err := Move(ctx, c); !errors.Is(err, context.Canceled) && (err == nil || point != "given up") {
		s.Fatalf("cut off at %q: %v", point, err)
	}
}

// What cannot be moved is named before anything is changed.
func TestMoveRefuses(t *testing.T) {
	whole := inEveryTable(t)
	for _, c := range []struct {
		name  string
		do    func(s *logSite)
		words []string
	}{
		{"an event that was changed", func(s *logSite) { s.sql("UPDATE events SET address = 'x' WHERE seq = 3") }, []string{"audit log", "event 3 was changed"}},
		{"events that were cut off", func(s *logSite) { s.sql("DELETE FROM events WHERE seq > 5") }, []string{"audit log", "cut off at the end"}},
		{"a head that was removed", func(s *logSite) { s.sql("DELETE FROM log_head") }, []string{"audit log", "head of the log was removed"}},
		{"a person that was changed", func(s *logSite) { s.sql("UPDATE users SET staff = 'admin' WHERE id = 'u3'") }, []string{`users "u3" is not as it was written`}},
		{"a secret that was changed", func(s *logSite) { s.sql("UPDATE client_secrets SET created_at = 7") }, []string{`client_secrets "c", 06`, "is not as it was written"}},
		{"a NUL", func(s *logSite) { s.sql("UPDATE devices SET name = 'a' || char(0) || 'b'") }, []string{`devices "u", "d": name has a NUL byte`}},
		{"a text that is none", func(s *logSite) { s.sql("UPDATE devices SET name = CAST(x'41ff' AS TEXT)") }, []string{`devices "u", "d": name is no UTF-8`}},
		{"a text in place of a number", func(s *logSite) { s.sql("UPDATE consents SET at = 'soon'") }, []string{"consents", "at is kept as something else"}},
		{"many of them", func(s *logSite) {
			s.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100) INSERT INTO imports SELECT 'i' || i, char(0), 1 FROM c")
		}, []string{`imports "i`, "id has a NUL byte", "and 80 more"}},
		{"a row that belongs to nobody", func(s *logSite) {
			s.sql("PRAGMA foreign_keys = off", "INSERT INTO passwords (user_id, hash, set_at) VALUES ('nobody', 'h', 0)")
		}, []string{"is damaged", "of passwords belongs to a row of users that is not there"}},
		{"an index that does not fit", func(s *logSite) {
			s.sql("PRAGMA writable_schema = on", "UPDATE sqlite_master SET sql = 'CREATE UNIQUE INDEX devices_id ON devices (name)' WHERE name = 'devices_id'")
		}, []string{"is damaged", "devices_id"}},
		{"a list that lacks somebody", func(s *logSite) { s.sql("DELETE FROM user_list WHERE user_id = 'u4'") }, []string{"user_list has 12 rows, of which 12 fit to the 13 of users"}},
		{"tables of before", func(s *logSite) { s.sql("DELETE FROM goose_db_version WHERE version_id >= 41") }, []string{"older version", "start this version on it once"}},
		{"tables of later", func(s *logSite) { s.sql("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)") }, []string{"newer version"}},
		{"another site's key", func(s *logSite) { s.sql("UPDATE seal_checks SET sealed = x'01'") }, []string{"sealing key", "another database's"}},
		{"a file that was never served", func(s *logSite) { s.sql("DELETE FROM seal_checks") }, []string{"never served"}},
		{"another key of the log", func(s *logSite) {
			s.key = bytes.Repeat([]byte{9}, keySize)
			s.ok(os.Remove(s.witness()))
		}, []string{"the audit log of", "is not whole"}},
		{"another file's kept head", func(s *logSite) { s.ok(os.WriteFile(s.witness(), []byte("{}"), 0o600)) }, []string{"audit log that was kept", "audit.head was not written by this program"}},
		{"no file", func(s *logSite) { s.ok(os.Remove(s.path())) }, []string{"there is no database at"}},
		{"no database", func(s *logSite) { s.ok(os.WriteFile(s.path(), []byte("Something else altogether."), 0o600)) }, []string{"is not a SQLite database"}},
		{"another program's", func(s *logSite) {
			s.ok(os.Remove(s.path()))
			s.sql("CREATE TABLE albums (id INTEGER)")
		}, []string{"the database of another program"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := whole.again(t)
			c.do(s)
			target := server{t, pgtest.Fresh(t)}
			conf := s.moving(target.url)
			conf.Key = s.key
			_, err := LookMove(t.Context(), conf)
			s.refuses(err, c.words...)
			_, err = Move(t.Context(), conf)
			s.refuses(err, c.words...)
			if has := target.has(); len(has) != 0 {
				t.Errorf("made in the database: %v", has)
			}
		})
	}
}

// again is a copy of a site, in a folder of its own.
func (s *logSite) again(t *testing.T) *logSite {
	t.Helper()
	o := newLogSite(t)
	for _, name := range []string{"idp.db", "audit.head"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		o.ok(err)
		o.ok(os.WriteFile(filepath.Join(o.dir, name), b, 0o600))
	}
	return o
}

// A file that somebody works on is left to them; a look is taken beside them. While it is moved
// nobody opens it.
func TestMoveIsAlone(t *testing.T) {
	s := inEveryTable(t)
	target := server{t, pgtest.Fresh(t)}
	db, err := s.openFile()
	s.ok(err)
	_, err = Move(t.Context(), s.moving(target.url))
	s.refuses(err, "another process has it open", "stop the provider")
	if _, err := LookMove(t.Context(), s.moving(target.url)); err != nil {
		t.Error(err)
	}
	s.ok(errors.Join(db.AddEvent(t.Context(), idp.Event{Kind: idp.EventUserUnlocked}), db.Close()))

	c := s.moving(target.url)
	var beside, second error
	c.at = func(point string) {
		if point == "begun" {
			raw, err := sql.Open(sqlite.DriverName, "file:"+s.path()+"?_busy_timeout=10")
			s.ok(err)
			_, beside = raw.Exec("UPDATE users SET email = 'x'")
			s.ok(raw.Close())
			other := s.again(t) // as another machine's
			where, err := url.Parse(target.url)
			s.ok(err)
			q := where.Query()
			q.Set("lock_timeout", "10")
			where.RawQuery = q.Encode()
			_, second = Move(t.Context(), other.moving(where.String()))
		}
	}
	got, err := Move(t.Context(), c)
	s.ok(err)
	s.refuses(beside, "locked")
	s.refuses(second, "another \"idp migrate\" works on this database")
	s.works(target.url, got.Head)
}

// A database that is somebody's is left to them.
func TestMoveRefusesTargets(t *testing.T) {
	s := inEveryTable(t)
	for _, c := range []struct {
		name  string
		do    func(s server)
		kind  engine.OpenKind
		words string
	}{
		{"with a table", func(s server) { s.do("CREATE TABLE albums (id BIGINT)") }, engine.OpenNotEmpty, "1 tables"},
		{"with a function", func(s server) { s.do("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'") }, engine.OpenNotEmpty, "functions"},
		{"of another program with tables called alike", func(s server) {
			s.do("CREATE TABLE goose_db_version (version_id BIGINT, is_applied BOOLEAN); INSERT INTO goose_db_version VALUES (3, true)")
		}, engine.OpenOtherProgram, "other tables"},
		{"of a provider", func(s server) {
			db, err := Open(s.Context(), Config{URL: s.url, Key: testKey})
			if err != nil {
				s.Fatal(err)
			}
			if err := db.Close(); err != nil {
				s.Fatal(err)
			}
		}, engine.OpenNotEmpty, "a provider has it"},
		{"of the unfinished move of another", func(s server) {
			other := newLogSite(s.T)
			db := other.open()
			other.ok(db.SetSealCheck(s.Context(), []byte("other")))
			other.happens(db, 3)
			other.ok(db.Close())
			c := other.moving(s.url)
			ctx, stop := context.WithCancel(s.Context())
			c.Prove = func([]byte) error { return nil }
			c.at = func(point string) {
				if point == "bare" {
					stop()
				}
			}
			if _, err := Move(ctx, c); !errors.Is(err, context.Canceled) {
				s.Fatal(err)
			}
		}, "", "unfinished move of another database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := server{t, pgtest.Fresh(t)}
			c.do(target)
			before := target.has()
			for what, do := range map[string]func() error{
				"look": func() error { _, err := LookMove(t.Context(), s.moving(target.url)); return err },
				"move": func() error { _, err := Move(t.Context(), s.moving(target.url)); return err },
				"undo": func() error { return UndoMove(t.Context(), s.moving(target.url)) },
			} {
				err := do()
				opening := (*OpenError)(nil)
				if errors.As(err, &opening) != (c.kind != "") || opening != nil && opening.Kind != c.kind {
					t.Errorf("%s: %v", what, err)
				}
				s.refuses(err, c.words)
			}
			if after := target.has(); len(after) != len(before) {
				t.Errorf("changed: %v, %v", before, after)
			}
		})
	}
	latin := server{t, pgtest.Fresh(t)}
	latin.do("CREATE DATABASE latin_move TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
	defer latin.do("DROP DATABASE latin_move WITH (FORCE)")
	where, err := url.Parse(latin.url)
	s.ok(err)
	where.Path = "/latin_move"
	_, err = Move(t.Context(), s.moving(where.String()))
	s.refuses(err, "encoding", "LATIN1")
	db, err := s.openFile() // it was in nobody's way
	s.ok(err)
	s.ok(db.Close())
}

// A file that was used after a move was cut off is not what was copied.
func TestMoveOfAFileThatChanged(t *testing.T) {
	for _, c := range []struct {
		name, point, edit string
		words             []string
	}{
		{"a row that was copied", "copied", "UPDATE devices SET last_step = 99", []string{`devices "u", "d" is not the same`}},
		{"a row of a table that is copied in part", "copy users", "UPDATE users SET email_key = 'x' WHERE id = 'u'", []string{"has changed since", `one of the rows of users up to "u0" is another`, "--undo"}},
		{"a row that went", "copied", "DELETE FROM days WHERE n = (SELECT max(n) FROM days)", []string{"days"}},
		{"its log", "copied", "", []string{"has changed since", "its log ended at event"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := inEveryTable(t)
			target := server{t, pgtest.Fresh(t)}
			s.cut(target.url, c.point)
			if c.edit != "" {
				s.sql(c.edit)
			} else {
				db, err := s.openFile()
				s.ok(err)
				s.ok(errors.Join(db.AddEvent(t.Context(), idp.Event{Kind: idp.EventUserUnlocked}), db.Close()))
			}
			_, err := Move(t.Context(), s.moving(target.url))
			s.refuses(err, c.words...)
			_, err = s.openMoved(target.url)
			s.refuses(err, string(engine.OpenMoving))
		})
	}
}

// What somebody does to the database before the move ends is found, and the file still counts.
func TestMoveIntoADatabaseThatChanges(t *testing.T) {
	for _, c := range []struct{ name, do, words string }{
		{"a row is changed", "UPDATE users SET display_name = 'Mallory' WHERE id = 'u5'", `users "u5" is not the same`},
		{"a row is longer", "UPDATE users SET display_name = display_name || 'Mallory' WHERE id = 'u5'", `users "u5" is not the same`},
		{"the last row is removed", "DELETE FROM marks WHERE name = (SELECT max(name) FROM marks)", "marks"},
		{"the first row is removed", "DELETE FROM events WHERE seq = (SELECT min(seq) FROM events)", "events 3 is not the same"},
		{"a row is added", "INSERT INTO imports (user_id, id, at) VALUES ('~', 'x', 1)", "imports has more rows"},
		{"one in front", "INSERT INTO imports (user_id, id, at) VALUES ('!', 'x', 1)", "imports"},
		{"a table is emptied", "DELETE FROM replay", "replay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := inEveryTable(t)
			target := server{t, pgtest.Fresh(t)}
			conf := s.moving(target.url)
			conf.at = func(point string) {
				if point == "indexed" {
					target.do(c.do)
				}
			}
			_, err := Move(t.Context(), conf)
			s.refuses(err, c.words)
			db, err := s.openFile()
			s.ok(err)
			s.ok(db.Close())
			_, err = s.openMoved(target.url)
			s.refuses(err, string(engine.OpenMoving), "not compared yet")
		})
	}
}
