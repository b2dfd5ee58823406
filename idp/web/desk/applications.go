package desk

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/jwks"
	"hilum/idp/web/page"
	"hilum/templates"
)

// applications is the relying parties and what they are told.
type applications struct {
	room
	desk interface {
		Clients
		Claims
		People
		Starts
	}
	rejected func(idp.ClientID) []idp.Rejection // nil: nothing is kept
	realm    string                             // for what is pasted
}

func appPath(id idp.ClientID) string { return appsPath + "/" + string(id) }

// application returns the client that a path names. Errors: idp.ErrNotFound.
func application(r *http.Request, p staff, desk Clients) (*idp.Client, error) {
	id := r.PathValue("client")
	if !page.IsClientID(id) {
		return nil, idp.ErrNotFound
	}
	return desk.Client(r.Context(), p.by, idp.ClientID(id))
}

func deskAppOf(c *idp.Client) templates.DeskApp {
	return templates.DeskApp{
		ID: string(c.ID), Name: c.Name, Tile: page.TileOf(c), Public: c.Public(), Secret: c.HasSecret(), Native: c.Kind == idp.ClientNative, Program: !c.SignsIn(), Disabled: c.Disabled,
		Deviations: deviations(c), AddedAt: c.CreatedAt, Groups: c.Groups,
	}
}

// deviationWords say what of a registration is less safe than what is proposed, by the
// keys of admin.Deviations.
var deviationWords = map[string]templates.Message{
	"client.deviation.admin":   templates.Say("client.deviation.admin"),
	"client.deviation.pkce":    templates.Say("client.deviation.pkce"),
	"client.deviation.claims":  templates.Say("client.deviation.claims"),
	"client.deviation.refresh": templates.Say("client.deviation.refresh"),
	"client.deviation.grace":   templates.Say("client.deviation.grace"),
	"client.deviation.keep":    templates.Say("client.deviation.keep"),
	"client.deviation.post":    templates.Say("client.deviation.post"),
	"client.deviation.access":  templates.Say("client.deviation.access"),
	"client.deviation.http":    templates.Say("client.deviation.http"),
	"client.deviation.tap":     templates.Say("client.deviation.tap"),
	"client.deviation.ciba":    templates.Say("client.deviation.ciba"),
}

func deviations(c *idp.Client) []templates.Message {
	var out []templates.Message
	for _, key := range admin.Deviations(c) {
		out = append(out, deviationWords[key])
	}
	return out
}

func (s *applications) list(w http.ResponseWriter, r *http.Request, p staff) error {
	all, err := s.desk.Clients(r.Context(), p.by)
	if err != nil {
		return err
	}
	view := templates.AdminApps{Frame: s.frame(r, p, "applications"), MayEdit: p.may(admin.EditClients)}
	if r.URL.Query().Get("did") == "removed" {
		view.Note = templates.Say("apps.removed.done")
	}
	for i := range all {
		view.Rows = append(view.Rows, deskAppOf(&all[i]))
	}
	return s.door.Render(w, http.StatusOK, view)
}

// one shows one application: its registration, its secrets, and which of its requests were
// refused lately.
func (s *applications) one(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	view := templates.AdminApp{
		Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Redirects: c.RedirectURIs, Logouts: c.PostLogoutURIs, Origins: c.Origins, Scopes: c.Scopes,
		Match: matchWords[c.Match], Verify: c.Verify, Consent: c.Consent, Keycloak: c.Keycloak(), FAPI2: c.FAPI2(), SignsMessages: c.SignsMessages(), Signed: c.Signing.RequireRequest, Pushed: c.RequirePushed, DPoP: c.DPoP, CertBound: c.CertBound, TLSSubject: string(c.TLSSubject), MayEdit: p.may(admin.EditClients), Issuer: s.door.Origin(),
	}
	if view.Told = c.LogoutURI; view.Told != "" {
		f, err := s.desk.Logouts(r.Context(), p.by, c.ID)
		if err != nil {
			return err
		}
		view.Logout = logoutLine(c.Name, f)
	}
	if s.rejected != nil {
		for _, one := range s.rejected(c.ID) {
			view.Rejected = append(view.Rejected, templates.RejectedLine{
				At: one.At, Why: rejectedWords[one.Reason], Sent: one.Sent, Registered: one.Registered, Reference: one.Reference, Times: one.Times,
			})
		}
	}
	view.Keys, view.Targets = keyNames(c), c.ExchangeTargets
	view.Pairwise, view.InitiateURI = c.SubjectType == idp.SubjectPairwise, c.InitiateURI
	now := s.door.Now()
	for _, secret := range c.Secrets {
		view.Secrets = append(view.Secrets, templates.DeskSecret{
			MadeAt: secret.CreatedAt, UsedAt: secret.LastUsedAt, EndsAt: secret.ExpiresAt, Ended: !secret.ExpiresAt.IsZero() && !now.Before(secret.ExpiresAt),
		})
	}
	switch r.URL.Query().Get("did") {
	case "edited":
		view.Note = templates.Say("admin.edited.done")
	case "disabled":
		view.Note = templates.Say("apps.disabled.done")
	case "enabled":
		view.Note = templates.Say("apps.enabled.done")
	}
	return s.door.Render(w, http.StatusOK, view)
}

// keyNames are the ids of an application's public keys, each with its kind, or the address
// where it publishes them.
func keyNames(c *idp.Client) []string {
	if c.JWKSURI != "" {
		return []string{c.JWKSURI}
	}
	set, err := jwks.Parse([]byte(c.JWKS))
	if err != nil {
		return nil // it has none
	}
	names := make([]string, len(set))
	for i := range set {
		for _, alg := range jwks.Algs {
			if jwks.Fits(&set[i], alg) {
				names[i] = strings.TrimSpace(alg + " " + set[i].KeyID)
				break
			}
		}
	}
	return names
}

// authWords say how an application proves itself, one that can.
var authWords = []templates.Choice{
	{Value: string(idp.AuthBasic), Label: templates.Say("apps.auth.basic")},
	{Value: string(idp.AuthPost), Label: templates.Say("client.deviation.post")},
	{Value: string(idp.AuthPrivateKey), Label: templates.Say("apps.auth.key")},
	{Value: string(idp.AuthTLS), Label: templates.Say("apps.auth.tls")},
	{Value: string(idp.AuthSelfSigned), Label: templates.Say("apps.auth.selfsigned")},
}

// subjectWords say what an application is told of who people are.
var subjectWords = []templates.Choice{
	{Label: templates.Say("apps.subject.public")},
	{Value: string(idp.SubjectPairwise), Label: templates.Say("apps.subject.pairwise")},
}

// profileWords are the profiles that an application can be held to.
var profileWords = []templates.Choice{
	{Label: templates.Say("apps.profile.none")},
	{Value: string(idp.ProfileFAPI2), Label: templates.Say("apps.profile.fapi2")},
	{Value: string(idp.ProfileFAPI2Signing), Label: templates.Say("apps.profile.fapi2signing")},
	{Value: string(idp.ProfileKeycloak), Label: templates.Say("apps.profile.keycloak")},
}

// signingFields are the fields of a registration that choose an algorithm, under the
// registered name of each, with what none chosen means.
var signingFields = []struct {
	name        string
	label, none templates.Message
	own         bool // it is signed by the application
	alg         func(*idp.Client) *string
}{
	{"request_object_signing_alg", templates.Say("apps.signing.request"), templates.Say("apps.signing.any"), true, func(c *idp.Client) *string { return &c.Signing.RequestAlg }},
	{"authorization_signed_response_alg", templates.Say("apps.signing.response"), templates.Say("apps.signing.usual"), false, func(c *idp.Client) *string { return &c.Signing.ResponseAlg }},
	{"introspection_signed_response_alg", templates.Say("apps.signing.introspection"), templates.Say("apps.signing.usual"), false, func(c *idp.Client) *string { return &c.Signing.IntrospectionAlg }},
	{"userinfo_signed_response_alg", templates.Say("apps.signing.userinfo"), templates.Say("apps.signing.never"), false, func(c *idp.Client) *string { return &c.Signing.UserinfoAlg }},
}

// rejectedWords say why a request of an application was refused.
var rejectedWords = map[idp.RejectionReason]templates.Message{
	idp.RejectedAddress:         templates.Say("apps.refused.address"),
	idp.RejectedSignOutAddress:  templates.Say("apps.refused.logout"),
	idp.RejectedMethod:          templates.Say("apps.refused.method"),
	idp.RejectedSecret:          templates.Say("apps.refused.secret"),
	idp.RejectedOldSecret:       templates.Say("apps.refused.secret_expired"),
	idp.RejectedDisabled:        templates.Say("apps.refused.disabled"),
	idp.RejectedUnknown:         templates.Say("apps.refused.client"),
	idp.RejectedCredentials:     templates.Say("apps.refused.credentials"),
	idp.RejectedPublic:          templates.Say("apps.refused.public"),
	idp.RejectedGrantType:       templates.Say("apps.refused.grant_type"),
	idp.RejectedToken:           templates.Say("apps.refused.token"),
	idp.RejectedForeign:         templates.Say("apps.refused.token_foreign"),
	idp.RejectedUsed:            templates.Say("apps.refused.token_used"),
	idp.RejectedExpired:         templates.Say("apps.refused.token_expired"),
	idp.RejectedRedirect:        templates.Say("apps.refused.redirect_uri"),
	idp.RejectedVerifier:        templates.Say("apps.refused.verifier"),
	idp.RejectedNoVerifier:      templates.Say("apps.refused.verifier_missing"),
	idp.RejectedVerifierUnasked: templates.Say("apps.refused.verifier_unasked"),
	idp.RejectedScope:           templates.Say("apps.refused.scope"),
	idp.RejectedForm:            templates.Say("apps.refused.form"),
	idp.RejectedBackchannel:     templates.Say("apps.refused.ciba"),
	idp.RejectedPoll:            templates.Say("apps.refused.poll"),
	idp.RejectedPushed:          templates.Say("apps.refused.par"),
	idp.RejectedNoCertificate:   templates.Say("apps.refused.certificate_missing"),
	idp.RejectedCertificate:     templates.Say("apps.refused.certificate"),
	idp.RejectedAlg:             templates.Say("apps.refused.alg"),
	idp.RejectedNotPushed:       templates.Say("apps.refused.par_missing"),
	idp.RejectedRequestObject:   templates.Say("apps.refused.request_object"),
	idp.RejectedNotSigned:       templates.Say("apps.refused.request_unsigned"),
	idp.RejectedRequestURI:      templates.Say("apps.refused.request_uri"),
	idp.RejectedProof:           templates.Say("apps.refused.dpop"),
	idp.RejectedNoProof:         templates.Say("apps.refused.dpop_missing"),
	idp.RejectedKey:             templates.Say("apps.refused.dpop_key"),
	idp.RejectedNonce:           templates.Say("apps.refused.dpop_nonce"),
	idp.RejectedAssertion:       templates.Say("apps.refused.assertion"),
	idp.RejectedAssertionUsed:   templates.Say("apps.refused.assertion_used"),
	idp.RejectedKeys:            templates.Say("apps.refused.jwks"),
	idp.RejectedExchange:        templates.Say("apps.refused.exchange"),
	idp.RejectedTarget:          templates.Say("apps.refused.target"),
	idp.RejectedIssuer:          templates.Say("apps.refused.issuer"),
	idp.RejectedRegistration:    templates.Say("apps.refused.registration"),
}

// matchWords say how an approval on a phone is matched to the browser that asks.
var matchWords = map[idp.MatchMode]templates.Message{
	"":              templates.Say("apps.match.site"),
	idp.MatchAuto:   templates.Say("apps.match.auto"),
	idp.MatchTap:    templates.Say("apps.match.tap"),
	idp.MatchType:   templates.Say("apps.match.type"),
	idp.MatchPick:   templates.Say("apps.match.pick"),
	idp.MatchStrict: templates.Say("apps.match.strict"),
}

func (s *applications) newPage(w http.ResponseWriter, r *http.Request, p staff) error {
	view := templates.AdminNewApp{Frame: s.frame(r, p, "applications")}
	for _, preset := range admin.Presets() {
		view.Presets = append(view.Presets, templates.Field{Name: preset.ID, Value: preset.Name})
	}
	chosen := r.URL.Query().Get("preset")
	if chosen == "" {
		return s.door.Render(w, http.StatusOK, view)
	}
	preset, err := admin.FindPreset(chosen)
	if err != nil {
		return err
	}
	return s.presetForm(w, http.StatusOK, view, preset, nil)
}

// presetWords are the labels of what presets ask for, by admin.PresetField.Label.
var presetWords = map[string]templates.Message{"preset.base": templates.Say("preset.base"), "preset.archive": templates.Say("preset.archive"), "preset.redirect": templates.Say("preset.redirect")}

// presetForm shows what a preset asks for before it registers an application, with what was
// typed so far, by the id of the field.
func (s *applications) presetForm(w http.ResponseWriter, status int, view templates.AdminNewApp, preset *admin.Preset, typed map[string]string) error {
	view.Chosen = templates.Field{Name: preset.ID, Value: preset.Name}
	for _, f := range preset.Needs {
		view.Needs = append(view.Needs, templates.Need{Name: f.ID, Label: presetWords[f.Label], Example: f.Example, Optional: f.Optional, Value: typed[f.ID]})
	}
	if view.Name == "" && preset.ID != "own" { // the name of a product, in every language
		view.Name = preset.Name
	}
	return s.door.Render(w, status, view)
}

// add registers an application and answers the POST with a page: the
// secret is shown this once.
func (s *applications) add(w http.ResponseWriter, r *http.Request, p staff) error {
	preset, err := admin.FindPreset(r.PostFormValue("preset"))
	if err != nil {
		return page.ErrForm
	}
	values := map[string]string{}
	for _, f := range preset.Needs {
		values[f.ID] = strings.TrimSpace(r.PostFormValue(f.ID))
		if f.ID == "base" { // a redirect address is compared letter by letter, and left as it was typed
			values[f.ID] = strings.TrimSuffix(values[f.ID], "/")
		}
	}
	name := strings.TrimSpace(r.PostFormValue("client_name"))
	c, err := preset.Fill(values)
	var secret idp.Secret
	if err == nil {
		c.Name = name
		secret, err = s.desk.AddClient(r.Context(), p.by, c)
	}
	if err != nil {
		field, problem, ok := s.appProblem(err)
		if !ok {
			return err
		}
		view := templates.AdminNewApp{Frame: s.frame(r, p, "applications"), Name: name, Wrong: field, Problem: problem}
		return s.presetForm(w, http.StatusUnprocessableEntity, view, preset, values)
	}
	view := templates.AdminSecret{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Secret: secret.Reveal(), New: true, Next: appPath(c.ID)}
	view.Here = "" // coming back does not show it again
	if start, err := s.desk.Start(r.Context(), p.by); err != nil {
		return err
	} else if start.Open() {
		view.Next = startPath
	}
	for _, snippet := range preset.Paste(s.door.Origin(), s.realm, c, secret, values) {
		view.Paste = append(view.Paste, templates.Field{Name: snippet.File, Value: snippet.Text})
	}
	return s.door.Render(w, http.StatusOK, view)
}

// appSentences are what the forms of an application say in place of sentences that speak of
// settings by the names which a command or a program gives them, by message key.
var appSentences = map[string]string{
	"client.redirect.bad":     "apps.wrong.address",
	"client.redirect.missing": "apps.wrong.address",
	"preset.address":          "apps.wrong.address",
	"client.ttl.bad":          "apps.wrong.ttl",
	"client.grants.missing":   "apps.wrong.grants",
	"client.grants.unknown":   "apps.wrong.grants",
	"client.grants.refresh":   "apps.wrong.grants",
	"client.grants.public":    "apps.wrong.grants",
}

// appProblem is page.Door.FieldProblem for what is typed about an application.
func (s *applications) appProblem(err error) (field string, problem templates.Message, ok bool) {
	field, problem, ok = s.door.FieldProblem(err)
	if !ok {
		return "", problem, false
	}
	key, other := appSentences[problem.Key]
	switch {
	case field == "backchannel_logout_uri" && problem.Key == "client.redirect.bad":
		problem = templates.Say("apps.wrong.told")
	case other:
		problem = templates.Say(key)
	}
	return field, problem, true
}

// appForm is the form of a registration as it is in c.
func (s *applications) appForm(r *http.Request, p staff, c *idp.Client) templates.AdminAppForm {
	view := templates.AdminAppForm{
		Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Redirects: strings.Join(c.RedirectURIs, "\n"), Logouts: strings.Join(c.PostLogoutURIs, "\n"),
		Told: c.LogoutURI, ToldSession: c.LogoutSession,
		Origins: strings.Join(c.Origins, "\n"), Scopes: strings.Join(c.Scopes, " "), Groups: strings.Join(c.Groups, "\n"), Match: string(c.Match),
		Verify: c.Verify, Consent: c.Consent, OptionalPKCE: c.OptionalPKCE, ClaimsInID: c.ClaimsInID, RefreshAlways: c.RefreshAlways,
	}
	view.Device, view.CIBA = c.Allows(idp.GrantDevice), c.Allows(idp.GrantCIBA)
	view.Code, view.Refresh, view.Credentials = c.Allows(idp.GrantCode), c.Allows(idp.GrantRefresh), c.Allows(idp.GrantClientCredentials)
	view.JWT, view.Alg, view.Audience = c.AccessFormat == idp.AccessJWT, c.IDTokenAlg, strings.Join(c.Audience, "\n")
	view.RequirePushed, view.DPoP = c.RequirePushed, c.DPoP
	view.RequireSigned = c.Signing.RequireRequest
	for _, f := range signingFields {
		if f.own && c.Public() { // the form has no keys of one
			continue
		}
		choice := templates.AlgChoice{Name: f.name, Label: f.label, None: f.none, Alg: *f.alg(c)}
		view.Signing = append(view.Signing, choice)
	}
	view.TLSSubject, view.CertBound = string(c.TLSSubject), c.CertBound
	view.Defaults, view.ClaimsInAccess, view.KeepRefresh = strings.Join(c.DefaultScopes, " "), c.ClaimsInAccess, c.KeepRefresh
	view.SubjectTypes, view.SubjectType, view.SectorURI = subjectWords, string(c.SubjectType), c.SectorURI
	view.InitiateURI = c.InitiateURI
	view.Exchange, view.Targets = c.Allows(idp.GrantExchange), strings.Join(c.ExchangeTargets, "\n")
	view.Profile, view.Profiles = string(c.Profile), profileWords
	view.Auth, view.Auths, view.JWKS, view.JWKSURI = string(c.Auth), authWords, c.JWKS, c.JWKSURI
	if view.Algs = s.desk.Algs(); view.Alg != "" && !slices.Contains(view.Algs, view.Alg) {
		view.Algs = append(view.Algs, view.Alg) // its key was taken away; the form does not change that unasked
	}
	view.AccessTTL, view.RefreshIdle, view.RefreshGrace = span(c.AccessTTL), span(c.RefreshIdle), span(c.RefreshGrace)
	view.Matches = append(view.Matches, templates.Choice{Label: matchWords[""]})
	for _, m := range idp.MatchModes {
		view.Matches = append(view.Matches, templates.Choice{Value: string(m), Label: matchWords[m]})
	}
	return view
}

// span is a length of time as it is typed: 15m, 1h30m; empty for zero.
func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// readSpan reads a length of time, zero where the field is empty. What cannot be read is
// negative, out of all bounds, so that the verb refuses it like any other.
func readSpan(r *http.Request, name string) time.Duration {
	typed := strings.ReplaceAll(r.PostFormValue(name), " ", "")
	if typed == "" {
		return 0
	}
	d, err := time.ParseDuration(typed)
	if err != nil {
		return -1
	}
	return d
}

// advancedPart is the value of part in the address of a registration's form by which what
// few applications need is shown in place of the rest.
const advancedPart = "advanced"

// readAdvanced reads into c the advanced part of the form, if that was sent.
func readAdvanced(r *http.Request, c *idp.Client) {
	if _, sent := r.PostForm["access_format"]; !sent {
		return
	}
	c.GrantTypes = nil
	for _, g := range []struct{ field, grant string }{
		{"grant_code", idp.GrantCode}, {"grant_refresh", idp.GrantRefresh}, {"grant_credentials", idp.GrantClientCredentials}, {"grant_device", idp.GrantDevice}, {"grant_ciba", idp.GrantCIBA},
		{"grant_exchange", idp.GrantExchange},
	} {
		if r.PostFormValue(g.field) == "1" {
			c.GrantTypes = append(c.GrantTypes, g.grant)
		}
	}
	c.RequirePushed, c.DPoP = r.PostFormValue("require_pushed") == "1", r.PostFormValue("dpop") == "1"
	c.CertBound = r.PostFormValue("tls_client_certificate_bound_access_tokens") == "1"
	c.Profile = idp.ClientProfile(r.PostFormValue("profile"))
	if auth := r.PostFormValue("auth"); auth != "" && !c.Public() {
		c.Auth = idp.AuthMethod(auth)
		c.JWKS, c.JWKSURI = strings.TrimSpace(r.PostFormValue("jwks")), strings.TrimSpace(r.PostFormValue("jwks_uri"))
		c.Signing.RequireRequest = r.PostFormValue("require_signed_request_object") == "1"
	}
	for _, f := range signingFields {
		if !f.own || !c.Public() {
			*f.alg(c) = r.PostFormValue(f.name)
		}
	}
	c.TLSSubject = idp.CertSubject(strings.TrimSpace(r.PostFormValue("tls_client_auth")))
	c.AccessFormat, c.IDTokenAlg = idp.AccessFormat(r.PostFormValue("access_format")), r.PostFormValue("id_token_alg")
	c.AccessTTL, c.RefreshIdle, c.RefreshGrace = readSpan(r, "access_ttl"), readSpan(r, "refresh_idle"), readSpan(r, "refresh_grace")
	c.Audience, c.DefaultScopes = strings.Fields(r.PostFormValue("audience")), strings.Fields(r.PostFormValue("default_scopes"))
	c.ClaimsInAccess, c.KeepRefresh = r.PostFormValue("claims_in_access") == "1", r.PostFormValue("keep_refresh") == "1" && !c.Public()
	c.SubjectType, c.SectorURI = idp.SubjectType(r.PostFormValue("subject_type")), strings.TrimSpace(r.PostFormValue("sector_identifier_uri"))
	c.ChangeSubject = r.PostFormValue("change_subjects") == "1"
	c.ExchangeTargets = strings.Fields(r.PostFormValue("exchange_targets"))
}

// readApp reads the form of a registration into c, one part or both.
func readApp(r *http.Request, c *idp.Client) {
	readAdvanced(r, c)
	if _, sent := r.PostForm["client_name"]; !sent {
		return
	}
	lines := func(name string) []string {
		list := strings.FieldsFunc(r.PostFormValue(name), func(r rune) bool { return r == '\n' || r == '\r' })
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		return slices.DeleteFunc(list, func(l string) bool { return l == "" })
	}
	ticked := func(name string) bool { return r.PostFormValue(name) == "1" }
	c.Name = strings.TrimSpace(r.PostFormValue("client_name"))
	c.RedirectURIs, c.PostLogoutURIs, c.Origins, c.Groups = lines("redirect_uris"), lines("post_logout_redirect_uris"), lines("origins"), lines("groups")
	c.LogoutURI, c.LogoutSession = strings.TrimSpace(r.PostFormValue("backchannel_logout_uri")), ticked("backchannel_logout_session_required")
	c.Scopes, c.Match = strings.Fields(r.PostFormValue("scopes")), idp.MatchMode(r.PostFormValue("match"))
	c.Verify = ticked("verify")
	c.InitiateURI = strings.TrimSpace(r.PostFormValue("initiate_login_uri"))
	c.Consent, c.OptionalPKCE, c.ClaimsInID, c.RefreshAlways = ticked("consent"), ticked("optional_pkce"), ticked("claims_in_id"), ticked("refresh_always")
}

func (s *applications) editPage(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	view := s.appForm(r, p, c)
	view.Advanced = r.URL.Query().Get("part") == advancedPart
	return s.door.Render(w, http.StatusOK, view)
}

func (s *applications) edit(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	err = s.desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { readApp(r, c) })
	if err == nil {
		return page.SeeOther(w, r, appPath(c.ID)+"?did=edited")
	}
	field, problem, ok := s.appProblem(err)
	if !ok {
		return err
	}
	readApp(r, c)
	view := s.appForm(r, p, c)
	view.Wrong, view.Problem = field, problem
	if _, sent := r.PostForm["access_format"]; sent {
		view.AccessTTL, view.RefreshIdle, view.RefreshGrace = r.PostFormValue("access_ttl"), r.PostFormValue("refresh_idle"), r.PostFormValue("refresh_grace")
	}
	_, usual := r.PostForm["client_name"]
	view.Advanced = !usual
	return s.door.Render(w, http.StatusUnprocessableEntity, view)
}

// overlap is how long the client secret of before stays good beside a new one.
const overlap = 24 * time.Hour

// appAct is what is asked before something is done to one application.
type appAct struct {
	title, text, yes string // message keys; the title names the application, yes is on the button
	danger           bool   // the button warns
}

var (
	secretAct  = appAct{title: "apps.secret.title", text: "apps.secret.lead", yes: "apps.secret.yes"}
	disableAct = appAct{title: "apps.disable.title", text: "apps.disable.lead", yes: "apps.disable.yes", danger: true}
	enableAct  = appAct{title: "apps.enable.title", text: "apps.enable.lead", yes: "apps.enable.yes"}
	removeAct  = appAct{title: "apps.remove.title", text: "apps.remove.lead", yes: "apps.remove.yes", danger: true}
)

func (s *applications) askApp(a appAct) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		c, err := application(r, p, s.desk)
		if err != nil {
			return err
		}
		return s.door.Render(w, http.StatusOK, templates.Ask{
			Frame: s.frame(r, p, "applications"), Title: templates.Say(a.title, "Name", c.Name), Text: templates.Say(a.text), Yes: templates.Say(a.yes),
			Danger: a.danger, Action: r.URL.EscapedPath(), Back: appPath(c.ID),
		})
	}
}

func (s *applications) newSecret(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	secret, err := s.desk.NewClientSecret(r.Context(), p.by, c.ID, overlap)
	if errors.Is(err, idp.ErrInvalid) {
		return idp.ErrNotFound // a public client has no secret, and no page offers it one
	}
	if err != nil {
		return err
	}
	view := templates.AdminSecret{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Secret: secret.Reveal(), Next: appPath(c.ID)}
	view.Here = ""
	return s.door.Render(w, http.StatusOK, view)
}

// switchApp disables an application, or enables it again; did is the value of the parameter
// by which its page (one) says so.
func (s *applications) switchApp(off bool, did string) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		c, err := application(r, p, s.desk)
		if err != nil {
			return err
		}
		if err := s.desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { c.Disabled = off }); err != nil {
			return err
		}
		return page.SeeOther(w, r, appPath(c.ID)+"?did="+did)
	}
}

func (s *applications) remove(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	if err := s.desk.RemoveClient(r.Context(), p.by, c.ID); err != nil {
		return err
	}
	return page.SeeOther(w, r, appsPath+"?did=removed")
}

func (s *applications) iconPage(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, templates.AdminIcon{Frame: s.frame(r, p, "applications"), App: deskAppOf(c)})
}

// icon gives an application its icon, or takes it away. The form names the application: how
// many bytes may be sent is decided by the whole path (page.Door.Bodies), before it is
// known what a part of it names.
func (s *applications) icon(w http.ResponseWriter, r *http.Request, p staff) error {
	id := r.PostForm.Get("client")
	if !page.IsClientID(id) {
		return page.ErrForm
	}
	c, err := s.desk.Client(r.Context(), p.by, idp.ClientID(id))
	if err != nil {
		return err
	}
	raw := []byte(r.PostForm.Get("icon"))
	if r.PostForm.Get("do") == "without" {
		raw = nil
	} else if len(raw) == 0 {
		err = &idp.FieldError{Field: "icon", Message: "picture.missing"}
	}
	if err == nil {
		err = s.desk.SetIcon(r.Context(), p.by, c.ID, raw)
	}
	if err == nil {
		return page.SeeOther(w, r, appPath(c.ID)+"?did=edited")
	}
	view := templates.AdminIcon{Frame: s.frame(r, p, "applications"), App: deskAppOf(c)}
	var ok bool
	if _, view.Problem, ok = s.door.FieldProblem(err); !ok {
		return err
	}
	return s.door.Render(w, http.StatusUnprocessableEntity, view)
}
