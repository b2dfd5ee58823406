package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hilum/idp"
	"hilum/idp/store/sqlite"
)

// Growth is a database that is filled past the store: people once, then grants with what
// belongs to them and a year of the log, as many as are asked for. Of four grants one session
// is the origin; each has a used code, a used refresh token, a live one, and an access token.
// What was made first is gone first.
type Growth struct {
	t      testing.TB
	key    []byte
	path   string // of SQLite
	url    string // of PostgreSQL
	people int
	most   int64 // grants there will be
	begun  time.Time
	Grants int64 // that were made
	Swept  int64 // of these, that are gone
}

// NewGrowth makes a database with people, on PostgreSQL where its URL is given.
func NewGrowth(t testing.TB, url string, people int, most int64) *Growth {
	g := &Growth{t: t, key: testKey, path: filepath.Join(t.TempDir(), "idp.db"), people: people, most: most, begun: time.Now().UTC().Truncate(time.Microsecond)}
	seed(t, g.path, g.key, people, true)
	if url == "" {
		return g
	}
	db, err := Open(t.Context(), g.Config())
	g.ok(err)
	g.ok(db.SetSealCheck(t.Context(), []byte("sealed")))
	g.ok(db.Close())
	c := moveConfig(g.path, url)
	_, err = Move(t.Context(), c)
	g.ok(err)
	g.url = url
	return g
}

func (g *Growth) ok(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// Config opens it.
func (g *Growth) Config() Config {
	c := Config{Key: g.key, Mail: true, Log: slog.New(slog.DiscardHandler)}
	if g.url == "" {
		c.Driver, c.Path = "sqlite", g.path
	} else {
		c.URL, c.Pool = g.url, 16
	}
	return c
}

// made is when a grant was made, and what belongs to it: in the last year.
func (g *Growth) made(i int64) time.Time {
	return g.begun.Add(-time.Duration(g.most-i) * (365 * 24 * time.Hour / time.Duration(g.most)))
}

// GoneAt is when a grant ends, and what belongs to it: two hours from now or later, one after
// the other.
func (g *Growth) GoneAt(i int64) time.Time {
	return g.begun.Add(2*time.Hour + time.Duration(i)*(30*24*time.Hour/time.Duration(g.most)))
}

func (g *Growth) id(kind string, i int64) string { return fmt.Sprintf("%s%020x", kind, i) }

func (g *Growth) user(i int64) string {
	return fmt.Sprintf("%026X", (i/4)%int64(g.people))
}

// User is whose a grant is.
func (g *Growth) User(i int64) idp.UserID { return idp.UserID(g.user(i)) }

// Device is one that the events of a grant name.
func (g *Growth) Device(i int64) idp.DeviceID {
	return idp.DeviceID(fmt.Sprintf("D%025X", (i/4)%int64(g.people)+1))
}

// Grant is the id of a grant.
func (g *Growth) Grant(i int64) idp.GrantID { return idp.GrantID(g.id("g", i)) }

func (g *Growth) hash(kind string, i int64) (h idp.TokenHash) {
	sum := sha256.Sum256([]byte(g.id(kind, i)))
	copy(h[:], sum[:])
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(g.made(i).UnixMilli()))
	copy(h[:6], at[2:])
	return h
}

// Refresh is the live refresh token of a grant.
func (g *Growth) Refresh(i int64) idp.TokenHash { return g.hash("live", i) }

// Access is its access token.
func (g *Growth) Access(i int64) idp.TokenHash { return g.hash("access", i) }

type bindable interface {
	boundRow
	fields() []any
}

// bound is a row with its MAC, as its fields.
func (g *Growth) bound(k *keys, r bindable) []any {
	*r.seal() = k.rowMAC(r)
	return r.fields()
}

// Grow fills it until there are so many grants.
func (g *Growth) Grow(to int64) {
	g.t.Helper()
	db, err := Open(g.t.Context(), g.Config())
	g.ok(err)
	k := db.trust.keys.Load()
	var h headRow
	g.ok(db.Link(g.t.Context(), true))
	g.ok(db.reader.Row(selectHead, nil, &h.seq, &h.hash, &h.keyed, &h.mac, &h.newest))
	g.ok(db.Close())
	into := g.filling()
	const amr, scopes, agent = `["pwd","otp","mfa"]`, `["openid","profile","offline_access"]`, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	acr := idp.ACRMultiFactor
	from := g.Grants
	first := (from + 3) / 4 // session
	into.rows("sessions", sessionColumns, (to+3)/4-first, func(i int64) []any {
		i = 4 * (first + i)
		at := micros(g.made(i))
		token, browser := g.hash("session", i), g.hash("browser", i)
		return g.bound(k, &sessionRow{
			ID: g.id("s", i/4), Token: token[:], Browser: browser[:], UserID: g.user(i), AuthTime: at, FactorAt: at, ACR: acr, AMR: amr, Agent: agent, Address: "192.0.2.1",
			CreatedAt: at, LastSeenAt: micros(g.begun), IdleAfter: 400 * dayMicros, ExpiresAt: micros(g.GoneAt(i)),
		})
	})
	into.rows("session_clients", "session_id, client_id, first_at, last_at", (to+3)/4-first, func(i int64) []any {
		i = 4 * (first + i)
		return []any{g.id("s", i/4), "viewer", micros(g.made(i)), micros(g.made(i))}
	})
	into.rows("grants", grantColumns, to-from, func(i int64) []any {
		i += from
		at := micros(g.made(i))
		return g.bound(k, &grantRow{
			ID: g.id("g", i), ClientID: "viewer", UserID: g.user(i), SessionID: g.id("s", i/4), Scopes: scopes, Nonce: g.id("nonce", i), ACR: acr, AMR: amr,
			AuthTime: at, CreatedAt: at, ExpiresAt: micros(g.GoneAt(i)), LastUsedAt: at,
		})
	})
	into.rows("codes", codeColumns, to-from, func(i int64) []any {
		i += from
		at, code := micros(g.made(i)), g.hash("code", i)
		return g.bound(k, &codeRow{
			Hash: code[:], GrantID: g.id("g", i), RedirectURI: "https://viewer.example/callback", Challenge: strings.Repeat("c", 43),
			ExpiresAt: at + 60_000_000, UsedAt: at + 1_000_000, KeepUntil: micros(g.GoneAt(i)),
		})
	})
	into.rows("refresh_tokens", refreshColumns, 2*(to-from), func(i int64) []any {
		used := i%2 == 0
		i = i/2 + from
		at, gone, token := micros(g.made(i)), micros(g.GoneAt(i)), g.Refresh(i)
		r := &refreshRow{GrantID: g.id("g", i), Scopes: scopes, IssuedAt: at, ExpiresAt: gone, KeepUntil: gone}
		if used {
			token, r.UsedAt = g.hash("used", i), at
		}
		r.Hash = token[:]
		return g.bound(k, r)
	})
	into.rows("access_tokens", accessColumns, to-from, func(i int64) []any {
		i += from
		token := g.Access(i)
		return g.bound(k, &accessRow{
			Hash: token[:], GrantID: g.id("g", i), Scopes: scopes, Audience: `["viewer"]`, IssuedAt: micros(g.made(i)), ExpiresAt: micros(g.GoneAt(i)),
		})
	})
	kinds := []idp.EventKind{
		idp.EventPasswordRight, idp.EventFactorRight, idp.EventLoginDone, idp.EventSessionStarted, idp.EventCodeIssued, idp.EventCodeRedeemed,
		idp.EventPasswordRight, idp.EventFactorRight, idp.EventLoginDone, idp.EventPasswordWrong,
	}
	into.rows("events", eventColumns, to-from, func(i int64) []any {
		h.seq++
		i += from
		row := &eventRow{
			Seq: h.seq, At: micros(g.made(i)), Kind: string(kinds[i%int64(len(kinds))]), ActorUser: g.user(i), ActorName: "anna.schmidt", UserID: g.user(i), ClientID: "viewer",
			LoginID: g.id("l", i), SessionID: g.id("s", i/4), DeviceID: string(g.Device(i)), Address: "192.0.2.1", Detail: `{"method":"code"}`,
		}
		row.Hash = row.link(k, h.hash)
		h.hash = row.Hash
		return row.fields()
	})
	into.done(upsertHead, h.seq, h.hash, h.keyed, k.headMAC(h.seq, h.hash, h.keyed))
	g.Grants = to
}

// filling takes rows.
type filling interface {
	rows(table, columns string, n int64, row func(int64) []any)
	done(last string, args ...any)
}

func (g *Growth) filling() filling {
	if g.url != "" {
		c, err := pgx.Connect(g.t.Context(), g.url)
		g.ok(err)
		return &pgFilling{g, c}
	}
	c, done, err := sqlite.Raw(g.path, "?_journal_mode=OFF&_synchronous=OFF&_cache_size=-400000&_foreign_keys=off")
	g.ok(err)
	s := &seeding{t: g.t, conn: c}
	return &liteFilling{g, s, done}
}

type liteFilling struct {
	g *Growth
	*seeding
	close func() error
}

func (f *liteFilling) rows(table, columns string, n int64, row func(int64) []any) {
	f.later = nil
	f.indexes("tbl_name = '" + table + "'")
	f.do("BEGIN")
	insert := insertInto(table, columns)
	for i := range n {
		f.do(insert, row(i)...)
	}
	f.do("COMMIT")
	for _, sql := range f.later {
		f.do(sql)
	}
}

func (f *liteFilling) done(last string, args ...any) {
	f.do(last, args...)
	f.g.ok(f.close())
}

type pgFilling struct {
	g *Growth
	c *pgx.Conn
}

func (f *pgFilling) do(sql string, args ...any) {
	_, err := f.c.Exec(f.g.t.Context(), sql, args...)
	f.g.ok(err)
}

func (f *pgFilling) rows(table, columns string, n int64, row func(int64) []any) {
	ctx := f.g.t.Context()
	found, err := f.c.Query(ctx, `SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)`, table)
	f.g.ok(err)
	var later []string
	for found.Next() {
		var name, make string
		f.g.ok(found.Scan(&name, &make))
		later = append(later, "DROP INDEX "+name, make)
	}
	f.g.ok(found.Err())
	for i := 0; i < len(later); i += 2 {
		f.do(later[i])
	}
	i := int64(-1)
	_, err = f.c.CopyFrom(ctx, pgx.Identifier{table}, strings.Split(columns, ", "), pgx.CopyFromFunc(func() ([]any, error) {
		if i++; i == n {
			return nil, nil
		}
		values := row(i)
		for k, v := range values {
			switch v := v.(type) {
			case *string:
				values[k] = *v
			case *int64:
				values[k] = *v
			case *[]byte:
				if values[k] = *v; *v == nil {
					values[k] = []byte{}
				}
			}
		}
		return values, nil
	}))
	f.g.ok(err)
	for i := 1; i < len(later); i += 2 {
		f.do(later[i])
	}
	f.do("VACUUM ANALYZE " + table)
}

func (f *pgFilling) done(last string, args ...any) {
	for i := range args {
		last = strings.Replace(last, "?", fmt.Sprintf("$%d", i+1), 1)
	}
	f.do(last, args...)
	f.do("CHECKPOINT")
	f.g.ok(f.c.Close(context.Background()))
}

// avoid turns ways of PostgreSQL's planner off, for connections that begin later.
func (g *Growth) avoid(ways ...string) {
	c, err := pgx.Connect(g.t.Context(), g.url)
	g.ok(err)
	for _, way := range ways {
		_, err := c.Exec(g.t.Context(), "ALTER DATABASE "+pgx.Identifier{c.Config().Database}.Sanitize()+" SET "+way+" = off")
		g.ok(err)
	}
	g.ok(c.Close(context.Background()))
}

// Sizes are the bytes of tables with their indexes. A file is of no use afterwards: what is
// free in it once a table is dropped was the table's.
func (g *Growth) Sizes(tables ...string) map[string]int64 {
	g.t.Helper()
	sizes := map[string]int64{}
	if g.url != "" {
		c, err := pgx.Connect(g.t.Context(), g.url)
		g.ok(err)
		for _, table := range tables {
			var n int64
			g.ok(c.QueryRow(g.t.Context(), "SELECT pg_total_relation_size($1::regclass)", table).Scan(&n))
			sizes[table] = n
		}
		g.ok(c.Close(context.Background()))
		return sizes
	}
	c, done, err := sqlite.Raw(g.path, "?_journal_mode=OFF&_synchronous=OFF&_cache_size=-100000&_foreign_keys=off")
	g.ok(err)
	free := func() (n int64) {
		var size int64
		g.ok(errors.Join(c.Row("PRAGMA freelist_count", nil, &n), c.Row("PRAGMA page_size", nil, &size)))
		return n * size
	}
	before := free()
	for _, table := range tables {
		_, err := c.Exec("DROP TABLE " + table)
		g.ok(err)
		after := free()
		sizes[table], before = after-before, after
	}
	g.ok(done())
	return sizes
}
