package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/serve"
	"hilum/templates/words"
)

// Errors of a registration (RFC 7591, section 3.2.2).
const (
	codeInvalidRedirect = "invalid_redirect_uri"
	codeInvalidMetadata = "invalid_client_metadata"
	codeStatement       = "unapproved_software_statement"
)

// registrationChallenge is the challenge of every response that a registration without a good
// token gets (RFC 6750, section 3).
const registrationChallenge = `Bearer realm="registration"`

// registrationResponse is what a registration is answered with: the credentials, and the
// metadata as it was registered (RFC 7591, section 3.2.1; RFC 7592, section 3; OpenID Connect
// Dynamic Client Registration 1.0, section 3.2).
type registrationResponse struct {
	ID              idp.ClientID    `json:"client_id"`
	IssuedAt        int64           `json:"client_id_issued_at"`
	Secret          string          `json:"client_secret,omitempty"`
	SecretExpires   *int64          `json:"client_secret_expires_at,omitempty"` // 0: never; with a secret
	AccessToken     string          `json:"registration_access_token"`
	URI             string          `json:"registration_client_uri"`
	Name            string          `json:"client_name"`
	Kind            idp.ClientKind  `json:"application_type"`
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	ResponseTypes   []string        `json:"response_types"`
	GrantTypes      []string        `json:"grant_types"`
	Auth            idp.AuthMethod  `json:"token_endpoint_auth_method"`
	Scope           string          `json:"scope"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	SubjectType     string          `json:"subject_type"`
	SectorURI       string          `json:"sector_identifier_uri,omitempty"`
	InitiateURI     string          `json:"initiate_login_uri,omitempty"`
	IDTokenAlg      string          `json:"id_token_signed_response_alg"`
	PostLogoutURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	LogoutURI       string          `json:"backchannel_logout_uri,omitempty"`
	LogoutSession   bool            `json:"backchannel_logout_session_required,omitempty"`
	RequirePushed   bool            `json:"require_pushed_authorization_requests"`
	DPoP            bool            `json:"dpop_bound_access_tokens"`
	RequireAuthTime bool            `json:"require_auth_time"` // it stands in every ID token
}

// register is the client registration endpoint (RFC 7591, section 3; OpenID Connect Dynamic
// Client Registration 1.0, section 3), for who has an initial access token.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	setNoStore(w.Header())
	token, ok := s.registrationToken(w, r)
	if !ok {
		return
	}
	c, _, refused := readRegistration(r)
	if refused != nil {
		s.refuseRegistration(w, r, nil, refused)
		return
	}
	secret, registration, err := s.conf.Registry.Register(r.Context(), token, serve.From(r.Context()).Address, c)
	if err != nil {
		s.registrationError(w, r, nil, err)
		return
	}
	s.tellRegistration(w, http.StatusCreated, c, secret, registration)
}

// registration is the client configuration endpoint (RFC 7592, section 2), for who has the
// registration access token of the client. A GET gives the token back that it came with, a
// PUT gives another.
func (s *Server) registration(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	setNoStore(w.Header())
	token, ok := s.registrationToken(w, r)
	if !ok {
		return
	}
	id := idp.ClientID(r.PathValue("client"))
	c, err := s.conf.Registry.Registration(ctx, id, token)
	if err != nil {
		s.registrationError(w, r, nil, err)
		return
	}
	identified(ctx, c)
	switch r.Method {
	case http.MethodGet:
		s.tellRegistration(w, http.StatusOK, c, "", token)
	case http.MethodDelete:
		if err := s.conf.Registry.RemoveRegistration(ctx, id, token, serve.From(ctx).Address); err != nil {
			s.registrationError(w, r, c, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default: // PUT
		sent, own, refused := readRegistration(r)
		if refused == nil {
			refused = own.refusal(id)
		}
		if refused != nil {
			s.refuseRegistration(w, r, c, refused)
			return
		}
		secret, registration, err := s.conf.Registry.ChangeRegistration(ctx, id, token, own.secret, serve.From(ctx).Address, sent)
		if err != nil {
			s.registrationError(w, r, c, err)
			return
		}
		s.tellRegistration(w, http.StatusOK, sent, secret, registration)
	}
}

// tellRegistration writes a registration. secret is empty where none is told.
func (s *Server) tellRegistration(w http.ResponseWriter, status int, c *idp.Client, secret, registration idp.Secret) {
	out := registrationResponse{
		ID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret.Reveal(), AccessToken: registration.Reveal(), URI: s.conf.Issuer + pathRegister + "/" + string(c.ID),
		Name: c.Name, Kind: c.Kind, RedirectURIs: c.RedirectURIs, ResponseTypes: []string{}, GrantTypes: c.GrantTypes, Auth: c.Auth, Scope: strings.Join(c.Scopes, " "),
		JWKS: json.RawMessage(c.JWKS), JWKSURI: c.JWKSURI, SubjectType: "public", IDTokenAlg: c.IDTokenAlg, PostLogoutURIs: c.PostLogoutURIs,
		LogoutURI: c.LogoutURI, LogoutSession: c.LogoutSession, RequirePushed: c.RequirePushed, DPoP: c.DPoP, RequireAuthTime: true,
	}
	if c.Allows(idp.GrantCode) {
		out.ResponseTypes = append(out.ResponseTypes, "code")
	}
	out.SectorURI, out.InitiateURI = c.SectorURI, c.InitiateURI
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
	_, _ = w.Write(body) // the caller went away
}

// registrationToken is the one token in the Authorization header (RFC 6750, section 2.1);
// false: there is none, and that was answered.
func (s *Server) registrationToken(w http.ResponseWriter, r *http.Request) (idp.Secret, bool) {
	header := r.Header.Values("Authorization")
	switch {
	case r.URL.RawQuery != "":
		writeError(w, http.StatusBadRequest, codeInvalidRequest, "Nothing belongs in the URL.")
		return "", false
	case len(header) == 0:
		s.registrationUnauthorized(w, r, registrationChallenge)
		return "", false
	}
	scheme, value, _ := strings.Cut(header[0], " ")
	value = strings.TrimLeft(value, " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") || value == "" || len(value) > maxValue || strings.ContainsAny(value, " ,") {
		s.registrationUnauthorized(w, r, registrationChallenge+`, error="invalid_token"`)
		return "", false
	}
	return idp.Secret(value), true
}

// registrationUnauthorized is the response to a request without a good token: 401 with a
// challenge, or 429 to an address that has sent too many such.
func (s *Server) registrationUnauthorized(w http.ResponseWriter, r *http.Request, challenge string) {
	if s.conf.AllowRegister != nil {
		if retry, ok := s.conf.AllowRegister(serve.From(r.Context()).Address); !ok {
			tooManyPushed(w, retry)
			return
		}
	}
	s.rejected(r.Context(), nil, idp.RejectedRegistration, "token")
	w.Header().Set("WWW-Authenticate", challenge)
	writeError(w, http.StatusUnauthorized, codeInvalidToken, "The token is missing, unknown, expired, used up or revoked.")
}

// refuseRegistration answers 400 with an error of RFC 7591, section 3.2.2. c is nil while there
// is none.
func (s *Server) refuseRegistration(w http.ResponseWriter, r *http.Request, c *idp.Client, e *errorResponse) {
	s.rejected(r.Context(), c, idp.RejectedRegistration, e.code+": "+e.description)
	writeError(w, http.StatusBadRequest, e.code, e.description)
}

// registrationError answers what the Registry refuses.
func (s *Server) registrationError(w http.ResponseWriter, r *http.Request, c *idp.Client, err error) {
	field, bad := errors.AsType[*idp.FieldError](err)
	switch {
	case bad:
		s.refuseRegistration(w, r, c, metadataError(field))
	case errors.Is(err, idp.ErrWrongSecret):
		s.registrationUnauthorized(w, r, registrationChallenge+`, error="invalid_token"`)
	case errors.Is(err, idp.ErrDenied): // RFC 7592, section 2.2
		s.rejected(r.Context(), c, idp.RejectedRegistration, codeAccessDenied)
		writeError(w, http.StatusForbidden, codeAccessDenied, "The initial access token that this client was registered by was revoked: it cannot change its registration.")
	default:
		status := http.StatusInternalServerError
		if errors.Is(err, idp.ErrUnwritable) {
			status = http.StatusServiceUnavailable
		}
		writeError(w, status, codeServerError, s.logFault(r.Context(), "registration", err))
	}
}

// metadataNames are the names of fields of a registration as metadata has them, where they
// differ from the verb's.
var metadataNames = map[string]string{"auth": "token_endpoint_auth_method", "kind": "application_type", "id_token_alg": "id_token_signed_response_alg", "scopes": "scope"}

// metadataError is what is wrong with a field of a registration as an error response.
func metadataError(e *idp.FieldError) *errorResponse {
	name := e.Field
	if other, ok := metadataNames[name]; ok {
		name = other
	}
	code := codeInvalidMetadata
	if name == "redirect_uris" {
		code = codeInvalidRedirect
	}
	return &errorResponse{code, words.English().Fault(name, e.Message)}
}

// ownMembers are the members that a client sends of what it was given, besides its metadata
// (RFC 7592, section 2.2).
type ownMembers struct {
	id     string
	secret idp.Secret
	given  string // one of those that must not be sent; empty: none was
}

// refusal says what of the members is wrong in a change of the registration of a client; nil:
// nothing is.
func (o *ownMembers) refusal(id idp.ClientID) *errorResponse {
	switch {
	case o.given != "":
		return &errorResponse{codeInvalidRequest, o.given + " must not be sent."}
	case o.id == "":
		return &errorResponse{codeInvalidRequest, "client_id is missing."}
	case o.id != string(id):
		return &errorResponse{codeInvalidRequest, "client_id is another than that of the URL."}
	}
	return nil
}

// unsupported are the metadata of clients that have a meaning which we cannot give them
// (OpenID Connect Dynamic Client Registration 1.0, section 2, and the registry of RFC 7591,
// section 4.1). Whoever asks for one is told: what was ignored would be missed later. Any
// other that is not known is ignored, as RFC 7591, section 2, has it; so are the pages and
// pictures that a client shows of itself (logo_uri, client_uri, policy_uri, tos_uri,
// contacts): nothing of ours shows or reads them.
var unsupported = []string{
	"authorization_details_types", "authorization_encrypted_response_alg", "authorization_encrypted_response_enc", "authorization_signed_response_alg",
	"backchannel_authentication_request_signing_alg", "backchannel_client_notification_endpoint", "backchannel_token_delivery_mode", "backchannel_user_code_parameter",
	"default_acr_values", "default_max_age", "frontchannel_logout_session_required", "frontchannel_logout_uri",
	"id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
	"introspection_encrypted_response_alg", "introspection_encrypted_response_enc", "introspection_signed_response_alg",
	"request_object_encryption_alg", "request_object_encryption_enc", "request_object_signing_alg", "request_uris", "require_signed_request_object",
	"tls_client_auth_san_dns", "tls_client_auth_san_email", "tls_client_auth_san_ip", "tls_client_auth_san_uri", "tls_client_auth_subject_dn",
	"tls_client_certificate_bound_access_tokens", "token_endpoint_auth_signing_alg",
	"userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc", "userinfo_signed_response_alg", "use_mtls_endpoint_aliases",
}

// nothingAsked are values by which an unsupported member asks for nothing.
var nothingAsked = []string{"null", "false", `""`, "[]"}

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
	var scope, subject, issuedID, secret string
	var responses []string
	for _, m := range []struct {
		name string
		to   any
	}{
		{"client_name", &c.Name},
		{"application_type", &c.Kind},
		{"redirect_uris", &c.RedirectURIs},
		{"response_types", &responses},
		{"grant_types", &c.GrantTypes},
		{"token_endpoint_auth_method", &c.Auth},
		{"scope", &scope},
		{"jwks_uri", &c.JWKSURI},
		{"subject_type", &subject},
		{"sector_identifier_uri", &c.SectorURI},
		{"initiate_login_uri", &c.InitiateURI},
		{"id_token_signed_response_alg", &c.IDTokenAlg},
		{"post_logout_redirect_uris", &c.PostLogoutURIs},
		{"backchannel_logout_uri", &c.LogoutURI},
		{"backchannel_logout_session_required", &c.LogoutSession},
		{"require_pushed_authorization_requests", &c.RequirePushed},
		{"dpop_bound_access_tokens", &c.DPoP},
		{"client_id", &issuedID},
		{"client_secret", &secret},
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
	own.id, own.secret = issuedID, idp.Secret(secret)
	if raw, sent := members["jwks"]; sent && string(raw) != "null" {
		c.JWKS = string(raw)
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{idp.GrantCode}
	}
	c.Scopes = spaceDelimited(scope)
	if c.IDTokenAlg == "RS256" {
		c.IDTokenAlg = "" // which is the same, and turns with the site's
	}
	if subject != "public" {
		c.SubjectType = idp.SubjectType(subject)
	}
	code := c.Allows(idp.GrantCode)
	switch {
	case code && responses != nil && !slices.Equal(responses, []string{"code"}), !code && len(responses) > 0:
		return nil, nil, &errorResponse{codeInvalidMetadata, "response_types: only code is supported, with the grant type authorization_code."}
	}
	return c, own, nil
}

var errMembers = errors.New("no JSON object with each member once")

// readMembers reads a JSON object, each member of it once. Error: errMembers.
func readMembers(body []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errMembers
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errMembers
		}
		key, _ := name.(string)
		if _, twice := members[key]; twice {
			return nil, errMembers
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, errMembers
		}
		members[key] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, errMembers
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMembers
	}
	return members, nil
}
