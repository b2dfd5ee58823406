package store

import (
	"context"
	"errors"
	"os"
	"time"

	"hilum/idp"
	"hilum/idp/store/migrations"
)

// How instances hear of one another.
const (
	beatEvery     = 5 * time.Second
	instanceGone  = time.Minute     // without a sign of life: then the row is deleted
	farewellTakes = 2 * time.Second // for the last word of an instance that ends
)

const (
	instanceColumns = "id, host, version, started_at, heard_at, schema_from, schema_to"
	selectInstances = "SELECT " + instanceColumns + " FROM instances ORDER BY started_at, id"
)

var beatInstance = insertInto("instances", instanceColumns) + " ON CONFLICT (id) DO UPDATE SET heard_at = excluded.heard_at, schema_to = excluded.schema_to"

type instanceRow struct {
	id, host, version string
	started, heard    int64
	from, to          int64
}

func (r *instanceRow) fields() []any {
	return []any{&r.id, &r.host, &r.version, &r.started, &r.heard, &r.from, &r.to}
}

func (r *instanceRow) instance() idp.Instance {
	return idp.Instance{
		ID: r.id, Host: r.host, Version: r.version, StartedAt: moment(r.started), HeardAt: moment(r.heard), SchemaFrom: r.from, SchemaTo: r.to,
	}
}

// instances are the rows of instances, the one that runs longest first; none where a file is the
// database.
func (db *DB) instances(s statements) ([]idp.Instance, error) {
	if !db.deferred {
		return nil, nil
	}
	rows, err := list[instanceRow](s, selectInstances)
	var all []idp.Instance
	for i := range rows {
		all = append(all, rows[i].instance())
	}
	return all, err
}

// roll is what one instance knows of the others.
type roll struct {
	db   *DB
	row  instanceRow // its own
	seen map[string]sign
}

// sign is when an instance last changed what it says, and what that is. The clocks of machines
// differ, so it is not compared with ours: that it changes says that somebody lives, and since
// when it has not is by our clock.
type sign struct {
	said int64
	at   time.Time
}

// roll begins the list for this process, of a version.
func (db *DB) roll(version string) (*roll, error) {
	schema, err := migrations.Newest()
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // it is told, and nothing more
	}
	return &roll{
		db:   db,
		row:  instanceRow{id: db.hints.self, host: host, version: version, started: micros(db.now()), from: schema, to: schema},
		seen: map[string]sign{},
	}, nil
}

// beat says that this instance lives, and with which tables, deletes those that were not heard for
// instanceGone, and returns how many live. Errors: OutgrownError, it does not work with the tables
// any more.
func (r *roll) beat(ctx context.Context) (live int, err error) {
	is, err := r.suits(ctx)
	if err != nil {
		return 0, err
	}
	if r.row.to != is.Version && is.Version > r.row.from {
		r.db.conf.Log.InfoContext(ctx, migrations.Behind, "tables", is.Version, "made_for", r.row.from, "oldest", is.Floor.Level)
	}
	r.row.to = max(r.row.from, is.Version)
	r.row.heard = max(r.row.heard+1, micros(r.db.now()))
	me, now := r.row, r.db.now()
	err = r.db.write(ctx, func(t *tx) error {
		if err := t.put(beatInstance, me.id, me.host, me.version, me.started, me.heard, me.from, me.to); err != nil {
			return err
		}
		for id, s := range r.seen {
			if now.Sub(s.at) < instanceGone {
				continue
			}
			if err := t.put("DELETE FROM instances WHERE id = ? AND heard_at = ?", id, s.said); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	// Behind the row: whoever changes the tables looks for it before, so that one of the two sees the other.
	if _, err := r.suits(ctx); err != nil {
		return 0, err
	}
	return r.look(ctx)
}

// suits is how far the tables are. Errors: OutgrownError.
func (r *roll) suits(ctx context.Context) (migrations.Tables, error) {
	is, err := r.db.tables(ctx)
	if err != nil {
		return is, err
	}
	if err := is.Suits(r.row.from); err != nil {
		return is, &OutgrownError{err}
	}
	return is, nil
}

// OutgrownError says that the tables of the database were changed, by a newer release, in a way
// that this program does not work with. What it reads and writes from then on may be wrong.
type OutgrownError struct{ Why error }

func (e *OutgrownError) Error() string {
	return "a newer release has changed the tables of the database, and this one does not work with them; start that release here: " + e.Why.Error()
}

// Unwrap is for errors.Is and errors.As.
func (e *OutgrownError) Unwrap() error { return e.Why }

// tables is how far the tables of the database are.
func (db *DB) tables(ctx context.Context) (is migrations.Tables, err error) {
	r, err := db.read(ctx)
	if err != nil {
		return is, err
	}
	if err := r.Row(migrations.SelectVersion, nil, &is.Version); err != nil {
		return is, err
	}
	err = r.Row(migrations.SelectFloor, nil, &is.Floor.Level, &is.Floor.Release)
	return is, err
}

// watchTables waits until the tables of a file are changed in a way that this program does not
// work with. Errors: OutgrownError; nil: ctx ended.
func (db *DB) watchTables(ctx context.Context) error {
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		is, err := db.tables(ctx)
		if err != nil {
			continue // whoever asks for something notices that the file cannot be read
		}
		if err := is.Suits(known); err != nil {
			return &OutgrownError{err}
		}
	}
}

// look returns how many live. One that was never seen before is taken to: that errs on the side
// of allowing less.
func (r *roll) look(ctx context.Context) (live int, err error) {
	s, err := r.db.read(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := list[instanceRow](s, selectInstances)
	if err != nil {
		return 0, err
	}
	now, seen := r.db.now(), map[string]sign{}
	live = 1
	for i := range rows {
		id, said := rows[i].id, rows[i].heard
		if id == r.row.id {
			continue
		}
		was, known := r.seen[id]
		if !known || was.said != said {
			was = sign{said, now}
		}
		seen[id] = was
		if now.Sub(was.at) < idp.InstanceAlive {
			live++
		}
	}
	r.seen = seen
	return live, nil
}

// leave takes this instance off the list.
func (r *roll) leave(ctx context.Context) error {
	err := r.db.write(ctx, func(t *tx) error { return t.put("DELETE FROM instances WHERE id = ?", r.row.id) })
	r.db.Hint(hintRoll)
	return err
}

// Live lists this process, of a version, among the instances on the database until ctx ends.
// changed is told how many live, this one too, whenever that has changed; while the database does
// not answer it stays as it was. Where a file is the database nobody is listed: one process serves
// it. Errors: OutgrownError, the process has to end.
func (db *DB) Live(ctx context.Context, version string, changed func(live int)) error {
	if !db.deferred {
		return db.watchTables(ctx)
	}
	r, err := db.roll(version)
	if err != nil {
		return err
	}
	defer func() {
		last, done := context.WithTimeout(context.WithoutCancel(ctx), farewellTakes)
		defer done()
		if err := r.leave(last); err != nil {
			db.conf.Log.DebugContext(ctx, "this instance stays in the list for a minute", "error", err)
		}
	}()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	known, failing := 0, false
	for do, first := r.beat, true; ; first = false {
		live, err := do(ctx)
		if errors.As(err, new(*OutgrownError)) {
			return err
		}
		if err == nil && live != known {
			known = live
			changed(live)
		}
		if err != nil && !failing && ctx.Err() == nil {
			db.conf.Log.WarnContext(ctx, "instances do not hear of one another", "error", err)
		}
		failing = err != nil
		if first {
			db.Hint(hintRoll)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			do = r.beat
		case <-db.hints.roll:
			do = r.look
		}
	}
}
