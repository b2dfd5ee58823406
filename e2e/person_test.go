package e2e

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"hilum/idp/totp"
)

// person is somebody in front of a browser without script: cookies, links,
// forms, nothing else.
type person struct {
	t        testing.TB
	web      *http.Client
	name     string
	password string
	seed     []byte
	spent    int64 // newest time step whose code may have been used
	used     int64 // newest time step whose code certainly was
}

func newPerson(t testing.TB, name, password, seed string) *person {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	// Linking took the code before the current one, or, a moment ago, the one
	// before that.
	return &person{t: t, web: newBrowser(t), name: name, password: password, seed: secret, spent: totp.Step(time.Now()) - 1}
}

// newBrowser follows redirects within the provider and stops where a relying
// party would take over, so that the answer can be looked at.
func newBrowser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Timeout: patience,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 20 {
				return http.ErrUseLastResponse
			}
			if strings.HasSuffix(r.URL.Path, "/callback") {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// typing is how long a code takes from here to the provider's check, at most:
// hashing a password on a loaded machine is a part of it.
const typing = 10 * time.Second

// code returns a code that was not used yet, waiting for the next time step
// where there is none: the step before now, then now. The step before is left
// out where it would be two steps old by the time it is checked.
func (p *person) code() string {
	for {
		now := time.Now()
		for s := totp.Step(now.Add(typing)) - 1; s <= totp.Step(now); s++ {
			if s > p.spent {
				p.spent, p.used = s, s
				return totp.Code(p.seed, time.Unix(s*30, 0))
			}
		}
		time.Sleep(time.Until(time.Unix((totp.Step(now)+1)*30, 0)) + 50*time.Millisecond)
	}
}

// usedCode returns a code that is right and spent, and stays so for a while:
// the latest of this person, or else one spent at another workstation.
func (p *person) usedCode(rp *party) string {
	p.t.Helper()
	if totp.Step(time.Now().Add(typing))-1 > p.used {
		p.spent = max(p.spent, totp.Step(time.Now())-1)
		other := *p
		other.web = newBrowser(p.t)
		rp.answer(other.signIn(rp.authorize()))
		p.spent, p.used = other.spent, other.used
	}
	return totp.Code(p.seed, time.Unix(p.used*30, 0))
}

// page is what a browser has in front of it.
type page struct {
	url    *url.URL
	status int
	body   string
	doc    *html.Node
	head   http.Header
}

func (p *person) read(res *http.Response, err error) *page {
	p.t.Helper()
	at, err := readPage(res, err)
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

func readPage(res *http.Response, err error) (*page, error) {
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	doc, err := html.Parse(strings.NewReader(string(b)))
	if err != nil {
		return nil, err
	}
	at := res.Request.URL
	if to, err := res.Location(); err == nil && res.StatusCode/100 == 3 {
		at = to
	}
	return &page{url: at, status: res.StatusCode, body: string(b), doc: doc, head: res.Header}, nil
}

func (p *person) get(u string) *page {
	p.t.Helper()
	return p.read(p.send(http.MethodGet, u, nil))
}

// send asks as browsers do; some relying parties answer nobody else with a page.
func (p *person) send(method, u string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequest(method, u, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Site", "same-origin") // from a page of the provider, as people come
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return p.web.Do(req)
}

// submit fills the form with an id in and sends it.
func (p *person) submit(from *page, id string, values url.Values) *page {
	p.t.Helper()
	to, all := p.fill(from, id, values)
	return p.read(p.send(http.MethodPost, to, all))
}

// fill returns where the form with an id goes, and all that goes there.
func (p *person) fill(from *page, id string, values url.Values) (string, url.Values) {
	p.t.Helper()
	form := find(from.doc, func(n *html.Node) bool { return n.Data == "form" && attr(n, "id") == id })
	if form == nil {
		p.t.Fatalf("no form %q on %s (status %d):\n%s", id, from.url, from.status, from.body)
	}
	all := url.Values{}
	each(form, func(n *html.Node) {
		if n.Data == "input" && attr(n, "name") != "" {
			all.Set(attr(n, "name"), attr(n, "value"))
		}
	})
	maps.Copy(all, values)
	to, err := from.url.Parse(attr(form, "action"))
	if err != nil {
		p.t.Fatal(err)
	}
	return to.String(), all
}

// signIn goes from an authorization request to the redirect with the answer.
func (p *person) signIn(authorize string) *page {
	p.t.Helper()
	at := p.get(authorize)
	at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
	return p.submit(at, "code-form", url.Values{"code": {p.code()}})
}

func find(n *html.Node, ok func(*html.Node) bool) *html.Node {
	var found *html.Node
	each(n, func(n *html.Node) {
		if found == nil && ok(n) {
			found = n
		}
	})
	return found
}

func each(n *html.Node, do func(*html.Node)) {
	if n.Type == html.ElementNode {
		do(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, do)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// party is a relying party by hand: nothing hidden, everything can be bent.
type party struct {
	t            testing.TB
	issuer       string
	id, secret   string // secret empty: a public client
	redirect     string
	scope        string
	verifier     string
	extra        url.Values
	web          *http.Client
	state, nonce string
}

func (d *demo) confidential(t testing.TB) *party {
	return &party{
		t: t, issuer: d.Issuer, id: d.ClientID, secret: d.ClientSecret, redirect: d.RedirectURI, scope: "openid profile email offline_access",
		verifier: strings.Repeat("verifier-", 6), web: &http.Client{Timeout: patience}, state: "state-1", nonce: "nonce-1",
	}
}

func (d *demo) public(t testing.TB) *party {
	p := d.confidential(t)
	p.id, p.secret, p.redirect = d.PublicClientID, "", d.PublicRedirectURI
	return p
}

// authorize is the URL that the browser is sent to.
func (p *party) authorize() string {
	sum := sha256.Sum256([]byte(p.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "scope": {p.scope},
		"state": {p.state}, "nonce": {p.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	maps.Copy(q, p.extra)
	return p.issuer + "/authorize?" + q.Encode()
}

// tokens is an answer of the token endpoint, good or bad.
type tokens struct {
	Status      int    `json:"-"`
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	ID          string `json:"id_token"`
	Type        string `json:"token_type"`
	Scope       string `json:"scope"`
	Expires     int    `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (p *party) post(path string, form url.Values) (*tokens, error) {
	req, err := http.NewRequest(http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.secret != "" {
		req.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
	} else {
		form.Set("client_id", p.id)
		req, err = http.NewRequest(http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.web.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	tk := &tokens{Status: res.StatusCode}
	return tk, json.NewDecoder(res.Body).Decode(tk)
}

func (p *party) exchange(code string) (*tokens, error) {
	return p.post("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {p.verifier},
	})
}

func (p *party) refresh(token string) (*tokens, error) {
	return p.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// userinfo returns the status and the claims.
func (p *party) userinfo(access string) (int, map[string]any, error) {
	req, err := http.NewRequest(http.MethodGet, p.issuer+"/userinfo", nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	res, err := p.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	var claims map[string]any
	if res.StatusCode == http.StatusOK {
		err = json.NewDecoder(res.Body).Decode(&claims)
	}
	return res.StatusCode, claims, err
}

// answer takes the code out of a redirect to the relying party.
func (p *party) answer(at *page) string {
	p.t.Helper()
	q := at.url.Query()
	if !strings.HasPrefix(at.url.String(), p.redirect+"?") || q.Get("code") == "" || q.Get("state") != p.state || q.Get("iss") != p.issuer {
		p.t.Fatalf("no good answer: status %d at %s\n%s", at.status, at.url, at.body)
	}
	return q.Get("code")
}

// currentCode is what an authenticator app shows at a time.
func currentCode(t testing.TB, seed string, at time.Time) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	return totp.Code(secret, at)
}

// claim reads one claim of an ID token without checking it.
func claim(t testing.TB, jwt, name string) any {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", jwt)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// enrol follows a one-time link: chooses the password, links an authenticator
// with the secret the page shows, and returns the recovery codes.
func (p *person) enrol(link string) []string {
	p.t.Helper()
	at := p.get(link)
	form := find(at.doc, func(n *html.Node) bool { return n.Data == "form" && attr(n, "action") == at.url.Path })
	if form == nil {
		p.t.Fatalf("no invitation at %s (status %d):\n%s", at.url, at.status, at.body)
	}
	at = p.submit(p.read(p.web.PostForm(link, nil)), "enrol-form", url.Values{"password": {p.password}})
	secret := find(at.doc, func(n *html.Node) bool { return attr(n, "id") == "secret" })
	if secret == nil {
		p.t.Fatalf("no secret on %s (status %d):\n%s", at.url, at.status, at.body)
	}
	seed := strings.Join(strings.Fields(textOf(secret)), "")
	var err error
	if p.seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed); err != nil {
		p.t.Fatalf("secret %q: %v", seed, err)
	}
	p.spent = 0
	at = p.submit(at, "enrol-form", url.Values{"code": {p.code()}, "device_name": {"Test phone"}})
	list := find(at.doc, func(n *html.Node) bool { return attr(n, "id") == "recovery-codes" })
	if list == nil {
		p.t.Fatalf("no recovery codes on %s (status %d):\n%s", at.url, at.status, at.body)
	}
	var codes []string
	each(list, func(n *html.Node) {
		if text := strings.TrimSpace(textOf(n)); n.Data == "li" {
			codes = append(codes, text)
		}
	})
	if len(codes) != 10 {
		p.t.Fatalf("%d recovery codes", len(codes))
	}
	p.submit(at, "codes-form", url.Values{"saved": {"on"}})
	return codes
}

// elsewhere goes to another workstation, where nobody is signed in.
func (p *person) elsewhere() {
	p.t.Helper()
	was := p.web.Transport
	p.web = newBrowser(p.t)
	p.web.Transport = was
}

func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
}
