package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// certKey finds the certificates that a client has shown, in the context of its requests.
type certKey struct{}

// ClientCertificates returns the certificates that the client of a request has shown in its
// TLS handshake, its own first, in which it has proved that it has the private key (RFC 8446,
// section 4.4.3). nil: none, or it came by a listener that asks for none (Config.Mutual).
// Nothing else of them is verified: neither who has issued them nor whether they are valid.
func ClientCertificates(ctx context.Context) []*x509.Certificate {
	certs, _ := ctx.Value(certKey{}).([]*x509.Certificate)
	return certs
}

// Mutual reports whether a request came by a listener that asks for a certificate.
func Mutual(ctx context.Context) bool {
	_, ok := ctx.Value(certKey{}).([]*x509.Certificate)
	return ok
}

// mutual has a listener ask clients for a certificate, and take any: whom it is of, and
// whether it may be used, says who reads it. A resumed session would repeat a certificate of
// an hour ago without a proof, so there are none.
func mutual(srv *http.Server) {
	srv.TLSConfig.ClientAuth = tls.RequestClientCert
	srv.TLSConfig.SessionTicketsDisabled = true
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		var certs []*x509.Certificate
		if f, ok := c.(*framed); ok {
			c = f.Conn
		}
		if t, ok := c.(*tls.Conn); ok { // its handshake is over: secure.shake
			certs = t.ConnectionState().PeerCertificates
		}
		return context.WithValue(ctx, certKey{}, certs)
	}
}
