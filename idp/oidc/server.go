// Package oidc is the door of relying parties (clients): our nouns spoken as OpenID
// Connect Core 1.0 and OAuth 2.0 (RFC 6749), with zitadel/oidc.
//
// A request passes two layers. The front (front.go) admits what the
// standards allow and nothing else: methods, media type, sizes, each parameter
// once, no secret in a URL. The methods of Server then decide, with one read and one
// transaction of the Store, and answer with tokens made here (issue.go). Errors are the
// library's, which writes and logs them. It serves device authorization by its op.Server, too;
// the endpoints that machines call all day are read and answered here, for its routing and
// decoding cost more than what is decided there (decision 82).
//
// Every other method of op.Server refuses, since Server embeds op.UnimplementedServer. An
// error response has a code of the standards and fixed words; its cause goes to the log,
// found by the reference in the words.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// Store keeps clients, people, codes and tokens. Every method is atomic. A method that
// returns one thing by its id or hash returns idp.ErrNotFound where there is none.
type Store interface {
	// Client returns a client's registration, from memory: it must not be changed.
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error)
	// Standing returns the API that a name in an audience is of, by its id or a resource that it
	// stands for, from memory: it must not be changed.
	Standing(ctx context.Context, name string) (*idp.Client, error)
	// Origin reports whether a client that is not disabled has registered an
	// origin for its scripts (CORS), from memory.
	Origin(ctx context.Context, origin string) bool
	// AddPushed inserts a pushed authorization request. Errors: idp.ErrTooMany.
	AddPushed(ctx context.Context, p *idp.Pushed) error
	// Pushed returns a pushed authorization request, used or not.
	Pushed(ctx context.Context, id idp.PushedID) (*idp.Pushed, error)
	// UseJWT notes that a JWT which is good once was used; hash is of whose it is and of
	// its jti, until is when it is no longer good by itself. Errors: idp.ErrReplayed.
	UseJWT(ctx context.Context, hash idp.TokenHash, until time.Time) error
	// UpdatePolled notes, by fn, that a client has asked for the outcome of a polled
	// request; what fn changes of its pace is written, and its error is returned.
	UpdatePolled(ctx context.Context, id idp.PolledID, fn func(*idp.Polled) error) error
	// SecretUsed notes when a client authenticated by which secret. It returns before
	// that is written.
	SecretUsed(client idp.ClientID, hash idp.TokenHash, at time.Time)
	// Consent returns what a person allowed an application.
	Consent(ctx context.Context, user idp.UserID, client idp.ClientID) (*idp.Consent, error)
	// User returns a person as they are now.
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	// Code returns an authorization code and its grant, used or not.
	Code(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
	// IssuedCode is Code for a caller that redeems it next. It may lag: a code that has
	// just been used or revoked may still look good here. RedeemCode decides.
	IssuedCode(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
	// RedeemCode marks the code used and inserts the tokens of issue. Errors:
	// idp.ErrSettled when the code was used before: then the grant is revoked, with an
	// event of its own, in the same transaction; idp.ErrExpired when the grant or the
	// code is no longer good; that of issue.May, which revokes the grant too.
	RedeemCode(ctx context.Context, hash idp.TokenHash, at time.Time, issue idp.Issue, e idp.Event) error
	// Refresh returns a refresh token and its grant, used or not.
	Refresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error)
	// RefreshOf is Refresh with the person of the grant, in one read.
	RefreshOf(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, *idp.User, error)
	// IssuedRefresh is Refresh for a caller that rotates it next; it may lag as
	// IssuedCode does.
	IssuedRefresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error)
	// RotateRefresh marks the refresh token used, unless issue.Keep, and inserts the tokens of issue.
	// Errors: idp.ErrSettled when it was used longer than grace ago, or came again more often
	// than issue.Repeats: then the grant is revoked in the same transaction; idp.ErrExpired when the grant or the token is
	// no longer good; that of issue.May, as in RedeemCode.
	RotateRefresh(ctx context.Context, hash idp.TokenHash, at time.Time, grace time.Duration, issue idp.Issue) error
	// AddTokens inserts a grant with its access token (client credentials). Errors:
	// idp.ErrClientDisabled.
	AddTokens(ctx context.Context, g *idp.Grant, issue idp.Issue) error
	// Access returns an access token, its grant and the person of it, in one read; nil
	// for a person where the token is the client's own (client credentials).
	Access(ctx context.Context, hash idp.TokenHash) (*idp.AccessToken, *idp.Grant, *idp.User, error)
	// GrantFor returns the newest live grant that a person's session gave a client.
	GrantFor(ctx context.Context, user idp.UserID, session idp.SessionID, client idp.ClientID, now time.Time) (*idp.Grant, *idp.User, error)
	// ExchangeTokens inserts a grant that was got for another, with its access token. Errors:
	// idp.ErrExpired when that other is no longer good; idp.ErrClientDisabled; that of issue.May.
	ExchangeTokens(ctx context.Context, subject idp.GrantID, at time.Time, g *idp.Grant, issue idp.Issue) error
	// RevokeAccess revokes one access token.
	RevokeAccess(ctx context.Context, hash idp.TokenHash, at time.Time) error
	// RevokeGrant revokes a grant and all its codes and tokens.
	RevokeGrant(ctx context.Context, id idp.GrantID, at time.Time, e idp.Event) error
}

// Logins signs people in; *login.Flow implements it, and says which errors come back.
type Logins interface {
	// Authorize begins a sign-in for an authorization request, or finishes it at once.
	Authorize(ctx context.Context, req idp.AuthRequest, b login.Browser) (*login.Answer, *login.Step, error)
	// Collect finishes a sign-in in the browser that it is bound to.
	Collect(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Answer, error)
	// StartDevice begins a sign-in for a device without a browser (RFC 8628).
	StartDevice(ctx context.Context, req idp.AuthRequest, address string) (*login.DeviceCodes, error)
	// StartBackchannel asks the phones of a person, without a browser (CIBA).
	StartBackchannel(ctx context.Context, r login.Backchannel) (*login.BackchannelStarted, error)
	// Session returns the live session of a browser and its person.
	Session(ctx context.Context, b login.Browser) (*idp.Session, *idp.User, error)
	// SignOut ends a session with every token of it.
	SignOut(ctx context.Context, actor idp.Actor, s *idp.Session) error
}

// Keys has the signing keys; *keyring.Ring implements it.
type Keys interface {
	// Signer returns the key that signs now by an algorithm (RFC 7518, section 3.1).
	Signer(alg string) (keyring.Key, error)
	// Public returns the keys that are published.
	Public() []keyring.Key
	// Version changes whenever the published keys do.
	Version() uint64
}

// Browsers reads and sets the cookies; *web.Server implements it.
type Browsers interface {
	// Browser returns what a request's cookies say, and sets the binding cookie where
	// there is none.
	Browser(w http.ResponseWriter, r *http.Request) (login.Browser, error)
	// SetSession sets the session cookie and, unless known is empty, the one that the
	// browser is known by.
	SetSession(w http.ResponseWriter, r *http.Request, token, known idp.Secret) error
	// ClearSession takes the session cookie away.
	ClearSession(w http.ResponseWriter, r *http.Request) error
}

// Registry keeps the registrations that applications make themselves; *admin.Desk implements
// it, and says which errors come back.
type Registry interface {
	Register(ctx context.Context, token idp.Secret, address string, c *idp.Client) (secret, registration idp.Secret, err error)
	Registration(ctx context.Context, id idp.ClientID, token idp.Secret) (*idp.Client, error)
	ChangeRegistration(ctx context.Context, id idp.ClientID, token, current idp.Secret, address string, sent *idp.Client) (secret, registration idp.Secret, err error)
	RemoveRegistration(ctx context.Context, id idp.ClientID, token idp.Secret, address string) error
}

// Pages shows what people see at this door; *web.Server implements it.
type Pages interface {
	// LoginPath is where a sign-in goes on: "/login/{id}".
	LoginPath(id idp.LoginID) string
	// ErrorPage says what happened and what to do. key is one of this package's own
	// (keyRequest and the like) or of serve's, for each of which the page has its sentences;
	// the reference is taken from the request.
	ErrorPage(w http.ResponseWriter, r *http.Request, status int, key string)
	// FormPost is an authorization response as a form that posts itself to the
	// redirect URI (OAuth 2.0 Form Post Response Mode), with a button where there is
	// no script.
	FormPost(w http.ResponseWriter, r *http.Request, action string, fields url.Values)
	// ConfirmSignOut asks whether to sign out, posting fields to action on yes.
	ConfirmSignOut(w http.ResponseWriter, r *http.Request, action string, fields url.Values, client string)
	// SignedOut says that this browser is signed out, and which applications
	// with it: those of the session that was ended, if any was. client is the name of
	// the one that asked, or empty; noWayBack says that it asked for a redirect to an
	// address that is not registered for it.
	SignedOut(w http.ResponseWriter, r *http.Request, client string, session idp.SessionID, noWayBack bool)
}

// Config is what a Server is built from. Issuer, Store, Logins, Keys, Browsers
// and Pages are required.
type Config struct {
	Issuer   string // the issuer identifier: scheme and host, perhaps a path (serve.Beneath), no trailing slash
	Store    Store
	Logins   Logins
	Keys     Keys
	Browsers Browsers
	Pages    Pages
	// Rejected is told why a request of a registered client was refused; nil: nobody is.
	Rejected func(idp.ClientID, idp.Rejection)
	// Fetch reads the keys of clients that publish them (jwks_uri); it has to guard whom it
	// calls, and how long and how large an answer may be. nil: such clients are refused.
	Fetch *http.Client
	// Mutual is for clients with a TLS certificate; nil: there is no listener that asks for one.
	Mutual      *Mutual
	Languages   func() []string // that pages are offered in, sorted; nil: English. It is asked for each document
	AccessTTL   time.Duration   // lifetime of access and ID tokens; 0: 15 minutes
	RefreshIdle time.Duration   // how long a refresh token may stay unused; 0: 90 minutes
	// AllowPage counts, per client address, the authorization requests that are answered
	// by an error page, because there is no redirect URI that can be trusted. nil: no bound.
	AllowPage func(address string) (retry time.Duration, ok bool)
	// NonceKey makes the nonces of DPoP proofs: the same for all processes of a provider.
	// Empty: a random one.
	NonceKey []byte
	// Subjects makes the sub of people.
	Subjects idp.Subjects
	// Registry takes the registrations of applications; nil: they cannot register themselves.
	Registry Registry
	// Realm is the name of the realm, the issuer of clients of Keycloak's shape; empty: there
	// is none.
	Realm string
	// AllowRegister counts, per client address, requests to register without a token that is
	// good. nil: no bound.
	AllowRegister func(address string) (retry time.Duration, ok bool)
	// AllowPush counts, per client address, the requests that clients push which cannot
	// prove who they are; others are bounded by client. nil: no bound.
	AllowPush func(address string) (retry time.Duration, ok bool)
	// AllowBackchannel counts, per client, the requests to ask somebody's phones. nil: no bound.
	AllowBackchannel func(idp.ClientID) (retry time.Duration, ok bool)
	Now              func() time.Time
	Log              *slog.Logger
}

// Where the endpoints are, beneath the issuer.
const (
	pathDiscovery      = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0, section 4
	pathDiscoveryOAuth = "/.well-known/oauth-authorization-server" // RFC 8414, section 3
	pathKeys           = "/jwks"
	pathAuthorize      = "/authorize"
	pathPushed         = "/par"
	pathDevice         = "/device_authorization"
	pathBackchannel    = "/bc-authorize" // CIBA Core 1.0, section 7
	pathToken          = "/token"
	pathUserinfo       = "/userinfo"
	pathIntrospect     = "/introspect"
	pathRevoke         = "/revoke"
	pathEndSession     = "/end_session"
	pathConfirm        = "/end_session/confirm"
	pathRegister       = "/register"
)

// CollectPath + login id is where the browser collects the authorization response of a
// finished sign-in.
const CollectPath = "/authorize/collect/"

// ConnectPath is the page where people type the code that a device shows (verification_uri
// of RFC 8628), and ConnectedPath + an outcome is where they are told of it: "done" or
// "denied".
const (
	ConnectPath   = "/connect"
	ConnectedPath = ConnectPath + "/"
)

// Server serves every endpoint of OpenID Connect and OAuth 2.0. Safe for concurrent use.
type Server struct {
	op.UnimplementedServer // what we do not offer is refused
	conf                   Config
	origin                 *http.CrossOriginProtection // of the form that confirms a sign-out
	published              atomic.Pointer[published]
	accessHeaders          atomic.Pointer[jwsHeaders]
	keys                   clientKeys
}

var _ op.Server = (*Server)(nil)

// New returns a Server. Errors: a required part of the configuration is missing, a
// lifetime is negative, the issuer is neither https nor on loopback.
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
	if c.Realm != "" && !validRealm(c.Realm) {
		return nil, fmt.Errorf("oidc: realm %q: up to 64 of A to Z, a to z, 0 to 9, - and _", c.Realm)
	}
	origin, err := originOf(c.Issuer)
	if err != nil {
		return nil, err
	}
	if len(c.NonceKey) == 0 {
		c.NonceKey = make([]byte, sha256.Size)
		_, _ = rand.Read(c.NonceKey) // never fails
	}
	s := &Server{conf: c, origin: http.NewCrossOriginProtection()}
	s.keys.fetch, s.keys.now = c.Fetch, s.now
	if err := s.origin.AddTrustedOrigin(origin); err != nil {
		return nil, fmt.Errorf("oidc: issuer: %w", err)
	}
	s.origin.SetDenyHandler(http.HandlerFunc(s.crossOrigin))
	return s, nil
}

// originOf returns scheme and host of an issuer, https unless the host is this machine.
// Errors: it has more than a path besides, or a slash at its end.
func originOf(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || issuer != u.Scheme+"://"+u.Host+u.Path || strings.HasSuffix(issuer, "/") {
		return "", fmt.Errorf("oidc: issuer %q is not scheme, host and path", issuer)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", fmt.Errorf("oidc: issuer %q: https, or http on loopback", issuer)
	}
	return u.Scheme + "://" + u.Host, nil
}

// isLoopback reports whether a host, without port and brackets, is this machine.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Mount adds every endpoint to mux. The chains, outermost first:
//
//	public          a prepared document, for any origin
//	page            no-store; our own handler
//	noteRejections  says in the log, and to Config.Rejected, why a request was refused
//	clientForm      no-store; strict form; client credentials well formed
//	bearerToken     no-store; one access token, in header or form
//	answer          a method of ours; what it returns is written, its error by the library
//	library         zitadel/oidc
//	atRealm         an address of the realm, for a handler of the same chains
//
// Scripts of a client's registered origins may read the responses of clientForm
// (where an originPolicy is given) and bearerToken, never with cookies (CORS). An error
// from before the client is known may be read by the scripts of any client's origins.
func (s *Server) Mount(mux *http.ServeMux) {
	scripts := originPolicy(s.conf.Store.Origin)
	info := bearerToken(scripts, answer(s.userinfo))
	both := map[string]endpoint{ // at the realm, too
		pathKeys:       {noScripts, s.public(signingKeys)},
		pathAuthorize:  {noScripts, methods{"GET": page(s.authorize), "POST": page(s.authorizePost)}},
		pathToken:      {scripts, methods{"POST": s.noteRejections(clientForm(scripts, offeredGrants(answer(s.token)))), "OPTIONS": preflight}},
		pathRevoke:     {scripts, methods{"POST": s.noteRejections(clientForm(scripts, answer(s.revoke))), "OPTIONS": preflight}},
		pathIntrospect: {noScripts, methods{"POST": s.noteRejections(clientForm(noScripts, confidentialOnly(answer(s.introspect))))}},
		pathUserinfo:   {scripts, methods{"GET": info, "POST": info, "OPTIONS": preflight}},
		pathEndSession: {noScripts, methods{"GET": page(s.endSession), "POST": page(s.endSessionPost)}},
		pathConfirm:    {noScripts, methods{"POST": s.origin.Handler(page(s.endSessionConfirm))}},
	}
	for path, e := range both {
		e.methods.mountFor(e.from, mux, path)
	}
	if s.conf.Realm != "" {
		s.mountRealm(mux, both)
	}

	s.public(discovery).mount(mux, pathDiscovery)
	s.public(discovery).mount(mux, pathDiscoveryOAuth)

	methods{"GET": page(s.collect)}.mount(mux, CollectPath+"{id}")

	methods{"POST": s.noteRejections(clientForm(scripts, http.HandlerFunc(s.push))), "OPTIONS": preflight}.mountFor(scripts, mux, pathPushed)
	methods{"POST": s.noteRejections(clientForm(scripts, s.library())), "OPTIONS": preflight}.mountFor(scripts, mux, pathDevice)
	methods{"POST": s.noteRejections(clientForm(noScripts, confidentialOnly(http.HandlerFunc(s.backchannel))))}.mount(mux, pathBackchannel)

	if s.conf.Registry != nil {
		methods{"POST": s.noteRejections(http.HandlerFunc(s.register))}.mount(mux, pathRegister)
		own := s.noteRejections(http.HandlerFunc(s.registration))
		methods{"GET": own, "PUT": own, "DELETE": own}.mount(mux, pathRegister+"/{client}")
	}
}

// Refusals are error responses of the protocol (RFC 6749, section 5.2) for what is
// refused before it comes to an endpoint that clients call: a body that is too large, a
// panic, too much at once. They are by path; status is the HTTP status.
func (s *Server) Refusals() map[string]func(w http.ResponseWriter, r *http.Request, status int) {
	refuse := func(from originPolicy) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, status int) {
			setNoStore(w.Header())
			code, text := codeInvalidRequest, "The request was refused."
			switch {
			case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
				code, text = codeUnavailable, "Too many requests at once; try again soon."
			case status >= 500:
				code, text = codeServerError, "Something went wrong on our side."
			case status == http.StatusRequestEntityTooLarge:
				text = "The body is too long."
			}
			writeError(from.response(w, r, nil), status, code, text+" Reference "+serve.From(r.Context()).ID)
		}
	}
	scripts := originPolicy(s.conf.Store.Origin)
	all := map[string]func(http.ResponseWriter, *http.Request, int){
		pathPushed: refuse(scripts), pathDevice: refuse(scripts), pathBackchannel: refuse(noScripts), pathToken: refuse(scripts), pathRevoke: refuse(scripts), pathUserinfo: refuse(scripts), pathIntrospect: refuse(noScripts), pathRegister: refuse(noScripts),
	}
	if s.conf.Realm != "" {
		for path, to := range realmPaths {
			if answer := all[path]; answer != nil {
				all[s.realm()+realmProtocol+to] = func(w http.ResponseWriter, r *http.Request, status int) {
					answer(w, r.WithContext(context.WithValue(r.Context(), realmKey{}, true)), status)
				}
			}
		}
	}
	return all
}

// library is zitadel/oidc's op.Server for device authorization: it decodes the request, asks
// VerifyClient and DeviceAuthorization, and encodes the response. Its own CORS policy, which
// admits every origin, is off.
func (s *Server) library() http.Handler {
	return op.RegisterServer(s, op.Endpoints{
		DeviceAuthorization: op.NewEndpoint(pathDevice),
	}, op.WithServerCORSOptions(nil))
}

// now is the present to the microsecond, as the store keeps it.
func (s *Server) now() time.Time { return s.conf.Now().UTC().Truncate(time.Microsecond) }
