package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// between returns a proxy before a database that has the table things, and a connection
// to that which does not go through it.
func between(t *testing.T) (*Proxy, *pgx.Conn) {
	t.Helper()
	at := Fresh(t)
	c := dial(t, at)
	exec1(t, c, "CREATE TABLE things (n int)")
	return NewProxy(t, at), c
}

// ways are those in which clients send a COMMIT after an INSERT. Each returns what the
// client was told of the commit.
var ways = []struct {
	name string
	do   func(t *testing.T, c *pgx.Conn) error
}{
	{"simple", func(t *testing.T, c *pgx.Conn) error {
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES (1)")
		_, err := c.Exec(t.Context(), "commit")
		return err
	}},
	{"one text", func(t *testing.T, c *pgx.Conn) error {
		return c.PgConn().Exec(t.Context(), "BEGIN; INSERT INTO things VALUES (1); COMMIT").Close()
	}},
	{"prepared", func(t *testing.T, c *pgx.Conn) error {
		for _, text := range []string{"BEGIN", "INSERT INTO things VALUES (1)", "COMMIT"} {
			if _, err := c.Prepare(t.Context(), text, text); err != nil {
				t.Fatal(err)
			}
		}
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES (1)")
		_, err := c.Exec(t.Context(), "COMMIT")
		return err
	}},
	{"without a name", func(t *testing.T, c *pgx.Conn) error {
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES ($1)", 1)
		return c.PgConn().ExecParams(t.Context(), "/* now */ Commit Work", nil, nil, nil, nil).Read().Err
	}},
	{"one batch", func(t *testing.T, c *pgx.Conn) error {
		exec1(t, c, "BEGIN")
		var b pgx.Batch
		b.Queue("INSERT INTO things VALUES ($1)", 1)
		b.Queue("COMMIT")
		return c.SendBatch(t.Context(), &b).Close()
	}},
	{"a pipeline", func(t *testing.T, c *pgx.Conn) error {
		p := c.PgConn().StartPipeline(t.Context())
		for _, text := range []string{"BEGIN", "INSERT INTO things VALUES (1)", "COMMIT"} {
			p.SendQueryParams(text, nil, nil, nil, nil)
			if text == "BEGIN" { // its answer is on its way when the COMMIT is sent
				if err := p.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		return errors.Join(p.Sync(), p.Close())
	}},
	{"a pipeline without Sync", func(t *testing.T, c *pgx.Conn) error {
		p := c.PgConn().StartPipeline(t.Context())
		for _, text := range []string{"BEGIN", "INSERT INTO things VALUES (1)", "COMMIT"} {
			p.SendQueryParams(text, nil, nil, nil, nil)
		}
		p.SendFlushRequest()
		if err := p.Flush(); err != nil {
			return err
		}
		for range 3 {
			r, err := p.GetResults()
			if err != nil {
				return err
			}
			if _, err := r.(*pgconn.ResultReader).Close(); err != nil {
				return err
			}
		}
		p.Sync()
		p.Close() // what it says comes after the answer
		return nil
	}},
	{"database/sql", func(t *testing.T, c *pgx.Conn) error {
		c.Close(t.Context())
		db, err := sql.Open("pgx", c.Config().ConnString())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), "INSERT INTO things VALUES ($1)", 1); err != nil {
			t.Fatal(err)
		}
		return tx.Commit()
	}},
}

// However a COMMIT is sent: what it committed is there or not, and the client was told or
// not, as the moment has it. It is the server that is asked, by another connection, once
// it has ended the one that was cut.
func TestMoments(t *testing.T) {
	for _, m := range []struct {
		name          string
		moment        Moment
		told, kept    bool
		before, delay time.Duration
	}{
		{name: "never", told: true, kept: true},
		{name: "before", moment: Before},
		{name: "sent", moment: Sent, kept: true},
		{name: "at", moment: At, kept: true},
		{name: "after", moment: After, told: true, kept: true},
		{name: "before, late", moment: Before, delay: 5 * time.Millisecond},
		{name: "sent, late", moment: Sent, kept: true, delay: 5 * time.Millisecond},
		{name: "at, late", moment: At, kept: true, delay: 5 * time.Millisecond},
		{name: "after, late", moment: After, told: true, kept: true, delay: 5 * time.Millisecond},
	} {
		t.Run(m.name, func(t *testing.T) {
			p, direct := between(t)
			p.Delay(m.delay)
			for i, way := range ways {
				exec1(t, direct, "DELETE FROM things")
				c := dial(t, p.URL())
				if m.moment != 0 {
					p.CutNext(m.moment)
				}
				err := way.do(t, c)
				if told := err == nil; told != m.told {
					t.Errorf("%s: told %v: %v", way.name, told, err)
				}
				if _, is := errors.AsType[*pgconn.PgError](err); is {
					t.Errorf("%s: the server's word got through: %v", way.name, err)
				}
				if m.moment != 0 {
					alone(t, direct)
				}
				if kept := ask[int](t, direct, "SELECT count(*) FROM things") == 1; kept != m.kept {
					t.Errorf("%s: kept %v", way.name, kept)
				}
				cuts := 0
				if m.moment != 0 {
					cuts = i + 1
				}
				if p.Commits() != i+1 || p.Cuts() != cuts {
					t.Errorf("%s: %d commits, %d cuts", way.name, p.Commits(), p.Cuts())
				}
				if _, err := c.Exec(t.Context(), "SELECT"); way.name != "database/sql" && (err == nil) != (m.moment == 0) {
					t.Errorf("%s: the connection afterwards: %v", way.name, err)
				}
			}
		})
	}
}

// alone waits until the server has ended all connections to the database but this one.
func alone(t *testing.T, c *pgx.Conn) {
	t.Helper()
	eventually(t, "the connection that was cut", func() bool {
		return ask[int](t, c, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()") == 0
	})
}

// A commit that takes its time is on its way when its connection was cut at Sent: the
// server says so, and has it soon.
func TestSentIsInProgress(t *testing.T) {
	p, direct := between(t)
	exec1(t, direct, `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$`)
	exec1(t, direct, `CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`)
	exec1(t, direct, "SELECT pg_advisory_lock(1)")
	c := dial(t, p.URL())
	exec1(t, c, "BEGIN")
	exec1(t, c, "INSERT INTO things VALUES (1)")
	id := ask[string](t, c, "SELECT pg_current_xact_id()::text")
	status := func() string { return ask[string](t, direct, "SELECT pg_xact_status($1::text::xid8)", id) }
	p.CutNext(Sent)
	if _, err := c.Exec(t.Context(), "COMMIT"); err == nil {
		t.Fatal("the client was told")
	}
	if is := status(); is != "in progress" {
		t.Fatalf("the transaction is %s", is)
	}
	exec1(t, direct, "SELECT pg_advisory_unlock(1)")
	eventually(t, "the commit", func() bool { return status() == "committed" })
}

// A COMMIT that the server refuses has an answer like any other: at At the client does not
// hear that nothing was kept, at After it does.
func TestCommitThatFails(t *testing.T) {
	p, direct := between(t)
	exec1(t, direct, "CREATE TABLE later (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	for _, c := range []struct {
		moment Moment
		heard  bool
	}{{At, false}, {After, true}} {
		conn := dial(t, p.URL())
		exec1(t, conn, "BEGIN")
		exec1(t, conn, "INSERT INTO later VALUES (1), (1)")
		p.CutNext(c.moment)
		_, err := conn.Exec(t.Context(), "COMMIT")
		var coded *pgconn.PgError
		if heard := errors.As(err, &coded) && coded.Code == "23505"; heard != c.heard || err == nil {
			t.Errorf("%d: %v", c.moment, err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT"); err == nil {
			t.Errorf("%d: the connection goes on", c.moment)
		}
	}
	if n := ask[int](t, direct, "SELECT count(*) FROM later"); n != 0 {
		t.Errorf("%d were kept", n)
	}
	if p.Commits() != 2 || p.Cuts() != 2 {
		t.Errorf("%d commits, %d cuts", p.Commits(), p.Cuts())
	}
}

// Commits are chosen by number; ROLLBACK, and a statement by itself, are none unless asked
// for.
func TestWhichAreCut(t *testing.T) {
	p, direct := between(t)
	p.Cut(At, func(commit int) bool { return commit%2 == 0 })
	insert := func(c *pgx.Conn, end string) error {
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES (1)")
		_, err := c.Exec(t.Context(), end)
		return err
	}
	c := dial(t, p.URL())
	for i, step := range []struct {
		end string
		cut bool
	}{{"COMMIT", false}, {"ROLLBACK", false}, {"COMMIT", true}, {"COMMIT", false}, {"COMMIT", true}} {
		if err := insert(c, step.end); (err != nil) != step.cut {
			t.Errorf("%d: %v", i, err)
		}
		if step.cut {
			c = dial(t, p.URL())
		}
	}
	single := func() error {
		_, err := c.Exec(t.Context(), "INSERT INTO things VALUES ($1)", 1)
		return err
	}
	if err := single(); err != nil || p.Commits() != 4 {
		t.Errorf("a statement by itself: %v, %d commits", err, p.Commits())
	}
	c.Close(t.Context())
	p.Also(func(text string) bool { return strings.HasPrefix(text, "INSERT") })
	for i, m := range []struct {
		moment     Moment
		told, kept bool
	}{{Before, false, false}, {Sent, false, true}, {At, false, true}, {After, true, true}} {
		exec1(t, direct, "DELETE FROM things")
		c = dial(t, p.URL())
		p.CutNext(m.moment)
		if err := single(); (err == nil) != m.told {
			t.Errorf("%d: told %v", m.moment, err)
		}
		alone(t, direct)
		if kept := ask[int](t, direct, "SELECT count(*) FROM things") == 1; kept != m.kept || p.Commits() != 5+i {
			t.Errorf("%d: kept %v, %d commits", m.moment, kept, p.Commits())
		}
	}
}

// A delay is that of each way, and all that passes keeps its order, when the delay ends,
// too.
func TestDelay(t *testing.T) {
	p, _ := between(t)
	c := dial(t, p.URL())
	const each = 50 * time.Millisecond
	p.Delay(each)
	for range 3 {
		begun := time.Now()
		exec1(t, c, "SELECT")
		if took := time.Since(begun); took < 2*each {
			t.Errorf("a round trip took %v", took)
		}
	}

	const rows = 20000
	done := make(chan error, 1)
	go func() { // ends with the answer
		got, err := c.Query(context.WithoutCancel(t.Context()), "SELECT n, repeat('x', n % 100) FROM generate_series(0, $1::int) n", rows)
		if err != nil {
			done <- err
			return
		}
		n, word, next := 0, "", 0
		_, err = pgx.ForEachRow(got, []any{&n, &word}, func() error {
			if n != next || len(word) != n%100 {
				return fmt.Errorf("row %d is %d, %q", next, n, word)
			}
			next++
			return nil
		})
		if err == nil && next != rows+1 {
			err = fmt.Errorf("%d rows", next)
		}
		done <- err
	}()
	for _, d := range []time.Duration{each, 0, each / 5, 0} {
		p.Delay(d)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What is cut ends for the client and for the server; who comes later gets through, unless
// the server is away.
func TestCutAllAndAway(t *testing.T) {
	p, direct := between(t)
	var all []*pgx.Conn
	for range 5 {
		c := dial(t, p.URL())
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES (1)")
		all = append(all, c)
	}
	p.Away(true)
	exec1(t, all[0], "SELECT") // is there already
	if _, err := pgx.Connect(t.Context(), p.URL()); err == nil {
		t.Error("somebody gets through while the server is away")
	}
	if n := p.CutAll(); n != 5 || p.Cuts() != 5 {
		t.Errorf("%d cut, %d counted", n, p.Cuts())
	}
	for _, c := range all {
		if _, err := c.Exec(t.Context(), "COMMIT"); err == nil {
			t.Error("a connection that was cut goes on")
		}
	}
	eventually(t, "no connection at the server", func() bool {
		return ask[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == 1
	})
	p.Away(false)
	c := dial(t, p.URL())
	if n := ask[int](t, c, "SELECT count(*) FROM things"); n != 0 {
		t.Errorf("%d are kept", n)
	}
	if n := p.CutAll(); n != 1 {
		t.Errorf("%d cut, where one was connected", n)
	}
}

// What else clients send passes: a wish for TLS, which there is none of, a cancellation, a
// COPY, notifications.
func TestWhatElsePasses(t *testing.T) {
	p, direct := between(t)
	u, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = "sslmode=prefer"
	c := dial(t, u.String())
	rows := make([][]any, 10000)
	for i := range rows {
		rows[i] = []any{i}
	}
	if n, err := c.CopyFrom(t.Context(), pgx.Identifier{"things"}, []string{"n"}, pgx.CopyFromRows(rows)); err != nil || n != int64(len(rows)) {
		t.Errorf("COPY: %d, %v", n, err)
	}
	exec1(t, c, "LISTEN news")
	exec1(t, direct, "NOTIFY news, 'COMMIT'")
	if n, err := c.WaitForNotification(t.Context()); err != nil || n.Payload != "COMMIT" {
		t.Errorf("NOTIFY: %v, %v", n, err)
	}
	u.RawQuery = "sslmode=require"
	if _, err := pgx.Connect(t.Context(), u.String()); err == nil {
		t.Error("somebody who insists on TLS gets through")
	}

	failed := make(chan error, 1)
	var once sync.WaitGroup
	once.Go(func() {
		_, err := c.Exec(context.WithoutCancel(t.Context()), "SELECT pg_sleep(600)")
		failed <- err
	})
	eventually(t, "the sleep", func() bool {
		return ask[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'") == 1
	})
	if err := c.PgConn().CancelRequest(t.Context()); err != nil {
		t.Error(err)
	}
	var coded *pgconn.PgError
	if err := <-failed; !errors.As(err, &coded) || coded.Code != "57014" {
		t.Errorf("what was cancelled ended with %v", err)
	}
	once.Wait()
	if p.Commits() != 0 || p.Cuts() != 0 {
		t.Errorf("%d commits, %d cuts", p.Commits(), p.Cuts())
	}
}

// A server that stops is seen through the proxy, and the next one, too.
func TestServerStopsBehindTheProxy(t *testing.T) {
	s := Own(t)
	p := NewProxy(t, s.URL("postgres"))
	c := dial(t, p.URL())
	exec1(t, c, "SELECT")
	s.Stop(t, Immediate)
	if _, err := c.Exec(t.Context(), "SELECT"); err == nil {
		t.Error("a server that was stopped answers")
	}
	s.Start(t)
	exec1(t, dial(t, p.URL()), "SELECT")
}

func TestCommits(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                    false,
		"commit":                              true,
		"COMMIT":                              true,
		" \n\tCommit ; ":                      true,
		"COMMIT AND CHAIN":                    true,
		"commit work":                         true,
		"-- x\ncommit":                        true,
		"/* a /* b */ c */ commit":            true,
		"SELECT 1; commit":                    true,
		"SELECT 1;;\r\ncommit;":               true,
		"SELECT 'a;b''c'; commit":             true,
		`SELECT E'\';'; commit`:               true,
		`SELECT e'\\'; commit`:                true,
		`SELECT '\'; commit`:                  true,
		`SELECT "a;b" FROM c$d$; COMMIT`:      true,
		"SELECT $1; COMMIT":                   true,
		"DO $$ BEGIN NULL; END $$; COMMIT":    true,
		"DO $é1$ x; $$; COMMIT; $é1$; SELECT": false,
		"DO $$ BEGIN COMMIT; END $$":          false,
		"DO $$ x; COMMIT":                     false,
		"SELECT '; commit'":                   false,
		"SELECT '; commit; ":                  false,
		`SELECT E'\'; commit; '`:              false,
		`SELECT 1 AS "; commit"`:              false,
		"-- ; commit":                         false,
		"/* ; /* */ commit":                   false,
		"SELECT commit FROM x":                false,
		"UPDATE x SET commit = 1":             false,
		"commits":                             false,
		"commit_all()":                        false,
		"(commit)":                            false,
		"ROLLBACK":                            false,
		"END":                                 false,
		"/":                                   false,
		"-":                                   false,
		"$":                                   false,
		"'":                                   false,
		"E'\\":                                false,
	} {
		if is := commits(text); is != want {
			t.Errorf("%q: %v", text, is)
		}
	}
}

// Whatever is sent as a text, looking at it comes to an end.
func FuzzCommits(f *testing.F) {
	f.Add("SELECT E'\\'; -- x\n/* */ $a$ $a$; commit")
	f.Fuzz(func(t *testing.T, text string) {
		if commits(text) && !strings.Contains(strings.ToLower(text), "commit") {
			t.Errorf("%q has no COMMIT", text)
		}
		if !commits(text+" ") && commits(text) {
			t.Errorf("%q is one only without a blank after it", text)
		}
	})
}

// A client that has gone before what the server has said to it, and the end of that, is due.
func TestProxyEndsWithWhatWaits(t *testing.T) {
	p, _ := between(t)
	for range 20 {
		p.Delay(0)
		c, err := pgconn.Connect(t.Context(), p.URL())
		if err != nil {
			t.Fatal(err)
		}
		p.Delay(20 * time.Millisecond)
		c.Frontend().SendQuery(&pgproto3.Query{String: "SELECT generate_series(1, 100)"})
		if err := c.Frontend().Flush(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // so much later the end is due
		if err := c.Conn().(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.Conn().Close()
	}
	closed := make(chan bool)
	go func() {
		p.close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for an end that has come")
	}
}
