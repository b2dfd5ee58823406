package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
)

func codes(t *testing.T, s *site) {
	u := s.user("anna")
	c, issue := s.redeemed(u)
	code, grant, err := s.Code(s.ctx(), c.code.Hash)
	s.ok(err)
	if !code.UsedAt.Equal(s.now) {
		t.Fatalf("used at %v", code.UsedAt)
	}
	s.ok(grant.Live(s.now))
	s.happened(idp.EventCodeRedeemed, 1)

	// The second use kills what the first gave, and writes no tokens.
	again := s.issue(c.grant.ID)
	e := s.event(idp.EventCodeRedeemed)
	e.Address = "192.0.2.66"
	s.is(s.RedeemCode(s.ctx(), c.code.Hash, s.now, again, e), idp.ErrSettled)
	if !s.revoked(issue.Access.Hash) {
		t.Fatal("a replayed code left its grant alive")
	}
	_, _, _, err = s.Access(s.ctx(), again.Access.Hash)
	s.is(err, idp.ErrNotFound)
	_, _, err = s.Refresh(s.ctx(), again.Refresh.Hash)
	s.is(err, idp.ErrNotFound)
	s.happened(idp.EventCodeRedeemed, 1)
	s.happened(idp.EventCodeReplayed, 1)
	s.is(s.RedeemCode(s.ctx(), c.code.Hash, s.now, again, e), idp.ErrSettled)
	s.happened(idp.EventCodeReplayed, 1) // the grant is revoked, there is nothing to tell
	s.is(s.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, again), idp.ErrExpired)

	late := s.signIn(u)
	s.is(s.RedeemCode(s.ctx(), late.code.Hash, s.now.Add(idp.CodeTTL), s.issue(late.grant.ID), e), idp.ErrExpired)
	s.ok(s.RevokeGrant(s.ctx(), late.grant.ID, s.now, s.event(idp.EventGrantRevoked)))
	s.is(s.RedeemCode(s.ctx(), late.code.Hash, s.now, s.issue(late.grant.ID), e), idp.ErrExpired)
	s.is(s.RedeemCode(s.ctx(), idp.TokenHash{}, s.now, again, e), idp.ErrNotFound)

	// Tokens of one grant cannot be had for the code of another.
	mine, theirs := s.signIn(u), s.signIn(u)
	s.is(s.RedeemCode(s.ctx(), mine.code.Hash, s.now, s.issue(theirs.grant.ID), e), idp.ErrInvalid)
	s.ok(s.RedeemCode(s.ctx(), mine.code.Hash, s.now, s.issue(mine.grant.ID), e))
}

// takenAway: who gives tokens is asked in the transaction, of the person as they
// are then; what it refuses revokes the grant and is told.
func takenAway(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error {
		u.State, u.Groups = idp.UserActive, []string{"mri", `ward "3"`}
		return nil
	}))
	var seen *idp.User
	ask := func(err error) func(*idp.User) error {
		return func(u *idp.User) error { seen = u; return err }
	}
	c, issue := s.redeemed(u)
	next := s.issue(c.grant.ID)
	next.May = ask(nil)
	s.ok(s.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, next))
	if seen == nil || seen.ID != u.ID || seen.State != idp.UserActive || !slices.Equal(seen.Groups, []string{"mri", `ward "3"`}) {
		t.Errorf("asked of %+v", seen)
	}
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Groups = nil; return nil }))
	last := s.issue(c.grant.ID)
	last.May = ask(&idp.TakenError{What: "groups"})
	s.is(s.RotateRefresh(s.ctx(), next.Refresh.Hash, s.now, 0, last), idp.ErrDenied)
	if len(seen.Groups) != 0 {
		t.Errorf("asked of groups %q that were taken away", seen.Groups)
	}
	s.happened(idp.EventGrantRevoked, 1)
	if !s.revoked(next.Access.Hash) {
		t.Error("the grant lives")
	}
	_, _, _, err := s.Access(s.ctx(), last.Access.Hash)
	s.is(err, idp.ErrNotFound)
	s.is(s.RotateRefresh(s.ctx(), next.Refresh.Hash, s.now, 0, last), idp.ErrExpired)

	in := s.signIn(u)
	none := s.issue(in.grant.ID)
	none.May = ask(&idp.TakenError{What: "person"})
	s.is(s.RedeemCode(s.ctx(), in.code.Hash, s.now, none, s.event(idp.EventCodeRedeemed)), idp.ErrDenied)
	s.happened(idp.EventGrantRevoked, 2)
	_, _, _, err = s.Access(s.ctx(), none.Access.Hash)
	s.is(err, idp.ErrNotFound)

	// What is remembered of a refresh token's person is of now.
	_, kept := s.redeemed(u)
	for _, groups := range [][]string{{"ct"}, nil, {"mri"}} {
		s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Groups = groups; return nil }))
		_, _, who, err := s.RefreshOf(s.ctx(), kept.Refresh.Hash)
		s.ok(err)
		if !slices.Equal(who.Groups, groups) {
			t.Errorf("groups %q, want %q", who.Groups, groups)
		}
	}
}

// issuedAnywhere: what an instance remembers of codes and refresh tokens is
// what they were given for; whether they are good the transaction knows, also
// of what another instance has done meanwhile.
func issuedAnywhere(t *testing.T, s *site, other Store) {
	u := s.user("anna")
	in := s.signIn(u)
	for range 2 {
		for _, at := range []Store{s.Store, other} {
			code, grant, err := at.IssuedCode(s.ctx(), in.code.Hash)
			s.ok(err)
			same(t, code, in.code)
			same(t, grant, in.grant)
			grant.Scopes[0], grant.AMR[0] = "changed", "changed" // it is the caller's own
		}
	}
	issue := s.issue(in.grant.ID)
	s.ok(other.RedeemCode(s.ctx(), in.code.Hash, s.now, issue, s.event(idp.EventCodeRedeemed)))
	s.is(s.RedeemCode(s.ctx(), in.code.Hash, s.now, s.issue(in.grant.ID), s.event(idp.EventCodeRedeemed)), idp.ErrSettled)
	for _, at := range []Store{s.Store, other} {
		if code, _, err := at.IssuedCode(s.ctx(), in.code.Hash); err != nil || code.UsedAt.IsZero() {
			t.Errorf("after its use: %+v (%v)", code, err)
		}
	}
	if !s.revoked(issue.Access.Hash) {
		t.Error("a code was redeemed in two instances, and its grant lives")
	}

	_, first := s.redeemed(u)
	for range 2 {
		for _, at := range []Store{s.Store, other} {
			token, grant, err := at.IssuedRefresh(s.ctx(), first.Refresh.Hash)
			s.ok(err)
			same(t, token, first.Refresh)
			token.Scopes[0], grant.Scopes[0] = "changed", "changed"
		}
	}
	second := s.issue(first.Refresh.Grant)
	s.ok(other.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, second))
	for _, at := range []Store{s.Store, other} {
		token, _, err := at.IssuedRefresh(s.ctx(), second.Refresh.Hash)
		s.ok(err)
		same(t, token, second.Refresh)
	}
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, s.issue(first.Refresh.Grant)), idp.ErrSettled)
	s.is(other.RotateRefresh(s.ctx(), second.Refresh.Hash, s.now, 0, s.issue(first.Refresh.Grant)), idp.ErrExpired)

	// Revoked in one instance, a token is refused in the other, which remembers it.
	_, third := s.redeemed(u)
	_, _, err := s.IssuedRefresh(s.ctx(), third.Refresh.Hash)
	s.ok(err)
	s.ok(other.RevokeGrant(s.ctx(), third.Refresh.Grant, s.now, s.event(idp.EventGrantRevoked)))
	s.is(s.RotateRefresh(s.ctx(), third.Refresh.Hash, s.now, 0, s.issue(third.Refresh.Grant)), idp.ErrExpired)

	_, _, err = s.IssuedCode(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
	_, _, err = s.IssuedRefresh(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
}

func refreshTokens(t *testing.T, s *site) {
	u := s.user("anna")
	c, first := s.redeemed(u)
	token, grant, err := s.Refresh(s.ctx(), first.Refresh.Hash)
	s.ok(err)
	same(t, token, first.Refresh)
	same(t, grant, c.grant)

	second := s.issue(c.grant.ID)
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(time.Minute), 0, second))
	token, _, err = s.Refresh(s.ctx(), first.Refresh.Hash)
	s.ok(err)
	if !token.UsedAt.Equal(s.now.Add(time.Minute)) {
		t.Fatalf("used at %v", token.UsedAt)
	}
	_, _, _, err = s.Access(s.ctx(), second.Access.Hash)
	s.ok(err)

	// Idle too long.
	s.is(s.RotateRefresh(s.ctx(), second.Refresh.Hash, s.now.Add(90*time.Minute), 0, s.issue(c.grant.ID)), idp.ErrExpired)
	// Reuse kills the family.
	third := s.issue(c.grant.ID)
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(2*time.Minute), 0, third), idp.ErrSettled)
	if !s.revoked(second.Access.Hash) {
		t.Fatal("reuse left the grant alive")
	}
	_, _, err = s.Refresh(s.ctx(), third.Refresh.Hash)
	s.is(err, idp.ErrNotFound)
	s.is(s.RotateRefresh(s.ctx(), second.Refresh.Hash, s.now.Add(2*time.Minute), 0, third), idp.ErrExpired)
	s.is(s.RotateRefresh(s.ctx(), idp.TokenHash{}, s.now, 0, third), idp.ErrNotFound)
	s.happened(idp.EventRefreshReplayed, 1)
	events, err := s.Events(s.ctx(), 0, 1000)
	s.ok(err)
	e := events[slices.IndexFunc(events, func(e idp.Event) bool { return e.Kind == idp.EventRefreshReplayed })]
	if e.User != u.ID || e.Client != c.grant.Client || e.Session != c.session.ID {
		t.Fatalf("the event names %+v", e)
	}

	// The grant's own end.
	c, first = s.redeemed(u)
	first.Refresh.ExpiresAt = c.grant.ExpiresAt.Add(time.Hour)
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, c.grant.ExpiresAt, 0, s.issue(c.grant.ID)), idp.ErrExpired)
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, s.issue("another")), idp.ErrInvalid)
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, s.issue(c.grant.ID)))
}

func refreshGrace(t *testing.T, s *site) {
	c, first := s.redeemed(s.user("anna"))
	const grace = 10 * time.Second
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, s.issue(c.grant.ID)))
	tab := s.issue(c.grant.ID)
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(grace), grace, tab))
	_, _, err := s.Refresh(s.ctx(), tab.Refresh.Hash)
	s.ok(err)
	// Grace counts from the first use, not from the last repetition.
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(grace+time.Microsecond), grace, s.issue(c.grant.ID)), idp.ErrSettled)
	if !s.revoked(tab.Access.Hash) {
		t.Fatal("reuse after grace left the grant alive")
	}
	// A revoked grant has no grace.
	c, first = s.redeemed(s.user("berta"))
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, s.issue(c.grant.ID)))
	s.ok(s.RevokeGrant(s.ctx(), c.grant.ID, s.now, s.event(idp.EventGrantRevoked)))
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, s.issue(c.grant.ID)), idp.ErrExpired)

	// As often as it may be repeated, of two tokens each as often, whatever is swept meanwhile.
	c, first = s.redeemed(s.user("clara"))
	repeated := func() idp.Issue {
		issue := s.issue(c.grant.ID)
		issue.Repeats = 2
		return issue
	}
	second := repeated()
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, second))
	for range 2 {
		s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(grace), grace, repeated()))
		s.ok(s.Sweep(s.ctx(), s.now.Add(grace)))
	}
	for range 3 {
		s.ok(s.RotateRefresh(s.ctx(), second.Refresh.Hash, s.now.Add(grace), grace, repeated()))
	}
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now.Add(grace), grace, repeated()), idp.ErrSettled)
	if !s.revoked(second.Access.Hash) {
		t.Fatal("a token that was repeated too often left the grant alive")
	}
}

// refreshRivals: of many that repeat a token at once as many are served as may be.
func refreshRivals(t *testing.T, s *site) {
	c, first := s.redeemed(s.user("anna"))
	const grace, most, rivals = 10 * time.Second, 3, 12
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, s.issue(c.grant.ID)))
	var served atomic.Int32
	var wg sync.WaitGroup
	for range rivals {
		issue := s.issue(c.grant.ID)
		issue.Repeats = most
		wg.Go(func() {
			err := s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, grace, issue)
			switch {
			case err == nil:
				served.Add(1)
			case !errors.Is(err, idp.ErrSettled) && !errors.Is(err, idp.ErrExpired):
				t.Errorf("a rival: %v", err)
			}
		})
	}
	wg.Wait()
	if served.Load() != most {
		t.Errorf("%d were served, %d may be", served.Load(), most)
	}
}

func accessTokens(t *testing.T, s *site) {
	u := s.user("anna")
	c, issue := s.redeemed(u)
	for range 2 { // from the database, then with what may be remembered
		token, grant, user, err := s.Access(s.ctx(), issue.Access.Hash)
		s.ok(err)
		same(t, token, &issue.Access)
		same(t, grant, c.grant)
		same(t, user, u)
	}
	// A change of the person shows at once.
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Email = "new@example.org"; return nil }))
	_, _, user, err := s.Access(s.ctx(), issue.Access.Hash)
	s.ok(err)
	if user.Email != "new@example.org" {
		t.Fatalf("userinfo would say %s", user.Email)
	}
	_, _, _, err = s.Access(s.ctx(), issue.Refresh.Hash)
	s.is(err, idp.ErrNotFound)

	s.ok(s.RevokeAccess(s.ctx(), issue.Access.Hash, s.now.Add(time.Second)))
	s.ok(s.RevokeAccess(s.ctx(), issue.Access.Hash, s.now.Add(time.Hour)))
	token, grant, _, err := s.Access(s.ctx(), issue.Access.Hash)
	s.ok(err)
	if !token.RevokedAt.Equal(s.now.Add(time.Second)) || !grant.RevokedAt.IsZero() {
		t.Fatalf("token %v, grant %v", token.RevokedAt, grant.RevokedAt)
	}
	s.is(s.RevokeAccess(s.ctx(), idp.TokenHash{}, s.now), idp.ErrNotFound)

	// A token that is not kept leaves only its refresh token.
	_, first := s.redeemed(s.user("berta"))
	issue = s.issue(first.Access.Grant)
	issue.Access.Hash = idp.TokenHash{}
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, issue))
	_, _, _, err = s.Access(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
}

func clientCredentials(t *testing.T, s *site) {
	s.registered("worker")
	g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: "worker", Scopes: []string{"dicom.read"}, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}
	g.Note(s.event(idp.EventCodeIssued))
	issue := s.issue(g.ID)
	issue.Refresh = nil
	s.ok(s.AddTokens(s.ctx(), g, issue))
	token, grant, user, err := s.Access(s.ctx(), issue.Access.Hash)
	s.ok(err)
	same(t, token, &issue.Access)
	same(t, grant, g)
	if user != nil {
		t.Fatalf("a client's token has the user %+v", user)
	}
	s.happened(idp.EventCodeIssued, 1)
}

// endsOfGrants names every act that has to kill tokens.
func endsOfGrants(t *testing.T, s *site) {
	for name, act := range map[string]func(c *collected) error{
		"revoke the grant": func(c *collected) error {
			return s.RevokeGrant(s.ctx(), c.grant.ID, s.now, s.event(idp.EventGrantRevoked))
		},
		"end the session": func(c *collected) error {
			_, err := s.CutOff(s.ctx(), idp.CutOff{User: c.user.ID, Cause: idp.CutEndedAll, Because: s.event(idp.EventSessionEnded)})
			return err
		},
		"disable the person": func(c *collected) error {
			return s.DisableUser(s.ctx(), c.user.ID, s.event(idp.EventUserDisabled))
		},
		"disable the person by editing": func(c *collected) error {
			return s.UpdateUser(s.ctx(), c.user.ID, func(u *idp.User) error { u.State = idp.UserDisabled; return nil })
		},
		"change the password": func(c *collected) error {
			return s.SetPassword(s.ctx(), c.user.ID, "phc", s.passwordAt(c.user.ID), idp.Within{}, s.event(idp.EventPasswordChanged))
		},
		"disable the client": func(c *collected) error {
			return s.UpdateClient(s.ctx(), c.grant.Client, func(c *idp.Client) error { c.Disabled = true; return nil })
		},
		"remove the client": func(c *collected) error {
			return s.RemoveClient(s.ctx(), c.grant.Client, s.event(idp.EventClientChanged))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{Store: s.Store, t: t, now: s.now}
			err := s.AddClient(s.ctx(), s.newClient("viewer"))
			if err != nil && !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
			s.ok(s.UpdateClient(s.ctx(), "viewer", func(c *idp.Client) error { c.Disabled = false; return nil }))
			c, issue := s.redeemed(s.user(fmt.Sprintf("%x", idp.NewToken().Hash())))
			if s.revoked(issue.Access.Hash) {
				t.Fatal("revoked before")
			}
			s.ok(act(c))
			if !s.revoked(issue.Access.Hash) {
				t.Fatal("the grant lives on")
			}
			s.is(s.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, s.issue(c.grant.ID)), idp.ErrExpired)
		})
	}
	s.is(s.RevokeGrant(s.ctx(), "nothing", s.now, s.event(idp.EventGrantRevoked)), idp.ErrNotFound)
}

func (s *site) newClient(id idp.ClientID) *idp.Client {
	c := &idp.Client{
		ID: id, Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic,
		Secrets: []idp.ClientSecret{
			{Hash: idp.NewToken().Hash(), CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)},
			{Hash: idp.NewToken().Hash(), CreatedAt: s.now.Add(time.Second)},
		},
		RedirectURIs: []string{"https://viewer.example/cb?a=b&c", "https://viewer.example/ü"}, PostLogoutURIs: []string{"https://viewer.example/out"},
		LogoutURI: "https://viewer.example/told?a=b", LogoutSession: true,
		Origins: []string{"https://viewer.example"}, GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Scopes: []string{"profile"},
		Audience: []string{"api"}, IDTokenAlg: "ES256", Signing: idp.ClientSigning{RequestAlg: "PS256", RequireRequest: true, ResponseAlg: "ES256", UserinfoAlg: "EdDSA", IntrospectionAlg: "RS256", AssertionAlg: "PS256"}, Backchannel: idp.ClientBackchannel{Mode: idp.DeliverPing, NotifyURI: "https://viewer.example/ping", RequestAlg: "ES256"}, AccessFormat: idp.AccessJWT, AccessTTL: 5 * time.Minute, RefreshIdle: time.Hour,
		RefreshGrace: 10 * time.Second, RefreshAlways: true, OptionalPKCE: true, ClaimsInID: true, Resources: []string{"https://viewer.example/api"}, DefaultScopes: []string{"openid", "profile"}, ClaimsInAccess: true, KeepRefresh: true, Icon: "a picture", Groups: []string{"radiology", "a b"}, Claims: []idp.ClaimRule{{Name: "role", From: "groups", One: true, Values: []idp.ClaimValue{{From: "x", To: "Viewer"}}}}, Consent: true, Verify: true, CreatedAt: s.now, UpdatedAt: s.now,
		About: idp.ClientAbout{
			Names: map[string]string{"de": "Betrachter"}, Home: idp.Tagged{"": "https://viewer.example/"}, Policy: idp.Tagged{"": "https://viewer.example/p", "fr-CH": "https://viewer.example/p-fr"},
			Terms: idp.Tagged{"nl": "https://viewer.example/t"}, Logo: "https://viewer.example/logo.png", Contacts: []string{"ops@viewer.example"}, SoftwareID: "viewer", SoftwareVersion: "1.2",
		},
		Requests: idp.ClientRequests{MaxAge: new(int64(3600)), ACRValues: []string{"mfa"}, URIs: []string{"https://viewer.example/r#h"}},
	}
	c.Note(s.event(idp.EventClientChanged))
	return c
}

func clients(t *testing.T, s *site) {
	_, err := s.Client(s.ctx(), "viewer")
	s.is(err, idp.ErrNotFound)
	c := s.newClient("viewer")
	s.ok(s.AddClient(s.ctx(), c))
	got, err := s.Client(s.ctx(), "viewer")
	s.ok(err)
	same(t, got, c)
	s.is(s.AddClient(s.ctx(), s.newClient("viewer")), idp.ErrConflict)
	s.ok(s.UpdateClient(s.ctx(), "viewer", func(c *idp.Client) error {
		c.Secrets = c.Secrets[1:]
		c.RefreshAlways, c.Consent, c.RefreshGrace, c.Audience = false, false, 0, nil
		c.Note(s.event(idp.EventClientChanged))
		return nil
	}))
	c.Secrets = c.Secrets[1:]
	c.RefreshAlways, c.Consent, c.RefreshGrace, c.Audience = false, false, 0, nil
	got, err = s.Client(s.ctx(), "viewer")
	s.ok(err)
	same(t, got, c)
	refused := errors.New("no")
	s.is(s.UpdateClient(s.ctx(), "viewer", func(c *idp.Client) error { c.Name = "x"; return refused }), refused)
	s.is(s.UpdateClient(s.ctx(), "nothing", func(*idp.Client) error { return nil }), idp.ErrNotFound)
	s.ok(s.AddClient(s.ctx(), &idp.Client{ID: "b", Name: "Archive", Auth: idp.AuthNone, CreatedAt: s.now, UpdatedAt: s.now}))
	all, err := s.Clients(s.ctx())
	s.ok(err)
	if len(all) != 2 || all[0].Name != "Archive" || all[1].Name != "Viewer" {
		t.Fatalf("clients %+v", all)
	}
	s.ok(s.RemoveClient(s.ctx(), "viewer", s.event(idp.EventClientChanged)))
	_, err = s.Client(s.ctx(), "viewer")
	s.is(err, idp.ErrNotFound)
	s.is(s.RemoveClient(s.ctx(), "viewer", s.event(idp.EventClientChanged)), idp.ErrNotFound)
	s.happened(idp.EventClientChanged, 3)
}

func clientCopies(t *testing.T, s *site) {
	s.ok(s.AddClient(s.ctx(), s.newClient("viewer")))
	c, err := s.Client(s.ctx(), "viewer")
	s.ok(err)
	_ = append(c.Scopes, "evil")
	_ = append(c.Secrets, idp.ClientSecret{})
	all, err := s.Clients(s.ctx())
	s.ok(err)
	all[0].RedirectURIs[0] = "https://evil.example"
	all[0].Secrets[0].ExpiresAt = s.now
	again, err := s.Client(s.ctx(), "viewer")
	s.ok(err)
	if again.RedirectURIs[0] == "https://evil.example" || again.Secrets[0].ExpiresAt.Equal(s.now) {
		t.Fatal("what a caller was given is what is served")
	}
	if cap(again.Scopes) != len(again.Scopes) || cap(again.Secrets) != len(again.Secrets) {
		t.Fatal("appending would write into what is shared")
	}
}

func signingKeys(t *testing.T, s *site) {
	k := idp.SigningKey{ID: idp.NewID[idp.KeyID](), Alg: "RS256", Public: []byte("pub"), Sealed: []byte("sealed"), CreatedAt: s.now, ActiveAt: s.now}
	put := func(keys ...idp.SigningKey) func([]idp.SigningKey) ([]idp.SigningKey, error) {
		return func([]idp.SigningKey) ([]idp.SigningKey, error) { return keys, nil }
	}
	s.ok(s.UpdateSigningKeys(s.ctx(), put(k), s.event(idp.EventKeyRotated)))
	next := k
	next.ID, next.CreatedAt = idp.NewID[idp.KeyID](), s.now.Add(time.Second)
	k.RetiredAt, k.GoneAt = s.now, s.now.Add(time.Hour)
	s.ok(s.UpdateSigningKeys(s.ctx(), put(next, k), s.event(idp.EventKeyRotated)))
	got, err := s.SigningKeys(s.ctx())
	s.ok(err)
	same(t, got, []idp.SigningKey{k, next})
	refused := errors.New("no")
	s.is(s.UpdateSigningKeys(s.ctx(), func(keys []idp.SigningKey) ([]idp.SigningKey, error) { return keys[:1], refused },
		s.event(idp.EventKeyRotated)), refused)
	s.ok(s.UpdateSigningKeys(s.ctx(), put(next), s.event(idp.EventKeyRotated)))
	got, err = s.SigningKeys(s.ctx())
	s.ok(err)
	same(t, got, []idp.SigningKey{next})
	s.happened(idp.EventKeyRotated, 3)
}

func sealCheck(t *testing.T, s *site) {
	_, err := s.SealCheck(s.ctx())
	s.is(err, idp.ErrNotFound)
	s.ok(s.SetSealCheck(s.ctx(), []byte("known")))
	s.is(s.SetSealCheck(s.ctx(), []byte("other")), idp.ErrConflict)
	got, err := s.SealCheck(s.ctx())
	s.ok(err)
	same(t, got, []byte("known"))
	s.ok(s.Ping(s.ctx()))
}

func sweep(t *testing.T, s *site) {
	u := s.user("anna")
	c, first := s.redeemed(u)
	second := s.issue(c.grant.ID)
	s.ok(s.RotateRefresh(s.ctx(), first.Refresh.Hash, s.now, 0, second))
	offer := s.pairing(u.ID)
	link := s.invitation(u.ID, idp.InviteReset)
	key := idp.CounterKey{Kind: idp.CountCodes, Who: string(u.ID)}
	stuck := idp.CounterKey{Kind: idp.CountPasswords, Who: string(u.ID)}
	for _, k := range []idp.CounterKey{key, stuck} {
		s.ok(s.UpdateCounter(s.ctx(), k, nil, func(c *idp.Counter) error {
			c.InARow, c.Month, c.MonthAt, c.FactorFirst = 1, 1, s.now, k == stuck
			if k == stuck {
				c.NextAt = s.now.Add(30 * 24 * time.Hour)
			}
			return nil
		}))
	}
	// Many rows: more than one batch of each.
	s.registered("worker")
	for range 450 {
		g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: "worker", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}
		issue := s.issue(g.ID)
		issue.Access.ExpiresAt = s.now.Add(time.Minute)
		s.ok(s.AddTokens(s.ctx(), g, issue))
	}

	s.ok(s.Sweep(s.ctx(), s.now.Add(16*time.Minute)))
	_, _, _, err := s.Access(s.ctx(), second.Access.Hash)
	s.is(err, idp.ErrNotFound)
	// The grant lives, so a used code and a used refresh token are still noticed.
	s.ok(s.Sweep(s.ctx(), c.grant.ExpiresAt.Add(-time.Second)))
	_, _, err = s.Code(s.ctx(), c.code.Hash)
	s.ok(err)
	late := c.grant.ExpiresAt.Add(-time.Second)
	s.is(s.RotateRefresh(s.ctx(), first.Refresh.Hash, late, 0, s.issue(c.grant.ID)), idp.ErrSettled)
	_, err = s.Login(s.ctx(), c.login.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.Pairing(s.ctx(), offer.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.SessionByToken(s.ctx(), c.session.Token)
	s.ok(err)
	_, err = s.InvitationByToken(s.ctx(), link.Token)
	s.ok(err)

	s.ok(s.Sweep(s.ctx(), s.now.Add(31*24*time.Hour)))
	_, _, err = s.Code(s.ctx(), c.code.Hash)
	s.is(err, idp.ErrNotFound)
	_, _, err = s.Refresh(s.ctx(), first.Refresh.Hash)
	s.is(err, idp.ErrNotFound)
	_, err = s.SessionByToken(s.ctx(), c.session.Token)
	s.is(err, idp.ErrNotFound)
	of, err := s.SessionClients(s.ctx(), u.ID)
	s.ok(err)
	if len(of) != 0 {
		t.Fatalf("%d session clients stay", len(of))
	}
	_, err = s.InvitationByToken(s.ctx(), link.Token)
	s.is(err, idp.ErrNotFound)
	counted, err := s.Counter(s.ctx(), key)
	s.ok(err)
	same(t, counted, &idp.Counter{Key: key})
	counted, err = s.Counter(s.ctx(), stuck)
	s.ok(err)
	if !counted.FactorFirst {
		t.Fatal("a lock was swept away before its time")
	}
	_, err = s.User(s.ctx(), u.ID)
	s.ok(err)
}

func events(t *testing.T, s *site) {
	e := idp.Event{
		At: s.now, Kind: idp.EventLoginDone, Actor: idp.Actor{User: "u", Name: "anna"}, User: "u", Client: "c", Login: "l", Session: "s",
		Device: "d", Address: "192.0.2.1", Detail: map[string]string{"name": "<é>\x00\xff", "a": "", "b": "\""},
	}
	for range 5 {
		l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, CreatedAt: s.now, ExpiresAt: s.now}
		l.Note(e)
		l.Note(idp.Event{Kind: idp.EventLoginDenied})
		s.ok(s.AddLogin(s.ctx(), l))
	}
	all, err := s.Events(s.ctx(), 0, 100)
	s.ok(err)
	if len(all) != 10 {
		t.Fatalf("%d events", len(all))
	}
	for i, got := range all {
		if got.Seq != int64(i+1) || got.Hash == [32]byte{} {
			t.Fatalf("event %d has number %d and hash %x", i+1, got.Seq, got.Hash)
		}
	}
	got := all[0]
	got.Seq, got.Hash = 0, [32]byte{}
	e.Detail["name"] = "<é>\x00\ufffd" // what is not text is replaced
	same(t, got, e)
	page, err := s.Events(s.ctx(), 7, 2)
	s.ok(err)
	if len(page) != 2 || page[0].Seq != 8 {
		t.Fatalf("after 7: %+v", page)
	}
	s.ok(s.VerifyEvents(s.ctx()))
}

// keptRefresh: a refresh token that is kept is good again and again, until its grant is
// revoked or it expires; so it is in another instance.
func keptRefresh(t *testing.T, s *site, other Store) {
	u := s.user("anna")
	c, issue := s.redeemed(u)
	for _, at := range []Store{s.Store, s.Store, other, s.Store} {
		_, _, err := at.IssuedRefresh(s.ctx(), issue.Refresh.Hash)
		s.ok(err)
		next := s.issue(c.grant.ID)
		next.Refresh, next.Keep = nil, true
		s.ok(at.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, next))
		token, _, _, err := s.Access(s.ctx(), next.Access.Hash)
		s.ok(err)
		if token.JKT != "" {
			t.Errorf("bound to %q", token.JKT)
		}
	}
	last := s.issue(c.grant.ID)
	s.ok(s.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, last)) // its client does not keep it any more
	kept := s.issue(c.grant.ID)
	kept.Refresh, kept.Keep = nil, true
	s.is(s.RotateRefresh(s.ctx(), issue.Refresh.Hash, s.now, 0, kept), idp.ErrSettled)
	s.is(s.RotateRefresh(s.ctx(), last.Refresh.Hash, s.now, 0, kept), idp.ErrExpired) // the family is dead
}

// usedOnce: a JWT that was used is refused in every instance until it is no longer good by
// itself; of many at once one is used.
func usedOnce(t *testing.T, s *site, other Store) {
	one, two := idp.NewToken().Hash(), idp.NewToken().Hash()
	until := s.now.Add(time.Minute)
	s.ok(s.UseJWT(s.ctx(), one, until))
	s.is(s.UseJWT(s.ctx(), one, until), idp.ErrReplayed)
	s.is(other.UseJWT(s.ctx(), one, until.Add(time.Hour)), idp.ErrReplayed)
	s.ok(other.UseJWT(s.ctx(), two, until.Add(time.Minute)))
	s.is(s.UseJWT(s.ctx(), two, until), idp.ErrReplayed)

	var all sync.WaitGroup
	rivals, errs := idp.NewToken().Hash(), make([]error, 8)
	for i, at := range []Store{s.Store, other, s.Store, other, s.Store, other, s.Store, other} {
		all.Go(func() { errs[i] = at.UseJWT(s.ctx(), rivals, until) })
	}
	all.Wait()
	used := 0
	for _, err := range errs {
		if err == nil {
			used++
		} else {
			s.is(err, idp.ErrReplayed)
		}
	}
	if used != 1 {
		t.Errorf("used %d times", used)
	}

	s.ok(s.Sweep(s.ctx(), until.Add(-time.Microsecond)))
	s.is(s.UseJWT(s.ctx(), one, until), idp.ErrReplayed)
	s.ok(s.Sweep(s.ctx(), until))
	s.ok(s.UseJWT(s.ctx(), one, until)) // nothing is kept of it: who asks has to see that it is dead
	s.is(s.UseJWT(s.ctx(), two, until), idp.ErrReplayed)
}

// pushedRequests: one gives a code once, in the transaction that makes the code; so many
// may be pending of one client.
func pushedRequests(t *testing.T, s *site) {
	u := s.user("anna")
	push := func(client idp.ClientID) *idp.Pushed {
		p := &idp.Pushed{ID: idp.PushedIDOf(idp.NewToken()), Client: client, Request: idp.AuthRequest{Client: client, State: "s"}, ExpiresAt: s.now.Add(idp.PushedTTL)}
		p.Request.Pushed = p.ID
		s.ok(s.AddPushed(s.ctx(), p))
		return p
	}
	p := push("viewer")
	got, err := s.Pushed(s.ctx(), p.ID)
	s.ok(err)
	if got.Client != "viewer" || got.Request.State != "s" || got.Request.Pushed != p.ID || !got.ExpiresAt.Equal(p.ExpiresAt) || !got.UsedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	_, err = s.Pushed(s.ctx(), "nobody")
	s.is(err, idp.ErrNotFound)

	c := s.signIn(u)
	code := func() (*idp.Grant, *idp.Code) {
		g := *c.grant
		g.ID = idp.NewID[idp.GrantID]()
		return &g, &idp.Code{Hash: idp.NewToken().Hash(), Grant: g.ID, Pushed: p.ID, ExpiresAt: s.now.Add(idp.CodeTTL)}
	}
	g, first := code()
	s.ok(s.AddGrant(s.ctx(), c.session, g, first))
	got, err = s.Pushed(s.ctx(), p.ID)
	s.ok(err)
	s.is(got.Live(s.now), idp.ErrSettled)
	g, second := code()
	s.is(s.AddGrant(s.ctx(), c.session, g, second), idp.ErrReplayed)
	_, _, err = s.Code(s.ctx(), second.Hash)
	s.is(err, idp.ErrNotFound)

	for range idp.MaxPushed {
		push("busy")
	}
	one := &idp.Pushed{ID: "more", Client: "busy", ExpiresAt: s.now.Add(idp.PushedTTL)}
	s.is(s.AddPushed(s.ctx(), one), idp.ErrTooMany)
	push("viewer")
	s.ok(s.Sweep(s.ctx(), p.ExpiresAt.Add(idp.PushedKept-time.Second)))
	_, err = s.Pushed(s.ctx(), p.ID)
	s.ok(err)
	s.ok(s.Sweep(s.ctx(), p.ExpiresAt.Add(idp.PushedKept)))
	_, err = s.Pushed(s.ctx(), p.ID)
	s.is(err, idp.ErrNotFound)
}
