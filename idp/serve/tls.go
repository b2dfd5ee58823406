package serve

import "crypto/tls"

// Suites are the cipher suites of TLS 1.2 that are spoken: those with forward secrecy and
// an AEAD (RFC 9325, section 4.2; FAPI 2.0 Security Profile, section 5.2.2), so that who
// records traffic and later steals the key of the certificate reads nothing, and nobody
// plays with the padding of CBC. TLS 1.3 has no others; Go chooses among its own.
var Suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsConfig is how TLS is spoken with everybody: 1.2 with Suites, unless only13, or 1.3. c is
// the certificate to serve with.
func tlsConfig(c *Certificate, only13 bool) *tls.Config {
	oldest := uint16(tls.VersionTLS12)
	if only13 {
		oldest = tls.VersionTLS13
	}
	return &tls.Config{
		MinVersion:     oldest,
		CipherSuites:   Suites,
		GetCertificate: c.get,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}
