package postgres

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	neturl "net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// work is what an engine asks of the store, which here remembers nothing.
type work struct{ in engine.Tx }

func (w *work) Tx() engine.Tx { return w.in }
func (w *work) Mark()         {}
func (w *work) Undo()         {}
func (w *work) Noted() int64  { return 0 }
func (w *work) Finish() error { return nil }
func (w *work) Committed()    {}

// open opens a database with so many connections, and a table that tests may spoil.
func open(t *testing.T, url string, size int) *Engine {
	t.Helper()
	e, err := Open(t.Context(), Config{URL: url, Pool: size, Log: slog.New(slog.DiscardHandler)}, engine.Hooks{Begin: func(in engine.Tx) engine.Work { return &work{in} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// by executes statements past the engine.
func by(t *testing.T, url string, statements ...string) {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, s := range statements {
		if err := c.Exec(t.Context(), s).Close(); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

const (
	makeThings = "CREATE SCHEMA aside; CREATE TABLE aside.things (k text PRIMARY KEY, n bigint NOT NULL, b bytea)"
	addThing   = "INSERT INTO aside.things (k, n, b) VALUES (?, ?, ?)"
)

func things(t *testing.T, e *Engine) (n int64) {
	t.Helper()
	if err := e.Read().Row("SELECT count(*) FROM aside.things", nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// backend is the process of the server that reads for an engine with one connection.
func backend(t *testing.T, e *Engine) (pid int64) {
	t.Helper()
	if err := e.Read().Row("SELECT pg_backend_pid()", nil, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// A connection that breaks in the middle of a transaction, wherever that notices it: it runs
// again, and is there once.
func TestConnectionsThatBreakInATransaction(t *testing.T) {
	for name, notice := range map[string]func(engine.Tx) error{
		"at a statement that is new": func(tx engine.Tx) error {
			var n int64
			return tx.Row("SELECT count(*) + 1 FROM aside.things", nil, &n)
		},
		"at the commit": func(engine.Tx) error { return nil },
		"at one of gorm": func(tx engine.Tx) error {
			var n int64
			return tx.Translate(tx.ORM().Table("aside.things").Count(&n).Error)
		},
	} {
		t.Run(name, func(t *testing.T) {
			direct := pgtest.Fresh(t)
			by(t, direct, makeThings)
			p := pgtest.NewProxy(t, direct)
			e := open(t, p.URL(), 1)
			runs := 0
			err := e.Write(t.Context(), func(w engine.Work) error {
				runs++
				if err := w.Tx().Put(addThing, "a", 1, []byte(nil)); err != nil {
					return err
				}
				if runs == 1 {
					p.CutAll()
				}
				return notice(w.Tx())
			})
			if err != nil || runs != 2 || things(t, e) != 1 {
				t.Errorf("%v, ran %d times, there are %d", err, runs, things(t, e))
			}
		})
	}
}

// Gorm that is in the middle of its statements when the connection breaks says so in words of
// its own.
func TestConnectionsThatBreakUnderGorm(t *testing.T) {
	direct := pgtest.Fresh(t)
	by(t, direct, makeThings)
	p := pgtest.NewProxy(t, direct)
	e := open(t, p.URL(), 1)
	runs := 0
	err := e.Write(t.Context(), func(w engine.Work) error {
		runs++
		g := w.Tx().ORM()
		if runs == 1 {
			p.CutAll()
		}
		return w.Tx().Translate(g.Exec("INSERT INTO aside.things (k, n) VALUES ('a', 1)").Error)
	})
	if err != nil || runs != 2 || things(t, e) != 1 {
		t.Errorf("%v, ran %d times, there are %d", err, runs, things(t, e))
	}
}

// What fails behind other statements of a trip, and before others, leaves a connection that
// works: the answers to what comes later are those to it.
func TestErrorsLeaveTheConnection(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e := open(t, url, 1)
	pid := backend(t, e)
	for try := range 4 {
		second := "b" // the first time all is well, and all is prepared: then it goes in one trip
		if try > 0 {
			second = "a"
		}
		enough := errors.New("enough")
		err := e.Write(t.Context(), func(w engine.Work) error {
			tx := w.Tx()
			var n, five int64
			err := errors.Join(tx.Put(addThing, "a", 1, []byte{}), tx.Put(addThing, second, 1, []byte{}), tx.Put("SELECT 1"))
			if err = errors.Join(err, tx.Row("SELECT n, 5 FROM aside.things", nil, &n, &five)); err == nil {
				err = enough
			}
			return err
		})
		if try == 0 && !errors.Is(err, enough) || try > 0 && !errors.Is(err, idp.ErrConflict) {
			t.Fatalf("told %v", err)
		}
		if now := backend(t, e); now != pid {
			t.Fatal("the connection was given up")
		}
	}
	if n := things(t, e); n != 0 {
		t.Errorf("%d are there", n)
	}
}

// A conflict that was put and not answered is told by whatever comes next, by gorm too, and
// nothing of the transaction stays.
func TestConflictsThatArePut(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings, "INSERT INTO aside.things VALUES ('a', 1)")
	e := open(t, url, 1)
	pid := backend(t, e)
	for name, next := range map[string]func(engine.Tx) error{
		"commit": func(engine.Tx) error { return nil },
		"gorm": func(tx engine.Tx) error {
			return tx.Translate(tx.ORM().Exec("INSERT INTO aside.things VALUES ('b', 1)").Error)
		},
		"statement": func(tx engine.Tx) error { _, err := tx.Exec("DELETE FROM aside.things"); return err },
		"new one":   func(tx engine.Tx) error { return tx.Put("UPDATE aside.things SET n = n + 7") },
	} {
		err := e.Write(t.Context(), func(w engine.Work) error {
			if err := w.Tx().Put(addThing, "a", 1, []byte{}); err != nil {
				return err
			}
			return next(w.Tx())
		})
		if !errors.Is(err, idp.ErrConflict) || things(t, e) != 1 || backend(t, e) != pid {
			t.Errorf("%s: told %v, there are %d, same connection %v", name, err, things(t, e), backend(t, e) == pid)
		}
	}
}

// A connection that nobody asks anything for longer than a trip may take is as good as before:
// hints are heard on one that is quiet for hours.
func TestQuietConnectionsHaveNoDeadline(t *testing.T) {
	e := open(t, pgtest.Fresh(t), 1)
	was := answersWithin
	answersWithin = 2 * time.Second
	t.Cleanup(func() { answersWithin = was })
	c, err := e.pool.fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	time.Sleep(answersWithin + 100*time.Millisecond) // a deadline is a moment, and has to pass
	if err := c.simple(t.Context(), time.Minute, listen); err != nil {
		t.Error(err)
	}
}

// A connection that nobody has used for longer than an answer may take.
func TestConnectionsThatWereIdle(t *testing.T) {
	e := open(t, pgtest.Fresh(t), 1)
	pid := backend(t, e)
	c := e.pool.idle[0]
	c.until = time.Now().Add(-time.Second)
	if err := c.pg.Conn().SetDeadline(c.until); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := e.Read().Row("SELECT 1 + 2", nil, &n); err != nil || n != 3 {
		t.Errorf("a statement that is new: %d, %v", n, err)
	}
	if now := backend(t, e); now != pid {
		t.Error("the connection was given up")
	}
}

// A panic of whoever takes a row leaves no answer for the next one, and no connection less.
func TestPanicsBetweenRows(t *testing.T) {
	e := open(t, pgtest.Fresh(t), 1)
	numbers := "SELECT n FROM generate_series(1, 3) AS n"
	var none *int64
	boom := func() []any { panic(none) }
	func() {
		defer func() { _ = recover() }()
		_ = e.Read().Each(numbers, nil, boom)
	}()
	if err := e.Write(t.Context(), func(w engine.Work) error { return w.Tx().Each(numbers, nil, boom) }); err == nil {
		t.Error("a transaction that panics is committed")
	}
	for want := range int64(4) {
		var n int64
		if err := e.Read().Row("SELECT ?::bigint", []any{want}, &n); err != nil || n != want {
			t.Fatalf("asked for %d: %d, %v", want, n, err)
		}
	}
}

// Connections that ended while nobody used them are not lent: a transaction that ran into one
// after another would give up before it met the server, which is there again.
func TestConnectionsThatEndedWhileIdle(t *testing.T) {
	url := pgtest.Fresh(t)
	e := open(t, url, 8)
	var all []*conn
	for range 8 {
		c, err := e.pool.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		e.pool.give(c)
	}
	by(t, url, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	if err := e.Probe(false); err != nil {
		t.Error(err)
	}
	if again, _, _ := e.Ran(); again != 0 {
		t.Errorf("it ran %d times more", again)
	}
	_ = backend(t, e)
}

// What gorm reads goes by connections that the server has cut as well, whether they were idle or a
// statement was on its way; nobody is told.
func TestGormReadsPastConnectionsThatWereCut(t *testing.T) {
	url := pgtest.Fresh(t)
	e := open(t, url, 1)
	by(t, url, makeThings)
	cutter, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer cutter.Close(t.Context())
	for i := range 50 {
		if err := e.Read().ORM().Exec("SELECT 1").Error; err != nil {
			t.Fatal(err)
		}
		if err := cutter.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Close(); err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := e.Read().ORM().Table("aside.things").Count(&n).Error; err != nil {
			t.Fatalf("after %d cuts: %v", i+1, e.Read().Translate(err))
		}
	}
}

// Whoever waits too long for what another transaction holds is told so: it says nothing of the
// database.
func TestWhatIsHeldForTooLong(t *testing.T) {
	url, err := neturl.Parse(pgtest.Fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	q := url.Query()
	q.Set("lock_timeout", "50")
	url.RawQuery = q.Encode()
	var wrote atomic.Int64 // errors that say that nothing can be written
	e, err := Open(t.Context(), Config{URL: url.String(), Pool: 3, Log: slog.New(slog.DiscardHandler)}, engine.Hooks{
		Begin: func(in engine.Tx) engine.Work { return &work{in} },
		Wrote: func(err error) {
			if err != nil {
				wrote.Add(1)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	by(t, url.String(), makeThings, "INSERT INTO aside.things (k, n) VALUES ('one', 0)")
	for name, wants := range map[string]func(engine.Tx) error{
		"a key":           func(tx engine.Tx) error { return tx.Hold("person anna") },
		"a key, shared":   func(tx engine.Tx) error { return tx.Share("person anna") },
		"a row":           func(tx engine.Tx) error { return tx.Put("UPDATE aside.things SET n = n + 1") },
		"a row, by count": func(tx engine.Tx) error { _, err := tx.Exec("UPDATE aside.things SET n = n + 1"); return err },
		"a row, by gorm": func(tx engine.Tx) error {
			return tx.Translate(tx.ORM().Exec("UPDATE aside.things SET n = n + 1").Error)
		},
	} {
		t.Run(name, func(t *testing.T) {
			within, done := make(chan struct{}), make(chan struct{})
			var holder sync.WaitGroup
			holder.Go(func() {
				var once sync.Once
				err := e.Write(t.Context(), func(w engine.Work) error {
					if err := w.Tx().Hold("person anna"); err != nil {
						return err
					}
					_, err := w.Tx().Exec("UPDATE aside.things SET n = n + 1")
					once.Do(func() { close(within) })
					<-done
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			<-within
			err := e.Write(t.Context(), func(w engine.Work) error { return wants(w.Tx()) })
			close(done)
			holder.Wait()
			var retry *idp.RetryError
			if !errors.Is(err, engine.ErrHeld) || !errors.Is(err, idp.ErrBusy) || errors.Is(err, idp.ErrUnwritable) || !errors.As(err, &retry) || retry.After <= 0 {
				t.Errorf("told %v", err)
			}
			if err := e.Write(t.Context(), func(w engine.Work) error { return wants(w.Tx()) }); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	if wrote.Load() != 0 {
		t.Errorf("%d times it was told that nothing can be written", wrote.Load())
	}
}

// Texts that PostgreSQL does not keep: nothing is found by them, and none is written.
func TestTextsThatAreNotKept(t *testing.T) {
	url := pgtest.Fresh(t)
	e := open(t, url, 2)
	by(t, url, makeThings, "INSERT INTO aside.things (k, n) VALUES ('one', 1)")
	for _, text := range []string{"one\x00", "\x00", "one\xff", "\xed\xa0\x80", "o\x00ne"} {
		var n int64
		if err := e.Read().Row("SELECT n FROM aside.things WHERE k = ?", []any{text}, &n); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%q is looked for by hand: %v", text, err)
		}
		err := e.Read().ORM().Table("aside.things").Select("n").Where("k = ?", text).Take(&n).Error
		if err = e.Read().Translate(err); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%q is looked for by gorm: %v", text, err)
		}
		err = e.Write(t.Context(), func(w engine.Work) error {
			if err := w.Tx().Hold(engine.Key("person " + text)); err != nil {
				return err
			}
			if err := w.Tx().Row("SELECT n FROM aside.things WHERE k = ?", []any{text}, &n); !errors.Is(err, idp.ErrNotFound) {
				return err
			}
			return w.Tx().Put("UPDATE aside.things SET n = n + 1")
		})
		if err != nil {
			t.Errorf("%q is looked for in a transaction: %v", text, err)
		}
		for how, write := range map[string]func(engine.Tx) error{
			"by hand": func(tx engine.Tx) error { return tx.Put(addThing, text, int64(1), []byte{}) },
			"by gorm": func(tx engine.Tx) error {
				return tx.Translate(tx.ORM().Exec("INSERT INTO aside.things (k, n) VALUES (?, 1)", text).Error)
			},
		} {
			if err := e.Write(t.Context(), func(w engine.Work) error { return write(w.Tx()) }); !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("%q is written %s: %v", text, how, err)
			}
		}
	}
	if things(t, e) != 1 {
		t.Error("something was written")
	}
}

// Those who share a key do not wait for one another; who holds it waits for all of them, and they
// for it.
func TestSharing(t *testing.T) {
	url := pgtest.Fresh(t)
	e := open(t, url, 4)
	by(t, url, makeThings)
	var sharing, all sync.WaitGroup
	sharing.Add(2)
	end := make(chan struct{})
	for _, k := range []string{"one", "two"} {
		all.Go(func() {
			var once sync.Once
			err := e.Write(t.Context(), func(w engine.Work) error {
				err := errors.Join(w.Tx().Share("client viewer"), w.Tx().Must(errors.New("nothing"), "SELECT 1"))
				_, err2 := w.Tx().Exec(addThing, k, int64(1), []byte{})
				once.Do(sharing.Done)
				sharing.Wait() // both are within
				<-end
				return errors.Join(err, err2)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	sharing.Wait()
	var seen int64
	all.Go(func() {
		err := e.Write(t.Context(), func(w engine.Work) error {
			if err := w.Tx().Hold("client viewer"); err != nil {
				return err
			}
			return w.Tx().Row("SELECT count(*) FROM aside.things", nil, &seen)
		})
		if err != nil {
			t.Error(err)
		}
	})
	close(end)
	all.Wait()
	if seen != 2 {
		t.Errorf("who held it saw %d of those who shared it", seen)
	}
	none := errors.New("there is none")
	err := e.Write(t.Context(), func(w engine.Work) error {
		return errors.Join(w.Tx().Must(none, "SELECT 1 FROM aside.things WHERE k = ?", "three"), w.Tx().Put(addThing, "three", int64(1), []byte{}))
	})
	if !errors.Is(err, none) || things(t, e) != 2 {
		t.Errorf("without what must be there: %v, %d things", err, things(t, e))
	}
}

// A table that is changed beneath what was prepared.
func TestTablesThatChange(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings, "INSERT INTO aside.things VALUES ('a', 7)")
	e := open(t, url, 1)
	look := func() (n int64, err error) {
		err = e.Read().Row("SELECT n FROM aside.things", nil, &n)
		return n, err
	}
	within := func() (n int64, err error) {
		err = e.Write(t.Context(), func(w engine.Work) error { return w.Tx().Row("SELECT n FROM aside.things", nil, &n) })
		return n, err
	}
	for i, as := range []string{"bigint", "integer", "smallint", "bigint", "integer"} {
		by(t, url, "ALTER TABLE aside.things ALTER COLUMN n TYPE "+as)
		first, second := look, within
		if i%2 > 0 {
			first, second = within, look
		}
		if n, err := first(); err != nil || n != 7 {
			t.Errorf("as %s: %d, %v", as, n, err)
		}
		if n, err := second(); err != nil || n != 7 {
			t.Errorf("as %s: %d, %v", as, n, err)
		}
	}
}

// relay passes connections on to a server, and counts them.
type relay struct {
	url   string
	came  atomic.Int64
	away  atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, database string) *relay {
	t.Helper()
	u, err := neturl.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	u.Host = l.Addr().String()
	r := &relay{url: u.String()}
	go func() { // ends with the listener
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			r.came.Add(1)
			server, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
			if err != nil || r.away.Load() {
				client.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, client, server)
			r.mu.Unlock()
			for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
				go func() { // ends with either
					_, _ = io.Copy(to, from) // until it ends
					to.Close()
					from.Close()
				}()
			}
		}
	}()
	t.Cleanup(func() { l.Close(); r.cut() })
	return r
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// Nothing is cancelled when a connection breaks: it may be its commit.
func TestNothingIsCancelled(t *testing.T) {
	r := newRelay(t, pgtest.Fresh(t))
	e := open(t, r.url, 1)
	c, err := e.pool.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := r.came.Load()
	r.cut()
	if err := c.Row("SELECT 1", nil, new(int64)); !errors.Is(err, idp.ErrUnwritable) {
		t.Errorf("told %v", err)
	}
	<-c.pg.CleanupDone()
	e.pool.give(c)
	if n := r.came.Load() - before; n != 0 {
		t.Errorf("%d connections more", n)
	}
}

// While a server is away few knock, however many want something; and it is found as soon as
// it is back.
func TestFewKnock(t *testing.T) {
	const size, many = 4, 200
	r := newRelay(t, pgtest.Fresh(t))
	e := open(t, r.url, size)
	r.away.Store(true)
	r.cut()
	before, began := r.came.Load(), time.Now()
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			err := e.Read().Row("SELECT 1", nil, new(int64))
			var u *idp.UnwritableError
			if !errors.As(err, &u) || u.Why != idp.DatabaseAway {
				t.Errorf("told %v", err)
			}
		})
	}
	wg.Wait()
	if n, most := r.came.Load()-before, size+2+int64(time.Since(began)/openAgain); n > most {
		t.Errorf("%d knocked, %d at most were to", n, most)
	}
	r.away.Store(false)
	for until := time.Now().Add(10 * time.Second); ; {
		err := e.Read().Row("SELECT 1", nil, new(int64))
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it is back: %v", err)
		}
	}
}

// What is said of a transaction whose number the server has lost, and given to another one.
func TestNumbersThatAreGivenAgain(t *testing.T) {
	server := pgtest.Own(t)
	url := server.Fresh(t)
	by(t, url, makeThings)
	e := open(t, url, 2)
	begin := func() *tx {
		t.Helper()
		c, err := e.pool.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x := &tx{conn: c}
		if err := errors.Join(x.Put("BEGIN"), x.sendXID(&x.xid), x.trip()); err != nil {
			t.Fatal(err)
		}
		return x
	}
	kept := begin()
	if err := errors.Join(kept.Put(addThing, "kept", 1, []byte{}), kept.Put("COMMIT"), kept.trip()); err != nil {
		t.Fatal(err)
	}
	running := begin()
	if said, err := e.status(t.Context(), kept); said != committed || err != nil {
		t.Errorf("of one that is committed: %s, %v", said, err)
	}
	if said, err := e.status(t.Context(), running); said != "" || err != nil {
		t.Errorf("of one that was in progress: %s, %v", said, err)
	}
	if err := running.trip(); err != nil { // nothing waits
		t.Error(err)
	}
	if err := running.Row("SELECT 1", nil, new(int64)); err == nil {
		t.Error("the one that was in progress still is")
	}
	e.pool.give(running.conn)
	lost := begin()
	server.Kill(t)
	server.Start(t)
	for {
		var n string
		c, err := e.pool.fresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(c.Put("BEGIN"), c.sendXID(&n), c.Put("INSERT INTO aside.things VALUES (?, 0)", time.Now().String()), c.Put("COMMIT"), c.trip(), c.close())
		if err != nil {
			t.Fatal(err)
		}
		if n == lost.xid {
			break
		}
		if len(n) > len(lost.xid) || len(n) == len(lost.xid) && n > lost.xid {
			t.Fatalf("%s was not given again, %s was", lost.xid, n)
		}
	}
	if said, err := e.status(t.Context(), lost); said != aborted || err != nil {
		t.Errorf("of one whose number is another's: %s, %v", said, err)
	}
	if said, err := e.status(t.Context(), kept); said != committed || err != nil {
		t.Errorf("of one that was committed before the crash: %s, %v", said, err)
	}
	for _, x := range []*tx{kept, lost} {
		_ = x.lost(errors.New("its server was killed"))
		e.pool.give(x.conn)
	}
}

// Where the server does not tell everybody of its checkpoints, what is not certain is said to
// be unknown.
func TestNumbersWithoutCheckpoints(t *testing.T) {
	server := pgtest.Own(t)
	url := server.Fresh(t)
	by(t, url, makeThings, "CREATE ROLE plain LOGIN PASSWORD 'plain'", "GRANT ALL ON SCHEMA public, aside TO plain", "GRANT ALL ON aside.things TO plain",
		"REVOKE EXECUTE ON FUNCTION pg_control_checkpoint FROM PUBLIC")
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = neturl.UserPassword("plain", "plain")
	e := open(t, u.String(), 1)
	c, err := e.pool.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := &tx{conn: c}
	if err := errors.Join(x.Put("BEGIN"), x.sendXID(&x.xid), x.Put(addThing, "a", 1, []byte{}), x.Put("COMMIT"), x.trip()); err != nil {
		t.Fatal(err)
	}
	if said, err := e.status(t.Context(), x); said != committed || err != nil {
		t.Errorf("%s, %v", said, err)
	}
	server.Kill(t)
	server.Start(t)
	if said, err := e.status(t.Context(), x); said != unknown || err == nil {
		t.Errorf("after a crash: %s, %v", said, err)
	}
	_ = x.lost(errors.New("its server was killed"))
	e.pool.give(c)
}

// A commit whose connection is cut, at each moment: it is there once, and that is told.
func TestCommitsThatAreCut(t *testing.T) {
	direct := pgtest.Fresh(t)
	by(t, direct, makeThings)
	p := pgtest.NewProxy(t, direct)
	e := open(t, p.URL(), 1)
	for i, m := range []pgtest.Moment{pgtest.Before, pgtest.Sent, pgtest.At, pgtest.After} {
		runs := 0
		p.CutNext(m)
		err := e.Write(t.Context(), func(w engine.Work) error {
			runs++
			return w.Tx().Put(addThing, string(rune('a'+i)), i, []byte{})
		})
		if err != nil || things(t, e) != int64(i+1) || runs > 1 && m >= pgtest.At {
			t.Errorf("cut at %d: %v after %d runs, there are %d", m, err, runs, things(t, e))
		}
	}
}

// What an administrator has set for the database decides nothing of how transactions see one
// another.
func TestTransactionsSeeWhatWasWritten(t *testing.T) {
	url := pgtest.Fresh(t)
	e := open(t, url, 2)
	name, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	by(t, url, makeThings, "INSERT INTO aside.things VALUES ('n', 0)", `ALTER DATABASE "`+name.Database+`" SET default_transaction_isolation = 'repeatable read'`,
		"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	const rounds = 20
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range rounds {
				err := e.Write(t.Context(), func(w engine.Work) error {
					var n int64
					err := errors.Join(w.Tx().Hold("n"), w.Tx().Row("SELECT n FROM aside.things", nil, &n))
					return errors.Join(err, w.Tx().Put("UPDATE aside.things SET n = ?", n+1))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var n int64
	if err := e.Read().Row("SELECT n FROM aside.things", nil, &n); err != nil || n != 2*rounds {
		t.Errorf("counted to %d of %d, %v", n, 2*rounds, err)
	}
	if again, _, _ := e.Ran(); again != 0 {
		t.Errorf("%d ran again", again)
	}
}

// What is missing, what is empty, and numbers at their ends come back as they went.
func TestValues(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e := open(t, url, 1)
	for _, v := range []struct {
		k string
		n int64
		b []byte
	}{{"", 0, nil}, {"empty", -1, []byte{}}, {"\u00e9\u4e2d\U0001f600'\\", 1<<63 - 1, []byte{0, 255}}, {"least", -1 << 63, make([]byte, 5000)}} {
		err := e.Write(t.Context(), func(w engine.Work) error { return w.Tx().Put(addThing, v.k, v.n, v.b) })
		var k string
		var n int64
		var b []byte
		err = errors.Join(err, e.Read().Row("SELECT k, n, b FROM aside.things WHERE k = ?", []any{v.k}, &k, &n, &b))
		if err != nil || k != v.k || n != v.n || string(b) != string(v.b) || (b == nil) != (v.b == nil) {
			t.Errorf("%v: %q %d %v, %v", v, k, n, b, err)
		}
	}
	if err := e.Read().Row("SELECT NULL::bigint", nil, new(int64)); err == nil {
		t.Error("a number that is missing is read as one")
	}
}

// Whoever waits for a connection does not wait for ever, and does not take that for an
// answer of the server.
func TestConnectionsThatAreAllLent(t *testing.T) {
	e := open(t, pgtest.Fresh(t), 1)
	c, err := e.pool.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var u *idp.UnwritableError
	if err := e.Write(ctx, func(engine.Work) error { return nil }); !errors.As(err, &u) || u.Why != idp.DatabaseAway {
		t.Errorf("told %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, leave)
	if err := e.Write(gone, func(engine.Work) error { return nil }); !errors.Is(err, context.Canceled) || errors.Is(err, idp.ErrUnwritable) {
		t.Errorf("who went away is told %v", err)
	}
	e.pool.give(c)
}

// Close waits for what has begun, and what comes later is told.
func TestCloseWaits(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e, err := Open(t.Context(), Config{URL: url, Pool: 2, Log: slog.New(slog.DiscardHandler)}, engine.Hooks{Begin: func(in engine.Tx) engine.Work { return &work{in} }})
	if err != nil {
		t.Fatal(err)
	}
	begun, goOn := make(chan bool), make(chan bool)
	wrote := make(chan error)
	go func() {
		wrote <- e.Write(context.Background(), func(w engine.Work) error {
			close(begun)
			<-goOn
			return w.Tx().Put(addThing, "a", 1, []byte{})
		})
	}()
	<-begun
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	<-e.pool.closed
	if err := e.Write(t.Context(), func(engine.Work) error { return nil }); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("later: %v", err)
	}
	close(goOn)
	if err := errors.Join(<-wrote, <-closed); err != nil {
		t.Error(err)
	}
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	// The server notices the end of a connection when it looks.
	for until := time.Now().Add(10 * time.Second); ; {
		left := c.ExecParams(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hilum'", nil, nil, nil, nil).Read()
		if left.Err != nil {
			t.Fatal(left.Err)
		}
		if string(left.Rows[0][0]) == "0" {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%s connections stay", left.Rows[0][0])
		}
	}
}
