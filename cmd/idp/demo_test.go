package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// startDemo runs the demo in this process and returns what it printed.
func startDemo(t *testing.T) demoFacts {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	r, w := io.Pipe()
	var complaints strings.Builder
	c := &cli{getenv: func(string) string { return "" }, stdout: w, stderr: &complaints}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := c.demo(ctx, 0, "", true)
		w.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
		if complaints.Len() > 0 {
			t.Errorf("the demo logged\n%s", complaints.String())
		}
	})
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var f demoFacts
	if err := json.Unmarshal(line, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// browser is a browser that stops where a relying party would take over.
func browser(t *testing.T, stop string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar: jar,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), stop) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+/(password|code))"`)

// submit posts the form of a page and returns the answer.
func submit(t *testing.T, b *http.Client, page *http.Response, fields url.Values) *http.Response {
	t.Helper()
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	action := formAction.FindSubmatch(body)
	if action == nil {
		t.Fatalf("%s: no form on %s\n%s", page.Status, page.Request.URL, body)
	}
	target, err := page.Request.URL.Parse(string(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.PostForm(target.String(), fields)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// A relying party that others wrote signs the demo person in, with nothing but
// the facts that the demo prints.
func TestDemoPersonSignsIn(t *testing.T) {
	f := startDemo(t)
	provider, err := oidc.NewProvider(t.Context(), f.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	party := oauth2.Config{
		ClientID: string(f.ClientID), ClientSecret: f.ClientSecret, RedirectURL: f.RedirectURI,
		Endpoint: provider.Endpoint(), Scopes: []string{"openid", "profile", "email", "roles", "groups", "offline_access"},
	}
	party.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	verifier := oauth2.GenerateVerifier()
	b := browser(t, f.RedirectURI)

	page, err := b.Get(party.AuthCodeURL("the state", oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		t.Fatal(err)
	}
	page = submit(t, b, page, url.Values{"username": {f.Username}, "password": {f.Password}})
	code, err := currentCode(f.TOTPSecret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	page = submit(t, b, page, url.Values{"code": {code}})
	page.Body.Close()
	back, err := page.Location()
	if err != nil || !strings.HasPrefix(back.String(), f.RedirectURI+"?") {
		t.Fatalf("after the code: %s to %v (%v)", page.Status, back, err)
	}
	answer := back.Query()
	if answer.Get("state") != "the state" || answer.Get("iss") != f.Issuer || answer.Get("error") != "" {
		t.Fatalf("answer %v", answer)
	}

	token, err := party.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: string(f.ClientID)}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		AMR []string `json:"amr"`
		SID string   `json:"sid"`
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "the nonce" || claims.SID == "" || !slices.Contains(claims.AMR, "pwd") || !slices.Contains(claims.AMR, "otp") {
		t.Errorf("ID token %+v with %+v", id, claims)
	}

	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	var person struct {
		Name   string   `json:"name"`
		Roles  []string `json:"roles"`
		Groups []string `json:"groups"`
	}
	if err := info.Claims(&person); err != nil {
		t.Fatal(err)
	}
	if info.Subject != id.Subject || person.Name != "Anna Bergmann" || !slices.Equal(person.Roles, []string{"radiologist"}) || len(person.Groups) != 2 || info.Email == "" {
		t.Errorf("userinfo %+v, %+v", info, person)
	}

	fresh, err := party.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken {
		t.Error("a refresh gave the same tokens again")
	}
}
