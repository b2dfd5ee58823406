package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/text"
)

type clientRow struct {
	ID             string `gorm:"primaryKey"`
	Name           string
	Kind           string
	Auth           string
	JWKS           string `gorm:"column:jwks"`
	JWKSURI        string `gorm:"column:jwks_uri"`
	RedirectURIs   string `gorm:"column:redirect_uris"`
	PostLogoutURIs string `gorm:"column:post_logout_uris"`
	LogoutURI      string `gorm:"column:backchannel_logout_uri"`
	LogoutSession  bool   `gorm:"column:backchannel_logout_session_required"`
	Origins        string
	GrantTypes     string
	Scopes         string
	DefaultScopes  string
	Audience       string
	IDTokenAlg     string `gorm:"column:id_token_alg"`
	Signing        string // JSON; empty: nothing
	Backchannel    string // JSON; empty: nothing
	AccessFormat   string
	AccessTTL      int64 `gorm:"column:access_ttl"`
	RefreshIdle    int64
	RefreshGrace   int64
	RefreshAlways  bool
	KeepRefresh    bool
	OptionalPKCE   bool `gorm:"column:optional_pkce"`
	RequirePushed  bool
	Profile        string
	DPoP           bool   `gorm:"column:dpop"`
	TLSSubject     string `gorm:"column:tls_subject"`
	CertBound      bool   `gorm:"column:certificate_bound"`
	ClaimsInID     bool   `gorm:"column:claims_in_id"`
	ClaimsInAccess bool
	Consent        bool
	Match          string
	Verify         bool
	Groups         string
	Claims         string // JSON
	Icon           string // of pictures
	Disabled       bool
	CreatedAt      int64 `gorm:"autoCreateTime:false"`
	UpdatedAt      int64 `gorm:"autoUpdateTime:false"`
	MAC            []byte

	SubjectType      string
	SectorURI        string `gorm:"column:sector_uri"`
	InitiateURI      string `gorm:"column:initiate_uri"`
	ExchangeTargets  string
	Resources        string
	RegisteredBy     string
	RegistrationHash []byte // empty: none
	About            string // JSON; empty: nothing
	Requests         string // JSON; empty: nothing
}

func (clientRow) TableName() string { return "clients" }

type clientSecretRow struct {
	ClientID   string `gorm:"primaryKey"`
	Hash       []byte `gorm:"primaryKey"`
	CreatedAt  int64  `gorm:"autoCreateTime:false"`
	ExpiresAt  int64
	LastUsedAt int64
	MAC        []byte
}

func (clientSecretRow) TableName() string { return "client_secrets" }

func clientRowOf(c *idp.Client) (*clientRow, []clientSecretRow) {
	row := &clientRow{
		ID: string(c.ID), Name: text.NFC(c.Name), Kind: string(c.Kind), Auth: string(c.Auth), JWKS: c.JWKS, JWKSURI: c.JWKSURI,
		RedirectURIs: listText(c.RedirectURIs), PostLogoutURIs: listText(c.PostLogoutURIs), Origins: listText(c.Origins),
		LogoutURI: c.LogoutURI, LogoutSession: c.LogoutSession,
		GrantTypes: listText(c.GrantTypes), Scopes: listText(c.Scopes), DefaultScopes: listText(c.DefaultScopes), Audience: listText(c.Audience),
		IDTokenAlg: c.IDTokenAlg, Signing: recordText(c.Signing), Backchannel: recordText(c.Backchannel), AccessFormat: string(c.AccessFormat), AccessTTL: c.AccessTTL.Microseconds(),
		RefreshIdle: c.RefreshIdle.Microseconds(), RefreshGrace: c.RefreshGrace.Microseconds(),
		RefreshAlways: c.RefreshAlways, OptionalPKCE: c.OptionalPKCE, RequirePushed: c.RequirePushed, Profile: string(c.Profile), DPoP: c.DPoP, TLSSubject: string(c.TLSSubject), CertBound: c.CertBound, ClaimsInID: c.ClaimsInID,
		ClaimsInAccess: c.ClaimsInAccess, KeepRefresh: c.KeepRefresh,
		Consent: c.Consent, Match: string(c.Match), Verify: c.Verify, Groups: listText(nfcList(c.Groups)), Claims: rulesText(c.Claims), Icon: string(c.Icon), Disabled: c.Disabled, CreatedAt: micros(c.CreatedAt), UpdatedAt: micros(c.UpdatedAt),
	}
	row.SubjectType, row.SectorURI, row.InitiateURI = string(c.SubjectType), c.SectorURI, c.InitiateURI
	row.ExchangeTargets, row.Resources = listText(c.ExchangeTargets), listText(c.Resources)
	row.About, row.Requests = recordText(c.About), recordText(c.Requests)
	row.RegisteredBy, row.RegistrationHash = string(c.RegisteredBy), []byte{}
	if !c.RegistrationHash.IsZero() {
		row.RegistrationHash = c.RegistrationHash[:]
	}
	secrets := make([]clientSecretRow, len(c.Secrets))
	for i, s := range c.Secrets {
		secrets[i] = clientSecretRow{
			ClientID: row.ID, Hash: s.Hash[:],
			CreatedAt: micros(s.CreatedAt), ExpiresAt: micros(s.ExpiresAt), LastUsedAt: micros(s.LastUsedAt),
		}
	}
	return row, secrets
}

// rulesText are the claim rules of a client as they are stored: JSON.
func rulesText(rules []idp.ClaimRule) string {
	if len(rules) == 0 {
		return "[]"
	}
	b, err := json.Marshal(rules)
	if err != nil {
		panic(err) // texts always encode
	}
	return string(b)
}

// recordText is a record of a client as it is stored: JSON, empty for one that says nothing.
func recordText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers always encode
	}
	if string(b) == "{}" {
		return ""
	}
	return string(b)
}

func (r *clientRow) client(secrets []clientSecretRow) (*idp.Client, error) {
	c := &idp.Client{
		ID: idp.ClientID(r.ID), Name: text.NFC(r.Name), Kind: idp.ClientKind(r.Kind), Auth: idp.AuthMethod(r.Auth), JWKS: r.JWKS, JWKSURI: r.JWKSURI,
		LogoutURI: r.LogoutURI, LogoutSession: r.LogoutSession,
		IDTokenAlg: r.IDTokenAlg, AccessFormat: idp.AccessFormat(r.AccessFormat), AccessTTL: time.Duration(r.AccessTTL) * time.Microsecond,
		RefreshIdle: time.Duration(r.RefreshIdle) * time.Microsecond, RefreshGrace: time.Duration(r.RefreshGrace) * time.Microsecond,
		RefreshAlways: r.RefreshAlways, OptionalPKCE: r.OptionalPKCE, RequirePushed: r.RequirePushed, Profile: idp.ClientProfile(r.Profile), DPoP: r.DPoP, TLSSubject: idp.CertSubject(r.TLSSubject), CertBound: r.CertBound, ClaimsInID: r.ClaimsInID,
		ClaimsInAccess: r.ClaimsInAccess, KeepRefresh: r.KeepRefresh,
		Consent: r.Consent, Match: idp.MatchMode(r.Match), Verify: r.Verify, Icon: idp.PictureID(r.Icon), Disabled: r.Disabled, CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
	}
	var errs error
	c.SubjectType, c.SectorURI, c.InitiateURI = idp.SubjectType(r.SubjectType), r.SectorURI, r.InitiateURI
	c.RegisteredBy = idp.RegistrationTokenID(r.RegisteredBy)
	if len(r.RegistrationHash) > 0 {
		c.RegistrationHash, errs = hash(r.RegistrationHash)
	}
	for _, l := range []struct {
		to *[]string
		of string
	}{
		{&c.RedirectURIs, r.RedirectURIs}, {&c.PostLogoutURIs, r.PostLogoutURIs}, {&c.Origins, r.Origins},
		{&c.GrantTypes, r.GrantTypes}, {&c.Scopes, r.Scopes}, {&c.DefaultScopes, r.DefaultScopes}, {&c.Audience, r.Audience}, {&c.Groups, r.Groups}, {&c.ExchangeTargets, r.ExchangeTargets},
		{&c.Resources, r.Resources},
	} {
		var err error
		*l.to, err = textList(l.of)
		*l.to = slices.Clip(*l.to) // whoever appends gets a copy
		errs = errors.Join(errs, err)
	}
	if r.Signing != "" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.Signing), &c.Signing))
	}
	if r.Backchannel != "" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.Backchannel), &c.Backchannel))
	}
	if r.About != "" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.About), &c.About))
	}
	if r.Requests != "" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.Requests), &c.Requests))
	}
	if r.Claims != "[]" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.Claims), &c.Claims))
	}
	c.Groups = slices.Clip(nfcList(c.Groups))
	for i := range c.Claims {
		for j := range c.Claims[i].Values { // compared with groups and roles
			c.Claims[i].Values[j].From = text.NFC(c.Claims[i].Values[j].From)
		}
	}
	c.Claims = slices.Clip(c.Claims)
	for _, s := range secrets {
		h, err := hash(s.Hash)
		errs = errors.Join(errs, err)
		c.Secrets = append(c.Secrets, idp.ClientSecret{
			Hash: h, CreatedAt: moment(s.CreatedAt), ExpiresAt: moment(s.ExpiresAt), LastUsedAt: moment(s.LastUsedAt),
		})
	}
	c.Secrets = slices.Clip(c.Secrets)
	if errs != nil {
		return nil, fmt.Errorf("client %s: %w", r.ID, errs)
	}
	return c, nil
}

// fitting is client for a row by which it may be let in: without the secrets whose MAC is
// wrong, and shut where its own is.
func (r *clientRow) fitting(s reader, secrets []clientSecretRow) (*idp.Client, error) {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(secret clientSecretRow) bool { return s.fits(&secret, "") != nil })
	c, err := r.client(secrets)
	if err == nil && s.fits(r, "") != nil {
		shutClient(c)
	}
	return c, err
}

// allClients returns all applications.
func (s *session) allClients() ([]*idp.Client, error) {
	var rows []clientRow
	var secrets []clientSecretRow
	if err := s.ORM().Find(&rows).Error; err != nil {
		return nil, err
	}
	if err := s.ORM().Order("created_at").Find(&secrets).Error; err != nil {
		return nil, err
	}
	of := map[string][]clientSecretRow{}
	for _, secret := range secrets {
		of[secret.ClientID] = append(of[secret.ClientID], secret)
	}
	clients := make([]*idp.Client, len(rows))
	for i := range rows {
		var err error
		if clients[i], err = rows[i].fitting(s, of[rows[i].ID]); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// AddClient inserts an application. Errors: idp.ErrConflict.
func (db *DB) AddClient(ctx context.Context, c *idp.Client) error {
	events := c.Take()
	return db.changeClients(ctx, func(t *tx) error { return t.addClient(c, events) })
}

// addClient inserts an application with its events. Errors: idp.ErrConflict.
func (t *tx) addClient(c *idp.Client, events []idp.Event) error {
	row, secrets := clientRowOf(c)
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.ORM().Create(row).Error; err != nil {
		return fmt.Errorf("client %s: %w", c.ID, t.Translate(err))
	}
	if err := t.putSecrets(row.ID, secrets); err != nil {
		return err
	}
	return t.note(events...)
}

func (t *tx) putSecrets(client string, secrets []clientSecretRow) error {
	if err := t.ORM().Delete(&clientSecretRow{}, "client_id = ?", client).Error; err != nil || len(secrets) == 0 {
		return err
	}
	for i := range secrets {
		if err := t.bind(&secrets[i]); err != nil {
			return err
		}
	}
	return t.Translate(t.ORM().Create(&secrets).Error)
}

// UpdateClient changes an application; the grants of one that is disabled by it are
// revoked. Errors: idp.ErrNotFound.
func (db *DB) UpdateClient(ctx context.Context, id idp.ClientID, fn func(*idp.Client) error) error {
	return db.changeClients(ctx, func(t *tx) error { return t.updateClient(id, fn) })
}

// updateClient is UpdateClient within a transaction.
func (t *tx) updateClient(id idp.ClientID, fn func(*idp.Client) error) error {
	var row clientRow
	if err := t.ORM().Take(&row, "id = ?", string(id)).Error; err != nil {
		return fmt.Errorf("client %s: %w", id, t.Translate(err))
	}
	var secrets []clientSecretRow
	if err := t.ORM().Order("created_at").Find(&secrets, "client_id = ?", string(id)).Error; err != nil {
		return err
	}
	c, err := row.fitting(t, secrets)
	if err != nil {
		return err
	}
	if err := fn(c); err != nil {
		return err
	}
	if c.Disabled && !row.Disabled {
		if err := t.hold(ofClient(id)); err != nil {
			return err
		}
	}
	after, secrets := clientRowOf(c)
	after.ID = row.ID
	if err := t.bind(after); err != nil {
		return err
	}
	if err := t.ORM().Select("*").Where("id = ?", row.ID).Updates(after).Error; err != nil {
		return t.Translate(err)
	}
	if err := t.putSecrets(row.ID, secrets); err != nil {
		return err
	}
	if c.Disabled && !row.Disabled {
		if err := t.revokeOfClient(id, t.now()); err != nil {
			return err
		}
	}
	return t.note(c.Take()...)
}

// RemoveClient deletes an application and revokes its grants. Errors: idp.ErrNotFound.
func (db *DB) RemoveClient(ctx context.Context, id idp.ClientID, e idp.Event) error {
	return db.changeClients(ctx, func(t *tx) error { return t.removeClient(id, db.at(e), e) })
}

// removeClient is RemoveClient within a transaction, at a moment.
func (t *tx) removeClient(id idp.ClientID, at time.Time, e idp.Event) error {
	if err := t.hold(ofClient(id)); err != nil {
		return err
	}
	r := t.ORM().Delete(&clientRow{}, "id = ?", string(id))
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
	}
	if err := t.forgetClient(id, at); err != nil {
		return err
	}
	return t.note(e)
}
