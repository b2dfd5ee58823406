package web

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
)

const aState = "c3RhdGUtb2YtdGhlLWFwcA_-"

var someApps = NativeApps{
	Android: []AndroidApp{{"org.hospital.login", []string{"AB:CD", "EF:01"}}, {"org.hospital.beta", []string{"23:45"}}},
	Apple:   []string{"A1B2C3D4E5.org.hospital.login"},
}

// What phones read of a site is there where there are apps for them, as they read it:
// JSON, without a redirect and without a cookie.
func TestPhonesReadWhoseLinksTheseAre(t *testing.T) {
	const android, apple = "/.well-known/assetlinks.json", "/.well-known/apple-app-site-association"
	d := openNative(t, someApps, nil)
	for path, want := range map[string]string{
		android: `[{"relation":["delegate_permission/common.handle_all_urls"],"target":{"namespace":"android_app","package_name":"org.hospital.login","sha256_cert_fingerprints":["AB:CD","EF:01"]}},` +
			`{"relation":["delegate_permission/common.handle_all_urls"],"target":{"namespace":"android_app","package_name":"org.hospital.beta","sha256_cert_fingerprints":["23:45"]}}]`,
		apple: `{"applinks":{"details":[{"appIDs":["A1B2C3D4E5.org.hospital.login"],"components":[{"/":"/app/open/*"}]}]},"webcredentials":{"apps":["A1B2C3D4E5.org.hospital.login"]}}`,
	} {
		r := d.From("", http.MethodGet, path)
		if r.StatusCode != 200 || r.Body != want || r.Header.Get("Content-Type") != "application/json" || len(r.Cookies()) != 0 {
			t.Errorf("%s: %d %v %s", path, r.StatusCode, r.Header, r.Body)
		}
	}
	for path, native := range map[string]NativeApps{android: {Apple: someApps.Apple}, apple: {Android: someApps.Android}} {
		d.Wants(openNative(t, native, nil).Get(path), 404)
		d.Wants(open(t).Get(path), 404)
	}
}

// The page of a sign-in opens an app by the link that phones hand over, where there are
// native ones; that leads to our own where the phone has none of them.
func TestTheAppIsOpenedByALink(t *testing.T) {
	for link, d := range map[string]*door{"/app/#here=" + aLogin: open(t), "/app/open/" + aLogin: openNative(t, someApps, nil)} {
		for _, state := range []idp.LoginState{idp.LoginFactor, idp.LoginFirst} {
			d.bound(state, idp.ForClient).Phones = &login.PhoneStep{State: login.PhoneAsked, Devices: []string{"Pixel 8"}, Mode: idp.MatchType, Number: "58", ExpiresAt: noon}
			d.Wants(d.Get("/login/"+aLogin), 200, `id="open-here" href="`+link+`"`)
		}
	}
	d := openNative(t, someApps, nil)
	if r := d.Get("/app/open/" + aLogin); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/app/#here="+aLogin {
		t.Errorf("%d %q", r.StatusCode, r.Header.Get("Location"))
	}
	for _, id := range []string{"x", strings.ToLower(aLogin), aLogin + "2", "..%2f..%2flogin", "%2f%2fevil.example", aLogin + "%0d%0aX:1"} {
		d.Wants(d.Get("/app/open/"+id), 404)
	}
	d.Wants(open(t).Get("/app/open/"+aLogin), 404)
}

// A native app gets challenge and number by way of the browser of the sign-in, with the
// state that it has given, at the link that is its own; nothing of that is in the log.
func TestNumberGoesToTheNativeApp(t *testing.T) {
	d := openNative(t, someApps, nil)
	path := "/login/" + aLogin + "/here?state=" + aState
	for name, c := range map[string]struct {
		phones *login.PhoneStep
		want   map[string]string
	}{
		"a number":              {&login.PhoneStep{State: login.PhoneAsked, Mode: idp.MatchType, Number: "58", Challenge: "CHALLENGE"}, map[string]string{"cid": "CHALLENGE", "number": "58", "state": aState}},
		"a tap":                 {&login.PhoneStep{State: login.PhoneAsked, Mode: idp.MatchTap, Challenge: "CHALLENGE"}, map[string]string{"cid": "CHALLENGE", "state": aState}},
		"answered":              {&login.PhoneStep{State: "approved", Number: "58", Challenge: "CHALLENGE"}, map[string]string{"state": aState}},
		"no phones to be asked": {nil, map[string]string{"state": aState}},
	} {
		d.bound(idp.LoginFactor, idp.ForClient).Phones = c.phones
		for _, site := range []string{"", "none", "cross-site", "same-origin"} {
			r := d.From(site, http.MethodGet, path)
			to, fragment, _ := strings.Cut(r.Header.Get("Location"), "#")
			got, err := url.ParseQuery(fragment)
			if err != nil || r.StatusCode != http.StatusSeeOther || to != "/app/open/"+aLogin || len(got) != len(c.want) {
				t.Errorf("%s: %d %q, %v", name, r.StatusCode, r.Header.Get("Location"), err)
			}
			for key, want := range c.want {
				if got.Get(key) != want {
					t.Errorf("%s: %s is %q, want %q", name, key, got.Get(key), want)
				}
			}
			if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %v", name, r.Header)
			}
		}
	}
	for _, secret := range []string{"58", aState, "CHALLENGE"} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the log has %s:\n%s", secret, d.log)
		}
	}
}

// No number leaves for a browser without the sign-in, a frame, a script, or a fetch that
// nobody has asked for, nor with a state that is none; and only where there are native apps.
func TestNumberGoesNowhereElse(t *testing.T) {
	d := openNative(t, someApps, nil)
	asked := &login.PhoneStep{State: login.PhoneAsked, Mode: idp.MatchType, Number: "58", Challenge: "CHALLENGE"}
	d.bound(idp.LoginFactor, idp.ForClient).Phones = asked
	here := "/login/" + aLogin + "/here"
	ask := func(path string, header map[string]string) (status int, said string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		r := d.Do(req)
		return r.StatusCode, r.Header.Get("Location") + r.Body
	}
	tab := map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
	if status, said := ask(here+"?state="+aState, tab); status != http.StatusSeeOther || !strings.Contains(said, "number=58") {
		t.Fatalf("a tab: %d %s", status, said)
	}
	for name, header := range map[string]map[string]string{
		"a frame":              {"Sec-Fetch-Dest": "iframe"},
		"an object":            {"Sec-Fetch-Dest": "object"},
		"a picture":            {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"},
		"a script":             {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"},
		"fetched ahead":        {"Sec-Purpose": "prefetch"},
		"rendered ahead":       {"Sec-Purpose": "prefetch;prerender"},
		"fetched ahead of old": {"Purpose": "prefetch"},
	} {
		all := maps.Clone(tab)
		maps.Copy(all, header)
		if status, said := ask(here+"?state="+aState, all); status != http.StatusForbidden || strings.Contains(said, "number=") {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}
	for _, query := range []string{
		"state=", "state=short", "state=" + strings.Repeat("a", 129), "state=" + aState + "%23", "state=" + aState + "%0d%0aX", "state=https://evil.example/aaaaaaaaaaaa", "state=%ff%ff" + aState,
		"state=" + aState + "&state=" + aState, "state=" + aState + "&number=14", "state=" + aState + "&to=//evil.example",
	} {
		if status, said := ask(here+"?"+query, tab); status != http.StatusBadRequest || strings.Contains(said, "number=") || strings.Contains(said, "evil") {
			t.Errorf("%s: %d %s", query, status, said)
		}
	}
	for _, id := range []string{"x", "%2f%2fevil.example", strings.ToLower(aLogin)} {
		if status, said := ask("/login/"+id+"/here?state="+aState, tab); status != http.StatusNotFound || strings.Contains(said, "/app/open/") {
			t.Errorf("%s: %d %s", id, status, said)
		}
	}

	// Another sign-in's id and another browser look alike, and the way on has no number.
	const other = "OTHEROTHEROTHEROTHEROTHER2"
	for name, path := range map[string]string{"made up": "/login/" + other + "/here", "another browser": here} {
		if name == "another browser" {
			d.Fresh()
		}
		status, said := ask(path+"?state="+aState, tab)
		if status != http.StatusNotFound || !strings.Contains(said, "This browser is not the one that is signing in") || strings.Contains(said, "58") && strings.Contains(said, "number=") ||
			!strings.Contains(said, `href="`+strings.TrimSuffix(strings.Replace(path, "/login/", "/app/open/", 1), "/here")+"#state="+aState+`"`) {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}

	d = open(t)
	d.bound(idp.LoginFactor, idp.ForClient).Phones = asked
	if status, said := ask(here+"?state="+aState, tab); status != http.StatusNotFound || strings.Contains(said, "58") {
		t.Errorf("without native apps: %d %s", status, said)
	}
	if status, said := ask(here, nil); status != http.StatusOK || said != `{"cid":"CHALLENGE","number":"58"}` {
		t.Errorf("our own app: %d %s", status, said)
	}
}
