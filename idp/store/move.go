package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/postgres"
	"hilum/idp/store/sqlite"
)

// A move takes everything from a file of SQLite into a database of PostgreSQL, as it is: numbers,
// hashes and sealed values are the same there, so that tokens, devices and the log go on. While
// it runs nobody else has the file, and nobody opens the database. It can be cut off at any
// moment, and goes on when it is run again. Which of the two counts is decided in one place, at
// the end, and never both: the file is given up before the database is taken.

// MoveConfig says what is moved, and where to.
type MoveConfig struct {
	From     string // file of SQLite
	URL      string // of PostgreSQL
	Password string // in place of that in the URL
	To       string // the database, as people are told: without a password
	// Key is that of Trust, and Prove returns an error where the sealing key is not the one that
	// sealed the check value.
	Key     []byte
	Prove   func(sealed []byte) error
	Witness string // as Config's
	Actor   idp.Actor
	Now     func() time.Time
	// Progress is told how far a step is, now and then; nil: nobody.
	Progress func(MoveProgress)

	// For tests: what is called at each point that a process may be killed at, and how many rows are
	// copied as one.
	at     func(point string)
	atOnce int
}

// MoveProgress is how far a step is, of a table or of all.
type MoveProgress struct {
	Step     MoveStep
	Table    string
	Done, Of int64 // rows, or of indexes how many
}

// MoveStep is a part of a move.
type MoveStep string

// The steps of a move, in their order.
const (
	MoveLook    MoveStep = "look"
	MoveTables  MoveStep = "tables"
	MoveCopy    MoveStep = "copy"
	MoveIndexes MoveStep = "indexes"
	MoveVerify  MoveStep = "verify"
	MoveSwitch  MoveStep = "switch"
)

// Moved is what a move did.
type Moved struct {
	Tables int
	Rows   int64
	Head   idp.LogHead // the end of the file's log
	Steps  []MoveTook
	Again  bool // it went on with one that was cut off
}

// MoveTook is how long a step took, and how many rows it went through.
type MoveTook struct {
	Step MoveStep
	Rows int64
	Took time.Duration
}

// leftBehind are the tables that are not moved, and why.
var leftBehind = map[string]string{
	"instances":        "says who serves a database now; of a file, nobody",
	"goose_db_version": "each database has its own scripts behind it",
	"moved":            "says of a file that it was moved",
	"schema_floor":     "what the scripts of each say",
	"wakes":            "hints that are a minute old at most; whoever waits looks again by itself",
}

// Rows that are copied as one.
const (
	moveRows  = 5000
	moveBytes = 4 << 20
)

// maxOffenders bounds how many rows an error names.
const maxOffenders = 20

// mover is a move that is under way.
type mover struct {
	MoveConfig
	keys   *keys
	trust  *trust
	source *sqlite.Source
	target *postgres.Target
	tables []engine.Table // parents before their children
	rows   map[string]int64
	all    int64
	head   idp.LogHead
	seal   []byte
	moving *postgres.Moving
	kept   *witness // nil: there is none
	did    *Moved
}

// LookMove says whether a file can be moved, and changes nothing; a provider may run on it.
func LookMove(ctx context.Context, c MoveConfig) (*Moved, error) {
	m, err := beginMove(ctx, c, false)
	if err != nil {
		return nil, err
	}
	err = m.given()
	if err == nil {
		err = m.step(MoveLook, func() error { return m.look(ctx) })
	}
	return m.did, errors.Join(err, m.close())
}

// Move moves a file. Errors say what is wrong and what to do; the file is as it was then, and what
// was copied is gone on with.
func Move(ctx context.Context, c MoveConfig) (*Moved, error) {
	m, err := beginMove(ctx, c, true)
	if err != nil {
		return nil, err
	}
	return m.did, errors.Join(m.run(ctx), m.close())
}

// UndoMove takes back a move that has not ended. Errors: it has, or there is none.
func UndoMove(ctx context.Context, c MoveConfig) error {
	m, err := beginMove(ctx, c, false) // a provider may run on a file that was not given up
	if err != nil {
		return err
	}
	return errors.Join(m.undo(ctx), m.close())
}

// beginMove opens both databases.
func beginMove(ctx context.Context, c MoveConfig, alone bool) (_ *mover, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Progress == nil {
		c.Progress = func(MoveProgress) {}
	}
	if c.atOnce == 0 {
		c.atOnce = moveRows
	}
	if c.at == nil {
		c.at = func(string) {}
	}
	m := &mover{MoveConfig: c, did: &Moved{}, rows: map[string]int64{}}
	if m.keys, err = keysOf(c.Key); err != nil {
		return nil, err
	}
	m.trust = newTrust(slog.New(slog.DiscardHandler))
	m.trust.keys.Store(m.keys)
	// The kept end of the log before the file: a provider that runs writes both, in the other order.
	if m.kept, err = readWitness(c.Witness, m.keys); err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, fmt.Errorf("the end of the audit log that was kept: %w", err)
	}
	if m.source, err = sqlite.OpenSource(c.From, alone); err != nil {
		if errors.Is(err, sqlite.ErrInUse) {
			err = fmt.Errorf("%w: stop the provider, and whatever else works on it, and try again", err)
		}
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if err := m.identify(); err != nil {
		return nil, err
	}
	m.target, err = postgres.OpenTarget(ctx, postgres.Config{URL: c.URL, Password: c.Password})
	if err != nil {
		return nil, err
	}
	m.moving, err = m.target.Moving(ctx)
	if away, at, bad := m.source.Moved(); bad == nil && away != "" && (err != nil || m.moving == nil) {
		return nil, fmt.Errorf("all that was in %s was moved to the %s at %s, which counts since then; it cannot be taken back. "+
			"A backup from before the move has what there was, and nothing of what came after it", c.From, away, moment(at).Format("2006-01-02 15:04 MST"))
	}
	if err != nil {
		return nil, err
	}
	if m.moving != nil && !bytes.Equal(m.moving.Seal, m.seal) {
		return nil, fmt.Errorf("the %s has the unfinished move of another database, %s: end or undo that one, or name an empty database", c.To, m.moving.Source)
	}
	return m, nil
}

func (m *mover) close() error {
	var err error
	if m.target != nil {
		err = m.target.Close()
	}
	if m.source != nil {
		err = errors.Join(err, m.source.Close())
	}
	return err
}

// identify reads which site the file is, and proves that the key is its.
func (m *mover) identify() error {
	var sealed []byte
	err := m.source.Session().Row("SELECT sealed FROM seal_checks WHERE id = 1", nil, &sealed)
	if errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("%s was never served: there is nothing to move, and the database can be served as it is", m.From)
	}
	if err != nil {
		return err
	}
	if err := m.Prove(sealed); err != nil {
		return err
	}
	sum := sha256.Sum256(sealed)
	m.seal = sum[:]
	return nil
}

// given returns an error for a file that was given up.
func (m *mover) given() error {
	away, _, err := m.source.Moved()
	if err == nil && away != "" {
		err = fmt.Errorf("the move to the %s is not ended yet; run it again without --dry-run", away)
	}
	return err
}

func (m *mover) step(s MoveStep, do func() error) error {
	begin := time.Now()
	m.Progress(MoveProgress{Step: s})
	err := do()
	m.did.Steps = append(m.did.Steps, MoveTook{s, m.all, time.Since(begin)})
	return err
}

func (m *mover) run(ctx context.Context) error {
	if m.moving != nil {
		if err := m.target.SameTables(ctx, m.moving.Step != postgres.StepTables); err != nil {
			return err
		}
	}
	if away, _, err := m.source.Moved(); err != nil {
		return err
	} else if away != "" { // it was killed in between
		m.did.Again, m.all = true, m.moving.Rows
		m.did.Rows = m.all
		m.head = idp.LogHead{Seq: m.moving.Seq, Hash: [32]byte(m.moving.Hash)}
		m.did.Head = m.head
		return m.step(MoveSwitch, func() error { return m.ready(ctx) })
	}
	if err := m.step(MoveLook, func() error { return m.look(ctx) }); err != nil {
		return err
	}
	m.at("looked")
	if m.moving == nil {
		m.moving = &postgres.Moving{Source: m.From, Seal: m.seal, Seq: m.head.Seq, Hash: m.head.Hash[:], Rows: m.all, Step: postgres.StepTables, Moved: map[string]postgres.Part{}}
		if err := m.target.Begin(ctx, m.moving); err != nil {
			return err
		}
		m.at("begun")
	} else {
		m.did.Again = true
		if m.moving.Seq != m.head.Seq || !bytes.Equal(m.moving.Hash, m.head.Hash[:]) {
			return m.changed(fmt.Sprintf("its log ended at event %d then, and ends at event %d now", m.moving.Seq, m.head.Seq))
		}
	}
	// Who was not given up may have been used since it was compared.
	if m.moving.Step == postgres.StepSwitch {
		m.moving.Step = postgres.StepVerify
	}
	for _, part := range []struct {
		step MoveStep
		from postgres.Step
		do   func(context.Context) error
	}{
		{MoveTables, postgres.StepTables, m.makeTables},
		{MoveCopy, postgres.StepCopy, m.copy},
		{MoveIndexes, postgres.StepIndexes, m.index},
		{MoveVerify, postgres.StepVerify, m.verify},
	} {
		if m.moving.Step != part.from {
			continue
		}
		if err := m.step(part.step, func() error { return part.do(ctx) }); err != nil {
			return err
		}
	}
	return m.step(MoveSwitch, func() error {
		m.at("compared")
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.source.MarkMoved(m.To, micros(m.Now())); err != nil {
			return err
		}
		m.at("given up")
		return m.ready(context.WithoutCancel(ctx)) // whoever wants to stop it now comes too late
	})
}

// changed is the error of a file that is not what was moved before.
func (m *mover) changed(how string) error {
	return fmt.Errorf("%s has changed since it was moved in part: %s. Take that back (\"idp migrate --undo\") and move it from the beginning: %w", m.From, how, idp.ErrInvalid)
}

// reached notes a step.
func (m *mover) reached(ctx context.Context, s postgres.Step) error {
	m.moving.Step = s
	return m.target.Step(ctx, s)
}

// look goes through the whole file and changes nothing.
func (m *mover) look(ctx context.Context) error {
	found, err := m.source.Faults()
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%s is damaged; put back a backup, or have SQLite repair it (sqlite3, .recover), before it is moved:\n%s: %w", m.From, strings.Join(found, "\n"), idp.ErrInvalid)
	}
	by := m.source.Session()
	check, err := m.chain(by, m.kept, MoveLook)
	if err != nil {
		return fmt.Errorf("the audit log of %s is not whole, and is not moved as if it were: %w", m.From, err)
	}
	m.head, m.did.Head = check.Head, check.Head
	if err := m.bound(ctx); err != nil {
		return err
	}
	if err := listed(by); err != nil {
		return fmt.Errorf("%s: %w", m.From, err)
	}
	if m.tables, err = movable(m.source); err != nil {
		return err
	}
	m.did.Tables = len(m.tables)
	return m.texts(ctx)
}

// chain walks a log. kept is an end of it that was kept elsewhere; nil: none is known.
func (m *mover) chain(by statements, kept *witness, step MoveStep) (*idp.LogCheck, error) {
	check := &idp.LogCheck{}
	w := &walk{
		read: func() (statements, error) { return by, nil }, witness: m.Witness, k: m.keys, end: make([]byte, sha256.Size), check: check,
		progress: func(done, _ int64) { m.Progress(MoveProgress{Step: step, Table: "events", Done: done}) },
	}
	if kept != nil {
		w.ask(kept.head)
	}
	for more := true; more; {
		var err error
		if more, err = w.page(); err != nil {
			return check, err
		}
	}
	return check, w.answers(nil, kept)
}

// bound looks for rows that let somebody in and are not as they were written. One without a MAC
// has ended.
func (m *mover) bound(ctx context.Context) error {
	t := &tx{session: session{m.source.Session(), m.Now, false, m.trust}}
	var off offenders
	for _, table := range slices.Sorted(maps.Keys(bindings)) {
		const page = 1000
		b := bindings[table]
		var after []any
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows, err := b.rows(t, b, after, page)
			if err != nil {
				return fmt.Errorf("%s: %w", table, t.Translate(err))
			}
			for _, r := range rows {
				_, fields := r.bound()
				after = fields[:len(b.keys):len(b.keys)]
				if mac := *r.seal(); len(mac) > 0 && !equalMAC(mac, m.keys.rowMAC(r)) {
					off.add("%s %s is not as it was written", table, keyText(after))
				}
			}
			more = len(rows) == page
		}
	}
	return off.err("rows were changed, and not by this program. They count for nothing, here and there: remove what they are of, or write it anew, and look at it first (\"idp audit list --kind audit.tampered\")")
}

// offenders are rows that an error names.
type offenders struct {
	named []string
	more  int
}

func (o *offenders) add(format string, args ...any) {
	if len(o.named) == maxOffenders {
		o.more++
		return
	}
	o.named = append(o.named, fmt.Sprintf(format, args...))
}

// err is nil where there are none, else what to do and which they are.
func (o *offenders) err(what string) error {
	if len(o.named) == 0 {
		return nil
	}
	if o.more > 0 {
		o.named = append(o.named, fmt.Sprintf("and %d more", o.more))
	}
	return fmt.Errorf("%s:\n%s: %w", what, strings.Join(o.named, "\n"), idp.ErrInvalid)
}

// keyText is the key of a row, for people.
func keyText(key []any) string {
	parts := make([]string, len(key))
	for i, k := range key {
		switch k := k.(type) {
		case string:
			parts[i] = strconv.Quote(k)
		case *string:
			parts[i] = strconv.Quote(*k)
		case []byte:
			parts[i] = fmt.Sprintf("%x", k)
		case *[]byte:
			parts[i] = fmt.Sprintf("%x", *k)
		case *int64:
			parts[i] = fmt.Sprint(*k)
		default:
			parts[i] = fmt.Sprint(k)
		}
	}
	return strings.Join(parts, ", ")
}

// rowKey is keyText for a row of a table.
func rowKey(t *engine.Table, values []any) string {
	key := make([]any, len(t.Key))
	for i, at := range t.Key {
		key[i] = values[at]
	}
	return keyText(key)
}

// movable are the tables of a file that are moved, each behind those that its foreign keys lead
// to.
func movable(s *sqlite.Source) ([]engine.Table, error) {
	all, err := s.Tables()
	if err != nil {
		return nil, err
	}
	var out []engine.Table
	taken := map[string]bool{}
	for name := range leftBehind {
		taken[name] = true
	}
	for {
		before := len(out)
		for _, t := range all {
			ready := !slices.ContainsFunc(t.Parents, func(p string) bool { return p != t.Name && !taken[p] })
			if taken[t.Name] || !ready {
				continue
			}
			if len(t.Key) == 0 {
				return nil, fmt.Errorf("table %s has no primary key", t.Name)
			}
			taken[t.Name] = true
			out = append(out, t)
		}
		if len(out) == before {
			break
		}
	}
	for _, t := range all {
		if !taken[t.Name] {
			return nil, fmt.Errorf("foreign keys of %s go round in a circle", t.Name)
		}
	}
	return out, nil
}

// texts counts the rows and names those that PostgreSQL does not keep.
func (m *mover) texts(ctx context.Context) error {
	var off offenders
	var row []byte
	for i := range m.tables {
		t := &m.tables[i]
		err := m.source.Rows(t, func(values []any) error {
			m.rows[t.Name]++
			m.all++
			if m.all%moveRows == 0 {
				m.Progress(MoveProgress{Step: MoveLook, Table: t.Name, Done: m.all})
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			var column int
			var problem string
			if row, column, problem = postgres.AppendRow(row[:0], t, values); problem != "" {
				off.add("%s %s: %s %s", t.Name, rowKey(t, values), t.Columns[column].Name, problem)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	m.did.Rows = m.all
	return off.err("PostgreSQL does not keep what is in some rows; write it anew where it came from")
}

// listed returns an error where the lists of people and devices are not of those that are there.
func listed(by statements) error {
	for _, l := range []struct{ list, of, key, id string }{
		{"user_list", "users", "user_id", "id"},
		{"device_list", "devices", "device_id", "id"},
	} {
		var of, rows, both int64
		err := by.Row("SELECT (SELECT count(*) FROM "+l.of+" WHERE n <> 0), (SELECT count(*) FROM "+l.list+"), (SELECT count(*) FROM "+l.of+" o JOIN "+l.list+" l ON l.n = o.n AND l."+l.key+" = o."+l.id+")", nil, &of, &rows, &both)
		if err != nil {
			return err
		}
		if of != rows || of != both {
			return fmt.Errorf("the table %s has %d rows, of which %d fit to the %d of %s: %w", l.list, rows, both, of, l.of, idp.ErrInvalid)
		}
	}
	return nil
}

func (m *mover) makeTables(ctx context.Context) error {
	if err := m.target.Tables(ctx); err != nil {
		return err
	}
	m.at("tables")
	for i := range m.tables {
		if err := m.target.Fits(ctx, &m.tables[i]); err != nil {
			return err
		}
	}
	if err := m.target.Bare(ctx, m.tables); err != nil {
		return err
	}
	m.moving.Step = postgres.StepCopy
	m.at("bare")
	return nil
}

// copy copies all rows. Those that were copied before are read once more, to see that they are the
// same.
func (m *mover) copy(ctx context.Context) error {
	var done int64
	for i := range m.tables {
		t := &m.tables[i]
		before := m.moving.Moved[t.Name]
		if !before.Whole {
			if err := m.copyTable(ctx, t, before, &done); err != nil {
				return err
			}
			continue
		}
		if before.Rows != m.rows[t.Name] {
			return m.changed(fmt.Sprintf("%s had %d rows then, and has %d now", t.Name, before.Rows, m.rows[t.Name]))
		}
		done += before.Rows
	}
	if err := m.reached(ctx, postgres.StepIndexes); err != nil {
		return err
	}
	m.at("copied")
	return nil
}

func (m *mover) copyTable(ctx context.Context, t *engine.Table, before postgres.Part, done *int64) error {
	digest := sha256.New()
	var row, waiting []byte
	var now postgres.Part
	fresh := 0
	put := func() error {
		now.Digest = digest.Sum(nil)
		if err := m.target.Copy(ctx, t, waiting, now); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		waiting, fresh = waiting[:0], 0
		m.Progress(MoveProgress{MoveCopy, t.Name, *done, m.all})
		m.at("copy")
		m.at("copy " + t.Name)
		return nil
	}
	err := m.source.Rows(t, func(values []any) error {
		var problem string
		if row, _, problem = postgres.AppendRow(row[:0], t, values); problem != "" {
			return fmt.Errorf("%s %s %s", t.Name, rowKey(t, values), problem)
		}
		_, _ = digest.Write(row) // never fails
		now.Rows++
		*done++
		switch {
		case now.Rows == before.Rows && !bytes.Equal(digest.Sum(nil), before.Digest):
			return m.changed(fmt.Sprintf("one of the rows of %s up to %s is another", t.Name, before.Last))
		case now.Rows <= before.Rows:
			return nil
		}
		now.Last = rowKey(t, values)
		waiting = append(waiting, row...)
		if fresh++; fresh >= m.atOnce || len(waiting) >= moveBytes {
			return put()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if now.Rows < before.Rows {
		return m.changed(fmt.Sprintf("%s had %d rows then, and has %d now", t.Name, before.Rows, now.Rows))
	}
	now.Whole = true
	return put()
}

func (m *mover) index(ctx context.Context) error {
	err := m.target.Later(ctx, func(made, of int) error {
		m.Progress(MoveProgress{Step: MoveIndexes, Done: int64(made), Of: int64(of)})
		m.at("index")
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if err := m.target.Sequences(ctx); err != nil {
		return err
	}
	m.at("sequences")
	if err := m.reached(ctx, postgres.StepVerify); err != nil {
		return err
	}
	m.at("indexed")
	return nil
}

// verify reads back what was copied, beside the file.
func (m *mover) verify(ctx context.Context) error {
	var done int64
	for i := range m.tables {
		if err := m.same(ctx, &m.tables[i], &done); err != nil {
			return err
		}
		m.at("same")
	}
	there := m.target.Statements()
	var sealed []byte
	if err := there.Row("SELECT sealed FROM seal_checks WHERE id = 1", nil, &sealed); err != nil {
		return err
	}
	if err := m.Prove(sealed); err != nil {
		return err
	}
	check, err := m.chain(there, m.kept, MoveVerify)
	if err == nil && check.Head != m.head {
		err = fmt.Errorf("it ends with %s, and in the file with %s: %w", check.Head, m.head, idp.ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("the audit log that was copied is not the file's: %w", err)
	}
	if err := listed(there); err != nil {
		return fmt.Errorf("what was copied: %w", err)
	}
	return m.reached(ctx, postgres.StepSwitch)
}

// same returns an error where a table is not the same in both, byte by byte and in the order of
// its key: the first row that differs.
func (m *mover) same(ctx context.Context, t *engine.Table, done *int64) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	from, to := io.Pipe()
	rows := make(chan int64, 1)
	go func() { // ends with all rows, or when from is closed
		n, err := m.target.Rows(ctx, t, to)
		rows <- n
		_ = to.CloseWithError(err) // never fails
	}()
	other := func(values []any) error {
		return fmt.Errorf("%s %s is not the same in the file and in the %s: one of them was changed meanwhile. "+
			"Take back what was copied (\"idp migrate --undo\") and move it from the beginning: %w", t.Name, rowKey(t, values), m.To, idp.ErrInvalid)
	}
	here, there := sha256.New(), sha256.New()
	var row, copied []byte
	var n int64
	in := bufio.NewReaderSize(from, 1<<16)
	err := m.source.Rows(t, func(values []any) error {
		row, _, _ = postgres.AppendRow(row[:0], t, values)
		if cap(copied) < len(row) {
			copied = make([]byte, 2*len(row))
		}
		copied = copied[:len(row)]
		if _, err := io.ReadFull(in, copied); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return other(values)
		} else if err != nil {
			return err
		}
		_, _ = here.Write(row)     // never fails
		_, _ = there.Write(copied) // never fails
		if !bytes.Equal(row, copied) {
			return other(values)
		}
		if n++; n%moveRows == 0 {
			m.Progress(MoveProgress{MoveVerify, t.Name, *done + n, m.all})
		}
		return nil
	})
	if err == nil {
		var rest []byte
		if rest, err = io.ReadAll(in); err == nil && len(rest) > postgres.EndOfRows {
			err = fmt.Errorf("%s has more rows in the %s than in the file: somebody else has put them there: %w", t.Name, m.To, idp.ErrInvalid)
		}
	}
	_ = from.Close() // never fails
	stop()
	if copied := <-rows; err == nil && (copied != n || n != m.rows[t.Name]) {
		err = fmt.Errorf("%s has %d rows in the file and %d in the %s: %w", t.Name, m.rows[t.Name], copied, m.To, idp.ErrInvalid)
	}
	if p := m.moving.Moved[t.Name]; err == nil && p.Whole && !bytes.Equal(here.Sum(nil), p.Digest) {
		err = m.changed(t.Name + " is another")
	}
	if err == nil && !bytes.Equal(here.Sum(nil), there.Sum(nil)) {
		err = fmt.Errorf("%s is not the same in both: %w", t.Name, idp.ErrInvalid)
	}
	*done += n
	return err
}

// ready takes the database, once the file is given up. Its log goes on with an event that says
// where it came from.
func (m *mover) ready(ctx context.Context) error {
	e := idp.Event{At: m.Now(), Kind: idp.EventStoreMoved, Actor: m.Actor, Detail: map[string]string{
		"from": m.moving.Source, "to": m.To, "head": m.head.String(), "rows": strconv.FormatInt(m.all, 10),
	}}
	row, err := eventRowOf(&e)
	if err != nil {
		return err
	}
	p := pendingRow{eventRow: *row}
	if err := m.target.Ready(ctx, insertPending, p.content()...); err != nil {
		return err
	}
	m.at("taken")
	return nil
}

func (m *mover) undo(ctx context.Context) error {
	if m.moving == nil {
		return fmt.Errorf("there is no move to take back: the %s is empty, and %s can be served", m.To, m.From)
	}
	// The file first: the database stays refused until it is empty.
	if away, _, err := m.source.Moved(); err != nil {
		return err
	} else if away != "" {
		if err := m.source.Close(); err != nil {
			return err
		}
		if m.source, err = sqlite.OpenSource(m.From, true); err != nil {
			return err
		}
		if err := m.source.MarkMoved("", 0); err != nil {
			return err
		}
	}
	m.at("taken back")
	return m.target.Undo(ctx)
}
