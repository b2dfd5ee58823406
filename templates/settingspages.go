package templates

// SettingLine is one setting, and where its value comes from.
type SettingLine struct {
	Key         string // as in the configuration
	Env         string // empty: it cannot be set
	Label       Message
	Value       Message
	Name        string // in place of Value: as it is
	Default     Message
	DefaultText string
	Colour      string // #rrggbb, where it is one
	Place       string // in the configuration
	Saved       bool   // in the administration
	Fixed       bool   // it cannot be set
	Changed     bool   // it is not the default
}

// SettingGroup is settings that belong together.
type SettingGroup struct {
	ID    string
	Title Message
	Rows  []SettingLine
}

// Logos are the site's as they are: paths, empty for our mark.
type Logos struct {
	Logo, Dark string // Dark: what the dark theme shows
	Named      bool

	FaintDark, FaintLight bool // can hardly be seen on that ground
}

// AdminSettings is everything that is set.
type AdminSettings struct {
	Frame
	Logos
	Note      Message
	MayEdit   bool
	SiteLines []SettingLine // how the site presents itself
	Groups    []SettingGroup
}

// Tick is a language that can be offered.
type Tick struct {
	Language
	On    bool
	Usual bool // the default
}

// Sample is a theme with an accent, to be drawn.
type Sample struct {
	Label                                  Message
	Ground, Panel, Edge, Ink, Accent, Text string
	Ratio                                  float64
}

// AdminSite is the form of how the site presents itself. The fields that end in
// Fixed name where the configuration sets it; empty: it does not.
type AdminSite struct {
	Frame
	Name, NameUsual, NameFixed       string
	Label, LabelUsual, LabelFixed    string // in authenticator apps
	Accent, AccentUsual, AccentFixed string
	Shown                            string // the accent in force, or looked at
	Nearest                          string // that would do
	Preview                          bool
	Samples                          []Sample
	Ratio                            bool // they are measured
	TextRatio                        float64
	Known                            []Tick
	Typed                            []Field // what the form has, for the button beside it
	LanguagesFixed, LanguageFixed    string
	Problem                          Message
	Wrong                            string
}

// AdminLogo is the form of the site's logos.
type AdminLogo struct {
	Frame
	Logos
	OwnDark bool // the dark theme has one of its own
	Problem Message
	Wrong   string
}

// AdminIcon is the form of an application's icon.
type AdminIcon struct {
	Frame
	App     DeskApp
	Problem Message
}

func (AdminSettings) file() string { return "adminsettings" }
func (AdminSite) file() string     { return "adminsite" }
func (AdminLogo) file() string     { return "adminlogo" }
func (AdminIcon) file() string     { return "adminicon" }

func settingsPages() []Page {
	return []Page{AdminSettings{}, AdminSite{}, AdminLogo{}, AdminIcon{}}
}
