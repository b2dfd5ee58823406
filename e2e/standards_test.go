package e2e

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/e2e/crowd"
)

// What the standards ask of a provider, sentence by sentence. docs/standards.md is made of
// the tables in the files standards*_test.go: TestStandards walks through what has a walk,
// against the program as it is run; TestStandardsPage holds the page and the tests that it
// names together.

// requirement is one sentence of a standard that asks something of a provider.
type requirement struct {
	section string
	level   string // MUST, MUST NOT, SHOULD, SHOULD NOT or MAY
	name    string // of the walk, unique in its section
	text    string // what is asked, in our words
	walk    func(*walk)
	shown   string // a test of its own that shows it: its package and its name
	why     string // the result where it is not «yes», with its reason
}

// standard is one document with what it asks.
type standard struct {
	short, name, title string // RFC8628, RFC 8628, OAuth 2.0 Device Authorization Grant
	about              string // what of it is in the table, in a sentence
	asks               []requirement
}

// standards are all tables, in the order of the page.
var standards = []*standard{
	rfc6749, rfc6750, rfc7009, rfc7591, rfc7592, rfc7636, rfc7662, rfc8252, rfc8414, rfc8628, rfc8693, rfc8705, rfc8707, rfc9068, rfc9101, rfc9126, rfc9207, rfc9449,
	rfc9470, rfc9700, rfc9701, jarm, oidcCore, ciba, rpLogout, backLogout,
}

// walked is a requirement that TestStandards walks through.
func walked(section, level, name, text string, walk func(*walk)) requirement {
	return requirement{section: section, level: level, name: name, text: text, walk: walk}
}

// shownBy is a requirement that a test of its own shows, by package and name: oidc.TestProofs.
func shownBy(section, level, text, test string) requirement {
	return requirement{section: section, level: level, text: text, shown: test}
}

// otherwise is a requirement that is not met as it stands, on purpose, with the reason; a
// test, or none, shows what is so in its place.
func otherwise(section, level, text, why, test string) requirement {
	return requirement{section: section, level: level, text: text, shown: test, why: "otherwise: " + why}
}

// unbuilt is a requirement on a part that is not offered.
func unbuilt(section, level, text, why string) requirement {
	return requirement{section: section, level: level, text: text, why: "not built: " + why}
}

// but is a requirement with another result than «yes»: its test shows what is so instead.
func (r requirement) but(why string) requirement {
	r.why = why
	return r
}

// test is the name of the test that shows a requirement; empty: none.
func (r *requirement) test(s *standard) string {
	if r.walk != nil {
		return "TestStandards/" + s.short + "/" + r.section + "/" + r.name
	}
	return r.shown
}

// examination is a provider with applications and people, by which the standards are walked.
type examination struct {
	*served
	secrets map[string]string
	anna    *person // has a session in her browser
	told    *listener
	key     *keyHolder // of the applications that prove themselves by one
	initial string     // an initial access token

	mu     sync.Mutex
	people []crowd.Person // who have not signed in yet
	phones []crowd.Person // the same, with a phone
}

// walk is a requirement on the way through the provider.
type walk struct {
	*testing.T
	x       *examination
	checked int
}

// check notes that something was looked at, and complains unless it is so.
func (w *walk) check(ok bool, format string, args ...any) {
	w.Helper()
	w.checked++
	if !ok {
		w.Errorf(format, args...)
	}
}

// redirectOf is the redirect URI of an application of the examination.
func redirectOf(id string) string {
	if strings.HasPrefix(id, "native") {
		return "http://127.0.0.1:7777/callback"
	}
	return "https://" + id + ".klinik.test/callback"
}

const (
	grantDevice   = deviceGrant
	grantCIBA     = "urn:openid:params:grant-type:ciba"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
)

// newExamination starts a provider with what the walks need: applications by command, as an
// operator would, and people by their invitations.
func newExamination(t *testing.T) *examination {
	t.Helper()
	x := &examination{
		served: newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LOG_LEVEL=warn", "IDP_CLIENTS_REGISTRATION=token", "IDP_LOGOUT_NETWORKS=127.0.0.0/8"),
		told:   newListener(t), secrets: map[string]string{},
	}
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), x.home, "p", 160, crowd.Least))
	if err := crowd.Link(context.Background(), x.home, people[120:]); err != nil {
		t.Fatal(err)
	}
	x.people, x.phones = people[:120], people[120:]
	x.key = newKeyHolder(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, x.key.set(), 0o600); err != nil {
		t.Fatal(err)
	}
	x.launch(t)
	type application struct {
		id   string
		more []string
	}
	code := func(id string, more ...string) application {
		return application{id, append([]string{"--redirect-uri", redirectOf(id), "--scope", "openid,profile,email,groups,offline_access"}, more...)}
	}
	all := []application{
		code("viewer", "--origin", "https://viewer.klinik.test", "--post-logout-uri", "https://viewer.klinik.test/bye/callback", "--audience", "viewer,archive", "--backchannel-logout-uri", x.told.address),
		code("other"),
		code("told", "--post-logout-uri", "https://told.klinik.test/bye/callback", "--backchannel-logout-uri", x.told.address),
		code("post", "--auth", "client_secret_post"),
		code("jwt", "--access-format", "jwt", "--claims-in-access-token", "--audience", "archive"),
		code("brief", "--access-ttl", "1s", "--post-logout-uri", "https://brief.klinik.test/bye/callback"),
		code("optional", "--optional-pkce"),
		code("pushes", "--require-par"),
		code("asks", "--consent"),
		code("keyed", "--jwks", file),
		code("fapi", "--profile", "fapi2", "--jwks", file),
		code("signs", "--profile", "fapi2-message-signing", "--jwks", file),
		code("native", "--kind", "native", "--public", "--redirect-uri", "org.klinik.viewer:/callback"),
		code("native-dpop", "--kind", "native", "--public", "--dpop"),
		code("pairwise", "--subject-type", "pairwise"),
		{"archive", []string{"--grant", "client_credentials," + grantExchange, "--scope", "openid,profile,pacs.read", "--exchange-target", "reports,https://reports.klinik.test"}},
		{"stranger", []string{"--grant", "client_credentials," + grantExchange, "--scope", "openid,pacs.read", "--exchange-target", "reports"}},
		{"machine", []string{"--public", "--grant", grantDevice + ",refresh_token", "--scope", "openid,profile,offline_access"}},
		{"modality", []string{"--grant", grantDevice, "--scope", "openid,profile"}},
		{"reception", []string{"--grant", grantCIBA + ",refresh_token", "--scope", "openid,profile,offline_access"}},
		{"desk", []string{"--grant", grantCIBA, "--scope", "openid,profile", "--match", "tap"}},
	}
	for _, a := range all {
		_, x.secrets[a.id] = x.addClient(t, append([]string{"Application " + a.id, "--id", a.id}, a.more...)...)
	}
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(x.idp(t, "client", "token", "add", "--json", "Supplier", "--uses", "100", "--host", "*.supplier.test", "--scope", "openid,profile,offline_access")), &made); err != nil {
		t.Fatal(err)
	}
	x.initial = made.Token
	x.anna = x.somebody(t)
	w := &walk{T: t, x: x}
	rp := w.party("viewer")
	rp.answer(x.anna.signIn(rp.authorize()))
	return x
}

// somebody is a person who has not signed in yet, in a browser of their own.
func (x *examination) somebody(t testing.TB) *person {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.people) == 0 {
		t.Fatal("there are not people enough")
	}
	p := x.people[0]
	x.people = x.people[1:]
	return x.personOf(t, &p)
}

func (x *examination) personOf(t testing.TB, p *crowd.Person) *person {
	someone := &person{t: t, web: newBrowser(t), name: p.Name, password: crowd.Password, seed: p.Seed}
	someone.web.Transport = x.client.Transport
	return someone
}

// somebody is a person who has not signed in yet.
func (w *walk) somebody() *person { return w.x.somebody(w) }

// anna is the person who has a session, in her browser.
func (w *walk) anna() *person {
	p := *w.x.anna
	p.t = w
	return &p
}

// party is an application that asks for a sign-in.
func (w *walk) party(id string) *party {
	return &party{
		t: w, issuer: w.x.issuer, id: id, secret: w.x.secrets[id], redirect: redirectOf(id), scope: "openid profile email offline_access",
		verifier: strings.Repeat("verifier-", 6), web: w.x.client, state: "the state", nonce: "the nonce", extra: url.Values{},
	}
}

// valuesOf are names and values.
func valuesOf(all []string) url.Values {
	v := url.Values{}
	for i := 0; i < len(all); i += 2 {
		v.Add(all[i], all[i+1])
	}
	return v
}

// answer is what an endpoint says to an application.
type answer struct {
	w       *walk
	status  int
	head    http.Header
	body    string
	members map[string]any
}

// text is a member of a JSON object; empty: there is none of that name that is a text.
func (a *answer) text(name string) string {
	v, _ := a.members[name].(string)
	return v
}

// number is a member of a JSON object; 0: there is none of that name that is a number.
func (a *answer) number(name string) float64 {
	v, _ := a.members[name].(float64)
	return v
}

// refused holds that the answer is an error.
func (a *answer) refused(status int, code string) *answer {
	a.w.Helper()
	a.w.check(a.status == status && a.text("error") == code, "%d %s, not %d %s", a.status, a.body, status, code)
	return a
}

// ok holds that the answer is 200.
func (a *answer) ok() *answer {
	a.w.Helper()
	a.w.check(a.status == http.StatusOK, "%d %s", a.status, a.body)
	return a
}

// has holds that the answer has members.
func (a *answer) has(names ...string) *answer {
	a.w.Helper()
	for _, n := range names {
		_, ok := a.members[n]
		a.w.check(ok, "no %s in %s", n, a.body)
	}
	return a
}

// hasNot holds that the answer does not have members.
func (a *answer) hasNot(names ...string) *answer {
	a.w.Helper()
	for _, n := range names {
		_, ok := a.members[n]
		a.w.check(!ok, "%s in %s", n, a.body)
	}
	return a
}

// header holds what a header of the answer contains.
func (a *answer) header(name, part string) *answer {
	a.w.Helper()
	a.w.check(strings.Contains(strings.Join(a.head.Values(name), ", "), part), "%s: %q", name, a.head.Values(name))
	return a
}

// send sends a request; a form is posted as one. Headers are by name and value.
func (w *walk) send(method, path, body string, headers ...string) *answer {
	w.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.x.issuer + path
	}
	req := must[*http.Request](w)(http.NewRequestWithContext(w.Context(), method, path, strings.NewReader(body)))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	client := *w.x.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res := must[*http.Response](w)(client.Do(req))
	defer res.Body.Close()
	raw := must[[]byte](w)(io.ReadAll(res.Body))
	a := &answer{w: w, status: res.StatusCode, head: res.Header, body: string(raw), members: map[string]any{}}
	_ = json.Unmarshal(raw, &a.members) // what is none has no members
	return a
}

const formType = "application/x-www-form-urlencoded"

// form posts a form without credentials, with headers.
func (w *walk) form(path string, form url.Values, headers ...string) *answer {
	w.Helper()
	return w.send(http.MethodPost, path, form.Encode(), append([]string{"Content-Type", formType}, headers...)...)
}

// basic is the Authorization header of an application with a secret.
func (w *walk) basic(id string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(w.x.secrets[id])))
}

// as posts a form as an application: with its secret, or its name alone where it has none.
func (w *walk) as(id, path string, all ...string) *answer {
	w.Helper()
	form := valuesOf(all)
	if w.x.secrets[id] == "" {
		form.Set("client_id", id)
		return w.form(path, form)
	}
	if id == "post" {
		form.Set("client_id", id)
		form.Set("client_secret", w.x.secrets[id])
		return w.form(path, form)
	}
	return w.form(path, form, "Authorization", w.basic(id))
}

// visits asks the authorization endpoint in Anna's browser, who is signed in; what is given
// takes the place of the usual parameters, and an empty value leaves one out.
func (w *walk) visits(id string, all ...string) *page {
	w.Helper()
	return w.anna().get(w.asking(id, all...))
}

// asking is the address of an authorization request.
func (w *walk) asking(id string, all ...string) string {
	w.Helper()
	u := must[*url.URL](w)(url.Parse(w.party(id).authorize()))
	q := u.Query()
	for i := 0; i < len(all); i += 2 {
		if q.Del(all[i]); all[i+1] != "" {
			q.Set(all[i], all[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// answered are the parameters of an authorization response in the query of the application's
// redirect URI.
func (w *walk) answered(id string, at *page) url.Values {
	w.Helper()
	w.check(strings.HasPrefix(at.url.String(), redirectOf(id)+"?"), "status %d at %s, not at the application:\n%.300s", at.status, at.url, at.body)
	return at.url.Query()
}

// refusedAt holds that an authorization request is answered with an error at the application.
func (w *walk) refusedAt(id, code string, all ...string) url.Values {
	w.Helper()
	q := w.answered(id, w.visits(id, all...))
	w.check(q.Get("error") == code && q.Get("code") == "", "%v, not %s", q, code)
	return q
}

// staysHere holds that an authorization request is answered by a page of the provider.
func (w *walk) staysHere(at *page) {
	w.Helper()
	w.check(at.status == http.StatusBadRequest && strings.HasPrefix(at.url.String(), w.x.issuer+"/"), "%d at %s", at.status, at.url)
}

// code is an authorization code of Anna for an application.
func (w *walk) code(id string, all ...string) string {
	w.Helper()
	q := w.visits(id, all...).url.Query()
	if q.Get("code") == "" {
		w.Fatalf("no code: %v", q)
	}
	return q.Get("code")
}

// redeems posts a code, with what is given in the place of the usual parameters.
func (w *walk) redeems(id, code string, all ...string) *answer {
	w.Helper()
	form := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", redirectOf(id), "code_verifier", w.party(id).verifier}
	for i := 0; i < len(all); i += 2 {
		if at := slices.Index(form, all[i]); at < 0 {
			form = append(form, all[i], all[i+1])
		} else if form[at+1] = all[i+1]; all[i+1] == "" {
			form = slices.Delete(form, at, at+2)
		}
	}
	return w.as(id, "/token", form...)
}

// tokens are tokens of Anna for an application.
func (w *walk) tokens(id string, all ...string) *answer {
	w.Helper()
	a := w.redeems(id, w.code(id, all...))
	if a.status != http.StatusOK {
		w.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return a
}

// introspects asks for a token as an application.
func (w *walk) introspects(id, token string, all ...string) *answer {
	w.Helper()
	return w.as(id, "/introspect", append([]string{"token", token}, all...)...)
}

// active reports whether a token is good, as the application that it was issued to is told.
func (w *walk) active(id, token string) bool {
	w.Helper()
	return w.introspects(id, token).members["active"] == true
}

// userinfo asks with an access token.
func (w *walk) userinfo(access string) *answer {
	w.Helper()
	return w.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+access)
}

// discovery is the metadata of the provider.
func (w *walk) discovery() *answer {
	w.Helper()
	return w.send(http.MethodGet, "/.well-known/oauth-authorization-server", "")
}

// lists reports whether a member of an answer is a list with a text.
func (a *answer) lists(name, value string) bool {
	all, _ := a.members[name].([]any)
	return slices.Contains(all, any(value))
}

// claims reads the claims of a JWT, and header its header, without checking it.
func (w *walk) claims(jwt string) map[string]any { return w.part(jwt, 1) }

func (w *walk) header(jwt string) map[string]any { return w.part(jwt, 0) }

func (w *walk) part(jwt string, n int) map[string]any {
	w.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		w.Fatalf("no JWT: %.60q", jwt)
	}
	var all map[string]any
	if err := json.Unmarshal(must[[]byte](w)(base64.RawURLEncoding.DecodeString(parts[n])), &all); err != nil {
		w.Fatal(err)
	}
	return all
}

// listener is where applications are told that sessions have ended.
type listener struct {
	address string
	mu      sync.Mutex
	calls   []logoutCall
}

type logoutCall struct {
	method, kind string
	form         url.Values
}

func newListener(t *testing.T) *listener {
	l := &listener{}
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ParseForm() == nil {
			l.mu.Lock()
			l.calls = append(l.calls, logoutCall{r.Method, r.Header.Get("Content-Type"), r.PostForm})
			l.mu.Unlock()
		}
	}))
	t.Cleanup(there.Close)
	l.address = there.URL + "/told"
	return l
}

// of waits for the call that tells an application of a session.
func (l *listener) of(w *walk, client, session string) (logoutCall, map[string]any) {
	w.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		l.mu.Lock()
		calls := slices.Clone(l.calls)
		l.mu.Unlock()
		for _, c := range calls {
			if claims := w.claims(c.form.Get("logout_token")); claims["aud"] == client && claims["sid"] == session {
				return c, claims
			}
		}
		if time.Now().After(end) {
			w.Fatalf("%s is not told of %s", client, session)
		}
	}
}

// TestStandards walks through what the standards ask of a provider, one sentence after the
// other, against the program as it is run.
func TestStandards(t *testing.T) {
	x := newExamination(t)
	var mu sync.Mutex
	done := map[string]bool{}
	t.Run("all", func(t *testing.T) {
		for _, s := range standards {
			for i := range s.asks {
				r := &s.asks[i]
				if r.walk == nil {
					continue
				}
				t.Run(strings.TrimPrefix(r.test(s), "TestStandards/"), func(t *testing.T) {
					t.Parallel()
					w := &walk{T: t, x: x}
					r.walk(w)
					if w.checked == 0 {
						t.Error("nothing was looked at")
					}
					mu.Lock()
					done[r.test(s)] = true
					mu.Unlock()
				})
			}
		}
	})
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // some of them, as the command says
	}
	for _, s := range standards {
		for i := range s.asks {
			if r := &s.asks[i]; r.walk != nil && !done[r.test(s)] {
				t.Errorf("%s did not come to its end", r.test(s))
			}
		}
	}
}

// testPackages are where the tests are that the tables name.
var testPackages = map[string]string{
	"oidc": "../idp/oidc", "e2e": ".", "login": "../idp/login", "store": "../idp/store", "storetest": "../idp/store/storetest", "admin": "../idp/admin", "web": "../idp/web",
	"logout": "../idp/logout", "idp": "../idp", "keyring": "../idp/keyring", "outbound": "../idp/outbound", "jwks": "../idp/jwks", "serve": "../idp/serve",
}

// testsOf are the names of the tests in a folder, as the sources have them.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	files := must[[]string](t)(filepath.Glob(filepath.Join(folder, "*_test.go")))
	for _, name := range files {
		f := must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution))
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain" {
				tests[fn.Name.Name] = true
			}
		}
	}
	return tests
}

// The page of docs has what the tables have: every requirement with a test that there is, or
// with the reason why there is none.
func TestStandardsPage(t *testing.T) {
	t.Parallel()
	const file, heading = "../docs/standards.md", "## The tables\n"
	text := string(must[[]byte](t)(os.ReadFile(file)))
	intro, _, ok := strings.Cut(text, heading)
	if !ok {
		t.Fatalf("%s has no %q", file, heading)
	}
	tests := map[string]map[string]bool{}
	for short, folder := range testPackages {
		tests[short] = testsOf(t, folder)
	}
	levels := []string{"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}
	section := regexp.MustCompile(`^[0-9A-Z]+(\.[0-9]+)*$`)
	names := map[string]bool{}
	var body, summary strings.Builder
	summary.WriteString("| standard | requirements | yes | otherwise | not built |\n|---|---|---|---|---|\n")
	var sum [4]int
	for _, s := range standards {
		var n [4]int // all, yes, otherwise, not built
		fmt.Fprintf(&body, "\n### %s: %s\n\n%s\n\n| § | | what is asked | shown by | result |\n|---|---|---|---|---|\n", s.name, s.title, s.about)
		for i := range s.asks {
			r := &s.asks[i]
			test, result := r.test(s), cmp.Or(r.why, "yes")
			where := s.name + " " + r.section + ": " + r.text
			switch {
			case !section.MatchString(r.section), !slices.Contains(levels, r.level), r.text == "" || strings.Contains(r.text, "|"):
				t.Errorf("%s: %q %q is no row", where, r.section, r.level)
			case test == "" && r.why == "":
				t.Errorf("%s has neither a test nor a reason", where)
			case r.walk != nil && names[test]:
				t.Errorf("%s: %s is there twice", where, test)
			case r.walk != nil && r.name == "":
				t.Errorf("%s: its walk has no name", where)
			}
			names[test] = true
			for name := range strings.SplitSeq(r.shown, ", ") {
				if short, fn, ok := strings.Cut(name, "."); r.shown != "" && (!ok || !tests[short][fn]) {
					t.Errorf("%s: there is no test %s", where, name)
				}
			}
			n[0]++
			switch kind, _, _ := strings.Cut(r.why, ":"); kind {
			case "":
				n[1]++
			case "otherwise":
				n[2]++
			default:
				n[3]++
			}
			if test != "" {
				test = "`" + strings.ReplaceAll(strings.TrimPrefix(test, "TestStandards/"+s.short+"/"), ", ", "`, `") + "`"
			}
			fmt.Fprintf(&body, "| %s | %s | %s | %s | %s |\n", r.section, r.level, r.text, test, result)
		}
		fmt.Fprintf(&summary, "| %s | %d | %d | %d | %d |\n", s.name, n[0], n[1], n[2], n[3])
		for i := range sum {
			sum[i] += n[i]
		}
	}
	fmt.Fprintf(&summary, "| together | %d | %d | %d | %d |\n", sum[0], sum[1], sum[2], sum[3])
	want := intro + heading + "\n" + summary.String() + body.String()
	if want == text {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s does not have what the tables have: UPDATE=1 go test -run TestStandardsPage ./e2e", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// authorized is an Authorization header of an id and a secret as they stand.
func authorized(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// check401 holds that the answer is 401.
func (a *answer) check401() *answer {
	a.w.Helper()
	a.w.check(a.status == http.StatusUnauthorized, "%d %s", a.status, a.body)
	return a
}

// registers asks for a registration with the initial access token.
func (w *walk) registers(metadata map[string]any) *answer {
	w.Helper()
	return w.configures(http.MethodPost, "/register", w.x.initial, metadata)
}

// configures sends metadata, or nothing, with a token.
func (w *walk) configures(method, path, token string, metadata map[string]any) *answer {
	w.Helper()
	body := ""
	if metadata != nil {
		body = string(must[[]byte](w)(json.Marshal(metadata)))
	}
	return w.send(method, strings.TrimPrefix(path, w.x.issuer), body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

// authorizeAt is the address of an authorization request with a redirect URI of any kind.
func (w *walk) authorizeAt(id, redirect string, all ...string) string {
	w.Helper()
	rp := w.party("viewer")
	rp.id, rp.redirect, rp.scope = id, redirect, "openid"
	maps.Copy(rp.extra, valuesOf(all))
	return rp.authorize()
}

// consents answers the page that asks what an application may be told: allow or deny.
func (w *walk) consents(p *person, at *page, answer string) *page {
	w.Helper()
	if find(at.doc, byID("allow")) == nil {
		w.Fatalf("no question on %s (%d):\n%.2000s", at.url, at.status, at.body)
	}
	return p.read(p.send(http.MethodPost, at.url.String()+"/consent", url.Values{"answer": {answer}}))
}

// signOut ends a person's session by its ID token.
func (w *walk) signOut(p *person, idToken string) *page {
	w.Helper()
	return p.get(w.x.issuer + "/end_session?" + url.Values{"id_token_hint": {idToken}}.Encode())
}
