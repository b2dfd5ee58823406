package store_test

import (
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
)

// A token that nobody has shown yet is found in one trip, with its grant and its person; what
// ends it afterwards is seen at the next check.
func TestAccessAtFirstSight(t *testing.T) {
	conf := postgresConf(t)
	writes, err := store.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writes.Close() })
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := person(t, writes, now)
	signsIn := func() (*idp.Grant, idp.TokenHash) {
		held := signInAs(t, writes, u, now)
		issue := issueFor(held.grant, now)
		if err := writes.RedeemCode(t.Context(), held.code, now, issue, idp.Event{}); err != nil {
			t.Fatal(err)
		}
		return held.grant, issue.Access.Hash
	}
	_, earlier := signsIn()
	grant, access := signsIn()
	db, err := store.Open(t.Context(), conf) // remembers nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, _, _, err := db.Access(t.Context(), earlier); err != nil { // prepares the statement
		t.Fatal(err)
	}
	var user *idp.User
	n, told := trips(t, db, func() { _, _, user, err = db.Access(t.Context(), access) })
	if err != nil || user == nil || user.ID != u || n != 1 {
		t.Fatalf("%v, %v, %d trips: %v", user, err, n, told)
	}
	if err := writes.RevokeGrant(t.Context(), grant.ID, now, idp.Event{}); err != nil {
		t.Fatal(err)
	}
	if _, grant, _, err := db.Access(t.Context(), access); err != nil || grant.RevokedAt.IsZero() {
		t.Errorf("a revoked grant is good: %v", err)
	}
}
