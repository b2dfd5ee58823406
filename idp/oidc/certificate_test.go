package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/file"
	"hilum/idp/keyring"
	"hilum/idp/recent"
	"hilum/idp/serve"
)

// authority issues certificates of clients.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serials atomic.Int64

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	c := a.issue(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = pkix.Name{CommonName: name}, true, true, x509.KeyUsageCertSign, nil
	})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate for a client, good for a day; an authority that has none itself
// has it signed by its own key.
func (a *authority) issue(change func(*x509.Certificate)) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func named(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames, c.Subject = []string{name}, pkix.Name{CommonName: name} }
}

// past makes a certificate one that expired yesterday, by any clock of a test.
func past(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
}

// x5t is the thumbprint of a certificate, as RFC 8705, section 3.1, has it.
func x5t(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mutualSite is a site with a second listener that asks for certificates.
type mutualSite struct {
	*site
	url   string
	ca    *authority
	roots *atomic.Pointer[x509.CertPool]
}

func newMutualSite(t *testing.T) *mutualSite {
	t.Helper()
	s := newSite(t)
	m := &mutualSite{site: s, ca: newAuthority(t, "Hospital CA"), roots: &atomic.Pointer[x509.CertPool]{}}
	pool := x509.NewCertPool()
	pool.AddCert(m.ca.cert)
	m.roots.Store(pool)
	s.desk = admin.New(admin.Config{Store: s.db, Now: s.clock.Now, Mutual: true, MutualCA: true})
	m.serveMutual()
	return m
}

// serveMutual starts the listener, as one more process on the database does.
func (m *mutualSite) serveMutual() {
	t := m.t.(*testing.T)
	own := (&authority{t: t}).issue(func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	cert, err := serve.LoadCertificate(certFile, keyFile, &file.Watcher{Log: log}, log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.url = "https://" + l.Addr().String()
	m.server.conf.Mutual = &Mutual{URL: m.url, Authorities: m.roots.Load}
	mux := http.NewServeMux()
	m.server.MountMutual(mux)
	conf := serve.Config{Log: log, TLS: cert, Mutual: true, Refusals: m.server.Refusals()}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve.Run(ctx, conf, serve.Handler(mux, conf), l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// with sends a request by a connection of its own with a certificate; nil: without.
func (m *mutualSite) with(cert *tls.Certificate, method, path string, form url.Values, headers ...string) *reply {
	m.t.Helper()
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if cert != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: len(headers)%4 == 0}
	defer transport.CloseIdleConnections()
	var body strings.Reader
	if form != nil {
		body = *strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.url+path, &body)
	if err != nil {
		m.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	b := m.browser()
	b.Client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b.do(r)
}

// tokenWith asks the token endpoint as a client with a certificate.
func (m *mutualSite) tokenWith(cert *tls.Certificate, c *client, pairs ...string) (*tokens, *reply) {
	m.t.Helper()
	form := url.Values{"client_id": {string(c.ID)}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := m.with(cert, http.MethodPost, pathToken, form)
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		m.t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	return &got, r
}

func (m *mutualSite) byCA(subject idp.CertSubject, change ...func(*idp.Client)) *client {
	return m.addClient(func(c *idp.Client) {
		c.Auth, c.TLSSubject = idp.AuthTLS, subject
		for _, fn := range change {
			fn(c)
		}
	})
}

func jwksOf(t *testing.T, cert *tls.Certificate, whole bool) string {
	t.Helper()
	k := jose.JSONWebKey{Key: cert.Leaf.PublicKey, KeyID: "k", Use: "sig"}
	if whole {
		k.Certificates = []*x509.Certificate{cert.Leaf}
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCertificateOfAnAuthority: tls_client_auth, by every name that a registration can say
// and every certificate that is not good.
func TestCertificateOfAnAuthority(t *testing.T) {
	m := newMutualSite(t)
	var list recent.Rejections
	m.server.conf.Rejected = list.Add
	foreign := newAuthority(t, "Hospital CA") // of the same name
	uri, _ := url.Parse("spiffe://klinik.test/viewer")
	whole := func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "viewer", Organization: []string{"Klinik, Köln"}, Country: []string{"DE"}}
		c.DNSNames, c.URIs, c.IPAddresses, c.EmailAddresses = []string{"other.test", "viewer.test"}, []*url.URL{uri}, []net.IP{net.IPv4(10, 1, 2, 3)}, []string{"it@klinik.test"}
	}
	good := m.ca.issue(whole)
	for subject, ok := range map[idp.CertSubject]bool{
		"san_dns=viewer.test": true, "san_dns=VIEWER.test": true, "san_dns=other.test": true, "san_dns=viewer": false, "san_dns=*.test": false,
		"san_uri=spiffe://klinik.test/viewer": true, "san_uri=spiffe://klinik.test/": false,
		"san_ip=10.1.2.3": true, "san_ip=::ffff:10.1.2.3": true, "san_ip=10.1.2.4": false,
		"san_email=it@klinik.test": true, "san_email=IT@klinik.test": false,
		`subject_dn=CN=viewer,O=Klinik\, Köln,C=DE`: true, `subject_dn=C=DE,O=Klinik\, Köln,CN=viewer`: false, "subject_dn=CN=viewer": false,
	} {
		c := m.byCA(subject)
		got, r := m.tokenWith(good, c, "grant_type", idp.GrantClientCredentials)
		if ok && (r.StatusCode != http.StatusOK || got.Access == "") {
			t.Errorf("%s: %d %s", subject, r.StatusCode, r.body)
		}
		if !ok {
			refused(t, r, http.StatusUnauthorized, "invalid_client")
			if l := list.Of(c.ID); len(l) == 0 || l[0].Reason != idp.RejectedCertificate || !strings.Contains(l[0].Sent, "san_dns=viewer.test") {
				t.Errorf("%s: its page says %+v", subject, l)
			}
		}
	}

	c := m.byCA("san_dns=viewer.test")
	between := m.ca.issue(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = pkix.Name{CommonName: "between"}, true, true, x509.KeyUsageCertSign
	})
	below := (&authority{t: t, cert: between.Leaf, key: between.PrivateKey.(*ecdsa.PrivateKey)}).issue(named("viewer.test"))
	chained := *below
	chained.Certificate = append(chained.Certificate, between.Certificate[0])
	now := time.Now()
	for name, x := range map[string]struct {
		cert *tls.Certificate
		want idp.RejectionReason
	}{
		"its own":                   {m.ca.issue(named("viewer.test")), ""},
		"another of the same name":  {m.ca.issue(named("viewer.test")), ""},
		"by one between":            {&chained, ""},
		"by one between that lacks": {below, idp.RejectedCertificate},
		"none":                      {nil, idp.RejectedNoCertificate},
		"of another name":           {m.ca.issue(named("pacs.test")), idp.RejectedCertificate},
		"a name in the subject":     {m.ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "viewer.test" }), idp.RejectedCertificate},
		"of another authority":      {foreign.issue(named("viewer.test")), idp.RejectedCertificate},
		"signed by itself":          {(&authority{t: t}).issue(named("viewer.test")), idp.RejectedCertificate},
		"expired":                   {m.ca.issue(func(c *x509.Certificate) { named("viewer.test")(c); past(c) }), idp.RejectedCertificate},
		"not valid yet":             {m.ca.issue(func(c *x509.Certificate) { named("viewer.test")(c); c.NotBefore = now.Add(time.Hour) }), idp.RejectedCertificate},
		"for servers": {m.ca.issue(func(c *x509.Certificate) {
			named("viewer.test")(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), idp.RejectedCertificate},
	} {
		_, r := m.tokenWith(x.cert, c, "grant_type", idp.GrantClientCredentials)
		if x.want == "" {
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
			continue
		}
		refused(t, r, http.StatusUnauthorized, "invalid_client")
		if l := list.Of(c.ID); len(l) == 0 || l[0].Reason != x.want {
			t.Errorf("%s: its page says %+v", name, l)
		}
	}

	mine := m.ca.issue(named("viewer.test"))
	try := func(what string, ok bool) {
		t.Helper()
		if _, r := m.tokenWith(mine, c, "grant_type", idp.GrantClientCredentials); (r.StatusCode == http.StatusOK) != ok {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
		}
	}
	m.serveMutual()
	try("after a restart", true)
	form := url.Values{"grant_type": {idp.GrantClientCredentials}}
	refused(t, m.call(pathToken, &client{Client: &idp.Client{ID: c.ID, Auth: idp.AuthNone}}, form), http.StatusUnauthorized, "invalid_client") // by the other listener
	withSecret := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_id": {string(c.ID)}, "client_secret": {"x"}}
	refused(t, m.with(mine, http.MethodPost, pathToken, withSecret), http.StatusUnauthorized, "invalid_client")
	m.editClient(c, func(c *idp.Client) { c.TLSSubject = "san_dns=new.test" })
	try("another name is registered now", false)
	m.editClient(c, func(c *idp.Client) { c.TLSSubject = "san_dns=viewer.test" })
	m.editClient(c, func(c *idp.Client) { c.Disabled = true })
	try("it is disabled", false)
	m.editClient(c, func(c *idp.Client) { c.Disabled = false })
	try("and enabled", true)
	m.roots.Store(x509.NewCertPool())
	try("its authority is trusted no more", false)
}

// TestSelfSignedCertificate: self_signed_tls_client_auth, by the key of the certificate or by
// the certificate itself.
func TestSelfSignedCertificate(t *testing.T) {
	m := newMutualSite(t)
	own, other := (&authority{t: t}).issue(named("viewer")), (&authority{t: t}).issue(named("viewer"))
	self := func(cert *tls.Certificate, whole bool) *client {
		return m.addClient(func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthSelfSigned, jwksOf(t, cert, whole) })
	}
	byKey, byCert := self(own, false), self(own, true)
	renewed := func() *tls.Certificate { // the same key, a new certificate
		template := *own.Leaf
		template.SerialNumber = big.NewInt(serials.Add(1))
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, own.Leaf.PublicKey, own.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own.PrivateKey}
	}()
	expired := (&authority{t: t}).issue(past)
	for name, x := range map[string]struct {
		c    *client
		cert *tls.Certificate
		ok   bool
	}{
		"its own":                               {byKey, own, true},
		"its own, registered whole":             {byCert, own, true},
		"a new one of its key":                  {byKey, renewed, true},
		"a new one, another registered":         {byCert, renewed, false},
		"of another key":                        {byKey, other, false},
		"of another key, registered whole":      {byCert, other, false},
		"of an authority, with another key":     {byKey, m.ca.issue(named("viewer")), false},
		"none":                                  {byKey, nil, false},
		"expired, though its key is registered": {self(expired, false), expired, false},
	} {
		_, r := m.tokenWith(x.cert, x.c, "grant_type", idp.GrantClientCredentials)
		if x.ok != (r.StatusCode == http.StatusOK) {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		if !x.ok {
			refused(t, r, http.StatusUnauthorized, "invalid_client")
		}
	}
	m.editClient(byKey, func(c *idp.Client) { c.JWKS = jwksOf(t, other, false) })
	_, r := m.tokenWith(own, byKey, "grant_type", idp.GrantClientCredentials)
	refused(t, r, http.StatusUnauthorized, "invalid_client")
	if _, r := m.tokenWith(other, byKey, "grant_type", idp.GrantClientCredentials); r.StatusCode != http.StatusOK {
		t.Errorf("the new key: %d %s", r.StatusCode, r.body)
	}
	m.clock.Add(25 * time.Hour) // the connection could be open still
	_, r = m.tokenWith(other, byKey, "grant_type", idp.GrantClientCredentials)
	refused(t, r, http.StatusUnauthorized, "invalid_client")
}

// TestCertificateBoundTokens: tokens of a client that wants them bound are good with its
// certificate alone, at every endpoint, in each format, for clients of each kind.
func TestCertificateBoundTokens(t *testing.T) {
	m := newMutualSite(t)
	own, other := m.ca.issue(named("viewer.test")), m.ca.issue(named("viewer.test"))
	anna := m.addPerson("anna")
	bound := func(c *idp.Client) { c.CertBound = true }
	kinds := map[string]*client{
		"by an authority": m.byCA("san_dns=viewer.test", bound),
		"signed by itself": m.addClient(func(c *idp.Client) {
			c.Auth, c.JWKS, c.CertBound, c.AccessFormat = idp.AuthSelfSigned, jwksOf(t, own, false), true, idp.AccessJWT
		}),
		"public":      m.addClient(func(c *idp.Client) { public(c); c.CertBound, c.AccessFormat = true, idp.AccessJWT }),
		"by a secret": m.addClient(func(c *idp.Client) { c.Auth, c.CertBound = idp.AuthPost, true }),
	}
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			ask := func(cert *tls.Certificate, pairs ...string) (*tokens, *reply) {
				if c.secret != "" {
					pairs = append(pairs, "client_secret", c.secret.Reveal())
				}
				return m.tokenWith(cert, c, pairs...)
			}
			code := m.browser().signIn(anna, request(c, "scope", "openid offline_access"))
			redeem := []string{"grant_type", idp.GrantCode, "code", code.Reveal(), "redirect_uri", c.RedirectURIs[0], "code_verifier", verifier}
			if _, r := ask(nil, redeem...); c.ByCertificate() {
				refused(t, r, http.StatusUnauthorized, "invalid_client")
			} else {
				refused(t, r, http.StatusBadRequest, codeInvalidRequest)
			}
			got, r := ask(own, redeem...)
			if r.StatusCode != http.StatusOK || got.Type != "Bearer" {
				t.Fatalf("the code is burnt: %d %s", r.StatusCode, r.body)
			}
			if c.AccessFormat == idp.AccessJWT {
				cnf, _ := claimsOf(t, got.Access)["cnf"].(map[string]any)
				if cnf["x5t#S256"] != x5t(own) || len(cnf) != 1 {
					t.Errorf("cnf %v", cnf)
				}
			}
			info := func(cert *tls.Certificate) *reply {
				return m.with(cert, http.MethodGet, pathUserinfo, nil, "Authorization", "Bearer "+got.Access)
			}
			if r := info(own); r.StatusCode != http.StatusOK || !strings.Contains(r.body, string(anna.ID)) {
				t.Errorf("with its certificate: %d %s", r.StatusCode, r.body)
			}
			for what, r := range map[string]*reply{"another": info(other), "none": info(nil), "by the other listener": m.userinfo(got.Access)} {
				if r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "invalid_token") {
					t.Errorf("%s: %d %v %s", what, r.StatusCode, r.Header, r.body)
				}
			}
			if !c.Public() {
				form := url.Values{"client_id": {string(c.ID)}, "token": {got.Access}}
				if c.secret != "" {
					form.Set("client_secret", c.secret.Reveal())
				}
				r := m.with(own, http.MethodPost, pathIntrospect, form)
				if r.StatusCode != http.StatusOK || !strings.Contains(r.body, `"cnf":{"x5t#S256":"`+x5t(own)+`"}`) || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
					t.Errorf("introspection: %d %v %s", r.StatusCode, r.Header, r.body)
				}
				if c.ByCertificate() {
					refused(t, m.with(nil, http.MethodPost, pathIntrospect, form), http.StatusUnauthorized, "invalid_client")
					form.Del("token")
					refused(t, m.with(own, http.MethodPost, pathIntrospect, form), http.StatusBadRequest, codeInvalidRequest)
				}
			}
			again := []string{"grant_type", idp.GrantRefresh, "refresh_token", got.Refresh}
			if c.Public() { // nothing else tells it from a thief
				_, r := ask(other, again...)
				refused(t, r, http.StatusBadRequest, "invalid_grant")
				_, r = ask(nil, again...)
				refused(t, r, http.StatusBadRequest, codeInvalidRequest)
			}
			next, r := ask(own, again...)
			if r.StatusCode != http.StatusOK {
				t.Fatalf("refresh: %d %s", r.StatusCode, r.body)
			}
			got = next
			if r := info(own); r.StatusCode != http.StatusOK {
				t.Errorf("the next token: %d %s", r.StatusCode, r.body)
			}
			m.serveMutual()
			if r := info(own); r.StatusCode != http.StatusOK {
				t.Errorf("after a restart: %d %s", r.StatusCode, r.body)
			}
			// Its certificate is taken out of the registration.
			if c.ByCertificate() {
				m.editClient(c, func(c *idp.Client) {
					if c.Auth == idp.AuthTLS {
						c.TLSSubject = "san_dns=new.test"
					} else {
						c.JWKS = jwksOf(t, other, false)
					}
				})
				if r := info(own); r.StatusCode != http.StatusUnauthorized {
					t.Errorf("its certificate was taken away: %d %s", r.StatusCode, r.body)
				}
			}
		})
	}
}

// TestTokensAreBoundOnlyWhereRegistered: who happens to have a certificate gets a bearer token.
func TestTokensAreBoundOnlyWhereRegistered(t *testing.T) {
	m := newMutualSite(t)
	own := m.ca.issue(named("viewer.test"))
	c := m.byCA("san_dns=viewer.test", func(c *idp.Client) { c.AccessFormat = idp.AccessJWT })
	got, r := m.tokenWith(own, c, "grant_type", idp.GrantClientCredentials)
	if r.StatusCode != http.StatusOK || claimsOf(t, got.Access)["cnf"] != nil {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestMutualListener: what it serves, and that browsers are never asked for a certificate.
func TestMutualListener(t *testing.T) {
	m := newMutualSite(t)
	for _, path := range []string{pathAuthorize, pathEndSession, pathDiscovery, pathKeys, "/"} {
		if r := m.with(nil, http.MethodGet, path, nil); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	var got struct {
		Aliases map[string]string `json:"mtls_endpoint_aliases"`
		Bound   bool              `json:"tls_client_certificate_bound_access_tokens"`
		Methods []string          `json:"token_endpoint_auth_methods_supported"`
		Token   string            `json:"token_endpoint"`
	}
	m.server.published.Store(nil)
	if err := json.Unmarshal([]byte(m.browser().get(pathDiscovery).body), &got); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"token_endpoint": pathToken, "introspection_endpoint": pathIntrospect, "revocation_endpoint": pathRevoke,
		"userinfo_endpoint": pathUserinfo, "pushed_authorization_request_endpoint": pathPushed,
		"device_authorization_endpoint": pathDevice, "backchannel_authentication_endpoint": pathBackchannel,
	} {
		if got.Aliases[name] != m.url+path {
			t.Errorf("%s: %s", name, got.Aliases[name])
		}
	}
	if methods := strings.Join(got.Methods, " "); !got.Bound || got.Token != m.issuer+pathToken || !strings.Contains(methods, " tls_client_auth self_signed_tls_client_auth") {
		t.Errorf("%+v", got)
	}
	// Proofs name the address that they are sent to, and no other.
	c, key := m.byCA("san_dns=viewer.test", func(c *idp.Client) { c.CertBound = true }), newKey(t, keyring.ES256, "k")
	form := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_id": {string(c.ID)}}
	own := m.ca.issue(named("viewer.test"))
	for htu, ok := range map[string]bool{m.url: true, m.issuer: false} {
		proof := key.prove(t, spoilt(m.proofOf("POST", pathToken, ""), "htu", htu+pathToken))
		r := m.with(own, http.MethodPost, pathToken, form, "DPoP", proof)
		if ok != (r.StatusCode == http.StatusOK) {
			t.Errorf("a proof for %s: %d %s", htu, r.StatusCode, r.body)
		}
		if !ok {
			continue
		}
		var both tokens
		if err := json.Unmarshal([]byte(r.body), &both); err != nil || both.Type != "DPoP" {
			t.Fatalf("%s %v", r.body, err)
		}
		r = m.with(own, http.MethodPost, pathIntrospect, url.Values{"client_id": {string(c.ID)}, "token": {both.Access}})
		if want := `"cnf":{"jkt":"` + key.thumbprint(t) + `","x5t#S256":"` + x5t(own) + `"}`; !strings.Contains(r.body, want) {
			t.Errorf("bound to both: %s", r.body)
		}
	}
	m.server.conf.Mutual.Authorities = nil
	m.server.published.Store(nil)
	if discovered := m.browser().get(pathDiscovery).body; strings.Contains(discovered, `"tls_client_auth"`) || !strings.Contains(discovered, `"self_signed_tls_client_auth"`) {
		t.Error("a method that nobody can use is offered", discovered)
	}
}

// TestFAPI2ByCertificate: the profile by a certificate in place of an assertion and of proofs.
// TestOtherGrantsByCertificate: machines, the back channel and token exchange are asked for with
// the certificate, and what they give is bound to it.
func TestOtherGrantsByCertificate(t *testing.T) {
	m := newMutualSite(t)
	own, other := m.ca.issue(named("viewer.test")), m.ca.issue(named("viewer.test"))
	anna := m.addPerson("anna")
	ph := m.phone(anna)
	c := m.byCA("san_dns=viewer.test", func(c *idp.Client) {
		asks(c)
		c.Auth, c.CertBound = idp.AuthTLS, true
		c.GrantTypes, c.ExchangeTargets = append(c.GrantTypes, idp.GrantDevice, idp.GrantExchange), []string{"archive"}
	})
	for path, form := range map[string]url.Values{
		pathDevice:      {"client_id": {string(c.ID)}, "scope": {"openid"}},
		pathBackchannel: {"client_id": {string(c.ID)}, "scope": {"openid"}, "login_hint": {"anna"}, "binding_message": {"W4"}},
	} {
		refused(t, m.with(nil, http.MethodPost, path, form), http.StatusUnauthorized, "invalid_client")
		if r := m.with(own, http.MethodPost, path, form); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		} else if path == pathBackchannel {
			var asked struct {
				ID string `json:"auth_req_id"`
			}
			if err := json.Unmarshal([]byte(r.body), &asked); err != nil {
				t.Fatal(err)
			}
			m.answer(ph, idp.Verdict{Approve: true})
			_, r := m.tokenWith(nil, c, "grant_type", idp.GrantCIBA, "auth_req_id", asked.ID)
			refused(t, r, http.StatusUnauthorized, "invalid_client")
			tok, r := m.tokenWith(own, c, "grant_type", idp.GrantCIBA, "auth_req_id", asked.ID)
			if r.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", r.StatusCode, r.body)
			}
			for cert, want := range map[*tls.Certificate]int{own: http.StatusOK, other: http.StatusUnauthorized, nil: http.StatusUnauthorized} {
				if r := m.with(cert, http.MethodGet, pathUserinfo, nil, "Authorization", "Bearer "+tok.Access); r.StatusCode != want {
					t.Errorf("userinfo: %d, not %d: %s", r.StatusCode, want, r.body)
				}
			}
			swap := []string{"grant_type", idp.GrantExchange, "subject_token", tok.Access, "subject_token_type", typeOfAccess}
			_, r = m.tokenWith(other, c, swap...)
			refused(t, r, http.StatusBadRequest, codeInvalidRequest)
			got, r := m.tokenWith(own, c, swap...)
			if r.StatusCode != http.StatusOK {
				t.Fatalf("exchange: %d %s", r.StatusCode, r.body)
			}
			r = m.with(own, http.MethodPost, pathIntrospect, url.Values{"client_id": {string(c.ID)}, "token": {got.Access}})
			if !strings.Contains(r.body, `"cnf":{"x5t#S256":"`+x5t(own)+`"}`) {
				t.Errorf("exchanged: %s", r.body)
			}
			// It ends with the grant type that it came by in the first place.
			m.editClient(c, func(c *idp.Client) { c.GrantTypes = []string{idp.GrantDevice, idp.GrantExchange} })
			r = m.with(own, http.MethodPost, pathIntrospect, url.Values{"client_id": {string(c.ID)}, "token": {got.Access}})
			if !strings.Contains(r.body, `"active":false`) {
				t.Errorf("without the back channel: %s", r.body)
			}
			m.editClient(c, func(c *idp.Client) { c.GrantTypes = append(c.GrantTypes, idp.GrantCIBA) })
		}
	}
}

func TestFAPI2ByCertificate(t *testing.T) {
	m := newMutualSite(t)
	own := m.ca.issue(named("records.test"))
	c := m.byCA("san_dns=records.test", func(c *idp.Client) { c.Profile, c.CertBound, c.IDTokenAlg = idp.ProfileFAPI2, true, "" })
	if c.DPoP || !c.RequirePushed || c.IDTokenAlg != keyring.ES256 {
		t.Fatalf("%+v", c.Client)
	}
	form := request(c, "scope", "openid offline_access")
	form.Set("client_id", string(c.ID))
	refused(t, m.with(nil, http.MethodPost, pathPushed, form), http.StatusUnauthorized, "invalid_client")
	r := m.with(own, http.MethodPost, pathPushed, form)
	var pushed struct {
		URI string `json:"request_uri"`
	}
	if err := json.Unmarshal([]byte(r.body), &pushed); err != nil || r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	code := m.browser().signIn(m.addPerson("anna"), url.Values{"client_id": {string(c.ID)}, "request_uri": {pushed.URI}})
	got, r := m.tokenWith(own, c, "grant_type", idp.GrantCode, "code", code.Reveal(), "redirect_uri", c.RedirectURIs[0], "code_verifier", verifier)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if r := m.with(own, http.MethodGet, pathUserinfo, nil, "Authorization", "Bearer "+got.Access); r.StatusCode != http.StatusOK {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := m.userinfo(got.Access); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("as a bearer token: %d", r.StatusCode)
	}
	again, r := m.tokenWith(own, c, "grant_type", idp.GrantRefresh, "refresh_token", got.Refresh)
	if r.StatusCode != http.StatusOK || again.Refresh != "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	// DPoP in place of bound certificates is possible too.
	withProofs := m.byCA("san_dns=records.test", func(c *idp.Client) { c.Profile, c.IDTokenAlg = idp.ProfileFAPI2, "" })
	if !withProofs.DPoP {
		t.Error("its tokens are bound to nothing")
	}
}
