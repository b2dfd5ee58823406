package admin_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

const aHash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"

// secrets returns where a value carries the hash of a password or of a bearer
// value, or something sealed. What is hashed in the log is no secret.
func secrets(path string, v reflect.Value) (found []string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			found = secrets(path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			at := path + "." + name
			if (strings.HasPrefix(name, "Sealed") || name == "PublicKey") && v.Field(i).Len() > 0 {
				found = append(found, at)
			}
			found = append(found, secrets(at, v.Field(i))...)
		}
	case reflect.Array:
		if v.Type() == reflect.TypeFor[idp.TokenHash]() && !v.IsZero() {
			found = append(found, path)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if bytes.Contains(v.Bytes(), []byte("$argon2")) {
				found = append(found, path)
			}
			break
		}
		for i := range v.Len() {
			found = append(found, secrets(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			found = append(found, secrets(fmt.Sprintf("%s[%v]", path, k), v.MapIndex(k))...)
		}
	case reflect.String:
		if strings.Contains(v.String(), "$argon2") {
			found = append(found, path)
		}
	}
	return found
}

// Nothing that a verb of the desk reads for somebody carries a hash or anything
// sealed: what is not given to a door cannot leak through it.
func TestNothingReadCarriesASecret(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	anna := w.person("anna", idp.StaffNone)
	check(w.db.SetPassword(ctx, anna.ID, aHash, w.passwordAt(anna.ID), idp.Within{}, idp.Event{At: w.now, Kind: idp.EventPasswordChanged, User: anna.ID, Actor: console.Actor}))
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: anna.ID, SealedTOTP: []byte{1}, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	check(w.db.AddPairing(ctx, p))
	phone := idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: anna.ID, Name: "phone", Kind: idp.DeviceApp, State: idp.DeviceActive, LinkedAt: w.now,
		SealedTOTP: []byte{1}, PublicKey: bytes.Repeat([]byte{2}, 64), PushType: idp.PushFCM, SealedPush: []byte{3},
	}
	check(w.db.UpdatePairing(ctx, p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = w.now
		d := phone
		return &d, nil
	}))
	_, err := w.ResetPassword(ctx, console, anna.ID, admin.ViaLink)
	check(err)
	_, err = w.AddClient(ctx, console, confidential())
	check(err)
	login := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginDone, User: anna.ID, Browser: idp.NewToken().Hash(), CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	check(w.db.AddLogin(ctx, login))
	check(w.db.Collect(ctx, login.ID, func(c *idp.Collection) error {
		c.Login.State = idp.LoginCollected
		c.Session = &idp.Session{
			ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: login.Browser, User: anna.ID, AuthTime: w.now, FactorAt: w.now,
			CreatedAt: w.now, LastSeenAt: w.now, IdleAfter: time.Hour, ExpiresAt: w.now.Add(time.Hour),
		}
		return nil
	}))
	check(w.db.UpdateSigningKeys(ctx, func([]idp.SigningKey) ([]idp.SigningKey, error) {
		return []idp.SigningKey{{ID: "K1", Alg: "RS256", Sealed: []byte{4}, Public: []byte{5}, CreatedAt: w.now, ActiveAt: w.now}}, nil
	}, idp.Event{At: w.now, Kind: idp.EventKeyRotated, Actor: console.Actor}))

	// A session that has ended, and a test sign-in.
	chief := w.person("chief", idp.StaffAdmin)
	live, err := w.db.Sessions(ctx, anna.ID, w.now)
	check(err)
	ended := live[0].ID
	again := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginDone, User: anna.ID, Browser: idp.NewToken().Hash(), CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	check(w.db.AddLogin(ctx, again))
	check(w.db.Collect(ctx, again.ID, func(c *idp.Collection) error {
		c.Login.State = idp.LoginCollected
		c.Session = &idp.Session{
			ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: again.Browser, User: anna.ID, AuthTime: w.now, FactorAt: w.now,
			CreatedAt: w.now, LastSeenAt: w.now, IdleAfter: time.Hour, ExpiresAt: w.now.Add(time.Hour),
		}
		return nil
	}))
	check(w.EndSession(ctx, console, anna.ID, ended, "done"))
	test := &idp.Tryout{
		ID: idp.NewID[idp.TryoutID](), Of: "viewer", User: chief.ID, Session: "S", Browser: idp.NewToken().Hash(), State: idp.NewToken().Hash(), Nonce: idp.NewToken().Hash(),
		Secret: idp.NewToken().Hash(), Sealed: []byte{6}, RedirectURI: "https://idp.example/admin/try/callback", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
	}
	check(w.db.AddTryout(ctx, test))

	// How each reading verb is called, and what it has to find for this to say anything.
	var file bytes.Buffer
	args := map[string][]any{
		"SearchDevices": {idp.DeviceQuery{}}, "FindDevices": {idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetApp}}}, "Device": {phone.ID}, "DeviceHistory": {phone.ID, idp.Page{}}, "Devices": {anna.ID}, "DevicesCSV": {idp.DeviceQuery{}, admin.ExportCSV, &file},
		"SearchUsers": {idp.UserQuery{}}, "UsersCSV": {idp.UserQuery{}, admin.ExportCSV, &file}, "Users": {"", 10}, "User": {anna.ID}, "FindUser": {"anna"}, "Factors": {anna.ID},
		"SearchSessions": {idp.SessionQuery{}}, "Clients": {}, "Client": {idp.ClientID("viewer")}, "PreviewClaims": {anna.ID, idp.ClientID("viewer")},
		"SearchEvents": {idp.EventQuery{}}, "EventsAfter": {int64(0), 100}, "ExportEvents": {idp.EventQuery{}, admin.ExportJSON, &file},
		"SavedSite": {}, "FaintLogos": {}, "Settings": {}, "EndedSessions": {anna.ID}, "EndedSession": {ended}, "Logouts": {idp.ClientID("viewer")},
		"PreviewDraft": {anna.ID, &idp.Client{ID: "viewer", Scopes: []string{"openid"}}}, "Start": {}, "Tryout": {test.ID},
		"VerifyEvents": {(func(done, of int64))(nil)}, "VerifyAgainst": {[]idp.LogHead(nil), (func(done, of int64))(nil)}, "Health": {}, "Days": {7},
	}
	for name, v := range verbs {
		if !v.act.Reads() {
			continue
		}
		given, ok := args[name]
		if !ok {
			if reflect.ValueOf(w.Desk).MethodByName(name).Type().NumOut() > 1 { // else there is nothing that it returns
				t.Errorf("%s reads, and is not in this test", name)
			}
			continue
		}
		in := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(console)}
		if name == "Start" || name == "Tryout" { // are about who asks
			in[1] = reflect.ValueOf(w.as(chief, 0))
		}
		for _, a := range given {
			in = append(in, reflect.ValueOf(a))
		}
		out := reflect.ValueOf(w.Desk).MethodByName(name).Call(in)
		if err, _ := reflect.TypeAssert[error](out[len(out)-1]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, value := range out[:len(out)-1] {
			if k := value.Kind(); k == reflect.Pointer && value.IsNil() || k == reflect.Slice && value.Len() == 0 && name != "EndedSessions" && name != "Settings" { // the session told nobody; this desk has no configuration
				t.Errorf("%s found nothing", name)
			}
			for _, at := range secrets(name, value) {
				t.Errorf("%s is told", at)
			}
		}
	}
	if file.Len() == 0 || strings.Contains(file.String(), "$argon2") {
		t.Errorf("a file of %d bytes", file.Len())
	}
	// This finds what it looks for.
	a, err := w.db.AccountByName(ctx, "anna")
	check(err)
	devices, err := w.db.Devices(ctx, anna.ID)
	check(err)
	clients, err := w.db.Clients(ctx)
	check(err)
	for what, n := range map[string][2]int{
		"an account": {len(secrets("", reflect.ValueOf(a))), 1}, "devices": {len(secrets("", reflect.ValueOf(devices))), 3}, "clients": {len(secrets("", reflect.ValueOf(clients))), 1},
	} {
		if n[0] != n[1] {
			t.Errorf("%s of the store carry %d secrets, want %d", what, n[0], n[1])
		}
	}
	if a, err := w.FindUser(ctx, console, "anna"); err != nil || a.PasswordHash == "" {
		t.Errorf("whether there is a password is not told: %+v, %v", a, err)
	}
}
