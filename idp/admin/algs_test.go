package admin_test

import (
	"errors"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

// TestAlgorithmsThatSign: an application is registered for what there is a key for, and one
// whose key went away is named, cannot take up another that is not there, and can be edited
// otherwise.
func TestAlgorithmsThatSign(t *testing.T) {
	const rs, ps, es, ed = "RS256", "PS256", "ES256", "EdDSA"
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for name, c := range map[string]struct {
		algs  []string
		alg   string
		fapi  bool
		field string
		got   string
	}{
		"none said":                     {algs: []string{rs}},
		"the one there is":              {algs: []string{rs, ps}, alg: ps, got: ps},
		"one that there is not":         {algs: []string{rs, es}, alg: ps, field: "id_token_alg"},
		"RS256 alone, asked for EdDSA":  {algs: []string{rs}, alg: ed, field: "id_token_alg"},
		"all where nothing is known":    {alg: ed, got: ed},
		"FAPI with ES256":               {algs: []string{rs, ps, es}, fapi: true, got: es},
		"FAPI without ES256":            {algs: []string{rs, ed, ps}, fapi: true, got: ps},
		"FAPI with EdDSA alone":         {algs: []string{rs, ed}, fapi: true, got: ed},
		"FAPI with nothing that it may": {algs: []string{rs}, fapi: true, field: "id_token_alg"},
		"FAPI that names one":           {algs: []string{rs, es, ed}, fapi: true, alg: ed, got: ed},
		"FAPI that names none of ours":  {algs: []string{rs, es}, fapi: true, alg: ps, field: "id_token_alg"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(func(conf *admin.Config) { conf.Algs = c.algs })
			app := &idp.Client{
				ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode},
				RedirectURIs: []string{"https://viewer.example/cb"}, IDTokenAlg: c.alg,
			}
			if c.fapi {
				app.Auth, app.JWKS, app.Profile = idp.AuthPrivateKey, keys, idp.ProfileFAPI2
			}
			_, err := w.AddClient(t.Context(), console, app)
			fault := (*idp.FieldError)(nil)
			if c.field != "" {
				if !errors.As(err, &fault) || fault.Field != c.field || fault.Message != "client.alg.off" {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil || app.IDTokenAlg != c.got {
				t.Fatalf("signed by %q: %v", app.IDTokenAlg, err)
			}
		})
	}

	w := newWorld(t)
	for id, alg := range map[idp.ClientID]string{"a": ps, "b": "", "c": ps, "d": es} {
		_, err := w.AddClient(t.Context(), console, &idp.Client{
			ID: id, Name: "App " + string(id), Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode},
			RedirectURIs: []string{"https://viewer.example/cb"}, IDTokenAlg: alg, Disabled: id == "c",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.set(func(conf *admin.Config) { conf.Algs = []string{rs, es} })
	if got := w.Algs(); !slices.Equal(got, []string{rs, es}) {
		t.Errorf("offered are %v", got)
	}
	lost, err := w.Unsigned(t.Context())
	if err != nil || len(lost) != 1 || lost[0].ID != "a" {
		t.Errorf("nobody signs in to %v: %v", lost, err)
	}
	edit := func(fn func(*idp.Client)) error { return w.EditClient(t.Context(), console, "a", fn) }
	if err := edit(func(c *idp.Client) { c.Name, c.Disabled = "Other", true }); err != nil {
		t.Error("it cannot be switched off:", err)
	}
	fault := (*idp.FieldError)(nil)
	if err := edit(func(c *idp.Client) { c.IDTokenAlg = ed }); !errors.As(err, &fault) || fault.Message != "client.alg.off" {
		t.Errorf("another that there is not: %v", err)
	}
	if err := edit(func(c *idp.Client) { c.IDTokenAlg = es }); err != nil {
		t.Error(err)
	}
}

// TestCertificatesWhereNobodyAsks: what wants a certificate can be registered only where a
// listener asks for one, and one of an authority only where some are trusted. What was
// registered before can be edited, to be disabled for one.
func TestCertificatesWhereNobodyAsks(t *testing.T) {
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	self := func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthSelfSigned, keys }
	issued := func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "san_dns=viewer.example" }
	bound := func(c *idp.Client) { c.CertBound = true }
	for name, c := range map[string]struct {
		listener, ca   bool
		change         func(*idp.Client)
		field, message string
	}{
		"by its key, nobody asks":             {false, false, self, "auth", "client.mtls.off"},
		"by its key":                          {true, false, self, "", ""},
		"by an authority, nobody asks":        {false, false, issued, "auth", "client.mtls.off"},
		"by an authority, none is trusted":    {true, false, issued, "auth", "client.mtls.ca"},
		"by an authority":                     {true, true, issued, "", ""},
		"bound tokens, nobody asks":           {false, false, bound, "tls_client_certificate_bound_access_tokens", "client.mtls.off"},
		"bound tokens":                        {true, false, bound, "", ""},
		"nothing of it, where nobody asks":    {false, false, func(*idp.Client) {}, "", ""},
		"FAPI with proofs, where nobody asks": {false, false, func(c *idp.Client) { c.Auth, c.JWKS, c.Profile = idp.AuthPrivateKey, keys, idp.ProfileFAPI2 }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(func(conf *admin.Config) { conf.Mutual, conf.MutualCA = c.listener, c.ca })
			app := func() *idp.Client {
				return &idp.Client{
					ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://viewer.example/cb"},
				}
			}
			check := func(what string, err error) {
				t.Helper()
				fault := (*idp.FieldError)(nil)
				if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &fault) || fault.Field != c.field || fault.Message != c.message) {
					t.Errorf("%s: %v", what, err)
				}
			}
			one := app()
			c.change(one)
			_, err := w.AddClient(t.Context(), console, one)
			check("added", err)
			if err == nil {
				w.set(func(conf *admin.Config) { conf.Mutual, conf.MutualCA = false, false })
				if err := w.EditClient(t.Context(), console, "viewer", func(c *idp.Client) { c.Disabled = true }); err != nil {
					t.Error("it cannot be switched off:", err)
				}
				return
			}
			if _, err := w.AddClient(t.Context(), console, app()); err != nil {
				t.Fatal(err)
			}
			check("edited", w.EditClient(t.Context(), console, "viewer", c.change))
		})
	}
}
