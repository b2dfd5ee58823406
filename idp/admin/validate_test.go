package admin

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// viewer is a client that is allowed, to be spoiled one setting at a time.
func viewer() *idp.Client {
	return &idp.Client{
		ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic,
		RedirectURIs:   []string{"https://viewer.example/cb"},
		PostLogoutURIs: []string{"https://viewer.example/"},
		Origins:        []string{"https://viewer.example"},
		GrantTypes:     []string{idp.GrantCode, idp.GrantRefresh},
		Scopes:         []string{"profile", "email"},
		IDTokenAlg:     "RS256", AccessFormat: idp.AccessOpaque,
		AccessTTL: 15 * time.Minute, RefreshIdle: 90 * time.Minute, RefreshGrace: 10 * time.Second,
	}
}

// keySet is a JWK Set with the key of RFC 7517, appendix A.1.
const keySet = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}]}`

// fapi is a client under FAPI 2.0, to be spoiled.
func fapi(spoil func(*idp.Client)) func(*idp.Client) {
	return func(c *idp.Client) {
		c.Profile, c.Auth, c.JWKS, c.IDTokenAlg = idp.ProfileFAPI2, idp.AuthPrivateKey, keySet, "PS256"
		spoil(c)
	}
}

func TestWhatClientsMayBe(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*idp.Client)
		field string // empty: allowed
	}{
		"an ordinary one": {func(*idp.Client) {}, ""},
		"a machine without a browser": {func(c *idp.Client) {
			c.Auth, c.RefreshGrace, c.GrantTypes, c.RedirectURIs = idp.AuthNone, 0, []string{idp.GrantDevice, idp.GrantRefresh}, nil
		}, ""},
		"one that asks phones": {func(c *idp.Client) { c.GrantTypes, c.RedirectURIs = []string{idp.GrantCIBA}, nil }, ""},
		"one that asks phones, without a secret": {func(c *idp.Client) {
			c.Auth, c.RefreshGrace, c.GrantTypes = idp.AuthNone, 0, []string{idp.GrantCode, idp.GrantCIBA}
		}, "grant_types"},
		"one that asks phones and administers": {func(c *idp.Client) { c.GrantTypes, c.Scopes = []string{idp.GrantCIBA}, []string{idp.ScopeAuditor} }, "scopes"},
		"all left to the site": {func(c *idp.Client) {
			c.IDTokenAlg, c.AccessFormat, c.AccessTTL, c.RefreshIdle, c.RefreshGrace = "", "", 0, 0, 0
		}, ""},
		"no scopes, origins or logout pages": {func(c *idp.Client) { c.Scopes, c.Origins, c.PostLogoutURIs = nil, nil, nil }, ""},
		"a program that administers": {func(c *idp.Client) {
			c.GrantTypes, c.Scopes = []string{idp.GrantClientCredentials}, []string{idp.ScopeAuditor, "pacs"}
		}, ""},
		"an application with people that administers": {func(c *idp.Client) { c.Scopes = append(c.Scopes, idp.ScopeAuditor) }, "scopes"},
		"a program with people that administers": {func(c *idp.Client) {
			c.GrantTypes, c.Scopes = append(c.GrantTypes, idp.GrantClientCredentials), []string{idp.ScopeHelpdesk}
		}, "scopes"},
		"a public application that administers": {func(c *idp.Client) {
			c.Auth, c.RefreshGrace, c.Scopes = idp.AuthNone, 0, []string{idp.ScopeAdmin}
		}, "scopes"},
		"of Keycloak's shape":                   {func(c *idp.Client) { c.Profile, c.IDTokenAlg = idp.ProfileKeycloak, "RS256" }, ""},
		"of Keycloak's shape, signed otherwise": {func(c *idp.Client) { c.Profile, c.IDTokenAlg = idp.ProfileKeycloak, "ES256" }, "profile"},
		"of Keycloak's shape, on a machine without a browser": {func(c *idp.Client) {
			c.Profile, c.IDTokenAlg, c.GrantTypes = idp.ProfileKeycloak, "", append(c.GrantTypes, idp.GrantDevice)
		}, "profile"},
		"of Keycloak's shape, pushed":         {func(c *idp.Client) { c.Profile, c.IDTokenAlg, c.RequirePushed = idp.ProfileKeycloak, "", true }, "profile"},
		"of Keycloak's shape, bound to a key": {func(c *idp.Client) { c.Profile, c.IDTokenAlg, c.DPoP = idp.ProfileKeycloak, "", true }, "profile"},
		"keys of its own":                     {func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthPrivateKey, keySet }, ""},
		"published keys":                      {func(c *idp.Client) { c.Auth, c.JWKSURI = idp.AuthPrivateKey, "https://viewer.example/jwks" }, ""},
		"keys that are read without TLS":      {func(c *idp.Client) { c.Auth, c.JWKSURI = idp.AuthPrivateKey, "http://viewer.example/jwks" }, "jwks_uri"},
		"no keys":                             {func(c *idp.Client) { c.Auth = idp.AuthPrivateKey }, "jwks"},
		"keys in two places": {func(c *idp.Client) {
			c.Auth, c.JWKS, c.JWKSURI = idp.AuthPrivateKey, keySet, "https://viewer.example/jwks"
		}, "jwks_uri"},
		"keys beside a secret": {func(c *idp.Client) { c.JWKS = keySet }, "jwks"},
		"published keys of a public one": {func(c *idp.Client) {
			c.Auth, c.RefreshGrace, c.JWKSURI = idp.AuthNone, 0, "https://viewer.example/jwks"
		}, "jwks_uri"},
		"default scopes":           {func(c *idp.Client) { c.DefaultScopes = []string{"openid", c.Scopes[0]} }, ""},
		"default scopes of others": {func(c *idp.Client) { c.DefaultScopes = []string{"openid", "else"} }, "default_scopes"},
		"administers by default":   {func(c *idp.Client) { c.DefaultScopes = []string{idp.ScopeAdmin} }, "default_scopes"},
		"keeps its refresh token":  {func(c *idp.Client) { c.KeepRefresh = true }, ""},
		"keeps it in public":       {func(c *idp.Client) { c.Auth, c.KeepRefresh, c.RefreshGrace = idp.AuthNone, true, 0 }, "keep_refresh_token"},
		"a grace without a secret": {func(c *idp.Client) { c.Auth = idp.AuthNone }, "refresh_grace"},
		"a grace for bound tokens": {func(c *idp.Client) { c.Auth, c.DPoP = idp.AuthNone, true }, ""},
		"FAPI 2.0":                 {fapi(func(*idp.Client) {}), ""},
		"FAPI 2.0 by a secret":     {fapi(func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthBasic, "" }), "profile"},
		"FAPI 2.0 and RS256":       {fapi(func(c *idp.Client) { c.IDTokenAlg = "RS256" }), "profile"},
		"FAPI 2.0 without PKCE":    {fapi(func(c *idp.Client) { c.OptionalPKCE = true }), "profile"},
		"FAPI 2.0 without TLS":     {fapi(func(c *idp.Client) { c.RedirectURIs = []string{"http://127.0.0.1/cb"} }), "profile"},
		"FAPI 2.0 by device":       {fapi(func(c *idp.Client) { c.GrantTypes = append(c.GrantTypes, idp.GrantDevice) }), "profile"},
		"FAPI 2.0 by CIBA":         {fapi(func(c *idp.Client) { c.GrantTypes = append(c.GrantTypes, idp.GrantCIBA) }), "profile"},
		"FAPI 3.0":                 {fapi(func(c *idp.Client) { c.Profile = "fapi3" }), "profile"},
		"FAPI 2.0 Message Signing": {fapi(func(c *idp.Client) { c.Profile, c.Signing.ResponseAlg = idp.ProfileFAPI2Signing, "EdDSA" }), ""},
		"Message Signing by a secret": {fapi(func(c *idp.Client) {
			c.Profile, c.Auth, c.Signing.RequestAlg = idp.ProfileFAPI2Signing, idp.AuthBasic, "ES256"
		}), "profile"},
		"Message Signing and RS256 responses": {fapi(func(c *idp.Client) { c.Profile, c.Signing.ResponseAlg = idp.ProfileFAPI2Signing, "RS256" }), "authorization_signed_response_alg"},
		"FAPI 2.0 and RS256 userinfo":         {fapi(func(c *idp.Client) { c.Signing.UserinfoAlg = "RS256" }), "userinfo_signed_response_alg"},
		"FAPI 2.0 and RS256 introspection":    {fapi(func(c *idp.Client) { c.Signing.IntrospectionAlg = "RS256" }), "introspection_signed_response_alg"},
		"FAPI 2.0 and RS256 requests":         {fapi(func(c *idp.Client) { c.Signing.RequestAlg = "RS256" }), "request_object_signing_alg"},
		"all signed": {func(c *idp.Client) {
			c.Signing = idp.ClientSigning{ResponseAlg: "RS256", UserinfoAlg: "PS256", IntrospectionAlg: "EdDSA"}
		}, ""},
		"keys to sign requests, beside a secret": {func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = keySet, "ES256" }, ""},
		"keys to sign requests, of a public one": {func(c *idp.Client) {
			c.Auth, c.RefreshGrace, c.JWKS, c.Signing.RequireRequest = idp.AuthNone, 0, keySet, true
		}, ""},
		"published keys to sign requests": {func(c *idp.Client) { c.JWKSURI, c.Signing.RequestAlg = "https://viewer.example/jwks", "PS256" }, ""},
		"requests to be signed by no key": {func(c *idp.Client) { c.Signing.RequireRequest = true }, "jwks"},
		"an algorithm of no key":          {func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = keySet, "EdDSA" }, "request_object_signing_alg"},
		"requests by none":                {func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = keySet, "none" }, "request_object_signing_alg"},
		"responses by a secret":           {func(c *idp.Client) { c.Signing.ResponseAlg = "HS256" }, "authorization_signed_response_alg"},
		"userinfo by none":                {func(c *idp.Client) { c.Signing.UserinfoAlg = "none" }, "userinfo_signed_response_alg"},
		"a private key": {func(c *idp.Client) {
			c.Auth, c.JWKS = idp.AuthPrivateKey, strings.Replace(keySet, `"kty"`, `"d":"AA","kty"`, 1)
		}, "jwks"},
		"keys that nobody can use":              {func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthPrivateKey, `{"keys":[]}` }, "jwks"},
		"keys that are no JSON":                 {func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthPrivateKey, "-----BEGIN PUBLIC KEY-----" }, "jwks"},
		"six digits from screen to phone":       {func(c *idp.Client) { c.Match = idp.MatchStrict }, ""},
		"an unknown way to match":               {func(c *idp.Client) { c.Match = "never" }, "match"},
		"no id":                                 {func(c *idp.Client) { c.ID = "" }, "client_id"},
		"an id of 64 letters":                   {func(c *idp.Client) { c.ID = idp.ClientID(strings.Repeat("a", 64)) }, ""},
		"an id of 65 letters":                   {func(c *idp.Client) { c.ID = idp.ClientID(strings.Repeat("a", 65)) }, "client_id"},
		"an id with a dot, dash and underscore": {func(c *idp.Client) { c.ID = "a.b-c_D9" }, ""},
		"an id with a slash":                    {func(c *idp.Client) { c.ID = "a/b" }, "client_id"},
		"an id with a colon":                    {func(c *idp.Client) { c.ID = "a:b" }, "client_id"},
		"an id beyond ASCII":                    {func(c *idp.Client) { c.ID = "ä" }, "client_id"},
		"an id with a line break":               {func(c *idp.Client) { c.ID = "a\n" }, "client_id"},
		"no name":                               {func(c *idp.Client) { c.Name = " " }, "client_name"},
		"a name that turns letters around":      {func(c *idp.Client) { c.Name = "a\u202eb" }, "client_name"},
		"a name of 81 letters":                  {func(c *idp.Client) { c.Name = strings.Repeat("ä", 81) }, "client_name"},
		"no kind":                               {func(c *idp.Client) { c.Kind = "" }, "kind"},
		"an unknown kind":                       {func(c *idp.Client) { c.Kind = "spa" }, "kind"},
		"no way to prove itself":                {func(c *idp.Client) { c.Auth = "" }, "auth"},
		"a certificate of nobody":               {func(c *idp.Client) { c.Auth = idp.AuthTLS }, "tls_client_auth"},
		"a certificate for a host":              {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "san_dns=viewer.example" }, ""},
		"a certificate for a subject":           {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, `subject_dn=CN=viewer,O=Klinik\, Köln` }, ""},
		"a certificate for an address":          {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "san_ip=2001:db8::1" }, ""},
		"a certificate for no address":          {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "san_ip=viewer" }, "tls_client_auth"},
		"a certificate for two hosts":           {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "san_dns=a.example b.example" }, "tls_client_auth"},
		"a certificate of another kind":         {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "dns=viewer.example" }, "tls_client_auth"},
		"a certificate for no subject":          {func(c *idp.Client) { c.Auth, c.TLSSubject = idp.AuthTLS, "subject_dn=viewer" }, "tls_client_auth"},
		"a certificate beside a secret":         {func(c *idp.Client) { c.TLSSubject = "san_dns=viewer.example" }, "tls_client_auth"},
		"a certificate beside keys":             {func(c *idp.Client) { c.Auth, c.TLSSubject, c.JWKS = idp.AuthTLS, "san_dns=viewer.example", keySet }, "jwks"},
		"a certificate whose key is known":      {func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthSelfSigned, keySet }, ""},
		"a certificate of no key":               {func(c *idp.Client) { c.Auth = idp.AuthSelfSigned }, "jwks"},
		"tokens bound to a certificate":         {func(c *idp.Client) { c.CertBound = true }, ""},
		"a grace for tokens bound so":           {func(c *idp.Client) { c.Auth, c.CertBound = idp.AuthNone, true }, ""},
		"FAPI 2.0 by a certificate": {fapi(func(c *idp.Client) {
			c.Auth, c.JWKS, c.TLSSubject, c.CertBound = idp.AuthTLS, "", "san_dns=viewer.example", true
		}), ""},
		"FAPI 2.0 by a key of one":              {fapi(func(c *idp.Client) { c.Auth = idp.AuthSelfSigned }), ""},
		"no grant types":                        {func(c *idp.Client) { c.GrantTypes = nil }, "grant_types"},
		"the implicit grant":                    {func(c *idp.Client) { c.GrantTypes = []string{"implicit"} }, "grant_types"},
		"the password grant beside the code":    {func(c *idp.Client) { c.GrantTypes = []string{idp.GrantCode, "password"} }, "grant_types"},
		"refresh without code":                  {func(c *idp.Client) { c.GrantTypes = []string{idp.GrantRefresh} }, "grant_types"},
		"refresh with client credentials only":  {func(c *idp.Client) { c.GrantTypes = []string{idp.GrantRefresh, idp.GrantClientCredentials} }, "grant_types"},
		"code without a redirect":               {func(c *idp.Client) { c.RedirectURIs = nil }, "redirect_uris"},
		"client credentials without a redirect": {func(c *idp.Client) { c.GrantTypes, c.RedirectURIs = []string{idp.GrantClientCredentials}, nil }, ""},
		"public":                                {func(c *idp.Client) { c.Auth, c.RefreshGrace = idp.AuthNone, 0 }, ""},
		"public, client credentials":            {func(c *idp.Client) { c.Auth, c.GrantTypes = idp.AuthNone, []string{idp.GrantClientCredentials} }, "grant_types"},
		"public without PKCE":                   {func(c *idp.Client) { c.Auth, c.OptionalPKCE, c.RefreshGrace = idp.AuthNone, true, 0 }, "pkce"},
		"public with a grace":                   {func(c *idp.Client) { c.Auth = idp.AuthNone }, "refresh_grace"},
		"confidential without PKCE":             {func(c *idp.Client) { c.OptionalPKCE = true }, ""},
		"50 redirects":                          {func(c *idp.Client) { c.RedirectURIs = many(50) }, ""},
		"51 redirects":                          {func(c *idp.Client) { c.RedirectURIs = many(51) }, "redirect_uris"},
		"51 pages after logout":                 {func(c *idp.Client) { c.PostLogoutURIs = many(51) }, "post_logout_redirect_uris"},
		"51 origins":                            {func(c *idp.Client) { c.Origins = many(51) }, "origins"},
		"one redirect of two is bad":            {func(c *idp.Client) { c.RedirectURIs = append(c.RedirectURIs, "http://viewer.example/") }, "redirect_uris"},
		"a bad page after logout":               {func(c *idp.Client) { c.PostLogoutURIs = []string{"javascript:alert(1)"} }, "post_logout_redirect_uris"},
		"an origin with a path":                 {func(c *idp.Client) { c.Origins = []string{"https://viewer.example/"} }, "origins"},
		"an origin for all":                     {func(c *idp.Client) { c.Origins = []string{"*"} }, "origins"},
		"the null origin":                       {func(c *idp.Client) { c.Origins = []string{"null"} }, "origins"},
		"an origin with a capital":              {func(c *idp.Client) { c.Origins = []string{"https://Viewer.example"} }, "origins"},
		"an origin with its own port":           {func(c *idp.Client) { c.Origins = []string{"https://viewer.example:443"} }, "origins"},
		"an origin with another port":           {func(c *idp.Client) { c.Origins = []string{"https://viewer.example:8443"} }, ""},
		"an origin on this machine":             {func(c *idp.Client) { c.Origins = []string{"http://localhost:3000", "http://[::1]:3000"} }, ""},
		"a plain origin elsewhere":              {func(c *idp.Client) { c.Origins = []string{"http://viewer.example"} }, "origins"},
		"an app's origin":                       {func(c *idp.Client) { c.Kind, c.Origins = idp.ClientNative, []string{"com.example.app://x"} }, "origins"},
		"50 scopes":                             {func(c *idp.Client) { c.Scopes = scopes(50) }, ""},
		"51 scopes":                             {func(c *idp.Client) { c.Scopes = scopes(51) }, "scopes"},
		"an empty scope":                        {func(c *idp.Client) { c.Scopes = []string{""} }, "scopes"},
		"two scopes in one":                     {func(c *idp.Client) { c.Scopes = []string{"a b"} }, "scopes"},
		"a quoted scope":                        {func(c *idp.Client) { c.Scopes = []string{`a"b`} }, "scopes"},
		"a scope with a backslash":              {func(c *idp.Client) { c.Scopes = []string{`a\b`} }, "scopes"},
		"a scope beyond ASCII":                  {func(c *idp.Client) { c.Scopes = []string{"ä"} }, "scopes"},
		"a scope like a URL":                    {func(c *idp.Client) { c.Scopes = []string{"https://pacs.example/studies:read!~[]"} }, ""},
		"a scope of 65 letters":                 {func(c *idp.Client) { c.Scopes = []string{strings.Repeat("a", 65)} }, "scopes"},
		"ID tokens without a signature":         {func(c *idp.Client) { c.IDTokenAlg = "none" }, "id_token_alg"},
		"ID tokens by HMAC":                     {func(c *idp.Client) { c.IDTokenAlg = "HS256" }, "id_token_alg"},
		"ID tokens by EdDSA":                    {func(c *idp.Client) { c.IDTokenAlg = "EdDSA" }, ""},
		"access tokens as at+jwt":               {func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }, ""},
		"access tokens of another kind":         {func(c *idp.Client) { c.AccessFormat = "saml" }, "access_format"},
		"access for an hour":                    {func(c *idp.Client) { c.AccessTTL = time.Hour }, ""},
		"access for longer":                     {func(c *idp.Client) { c.AccessTTL = time.Hour + 1 }, "access_ttl"},
		"access for less than nothing":          {func(c *idp.Client) { c.AccessTTL = -1 }, "access_ttl"},
		"refresh for half a day":                {func(c *idp.Client) { c.RefreshIdle = 12 * time.Hour }, ""},
		"refresh for longer":                    {func(c *idp.Client) { c.RefreshIdle = 12*time.Hour + 1 }, "refresh_idle"},
		"a grace of a minute":                   {func(c *idp.Client) { c.RefreshGrace = time.Minute }, ""},
		"a longer grace":                        {func(c *idp.Client) { c.RefreshGrace = time.Minute + 1 }, "refresh_grace"},
		"a grace of less than nothing":          {func(c *idp.Client) { c.RefreshGrace = -1 }, "refresh_grace"},
		"audiences":                             {func(c *idp.Client) { c.Audience = []string{"https://pacs.example", "archive"} }, ""},
		"an empty audience":                     {func(c *idp.Client) { c.Audience = []string{""} }, "audience"},
		"an audience with a line break":         {func(c *idp.Client) { c.Audience = []string{"a\nb"} }, "audience"},
		"51 audiences":                          {func(c *idp.Client) { c.Audience = many(51) }, "audience"},
	} {
		client := viewer()
		c.spoil(client)
		err := ValidateClient(client)
		var fault *idp.FieldError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: refused, %v", name, err)
		case c.field != "" && (!errors.As(err, &fault) || !errors.Is(err, idp.ErrInvalid) || fault.Field != c.field):
			t.Errorf("%s: %v, want a fault of %s", name, err, c.field)
		case c.field != "" && fault.Message == "":
			t.Errorf("%s: no message", name)
		}
	}
}

func many(n int) (uris []string) {
	for i := range n {
		uris = append(uris, "https://viewer.example/cb/"+strconv.Itoa(i))
	}
	return uris
}

func scopes(n int) (out []string) {
	for i := range n {
		out = append(out, "scope"+strconv.Itoa(i))
	}
	return out
}

func TestWhereClientsMaySendPeople(t *testing.T) {
	long := "https://viewer.example/" + strings.Repeat("a", 2048-len("https://viewer.example/"))
	for uri, kinds := range map[string]string{
		"https://viewer.example/cb":             "web native",
		"https://viewer.example":                "web native",
		"https://viewer.example:8443/cb?a=b&c":  "web native",
		"https://192.0.2.1/cb":                  "web native",
		"https://[2001:db8::1]:8443/cb":         "web native",
		"http://127.0.0.1/cb":                   "web native",
		"http://127.0.0.1:3000/cb":              "web native",
		"http://[::1]:3000/cb":                  "web native",
		"http://localhost:3000/cb":              "web native",
		"com.example.viewer:/cb":                "native",
		"com.example.viewer://cb":               "native",
		long:                                    "web native",
		long + "a":                              "",
		"":                                      "",
		"/cb":                                   "",
		"//viewer.example/cb":                   "",
		"viewer.example/cb":                     "",
		"http://viewer.example/cb":              "",
		"http://127.0.0.2/cb":                   "",
		"http://127.1/cb":                       "",
		"http://0.0.0.0/cb":                     "",
		"http://2130706433/cb":                  "",
		"http://localhost.example/cb":           "",
		"http://localhost./cb":                  "",
		"http://[::ffff:127.0.0.1]/cb":          "",
		"http://127.0.0.1@viewer.example/cb":    "",
		"http://localhost:3000@viewer.example/": "",
		"https://user@viewer.example/cb":        "",
		"https://user:pw@viewer.example/cb":     "",
		"https://@viewer.example/cb":            "",
		"https:viewer.example":                  "",
		"https:/viewer.example":                 "",
		"https:///cb":                           "",
		"https://:8443/cb":                      "",
		"https://viewer.example:/cb":            "",
		"https://viewer.example:0/cb":           "",
		"https://viewer.example:65536/cb":       "",
		"https://viewer.example:a/cb":           "",
		"https://*.viewer.example/cb":           "",
		"https://viewer.example/*":              "",
		"https://viewer.example/cb#":            "",
		"https://viewer.example/cb#a":           "",
		"https://viewer.example/c b":            "",
		"https://viewer.example/cb\n":           "",
		"https://viewer.example/\x00":           "",
		"https://viewer.example/\x7f":           "",
		"https://viewer.example\\@evil.example": "",
		"https://viewer.example/<cb>":           "",
		`https://viewer.example/"cb"`:           "",
		"https://viewer.example/'cb'":           "",
		"https://viewer.example/ä":              "",
		"https://ä.example/":                    "",
		"https://%61.example/":                  "",
		"https://viewer.example/%zz":            "",
		"https://[::1%25eth0]/cb":               "",
		"https://[::1/cb":                       "",
		"HTTPS://viewer.example/cb":             "",
		" https://viewer.example/cb":            "",
		"javascript:alert(1)":                   "",
		"javascript://viewer.example/%0aalert":  "",
		"data:text/html,x":                      "",
		"vbscript:x":                            "",
		"file:///etc/passwd":                    "",
		"blob:https://viewer.example/x":         "",
		"ftp://viewer.example/":                 "",
		"about:blank":                           "",
		"viewer:/cb":                            "",
		"viewer.:/cb":                           "",
		"com.example.viewer:cb":                 "",
		"com.example.viewer:/cb#a":              "",
		"com.example.viewer://u@h/cb":           "",
		"Com.Example:/cb":                       "",
	} {
		for _, kind := range []idp.ClientKind{idp.ClientWeb, idp.ClientNative} {
			want := slices.Contains(strings.Fields(kinds), string(kind))
			if got := validRedirect(uri, kind); got != want {
				t.Errorf("%.60q for %s: %v, want %v", uri, kind, got, want)
			}
		}
	}
}

func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"https://viewer.example:8443/cb?a=b", "http://[::1]:3000/cb", "com.example.viewer:/cb", "https://a@b", "http://localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		web, native := validRedirect(s, idp.ClientWeb), validRedirect(s, idp.ClientNative)
		if web && !native {
			t.Errorf("%q is allowed for the web only", s)
		}
		if !native {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" || strings.ContainsAny(s, "#*\\ \r\n\t\x00") {
			t.Fatalf("%q was allowed: %v, %v", s, u, err)
		}
		if web && (u.Scheme != "https" && !loopback(u.Hostname()) || u.Hostname() == "" || strings.Contains(u.Host, "@")) {
			t.Errorf("%q was allowed for the web", s)
		}
		// Whatever reads it anew reads the same place.
		if v, err := url.Parse(u.String()); err != nil || v.Scheme != u.Scheme || v.Host != u.Host {
			t.Errorf("%q is read as %v, then as %v, %v", s, u, v, err)
		}
	})
}
