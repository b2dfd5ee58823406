package store_test

import (
	"errors"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"hilum/idp/store"
	"hilum/idp/store/pgtest"
	"hilum/idp/store/storetest"
)

// TestTheBooksAgree has two instances give away what is given away once, while their server
// is stopped fast, at once and by a kill, and connections are cut before, at and after
// commits. What was told as done is stored, what was told as refused is not, what nobody
// knows of is whole or not there at all, and nothing is there twice. BOOKS is how often the
// server is stopped.
func TestTheBooksAgree(t *testing.T) {
	restarts := 3
	if n, err := strconv.Atoi(os.Getenv("BOOKS")); err == nil {
		restarts = n
	}
	server := pgtest.Own(t)
	direct := server.Fresh(t)
	proxy := pgtest.NewProxy(t, direct)
	var all []storetest.Store
	var dbs []*store.DB
	for range 2 {
		db, err := store.Open(t.Context(), store.Strict(store.Config{Key: make([]byte, 32), URL: proxy.URL(), Mail: true, Log: slog.New(slog.DiscardHandler)}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		all, dbs = append(all, db), append(dbs, db)
	}
	proxy.Also(func(sql string) bool { return strings.HasPrefix(sql, "WITH held") }) // commits without a COMMIT
	books := storetest.OpenBooks(t, all, 6)
	books.Begin()
	// more waits until so many changes more were counted.
	more := func(n int64, of func() int64) {
		t.Helper()
		for to, until := of()+n, time.Now().Add(time.Minute); of() < to; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d of %d", n-(to-of()), n)
			}
		}
	}
	moments := []pgtest.Moment{pgtest.Before, pgtest.Sent, pgtest.At, pgtest.After}
	for i := range restarts {
		for _, m := range moments {
			proxy.Cut(m, func(int) bool { return mrand.IntN(10) == 0 })
			more(15, books.Answered)
		}
		proxy.Cut(0, nil)
		proxy.CutAll()
		more(25, books.Answered)
		if i%2 > 0 { // it is ill-treated while it stops, too
			proxy.Cut(pgtest.At, func(int) bool { return mrand.IntN(4) == 0 })
		}
		switch i % 3 {
		case 0:
			server.Stop(t, pgtest.Immediate)
		case 1:
			server.Stop(t, pgtest.Fast)
		default:
			server.Kill(t)
		}
		more(5, books.Turned)
		server.Start(t)
		more(25, books.Answered)
	}
	proxy.Cut(0, nil)
	more(60, books.Answered)
	books.End()
	again, deadlocks, unanswered := int64(0), int64(0), int64(0)
	for _, db := range dbs {
		a, d, u := db.Ran()
		again, deadlocks, unanswered = again+a, deadlocks+d, unanswered+u
		if err := db.Link(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	books.Check(rowsOf(t, direct))
	t.Logf("%d restarts, %d connections cut; %d transactions ran again, %d deadlocks, %d commits without an answer", restarts, proxy.Cuts(), again, deadlocks, unanswered)
	if unanswered == 0 || again == 0 {
		t.Error("nothing was ill-treated")
	}
}

// rowsOf are the keys of what is there, past the store.
func rowsOf(t *testing.T, url string) map[string]bool {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	read := c.ExecParams(t.Context(), `SELECT 'login ' || id FROM logins UNION ALL SELECT 'session ' || id FROM sessions UNION ALL SELECT 'grant ' || id FROM grants
		UNION ALL SELECT 'code ' || encode(hash, 'hex') FROM codes UNION ALL SELECT 'access ' || encode(hash, 'hex') FROM access_tokens
		UNION ALL SELECT 'refresh ' || encode(hash, 'hex') FROM refresh_tokens UNION ALL SELECT 'jwt ' || encode(hash, 'hex') FROM used_jwts
		UNION ALL SELECT 'waits' FROM events_pending`, nil, nil, nil, nil).Read()
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	rows := map[string]bool{}
	for _, r := range read.Rows {
		if rows[string(r[0])] {
			t.Error(errors.New("twice: " + string(r[0])))
		}
		rows[string(r[0])] = true
	}
	if rows["waits"] {
		t.Error("events wait to be linked")
	}
	return rows
}
