package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/store/find"
)

// importBatch is how many people one transaction of an import adds: others write in
// between, and none of them waits for long.
const importBatch = 100

// importDead is after how long without another person an import is taken for dead; it may
// run in a command beside the server.
const importDead = 15 * time.Minute

// AddUsers adds n people, all or none, in several transactions. user returns one by
// number, and the same if it is asked again: they are not all held at once. Until the last
// transaction, each is noted as part of the import; should that fail, or die, they are
// deleted again. The last transaction writes e, which says that it came through. Errors:
// idp.ErrConflict, a name is taken.
func (db *DB) AddUsers(ctx context.Context, n int, user func(i int) idp.User, e idp.Event, progress func(done int)) error {
	id := string(idp.NewID[idp.InvitationID]())
	for done := 0; done < n; {
		end := min(done+importBatch, n)
		err := db.write(ctx, func(t *tx) error {
			for i := done; i < end; i++ {
				u := user(i) // anew: its events are taken here, and the function may run twice
				if err := t.hold(ofPerson(u.ID)); err != nil {
					return err
				}
				if err := t.addUser(&u); err != nil {
					return err
				}
				if err := t.put("INSERT INTO imports (user_id, id, at) VALUES (?, ?, ?)", string(u.ID), id, micros(db.now())); err != nil {
					return err
				}
			}
			return t.dropSetupLinks()
		})
		if err != nil {
			return errors.Join(err, db.undoImport(context.WithoutCancel(ctx), id))
		}
		if done = end; progress != nil {
			progress(done)
		}
	}
	return db.write(context.WithoutCancel(ctx), func(t *tx) error {
		if err := t.put("DELETE FROM imports WHERE id = ?", id); err != nil {
			return err
		}
		return t.note(e)
	})
}

// undoImport deletes the people whom an import has added. Who has used an invitation
// meanwhile stays.
func (db *DB) undoImport(ctx context.Context, id string) error {
	for {
		r, err := db.read(ctx)
		if err != nil {
			return err
		}
		rows, err := list[idRow](r, "SELECT user_id FROM imports WHERE id = ? LIMIT ?", id, int64(importBatch))
		if err != nil || len(rows) == 0 {
			return err
		}
		err = db.write(ctx, func(t *tx) error {
			for _, row := range rows {
				if err := t.hold(ofPerson(idp.UserID(row.id))); err != nil {
					return err
				}
				if err := t.undoUser(row.id, db.now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (t *tx) undoUser(id string, now time.Time) error {
	if err := t.put("DELETE FROM imports WHERE user_id = ?", id); err != nil {
		return err
	}
	var row accountRow
	err := t.Row(selectAccount, []any{id}, row.fields()...)
	if errors.Is(err, idp.ErrNotFound) || err == nil && (row.State != string(idp.UserInvited) || row.passwordHash != "" || row.devices > 0) {
		return nil
	}
	if err != nil {
		return err
	}
	var before userListRow
	if err := t.Row("SELECT "+userListColumns+" FROM user_list WHERE n = (SELECT n FROM users WHERE id = ?)", []any{id}, before.fields()...); err != nil {
		return fmt.Errorf("user %s in the list: %w", id, err)
	}
	if err := userListing.PutTerms(t.put, &before.Row, &find.Row{N: before.N}); err != nil {
		return err
	}
	for _, sql := range []string{
		"DELETE FROM user_list WHERE n = (SELECT n FROM users WHERE id = ?)",
		"DELETE FROM push_guards WHERE user_id = ?",
		"DELETE FROM invitations WHERE user_id = ?",
		"DELETE FROM pairings WHERE user_id = ?",
		"DELETE FROM users WHERE id = ?",
	} {
		if err := t.put(sql, id); err != nil {
			return err
		}
	}
	return t.note(idp.Event{
		At: now, Kind: idp.EventUserRemoved, Actor: idp.Actor{Name: "provider"}, User: idp.UserID(id),
		Detail: map[string]string{"user": row.Name, "reason": "the import did not come through"},
	})
}

// undoDead undoes imports that died half-way.
func (db *DB) undoDead(ctx context.Context, now time.Time) error {
	r, err := db.read(ctx)
	if err != nil {
		return err
	}
	dead, err := list[idRow](r, "SELECT id FROM imports GROUP BY id HAVING max(at) < ?", micros(now.Add(-importDead)))
	if err != nil {
		return err
	}
	for _, row := range dead {
		if err := db.undoImport(ctx, row.id); err != nil {
			return err
		}
	}
	return nil
}

// TakenNames returns which of some sign-in names are taken.
func (db *DB) TakenNames(ctx context.Context, names []string) ([]string, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var taken []string
	for _, name := range names {
		var one int64
		err := r.Row("SELECT 1 FROM users WHERE name = ?", []any{name}, &one)
		switch {
		case err == nil:
			taken = append(taken, name)
		case !errors.Is(err, idp.ErrNotFound):
			return nil, err
		}
	}
	return taken, nil
}

// Counters returns the counters of wrong tries against a person.
func (db *DB) Counters(ctx context.Context, user idp.UserID) ([]idp.Counter, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[counterRow](r, "SELECT "+counterColumns+" FROM counters WHERE who = ? ORDER BY kind", string(user))
	counters := make([]idp.Counter, len(rows))
	for i := range rows {
		counters[i] = *rows[i].counter()
	}
	return counters, err
}
