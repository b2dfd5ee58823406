package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hilum/cmd/phone/phone"
)

// fapiSite is a provider with two applications under FAPI 2.0, of which one signs its
// messages.
func fapiSite(t *testing.T) *walk {
	t.Helper()
	x := &examination{served: newServe(t, "IDP_LOG_LEVEL=warn"), secrets: map[string]string{}, key: newKeyHolder(t)}
	file := filepath.Join(t.TempDir(), "keys.json")
	well(t, os.WriteFile(file, x.key.set(), 0o600))
	x.launch(t)
	for id, profile := range map[string]string{"fapi": "fapi2", "signs": "fapi2-message-signing"} {
		x.addClient(t, "Application "+id, "--id", id, "--profile", profile, "--jwks", file, "--redirect-uri", redirectOf(id), "--scope", "openid,profile")
	}
	return &walk{T: t, x: x}
}

// nonceOf is a nonce for proofs, and what a request without one is answered.
func (w *walk) nonceOf(id string) string {
	w.Helper()
	a := w.asKeyed(id, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {redirectOf(id)}}, "DPoP", w.x.key.proofOf(http.MethodPost, w.x.issuer+"/token", "", ""))
	if a.refused(http.StatusBadRequest, "use_dpop_nonce").head.Get("DPoP-Nonce") == "" {
		w.Fatalf("no nonce: %s", a.body)
	}
	return a.head.Get("DPoP-Nonce")
}

// What is good once stays used when the provider is started anew between the first use and
// the second, after a power cut too: a client assertion, a proof, the handle of a signed
// request, and the code that it gave.
func TestGoodOnceThroughARestart(t *testing.T) {
	t.Parallel()
	w := fapiSite(t)
	anna := w.x.invite(t, "anna")

	// Each alone, so that nothing else of a request can be why its second use is refused.
	assertion := w.x.key.assertion(w.x.issuer, "fapi")
	useAssertion := func() *answer {
		q := must[*url.URL](w)(url.Parse(w.asking("fapi"))).Query()
		q.Del("client_id")
		q.Set("client_assertion", assertion)
		return w.asKeyed("fapi", "/par", q)
	}
	proof := ""
	useProof := func() *answer {
		q := must[*url.URL](w)(url.Parse(w.asking("fapi"))).Query()
		q.Del("client_id")
		return w.asKeyed("fapi", "/par", q, "DPoP", proof)
	}
	proof = w.x.key.proofOf(http.MethodPost, w.x.issuer+"/par", "", w.nonceOf("fapi"))
	signed := w.pushes("signs", "response_mode", "query.jwt")
	for what, a := range map[string]*answer{"assertion": useAssertion(), "proof": useProof(), "signed request": signed} {
		if a.status != http.StatusCreated {
			t.Fatalf("%s, first use: %d %s", what, a.status, a.body)
		}
	}
	at := w.goesOn(anna, "signs", signed)
	at = anna.submit(at, "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	code, _ := w.response("signs", at)["code"].(string)
	redeem := func() *answer {
		return w.redeemsByKey("signs", code, "DPoP", w.x.key.proofOf(http.MethodPost, w.x.issuer+"/token", "", w.nonceOf("signs")))
	}
	first := redeem().ok()

	for _, how := range []string{"stopped", "killed"} {
		if how == "killed" {
			w.x.kill(t)
		} else {
			w.x.stop(t, w.x.cmd)
			w.x.cmd = nil
		}
		w.x.launch(t)
		useAssertion().refused(http.StatusUnauthorized, "invalid_client")
		useProof().refused(http.StatusBadRequest, "invalid_dpop_proof")
		if again := w.goesOn(anna, "signs", signed); again.status != http.StatusBadRequest || !strings.HasPrefix(again.url.String(), w.x.issuer+"/") {
			t.Errorf("%s: the signed request leads to %d at %s", how, again.status, again.url)
		}
		redeem().refused(http.StatusBadRequest, "invalid_grant")
		if t.Failed() {
			t.Fatalf("after it was %s", how)
		}
	}
	use := w.send(http.MethodGet, "/userinfo", "", "Authorization", "DPoP "+first.text("access_token"), "DPoP", w.x.key.proofOf(http.MethodGet, w.x.issuer+"/userinfo", first.text("access_token"), w.nonceOf("signs")))
	use.refused(http.StatusUnauthorized, "invalid_token") // the second use of its code has ended it
}

// Deny on the phone is access_denied for an application under FAPI 2.0, with iss and state;
// and signed for one that has its messages signed, with both in what is signed.
func TestDeniedUnderFAPI(t *testing.T) {
	t.Parallel()
	w := fapiSite(t)
	bert := w.x.invite(t, "bert")
	at := bert.submit(bert.get(w.x.issuer+"/account/link"), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	bert.submit(at, "code-form", url.Values{"code": {bert.code()}})
	ph := bert.pairs(w.x.served)
	for i, id := range []string{"fapi", "signs"} {
		mode := ""
		if id == "signs" {
			mode = "jwt"
		}
		pushed := w.pushes(id, "response_mode", mode, "prompt", "login")
		bert.elsewhere()
		at := w.goesOn(bert, id, pushed)
		at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
		page := at.url.String()
		ch, doc := ph.asked()
		if doc.App != "Application "+id {
			t.Errorf("asked for %s", doc.App)
		}
		ph.answers(ch, phone.Decision{Reason: "mistake"})
		at = bert.get(page)
		on := find(at.doc, byID("go-on"))
		if on == nil {
			t.Fatalf("%d: no way on from %s:\n%s", i, at.url, at.body)
		}
		at = bert.get(must[*url.URL](t)(at.url.Parse(attr(on, "href"))).String())
		got := map[string]any{}
		if id == "signs" {
			if alg := w.part(w.answered(id, at).Get("response"), 0)["alg"]; alg != "ES256" {
				t.Errorf("signed by %v", alg)
			}
			if got = w.response(id, at); got["aud"] != id {
				t.Errorf("for %v", got["aud"])
			}
		} else {
			for name, v := range w.answered(id, at) {
				got[name] = v[0]
			}
		}
		if got["error"] != "access_denied" || got["iss"] != w.x.issuer || got["state"] != "the state" || got["code"] != nil {
			t.Errorf("%s is told %v", id, got)
		}
		if again := w.goesOn(bert, id, pushed); find(again.doc, byID("password-form")) == nil && again.status != http.StatusBadRequest {
			t.Errorf("the request that was denied leads to %d at %s", again.status, again.url)
		}
	}
}
