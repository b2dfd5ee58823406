package deviceapi_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

// Apps that were installed from another site may speak to this one, and bring
// no cookie along.
func TestOtherSitesApps(t *testing.T) {
	w := newWorld(t)
	from := func(method, path string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader("x"))
		w.must(err)
		req.Header.Set("Origin", "https://other.example.net")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		w.must(err)
		w.must(res.Body.Close())
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s %s: Allow-Origin %q", method, path, got)
		}
		if got := res.Header.Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("%s %s: credentials are allowed: %q", method, path, got)
		}
		return res
	}
	for _, op := range []string{"pair", "challenges", "answer", "push", "rename", "unpair"} {
		res := from(http.MethodOptions, "/device/v1/"+op, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
		if res.StatusCode != http.StatusNoContent || !strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), "POST") ||
			!strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Content-Type") {
			t.Errorf("%s: preflight: %d %v", op, res.StatusCode, res.Header)
		}
		// Refusals are readable too.
		if res := from(http.MethodPost, "/device/v1/"+op, "Content-Type", "application/jose"); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", op, res.StatusCode)
		} else if got := res.Header.Get("Access-Control-Expose-Headers"); got != "Retry-After" {
			t.Errorf("%s: exposes %q", op, got)
		}
	}
	res := from(http.MethodOptions, "/device/v1/listen", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
	if !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("listen: preflight: %v", res.Header)
	}
	from(http.MethodGet, "/device/v1/listen")
	from(http.MethodGet, "/device/v1/site")
	// So is what is no operation, those of other versions among it, and another method.
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodPost, "/device/v2/pair", http.StatusNotFound, ""}, {http.MethodGet, "/device/v1/", http.StatusNotFound, ""},
		{http.MethodPost, "/device/v1/nothing", http.StatusNotFound, ""}, {http.MethodGet, "/device/", http.StatusNotFound, ""},
		{http.MethodGet, "/device/v1/pair", http.StatusMethodNotAllowed, "POST, OPTIONS"}, {http.MethodPut, "/device/v1/answer", http.StatusMethodNotAllowed, "POST, OPTIONS"},
		{http.MethodPost, "/device/v1/listen", http.StatusMethodNotAllowed, "GET, OPTIONS"}, {http.MethodDelete, "/device/v1/site", http.StatusMethodNotAllowed, "GET, OPTIONS"},
	} {
		res := from(c.method, c.path)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %v", c.method, c.path, res.StatusCode, res.Header)
		}
	}
}

// Whoever writes a phone learns what is spoken here before anybody is linked: versions,
// push services with what each needs, the ways to match, and the numbers to keep to.
func TestSiteTellsWhatIsSpoken(t *testing.T) {
	w := newWorld(t)
	res, err := http.Get(w.url + "/device/v1/site")
	w.must(err)
	defer res.Body.Close()
	var site struct {
		Versions, Match, Must []string
		Push                  []map[string]any
		Limits                map[string]int
	}
	w.must(json.NewDecoder(res.Body).Decode(&site))
	want := []map[string]any{
		{"type": "webpush", "vapid_key": vapid, "hosts": []any{"*.push.example"}}, {"type": "fcm", "project_id": "klinik", "sender_id": "123456789012"},
	}
	if !slices.Equal(site.Versions, []string{"1.0", "1.1"}) || !slices.Equal(site.Match, []string{"tap", "pick", "type"}) || !slices.Equal(site.Must, []string{"uv"}) || !reflect.DeepEqual(site.Push, want) {
		t.Errorf("%+v", site)
	}
	for name, n := range map[string]int{"envelope": 8192, "name": 40, "wait": 25, "heartbeat": 15, "challenge": 120, "pairing": 1800, "devices": 5, "unlinked": 30 * 24 * 3600} {
		if site.Limits[name] != n {
			t.Errorf("%s is %d, want %d", name, site.Limits[name], n)
		}
	}
}

// A push says which account it is for by a name that says nothing to anybody else, and
// that the phone was told.
func TestPushesNameTheAccount(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	address := claims{"push": claims{"type": "fcm", "token": "abc"}}
	one, two := anna.linked("Pixel 8", address), anna.linked("Tablet", address)
	for len(w.pushed) > 0 {
		<-w.pushed
	}
	tags := map[string]string{}
	for _, ph := range []*phone{one, two} {
		r := ph.wants("challenges", ph.sign("list", nil), http.StatusOK, "")
		if len(r.Tag) != 16 || strings.Contains(r.Tag, ph.id) {
			t.Errorf("the tag is %q", r.Tag)
		}
		tags[ph.id] = r.Tag
	}
	if tags[one.id] == tags[two.id] {
		t.Error("one tag for two phones")
	}
	anna.asks(anna.browser)
	for range 2 {
		if p := <-w.pushed; p.Tag != tags[string(p.Device)] {
			t.Errorf("%s is woken for %q, its tag is %q", p.Device, p.Tag, tags[string(p.Device)])
		}
	}
	// One that was unlinked is woken once more, by the same name.
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(two.id), false))
	told := false
	for len(w.pushed) > 0 {
		if p := <-w.pushed; string(p.Device) == two.id {
			told = p.Tag == tags[two.id]
		}
	}
	if !told {
		t.Error("the phone that was unlinked is not told by its tag")
	}
}

// The key that browsers subscribe by is said before linking, and again each
// time a phone looks: one that was subscribed by another notices.
func TestPhonesLearnTheKeyOfWebPush(t *testing.T) {
	w := newWorld(t)
	res, err := http.Get(w.url + "/device/v1/site")
	w.must(err)
	defer res.Body.Close()
	var site struct {
		Issuer, Site string
		VAPIDKey     string `json:"vapid_key"`
		ServerTime   int64  `json:"server_time"`
	}
	w.must(json.NewDecoder(res.Body).Decode(&site))
	if res.StatusCode != http.StatusOK || site.Issuer != issuer || site.Site != "Imaging" || site.VAPIDKey != vapid || site.ServerTime != noon.Unix() {
		t.Errorf("%d %+v", res.StatusCode, site)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	ph := w.person("anna").linked("Pixel 8", nil)
	if r := ph.wants("challenges", ph.sign("list", nil), http.StatusOK, ""); r.VAPIDKey != vapid {
		t.Errorf("challenges says %q", r.VAPIDKey)
	}
}
