package page

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

func cookieServer(t testing.TB, secure bool, key byte) *Door {
	t.Helper()
	c := testConfig()
	c.Secure, c.CookieKey = secure, bytes.Repeat([]byte{key}, 32)
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// given returns the cookies that a server sets on a browser and its session.
func given(t testing.TB, s *Door, session idp.Secret) []*http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := s.Browser(w, r); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSession(w, r, session, ""); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()
}

func with(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func TestCookieAttributes(t *testing.T) {
	for _, secure := range []bool{true, false} {
		prefix := ""
		if secure {
			prefix = "__Host-"
		}
		cookies := given(t, cookieServer(t, secure, 1), idp.NewToken())
		if len(cookies) != 2 {
			t.Fatalf("%d cookies", len(cookies))
		}
		for i, want := range []struct {
			name string
			age  time.Duration
		}{{"browser", 365 * 24 * time.Hour}, {"session", 12 * time.Hour}} {
			c := cookies[i]
			if c.Name != prefix+want.name || c.Path != "/" || c.Domain != "" || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != int(want.age/time.Second) || c.Partitioned {
				t.Errorf("secure %v: %s", secure, c.Raw)
			}
			if len(c.Value) > 200 {
				t.Errorf("%s has %d bytes", c.Name, len(c.Value))
			}
		}
	}
	if browserAge > 400*24*time.Hour {
		t.Error("browsers shorten what lives longer than 400 days")
	}
}

func TestClearingTheSession(t *testing.T) {
	s := cookieServer(t, true, 1)
	w := httptest.NewRecorder()
	if err := s.ClearSession(w, httptest.NewRequest("GET", "/", nil)); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	// A __Host- cookie is only taken back by one with the same attributes.
	if c.Name != "__Host-session" || c.Value != "" || c.MaxAge != -1 || c.Path != "/" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Error(c.Raw)
	}
}

func TestCookiesComeBack(t *testing.T) {
	s := cookieServer(t, true, 1)
	token := idp.NewToken()
	cookies := given(t, s, token)
	r := with(cookies...)
	r.Header.Set("User-Agent", "Mozilla\u202e/5.0\x00"+strings.Repeat("x", 999))
	w := httptest.NewRecorder()
	b, err := s.Browser(w, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Result().Cookies()) != 0 {
		t.Error("a browser with a cookie was given another")
	}
	if b.Session != token || b.ID.IsZero() {
		t.Error("not the same values")
	}
	if len(b.Agent) > maxAgent || strings.ContainsAny(b.Agent, "\u202e\x00") {
		t.Errorf("agent %q", b.Agent)
	}
	again, _ := s.Browser(w, with(cookies...))
	if again.ID != b.ID {
		t.Error("the browser changed")
	}
	other, _ := s.Browser(w, with())
	if other.ID == b.ID || other.ID.IsZero() {
		t.Error("two browsers are one")
	}
}

// A tampered, swapped, foreign or outlived cookie is as none.
func TestCookieThatIsNotOurs(t *testing.T) {
	s := cookieServer(t, true, 1)
	good := given(t, s, idp.NewToken())
	browser, session := good[0], good[1]
	foreign := given(t, cookieServer(t, true, 2), idp.NewToken())
	plain := given(t, cookieServer(t, false, 1), idp.NewToken())
	flip := func(c *http.Cookie, i int) *http.Cookie {
		v := []byte(c.Value)
		if v[i] == 'A' {
			v[i] = 'B'
		} else {
			v[i] = 'A'
		}
		return &http.Cookie{Name: c.Name, Value: string(v)}
	}
	for name, c := range map[string]*http.Cookie{
		"first letter":            flip(browser, 0),
		"middle letter":           flip(browser, len(browser.Value)/2),
		"cut":                     {Name: browser.Name, Value: browser.Value[:len(browser.Value)-4]},
		"empty":                   {Name: browser.Name},
		"bare value":              {Name: browser.Name, Value: idp.NewToken().Reveal()},
		"another key":             foreign[0],
		"the session's value":     {Name: browser.Name, Value: session.Value},
		"without the prefix":      plain[0],
		"unprefixed under prefix": {Name: browser.Name, Value: plain[0].Value},
	} {
		if _, ok := s.BrowserOf(with(c)); ok {
			t.Errorf("%s: taken as a browser", name)
		}
	}
	for name, c := range map[string]*http.Cookie{
		"tampered":            flip(session, len(session.Value)/2),
		"the browser's value": {Name: session.Name, Value: browser.Value},
		"another key":         foreign[1],
	} {
		b, ok := s.BrowserOf(with(browser, c))
		if !ok || b.Session != "" {
			t.Errorf("%s: session %q", name, b.Session.Reveal())
		}
	}
}

func FuzzCookie(f *testing.F) {
	// A key of this process: what another fuzzing process signed is foreign too.
	c := testConfig()
	c.Secure, c.CookieKey = true, make([]byte, 32)
	rand.Read(c.CookieKey)
	s, err := New(c)
	if err != nil {
		f.Fatal(err)
	}
	good := given(f, s, idp.NewToken())
	f.Add(good[0].Value)
	f.Add(good[1].Value)
	f.Add("")
	f.Add("MTcwMDAwMDAwMHxhfGI=")
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "__Host-browser="+value+"; __Host-session="+value)
		b, ok := s.BrowserOf(r)
		// Only what was signed for a name is taken under it, byte for byte.
		if c, err := r.Cookie("__Host-browser"); ok && (err != nil || c.Value != good[0].Value) {
			t.Errorf("%q was taken", value)
		}
		if ok && b.ID.IsZero() {
			t.Error("a browser without a value")
		}
	})
}

// What is read out of a cookie is written back as the same bytes.
func FuzzPlain(f *testing.F) {
	f.Add([]byte(idp.NewToken()))
	f.Add([]byte(""))
	f.Add(bytes.Repeat([]byte("="), 43))
	f.Fuzz(func(t *testing.T, raw []byte) {
		values := map[any]any{}
		if (plain{}).Deserialize(raw, &values) != nil {
			if len(values) != 0 {
				t.Errorf("%q left something behind", raw)
			}
			return
		}
		again, err := plain{}.Serialize(values)
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%q became %q, %v", raw, again, err)
		}
	})
}
