package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"hilum/idp"
	"hilum/idp/file"
)

// The witness is a small file outside the database that keeps where the log ended
// last. A copy of the whole database from earlier is whole in itself; that it is
// old shows only beside what is not in it.

// witness is the end of the log as the file outside the database keeps it (idp.LogHead).
type witness struct {
	head idp.LogHead
	at   time.Time
}

// witnessFile is the file: one line of JSON.
type witnessFile struct {
	Head string    `json:"head"`
	At   time.Time `json:"at"`
	MAC  string    `json:"mac"`
}

func (k *keys) witnessMAC(w *witness) []byte {
	return k.witness.sum([]byte(w.head.String() + " " + strconv.FormatInt(micros(w.at), 10)))
}

// readWitness reads the file. Errors: idp.ErrNotFound, there is none; idp.ErrInvalid,
// another program has written it, or with another key.
func readWitness(path string, k *keys) (*witness, error) {
	if path == "" {
		return nil, idp.ErrNotFound
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, idp.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var f witnessFile
	var w witness
	err = json.Unmarshal(b, &f)
	if err == nil {
		w.at = f.At
		w.head, err = idp.ParseLogHead(f.Head)
	}
	if mac, err2 := hex.DecodeString(f.MAC); err != nil || err2 != nil || !equalMAC(mac, k.witnessMAC(&w)) {
		return nil, fmt.Errorf("%s was not written by this program with the key of this database: %w", path, idp.ErrInvalid)
	}
	return &w, nil
}

// writeWitness replaces the file, whole or not at all.
func (db *DB) writeWitness(k *keys, head idp.LogHead) (err error) {
	w := &witness{head, moment(micros(db.now()))}
	b, err := json.Marshal(witnessFile{head.String(), w.at, hex.EncodeToString(k.witnessMAC(w))})
	if err != nil {
		return err
	}
	dir := filepath.Dir(db.conf.Witness)
	f, err := os.CreateTemp(dir, filepath.Base(db.conf.Witness)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), file.AsOwnerOf(dir, f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), db.conf.Witness)
}

// KeepHead keeps the head of the log in the witness file, after comparing it with the one
// that is there. When the log does not contain that one, an older database was put back,
// which is nothing wrong in itself, or the newest events were cut off with their head: the
// provider leaves an event and goes on, and a command (accept is false) leaves that to the
// provider. told is what the operator has to be told; empty: nothing.
func (db *DB) KeepHead(ctx context.Context, accept bool) (head idp.LogHead, told string, err error) {
	k, err := db.trust.opened()
	if err != nil {
		return head, "", err
	}
	kept, err := readWitness(db.conf.Witness, k)
	var odd error
	switch {
	case errors.Is(err, idp.ErrInvalid):
		odd = err
	case err != nil && !errors.Is(err, idp.ErrNotFound):
		return head, "", err
	}
	if head, err = db.LogHead(ctx); err != nil {
		if !accept || !errors.Is(err, idp.ErrInvalid) {
			return head, "", err
		}
		odd = errors.Join(odd, err)
		if err := db.mendHead(ctx); err != nil {
			return head, "", err
		}
		if head, err = db.LogHead(ctx); err != nil {
			return head, "", err
		}
	}
	if kept != nil {
		if kept.head == head {
			return head, "", nil
		}
		through, err := db.goesThrough(ctx, kept.head)
		if err != nil {
			return head, "", err
		}
		if !through {
			told = fmt.Sprintf("%s kept the end of the audit log at %s as event %d, and the database does not have that event: it was put back from an older copy, or its newest events were cut off (the log now ends at event %d)",
				db.conf.Witness, kept.at.Format("2006-01-02 15:04 MST"), kept.head.Seq, head.Seq)
			if !accept {
				return head, told, nil
			}
			e := idp.Event{At: db.now(), Kind: idp.EventAuditRolledBack, Actor: idp.Actor{Name: "provider"}, Detail: map[string]string{
				"kept": kept.head.String(), "kept_at": kept.at.UTC().Format(time.RFC3339), "found": head.String(),
			}}
			if err := db.AddEvent(ctx, e); err != nil {
				return head, told, err
			}
			if head, err = db.LogHead(ctx); err != nil {
				return head, told, err
			}
		}
	}
	if kept == nil && odd == nil && head.Seq > 0 && !accept && !db.trust.first.Load() {
		// The provider tells that it is missing, and makes it: a command may be here
		// before a provider that has just started has.
		return head, "", nil
	}
	switch {
	case told != "" || db.conf.Witness == "":
	case odd != nil:
		told = odd.Error()
	case kept == nil && head.Seq > 0 && !db.trust.first.Load():
		told = fmt.Sprintf("there is no %s: whether an older database was put back cannot be told. It is made now", db.conf.Witness)
	}
	if db.conf.Witness == "" {
		return head, told, nil
	}
	if err := db.writeWitness(k, head); err != nil {
		return head, told, err
	}
	db.trust.first.Store(false) // from now on it is missed
	return head, told, nil
}

// mendHead writes a head in place of one that was removed or changed, with an event that
// says so.
func (db *DB) mendHead(ctx context.Context) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(holdLog); err != nil || t.head != nil {
			return err
		}
		return t.openLog()
	})
}

// goesThrough reports whether the log contains an event, by number and hash. What was deleted when
// its time was up, it did.
func (db *DB) goesThrough(ctx context.Context, h idp.LogHead) (bool, error) {
	if h.Seq == 0 {
		return true, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return false, err
	}
	var hash []byte
	err = r.Row(selectHash, []any{h.Seq}, &hash)
	if !errors.Is(err, idp.ErrNotFound) {
		return equalMAC(hash, h.Hash[:]), err
	}
	k, err := db.trust.opened()
	if err != nil {
		return false, err
	}
	is, err := readBegin(r, k)
	if err != nil || !is.fit {
		return false, err
	}
	return h.Seq < is.seq || h.Seq == is.seq && equalMAC(is.hash, h.Hash[:]), nil
}
