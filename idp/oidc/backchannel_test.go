package oidc

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/recent"
)

// asks registers a client that may ask phones, and refresh.
func asks(c *idp.Client) {
	c.GrantTypes, c.RedirectURIs, c.PostLogoutURIs, c.Origins = []string{idp.GrantCIBA, idp.GrantRefresh}, nil, nil, nil
}

// phone links a phone with our app to a person.
func (s *site) phone(p *person) *idp.Speaker {
	s.t.Helper()
	ctx, now := s.t.Context(), s.clock.Now()
	q := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: p.ID, Account: p.Name, Code: idp.NewToken().Hash(), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := s.db.AddPairing(ctx, q); err != nil {
		s.t.Fatal(err)
	}
	d := idp.Device{
		ID: idp.NewID[idp.DeviceID](), User: p.ID, Name: "Pixel", Kind: idp.DeviceApp, Platform: "android", State: idp.DeviceActive,
		PublicKey: bytes.Repeat([]byte{1}, 64), UVKey: bytes.Repeat([]byte{2}, 64), SealedTOTP: []byte("x"), LinkedAt: now,
	}
	err := s.db.UpdatePairing(ctx, q.ID, func(q *idp.Pairing) (*idp.Device, error) { q.UsedAt = now; return &d, nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return &idp.Speaker{Device: d}
}

// answer has a phone answer the one question that it is asked, and returns what it was shown.
func (s *site) answer(ph *idp.Speaker, v idp.Verdict) idp.ChallengeDoc {
	s.t.Helper()
	open, err := s.flow.Asked(s.t.Context(), ph)
	if err != nil || len(open) != 1 {
		s.t.Fatalf("%d questions, %v", len(open), err)
	}
	var doc idp.ChallengeDoc
	if err := json.Unmarshal([]byte(open[0].Doc), &doc); err != nil {
		s.t.Fatal(err)
	}
	_, err = s.flow.Answer(s.t.Context(), ph, login.Reply{
		Challenge: open[0].ID, DocHash: open[0].DocHash(), Verdict: v, Address: "192.0.2.9",
		Seen: idp.Replay{Device: ph.Device.ID, JTI: idp.NewToken().Hash(), Until: s.clock.Now().Add(time.Hour)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return doc
}

// bc asks as a client; pairs change the good request.
func (s *site) bc(c *client, pairs ...string) (id string, r *reply) {
	s.t.Helper()
	form := url.Values{"scope": {"openid email offline_access"}, "login_hint": {"anna"}, "binding_message": {"W4SCT"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r = s.call(pathBackchannel, c, form)
	var got struct {
		ID       string `json:"auth_req_id"`
		Expires  int    `json:"expires_in"`
		Interval int    `json:"interval"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if r.StatusCode == http.StatusOK && (len(got.ID) != 43 || got.Expires < 1 || got.Expires > 120 || got.Interval != 5 || r.Header.Get("Cache-Control") != "no-store") {
		s.t.Errorf("%v %s", r.Header, r.body)
	}
	return got.ID, r
}

func (s *site) pollBC(c *client, id string) (*tokens, *reply) {
	s.t.Helper()
	s.clock.Add(idp.PollInterval)
	return s.token(c, "grant_type", idp.GrantCIBA, "auth_req_id", id)
}

// TestBackchannel: an application asks a person's phones; a yes gives it tokens once, and they
// say the truth of the proof: a key of the phone, two factors only where the phone has
// verified its person, never a password (CIBA Core 1.0, sections 7 and 10).
func TestBackchannel(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	ph := s.phone(anna)
	for name, row := range map[string]struct {
		c        *client
		verified bool
		amr      []any
		acr      any
	}{
		"by secret":         {s.addClient(asks), false, []any{"swk"}, nil},
		"by key, verified":  {s.addKeyed(asks, newKey(t, keyring.ES256, "k")), true, []any{"swk", "user", "mfa"}, idp.ACRMultiFactor},
		"verified by rule":  {s.addClient(func(c *idp.Client) { asks(c); c.Verify = true }), true, []any{"swk", "user", "mfa"}, idp.ACRMultiFactor},
		"tap, no message":   {s.addClient(func(c *idp.Client) { asks(c); c.Match = idp.MatchTap }), false, []any{"swk"}, nil},
		"by post, verified": {s.addClient(func(c *idp.Client) { asks(c); c.Auth = idp.AuthPost }), true, []any{"swk", "user", "mfa"}, idp.ACRMultiFactor},
		"a sub of its own": {s.addClient(func(c *idp.Client) {
			asks(c)
			c.SubjectType, c.RedirectURIs = idp.SubjectPairwise, []string{"https://viewer.test/cb"}
		}), false, []any{"swk"}, nil},
	} {
		message, text := "W4SCT", "Viewer: W4SCT"
		if row.c.Match == idp.MatchTap {
			message, text = "", "Viewer"
		}
		id, r := s.bc(row.c, "binding_message", message, "requested_expiry", "90", "client_notification_token", "x")
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
		_, r = s.pollBC(row.c, id)
		refused(t, r, http.StatusBadRequest, "authorization_pending")
		doc := s.answer(ph, idp.Verdict{Approve: true, Verified: row.verified})
		if doc.Purpose != idp.ToStepUp || doc.Act == nil || doc.Act.Text != text || doc.Act.Key != idp.ActMessage || doc.Match.Mode != idp.MatchTap || doc.Account != "anna" || doc.App != "Viewer" ||
			doc.Exp-doc.At != 90 || (len(doc.Must) > 0) != row.c.Verify {
			t.Errorf("%s: the phone is shown %+v", name, doc)
		}
		tok, r := s.pollBC(row.c, id)
		if r.StatusCode != http.StatusOK || tok.Scope != "openid email offline_access" || tok.Refresh == "" {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
		claims := claimsOf(t, tok.ID)
		if got, _ := claims["amr"].([]any); (claims["sub"] == string(anna.ID)) == (row.c.SubjectType == idp.SubjectPairwise) || !slices.Equal(got, row.amr) || claims["acr"] != row.acr || claims["sid"] == nil {
			t.Errorf("%s: %v", name, claims)
		}
		if !s.alive(s.mustRefresh(row.c, tok.Refresh).Access) {
			t.Errorf("%s: its tokens are no good", name)
		}
		again, r := s.pollBC(row.c, id)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		if again.Access != "" || s.alive(tok.Access) {
			t.Errorf("%s: used twice, and what it gave lives", name)
		}
		// The person is named by an ID token of the client, too.
		id, r = s.bc(row.c, "login_hint", "", "id_token_hint", tok.ID, "binding_message", message)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: by id_token_hint: %d %s", name, r.StatusCode, r.body)
		}
		s.answer(ph, idp.Verdict{Approve: true, Verified: row.verified})
		if _, r = s.pollBC(row.c, id); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, r.body)
		}
	}
}

// TestBackchannelErrors: each error of CIBA Core 1.0, sections 11 and 13, and no phone rings
// by any of them.
func TestBackchannelErrors(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c, code, anna := s.addClient(asks), s.addClient(nil), s.addPerson("anna")
	ph := s.phone(anna)
	s.addPerson("nophone")
	blocked := s.addPerson("blocked")
	s.phone(blocked)
	if err := s.desk.Disable(t.Context(), s.admin, blocked.ID, "left"); err != nil {
		t.Fatal(err)
	}
	foreign := s.mustExchange(code, s.browser().signIn(anna, request(code))).ID
	for _, row := range []struct {
		why    string
		pairs  []string
		status int
		code   string
	}{
		{"no scope", []string{"scope", ""}, 400, "invalid_scope"},
		{"no openid", []string{"scope", "email"}, 400, "invalid_scope"},
		{"no hint", []string{"login_hint", ""}, 400, "invalid_request"},
		{"two hints", []string{"id_token_hint", "x.y.z"}, 400, "invalid_request"},
		{"a hint token", []string{"login_hint", "", "login_hint_token", "x.y.z"}, 400, "invalid_request"},
		{"a hint of nobody", []string{"login_hint", "", "id_token_hint", "x.y.z"}, 400, "invalid_request"},
		{"a hint of another client", []string{"login_hint", "", "id_token_hint", foreign}, 400, "invalid_request"},
		{"a signed request", []string{"request", "x.y.z"}, 400, "invalid_request"},
		{"an expiry of words", []string{"requested_expiry", "soon"}, 400, "invalid_request"},
		{"an expiry of nothing", []string{"requested_expiry", "0"}, 400, "invalid_request"},
		{"no message", []string{"binding_message", ""}, 400, "invalid_binding_message"},
		{"a long message", []string{"binding_message", strings.Repeat("ü", login.MaxBindingMessage+1)}, 400, "invalid_binding_message"},
		{"a message that turns around", []string{"binding_message", "pay \u202e00001"}, 400, "invalid_binding_message"},
		{"nobody", []string{"login_hint", "nobody"}, 400, "unknown_user_id"},
		{"somebody without a phone", []string{"login_hint", "nophone"}, 400, "unknown_user_id"},
		{"somebody who is blocked", []string{"login_hint", "blocked"}, 400, "unknown_user_id"},
	} {
		_, r := s.bc(c, row.pairs...)
		if r.StatusCode != row.status || !strings.Contains(r.body, `"error":"`+row.code+`"`) {
			t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
		}
		if got := list.Of(c.ID)[0]; got.Reason != idp.RejectedBackchannel || !strings.HasPrefix(got.Sent, row.code+": ") {
			t.Errorf("%s: its page says %s %q", row.why, got.Reason, got.Sent)
		}
	}
	_, r := s.bc(code)
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	wrong := *c
	wrong.secret = "wrong"
	_, r = s.bc(&wrong)
	refused(t, r, http.StatusUnauthorized, "invalid_client")
	r = s.browser().post(pathBackchannel, url.Values{"client_id": {string(c.ID)}, "scope": {"openid"}, "login_hint": {"anna"}})
	refused(t, r, http.StatusUnauthorized, "invalid_client")
	grouped := s.addClient(func(c *idp.Client) { asks(c); c.Groups = []string{"ct"} })
	_, r = s.bc(grouped)
	refused(t, r, http.StatusBadRequest, "unknown_user_id")
	consent := s.addClient(func(c *idp.Client) { asks(c); c.Consent = true })
	_, r = s.bc(consent)
	refused(t, r, http.StatusForbidden, "access_denied")
	if open, err := s.flow.Asked(t.Context(), ph); err != nil || len(open) != 0 {
		t.Fatalf("a phone is asked: %v, %v", open, err)
	}
	if _, err := s.desk.AddClient(t.Context(), s.admin, &idp.Client{Name: "x", Kind: idp.ClientWeb, Auth: idp.AuthNone, GrantTypes: []string{idp.GrantCIBA}}); err == nil {
		t.Error("an application without a secret is registered for it")
	}

	// At the token endpoint.
	_, r = s.token(c, "grant_type", idp.GrantCIBA)
	refused(t, r, http.StatusBadRequest, "invalid_request")
	_, r = s.token(c, "grant_type", idp.GrantCIBA, "auth_req_id", "made-up")
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.token(code, "grant_type", idp.GrantCIBA, "auth_req_id", "made-up")
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	id, r := s.bc(c)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	other := s.addClient(func(c *idp.Client) {
		c.GrantTypes = []string{idp.GrantCIBA, idp.GrantDevice}
		c.RedirectURIs = nil
		c.PostLogoutURIs = nil
	})
	_, r = s.pollBC(other, id)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.token(other, "grant_type", idp.GrantDevice, "device_code", id)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.pollBC(c, id)
	refused(t, r, http.StatusBadRequest, "authorization_pending")
	_, r = s.token(c, "grant_type", idp.GrantCIBA, "auth_req_id", id)
	refused(t, r, http.StatusBadRequest, "slow_down")
	s.clock.Add(idp.ChallengeTTL)
	_, r = s.pollBC(c, id)
	refused(t, r, http.StatusBadRequest, "expired_token")
}

// TestBackchannelIsBounded: a denial is told, and after it nobody is asked by this way for as
// long as a tap is too little; nor is somebody asked again and again who does not answer.
func TestBackchannelIsBounded(t *testing.T) {
	s := newSite(t)
	c, other, anna, bert := s.addClient(asks), s.addClient(asks), s.addPerson("anna"), s.addPerson("bert")
	ph := s.phone(anna)
	s.phone(bert)
	id, _ := s.bc(c)
	s.answer(ph, idp.Verdict{Reason: idp.ReasonMistake})
	_, r := s.pollBC(c, id)
	refused(t, r, http.StatusBadRequest, "access_denied")
	_, r = s.bc(c)
	refused(t, r, http.StatusForbidden, "access_denied")
	_, r = s.bc(other)
	refused(t, r, http.StatusForbidden, "access_denied")
	asked := 0
	for range 20 {
		if _, r := s.bc(c, "login_hint", "bert"); r.StatusCode == http.StatusOK {
			asked++
		} else {
			refused(t, r, http.StatusForbidden, "access_denied")
		}
		s.clock.Add(idp.ChallengeTTL)
	}
	if asked == 0 || asked > 6 {
		t.Errorf("bert is asked %d times within 40 minutes", asked)
	}
	s.server.conf.AllowBackchannel = func(idp.ClientID) (time.Duration, bool) { return time.Second, false }
	_, r = s.bc(c)
	refused(t, r, http.StatusTooManyRequests, "temporarily_unavailable")
}

// TestBackchannelIsTakenAway: what an application could go on with goes with it, its grant
// type, the person, the phone that is asked, and the session that the yes has made.
func TestBackchannelIsTakenAway(t *testing.T) {
	s := newSite(t)
	disable := func(c *client, _ *person, _ *idp.Speaker) {
		s.editClient(c, func(c *idp.Client) { c.Disabled = true })
	}
	retype := func(c *client, _ *person, _ *idp.Speaker) {
		s.editClient(c, func(c *idp.Client) {
			c.GrantTypes, c.RedirectURIs = []string{idp.GrantCode, idp.GrantRefresh}, []string{callback}
		})
	}
	block := func(_ *client, p *person, _ *idp.Speaker) {
		if err := s.desk.Disable(t.Context(), s.admin, p.ID, "left"); err != nil {
			t.Fatal(err)
		}
	}
	endAll := func(_ *client, p *person, _ *idp.Speaker) {
		if _, err := s.db.CutOff(t.Context(), idp.CutOff{User: p.ID, Cause: idp.CutEndedAll, Because: idp.Event{Kind: idp.EventSessionEnded, User: p.ID}}); err != nil {
			t.Fatal(err)
		}
	}
	endOne := func(_ *client, p *person, _ *idp.Speaker) {
		all, err := s.flow.Sessions(t.Context(), p.ID)
		if err != nil || len(all) == 0 {
			t.Fatalf("no session is listed: %v", err)
		}
		for _, view := range all {
			if err := s.flow.EndSession(t.Context(), idp.Actor{User: p.ID}, p.ID, view.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, row := range []struct {
		name          string
		take          func(*client, *person, *idp.Speaker)
		before, after string // taken while the phone is asked, and once it has said yes
	}{
		{"client disabled", disable, "401 invalid_client", "401 invalid_client"},
		{"grant type", retype, "400 unauthorized_client", "400 unauthorized_client"},
		{"person disabled", block, "400 authorization_pending", "400 invalid_grant"},
		{"all sessions ended", endAll, "400 authorization_pending", "400 invalid_grant"},
		{"its session ended", endOne, "", "400 invalid_grant"},
	} {
		for when, want := range map[string]string{"before": row.before, "after": row.after} {
			if want == "" {
				continue
			}
			name := "p" + string(rune('a'+i)) + when
			c, p := s.addClient(asks), s.addPerson(name)
			ph := s.phone(p)
			id, r := s.bc(c, "login_hint", name)
			if r.StatusCode != http.StatusOK {
				t.Fatal(r.body)
			}
			if when == "after" {
				s.answer(ph, idp.Verdict{Approve: true})
			}
			open, err := s.flow.Asked(t.Context(), ph)
			if err != nil {
				t.Fatal(err)
			}
			row.take(c, p, ph)
			if when == "before" {
				_, err := s.flow.Answer(t.Context(), ph, login.Reply{
					Challenge: open[0].ID, DocHash: open[0].DocHash(), Verdict: idp.Verdict{Approve: true},
					Seen: idp.Replay{Device: ph.Device.ID, JTI: idp.NewToken().Hash(), Until: s.clock.Now().Add(time.Hour)},
				})
				if err == nil {
					t.Errorf("%s: a yes is taken afterwards", row.name)
				}
			}
			_, r = s.pollBC(c, id)
			if got := said(t, r); got != want {
				t.Errorf("%s, %s: told %s, not %s", row.name, when, got, want)
			}
		}
	}
}

// TestBackchannelSessionIsNoBrowsers: the session that a yes has made answers no browser, not
// even one that says it is the client's.
func TestBackchannelSessionIsNoBrowsers(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(asks), s.addPerson("anna")
	ph := s.phone(anna)
	s.bc(c)
	s.answer(ph, idp.Verdict{Approve: true})
	all, err := s.flow.Sessions(t.Context(), anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, view := range all {
		if view.Agent == "" {
			found++
			if len(view.Clients) != 1 || view.Clients[0].Name != c.Name {
				t.Errorf("the session is listed without its application: %+v", view)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d sessions without a browser are listed", found)
	}
}
