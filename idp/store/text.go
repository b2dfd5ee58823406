package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hilum/idp"
	"hilum/idp/text"
)

// What people type is kept in NFC and read in it: rows of releases that kept it
// as it came compare like all others, without being rewritten. Lists keep their
// length and order.
func nfcList(list []string) []string {
	for i, s := range list {
		if n := text.NFC(s); n != s {
			list = slices.Clone(list)
			for ; i < len(list); i++ {
				list[i] = text.NFC(list[i])
			}
			return list
		}
	}
	return list
}

// selectByEmail looks by the key, and by the small letters of ASCII for rows that
// a release before the key has written. Whose it is says the address itself.
const selectByEmail = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE email_key = ?1 AND email_key <> '' " +
	"UNION SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE lower(email) = ?1 AND email <> '' LIMIT 16"

// byEmail are the accounts with an address.
func byEmail(s statements, address string) ([]accountRow, error) {
	key := text.MailKey(address)
	rows, err := list[accountRow](s, selectByEmail, key)
	return slices.DeleteFunc(rows, func(r accountRow) bool { return r.Email == "" || text.MailKey(r.Email) != key }), err
}

// AccountByEmail is Account by a mail address, in whatever case and form. Errors:
// idp.ErrNotFound, also when several people have it.
func (db *DB) AccountByEmail(ctx context.Context, email string) (*idp.Account, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := byEmail(r, email)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d accounts of that address: %w", len(rows), idp.ErrNotFound)
	}
	return rows[0].account(r)
}

const (
	selectEmailOf    = "SELECT email FROM users WHERE email_key = ? AND email_key <> ''"
	selectEmailASCII = "SELECT email FROM users WHERE lower(email) = ? AND email <> ''"
)

// TakenEmails returns which mail addresses somebody has, in whatever case and form,
// as they were given.
func (db *DB) TakenEmails(ctx context.Context, addresses []string) ([]string, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var taken []string
	for _, address := range addresses {
		key := text.MailKey(address)
		for _, find := range []string{selectEmailOf, selectEmailASCII} {
			var email string
			err := r.Row(find, []any{key}, &email)
			if err != nil && !errors.Is(err, idp.ErrNotFound) {
				return nil, err
			}
			if err == nil && text.MailKey(email) == key {
				taken = append(taken, address)
				break
			}
		}
	}
	return taken, nil
}

// keyEmails gives mail addresses the key that SQL could not give them.
func (db *DB) keyEmails(ctx context.Context) error {
	const batch = 500
	for {
		r, err := db.read(ctx)
		if err != nil {
			return err
		}
		rows, err := list[emailRow](r, "SELECT id, email FROM users INDEXED BY users_email_unkeyed WHERE email_key = '' AND email <> '' LIMIT ?", int64(batch))
		if err != nil || len(rows) == 0 {
			return err
		}
		err = db.write(ctx, func(t *tx) error {
			for _, row := range rows {
				if err := t.put("UPDATE users SET email_key = ? WHERE id = ? AND email = ?", text.MailKey(row.email), row.id, row.email); err != nil {
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

type emailRow struct{ id, email string }

func (r *emailRow) fields() []any { return []any{&r.id, &r.email} }
