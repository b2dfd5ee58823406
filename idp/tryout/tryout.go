// Package tryout is the relying party that is built in: it does what an
// application does when somebody signs in, so that an administrator sees what
// the application would receive.
//
// It knows the provider by its issuer and nothing else. What it needs it reads
// from discovery; it proves itself, exchanges the code, and checks what comes
// as any other relying party would, with libraries that the provider does not
// use for its own part (coreos/go-oidc, golang.org/x/oauth2). Its requests go
// to the provider's handler in this process and over no network, so that a test
// works behind every proxy and firewall.
package tryout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"hilum/idp"
)

// callTimeout bounds the calls of Begin together, and those of Finish.
const callTimeout = 10 * time.Second

// Party is the relying party. Safe for concurrent use.
type Party struct {
	Now func() time.Time // for the times of ID tokens; nil: time.Now

	issuer string
	client *http.Client
}

// New returns the relying party of a provider whose endpoints handler serves.
func New(issuer string, handler http.Handler) *Party {
	return &Party{issuer: issuer, client: &http.Client{
		Transport:     inside{handler},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// context is for the calls of one Begin or Finish.
func (p *Party) context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(ctx, p.client), callTimeout)
}

// conf is the relying party as the double is registered.
func conf(ask *idp.TryoutAsk, provider *oidc.Provider) *oauth2.Config {
	e := provider.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInParams
	if ask.Auth == idp.AuthBasic {
		e.AuthStyle = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{ClientID: string(ask.Client), ClientSecret: ask.Secret.Reveal(), Endpoint: e, RedirectURL: ask.RedirectURI, Scopes: ask.Scopes}
}

// Begin returns the authorization request, as the URL that the browser is sent to.
// Errors: discovery failed.
func (p *Party) Begin(ctx context.Context, ask *idp.TryoutAsk) (string, error) {
	ctx, cancel := p.context(ctx)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, p.issuer)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	// Only the administrator may sign in (OpenID Connect Core 1.0, section 5.5.1):
	// whoever else proves themselves would end the administrator's session in this
	// browser, and with it the test.
	claims, err := json.Marshal(map[string]any{"id_token": map[string]any{"sub": map[string]any{"value": string(ask.Subject)}}})
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oidc.Nonce(ask.Nonce.Reveal()), oauth2.S256ChallengeOption(ask.Verifier.Reveal()), oauth2.SetAuthURLParam("claims", string(claims)),
	}
	if ask.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("login_hint", ask.Hint))
	}
	return conf(ask, provider).AuthCodeURL(ask.State.Reveal(), options...), nil
}

// Finish does what an application does with the authorization response that the
// browser brings: the response is checked, the code exchanged, the ID token
// verified, userinfo asked. It ends with the first step that fails; what went wrong
// is in the result.
func (p *Party) Finish(ctx context.Context, ask *idp.TryoutAsk, answer url.Values) *idp.TryoutResult {
	ctx, cancel := p.context(ctx)
	defer cancel()
	t := &test{party: p, ask: ask, result: &idp.TryoutResult{Asked: ask.Scopes}}
	for _, step := range []struct {
		name string
		do   func(context.Context, url.Values) *fault
	}{
		{"discovery", t.discover}, {"signin", t.signIn}, {"answer", t.compare}, {"exchange", t.exchange}, {"id_token", t.verify}, {"userinfo", t.userinfo},
	} {
		begun := time.Now()
		f := step.do(ctx, answer)
		s := idp.TryoutStep{Name: step.name, OK: f == nil, Took: time.Since(begun)}
		if f != nil {
			s.Why, s.Said = f.why, f.said
		}
		t.result.Steps = append(t.result.Steps, s)
		if f != nil {
			break // what follows needs it
		}
	}
	return t.result
}

// fault is what went wrong in a step: a message key, and the words of the provider
// or of the library, which may be empty.
type fault struct{ why, said string }

// test is one test under way.
type test struct {
	party    *Party
	ask      *idp.TryoutAsk
	result   *idp.TryoutResult
	provider *oidc.Provider
	token    *oauth2.Token
	subject  string
}

func (t *test) discover(ctx context.Context, _ url.Values) *fault {
	var err error
	if t.provider, err = oidc.NewProvider(ctx, t.party.issuer); err != nil {
		return &fault{"try.why.discovery", short(err)}
	}
	return nil
}

// signIn checks that the response brings no error: that the person has signed in.
func (t *test) signIn(_ context.Context, answer url.Values) *fault {
	switch code := answer.Get("error"); code {
	case "":
		return nil
	case "access_denied":
		return &fault{"try.why.denied", answer.Get("error_description")}
	default:
		return &fault{"try.why.refused", strings.TrimSpace(code + ": " + answer.Get("error_description"))}
	}
}

// compare checks that the response has one code, one state and one iss, and that iss
// is this provider (RFC 9207). That state is the test's own needs no check: the test
// was found by it.
func (t *test) compare(_ context.Context, answer url.Values) *fault {
	for _, name := range []string{"code", "state", "iss"} {
		if len(answer[name]) != 1 {
			return &fault{"try.why.answer", name}
		}
	}
	if answer.Get("iss") != t.party.issuer {
		return &fault{"try.why.issuer", answer.Get("iss")}
	}
	return nil
}

func (t *test) exchange(ctx context.Context, answer url.Values) *fault {
	token, err := conf(t.ask, t.provider).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(t.ask.Verifier.Reveal()))
	if err != nil {
		if answered := (*oauth2.RetrieveError)(nil); errors.As(err, &answered) && answered.ErrorCode == "server_error" {
			return &fault{"try.why.server", short(err)}
		}
		return &fault{"try.why.exchange", short(err)}
	}
	t.token = token
	t.result.Access, t.result.Refresh = "opaque", token.RefreshToken != ""
	if strings.Count(token.AccessToken, ".") == 2 {
		t.result.Access = "jwt"
	}
	if token.ExpiresIn > 0 {
		t.result.Expires = time.Duration(token.ExpiresIn) * time.Second
	}
	t.result.Scopes = t.ask.Scopes // all that were asked for, unless another list is told (RFC 6749, section 5.1)
	if given, ok := token.Extra("scope").(string); ok {
		t.result.Scopes = strings.Fields(given)
	}
	return nil
}

// verify checks the ID token: signature by a published key, issuer, audience,
// times, nonce, the hash of the access token (at_hash), and that sub is who was to
// sign in.
func (t *test) verify(ctx context.Context, _ url.Values) *fault {
	raw, ok := t.token.Extra("id_token").(string)
	if !ok {
		return &fault{"try.why.noid", ""}
	}
	id, err := t.provider.Verifier(&oidc.Config{ClientID: string(t.ask.Client), Now: t.party.Now}).Verify(ctx, raw)
	if err == nil {
		err = id.VerifyAccessToken(t.token.AccessToken)
	}
	switch {
	case err != nil:
		return &fault{"try.why.id", short(err)}
	case idp.Secret(id.Nonce).Hash() != t.ask.NonceHash:
		return &fault{"try.why.nonce", ""}
	case id.Subject != string(t.ask.Subject):
		return &fault{"try.why.subject", ""}
	}
	t.subject, t.result.Alg = id.Subject, algorithm(raw)
	if err := id.Claims(&t.result.IDToken); err != nil {
		return &fault{"try.why.id", short(err)}
	}
	return nil
}

func (t *test) userinfo(ctx context.Context, _ url.Values) *fault {
	info, err := t.provider.UserInfo(ctx, oauth2.StaticTokenSource(t.token))
	if err != nil {
		return &fault{"try.why.userinfo", short(err)}
	}
	if info.Subject != t.subject {
		return &fault{"try.why.subject", ""}
	}
	if err := info.Claims(&t.result.Userinfo); err != nil {
		return &fault{"try.why.userinfo", short(err)}
	}
	return nil
}

// maxSaid is how much is told of what went wrong, in runes.
const maxSaid = 200

// short is the error of the token endpoint (RFC 6749, section 5.2), else the error
// itself, cut after maxSaid runes.
func short(err error) string {
	said := err.Error()
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) && answered.ErrorCode != "" {
		said = strings.TrimSuffix(answered.ErrorCode+": "+answered.ErrorDescription, ": ")
	}
	if r := []rune(said); len(r) > maxSaid {
		said = string(r[:maxSaid]) + "…"
	}
	return said
}
