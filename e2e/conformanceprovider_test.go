package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-jose/go-jose/v4"
)

// registered are variants of the plans of OpenID Connect: everything is registered beforehand.
var registered = map[string]string{"server_metadata": "discovery", "client_registration": "static_client"}

var codeOnly = map[string]string{"client_registration": "static_client", "response_type": "code"}

// providerPlans are the plans in the order in which they are run. The RP-initiated plan takes a
// call by the back channel for a failure, so that it has a client without.
var providerPlans = []suitePlan{
	{"config", "oidcc-config-certification-test-plan", nil, (*examined).openIDConnect},
	{"basic", "oidcc-basic-certification-test-plan", registered, (*examined).openIDConnect},
	{"form-post", "oidcc-formpost-basic-certification-test-plan", registered, (*examined).openIDConnect},
	{"rp-initiated-logout", "oidcc-rp-initiated-logout-certification-test-plan", codeOnly, func(c *examined) map[string]any {
		return c.of("client", "suite-leaves")
	}},
	{"back-channel-logout", "oidcc-backchannel-rp-initiated-logout-certification-test-plan", codeOnly, func(c *examined) map[string]any {
		return c.of("client", "suite-told")
	}},
	{"fapi2", "fapi2-security-profile-final-test-plan", map[string]string{
		"client_auth_type": "private_key_jwt", "sender_constrain": "dpop", "openid": "openid_connect", "fapi_profile": "plain_fapi",
	}, func(c *examined) map[string]any { return c.fapi2("suite-fapi") }},
	{"fapi2-mtls", "fapi2-security-profile-final-test-plan", map[string]string{
		"client_auth_type": "mtls", "sender_constrain": "mtls", "openid": "openid_connect", "fapi_profile": "plain_fapi",
	}, (*examined).fapi2MTLS},
	{"fapi2-message-signing", "fapi2-message-signing-final-test-plan", map[string]string{
		"client_auth_type": "private_key_jwt", "sender_constrain": "dpop", "openid": "openid_connect", "fapi_profile": "plain_fapi",
		"fapi_request_method": "signed_non_repudiation", "fapi_response_mode": "jarm",
	}, func(c *examined) map[string]any { return c.fapi2("suite-signs") }},
}

// examined is a provider with what the plans need: clients, and people who sign in.
type examined struct {
	*served
	base    string // where the suite's clients are
	secrets map[string]string
	mutual  string         // where clients come with a certificate
	keys    map[string]any // by client, private
	people  []*person
	asked   cibaAsked // without a browser
	initial string    // an initial access token
}

// ofOtherProfiles are members of the metadata that the suite does not know, because they are of
// profiles that it does not test (IHE IUA, ITI TF-2: 3.103.4.2.2).
var ofOtherProfiles = []string{"access_token_format"}

func (c *examined) of(pairs ...string) map[string]any {
	config := map[string]any{"alias": "hilum", "description": "hilum", "server": map[string]any{
		"discoveryUrl": c.issuer + "/.well-known/openid-configuration", "login_hint": c.people[0].name, "ui_locales": "nl fr en", "acr_values": "https://refeds.org/profile/mfa",
		"allow_unexpected_metadata_fields": ofOtherProfiles,
	}}
	for i := 0; i < len(pairs); i += 2 {
		config[pairs[i]] = map[string]any{"client_id": pairs[i+1], "client_secret": c.secrets[pairs[i+1]]}
	}
	return config
}

func (c *examined) openIDConnect() map[string]any {
	return c.of("client", "suite-basic", "client2", "suite-basic-2", "client_secret_post", "suite-post")
}

// fapi2 is a configuration with a client, and its second named alike, that prove themselves by
// keys.
func (c *examined) fapi2(id string) map[string]any {
	config := c.of()
	for name, id := range map[string]string{"client": id, "client2": id + "-2"} {
		config[name] = map[string]any{"client_id": id, "scope": "openid profile offline_access", "jwks": c.keys[id], "dpop_signing_alg": "ES256"}
	}
	config["resource"] = map[string]any{"resourceUrl": c.issuer + "/userinfo"}
	return config
}

// fapi2MTLS is one with clients that prove themselves by certificates.
func (c *examined) fapi2MTLS() map[string]any {
	config := c.of()
	for name, id := range map[string]string{"": "suite-certified", "2": "suite-certified-2"} {
		config["client"+name] = map[string]any{"client_id": id, "scope": "openid profile offline_access", "jwks": c.keys[id+" as a JWK"]} // which the plan wants, and does not use
		config["mtls"+name] = c.keys[id]
	}
	config["resource"] = map[string]any{"resourceUrl": c.mutual + "/userinfo"}
	return config
}

// examine starts a provider for a suite, whose certificate it trusts.
func examine(t *testing.T, s *officialSuite) *examined {
	t.Helper()
	port := freePort(t)
	c := &examined{
		served: newServe(t, "SSL_CERT_FILE="+s.certificate(t), "IDP_LOGOUT_NETWORKS=127.0.0.0/8", "IDP_LIMITS_ENROL_PER_10_MINUTES=1000", "IDP_TLS_MTLS_LISTEN=127.0.0.1:"+port, "IDP_CLIENTS_REGISTRATION=token"),
		mutual: "https://localhost:" + port,
		base:   s.address + "/test/a/hilum", secrets: map[string]string{}, keys: map[string]any{},
	}
	c.launch(t)
	callback := []string{"--redirect-uri", c.base + "/callback", "--scope", "openid,profile,email,phone,offline_access"}
	open := append(slices.Clone(callback), "--optional-pkce")
	out := []string{"--post-logout-uri", c.base + "/post_logout_redirect"}
	clients := map[string][]string{
		"suite-basic": open, "suite-basic-2": open,
		"suite-post":   append(slices.Clone(open), "--auth", "client_secret_post"),
		"suite-leaves": append(slices.Clone(open), out...),
		"suite-told":   append(append(slices.Clone(open), out...), "--backchannel-logout-uri", c.base+"/backchannel_logout", "--backchannel-logout-session-required"),
	}
	// The second of each pair has a redirect URI with a query besides.
	for _, id := range []string{"suite-fapi", "suite-signs", "suite-certified"} {
		for _, id := range []string{id, id + "-2"} {
			more := append(slices.Clone(callback), "--profile", "fapi2")
			switch {
			case strings.HasPrefix(id, "suite-certified"):
				more = append(more, "--auth", "self_signed_tls_client_auth", "--certificate-bound", "--jwks", c.certifies(t, id))
			case strings.HasPrefix(id, "suite-signs"):
				more[len(more)-1] = "fapi2-message-signing"
				fallthrough
			default:
				more = append(more, "--jwks", c.makesKey(t, id))
			}
			if strings.HasSuffix(id, "-2") {
				more = append(more, "--redirect-uri", c.base+"/callback?dummy1=lorem&dummy2=ipsum")
			}
			clients[id] = more
		}
	}
	for id, more := range clients {
		_, c.secrets[id] = c.addClient(t, append([]string{"Suite " + id, "--id", id}, more...)...)
	}
	c.initial = c.initialToken(t)
	// A code is good once, so that several people take turns.
	for n := range 8 {
		c.people = append(c.people, c.invite(t, fmt.Sprintf("conny%d", n+1), "--display", fmt.Sprintf("Conny%d Formance", n+1), "--given-name", fmt.Sprintf("Conny%d", n+1), "--family-name", "Formance",
			"--email", fmt.Sprintf("conny%d@klinik.test", n+1), "--phone", "+43 1 234567", "--locale", "en-GB"))
	}
	return c
}

// makesKey makes the key of a client, which the suite is given, and returns the file of its
// public half.
func (c *examined) makesKey(t *testing.T, id string) string {
	t.Helper()
	key := jose.JSONWebKey{Key: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), KeyID: id, Algorithm: "ES256", Use: "sig"}
	c.keys[id] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}
	file := filepath.Join(t.TempDir(), id+".json")
	if err := os.WriteFile(file, must[[]byte](t)(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// certifies makes the certificate of a client, which signs it itself and the suite is given,
// and returns the file of its public key.
func (c *examined) certifies(t *testing.T, id string) string {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	text := func(kind string, der []byte, err error) string {
		well(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	whole := text("CERTIFICATE", cert, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	c.keys[id] = map[string]any{"cert": whole, "key": text("PRIVATE KEY", private, err)}
	c.keys[id+" as a JWK"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}}}
	file := filepath.Join(t.TempDir(), id+".json")
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Use: "sig"}}}
	well(t, os.WriteFile(file, must[[]byte](t)(json.Marshal(set)), 0o600))
	return file
}

// rested is whose turn it is: the one whose last code is the oldest.
func (c *examined) rested() *person {
	return slices.MinFunc(c.people, func(a, b *person) int { return int(a.spent - b.spent) })
}

// Of what these modules want to see, the first page that the person is shown is the one.
var firstPage = regexp.MustCompile(`id-token-hint|bad-post-logout|query-added-to-post-logout|prompt-login|max-age-1$|registration-(?:logo|policy|tos)-uri$`)

const pngPrefix = "data:image/png;base64,"

// examinee is a person in front of a browser of their own.
type examinee struct {
	*window
	who         *person
	suite       string
	first, last string // pictures of the pages of the provider
	stays       bool   // at a page of the provider that leads nowhere
	rejects     bool   // cancels, where it can
	hesitates   bool   // leaves the first page as it is, and comes again
}

// shown is what a page of the provider, or of the suite, shows.
type shown struct {
	At, Ready, Head, Problem                           string
	Password, Named, Code, Allow, Out, Posts, Go, Stop bool
}

const probe = `(() => {
	const is = (s) => document.querySelector(s) !== null
	const text = (s) => document.querySelector(s)?.innerText ?? ""
	return JSON.stringify({ At: location.href, Ready: document.readyState, Head: text("h1"), Problem: text("#problem"),
		Password: is("#password-form"), Named: is("#password-form #username:not([readonly])"), Code: is("#code-form"), Allow: is("#allow"), Out: is("#signout"), Posts: is("#formpost"),
		Go: is("#phone-form, form[action$='/collect']"), Stop: is("#cancel") })
})()`

func (w *examinee) looks() (shown, error) {
	ctx, stop := context.WithTimeout(w.ctx, 10*time.Second)
	defer stop()
	var s shown
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](probe))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

func (w *examinee) pictures() ([]byte, error) {
	ctx, stop := context.WithTimeout(w.ctx, patience)
	defer stop()
	return chromedp.Run(ctx, chromedp.FullScreenshot(100))
}

// visits opens an address that the suite names, and goes through what comes as a person
// would, as far as the suite or a page that leads nowhere.
func (w *examinee) visits(at, method string) error {
	w.first, w.last, w.stays = "", "", false
	if method == "POST" { // a form of another site, as in life
		w.open(w.suite + "/robots.txt")
		to, query, _ := strings.Cut(at, "?")
		fields := must[url.Values](w.t)(url.ParseQuery(query))
		form := must[[]byte](w.t)(json.Marshal(fields))
		ask(w.window, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`((to, fields) => {
			const f = document.createElement("form")
			f.method = "post"
			f.action = to
			for (const [name, list] of Object.entries(fields)) for (const value of list) {
				const i = document.createElement("input")
				i.type = "hidden"
				i.name = name
				i.value = value
				f.append(i)
			}
			document.documentElement.append(f)
			setTimeout(() => f.submit(), 50)
		})(%q, %s)`, to, form)))
	} else {
		ctx, stop := context.WithTimeout(w.ctx, patience)
		_, err := chromedp.Run(ctx, chromedp.Navigate(at))
		stop()
		if err != nil {
			return err
		}
	}
	steps, before := 0, ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		s, err := w.looks()
		switch {
		case err != nil || s.Ready != "complete" || s.At == w.suite+"/robots.txt" || s.At == "about:blank":
			continue // on its way
		case strings.HasPrefix(s.At, w.suite):
			// The page of the suite says by itself that the person has come back.
			w.arrived()
			return nil
		}
		now := fmt.Sprint(s)
		if now == before { // what was done shows a moment later
			if steps++; steps > 100 {
				return fmt.Errorf("nothing comes after %s (%s)", s.At, s.Head)
			}
			continue
		}
		w.t.Logf("%s: %q %s", s.At, s.Head, s.Problem)
		png, err := w.pictures()
		if err != nil {
			continue // the page has just gone
		}
		picture := pngPrefix + base64.StdEncoding.EncodeToString(png)
		before, steps = now, 0
		if w.first == "" {
			w.first = picture
		}
		w.last = picture
		switch {
		case w.hesitates:
			w.hesitates = false
			return nil
		case w.rejects && s.Stop:
			w.click("#cancel")
		case s.Password:
			if s.Named {
				w.fill("#username", w.who.name)
			}
			w.fill("#password", w.who.password)
			w.click("#password-form #continue")
		case s.Code:
			w.fill("#code", w.who.code()) // the sixth digit sends it
		case s.Allow:
			w.click("#allow")
		case s.Out:
			w.click("#sign-out")
		case s.Posts: // by itself
		case s.Go:
			w.click("#phone-continue, #continue")
		default:
			w.stays = true
			return nil
		}
	}
	return errors.New("no end was reached in two minutes")
}

// arrived waits until the suite's page has handed on what it was called with.
func (w *examinee) arrived() {
	ctx, stop := context.WithTimeout(w.ctx, 9*time.Second)
	defer stop()
	_, _ = chromedp.Run(ctx, chromedp.WaitReady(chromedp.CSS("#submission_complete"))) // not every page has it
}

// examines runs one module, and returns its result.
func (s *officialSuite) examines(t *testing.T, c *examined, plan string, m suiteModule) string {
	run := s.begin(t, plan, m)
	w := &examinee{
		window: s.window(t), who: c.rested(), suite: s.address,
		rejects: strings.HasSuffix(m.Name, "user-rejects-authentication"), hesitates: strings.HasSuffix(m.Name, "prior-to-auth-completion-succeeds"),
	}
	idle := 0
	picture := func(places map[string]bool) {
		data := w.last
		if firstPage.MatchString(m.Name) {
			data = w.first
		} else if !w.stays {
			return // what it shows is not asked about: the person came back
		}
		for place := range places {
			if data == "" {
				continue
			}
			if err := s.call("POST", "/api/log/"+run+"/images/"+place, nil, data, nil); err != nil {
				t.Error(err)
			}
			if dir := os.Getenv("CONFORMANCE_PICTURES"); dir != "" {
				png := must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimPrefix(data, pngPrefix)))
				name := strings.ReplaceAll(strings.TrimPrefix(t.Name(), "TestConformance/"), "/", "-") + "-" + place + ".png"
				well(t, errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), png, 0o600)))
			}
		}
	}
	for end := time.Now().Add(8 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		state, _ := s.state(t, run)
		if ended(state) || time.Now().After(end) {
			return s.result(t, run)
		}
		if state == "CONFIGURED" && strings.HasSuffix(m.Name, "rotate-keys") { // it waits for a new key
			c.turnsKeys(t)
			if err := s.call("POST", "/api/runner/"+run, nil, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if state != "WAITING" {
			continue
		}
		var runner struct {
			Browser struct {
				URLs []struct{ URL, Method string } `json:"urlsWithMethod"`
			}
		}
		if err := s.call("GET", "/api/runner/"+run, nil, nil, &runner); err != nil || len(runner.Browser.URLs) == 0 {
			if idle++; idle > 20 {
				picture(s.wants(t, run))
			}
			continue
		}
		idle = 0
		places := s.wants(t, run)
		u := runner.Browser.URLs[0]
		if err := s.call("POST", "/api/runner/browser/"+run+"/visit", url.Values{"url": {u.URL}}, nil, nil); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s %s", u.Method, u.URL)
		if err := w.visits(u.URL, u.Method); err != nil {
			t.Log(err)
		}
		picture(places)
	}
}

// TestConformance runs the plans for providers against idp serve.
func TestConformance(t *testing.T) {
	s := officialSuiteOf(t)
	c := examine(t, s)
	s.compare(t, slices.Concat(providerPlans, dynamicPlans), func(p suitePlan) map[string]any { return p.config(c) }, func(t *testing.T, plan string, m suiteModule) string {
		return s.examines(t, c, plan, m)
	})
}
