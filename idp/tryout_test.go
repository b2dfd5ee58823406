package idp_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// What becomes of each field of an application in its double: a field that is
// new has to be decided on. Rules are kept; what is the application's own is not.
var doubled = map[string]bool{ // kept
	"ID": false, "Name": false, "Kind": false, "Auth": true, "Secrets": false, "JWKS": false, "JWKSURI": false, "RedirectURIs": false, "PostLogoutURIs": false, "Origins": false,
	"GrantTypes": true, "Scopes": true, "Audience": false, "IDTokenAlg": true, "Signing": false, "Backchannel": false, "AccessFormat": true, "AccessTTL": true, "RefreshIdle": true,
	"RefreshGrace": true, "RefreshAlways": true, "KeepRefresh": true, "DefaultScopes": true, "ClaimsInAccess": true, "OptionalPKCE": true, "RequirePushed": false, "Profile": false, "DPoP": false, "TLSSubject": false, "CertBound": false, "ClaimsInID": true, "Consent": true, "Groups": true, "Claims": true, "Match": true, "Verify": true,
	"LogoutURI": false, "LogoutSession": false, "Icon": true, "SubjectType": false, "SectorURI": false, "InitiateURI": false, "ChangeSubject": false, "ExchangeTargets": false, "Resources": false, "RegisteredBy": false, "RegistrationHash": false, "About": false, "Requests": false,
	"Disabled": true, "CreatedAt": false, "UpdatedAt": false, "Journal": false,
}

func TestDoubleKeepsTheRulesAndNothingElse(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	app := &idp.Client{
		ID: "viewer", Name: "Viewer", Kind: idp.ClientNative, Auth: idp.AuthPost, JWKS: `{"keys":[]}`, JWKSURI: "https://a.example/jwks", Secrets: []idp.ClientSecret{{Hash: idp.NewToken().Hash()}}, RedirectURIs: []string{"https://a.example/cb"},
		PostLogoutURIs: []string{"https://a.example/"}, Origins: []string{"https://a.example"}, GrantTypes: []string{idp.GrantCode}, Scopes: []string{"openid"}, Audience: []string{"archive"},
		IDTokenAlg: "ES256", Signing: idp.ClientSigning{RequireRequest: true, UserinfoAlg: "ES256"}, Backchannel: idp.ClientBackchannel{Mode: idp.DeliverPing}, AccessFormat: idp.AccessJWT, AccessTTL: time.Minute, RefreshIdle: time.Hour, RefreshGrace: time.Second, RefreshAlways: true, KeepRefresh: true, DefaultScopes: []string{"openid"}, ClaimsInAccess: true, OptionalPKCE: true, RequirePushed: true, Profile: idp.ProfileFAPI2, DPoP: true, TLSSubject: "san_dns=a.example", CertBound: true,
		ClaimsInID: true, Consent: true, Groups: []string{"g"}, Claims: []idp.ClaimRule{{Name: "x", Text: "y"}}, Match: idp.MatchStrict, Verify: true, Disabled: true, LogoutURI: "https://a.example/told", LogoutSession: true, Icon: "I", SubjectType: idp.SubjectPairwise, SectorURI: "https://a.example/s", InitiateURI: "https://a.example/", ChangeSubject: true, ExchangeTargets: []string{"archive"}, Resources: []string{"https://a.example/api"}, RegisteredBy: "R", RegistrationHash: idp.NewToken().Hash(), CreatedAt: now.Add(-time.Hour), UpdatedAt: now.Add(-time.Hour),
		About: idp.ClientAbout{Names: map[string]string{"de": "Betrachter"}}, Requests: idp.ClientRequests{MaxAge: new(int64(60)), URIs: []string{"https://a.example/r"}},
	}
	app.Note(idp.Event{Kind: idp.EventClientChanged})
	test := &idp.Tryout{ID: "T", Of: "viewer", Secret: idp.NewToken().Hash(), RedirectURI: "https://idp.example/admin/try/callback", CreatedAt: now, ExpiresAt: now.Add(idp.TryoutTTL)}
	d := test.Double(app)
	a, b := reflect.ValueOf(*app), reflect.ValueOf(*d)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		kept, decided := doubled[name]
		if !decided {
			t.Errorf("%s is new: does a double keep it?", name)
		} else if a.Field(i).IsZero() {
			t.Errorf("%s is not set, so that nothing is shown of it", name)
		} else if reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) != kept {
			t.Errorf("%s: kept is not %v", name, kept)
		}
	}
	if d.ID != "viewer~T" || d.Name != "Viewer (test)" || len(d.Secrets) != 1 || d.Secrets[0].Hash != test.Secret || len(d.RedirectURIs) != 1 || d.RedirectURIs[0] != test.RedirectURI {
		t.Errorf("%+v", d)
	}
	if d.NameIn("de") != d.Name || d.Requests.MaxAge == nil || *d.Requests.MaxAge != 60 || d.Requests.URIs != nil {
		t.Errorf("%q, %+v", d.NameIn("de"), d.Requests)
	}
	if of, id, ok := idp.TryoutOf(d.ID); of != "viewer" || id != "T" || !ok {
		t.Error("the id does not say of what it is")
	}
	if _, _, ok := idp.TryoutOf("viewer"); ok {
		t.Error("an application is taken for a test")
	}
	if n := []rune(idp.TryoutName(strings.Repeat("ä", idp.MaxDisplayName))); len(n) != idp.MaxDisplayName {
		t.Errorf("a name of %d", len(n))
	}
	app.Auth, app.Secrets = idp.AuthNone, nil
	if d := test.Double(app); d.Secrets != nil || d.Auth != idp.AuthNone {
		t.Errorf("a public double has %v", d.Secrets)
	}
}

func TestTryoutIsAnsweredOnceWhereItBegan(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	browser := idp.NewToken().Hash()
	fresh := func() *idp.Tryout {
		return &idp.Tryout{ID: "T", Of: "viewer", User: "U", Session: "S", Browser: browser, CreatedAt: now, ExpiresAt: now.Add(idp.TryoutTTL)}
	}
	for _, row := range []struct {
		name    string
		change  func(*idp.Tryout)
		user    idp.UserID
		session idp.SessionID
		browser idp.TokenHash
		at      time.Time
		want    error
	}{
		{"where it began", nil, "U", "S", browser, now.Add(idp.TryoutTTL - 1), nil},
		{"another person", nil, "V", "S", browser, now, idp.ErrNotFound},
		{"another session", nil, "U", "R", browser, now, idp.ErrNotFound},
		{"another browser", nil, "U", "S", idp.NewToken().Hash(), now, idp.ErrNotFound},
		{"no browser at all", func(t *idp.Tryout) { t.Browser = idp.TokenHash{} }, "U", "S", idp.TokenHash{}, now, idp.ErrNotFound},
		{"a second time", func(t *idp.Tryout) { t.AnsweredAt = now }, "U", "S", browser, now, idp.ErrSettled},
		{"after its end", func(t *idp.Tryout) { t.EndedAt = now }, "U", "S", browser, now, idp.ErrSettled},
		{"too late", nil, "U", "S", browser, now.Add(idp.TryoutTTL), idp.ErrExpired},
	} {
		x := fresh()
		if row.change != nil {
			row.change(x)
		}
		was := x.AnsweredAt
		if err := x.Answer(row.user, row.session, row.browser, row.at); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if row.want != nil && !x.AnsweredAt.Equal(was) {
			t.Errorf("%s: it counts as answered", row.name)
		}
	}
}
