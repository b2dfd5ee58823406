// Package oidc is the relying parties' door: our nouns spoken as OpenID
// Connect Core 1.0 and OAuth 2.0, on zitadel/oidc's op.Server.
//
// A request passes three layers. The front (front.go) admits what the
// standards allow and nothing else: methods, media type, sizes, each parameter
// once, no secret in a URL. The library then reads the request of the
// endpoints that machines call and asks the methods of Server. Those decide,
// with one read and one transaction of the Store, and answer with tokens made
// here (mint.go). Endpoints that browsers visit (authorize, collect,
// end_session) are our own from end to end, because their answers are pages.
//
// What is not implemented here is refused: Server embeds
// op.UnimplementedServer. Errors that reach a caller are fixed words with a
// standard code; causes go to the log, found by the reference in the answer.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// Store is what tokens need kept. Every method is atomic.
type Store interface {
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // from memory; do not change
	// Origin reports whether a client that is not disabled has registered an
	// origin for its scripts, from memory.
	Origin(ctx context.Context, origin string) bool
	// SecretUsed notes that a secret of a client was right; it costs no trip.
	SecretUsed(client idp.ClientID, hash idp.TokenHash, at time.Time)
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	// Code returns an authorization code and its grant, used or not.
	Code(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
	// IssuedCode is Code for who is about to redeem it. It may say of a code that
	// is not good any more that it is: RedeemCode knows.
	IssuedCode(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
	// RedeemCode marks the code used and inserts the tokens. idp.ErrSettled when
	// it was used before: then the grant is revoked, with its own event, in the same transaction.
	// idp.ErrExpired when the grant or the code is no longer good. What issue.May
	// refuses revokes the grant too, with its error.
	RedeemCode(ctx context.Context, hash idp.TokenHash, at time.Time, issue idp.Issue, e idp.Event) error
	// Refresh returns a refresh token and its grant, used or not.
	Refresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error)
	// RefreshOf is Refresh with the user as Access gives it, in one read.
	RefreshOf(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, *idp.User, error)
	// IssuedRefresh is Refresh for who is about to rotate it, as IssuedCode is.
	IssuedRefresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error)
	// RotateRefresh marks the token used and inserts its successors. idp.ErrSettled
	// when it was used longer than grace ago: then the grant is revoked in the
	// same transaction. idp.ErrExpired when grant or token is no longer good;
	// issue.May as in RedeemCode.
	RotateRefresh(ctx context.Context, hash idp.TokenHash, at time.Time, grace time.Duration, issue idp.Issue) error
	// AddTokens inserts a grant of its own with its token (client credentials).
	AddTokens(ctx context.Context, g *idp.Grant, issue idp.Issue) error
	// Access returns an access token with its grant and, unless it is a client's
	// own, its user (nil then), in one read.
	Access(ctx context.Context, hash idp.TokenHash) (*idp.AccessToken, *idp.Grant, *idp.User, error)
	RevokeAccess(ctx context.Context, hash idp.TokenHash, at time.Time) error
	RevokeGrant(ctx context.Context, id idp.GrantID, at time.Time, e idp.Event) error
}

// Logins signs people in; *login.Flow implements it.
type Logins interface {
	Authorize(ctx context.Context, req idp.AuthRequest, b login.Browser) (*login.Answer, *login.Step, error)
	Collect(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Answer, error)
	Session(ctx context.Context, b login.Browser) (*idp.Session, *idp.User, error)
	SignOut(ctx context.Context, actor idp.Actor, s *idp.Session) error
}

// Keys signs and publishes; *keyring.Ring implements it.
type Keys interface {
	Signer(alg string) (keyring.Key, error)
	Public() []keyring.Key
	Version() uint64
}

// Browsers keeps the cookies; *web.Server implements it.
type Browsers interface {
	// Browser says who asks, and gives a browser that has no binding cookie one.
	Browser(w http.ResponseWriter, r *http.Request) (login.Browser, error)
	SetSession(w http.ResponseWriter, r *http.Request, token, known idp.Secret) error
	ClearSession(w http.ResponseWriter, r *http.Request) error
}

// Pages shows what people see at this door; *web.Server implements it.
type Pages interface {
	// LoginPath is where a sign-in goes on: "/login/{id}".
	LoginPath(id idp.LoginID) string
	// ErrorPage says what happened and what to do, by message key; the
	// reference is taken from the request.
	ErrorPage(w http.ResponseWriter, r *http.Request, status int, key string)
	// FormPost answers by a form that posts itself to a relying party
	// (OAuth 2.0 Form Post Response Mode), with a button where there is no script.
	FormPost(w http.ResponseWriter, r *http.Request, action string, fields url.Values)
	// ConfirmSignOut asks whether to sign out, posting fields to action on yes.
	ConfirmSignOut(w http.ResponseWriter, r *http.Request, action string, fields url.Values, client string)
	// SignedOut says that this browser is signed out, and which applications
	// with it: those of the session that was ended, if any was.
	SignedOut(w http.ResponseWriter, r *http.Request, client string, session idp.SessionID)
}

// Config is what the door is built from. Issuer, Store, Logins, Keys, Browsers
// and Pages are required.
type Config struct {
	Issuer   string // exact, scheme and host only, no trailing slash
	Store    Store
	Logins   Logins
	Keys     Keys
	Browsers Browsers
	Pages    Pages
	// Rejected is told of refused requests of clients that there are; nil: nobody is.
	Rejected    func(idp.ClientID, idp.Rejection)
	Languages   func() []string // that pages are offered in, sorted; nil: English
	AccessTTL   time.Duration   // of access and ID tokens; 15 min
	RefreshIdle time.Duration   // 90 min
	// AllowPage counts the authorization requests of an address that are shown to be
	// wrong here, because there is nobody to answer. nil: no bound.
	AllowPage func(address string) (retry time.Duration, ok bool)
	Now       func() time.Time
	Log       *slog.Logger
}

// Where the endpoints are, beneath the issuer.
const (
	pathDiscovery      = "/.well-known/openid-configuration"
	pathDiscoveryOAuth = "/.well-known/oauth-authorization-server" // RFC 8414
	pathKeys           = "/jwks"
	pathAuthorize      = "/authorize"
	pathToken          = "/token"
	pathUserinfo       = "/userinfo"
	pathIntrospect     = "/introspect"
	pathRevoke         = "/revoke"
	pathEndSession     = "/end_session"
	pathConfirm        = "/end_session/confirm"
)

// CollectPath is where a finished sign-in of a relying party is collected:
// CollectPath + login id.
const CollectPath = "/authorize/collect/"

// Server is the door. Safe for concurrent use.
type Server struct {
	op.UnimplementedServer // what we do not offer is refused
	conf                   Config
	origin                 *http.CrossOriginProtection
	published              atomic.Pointer[published]
}

var _ op.Server = (*Server)(nil)

// New returns a Server. An error means a configuration that would be unsafe.
func New(c Config) (*Server, error) {
	if c.AccessTTL == 0 {
		c.AccessTTL = 15 * time.Minute
	}
	if c.RefreshIdle == 0 {
		c.RefreshIdle = 90 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Store == nil || c.Logins == nil || c.Keys == nil || c.Browsers == nil || c.Pages == nil {
		return nil, errors.New("oidc: a part is missing")
	}
	if c.AccessTTL < 0 || c.RefreshIdle < 0 {
		return nil, errors.New("oidc: tokens cannot end before they begin")
	}
	if err := checkIssuer(c.Issuer); err != nil {
		return nil, err
	}
	s := &Server{conf: c, origin: http.NewCrossOriginProtection()}
	if err := s.origin.AddTrustedOrigin(c.Issuer); err != nil {
		return nil, fmt.Errorf("oidc: issuer: %w", err)
	}
	s.origin.SetDenyHandler(http.HandlerFunc(s.foreign))
	return s, nil
}

// checkIssuer accepts scheme and host, https unless the host is this machine.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || issuer != u.Scheme+"://"+u.Host {
		return fmt.Errorf("oidc: issuer %q is not scheme and host", issuer)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fmt.Errorf("oidc: issuer %q: https, or http on loopback", issuer)
	}
	return nil
}

// isLoopback reports whether a host, without port and brackets, is this machine.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Mount adds every endpoint to mux. The chains, outermost first:
//
//	public   a prepared document, for any origin
//	page     no-store; our own handler
//	told     says in the log, and to Config.Rejected, why a request was refused
//	machine  no-store; strict form; credentials well formed; the library
//	bearer   no-store; one token, in header or form; the library
//
// Scripts of a client's registered origins may read what machine (where told
// so) and bearer answer, never with cookies; errors of before a client is known
// those of any client's.
func (s *Server) Mount(mux *http.ServeMux) {
	lib := s.library()

	s.public(discovery).mount(mux, pathDiscovery)
	s.public(discovery).mount(mux, pathDiscoveryOAuth)
	s.public(jwks).mount(mux, pathKeys)

	methods{"GET": page(s.authorize), "POST": page(s.authorizePost)}.mount(mux, pathAuthorize)
	methods{"GET": page(s.collect)}.mount(mux, CollectPath+"{id}")

	scripts := callers(s.conf.Store.Origin)
	methods{"POST": s.told(machine(scripts, grants(lib))), "OPTIONS": preflight}.mountFor(scripts, mux, pathToken)
	methods{"POST": s.told(machine(scripts, lib)), "OPTIONS": preflight}.mountFor(scripts, mux, pathRevoke)
	methods{"POST": s.told(machine(noScripts, secrets(lib)))}.mount(mux, pathIntrospect)
	info := bearer(scripts, lib)
	methods{"GET": info, "POST": info, "OPTIONS": preflight}.mountFor(scripts, mux, pathUserinfo)

	methods{"GET": page(s.endSession), "POST": page(s.endSessionPost)}.mount(mux, pathEndSession)
	methods{"POST": s.origin.Handler(page(s.endSessionConfirm))}.mount(mux, pathConfirm)
}

// Refusals answers, in the words of the protocol, what is refused before it comes
// to the endpoints that machines call: a body that is too large, a fault.
func (s *Server) Refusals() map[string]func(w http.ResponseWriter, r *http.Request, status int) {
	refuse := func(from callers) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, status int) {
			setNoStore(w.Header())
			code, text := codeInvalidRequest, "The request was refused."
			switch {
			case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
				code, text = codeUnavailable, "Too many requests at once; try again soon."
			case status >= 500:
				code, text = codeServerError, "Something went wrong on our side."
			case status == http.StatusRequestEntityTooLarge:
				text = "The form is too long."
			}
			writeError(from.answer(w, r, nil), status, code, text+" Reference "+serve.From(r.Context()).ID)
		}
	}
	scripts := callers(s.conf.Store.Origin)
	return map[string]func(http.ResponseWriter, *http.Request, int){
		pathToken: refuse(scripts), pathRevoke: refuse(scripts), pathUserinfo: refuse(scripts), pathIntrospect: refuse(noScripts),
	}
}

// library is zitadel/oidc for the endpoints that machines call: it decodes the
// request, asks the methods of Server, and encodes the answer. Its own
// cross-origin policy, which admits everybody, is off.
func (s *Server) library() http.Handler {
	return op.RegisterServer(s, op.Endpoints{
		Token:         op.NewEndpoint(pathToken),
		Introspection: op.NewEndpoint(pathIntrospect),
		Userinfo:      op.NewEndpoint(pathUserinfo),
		Revocation:    op.NewEndpoint(pathRevoke),
	}, op.WithServerCORSOptions(nil))
}

// now is the present to the microsecond, as the store keeps it.
func (s *Server) now() time.Time { return s.conf.Now().UTC().Truncate(time.Microsecond) }
