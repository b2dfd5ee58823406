package oidc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
	"hilum/idp/jwks"
	"hilum/idp/serve"
)

// Mutual is what the provider offers to clients with a TLS certificate (RFC 8705).
type Mutual struct {
	// URL is where the endpoints are that ask for one: scheme and host, no trailing slash.
	// They stand in the metadata as mtls_endpoint_aliases (section 5).
	URL string
	// Authorities are those that issue certificates of tls_client_auth (section 2.1), as they
	// are now. nil: that method is not offered.
	Authorities func() *x509.CertPool
}

// MountMutual adds to mux the endpoints for a listener that asks for a certificate. Browsers
// have no business there, so that nobody is ever asked to choose a certificate.
func (s *Server) MountMutual(mux *http.ServeMux) {
	scripts := originPolicy(s.conf.Store.Origin)
	methods{"POST": s.noteRejections(clientForm(scripts, offeredGrants(answer(s.token)))), "OPTIONS": preflight}.mountFor(scripts, mux, pathToken)
	methods{"POST": s.noteRejections(clientForm(scripts, answer(s.revoke))), "OPTIONS": preflight}.mountFor(scripts, mux, pathRevoke)
	methods{"POST": s.noteRejections(clientForm(noScripts, confidentialOnly(answer(s.introspect))))}.mount(mux, pathIntrospect)
	methods{"POST": s.noteRejections(clientForm(scripts, http.HandlerFunc(s.push))), "OPTIONS": preflight}.mountFor(scripts, mux, pathPushed)
	methods{"POST": s.noteRejections(clientForm(scripts, s.library())), "OPTIONS": preflight}.mountFor(scripts, mux, pathDevice)
	methods{"POST": s.noteRejections(clientForm(noScripts, http.HandlerFunc(s.backchannel)))}.mount(mux, pathBackchannel)
	info := bearerToken(scripts, answer(s.userinfo))
	methods{"GET": info, "POST": info, "OPTIONS": preflight}.mountFor(scripts, mux, pathUserinfo)
}

// base is the scheme and host that a request was sent to.
func (s *Server) base(ctx context.Context) string {
	if s.conf.Mutual != nil && serve.Mutual(ctx) {
		return s.conf.Mutual.URL
	}
	if inRealm(ctx) {
		return s.issuerAt(ctx) + realmProtocol // beneath which the endpoints have the same names
	}
	return s.conf.Issuer
}

// verifyCertificate authenticates a client by the certificate of its TLS connection (RFC
// 8705, section 2). Every request is looked at anew, so that a connection that stays open
// does not outlive certificate, authority or registration. Errors: errInvalidClient.
func (s *Server) verifyCertificate(ctx context.Context, c *idp.Client) error {
	reason, sent := s.certificateFault(ctx, c)
	if reason == "" {
		return nil
	}
	rejectedUnauthenticated(ctx, string(c.ID), reason, sent)
	return errInvalidClient()
}

// certificateFault says, for who runs the client, why the certificate of a request does not
// authenticate it; empty: it does.
func (s *Server) certificateFault(ctx context.Context, c *idp.Client) (reason idp.RejectionReason, sent string) {
	certs := serve.ClientCertificates(ctx)
	if len(certs) == 0 {
		return idp.RejectedNoCertificate, ""
	}
	cert, now := certs[0], s.now()
	switch {
	case now.Before(cert.NotBefore):
		return idp.RejectedCertificate, "not valid yet: " + subjectOf(cert)
	case now.After(cert.NotAfter):
		return idp.RejectedCertificate, "expired: " + subjectOf(cert)
	}
	if c.Auth == idp.AuthSelfSigned {
		keys, err := s.keys.matching(ctx, c, func(set jwks.Set) []jose.JSONWebKey { return certified(set, cert) })
		if err != nil {
			return idp.RejectedKeys, err.Error()
		}
		if len(keys) == 0 {
			return idp.RejectedCertificate, "its key is not registered: " + subjectOf(cert)
		}
		return "", ""
	}
	if s.conf.Mutual == nil || s.conf.Mutual.Authorities == nil {
		return idp.RejectedCertificate, "no authority is trusted"
	}
	between := x509.NewCertPool()
	for _, other := range certs[1:] {
		between.AddCert(other)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: s.conf.Mutual.Authorities(), Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return idp.RejectedCertificate, "not of a trusted authority, or not for clients: " + subjectOf(cert)
	}
	if !isFor(cert, c.TLSSubject) {
		return idp.RejectedCertificate, namesOf(cert)
	}
	return "", ""
}

// certified are the keys of a set that a certificate is of: where a key has a certificate
// (x5c, RFC 7517, section 4.7) that one and no other, else any of its public key. Who has
// the certificate's private key the handshake has shown.
func certified(set jwks.Set, cert *x509.Certificate) []jose.JSONWebKey {
	var out []jose.JSONWebKey
	for _, k := range set {
		if len(k.Certificates) > 0 {
			if k.Certificates[0].Equal(cert) {
				out = append(out, k)
			}
			continue
		}
		if public, ok := k.Key.(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(cert.PublicKey) {
			out = append(out, k)
		}
	}
	return out
}

// isFor reports whether a certificate is for whom a registration says (RFC 8705, section
// 2.1.2). A subject is compared as RFC 4514 writes it, byte by byte.
func isFor(cert *x509.Certificate, want idp.CertSubject) bool {
	kind, value, ok := want.Split()
	if !ok {
		return false
	}
	switch kind {
	case idp.CertDN:
		return subjectOf(cert) == value
	case idp.CertDNS:
		for _, name := range cert.DNSNames {
			if strings.EqualFold(name, value) {
				return true
			}
		}
	case idp.CertURI:
		for _, uri := range cert.URIs {
			if uri.String() == value {
				return true
			}
		}
	case idp.CertIP:
		for _, ip := range cert.IPAddresses {
			if ip.Equal(net.ParseIP(value)) {
				return true
			}
		}
	case idp.CertEmail:
		return slices.Contains(cert.EmailAddresses, value)
	}
	return false
}

// subjectOf is the subject of a certificate in the order and spelling of RFC 4514; what
// crypto/x509 makes of it by itself has lost the order.
func subjectOf(cert *x509.Certificate) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}

// namesOf is whom a certificate is for, as a registration could say it.
func namesOf(cert *x509.Certificate) string {
	var all []string
	if subject := subjectOf(cert); subject != "" {
		all = append(all, idp.CertDN+"="+subject)
	}
	for _, name := range cert.DNSNames {
		all = append(all, idp.CertDNS+"="+name)
	}
	for _, uri := range cert.URIs {
		all = append(all, idp.CertURI+"="+uri.String())
	}
	for _, ip := range cert.IPAddresses {
		all = append(all, idp.CertIP+"="+ip.String())
	}
	for _, address := range cert.EmailAddresses {
		all = append(all, idp.CertEmail+"="+address)
	}
	return strings.Join(all, " ")
}

// certThumbprint is x5t#S256 of the certificate of a request (RFC 8705, section 3.1); empty:
// it came without one.
func certThumbprint(ctx context.Context) string {
	certs := serve.ClientCertificates(ctx)
	if len(certs) == 0 {
		return ""
	}
	sum := sha256.Sum256(certs[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// boundCertificate is the thumbprint of the certificate that new tokens of a client are bound
// to; empty: they are bound to none. Error: invalid_request, the client has its tokens bound
// and came without a certificate.
func (s *Server) boundCertificate(ctx context.Context, c *idp.Client) (string, error) {
	if !c.CertBound {
		return "", nil
	}
	x5t := certThumbprint(ctx)
	if x5t == "" {
		s.rejected(ctx, c, idp.RejectedNoCertificate, "")
		return "", oidc.ErrInvalidRequest().WithDescription("The client's tokens are bound to its certificate: come with it to the mtls_endpoint_aliases.")
	}
	return x5t, nil
}

// sameCertificate reports whether a request comes with the certificate that a token is bound
// to; empty: it is bound to none.
func sameCertificate(ctx context.Context, x5t string) bool {
	return x5t == "" || subtle.ConstantTimeCompare([]byte(certThumbprint(ctx)), []byte(x5t)) == 1
}
