package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates"
)

func appPath(id idp.ClientID) string { return places["admin-applications"] + "/" + string(id) }

// isClientID reports whether s has the form of a client's id.
func isClientID(s string) bool {
	return s != "" && len(s) <= maxID && s != "new" && !strings.ContainsFunc(s, func(r rune) bool {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
		return !ok
	})
}

// application returns the one that a path names. Errors: idp.ErrNotFound.
func (s *Server) application(r *http.Request, p staff) (*idp.Client, error) {
	id := r.PathValue("client")
	if !isClientID(id) {
		return nil, idp.ErrNotFound
	}
	return s.Desk.Client(r.Context(), p.by, idp.ClientID(id))
}

func deskAppOf(c *idp.Client) templates.DeskApp {
	return templates.DeskApp{
		ID: string(c.ID), Name: c.Name, Tile: tileOf(c), Public: c.Public(), Native: c.Kind == idp.ClientNative, Program: !c.Allows(idp.GrantCode), Disabled: c.Disabled,
		Departures: departures(c), AddedAt: c.CreatedAt, Groups: c.Groups,
	}
}

// departureWords say what of a registration is less safe than what is proposed.
var departureWords = map[string]templates.Message{
	"client.departure.admin":   templates.Say("client.departure.admin"),
	"client.departure.pkce":    templates.Say("client.departure.pkce"),
	"client.departure.claims":  templates.Say("client.departure.claims"),
	"client.departure.refresh": templates.Say("client.departure.refresh"),
	"client.departure.grace":   templates.Say("client.departure.grace"),
	"client.departure.post":    templates.Say("client.departure.post"),
	"client.departure.access":  templates.Say("client.departure.access"),
	"client.departure.http":    templates.Say("client.departure.http"),
	"client.departure.tap":     templates.Say("client.departure.tap"),
}

func departures(c *idp.Client) []templates.Message {
	var out []templates.Message
	for _, key := range admin.Departures(c) {
		out = append(out, departureWords[key])
	}
	return out
}

func (s *Server) adminApps(w http.ResponseWriter, r *http.Request, p staff) error {
	all, err := s.Desk.Clients(r.Context(), p.by)
	if err != nil {
		return err
	}
	page := templates.AdminApps{Frame: s.adminFrame(r, p, "applications"), MayEdit: p.may(admin.EditClients)}
	if r.URL.Query().Get("did") == "removed" {
		page.Note = templates.Say("apps.removed.done")
	}
	for i := range all {
		page.Rows = append(page.Rows, deskAppOf(&all[i]))
	}
	return s.render(w, http.StatusOK, page)
}

func (s *Server) adminApp(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	page := templates.AdminApp{
		Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Redirects: c.RedirectURIs, Logouts: c.PostLogoutURIs, Origins: c.Origins, Scopes: c.Scopes,
		Match: matchWords[c.Match], Consent: c.Consent, MayEdit: p.may(admin.EditClients), Issuer: s.Origin,
	}
	if page.Told = c.LogoutURI; page.Told != "" {
		f, err := s.Desk.Logouts(r.Context(), p.by, c.ID)
		if err != nil {
			return err
		}
		page.Logout = logoutLine(c.Name, f)
	}
	if s.Rejected != nil {
		for _, one := range s.Rejected(c.ID) {
			page.Rejected = append(page.Rejected, templates.RejectedLine{
				At: one.At, Why: rejectedWords[one.Reason], Sent: one.Sent, Registered: one.Registered, Reference: one.Reference, Times: one.Times,
			})
		}
	}
	now := s.Now()
	for _, secret := range c.Secrets {
		page.Secrets = append(page.Secrets, templates.DeskSecret{
			MadeAt: secret.CreatedAt, UsedAt: secret.LastUsedAt, EndsAt: secret.ExpiresAt, Ended: !secret.ExpiresAt.IsZero() && !now.Before(secret.ExpiresAt),
		})
	}
	switch r.URL.Query().Get("did") {
	case "edited":
		page.Note = templates.Say("admin.edited.done")
	case "disabled":
		page.Note = templates.Say("apps.disabled.done")
	case "enabled":
		page.Note = templates.Say("apps.enabled.done")
	}
	return s.render(w, http.StatusOK, page)
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
}

// matchWords say how a tap is matched to the browser.
var matchWords = map[idp.MatchMode]templates.Message{
	"":              templates.Say("apps.match.site"),
	idp.MatchAuto:   templates.Say("apps.match.auto"),
	idp.MatchTap:    templates.Say("apps.match.tap"),
	idp.MatchType:   templates.Say("apps.match.type"),
	idp.MatchPick:   templates.Say("apps.match.pick"),
	idp.MatchStrict: templates.Say("apps.match.strict"),
}

func (s *Server) adminNewApp(w http.ResponseWriter, r *http.Request, p staff) error {
	page := templates.AdminNewApp{Frame: s.adminFrame(r, p, "applications")}
	for _, preset := range admin.Presets() {
		page.Presets = append(page.Presets, templates.Field{Name: preset.ID, Value: preset.Name})
	}
	chosen := r.URL.Query().Get("preset")
	if chosen == "" {
		return s.render(w, http.StatusOK, page)
	}
	preset, err := admin.FindPreset(chosen)
	if err != nil {
		return err
	}
	return s.presetForm(w, http.StatusOK, page, preset, nil)
}

// presetWords are the labels of what presets ask for.
var presetWords = map[string]templates.Message{"preset.base": templates.Say("preset.base"), "preset.redirect": templates.Say("preset.redirect")}

func (s *Server) presetForm(w http.ResponseWriter, status int, page templates.AdminNewApp, preset *admin.Preset, typed map[string]string) error {
	page.Chosen = templates.Field{Name: preset.ID, Value: preset.Name}
	for _, f := range preset.Needs {
		page.Needs = append(page.Needs, templates.Need{Name: f.ID, Label: presetWords[f.Label], Example: f.Example, Value: typed[f.ID]})
	}
	if page.Name == "" {
		page.Name = preset.Name
	}
	return s.render(w, status, page)
}

// adminAddApp registers an application and answers the POST with a page: the
// secret is shown this once.
func (s *Server) adminAddApp(w http.ResponseWriter, r *http.Request, p staff) error {
	preset, err := admin.FindPreset(r.PostFormValue("preset"))
	if err != nil {
		return errForm
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
		secret, err = s.Desk.AddClient(r.Context(), p.by, c)
	}
	if err != nil {
		field, problem, ok := s.appProblem(err)
		if !ok {
			return err
		}
		page := templates.AdminNewApp{Frame: s.adminFrame(r, p, "applications"), Name: name, Wrong: field, Problem: problem}
		return s.presetForm(w, http.StatusUnprocessableEntity, page, preset, values)
	}
	page := templates.AdminSecret{Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Secret: secret.Reveal(), New: true, Next: appPath(c.ID)}
	page.Here = "" // coming back does not show it again
	if start, err := s.Desk.Start(r.Context(), p.by); err != nil {
		return err
	} else if start.Open() {
		page.Next = places["admin-start"]
	}
	for _, snippet := range preset.Paste(s.Origin, c, secret, values) {
		page.Paste = append(page.Paste, templates.Field{Name: snippet.File, Value: snippet.Text})
	}
	return s.render(w, http.StatusOK, page)
}

// appProblem is fieldProblem for what is typed about an application.
func (s *Server) appProblem(err error) (field string, problem templates.Message, ok bool) {
	field, problem, ok = s.fieldProblem(err)
	if !ok {
		return "", problem, false
	}
	switch field {
	case "backchannel_logout_uri":
		problem = templates.Say("apps.wrong.told")
	case "redirect_uris", "post_logout_redirect_uris", "redirect", "base":
		problem = templates.Say("apps.wrong.address")
	case "origins":
		problem = templates.Say("apps.wrong.origin")
	case "scopes":
		problem = templates.Say("apps.wrong.scope")
	case "access_ttl", "refresh_idle":
		problem = templates.Say("apps.wrong.ttl")
	case "refresh_grace":
		problem = templates.Say("apps.wrong.grace")
	case "grant_types":
		problem = templates.Say("apps.wrong.grants")
	case "audience":
		problem = templates.Say("apps.wrong.scope")
	case "pkce":
		problem = templates.Say("apps.wrong.pkce")
	case "client_name":
	case "groups":
		problem = templates.Say("apps.wrong.groups")
	}
	return field, problem, true
}

func (s *Server) appForm(r *http.Request, p staff, c *idp.Client) templates.AdminAppForm {
	page := templates.AdminAppForm{
		Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Redirects: strings.Join(c.RedirectURIs, "\n"), Logouts: strings.Join(c.PostLogoutURIs, "\n"),
		Told: c.LogoutURI, ToldSession: c.LogoutSession,
		Origins: strings.Join(c.Origins, "\n"), Scopes: strings.Join(c.Scopes, " "), Groups: strings.Join(c.Groups, "\n"), Match: string(c.Match),
		Consent: c.Consent, OptionalPKCE: c.OptionalPKCE, ClaimsInID: c.ClaimsInID, RefreshAlways: c.RefreshAlways,
	}
	page.Code, page.Refresh, page.Credentials = c.Allows(idp.GrantCode), c.Allows(idp.GrantRefresh), c.Allows(idp.GrantClientCredentials)
	page.JWT, page.Post, page.Alg, page.Audience = c.AccessFormat == idp.AccessJWT, c.Auth == idp.AuthPost, c.IDTokenAlg, strings.Join(c.Audience, "\n")
	page.Algs = admin.IDTokenAlgs
	page.AccessTTL, page.RefreshIdle, page.RefreshGrace = span(c.AccessTTL), span(c.RefreshIdle), span(c.RefreshGrace)
	page.Matches = append(page.Matches, templates.Choice{Label: matchWords[""]})
	for _, m := range idp.MatchModes {
		page.Matches = append(page.Matches, templates.Choice{Value: string(m), Label: matchWords[m]})
	}
	return page
}

// span is a length of time as it is typed: 15m, 1h30m; nothing for none.
func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
	return strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
}

// readSpan reads one; what is none is out of all bounds, so that it is refused
// where the others are.
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

// readAdvanced reads what of the form stands under Advanced, if it was sent.
func readAdvanced(r *http.Request, c *idp.Client) {
	if _, sent := r.PostForm["access_format"]; !sent {
		return
	}
	c.GrantTypes = nil
	for _, g := range []struct{ field, grant string }{
		{"grant_code", idp.GrantCode}, {"grant_refresh", idp.GrantRefresh}, {"grant_credentials", idp.GrantClientCredentials},
	} {
		if r.PostFormValue(g.field) == "1" {
			c.GrantTypes = append(c.GrantTypes, g.grant)
		}
	}
	if c.Auth == idp.AuthBasic || c.Auth == idp.AuthPost {
		c.Auth = idp.AuthBasic
		if r.PostFormValue("post") == "1" {
			c.Auth = idp.AuthPost
		}
	}
	c.AccessFormat, c.IDTokenAlg = idp.AccessFormat(r.PostFormValue("access_format")), r.PostFormValue("id_token_alg")
	c.AccessTTL, c.RefreshIdle, c.RefreshGrace = readSpan(r, "access_ttl"), readSpan(r, "refresh_idle"), readSpan(r, "refresh_grace")
	c.Audience = strings.Fields(r.PostFormValue("audience"))
}

func readApp(r *http.Request, c *idp.Client) {
	readAdvanced(r, c)
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
	c.Consent, c.OptionalPKCE, c.ClaimsInID, c.RefreshAlways = ticked("consent"), ticked("optional_pkce"), ticked("claims_in_id"), ticked("refresh_always")
}

func (s *Server) adminEditApp(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, s.appForm(r, p, c))
}

func (s *Server) adminEditAppSubmit(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	err = s.Desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { readApp(r, c) })
	if err == nil {
		return seeOther(w, r, appPath(c.ID)+"?did=edited")
	}
	field, problem, ok := s.appProblem(err)
	if !ok {
		return err
	}
	readApp(r, c)
	page := s.appForm(r, p, c)
	page.Wrong, page.Problem = field, problem
	if _, sent := r.PostForm["access_format"]; sent {
		page.AccessTTL, page.RefreshIdle, page.RefreshGrace = r.PostFormValue("access_ttl"), r.PostFormValue("refresh_idle"), r.PostFormValue("refresh_grace")
	}
	page.Advanced = slices.Contains([]string{"grant_types", "access_ttl", "refresh_idle", "refresh_grace", "audience", "access_format", "id_token_alg"}, field)
	return s.render(w, http.StatusUnprocessableEntity, page)
}

// overlap is how long the secret of before stays good beside a new one.
const overlap = 24 * time.Hour

// appAct is something that is done to one application: what is asked before.
type appAct struct {
	title, text, yes string // message keys; the title names the application
	danger           bool
}

var (
	secretAct  = appAct{title: "apps.secret.title", text: "apps.secret.lead", yes: "apps.secret.yes"}
	disableAct = appAct{title: "apps.disable.title", text: "apps.disable.lead", yes: "apps.disable.yes", danger: true}
	enableAct  = appAct{title: "apps.enable.title", text: "apps.enable.lead", yes: "apps.enable.yes"}
	removeAct  = appAct{title: "apps.remove.title", text: "apps.remove.lead", yes: "apps.remove.yes", danger: true}
)

func (s *Server) askApp(a appAct) func(http.ResponseWriter, *http.Request, staff) error {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		c, err := s.application(r, p)
		if err != nil {
			return err
		}
		return s.render(w, http.StatusOK, templates.Ask{
			Frame: s.adminFrame(r, p, "applications"), Title: templates.Say(a.title, "Name", c.Name), Text: templates.Say(a.text), Yes: templates.Say(a.yes),
			Danger: a.danger, Action: r.URL.EscapedPath(), Back: appPath(c.ID),
		})
	}
}

func (s *Server) adminNewSecret(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	secret, err := s.Desk.NewClientSecret(r.Context(), p.by, c.ID, overlap)
	if errors.Is(err, idp.ErrInvalid) {
		return idp.ErrNotFound // it has none, and no page offers one
	}
	if err != nil {
		return err
	}
	page := templates.AdminSecret{Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Secret: secret.Reveal(), Next: appPath(c.ID)}
	page.Here = ""
	return s.render(w, http.StatusOK, page)
}

// switchApp lets an application in, or no longer.
func (s *Server) switchApp(off bool, did string) func(http.ResponseWriter, *http.Request, staff) error {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		c, err := s.application(r, p)
		if err != nil {
			return err
		}
		if err := s.Desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { c.Disabled = off }); err != nil {
			return err
		}
		return seeOther(w, r, appPath(c.ID)+"?did="+did)
	}
}

func (s *Server) adminRemoveApp(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	if err := s.Desk.RemoveClient(r.Context(), p.by, c.ID); err != nil {
		return err
	}
	return seeOther(w, r, places["admin-applications"]+"?did=removed")
}
