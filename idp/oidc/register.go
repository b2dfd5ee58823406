package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
		if errors.Is(err, idp.ErrUnwritable) || errors.Is(err, idp.ErrBusy) {
			status = http.StatusServiceUnavailable
		}
		writeError(w, status, codeServerError, s.logFault(r.Context(), "registration", err))
	}
}

// metadataNames are the names of fields of a registration as metadata has them, where they
// differ from the verb's.
var metadataNames = map[string]string{
	"auth": "token_endpoint_auth_method", "kind": "application_type", "id_token_alg": "id_token_signed_response_alg", "scopes": "scope",
	"tls_client_auth": "tls_client_auth_subject_dn", "exchange_targets": "grant_types",
}

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
