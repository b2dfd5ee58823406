// Package oidc is the relying parties' door: our nouns spoken as OpenID
// Connect, on github.com/zitadel/oidc's op.Server.
package oidc

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
)

// Store is what tokens need kept. Every method is atomic.
type Store interface {
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // from memory; do not change
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	// Code returns an authorization code and its grant, used or not.
	Code(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
	// RedeemCode marks the code used and inserts the tokens. idp.ErrSettled when
	// it was used before: then the grant is revoked, with its own event, in the same transaction.
	// idp.ErrExpired when the grant or the code is no longer good.
	RedeemCode(ctx context.Context, hash idp.TokenHash, at time.Time, issue idp.Issue, e idp.Event) error
	// Refresh returns a refresh token and its grant, used or not.
	Refresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error)
	// RotateRefresh marks the token used and inserts its successors. idp.ErrSettled
	// when it was used longer than grace ago: then the grant is revoked in the
	// same transaction. idp.ErrExpired when grant or token is no longer good.
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
	Session(ctx context.Context, token idp.Secret) (*idp.Session, *idp.User, error)
	EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error
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
	SetSession(w http.ResponseWriter, r *http.Request, token idp.Secret) error
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
	// SignedOut says that this browser is signed out.
	SignedOut(w http.ResponseWriter, r *http.Request, client string)
}

// Config is what the door is built from.
type Config struct {
	Issuer      string // exact, no trailing slash
	Store       Store
	Logins      Logins
	Keys        Keys
	Browsers    Browsers
	Pages       Pages
	AccessTTL   time.Duration // 15 min
	RefreshIdle time.Duration // 90 min
	Now         func() time.Time
	Log         *slog.Logger
}

// CollectPath is where a finished sign-in of a relying party is collected:
// CollectPath + login id.
const CollectPath = "/authorize/collect/"
