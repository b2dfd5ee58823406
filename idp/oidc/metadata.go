package oidc

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"hilum/idp"
)

// registrationResponse is what a registration is answered with: the credentials, and the
// metadata as it was registered (RFC 7591, section 3.2.1; RFC 7592, section 3; OpenID Connect
// Dynamic Client Registration 1.0, section 3.2). Names and addresses in other languages follow
// (tagged).
type registrationResponse struct {
	ID               idp.ClientID    `json:"client_id"`
	IssuedAt         int64           `json:"client_id_issued_at"`
	Secret           string          `json:"client_secret,omitempty"`
	SecretExpires    *int64          `json:"client_secret_expires_at,omitempty"` // 0: never; with a secret
	AccessToken      string          `json:"registration_access_token"`
	URI              string          `json:"registration_client_uri"`
	Name             string          `json:"client_name"`
	Home             string          `json:"client_uri,omitempty"`
	Logo             string          `json:"logo_uri,omitempty"`
	Policy           string          `json:"policy_uri,omitempty"`
	Terms            string          `json:"tos_uri,omitempty"`
	Contacts         []string        `json:"contacts,omitempty"`
	SoftwareID       string          `json:"software_id,omitempty"`
	SoftwareVersion  string          `json:"software_version,omitempty"`
	Kind             idp.ClientKind  `json:"application_type"`
	RedirectURIs     []string        `json:"redirect_uris,omitempty"`
	ResponseTypes    []string        `json:"response_types"`
	GrantTypes       []string        `json:"grant_types"`
	Auth             idp.AuthMethod  `json:"token_endpoint_auth_method"`
	AssertionAlg     string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	CertDN           string          `json:"tls_client_auth_subject_dn,omitempty"`
	CertDNS          string          `json:"tls_client_auth_san_dns,omitempty"`
	CertURI          string          `json:"tls_client_auth_san_uri,omitempty"`
	CertIP           string          `json:"tls_client_auth_san_ip,omitempty"`
	CertEmail        string          `json:"tls_client_auth_san_email,omitempty"`
	CertBound        bool            `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	Scope            string          `json:"scope"`
	JWKS             json.RawMessage `json:"jwks,omitempty"`
	JWKSURI          string          `json:"jwks_uri,omitempty"`
	SubjectType      string          `json:"subject_type"`
	SectorURI        string          `json:"sector_identifier_uri,omitempty"`
	InitiateURI      string          `json:"initiate_login_uri,omitempty"`
	RequestURIs      []string        `json:"request_uris,omitempty"`
	RequestAlg       string          `json:"request_object_signing_alg,omitempty"`
	RequireRequest   bool            `json:"require_signed_request_object"`
	IDTokenAlg       string          `json:"id_token_signed_response_alg"`
	UserinfoAlg      string          `json:"userinfo_signed_response_alg,omitempty"`
	ResponseAlg      string          `json:"authorization_signed_response_alg,omitempty"`
	IntrospectionAlg string          `json:"introspection_signed_response_alg,omitempty"`
	MaxAge           *int64          `json:"default_max_age,omitempty"`
	ACRValues        []string        `json:"default_acr_values,omitempty"`
	PostLogoutURIs   []string        `json:"post_logout_redirect_uris,omitempty"`
	LogoutURI        string          `json:"backchannel_logout_uri,omitempty"`
	LogoutSession    bool            `json:"backchannel_logout_session_required,omitempty"`
	DeliveryMode     string          `json:"backchannel_token_delivery_mode,omitempty"`
	NotifyURI        string          `json:"backchannel_client_notification_endpoint,omitempty"`
	CIBARequestAlg   string          `json:"backchannel_authentication_request_signing_alg,omitempty"`
	RequirePushed    bool            `json:"require_pushed_authorization_requests"`
	DPoP             bool            `json:"dpop_bound_access_tokens"`
	RequireAuthTime  bool            `json:"require_auth_time"` // it stands in every ID token
}

// tellRegistration writes a registration. secret is empty where none is told.
func (s *Server) tellRegistration(w http.ResponseWriter, status int, c *idp.Client, secret, registration idp.Secret) {
	out := registrationResponse{
		ID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret.Reveal(), AccessToken: registration.Reveal(), URI: s.conf.Issuer + pathRegister + "/" + string(c.ID),
		Name: c.Name, Kind: c.Kind, RedirectURIs: c.RedirectURIs, ResponseTypes: []string{}, GrantTypes: c.GrantTypes, Auth: c.Auth, Scope: strings.Join(c.Scopes, " "),
		Home: c.About.Home[""], Logo: c.About.Logo, Policy: c.About.Policy[""], Terms: c.About.Terms[""], Contacts: c.About.Contacts,
		SoftwareID: c.About.SoftwareID, SoftwareVersion: c.About.SoftwareVersion,
		JWKS: json.RawMessage(c.JWKS), JWKSURI: c.JWKSURI, SubjectType: "public", SectorURI: c.SectorURI, InitiateURI: c.InitiateURI,
		AssertionAlg: c.Signing.AssertionAlg, CertBound: c.CertBound,
		RequestURIs: c.Requests.URIs, RequestAlg: c.Signing.RequestAlg, RequireRequest: c.Signing.RequireRequest,
		IDTokenAlg: c.IDTokenAlg, UserinfoAlg: c.Signing.UserinfoAlg, ResponseAlg: c.Signing.ResponseAlg, IntrospectionAlg: c.Signing.IntrospectionAlg,
		MaxAge: c.Requests.MaxAge, ACRValues: c.Requests.ACRValues, PostLogoutURIs: c.PostLogoutURIs,
		LogoutURI: c.LogoutURI, LogoutSession: c.LogoutSession, RequirePushed: c.RequirePushed, DPoP: c.DPoP, RequireAuthTime: true,
	}
	if c.Allows(idp.GrantCode) {
		out.ResponseTypes = append(out.ResponseTypes, "code")
	}
	if b := c.Backchannel; c.Allows(idp.GrantCIBA) {
		out.DeliveryMode, out.NotifyURI, out.CIBARequestAlg = idp.DeliverPoll, b.NotifyURI, b.RequestAlg
		if b.Pings() {
			out.DeliveryMode = idp.DeliverPing
		}
	}
	if kind, value, ok := c.TLSSubject.Split(); ok {
		*map[string]*string{idp.CertDN: &out.CertDN, idp.CertDNS: &out.CertDNS, idp.CertURI: &out.CertURI, idp.CertIP: &out.CertIP, idp.CertEmail: &out.CertEmail}[kind] = value
	}
	if c.SubjectType != "" {
		out.SubjectType = string(c.SubjectType)
	}
	if out.IDTokenAlg == "" {
		out.IDTokenAlg = "RS256"
	}
	if secret != "" {
		out.SecretExpires = new(int64)
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // texts, and JSON that was checked, always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(withTagged(body, c)) // the caller went away
}

// withTagged adds to a JSON object what a client says of itself in other languages (RFC 7591,
// section 2.2).
func withTagged(body []byte, c *idp.Client) []byte {
	more := map[string]string{}
	for name, texts := range map[string]map[string]string{"client_name": c.About.Names, "client_uri": c.About.Home, "policy_uri": c.About.Policy, "tos_uri": c.About.Terms} {
		for tag, value := range texts {
			if tag != "" {
				more[name+"#"+tag] = value
			}
		}
	}
	if len(more) == 0 {
		return body
	}
	b, err := json.Marshal(more)
	if err != nil {
		panic(err) // texts always encode
	}
	return append(append(body[:len(body)-1], ','), b[1:]...)
}

// unsupported are the metadata of clients that have a meaning which we cannot give them
// (OpenID Connect Dynamic Client Registration 1.0, section 2, and the registry of RFC 7591,
// section 4.1). Whoever asks for one is told: what was ignored would be missed later, above all
// that something is encrypted. Any other that is not known is ignored, and is not in the answer,
// as RFC 7591, section 2, has it.
var unsupported = []string{
	"authorization_details_types", "authorization_encrypted_response_alg", "authorization_encrypted_response_enc",
	"backchannel_user_code_parameter",
	"frontchannel_logout_session_required", "frontchannel_logout_uri",
	"id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
	"introspection_encrypted_response_alg", "introspection_encrypted_response_enc",
	"request_object_encryption_alg", "request_object_encryption_enc",
	"userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc", "use_mtls_endpoint_aliases",
}

// nothingAsked are values by which an unsupported member asks for nothing.
var nothingAsked = []string{"null", "false", `""`, "[]"}

// tlsSubject begins the metadata that name the certificate of a client (RFC 8705, section 2.1.2),
// one by each of idp.CertKinds.
const tlsSubject = "tls_client_auth_"

// readRegistration reads the body of a registration: a client with its metadata and the
// defaults of RFC 7591, section 2, and what it was given before. Errors: as an error
// response.
func readRegistration(r *http.Request) (*idp.Client, *ownMembers, *errorResponse) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, nil, &errorResponse{codeInvalidRequest, "Send JSON: application/json."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return nil, nil, &errorResponse{codeInvalidRequest, "The registration is too long."}
	}
	members, err := readMembers(body)
	if err != nil {
		return nil, nil, &errorResponse{codeInvalidRequest, "The body is no JSON object, or has a member twice."}
	}
	if _, sent := members["software_statement"]; sent {
		return nil, nil, &errorResponse{codeStatement, "Software statements are not supported."}
	}
	for _, name := range unsupported {
		if raw, sent := members[name]; sent && !slices.Contains(nothingAsked, string(raw)) {
			return nil, nil, &errorResponse{codeInvalidMetadata, name + " is not supported."}
		}
	}
	c := &idp.Client{Kind: idp.ClientWeb, Auth: idp.AuthBasic, AccessFormat: idp.AccessOpaque}
	own := &ownMembers{}
	f := sentMetadata{}
	for _, m := range []struct {
		name string
		to   any
	}{
		{"client_name", &c.Name},
		{"client_uri", &f.home},
		{"logo_uri", &c.About.Logo},
		{"policy_uri", &f.policy},
		{"tos_uri", &f.terms},
		{"contacts", &c.About.Contacts},
		{"software_id", &c.About.SoftwareID},
		{"software_version", &c.About.SoftwareVersion},
		{"application_type", &c.Kind},
		{"redirect_uris", &c.RedirectURIs},
		{"response_types", &f.responses},
		{"grant_types", &c.GrantTypes},
		{"token_endpoint_auth_method", &c.Auth},
		{"token_endpoint_auth_signing_alg", &c.Signing.AssertionAlg},
		{"tls_client_certificate_bound_access_tokens", &c.CertBound},
		{"scope", &f.scope},
		{"jwks_uri", &c.JWKSURI},
		{"subject_type", &f.subject},
		{"sector_identifier_uri", &c.SectorURI},
		{"initiate_login_uri", &c.InitiateURI},
		{"request_uris", &c.Requests.URIs},
		{"request_object_signing_alg", &c.Signing.RequestAlg},
		{"require_signed_request_object", &c.Signing.RequireRequest},
		{"id_token_signed_response_alg", &c.IDTokenAlg},
		{"userinfo_signed_response_alg", &c.Signing.UserinfoAlg},
		{"authorization_signed_response_alg", &c.Signing.ResponseAlg},
		{"introspection_signed_response_alg", &c.Signing.IntrospectionAlg},
		{"default_max_age", &c.Requests.MaxAge},
		{"default_acr_values", &c.Requests.ACRValues},
		{"require_auth_time", &f.authTime},
		{"post_logout_redirect_uris", &c.PostLogoutURIs},
		{"backchannel_logout_uri", &c.LogoutURI},
		{"backchannel_logout_session_required", &c.LogoutSession},
		{"backchannel_token_delivery_mode", &c.Backchannel.Mode},
		{"backchannel_client_notification_endpoint", &c.Backchannel.NotifyURI},
		{"backchannel_authentication_request_signing_alg", &c.Backchannel.RequestAlg},
		{"require_pushed_authorization_requests", &c.RequirePushed},
		{"dpop_bound_access_tokens", &c.DPoP},
		{"client_id", &own.id},
		{"client_secret", &f.secret},
	} {
		raw, sent := members[m.name]
		if !sent || string(raw) == "null" { // RFC 7592, section 2.2
			continue
		}
		if json.Unmarshal(raw, m.to) != nil {
			return nil, nil, &errorResponse{codeInvalidMetadata, m.name + " is of another type."}
		}
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, sent := members[name]; sent {
			own.given = name
		}
	}
	own.secret = idp.Secret(f.secret)
	if raw, sent := members["jwks"]; sent && string(raw) != "null" {
		c.JWKS = string(raw)
	}
	if refused := readTagged(c, &f, members); refused != nil {
		return nil, nil, refused
	}
	if refused := readCertificate(c, members); refused != nil {
		return nil, nil, refused
	}
	if refused := f.into(c); refused != nil {
		return nil, nil, refused
	}
	return c, own, nil
}

// sentMetadata is metadata that has another form in a registration.
type sentMetadata struct {
	home, policy, terms string
	scope, subject      string
	responses           []string
	authTime            bool // asks for nothing: auth_time stands in every ID token
	secret              string
}

// into puts it into a registration.
func (f *sentMetadata) into(c *idp.Client) *errorResponse {
	if c.GrantTypes == nil {
		c.GrantTypes = []string{idp.GrantCode}
	}
	for _, list := range []*[]string{&c.GrantTypes, &c.RedirectURIs, &c.PostLogoutURIs, &c.Requests.URIs, &c.Requests.ACRValues} {
		*list = eachOnce(*list)
	}
	c.Scopes = eachOnce(spaceDelimited(f.scope))
	if c.IDTokenAlg == "RS256" {
		c.IDTokenAlg = "" // which is the same, and turns with the site's
	}
	if f.subject != "public" {
		c.SubjectType = idp.SubjectType(f.subject)
	}
	if c.Auth != idp.AuthPrivateKey {
		c.Signing.AssertionAlg = "" // it signs no assertion
	}
	code := c.Allows(idp.GrantCode)
	switch {
	case c.Backchannel.Mode != "" && !c.Allows(idp.GrantCIBA):
		return &errorResponse{codeInvalidMetadata, "backchannel_token_delivery_mode: only with the grant type " + idp.GrantCIBA + "."}
	case code && f.responses != nil && !slices.Equal(f.responses, []string{"code"}), !code && len(f.responses) > 0:
		return &errorResponse{codeInvalidMetadata, "response_types: only code is supported, with the grant type authorization_code."}
	}
	if c.Backchannel.Mode == idp.DeliverPoll { // which is the usual
		c.Backchannel.Mode = ""
	}
	return nil
}

// eachOnce is a list without what stands in it before.
func eachOnce(list []string) []string {
	var out []string
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if out == nil && list != nil {
		return []string{}
	}
	return out
}

// readTagged reads what a client says of itself, in whatever languages (RFC 7591, section 2.2).
// Of a picture there is one: logo_uri with a tag is ignored, and is not in the answer.
func readTagged(c *idp.Client, f *sentMetadata, members map[string]json.RawMessage) *errorResponse {
	texts := map[string]*map[string]string{"client_name": &c.About.Names}
	for name, to := range map[string]*idp.Tagged{"client_uri": &c.About.Home, "policy_uri": &c.About.Policy, "tos_uri": &c.About.Terms} {
		texts[name] = (*map[string]string)(to)
	}
	put := func(name, tag, value string) {
		to := texts[name]
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[tag] = value
	}
	for name, value := range map[string]string{"client_uri": f.home, "policy_uri": f.policy, "tos_uri": f.terms} {
		if value != "" {
			put(name, "", value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		base, tag, tagged := strings.Cut(name, "#")
		raw := bytes.TrimSpace(members[name])
		if !tagged || texts[base] == nil || string(raw) == "null" {
			continue
		}
		var value string
		if tag == "" || json.Unmarshal(raw, &value) != nil {
			return &errorResponse{codeInvalidMetadata, base + "# has no language tag, or is of another type."}
		}
		put(base, tag, value)
	}
	return nil
}

// readCertificate reads whom the certificate of a client is for (RFC 8705, section 2.1.2), which
// one member says.
func readCertificate(c *idp.Client, members map[string]json.RawMessage) *errorResponse {
	for _, kind := range idp.CertKinds {
		raw, sent := members[tlsSubject+kind]
		if !sent || slices.Contains(nothingAsked, string(raw)) {
			continue
		}
		var value string
		switch {
		case json.Unmarshal(raw, &value) != nil:
			return &errorResponse{codeInvalidMetadata, tlsSubject + kind + " is of another type."}
		case c.TLSSubject != "":
			return &errorResponse{codeInvalidMetadata, tlsSubject + kind + ": one name of the certificate is registered, not two."}
		}
		c.TLSSubject = idp.CertSubject(kind + "=" + value)
	}
	return nil
}
