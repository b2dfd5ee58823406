package oidc

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/recent"
)

// waiting is what a device was given.
type waiting struct {
	Device   string `json:"device_code"`
	User     string `json:"user_code"`
	URI      string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
	Expires  int    `json:"expires_in"`
	Interval int    `json:"interval"`
}

// forDevices registers a client for the device grant alone.
func forDevices(c *idp.Client) {
	c.GrantTypes, c.RedirectURIs, c.PostLogoutURIs, c.Origins = []string{idp.GrantDevice, idp.GrantRefresh}, nil, nil, nil
}

// startDevice asks as a device.
func (s *site) startDevice(c *client, scope string) *waiting {
	s.t.Helper()
	r := s.call(pathDevice, c, url.Values{"scope": {scope}})
	var w waiting
	if err := json.Unmarshal([]byte(r.body), &w); err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%d %v %s", r.StatusCode, r.Header, r.body)
	}
	return &w
}

// pollDevice asks for the outcome, once the interval is over.
func (s *site) pollDevice(c *client, w *waiting) (*tokens, *reply) {
	s.t.Helper()
	s.clock.Add(idp.PollInterval)
	return s.token(c, "grant_type", idp.GrantDevice, "device_code", w.Device)
}

// bind gives the browser the cookie that every page gives.
func (b *browser) bind() {
	b.s.t.Helper()
	if b.asLogin().ID.IsZero() {
		u, err := url.Parse(b.s.issuer)
		if err != nil {
			b.s.t.Fatal(err)
		}
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "browser", Value: idp.NewToken().Reveal(), Path: "/"}})
	}
}

// connect types the code in a browser and signs in there, up to the question.
func (b *browser) connect(w *waiting, p *person) *login.Step {
	b.s.t.Helper()
	b.bind()
	step, err := b.s.flow.ConnectDevice(b.s.t.Context(), w.User, b.asLogin())
	if err != nil {
		b.s.t.Fatal(err)
	}
	if step.State == idp.LoginPassword {
		b.proveUnasked(step.ID, p)
	}
	return step
}

// allow says yes to the device and collects.
func (b *browser) allow(w *waiting, p *person) *reply {
	b.s.t.Helper()
	step := b.connect(w, p)
	if _, err := b.s.flow.Consent(b.s.t.Context(), step.ID, b.asLogin(), true); err != nil {
		b.s.t.Fatal(err)
	}
	return b.get(CollectPath + string(step.ID))
}

// TestDeviceGrant: a device gets its tokens when somebody has typed its code elsewhere,
// signed in and said yes; they say who, when and how, and are refreshed as others are
// (RFC 8628, sections 3.1 to 3.5).
func TestDeviceGrant(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for name, c := range map[string]*client{
		"by secret": s.addClient(forDevices), "by key": s.addKeyed(forDevices, newKey(t, keyring.ES256, "k")),
		"public": s.addClient(func(c *idp.Client) { public(c); forDevices(c) }),
	} {
		w := s.startDevice(c, "openid profile offline_access none")
		if w.Expires != 600 || w.Interval != 5 || w.URI != s.issuer+ConnectPath || w.Complete != w.URI+"?user_code="+w.User || len(w.Device) != 43 {
			t.Errorf("%s: %+v", name, w)
		}
		if letters, err := login.UserCode(w.User); err != nil || len(letters) != 8 || w.User != letters[:4]+"-"+letters[4:] {
			t.Errorf("%s: user code %q", name, w.User)
		}
		_, r := s.pollDevice(c, w)
		refused(t, r, http.StatusBadRequest, "authorization_pending")
		b := s.browser()
		if r := b.allow(w, anna); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != ConnectedPath+"done" {
			t.Fatalf("%s: %d %s %s", name, r.StatusCode, r.Header.Get("Location"), r.body)
		}
		tok, r := s.pollDevice(c, w)
		if r.StatusCode != http.StatusOK || tok.Scope != "openid profile offline_access" || tok.Refresh == "" {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
		claims := claimsOf(t, tok.ID)
		if claims["sub"] != string(anna.ID) || claims["aud"] != string(c.ID) || claims["acr"] != idp.ACRMultiFactor || claims["sid"] == nil || claims["nonce"] != nil {
			t.Errorf("%s: %v", name, claims)
		}
		if !s.alive(s.mustRefresh(c, tok.Refresh).Access) {
			t.Errorf("%s: its tokens are no good", name)
		}
	}
}

// TestDeviceErrors: each error of RFC 8628, section 3.5, and of a device request.
func TestDeviceErrors(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c, other, anna := s.addClient(forDevices), s.addClient(forDevices), s.addPerson("anna")

	code := s.addClient(nil)
	refused(t, s.call(pathDevice, code, url.Values{"scope": {"openid"}}), http.StatusBadRequest, "unauthorized_client")
	if got := list.Of(code.ID)[0]; got.Reason != idp.RejectedGrantType || got.Sent != idp.GrantDevice {
		t.Errorf("its page says %+v", got)
	}
	_, r := s.token(code, "grant_type", idp.GrantDevice, "device_code", "x")
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	refused(t, s.call(pathDevice, c, url.Values{"scope": {"none hilum.admin"}}), http.StatusBadRequest, "invalid_scope")
	refused(t, s.call(pathDevice, c, nil), http.StatusBadRequest, "invalid_scope")
	wrong := *c
	wrong.secret = "wrong"
	refused(t, s.call(pathDevice, &wrong, url.Values{"scope": {"openid"}}), http.StatusUnauthorized, "invalid_client")
	refused(t, s.browser().post(pathDevice+"?client_id="+string(c.ID), nil), http.StatusBadRequest, "invalid_request")
	if r := s.browser().get(pathDevice); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("GET: %d %v", r.StatusCode, r.Header)
	}

	_, r = s.token(c, "grant_type", idp.GrantDevice)
	refused(t, r, http.StatusBadRequest, "invalid_request")
	_, r = s.token(c, "grant_type", idp.GrantDevice, "device_code", "made-up")
	refused(t, r, http.StatusBadRequest, "invalid_grant")

	w := s.startDevice(c, "openid")
	_, r = s.pollDevice(other, w) // another client's: refused, and left alone
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.exchange(code, idp.Secret(w.Device))
	refused(t, r, http.StatusBadRequest, "invalid_grant")

	// slow_down, and the interval grows: 5 s are too few from then on, 10 are enough.
	_, r = s.pollDevice(c, w)
	refused(t, r, http.StatusBadRequest, "authorization_pending")
	_, r = s.token(c, "grant_type", idp.GrantDevice, "device_code", w.Device)
	refused(t, r, http.StatusBadRequest, "slow_down")
	if got := list.Of(c.ID)[0]; got.Reason != idp.RejectedPoll || got.Sent != "slow_down" {
		t.Errorf("its page says %+v", got)
	}
	s.clock.Add(10 * time.Second)
	_, r = s.token(c, "grant_type", idp.GrantDevice, "device_code", w.Device)
	refused(t, r, http.StatusBadRequest, "authorization_pending")
	_, r = s.pollDevice(c, w)
	refused(t, r, http.StatusBadRequest, "slow_down")

	// Denied in the browser, for good: the code opens nothing any more.
	b := s.browser()
	step := b.connect(w, anna)
	if _, err := s.flow.Consent(t.Context(), step.ID, b.asLogin(), false); err != nil {
		t.Fatal(err)
	}
	_, r = s.pollDevice(c, w)
	refused(t, r, http.StatusBadRequest, "access_denied")
	if r := b.get(CollectPath + string(step.ID)); r.Header.Get("Location") != ConnectedPath+"denied" {
		t.Errorf("%d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	if _, err := s.flow.ConnectDevice(t.Context(), w.User, s.browser().asLogin()); err == nil {
		t.Error("a code that was denied is taken")
	}

	// Nobody came.
	late := s.startDevice(c, "openid")
	s.clock.Add(idp.PolledTTL)
	_, r = s.pollDevice(c, late)
	refused(t, r, http.StatusBadRequest, "expired_token")
	if _, err := s.flow.ConnectDevice(t.Context(), late.User, s.browser().asLogin()); err == nil {
		t.Error("a code that has expired is taken")
	}

	// Used: once, and a second time revokes what the first has given.
	used := s.startDevice(c, "openid offline_access")
	s.browser().allow(used, anna)
	tok, r := s.pollDevice(c, used)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	_, r = s.pollDevice(c, used)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if s.alive(tok.Access) {
		t.Error("a device code was used twice, and its tokens live")
	}
}

// TestDeviceCodeAsTyped: small letters, blanks and hyphens are as good; what is no code is
// not looked up.
func TestDeviceCodeAsTyped(t *testing.T) {
	s := newSite(t)
	c := s.addClient(forDevices)
	w := s.startDevice(c, "openid")
	for _, typed := range []string{w.User, strings.ToLower(w.User), strings.ReplaceAll(w.User, "-", ""), " " + strings.ReplaceAll(w.User, "-", " ") + " "} {
		if _, err := s.flow.ConnectDevice(t.Context(), typed, s.browser().asLogin()); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for _, typed := range []string{"", "BCDF-GHJ", w.User + "B", "AEIO-UYYY", "12345678", strings.Repeat("B", 1000)} {
		if letters, err := login.UserCode(typed); err == nil {
			t.Errorf("%q is taken as %q", typed, letters)
		}
	}
}

// TestDeviceNeedsAFreshSignInAndAYes: a session alone signs no device in. A fresh one leads to
// the question, an old one to the password; and of two browsers with the code one wins.
func TestDeviceNeedsAFreshSignInAndAYes(t *testing.T) {
	s := newSite(t)
	c, viewer, anna, bert := s.addClient(forDevices), s.addClient(nil), s.addPerson("anna"), s.addPerson("bert")
	b := s.browser()
	b.signIn(anna, request(viewer))
	w := s.startDevice(c, "openid")
	step := b.connect(w, anna)
	if step.State != idp.LoginConsent || step.Device == nil || step.Device.Address == "" || step.Device.At.IsZero() {
		t.Fatalf("fresh: %+v", step)
	}
	if r := b.get(CollectPath + string(step.ID)); r.Header.Get("Location") != "/login/"+string(step.ID) {
		t.Errorf("without a yes: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	_, r := s.pollDevice(c, w)
	refused(t, r, http.StatusBadRequest, "authorization_pending")
	s.clock.Add(idp.StepUpFor + time.Second)
	if again, err := s.flow.ConnectDevice(t.Context(), w.User, b.asLogin()); err != nil || again.State != idp.LoginPassword {
		t.Errorf("an old session: %+v, %v", again, err)
	}
	if r := s.browser().allow(w, bert); r.Header.Get("Location") != ConnectedPath+"done" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	// Anna's question is answered by now: her page says so, and nothing of it comes.
	if _, err := s.flow.Consent(t.Context(), step.ID, b.asLogin(), true); err != nil {
		t.Fatal(err)
	}
	if r := b.get(CollectPath + string(step.ID)); r.Header.Get("Location") != "/login/"+string(step.ID) {
		t.Errorf("answered: %d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	if now, err := s.flow.Step(t.Context(), step.ID, b.asLogin()); err != nil || now.State != idp.LoginExpired {
		t.Errorf("answered: %+v, %v", now, err)
	}
	tok, r := s.pollDevice(c, w)
	if r.StatusCode != http.StatusOK || claimsOf(t, tok.ID)["sub"] != string(bert.ID) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestDeviceIsTakenAway: what a device could go on with goes with its client, its grant type,
// its person and their session, before and after it has its tokens.
func TestDeviceIsTakenAway(t *testing.T) {
	s := newSite(t)
	type held struct {
		c   *client
		p   *person
		b   *browser
		w   *waiting // allowed, and not asked for yet
		tok *tokens
	}
	things := []struct {
		name          string
		take          func(*held)
		poll, refresh string
	}{
		{"nothing", func(*held) {}, "200", "200"},
		{"client disabled", func(h *held) { s.editClient(h.c, func(c *idp.Client) { c.Disabled = true }) }, "401 invalid_client", "401 invalid_client"},
		{"client removed", func(h *held) {
			if err := s.desk.RemoveClient(t.Context(), s.admin, h.c.ID); err != nil {
				t.Fatal(err)
			}
		}, "401 invalid_client", "401 invalid_client"},
		{"grant type", func(h *held) {
			s.editClient(h.c, func(c *idp.Client) {
				c.GrantTypes, c.RedirectURIs = []string{idp.GrantCode, idp.GrantRefresh}, []string{callback}
			})
		}, "400 unauthorized_client", "400 invalid_grant"},
		{"scopes", func(h *held) { s.editClient(h.c, func(c *idp.Client) { c.Scopes = []string{"profile"} }) }, "200", "200"},
		{"group", func(h *held) { s.editClient(h.c, func(c *idp.Client) { c.Groups = []string{"ct"} }) }, "400 invalid_grant", "400 invalid_grant"},
		{"person disabled", func(h *held) {
			if err := s.desk.Disable(t.Context(), s.admin, h.p.ID, "left"); err != nil {
				t.Fatal(err)
			}
		}, "400 invalid_grant", "400 invalid_grant"},
		{"signed out", func(h *held) {
			session, u, err := s.flow.Session(t.Context(), h.b.asLogin())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.flow.SignOut(t.Context(), idp.Actor{User: u.ID}, session); err != nil {
				t.Fatal(err)
			}
		}, "400 invalid_grant", "400 invalid_grant"},
	}
	for i, thing := range things {
		h := &held{c: s.addClient(forDevices), p: s.addPerson("person" + string(rune('a'+i))), b: s.browser()}
		first := s.startDevice(h.c, "openid email offline_access")
		h.b.allow(first, h.p)
		var r *reply
		if h.tok, r = s.pollDevice(h.c, first); r.StatusCode != http.StatusOK {
			t.Fatal(r.body)
		}
		h.w = s.startDevice(h.c, "openid email offline_access")
		h.b.allow(h.w, h.p)
		thing.take(h)
		short := func(r *reply) string {
			if r.StatusCode == http.StatusOK {
				return "200"
			}
			return said(t, r)
		}
		_, r = s.pollDevice(h.c, h.w)
		if got := short(r); got != thing.poll {
			t.Errorf("%s: the device that asks is told %s, not %s", thing.name, got, thing.poll)
		}
		_, r = s.refresh(h.c, h.tok.Refresh)
		if got := short(r); got != thing.refresh && !(thing.name == "scopes" && got == "200") {
			t.Errorf("%s: the device that refreshes is told %s, not %s", thing.name, got, thing.refresh)
		}
		if alive := s.alive(h.tok.Access); alive != (thing.refresh == "200") {
			t.Errorf("%s: its access token is alive: %v", thing.name, alive)
		}
	}
	// Somebody who may not sign in to the application denies the device by trying.
	c, anna := s.addClient(func(c *idp.Client) { forDevices(c); c.Groups = []string{"ct"} }), s.addPerson("anna")
	w := s.startDevice(c, "openid")
	if r := s.browser().allow(w, anna); r.Header.Get("Location") != ConnectedPath+"denied" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	_, r := s.pollDevice(c, w)
	refused(t, r, http.StatusBadRequest, "access_denied")
}

// TestDevicesAreBounded: so many of a client from one address wait at once, and no more.
func TestDevicesAreBounded(t *testing.T) {
	s := newSite(t)
	c := s.addClient(forDevices)
	for range idp.MaxPolledFrom {
		s.startDevice(c, "openid")
	}
	r := s.call(pathDevice, c, url.Values{"scope": {"openid"}})
	refused(t, r, http.StatusTooManyRequests, "temporarily_unavailable")
	if r.Header.Get("Retry-After") == "" {
		t.Error("nothing says when to come back")
	}
	s.startDevice(s.addClient(forDevices), "openid") // another client's is not its business
	s.clock.Add(idp.PolledTTL)
	s.startDevice(c, "openid")
}

// TestDeviceTokensAreBound: a client whose tokens are bound to a key proves that it has it.
func TestDeviceTokensAreBound(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { forDevices(c); c.DPoP = true }), s.addPerson("anna")
	w := s.startDevice(c, "openid")
	s.browser().allow(w, anna)
	_, r := s.pollDevice(c, w)
	if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, codeInvalidProof) {
		t.Errorf("without a proof: %d %s", r.StatusCode, r.body)
	}
}

// The client of a request is the one that the front has admitted, whatever the library's decoder
// makes of names in other cases (RFC 6749, section 1.9).
func TestDeviceClientIsTheAdmittedOne(t *testing.T) {
	s := newSite(t)
	may, mayNot := s.addClient(func(c *idp.Client) { public(c); forDevices(c) }), s.addClient(public)
	for range 40 { // the decoder goes by the order of a map
		form := url.Values{"client_id": {string(mayNot.ID)}, "CLIENT_ID": {string(may.ID)}, "Client_Id": {string(may.ID)}, "scope": {"openid"}}
		res, err := http.PostForm(s.issuer+pathDevice, form)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "unauthorized_client") {
			t.Fatalf("another client's name is taken: %d %s", res.StatusCode, body)
		}
	}
}
