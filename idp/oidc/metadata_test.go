package oidc

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/serve"
)

// TestDiscovery holds every word of what relying parties configure themselves from, as a
// provider of each configuration says it, in testdata/discovery; UPDATE=1 writes the files.
// Both well-known documents are the same, wherever the issuer's path puts them.
func TestDiscovery(t *testing.T) {
	const issuer = "https://idp.test"
	pool := x509.NewCertPool()
	mutual := &Mutual{URL: "https://idp.test:8443", Authorities: func() *x509.CertPool { return pool }}
	algs := func(algs ...string) func(*site, *Config) {
		return func(s *site, c *Config) { c.Keys = s.keysOf(keyring.Config{Algs: algs}) }
	}
	languages := func(codes ...string) func(*site, *Config) {
		return func(_ *site, c *Config) { c.Languages = func() []string { return codes } }
	}
	for _, row := range []struct {
		file   string
		why    string
		issuer string
		conf   func(*site, *Config)
		before func(*site)
	}{
		{"default", "as it comes", issuer, nil, nil},
		{"default", "with applications of every kind: what is offered is of the provider, not of who uses it", issuer, nil, func(s *site) {
			s.fapi(newKey(s.t, keyring.PS256, "k"), nil)
			s.addClient(forDevices)
			s.addClient(asks)
			s.addClient(public)
			s.addClient(func(c *idp.Client) { c.SubjectType = idp.SubjectPairwise })
			s.addClient(func(c *idp.Client) {
				c.RedirectURIs, c.PostLogoutURIs, c.Origins = nil, nil, nil
				c.GrantTypes, c.ExchangeTargets = []string{idp.GrantExchange}, []string{"archive"}
			})
		}},
		{"path", "the issuer has a path", issuer + "/a/login", nil, nil},
		{"certificates", "a port that asks for certificates, of an authority too", issuer, func(_ *site, c *Config) { c.Mutual = mutual }, nil},
		{"certificates-self-signed", "a port that asks for certificates, without an authority", issuer, func(_ *site, c *Config) { c.Mutual = &Mutual{URL: mutual.URL} }, nil},
		{"registration", "applications register themselves", issuer, func(s *site, c *Config) { c.Registry = s.desk }, nil},
		{"algs-rs256", "keys.algs has RS256 alone", issuer, algs(keyring.RS256), nil},
		{"algs-curves", "keys.algs has no RSA", issuer, algs(keyring.ES256, keyring.EdDSA), nil},
		{"algs-fapi", "keys.algs has what FAPI 2.0 allows", issuer, algs(keyring.PS256, keyring.ES256, keyring.EdDSA), nil},
		{"languages", "pages in all languages", issuer, languages("de", "en", "fr", "nl"), nil},
		{"language", "pages in one, and not English", issuer, languages("nl"), nil},
		{"everything", "all of it", issuer + "/login", func(s *site, c *Config) {
			c.Registry = s.desk
			c.Mutual = &Mutual{URL: mutual.URL + "/login", Authorities: mutual.Authorities}
			languages("de", "en", "fr", "nl")(s, c)
		}, nil},
	} {
		t.Run(row.file+": "+row.why, func(t *testing.T) {
			u, err := url.Parse(row.issuer)
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, func(s *site, c *Config) {
				c.Issuer = row.issuer
				if row.conf != nil {
					row.conf(s, c)
				}
			})
			if row.before != nil {
				row.before(s)
			}
			mux := http.NewServeMux()
			s.server.Mount(mux)
			inserted := pathDiscoveryOAuth + u.Path // RFC 8414, section 3.1
			ts := httptest.NewServer(serve.Beneath(u.Path, map[string]string{inserted: pathDiscoveryOAuth}, mux))
			t.Cleanup(ts.Close)

			b := s.browser()
			got := b.get(ts.URL + u.Path + pathDiscovery)
			if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
			for _, path := range []string{inserted, u.Path + pathDiscoveryOAuth} {
				if other := b.get(ts.URL + path); other.StatusCode != http.StatusOK || other.body != got.body {
					t.Errorf("%s differs: %d %s", path, other.StatusCode, other.body)
				}
			}
			if u.Path != "" {
				for _, path := range []string{pathDiscovery, pathDiscoveryOAuth, pathDiscovery + u.Path} {
					if other := b.get(ts.URL + path); other.StatusCode != http.StatusNotFound {
						t.Errorf("%s is another issuer's: %d", path, other.StatusCode)
					}
				}
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, []byte(got.body), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, "discovery/"+row.file+".json", append(pretty.Bytes(), '\n'))

			var doc map[string]any
			if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
				t.Fatal(err)
			}
			if doc["issuer"] != row.issuer {
				t.Errorf("issuer %v", doc["issuer"])
			}
			for name, each := range values(doc) {
				for _, v := range each {
					if strings.HasPrefix(v, "https://idp.test") && name != "issuer" && !strings.HasPrefix(v, row.issuer+"/") && !strings.HasPrefix(name, "mtls_endpoint_aliases.") {
						t.Errorf("%s is not beneath the issuer: %s", name, v)
					}
				}
			}
			// Said by others, and not true here.
			if doc["check_session_iframe"] != nil || (doc["registration_endpoint"] != nil) != (s.server.conf.Registry != nil) || (doc["mtls_endpoint_aliases"] != nil) != (s.server.conf.Mutual != nil) {
				t.Errorf("%v %v %v", doc["check_session_iframe"], doc["registration_endpoint"], doc["mtls_endpoint_aliases"])
			}
		})
	}
}
