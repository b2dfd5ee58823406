package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
)

var errFire = errors.New("disk on fire: /var/lib/idp.db")

// burning is a part of which everything fails.
type burning struct{}

func (burning) Authorize(context.Context, idp.AuthRequest, login.Browser) (*login.Answer, *login.Step, error) {
	return nil, nil, errFire
}
func (burning) StartDevice(context.Context, idp.AuthRequest, string) (*login.DeviceCodes, error) {
	return nil, errFire
}
func (burning) StartBackchannel(context.Context, login.Backchannel) (*login.BackchannelStarted, error) {
	return nil, errFire
}
func (burning) Collect(context.Context, idp.LoginID, login.Browser) (*login.Answer, error) {
	return nil, errFire
}
func (burning) Session(context.Context, login.Browser) (*idp.Session, *idp.User, error) {
	return nil, nil, errFire
}
func (burning) SignOut(context.Context, idp.Actor, *idp.Session) error {
	return errFire
}
func (burning) Browser(http.ResponseWriter, *http.Request) (login.Browser, error) {
	return login.Browser{}, errFire
}
func (burning) SetSession(http.ResponseWriter, *http.Request, idp.Secret, idp.Secret) error {
	return errFire
}
func (burning) ClearSession(http.ResponseWriter, *http.Request) error { return errFire }

// stuck lets nobody out: sessions are found, and cannot be ended.
type stuck struct{ Logins }

func (stuck) SignOut(context.Context, idp.Actor, *idp.Session) error { return errFire }

// jar has a session for everybody; cookies cannot be changed.
type jar struct {
	burning
	session idp.Secret
}

func (j jar) Browser(http.ResponseWriter, *http.Request) (login.Browser, error) {
	return login.Browser{ID: idp.NewToken().Hash(), Session: j.session}, nil
}

// TestFaultsOfPartsStayInside: the person or the relying party hears that it
// was our fault; nothing of the cause, and nobody is signed in or out.
func TestFaultsOfPartsStayInside(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b, tok := s.signedIn(c, anna)
	session := b.asLogin().Session
	authorize := pathAuthorize + "?" + request(c).Encode()
	withHint := signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye)
	for why, row := range map[string]struct {
		change func(*Config)
		method string
		path   string
		told   bool // the relying party, not the person
	}{
		"authorize, no sign-in": {func(c *Config) { c.Logins = burning{} }, "GET", authorize, true},
		"authorize, no cookies": {func(c *Config) { c.Browsers = burning{} }, "GET", authorize, true},
		"collect, no sign-in":   {func(c *Config) { c.Logins = burning{} }, "GET", CollectPath + "x", false},
		"collect, no cookies":   {func(c *Config) { c.Browsers = burning{} }, "GET", CollectPath + "x", false},
		"sign-out, no cookies":  {func(c *Config) { c.Browsers = burning{} }, "GET", pathEndSession, false},
		"sign-out, no session":  {func(c *Config) { c.Logins, c.Browsers = burning{}, jar{session: session} }, "GET", pathEndSession, false},
		"sign-out, not ended":   {func(c *Config) { c.Logins, c.Browsers = stuck{c.Logins}, jar{session: session} }, "GET", withHint, false},
		"sign-out, not cleared": {func(c *Config) { c.Browsers = jar{} }, "GET", pathEndSession, false},
		"sign-out, no client":   {func(*Config) {}, "GET", signOutQuery("client_id", "broken"), false},
		"yes, no cookies":       {func(c *Config) { c.Browsers = burning{} }, "POST", pathConfirm, false},
		"yes, not ended":        {func(c *Config) { c.Logins, c.Browsers = stuck{c.Logins}, jar{session: session} }, "POST", pathConfirm, false},
	} {
		conf := s.server.conf
		row.change(&conf)
		server, err := New(conf)
		if err != nil {
			t.Fatal(err)
		}
		s.store.breakWith(errFire)
		mux := http.NewServeMux()
		server.Mount(mux)
		r := httptest.NewRequest(row.method, row.path, nil)
		if row.method == http.MethodPost {
			r.Header.Set("Content-Type", formType)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		s.store.breakWith(nil)
		if row.told {
			u, _ := url.Parse(w.Header().Get("Location"))
			if q := u.Query(); q.Get("error") != codeServerError || q.Get("iss") != s.issuer || strings.Contains(u.RawQuery, "fire") {
				t.Errorf("%s: %d %s", why, w.Code, u)
			}
			continue
		}
		if w.Code != http.StatusInternalServerError || w.Body.String() != "error page "+keyServer || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, w.Code, w.Body, w.Header().Get("Location"))
		}
	}
	if !b.inSession(c) {
		t.Error("the session was ended")
	}
}

// signedInNow is a sign-in that is collected, whatever it was for.
type signedInNow struct {
	Logins
	answer login.Answer
}

func (s signedInNow) Collect(context.Context, idp.LoginID, login.Browser) (*login.Answer, error) {
	return &s.answer, nil
}

// TestCollectIsForRelyingParties: a sign-in for our own pages leads to none.
func TestCollectIsForRelyingParties(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for why, row := range map[string]struct {
		answer login.Answer
		key    string
	}{
		"our own pages":   {login.Answer{Purpose: idp.ForAccount, Target: "/account", Session: idp.NewToken()}, keyGone},
		"unknown client":  {login.Answer{Purpose: idp.ForClient, Request: idp.AuthRequest{Client: "gone", RedirectURI: callback}, Code: "x"}, keyClient},
		"redirect is off": {login.Answer{Purpose: idp.ForClient, Request: idp.AuthRequest{Client: c.ID, RedirectURI: callback + "2"}, Code: "x"}, keyClient},
	} {
		conf := s.server.conf
		conf.Logins = signedInNow{conf.Logins, row.answer}
		server, err := New(conf)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		server.Mount(mux)
		if w := ask(mux, "GET", CollectPath+"x"); w.Body.String() != "error page "+row.key || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, w.Code, w.Body, w.Header().Get("Location"))
		}
	}
}
