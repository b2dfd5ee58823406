package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// realm is an application that signs people in by keycloak-js, and the provider with a realm.
type realm struct {
	*served
	base string
}

// startRealm runs docs/recipes/keycloak-js.md: its page, and what its preset prints.
func startRealm(t *testing.T) *realm {
	t.Helper()
	librariesRun(t)
	r := &realm{}
	pages := http.NewServeMux()
	app := httptest.NewServer(pages)
	t.Cleanup(app.Close)
	r.base = "http://localhost:" + strings.TrimPrefix(app.URL, "http://127.0.0.1:") // another site than that of the provider
	r.served, _ = startPlain(t, "IDP_CLIENTS_REALM=hospital")
	printed := r.idp(t, "client", "preset", "keycloak", "--set", "base="+r.base, "--id", "keycloak")
	_, lines, _ := strings.Cut(printed, "keycloak-js\n")
	text := exchanged(t, blockOf(t, "recipes/keycloak-js.md", "html"), "https://login.your-hospital.org", r.issuer, "https://viewer.your-hospital.org", r.base)
	for line := range strings.Lines(lines) {
		if !strings.Contains(text, line) {
			t.Errorf("the page has not what the preset prints: %s", line)
		}
	}
	script := func(file string) http.HandlerFunc {
		code := must[[]byte](t)(os.ReadFile(filepath.Join(os.Getenv("LIBRARIES"), "node_modules", file)))
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(code) // the test sees what is missing
		}
	}
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = fmt.Fprint(w, text) // as above
		}
	}
	pages.HandleFunc("GET /keycloak.js", script("keycloak-js/lib/keycloak.js"))
	pages.HandleFunc("GET /keycloak-24.js", script("keycloak-js-24/dist/keycloak.js"))
	pages.HandleFunc("GET /{$}", page(text))
	pages.HandleFunc("GET /empty", page("<!doctype html><title>Nothing</title>"))
	// As Orthanc Explorer 2 has it (WebApplication/src/main.js): no option but onLoad, and the
	// page that it is on to come back to.
	pages.HandleFunc("GET /explorer/", page(`<!doctype html><title>Explorer</title><p id="who"></p><script src="/keycloak-24.js"></script><script>
const keycloak = new Keycloak({ url: '`+r.issuer+`/', realm: 'hospital', clientId: 'keycloak' })
keycloak.init({ onLoad: 'login-required', checkLoginIframe: true }).then(
	() => { document.getElementById('who').textContent = keycloak.tokenParsed.preferred_username },
	(err) => { document.getElementById('who').textContent = 'failed: ' + err })
</script>`))
	pages.HandleFunc("GET /silent/", page(`<!doctype html><title>Silent</title><p id="who"></p><script type="module">
import Keycloak from '/keycloak.js'
const keycloak = new Keycloak({ url: '`+r.issuer+`', realm: 'hospital', clientId: 'keycloak' })
const say = (text) => { document.getElementById('who').textContent = text }
keycloak.init({ onLoad: 'check-sso', checkLoginIframe: false, silentCheckSsoRedirectUri: '`+r.base+`/empty', redirectUri: '`+r.base+`/silent/' }).then(
	(is) => say(is ? keycloak.tokenParsed.preferred_username : 'nobody'), (err) => say('failed: ' + err))
</script>`))
	r.idp(t, "client", "edit", "keycloak", "--redirect-uri", r.base+"/", "--redirect-uri", r.base+"/explorer/", "--redirect-uri", r.base+"/silent/")
	return r
}

// isIn waits for the page to say who is signed in.
func (w *window) isIn(who *person) {
	w.t.Helper()
	w.holds(`document.querySelector("#who")?.textContent === "` + who.name + `"`)
}

// asksAt waits for the provider to ask for the password.
func (w *window) asksAt(r *realm) {
	w.t.Helper()
	w.holds(`location.href.startsWith("` + r.issuer + `/login/") && document.querySelector("#password-form")`)
}

// told is what a script says that awaits.
func (w *window) told(js string) string {
	w.t.Helper()
	return ask(w, chromedp.Evaluate[string]("(async () => String("+js+"))()", chromedp.EvalAwaitPromise))
}

// notesTheEnd has the page note, where a later one can read it, what keycloak-js calls.
const notesTheEnd = `(keycloak.onAuthRefreshError = () => localStorage.setItem("refused", "yes"), keycloak.onAuthLogout = () => localStorage.setItem("forgotten", "yes"))`

// ended asks for new tokens, which are refused, and waits for the sign-in that keycloak-js
// leads to.
func (w *window) ended(r *realm) {
	w.t.Helper()
	w.told(`keycloak.updateToken(-1).catch(() => "refused") && "asked"`)
	w.asksAt(r)
	w.open(r.base + "/empty")
	if got := w.told(`localStorage.getItem("refused") + " " + localStorage.getItem("forgotten")`); got != "yes yes" {
		w.t.Errorf("keycloak-js has called onAuthRefreshError and onAuthLogout: %s", got)
	}
}

// keycloak-js, as it is released, by what docs/recipes/keycloak-js.md and the preset print.
func TestKeycloakJS(t *testing.T) {
	t.Parallel()
	r, whole := startRealm(t), t
	enters := func(t *testing.T, name string) (*window, *person) {
		t.Helper()
		who := r.invite(t, name, "--display", "Anna Bergmann")
		w := openWindow(t, true)
		w.open(r.base + "/")
		w.asksAt(r)
		w.gives(who)
		w.isIn(who)
		return w, who
	}

	t.Run("sign-in by the phone", func(t *testing.T) {
		anna := r.invite(t, "anna")
		at := anna.submit(anna.get(r.issuer+"/account/link"), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
		anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
		ph := anna.pairs(r.served)
		w := openWindow(t, true)
		w.open(r.base + "/")
		w.asksAt(r)
		w.fill("#username", anna.name)
		w.fill("#password", anna.password)
		w.click("#continue")
		w.see("#number")
		ch, d := ph.asked()
		if state := ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")}); state != "approved" || d.App == "" {
			t.Fatalf("the phone's answer is %s, for %q", state, d.App)
		}
		w.isIn(anna)
		if got := w.told(`[keycloak.tokenParsed.iss, keycloak.tokenParsed.typ, keycloak.refreshTokenParsed.typ, keycloak.sessionId === keycloak.idTokenParsed.sid, location.hash]`); got != r.issuer+"/realms/hospital,Bearer,Refresh,true," {
			t.Errorf("its tokens are %s", got)
		}
		if got := w.told(`(await keycloak.loadUserInfo()).preferred_username`); got != "anna" {
			t.Errorf("userinfo tells %s", got)
		}
		w.quiet()
	})

	t.Run("tokens are renewed, by all who ask at once, in two tabs, and after a new start of the provider", func(t *testing.T) {
		w, who := enters(t, "ben")
		other := w.beside()
		other.open(r.base + "/") // without a page of ours
		other.isIn(who)
		had := w.told(`keycloak.refreshToken`)
		if other.told(`keycloak.refreshToken`) == had {
			t.Error("two tabs have the same token")
		}
		if got := w.told(`(await Promise.all(Array.from({ length: 8 }, () => keycloak.updateToken(-1)))).join()`); got != strings.TrimSuffix(strings.Repeat("true,", 8), ",") {
			t.Errorf("eight at once: %s", got)
		}
		both := `await keycloak.updateToken(-1)`
		for range 3 {
			w.told(`(window.asked = keycloak.updateToken(-1)) && "asked"`)
			if got := other.told(both); got != "true" || w.told(`await window.asked`) != "true" {
				t.Errorf("two tabs at once: %s", got)
			}
		}
		if got := w.told(`keycloak.refreshToken`); got == had {
			t.Error("the refresh token is the first")
		}
		r.stop(t, r.cmd)
		r.cmd = nil
		// Away is not refused: it keeps its tokens.
		if got := w.told(`await keycloak.updateToken(-1).catch(() => "away") + " " + keycloak.authenticated`); got != "away true" {
			t.Errorf("without a provider: %s", got)
		}
		r.launch(whole)
		for _, tab := range []*window{w, other} {
			if got := tab.told(both); got != "true" {
				t.Errorf("after a new start: %s", got)
			}
		}
	})

	t.Run("an administrator ends the session", func(t *testing.T) {
		w, who := enters(t, "carl")
		w.told(notesTheEnd)
		r.idp(t, "session", "end", who.name, "--all", "--reason", "left the ward")
		begun := time.Now()
		w.ended(r)
		t.Logf("keycloak-js was at the sign-in after %s", time.Since(begun).Round(time.Millisecond))
	})

	t.Run("the person is blocked", func(t *testing.T) {
		w, who := enters(t, "dora")
		w.told(notesTheEnd)
		r.idp(t, "user", "disable", who.name, "--reason", "left")
		w.ended(r)
	})

	t.Run("sign-out in the application", func(t *testing.T) {
		w, _ := enters(t, "emma")
		w.do(chromedp.Click(chromedp.CSS("#out")))
		w.asksAt(r) // it came back to the application, which asks
		w.open(r.issuer + "/account")
		w.see("#password-form")
	})

	t.Run("sign-out here", func(t *testing.T) {
		w, _ := enters(t, "finn")
		w.told(notesTheEnd)
		account := w.beside()
		account.open(r.issuer + "/account")
		account.click(`form[action$="/account/signout"] button`)
		account.holds(`document.querySelector("h1")?.innerText === "You are signed out"`)
		w.ended(r)
	})

	t.Run("version 24 without options, as Orthanc Explorer 2 has it", func(t *testing.T) {
		gina := r.invite(t, "gina")
		w := openWindow(t, true)
		begun := time.Now()
		w.open(r.base + "/explorer/")
		w.asksAt(r)
		t.Logf("it led to the sign-in after %s", time.Since(begun).Round(time.Millisecond))
		w.gives(gina)
		w.isIn(gina)
		if got := w.told(`await keycloak.updateToken(-1)`); got != "true" {
			t.Errorf("refreshed: %s", got)
		}
	})

	t.Run("check-sso, without a page of ours", func(t *testing.T) {
		hugo := r.invite(t, "hugo")
		w := openWindow(t, true)
		w.open(r.base + "/silent/")
		w.holds(`document.querySelector("#who")?.textContent === "nobody"`)
		w.open(r.base + "/")
		w.asksAt(r)
		w.gives(hugo)
		w.isIn(hugo)
		w.open(r.base + "/silent/")
		w.isIn(hugo)
		w.quiet()
	})
	r.isInTheTable(t, "keycloak-js", versionOf(t, "keycloak-js"))
}
