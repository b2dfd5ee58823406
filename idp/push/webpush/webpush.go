// Package webpush delivers to the push services of browsers (RFC 8030, 8291, 8292), and to
// UnifiedPush servers, which speak the same.
//
// An address is a URL that a phone has given, so it is not called unless its host is on
// the list. A message is encrypted for the phone, has always the same length, and says no
// more than that something waits.
package webpush

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"hilum/idp"
	"hilum/idp/push"
)

// Hosts are the hosts of the push services of the common browsers.
var Hosts = []string{
	"fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com",
}

// Config is what a Channel is built from.
type Config struct {
	Client  *http.Client
	Private []byte   // VAPID key, 32 bytes
	Subject string   // an https URL or a mail address, with or without mailto:, for the services' operators
	App     string   // the URL that a tap opens
	Hosts   []string // that may be called
	Now     func() time.Time

	Words push.Words // what platforms show that show a push by themselves
}

// Channel delivers to browsers. Safe for concurrent use.
type Channel struct {
	conf            Config
	private, public string // the VAPID key, base64url
	tokens          *tokens
}

// New returns a Channel. Errors: the key is none, there are no Words.
func New(c Config) (*Channel, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	public, err := Public(c.Private)
	if err != nil {
		return nil, err
	}
	if c.Words == nil {
		return nil, errors.New("web push: nothing says what a phone shows")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), c.Private)
	if err != nil {
		return nil, fmt.Errorf("VAPID key: %w", err)
	}
	tokens, err := newTokens(key, public, subjectOf(c.Subject), c.Now)
	if err != nil {
		return nil, err
	}
	return &Channel{conf: c, private: base64.RawURLEncoding.EncodeToString(c.Private), public: public, tokens: tokens}, nil
}

// subjectOf is whom a push service may write to, as a URI: https: as it is, all else is a
// mail address, with the scheme or without (RFC 8292, section 2.1).
func subjectOf(s string) string {
	const scheme = "mailto:"
	if strings.HasPrefix(s, "https:") {
		return s
	}
	for len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
		s = s[len(scheme):]
	}
	return scheme + s
}

// Public is the public half of a VAPID key, as browsers take it: base64url of
// the uncompressed point (RFC 8292, section 3.2).
func Public(private []byte) (string, error) {
	k, err := ecdh.P256().NewPrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("VAPID key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(k.PublicKey().Bytes()), nil
}

const (
	maxEndpoint = 1024 // bytes
	authSize    = 16   // bytes
	// recordSize is the length of every message, in bytes (RFC 8188, section 2).
	recordSize = 1024
)

// Acceptable returns nil for an address that may be called, else an
// idp.ErrInvalid that says why not.
func Acceptable(a idp.PushAddress, hosts []string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), idp.ErrInvalid)
	}
	if a.Type != idp.PushWeb || a.Token != "" {
		return bad("not a web push address")
	}
	u, err := url.Parse(a.Endpoint)
	switch {
	case err != nil, len(a.Endpoint) > maxEndpoint, u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "", u.Opaque != "":
		return bad("endpoint")
	case !listed(u, hosts):
		return bad("push service %q is not on the list", u.Host)
	}
	if raw, err := base64url(a.P256dh); err != nil {
		return bad("p256dh")
	} else if _, err := ecdh.P256().NewPublicKey(raw); err != nil {
		return bad("p256dh: %v", err)
	}
	if raw, err := base64url(a.Auth); err != nil || len(raw) != authSize {
		return bad("auth")
	}
	return nil
}

// listed reports whether a URL's host, with its port unless that is 443, is
// among hosts; "*.example.org" is all below example.org.
func listed(u *url.URL, hosts []string) bool {
	host := strings.ToLower(u.Hostname())
	if p := u.Port(); p != "" && p != "443" {
		host += ":" + p
	}
	for _, h := range hosts {
		if below, ok := strings.CutPrefix(h, "*."); ok && strings.HasSuffix(host, "."+below) || h == host {
			return true
		}
	}
	return false
}

func base64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// message is a push in both forms: for our service worker, and declarative, for
// platforms that show it by themselves.
type message struct {
	WebPush      int             `json:"web_push"` // 8030: declarative
	Notification notification    `json:"notification"`
	Kind         idp.PushKind    `json:"t"`
	Challenge    idp.ChallengeID `json:"c,omitempty"`
	Account      string          `json:"a,omitempty"` // idp.Push.Tag
}

// notification is what a platform shows of a declarative message.
type notification struct {
	Title    string `json:"title"`
	Body     string `json:"body"`
	Navigate string `json:"navigate"`
	Tag      string `json:"tag"`
}

func (c *Channel) payload(ctx context.Context, p *idp.Push) ([]byte, error) {
	m := message{WebPush: 8030, Kind: p.Kind, Challenge: p.Challenge, Account: p.Tag}
	title, text := c.conf.Words(ctx, p)
	m.Notification = notification{title, text, c.conf.App, string(p.Kind)}
	if p.Challenge != "" {
		m.Notification.Navigate, m.Notification.Tag = c.conf.App+"#c="+string(p.Challenge), string(p.Challenge)
	}
	return json.Marshal(m)
}

// Send delivers one message. Errors: push.ErrGone, push.ErrCredentials, *push.RetryError;
// any other is final.
func (c *Channel) Send(ctx context.Context, p idp.Push) error {
	if err := Acceptable(p.Address, c.conf.Hosts); err != nil {
		return err // the list was shortened since
	}
	body, err := c.payload(ctx, &p)
	if err != nil {
		return err
	}
	// A withdrawal replaces the question where that has not arrived yet.
	// Of this device and this challenge: the withdrawal replaces the question at the push
	// service, which does not see that phones at other services are asked the same.
	topic := sha256.Sum256([]byte(string(p.Device) + " " + string(p.Challenge)))
	res, err := webpush.SendNotificationWithContext(ctx, body, &webpush.Subscription{
		Endpoint: p.Address.Endpoint, Keys: webpush.Keys{Auth: p.Address.Auth, P256dh: p.Address.P256dh},
	}, &webpush.Options{
		HTTPClient: bearer{c.conf.Client, c.tokens}, RecordSize: recordSize, Topic: base64.RawURLEncoding.EncodeToString(topic[:24]),
		TTL: max(1, int(p.ExpiresAt.Sub(c.conf.Now())/time.Second)), Urgency: webpush.UrgencyHigh,
		VAPIDPublicKey: c.public, VAPIDPrivateKey: c.private,
	})
	if err != nil {
		return &push.RetryError{Err: cause(err)}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return c.outcome(res)
}

// cause is an error without the URL, which is a capability, in it.
func cause(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // http.Client returns it unwrapped
		return fmt.Errorf("push service: %w", u.Err)
	}
	return err
}

// outcome is the error that a response of a push service means (RFC 8030, sections 5 and
// 8.4).
func (c *Channel) outcome(res *http.Response) error {
	err := fmt.Errorf("push service answers %d", res.StatusCode)
	switch s := res.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s == http.StatusNotFound, s == http.StatusGone:
		return fmt.Errorf("%w: %w", err, push.ErrGone)
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return fmt.Errorf("%w: %w", err, push.ErrCredentials)
	case s == http.StatusTooManyRequests, s >= 500:
		return &push.RetryError{Err: err, After: c.retryAfter(res.Header.Get("Retry-After"))}
	}
	return err
}

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110, section 10.2.3); 0:
// there is none.
func (c *Channel) retryAfter(v string) time.Duration {
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, 3600)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(c.conf.Now()))
	}
	return 0
}
