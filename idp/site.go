package idp

import "slices"

// PictureID names a picture by its content: the first 16 bytes of the SHA-256 of the
// PNG, in hexadecimal.
type PictureID string

// Picture is a PNG that package brand has drawn anew from what an administrator handed
// in.
type Picture struct {
	ID            PictureID
	PNG           []byte
	Width, Height int // pixels
}

// Site is how the provider presents itself. An empty field says nothing: what
// the configuration sets comes before what the administration has saved, and
// that before the default (Over).
type Site struct {
	Name      string   // on every page
	Label     string   // in authenticator apps; empty: Name
	Accent    string   // #rrggbb; empty: ours
	Languages []string // offered, as BCP 47; none: all there are
	Language  string   // where neither person nor browser names one
	Logo      PictureID
	LogoDark  PictureID // in the dark theme; empty: Logo
	LogoNamed bool      // the logo shows the name, which is not repeated beside it
	Help      string    // whom to ask who cannot sign in, on the pages of a sign-in and in letters; see ValidHelp
	HelpLink  string    // where Help leads; empty: nowhere

	Journal
}

// MaxSiteName bounds a site's name, in runes: it also has to fit into the link of a QR code.
const MaxSiteName = 40

// InApps is the site's name in authenticator apps.
func (s *Site) InApps() string {
	if s.Label != "" {
		return s.Label
	}
	return s.Name
}

// Over returns a site with the fields of s, and those of below where s has none. The
// logos of one count together, and so do a help line and its link: the logo of s and the
// dark one of below do not go together.
func (s *Site) Over(below *Site) *Site {
	out := &Site{
		Name: s.Name, Label: s.Label, Accent: s.Accent, Languages: slices.Clone(s.Languages), Language: s.Language,
		Logo: s.Logo, LogoDark: s.LogoDark, LogoNamed: s.LogoNamed, Help: s.Help, HelpLink: s.HelpLink,
	}
	for _, f := range []struct {
		to    *string
		below string
	}{{&out.Name, below.Name}, {&out.Label, below.Label}, {&out.Accent, below.Accent}, {&out.Language, below.Language}} {
		if *f.to == "" {
			*f.to = f.below
		}
	}
	if len(out.Languages) == 0 {
		out.Languages = slices.Clone(below.Languages)
	}
	if out.Logo == "" && out.LogoDark == "" {
		out.Logo, out.LogoDark, out.LogoNamed = below.Logo, below.LogoDark, below.LogoNamed
	}
	if out.Help == "" {
		out.Help, out.HelpLink = below.Help, below.HelpLink
	}
	return out
}

// Named returns a function that gives a site with this name, in English, and nothing
// else.
func Named(name string) func() *Site {
	s := &Site{Name: name, Language: "en"}
	return func() *Site { return s }
}

// Setting is one setting as it is in force.
type Setting struct {
	Key     string // as in the configuration
	Value   string // as one would write it there; empty for nothing
	Default string
	From    SettingFrom
	Place   string // SettingConfigured: "idp.yaml:12", "IDP_SESSIONS_IDLE"
	Env     string // the variable that would set it; empty: it cannot be set
	Secret  bool   // Value says only that there is one
}

// SettingFrom says where the value of a setting comes from.
type SettingFrom string

const (
	SettingDefault    SettingFrom = "default"
	SettingConfigured SettingFrom = "configuration" // file or environment
	SettingSaved      SettingFrom = "administration"
	SettingBuiltIn    SettingFrom = "fixed" // a number of the program, which nobody can set; not what is fixed by the configuration
)
