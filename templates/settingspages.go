package templates

// SettingLine is one setting, and where its value comes from.
type SettingLine struct {
	Key         string // as in the configuration
	Env         string // the variable that would set it; empty: it cannot be set
	Label       Message
	Value       Message
	Name        string // the value as it is, in place of Value
	Default     Message
	DefaultText string // the default as it is, in place of Default
	Colour      string // #rrggbb, where the value is one
	Place       string // file and line, or variable, that sets it; empty: the configuration does not
	Saved       bool   // in the administration
	BuiltIn     bool   // nobody can set it (idp.SettingBuiltIn)
	Changed     bool   // the value is not the default
}

// SettingGroup is settings that belong together.
type SettingGroup struct {
	ID    string
	Title Message
	Rows  []SettingLine
}

// Logos are the site's logos: paths, empty for our mark.
type Logos struct {
	Logo, Dark string // Dark: what the dark theme shows, Logo where it has none of its own
	Named      bool   // they show the name of the site

	FaintDark, FaintLight bool // the logo can hardly be seen on that ground
}

// AdminSettings is everything that is set.
type AdminSettings struct {
	Frame
	List
	Logos
	Note      Message
	MayEdit   bool
	SiteLines []SettingLine  // how the site presents itself
	Logoed    bool           // the logos are among what is shown
	Groups    []SettingGroup // those with rows
}

// Tick is a language that can be offered.
type Tick struct {
	Language
	On    bool
	Usual bool // the default
}

// Sample is a theme with an accent, to be drawn. Colours are #rrggbb.
type Sample struct {
	Label                                  Message
	Ground, Panel, Edge, Ink, Accent, Text string  // Text: on a button in the accent
	Ratio                                  float64 // contrast of the accent, such as 4.5 for 4.5:1
}

// AdminSite is the form of how the site presents itself. Fields that end in Fixed say
// where the configuration fixes a setting, file and line, or variable; empty: it does
// not. Those that end in Usual are what stands for an empty field.
type AdminSite struct {
	Frame
	Name, NameUsual, NameFixed       string
	Label, LabelUsual, LabelFixed    string // in authenticator apps
	Accent, AccentUsual, AccentFixed string
	Shown                            string // the accent in force, or looked at
	Nearest                          string // the accent nearest to the one typed that would do; empty: none is offered
	Preview                          bool   // nothing was saved: the page shows how it would look
	Samples                          []Sample
	Ratio                            bool    // contrasts of samples are told
	TextRatio                        float64 // contrast of the text on a button in the accent
	Known                            []Tick
	Typed                            []Field // what was typed, for the form of the button that takes Nearest
	LanguagesFixed, LanguageFixed    string
	HelpLine, HelpLink, HelpFixed    string
	Problem                          Message
	Wrong                            string // which setting, by its key
}

// AdminLogo is the form of the site's logos.
type AdminLogo struct {
	Frame
	Logos
	OwnDark bool // the dark theme has one of its own
	Problem Message
	Wrong   string // which setting, by its key
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
