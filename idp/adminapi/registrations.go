package adminapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// registrationToken is an initial access token (RFC 7591, section 3) in a response; the token
// itself is not in it.
type registrationToken struct {
	ID         idp.RegistrationTokenID `json:"id"`
	Name       string                  `json:"name"`
	State      string                  `json:"state"`
	GrantTypes []string                `json:"grant_types"`
	Scopes     []string                `json:"scopes"`
	Hosts      []string                `json:"hosts"`
	NoPKCE     bool                    `json:"optional_pkce"`
	Uses       int                     `json:"uses"`
	Used       int                     `json:"used"`
	MadeBy     string                  `json:"made_by"`
	CreatedAt  *time.Time              `json:"created_at"`
	ExpiresAt  *time.Time              `json:"expires_at"`
	LastUsedAt *time.Time              `json:"last_used_at,omitempty"`
	RevokedAt  *time.Time              `json:"revoked_at,omitempty"`
}

func (s *Server) registrationTokenOf(t *idp.RegistrationToken) registrationToken {
	return registrationToken{
		ID: t.ID, Name: t.Name, State: t.State(s.conf.Now()), GrantTypes: list(t.GrantTypes), Scopes: list(t.Scopes), Hosts: list(t.Hosts), NoPKCE: t.OptionalPKCE, Uses: t.Uses, Used: t.Used, MadeBy: t.MadeBy,
		CreatedAt: moment(t.CreatedAt), ExpiresAt: moment(t.ExpiresAt), LastUsedAt: moment(t.LastUsedAt), RevokedAt: moment(t.RevokedAt),
	}
}

func (s *Server) registrationTokens(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	all, err := s.conf.Desk.RegistrationTokens(r.Context(), by)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[registrationToken]{Items: each(all, s.registrationTokenOf)})
}

// newRegistrationToken is the body of addRegistrationToken.
type newRegistrationToken struct {
	token   idp.RegistrationToken
	expires time.Duration
}

var newRegistrationTokenMembers = members[newRegistrationToken]{
	"name":          text(func(b *newRegistrationToken) *string { return &b.token.Name }),
	"grant_types":   texts(func(b *newRegistrationToken) *[]string { return &b.token.GrantTypes }),
	"scopes":        texts(func(b *newRegistrationToken) *[]string { return &b.token.Scopes }),
	"hosts":         texts(func(b *newRegistrationToken) *[]string { return &b.token.Hosts }),
	"optional_pkce": flag(func(b *newRegistrationToken) *bool { return &b.token.OptionalPKCE }),
	"uses":          whole(func(b *newRegistrationToken) *int { return &b.token.Uses }),
	"expires_in":    seconds(func(b *newRegistrationToken) *time.Duration { return &b.expires }),
}

// registrationTokenMade is a new initial access token, which is told this once.
type registrationTokenMade struct {
	RegistrationToken registrationToken `json:"registration_token"`
	Token             string            `json:"token"`
}

// usualRegistration is how long an initial access token is good by default.
const usualRegistration = 7 * 24 * time.Hour

func (s *Server) addRegistrationToken(w http.ResponseWriter, r *http.Request, by admin.By) error {
	change, err := readBody(r, newRegistrationTokenMembers)
	if err != nil {
		return err
	}
	b := newRegistrationToken{token: idp.RegistrationToken{GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Uses: 1}, expires: usualRegistration}
	change.apply(&b)
	b.token.ExpiresAt = s.conf.Now().Add(b.expires)
	secret, err := s.conf.Desk.AddRegistrationToken(r.Context(), by, &b.token)
	if errors.Is(err, idp.ErrTooMany) {
		return fmt.Errorf("%w: %w", idp.ErrConflict, err)
	}
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, registrationTokenMade{s.registrationTokenOf(&b.token), secret.Reveal()})
}

func (s *Server) revokeRegistrationToken(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.RegistrationTokenID](r, "token")
	if err != nil {
		return err
	}
	if err := readNothing(r); err != nil {
		return err
	}
	if err := s.conf.Desk.RevokeRegistrationToken(r.Context(), by, id); err != nil && !errors.Is(err, idp.ErrSettled) {
		return err
	}
	return done(w)
}

// blocked says how many applications were disabled.
type blocked struct {
	Blocked int `json:"blocked"`
}

func (s *Server) blockRegistered(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.RegistrationTokenID](r, "token")
	if err != nil {
		return err
	}
	if err := readNothing(r); err != nil {
		return err
	}
	n, err := s.conf.Desk.BlockRegistered(r.Context(), by, id)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, blocked{n})
}
