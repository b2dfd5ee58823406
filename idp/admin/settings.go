package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/idp/limit"
	"hilum/idp/password"
	"hilum/idp/text"
	"hilum/idp/totp"
)

// Keys of what the administration can set, as in the configuration.
const (
	SiteName      = "site.name"
	SiteLabel     = "device.label"
	SiteAccent    = "site.accent"
	SiteLanguages = "site.languages"
	SiteLanguage  = "site.language"
	SiteHelp      = "site.help"
	SiteHelpLink  = "site.help_link"
	SiteLogo      = "site.logo"
	SiteLogoDark  = "site.logo_dark"
)

// SavedSite returns how the site presents itself as it was saved here, without what
// the configuration sets and without defaults. Errors: idp.ErrDenied.
func (d *Desk) SavedSite(ctx context.Context, by By) (*idp.Site, error) {
	if err := d.allow(ctx, by, ReadSettings); err != nil {
		return nil, err
	}
	s, err := d.conf.Store.SavedSite(ctx)
	if err != nil {
		return nil, err
	}
	return s.Over(&idp.Site{}), nil
}

// FixedSite reports which settings of the site the configuration fixes, by their key.
func (d *Desk) FixedSite() map[string]bool {
	return map[string]bool{
		SiteName: d.conf.Fixed.Name != "", SiteLabel: d.conf.Fixed.Label != "", SiteAccent: d.conf.Fixed.Accent != "", SiteLanguages: len(d.conf.Fixed.Languages) > 0, SiteLanguage: d.conf.Fixed.Language != "",
		SiteHelp: d.conf.Fixed.Help != "", SiteHelpLink: d.conf.Fixed.Help != "",
	}
}

// EditSite changes what fn changes of names, accent, languages and help line; an empty field
// goes back to the default. Errors: idp.ErrDenied, idp.ErrStale, FieldError with the
// key of the setting, *brand.AccentError.
func (d *Desk) EditSite(ctx context.Context, by By, fn func(*idp.Site)) error {
	if err := d.allow(ctx, by, EditSettings); err != nil {
		return err
	}
	return d.conf.Store.UpdateSite(ctx, func(s *idp.Site) error {
		was := s.Over(&idp.Site{})
		fn(s)
		s.Logo, s.LogoDark, s.LogoNamed = was.Logo, was.LogoDark, was.LogoNamed
		if err := d.validateSite(s); err != nil {
			return err
		}
		return d.noteSite(s, was, by)
	})
}

// CheckSite is the checks of EditSite without saving, for a preview. Who may read
// settings may ask it.
func (d *Desk) CheckSite(ctx context.Context, by By, fn func(*idp.Site)) error {
	s, err := d.SavedSite(ctx, by)
	if err != nil {
		return err
	}
	fn(s)
	return d.validateSite(s)
}

// Logos is a change of the site's logos.
type Logos struct {
	Logo, Dark           []byte // a PNG; none: stays as it is
	Named                bool   // the logo shows the site's name
	Without, WithoutDark bool   // take both away; take the one of the dark theme away
}

// EditLogos changes the site's logos. Errors: FieldError.
func (d *Desk) EditLogos(ctx context.Context, by By, c Logos) error {
	if err := d.allow(ctx, by, EditSettings); err != nil {
		return err
	}
	var pictures []*idp.Picture
	var logo, dark *idp.Picture
	for _, p := range []struct {
		field string
		raw   []byte
		to    **idp.Picture
	}{{SiteLogo, c.Logo, &logo}, {SiteLogoDark, c.Dark, &dark}} {
		if len(p.raw) == 0 {
			continue
		}
		drawn, err := brand.Logo(p.field, p.raw)
		if err != nil {
			return err
		}
		*p.to, pictures = drawn, append(pictures, drawn)
	}
	return d.conf.Store.UpdateSite(ctx, func(s *idp.Site) error {
		was := s.Over(&idp.Site{})
		switch {
		case c.Without:
			s.Logo, s.LogoDark = "", ""
		case c.WithoutDark:
			s.LogoDark = ""
		}
		if logo != nil {
			s.Logo = logo.ID
		}
		if dark != nil {
			s.LogoDark = dark.ID
		}
		if s.Logo == "" && s.LogoDark != "" {
			return &idp.FieldError{Field: SiteLogo, Message: "site.logo.first"}
		}
		s.LogoNamed = c.Named && s.Logo != ""
		return d.noteSite(s, was, by)
	}, pictures...)
}

// FaintLogos reports where the site's logo can hardly be seen: in the dark theme
// the one that is shown there, in the light theme that one. Errors: idp.ErrDenied.
func (d *Desk) FaintLogos(ctx context.Context, by By) (brand.Faint, error) {
	s, err := d.SavedSite(ctx, by)
	if err != nil || s.Logo == "" {
		return brand.Faint{}, err
	}
	logo, err := d.conf.Store.Picture(ctx, s.Logo)
	if err != nil {
		return brand.Faint{}, err
	}
	faint := brand.FaintOn(logo)
	if s.LogoDark != "" {
		dark, err := d.conf.Store.Picture(ctx, s.LogoDark)
		if err != nil {
			return brand.Faint{}, err
		}
		faint.Dark = brand.FaintOn(dark).Dark
	}
	return faint, nil
}

// SetIcon gives an application its icon, a PNG; none takes it away. As with EditClient, one that
// has registered itself is the administration's from now on. Errors: FieldError,
// idp.ErrNotFound.
func (d *Desk) SetIcon(ctx context.Context, by By, id idp.ClientID, raw []byte) error {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return err
	}
	c, err := d.client(ctx, id)
	if err != nil {
		return err
	}
	what, icon := "icon removed", (*idp.Picture)(nil)
	if len(raw) > 0 {
		what = "icon"
		if icon, err = brand.Icon("icon", raw); err != nil {
			return err
		}
	}
	if !c.RegistrationHash.IsZero() {
		err := d.conf.Store.UpdateClient(ctx, id, func(c *idp.Client) error { c.RegistrationHash = idp.TokenHash{}; return nil })
		if err != nil {
			return err
		}
	}
	return d.conf.Store.SetIcon(ctx, id, icon, d.clientEvent(by, c, what))
}

// noteSite writes an event for each setting that is another now.
func (d *Desk) noteSite(s, was *idp.Site, by By) error {
	fixed := d.FixedSite()
	for _, f := range []struct{ key, from, to string }{
		{SiteName, was.Name, s.Name},
		{SiteLabel, was.Label, s.Label},
		{SiteAccent, was.Accent, s.Accent},
		{SiteLanguages, strings.Join(was.Languages, ", "), strings.Join(s.Languages, ", ")},
		{SiteLanguage, was.Language, s.Language},
		{SiteHelp, was.Help, s.Help},
		{SiteHelpLink, was.HelpLink, s.HelpLink},
		{SiteLogo, string(was.Logo), string(s.Logo)},
		{SiteLogoDark, string(was.LogoDark), string(s.LogoDark)},
		{"site.logo_named", strconv.FormatBool(was.LogoNamed), strconv.FormatBool(s.LogoNamed)},
	} {
		if f.from == f.to {
			continue
		}
		if fixed[f.key] {
			return &idp.FieldError{Field: f.key, Message: "site.fixed"}
		}
		s.Note(d.event(idp.EventSettingChanged, by, map[string]string{"setting": f.key, "from": f.from, "to": f.to}))
	}
	return nil
}

// validateSite puts what was typed into the form it is kept in, and checks it
// together with what the configuration sets.
func (d *Desk) validateSite(s *idp.Site) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	if s.Name = text.Form(s.Name); s.Name != "" {
		if err := idp.ValidText(SiteName, s.Name, 1, idp.MaxSiteName); err != nil {
			return err
		}
	}
	if s.Label = text.Form(s.Label); s.Label != "" {
		if err := idp.ValidText(SiteLabel, s.Label, 1, idp.MaxSiteName); err != nil {
			return err
		}
	}
	if err := d.validateLabel(s); err != nil {
		return err
	}
	s.Help, s.HelpLink = text.Form(s.Help), strings.TrimSpace(s.HelpLink)
	if err := idp.ValidHelp(SiteHelp, s.Help, SiteHelpLink, s.HelpLink); err != nil {
		return err
	}
	if s.Accent = strings.TrimSpace(s.Accent); s.Accent != "" {
		c, ok := brand.Parse(s.Accent)
		if !ok {
			return bad(SiteAccent, "site.accent.bad")
		}
		if err := brand.Check(c); err != nil {
			return err
		}
		if s.Accent = c.String(); c == brand.Default {
			s.Accent = ""
		}
	}
	for _, l := range append(slices.Clone(s.Languages), cmp.Or(s.Language, "en")) {
		if !slices.Contains(d.conf.Languages, l) && l != "en" {
			return bad(SiteLanguages, "site.languages.unknown")
		}
	}
	slices.Sort(s.Languages)
	s.Languages = slices.Compact(s.Languages)
	if len(s.Languages) == len(d.conf.Languages) {
		s.Languages = nil // also those that come with a later version
	}
	both := d.conf.Fixed.Over(s)
	if len(both.Languages) > 0 && !slices.Contains(both.Languages, cmp.Or(both.Language, "en")) {
		return bad(SiteLanguage, "site.language.offered")
	}
	return nil
}

// validateLabel checks what authenticator apps will show.
func (d *Desk) validateLabel(s *idp.Site) error {
	field := SiteName
	switch label := d.conf.Fixed.Over(s).InApps(); {
	case d.conf.Fixed.Label != "" || label == "": // checked at the start, or the default
		return nil
	case s.Label != "":
		field = SiteLabel
		fallthrough
	default:
		if strings.Contains(label, ":") {
			return &idp.FieldError{Field: field, Message: "site.name.colon"}
		}
		if err := totp.Fits(totp.Site{Label: label, Issuer: d.conf.Issuer}); err != nil {
			return &unfit{FieldError: &idp.FieldError{Field: field, Message: "site.name.fits"}, why: err}
		}
	}
	return nil
}

// unfit is a FieldError with the error of totp.Fits, which has the numbers.
type unfit struct {
	*idp.FieldError
	why error
}

func (e *unfit) Unwrap() error { return e.FieldError }

// WhyNot returns the error behind a FieldError of a label that does not fit, which
// has the numbers; nil: there is none.
func WhyNot(err error) error {
	if e := (*unfit)(nil); errors.As(err, &e) {
		return e.why
	}
	return nil
}

// Settings lists what is in force: the settings of the configuration, of them
// those that were saved here, and the numbers that cannot be set. Errors:
// idp.ErrDenied.
func (d *Desk) Settings(ctx context.Context, by By) ([]idp.Setting, error) {
	saved, err := d.SavedSite(ctx, by)
	if err != nil {
		return nil, err
	}
	var list []idp.Setting
	if d.conf.Settings != nil {
		list = slices.Clone(d.conf.Settings())
	}
	here := map[string]string{SiteName: saved.Name, SiteLabel: saved.Label, SiteAccent: saved.Accent, SiteLanguages: strings.Join(saved.Languages, ", "), SiteLanguage: saved.Language, SiteHelp: saved.Help, SiteHelpLink: saved.HelpLink}
	fixed := d.FixedSite()
	for i := range list {
		s := &list[i]
		if value := here[s.Key]; value != "" && !fixed[s.Key] {
			s.Value, s.From, s.Place = value, idp.SettingSaved, ""
		}
	}
	return append(list, numbers()...), nil
}

// numbers are the bounds and times that no setting changes.
func numbers() []idp.Setting {
	var list []idp.Setting
	add := func(key string, value any) {
		text := fmt.Sprint(value)
		if _, ok := value.(time.Duration); ok { // 15m, not 15m0s
			text = strings.NewReplacer("m0s", "m").Replace(text)
			text = strings.NewReplacer("h0m", "h").Replace(text)
		}
		list = append(list, idp.Setting{Key: key, Value: text, Default: text, From: idp.SettingBuiltIn})
	}
	add("fixed.devices", idp.MaxDevices)
	add("fixed.login", idp.LoginTTL)
	add("fixed.code", idp.CodeTTL)
	add("fixed.stepup", idp.StepUpFor)
	add("fixed.challenge", idp.ChallengeTTL)
	add("fixed.collect", idp.CollectTTL)
	add("fixed.sends", idp.MaxSends)
	add("fixed.wrong_codes", idp.MaxWrongCodes)
	add("fixed.codes_row", limit.Codes.InARow)
	add("fixed.codes_closed", limit.Codes.InARowFor)
	add("fixed.codes_day", limit.Codes.Day)
	add("fixed.codes_month", limit.Codes.Month)
	add("fixed.passwords_from", limit.Passwords.DelayFrom)
	add("fixed.passwords_delay", limit.Passwords.DelayMost)
	add("fixed.passwords_admin", limit.Passwords.FirstInARow)
	add("fixed.password_min", password.MinRunes)
	add("fixed.password_max", password.MaxRunes)
	add("fixed.recovery", password.RecoveryCodes)
	add("fixed.recovery_tries", limit.Recovery.Burst)
	add("fixed.prompts", limit.Prompts.Windows[0].Most)
	add("fixed.prompts_within", limit.Prompts.Windows[0].Within)
	add("fixed.prompts_day", limit.Prompts.Windows[len(limit.Prompts.Windows)-1].Most)
	add("fixed.pairing", idp.PairingTTL)
	add("fixed.invitation", idp.InvitationTTL)
	add("fixed.setup", idp.SetupLinkTTL)
	add("fixed.forgotten", idp.ForgottenTTL)
	add("fixed.forgotten_hour", limit.Forgotten.Burst)
	add("fixed.forgotten_day", limit.Forgotten.Day)
	add("fixed.known", idp.KnownFor)
	add("fixed.totp", totp.Period*time.Second)
	add("fixed.digits", totp.Digits)
	return list
}
