package oidc

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// stateIn reads the answer to an authorization request in whichever mode it came.
func stateIn(t *testing.T, r *reply, mode string) url.Values {
	t.Helper()
	at := r.Header.Get("Location")
	if mode == modeFormPost {
		action, fields := formOf(r.body)
		if action != callback || at != "" {
			t.Fatalf("%d, to %s%s", r.StatusCode, action, at)
		}
		return fields
	}
	separator := map[string]string{modeQuery: "?", modeFragment: "#"}[mode]
	to, raw, _ := strings.Cut(at, separator)
	if to != callback {
		t.Fatalf("%d, to %.200s: %s", r.StatusCode, at, r.body)
	}
	got, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestStateComesBack: every answer, good or bad, in every response mode, repeats
// the state byte for byte (RFC 6749, sections 4.1.2 and 4.1.2.1).
func TestStateComesBack(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	b.signIn(anna, request(c))
	states := map[string]string{
		"one letter":         "s",
		"plus and blank":     "a+b c%20d%2Bee",
		"separators":         `a&b=c;d#e?f/g\h`,
		"quotes and markup":  `"'` + "`" + `</form><script>alert(1)</script>&amp;&#34;`,
		"JSON":               `{"n":"é","to":"https://x.test/?a=b&c=d#e"}`,
		"Unicode":            "Röntgen 放射線 🩻 e\u0301 \u202e \u2028",
		"line feeds":         "a\nb\r\nc\td",
		"headers":            "a\r\nX-Injected: yes\r\n\r\n<html>",
		"4 KiB":              strings.Repeat("s", 4<<10),
		"4 KiB, all encoded": strings.Repeat("\n", 4<<10),
		"19 KiB":             strings.Repeat("s", 19<<10),
		"blanks":             "   ",
	}
	long := strings.Repeat("a", maxValue+1)
	requests := map[string]struct{ query, code string }{
		"good":                  {"", ""},
		"no response_type":      {"response_type=", codeInvalidRequest},
		"implicit":              {"response_type=token", codeUnsupportedResponse},
		"no scope":              {"scope=foo", codeInvalidScope},
		"nonce twice":           {"&nonce=a&nonce=b", codeInvalidRequest},
		"nonce too long":        {"nonce=" + long[:maxValue+1], codeInvalidRequest},
		"nonce malformed":       {"nonce=%00", codeInvalidRequest},
		"hint not UTF-8":        {"&login_hint=%ff", codeInvalidRequest},
		"claims no JSON":        {"claims=x", codeInvalidRequest},
		"request object":        {"request=x", codeRequestUnsupported},
		"no challenge":          {"code_challenge=", codeInvalidRequest},
		"prompt none and login": {"prompt=none+login", codeInvalidRequest},
		"login required":        {"prompt=none&max_age=0", codeLoginRequired},
		"too many":              {"prompt=login", codeUnavailable},
	}
	n := 0
	for _, mode := range []string{modeQuery, modeFragment, modeFormPost} {
		for what, state := range states {
			for why, row := range requests {
				q := request(c, "response_mode", mode, "state", state, "prompt", "none")
				extra, err := url.ParseQuery(strings.TrimPrefix(row.query, "&"))
				if err != nil {
					t.Fatal(err)
				}
				maps.Copy(q, extra)
				if len(q.Encode()) > maxQuery {
					continue // beyond the bound of any request
				}
				asking := b
				if row.code == codeUnavailable {
					asking = s.browser() // without a session, at an address that is used up
					s.mu.Lock()
					s.begun = 0
					s.mu.Unlock()
				}
				r := asking.get(pathAuthorize + "?" + q.Encode())
				got := stateIn(t, r, mode)
				n++
				if len(got["state"]) != 1 || got.Get("state") != state || got.Get("error") != row.code || got.Has("code") != (row.code == "") {
					t.Errorf("%s, %s, %s: %.300v", mode, what, why, got)
				}
				if r.Header.Get("X-Injected") != "" {
					t.Errorf("%s, %s: a header came in", mode, what)
				}
			}
		}
	}
	t.Logf("%d answers: %d states, %d requests, 3 modes", n, len(states), len(requests))
}

// TestStateOfAWholeSignIn comes back at its end and after a refusal, as does
// that of a sign-out.
func TestStateOfAWholeSignIn(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	state := strings.Repeat("ö +%\n\"", 600)
	for _, mode := range []string{modeQuery, modeFragment, modeFormPost} {
		q := request(c, "state", state, "response_mode", mode)
		b := s.browser()
		id := b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		b.prove(id, anna)
		if got := stateIn(t, b.get(CollectPath+string(id)), mode); got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("%s: %.100v", mode, got)
		}
		b = s.browser()
		id = b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		if _, err := s.flow.Cancel(t.Context(), id, b.asLogin()); err != nil {
			t.Fatal(err)
		}
		if got := stateIn(t, b.get(CollectPath+string(id)), mode); got.Get("state") != state || got.Get("error") != codeAccessDenied {
			t.Errorf("%s, denied: %.100v", mode, got)
		}
	}
	b, tok := s.signedIn(c, anna)
	r := b.get(signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", c.PostLogoutURIs[0], "state", state))
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil || u.Query().Get("state") != state {
		t.Errorf("sign-out: %d %.200s", r.StatusCode, r.Header.Get("Location"))
	}
}

// TestStateThatIsDoubtful: one that came twice is no good request, and is
// repeated where both are one; what is no text at all is repeated as it came.
func TestStateThatIsDoubtful(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for raw, want := range map[string]string{
		"state=a&state=a":       "a",
		"state=a&state=b":       "",
		"state=a&state=":        "",
		"state=%ff%fe":          "\xff\xfe",
		"state=a%00b":           "a\x00b",
		"state=a&request=x":     "a",
		"state=a&state=a&scope": "a",
	} {
		got := s.browser().get(pathAuthorize + "?" + request(c, "state", "").Encode() + "&" + raw).answered(t)
		if got.Get("state") != want || got.Get("error") == "" {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

// TestBoundsOfAuthorize: an address that has begun too many sign-ins keeps
// nobody who is signed in there from their applications, and takes nothing from
// prompt=none; what is too much is told to the relying party.
func TestBoundsOfAuthorize(t *testing.T) {
	s := newSite(t)
	c, anna, bert := s.addClient(nil), s.addPerson("anna"), s.addPerson("bert")
	in, other := s.browser(), s.browser()
	in.signIn(anna, request(c))
	other.signIn(bert, request(c))
	s.mu.Lock()
	s.begun = 3
	s.mu.Unlock()
	ask := func(b *browser, pairs ...string) string {
		r := b.get(pathAuthorize + "?" + request(c, pairs...).Encode())
		if strings.HasPrefix(r.Header.Get("Location"), "/login/") {
			return "page"
		}
		got := r.answered(t)
		if got.Get("state") != "the state" {
			t.Errorf("no state: %v", got)
		}
		if got.Has("code") {
			return "code"
		}
		return got.Get("error")
	}
	seen := map[string]int{}
	for range 200 { // a viewer that asks in a loop
		seen["in: "+ask(in)]++
		seen["in, none: "+ask(in, "prompt", "none")]++
		seen["in, login: "+ask(in, "prompt", "login")]++
		seen["nobody, none: "+ask(s.browser(), "prompt", "none")]++
	}
	for range 5 {
		seen["nobody: "+ask(s.browser())]++
	}
	want := map[string]int{
		"in: code": 200, "in, none: code": 200, "in, login: page": 200, "nobody, none: " + codeLoginRequired: 200,
		"nobody: page": 3, "nobody: " + codeUnavailable: 2,
	}
	t.Log(seen)
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", seen, want)
	}

	// Its own bound a session has, and no other session shares it.
	s.mu.Lock()
	for id, n := range s.requested {
		if n > 100 {
			s.requested[id] = 10_000
		}
	}
	s.mu.Unlock()
	for _, none := range []string{"", "none"} {
		if got := ask(in, "prompt", none); got != codeUnavailable {
			t.Errorf("beyond the bound of the session: %s", got)
		}
		if got := ask(other, "prompt", none); got != "code" {
			t.Errorf("another session at that address: %s", got)
		}
	}
}

// TestUntrustedRequestsAreBounded: requests that can only be shown here are
// counted by address, and not those of relying parties.
func TestUntrustedRequestsAreBounded(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	left := 2
	s.server.conf.AllowPage = func(string) (retry time.Duration, ok bool) { left--; return 90 * time.Second, left >= 0 }
	for i, status := range []int{400, 400, 429} {
		r := s.browser().get(pathAuthorize + "?client_id=nobody")
		if r.StatusCode != status || status == 429 && r.Header.Get("Retry-After") != "90" {
			t.Errorf("request %d: %d %v", i, r.StatusCode, r.Header)
		}
	}
	s.browser().get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
	if got := s.browser().get(pathAuthorize + "?" + request(c, "prompt", "none").Encode()).answered(t); got.Get("error") != codeLoginRequired {
		t.Errorf("%v", got)
	}
}

// TestRefusalsBeforeTheDoor are JSON with a code, for machines.
func TestRefusalsBeforeTheDoor(t *testing.T) {
	s := newSite(t)
	for path, refuse := range s.server.Refusals() {
		for status, code := range map[int]string{413: codeInvalidRequest, 429: codeUnavailable, 503: codeUnavailable, 500: codeServerError} {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { refuse(w, r, status) })
			w := ask(h, "POST", path)
			if w.Code != status || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"error":"`+code+`"`) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %d: %v %s", path, status, w.Header(), w.Body)
			}
		}
	}
	r := s.browser().post(pathToken, url.Values{"x": {strings.Repeat("a", 2*maxForm)}})
	refused(t, r, http.StatusRequestEntityTooLarge, codeInvalidRequest)
}
