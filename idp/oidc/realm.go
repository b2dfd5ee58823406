package oidc

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/keyring"
)

// The realm is a second issuer, for programs that speak only what Keycloak speaks: its paths,
// its access tokens, and refresh tokens that look like a JWT. It has the handlers of the first
// issuer under other addresses, and clients of its own (idp.ProfileKeycloak). A client is of
// one issuer: at the other it is as unknown as if it did not exist, and whatever names an
// issuer to it names its own. So neither issuer's answer passes for the other's.

// realmProtocol is where the endpoints are, beneath the realm.
const realmProtocol = "/protocol/openid-connect"

// realmPaths are the endpoints of the realm beneath realmProtocol, by those that they are
// other addresses of.
var realmPaths = map[string]string{
	pathAuthorize:  "/auth",
	pathToken:      "/token",
	pathKeys:       "/certs",
	pathUserinfo:   "/userinfo",
	pathEndSession: "/logout",
	pathConfirm:    "/logout/logout-confirm",
	pathRevoke:     "/revoke",
	pathIntrospect: "/token/introspect",
}

// realmScripts is the page that keycloak-js loads in a frame to learn whether frames are sent
// our cookies, and its script. They are not: the page says so, whatever the browser would do.
const (
	realmCookies       = realmProtocol + "/3p-cookies/step1.html"
	realmCookiesScript = realmProtocol + "/3p-cookies/step1.js"
)

const (
	cookiesPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Cookies in frames</title><script src="step1.js"></script></html>
`
	cookiesScript = `parent.postMessage("unsupported", "*")
`
)

// validRealm reports whether a text can be the name of the realm: it stands in addresses as it
// is, for every party the same.
func validRealm(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// realm is the path of the realm beneath the issuer.
func (s *Server) realm() string { return idp.RealmRoot + s.conf.Realm }

// realmKey finds in a context that a request came to an address of the realm.
type realmKey struct{}

// inRealm reports whether a request came to an address of the realm.
func inRealm(ctx context.Context) bool { return ctx.Value(realmKey{}) != nil }

// issuerOf is the issuer of a client: that of the realm for a client of Keycloak's shape, else
// ours. All that names an issuer to a client names this one.
func (s *Server) issuerOf(c *idp.Client) string { return c.Issuer(s.conf.Issuer, s.conf.Realm) }

// issuerAt is the issuer whose address a request came to.
func (s *Server) issuerAt(ctx context.Context) string {
	if inRealm(ctx) {
		return s.conf.Issuer + s.realm()
	}
	return s.conf.Issuer
}

// pathAt is the path of an endpoint at the issuer whose address a request came to.
func (s *Server) pathAt(ctx context.Context, path string) string {
	if inRealm(ctx) {
		return s.realm() + realmProtocol + realmPaths[path]
	}
	return path
}

// belongs reports whether a client is one of the issuer whose address a request came to.
func belongs(ctx context.Context, c *idp.Client) bool { return c.Keycloak() == inRealm(ctx) }

// atRealm passes a request on to the endpoint that it is another address of.
func atRealm(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := r.WithContext(context.WithValue(r.Context(), realmKey{}, true))
		u := *r.URL
		u.Path, u.RawPath = path, ""
		in.URL = &u
		next.ServeHTTP(w, in)
	})
}

// mountRealm adds to mux the addresses of the realm for endpoints, by the paths of these.
func (s *Server) mountRealm(mux *http.ServeMux, all map[string]endpoint) {
	for path, to := range realmPaths {
		e := all[path]
		there := methods{}
		for method, chain := range e.methods {
			if method == http.MethodOptions && path != pathKeys {
				chain = s.realmPreflight()
			}
			there[method] = atRealm(path, chain)
		}
		there.mountFor(e.from, mux, s.realm()+realmProtocol+to)
	}
	s.public(realmDiscovery).mount(mux, s.realm()+pathDiscovery)
	info := http.HandlerFunc(s.realmInfo)
	of := methods{http.MethodGet: info, http.MethodHead: info, http.MethodOptions: preflight}
	of.mount(mux, s.realm())
	of.mount(mux, s.realm()+"/{$}") // where programs have a base address that ends with a slash
	methods{http.MethodGet: page(func(w http.ResponseWriter, _ *http.Request) { redirect(w, "/account") })}.mount(mux, s.realm()+"/account")
	methods{http.MethodGet: framed("text/html; charset=utf-8", cookiesPage)}.mount(mux, s.realm()+realmCookies)
	methods{http.MethodGet: framed("text/javascript; charset=utf-8", cookiesScript)}.mount(mux, s.realm()+realmCookiesScript)
}

// Quiet are the documents of the realm, which are asked for all day and tell nothing, by method
// and path.
func (s *Server) Quiet() []string {
	if s.conf.Realm == "" {
		return nil
	}
	return []string{"GET " + s.realm() + pathDiscovery, "GET " + s.realm() + realmProtocol + realmPaths[pathKeys]}
}

// realmPreflight answers a CORS preflight request at the realm. Programs that speak as
// Keycloak's do ask with credentials, which browsers allow only where the origin is named: it
// is where a client has registered it. There is nothing in cookies that these endpoints look
// at. Any other origin is answered as elsewhere, without credentials.
func (s *Server) realmPreflight() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && s.conf.Store.Origin(r.Context(), origin) {
			w = &namedOrigin{ResponseWriter: w, origin: origin}
		}
		preflight.ServeHTTP(w, r)
	})
}

// namedOrigin is the answer to a preflight request that names the origin that asked.
type namedOrigin struct {
	http.ResponseWriter
	origin string
}

func (n *namedOrigin) WriteHeader(status int) {
	h := n.Header()
	h["Vary"] = byOrigin
	h.Set("Access-Control-Allow-Origin", n.origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	n.ResponseWriter.WriteHeader(status)
}

// framed is a text that any page may have in a frame. It is the same for everybody, and holds
// nothing to click.
func framed(kind, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Del("X-Frame-Options")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "max-age=600")
		_, _ = w.Write([]byte(text)) // the caller went away
	})
}

// realmInfo is the page of the realm, from which programs read the key that signs now, without
// looking for a kid. It is not cached, for after a change of keys it says another.
func (s *Server) realmInfo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setNoStore(h)
	h["Access-Control-Allow-Origin"] = anyOrigin
	key, err := s.conf.Keys.Signer(keyring.RS256)
	if err != nil {
		writeError(w, http.StatusInternalServerError, codeServerError, s.logFault(r.Context(), "realm", err))
		return
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		writeError(w, http.StatusInternalServerError, codeServerError, s.logFault(r.Context(), "realm", err))
		return
	}
	b := append(make([]byte, 0, 1024), `{"realm":`...)
	b = claim.AppendString(b, s.conf.Realm)
	b = append(b, `,"public_key":"`...)
	b = base64.StdEncoding.AppendEncode(b, public)
	b = append(b, `","token-service":`...)
	b = claim.AppendString(b, s.conf.Issuer+s.realm()+realmProtocol)
	b = append(b, `,"account-service":`...)
	b = claim.AppendString(b, s.conf.Issuer+s.realm()+"/account")
	b = append(b, `,"tokens-not-before":0}`...)
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(b) // the caller went away
}

// realmMetadata is the metadata of the realm, of those of our own issuer: what its clients
// cannot have is left out.
func (s *Server) realmMetadata(m metadata) metadata {
	base := s.conf.Issuer + s.realm() + realmProtocol
	m.Issuer = s.conf.Issuer + s.realm()
	m.AuthorizationEndpoint = base + realmPaths[pathAuthorize]
	m.TokenEndpoint = base + realmPaths[pathToken]
	m.UserinfoEndpoint = base + realmPaths[pathUserinfo]
	m.JWKSURI = base + realmPaths[pathKeys]
	m.EndSessionEndpoint = base + realmPaths[pathEndSession]
	m.IntrospectionEndpoint = base + realmPaths[pathIntrospect]
	m.RevocationEndpoint = base + realmPaths[pathRevoke]
	m.PushedEndpoint, m.DeviceEndpoint, m.BackchannelEndpoint, m.RegistrationEndpoint = "", "", "", ""
	m.BackchannelModes = nil
	m.GrantTypes = slices.Clone(idp.KeycloakGrants)
	m.IDTokenAlgs = []string{keyring.RS256}
	m.CertBound, m.Aliases = false, nil
	proven := []string{string(idp.AuthBasic), string(idp.AuthPost), string(idp.AuthPrivateKey)}
	m.IntrospectionAuthMethods = proven
	m.TokenAuthMethods = append(slices.Clone(proven), string(idp.AuthNone))
	m.RevocationAuthMethods = m.TokenAuthMethods
	return m
}

// shapeNames are the claims that tokens of Keycloak's shape have for their own sake. No rule of
// an application names one there.
var shapeNames = []string{"typ", "realm_access", "resource_access", "session_state", "allowed-origins"}

// shapeRules are the rules of an application without those for shapeNames.
func shapeRules(rules []idp.ClaimRule) []idp.ClaimRule {
	return slices.DeleteFunc(slices.Clone(rules), func(r idp.ClaimRule) bool { return slices.Contains(shapeNames, r.Name) })
}

// What a token of Keycloak's shape is, as its claim typ says. The headers of all of them say
// JWT, as programs want it: one is told from the other by this.
const (
	shapeAccess  = "Bearer"
	shapeID      = "ID"
	shapeRefresh = "Refresh"
)

// appendShape writes the claims that tokens of Keycloak's shape have beside the registered
// ones: what it is, whose, and of which session.
func appendShape(b []byte, typ string, c *idp.Client, g *idp.Grant) []byte {
	b = append(b, `,"typ":"`...)
	b = append(b, typ...)
	b = append(b, `","azp":`...)
	b = claim.AppendString(b, string(c.ID))
	if g.Session != "" {
		b = append(b, `,"session_state":`...)
		b = claim.AppendString(b, string(g.Session))
	}
	return b
}

// appendRoles writes the roles of the person of an access token of Keycloak's shape, where its
// scopes cover them: as the application is told roles by its rules, once as those of the realm
// and once as those of the application, because programs look in either place.
func appendRoles(b []byte, o *issuance, scopes []string, rules []idp.ClaimRule) []byte {
	b = append(b, `,"allowed-origins":`...)
	b = claim.AppendStrings(b, o.client.Origins)
	if o.person == nil || !slices.Contains(scopes, scopeRoles) {
		return b
	}
	roles := claim.AppendStrings(nil, claim.RolesOf(o.person, rules, scopes))
	b = append(b, `,"realm_access":{"roles":`...)
	b = append(b, roles...)
	b = append(b, `},"resource_access":{`...)
	b = claim.AppendString(b, string(o.client.ID))
	b = append(b, `:{"roles":`...)
	b = append(b, roles...)
	return append(b, `}}`...)
}

// refreshHeader is the header of refresh tokens of Keycloak's shape.
var refreshHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// shapedRefresh is a refresh token that looks like a JWT, because keycloak-js and others take
// it apart to see when it ends. It is one of ours all the same: in place of a signature
// stands the token of 256 random bits, no key verifies it, and it is good only as the whole
// text, by its hash, as every token is. Nothing of what it says is ever read here.
func (s *Server) shapedRefresh(token idp.Secret, c *idp.Client, g *idp.Grant, at, expires time.Time) idp.Secret {
	b := append(make([]byte, 0, 512), `{"iss":`...)
	b = claim.AppendString(b, s.issuerOf(c))
	b = append(b, `,"aud":`...)
	b = claim.AppendString(b, s.issuerOf(c))
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, expires)
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, at)
	if g.Session != "" {
		b = append(b, `,"sid":`...)
		b = claim.AppendString(b, string(g.Session))
	}
	b = append(appendShape(b, shapeRefresh, c, g), '}')
	return idp.Secret(refreshHeader + "." + base64.RawURLEncoding.EncodeToString(b) + "." + token.Reveal())
}

// appendShapedResponse writes the members of a token response that only Keycloak has.
func appendShapedResponse(b []byte, g *idp.Grant, refresh *idp.RefreshToken, at time.Time) []byte {
	if refresh != nil {
		b = append(b, `,"refresh_expires_in":`...)
		b = strconv.AppendInt(b, int64(refresh.ExpiresAt.Sub(at)/time.Second), 10)
	}
	if g.Session != "" {
		b = append(b, `,"session_state":`...)
		b = claim.AppendString(b, string(g.Session))
	}
	return append(b, `,"not-before-policy":0`...)
}

// rejectedElsewhere says why a client is not known at the address that it asked at: it is one
// of the other issuer.
func (s *Server) rejectedElsewhere(ctx context.Context, c *idp.Client) {
	var registered []string // none where there is no realm
	if own := s.issuerOf(c); own != s.issuerAt(ctx) {
		registered = []string{own}
	}
	s.rejected(ctx, c, idp.RejectedIssuer, s.issuerAt(ctx), registered...)
}
