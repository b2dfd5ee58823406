package admin_test

import (
	"path/filepath"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/keyring"
)

// TestTestSignInsClaimNothing: a test sign-in asks for what the application may ask for, but it
// claims no emergency in the administrator's name, and opens no study.
func TestTestSignInsClaimNothing(t *testing.T) {
	w := newWorld(t)
	sealer, err := keyring.OpenSealer(filepath.Join(t.TempDir(), "seal.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(c *admin.Config) { c.Sealer = sealer })
	by := w.as(w.person("root", idp.StaffAdmin), 0)
	const act = "purpose_of_use=" + idp.SystemActReason + "|"
	c := &idp.Client{
		ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{"https://viewer.example/cb"}, GrantTypes: []string{idp.GrantCode},
		Scopes: []string{"profile", act + "TREAT", act + "ETREAT", act + "BTG", idp.ScopeStudy},
	}
	if _, err := w.AddClient(t.Context(), by, c); err != nil {
		t.Fatal(err)
	}
	ask, err := w.StartTryout(t.Context(), by, admin.Where{Session: "S", Browser: idp.NewToken().Hash()}, "viewer", "https://idp.example/", false)
	if err != nil || !slices.Equal(ask.Scopes, []string{"openid", "profile", act + "TREAT"}) {
		t.Errorf("%+v, %v", ask, err)
	}
}
