package store

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
	"hilum/idp/store/find"
	"hilum/idp/text"
)

var userListing = &find.List{
	Table: "user_list", Terms: "user_terms", Facets: len(idp.UserFacets),
	Orders: map[string]find.Order{
		string(idp.UsersByPerson): {Column: "person", Text: true},
		string(idp.UsersByName):   {Column: "name", Text: true},
		string(idp.UsersByAdded):  {Column: "added"},
	},
}

const userListColumns = "n, user_id, person, name, added, facets, sig, words"

var (
	insertUserList = insertInto("user_list", userListColumns)
	updateUserList = updateRow("user_list", userListColumns)
)

type userListRow struct {
	find.Row
	userID       string
	person, name string
	added        int64
}

func (r *userListRow) fields() []any {
	return []any{&r.N, &r.userID, &r.person, &r.name, &r.added, &r.Facets, &r.Sig, &r.Words}
}

func userListRowOf(u *userRow, devices int) (*userListRow, error) {
	groups, err := textList(u.Groups)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.ID, err)
	}
	r := &userListRow{userID: u.ID, person: text.Bare(u.DisplayName), name: u.Name, added: u.CreatedAt}
	is := map[idp.UserFacet]bool{
		idp.UsersActive:   u.State == string(idp.UserActive),
		idp.UsersInvited:  u.State == string(idp.UserInvited),
		idp.UsersDisabled: u.State == string(idp.UserDisabled),
		idp.UsersStaff:    u.Staff != "",
		idp.UsersNoDevice: devices == 0,
	}
	for i, f := range idp.UserFacets {
		if is[f] {
			r.Facets |= 1 << i
		}
	}
	r.SetWords(find.Words(u.Email, append([]string{u.Name, u.DisplayName}, groups...)...))
	return r, nil
}

// numberedUser is a person with their row in the list.
type numberedUser struct {
	userRow
	n int64
}

func (r *numberedUser) fields() []any { return append(r.userRow.fields(), &r.n) }

func (t *tx) relistUser(u *numberedUser, devices int) error {
	row, err := userListRowOf(&u.userRow, devices)
	if err != nil {
		return err
	}
	if u.n == 0 {
		if row.N, err = t.in.Next(userListing.Table); err != nil {
			return err
		}
		if err := t.put(insertUserList, row.fields()...); err != nil {
			return err
		}
		if err := t.put("UPDATE users SET n = ? WHERE id = ?", row.N, u.ID); err != nil {
			return err
		}
		return userListing.PutTerms(t.put, &find.Row{}, &row.Row)
	}
	row.N = u.n
	var before userListRow
	if err := t.Row("SELECT "+userListColumns+" FROM user_list WHERE n = ?", []any{u.n}, before.fields()...); err != nil {
		return fmt.Errorf("user %s in the list: %w", u.ID, err)
	}
	if before == *row {
		return nil
	}
	if err := t.update(updateUserList, row.fields()); err != nil {
		return err
	}
	return userListing.PutTerms(t.put, &before.Row, &row.Row)
}

var selectListedAccount = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE id = (SELECT user_id FROM user_list WHERE n = ?)"

// SearchUsers finds a part of the list of people. Errors: idp.FieldError.
func (db *DB) SearchUsers(ctx context.Context, q idp.UserQuery) (*idp.UserPage, error) {
	facets, err := find.Bits(idp.UserFacets, q.Facets)
	if err != nil {
		return nil, err
	}
	if q.Sort == "" {
		q.Sort = idp.UsersByPerson
	}
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	f, err := userListing.Search(r, find.Query{Words: find.Typed(q.Words), Facets: facets, Order: string(q.Sort), Down: q.Down, Page: q.Page})
	if err != nil {
		return nil, err
	}
	p := &idp.UserPage{Cursors: f.Cursors, Total: f.Total, Facets: find.PerFacet(idp.UserFacets, f.Facets), Rows: make([]idp.Account, 0, len(f.Numbers))}
	for _, n := range f.Numbers {
		var row accountRow
		err := r.Row(selectListedAccount, []any{n}, row.fields()...)
		if errors.Is(err, idp.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		a, err := row.account(r)
		if err != nil {
			return nil, err
		}
		a.PasswordHash = hidden(a.PasswordHash)
		p.Rows = append(p.Rows, *a)
	}
	return p, nil
}

// hidden stands for a password hash: it says whether there is one, and not which.
func hidden(hash string) string {
	if hash != "" {
		return "[secret]"
	}
	return ""
}
