package desk_test

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// chief is an administrator who has just set the site up, on the real parts.
type chief struct {
	*walk.Walk
	who *walk.Account
}

func newChief(t *testing.T, change ...func(*walk.Parts)) *chief {
	t.Helper()
	c := &chief{walk.New(t, change...), &walk.Account{}}
	link, err := c.Desk.SetupLink(t.Context(), walk.Console)
	if err != nil {
		t.Fatal(err)
	}
	page := c.Submit(c.Visit("/setup/"+link.Token.Reveal()), link.Token.Reveal())
	page = c.Submit(page, "/name", "username", "chief", "name", "Chief of All")
	page = c.Submit(page, "/enrol", "password", walk.Password)
	c.who.Phone = c.Secret(page)
	page = c.Submit(page, "/enrol", "code", c.Code(c.who), "device_name", "Chief's phone")
	c.Sees(c.Submit(page, "/collect"), "/admin/start")
	a, err := c.DB.AccountByName(t.Context(), "chief")
	if err != nil {
		t.Fatal(err)
	}
	c.who.User = a.User
	return c
}

// app registers an application, changed as said.
func (c *chief) app(id idp.ClientID, change func(*idp.Client)) *idp.Client {
	c.Helper()
	app := &idp.Client{
		ID: id, Name: "Radiology Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode, idp.GrantRefresh},
		RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid", "profile", "groups", "offline_access"},
	}
	if change != nil {
		change(app)
	}
	if _, err := c.Desk.AddClient(c.Context(), walk.Console, app); err != nil {
		c.Fatal(err)
	}
	return app
}

// begins starts a test and returns the page it leads to.
func (c *chief) begins(app idp.ClientID, how string) string {
	c.Helper()
	page := c.Visit("/admin/applications/" + string(app) + "/try")
	if strings.HasPrefix(c.Path, "/login/") {
		c.Later()
		page = c.Submit(page, "/code", "code", c.Code(c.who))
	}
	c.Sees(page, "/admin/applications/"+string(app)+"/try", "As somebody new", "With your session")
	return c.Arrive(c.Post("/admin/applications/"+string(app)+"/try", "how", how))
}

// signsIn gives password and code on the pages of a sign-in.
func (c *chief) signsIn(page string) string {
	c.Helper()
	return c.SignIn(c.who, page)
}

// answerOf goes as far as the address that the browser would bring the answer
// to, and stays there.
func (c *chief) answerOf(app idp.ClientID) *url.URL {
	c.Helper()
	to := c.authorizeOf(app)
	u, err := url.Parse(c.Held().Get(strings.TrimPrefix(to, c.URL)).Header.Get("Location"))
	if err != nil || u.Path != desk.TryCallback || u.Query().Get("code") == "" {
		c.Fatalf("no answer at %v (%v)", u, err)
	}
	return u
}

// authorizeOf begins a test with the session and stays before the provider.
func (c *chief) authorizeOf(app idp.ClientID) string {
	c.Helper()
	r := c.Held().Post("/admin/applications/"+string(app)+"/try", "how", "session")
	to := r.Header.Get("Location")
	if !strings.HasPrefix(to, c.URL+"/authorize?") {
		c.Fatalf("the test led to %q (%d)", to, r.StatusCode)
	}
	return to
}

// outcomes are what the log says of tests, newest first.
func (c *chief) outcomes() (list []string) {
	c.Helper()
	found, err := c.DB.SearchEvents(context.Background(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventTryoutEnded}})
	if err != nil {
		c.Fatal(err)
	}
	for _, e := range found.Rows {
		if e.Client != "viewer" || e.User != c.who.ID || e.Actor.Name != "chief" || e.Detail["test"] == "" {
			c.Errorf("the log says %+v", e)
		}
		list = append(list, e.Detail["outcome"])
	}
	return list
}

// The whole of it, without script: the first steps, an application, both ways
// to test it, and the finished page.
func TestWalkTestSignIn(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	page := c.Visit("/admin/start")
	c.Sees(page, "/admin/start", `aria-current="step"`, "not Test Radiology")
	c.Visit("/admin/applications/new?preset=grafana")
	page = c.Arrive(c.Post("/admin/applications/new", "preset", "grafana", "client_name", "Radiology Viewer", "base", "https://grafana.hospital.example"))
	c.Sees(page, "/admin/applications/new", "The secret is shown this once", `id="next" href="/admin/start"`)
	app := idp.ClientID(regexp.MustCompile(`/admin/applications/([A-Z0-9]{26})/try`).FindStringSubmatch(c.Visit("/admin/start"))[1])

	page = c.begins(app, "session")
	c.Sees(page, "/admin/try/", "It works.", "Chief of All", "None: the session was enough", "preferred_username", `id="start" href="/admin/start"`, "not eyJ", "not state=", "not code=")
	if strings.ContainsAny(c.Path, "?&") {
		t.Errorf("the result is at %s", c.Path)
	}
	kept := c.Path
	page = c.Visit("/admin/start")
	c.Sees(page, "/admin/start", "Everything is set up", "Invite people", "A sign-in to Radiology Viewer went through.")
	c.Sees(c.Visit("/admin"), "/admin/devices")

	page = c.signsIn(c.begins(app, "again"))
	c.Sees(page, "/admin/try/", "It works.", "Six-digit code", "ID token signed with", "RS256")
	c.Sees(c.Visit(kept), kept, "None: the session was enough")

	// The double is nowhere, and nothing that was given is left.
	c.Sees(c.Visit("/admin/applications"), "/admin/applications", "not ~", "not (test)")
	c.Sees(c.Visit("/account/sessions"), "/account/sessions", "not (test)")
	c.Sees(c.Visit("/admin/sessions"), "/admin/sessions", "not ~")
	all, err := c.DB.Clients(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("%d applications (%v)", len(all), err)
	}
	c.Sees(c.Visit("/admin/audit"), "/admin/audit", "test of Radiology Viewer", "Test sign-in begun", "Test sign-in ended")

	// What is kept of it is gone after a while.
	c.Clock.Add(2 * 3600 * time.Second)
	if err := c.DB.Sweep(t.Context(), c.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	found, err := c.DB.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventTryoutEnded}})
	if err != nil || len(found.Rows) != 2 {
		t.Fatalf("%v (%v)", found, err)
	}
	for _, e := range found.Rows {
		if _, err := c.DB.Tryout(t.Context(), idp.TryoutID(e.Detail["test"])); err == nil {
			t.Error("a test was not swept")
		}
	}
}

// A test that nobody finishes says in words what it was, and leaves nothing.
func TestTestSignInAbandoned(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	c.app("viewer", nil)
	c.answerOf("viewer")
	c.Sees(c.Visit("/account/sessions"), "/account/sessions", "Radiology Viewer (test)")
	c.Sees(c.Visit("/admin/sessions"), "/admin/sessions", "viewer (test)", "not ~")
	c.Clock.Add(16 * 60 * time.Second)
	c.Sees(c.Visit("/account/sessions"), "/account/sessions", "viewer (test)", "not ~")
	c.Clock.Add(3600 * time.Second) // the session is over too
	if err := c.DB.Sweep(t.Context(), c.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	if list, err := c.DB.SessionClients(t.Context(), c.who.ID); err != nil || len(list) != 0 {
		t.Errorf("%d marks are left (%v)", len(list), err)
	}
	if got := c.outcomes(); len(got) != 0 {
		t.Errorf("the log has %q", got)
	}
}

// Every way in which a test stops says which, in words that can be acted on.
func TestTestSignInStops(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		change  func(*idp.Client)
		goes    func(c *chief, page string) string
		says    []string
		outcome string
	}{
		{"not admitted", func(c *idp.Client) { c.Groups = []string{"cardiology"} }, (*chief).signsIn,
			[]string{"none of the groups", "cardiology", "Not reached"}, "try.why.groups"},
		{"cancelled", nil, func(c *chief, page string) string { return c.Submit(page, "/cancel") }, []string{"Cancelled in the browser"}, "try.why.cancelled"},
		{"consent refused", func(c *idp.Client) { c.Consent = true }, func(c *chief, page string) string {
			return c.Submit(c.signsIn(page), "/consent", "answer", "deny")
		}, []string{"did not agree"}, "try.why.consent"},
		{"consent given", func(c *idp.Client) { c.Consent = true }, func(c *chief, page string) string {
			page = c.signsIn(page)
			c.Sees(page, "/login/", "Radiology Viewer (test)")
			return c.Submit(page, "/consent", "answer", "allow")
		}, []string{"It works."}, "good"},
		{"public, signed with another key, tokens that say something", func(c *idp.Client) {
			c.Auth, c.IDTokenAlg, c.AccessFormat, c.ClaimsInID = idp.AuthNone, "ES256", idp.AccessJWT, true
			c.Claims = []idp.ClaimRule{{Name: "tenant", Text: "saint-luke"}}
		}, (*chief).signsIn, []string{"It works.", "ES256", "JWT", "saint-luke"}, "good"},
		{"the secret in the body, PKCE not demanded", func(c *idp.Client) { c.Auth, c.OptionalPKCE = idp.AuthPost, true }, (*chief).signsIn, []string{"It works."}, "good"},
		{"a program on people's machines", func(c *idp.Client) {
			c.Kind, c.Auth, c.RedirectURIs = idp.ClientNative, idp.AuthNone, []string{"org.weasis.viewer:/cb"}
		}, (*chief).signsIn, []string{"It works."}, "good"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newChief(t)
			c.app("viewer", row.change)
			page := row.goes(c, c.begins("viewer", "again"))
			c.Sees(page, "/admin/try/", row.says...)
			if got := c.outcomes(); len(got) != 1 || got[0] != row.outcome {
				t.Errorf("the log has %q, want %q", got, row.outcome)
			}
		})
	}
}

func TestTestSignInIsRefused(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	c.app("viewer", func(a *idp.Client) { a.Disabled = true })
	c.app("sync", func(a *idp.Client) { a.GrantTypes, a.RedirectURIs = []string{idp.GrantClientCredentials}, nil })
	c.Sees(c.Arrive(c.Post("/admin/applications/viewer/try", "how", "session")), "/admin/applications/viewer/try", "switched off")
	c.Sees(c.Arrive(c.Post("/admin/applications/sync/try", "how", "session")), "/admin/applications/sync/try", "nothing to test")
	if r := c.Post("/admin/applications/sync/try", "how", "otherwise"); r.StatusCode != 400 {
		t.Errorf("a way that is none: %d", r.StatusCode)
	}
	if r := c.Post("/admin/applications/nobody/try", "how", "session"); r.StatusCode != 404 {
		t.Errorf("an application that is none: %d", r.StatusCode)
	}
}

// Answers that are not to be taken: whoever brings them, the test is not
// finished by them, and nothing is handed out.
func TestTestSignInCallback(t *testing.T) {
	t.Parallel()
	const none, used, late = "no answer to a test of yours", "was answered before", "took too long"
	for _, row := range []struct {
		name string
		do   func(c *chief, answer *url.URL) string // returns the page
		says string
		want []string // outcomes in the log
	}{
		{"as it is", func(c *chief, a *url.URL) string { return c.Visit(a.RequestURI()) }, "It works.", []string{"good"}},
		{"a second time", func(c *chief, a *url.URL) string { c.Visit(a.RequestURI()); return c.Visit(a.RequestURI()) }, used, []string{"good"}},
		{"too late", func(c *chief, a *url.URL) string { c.Clock.Add(15 * 60 * time.Second); return c.Visit(a.RequestURI()) }, late, nil},
		{"without state", func(c *chief, a *url.URL) string { return c.Visit(desk.TryCallback + "?code=" + a.Query().Get("code")) }, "There is nothing here", nil},
		{"with two states", func(c *chief, a *url.URL) string { return c.Visit(a.RequestURI() + "&state=x") }, "There is nothing here", nil},
		{"with a made-up state", func(c *chief, a *url.URL) string { return c.Visit(desk.TryCallback + "?code=x&state=made-up") }, none, nil},
		{"with a long query", func(c *chief, a *url.URL) string { return c.Visit(a.RequestURI() + "&x=" + strings.Repeat("x", 5000)) }, "There is nothing here", nil},
		{"with two codes", func(c *chief, a *url.URL) string { return c.Visit(a.RequestURI() + "&code=x") }, "held something twice", []string{"try.why.answer"}},
		{"from another provider", func(c *chief, a *url.URL) string {
			q := a.Query()
			q.Set("iss", "https://evil.example")
			return c.Visit(desk.TryCallback + "?" + q.Encode())
		}, "another provider", []string{"try.why.issuer"}},
		{"with an error of the browser's own making", func(c *chief, a *url.URL) string {
			return c.Visit(desk.TryCallback + "?error=server_error&error_description=%3Cb%3E&state=" + a.Query().Get("state"))
		}, "server_error: &lt;b&gt;", []string{"try.why.refused"}},
		// A code that was made elsewhere, put into this test: it is another's
		// verifier's and nonce's.
		{"with the code of another test", func(c *chief, a *url.URL) string {
			other := c.answerOf("viewer")
			q := a.Query()
			q.Set("code", other.Query().Get("code"))
			return c.Visit(desk.TryCallback + "?" + q.Encode())
		}, "could not be exchanged", []string{"try.why.exchange"}},
		// Somebody makes an administrator's browser finish their test.
		{"in another administrator's browser", func(c *chief, a *url.URL) string {
			var page string
			c.Elsewhere(func() {
				c.Enrol(idp.User{Name: "other", Staff: idp.StaffAdmin})
				c.Sees(c.Visit("/admin/users"), "/admin/users")
				page = c.Visit(a.RequestURI())
			})
			return page
		}, none, nil},
		{"in another session of the same administrator", func(c *chief, a *url.URL) string {
			c.Fresh()
			c.Later()
			c.signsIn(c.Visit("/admin/devices"))
			return c.Visit(a.RequestURI())
		}, none, nil},
		{"in a browser where nobody is signed in", func(c *chief, a *url.URL) string {
			c.Fresh()
			return c.Visit(a.RequestURI())
		}, `id="password-form"`, nil},
		{"after signing out and in again", func(c *chief, a *url.URL) string {
			c.Arrive(c.Post("/account/signout"))
			c.Later()
			c.signsIn(c.Visit("/admin/devices"))
			return c.Visit(a.RequestURI())
		}, none, nil},
		{"after the role is gone", func(c *chief, a *url.URL) string {
			c.Person(idp.User{Name: "deputy", Staff: idp.StaffAdmin}) // the last one stays
			phone := c.Device(c.who.ID).ID
			// A change of role signs them out.
			if err := c.Desk.EditUser(c.Context(), walk.Console, c.who.ID, func(u *idp.User) { u.Staff, u.Confirmed = idp.StaffHelpdesk, []idp.DeviceID{phone} }); err != nil {
				c.Fatal(err)
			}
			return c.Visit(a.RequestURI())
		}, `id="password-form"`, nil},
		{"when the application is gone", func(c *chief, a *url.URL) string {
			if err := c.Desk.RemoveClient(c.Context(), walk.Console, "viewer"); err != nil {
				c.Fatal(err)
			}
			return c.Visit(a.RequestURI())
		}, none, nil},
		{"when the application is switched off", func(c *chief, a *url.URL) string {
			if err := c.Desk.EditClient(c.Context(), walk.Console, "viewer", func(a *idp.Client) { a.Disabled = true }); err != nil {
				c.Fatal(err)
			}
			return c.Visit(a.RequestURI())
		}, "could not be exchanged", []string{"try.why.exchange"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newChief(t)
			c.app("viewer", nil)
			page := row.do(c, c.answerOf("viewer"))
			c.Sees(page, "/", row.says)
			if got := c.outcomes(); strings.Join(got, " ") != strings.Join(row.want, " ") {
				t.Errorf("the log has %q, want %q", got, row.want)
			}
		})
	}
}

// The double is good for its test alone: not for another redirect address, not
// with the application's id, not when the test is over.
func TestDoubleIsGoodForNothingElse(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	c.app("viewer", nil)
	to, err := url.Parse(c.authorizeOf("viewer"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) string {
		q := to.Query()
		q.Set(name, value)
		return "/authorize?" + q.Encode()
	}
	for name, path := range map[string]string{
		"another address":                 with("redirect_uri", "https://viewer.hospital.example/cb"),
		"an address beside":               with("redirect_uri", c.URL+desk.TryCallback+"/"),
		"another application's double":    with("client_id", "other~"+strings.Split(to.Query().Get("client_id"), "~")[1]),
		"the application, at our address": with("client_id", "viewer"),
		"a test that is none":             with("client_id", "viewer~"+"TESTTESTTESTTESTTESTTESTT2"),
		"a test of no application":        with("client_id", "~"+"TESTTESTTESTTESTTESTTESTT2"),
	} {
		if r := c.Get(path); r.StatusCode != 400 {
			t.Errorf("%s: %d at %s", name, r.StatusCode, r.Request.URL)
		}
	}
	id := idp.ClientID(to.Query().Get("client_id"))
	d, err := c.DB.Client(t.Context(), id)
	if err != nil || d.Name != "Radiology Viewer (test)" || len(d.RedirectURIs) != 1 || d.RedirectURIs[0] != c.URL+desk.TryCallback {
		t.Fatalf("%+v (%v)", d, err)
	}
	// Its tokens are no more after the test: they are revoked with its end.
	c.Sees(c.Visit(strings.TrimPrefix(to.String(), c.URL)), "/admin/try/", "It works.")
	if _, err := c.DB.Client(t.Context(), id); err == nil {
		t.Error("the double outlives its test")
	}
	if r := c.Get(strings.TrimPrefix(to.String(), c.URL)); r.StatusCode != 400 {
		t.Errorf("a second sign-in with it: %d", r.StatusCode)
	}
	c.Clock.Add(time.Hour)
}

func TestSetupLinkThatIsOver(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	link, err := w.Desk.SetupLink(t.Context(), walk.Console)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Add(3601 * time.Second)
	w.Sees(w.Visit("/setup/"+link.Token.Reveal()), "/setup/", "idp setup-link")
	w.Sees(w.Visit("/setup/no-such-link"), "/setup/", "idp setup-link")
	w.Sees(w.Visit("/invite/no-such-link"), "/invite/", "not idp setup-link")
}

// Claims in the browser: rows come and go without script, each fault stands at
// its row, a preview saves nothing, and what is saved is what tokens hold.
func TestWalkClaims(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	c.app("viewer", nil)
	c.Add(idp.User{Name: "bert", DisplayName: "Bert Klein", Groups: []string{"rad-admins", "rad"}})
	c.Add(idp.User{Name: "berta", DisplayName: "Berta Groß"})
	const path = "/admin/applications/viewer/claims/edit"
	tell := func(fields ...string) string { return c.Arrive(c.Post(path, fields...)) }
	page := c.Visit(path)
	c.Sees(page, path, `id="rule-0"`, "not id=\"rule-1\"")
	page = tell("do", "add", "name-0", "role", "from-0", "groups", "map-0", "rad-admins > Admin", "one-0", "1")
	c.Sees(page, path, `value="role"`, "rad-admins &gt; Admin", `id="one-0" name="one-0" value="1" checked`, `id="rule-1"`)
	two := []string{"name-0", "role", "from-0", "groups", "map-0", "rad-admins > Admin", "one-0", "1", "name-1", "tenant", "from-1", "", "map-1", "saint-luke"}
	page = tell(append(two, "do", "preview", "who", "ber")...)
	c.Sees(page, path, "Several people", `value="who-bert"`, `value="who-berta"`)
	page = tell(append(two, "do", "who-bert", "who", "ber")...)
	c.Sees(page, path, "Told of Bert Klein", `data-claim="role">Admin<`, `data-claim="tenant">saint-luke<`, `data-claim="groups">rad-admins, rad<`)
	c.Sees(tell(append(two, "do", "preview", "who", "nobody at all")...), path, "Nobody is found")
	if app, err := c.DB.Client(t.Context(), "viewer"); err != nil || len(app.Claims) != 0 {
		t.Fatalf("a preview saved %v (%v)", app.Claims, err)
	}
	c.Sees(tell(append(two, "do", "remove-0")...), path, `value="tenant"`, `not value="role"`)

	for name, row := range map[string]struct {
		fields []string
		says   []string
	}{
		"a name of the protocol's":    {[]string{"name-0", "role", "from-0", "groups", "name-1", "sub", "from-1", "groups", "map-1", "a > b"}, []string{`id="problem-1"`, `not id="problem-0"`, "a &gt; b", `value="role"`}},
		"the same name twice":         {[]string{"name-0", "role", "from-0", "groups", "name-1", "role", "from-1", "email"}, []string{`id="problem-1"`}},
		"a line that renames nothing": {[]string{"name-0", "role", "from-0", "groups", "map-0", "rad-admins"}, []string{`id="problem-0"`, "Each line renames", "rad-admins</textarea>"}},
		"nothing on one side":         {[]string{"name-0", "role", "from-0", "groups", "map-0", "> x"}, []string{`id="problem-0"`, "On both sides"}},
		"made of what is none":        {[]string{"name-0", "role", "from-0", "password"}, []string{`id="problem-0"`, "Choose what"}},
		"a text that is none":         {[]string{"name-0", "role", "from-0", ""}, []string{`id="problem-0"`, "A fixed text"}},
	} {
		for _, do := range []string{"save", "preview"} {
			if r := c.Post(path, append(row.fields, "do", do, "who", "bert")...); r.StatusCode != 422 {
				t.Errorf("%s, %s: %d", name, do, r.StatusCode)
			} else {
				c.Sees(c.Arrive(r), path, append(row.says, "Nothing was saved", "not Told of")...)
			}
		}
	}
	page = tell(append(two, "do", "save")...)
	c.Sees(page, "/admin/applications/viewer/claims?did=edited", "tenant", "rad-admins &gt; Admin")
	c.Sees(c.Visit("/admin/applications/viewer/claims?who=bert"), "/admin/applications/viewer/claims", `data-claim="role">Admin<`)
	page = c.begins("viewer", "session")
	c.Sees(page, "/admin/try/", "It works.", `data-claim="tenant">saint-luke<`)
}

func TestWalkAdvanced(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	c.app("viewer", nil)
	const path, advanced = "/admin/applications/viewer/edit", "/admin/applications/viewer/edit?part=advanced"
	edit := func(fields ...string) webtest.Reply {
		return c.Post(path, append([]string{"access_format", "jwt", "id_token_alg", "ES256", "grant_code", "1"}, fields...)...)
	}
	for _, row := range []struct{ field, value, says string }{
		{"access_ttl", "soon", "A length of time such as 15m"}, {"access_ttl", "2h", "an hour at most"}, {"refresh_idle", "-5m", "12 hours"}, {"refresh_grace", "2m", "one minute at most"},
		{"grant_code", "", "Choose one at least"}, {"audience", `a"b`, "An audience is one word without quotation marks"}, {"default_scopes", "openid pacs", "Only scopes that the application may ask for"},
	} {
		r := edit(row.field, row.value)
		if row.value == "" {
			r = c.Post(path, "access_format", "jwt")
		}
		c.Wants(r, 422, row.says, `class="wide advanced"`)
		if row.value != "" && row.field != "audience" { // which has a field of several lines
			c.Wants(r, 422, `value="`+row.value+`"`)
		}
	}
	c.Sees(c.Arrive(edit("access_ttl", "45m", "refresh_idle", "1h 30m", "refresh_grace", "10s", "grant_refresh", "1", "auth", "client_secret_post", "audience", "archive\nreports",
		"default_scopes", " openid ", "claims_in_access", "1", "keep_refresh", "1")), "/admin/applications/viewer?did=edited", "Access longer than 15 minutes", "A used refresh may be repeated", "A refresh stays good", "The secret in the body")
	a, err := c.DB.Client(t.Context(), "viewer")
	if err != nil || a.AccessTTL != 45*time.Minute || a.RefreshIdle != 90*time.Minute || a.RefreshGrace != 10*time.Second || a.AccessFormat != idp.AccessJWT || a.IDTokenAlg != "ES256" ||
		a.Auth != idp.AuthPost || len(a.Audience) != 2 || len(a.DefaultScopes) != 1 || !a.ClaimsInAccess || !a.KeepRefresh || len(a.GrantTypes) != 2 || len(a.Secrets) != 1 {
		t.Errorf("saved %+v (%v)", a, err)
	}
	c.Sees(c.Visit(advanced), advanced, `value="45m"`, `value="1h30m"`, `value="10s"`, `value="openid" autocomplete="off" spellcheck="false" aria-describedby="default_scopes-hint"`)

	// People sign in on a machine, or are asked on their phones: by its registration only.
	c.Sees(c.Visit(advanced), advanced, `id="grant_device" name="grant_device" value="1">`, `id="grant_ciba" name="grant_ciba" value="1">`)
	r := c.Post(path, "access_format", "opaque", "grant_device", "1", "grant_ciba", "1")
	c.Sees(c.Arrive(r), "/admin/applications/viewer?did=edited", "Phones are asked without a password")
	a, err = c.DB.Client(t.Context(), "viewer")
	if err != nil || !slices.Equal(a.GrantTypes, []string{idp.GrantDevice, idp.GrantCIBA}) {
		t.Errorf("saved %v (%v)", a.GrantTypes, err)
	}
	c.Sees(c.Visit(advanced), advanced, `id="grant_device" name="grant_device" value="1" checked>`, `id="grant_ciba" name="grant_ciba" value="1" checked>`)

	// What is signed, and by whose keys.
	const keys = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}]}`
	for _, row := range [][]string{
		{"userinfo_signed_response_alg", "none", "This is none of RS256"}, {"require_signed_request_object", "1", "An application that signs its requests needs its public keys"},
	} {
		c.Wants(edit(row[0], row[1], "auth", "client_secret_post"), 422, row[2], `class="wide advanced"`)
	}
	c.Wants(edit("request_object_signing_alg", "EdDSA", "auth", "client_secret_post", "jwks", keys), 422, "None of its keys here can sign by that algorithm", `name="request_object_signing_alg" aria-invalid="true"`)
	c.Sees(c.Arrive(edit("auth", "client_secret_post", "jwks", keys, "require_signed_request_object", "1", "request_object_signing_alg", "ES256",
		"authorization_signed_response_alg", "PS256", "introspection_signed_response_alg", "EdDSA", "userinfo_signed_response_alg", "RS256")), "/admin/applications/viewer?did=edited", `id="signed"`, "ES256 1")
	a, err = c.DB.Client(t.Context(), "viewer")
	if want := (idp.ClientSigning{RequestAlg: "ES256", RequireRequest: true, ResponseAlg: "PS256", UserinfoAlg: "RS256", IntrospectionAlg: "EdDSA"}); err != nil || a.Signing != want || a.JWKS == "" {
		t.Errorf("saved %+v (%v)", a, err)
	}
	c.Sees(c.Visit(advanced), advanced, `name="require_signed_request_object" value="1" checked`, "<option selected>EdDSA</option>")
	c.Sees(c.Arrive(edit("auth", "private_key_jwt", "jwks", keys, "profile", "fapi2-message-signing")), "/admin/applications/viewer?did=edited", "FAPI 2.0 with Message Signing")
	a, err = c.DB.Client(t.Context(), "viewer")
	if want := (idp.ClientSigning{RequireRequest: true}); err != nil || a.Signing != want || a.Profile != idp.ProfileFAPI2Signing {
		t.Errorf("saved %+v (%v)", a, err)
	}
}

// An application of the realm, which a public one can be, too, and stays when the form is saved;
// where there is no realm it cannot be made.
func TestWalkRealm(t *testing.T) {
	t.Parallel()
	without := newChief(t, func(p *walk.Parts) { p.Admin.Realm = "" })
	without.app("viewer", nil)
	without.Wants(without.Post("/admin/applications/viewer/edit", "access_format", "opaque", "grant_code", "1", "profile", "keycloak"), 422, "There is no realm here", `name="profile" aria-invalid="true"`)
	c := newChief(t)
	c.app("viewer", func(a *idp.Client) { a.Auth = idp.AuthNone })
	const path, advanced = "/admin/applications/viewer/edit", "/admin/applications/viewer/edit?part=advanced"
	edit := func(fields ...string) webtest.Reply {
		return c.Post(path, append([]string{"profile", "keycloak", "grant_code", "1", "grant_refresh", "1"}, fields...)...)
	}
	for _, row := range [][]string{
		{"grant_device", "1", "Keycloak’s shape is for signing in with a code"}, {"id_token_alg", "ES256", "everything is signed by RS256"}, {"dpop", "1", "no bound tokens"}, {"require_pushed", "1", "no pushed requests"},
	} {
		c.Wants(edit(append([]string{"access_format", "opaque"}, row[:2]...)...), 422, row[2], `name="profile" aria-invalid="true"`)
	}
	c.Sees(c.Arrive(edit("access_format", "opaque")), "/admin/applications/viewer?did=edited", `id="profile">Keycloak’s shape`)
	a, err := c.DB.Client(t.Context(), "viewer")
	if err != nil || !a.Keycloak() || a.AccessFormat != idp.AccessJWT || !a.ClaimsInAccess || a.IDTokenAlg != "RS256" {
		t.Errorf("saved %+v (%v)", a, err)
	}
	c.Sees(c.Visit(advanced), advanced, `<option value="keycloak" selected>`)
}
