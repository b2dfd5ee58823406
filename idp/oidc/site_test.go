package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/password"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/totp"
)

// site is a whole provider on real parts; only its pages are of this test.
type site struct {
	t        testing.TB
	issuer   string
	db       *store.DB
	database store.Config // of db, for whoever opens it beside
	store    *watched     // what the door sees of db
	flow     *login.Flow
	desk     *admin.Desk
	server   *Server
	clock    *idptest.Clock
	sealer   *keyring.Sealer
	log      *idptest.Log
	admin    admin.By

	sectors *http.Client // reads sector_identifier_uri; nil: none is read

	mu        sync.Mutex
	begun     int // sign-ins that the address may still begin
	requested map[idp.SessionID]int
}

// perAddress and perSession are bounds that tests set.
func (s *site) perAddress(string) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun--
	return time.Second, s.begun >= 0
}

func (s *site) perSession(id idp.SessionID) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requested[id]++
	return time.Second, s.requested[id] <= 10_000
}

// watched is the store, with a way to make it fail.
type watched struct {
	*store.DB
	mu   sync.Mutex
	fail error
}

func (w *watched) failing() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fail
}

func (w *watched) breakWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *watched) IssuedCode(ctx context.Context, h idp.TokenHash) (*idp.Code, *idp.Grant, error) {
	if err := w.failing(); err != nil {
		return nil, nil, err
	}
	return w.DB.IssuedCode(ctx, h)
}

func (w *watched) Access(ctx context.Context, h idp.TokenHash) (*idp.AccessToken, *idp.Grant, *idp.User, error) {
	if err := w.failing(); err != nil {
		return nil, nil, nil, err
	}
	return w.DB.Access(ctx, h)
}

func (w *watched) Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) {
	if err := w.failing(); err != nil && id == "broken" {
		return nil, err
	}
	return w.DB.Client(ctx, id)
}

// testSubjects makes the sub of people.
var testSubjects = idp.NewSubjects([]byte("the key of the subjects of tests"))

// newSite starts a provider on loopback.
func newSite(t testing.TB, change ...func(*site, *Config)) *site {
	t.Helper()
	s := &site{t: t, clock: idptest.At(time.Now().UTC().Truncate(time.Second)), log: &idptest.Log{}, admin: admin.Console("console:test"), begun: 1 << 30, requested: map[idp.SessionID]int{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	db, sealer := idptest.Store(t, s.clock.Now, log, func(c *store.Config) { s.database = *c }), idptest.Sealer(t)
	s.sealer, s.db, s.store = sealer, db, &watched{DB: db}
	s.flow = login.New(login.Config{
		Store: db, Passwords: password.New(password.Config{MemoryKiB: 64, Time: 1, Parallelism: 1}), Sealer: sealer,
		Rules: login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: idp.Named("Test")},
		Now:   s.clock.Now, Log: log,
		PerAddress: s.perAddress, PerSession: s.perSession,
	})
	s.desk = admin.New(admin.Config{
		Store: db, Now: s.clock.Now, Log: log, Subjects: testSubjects, Realm: "Clinic-1",
		Sector: func(ctx context.Context, uri string) ([]string, error) {
			if s.sectors == nil {
				return nil, errors.New("none")
			}
			return SectorRedirects(ctx, s.sectors, uri)
		},
	})

	ts := httptest.NewUnstartedServer(nil)
	s.issuer = "http://" + ts.Listener.Addr().String()
	var err error
	conf := Config{
		Issuer: s.issuer, Store: s.store, Logins: s.flow, Keys: ring(), Browsers: testBrowsers{}, Pages: testPages{},
		Now: s.clock.Now, Log: log, Subjects: testSubjects,
	}
	for _, fn := range change {
		fn(s, &conf)
	}
	s.server, err = New(conf)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.server.Mount(mux)
	ts.Config.Handler = serve.Handler(mux, serve.Config{Log: log, Refusals: s.server.Refusals()})
	ts.Start()
	t.Cleanup(ts.Close)
	return s
}

// testBrowsers keeps cookies as they are.
type testBrowsers struct{}

func (testBrowsers) Browser(w http.ResponseWriter, r *http.Request) (login.Browser, error) {
	b := login.Browser{Address: serve.From(r.Context()).Address, Agent: "test"}
	if c, err := r.Cookie("session"); err == nil {
		b.Session = idp.Secret(c.Value)
	}
	if c, err := r.Cookie("browser"); err == nil {
		b.ID = idp.Secret(c.Value).Hash()
		return b, nil
	}
	v := idp.NewToken()
	b.ID = v.Hash()
	http.SetCookie(w, &http.Cookie{Name: "browser", Value: v.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return b, nil
}

func (testBrowsers) SetSession(w http.ResponseWriter, _ *http.Request, token, _ idp.Secret) error {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: token.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return nil
}

func (testBrowsers) ClearSession(w http.ResponseWriter, _ *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	return nil
}

// testPages says in plain words which page it is.
type testPages struct{}

func (testPages) LoginPath(id idp.LoginID) string { return "/login/" + string(id) }

func (testPages) ErrorPage(w http.ResponseWriter, _ *http.Request, status int, key string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "error page %s", key)
}

func writeForm(w http.ResponseWriter, title, action string, fields url.Values) {
	fmt.Fprintf(w, "<title>%s</title><form method=post action=\"%s\">", title, html.EscapeString(action))
	for name, values := range fields {
		for _, v := range values {
			fmt.Fprintf(w, "<input name=\"%s\" value=\"%s\">", html.EscapeString(name), html.EscapeString(v))
		}
	}
}

func (testPages) FormPost(w http.ResponseWriter, _ *http.Request, action string, fields url.Values) {
	writeForm(w, "form post", action, fields)
}

func (testPages) ConfirmSignOut(w http.ResponseWriter, _ *http.Request, action string, fields url.Values, client string) {
	writeForm(w, "confirm sign-out "+client, action, fields)
}

func (testPages) SignedOut(w http.ResponseWriter, _ *http.Request, client string, _ idp.SessionID, noWayBack bool) {
	fmt.Fprintf(w, "<title>signed out %s</title>", client)
	if noWayBack {
		fmt.Fprint(w, "no way back")
	}
}

var inputs = regexp.MustCompile(`<input name="([^"]*)" value="([^"]*)">`)

// formOf reads the form of a page.
func formOf(page string) (action string, fields url.Values) {
	_, rest, _ := strings.Cut(page, ` action="`)
	action, _, _ = strings.Cut(rest, `"`)
	fields = url.Values{}
	for _, m := range inputs.FindAllStringSubmatch(page, -1) {
		fields.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return html.UnescapeString(action), fields
}

// client is a registered application with its secret.
type client struct {
	*idp.Client
	secret idp.Secret
	key    *ownKey // of one that signs assertions
}

const callback = "https://viewer.test/callback"

// addClient registers a confidential client that may do everything, as change says.
func (s *site) addClient(change func(*idp.Client)) *client {
	s.t.Helper()
	c := &idp.Client{
		Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic,
		RedirectURIs:   []string{callback},
		PostLogoutURIs: []string{"https://viewer.test/bye"},
		Origins:        []string{"https://viewer.test"},
		GrantTypes:     []string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials},
		Scopes:         []string{"profile", "email", "phone", "groups", "roles", "offline_access", "pacs"},
		IDTokenAlg:     keyring.ES256,
	}
	if change != nil {
		change(c)
	}
	secret, err := s.desk.AddClient(s.t.Context(), s.admin, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{Client: c, secret: secret}
}

// editClient changes a registered client.
func (s *site) editClient(c *client, fn func(*idp.Client)) {
	s.t.Helper()
	if err := s.desk.EditClient(s.t.Context(), s.admin, c.ID, fn); err != nil {
		s.t.Fatal(err)
	}
}

func public(c *idp.Client) {
	c.Auth = idp.AuthNone
	c.GrantTypes = []string{idp.GrantCode, idp.GrantRefresh}
}

// person is somebody with a password and a device.
type person struct {
	*idp.User
	totp []byte
}

const rightPassword = idp.Secret("correct horse battery staple 42")

// addPerson invites somebody, who enrols.
func (s *site) addPerson(name string) *person {
	s.t.Helper()
	ctx := s.t.Context()
	u := &idp.User{
		Name: name, DisplayName: "Anna Röntgen", GivenName: "Anna", FamilyName: "Röntgen",
		Email: name + "@klinik.test", Phone: "+49 30 1234", Locale: "de-DE",
		Roles: []string{"radiologist"}, Groups: []string{"ward \"3\"", "mri"},
	}
	if err := s.desk.AddUser(ctx, s.admin, u); err != nil {
		s.t.Fatal(err)
	}
	link, err := s.desk.Invite(ctx, s.admin, u.ID, admin.ViaLink)
	if err != nil {
		s.t.Fatal(err)
	}
	b := login.Browser{ID: idp.NewToken().Hash(), Address: "127.0.0.1", Agent: "test"}
	step, err := s.flow.StartInvitation(ctx, link.Token, b)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(step.Enrol.Offer.Secret, " ", ""))
	if err != nil {
		s.t.Fatal(err)
	}
	_, _, err = s.flow.Enrol(ctx, step.ID, b, login.EnrolForm{
		Password: rightPassword, Code: totp.Code(secret, s.clock.Now()), DeviceName: "phone",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.flow.Collect(ctx, step.ID, b); err != nil {
		s.t.Fatal(err)
	}
	return &person{u, secret}
}

// browser is a person's browser. It follows no redirect by itself.
type browser struct {
	*http.Client
	s *site
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, s}
}

// reply is an answer, read to the end.
type reply struct {
	*http.Response
	body string
}

func (b *browser) do(r *http.Request) *reply {
	b.s.t.Helper()
	resp, err := b.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return &reply{resp, string(body)}
}

func (b *browser) get(path string) *reply {
	b.s.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.s.issuer + path
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, path, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(path string, form url.Values, headers ...string) *reply {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodPost, b.s.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(r)
}

// asLogin is the browser as login.Flow sees it.
func (b *browser) asLogin() login.Browser {
	u, _ := url.Parse(b.s.issuer)
	seen := login.Browser{Address: "127.0.0.1", Agent: "test"}
	for _, c := range b.Jar.Cookies(u) {
		switch c.Name {
		case "browser":
			seen.ID = idp.Secret(c.Value).Hash()
		case "session":
			seen.Session = idp.Secret(c.Value)
		}
	}
	return seen
}

// prove types password and code of a sign-in; a step of the device's clock
// passes, so that its code is a new one.
func (b *browser) prove(id idp.LoginID, p *person) {
	b.s.t.Helper()
	if b.proveUnasked(id, p) == idp.LoginConsent {
		if _, err := b.s.flow.Consent(b.s.t.Context(), id, b.asLogin(), true); err != nil {
			b.s.t.Fatal(err)
		}
	}
}

// proveUnasked is prove, and returns what is asked for then.
func (b *browser) proveUnasked(id idp.LoginID, p *person) idp.LoginState {
	b.s.t.Helper()
	b.s.clock.Add(totp.Period * time.Second)
	if _, err := b.s.flow.Password(b.s.t.Context(), id, b.asLogin(), p.Name, rightPassword); err != nil {
		b.s.t.Fatal(err)
	}
	step, err := b.s.flow.Code(b.s.t.Context(), id, b.asLogin(), totp.Code(p.totp, b.s.clock.Now()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	return step.State
}

const verifier = "a-verifier-of-at-least-forty-three-characters-"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request; pairs of name and value change it,
// an empty value takes a parameter away.
func request(c *client, pairs ...string) url.Values {
	q := url.Values{
		"client_id": {string(c.ID)}, "redirect_uri": {c.RedirectURIs[0]}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "state": {"the state"}, "nonce": {"the nonce"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// loginOf is the sign-in that a redirect leads to.
func (r *reply) loginOf(t testing.TB) idp.LoginID {
	t.Helper()
	id, ok := strings.CutPrefix(r.Header.Get("Location"), "/login/")
	if r.StatusCode != http.StatusSeeOther || !ok {
		t.Fatalf("no sign-in began: %d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	return idp.LoginID(id)
}

// answered is what the relying party was told in a query.
func (r *reply) answered(t testing.TB) url.Values {
	t.Helper()
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil || r.StatusCode != http.StatusSeeOther || strings.HasPrefix(u.Path, "/login/") {
		t.Fatalf("the relying party was not answered: %d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	return u.Query()
}

// signIn goes the whole way and returns the authorization code.
func (b *browser) signIn(p *person, q url.Values) idp.Secret {
	b.s.t.Helper()
	start := b.get(pathAuthorize + "?" + q.Encode())
	id := start.loginOf(b.s.t)
	b.prove(id, p)
	got := b.get(CollectPath + string(id)).answered(b.s.t)
	if got.Get("code") == "" {
		b.s.t.Fatalf("no code: %v", got)
	}
	return idp.Secret(got.Get("code"))
}

// call posts a form as a client, in the way it is registered for.
func (s *site) call(path string, c *client, form url.Values, headers ...string) *reply {
	s.t.Helper()
	form = cloned(form)
	switch c.Auth {
	case idp.AuthBasic:
		r, _ := http.NewRequest(http.MethodPost, s.issuer, nil)
		r.SetBasicAuth(url.QueryEscape(string(c.ID)), url.QueryEscape(c.secret.Reveal()))
		headers = append(headers, "Authorization", r.Header.Get("Authorization"))
	case idp.AuthPost:
		form.Set("client_id", string(c.ID))
		form.Set("client_secret", c.secret.Reveal())
	case idp.AuthNone, idp.AuthTLS, idp.AuthSelfSigned:
		form.Set("client_id", string(c.ID))
	case idp.AuthPrivateKey:
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", c.key.sign(s.t, s.assertion(c), nil))
	}
	return s.browser().post(path, form, headers...)
}

func cloned(form url.Values) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = slices.Clone(v)
	}
	return out
}

// token asks the token endpoint.
func (s *site) token(c *client, pairs ...string) (*tokens, *reply) {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	r := s.call(pathToken, c, form)
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		s.t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	return &got, r
}

// exchange redeems a code; pairs change the good request.
func (s *site) exchange(c *client, code idp.Secret, pairs ...string) (*tokens, *reply) {
	s.t.Helper()
	good := []string{"grant_type", idp.GrantCode, "code", code.Reveal(), "redirect_uri", c.RedirectURIs[0], "code_verifier", verifier}
	form := map[string]string{}
	for i := 0; i < len(good); i += 2 {
		form[good[i]] = good[i+1]
	}
	for i := 0; i < len(pairs); i += 2 {
		form[pairs[i]] = pairs[i+1]
	}
	var flat []string
	for k, v := range form {
		flat = append(flat, k, v)
	}
	return s.token(c, flat...)
}

// mustExchange redeems a code and wants tokens.
func (s *site) mustExchange(c *client, code idp.Secret) *tokens {
	s.t.Helper()
	got, r := s.exchange(c, code)
	if r.StatusCode != http.StatusOK || got.Access == "" {
		s.t.Fatalf("no tokens: %d %s", r.StatusCode, r.body)
	}
	return got
}

func (s *site) refresh(c *client, token string, pairs ...string) (*tokens, *reply) {
	s.t.Helper()
	return s.token(c, append([]string{"grant_type", idp.GrantRefresh, "refresh_token", token}, pairs...)...)
}

func (s *site) mustRefresh(c *client, token string) *tokens {
	s.t.Helper()
	got, r := s.refresh(c, token)
	if r.StatusCode != http.StatusOK || got.Access == "" {
		s.t.Fatalf("no tokens: %d %s", r.StatusCode, r.body)
	}
	return got
}

// userinfo asks with an access token in the header.
func (s *site) userinfo(access string, headers ...string) *reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.issuer+pathUserinfo, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if access != "" {
		r.Header.Set("Authorization", "Bearer "+access)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.browser().do(r)
}

// alive reports whether an access token is good.
func (s *site) alive(access string) bool {
	s.t.Helper()
	return s.userinfo(access).StatusCode == http.StatusOK
}

// refused wants an error of a machine endpoint.
func refused(t testing.TB, r *reply, status int, code string) {
	t.Helper()
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != status || got.Error != code {
		t.Errorf("got %d %s, want %d %s", r.StatusCode, r.body, status, code)
	}
}
