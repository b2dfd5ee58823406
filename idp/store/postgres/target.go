package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"hilum/idp/store/engine"
	"hilum/idp/store/migrations"
)

// Target is a database that is filled from a file. Until that has ended, a table of its own,
// moving, says where the rows come from and how far they are: whoever opens the database finds it
// and leaves the rest alone, and a move that was cut off goes on from there.
type Target struct {
	connector driver.Connector
	std       *stdlib.Conn
	main      *pgx.Conn
	reader    *conn // by hand, beside main
}

// Step is how far a move is.
type Step string

// The steps that a target remembers, in their order.
const (
	StepTables  Step = "tables"  // they are made
	StepCopy    Step = "copy"    // rows are copied
	StepIndexes Step = "indexes" // what makes rows quick to find, and holds them together
	StepVerify  Step = "verify"  // what was copied is compared
	StepSwitch  Step = "switch"  // it is the same: only who is asked from now on is left
)

// Moving is a move that has begun and not ended.
type Moving struct {
	Source string // the file, for people
	Seal   []byte // digest of its seal check: which site it is
	Seq    int64  // the end of its log
	Hash   []byte
	Rows   int64 // that it has
	Step   Step
	Moved  map[string]Part
}

// Part is how far a table is.
type Part struct {
	Rows   int64
	Last   string // key of the last row, for people
	Digest []byte // SHA-256 of the rows so far
	Whole  bool
}

// movingTables makes the tables of a move. Later has the statements that are to be run once the
// rows are there, as JSON.
const movingTables = `
CREATE TABLE moving (id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), source TEXT NOT NULL, seal BYTEA NOT NULL, seq BIGINT NOT NULL, hash BYTEA NOT NULL,
  rows BIGINT NOT NULL, step TEXT NOT NULL, later TEXT NOT NULL DEFAULT '[]');
CREATE TABLE moving_tables (name TEXT NOT NULL PRIMARY KEY, rows BIGINT NOT NULL, last TEXT NOT NULL, digest BYTEA NOT NULL, whole BOOLEAN NOT NULL)`

// ErrMoving says that somebody else fills the database now.
var ErrMoving = errors.New("another \"idp migrate\" works on this database; wait until it has ended")

// alone is the name of the lock that one move has.
const alone = "SELECT pg_advisory_lock(hashtextextended('hilum move', 0))"

// OpenTarget connects to a database that is to be filled and changes nothing. Errors:
// engine.OpenError; ErrMoving.
func OpenTarget(ctx context.Context, c Config) (t *Target, err error) {
	connector, err := connectorOf(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	if err = fits(ctx, db); err == nil {
		err = mayMake(ctx, db)
	}
	if err = errors.Join(opening(err), db.Close()); err != nil {
		return nil, err
	}
	t = &Target{connector: connector}
	if t.std, err = connect(ctx, connector); err != nil {
		return nil, opening(err)
	}
	t.main = t.std.Conn()
	beside, err := connect(ctx, connector)
	if err != nil {
		return nil, errors.Join(opening(err), t.Close())
	}
	t.reader = newConn(beside)
	// What is lost with the server is lost together with what says how far the move is.
	if _, err := t.main.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if _, err := t.main.Exec(ctx, alone); err != nil {
		if e := pgError(err); e != nil && e.Code == codeLockTimeout {
			err = ErrMoving
		}
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func connect(ctx context.Context, to driver.Connector) (*stdlib.Conn, error) {
	c, err := to.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.(*stdlib.Conn), nil
}

// Statements reads what is in the database, beside what fills it.
func (t *Target) Statements() engine.Statements { return t.reader }

// Close leaves the database as it is.
func (t *Target) Close() error {
	var err error
	if t.reader != nil {
		err = t.reader.close()
	}
	if t.std != nil {
		err = errors.Join(err, t.std.Close())
	}
	return err
}

// unfinished is the move that has begun in a database and not ended; nil: there is none.
func unfinished(ctx context.Context, row func(ctx context.Context, query string, dest ...any) error) (*Moving, error) {
	var there bool
	if err := row(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = 'moving')", &there); err != nil || !there {
		return nil, err
	}
	m := &Moving{}
	err := row(ctx, "SELECT source, seal, seq, hash, rows, step FROM moving", &m.Source, &m.Seal, &m.Seq, &m.Hash, &m.Rows, &m.Step)
	return m, err
}

// Moving is the move that has begun in the database and not ended; nil: it is empty. Errors:
// engine.OpenError, it has tables and nobody fills it.
func (t *Target) Moving(ctx context.Context) (*Moving, error) {
	m, err := unfinished(ctx, func(ctx context.Context, query string, dest ...any) error {
		return t.main.QueryRow(ctx, query).Scan(dest...)
	})
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, t.empty(ctx)
	}
	m.Moved = map[string]Part{}
	rows, err := t.main.Query(ctx, "SELECT name, rows, last, digest, whole FROM moving_tables")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var p Part
		if err := rows.Scan(&name, &p.Rows, &p.Last, &p.Digest, &p.Whole); err != nil {
			return nil, err
		}
		m.Moved[name] = p
	}
	return m, rows.Err()
}

// Of what the schema has, what no extension has brought.
const (
	ownRelations = `FROM pg_catalog.pg_class c WHERE c.relnamespace = current_schema()::regnamespace
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`
	ownFunctions = `FROM pg_catalog.pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')`
)

// empty returns an engine.OpenError where there is anything in the database: what is undone is
// all that is in it.
func (t *Target) empty(ctx context.Context) error {
	db := sql.OpenDB(t.connector)
	defer db.Close()
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	if version > 0 {
		return &engine.OpenError{Kind: engine.OpenNotEmpty, Err: errors.New("a provider has it already")}
	}
	var n int
	err = t.main.QueryRow(ctx, "SELECT (SELECT count(*) "+ownRelations+") + (SELECT count(*) "+ownFunctions+")").Scan(&n)
	if err == nil && n > 0 {
		err = &engine.OpenError{Kind: engine.OpenNotEmpty, Err: fmt.Errorf("it has %d tables, views, sequences or functions", n)}
	}
	return err
}

// Begin begins a move into an empty database.
func (t *Target) Begin(ctx context.Context, m *Moving) error {
	return t.once(ctx, func(x pgx.Tx) error {
		if _, err := x.Exec(ctx, movingTables); err != nil {
			return err
		}
		_, err := x.Exec(ctx, "INSERT INTO moving (id, source, seal, seq, hash, rows, step) VALUES (1, $1, $2, $3, $4, $5, $6)", m.Source, m.Seal, m.Seq, m.Hash, m.Rows, string(StepTables))
		return err
	})
}

func (t *Target) once(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, t.main, do)
}

// durable has what is committed from now on, and all before it, be on disk when it is answered.
func (t *Target) durable(ctx context.Context) error {
	_, err := t.main.Exec(ctx, "SET synchronous_commit = on")
	return err
}

// Step notes that a step is reached. What is behind the last is on disk before it is answered: the
// file is given up then.
func (t *Target) Step(ctx context.Context, s Step) error {
	if s == StepSwitch {
		if err := t.durable(ctx); err != nil {
			return err
		}
	}
	_, err := t.main.Exec(ctx, "UPDATE moving SET step = $1", string(s))
	return err
}

// Tables makes all tables as a start does.
func (t *Target) Tables(ctx context.Context) error {
	return scripts(ctx, t.connector, slog.New(slog.DiscardHandler), 0)
}

// SameTables returns an error where a move was begun by a program of another version: its tables
// are not those of the file. made: all of them are made.
func (t *Target) SameTables(ctx context.Context, made bool) error {
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	var there bool
	if err := t.main.QueryRow(ctx, "SELECT to_regclass(quote_ident(current_schema()) || '.goose_db_version') IS NOT NULL").Scan(&there); err != nil || !there {
		return err
	}
	var version int64
	if err := t.main.QueryRow(ctx, migrations.SelectVersion).Scan(&version); err != nil {
		return err
	}
	switch {
	case version > known:
		return fmt.Errorf("the move was begun by a newer version of this program (its tables are version %d, this program knows %d): go on with that one, or take back what was copied (\"idp migrate --undo\")", version, known)
	case version < known && made:
		return fmt.Errorf("the move was begun by an older version of this program (its tables are version %d, this program needs %d): go on with that one, or take back what was copied (\"idp migrate --undo\")", version, known)
	}
	return nil
}

// laterStatements are what of a database is quicker made once the rows are there: unique
// constraints, indexes, and last the foreign keys, which need those.
const laterStatements = `SELECT drop, make FROM (
	SELECT CASE contype WHEN 'f' THEN 3 ELSE 1 END AS turn, r.relname AS of, conname AS name,
		format('ALTER TABLE %I DROP CONSTRAINT %I', r.relname, conname) AS drop,
		format('ALTER TABLE %I ADD CONSTRAINT %I %s', r.relname, conname, pg_get_constraintdef(k.oid)) AS make
	FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
	WHERE k.connamespace = current_schema()::regnamespace AND contype IN ('f', 'u')
	UNION ALL
	SELECT 2, r.relname, c.relname, format('DROP INDEX %I', c.relname), pg_get_indexdef(i.indexrelid)
	FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class r ON r.oid = i.indrelid
	WHERE c.relnamespace = current_schema()::regnamespace AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
) s ORDER BY turn, of, name`

// Bare empties the tables that are to be filled, and takes from the database what is quicker made
// afterwards.
func (t *Target) Bare(ctx context.Context, tables []engine.Table) error {
	return t.once(ctx, func(x pgx.Tx) error {
		rows, err := x.Query(ctx, laterStatements)
		if err != nil {
			return err
		}
		var drop, later []string
		for rows.Next() {
			var d, m string
			if err := rows.Scan(&d, &m); err != nil {
				return err
			}
			drop, later = append(drop, d), append(later, m)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, text := range slices.Backward(drop) { // foreign keys first
			if _, err := x.Exec(ctx, text); err != nil {
				return err
			}
		}
		var names []string
		for i := range tables {
			names = append(names, quoted(tables[i].Name))
		}
		if _, err := x.Exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil { // the first rows of settings
			return err
		}
		text, err := json.Marshal(later)
		if err != nil {
			return err
		}
		_, err = x.Exec(ctx, "UPDATE moving SET step = $1, later = $2", string(StepCopy), string(text))
		return err
	})
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

func columns(t *engine.Table) string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, quoted(c.Name))
	}
	return strings.Join(names, ", ")
}

// types are what a column of each kind is here.
var types = map[engine.Kind]string{engine.KindText: "text", engine.KindNumber: "bigint", engine.KindBytes: "bytea"}

// Fits returns an error where a table has no place for what a column keeps.
func (t *Target) Fits(ctx context.Context, of *engine.Table) error {
	rows, err := t.main.Query(ctx, `SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped`, of.Name)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for rows.Next() {
		var name, is string
		if err := rows.Scan(&name, &is); err != nil {
			return err
		}
		have[name] = is
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, c := range of.Columns {
		if have[c.Name] != types[c.Kind] {
			return fmt.Errorf("%s.%s is %s in the file and %q in the database", of.Name, c.Name, c.Kind, have[c.Name])
		}
	}
	if len(have) != len(of.Columns) {
		return fmt.Errorf("%s has %d columns in the file and %d in the database", of.Name, len(of.Columns), len(have))
	}
	return nil
}

// What a COPY in binary form begins and ends with (PostgreSQL documentation, COPY, «Binary
// Format»). Between them are rows as AppendRow has them.
var (
	copyBegin = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	copyEnd   = []byte{0xff, 0xff}
)

// EndOfRows is the length of what Rows writes behind the last row.
const EndOfRows = 2

// AppendRow adds a row in the form in which it is copied: the number of fields, and each with its
// length. Equal rows are equal bytes. problem says why a value cannot be kept, column is whose it
// is.
func AppendRow(b []byte, t *engine.Table, values []any) (row []byte, column int, problem string) {
	b = binary.BigEndian.AppendUint16(b, uint16(len(values))) //nolint:gosec // columns of a table
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
			continue
		case string:
			switch {
			case t.Columns[i].Kind != engine.KindText:
			case strings.IndexByte(v, 0) >= 0:
				return b, i, "has a NUL byte, which PostgreSQL keeps in no text"
			case !utf8.ValidString(v):
				return b, i, "is no UTF-8"
			default:
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) //nolint:gosec // SQLite's are below 2^31
				continue
			}
		case int64:
			if t.Columns[i].Kind == engine.KindNumber {
				b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(v)) //nolint:gosec // the bits, whatever the sign
				continue
			}
		case []byte:
			if t.Columns[i].Kind == engine.KindBytes {
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) //nolint:gosec // as above
				continue
			}
		}
		return b, i, fmt.Sprintf("is kept as something else (%T) than %s", v, t.Columns[i].Kind)
	}
	return b, 0, ""
}

// Copy adds rows to a table, in the form of AppendRow, and notes how far it is, as one.
func (t *Target) Copy(ctx context.Context, of *engine.Table, rows []byte, p Part) error {
	return t.once(ctx, func(x pgx.Tx) error {
		if len(rows) > 0 {
			if _, err := t.copyIn(ctx, of, rows); err != nil {
				return err
			}
		}
		_, err := x.Exec(ctx, `INSERT INTO moving_tables (name, rows, last, digest, whole) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, last = excluded.last, digest = excluded.digest, whole = excluded.whole`,
			of.Name, p.Rows, p.Last, p.Digest, p.Whole)
		return err
	})
}

func (t *Target) copyIn(ctx context.Context, of *engine.Table, rows []byte) (pgconn.CommandTag, error) {
	from := io.MultiReader(bytes.NewReader(copyBegin), bytes.NewReader(rows), bytes.NewReader(copyEnd))
	return t.main.PgConn().CopyFrom(ctx, from, "COPY "+quoted(of.Name)+" ("+columns(of)+") FROM STDIN (FORMAT binary)")
}

// Rows writes all rows of a table, in the order of its key and the form of AppendRow, and behind
// them an end that is no row.
func (t *Target) Rows(ctx context.Context, of *engine.Table, to io.Writer) (int64, error) {
	var key []string
	for _, i := range of.Key {
		key = append(key, quoted(of.Columns[i].Name))
	}
	tag, err := t.main.PgConn().CopyTo(ctx, &behind{to: to, skip: len(copyBegin)},
		"COPY (SELECT "+columns(of)+" FROM "+quoted(of.Name)+" ORDER BY "+strings.Join(key, ", ")+") TO STDOUT (FORMAT binary)")
	return tag.RowsAffected(), err
}

// behind leaves out the first bytes of what is written.
type behind struct {
	to   io.Writer
	skip int
}

func (b *behind) Write(p []byte) (int, error) {
	n := min(b.skip, len(p))
	b.skip -= n
	if n == len(p) {
		return n, nil
	}
	more, err := b.to.Write(p[n:])
	return n + more, err
}

// Later makes what Bare has taken away, one by one. done is told of each.
func (t *Target) Later(ctx context.Context, done func(made, of int) error) error {
	var text string
	if err := t.main.QueryRow(ctx, "SELECT later FROM moving").Scan(&text); err != nil {
		return err
	}
	var later []string
	if err := json.Unmarshal([]byte(text), &later); err != nil {
		return err
	}
	for i, of := 0, len(later); len(later) > 0; i++ {
		rest, err := json.Marshal(later[1:])
		if err != nil {
			return err
		}
		err = t.once(ctx, func(x pgx.Tx) error {
			if _, err := x.Exec(ctx, later[0]); err != nil {
				return fmt.Errorf("%s: %w", later[0], err)
			}
			_, err := x.Exec(ctx, "UPDATE moving SET later = $1", string(rest))
			return err
		})
		if err != nil {
			return err
		}
		later = later[1:]
		if err := done(i+1, of); err != nil {
			return err
		}
	}
	return nil
}

// Sequences sets every sequence above what rows have, and has the server look how the rows are
// spread.
func (t *Target) Sequences(ctx context.Context) error {
	rows, err := t.main.Query(ctx, `SELECT pg_get_serial_sequence(quote_ident(c.relname), a.attname), c.relname, a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = current_schema()::regnamespace AND a.attidentity <> ''`)
	if err != nil {
		return err
	}
	var sets []string
	for rows.Next() {
		var sequence, table, column string
		if err := rows.Scan(&sequence, &table, &column); err != nil {
			return err
		}
		sets = append(sets, above(sequence, fmt.Sprintf("SELECT max(%s) FROM %s", quoted(column), quoted(table))))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	// Of the lists the numbers are in what they list, too.
	for list, of := range map[string]string{"device": "devices", "user": "users"} {
		sets = append(sets, above(list+"_list_n", fmt.Sprintf("SELECT max(n) FROM (SELECT n FROM %s_list UNION ALL SELECT n FROM %s UNION ALL SELECT n FROM %s_terms) x", list, of, list)))
	}
	for _, text := range append(sets, "ANALYZE") {
		if _, err := t.main.Exec(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// above sets a sequence to a number that has been used, if any has.
func above(sequence, greatest string) string {
	return fmt.Sprintf("SELECT setval('%s', m) FROM (%s) g(m) WHERE m > 0", strings.ReplaceAll(sequence, "'", "''"), greatest)
}

// Ready ends the move with a last row: the database can be opened from now on.
func (t *Target) Ready(ctx context.Context, insert string, args ...any) error {
	if err := t.durable(ctx); err != nil {
		return err
	}
	return t.once(ctx, func(x pgx.Tx) error {
		if _, err := x.Exec(ctx, rewrite(insert), args...); err != nil {
			return err
		}
		_, err := x.Exec(ctx, "DROP TABLE moving, moving_tables")
		return err
	})
}

// Undo takes away all that a move has put into the database, which was empty before it.
func (t *Target) Undo(ctx context.Context) error {
	if err := t.durable(ctx); err != nil {
		return err
	}
	return t.once(ctx, func(x pgx.Tx) error {
		for _, which := range []string{
			"SELECT format('DROP TABLE IF EXISTS %I CASCADE', c.relname) " + ownRelations + " AND c.relkind = 'r'",
			"SELECT format('DROP SEQUENCE IF EXISTS %I CASCADE', c.relname) " + ownRelations + " AND c.relkind = 'S'",
			"SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', p.oid::regprocedure) " + ownFunctions,
		} {
			rows, err := x.Query(ctx, which)
			if err != nil {
				return err
			}
			drops, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, drop := range drops {
				if _, err := x.Exec(ctx, drop); err != nil {
					return fmt.Errorf("%s: %w", drop, err)
				}
			}
		}
		return nil
	})
}
