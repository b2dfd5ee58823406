package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
)

// The plan of the FAPI profile of CIBA. Nobody is in front of a browser: the suite says at an
// address of ours that the person is to answer, and their phone does, by Login or Deny.

// cibaPlans are the plans with phones: by a key and by a certificate, by poll and by ping.
func cibaPlans() []suitePlan {
	var plans []suitePlan
	for _, auth := range []string{"private_key_jwt", "mtls"} {
		for _, mode := range []string{"poll", "ping"} {
			short := "fapi-ciba-" + mode
			if auth == "mtls" {
				short = "fapi-ciba-mtls-" + mode
			}
			plans = append(plans, suitePlan{short, "fapi-ciba-id1-test-plan", map[string]string{
				"client_auth_type": auth, "ciba_mode": mode, "fapi_ciba_profile": "plain_fapi", "client_registration": "static_client",
			}, func(c *examined) map[string]any { return c.fapiCIBA(short) }})
		}
	}
	return plans
}

func isCIBA(name string) bool { return strings.HasPrefix(name, "fapi-ciba") }

// cibaAsked is who is asked by the back channel: people with phones that ask for a PIN where it is
// wanted.
type cibaAsked struct {
	url string // where the suite says what the person answers

	mu     sync.Mutex
	who    *cibaPerson
	people []*cibaPerson
	made   int
	turn   int
}

type cibaPerson struct {
	*person
	phone  *phone.Client
	denied bool // and not asked for a day
}

const (
	cibaPIN   = "2580" // of every phone here
	takeTurns = 3      // how many people do
)

// fapiCIBA is a configuration for one module: whoever denies is not asked for a day, so that
// each has somebody of their own where that is needed.
func (c *examined) fapiCIBA(short string) map[string]any {
	id := "suite-" + short
	config := map[string]any{
		"alias": "hilum-" + short, "description": "hilum", "server": map[string]any{"discoveryUrl": c.issuer + "/.well-known/openid-configuration", "allow_unexpected_metadata_fields": ofOtherProfiles},
		"resource":                    map[string]any{"resourceUrl": c.mutual + "/userinfo"},
		"automated_ciba_approval_url": c.asked.url + "/?request={auth_req_id}&action={action}",
	}
	for n, id := range map[string]string{"": id, "2": id + "-2"} {
		config["client"+n] = map[string]any{
			"client_id": id, "scope": "openid profile offline_access", "jwks": c.keys[id], "hint_type": "login_hint", "hint_value": c.asked.who.name,
			"acr_value": "https://refeds.org/profile/mfa",
		}
		config["mtls"+n] = c.keys[id+" certificate"]
	}
	return config
}

// examineCIBA starts a provider for these plans. It speaks TLS 1.3 alone: of 1.2 FAPI 1.0
// knows four suites, with RSA (Advanced, section 8.5), and none of a certificate with an
// elliptic curve.
func examineCIBA(t *testing.T, s *officialSuite) *examined {
	t.Helper()
	port := freePort(t)
	c := &examined{
		served: newServe(t, "SSL_CERT_FILE="+s.certificate(t), "IDP_LOGOUT_NETWORKS=127.0.0.0/8", "IDP_LIMITS_ENROL_PER_10_MINUTES=1000", "IDP_TLS_MTLS_LISTEN=127.0.0.1:"+port, "IDP_TLS_MIN_VERSION=1.3"),
		mutual: "https://localhost:" + port, keys: map[string]any{},
	}
	c.launch(t)
	return c
}

// registersCIBA registers the clients of a plan, two, and whoever they may ask.
func (c *examined) registersCIBA(t *testing.T, s *officialSuite, short string) {
	t.Helper()
	if c.asked.url == "" {
		said := httptest.NewServer(http.HandlerFunc(c.asked.answers))
		t.Cleanup(said.Close)
		c.asked.url = said.URL
	}
	for _, id := range []string{"suite-" + short, "suite-" + short + "-2"} {
		if c.keys[id] != nil {
			return
		}
		certified := c.certifies(t, id+" certificate")
		key := jose.JSONWebKey{Key: must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)), KeyID: id, Algorithm: "PS256", Use: "sig"}
		c.keys[id] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}
		var set jose.JSONWebKeySet // the certificate's, and by which it signs
		well(t, json.Unmarshal(must[[]byte](t)(os.ReadFile(certified)), &set))
		auth := "private_key_jwt"
		if strings.Contains(short, "mtls") {
			auth = "self_signed_tls_client_auth"
		} else {
			set.Keys = nil
		}
		set.Keys = append(set.Keys, key.Public())
		file := filepath.Join(t.TempDir(), id+".json")
		well(t, os.WriteFile(file, must[[]byte](t)(json.Marshal(set)), 0o600))
		args := []string{
			"Suite " + id, "--id", id, "--profile", "fapi-ciba", "--auth", auth, "--jwks", file, "--ciba-request-alg", "PS256",
			"--grant", "urn:openid:params:grant-type:ciba,refresh_token", "--scope", "openid,profile,offline_access",
		}
		if strings.HasSuffix(short, "ping") {
			args = append(args, "--ciba-mode", "ping", "--ciba-notify", s.address+"/test/a/hilum-"+short+"/ciba-notification-endpoint")
		}
		c.addClient(t, args...)
	}
}

// turns has the next person asked: nobody who has denied.
func (c *examined) turns(t *testing.T) {
	t.Helper()
	a := &c.asked
	a.mu.Lock()
	defer a.mu.Unlock()
	ready := slices.DeleteFunc(slices.Clone(a.people), func(p *cibaPerson) bool { return p.denied })
	if len(ready) >= takeTurns {
		a.who = ready[a.turn%len(ready)]
		a.turn++
		return
	}
	a.made++
	p := &cibaPerson{person: c.invite(t, fmt.Sprintf("rina%d", a.made), "--display", fmt.Sprintf("Rina%d Asked", a.made))}
	at := p.get(c.issuer + "/account/link")
	if at.url.Path != "/account/link" {
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	at = p.read(p.web.PostForm(c.issuer+"/account/link", nil))
	link := must[*phone.Link](t)(phone.ParseLink(offerOn(t, at)))
	link.Issuer = c.issuer // over TLS, although on loopback
	file := must[*phone.File](t)(phone.OpenFile(filepath.Join(t.TempDir(), "keys.json")))
	p.phone = must[*phone.Client](t)(phone.Pair(t.Context(), phone.Pairing{Link: link, Name: "Pixel 8", Platform: "android", App: "e2e/1", PIN: cibaPIN}, c.client, file.Put))
	if state := must[string](t)(p.phone.Answer(t.Context(), p.phone.Account.Waiting, phone.Decision{Approve: true})); state != "approved" {
		t.Fatalf("linking: %s", state)
	}
	a.people, a.who = append(a.people, p), p
}

// answers is where the suite says what the person is to answer. It is told whether the phone
// could.
func (a *cibaAsked) answers(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, stop := context.WithTimeout(r.Context(), 25*time.Second)
	defer stop()
	action := r.URL.Query().Get("action")
	if action == "deny" {
		a.who.denied = true
	}
	if err := a.who.answer(ctx, action != "deny", 20*time.Second); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(w, "{}")
}

var errUnasked = errors.New("the phone is not asked")

// answer has the phone answer the newest question that it is asked, within a time.
func (p *cibaPerson) answer(ctx context.Context, approve bool, within time.Duration) error {
	list, err := p.phone.Challenges(ctx, within)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errUnasked
	}
	ch := &list[len(list)-1]
	doc, err := p.phone.Check(ch)
	if err != nil {
		return err
	}
	d := phone.Decision{Approve: approve}
	if !approve {
		d.Reason = "mistake"
	} else if doc.Verifies() {
		d.PIN = cibaPIN
	}
	_, err = p.phone.Answer(ctx, ch, d)
	return err
}

// examinesCIBA runs one module, and returns its result. What is left open is answered
// afterwards: who leaves too many questions without an answer is not asked any more.
func (s *officialSuite) examinesCIBA(t *testing.T, c *examined, plan string, m suiteModule) string {
	t.Helper()
	run := s.begin(t, plan, m)
	for end := time.Now().Add(8 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if state, _ := s.state(t, run); ended(state) || time.Now().After(end) {
			break
		}
	}
	result := s.result(t, run)
	for range 10 {
		if c.asked.who.denied || c.asked.who.answer(t.Context(), true, 0) != nil {
			break
		}
	}
	return result
}

// TestConformanceCIBA runs the plans of the FAPI profile of CIBA against idp serve.
func TestConformanceCIBA(t *testing.T) {
	s := officialSuiteOf(t)
	c := examineCIBA(t, s)
	s.compare(t, cibaPlans(), func(p suitePlan) map[string]any {
		c.registersCIBA(t, s, p.short)
		c.turns(t)
		return p.config(c)
	}, func(t *testing.T, plan string, m suiteModule) string {
		return s.examinesCIBA(t, c, plan, m)
	})
}
