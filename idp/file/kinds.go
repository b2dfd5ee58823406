package file

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Pair reads a certificate with its chain, and its key, both PEM. What is wrong is
// said in words that name neither file; what serves all the same, and would better
// be mended, is in warnings: certificates out of order, expired, or not yet good at
// the instant now.
func Pair(cert, key []byte, now time.Time) (pair *tls.Certificate, warnings []string, err error) {
	chain, err := certificates(cert)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate: %w", err)
	}
	signer, err := privateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("the key: %w", err)
	}
	public, _ := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if own := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return public != nil && public.Equal(c.PublicKey) }); own > 0 {
		return nil, nil, fmt.Errorf("the key belongs to certificate %d of %d in the file; the server's own comes first, then who signed it", own+1, len(chain))
	} else if own < 0 {
		return nil, nil, fmt.Errorf("the key does not belong to the certificate (for %s); put the two that were made together", subject(chain[0]))
	}
	made, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	leaf := chain[0]
	if leaf.IsCA && len(chain) > 1 {
		warnings = append(warnings, "the first certificate is an authority's; the server's own comes first")
	}
	for i, c := range chain {
		if i > 0 && !bytes.Equal(chain[i-1].RawIssuer, c.RawSubject) {
			warnings = append(warnings, fmt.Sprintf("certificate %d (%s) did not sign the one before it (%s, signed by %s); put each one's signer after it, and leave out what does not belong",
				i+1, subject(c), subject(chain[i-1]), name(chain[i-1].Issuer.String())))
			break
		}
	}
	switch {
	case now.After(leaf.NotAfter):
		warnings = append(warnings, fmt.Sprintf("the certificate has expired, %s; browsers refuse it: renew it", leaf.NotAfter.UTC().Format(time.RFC3339)))
	case now.Before(leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("the certificate is good only from %s on; browsers refuse it: look at this machine's clock", leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	return &made, warnings, nil
}

// Expired reports whether the certificate of a pair is past its notAfter (RFC 5280,
// section 4.1.2.5).
func Expired(pair *tls.Certificate, now time.Time) bool {
	return pair.Leaf != nil && now.After(pair.Leaf.NotAfter)
}

// subject names a certificate in messages: by its first DNS name, else by its
// subject.
func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return name(c.DNSNames[0])
	}
	return name(c.Subject.String())
}

// name quotes what a certificate says of itself, and cuts it after 100 bytes.
func name(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// Authorities reads certificates, PEM, as the authorities that other certificates
// are verified by. Errors: there is none, or one that is damaged.
func Authorities(text []byte) (*x509.CertPool, error) {
	all, err := certificates(text)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool, nil
}

// certificates reads every certificate of a PEM text. Errors: there is none, or one
// that is damaged.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	others := map[string]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			others[block.Type] = true
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("number %d of the file is damaged: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	switch {
	case len(all) > 0:
		return all, nil
	case hasKey(others):
		return nil, errors.New("the file holds no certificate in PEM but a key; are the two files swapped?")
	case others["CERTIFICATE REQUEST"], others["NEW CERTIFICATE REQUEST"]:
		return nil, errors.New("the file holds no certificate in PEM but a request for one; the authority answers with the certificate")
	case bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")):
		return nil, errors.New("the file holds no certificate in PEM that is whole; it is cut off, or its lines are broken")
	}
	return nil, errors.New("the file holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----; openssl x509 -inform der makes it of the binary form")
}

func hasKey(types map[string]bool) bool {
	for t := range types {
		if strings.HasSuffix(t, "PRIVATE KEY") {
			return true
		}
	}
	return false
}

// privateKey reads the first private key of a PEM text. Errors show nothing of the
// text.
func privateKey(text []byte) (crypto.Signer, error) {
	types := map[string]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		types[block.Type] = true
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("it is encrypted, and nobody is there to type its password; openssl pkey -in FILE -out NEW takes it off")
		}
		if block.Type == "OPENSSH PRIVATE KEY" {
			return nil, errors.New("it is a key of SSH; TLS has keys of its own")
		}
		var key any
		for _, parse := range []func([]byte) (any, error){
			x509.ParsePKCS8PrivateKey,
			func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
			func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
		} {
			if k, err := parse(block.Bytes); err == nil {
				key = k
				break
			}
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, errors.New("it is damaged, or of a kind that is not known; RSA, ECDSA and Ed25519 are")
	}
	switch {
	case types["CERTIFICATE"]:
		return nil, errors.New("the file holds no private key in PEM but a certificate; are the two files swapped?")
	case types["PUBLIC KEY"], types["RSA PUBLIC KEY"]:
		return nil, errors.New("the file holds no private key in PEM but a public one")
	case bytes.Contains(text, []byte("PRIVATE KEY-----")):
		return nil, errors.New("the file holds no private key in PEM that is whole; it is cut off, or its lines are broken")
	}
	return nil, errors.New("the file holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")
}

// Account is a service account of Google, as a file with its key tells of it.
type Account struct {
	ProjectID string
	Email     string
}

// wherefrom says where the right file is to be had.
const wherefrom = "what is wanted is the key of a service account: Firebase console, Project settings, Service accounts, Generate new private key"

// ServiceAccount checks the file with a service account's key, JSON. The error says
// which kind of file it seems to be; of what the file holds it shows the type alone.
func ServiceAccount(text []byte) (*Account, error) {
	trimmed := bytes.TrimSpace(text)
	switch {
	case len(trimmed) == 0:
		return nil, errors.New("is empty; " + wherefrom)
	case bytes.HasPrefix(trimmed, []byte("<?xml")), bytes.Contains(trimmed, []byte("<plist")):
		return nil, errors.New("is a GoogleService-Info.plist, which apps are built with; " + wherefrom)
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN")):
		return nil, errors.New("is a bare key in PEM; " + wherefrom)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(trimmed, &all); err != nil {
		return nil, errors.New("is no JSON object, or not whole; " + wherefrom)
	}
	word := func(key string) string {
		var s string
		_ = json.Unmarshal(all[key], &s) // something else is no word
		return s
	}
	has := func(key string) bool { _, ok := all[key]; return ok }
	switch kind := word("type"); {
	case has("project_info") || has("client") && has("configuration_version"):
		return nil, errors.New("is a google-services.json, which apps are built with; " + wherefrom)
	case has("installed"), has("web"):
		return nil, errors.New("is an OAuth client of the Google Cloud console; " + wherefrom)
	case has("apiKey"), has("messagingSenderId"):
		return nil, errors.New("is the configuration of a web app; " + wherefrom)
	case kind == "authorized_user":
		return nil, errors.New("is the sign-in of a person (type authorized_user, from gcloud auth); " + wherefrom)
	case kind == "":
		return nil, errors.New("has no type, so it is no key of a service account; " + wherefrom)
	case kind != "service_account":
		return nil, fmt.Errorf("has the type %q, not service_account; %s", bounded(kind), wherefrom)
	}
	for _, key := range []string{"project_id", "client_email", "private_key", "token_uri"} {
		if strings.TrimSpace(word(key)) == "" {
			return nil, fmt.Errorf("has no %s, so it is not whole; take the file as Google hands it out", key)
		}
	}
	signer, err := privateKey([]byte(word("private_key")))
	if err != nil {
		return nil, errors.New("has a private_key that cannot be read; take the file as Google hands it out")
	}
	if kind := fmt.Sprintf("%T", signer); kind != "*rsa.PrivateKey" {
		return nil, errors.New("has a private_key that is none of RSA; take the file as Google hands it out")
	}
	u, err := url.Parse(word("token_uri"))
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("has a token_uri that is no https address; take the file as Google hands it out")
	}
	return &Account{ProjectID: word("project_id"), Email: word("client_email")}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func bounded(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
