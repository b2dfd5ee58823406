package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// attempt is a request that somebody careless or hostile might send.
type attempt struct {
	name         string
	method, path string
	query, form  string // as they go over the wire
	headers      []string
	want         string // "", or what the answer has to be: "page 400", "json 401 invalid_client", "redirect invalid_scope"
}

// A value that changes hands must not become markup, a header or an address.
const (
	markup  = `"><script>alert(1)</script>`
	foreign = "https://evil.example/"
)

// bend returns every way to get one parameter of a request wrong. A request is
// a list of name, value, name, value.
func bend(base []string) map[string]string {
	all := map[string]string{}
	join := func(skip int, put string) string {
		var parts []string
		for i := 0; i < len(base); i += 2 {
			if i != skip {
				parts = append(parts, url.QueryEscape(base[i])+"="+url.QueryEscape(base[i+1]))
			} else if put != "" {
				parts = append(parts, put)
			}
		}
		return strings.Join(parts, "&")
	}
	for i := 0; i < len(base); i += 2 {
		name, value := url.QueryEscape(base[i]), url.QueryEscape(base[i+1])
		for how, put := range map[string]string{
			"missing":      "",
			"empty":        name + "=",
			"bare":         name,
			"wrong":        name + "=wrong",
			"foreign":      name + "=" + url.QueryEscape(foreign),
			"markup":       name + "=" + url.QueryEscape(markup),
			"doubled":      name + "=" + value + "&" + name + "=" + value,
			"contradicted": name + "=" + value + "&" + name + "=other",
			"a list":       name + "[]=" + value,
			"an object":    name + "=" + url.QueryEscape(`{"a":["b"]}`),
			"a number":     name + "=-1",
			"too big":      name + "=999999999999999999999999",
			"4 KB":         name + "=" + strings.Repeat("a", 4<<10),
			"NUL":          name + "=" + value + "%00",
			"CRLF":         name + "=" + value + "%0d%0aX-Injected:%20yes%0d%0a%0d%0a",
			"not UTF-8":    name + "=%ff%fe%fd",
			"overlong":     name + "=%c0%af",
			"broken":       name + "=%zz",
			"semicolon":    name + "=" + value + ";x=y",
			"upper case":   strings.ToUpper(name) + "=" + value,
			"spaces":       name + "=+" + value + "+",
			"RTL":          name + "=%e2%80%ae" + value,
		} {
			all[base[i]+" "+how] = join(i, put)
		}
	}
	return all
}

// hostile is a browser, or a program, that follows nothing by itself.
type hostile struct {
	t   *testing.T
	d   *demo
	web *http.Client
	rp  *party
}

// send makes an attempt and looks at the answer, and at those that its
// redirects within the provider lead to.
func (h *hostile) send(a attempt) {
	target := h.d.Issuer + a.path
	if a.query != "" {
		target += "?" + a.query
	}
	req, err := http.NewRequest(a.method, target, strings.NewReader(a.form))
	if err != nil {
		h.t.Errorf("%s: %v", a.name, err)
		return
	}
	if a.form != "" || a.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, line := range a.headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	cookies := req.Header.Get("Cookie")
	first := ""
	for hop := 0; ; hop++ {
		res, err := h.web.Do(req)
		if err != nil {
			h.t.Errorf("%s: %v", a.name, err)
			return
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
		if err != nil {
			h.t.Errorf("%s: %v", a.name, err)
			return
		}
		got, next := h.look(a, res, string(body))
		if hop == 0 || next == "" {
			first = got
		}
		if next == "" {
			break
		}
		if hop == 5 {
			h.t.Errorf("%s: redirected again and again", a.name)
			return
		}
		for _, c := range res.Cookies() {
			cookies += "; " + c.Name + "=" + c.Value
		}
		if req, err = http.NewRequest(http.MethodGet, next, nil); err != nil {
			h.t.Errorf("%s: %v", a.name, err)
			return
		}
		req.Header.Set("Cookie", strings.TrimPrefix(cookies, "; "))
	}
	if a.want != "" && first != a.want {
		h.t.Errorf("%s: answered %q, want %q", a.name, first, a.want)
	}
}

// oauthErrors are those of RFC 6749, section 5.2, and RFC 6750, section 3.1.
var oauthErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_token", "insufficient_scope"}

// look checks what is true of every answer, and returns what kind it is, and
// where it leads within the provider.
func (h *hostile) look(a attempt, res *http.Response, body string) (kind, next string) {
	bad := func(format string, args ...any) {
		h.t.Errorf("%s: %s\n%d %v\n%.800s", a.name, fmt.Sprintf(format, args...), res.StatusCode, res.Header, body)
	}
	if res.StatusCode >= 500 {
		bad("a fault of ours")
	}
	if res.Header.Get("X-Injected") != "" {
		bad("a header of theirs")
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
		bad("no security headers")
	}
	if strings.Contains(body, "<script>alert") {
		bad("markup of theirs")
	}
	if where := res.Header.Get("Location"); where != "" {
		if res.StatusCode/100 != 3 {
			bad("Location without a redirect")
		}
		return h.redirect(bad, where)
	}
	if res.StatusCode/100 == 3 && res.StatusCode != http.StatusNotModified {
		bad("a redirect to nowhere")
	}
	if res.Request.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || a.path == "/revoke" && res.StatusCode == http.StatusOK {
		if body != "" {
			bad("a body where there is none")
		}
		return fmt.Sprintf("nothing %d", res.StatusCode), ""
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		var answer struct {
			Error, Description string
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			bad("not JSON: %v", err)
		}
		kind = fmt.Sprintf("json %d", res.StatusCode)
		if res.StatusCode >= 400 {
			kind += " " + answer.Error
			if !slices.Contains(oauthErrors, answer.Error) {
				bad("not an error code of OAuth: %q", answer.Error)
			}
			if !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
				bad("may be cached")
			}
		}
		if res.StatusCode == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") == "" {
			bad("401 without a challenge")
		}
	case "text/html":
		doc, err := html.Parse(strings.NewReader(body))
		if err != nil {
			bad("not HTML: %v", err)
			return "", ""
		}
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			bad("content policy %q", csp)
		}
		h1 := find(doc, func(n *html.Node) bool { return n.Data == "h1" })
		if h1 == nil || strings.TrimSpace(textOf(h1)) == "" {
			bad("a page without a heading")
		}
		each(doc, func(n *html.Node) {
			if to := attr(n, "action"); n.Data == "form" && to != "" && !strings.HasPrefix(to, "/") && to != h.rp.redirect {
				bad("a form that posts to %s", to)
			}
			if to := attr(n, "href"); strings.HasPrefix(strings.ToLower(strings.TrimSpace(to)), "javascript:") || strings.Contains(to, "evil.example") {
				bad("a link to %s", to)
			}
		})
		kind = fmt.Sprintf("page %d", res.StatusCode)
	default:
		kind = fmt.Sprintf("%s %d", media, res.StatusCode)
		// What never reaches a door, and who asks for no page, gets a line.
		asked := res.StatusCode == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") != "" // RFC 6750, section 3.1
		if res.StatusCode >= 400 && !asked && (media != "text/plain" || strings.TrimSpace(body) == "") {
			bad("an error without a word")
		}
	}
	return kind, ""
}

// redirect looks at where an answer leads: on within the provider, or to the
// address that the application has registered, and nowhere else.
func (h *hostile) redirect(bad func(string, ...any), where string) (kind, next string) {
	if strings.ContainsAny(where, "\r\n\x00 \\") {
		bad("an address with strange letters: %q", where)
	}
	u, err := url.Parse(where)
	if err != nil {
		bad("an address nobody can read: %v", err)
		return "", ""
	}
	if strings.HasPrefix(where, "/") && !strings.HasPrefix(where, "//") {
		return "on", h.d.Issuer + where
	}
	for _, address := range []string{h.rp.redirect, h.d.Viewer + "/"} {
		for _, mark := range []string{"?", "#"} {
			rest, ok := strings.CutPrefix(where, address+mark)
			if !ok {
				continue
			}
			q, err := url.ParseQuery(rest)
			if err != nil {
				bad("an answer nobody can read: %v", err)
			}
			if address == h.rp.redirect && q.Get("iss") != h.d.Issuer {
				bad("an answer without iss (RFC 9207)")
			}
			if q.Get("error") == "" && q.Get("code") == "" && address == h.rp.redirect {
				bad("an answer that says nothing")
			}
			return "redirect " + q.Get("error"), ""
		}
		if where == address {
			return "redirect", ""
		}
	}
	if u.Scheme+"://"+u.Host == h.d.Issuer {
		return "on", where
	}
	bad("sent away to %s", where)
	return "", ""
}

// With all parameters wrong, missing, doubled, oversized: the standard's error
// or a page with a sentence, never a fault, never a redirect to a place that is
// not registered; and meanwhile, and after it, people sign in.
func TestBadInput(t *testing.T) {
	d := startDemo(t)
	rp := d.confidential(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	innocent := anna.get(rp.authorize()) // began before

	admin := newPerson(t, d.AdminUsername, d.AdminPassword, d.AdminTOTPSecret)
	idToken := must[*tokens](t)(rp.exchange(rp.answer(admin.signIn(rp.authorize()))))
	session := cookiesOf(t, admin.web, d.Issuer)
	h := &hostile{t: t, d: d, rp: rp, web: &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}

	all := slices.Concat(
		atAuthorize(rp), atToken(rp, idToken), atTheOthers(rp, idToken), atSignOut(d, rp, idToken),
		atPages(d, admin, session), methodsAndPaths(d), crossSite(session))
	t.Logf("%d attempts", len(all))
	queue := make(chan attempt)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { // ends when queue is closed
			for a := range queue {
				h.send(a)
			}
		})
	}
	for _, a := range all {
		queue <- a
	}
	close(queue)
	wg.Wait()

	at := anna.submit(innocent, "password-form", url.Values{"username": {d.Username}, "password": {d.Password}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	if tk := must[*tokens](t)(rp.exchange(rp.answer(at))); tk.Status != http.StatusOK {
		t.Errorf("somebody innocent cannot sign in any more: %+v", tk)
	}
	// The administrator has still the password, the device and the session of before.
	if at := admin.get(d.Issuer + "/account/devices"); at.status != http.StatusOK || !strings.Contains(at.body, "Terminal") {
		t.Errorf("the administrator's devices: %d\n%s", at.status, at.body)
	}
	if out := d.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify printed %s", out)
	}
}

func cookiesOf(t *testing.T, web *http.Client, issuer string) string {
	u := must[*url.URL](t)(url.Parse(issuer))
	var all []string
	for _, c := range web.Jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	if len(all) < 2 {
		t.Fatalf("no session: %v", all)
	}
	return "Cookie: " + strings.Join(all, "; ")
}

func atAuthorize(rp *party) (all []attempt) {
	u, _ := url.Parse(rp.authorize())
	q := u.Query()
	base := []string{}
	for name := range q {
		base = append(base, name, q.Get(name))
	}
	more := slices.Concat(base, []string{
		"prompt", "login", "max_age", "300", "login_hint", "anna", "ui_locales", "de-AT en", "acr_values", "urn:x",
		"response_mode", "query", "display", "page", "claims", `{"id_token":{"acr":null}}`, "id_token_hint", "a.b.c",
	})
	for how, query := range bend(more) {
		all = append(all,
			attempt{name: "authorize: " + how, method: "GET", path: "/authorize", query: query},
			attempt{name: "authorize by form: " + how, method: "POST", path: "/authorize", form: query})
	}
	for _, mode := range []string{"fragment", "form_post"} {
		for how, query := range bend(append(slices.Clone(base), "response_mode", mode)) {
			all = append(all, attempt{name: "authorize, " + mode + ": " + how, method: "GET", path: "/authorize", query: query})
		}
	}
	exact := func(name, want string, change func(url.Values)) {
		v := url.Values{}
		for k := range q {
			v.Set(k, q.Get(k))
		}
		change(v)
		all = append(all, attempt{name: "authorize, " + name, method: "GET", path: "/authorize", query: v.Encode(), want: want})
	}
	set := func(pairs ...string) func(url.Values) {
		return func(v url.Values) {
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
		}
	}
	del := func(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }
	twice := func(name string) func(url.Values) { return func(v url.Values) { v.Add(name, v.Get(name)) } }
	exact("as it should be", "page 200", func(url.Values) {})
	exact("no client", "page 400", del("client_id"))
	exact("a client twice", "page 400", twice("client_id"))
	exact("an unknown client", "page 400", set("client_id", "nobody"))
	exact("no redirect_uri", "page 400", del("redirect_uri"))
	exact("a redirect_uri twice", "page 400", twice("redirect_uri"))
	exact("no response_type", "redirect invalid_request", del("response_type"))
	exact("response_type twice", "redirect invalid_request", twice("response_type"))
	exact("response_type token", "redirect unsupported_response_type", set("response_type", "token"))
	exact("response_type id_token", "redirect unsupported_response_type", set("response_type", "id_token"))
	exact("response_type none", "redirect unsupported_response_type", set("response_type", "none"))
	exact("no challenge", "redirect invalid_request", func(v url.Values) { v.Del("code_challenge"); v.Del("code_challenge_method") })
	exact("a plain challenge", "redirect invalid_request", set("code_challenge_method", "plain"))
	exact("a challenge twice", "redirect invalid_request", twice("code_challenge"))
	exact("state twice", "redirect invalid_request", twice("state"))
	exact("nonce twice", "redirect invalid_request", twice("nonce"))
	exact("no scope of its", "redirect invalid_scope", set("scope", "everything"))
	exact("prompt none", "redirect login_required", set("prompt", "none"))
	exact("prompt none and more", "redirect invalid_request", set("prompt", "none login"))
	exact("a negative age", "redirect invalid_request", set("max_age", "-1"))
	exact("a request object", "redirect request_not_supported", set("request", "a.b.c"))
	exact("a request by address", "redirect request_uri_not_supported", set("request_uri", foreign))
	exact("registration", "redirect registration_not_supported", set("registration", "{}"))
	exact("an unknown response_mode", "redirect invalid_request", set("response_mode", "web_message"))
	exact("another's id_token_hint", "redirect invalid_request", set("id_token_hint", "a.b.c"))
	for _, to := range elsewhere(rp.redirect) {
		exact("redirect_uri "+to, "page 400", set("redirect_uri", to))
		exact("redirect_uri "+to+", prompt none", "page 400", set("redirect_uri", to, "prompt", "none"))
	}
	for _, size := range []int{16 << 10, 64 << 10, 2 << 20} {
		all = append(all, attempt{name: fmt.Sprintf("authorize by form, %d bytes", size), method: "POST", path: "/authorize",
			form: u.RawQuery + "&x=" + strings.Repeat("a", size)})
	}
	return all
}

// elsewhere is addresses that look like the one that is registered, and are not.
func elsewhere(registered string) []string {
	u, err := url.Parse(registered)
	if err != nil {
		panic(err)
	}
	host := u.Host
	return []string{
		foreign, "//evil.example/", `/\evil.example/`, "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "callback", "/callback",
		registered + "/", registered + "/../x", registered + "?x=y", registered + "#x", registered + "%2e", registered + " ", " " + registered,
		strings.ToUpper(registered), strings.Replace(registered, "http:", "https:", 1), strings.Replace(registered, "http:", "HTTP:", 1),
		"http://" + host + ".evil.example/callback", "http://evil.example@" + host + "/callback", "http://" + host + "@evil.example/callback",
		"http://" + host + `\@evil.example/callback`, "http://evil.example/callback?" + registered, "http://evil.example#" + registered,
		"http://" + u.Hostname() + ":1/callback", "http://[::1]:" + u.Port() + "/callback", "http://localhost:" + u.Port() + "/callback",
		"http://" + host + "//callback", "http://" + host + "/./callback", "http://" + host + "/callback\x00", "http://" + host + "/callback\r\nX-Injected: yes",
		"http://" + host + "/%63allback", "http://" + host + "/callback;x", "http://127.1:" + u.Port() + "/callback",
	}
}

func atToken(rp *party, tk *tokens) (all []attempt) {
	basic := "Authorization: Basic " + basicOf(rp.id, rp.secret)
	for grant, base := range map[string][]string{
		"code":    {"grant_type", "authorization_code", "code", "none", "redirect_uri", rp.redirect, "code_verifier", rp.verifier},
		"refresh": {"grant_type", "refresh_token", "refresh_token", "none", "scope", "openid"},
		"machine": {"grant_type", "client_credentials", "scope", "x"},
		"device":  {"grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", "x"},
	} {
		for how, form := range bend(base) {
			all = append(all, attempt{name: "token, " + grant + ": " + how, method: "POST", path: "/token", form: form, headers: []string{basic}})
		}
		in := append(slices.Clone(base), "client_id", rp.id, "client_secret", rp.secret)
		for how, form := range bend(in) {
			all = append(all, attempt{name: "token, " + grant + ", secret in the form: " + how, method: "POST", path: "/token", form: form})
		}
		all = append(all, attempt{name: "token by GET, " + grant, method: "GET", path: "/token", query: pairs(base), headers: []string{basic}, want: "json 405 invalid_request"})
		all = append(all, attempt{name: "token, parameters in the URL, " + grant, method: "POST", path: "/token", query: pairs(base), headers: []string{basic}, want: "json 400 invalid_request"})
		for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", "", "application/x-www-form-urlencoded; charset=\xff"} {
			all = append(all, attempt{name: "token as " + kind + ", " + grant, method: "POST", path: "/token", form: pairs(base), headers: []string{basic, "Content-Type: " + kind}})
		}
	}
	good := []string{"grant_type", "authorization_code", "code", "none", "redirect_uri", rp.redirect, "code_verifier", rp.verifier}
	for name, header := range map[string]string{
		"another scheme": "Digest x", "no base64": "Basic %%%", "no colon": "Basic bm9uZQ==", "empty": "Basic ", "nothing": "Basic Og==", "a bearer token": "Bearer " + tk.Access,
		"a wrong secret": "Basic " + basicOf(rp.id, "wrong"), "an unknown client": "Basic " + basicOf("nobody", "wrong"), "a long one": "Basic " + strings.Repeat("YQ", 4<<10),
		"NUL": "Basic " + basicOf(rp.id+"\x00", rp.secret),
	} {
		all = append(all, attempt{name: "token, credentials: " + name, method: "POST", path: "/token", form: pairs(good),
			headers: []string{"Authorization: " + header}, want: "json 401 invalid_client"})
	}
	exact := func(name, want string, form ...string) {
		all = append(all, attempt{name: "token, " + name, method: "POST", path: "/token", form: pairs(form), headers: []string{basic}, want: want})
	}
	exact("nothing", "json 400 invalid_request")
	exact("no grant_type", "json 400 invalid_request", "code", "none")
	exact("an unknown grant_type", "json 400 unsupported_grant_type", "grant_type", "password", "username", "anna", "password", "x")
	exact("a made-up code", "json 400 invalid_grant", good...)
	exact("a made-up refresh token", "json 400 invalid_grant", "grant_type", "refresh_token", "refresh_token", "none")
	exact("an access token to refresh", "json 400 invalid_grant", "grant_type", "refresh_token", "refresh_token", tk.Access)
	exact("a scope that no machine has", "json 400 invalid_scope", "grant_type", "client_credentials", "scope", "openid")
	exact("in two ways", "json 400 invalid_request", append(slices.Clone(good), "client_secret", rp.secret)...)
	exact("an assertion beside a secret", "json 400 invalid_request", append(slices.Clone(good), "client_assertion", "a.b.c", "client_assertion_type", "x")...)
	for _, size := range []int{33 << 10, 1 << 20, 4 << 20} {
		all = append(all, attempt{name: fmt.Sprintf("token, %d bytes", size), method: "POST", path: "/token",
			form: pairs(good) + "&x=" + strings.Repeat("a", size), headers: []string{basic}, want: "json 413 invalid_request"})
	}
	return all
}

func atTheOthers(rp *party, tk *tokens) (all []attempt) {
	basic := "Authorization: Basic " + basicOf(rp.id, rp.secret)
	for _, path := range []string{"/introspect", "/revoke"} {
		for how, form := range bend([]string{"token", "made-up", "token_type_hint", "access_token"}) {
			all = append(all, attempt{name: path + ": " + how, method: "POST", path: path, form: form, headers: []string{basic}})
		}
		all = append(all,
			attempt{name: path + ", nobody", method: "POST", path: path, form: "token=" + tk.Access, want: "json 401 invalid_client"},
			attempt{name: path + ", a wrong secret", method: "POST", path: path, form: "token=" + tk.Access, want: "json 401 invalid_client",
				headers: []string{"Authorization: Basic " + basicOf(rp.id, "wrong")}},
			attempt{name: path + " by GET", method: "GET", path: path, query: "token=" + tk.Access, headers: []string{basic}, want: "json 405 invalid_request"},
			attempt{name: path + ", in the URL", method: "POST", path: path, query: "token=" + tk.Access, headers: []string{basic}, want: "json 400 invalid_request"},
			attempt{name: path + ", 20 KB", method: "POST", path: path, form: "token=" + strings.Repeat("a", 20<<10), headers: []string{basic}, want: "json 400 invalid_request"},
			attempt{name: path + ", huge", method: "POST", path: path, form: "token=" + strings.Repeat("a", 1<<20), headers: []string{basic}, want: "json 413 invalid_request"})
	}
	bearer := func(name, value, want string) {
		for _, method := range []string{"GET", "POST"} {
			all = append(all, attempt{name: "userinfo, " + method + ", " + name, method: method, path: "/userinfo", headers: []string{"Authorization: " + value}, want: want})
		}
	}
	bearer("made up", "Bearer made-up", "json 401 invalid_token")
	bearer("an ID token", "Bearer "+tk.ID, "json 401 invalid_token")
	bearer("a refresh token", "Bearer "+tk.Refresh, "json 401 invalid_token")
	bearer("empty", "Bearer ", "")
	bearer("two", "Bearer "+tk.Access+" "+tk.Access, "json 400 invalid_request")
	bearer("two with a comma", "Bearer "+tk.Access+","+tk.Access, "json 400 invalid_request")
	bearer("long", "Bearer "+strings.Repeat("a", 12<<10), "")
	bearer("the client's", "Basic "+basicOf(rp.id, rp.secret), "")
	for how, form := range bend([]string{"access_token", "made-up"}) {
		all = append(all,
			attempt{name: "userinfo by form: " + how, method: "POST", path: "/userinfo", form: form},
			attempt{name: "userinfo by query: " + how, method: "GET", path: "/userinfo", query: form})
	}
	all = append(all, attempt{name: "userinfo, the token in the URL", method: "GET", path: "/userinfo", query: "access_token=" + tk.Access, want: "json 400 invalid_request"})
	return all
}

func atSignOut(d *demo, rp *party, tk *tokens) (all []attempt) {
	base := []string{"id_token_hint", tk.ID, "client_id", rp.id, "post_logout_redirect_uri", d.Viewer + "/", "state", "s", "logout_hint", "x", "ui_locales", "de"}
	for how, query := range bend(base) {
		// Without cookies nobody is signed in, so that nobody is signed out.
		all = append(all,
			attempt{name: "end_session: " + how, method: "GET", path: "/end_session", query: query},
			attempt{name: "end_session by form: " + how, method: "POST", path: "/end_session", form: query})
	}
	for _, to := range elsewhere(d.Viewer + "/") {
		if to == d.Viewer+"/" {
			continue
		}
		for _, with := range []string{pairs([]string{"id_token_hint", tk.ID}), pairs([]string{"client_id", rp.id}), ""} {
			all = append(all, attempt{name: "end_session to " + to, method: "GET", path: "/end_session",
				query: with + "&post_logout_redirect_uri=" + url.QueryEscape(to)})
		}
	}
	return all
}

func atPages(d *demo, admin *person, session string) (all []attempt) {
	for _, path := range []string{"/login/", "/login/x", "/login/" + strings.Repeat("A", 26), "/login/" + strings.Repeat("A", 5000), "/login/%00", "/login/..%2f..%2faccount",
		"/login/x/code", "/login/x/nothing", "/invite/x", "/setup/x", "/invite/" + strings.Repeat("a", 43), "/setup/" + strings.Repeat("a", 43), "/invite/%ff",
		"/authorize/collect/x", "/authorize/collect/" + strings.Repeat("A", 26), "/account/link/x", "/account/devices/x/unlink", "/account/devices/%00/unlink",
		"/nowhere", "/..", "/.git/config", "/static/../go.mod", "/static/x", "/static/%2e%2e/%2e%2e/etc/passwd", "/admin", "/account/../admin"} {
		all = append(all, attempt{name: "page " + path, method: "GET", path: path}, attempt{name: "page, signed in, " + path, method: "GET", path: path, headers: []string{session}})
		if strings.HasPrefix(path, "/login/") || strings.HasPrefix(path, "/invite/") || strings.HasPrefix(path, "/setup/") {
			all = append(all, attempt{name: "post " + path, method: "POST", path: path, form: "x=y"})
		}
	}
	for name, value := range map[string]string{
		"none": "x=y", "made up": "session=" + strings.Repeat("a", 43) + "; browser=" + strings.Repeat("a", 43), "long": "session=" + strings.Repeat("a", 8<<10),
		"strange": "session=\xff\xfe; browser=\"a b\"", "many": strings.Repeat("a=b; ", 500),
	} {
		for _, path := range []string{"/account", "/account/security", "/login/x", "/"} {
			all = append(all, attempt{name: "cookies " + name + " at " + path, method: "GET", path: path, headers: []string{"Cookie: " + value}})
		}
	}
	// Somebody's own sign-in, and their own account, filled in wrongly.
	other := newBrowser(admin.t)
	res, err := other.Get(d.confidential(admin.t).authorize())
	if err != nil {
		admin.t.Fatal(err)
	}
	res.Body.Close()
	login := res.Request.URL.Path
	cookie := "Cookie: "
	u, _ := url.Parse(d.Issuer)
	for _, c := range other.Jar.Cookies(u) {
		cookie += c.Name + "=" + c.Value
	}
	for path, form := range map[string][]string{
		login + "/password": {"username", "nobody-at-all", "password", "made-up-password-1"},
		login + "/code":     {"code", "12345"},
		login + "/recovery": {"recovery_code", "x"},
		login + "/consent":  {"consent", "x"},
		login + "/name":     {"username", "x", "name", "x"},
		login + "/enrol":    {"password", "x", "code", "x", "device_name", "x"},
		login + "/collect":  {"saved", "on"},
		"/theme":            {"theme", "dark", "here", "account"},
	} {
		for how, body := range bend(form) {
			all = append(all, attempt{name: "form " + path[strings.LastIndex(path, "/"):] + ": " + how, method: "POST", path: path, form: body, headers: []string{cookie}})
		}
		all = append(all, attempt{name: "form " + path + ", huge", method: "POST", path: path, form: "username=" + strings.Repeat("a", 4<<20),
			headers: []string{cookie, "Accept: text/html"}, want: "page 413"})
	}
	for path, form := range map[string][]string{
		"/account/password":          {"current", "wrong, for sure", "password", "x"},
		"/account/recovery":          {"x", "y"},
		"/account/link/x":            {"code", "000000", "device_name", "x"},
		"/account/devices/x/name":    {"device_name", "x"},
		"/account/devices/x/unlink":  {"x", "y"},
		"/account/sessions/x/end":    {"x", "y"},
		"/account/devices/%00/name":  {"device_name", "x"},
		"/account/sessions/%ff/end":  {"x", "y"},
		"/account/nothing":           {"x", "y"},
		"/account/devices//x/unlink": {"x", "y"},
	} {
		for how, body := range bend(form) {
			if path == "/account/recovery" { // that makes new ones, as it should
				continue
			}
			all = append(all,
				attempt{name: "form " + path + ": " + how, method: "POST", path: path, form: body, headers: []string{session}},
				attempt{name: "form " + path + ", signed out: " + how, method: "POST", path: path, form: body})
		}
	}
	return all
}

// methodsAndPaths asks every endpoint in every way that it does not know.
func methodsAndPaths(*demo) (all []attempt) {
	for _, path := range []string{"/authorize", "/token", "/userinfo", "/introspect", "/revoke", "/device_authorization", "/bc-authorize", "/connect", "/end_session", "/jwks",
		"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/", "/account", "/login/x", "/login/x/password", "/theme", "/healthz", "/readyz", "/static/x"} {
		for _, method := range []string{"HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "get"} {
			all = append(all, attempt{name: method + " " + path, method: method, path: path, headers: []string{"Origin: https://evil.example"}})
		}
		all = append(all,
			attempt{name: "another host, " + path, method: "GET", path: path, headers: []string{"Host: evil.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"}},
			attempt{name: "a body nobody asked for, " + path, method: "GET", path: path, form: strings.Repeat("a", 64<<10)})
	}
	return all
}

// crossSite has another site post the forms of somebody who is signed in.
func crossSite(session string) (all []attempt) {
	for _, path := range []string{"/account/password", "/account/recovery", "/account/link", "/account/sessions/others", "/account/signout",
		"/account/devices/x/unlink", "/end_session/confirm", "/login/x/password", "/login/x/consent", "/connect"} {
		all = append(all,
			attempt{name: "from another site: " + path, method: "POST", path: path, form: "x=y", want: "page 403",
				headers: []string{session, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}},
			attempt{name: "from a site beside: " + path, method: "POST", path: path, form: "x=y", want: "page 403",
				headers: []string{session, "Sec-Fetch-Site: same-site", "Origin: https://other.example"}},
			attempt{name: "from an old browser at another site: " + path, method: "POST", path: path, form: "x=y", want: "page 403",
				headers: []string{session, "Origin: https://evil.example"}})
	}
	return all
}

func pairs(list []string) string {
	var b strings.Builder
	for i := 0; i < len(list); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(list[i]) + "=" + url.QueryEscape(list[i+1]))
	}
	return b.String()
}

func basicOf(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}
