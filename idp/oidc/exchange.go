package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
	"hilum/idp/claim"
)

// Types of tokens by their registered names (RFC 8693, section 3).
const (
	typeOfAccess    = "urn:ietf:params:oauth:token-type:access_token"
	typeOfJWT       = "urn:ietf:params:oauth:token-type:jwt"          // of a subject token: an access token that is one
	typeOfAccessIUA = "urn:ietf:params:oauth:token-type:access-token" // as IHE IUA spells it
	typeOfID        = "urn:ietf:params:oauth:token-type:id_token"
)

// subjectToken is what stands behind a subject token that is good now: the grant that it was
// issued by, the person, and what may be had for it at most.
type subjectToken struct {
	grant  *idp.Grant
	user   *idp.User
	scopes []string
	jkt    string // thumbprint of the key that it is bound to; empty: to none
	x5t    string // of the certificate, likewise
}

// tokenExchange gives a client an access token in the name of a person whose token it was given
// (RFC 8693). The client acts for the person, and «act» says so, with those before it.
//
// What it gets is less than what it gave, never more: scopes that the subject token has now and
// that the client is registered for; targets that the administration has named for it; not
// beyond the end of the subject's grant, with which it ends, too. A subject token has to be
// meant for the client: issued to it, or with its id in the audience; and one that is bound to a
// key or a certificate needs a proof of that key, or the certificate. Nothing is refreshed: the client exchanges again.
//
// Errors: invalid_request for a subject token that is not good, whatever the reason (section
// 2.2.2), invalid_target, invalid_scope.
func (s *Server) tokenExchange(r *http.Request, c *idp.Client) (result, error) {
	ctx := r.Context()
	if err := missing(r.Form, "subject_token", "subject_token_type"); err != nil {
		return result{}, err
	}
	for _, name := range []string{"subject_token_type", "requested_token_type", "actor_token_type"} {
		if kind := r.Form.Get(name); kind != "" && !oidc.TokenType(kind).IsSupported() {
			return result{}, oidc.ErrInvalidRequest().WithDescription("%s is not supported", name)
		}
	}
	if c.Public() {
		s.rejected(ctx, c, idp.RejectedPublic, "")
		return result{}, errInvalidClient()
	}
	refuse := func(what string) (result, error) {
		s.rejected(ctx, c, idp.RejectedExchange, what)
		return result{}, oidc.ErrInvalidRequest().WithDescription("%s", what)
	}
	switch requested := r.Form.Get("requested_token_type"); {
	case r.Form.Has("actor_token"), r.Form.Has("actor_token_type"):
		return refuse("actor_token is not supported: the client itself is the actor.")
	case requested != "" && requested != typeOfAccess:
		return refuse("requested_token_type: only access tokens are issued.")
	}
	x5t, err := s.boundCertificate(ctx, c)
	if err != nil {
		return result{}, err
	}
	bound, err := s.tokenProof(ctx, r.Header, pathToken, c, c.DPoP)
	if err != nil {
		return result{}, err
	}
	sub, why, err := s.subjectOf(ctx, c, r.Form.Get("subject_token"), r.Form.Get("subject_token_type"))
	switch {
	case err != nil:
		return result{}, s.fault(ctx, "subject token", err)
	case why != "":
		return refuse(why)
	case sub.jkt != "" && bound == nil:
		_, err := s.tokenProof(ctx, r.Header, pathToken, c, true)
		return result{}, err
	case sub.jkt != "" && sub.jkt != bound.jkt:
		s.rejected(ctx, c, idp.RejectedKey, "")
		return result{}, oidc.ErrInvalidRequest().WithDescription("The subject_token is bound to another key.")
	case !sameCertificate(ctx, sub.x5t):
		s.rejected(ctx, c, idp.RejectedCertificate, "")
		return result{}, oidc.ErrInvalidRequest().WithDescription("The subject_token is bound to another certificate.")
	case len(sub.grant.Actors) >= idp.MaxActors:
		return refuse("The subject_token was exchanged too often.")
	}
	if slices.ContainsFunc(r.Form["resource"], func(r string) bool { return r != "" && !idp.ValidResource(r) }) {
		return result{}, s.refusedTarget(ctx, c, "", c.ExchangeTargets, &errorResponse{codeInvalidTarget, "A resource is an absolute URI without a fragment."})
	}
	audience := slices.Concat(r.Form["audience"], r.Form["resource"])
	if len(audience) == 0 && len(c.ExchangeTargets) == 1 {
		audience = c.ExchangeTargets
	}
	for _, target := range audience {
		if !slices.Contains(c.ExchangeTargets, target) {
			s.rejected(ctx, c, idp.RejectedTarget, target, c.ExchangeTargets...)
			return result{}, (&oidc.Error{ErrorType: codeInvalidTarget}).WithDescription("The client may not ask for a token for this audience or resource.")
		}
	}
	if len(audience) == 0 {
		s.rejected(ctx, c, idp.RejectedTarget, "", c.ExchangeTargets...)
		return result{}, (&oidc.Error{ErrorType: codeInvalidTarget}).WithDescription("Say for which audience or resource.")
	}
	own := slices.DeleteFunc(slices.Clone(sub.scopes), func(scope string) bool { return !c.MayExchange(scope) })
	scopes, err := s.narrowed(ctx, c, r.Form.Get("scope"), own, "A scope was asked for that the subject_token does not have, or this client cannot have.")
	if err != nil {
		return result{}, err
	}
	now := s.now()
	from := sub.grant
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: c.ID, Type: from.Type, User: from.User, Session: from.Session, Scopes: scopes,
		ACR: from.ACR, AMR: from.AMR, AuthTime: from.AuthTime, CreatedAt: now, ExpiresAt: earlier(now.Add(s.accessTTL(c)), from.ExpiresAt),
		Origin: from.Origin, Actors: append([]string{string(c.ID)}, from.Actors...),
	}
	if g.Origin == "" {
		g.Origin = from.Client
	}
	if slices.Contains(scopes, idp.ScopeStudy) {
		g.Study = from.Study
	}
	if err := g.Admits(c, sub.user); err != nil {
		return refuse("The person may not use this client.")
	}
	e := event(ctx, g, now, idp.EventCodeIssued, "token exchange")
	e.Detail["subject"] = string(from.Client)
	g.Note(e.WithPurpose(scopes))
	if err := s.useProof(ctx, c, bound); err != nil {
		return result{}, err
	}
	m, err := s.issueTokens(ctx, issuance{client: c, grant: g, scopes: scopes, exchanged: true, audience: slices.Compact(slices.Sorted(slices.Values(audience))), jkt: bound.thumbprint(), x5t: x5t, at: now})
	if err != nil {
		return result{}, s.tokensFault(ctx, c, err)
	}
	m.issue.May = func(u *idp.User) error { return g.Admits(c, u) }
	err = s.conf.Store.ExchangeTokens(ctx, from.ID, now, g, m.issue)
	switch {
	case errors.Is(err, idp.ErrClientDisabled):
		s.rejected(ctx, c, idp.RejectedDisabled, "")
		return result{}, errInvalidClient()
	case errors.Is(err, idp.ErrExpired), errors.Is(err, idp.ErrDenied):
		return refuse(badSubject)
	case err != nil:
		return result{}, s.fault(ctx, "storing tokens", err)
	}
	return result{body: m.body}, nil
}

// badSubject is said of every subject token that is not good: who sends it learns no more.
const badSubject = "The subject_token is unknown, expired, revoked, or not meant for this client."

// subjectOf reads a subject token, and asks whether it is good now. why says what is wrong with
// it, in words for the caller; empty: nothing is. Error: a fault of ours.
func (s *Server) subjectOf(ctx context.Context, c *idp.Client, token, kind string) (sub *subjectToken, why string, err error) {
	switch kind {
	case typeOfAccess, typeOfJWT:
		sub, err = s.subjectAccess(ctx, c, token)
	case typeOfID:
		sub, err = s.subjectID(ctx, c, token)
	default:
		return nil, "subject_token_type is not supported.", nil
	}
	if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrDenied) {
		return nil, badSubject, nil
	}
	return sub, "", err
}

// subjectAccess is an access token of ours as a subject token. Errors: idp.ErrNotFound where
// it is none that is good and meant for the client, idp.ErrDenied.
func (s *Server) subjectAccess(ctx context.Context, c *idp.Client, token string) (*subjectToken, error) {
	t, g, u, err := s.conf.Store.Access(ctx, idp.Secret(token).Hash())
	if err != nil {
		return nil, err
	}
	if !t.Good(g, s.now()) || g.User == "" || !s.KeyLives(token) {
		return nil, idp.ErrNotFound
	}
	owner, err := s.conf.Store.Client(ctx, g.Client)
	if err != nil {
		return nil, err
	}
	if g.Client != c.ID && !s.meantFor(c, owner, g, t) {
		return nil, idp.ErrNotFound
	}
	scopes, err := s.allowed(ctx, owner, g, u, t.Scopes)
	if err != nil {
		return nil, err
	}
	return &subjectToken{grant: g, user: u, scopes: scopes, jkt: t.JKT, x5t: t.X5T}, nil
}

// subjectID is an ID token of ours as a subject token: of its own client, for the session that
// it speaks of. Errors: as subjectAccess.
func (s *Server) subjectID(ctx context.Context, c *idp.Client, token string) (*subjectToken, error) {
	h, err := s.readHint(token, s.issuerOf(c))
	if err != nil || h.Session == "" || !h.isFor(c.ID) || s.now().Unix() >= h.ExpiresAt {
		return nil, idp.ErrNotFound
	}
	g, u, err := s.conf.Store.GrantFor(ctx, s.conf.Subjects.User(c, h.Subject), idp.SessionID(h.Session), c.ID, s.now())
	if err != nil {
		return nil, err
	}
	scopes, err := g.Allowed(c, u, g.Scopes)
	if err != nil {
		return nil, err
	}
	return &subjectToken{grant: g, user: u, scopes: scopes}, nil
}

// meantFor reports whether an access token of a client, by a grant, is meant for another client,
// an API: by its audience, and by the registration of now. An API is named by its id or by a
// resource that it stands for.
func (s *Server) meantFor(api, owner *idp.Client, g *idp.Grant, t *idp.AccessToken) bool {
	may := targetsOf(owner, g)
	return slices.ContainsFunc(t.Audience, func(name string) bool {
		return api.StandsIn([]string{name}) && slices.Contains(may, name)
	})
}

// targetsOf are the audiences that tokens of a grant of a client may have by its registration
// of now, besides its own id.
func targetsOf(owner *idp.Client, g *idp.Grant) []string {
	if g.Origin != "" {
		return owner.ExchangeTargets
	}
	return owner.Audience
}

// allowed is Grant.Allowed, and for a grant that was exchanged it asks the same of every client
// that the token came by: the one that the person has signed in to, and those that have acted
// since. Errors: idp.TakenError, what cannot be read.
func (s *Server) allowed(ctx context.Context, c *idp.Client, g *idp.Grant, u *idp.User, scopes []string) ([]string, error) {
	scopes, err := g.Allowed(c, u, scopes)
	if err != nil || g.Origin == "" {
		return scopes, err
	}
	step := func(id idp.ClientID, as *idp.Grant) error {
		before, err := s.conf.Store.Client(ctx, id)
		if errors.Is(err, idp.ErrNotFound) {
			return &idp.TakenError{What: "client"}
		}
		if err == nil {
			scopes, err = as.Allowed(before, u, scopes)
		}
		return err
	}
	if err := step(g.Origin, &idp.Grant{User: g.User, Type: g.Type}); err != nil {
		return nil, err
	}
	for _, id := range g.Actors[1:] {
		if err := step(idp.ClientID(id), g); err != nil {
			return nil, err
		}
	}
	return scopes, nil
}

// appendActors writes act: who acts for the person, and in it who did before (RFC 8693, section
// 4.1); nothing where the person's own client has the token.
func appendActors(b []byte, g *idp.Grant) []byte {
	for _, id := range g.Actors {
		b = append(b, `,"act":{"sub":`...)
		b = claim.AppendString(b, id)
	}
	for range g.Actors {
		b = append(b, '}')
	}
	return b
}
