package adminapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// client is an application (a client of OAuth 2.0) in a response. Lifetimes are in
// seconds; 0 is the site's.
type client struct {
	ID             idp.ClientID      `json:"client_id"`
	Name           string            `json:"client_name"`
	Kind           idp.ClientKind    `json:"kind"`
	Profile        idp.ClientProfile `json:"profile"`
	Auth           idp.AuthMethod    `json:"auth"`
	JWKS           json.RawMessage   `json:"jwks,omitempty"`
	JWKSURI        string            `json:"jwks_uri,omitempty"`
	GrantTypes     []string          `json:"grant_types"`
	RedirectURIs   []string          `json:"redirect_uris"`
	PostLogoutURIs []string          `json:"post_logout_redirect_uris"`
	Origins        []string          `json:"origins"`
	Scopes         []string          `json:"scopes"`
	DefaultScopes  []string          `json:"default_scopes"`
	Audience       []string          `json:"audience"`
	Targets        []string          `json:"exchange_targets"`
	SubjectType    idp.SubjectType   `json:"subject_type"`
	SectorURI      string            `json:"sector_identifier_uri"`
	InitiateURI    string            `json:"initiate_login_uri"`
	Groups         []string          `json:"groups"`
	Claims         []idp.ClaimRule   `json:"claims"`
	IDTokenAlg     string            `json:"id_token_alg"`
	AccessFormat   idp.AccessFormat  `json:"access_format"`
	AccessTTL      int64             `json:"access_ttl"`
	RefreshIdle    int64             `json:"refresh_idle"`
	RefreshGrace   int64             `json:"refresh_grace"`
	RefreshAlways  bool              `json:"refresh_always"`
	KeepRefresh    bool              `json:"keep_refresh_token"`
	OptionalPKCE   bool              `json:"optional_pkce"`
	RequirePushed  bool              `json:"require_pushed_authorization_requests"`
	DPoP           bool              `json:"dpop_bound_access_tokens"`
	RequireSigned  bool              `json:"require_signed_request_object"`
	RequestAlg     string            `json:"request_object_signing_alg"`
	ResponseAlg    string            `json:"authorization_signed_response_alg"`
	UserinfoAlg    string            `json:"userinfo_signed_response_alg"`
	IntrospectAlg  string            `json:"introspection_signed_response_alg"`
	TLSSubject     idp.CertSubject   `json:"tls_client_auth,omitempty"`
	CertBound      bool              `json:"tls_client_certificate_bound_access_tokens"`
	ClaimsInID     bool              `json:"claims_in_id_token"`
	ClaimsInAccess bool              `json:"claims_in_access_token"`
	Consent        bool              `json:"consent"`
	Match          idp.MatchMode     `json:"match"`
	Verify         bool              `json:"verify"`
	Disabled       bool              `json:"disabled"`
	Deviations     []string          `json:"deviations"`
	Secrets        []clientSecret    `json:"secrets"`
	CreatedAt      *time.Time        `json:"created_at"`
	UpdatedAt      *time.Time        `json:"updated_at"`
}

// clientSecret says of a client secret when it is good and was used; the secret itself is
// not in it.
type clientSecret struct {
	CreatedAt  *time.Time `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

func clientOf(c *idp.Client) client {
	deviations := []string{}
	for _, key := range admin.Deviations(c) {
		deviations = append(deviations, strings.TrimPrefix(key, "client.deviation."))
	}
	return client{
		ID: c.ID, Name: c.Name, Kind: c.Kind, Profile: c.Profile, Auth: c.Auth, JWKS: json.RawMessage(c.JWKS), JWKSURI: c.JWKSURI, GrantTypes: list(c.GrantTypes), RedirectURIs: list(c.RedirectURIs), PostLogoutURIs: list(c.PostLogoutURIs),
		Origins: list(c.Origins), Scopes: list(c.Scopes), DefaultScopes: list(c.DefaultScopes), Audience: list(c.Audience), Targets: list(c.ExchangeTargets), SubjectType: c.SubjectType, SectorURI: c.SectorURI, InitiateURI: c.InitiateURI, Groups: list(c.Groups), Claims: list(c.Claims), IDTokenAlg: c.IDTokenAlg,
		AccessFormat: c.AccessFormat, AccessTTL: int64(c.AccessTTL / time.Second), RefreshIdle: int64(c.RefreshIdle / time.Second),
		RefreshGrace: int64(c.RefreshGrace / time.Second), RefreshAlways: c.RefreshAlways, OptionalPKCE: c.OptionalPKCE, RequirePushed: c.RequirePushed, DPoP: c.DPoP,
		RequireSigned: c.Signing.RequireRequest, RequestAlg: c.Signing.RequestAlg, ResponseAlg: c.Signing.ResponseAlg, UserinfoAlg: c.Signing.UserinfoAlg, IntrospectAlg: c.Signing.IntrospectionAlg, TLSSubject: c.TLSSubject, CertBound: c.CertBound, ClaimsInID: c.ClaimsInID, ClaimsInAccess: c.ClaimsInAccess, KeepRefresh: c.KeepRefresh, Consent: c.Consent,
		Match: c.Match, Verify: c.Verify, Disabled: c.Disabled, Deviations: deviations, CreatedAt: moment(c.CreatedAt), UpdatedAt: moment(c.UpdatedAt),
		Secrets: each(c.Secrets, func(s *idp.ClientSecret) clientSecret {
			return clientSecret{moment(s.CreatedAt), moment(s.ExpiresAt), moment(s.LastUsedAt)}
		}),
	}
}

var claimValueMembers = members[idp.ClaimValue]{
	"from": text(func(v *idp.ClaimValue) *string { return &v.From }),
	"to":   text(func(v *idp.ClaimValue) *string { return &v.To }),
}

var claimMembers = members[idp.ClaimRule]{
	"name":   text(func(r *idp.ClaimRule) *string { return &r.Name }),
	"from":   text(func(r *idp.ClaimRule) *string { return &r.From }),
	"text":   text(func(r *idp.ClaimRule) *string { return &r.Text }),
	"one":    flag(func(r *idp.ClaimRule) *bool { return &r.One }),
	"values": objects(func(r *idp.ClaimRule) *[]idp.ClaimValue { return &r.Values }, claimValueMembers),
}

// clientMembers are the members of a merge patch of an application.
var clientMembers = members[idp.Client]{
	"client_name":                           text(func(c *idp.Client) *string { return &c.Name }),
	"kind":                                  text(func(c *idp.Client) *idp.ClientKind { return &c.Kind }),
	"auth":                                  text(func(c *idp.Client) *idp.AuthMethod { return &c.Auth }),
	"profile":                               text(func(c *idp.Client) *idp.ClientProfile { return &c.Profile }),
	"jwks":                                  object(func(c *idp.Client) *string { return &c.JWKS }),
	"jwks_uri":                              text(func(c *idp.Client) *string { return &c.JWKSURI }),
	"grant_types":                           texts(func(c *idp.Client) *[]string { return &c.GrantTypes }),
	"redirect_uris":                         texts(func(c *idp.Client) *[]string { return &c.RedirectURIs }),
	"post_logout_redirect_uris":             texts(func(c *idp.Client) *[]string { return &c.PostLogoutURIs }),
	"origins":                               texts(func(c *idp.Client) *[]string { return &c.Origins }),
	"scopes":                                texts(func(c *idp.Client) *[]string { return &c.Scopes }),
	"default_scopes":                        texts(func(c *idp.Client) *[]string { return &c.DefaultScopes }),
	"audience":                              texts(func(c *idp.Client) *[]string { return &c.Audience }),
	"subject_type":                          text(func(c *idp.Client) *idp.SubjectType { return &c.SubjectType }),
	"sector_identifier_uri":                 text(func(c *idp.Client) *string { return &c.SectorURI }),
	"initiate_login_uri":                    text(func(c *idp.Client) *string { return &c.InitiateURI }),
	"change_subjects":                       flag(func(c *idp.Client) *bool { return &c.ChangeSubject }),
	"exchange_targets":                      texts(func(c *idp.Client) *[]string { return &c.ExchangeTargets }),
	"groups":                                texts(func(c *idp.Client) *[]string { return &c.Groups }),
	"claims":                                objects(func(c *idp.Client) *[]idp.ClaimRule { return &c.Claims }, claimMembers),
	"id_token_alg":                          text(func(c *idp.Client) *string { return &c.IDTokenAlg }),
	"access_format":                         text(func(c *idp.Client) *idp.AccessFormat { return &c.AccessFormat }),
	"access_ttl":                            seconds(func(c *idp.Client) *time.Duration { return &c.AccessTTL }),
	"refresh_idle":                          seconds(func(c *idp.Client) *time.Duration { return &c.RefreshIdle }),
	"refresh_grace":                         seconds(func(c *idp.Client) *time.Duration { return &c.RefreshGrace }),
	"refresh_always":                        flag(func(c *idp.Client) *bool { return &c.RefreshAlways }),
	"keep_refresh_token":                    flag(func(c *idp.Client) *bool { return &c.KeepRefresh }),
	"optional_pkce":                         flag(func(c *idp.Client) *bool { return &c.OptionalPKCE }),
	"require_pushed_authorization_requests": flag(func(c *idp.Client) *bool { return &c.RequirePushed }),
	"dpop_bound_access_tokens":              flag(func(c *idp.Client) *bool { return &c.DPoP }),
	"require_signed_request_object":         flag(func(c *idp.Client) *bool { return &c.Signing.RequireRequest }),
	"request_object_signing_alg":            text(func(c *idp.Client) *string { return &c.Signing.RequestAlg }),
	"authorization_signed_response_alg":     text(func(c *idp.Client) *string { return &c.Signing.ResponseAlg }),
	"userinfo_signed_response_alg":          text(func(c *idp.Client) *string { return &c.Signing.UserinfoAlg }),
	"introspection_signed_response_alg":     text(func(c *idp.Client) *string { return &c.Signing.IntrospectionAlg }),
	"tls_client_auth":                       text(func(c *idp.Client) *idp.CertSubject { return &c.TLSSubject }),
	"tls_client_certificate_bound_access_tokens": flag(func(c *idp.Client) *bool { return &c.CertBound }),
	"claims_in_id_token":                         flag(func(c *idp.Client) *bool { return &c.ClaimsInID }),
	"claims_in_access_token":                     flag(func(c *idp.Client) *bool { return &c.ClaimsInAccess }),
	"consent":                                    flag(func(c *idp.Client) *bool { return &c.Consent }),
	"match":                                      text(func(c *idp.Client) *idp.MatchMode { return &c.Match }),
	"verify":                                     flag(func(c *idp.Client) *bool { return &c.Verify }),
	"disabled":                                   flag(func(c *idp.Client) *bool { return &c.Disabled }),
}

// newClientMembers are the members of a new application: clientMembers, and the client id,
// which stays for good.
var newClientMembers = with(clientMembers, "client_id", text(func(c *idp.Client) *idp.ClientID { return &c.ID }))

// registered is a new application with its client secret, which is told this once.
type registered struct {
	Client client    `json:"client"`
	Secret string    `json:"client_secret,omitempty"`
	Paste  []snippet `json:"paste,omitempty"`
}

// snippet is a piece of configuration to paste into a file of the application.
type snippet struct {
	File string `json:"file"`
	Text string `json:"text"`
}

func (s *Server) clients(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	all, err := s.conf.Desk.Clients(r.Context(), by)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[client]{Items: each(all, clientOf)})
}

// addClient registers an application. What a body leaves out has the defaults of «idp
// client add», but for scopes: a program that names none gets none.
func (s *Server) addClient(w http.ResponseWriter, r *http.Request, by admin.By) error {
	c := idp.Client{Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, AccessFormat: idp.AccessOpaque}
	change, err := readBody(r, newClientMembers)
	if err != nil {
		return err
	}
	change.apply(&c)
	return s.register(w, r, by, &c, nil)
}

func (s *Server) register(w http.ResponseWriter, r *http.Request, by admin.By, c *idp.Client, paste func(idp.Secret) []admin.Snippet) error {
	secret, err := s.conf.Desk.AddClient(r.Context(), by, c)
	if err != nil {
		return err
	}
	out := registered{Client: clientOf(c), Secret: secret.Reveal()}
	if paste != nil {
		out.Paste = each(paste(secret), func(p *admin.Snippet) snippet { return snippet{p.File, p.Text} })
	}
	w.Header().Set("Location", Base+"/clients/"+string(c.ID))
	return s.answer(w, r, http.StatusCreated, out)
}

func (s *Server) client(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.ClientID](r, "client")
	if err != nil {
		return err
	}
	if _, err := readQuery(r); err != nil {
		return err
	}
	return s.tellClient(w, r, by, id)
}

func (s *Server) tellClient(w http.ResponseWriter, r *http.Request, by admin.By, id idp.ClientID) error {
	c, err := s.conf.Desk.Client(r.Context(), by, id)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, clientOf(c))
}

func (s *Server) editClient(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.ClientID](r, "client")
	if err != nil {
		return err
	}
	c, err := readBody(r, clientMembers, typePatch)
	if err != nil {
		return err
	}
	if len(c.puts) > 0 {
		if err := s.conf.Desk.EditClient(r.Context(), by, id, c.apply); err != nil {
			return err
		}
	}
	return s.tellClient(w, r, by, id)
}

func (s *Server) removeClient(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.ClientID](r, "client")
	if err != nil {
		return err
	}
	if err := readNothing(r); err != nil {
		return err
	}
	if err := s.conf.Desk.RemoveClient(r.Context(), by, id); err != nil {
		return err
	}
	return done(w)
}

// overlapping is the body of newSecret.
type overlapping struct{ overlap time.Duration }

var overlappingMembers = members[overlapping]{"overlap": seconds(func(b *overlapping) *time.Duration { return &b.overlap })}

// How long the client secret of before stays good beside a new one: by default, at most.
const (
	usualOverlap = 24 * time.Hour
	maxOverlap   = 30 * 24 * time.Hour
)

// newSecret is a client secret, which is told this once.
type newSecret struct {
	Secret string `json:"client_secret"`
}

func (s *Server) newSecret(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.ClientID](r, "client")
	if err != nil {
		return err
	}
	change, err := readBody(r, overlappingMembers)
	if err != nil {
		return err
	}
	b := overlapping{usualOverlap}
	change.apply(&b)
	if b.overlap < 0 || b.overlap > maxOverlap {
		return &idp.FieldError{Field: "overlap", Message: "client.ttl.bad"}
	}
	secret, err := s.conf.Desk.NewClientSecret(r.Context(), by, id, b.overlap)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, newSecret{secret.Reveal()})
}

// preview is what an application would be told of a person.
type preview struct {
	Admitted bool            `json:"admitted"`
	Scopes   []string        `json:"scopes"`
	IDToken  json.RawMessage `json:"id_token"`
	Userinfo json.RawMessage `json:"userinfo"`
}

func (s *Server) preview(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.ClientID](r, "client")
	if err != nil {
		return err
	}
	q, err := readQuery(r, "user")
	if err != nil {
		return err
	}
	p, err := s.conf.Desk.PreviewClaims(r.Context(), by, idp.UserID(q.Get("user")), id)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, preview{p.Admitted, list(p.Scopes), p.IDToken, p.Userinfo})
}

// preset is a known kind of application, with what has to be given to register one.
type preset struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Needs []need `json:"needs"`
}

// need is one thing that a preset asks for.
type need struct {
	ID       string `json:"id"`
	Example  string `json:"example"`
	Optional bool   `json:"optional"` // it may be left out
}

func (s *Server) presets(w http.ResponseWriter, r *http.Request, _ admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[preset]{Items: each(admin.Presets(), func(p *admin.Preset) preset {
		return preset{p.ID, p.Name, each(p.Needs, func(f *admin.PresetField) need { return need{f.ID, f.Example, f.Optional} })}
	})})
}

// byPreset is the body of addByPreset.
type byPreset struct {
	id     idp.ClientID
	name   string
	values map[string]string
}

var byPresetMembers = members[byPreset]{
	"client_id":   text(func(b *byPreset) *idp.ClientID { return &b.id }),
	"client_name": text(func(b *byPreset) *string { return &b.name }),
	"values":      textMap(func(b *byPreset) *map[string]string { return &b.values }),
}

func (s *Server) addByPreset(w http.ResponseWriter, r *http.Request, by admin.By) error {
	p, err := admin.FindPreset(r.PathValue("preset"))
	if err != nil {
		return err
	}
	change, err := readBody(r, byPresetMembers)
	if err != nil {
		return err
	}
	var b byPreset
	change.apply(&b)
	c, err := p.Fill(b.values)
	if err != nil {
		return err
	}
	c.ID = b.id
	if b.name != "" {
		c.Name = b.name
	}
	return s.register(w, r, by, c, func(secret idp.Secret) []admin.Snippet {
		return p.Paste(s.conf.Issuer, s.conf.Realm, c, secret, b.values)
	})
}
