package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates/words"
)

// clientFlags are what can be said of an application on the command line.
type clientFlags struct {
	c          idp.Client
	kind       string
	auth       string
	format     string
	match      string
	rules      []string
	keys       string // name of a file
	tlsSubject string
	profile    string
	subject    string
	public     bool
	disabled   bool
}

func (f *clientFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.c.RedirectURIs, "redirect-uri", nil, "`address` that answers go to, compared byte by byte; several by repetition")
	flags.StringSliceVar(&f.c.PostLogoutURIs, "post-logout-uri", nil, "`address` people may return to after signing out")
	flags.StringVar(&f.c.LogoutURI, "backchannel-logout-uri", "", "`address` that is told when a session ends (OpenID Connect Back-Channel Logout)")
	flags.BoolVar(&f.c.LogoutSession, "backchannel-logout-session-required", false, "it needs to be told which session; it always is")
	flags.StringSliceVar(&f.c.Origins, "origin", nil, "`origin` of the application besides its redirects: its scripts may call the token endpoint, and people may be sent on there")
	flags.StringVar(&f.kind, "kind", string(idp.ClientWeb), "`kind`: web, or native for a program with a loopback redirect on any port")
	flags.StringVar(&f.auth, "auth", string(idp.AuthBasic), "how it proves itself: client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none")
	flags.StringVar(&f.profile, "profile", "", "`profile` that it is held to: fapi2 (FAPI 2.0: by key, pushed requests, bound tokens), fapi2-message-signing (and signs its requests, has responses signed), or keycloak (of the realm, clients.realm, by its addresses and with tokens of its shape)")
	flags.StringVar(&f.keys, "jwks", "", "`file` with its public keys, a JWK Set, by which it proves itself (private_key_jwt, self_signed_tls_client_auth) or signs its requests")
	flags.StringVar(&f.c.JWKSURI, "jwks-uri", "", "`address` where it publishes its public keys")
	flags.BoolVar(&f.public, "public", false, "it can keep no secret; the same as --auth none")
	flags.StringSliceVar(&f.c.GrantTypes, "grant", []string{idp.GrantCode, idp.GrantRefresh}, "grant `types`: authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code, urn:openid:params:grant-type:ciba")
	flags.StringSliceVar(&f.c.Scopes, "scope", []string{"openid", "profile", "email", "offline_access"}, "`scopes` it may ask for")
	flags.StringSliceVar(&f.c.DefaultScopes, "default-scope", nil, "`scopes` that it is given where its request names none, or openid alone")
	flags.StringSliceVar(&f.c.Audience, "audience", nil, "what its access tokens are for (default: its own id)")
	flags.StringVar(&f.c.IDTokenAlg, "alg", "", "ID tokens are signed with RS256 (default), PS256, ES256 or EdDSA")
	flags.StringVar(&f.format, "access-format", string(idp.AccessOpaque), "access tokens are opaque or jwt (RFC 9068)")
	flags.DurationVar(&f.c.AccessTTL, "access-ttl", 0, "life of an access token (0: the site's)")
	flags.DurationVar(&f.c.RefreshIdle, "refresh-idle", 0, "how long a refresh token may lie unused (0: the site's)")
	flags.DurationVar(&f.c.RefreshGrace, "refresh-grace", 0, "how long a used refresh token may be repeated by racing tabs")
	flags.BoolVar(&f.c.RefreshAlways, "refresh-always", false, "refresh tokens without asking for offline_access")
	flags.BoolVar(&f.c.KeepRefresh, "keep-refresh-token", false, "a deviation: its refresh token is not rotated")
	flags.StringVar(&f.match, "match", string(idp.MatchAuto), "how a tap on the phone is matched to the browser: auto (the site's setting), tap, type, pick or strict")
	flags.BoolVar(&f.c.Verify, "verify", false, "approval on the phone wants a fingerprint or PIN; who has no phone that can types a code")
	flags.StringSliceVar(&f.c.Groups, "admit", nil, "only people in one of these `groups` may sign in (none: everybody)")
	flags.StringArrayVar(&f.rules, "claim", nil, "a claim under a name of its own: `name=claim`, name=claim:from>to:from>to, or name='text'; several by repetition")
	flags.BoolVar(&f.c.Consent, "consent", false, "ask people what the application may be told")
	flags.BoolVar(&f.c.OptionalPKCE, "optional-pkce", false, "a deviation: do not demand PKCE")
	flags.BoolVar(&f.c.RequirePushed, "require-par", false, "it has to push its authorization requests (PAR, RFC 9126)")
	flags.BoolVar(&f.c.Signing.RequireRequest, "require-signed-request", false, "it has to sign its authorization requests (JAR, RFC 9101)")
	flags.StringVar(&f.c.Signing.RequestAlg, "request-alg", "", "`algorithm` by which it signs its authorization requests; any that its keys can if empty")
	flags.StringVar(&f.c.Signing.ResponseAlg, "response-alg", "", "`algorithm` of authorization responses that it wants signed (JARM, response_mode=jwt); RS256 if empty")
	flags.StringVar(&f.c.Signing.UserinfoAlg, "userinfo-alg", "", "`algorithm` by which userinfo is signed; not signed if empty")
	flags.StringVar(&f.c.Signing.IntrospectionAlg, "introspection-alg", "", "`algorithm` of introspection responses that it wants signed (RFC 9701); RS256 if empty")
	flags.StringVar(&f.subject, "subject-type", "", "what it is told of who people are: public, or pairwise for a sub of its own")
	flags.StringVar(&f.c.SectorURI, "sector-identifier-uri", "", "`address` that lists the redirect addresses which have the same pairwise sub")
	flags.BoolVar(&f.c.ChangeSubject, "change-subjects", false, "that every person gets another sub at the application is meant")
	flags.StringVar(&f.c.InitiateURI, "initiate-login-uri", "", "`address` where people begin a sign-in from their account here")
	flags.StringSliceVar(&f.c.ExchangeTargets, "exchange-target", nil, "`audiences` that it may exchange tokens for (token exchange, RFC 8693), with --grant "+idp.GrantExchange)
	flags.BoolVar(&f.c.DPoP, "dpop", false, "its access tokens have to be bound to a key (DPoP, RFC 9449)")
	flags.StringVar(&f.tlsSubject, "tls-subject", "", "it proves itself by a certificate (tls_client_auth) for this `subject`: san_dns=…, san_uri=…, san_ip=…, san_email=… or subject_dn=… (RFC 8705)")
	flags.BoolVar(&f.c.CertBound, "certificate-bound", false, "its access tokens are bound to its TLS certificate (RFC 8705)")
	flags.BoolVar(&f.c.ClaimsInID, "claims-in-id-token", false, "a deviation: claims of scopes in the ID token as well")
	flags.BoolVar(&f.c.ClaimsInAccess, "claims-in-access-token", false, "claims of scopes in access tokens that are JWTs (RFC 9068)")
}

// apply puts what was said on the command line, and only that, into c; all
// says that the defaults count too.
func (f *clientFlags) apply(flags *pflag.FlagSet, c *idp.Client, all bool) {
	auth := idp.AuthMethod(f.auth)
	if f.public {
		auth = idp.AuthNone
	}
	keyed := f.c.JWKS != "" || f.c.JWKSURI != ""
	if keyed && !flags.Changed("auth") && !f.public {
		auth = idp.AuthPrivateKey
	}
	if f.tlsSubject != "" && !flags.Changed("auth") && !f.public {
		auth = idp.AuthTLS
	}
	keys := func() {
		if c.JWKS, c.JWKSURI = f.c.JWKS, f.c.JWKSURI; keyed && (c.Auth != idp.AuthSelfSigned || flags.Changed("auth")) {
			c.Auth = auth
		}
	}
	subject := func() {
		if c.TLSSubject = idp.CertSubject(f.tlsSubject); c.TLSSubject != "" {
			c.Auth = auth
		}
	}
	for name, set := range map[string]func(){
		"name":                                func() { c.Name = f.c.Name },
		"redirect-uri":                        func() { c.RedirectURIs = f.c.RedirectURIs },
		"post-logout-uri":                     func() { c.PostLogoutURIs = f.c.PostLogoutURIs },
		"backchannel-logout-uri":              func() { c.LogoutURI = f.c.LogoutURI },
		"backchannel-logout-session-required": func() { c.LogoutSession = f.c.LogoutSession },
		"origin":                              func() { c.Origins = f.c.Origins },
		"kind":                                func() { c.Kind = idp.ClientKind(f.kind) },
		"auth":                                func() { c.Auth = auth },
		"jwks":                                keys,
		"jwks-uri":                            keys,
		"public":                              func() { c.Auth = auth },
		"grant":                               func() { c.GrantTypes = f.c.GrantTypes },
		"scope":                               func() { c.Scopes = f.c.Scopes },
		"default-scope":                       func() { c.DefaultScopes = f.c.DefaultScopes },
		"audience":                            func() { c.Audience = f.c.Audience },
		"alg":                                 func() { c.IDTokenAlg = f.c.IDTokenAlg },
		"access-format":                       func() { c.AccessFormat = idp.AccessFormat(f.format) },
		"access-ttl":                          func() { c.AccessTTL = f.c.AccessTTL },
		"refresh-idle":                        func() { c.RefreshIdle = f.c.RefreshIdle },
		"refresh-grace":                       func() { c.RefreshGrace = f.c.RefreshGrace },
		"refresh-always":                      func() { c.RefreshAlways = f.c.RefreshAlways },
		"keep-refresh-token":                  func() { c.KeepRefresh = f.c.KeepRefresh },
		"admit":                               func() { c.Groups = f.c.Groups },
		"claim":                               func() { c.Claims = f.c.Claims },
		"match":                               func() { c.Match = idp.MatchMode(f.match) },
		"verify":                              func() { c.Verify = f.c.Verify },
		"consent":                             func() { c.Consent = f.c.Consent },
		"optional-pkce":                       func() { c.OptionalPKCE = f.c.OptionalPKCE },
		"require-par":                         func() { c.RequirePushed = f.c.RequirePushed },
		"profile":                             func() { c.Profile = idp.ClientProfile(f.profile) },
		"require-signed-request":              func() { c.Signing.RequireRequest = f.c.Signing.RequireRequest },
		"request-alg":                         func() { c.Signing.RequestAlg = f.c.Signing.RequestAlg },
		"response-alg":                        func() { c.Signing.ResponseAlg = f.c.Signing.ResponseAlg },
		"userinfo-alg":                        func() { c.Signing.UserinfoAlg = f.c.Signing.UserinfoAlg },
		"introspection-alg":                   func() { c.Signing.IntrospectionAlg = f.c.Signing.IntrospectionAlg },
		"change-subjects":                     func() { c.ChangeSubject = f.c.ChangeSubject },
		"subject-type":                        func() { c.SubjectType = subjectType(f.subject) },
		"sector-identifier-uri":               func() { c.SectorURI = f.c.SectorURI },
		"initiate-login-uri":                  func() { c.InitiateURI = f.c.InitiateURI },
		"exchange-target":                     func() { c.ExchangeTargets = f.c.ExchangeTargets },
		"dpop":                                func() { c.DPoP = f.c.DPoP },
		"tls-subject":                         subject,
		"certificate-bound":                   func() { c.CertBound = f.c.CertBound },
		"claims-in-id-token":                  func() { c.ClaimsInID = f.c.ClaimsInID },
		"claims-in-access-token":              func() { c.ClaimsInAccess = f.c.ClaimsInAccess },
		"disabled":                            func() { c.Disabled = f.disabled },
	} {
		if all || flags.Changed(name) {
			set()
		}
	}
}

// subjectType is a subject type as it is kept: public is none.
func subjectType(s string) idp.SubjectType {
	if s == "public" {
		return ""
	}
	return idp.SubjectType(s)
}

// read reads the file of --jwks, and the flags --claim into the rules of the client.
// Errors: usageError, the file cannot be read.
func (f *clientFlags) read() error {
	if f.keys != "" {
		text, err := os.ReadFile(f.keys)
		if err != nil {
			return err
		}
		f.c.JWKS = string(text)
	}
	for _, s := range f.rules {
		if s == "" {
			continue // --claim= takes all away
		}
		r, err := readRule(s)
		if err != nil {
			return err
		}
		f.c.Claims = append(f.c.Claims, r)
	}
	return nil
}

func (c *cli) clientCommand() *cobra.Command {
	return group("client", "Register applications that sign people in through this provider",
		c.clientAdd(), c.clientEdit(), c.clientList(), c.clientShow(), c.clientSecret(), c.clientIcon(), c.clientRemove(),
		c.clientPresets(), c.clientPreset(), c.clientPreview(), c.clientTokenCommand())
}

func (c *cli) clientAdd() *cobra.Command {
	var f clientFlags
	var id string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Register an application; its secret is shown this once",
		Example: `  idp client add "PACS viewer" --redirect-uri https://viewer.your-hospital.org/callback
  idp client add "Desktop viewer" --kind native --public --redirect-uri http://127.0.0.1/callback
  idp client add "Archive sync" --grant client_credentials --scope archive
  idp client add "Records" --profile fapi2 --jwks keys.json --redirect-uri https://records.your-hospital.org/callback
  idp client add "SIEM" --grant client_credentials --scope hilum.auditor`,
		Args: cobra.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&id, "id", "", "client `id` (default: made)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		f.c.Name = args[0]
		if err := f.read(); err != nil {
			return err
		}
		client := &idp.Client{ID: idp.ClientID(id)}
		f.apply(cmd.Flags(), client, true)
		secret, err := p.desk.AddClient(ctx, console(), client)
		if errors.Is(err, idp.ErrConflict) {
			return fmt.Errorf("the client id %s is taken", id)
		}
		if err != nil {
			return fieldError(err)
		}
		return c.printCredentials(p, client.ID, secret, asJSON)
	})
	return cmd
}

// credentials are what an application is configured with, as scripts see it.
type credentials struct {
	Issuer string         `json:"issuer"`
	ID     idp.ClientID   `json:"client_id"`
	Secret string         `json:"client_secret,omitempty"`
	Auth   idp.AuthMethod `json:"token_endpoint_auth_method,omitempty"`
	Paste  []snippetLine  `json:"paste,omitempty"`
}

// snippetLine is a piece of configuration to paste, as scripts see it.
type snippetLine struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// printCredentials prints what an application is configured with: issuer, client id and,
// unless it is public, the secret.
func (c *cli) printCredentials(p *provider, id idp.ClientID, secret idp.Secret, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.stdout).Encode(credentials{Issuer: p.issuer, ID: id, Secret: secret.Reveal()})
	}
	c.printf("issuer         %s\nclient id      %s\n", p.issuer, id)
	if secret != "" {
		c.printf("client secret  %s\nThe secret is shown this once; only its hash is kept.\n", secret.Reveal())
	}
	return nil
}

func (c *cli) clientEdit() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "edit ID",
		Short: "Change what the flags name; the rest stays",
		Args:  cobra.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.c.Name, "name", "", "`name` as shown to people")
	cmd.Flags().BoolVar(&f.disabled, "disabled", false, "refuse the application and kill its tokens; =false takes it back")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if !said(cmd) {
			return usagef("nothing to change was named")
		}
		if err := f.read(); err != nil {
			return err
		}
		err := p.desk.EditClient(ctx, console(), idp.ClientID(args[0]), func(client *idp.Client) { f.apply(cmd.Flags(), client, false) })
		if err != nil {
			return clientError(err, args[0])
		}
		c.printf("%s changed\n", args[0])
		return nil
	})
	return cmd
}

// clientLine is an application as scripts see it.
type clientLine struct {
	ID             idp.ClientID      `json:"id"`
	Name           string            `json:"name"`
	Kind           idp.ClientKind    `json:"kind"`
	Auth           idp.AuthMethod    `json:"auth"`
	Secrets        int               `json:"secrets"` // how many there are
	JWKS           json.RawMessage   `json:"jwks,omitempty"`
	JWKSURI        string            `json:"jwks_uri,omitempty"`
	RedirectURIs   []string          `json:"redirect_uris"`
	PostLogoutURIs []string          `json:"post_logout_uris,omitempty"`
	LogoutURI      string            `json:"backchannel_logout_uri,omitempty"`
	LogoutSession  bool              `json:"backchannel_logout_session_required,omitempty"`
	Origins        []string          `json:"origins,omitempty"`
	GrantTypes     []string          `json:"grants"`
	Scopes         []string          `json:"scopes"`
	DefaultScopes  []string          `json:"default_scopes,omitempty"`
	Audience       []string          `json:"audience,omitempty"`
	IDTokenAlg     string            `json:"alg"`
	AccessFormat   idp.AccessFormat  `json:"access_format"`
	Match          idp.MatchMode     `json:"match,omitempty"`
	Verify         bool              `json:"verify,omitempty"`
	Admits         []string          `json:"admits,omitempty"` // groups; none: everybody
	Claims         []idp.ClaimRule   `json:"claims,omitempty"`
	SecretUsedAt   *time.Time        `json:"secret_used_at,omitempty"` // the last time, of any
	Deviations     []string          `json:"deviations,omitempty"`     // in English
	RequirePushed  bool              `json:"require_pushed_authorization_requests,omitempty"`
	DPoP           bool              `json:"dpop_bound_access_tokens,omitempty"`
	TLSSubject     idp.CertSubject   `json:"tls_client_auth,omitempty"`
	CertBound      bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	Profile        idp.ClientProfile `json:"profile,omitempty"`
	RequireSigned  bool              `json:"require_signed_request_object,omitempty"`
	RequestAlg     string            `json:"request_object_signing_alg,omitempty"`
	ResponseAlg    string            `json:"authorization_signed_response_alg,omitempty"`
	UserinfoAlg    string            `json:"userinfo_signed_response_alg,omitempty"`
	IntrospectAlg  string            `json:"introspection_signed_response_alg,omitempty"`
	ClaimsInAccess bool              `json:"claims_in_access_token,omitempty"`
	KeepRefresh    bool              `json:"keep_refresh_token,omitempty"`
	Targets        []string          `json:"exchange_targets,omitempty"`
	SubjectType    idp.SubjectType   `json:"subject_type,omitempty"` // none: public
	SectorURI      string            `json:"sector_identifier_uri,omitempty"`
	InitiateURI    string            `json:"initiate_login_uri,omitempty"`
	Consent        bool              `json:"consent"`
	Disabled       bool              `json:"disabled"`
	CreatedAt      time.Time         `json:"created_at"`
}

func clientLineOf(c *idp.Client) clientLine {
	l := clientLine{
		ID: c.ID, Name: c.Name, Kind: c.Kind, Auth: c.Auth, Secrets: len(c.Secrets), JWKS: json.RawMessage(c.JWKS), JWKSURI: c.JWKSURI,
		RedirectURIs: c.RedirectURIs, PostLogoutURIs: c.PostLogoutURIs, LogoutURI: c.LogoutURI, LogoutSession: c.LogoutSession, Origins: c.Origins,
		GrantTypes: c.GrantTypes, Scopes: c.Scopes, DefaultScopes: c.DefaultScopes, Audience: c.Audience, ClaimsInAccess: c.ClaimsInAccess, KeepRefresh: c.KeepRefresh,
		IDTokenAlg: c.IDTokenAlg, AccessFormat: c.AccessFormat,
		Match: c.Match, Verify: c.Verify, Admits: c.Groups, Claims: c.Claims, RequirePushed: c.RequirePushed, DPoP: c.DPoP, TLSSubject: c.TLSSubject, CertBound: c.CertBound, Profile: c.Profile,
		RequireSigned: c.Signing.RequireRequest, RequestAlg: c.Signing.RequestAlg, ResponseAlg: c.Signing.ResponseAlg, UserinfoAlg: c.Signing.UserinfoAlg, IntrospectAlg: c.Signing.IntrospectionAlg, Targets: c.ExchangeTargets, SubjectType: c.SubjectType, SectorURI: c.SectorURI, InitiateURI: c.InitiateURI, Consent: c.Consent, Disabled: c.Disabled, CreatedAt: c.CreatedAt,
	}
	for _, s := range c.Secrets {
		if !s.LastUsedAt.IsZero() && (l.SecretUsedAt == nil || s.LastUsedAt.After(*l.SecretUsedAt)) {
			l.SecretUsedAt = &s.LastUsedAt
		}
	}
	for _, key := range admin.Deviations(c) {
		said, err := words.English().Text(key)
		if err != nil {
			said = key
		}
		l.Deviations = append(l.Deviations, said)
	}
	return l
}

// signing says in a line what the application signs, and has signed.
func (l *clientLine) signing() string {
	var all []string
	if l.RequireSigned {
		all = append(all, "requests demanded")
	}
	for _, of := range []struct{ what, alg string }{
		{"requests", l.RequestAlg}, {"responses", l.ResponseAlg}, {"userinfo", l.UserinfoAlg}, {"introspection", l.IntrospectAlg},
	} {
		if of.alg != "" {
			all = append(all, of.what+" "+of.alg)
		}
	}
	return strings.Join(all, ", ")
}

func (c *cli) clientList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all applications by name",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			clients, err := p.desk.Clients(ctx, console())
			if err != nil {
				return err
			}
			list := make([]clientLine, len(clients))
			rows := [][]string{{"ID", "AUTH", "STATE", "NAME"}}
			for i := range clients {
				l := clientLineOf(&clients[i])
				state := "active"
				if l.Disabled {
					state = "disabled"
				}
				list[i] = l
				rows = append(rows, []string{string(l.ID), string(l.Auth), state, l.Name})
			}
			if asJSON {
				return lines(c.stdout, list)
			}
			return table(c.stdout, rows...)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) clientShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one application",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			clients, err := p.desk.Clients(ctx, console())
			if err != nil {
				return err
			}
			for i := range clients {
				if clients[i].ID != idp.ClientID(args[0]) {
					continue
				}
				l := clientLineOf(&clients[i])
				if asJSON {
					return json.NewEncoder(c.stdout).Encode(l)
				}
				return table(c.stdout,
					[]string{"id", string(l.ID)},
					[]string{"name", l.Name},
					[]string{"kind", string(l.Kind)},
					[]string{"auth", string(l.Auth)},
					[]string{"profile", orNone(string(l.Profile))},
					[]string{"signing", orNone(l.signing())},
					[]string{"secrets", fmt.Sprint(l.Secrets)},
					[]string{"keys", orNone(l.JWKSURI + string(l.JWKS))},
					[]string{"certificate", orNone(string(l.TLSSubject))},
					[]string{"redirect", orNone(strings.Join(l.RedirectURIs, " "))},
					[]string{"post logout", orNone(strings.Join(l.PostLogoutURIs, " "))},
					[]string{"told at", orNone(l.LogoutURI)},
					[]string{"origins", orNone(strings.Join(l.Origins, " "))},
					[]string{"grants", strings.Join(l.GrantTypes, " ")},
					[]string{"subjects", orNone(strings.TrimSpace(string(l.SubjectType) + " " + l.SectorURI))},
					[]string{"opens at", orNone(l.InitiateURI)},
					[]string{"acts at", orNone(strings.Join(l.Targets, " "))},
					[]string{"scopes", strings.Join(l.Scopes, " ")},
					[]string{"default scopes", orNone(strings.Join(l.DefaultScopes, " "))},
					[]string{"match", orNone(string(l.Match))},
					[]string{"verify", fmt.Sprint(l.Verify)},
					[]string{"admits", orNone(strings.Join(l.Admits, ", "))},
					[]string{"deviations", orNone(strings.Join(l.Deviations, ", "))},
					[]string{"disabled", fmt.Sprint(l.Disabled)},
					[]string{"added", clock(l.CreatedAt)},
				)
			}
			return clientError(idp.ErrNotFound, args[0])
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) clientSecret() *cobra.Command {
	var overlap time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "secret ID",
		Short: "Make a new secret; the one before stays good for a while",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			id := idp.ClientID(args[0])
			secret, err := p.desk.NewClientSecret(ctx, console(), id, overlap)
			if err != nil {
				return clientError(err, args[0])
			}
			return c.printCredentials(p, id, secret, asJSON)
		}),
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret before stays good")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (c *cli) clientRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Forget an application and kill its tokens",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			if err := p.desk.RemoveClient(ctx, console(), idp.ClientID(args[0])); err != nil {
				return clientError(err, args[0])
			}
			c.printf("%s removed\n", args[0])
			return nil
		}),
	}
}

// clientError puts an error about the application with an id into words.
func clientError(err error, id string) error {
	if errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("no application has the id %q; \"idp client list\" lists all", id)
	}
	return fieldError(err)
}
