// Package viewer is a small PACS viewer as relying party, to be read by those
// who connect their own: sign in, see who signed in, refresh, call a protected
// API, sign out. It knows nothing of the provider but the standard, spoken by
// coreos/go-oidc and golang.org/x/oauth2.
package viewer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Config is what a viewer needs to know.
type Config struct {
	Issuer       string // the provider's URL, exactly as it names itself: with a slash at its end only where it has one
	ClientID     string
	ClientSecret string       // empty: a public client; else the method is client_secret_basic
	SigningAlg   string       // id_token_signed_response_alg as registered; empty: RS256
	BaseURL      string       // how browsers reach the viewer; its redirect URI is BaseURL + "/callback"
	HTTPClient   *http.Client // nil: http.DefaultClient
	Log          *slog.Logger // nil: slog.Default
}

//go:embed viewer.html viewer.css
var files embed.FS

// BackchannelPath is where the provider tells that a session has ended: Config.BaseURL
// + BackchannelPath is registered as backchannel_logout_uri (OpenID Connect
// Back-Channel Logout 1.0, section 2.2).
const BackchannelPath = "/backchannel-logout"

// Bounds of what is kept in memory, waited for and read.
const (
	pendingFor  = 10 * time.Minute // between leaving for the provider and coming back
	maxSessions = 10_000           // sessions that are kept; also sign-ins that are under way
	callTimeout = 10 * time.Second // of all calls to the provider within one request
	maxToken    = 64 << 10         // bytes of a request with a logout token
)

// New returns the viewer. It speaks to the provider first when somebody signs
// in, so both can be started in any order. Errors: Issuer is no URL of a provider
// (OpenID Connect Discovery 1.0, section 3), BaseURL is none or has a slash at its end,
// SigningAlg is no signature by a key pair.
func New(c Config) (http.Handler, error) {
	if u, err := url.Parse(c.Issuer); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("viewer: %q is not the URL of a provider", c.Issuer)
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || strings.HasSuffix(c.BaseURL, "/") {
		return nil, fmt.Errorf("viewer: %q is not a URL without a slash at its end", c.BaseURL)
	}
	if c.SigningAlg == "" {
		c.SigningAlg = oidc.RS256
	}
	if !slices.Contains([]string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}, c.SigningAlg) {
		return nil, fmt.Errorf("viewer: ID tokens are not signed with %q; RS256, PS256, ES256 or EdDSA", c.SigningAlg)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = http.DefaultClient
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	page, err := template.New("viewer.html").ParseFS(files, "viewer.html")
	if err != nil {
		return nil, err
	}
	v := &viewer{
		conf: c, page: page, secure: strings.HasPrefix(c.BaseURL, "https:"),
		pending: map[string]pending{}, sessions: map[string]*session{}, told: map[string]time.Time{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", v.home)
	mux.HandleFunc("GET /login", v.login)
	mux.HandleFunc("GET /callback", v.callback)
	mux.HandleFunc("POST /refresh", v.refresh)
	mux.HandleFunc("POST /logout", v.logout)
	mux.HandleFunc("POST "+BackchannelPath, v.backchannel)
	mux.HandleFunc("GET /api/studies", v.studies)
	mux.HandleFunc("GET /viewer.css", v.css)
	return http.NewCrossOriginProtection().Handler(mux), nil
}

type viewer struct {
	conf   Config
	page   *template.Template
	secure bool // cookies are sent over TLS only

	mu       sync.Mutex
	provider *oidc.Provider       // nil: its metadata was not read yet
	pending  map[string]pending   // by the value of the cookie viewer-pending
	sessions map[string]*session  // by the value of the cookie viewer-session
	told     map[string]time.Time // when logout tokens that were taken expire, by their jti
}

// pending is a browser on its way to the provider and back, with the parameters state
// and nonce and the PKCE verifier (RFC 7636) that were made for it.
type pending struct {
	state, nonce, verifier string
	maxAge                 time.Duration // that was asked for; less than 0: none
	until                  time.Time
}

// session is a browser that is signed in.
type session struct {
	token    *oauth2.Token
	rawID    string         // the ID token as it came, for id_token_hint
	claims   map[string]any // of the ID token
	userinfo map[string]any // claims of the userinfo response
	note     string         // a sentence for the page: when it was refreshed
}

// discover reads the provider's metadata, once (OpenID Connect Discovery 1.0, section
// 4). Errors: the provider cannot be reached, or its metadata names another issuer;
// then the next call tries again.
func (v *viewer) discover(ctx context.Context) (*oidc.Provider, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.provider != nil {
		return v.provider, nil
	}
	// The provider's key set outlives this request.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), v.conf.HTTPClient), v.conf.Issuer)
	if err != nil {
		return nil, err
	}
	v.provider = p
	return p, nil
}

// oauth returns the viewer's registration as package oauth2 takes it, with the scopes
// that the viewer asks for. How it proves itself is said: package oauth2 would else try
// one method after the other, and hand in a code twice.
func (v *viewer) oauth(p *oidc.Provider) *oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // client_secret_basic, each part form-encoded (RFC 6749, section 2.3.1)
	if v.conf.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client says its name alone (section 3.2.1)
	}
	return &oauth2.Config{
		ClientID: v.conf.ClientID, ClientSecret: v.conf.ClientSecret, Endpoint: endpoint, RedirectURL: v.conf.BaseURL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "roles", "groups", oidc.ScopeOfflineAccess},
	}
}

// context returns the context of calls to the provider on behalf of a request: with
// the HTTP client of Config, and over after callTimeout.
func (v *viewer) context(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(r.Context(), v.conf.HTTPClient), callTimeout)
}

// passed lists the parameters that a link to the viewer may hand on to the provider.
var passed = []string{"prompt", "max_age", "login_hint", "acr_values", "ui_locales"}

// login sends the browser to the provider with a state, a nonce and a PKCE
// challenge of its own, all bound to a cookie (OpenID Connect Core 1.0, section
// 3.1.2.1).
func (v *viewer) login(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	p, err := v.discover(ctx)
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in service cannot be reached", err)
		return
	}
	key := rand.Text()
	leaving := pending{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), maxAge: -1, until: time.Now().Add(pendingFor)}
	if seconds, err := strconv.ParseUint(r.URL.Query().Get("max_age"), 10, 31); err == nil {
		leaving.maxAge = time.Duration(seconds) * time.Second
	}
	v.mu.Lock()
	for k, old := range v.pending {
		if time.Now().After(old.until) || len(v.pending) >= maxSessions {
			delete(v.pending, k)
		}
	}
	v.pending[key] = leaving
	v.mu.Unlock()
	v.setCookie(w, "viewer-pending", key, pendingFor)

	options := []oauth2.AuthCodeOption{oidc.Nonce(leaving.nonce), oauth2.S256ChallengeOption(leaving.verifier)}
	for _, name := range passed {
		if value := r.URL.Query().Get(name); value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	http.Redirect(w, r, v.oauth(p).AuthCodeURL(leaving.state, options...), http.StatusSeeOther) //nolint:gosec // to the configured provider
}

// callback takes the authorization response (OpenID Connect Core 1.0, sections 3.1.2.5
// and 3.1.2.6), from the browser that asked, once.
func (v *viewer) callback(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	cookie, err := r.Cookie("viewer-pending")
	if err != nil {
		v.fail(w, http.StatusBadRequest, "This sign-in was not begun in this browser", err)
		return
	}
	v.mu.Lock()
	was, ok := v.pending[cookie.Value]
	delete(v.pending, cookie.Value)
	v.mu.Unlock()
	v.setCookie(w, "viewer-pending", "", -1)
	q := r.URL.Query()
	if !ok || time.Now().After(was.until) || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(was.state)) != 1 {
		v.fail(w, http.StatusBadRequest, "This sign-in is too old or was not begun in this browser", nil)
		return
	}
	p, err := v.discover(ctx)
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in service cannot be reached", err)
		return
	}
	if err := v.answeredBy(p, q); err != nil {
		v.fail(w, http.StatusBadRequest, "This answer came from another sign-in service", err)
		return
	}
	if code := q.Get("error"); code != "" {
		v.fail(w, http.StatusForbidden, "Not signed in: "+code, errors.New(q.Get("error_description")))
		return
	}
	token, err := v.oauth(p).Exchange(ctx, q.Get("code"), oauth2.VerifierOption(was.verifier))
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in could not be completed", err)
		return
	}
	s, err := v.open(ctx, p, token, asked{nonce: was.nonce, code: q.Get("code"), access: token.AccessToken, maxAge: was.maxAge})
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in could not be verified", err)
		return
	}
	id := rand.Text()
	v.mu.Lock()
	if len(v.sessions) >= maxSessions {
		clear(v.sessions)
	}
	v.sessions[id] = s
	v.mu.Unlock()
	v.setCookie(w, "viewer-session", id, 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// answeredBy compares who answered with whom we asked, so that the answer of another
// provider is not taken for ours (RFC 9207, section 2.4): iss has to be there once, and
// the issuer, where the provider promises it; one that is there has to be the issuer
// anyhow.
func (v *viewer) answeredBy(p *oidc.Provider, q url.Values) error {
	var meta struct {
		Promised bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&meta); err != nil {
		return err
	}
	if iss := q["iss"]; len(iss) == 0 && !meta.Promised || len(iss) == 1 && iss[0] == v.conf.Issuer {
		return nil
	}
	return fmt.Errorf("iss %q", q["iss"])
}

// open verifies the ID token against what was asked, asks for userinfo (OpenID Connect
// Core 1.0, section 5.3) and returns both as a session. A refresh may come without an ID
// token (section 12.2): then the one from before holds on. Errors: what does not hold,
// in words.
func (v *viewer) open(ctx context.Context, p *oidc.Provider, token *oauth2.Token, a asked) (*session, error) {
	s := &session{token: token}
	raw, ok := token.Extra("id_token").(string)
	var err error
	switch {
	case ok:
		s.rawID = raw
		if s.claims, err = v.idToken(ctx, p, raw, a); err != nil {
			return nil, err
		}
	case a.before != nil:
		s.rawID, s.claims = a.before.rawID, a.before.claims
	default:
		return nil, errors.New("no ID token came")
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	if info.Subject == "" || info.Subject != s.claims["sub"] {
		return nil, errors.New("userinfo speaks of another person")
	}
	return s, info.Claims(&s.userinfo)
}

// session returns the session of the browser, nil where it has none, and the value of
// its cookie.
func (v *viewer) session(r *http.Request) (string, *session) {
	cookie, err := r.Cookie("viewer-session")
	if err != nil {
		return "", nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return cookie.Value, v.sessions[cookie.Value]
}

// put keeps a session, or with nil ends it.
func (v *viewer) put(id string, s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s == nil {
		delete(v.sessions, id)
	} else {
		v.sessions[id] = s
	}
}

// refresh trades the refresh token for new tokens. A session that cannot be refreshed,
// or whose new tokens are not good, is ended.
func (v *viewer) refresh(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	id, s := v.session(r)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p, err := v.discover(ctx)
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in service cannot be reached", err)
		return
	}
	token, err := v.oauth(p).TokenSource(ctx, &oauth2.Token{RefreshToken: s.token.RefreshToken}).Token()
	if err != nil {
		v.put(id, nil)
		v.fail(w, http.StatusForbidden, "The session has ended", err)
		return
	}
	fresh, err := v.open(ctx, p, token, asked{access: token.AccessToken, before: s})
	if err != nil {
		v.put(id, nil)
		v.fail(w, http.StatusBadGateway, "The new tokens could not be verified", err)
		return
	}
	fresh.note = "Refreshed at " + time.Now().Format(time.TimeOnly)
	v.put(id, fresh)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends the viewer's session and sends the browser to the provider, which ends
// its own (OpenID Connect RP-Initiated Logout 1.0, section 2).
func (v *viewer) logout(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	id, s := v.session(r)
	v.put(id, nil)
	v.setCookie(w, "viewer-session", "", -1)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p, err := v.discover(ctx)
	if err != nil {
		v.fail(w, http.StatusBadGateway, "The sign-in service cannot be reached", err)
		return
	}
	var meta struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := p.Claims(&meta); err != nil || meta.EndSession == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	state := rand.Text()
	v.setCookie(w, "viewer-leaving", state, pendingFor)
	q := url.Values{"id_token_hint": {s.rawID}, "post_logout_redirect_uri": {v.conf.BaseURL + "/"}, "state": {state}}
	http.Redirect(w, r, with(meta.EndSession, q), http.StatusSeeOther)
}

// with adds parameters to the address of an endpoint, which may have some of its own.
func with(endpoint string, q url.Values) string {
	if strings.Contains(endpoint, "?") {
		return endpoint + "&" + q.Encode()
	}
	return endpoint + "?" + q.Encode()
}

// returned tells what became of signing out, when the browser comes back from the
// provider: empty for one that did not leave for it. The viewer's own session has ended
// before it left; whether the provider's has, only an answer with the state that was
// sent says (OpenID Connect RP-Initiated Logout 1.0, section 2).
func (v *viewer) returned(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie("viewer-leaving")
	if err != nil {
		return ""
	}
	v.setCookie(w, "viewer-leaving", "", -1)
	if subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(cookie.Value)) != 1 {
		return "You are signed out here. The sign-in service did not confirm that it signed you out."
	}
	return "You are signed out."
}

// backchannel ends the sessions of which the provider says that they have ended (OpenID
// Connect Back-Channel Logout 1.0, section 2.5); no browser takes part.
func (v *viewer) backchannel(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxToken)
	p, err := v.discover(ctx)
	if err != nil {
		v.conf.Log.Warn("viewer", "error", err)
		http.Error(w, "The sign-in service cannot be reached", http.StatusServiceUnavailable) // it will try again
		return
	}
	token, err := v.logoutToken(ctx, p, r.PostFormValue("logout_token"))
	if err != nil {
		v.conf.Log.Warn("viewer", "problem", "a logout token is refused", "error", err)
		http.Error(w, "This is no logout token for this application", http.StatusBadRequest) // section 2.8
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, s := range v.sessions {
		if (token.Subject == "" || s.claims["sub"] == token.Subject) && (token.SessionID == "" || s.claims["sid"] == token.SessionID) {
			delete(v.sessions, id)
		}
	}
	// One that is not known here is signed out already, which is what was asked.
	w.WriteHeader(http.StatusOK)
}

// Study is a line of the study list.
type Study struct {
	Patient  string `json:"patient"`
	Date     string `json:"date"`     // 2006-01-02
	Modality string `json:"modality"` // as DICOM has it: CT, MR, DX
	What     string `json:"description"`
}

var list = []Study{
	{"SAMPLE^ALPHA", "2026-11-20", "CT", "Chest with contrast"},
	{"SAMPLE^BETA", "2026-11-19", "MR", "Knee left"},
	{"SAMPLE^GAMMA", "2026-11-18", "DX", "Hand right, two views"},
}

// studies is the protected API: it asks the provider whether the access token
// is good, at each call, by userinfo. The token is that of the Authorization header
// (RFC 6750, section 2.1), else that of the browser's session.
func (v *viewer) studies(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := v.context(r)
	defer cancel()
	access, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, s := v.session(r); !ok && s != nil {
		access = s.token.AccessToken
	}
	w.Header().Set("Cache-Control", "no-store")
	if access == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "Sign in first", http.StatusUnauthorized)
		return
	}
	p, err := v.discover(ctx)
	if err != nil {
		v.conf.Log.Warn("viewer", "error", err)
		http.Error(w, "The sign-in service cannot be reached", http.StatusBadGateway)
		return
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access}))
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "This access has ended; sign in again", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]any{"for": info.Subject, "studies": list}); err != nil {
		v.conf.Log.Debug("viewer", "error", err)
	}
}

// view is what the page is filled from.
type view struct {
	SignedIn         bool
	Name, User       string  // shown, and to sign in with
	How, Class, When string  // amr, acr and auth_time of the ID token
	Claims, Info     []claim // of the ID token, and of userinfo
	Expires, Note    string  // Expires: of the access token, time of day
	Refreshable      bool
	Studies          []Study
	Problem, Detail  string // Detail: the error behind the problem
}

type claim struct{ Name, Value string }

func (v *viewer) home(w http.ResponseWriter, r *http.Request) {
	_, s := v.session(r)
	if s == nil {
		v.render(w, http.StatusOK, view{Note: v.returned(w, r)})
		return
	}
	p := view{
		SignedIn: true, Studies: list, Note: s.note, Refreshable: s.token.RefreshToken != "",
		Claims: claims(s.claims), Info: claims(s.userinfo), Expires: s.token.Expiry.Format(time.TimeOnly),
	}
	p.Name, _ = s.userinfo["name"].(string)
	p.User, _ = s.userinfo["preferred_username"].(string)
	p.Class, _ = s.claims["acr"].(string)
	if at, ok := s.claims["auth_time"].(float64); ok {
		p.When = time.Unix(int64(at), 0).Format(time.DateTime)
	}
	if amr, ok := s.claims["amr"].([]any); ok {
		words := make([]string, len(amr))
		for i, m := range amr {
			words[i] = fmt.Sprint(m)
		}
		p.How = strings.Join(words, ", ")
	}
	v.render(w, http.StatusOK, p)
}

// claims returns claims by name, in order. A text is as it is, a number without what is
// behind its point, anything else is JSON.
func claims(m map[string]any) []claim {
	list := make([]claim, 0, len(m))
	for name, value := range m {
		text, ok := value.(string)
		if !ok {
			b, err := json.Marshal(value)
			if err != nil {
				continue
			}
			text = string(b)
		}
		if n, ok := value.(float64); ok {
			text = fmt.Sprintf("%.0f", n)
		}
		list = append(list, claim{name, text})
	}
	slices.SortFunc(list, func(a, b claim) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// fail shows a problem with the error behind it, which is logged, too.
func (v *viewer) fail(w http.ResponseWriter, status int, what string, err error) {
	p := view{Problem: what}
	if err != nil {
		p.Detail = err.Error()
		v.conf.Log.Warn("viewer", "problem", what, "error", err)
	}
	v.render(w, status, p)
}

// render writes the page whole, with the headers that every page has.
func (v *viewer) render(w http.ResponseWriter, status int, p view) {
	var b bytes.Buffer
	if err := v.page.Execute(&b, p); err != nil {
		v.conf.Log.Error("viewer", "error", err)
		http.Error(w, "Something went wrong on the viewer's side", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	// Signing out is a form that ends at the provider.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' "+v.origin()+"; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone; nobody is left to be told
}

// origin is the provider's origin (RFC 6454, section 6.2), for the content policy.
func (v *viewer) origin() string {
	u, err := url.Parse(v.conf.Issuer)
	if err != nil {
		return "'none'" // New has parsed it
	}
	return u.Scheme + "://" + u.Host
}

func (v *viewer) css(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "viewer.css")
}

// setCookie sets a cookie for life; 0: until the browser is closed; less: it is taken
// away.
func (v *viewer) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	//nolint:gosec // Secure everywhere but on plain-http loopback
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode}
	switch {
	case life < 0:
		c.MaxAge = -1
	case life > 0:
		c.MaxAge = int(life.Seconds())
	}
	http.SetCookie(w, c)
}
