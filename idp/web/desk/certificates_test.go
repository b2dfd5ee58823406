package desk_test

import (
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// TestWalkCertificates: an application that proves itself by a certificate is set up by the
// form, where the site asks for certificates; where it does not, the form says what is to be
// set first. An algorithm without a key is not offered.
func TestWalkCertificates(t *testing.T) {
	t.Parallel()
	const path = "/admin/applications/viewer/edit"
	fields := []string{"access_format", "opaque", "grant_code", "1"}
	for _, listens := range []bool{false, true} {
		c := newChief(t, func(p *walk.Parts) {
			p.Admin.Mutual, p.Admin.MutualCA, p.Admin.Algs = listens, listens, []string{"RS256", "ES256"}
		})
		c.app("viewer", nil)
		with := func(alg string, more ...string) webtest.Reply {
			return c.Post(path, slices.Concat(fields, []string{"id_token_alg", alg}, more)...)
		}
		edit := func(more ...string) webtest.Reply { return with("RS256", more...) }
		c.Wants(c.Get(path+"?part=advanced"), 200, "<option>RS256", "ES256", "not PS256", "not EdDSA", `name="tls_client_auth"`, "self_signed_tls_client_auth")
		c.Wants(with("PS256"), 422, "keys.algs")
		if !listens {
			c.Wants(edit("auth", "tls_client_auth", "tls_client_auth", "san_dns=a.example"), 422, "tls.mtls_listen", `value="san_dns=a.example"`)
			c.Wants(edit("tls_client_certificate_bound_access_tokens", "1"), 422, "tls.mtls_listen", `name="tls_client_certificate_bound_access_tokens" value="1" checked`)
			continue
		}
		c.Wants(edit("auth", "tls_client_auth"), 422, "Say whom its certificate is for", `id="tls_client_auth" name="tls_client_auth" type="text" value=""`)
		c.Wants(edit("auth", "client_secret_basic", "tls_client_auth", "san_dns=a.example"), 422, "Only an application that proves itself by tls_client_auth")
		c.Sees(c.Arrive(edit("auth", "tls_client_auth", "tls_client_auth", " san_dns=a.example ", "tls_client_certificate_bound_access_tokens", "1")), "/admin/applications/viewer?did=edited",
			"Tokens bound to its certificate", "<code>san_dns=a.example</code>")
		a, err := c.DB.Client(t.Context(), "viewer")
		if err != nil || a.Auth != idp.AuthTLS || a.TLSSubject != "san_dns=a.example" || !a.CertBound || len(a.Secrets) != 0 {
			t.Errorf("saved %+v (%v)", a, err)
		}
	}
}
