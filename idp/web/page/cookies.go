package page

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// browserAge is how long a browser keeps its binding cookie: a year, below the
// 400 days that browsers allow.
const browserAge = 365 * 24 * time.Hour

// cookies keeps three random values in a browser: one that binds sign-ins to
// it, one that is its session, and one by which it is known to somebody who has
// finished a sign-in in it. All are authenticated with a MAC, so that a made-up value
// never reaches the database; what they stand for is kept there.
type cookies struct {
	browser, session, known *sessions.CookieStore
	prefix                  string
	path                    string // that they are sent to
}

// newCookies returns the cookies under a key of 32 bytes. absolute is how long the
// session cookie is kept, path that of the issuer: where it has one, others have the rest
// of the host, and are not sent our cookies.
func newCookies(key []byte, secure bool, path string, absolute time.Duration) (*cookies, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("web: cookie key has %d bytes, 32 are needed", len(key))
	}
	if absolute <= 0 {
		return nil, errors.New("web: sessions need an end")
	}
	c := &cookies{path: cmp.Or(path, "/")}
	c.browser, c.session, c.known = c.newStore(key, secure, browserAge), c.newStore(key, secure, absolute), c.newStore(key, secure, idp.KnownFor)
	switch {
	case secure && path == "":
		c.prefix = "__Host-" // no other host of the same domain can set them
	case secure:
		c.prefix = "__Secure-" // __Host- demands the path "/"
	}
	return c, nil
}

// newStore sets every option: the library's own are no HttpOnly, SameSite=None
// and 30 days.
func (c *cookies) newStore(key []byte, secure bool, age time.Duration) *sessions.CookieStore {
	codec := securecookie.New(key, nil).SetSerializer(plain{}).MaxLength(512)
	st := &sessions.CookieStore{
		Codecs: []securecookie.Codec{codec},
		Options: &sessions.Options{
			Path:        c.path,
			Domain:      "", // this host only
			Secure:      secure,
			HttpOnly:    true,
			Partitioned: false,
			SameSite:    http.SameSiteLaxMode, // Strict would lose it on the way back from a relying party
		},
	}
	st.MaxAge(int(age / time.Second))
	return st
}

// valueKey is the only value a cookie holds.
const valueKey = "v"

// plain writes that value as it is. The library's own serializer is encoding/gob; here
// there is nothing to decode, and what has not the form of a token is refused.
type plain struct{}

var errCookie = errors.New("web: not a cookie of ours")

func (plain) Serialize(src any) ([]byte, error) {
	values, _ := src.(map[any]any)
	v, ok := values[valueKey].(string)
	if !ok {
		return nil, errCookie
	}
	return []byte(v), nil
}

func (plain) Deserialize(src []byte, dst any) error {
	values, ok := dst.(*map[any]any)
	if !ok || !wellFormed(string(src)) {
		return errCookie
	}
	*values = map[any]any{valueKey: string(src)}
	return nil
}

// wellFormed reports whether v has the form of idp.NewToken: 43 base64url letters.
func wellFormed(v string) bool {
	if len(v) != 43 {
		return false
	}
	for _, c := range []byte(v) {
		ok := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !ok {
			return false
		}
	}
	return true
}

// read returns a cookie's value; a tampered, foreign or outlived cookie is as none.
func (c *cookies) read(r *http.Request, st *sessions.CookieStore, name string) idp.Secret {
	sess, err := st.New(r, c.prefix+name)
	if err != nil || sess.IsNew {
		return ""
	}
	v, _ := sess.Values[valueKey].(string)
	return idp.Secret(v)
}

func (c *cookies) write(w http.ResponseWriter, r *http.Request, st *sessions.CookieStore, name string, v idp.Secret) error {
	sess := sessions.NewSession(st, c.prefix+name)
	opts := *st.Options
	sess.Options = &opts
	sess.Values[valueKey] = v.Reveal()
	if err := st.Save(r, w, sess); err != nil {
		return fmt.Errorf("cookie %s: %w", name, err)
	}
	return nil
}

// Browser returns the browser that asks, and gives one without a binding cookie a new
// one.
func (d *Door) Browser(w http.ResponseWriter, r *http.Request) (login.Browser, error) {
	if b, ok := d.BrowserOf(r); ok {
		return b, nil
	}
	v := idp.NewToken()
	if err := d.cookies.write(w, r, d.cookies.browser, "browser", v); err != nil {
		return login.Browser{}, err
	}
	return d.seen(r, v), nil
}

// BrowserOf returns the browser that asks; false when it has no binding cookie.
func (d *Door) BrowserOf(r *http.Request) (login.Browser, bool) {
	v := d.cookies.read(r, d.cookies.browser, "browser")
	if v == "" {
		return login.Browser{}, false
	}
	return d.seen(r, v), true
}

// maxAgent bounds what is kept of a User-Agent header, in bytes.
const maxAgent = 256

func (d *Door) seen(r *http.Request, v idp.Secret) login.Browser {
	agent := r.UserAgent()
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	return login.Browser{
		ID:      v.Hash(),
		Session: d.cookies.read(r, d.cookies.session, "session"),
		Known:   d.cookies.read(r, d.cookies.known, "known"),
		Address: serve.From(r.Context()).Address,
		Agent:   printable(agent),
	}
}

// SetSession gives the browser a new session cookie and, unless known is
// empty, a new value that it is known by.
func (d *Door) SetSession(w http.ResponseWriter, r *http.Request, token, known idp.Secret) error {
	if known != "" {
		if err := d.cookies.write(w, r, d.cookies.known, "known", known); err != nil {
			return err
		}
	}
	return d.cookies.write(w, r, d.cookies.session, "session", token)
}

// ClearSession takes the session cookie away.
func (d *Door) ClearSession(w http.ResponseWriter, _ *http.Request) error {
	opts := *d.cookies.session.Options
	opts.MaxAge = -1
	http.SetCookie(w, sessions.NewCookie(d.cookies.prefix+"session", "", &opts))
	return nil
}
