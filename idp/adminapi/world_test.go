package adminapi_test

import (
	"encoding/base32"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/oidc"
	"hilum/idp/password"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/totp"
)

// world is a provider on real parts: the database, the token endpoint, the
// verbs and this door.
type world struct {
	testing.TB
	clock    *idptest.Clock
	db       *store.DB
	desk     *admin.Desk
	deskConf admin.Config
	flow     *login.Flow
	door     *adminapi.Server
	srv      *httptest.Server
	log      *idptest.Log
	anna     *idp.User // with a device and a session
	boss     *idp.User // an administrator
	device   idp.DeviceID
	live     idp.SessionID
	viewer   *idp.Client // anna's session knows it
	// programs are clients with a token each, by role.
	programs map[idp.StaffRole]*program
}

type program struct {
	id     idp.ClientID
	secret idp.Secret
	token  string
}

// What the token endpoint asks of pages is nothing.
type (
	noBrowsers struct{ oidc.Browsers }
	noPages    struct{ oidc.Pages }
)

var console = admin.Console("console:test")

// mails has the desk send mail, or not: the same desk, which the door has too.
func (w *world) mails(on bool) {
	w.deskConf.Mail = on
	*w.desk = *admin.New(w.deskConf)
}

// newWorld starts a provider. change, where there is one, changes how the door is built.
func newWorld(t testing.TB, change ...func(*adminapi.Config)) *world {
	t.Helper()
	w := &world{TB: t, clock: idptest.At(time.Now().UTC().Truncate(time.Second)), log: &idptest.Log{}, programs: map[idp.StaffRole]*program{}}
	ctx := t.Context()
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.db = idptest.Store(t, w.clock.Now, log)
	sealer := idptest.Sealer(t)
	keys := idptest.Must(keyring.Open(ctx, keyring.Config{Store: w.db, Sealer: sealer, Algs: []string{keyring.ES256}, Now: w.clock.Now, Log: log}))(t)
	w.flow = login.New(login.Config{
		Store: w.db, Passwords: password.New(password.Config{MemoryKiB: 64, Time: 1, Parallelism: 1}), Sealer: sealer,
		Rules: login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: idp.Named("Test")}, Now: w.clock.Now, Log: log,
	})
	w.deskConf = admin.Config{
		Store: w.db, Now: w.clock.Now, Log: log, Languages: []string{"en", "nl"}, Site: idp.Named("Test"),
		Settings: func() []idp.Setting {
			return []idp.Setting{
				{Key: admin.SiteName, Default: "Hilum", From: idp.SettingDefault, Env: "IDP_SITE_NAME"},
				{Key: admin.SiteAccent, Value: "#0a7d6c", Default: "", From: idp.SettingConfigured, Place: "idp.yaml:3", Env: "IDP_SITE_ACCENT"},
			}
		},
	}
	w.desk = admin.New(w.deskConf)

	w.srv = httptest.NewUnstartedServer(nil)
	issuer := "http://" + w.srv.Listener.Addr().String()
	tokens := idptest.Must(oidc.New(oidc.Config{
		Issuer: issuer, Store: w.db, Logins: w.flow, Keys: keys, Browsers: noBrowsers{}, Pages: noPages{}, Now: w.clock.Now, Log: log,
	}))(t)
	conf := adminapi.Config{
		Issuer: issuer, Version: "test", Store: w.db, Desk: w.desk, Now: w.clock.Now, Log: log,
		Push: func() []idp.PushFigures {
			return []idp.PushFigures{{Type: "webpush", Attempts: 3, Delivered: 2, P50: 100 * time.Millisecond, LastError: "gone"}}
		},
	}
	for _, fn := range change {
		fn(&conf)
	}
	w.door = adminapi.New(conf)
	mux := http.NewServeMux()
	tokens.Mount(mux)
	w.door.Mount(mux)
	mux.Handle("GET /admin/", http.NotFoundHandler()) // the pages have the rest
	w.srv.Config.Handler = serve.Handler(mux, serve.Config{
		Log: log, Bodies: map[string]int64{adminapi.ImportPath: admin.MaxImportBytes}, Problems: []string{adminapi.Prefix},
	})
	w.srv.Start()
	t.Cleanup(w.srv.Close)

	w.boss = w.enrolled("boss", idp.StaffAdmin)
	w.anna = w.enrolled("anna", idp.StaffNone)
	w.device = idptest.Must(w.desk.Devices(ctx, console, w.anna.ID))(t)[0].ID
	sessions := idptest.Must(w.desk.SearchSessions(ctx, console, idp.SessionQuery{User: w.anna.ID}))(t)
	w.live = sessions.Rows[0].Session.ID
	w.viewer = &idp.Client{
		ID: "pacs-viewer", Name: "PACS viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, Scopes: []string{"openid", "profile"},
		RedirectURIs: []string{"https://viewer.test/cb"}, AccessFormat: idp.AccessOpaque,
	}
	idptest.Must(w.desk.AddClient(ctx, console, w.viewer))(t)
	for _, role := range roles {
		w.programs[role] = w.program(string(role), nil, idp.ScopeOf(role))
	}
	return w
}

var roles = []idp.StaffRole{idp.StaffAuditor, idp.StaffHelpdesk, idp.StaffAdmin}

// enrolled adds somebody who has linked a device and is signed in.
func (w *world) enrolled(name string, staff idp.StaffRole) *idp.User {
	w.Helper()
	ctx := w.Context()
	u := &idp.User{Name: name, DisplayName: "Anna Bergmann", Email: name + "@klinik.test", Phone: "+49 30 1", PhoneVerified: true, Groups: []string{"ct"}, Staff: staff}
	if err := w.desk.AddUser(ctx, console, u); err != nil {
		w.Fatal(err)
	}
	link := idptest.Must(w.desk.Invite(ctx, console, u.ID, admin.ViaLink))(w)
	b := login.Browser{ID: idp.NewToken().Hash(), Address: "192.0.2.7", Agent: "test"}
	step := idptest.Must(w.flow.StartInvitation(ctx, link.Token, b))(w)
	secret := idptest.Must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(step.Enrol.Offer.Secret, " ", "")))(w)
	if _, _, err := w.flow.Enrol(ctx, step.ID, b, login.EnrolForm{Password: "correct horse battery staple 42", Code: totp.Code(secret, w.clock.Now()), DeviceName: "=phone"}); err != nil {
		w.Fatal(err)
	}
	idptest.Must(w.flow.Collect(ctx, step.ID, b))(w)
	return idptest.Must(w.desk.User(ctx, console, u.ID))(w)
}

// program registers a client and gets it a token of the token endpoint.
func (w *world) program(id string, change func(*idp.Client), scopes ...string) *program {
	w.Helper()
	c := &idp.Client{
		ID: idp.ClientID(id), Name: id, Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantClientCredentials}, Scopes: scopes,
		IDTokenAlg: keyring.ES256, AccessFormat: idp.AccessOpaque,
	}
	if change != nil {
		change(c)
	}
	p := &program{id: c.ID, secret: idptest.Must(w.desk.AddClient(w.Context(), console, c))(w)}
	p.token = w.token(p, "")
	return p
}

// token gets a program a token, for some of its scopes or all.
func (w *world) token(p *program, scope string) string {
	w.Helper()
	form := url.Values{"grant_type": {idp.GrantClientCredentials}}
	if scope != "" {
		form.Set("scope", scope)
	}
	r := idptest.Must(http.NewRequestWithContext(w.Context(), "POST", w.srv.URL+"/token", strings.NewReader(form.Encode())))(w)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(string(p.id), p.secret.Reveal())
	res := idptest.Must(http.DefaultClient.Do(r))(w)
	defer res.Body.Close()
	var got struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Access == "" {
		w.Fatalf("token endpoint: %d %v", res.StatusCode, err)
	}
	return got.Access
}

// personsToken is a token that stands for anna, with scopes that none can have.
func (w *world) personsToken() string {
	w.Helper()
	now, token := w.clock.Now(), idp.NewToken()
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: w.programs[idp.StaffAdmin].id, User: w.boss.ID, Scopes: []string{"openid", idp.ScopeAdmin}, AuthTime: now,
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	err := w.db.AddTokens(w.Context(), g, idp.Issue{Access: idp.AccessToken{
		Hash: token.Hash(), Grant: g.ID, Scopes: g.Scopes, Audience: []string{string(g.Client)}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}})
	if err != nil {
		w.Fatal(err)
	}
	return token.Reveal()
}

// reply is an answer, read to the end.
type reply struct {
	*http.Response
	body string
}

func (r *reply) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
}

// problem is what a problem document says.
type problem struct {
	Type, Title, Detail, Field, Code, Request string
	Status                                    int
	Faults                                    []map[string]any
	More                                      bool
}

func (r *reply) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	r.into(t, &p)
	if kind := r.Header.Get("Content-Type"); kind != "application/problem+json" || p.Status != r.StatusCode || p.Title == "" || p.Request == "" {
		t.Errorf("no problem document: %d %s %s", r.StatusCode, kind, r.body)
	}
	return p
}

// want checks a problem by the end of its type.
func (r *reply) want(t testing.TB, status int, kind string) problem {
	t.Helper()
	p := r.problem(t)
	if r.StatusCode != status || p.Type != "urn:hilum:problem:"+kind {
		t.Errorf("%d %s, want %d %s", r.StatusCode, r.body, status, kind)
	}
	return p
}

// ask sends a request with a token, empty for none. body's type is JSON unless
// pairs of headers say otherwise. The answer is held against the document.
func (w *world) ask(token, method, path, body string, headers ...string) *reply {
	w.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := idptest.Must(http.NewRequestWithContext(w.Context(), method, w.srv.URL+path, in))(w)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res := idptest.Must(client.Do(r))(w)
	defer res.Body.Close()
	out := &reply{res, string(idptest.Must(io.ReadAll(res.Body))(w))}
	if out.Header.Get("Cache-Control") != "no-store" {
		w.Errorf("%s %s may be stored: %q", method, path, out.Header.Get("Cache-Control"))
	}
	w.isAsWritten(r, out)
	return out
}

// as is ask with the token of a role.
func (w *world) as(role idp.StaffRole, method, path, body string, headers ...string) *reply {
	w.Helper()
	return w.ask(w.programs[role].token, method, adminapi.Base+path, body, headers...)
}

// events are those of a kind, the newest first.
func (w *world) events(kind idp.EventKind) []idp.Event {
	w.Helper()
	return idptest.Must(w.desk.SearchEvents(w.Context(), console, idp.EventQuery{Kinds: []idp.EventKind{kind}}))(w).Rows
}
