// Package page is what every page of the people's door is made with: the chain a
// request goes through, the cookies, the content policy, forms and their bounds, the
// frame around a page, event streams, and who may begin how much.
//
// A page is a Route, one record: the pattern that it answers, who may, what answers,
// whether it is logged, how much may be posted to it, and the name by which it can be
// come back to after a sign-in. Packages web and desk add theirs to one Door, which
// mounts them all; whatever else is to be known of a page is read from its record.
package page

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/serve"
	"hilum/templates"
)

// Sessions says who is signed in (Session) and whether somebody has finished a sign-in
// in a browser (Knows). It begins a sign-in where nobody is signed in (StartAccount) or
// where a fresh second factor is needed (StartStepUp); target is the name of the page
// that it leads back to, held what was posted (Door.Held). *login.Flow implements it.
type Sessions interface {
	Session(ctx context.Context, b login.Browser) (*idp.Session, *idp.User, error) // idp.ErrNotFound: nobody
	Knows(ctx context.Context, b login.Browser) (bool, error)
	StartAccount(ctx context.Context, target string, b login.Browser) (*login.Step, error)
	StartStepUp(ctx context.Context, s *idp.Session, target string, held []byte, b login.Browser) (*login.Step, error)
}

// Pictures has the logos of the site and the icons of applications; *store.DB implements it.
type Pictures interface {
	Picture(ctx context.Context, id idp.PictureID) (*idp.Picture, error) // idp.ErrNotFound
}

// Config is what a Door is built from.
type Config struct {
	Words           *templates.Set   // the pages, in every language
	Site            func() *idp.Site // how the site presents itself now
	Pictures        Pictures
	Origin          string        // the issuer: scheme and host, and a path where it has one
	Secure          bool          // cookies are Secure and have a prefix; false on plain-http loopback only
	CookieKey       []byte        // 32 bytes, authenticates the cookies
	SessionAbsolute time.Duration // how long the session cookie is kept
	Sessions        Sessions
	Network         func(address string) string       // the operator's name for the network of a client address; nil: networks have none
	Place           func(address, lang string) string // the place of a client address, in a language (BCP 47); nil: it is not known
	Limits          Limits
	Share           *limit.Share                     // of what is counted in memory; nil: all
	Wait            func(topics ...idp.Topic) Waiter // begins to wait for a wake on any of the topics
	Ending          <-chan struct{}                  // closed when the server is to end: streams end too
	Streams         *serve.Streams                   // nil: New makes one
	Now             func() time.Time
	Log             *slog.Logger
}

// Door serves pages. Safe for concurrent use once it is mounted.
type Door struct {
	conf    Config
	path    string // of the issuer
	cookies *cookies
	origin  *http.CrossOriginProtection
	waiting waiting
	tags    atomic.Pointer[offeredTags]
	routes  []Route
	byName  map[string]*Route // by Route.kind: the name, with a colon where an id or a query follows
	pattern map[string]*Route // by Route.Pattern
}

// New returns a Door without pages but its own: the start, the theme, the language,
// pictures and files. An error means a configuration that would be unsafe: a cookie key
// of another length than 32 bytes, sessions without an end, an origin that is none.
func New(c Config) (*Door, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Streams == nil {
		c.Streams = &serve.Streams{Log: c.Log}
	}
	issuer, err := url.Parse(c.Origin)
	if err != nil {
		return nil, err
	}
	jar, err := newCookies(c.CookieKey, c.Secure, issuer.Path, c.SessionAbsolute)
	if err != nil {
		return nil, err
	}
	d := &Door{conf: c, path: issuer.Path, cookies: jar, origin: http.NewCrossOriginProtection(), byName: map[string]*Route{}, pattern: map[string]*Route{}}
	if err := d.origin.AddTrustedOrigin(issuer.Scheme + "://" + issuer.Host); err != nil {
		return nil, err
	}
	d.origin.SetDenyHandler(http.HandlerFunc(d.foreign))
	d.Add(d.own()...)
	d.Add(d.developing()...)
	return d, nil
}

// Now is the time by the door's clock.
func (d *Door) Now() time.Time { return d.conf.Now() }

// Site is how the site presents itself now.
func (d *Door) Site() *idp.Site { return d.conf.Site() }

// Words are the pages, in every language.
func (d *Door) Words() *templates.Set { return d.conf.Words }

// Origin is the issuer: what addresses begin with that people are given.
func (d *Door) Origin() string { return d.conf.Origin }

// Path is the path of the issuer, beneath which everything is; empty where it has none.
// Pages and redirects do without: serve.Beneath puts it before their addresses.
func (d *Door) Path() string { return d.path }

// Secure reports whether pages are served by https.
func (d *Door) Secure() bool { return d.conf.Secure }

// Log is where a page writes what is not told to who asked for it.
func (d *Door) Log() *slog.Logger { return d.conf.Log }

// Left returns the whole seconds until t, none when it is over.
func (d *Door) Left(t time.Time) int { return max(0, int(t.Sub(d.Now())/time.Second)) }
