package admin

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"hilum/idp"
)

// Preset is an application that is known: what to fill its registration with,
// and what to paste into its configuration. Addresses in both are made of the values
// of Needs.
type Preset struct {
	ID    string // in URLs and commands
	Name  string
	Needs []PresetField // what is asked for before

	client idp.Client // «{…}» stands for what was asked for
	paste  []Snippet  // besides, «{issuer}», its «{host}» and «{realm}», «{id}», «{secret}», and «{random}», a secret of 32 bytes of its own
}

// PresetField is one thing that is asked for: an https address without a slash
// at its end (http on this machine), or the name of an API.
type PresetField struct {
	ID       string
	Label    string // message key
	Example  string
	Optional bool // it may be left out
}

// Snippet is configuration to paste.
type Snippet struct {
	File string // where it goes
	Text string
}

var baseField = PresetField{ID: "base", Label: "preset.base", Example: "https://viewer.your-hospital.org"}

// archiveField is the archive that a viewer reads: the client id by which it is registered here,
// or the name that it knows itself by. The viewer's access tokens are for it, and for nobody
// else. Left out, they are for the viewer itself.
var archiveField = PresetField{ID: "archive", Label: "preset.archive", Example: "archive", Optional: true}

// webClient is an application with a server that keeps a secret.
func webClient(redirects, logouts []string, scopes ...string) idp.Client {
	return idp.Client{
		Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: redirects, PostLogoutURIs: logouts,
		GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Scopes: append([]string{"openid", "profile", "email"}, scopes...),
		AccessFormat: idp.AccessOpaque,
	}
}

// pageClient is one that runs in the browser alone, with PKCE in place of a secret.
func pageClient(redirects, logouts []string, scopes ...string) idp.Client {
	c := webClient(redirects, logouts, scopes...)
	c.Auth = idp.AuthNone
	c.Origins = []string{"{base}"}
	return c
}

// proxyClient is oauth2-proxy. It keeps its session in the cookie of the browser, so that
// the requests of one page refresh side by side with the same token: the grace has all of
// them answered.
func proxyClient() idp.Client {
	c := webClient(words("{base}/oauth2/callback"), words("{base}/"), "groups", "offline_access")
	c.RefreshGrace = 10 * time.Second
	return c
}

// wildFlyClient is an application on WildFly that its subsystem elytron-oidc-client signs in to,
// and the services of the same server that take its access tokens. The subsystem asks for
// openid alone, without PKCE, reads the name in the ID token and the roles in the access
// token, and takes no JWT for an access token whose claim typ is not Bearer. It asks us when
// an access token has run out: a minute is how long it believes one.
func wildFlyClient(home string) idp.Client {
	c := webClient(words(home), words(home), "roles", "offline_access")
	c.DefaultScopes = words("openid profile roles offline_access")
	c.AccessFormat, c.AccessTTL, c.ClaimsInAccess, c.ClaimsInID, c.OptionalPKCE = idp.AccessJWT, time.Minute, true, true, true
	c.Claims = []idp.ClaimRule{{Name: "typ", Text: "Bearer"}}
	return c
}

// realmPage is an application in the browser that signs people in by keycloak-js, which asks for
// openid alone and has its rules from the realm. Its access tokens are for «account», which is
// whom those of Keycloak are for, and what services that read them compare.
func realmPage() idp.Client {
	c := pageClient(words("{base}/"), words("{base}/"), "roles", "offline_access")
	c.Profile, c.AccessFormat, c.ClaimsInAccess = idp.ProfileKeycloak, idp.AccessJWT, true
	c.DefaultScopes, c.Audience = words("openid profile email roles offline_access"), words("account")
	return c
}

// oauth2Proxy is the configuration of oauth2-proxy. Without cookie_refresh somebody whose
// session has ended here would stay signed in there until cookie_expire, a week if left out.
const oauth2Proxy = `provider = "oidc"
oidc_issuer_url = "{issuer}"
client_id = "{id}"
client_secret = "{secret}"
redirect_url = "{base}/oauth2/callback"
code_challenge_method = "S256"
scope = "openid profile email groups offline_access"
email_domains = ["*"]
skip_provider_button = true
cookie_secret = "{random}"
cookie_refresh = "1m"
cookie_expire = "12h"
whitelist_domains = ["{host}"]
`

// signOutOfBoth ends the session at oauth2-proxy, then leads to the end of the one here.
var signOutOfBoth = Snippet{"Link to sign out", "{base}/oauth2/sign_out?rd={issuer}/end_session%3Fclient_id={id}%26post_logout_redirect_uri={base}/\n"}

// words cuts a text at its blanks.
func words(s string) []string { return strings.Fields(s) }

// presets are all there are. What is pasted follows the manuals of the
// applications.
var presets = []Preset{
	{
		ID: "ohif", Name: "OHIF Viewer", Needs: []PresetField{baseField, archiveField},
		client: pageClient(words("{base}/callback"), words("{base}/"), "offline_access"),
		paste: []Snippet{{"app-config.js", `  oidc: [
    {
      authority: '{issuer}',
      client_id: '{id}',
      redirect_uri: '/callback',
      post_logout_redirect_uri: '/',
      response_type: 'code',
      scope: 'openid profile email offline_access',
      automaticSilentRenew: true,
      revokeAccessTokenOnSignout: true,
    },
  ],
`}},
	},
	{
		ID: "orthanc", Name: "Orthanc", Needs: []PresetField{baseField},
		client: proxyClient(),
		paste: []Snippet{{"oauth2-proxy.cfg in front of Orthanc", oauth2Proxy + `upstreams = ["http://127.0.0.1:8042/"]
`}, {"orthanc.json", `{
  "RemoteAccessAllowed": false,
  "AuthenticationEnabled": false
}
`}, signOutOfBoth},
	},
	{
		ID: "dcm4chee", Name: "dcm4chee-arc", Needs: []PresetField{baseField},
		client: wildFlyClient("{base}/dcm4chee-arc/ui2/"),
		paste: []Snippet{{"standalone.xml, in place of its subsystem elytron-oidc-client", `<subsystem xmlns="urn:wildfly:elytron-oidc-client:2.0">
    <secure-deployment name="dcm4chee-arc-ui2.war">
        <provider-url>{issuer}</provider-url>
        <client-id>{id}</client-id>
        <ssl-required>EXTERNAL</ssl-required>
        <principal-attribute>preferred_username</principal-attribute>
        <credential name="secret" secret="{secret}"/>
        <redirect-rewrite-rule name="^/dcm4chee-arc/ui2/.*$" replacement="/dcm4chee-arc/ui2/"/>
    </secure-deployment>
    <secure-deployment name="dcm4chee-arc.war">
        <provider-url>{issuer}</provider-url>
        <client-id>{id}</client-id>
        <bearer-only>true</bearer-only>
        <verify-token-audience>true</verify-token-audience>
        <ssl-required>EXTERNAL</ssl-required>
        <principal-attribute>preferred_username</principal-attribute>
    </secure-deployment>
</subsystem>
`}, {"Link to sign out", "{issuer}/end_session?client_id={id}&post_logout_redirect_uri={base}/dcm4chee-arc/ui2/\n"}},
	},
	{
		ID: "weasis", Name: "Weasis", Needs: []PresetField{archiveField},
		// It asks without PKCE, sends no client id without a secret, and uses the first refresh
		// token again and again. Its redirect address has a port and no path.
		client: idp.Client{
			Kind: idp.ClientNative, Auth: idp.AuthBasic, RedirectURIs: words("http://127.0.0.1"), OptionalPKCE: true, KeepRefresh: true,
			GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Scopes: words("openid profile email offline_access"), AccessFormat: idp.AccessOpaque,
		},
		paste: []Snippet{{"Authentication manager of a DICOM web node", `Authorization URI: {issuer}/authorize
Token URI:         {issuer}/token
Revoke URI:        {issuer}/revoke
OpenID:            yes
Client ID:         {id}
Client secret:     {secret}
Scope:             openid profile offline_access
`}},
	},
	{
		ID: "orthanc-explorer-2", Name: "Orthanc Explorer 2", Needs: []PresetField{baseField},
		// It renews its tokens once a minute, where they have less than 70 seconds left. The
		// service that reads them believes one until it runs out.
		client: func() idp.Client {
			c := realmPage()
			c.RedirectURIs, c.PostLogoutURIs, c.AccessTTL = words("{base}/ui/app/"), words("{base}/ui/app/"), 2*time.Minute
			return c
		}(),
		paste: []Snippet{{"/etc/orthanc/authorization.json", `{
  "OrthancExplorer2": {
    "IsDefaultOrthancUI": true,
    "Keycloak": { "Enable": true, "Url": "{issuer}", "Realm": "{realm}", "ClientId": "{id}" }
  },
  "Authorization": {
    "WebServiceRootUrl": "http://127.0.0.1:8000/",
    "WebServiceUsername": "orthanc",
    "WebServicePassword": "{random}",
    "StandardConfigurations": ["orthanc-explorer-2"],
    "CheckedLevel": "studies"
  }
}
`}, {"Environment of orthanc-auth-service", `ENABLE_KEYCLOAK=true
KEYCLOAK_URI={issuer}/realms/{realm}
USERS={"orthanc": "{random}"}
`}},
	},
	{
		ID: "keycloak", Name: "Keycloak JavaScript", Needs: []PresetField{baseField},
		client: realmPage(),
		paste: []Snippet{{"JavaScript, keycloak-js", `const keycloak = new Keycloak({ url: '{issuer}', realm: '{realm}', clientId: '{id}' });
keycloak.onTokenExpired = () => keycloak.updateToken(30).catch(() => {});
await keycloak.init({ onLoad: 'login-required', pkceMethod: 'S256', checkLoginIframe: false, redirectUri: '{base}/' });
`}},
	},
	{
		ID: "oauth2-proxy", Name: "oauth2-proxy", Needs: []PresetField{baseField},
		client: proxyClient(),
		paste:  []Snippet{{"oauth2-proxy.cfg", oauth2Proxy}, signOutOfBoth},
	},
	{
		ID: "mod_auth_openidc", Name: "Apache with mod_auth_openidc", Needs: []PresetField{baseField},
		client: func() idp.Client {
			c := webClient(words("{base}/oidc/callback"), words("{base}/"))
			c.LogoutURI, c.LogoutSession = "{base}/oidc/callback?logout=backchannel", true
			return c
		}(),
		paste: []Snippet{{"httpd.conf", `OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {id}
OIDCClientSecret {secret}
OIDCRedirectURI {base}/oidc/callback
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCCryptoPassphrase "…"   # openssl rand -base64 32
OIDCRemoteUserClaim preferred_username

<Location />
  AuthType openid-connect
  Require valid-user
</Location>
`}},
	},
	{
		ID: "grafana", Name: "Grafana", Needs: []PresetField{baseField},
		client: func() idp.Client {
			c := webClient(words("{base}/login/generic_oauth"), words("{base}/login"), "groups", "offline_access")
			// Grafana asks us when an access token has run out: a minute is how long it believes one.
			c.AccessTTL = time.Minute
			c.Claims = []idp.ClaimRule{{Name: "grafana_role", From: "groups", One: true, Values: []idp.ClaimValue{
				{From: "grafana-admins", To: "Admin"}, {From: "grafana-editors", To: "Editor"}, {From: "grafana-viewers", To: "Viewer"},
			}}}
			return c
		}(),
		paste: []Snippet{{"grafana.ini", `[auth.generic_oauth]
enabled = true
name = Hospital
client_id = {id}
client_secret = {secret}
auth_style = InHeader
scopes = openid profile email groups offline_access
auth_url = {issuer}/authorize
token_url = {issuer}/token
api_url = {issuer}/userinfo
use_pkce = true
use_refresh_token = true
login_attribute_path = preferred_username
role_attribute_path = grafana_role
role_attribute_strict = true
signout_redirect_url = {issuer}/end_session?client_id={id}&post_logout_redirect_uri={base}/login
`}},
	},
	{
		ID: "own", Name: "Another application", Needs: []PresetField{{ID: "redirect", Label: "preset.redirect", Example: "https://viewer.your-hospital.org/callback"}},
		client: webClient(words("{redirect}"), nil, "offline_access"),
		paste: []Snippet{{"", `Issuer:        {issuer}
Discovery:     {issuer}/.well-known/openid-configuration
Client id:     {id}
Client secret: {secret}
Redirect:      {redirect}
Scopes:        openid profile email offline_access
PKCE:          S256
`}},
	},
}

// Presets lists all there are; "own" is the last.
func Presets() []Preset { return presets }

// FindPreset returns one by its id. Errors: idp.ErrNotFound.
func FindPreset(id string) (*Preset, error) {
	for i := range presets {
		if presets[i].ID == id {
			return &presets[i], nil
		}
	}
	return nil, fmt.Errorf("preset %s: %w", id, idp.ErrNotFound)
}

// Fill makes the registration that the preset proposes. Errors: FieldError (a
// field that is missing, no address or no name; one that is not asked for).
func (p *Preset) Fill(values map[string]string) (*idp.Client, error) {
	asked := map[string]bool{}
	for _, f := range p.Needs {
		asked[f.ID] = true
		if f.ID == archiveField.ID {
			if values[f.ID] != "" && !validToken(values[f.ID], maxAudience) {
				return nil, &idp.FieldError{Field: f.ID, Message: "client.audience.bad"}
			}
			continue
		}
		if err := validBase(f.ID, values[f.ID]); err != nil {
			return nil, err
		}
	}
	for id := range values {
		if !asked[id] {
			return nil, &idp.FieldError{Field: id, Message: "preset.unknown"}
		}
	}
	c := p.client
	c.Name = p.Name
	if archive := values[archiveField.ID]; archive != "" {
		c.Audience = []string{archive}
	}
	in := replacer(values)
	for _, list := range []*[]string{&c.RedirectURIs, &c.PostLogoutURIs, &c.Origins} {
		filled := make([]string, len(*list))
		for i, s := range *list {
			filled[i] = in.Replace(s)
		}
		*list = filled
	}
	c.LogoutURI = in.Replace(c.LogoutURI)
	for i, o := range c.Origins { // of an address only its origin is one
		if u, err := url.Parse(o); err == nil {
			c.Origins[i] = u.Scheme + "://" + u.Host
		}
	}
	c.GrantTypes, c.Scopes = append([]string(nil), c.GrantTypes...), append([]string(nil), c.Scopes...)
	c.DefaultScopes = append([]string(nil), c.DefaultScopes...)
	c.Claims = append([]idp.ClaimRule(nil), c.Claims...)
	return &c, nil
}

// validBase accepts an address that a redirect address may begin with, without a
// slash at its end. Errors: FieldError of field.
func validBase(field, s string) error {
	if s == "" {
		return &idp.FieldError{Field: field, Message: "text.missing"}
	}
	if strings.HasSuffix(s, "/") || strings.ContainsAny(s, "?$;") || !validRedirect(s, idp.ClientWeb) {
		return &idp.FieldError{Field: field, Message: "preset.address"}
	}
	return nil
}

// Paste prints the configuration of the application. realm is the name of the realm, or empty.
// The secret is put in when
// it is at hand; else words stand in its place.
func (p *Preset) Paste(issuer, realm string, c *idp.Client, secret idp.Secret, values map[string]string) []Snippet {
	shown := secret.Reveal()
	if secret == "" {
		shown = "…"
	}
	_, host, _ := strings.Cut(issuer, "://")
	host, _, _ = strings.Cut(host, "/")
	if realm == "" {
		realm = "…"
	}
	in := replacer(values, "issuer", issuer, "realm", realm, "host", host, "id", string(c.ID), "secret", shown, "random", idp.NewToken().Reveal())
	out := make([]Snippet, len(p.paste))
	for i, s := range p.paste {
		out[i] = Snippet{s.File, in.Replace(s.Text)}
	}
	return out
}

// replacer puts values in place of «{key}»; more are keys and values by turns.
func replacer(values map[string]string, more ...string) *strings.Replacer {
	var pairs []string
	for id, v := range values {
		pairs = append(pairs, "{"+id+"}", v)
	}
	for i := 0; i < len(more); i += 2 {
		pairs = append(pairs, "{"+more[i]+"}", more[i+1])
	}
	return strings.NewReplacer(pairs...)
}
