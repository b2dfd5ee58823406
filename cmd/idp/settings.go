package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
)

func (c *cli) settingsCommand() *cobra.Command {
	return group("settings", "Show everything that is set, and change how the site presents itself",
		c.settingsShow(), c.settingsSet(), c.settingsLogo())
}

// inForce is a setting as scripts see it.
type inForce struct {
	Key     string          `json:"key"`
	Value   string          `json:"value"`
	Default string          `json:"default"`
	From    idp.SettingFrom `json:"from"`
	Place   string          `json:"place,omitempty"`
	Env     string          `json:"env,omitempty"`
}

func (c *cli) settingsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting and limit in force, and where it comes from",
		Args:  cobra.NoArgs,
	}
	jsonFlag(cmd, &asJSON)
	cmd.RunE = c.with(func(ctx context.Context, p *provider) error {
		list, err := p.desk.Settings(ctx, console())
		if err != nil {
			return err
		}
		rows := [][]string{{"SETTING", "VALUE", "FROM"}}
		var out []inForce
		for _, s := range list {
			from := string(s.From)
			if s.Place != "" {
				from = s.Place
			}
			if s.Secret && s.Value != "" {
				s.Value = "set"
			}
			rows = append(rows, []string{s.Key, s.Value, from})
			out = append(out, inForce{s.Key, s.Value, s.Default, s.From, s.Place, s.Env})
		}
		if asJSON {
			return lines(c.stdout, out)
		}
		return table(c.stdout, rows...)
	})
	return cmd
}

func (c *cli) settingsSet() *cobra.Command {
	var s idp.Site
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Change what the flags name; an empty value goes back to the default",
		Long: `Change what the flags name; an empty value goes back to the default.
A running provider shows it within a second. What the configuration sets is changed there.`,
		Example: `  idp settings set --name "Imaging, Saint Luke Hospital" --accent "#0a7d6c"
  idp settings set --languages en,nl --language nl
  idp settings set --help-line "Helpdesk, extension 4711" --help-link tel:+3293324711
  idp settings set --accent ""`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&s.Name, "name", "", "`name` of the site, on every page")
	f.StringVar(&s.Label, "label", "", "`name` of the site in authenticator apps (empty: --name)")
	f.StringVar(&s.Accent, "accent", "", "accent, a `colour` as #rrggbb that is seen in both themes")
	f.StringSliceVar(&s.Languages, "languages", nil, "`languages` offered, such as en,nl (empty: all there are)")
	f.StringVar(&s.Language, "language", "", "default `language`")
	f.StringVar(&s.Help, "help-line", "", "`text` for who cannot sign in, such as \"Helpdesk, extension 4711\"")
	f.StringVar(&s.HelpLink, "help-link", "", "`link` of it: https, tel or mailto")
	cmd.RunE = c.with(func(ctx context.Context, p *provider) error {
		if !said(cmd) {
			return usagef("nothing to change was named")
		}
		err := p.desk.EditSite(ctx, console(), func(to *idp.Site) {
			for name, set := range map[string]func(){
				"name":      func() { to.Name = s.Name },
				"label":     func() { to.Label = s.Label },
				"accent":    func() { to.Accent = s.Accent },
				"languages": func() { to.Languages = s.Languages },
				"language":  func() { to.Language = s.Language },
				"help-line": func() { to.Help = s.Help },
				"help-link": func() { to.HelpLink = s.HelpLink },
			} {
				if f.Changed(name) {
					set()
				}
			}
		})
		if err != nil {
			return p.siteError(err)
		}
		c.printf("changed; a running provider shows it within a second\n")
		return nil
	})
	return cmd
}

// siteError puts an error about how the site presents itself into words: where a
// setting is fixed by the configuration, by how much a name is too long, which accent
// would do.
func (p *provider) siteError(err error) error {
	field := (*idp.FieldError)(nil)
	if near := (*brand.AccentError)(nil); errors.As(err, &near) {
		return fmt.Errorf("%s: %w", admin.SiteAccent, near)
	}
	if !errors.As(err, &field) {
		return err
	}
	switch field.Message {
	case "site.name.fits":
		return fmt.Errorf("%s: %w", field.Field, admin.WhyNot(err))
	case "site.fixed":
		for _, s := range p.conf.Settings() {
			if s.Key == field.Field {
				return fmt.Errorf("%s: is set in the configuration (%s), and changed there", field.Field, s.Place)
			}
		}
	}
	return fieldError(err)
}

// readPicture reads the file of a picture. Errors: FieldError with the path for one of
// more than brand.MaxFile bytes, those of reading it.
func readPicture(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, brand.MaxFile+1)) // what has no size may have no end
	if err == nil && len(raw) > brand.MaxFile {
		err = &idp.FieldError{Field: path, Message: "picture.large"}
	}
	return raw, err
}

func (c *cli) settingsLogo() *cobra.Command {
	var dark, named, remove bool
	cmd := &cobra.Command{
		Use:   "logo [FILE]",
		Short: "Set the logo at the top of every page, a PNG, or remove it",
		Example: `  idp settings logo logo.png --named
  idp settings logo logo-dark.png --dark
  idp settings logo --remove`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&dark, "dark", false, "the one for the dark theme")
	cmd.Flags().BoolVar(&named, "named", false, "it shows the name of the site, which is not repeated beside it")
	cmd.Flags().BoolVar(&remove, "remove", false, "go back to our mark, or with --dark to the one logo for both themes")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if remove == (len(args) == 1) {
			return usagef("a file, or --remove")
		}
		saved, err := p.desk.SavedSite(ctx, console())
		if err != nil {
			return err
		}
		change := admin.Logos{Named: saved.LogoNamed, Without: remove && !dark, WithoutDark: remove && dark}
		if cmd.Flags().Changed("named") {
			change.Named = named
		}
		if !remove {
			raw, err := readPicture(args[0])
			if err != nil {
				return fieldError(err)
			}
			if dark {
				change.Dark = raw
			} else {
				change.Logo = raw
			}
			if len(raw) == 0 {
				return fieldError(&idp.FieldError{Field: args[0], Message: "picture.png"})
			}
		}
		if err := p.desk.EditLogos(ctx, console(), change); err != nil {
			return p.siteError(err)
		}
		c.printf("changed; a running provider shows it within a second\n")
		faint, err := p.desk.FaintLogos(ctx, console())
		if err != nil {
			return err
		}
		if faint.Dark {
			help := ""
			if !dark && saved.LogoDark == "" {
				help = " With --dark the dark theme has one of its own."
			}
			fmt.Fprintln(c.stderr, "On the dark ground this logo can hardly be seen."+help)
		}
		if faint.Light {
			fmt.Fprintln(c.stderr, "On the light ground this logo can hardly be seen.")
		}
		return nil
	})
	return cmd
}

func (c *cli) clientIcon() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "icon ID [FILE]",
		Short: "Set the icon that people see when they sign in, a PNG, or remove it",
		Args:  cobra.RangeArgs(1, 2),
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "go back to a letter")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if remove == (len(args) == 2) {
			return usagef("a file, or --remove")
		}
		var raw []byte
		if !remove {
			var err error
			if raw, err = readPicture(args[1]); err != nil {
				return fieldError(err)
			}
			if len(raw) == 0 {
				return fieldError(&idp.FieldError{Field: args[1], Message: "picture.png"})
			}
		}
		if err := p.desk.SetIcon(ctx, console(), idp.ClientID(args[0]), raw); err != nil {
			return clientError(err, args[0])
		}
		c.printf("%s changed\n", args[0])
		return nil
	})
	return cmd
}
