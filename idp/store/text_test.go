package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
)

// after20 undoes, by hand, the migrations after number 20.
var after20 = []string{
	"DROP INDEX refresh_tokens_gone", "DROP INDEX codes_gone", "DROP INDEX grants_gone", "DROP INDEX sessions_gone", "DROP INDEX logins_gone", "DROP INDEX logout_notices_gone", "DROP INDEX mails_gone",
	"ALTER TABLE clients DROP COLUMN signing",
	"ALTER TABLE clients DROP COLUMN tls_subject", "ALTER TABLE clients DROP COLUMN certificate_bound", "ALTER TABLE refresh_tokens DROP COLUMN x5t", "ALTER TABLE access_tokens DROP COLUMN x5t", "ALTER TABLE consents DROP COLUMN claims",
	"DROP TABLE moved", "DROP TABLE polled_requests", "ALTER TABLE grants DROP COLUMN type",
	"ALTER TABLE clients DROP COLUMN backchannel", "DROP TABLE pings",
	"ALTER TABLE clients DROP COLUMN default_scopes", "ALTER TABLE clients DROP COLUMN claims_in_access", "ALTER TABLE clients DROP COLUMN keep_refresh",
	"ALTER TABLE clients DROP COLUMN subject_type", "ALTER TABLE clients DROP COLUMN sector_uri", "ALTER TABLE clients DROP COLUMN initiate_uri",
	"DROP TRIGGER grants_revoked", "DROP TRIGGER grants_deleted", "DROP TABLE grant_ancestors", "ALTER TABLE grants DROP COLUMN origin", "ALTER TABLE grants DROP COLUMN actors", "ALTER TABLE clients DROP COLUMN exchange_targets",
	"ALTER TABLE grants DROP COLUMN resources", "ALTER TABLE grants DROP COLUMN study", "ALTER TABLE consents DROP COLUMN resources", "ALTER TABLE clients DROP COLUMN resources",
	"ALTER TABLE clients DROP COLUMN about", "ALTER TABLE clients DROP COLUMN requests",
	"DROP TABLE log_begin", "DROP TABLE schema_floor", "DROP TABLE instances", "DROP TABLE jobs", "DROP TABLE job_files",
	"DROP TABLE registration_tokens", "ALTER TABLE clients DROP COLUMN registered_by", "ALTER TABLE clients DROP COLUMN registration_hash",
}

// openAt opens the database of a file, which is made where there is none.
func openAt(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Phones that can ask for a fingerprint or PIN, and were listed by a release that had no
// facet for that, are found by it.
func TestListedPhonesOfBeforeAreFoundByFingerprint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	open := func() *store.DB { return openAt(t, path) }
	db, now := open(), time.Now()
	if err := db.AddUser(t.Context(), &idp.User{ID: "anna", Name: "anna", State: idp.UserActive}); err != nil {
		t.Fatal(err)
	}
	for name, second := range map[string][]byte{"native": make([]byte, 64), "web": nil} {
		p := &idp.Pairing{ID: idp.PairingID(name), User: "anna", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := errors.Join(db.AddPairing(t.Context(), p), db.UpdatePairing(t.Context(), p.ID, func(*idp.Pairing) (*idp.Device, error) {
			return &idp.Device{ID: idp.DeviceID(name), User: "anna", Name: name, Kind: idp.DeviceApp, State: idp.DeviceActive, SealedTOTP: []byte("x"), PublicKey: []byte("k"), UVKey: second, LinkedAt: now}, nil
		})); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append(slices.Clone(after20),
		"UPDATE device_list SET facets = facets & ~4096", "DELETE FROM device_terms WHERE term = '#m'",
		"DELETE FROM goose_db_version WHERE version_id >= 20",
	) {
		tamper(t, path, statement)
	}
	db = open()
	p, err := db.SearchDevices(t.Context(), idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetVerifies}})
	if err != nil || len(p.Rows) != 1 || p.Rows[0].Device.Name != "native" || p.Total.N != 1 || p.Facets[idp.FacetVerifies].N != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Rows that were kept as they were typed, by a release before this one, are read
// in NFC, admit whom they mean, and are found by their mail address; none is merged
// with another or lost.
func TestRowsOfBeforeAreReadInNFC(t *testing.T) {
	const apart, whole = "Ro\u0308ntgen", "Röntgen"
	path := filepath.Join(t.TempDir(), "idp.db")
	open := func() *store.DB { return openAt(t, path) }
	db := open()
	for _, name := range []string{"anna", "bert", "carl"} {
		u := &idp.User{ID: idp.UserID(name), Name: name, DisplayName: name, State: idp.UserActive}
		if err := db.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	c := &idp.Client{ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthNone}
	if err := db.AddClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append(slices.Clone(after20), []string{
		// As it was before there were keys.
		"DROP INDEX users_email_key", "DROP INDEX users_email_unkeyed", "ALTER TABLE users DROP COLUMN email_key", "DELETE FROM goose_db_version WHERE version_id >= 9",
		"ALTER TABLE logins DROP COLUMN who", "ALTER TABLE logins DROP COLUMN held", "ALTER TABLE sessions DROP COLUMN device_id", "ALTER TABLE pairings DROP COLUMN session_id",
		"ALTER TABLE known_browsers DROP COLUMN browser", "ALTER TABLE known_browsers DROP COLUMN agent", "ALTER TABLE known_browsers DROP COLUMN address", "ALTER TABLE invitations DROP COLUMN mailed",
		"ALTER TABLE site DROP COLUMN help", "ALTER TABLE site DROP COLUMN help_link", "ALTER TABLE site DROP COLUMN issuer",
		"DROP TABLE wakes", "DROP INDEX tombstones_push", "ALTER TABLE tombstones DROP COLUMN platform", "ALTER TABLE tombstones DROP COLUMN sealed_push",
		"ALTER TABLE devices DROP COLUMN uv_key", "ALTER TABLE tombstones DROP COLUMN uv_key", "ALTER TABLE challenges DROP COLUMN verify",
		"ALTER TABLE challenges DROP COLUMN verified", "ALTER TABLE clients DROP COLUMN verify",
		"ALTER TABLE clients DROP COLUMN dpop", "ALTER TABLE clients DROP COLUMN profile", "ALTER TABLE codes DROP COLUMN jkt", "ALTER TABLE refresh_tokens DROP COLUMN jkt", "ALTER TABLE access_tokens DROP COLUMN jkt",
		"DROP TABLE pushed_requests", "ALTER TABLE clients DROP COLUMN require_pushed",
		"DROP TABLE used_jwts", "ALTER TABLE clients DROP COLUMN jwks", "ALTER TABLE clients DROP COLUMN jwks_uri",
		// Nor was anything bound.
		"DELETE FROM log_head", "DELETE FROM events", "UPDATE users SET mac = x''", "UPDATE clients SET mac = x''",
		`UPDATE users SET display_name = '` + apart + `', groups = '["ct","` + apart + `","` + whole + `"]', email = 'Mu` + "\u0308" + `ller@Krankenhaus-Köln.de' WHERE id = 'anna'`,
		`UPDATE users SET email = 'Bert@Klinik.Example', groups = '["` + whole + `"]' WHERE id = 'bert'`,
		`UPDATE users SET email = 'carl@xn--kln-sna.de' WHERE id = 'carl'`,
		`UPDATE clients SET groups = '["` + apart + `"]', name = '` + apart + `' WHERE id = 'viewer'`,
	}...) {
		tamper(t, path, statement)
	}
	db = open()
	for address, id := range map[string]idp.UserID{
		"MÜLLER@krankenhaus-köln.de": "anna", "müller@xn--krankenhaus-kln-ltb.de": "anna", "bert@klinik.example": "bert", "CARL@KÖLN.de": "carl", "carl@xn--kln-sna.de": "carl",
	} {
		if a, err := db.AccountByEmail(t.Context(), address); err != nil || a.User.ID != id {
			t.Errorf("%q found %+v, %v", address, a, err)
		}
	}
	u, err := db.User(t.Context(), "anna")
	if err != nil || u.DisplayName != whole || !slices.Equal(u.Groups, []string{"ct", whole, whole}) || u.Email != "Müller@Krankenhaus-Köln.de" {
		t.Errorf("%+v, %v", u, err)
	}
	v, err := db.User(t.Context(), "bert")
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Client(t.Context(), "viewer")
	if err != nil || got.Name != whole || !got.Admits(u) || !got.Admits(v) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
