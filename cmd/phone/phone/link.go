package phone

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Link is what the QR code of a provider says.
type Link struct {
	Issuer  string // the provider's URL; empty in a plain code
	Label   string // the provider's name
	Account string // sign-in name
	Secret  string // base32; dead as soon as the link is used to pair
	Pair    string // the code to pair by; empty in a plain code
}

const maxLink = 512 // bytes; a provider's are at most 190

// ParseLink reads an otpauth link. Errors say what is wrong with it.
func ParseLink(text string) (*Link, error) {
	if len(text) > maxLink {
		return nil, errors.New("this is longer than a link of a provider")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" {
		return nil, errors.New("this is no code of an identity provider: it does not begin with otpauth://totp/")
	}
	label, account, found := strings.Cut(strings.TrimPrefix(u.Path, "/"), ":")
	if !found {
		label, account = "", label
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the link is damaged: %w", err)
	}
	for name, values := range q {
		if len(values) != 1 {
			return nil, fmt.Errorf("the link has %q more than once", name)
		}
	}
	l := &Link{Label: label, Account: account, Secret: strings.ToUpper(q.Get("secret")), Pair: q.Get("pair")}
	if l.Account == "" {
		return nil, errors.New("the link names no account")
	}
	if raw, err := secretBytes(l.Secret); err != nil || len(raw) < 16 {
		return nil, errors.New("the link has no usable secret")
	}
	if issuer := q.Get("issuer"); issuer != "" {
		l.Label = issuer
	}
	host := q.Get("idp")
	if (host == "") != (l.Pair == "") {
		return nil, errors.New("the link has only half of what pairing needs")
	}
	if host == "" {
		return l, nil
	}
	if raw, err := base64.RawURLEncoding.DecodeString(l.Pair); err != nil || len(raw) != 16 {
		return nil, errors.New("the pair code is damaged")
	}
	l.Issuer, err = issuerOf(host)
	return l, err
}

// issuerOf is the URL of a host as links and people write it: https, but for a
// loopback host.
func issuerOf(host string) (string, error) {
	host = strings.TrimSuffix(host, "/")
	for _, r := range host {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~:/", r)
		if !ok {
			return "", fmt.Errorf("%q is no address of a provider", host)
		}
	}
	u, err := url.Parse("https://" + host)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("%q is no address of a provider", host)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		u.Scheme = "http"
	}
	return u.String(), nil
}

// secretBytes decodes base32 without padding (RFC 4648, section 6).
func secretBytes(s string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
}
