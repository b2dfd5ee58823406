package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"hilum/cmd/phone/phone"
	"hilum/idp"
	"hilum/idp/push/pushtest"
)

// from sends requests as from another address, by way of a trusted proxy.
type from struct {
	http.RoundTripper
	address string
}

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address)
	return f.RoundTripper.RoundTrip(r)
}

// Push services that drop, delay, repeat, hang and refuse: every sign-in goes
// through all the same, and not a byte that they see tells who signs in, where,
// from where, or by which number.
func TestPushServicesMisbehave(t *testing.T) {
	t.Parallel()
	web, google := pushtest.NewWebPush(t), pushtest.NewFCM(t)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, web.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	const address = "203.0.113.77"
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LIMITS_ENROL_PER_10_MINUTES=0", "IDP_LOG_LEVEL=info",
		"IDP_PUSH_MATCH=strict", "IDP_TRUSTED_PROXIES=127.0.0.1", "SSL_CERT_FILE="+roots, "IDP_PUSH_WEBPUSH_HOSTS="+web.Host(),
		"IDP_PUSH_WEBPUSH_NETWORKS=127.0.0.0/8", "IDP_PUSH_FCM_ENDPOINT="+google.URL(), "IDP_PUSH_FCM_PROJECT_ID=test")
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Thorax Viewer", "--redirect-uri", redirect)
	rp := &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid",
		verifier: strings.Repeat("verifier-", 6), web: s.client, state: "state", nonce: "nonce-of-the-viewer", extra: url.Values{"prompt": {"login"}},
	}
	bert := s.invite(t, "bertolt", "--display", "Bertolt Augsburger", "--email", "bertolt@klinik.example")
	bert.web.Transport = from{s.client.Transport, address}

	pair := func(name string, push any) *pocket {
		t.Helper()
		at := bert.get(s.issuer + "/account/link")
		if at.url.Path != "/account/link" {
			at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
			bert.submit(at, "code-form", url.Values{"code": {bert.code()}})
		}
		at = bert.read(bert.web.PostForm(s.issuer+"/account/link", nil))
		link := must[*phone.Link](t)(phone.ParseLink(offerOn(t, at)))
		link.Issuer = s.issuer // over TLS, although on loopback
		p := &pocket{t: t, file: must[*phone.File](t)(phone.OpenFile(filepath.Join(t.TempDir(), "keys.json")))}
		p.Client = must[*phone.Client](t)(phone.Pair(t.Context(), phone.Pairing{Link: link, Name: name, Platform: "android", App: "e2e/1", Push: push}, s.client, p.file.Put))
		p.taps()
		return p
	}
	sub := web.Subscribe()
	browser := map[string]any{"type": "webpush", "endpoint": sub.Address.Endpoint, "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth}
	native := map[string]any{"type": "fcm", "token": "token:android"}
	app, other, silent := pair("Pixel of Bertolt", browser), pair("Tablet of Bertolt", native), pair("Old phone of Bertolt", nil)

	var secrets []string
	secrets = append(secrets, "bertolt", "Bertolt", "Augsburger", "klinik.example", "Pixel", "Thorax", address, bert.password, "nonce-of-the-viewer",
		"Tablet", app.Account.Secret, other.Account.Secret, silent.Account.Secret)
	signIn := func(what string, by *pocket) {
		t.Helper()
		at := bert.get(rp.authorize())
		at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
		number := textOf(find(at.doc, byID("number")))
		if len(number) != 6 {
			t.Fatalf("%s: the number is %q", what, number)
		}
		begin := time.Now()
		ch, doc := by.asked()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: asked after %s", what, took)
		}
		if doc.IP != address {
			t.Errorf("the phone is told %s", doc.IP)
		}
		secrets = append(secrets, number, doc.Nonce)
		by.answers(ch, phone.Decision{Approve: true, Number: number})
		at = bert.get(at.url.String())
		if code := rp.answer(bert.submit(at, "phone-form", nil)); code == "" {
			t.Errorf("%s: not signed in", what)
		}
	}
	drain := func() (n int) {
		for {
			select {
			case <-sub.Got:
				n++
			case <-google.Got:
				n++
			case <-time.After(300 * time.Millisecond):
				return n
			}
		}
	}
	// Linking has asked by push, and told the phones that were there of each other.
	if n := drain(); n < 3 {
		t.Errorf("%d pushes while linking", n)
	}
	signIn("all well", app)
	if n := drain(); n < 2 {
		t.Errorf("%d pushes for a sign-in", n)
	}
	for _, c := range []struct {
		what string
		b    pushtest.Behaviour
	}{
		{"dropped", pushtest.Behaviour{Drop: true}},
		{"delayed", pushtest.Behaviour{Delay: 2 * time.Second}},
		{"repeated", pushtest.Behaviour{Duplicate: true}},
		{"hanging", pushtest.Behaviour{Hang: true}},
		{"429", pushtest.Behaviour{Status: 429, After: "2", Code: "QUOTA_EXCEEDED"}},
		{"503", pushtest.Behaviour{Status: 503, Code: "UNAVAILABLE"}},
		{"401", pushtest.Behaviour{Status: 401}},
		{"a redirect", pushtest.Behaviour{Status: 307}},
	} {
		var met [2]atomic.Int64
		web.Behave(func(string, int) pushtest.Behaviour { met[0].Add(1); return c.b })
		google.Behave(func(string, int) pushtest.Behaviour { met[1].Add(1); return c.b })
		for _, by := range []*pocket{silent, app, other} {
			signIn(c.what, by)
		}
		// What hung before holds a device's sends up; each service is to meet this too.
		for end := time.Now().Add(patience); met[0].Load() == 0 || met[1].Load() == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: met by %d and %d sends", c.what, met[0].Load(), met[1].Load())
			}
		}
	}
	drain()

	// Dead addresses are dropped, the devices stay; the page says so.
	web.Behave(func(string, int) pushtest.Behaviour { return pushtest.Behaviour{Status: 410} })
	google.Behave(func(string, int) pushtest.Behaviour { return pushtest.Behaviour{Status: 404, Code: "UNREGISTERED"} })
	signIn("dead", silent)
	card := func(name string) string {
		at := bert.get(s.issuer + "/account/devices")
		n := find(at.doc, func(n *html.Node) bool {
			return n.Data == "li" && strings.HasPrefix(attr(n, "id"), "device-") && strings.Contains(textOf(n), name)
		})
		if n == nil {
			t.Fatalf("no card for %s on %s:\n%s", name, at.url, at.body)
		}
		return textOf(n)
	}
	for _, name := range []string{"Pixel of Bertolt", "Tablet of Bertolt"} {
		end := time.Now().Add(patience)
		for !strings.Contains(card(name), "Off") && time.Now().Before(end) {
			time.Sleep(100 * time.Millisecond)
		}
		if text := card(name); !strings.Contains(text, "Off") {
			t.Errorf("%s: %s", name, text)
		}
	}
	// A new address, and a test sent to it.
	web.Behave(nil)
	google.Behave(nil)
	sub = web.Subscribe()
	if err := app.SetPush(t.Context(), map[string]any{"type": "webpush", "endpoint": sub.Address.Endpoint, "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth}); err != nil {
		t.Fatal(err)
	}
	at := bert.read(bert.web.PostForm(s.issuer+"/account/devices/"+app.Account.Device+"/test", nil))
	if !strings.Contains(at.body, `id="note"`) {
		t.Errorf("the test: %d at %s", at.status, at.url)
	}
	select {
	case m := <-sub.Got:
		if !bytes.Contains(m.Text, []byte(`"t":"test"`)) {
			t.Errorf("the test says %s", m.Text)
		}
	case <-time.After(patience):
		t.Error("the test did not arrive")
	}
	for end := time.Now().Add(patience); !strings.Contains(card("Pixel of Bertolt"), "Working"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the card says %s", card("Pixel of Bertolt"))
		}
	}
	// Addresses that must not be called are refused when they are given.
	for _, bad := range []any{
		map[string]any{"type": "webpush", "endpoint": "https://169.254.169.254/latest", "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth},
		map[string]any{"type": "webpush", "endpoint": "http://" + web.Host() + "/x", "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth},
		map[string]any{"type": "webpush", "endpoint": "https://push.example.org/x", "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth},
		map[string]any{"type": string(idp.PushFCM)},
	} {
		if err := app.SetPush(t.Context(), bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}

	for _, f := range append(web.Faults(), google.Faults()...) {
		t.Error(f)
	}
	for name, seen := range map[string][]byte{"web push": web.Seen(), "FCM": google.Seen()} {
		if len(seen) < 1000 {
			t.Errorf("%s has seen %d bytes", name, len(seen))
		}
		for _, secret := range secrets {
			if bytes.Contains(seen, []byte(secret)) {
				t.Errorf("%s has seen %q", name, secret)
			}
		}
		t.Logf("%s: %d bytes seen, none of %d names, addresses, numbers and nonces in them", name, len(seen), len(secrets))
	}
	if log := s.errs.String(); !strings.Contains(log, "the operator has to act") || strings.Contains(log, sub.ID()) || strings.Contains(log, "token:android") {
		t.Errorf("the log:\n%s", log)
	}
}
