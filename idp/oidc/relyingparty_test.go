package oidc

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	rp "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"hilum/idp"
	"hilum/idp/keyring"
)

// TestRelyingParty goes the whole way with an implementation that others wrote,
// for each way a client can be registered.
func TestRelyingParty(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for name, change := range map[string]func(*idp.Client){
		"RS256, basic":  func(c *idp.Client) { c.IDTokenAlg = "" },
		"ES256, post":   func(c *idp.Client) { c.Auth = idp.AuthPost },
		"PS256, public": func(c *idp.Client) { public(c); c.IDTokenAlg = keyring.PS256 },
		"EdDSA, JWT":    func(c *idp.Client) { c.IDTokenAlg, c.AccessFormat = keyring.EdDSA, idp.AccessJWT },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.addClient(change)
			ctx := rp.ClientContext(t.Context(), http.DefaultClient)
			provider, err := rp.NewProvider(ctx, s.issuer)
			if err != nil {
				t.Fatal(err)
			}
			conf := oauth2.Config{
				ClientID: string(c.ID), ClientSecret: c.secret.Reveal(), RedirectURL: callback, Endpoint: provider.Endpoint(),
				Scopes: []string{rp.ScopeOpenID, "profile", "email", rp.ScopeOfflineAccess},
			}
			switch c.Auth {
			case idp.AuthBasic:
				conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
			default:
				conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
			}
			v := oauth2.GenerateVerifier()
			u, _ := url.Parse(conf.AuthCodeURL("a state", rp.Nonce("a nonce"), oauth2.S256ChallengeOption(v)))
			code := s.browser().signIn(anna, u.Query())

			tok, err := conf.Exchange(ctx, code.Reveal(), oauth2.VerifierOption(v))
			if err != nil {
				t.Fatal(err)
			}
			check(ctx, t, s, provider, c, tok, "a nonce")
			info, err := provider.UserInfo(ctx, conf.TokenSource(ctx, tok))
			if err != nil {
				t.Fatal(err)
			}
			if info.Subject != string(anna.ID) || info.Email != anna.Email || info.EmailVerified {
				t.Errorf("userinfo %+v", info)
			}

			again, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
			if err != nil {
				t.Fatal(err)
			}
			check(ctx, t, s, provider, c, again, "")
			if again.RefreshToken == tok.RefreshToken || again.AccessToken == tok.AccessToken {
				t.Error("tokens were not rotated")
			}
		})
	}
}

func check(ctx context.Context, t *testing.T, s *site, provider *rp.Provider, c *client, tok *oauth2.Token, nonce string) {
	t.Helper()
	raw, _ := tok.Extra("id_token").(string)
	id, err := provider.Verifier(&rp.Config{ClientID: string(c.ID), Now: s.clock.Now}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		t.Error(err)
	}
	if id.Nonce != nonce {
		t.Errorf("nonce %q, want %q", id.Nonce, nonce)
	}
	if c.AccessFormat == idp.AccessJWT && strings.Count(tok.AccessToken, ".") != 2 {
		t.Error("the access token is no JWT")
	}
}

func TestClientCredentialsWithOAuth2(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	conf := clientcredentials.Config{
		ClientID: string(c.ID), ClientSecret: c.secret.Reveal(), TokenURL: s.issuer + pathToken, Scopes: []string{"pacs"},
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	tok, err := conf.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tok.Extra("id_token") != nil || tok.RefreshToken != "" || tok.Extra("scope") != "pacs" {
		t.Errorf("%+v", tok)
	}
}
