package templates

// looks gives a frame what an operator can give it.
func looks(f Frame) Frame {
	f.Look = Look{Sheet: "/look/0a7d6c-0123456789abcdef.css", Logo: "/pictures/0123456789abcdef0123456789abcdef.png", LogoDark: "/pictures/0123456789abcdef0123456789abcde0.png"}
	f.Lang, f.Langs = "en", []Language{{Tag: "de", Name: "Deutsch"}, {Tag: "en", Name: "English"}, {Tag: "fr", Name: "Français"}, {Tag: "nl", Name: "Nederlands"}}
	return f
}

// named has a logo that shows the name, one for both themes.
func named(f Frame) Frame {
	f.Look.LogoNamed, f.Look.LogoDark = true, ""
	return f
}

func settingsExamples() []example {
	frame := Frame{Site: "Imaging, Saint Luke Hospital", Here: "admin-settings", Tab: "settings", User: "Dr. Anna Maes", Staff: true, Desk: []string{"devices", "settings"}}
	logos := Logos{Logo: "/pictures/0123456789abcdef0123456789abcdef.png", Dark: "/pictures/0123456789abcdef0123456789abcde0.png", Named: true}
	site := []SettingLine{
		{Key: "site.name", Label: Say("settings.name"), Name: `Saint <b>Luke`, Saved: true},
		{Key: "site.accent", Label: Say("settings.accent"), Name: "#0a7d6c", Colour: "#0a7d6c", Place: "/etc/hilum/idp.yaml:12"},
		{Key: "site.languages", Label: Say("settings.languages"), Name: "English, Nederlands"},
	}
	rows := []SettingLine{
		{Key: "sessions.idle", Env: "IDP_SESSIONS_IDLE", Label: Say("setting.sessions.idle"), Value: Say("span.minutes", "N", 30), Default: Say("span.hours", "N", 1), Place: "IDP_SESSIONS_IDLE"},
		{Key: "fixed.devices", Label: Say("setting.fixed.devices"), Value: Say("settings.number", "Count", 5), BuiltIn: true},
		{Key: "issuer", Env: "IDP_ISSUER", Label: Say("setting.issuer"), Name: `https://login.klinik.test/"><b>`, Default: Say("settings.unset")},
		{Key: "x.secret", Env: "IDP_X", Label: Say("setting.issuer"), Value: Say("settings.secret"), DefaultText: "x"},
	}
	known := []Tick{{Language{Tag: "en", Name: "English"}, true, true}, {Language{Tag: "nl", Name: "Nederlands"}, false, false}}
	samples := []Sample{{Label: Say("settings.on.dark"), Ground: "#0e1115", Panel: "#15191f", Edge: "#2a323c", Ink: "#e9edf2", Accent: "#0a7d6c", Text: "#ffffff", Ratio: 3.4},
		{Label: Say("settings.on.light"), Ground: "#eef1f5", Panel: "#ffffff", Edge: "#d3dae2", Ink: "#12171d", Accent: "#0a7d6c", Text: "#ffffff", Ratio: 4.4}}
	form := AdminSite{Frame: frame, Name: "Saint Luke", NameUsual: "Hilum", Label: "Luke", LabelUsual: "Saint Luke", Accent: "#0a7d6c", AccentUsual: "#f2a33c", Shown: "#0a7d6c", Samples: samples, Ratio: true, TextRatio: 5.1, Known: known}
	preview, fixed, pale, long := form, form, form, form
	preview.Preview, preview.Frame = true, looks(frame)
	fixed.LabelFixed = "idp.yaml:9"
	fixed.NameFixed, fixed.AccentFixed, fixed.LanguagesFixed, fixed.LanguageFixed = "idp.yaml:4", "IDP_SITE_ACCENT", "idp.yaml:6", "idp.yaml:7"
	pale.Accent, pale.Nearest, pale.Wrong, pale.Problem = "#ffee00", "#7e7600", "site.accent", Say("site.accent.light", "Ratio", 1.1, "Colour", "#7e7600")
	pale.Typed = []Field{{"accent", "#ffee00"}, {"name", `"><b>`}}
	help := form
	help.HelpLine, help.HelpLink, help.Wrong, help.Problem = "Helpdesk", "http://intranet", "site.help_link", Say("site.help.link")
	fixed.HelpFixed = "idp.yaml:8"
	long.Wrong, long.Problem = "site.name", Say("site.name.fits")
	app := DeskApp{ID: "viewer", Name: "Radiology Viewer", Tile: Tile{Letter: "R"}}
	with := app
	with.Tile.Icon = "/pictures/0123456789abcdef0123456789abcdef.png"
	return []example{
		{"admin-settings", AdminSettings{Frame: frame, Logos: logos, Note: Say("settings.saved.done"), MayEdit: true, List: List{Path: "/admin/settings", Chips: []Chip{{Path: "/admin/settings?f=differs", Label: Say("settings.differs"), Count: &Count{N: 3}}}}, SiteLines: site, Logoed: true, Groups: []SettingGroup{{"sessions", Say("settings.group.sessions"), rows}}}},
		{"admin-settings-faint", AdminSettings{Frame: frame, Logos: Logos{Logo: logos.Logo, Dark: logos.Logo, FaintDark: true, FaintLight: true}, MayEdit: true, SiteLines: site, Logoed: true}},
		{"admin-settings-read", AdminSettings{Frame: looks(frame), SiteLines: site, Groups: []SettingGroup{{"sessions", Say("settings.group.sessions"), rows}}}},
		{"admin-settings-found", AdminSettings{Frame: frame, List: List{Path: "/admin/settings", Words: `"><b>`, Hidden: []Field{{"f", "differs"}}, Chips: []Chip{{Path: "/admin/settings", Label: Say("settings.differs"), On: true, Count: &Count{N: 1}}}, Filtered: true, Clear: "/admin/settings", Total: Say("settings.count", "N", 1)}, Groups: []SettingGroup{{"sessions", Say("settings.group.sessions"), rows[:1]}}}},
		{"admin-settings-nothing", AdminSettings{Frame: frame, List: List{Filtered: true, Total: Say("settings.count", "N", 0)}}},
		{"admin-site", form},
		{"admin-site-preview", preview},
		{"admin-site-fixed", fixed},
		{"admin-site-pale", pale},
		{"admin-site-long", long},
		{"admin-site-help", help},
		{"admin-logo", AdminLogo{Frame: frame}},
		{"admin-logo-both", AdminLogo{Frame: frame, Logos: logos, OwnDark: true}},
		{"admin-logo-wrong", AdminLogo{Frame: frame, Logos: logos, Problem: Say("picture.png"), Wrong: "site.logo"}},
		{"admin-icon", AdminIcon{Frame: frame, App: app}},
		{"admin-icon-wrong", AdminIcon{Frame: frame, App: with, Problem: Say("picture.large")}},
	}
}
