package desk

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
	"hilum/idp/text"
	"hilum/idp/web/page"
	"hilum/templates"
)

// settings is the settings that are in force, and how the site presents itself.
type settings struct {
	room
	desk Settings
}

// settingRow says what a setting is, and how its value is told.
type settingRow struct {
	key   string // idp.Setting.Key
	label templates.Message
	told  telling
}

// telling is how a value is put into words.
type telling int

const (
	asText         telling = iota
	asSpan                 // a duration
	asCount                // a number
	asMatch                // an idp.MatchMode
	asVerify               // optional or required
	asCores                // a number; 0: as many as the machine has cores
	asLimit                // a number; 0: no limit
	asName                 // a text; empty: made of others
	asRegistration         // off or token
	asChosen               // a number; 0: chosen by the provider
	asSwitch               // true or false
)

// settingTable is every setting but those of the site, by what it is about. A
// test finds a setting of the configuration that is missing.
var settingTable = []struct {
	id    string
	title templates.Message
	rows  []settingRow
}{
	{"sessions", templates.Say("settings.group.sessions"), []settingRow{
		{"sessions.idle", templates.Say("setting.sessions.idle"), asSpan},
		{"sessions.absolute", templates.Say("setting.sessions.absolute"), asSpan},
		{"tokens.access", templates.Say("setting.tokens.access"), asSpan},
		{"tokens.refresh_idle", templates.Say("setting.tokens.refresh_idle"), asSpan},
		{"clients.registration", templates.Say("setting.clients.registration"), asRegistration},
		{"clients.realm", templates.Say("setting.clients.realm"), asText},
		{"fixed.login", templates.Say("setting.fixed.login"), asSpan},
		{"fixed.code", templates.Say("setting.fixed.code"), asSpan},
		{"fixed.stepup", templates.Say("setting.fixed.stepup"), asSpan},
		{"fixed.known", templates.Say("setting.fixed.known"), asSpan},
	}},
	{"phones", templates.Say("settings.group.phones"), []settingRow{
		{"fixed.devices", templates.Say("setting.fixed.devices"), asCount},
		{"push.match", templates.Say("setting.push.match"), asMatch},
		{"push.verify", templates.Say("setting.push.verify"), asVerify},
		{"apps.android", templates.Say("setting.apps.android"), asText},
		{"apps.apple", templates.Say("setting.apps.apple"), asText},
		{"fixed.challenge", templates.Say("setting.fixed.challenge"), asSpan},
		{"fixed.collect", templates.Say("setting.fixed.collect"), asSpan},
		{"fixed.sends", templates.Say("setting.fixed.sends"), asCount},
		{"fixed.prompts", templates.Say("setting.fixed.prompts"), asCount},
		{"fixed.prompts_within", templates.Say("setting.fixed.prompts_within"), asSpan},
		{"fixed.prompts_day", templates.Say("setting.fixed.prompts_day"), asCount},
		{"fixed.pairing", templates.Say("setting.fixed.pairing"), asSpan},
		{"fixed.digits", templates.Say("setting.fixed.digits"), asCount},
		{"fixed.totp", templates.Say("setting.fixed.totp"), asSpan},
		{"fixed.recovery", templates.Say("setting.fixed.recovery"), asCount},
	}},
	{"tries", templates.Say("settings.group.tries"), []settingRow{
		{"fixed.passwords_from", templates.Say("setting.fixed.passwords_from"), asCount},
		{"fixed.passwords_delay", templates.Say("setting.fixed.passwords_delay"), asSpan},
		{"fixed.passwords_admin", templates.Say("setting.fixed.passwords_admin"), asCount},
		{"fixed.wrong_codes", templates.Say("setting.fixed.wrong_codes"), asCount},
		{"fixed.codes_row", templates.Say("setting.fixed.codes_row"), asCount},
		{"fixed.codes_closed", templates.Say("setting.fixed.codes_closed"), asSpan},
		{"fixed.codes_day", templates.Say("setting.fixed.codes_day"), asCount},
		{"fixed.codes_month", templates.Say("setting.fixed.codes_month"), asCount},
		{"fixed.recovery_tries", templates.Say("setting.fixed.recovery_tries"), asCount},
		{"limits.sign_in_per_minute", templates.Say("setting.limits.sign_in_per_minute"), asLimit},
		{"limits.sign_in_burst", templates.Say("setting.limits.sign_in_burst"), asLimit},
		{"limits.enrol_per_10_minutes", templates.Say("setting.limits.enrol_per_10_minutes"), asLimit},
		{"limits.device_per_minute", templates.Say("setting.limits.device_per_minute"), asLimit},
		{"limits.admin_per_minute", templates.Say("setting.limits.admin_per_minute"), asLimit},
	}},
	{"passwords", templates.Say("settings.group.passwords"), []settingRow{
		{"fixed.password_min", templates.Say("setting.fixed.password_min"), asCount},
		{"fixed.password_max", templates.Say("setting.fixed.password_max"), asCount},
		{"password.memory_kib", templates.Say("setting.password.memory_kib"), asCount},
		{"password.time", templates.Say("setting.password.time"), asCount},
		{"password.parallelism", templates.Say("setting.password.parallelism"), asCount},
		{"password.at_once", templates.Say("setting.password.at_once"), asCores},
		{"fixed.invitation", templates.Say("setting.fixed.invitation"), asSpan},
		{"fixed.setup", templates.Say("setting.fixed.setup"), asSpan},
		{"fixed.forgotten", templates.Say("setting.fixed.forgotten"), asSpan},
		{"fixed.forgotten_hour", templates.Say("setting.fixed.forgotten_hour"), asCount},
		{"fixed.forgotten_day", templates.Say("setting.fixed.forgotten_day"), asCount},
	}},
	{"keys", templates.Say("settings.group.keys"), []settingRow{
		{"keys.algs", templates.Say("setting.keys.algs"), asText},
		{"keys.rsa_bits", templates.Say("setting.keys.rsa_bits"), asCount},
		{"keys.rotate_every", templates.Say("setting.keys.rotate_every"), asSpan},
		{"keys.publish_before", templates.Say("setting.keys.publish_before"), asSpan},
		{"keys.seal_file", templates.Say("setting.keys.seal_file"), asName},
	}},
	{"push", templates.Say("settings.group.push"), []settingRow{
		{"push.webpush.hosts", templates.Say("setting.push.webpush.hosts"), asText},
		{"push.webpush.subject", templates.Say("setting.push.webpush.subject"), asName},
		{"push.webpush.networks", templates.Say("setting.push.webpush.networks"), asText},
		{"push.fcm.credentials_file", templates.Say("setting.push.fcm.credentials_file"), asText},
		{"push.fcm.project_id", templates.Say("setting.push.fcm.project_id"), asText},
		{"push.fcm.sender_id", templates.Say("setting.push.fcm.sender_id"), asText},
		{"push.fcm.endpoint", templates.Say("setting.push.fcm.endpoint"), asText},
	}},
	{"mail", templates.Say("settings.group.mail"), []settingRow{
		{"mail.host", templates.Say("setting.mail.host"), asText},
		{"mail.port", templates.Say("setting.mail.port"), asText},
		{"mail.tls", templates.Say("setting.mail.tls"), asText},
		{"mail.ca_file", templates.Say("setting.mail.ca_file"), asText},
		{"mail.username", templates.Say("setting.mail.username"), asText},
		{"mail.password_file", templates.Say("setting.mail.password_file"), asText},
		{"mail.from", templates.Say("setting.mail.from"), asText},
		{"mail.reply_to", templates.Say("setting.mail.reply_to"), asText},
		{"time_zone", templates.Say("setting.time_zone"), asText},
	}},
	{"server", templates.Say("settings.group.server"), []settingRow{
		{"issuer", templates.Say("setting.issuer"), asName},
		{"listen", templates.Say("setting.listen"), asText},
		{"tls.cert_file", templates.Say("setting.tls.cert_file"), asText},
		{"tls.key_file", templates.Say("setting.tls.key_file"), asText},
		{"tls.min_version", templates.Say("setting.tls.min_version"), asText},
		{"tls.mtls_listen", templates.Say("setting.tls.mtls_listen"), asText},
		{"tls.mtls_url", templates.Say("setting.tls.mtls_url"), asText},
		{"tls.mtls_ca_file", templates.Say("setting.tls.mtls_ca_file"), asText},
		{"trusted_proxies", templates.Say("setting.trusted_proxies"), asText},
		{"networks", templates.Say("setting.networks"), asText},
		{"geo_file", templates.Say("setting.geo_file"), asText},
		{"logout.networks", templates.Say("setting.logout.networks"), asText},
		{"data_dir", templates.Say("setting.data_dir"), asText},
		{"database.driver", templates.Say("setting.database.driver"), asName},
		{"database.path", templates.Say("setting.database.path"), asName},
		{"database.url", templates.Say("setting.database.url"), asText},
		{"database.url_file", templates.Say("setting.database.url_file"), asText},
		{"database.password_file", templates.Say("setting.database.password_file"), asText},
		{"database.ca_file", templates.Say("setting.database.ca_file"), asText},
		{"database.pool", templates.Say("setting.database.pool"), asChosen},
		{"database.allow_unencrypted", templates.Say("setting.database.allow_unencrypted"), asSwitch},
		{"audit.retention_days", templates.Say("setting.audit.retention_days"), asLimit},
		{"log.level", templates.Say("setting.log.level"), asText},
		{"log.format", templates.Say("setting.log.format"), asText},
		{"debug.listen", templates.Say("setting.debug.listen"), asText},
	}},
}

// registrationWords are the values of clients.registration.
var registrationWords = map[string]templates.Message{"off": templates.Say("settings.registration.off"), "token": templates.Say("settings.registration.token")}

// verifyWords are the values of push.verify.
var verifyWords = map[string]templates.Message{"optional": templates.Say("settings.verify.optional"), "required": templates.Say("settings.verify.required")}

// words puts a value into words; where there are none for it, text is the value as it is.
func (t telling) words(value string) (words templates.Message, text string) {
	if value == "" && t == asName {
		return templates.Say("settings.made"), ""
	}
	if value == "" {
		return templates.Say("settings.unset"), ""
	}
	switch t {
	case asSpan:
		if d, err := time.ParseDuration(value); err == nil {
			return templates.Span(d), ""
		}
	case asSwitch:
		if on, err := strconv.ParseBool(value); err == nil && on {
			return templates.Say("settings.switch.on"), ""
		}
		return templates.Say("settings.switch.off"), ""
	case asCores, asCount, asLimit, asChosen:
		n, err := strconv.Atoi(value)
		if err == nil && n == 0 && t == asCores {
			return templates.Say("settings.cores"), ""
		}
		if err == nil && n == 0 && t == asChosen {
			return templates.Say("settings.made"), ""
		}
		if err == nil && n == 0 && t == asLimit {
			return templates.Say("settings.limitless"), ""
		}
		if err == nil {
			return templates.Say("settings.number", "Count", n), ""
		}
	case asMatch:
		if m, ok := matchWords[idp.MatchMode(value)]; ok {
			return m, ""
		}
	case asRegistration:
		if m, ok := registrationWords[value]; ok {
			return m, ""
		}
	case asVerify:
		if m, ok := verifyWords[value]; ok {
			return m, ""
		}
	case asText, asName: // as they are
	}
	return templates.Message{}, value
}

// lineOf is a setting as a line of the page. Of a secret it says only that there is one.
func lineOf(s idp.Setting, row settingRow) templates.SettingLine {
	l := templates.SettingLine{Key: s.Key, Env: s.Env, Label: row.label, Place: s.Place, Saved: s.From == idp.SettingSaved, BuiltIn: s.From == idp.SettingBuiltIn, Changed: s.Value != s.Default}
	if s.Secret && s.Value != "" {
		l.Value = templates.Say("settings.secret")
	} else {
		l.Value, l.Name = row.told.words(s.Value)
	}
	l.Default, l.DefaultText = row.told.words(s.Default)
	return l
}

// settingDiffers is the facet of settings whose value is not the default.
const settingDiffers = "differs"

// narrowing is what the page of settings is narrowed to.
type narrowing struct {
	words   []string // bare (text.Bare); a setting has all of them
	differs bool     // its value is not the default
	say     func(templates.Message) (string, error)
	differ  int // how many of those that have the words differ
	shown   int
}

func narrowingOf(l listing, say func(templates.Message) (string, error)) *narrowing {
	return &narrowing{words: strings.Fields(text.Bare(l.words)), differs: slices.Contains(l.facets, settingDiffers), say: say}
}

// keeps reports whether a setting is shown, and counts it. What is searched is what the page
// says of it: its words, its key and variable, its value and default, and its group.
func (n *narrowing) keeps(group templates.Message, l *templates.SettingLine) (bool, error) {
	said := []string{l.Key, l.Env, l.Name, l.DefaultText, l.Place}
	for _, m := range []templates.Message{group, l.Label, l.Value, l.Default} {
		s, err := n.say(m)
		if err != nil {
			return false, err
		}
		said = append(said, s)
	}
	all := text.Bare(strings.ReplaceAll(strings.Join(said, "\n"), softHyphen, ""))
	for _, w := range n.words {
		if !strings.Contains(all, w) {
			return false, nil
		}
	}
	if l.Changed {
		n.differ++
	}
	if n.differs && !l.Changed {
		return false, nil
	}
	n.shown++
	return true, nil
}

// softHyphen is where a long word may be broken; nobody types it.
const softHyphen = "\u00ad"

func (n *narrowing) keep(group templates.Message, lines []templates.SettingLine) (kept []templates.SettingLine, err error) {
	for i := range lines {
		ok, err := n.keeps(group, &lines[i])
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, lines[i])
		}
	}
	return kept, nil
}

// list shows the settings that are in force, all or those that are searched for.
func (s *settings) list(w http.ResponseWriter, r *http.Request, p staff) error {
	list, err := s.desk.Settings(r.Context(), p.by)
	if err != nil {
		return err
	}
	logos, err := s.logos(r, p)
	if err != nil {
		return err
	}
	l := readListing(r, settingsPath)
	view := templates.AdminSettings{Frame: s.frame(r, p, "settings"), List: l.list(idp.Cursors{}, 0, nil), Logos: logos, MayEdit: p.may(admin.EditSettings)}
	if r.URL.Query().Get("did") == "saved" {
		view.Note = templates.Say("settings.saved.done")
	}
	n := narrowingOf(l, s.door.Words().In(view.Lang).Say)
	if view.SiteLines, err = n.keep(templates.Say("settings.site"), s.siteLines(list)); err != nil {
		return err
	}
	if view.Logoed, err = n.keeps(templates.Say("settings.site"), &templates.SettingLine{Label: templates.Say("settings.logo"), Changed: logos.Logo != ""}); err != nil {
		return err
	}
	for _, g := range settingTable {
		var rows []templates.SettingLine
		for _, row := range g.rows {
			if i := slices.IndexFunc(list, func(s idp.Setting) bool { return s.Key == row.key }); i >= 0 {
				rows = append(rows, lineOf(list[i], row))
			}
		}
		if rows, err = n.keep(g.title, rows); err != nil {
			return err
		}
		if len(rows) > 0 {
			view.Groups = append(view.Groups, templates.SettingGroup{ID: g.id, Title: g.title, Rows: rows})
		}
	}
	view.Chips = []templates.Chip{l.chip(settingDiffers, templates.Say("settings.differs"), idp.Count{N: n.differ}, true)}
	view.Total = templates.Say("settings.count", "N", n.shown)
	return s.door.Render(w, http.StatusOK, view)
}

// siteLines say how the site presents itself, and for each line whether it was saved here
// or the configuration sets it, and where.
func (s *settings) siteLines(list []idp.Setting) []templates.SettingLine {
	site := s.door.Site()
	offered := s.door.Words().Offered(site.Languages, site.Language)
	names := make([]string, len(offered))
	usual := ""
	for i, l := range offered {
		if names[i] = l.Name; l.Tag == s.door.Words().Usual(site.Language) {
			usual = l.Name
		}
	}
	accent := cmp.Or(site.Accent, brand.Default.String())
	lines := []templates.SettingLine{
		{Key: admin.SiteName, Label: templates.Say("settings.name"), Name: site.Name},
		{Key: admin.SiteLabel, Label: templates.Say("settings.label"), Name: site.InApps()},
		{Key: admin.SiteAccent, Label: templates.Say("settings.accent"), Name: accent, Colour: accent},
		{Key: admin.SiteLanguages, Label: templates.Say("settings.languages"), Name: strings.Join(names, ", ")},
		{Key: admin.SiteLanguage, Label: templates.Say("settings.language"), Name: usual},
		{Key: admin.SiteHelp, Label: templates.Say("settings.help"), Name: cmp.Or(site.Help, "–")},
		{Key: admin.SiteHelpLink, Label: templates.Say("settings.help.link"), Name: cmp.Or(site.HelpLink, "–")},
	}
	for i := range lines {
		for _, setting := range list {
			if setting.Key == lines[i].Key {
				lines[i].Env, lines[i].Saved, lines[i].Place = setting.Env, setting.From == idp.SettingSaved, ""
				lines[i].Changed = setting.Value != setting.Default
				if s.desk.FixedSite()[setting.Key] {
					lines[i].Place = setting.Place
				}
			}
		}
	}
	return lines
}

// logos are the site's logos as they are, and in which theme one can hardly be seen.
func (s *settings) logos(r *http.Request, p staff) (templates.Logos, error) {
	site := s.door.Site()
	faint, err := s.desk.FaintLogos(r.Context(), p.by)
	return templates.Logos{
		Logo: page.PicturePath(site.Logo), Dark: page.PicturePath(cmp.Or(site.LogoDark, site.Logo)), Named: site.LogoNamed,
		FaintDark: faint.Dark, FaintLight: faint.Light,
	}, err
}

// themes are the colours on which an accent is shown, as static/css/tokens.css has them.
var themes = []templates.Sample{
	{Label: templates.Say("settings.on.dark"), Ground: "#0e1115", Panel: "#15191f", Edge: "#2a323c", Ink: "#e9edf2"},
	{Label: templates.Say("settings.on.light"), Ground: "#eef1f5", Panel: "#ffffff", Edge: "#d3dae2", Ink: "#12171d"},
}

// siteForm is the form with what is saved, or what was typed in place of it. What the
// configuration sets is put into typed.
func (s *settings) siteForm(r *http.Request, p staff, typed *idp.Site) (templates.AdminSite, error) {
	view := templates.AdminSite{Frame: s.frame(r, p, "settings")}
	list, err := s.desk.Settings(r.Context(), p.by)
	if err != nil {
		return view, err
	}
	site, fixed := s.door.Site(), s.desk.FixedSite()
	for _, setting := range list {
		if setting.Key == admin.SiteName {
			view.NameUsual = setting.Default
		}
		if !fixed[setting.Key] {
			continue
		}
		switch place := cmp.Or(setting.Place, setting.Key); setting.Key {
		case admin.SiteName:
			view.NameFixed, typed.Name = place, site.Name
		case admin.SiteLabel:
			view.LabelFixed, typed.Label = place, site.Label
		case admin.SiteAccent:
			view.AccentFixed, typed.Accent = place, site.Accent
		case admin.SiteLanguages:
			view.LanguagesFixed, typed.Languages = place, site.Languages
		case admin.SiteLanguage:
			view.LanguageFixed, typed.Language = place, site.Language
		case admin.SiteHelp:
			view.HelpFixed, typed.Help, typed.HelpLink = place, site.Help, site.HelpLink
		}
	}
	view.Name, view.Label, view.LabelUsual = typed.Name, typed.Label, cmp.Or(typed.Name, site.Name)
	view.HelpLine, view.HelpLink = typed.Help, typed.HelpLink
	view.Accent, view.AccentUsual = typed.Accent, brand.Default.String()
	view.Shown = cmp.Or(site.Accent, view.AccentUsual)
	if c, ok := brand.Parse(cmp.Or(typed.Accent, view.AccentUsual)); ok {
		view.Shown = c.String()
		view.Samples, view.Ratio, view.TextRatio = samplesOf(c)
	}
	usual := s.door.Words().Usual(typed.Language)
	for _, l := range s.door.Words().Languages() {
		view.Known = append(view.Known, templates.Tick{Language: l, On: len(typed.Languages) == 0 || slices.Contains(typed.Languages, l.Tag), Usual: l.Tag == usual})
	}
	return view, nil
}

// samplesOf draws an accent in both themes. text is its contrast with the text on it (WCAG
// 2.2). Our own accent is not measured: it has a focus ring of its own where it is pale.
func samplesOf(c brand.Colour) (samples []templates.Sample, measured bool, text float64) {
	ratios := brand.RatiosOf(c)
	for i, t := range themes {
		t.Accent, t.Text, t.Ratio = c.String(), c.Text().String(), []float64{ratios.Dark, ratios.Light}[i]
		samples = append(samples, t)
	}
	return samples, c != brand.Default, ratios.Text
}

func (s *settings) editPage(w http.ResponseWriter, r *http.Request, p staff) error {
	saved, err := s.desk.SavedSite(r.Context(), p.by)
	if err != nil {
		return err
	}
	view, err := s.siteForm(r, p, saved)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, view)
}

// readSite puts what was typed into a site, but what the configuration sets.
func (s *settings) readSite(r *http.Request, to *idp.Site) {
	fixed := s.desk.FixedSite()
	if !fixed[admin.SiteName] {
		to.Name = strings.TrimSpace(r.PostFormValue("name"))
	}
	if !fixed[admin.SiteLabel] {
		to.Label = strings.TrimSpace(r.PostFormValue("label"))
	}
	if !fixed[admin.SiteAccent] {
		to.Accent = strings.TrimSpace(r.PostFormValue("accent"))
	}
	if !fixed[admin.SiteLanguages] {
		to.Languages = nil
		for _, l := range s.door.Words().Languages() {
			if r.PostFormValue("language-"+l.Tag) == "1" {
				to.Languages = append(to.Languages, l.Tag)
			}
		}
	}
	if !fixed[admin.SiteHelp] {
		to.Help, to.HelpLink = strings.TrimSpace(r.PostFormValue("help")), strings.TrimSpace(r.PostFormValue("help_link"))
	}
	if usual := r.PostFormValue("usual"); !fixed[admin.SiteLanguage] && usual != "" {
		if to.Language = usual; usual == s.door.Words().Usual("") {
			to.Language = ""
		}
	}
}

// edit saves what was typed. With «preview» in the field «do» it shows the page in the
// colour that was typed, and keeps nothing; with «nearest» the same in the colour nearest
// to it that can be seen.
func (s *settings) edit(w http.ResponseWriter, r *http.Request, p staff) error {
	saved, err := s.desk.SavedSite(r.Context(), p.by)
	if err != nil {
		return err
	}
	do := r.PostFormValue("do")
	read := func(to *idp.Site) {
		s.readSite(r, to)
		if near := (*brand.AccentError)(nil); do == "nearest" && errors.As(accentFault(to.Accent), &near) {
			to.Accent = near.Nearest.String()
		}
	}
	read(saved)
	if do == "preview" || do == "nearest" {
		err = s.desk.CheckSite(r.Context(), p.by, read)
	} else if err = s.desk.EditSite(r.Context(), p.by, read); err == nil {
		return page.SeeOther(w, r, settingsPath+"?did=saved")
	}
	view, formErr := s.siteForm(r, p, saved)
	if formErr != nil {
		return formErr
	}
	if err == nil {
		view.Preview = true
		if c, ok := brand.Parse(saved.Accent); ok {
			view.Look.Sheet = page.AccentPath(c)
		} else {
			view.Look.Sheet = ""
		}
		view.Site = cmp.Or(saved.Name, view.Site)
		return s.door.Render(w, http.StatusOK, view)
	}
	var ok bool
	if view.Wrong, view.Problem, ok = s.siteProblem(err); !ok {
		return err
	}
	if near := (*brand.AccentError)(nil); errors.As(err, &near) {
		view.Nearest = near.Nearest.String()
		for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
			if name != "do" {
				view.Typed = append(view.Typed, templates.Field{Name: name, Value: r.PostForm.Get(name)})
			}
		}
	}
	return s.door.Render(w, http.StatusUnprocessableEntity, view)
}

// accentFault returns why a colour cannot be an accent. Errors: *brand.AccentError; what is
// no colour is not looked at here.
func accentFault(accent string) error {
	if c, ok := brand.Parse(accent); ok {
		return brand.Check(c)
	}
	return nil
}

// siteProblem is page.Door.FieldProblem for what is typed about the site. It knows
// *brand.AccentError too.
func (s *settings) siteProblem(err error) (field string, problem templates.Message, ok bool) {
	near := (*brand.AccentError)(nil)
	if !errors.As(err, &near) {
		return s.door.FieldProblem(err)
	}
	said := map[string]templates.Message{
		"dark":  templates.Say("site.accent.dark", "Ratio", near.Ratio, "Colour", near.Nearest.String()),
		"light": templates.Say("site.accent.light", "Ratio", near.Ratio, "Colour", near.Nearest.String()),
		"text":  templates.Say("site.accent.text", "Ratio", near.Ratio, "Colour", near.Nearest.String()),
	}
	return admin.SiteAccent, said[near.Where], true
}

func (s *settings) logoForm(r *http.Request, p staff) (templates.AdminLogo, error) {
	logos, err := s.logos(r, p)
	return templates.AdminLogo{Frame: s.frame(r, p, "settings"), Logos: logos, OwnDark: s.door.Site().LogoDark != ""}, err
}

func (s *settings) logoPage(w http.ResponseWriter, r *http.Request, p staff) error {
	view, err := s.logoForm(r, p)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, view)
}

// logo gives the site its logos, or takes them away, as the field «do» says.
func (s *settings) logo(w http.ResponseWriter, r *http.Request, p staff) error {
	file := func(name string) []byte { return []byte(r.PostForm.Get(name)) }
	change := admin.Logos{Logo: file("logo"), Dark: file("logo_dark"), Named: r.PostForm.Get("named") == "1"}
	switch r.PostForm.Get("do") {
	case "without":
		change = admin.Logos{Without: true}
	case "without-dark":
		change = admin.Logos{WithoutDark: true, Named: change.Named}
	}
	refused := s.desk.EditLogos(r.Context(), p.by, change)
	if refused == nil {
		return page.SeeOther(w, r, settingsPath+"?did=saved")
	}
	wrong, problem, ok := s.door.FieldProblem(refused)
	if !ok {
		return refused
	}
	view, err := s.logoForm(r, p)
	if err != nil {
		return err
	}
	view.Wrong, view.Problem = wrong, problem
	return s.door.Render(w, http.StatusUnprocessableEntity, view)
}
