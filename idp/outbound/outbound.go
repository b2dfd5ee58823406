// Package outbound is the one client by which the provider calls addresses
// that others have named: push services, and whatever a relying party
// registers. It calls nothing that stands inside the operator's network,
// unless the operator has said so.
package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// MaxBody bounds every answer, in bytes.
const MaxBody = 64 << 10

// ErrForbidden says that the address is not one that may be called.
var ErrForbidden = errors.New("this address may not be called")

// Config says what may be called besides public addresses.
type Config struct {
	Private []netip.Prefix // loopback or private ranges that may be called all the same
	// Plain lets this machine be called without TLS, where Private has it: what is
	// tried out has no certificate, and nothing travels.
	Plain   bool
	Timeout time.Duration  // of a whole call; 0: 5 s
	Roots   *x509.CertPool // nil: the system's
}

// New returns the client: https only, no redirects, no proxy, every address
// checked at the moment it is dialled (a name may point elsewhere by then),
// answers bounded.
func New(c Config) *http.Client {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	var plain http.RoundTripper
	if c.Plain {
		plain = transport(c, func(address string) error { return here(address, c.Private) })
	}
	return &http.Client{
		Timeout: c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect would be another address, of another's choice
		},
		Transport: bounded{transport(c, func(address string) error { return Allowed(address, c.Private) }), plain},
	}
}

// transport asks allowed at every dial.
func transport(c Config, allowed func(address string) error) *http.Transport {
	dialer := &net.Dialer{
		Timeout: c.Timeout,
		Control: func(_, address string, _ syscall.RawConn) error { return allowed(address) },
	}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout:    c.Timeout,
		ResponseHeaderTimeout:  c.Timeout,
		MaxResponseHeaderBytes: 16 << 10,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
}

// here is Allowed for this machine only.
func here(address string, private []netip.Prefix) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is called without TLS: %w", address, ErrForbidden)
	}
	return Allowed(address, private)
}

// Allowed reports whether a dialled address, an IP address and a port, may be
// called: a public one, or one of the ranges given. Errors: ErrForbidden.
func Allowed(address string, private []netip.Prefix) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, ErrForbidden)
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%s: %w", address, ErrForbidden)
	}
	a = a.Unmap().WithZone("")
	for _, p := range private {
		if p.Contains(a) {
			return nil
		}
	}
	for _, p := range special {
		if p.Contains(a) {
			return fmt.Errorf("%s is in %s: %w", a, p, ErrForbidden)
		}
	}
	if !a.IsGlobalUnicast() {
		return fmt.Errorf("%s: %w", a, ErrForbidden)
	}
	return nil
}

// special are the ranges that are not the public internet (the special-purpose
// registries of IANA, RFC 6890), and those that carry an IPv4 address which
// could be one of them.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// bounded refuses what is not https and cuts answers off.
type bounded struct {
	next  http.RoundTripper
	plain http.RoundTripper // for http; nil: it is refused
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if r.URL.Scheme != "https" {
		if next = b.plain; r.URL.Scheme != "http" || next == nil {
			return nil, fmt.Errorf("%s is not https: %w", r.URL.Scheme, ErrForbidden)
		}
	}
	res, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = body{io.LimitReader(res.Body, MaxBody), res.Body}
	return res, nil
}

type body struct {
	io.Reader
	io.Closer
}
