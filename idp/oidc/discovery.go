package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/jwks"
	"hilum/idp/keyring"
)

// metadata is the provider's metadata, from which clients configure themselves (OpenID
// Connect Discovery 1.0, section 3; RFC 8414, section 2; RFC 9207, section 3; RFC 9101,
// section 10.5; JARM, section 4; RFC 9701, section 7). It lists
// what is offered and leaves nothing to a default that differs.
type metadata struct {
	Issuer                   string   `json:"issuer"`
	AuthorizationEndpoint    string   `json:"authorization_endpoint"`
	PushedEndpoint           string   `json:"pushed_authorization_request_endpoint,omitempty"`
	TokenEndpoint            string   `json:"token_endpoint"`
	DeviceEndpoint           string   `json:"device_authorization_endpoint,omitempty"`
	BackchannelEndpoint      string   `json:"backchannel_authentication_endpoint,omitempty"`
	UserinfoEndpoint         string   `json:"userinfo_endpoint"`
	JWKSURI                  string   `json:"jwks_uri"`
	EndSessionEndpoint       string   `json:"end_session_endpoint"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RegistrationEndpoint     string   `json:"registration_endpoint,omitempty"`
	Scopes                   []string `json:"scopes_supported"`
	ResponseTypes            []string `json:"response_types_supported"`
	ResponseModes            []string `json:"response_modes_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	ACRValues                []string `json:"acr_values_supported"`
	SubjectTypes             []string `json:"subject_types_supported"`
	IDTokenAlgs              []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	TokenAuthAlgs            []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgs       []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	ProofAlgs                []string `json:"dpop_signing_alg_values_supported"`
	ChallengeMethods         []string `json:"code_challenge_methods_supported"`
	Displays                 []string `json:"display_values_supported"`
	Prompts                  []string `json:"prompt_values_supported"`
	ClaimTypes               []string `json:"claim_types_supported"`
	Claims                   []string `json:"claims_supported"`
	UILocales                []string `json:"ui_locales_supported"`
	ClaimsParameter          bool     `json:"claims_parameter_supported"`
	RequestParameter         bool     `json:"request_parameter_supported"`
	RequestURIParameter      bool     `json:"request_uri_parameter_supported"`
	RequestURIsRegistered    bool     `json:"require_request_uri_registration"`
	RequestAlgs              []string `json:"request_object_signing_alg_values_supported"`
	RequireSignedRequest     bool     `json:"require_signed_request_object"`
	ResponseAlgs             []string `json:"authorization_signing_alg_values_supported"`
	UserinfoAlgs             []string `json:"userinfo_signing_alg_values_supported"`
	IntrospectionAlgs        []string `json:"introspection_signing_alg_values_supported"`
	RequirePushed            bool     `json:"require_pushed_authorization_requests"`
	IssParameter             bool     `json:"authorization_response_iss_parameter_supported"`
	BackchannelModes         []string `json:"backchannel_token_delivery_modes_supported,omitempty"`
	BackchannelAlgs          []string `json:"backchannel_authentication_request_signing_alg_values_supported,omitempty"`
	BackchannelUserCode      bool     `json:"backchannel_user_code_parameter_supported"`
	BackChannelLogout        bool     `json:"backchannel_logout_supported"`
	BackChannelLogoutSession bool     `json:"backchannel_logout_session_supported"`
	CertBound                bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705, section 3.3
	Aliases                  *aliases `json:"mtls_endpoint_aliases,omitempty"`
	AccessFormats            []string `json:"access_token_format"` // IHE IUA, ITI TF-2: 3.103.4.2.2
}

// aliases are the endpoints that ask for a certificate (RFC 8705, section 5).
type aliases struct {
	Token       string `json:"token_endpoint"`
	Introspect  string `json:"introspection_endpoint"`
	Revoke      string `json:"revocation_endpoint"`
	Userinfo    string `json:"userinfo_endpoint"`
	Pushed      string `json:"pushed_authorization_request_endpoint"`
	Device      string `json:"device_authorization_endpoint"`
	Backchannel string `json:"backchannel_authentication_endpoint"`
}

// metadata is made of the algorithms of the published keys and of the languages that
// pages are offered in.
func (s *Server) metadata(algs, languages []string) metadata {
	proven := []string{string(idp.AuthBasic), string(idp.AuthPost), string(idp.AuthPrivateKey)}
	var mutual *aliases
	if m := s.conf.Mutual; m != nil {
		if m.Authorities != nil {
			proven = append(proven, string(idp.AuthTLS))
		}
		proven = append(proven, string(idp.AuthSelfSigned))
		mutual = &aliases{m.URL + pathToken, m.URL + pathIntrospect, m.URL + pathRevoke, m.URL + pathUserinfo, m.URL + pathPushed, m.URL + pathDevice, m.URL + pathBackchannel}
	}
	claims := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"}
	for _, c := range claim.Person {
		claims = append(claims, c.Name)
	}
	register := ""
	if s.conf.Registry != nil {
		register = s.conf.Issuer + pathRegister
	}
	return metadata{
		RegistrationEndpoint:     register,
		Issuer:                   s.conf.Issuer,
		AuthorizationEndpoint:    s.conf.Issuer + pathAuthorize,
		PushedEndpoint:           s.conf.Issuer + pathPushed,
		TokenEndpoint:            s.conf.Issuer + pathToken,
		DeviceEndpoint:           s.conf.Issuer + pathDevice,
		BackchannelEndpoint:      s.conf.Issuer + pathBackchannel,
		UserinfoEndpoint:         s.conf.Issuer + pathUserinfo,
		JWKSURI:                  s.conf.Issuer + pathKeys,
		EndSessionEndpoint:       s.conf.Issuer + pathEndSession,
		IntrospectionEndpoint:    s.conf.Issuer + pathIntrospect,
		RevocationEndpoint:       s.conf.Issuer + pathRevoke,
		Scopes:                   []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeGroups, scopeRoles, scopeOffline},
		ResponseTypes:            []string{"code"},
		ResponseModes:            []string{modeQuery, modeFragment, modeFormPost, modeJWT, modeQuery + modeSigned, modeFragment + modeSigned, modeFormPost + modeSigned},
		GrantTypes:               []string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials, idp.GrantDevice, idp.GrantCIBA, idp.GrantExchange},
		ACRValues:                idp.ACRValues,
		SubjectTypes:             []string{"public", string(idp.SubjectPairwise)},
		IDTokenAlgs:              algs,
		TokenAuthMethods:         append(slices.Clone(proven), string(idp.AuthNone)),
		IntrospectionAuthMethods: proven,
		RevocationAuthMethods:    append(slices.Clone(proven), string(idp.AuthNone)),
		TokenAuthAlgs:            jwks.Algs,
		IntrospectionAuthAlgs:    jwks.Algs,
		RevocationAuthAlgs:       jwks.Algs,
		ProofAlgs:                proofAlgs,
		ChallengeMethods:         []string{"S256"},
		Displays:                 []string{"page"},
		Prompts:                  []string{"none", "login", "consent", "select_account"},
		ClaimTypes:               []string{"normal"},
		Claims:                   claims,
		UILocales:                languages,
		ClaimsParameter:          true,
		RequestParameter:         true,
		RequestURIParameter:      register != "" && s.conf.Fetch != nil, // who registers itself can name such addresses
		RequestURIsRegistered:    true,
		RequestAlgs:              jwks.Algs,
		ResponseAlgs:             algs,
		UserinfoAlgs:             algs,
		IntrospectionAlgs:        algs,
		IssParameter:             true,
		BackchannelModes:         []string{idp.DeliverPoll, idp.DeliverPing},
		BackchannelAlgs:          jwks.Algs,
		BackChannelLogout:        true,
		BackChannelLogoutSession: true,
		CertBound:                mutual != nil,
		Aliases:                  mutual,
		AccessFormats:            []string{typeOfAccess, typeOfJWT},
	}
}

// Documents that are published, by their index in published.documents.
const (
	discovery = iota
	signingKeys
	realmDiscovery
)

// published is the documents that were made of one version of the signing keys and the
// languages of that time.
type published struct {
	version   uint64
	languages []string
	documents [3]document
}

// document is a prepared response. The header values are shared by all responses.
type document struct {
	body    []byte
	etag    string
	headers map[string][]string
}

// publish returns the documents of the keys and languages as they are now; they are made
// anew when either has changed.
func (s *Server) publish() (*published, error) {
	// Read before the keys: a change in between makes the documents newer
	// than they say, and they are made once more.
	version := s.conf.Keys.Version()
	languages := []string{"en"}
	if s.conf.Languages != nil {
		languages = s.conf.Languages()
	}
	if p := s.published.Load(); p != nil && p.version == version && slices.Equal(p.languages, languages) {
		return p, nil
	}
	keys := s.conf.Keys.Public()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public, KeyID: string(k.ID), Algorithm: k.Alg, Use: "sig"})
	}
	var algs []string
	for _, alg := range []string{keyring.RS256, keyring.PS256, keyring.ES256, keyring.EdDSA} {
		if _, err := s.conf.Keys.Signer(alg); err == nil { // not one whose last key is only published still
			algs = append(algs, alg)
		}
	}
	p := &published{version: version, languages: languages}
	meta := s.metadata(algs, languages)
	for i, v := range []any{discovery: meta, signingKeys: set, realmDiscovery: s.realmMetadata(meta)} {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		p.documents[i] = newDocument(body)
	}
	s.published.Store(p)
	return p, nil
}

// unchunked is how long a body may be, in bytes, that net/http sends with its length by itself;
// a longer one goes in chunks unless its length is said.
const unchunked = 2 << 10

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	d := document{body: body, etag: etag, headers: map[string][]string{
		"Content-Type":                {"application/json"},
		"Cache-Control":               {"max-age=600"},
		"Etag":                        {etag},
		"Access-Control-Allow-Origin": anyOrigin,
	}}
	if len(body) > unchunked {
		d.headers["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	return d
}

// public serves a published document to everybody, scripts of any origin included (CORS).
func (s *Server) public(which int) methods {
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.publish()
		if err != nil {
			writeError(w, http.StatusInternalServerError, codeServerError, s.logFault(r.Context(), "published documents", err))
			return
		}
		d := &p.documents[which]
		h := w.Header()
		maps.Copy(h, d.headers)
		if match := r.Header.Get("If-None-Match"); match != "" && (match == "*" || strings.Contains(match, d.etag)) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(d.body) // the caller went away
	})
	return methods{http.MethodGet: serve, http.MethodHead: serve, http.MethodOptions: preflight}
}
