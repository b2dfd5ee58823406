package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"hilum/idp"
	"hilum/idp/admin"
)

// importLine is what an import did, as scripts see it: admin.Import.
type importLine struct {
	People int         `json:"people"`
	Added  int         `json:"added"`
	DryRun bool        `json:"dry_run"`
	Faults []faultLine `json:"faults,omitempty"`
	More   bool        `json:"more_faults,omitempty"`
	Faulty int         `json:"faulty_lines,omitempty"`
	Left   []string    `json:"ignored_columns,omitempty"`

	// With --mail:
	Invited       *int        `json:"invited,omitempty"`
	Uninvited     []faultLine `json:"not_invited,omitempty"`
	MoreUninvited int         `json:"more_not_invited,omitempty"`
}

// faultLine is one line of the file and what is wrong with it, as scripts see it.
type faultLine struct {
	Line    int    `json:"line"`
	Name    string `json:"username,omitempty"`
	Problem string `json:"problem"`
}

func (c *cli) userImport() *cobra.Command {
	var dry, mail, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add the people of a CSV file, all or none; - reads the standard input",
		Long: `Add the people of a CSV file (UTF-8), all or none: with one faulty line nobody is
added, and every fault is named, with its line and column. The first line says what
the columns are, in any order: ` + strings.Join(admin.ImportHeading, ", ") + `.
Only username is needed. Several roles or groups stand in one cell, a space
between them, or a bar where names have spaces. Empty rows and columns are
passed over. Nobody may have a mail address that another has. The people are invited afterwards: idp invite NAME; or with --mail
at once, when all are added: everybody who has an address is sent an invitation.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) (err error) {
		file := c.stdin
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			file = f
		}
		var progress func(admin.ImportStep)
		if !asJSON && terminal(c.stderr) {
			progress = showStep(c.stderr)
		}
		got, err := p.desk.ImportUsers(ctx, console(), file, admin.ImportHow{Dry: dry, Mail: mail}, progress)
		broke := err
		if err != nil && got != nil && got.Added > 0 { // among the letters
			err = nil
		}
		if errors.Is(err, idp.ErrConflict) {
			return errors.New("a sign-in name was taken meanwhile; nobody was added")
		}
		if errors.Is(err, context.Canceled) {
			return errors.New("stopped; nobody was added")
		}
		if err != nil {
			return fieldError(err)
		}
		l := importLine{People: got.People, Added: got.Added, DryRun: dry, More: got.More, Faulty: got.Faulty, Left: got.Ignored}
		for _, f := range got.Faults {
			l.Faults = append(l.Faults, faultLine{f.Line, f.Name, personError(f.Err).Error()})
		}
		if mail {
			l.Invited, l.MoreUninvited = &got.Mailed, got.MoreUnmailed
			for _, u := range got.Unmailed {
				why := "the account was changed meanwhile"
				if errors.Is(u.Err, idp.ErrInvalid) {
					why = "no mail address"
				}
				l.Uninvited = append(l.Uninvited, faultLine{u.Line, u.Name, why})
			}
		}
		if asJSON {
			if err := json.NewEncoder(c.stdout).Encode(l); err != nil {
				return err
			}
		} else {
			for _, f := range append(l.Faults, l.Uninvited...) {
				c.printf("line %d, %q: %s\n", f.Line, f.Name, f.Problem)
			}
			if l.More {
				c.printf("and more\n")
			}
			if len(l.Left) > 0 {
				c.printf("not taken from the file: %s\n", strings.Join(l.Left, ", "))
			}
			if l.MoreUninvited > 0 {
				c.printf("and %d more\n", l.MoreUninvited)
			}
		}
		switch {
		case len(l.Faults) > 0:
			return fmt.Errorf("%s faulty; nobody was added", counted(l.Faulty, "line is", "lines are"))
		case asJSON:
		case dry:
			c.printf("%s could be added; nobody was\n", counted(l.People, "person", "people"))
			if mail {
				c.printf("%s would be sent\n", counted(got.Mailed, "invitation", "invitations"))
			}
		default:
			c.printf("%s added\n", counted(l.Added, "person", "people"))
			if mail {
				c.printf("%s by mail\n", counted(got.Mailed, "invitation goes", "invitations go"))
			}
		}
		if broke != nil {
			rest := counted(got.Added-got.Mailed-len(got.Unmailed)-got.MoreUnmailed, "person", "people")
			if errors.Is(broke, context.Canceled) {
				return fmt.Errorf("stopped; %s got no invitation; \"idp invite --mail NAME…\" sends them", rest)
			}
			return fmt.Errorf("%s got no invitation; \"idp invite --mail NAME…\" sends them: %w", rest, broke)
		}
		return nil
	})
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check only")
	cmd.Flags().BoolVar(&mail, "mail", false, "send everybody who has an address an invitation")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// counted is a number with the noun that goes with it.
func counted(n int, one, more string) string {
	if n == 1 {
		more = one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// showStep returns a function that shows in one line of a terminal how far an import
// is.
func showStep(w io.Writer) func(admin.ImportStep) {
	return func(s admin.ImportStep) {
		what := "lines checked"
		switch {
		case s.Adding:
			what = "people added"
		case s.Mailing:
			what = "people written to"
		}
		fmt.Fprintf(w, "\r%d of %d %s\x1b[K", s.Done, s.Of, what)
		if s.Done == s.Of {
			fmt.Fprintln(w)
		}
	}
}

func (c *cli) userReopen() *cobra.Command {
	var reason string
	var mail byMail
	cmd := &cobra.Command{
		Use:   "reopen NAME",
		Short: "Unlink all devices of a person and make a one-time link to a new first one",
		Args:  cobra.ExactArgs(1),
	}
	mail.register(cmd.Flags())
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		u, err := p.person(ctx, args[0])
		if err != nil {
			return err
		}
		gone, link, err := p.desk.Reopen(ctx, console(), u.ID, reason, mail.via())
		for _, g := range gone {
			if g.Err == nil {
				c.printf("%q unlinked from %s\n", g.Name, g.Person)
			}
		}
		if err != nil {
			return inviteError(u.Name, err)
		}
		c.printInvitation(p, "Invitation for "+u.Name, link)
		return nil
	})
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for the audit log")
	return cmd
}
