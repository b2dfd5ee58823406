package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hilum/idp"
	"hilum/idp/admin"
)

// with makes the function of a command without arguments: it opens the parts beside a
// running provider, runs fn on them and closes them. Errors: those of beside and of fn.
func (c *cli) with(fn func(ctx context.Context, p *provider) error) func(*cobra.Command, []string) error {
	return c.withArgs(func(ctx context.Context, p *provider, _ []string) error { return fn(ctx, p) })
}

// withArgs is with for a command that has arguments.
func (c *cli) withArgs(fn func(ctx context.Context, p *provider, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		p, err := c.beside(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		return fn(cmd.Context(), p, args)
	}
}

// table writes rows in columns. A heading is a row like the others.
func table(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// lines writes each value as one line of JSON.
func lines[T any](w io.Writer, values []T) error {
	enc := json.NewEncoder(w)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// personFlags are what can be said of a person on the command line.
type personFlags struct {
	display, given, family, email, phone, locale, staff string
	roles, groups                                       []string
}

func (f *personFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.display, "display", "", "`name` as shown to people (default: the sign-in name)")
	flags.StringVar(&f.given, "given-name", "", "given `name`")
	flags.StringVar(&f.family, "family-name", "", "family `name`")
	flags.StringVar(&f.email, "email", "", "mail `address`, taken as verified")
	flags.StringVar(&f.phone, "phone", "", "telephone `number`, taken as verified")
	flags.StringVar(&f.locale, "locale", "", "`language` tag, such as de-AT")
	flags.StringVar(&f.staff, "staff", "", "`role` in the administration: admin, helpdesk or auditor")
	flags.StringSliceVar(&f.roles, "role", nil, "`role` for applications; several by commas or repetition")
	flags.StringSliceVar(&f.groups, "group", nil, "`group` for applications; several by commas or repetition")
}

// apply puts what was said on the command line, and only that, into u.
func (f *personFlags) apply(flags *pflag.FlagSet, u *idp.User) {
	for name, set := range map[string]func(){
		"display":     func() { u.DisplayName = f.display },
		"given-name":  func() { u.GivenName = f.given },
		"family-name": func() { u.FamilyName = f.family },
		"email":       func() { u.Email, u.EmailVerified = f.email, f.email != "" },
		"phone":       func() { u.Phone, u.PhoneVerified = f.phone, f.phone != "" },
		"locale":      func() { u.Locale = f.locale },
		"staff":       func() { u.Staff = idp.StaffRole(f.staff) },
		"role":        func() { u.Roles = f.roles },
		"group":       func() { u.Groups = f.groups },
	} {
		if flags.Changed(name) {
			set()
		}
	}
}

// newUser is the person that the flags describe under a sign-in name.
func (f *personFlags) newUser(flags *pflag.FlagSet, name string) *idp.User {
	u := &idp.User{Name: idp.FoldName(name), DisplayName: strings.TrimSpace(name)}
	f.apply(flags, u)
	return u
}

// printInvitation prints a one-time link, or the mail address that it is sent to.
func (c *cli) printInvitation(p *provider, what string, l *admin.Link) {
	if l.To != "" {
		c.printf("%s goes to %s by mail, good once, until %s\n", what, l.To, clock(l.ExpiresAt))
		return
	}
	c.printf("%s, good once, until %s:\n%s\n", what, clock(l.ExpiresAt), inviteURL(p.issuer, l))
}

// byMail is the flag --mail of commands that make a one-time link.
type byMail bool

func (m *byMail) register(flags *pflag.FlagSet) {
	flags.BoolVar((*bool)(m), "mail", false, "send the link to the person's mail address instead of printing it")
}

func (m byMail) via() admin.Via {
	if m {
		return admin.ViaMail
	}
	return admin.ViaLink
}

func (c *cli) inviteCommand() *cobra.Command {
	var f personFlags
	var mail byMail
	cmd := &cobra.Command{
		Use:   "invite NAME…",
		Short: "Make a one-time link to choose a password and link the first device",
		Long: `Print a one-time link in which a person chooses a password and links the first
device, or with --mail send it to them. Who has no account yet gets one, with what
the flags say. Several who have one are invited by mail only.`,
		Args: cobra.MinimumNArgs(1),
	}
	f.register(cmd.Flags())
	mail.register(cmd.Flags())
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if len(args) > 1 {
			switch {
			case !bool(mail):
				return usagef("several people are invited with --mail; a link is printed for one")
			case said(cmd):
				return usagef("what is said of a person is said of one")
			}
			return c.inviteMany(ctx, p, args)
		}
		u := f.newUser(cmd.Flags(), args[0])
		switch acc, err := p.desk.FindUser(ctx, console(), args[0]); {
		case errors.Is(err, idp.ErrNotFound):
			if err := p.desk.Reachable(u, mail.via()); err != nil { // nobody is added in vain
				return fieldError(err)
			}
			if err := p.desk.AddUser(ctx, console(), u); err != nil {
				return personError(err)
			}
		case err != nil:
			return err
		case said(cmd):
			return usagef("%s has an account already; \"idp user edit\" changes it", acc.User.Name)
		default:
			u = &acc.User
		}
		link, err := p.desk.Invite(ctx, console(), u.ID, mail.via())
		if err != nil {
			return inviteError(u.Name, err)
		}
		c.printInvitation(p, "Invitation for "+u.Name, link)
		return c.noteUnadministered(ctx, p)
	})
	return cmd
}

// inviteMany sends invitations to people who have an account, and prints of each
// what became of it. Errors: nobody has one of the names, and nobody is invited; or some
// were not invited.
func (c *cli) inviteMany(ctx context.Context, p *provider, names []string) error {
	users := make([]idp.UserID, len(names))
	for i, name := range names { // a slip of the pen invites nobody
		u, err := p.person(ctx, name)
		if err != nil {
			return err
		}
		users[i] = u.ID
	}
	results, err := p.desk.InviteMany(ctx, console(), users, admin.ViaMail, nil)
	left := len(users)
	for _, r := range results {
		if r.Err != nil {
			c.printf("%s: %s\n", r.Name, inviteError(r.Name, r.Err))
			continue
		}
		left--
		c.printInvitation(p, "Invitation for "+r.Name, r.Link)
	}
	switch {
	case err != nil:
		return fieldError(err)
	case left > 0:
		return fmt.Errorf("%d of %d got no invitation", left, len(users))
	}
	return nil
}

// inviteError says in words why there is no link for somebody.
func inviteError(name string, err error) error {
	switch {
	case errors.Is(err, idp.ErrConflict):
		return fmt.Errorf("%s has a device linked already; \"idp user reset\" lets them choose a new password, \"idp user unlink\" removes a lost device first", name)
	case errors.Is(err, idp.ErrDenied):
		return fmt.Errorf("%s is disabled; \"idp user enable\" first", name)
	}
	return fieldError(err)
}

// said reports whether any flag of the command's own was given, other than how a
// link gets to the person.
func said(cmd *cobra.Command) bool {
	any := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { any = any || f.Changed && f.Name != "mail" })
	return any
}

func (c *cli) userCommand() *cobra.Command {
	return group("user", "Add, list and change people",
		c.userAdd(), c.userEdit(), c.userList(), c.userShow(), c.userDisable(),
		c.userAct("enable NAME", "Take a disabled account back", "enabled", (*admin.Desk).Enable),
		c.userAct("unlock NAME", "Clear the counters of wrong passwords and codes", "unlocked", (*admin.Desk).Unlock),
		c.userUnlink(), c.userReopen(), c.userReset(), c.userImport(),
	)
}

func (c *cli) userAdd() *cobra.Command {
	var f personFlags
	var mail byMail
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account that waits for its invitation",
		Args:  cobra.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar((*bool)(&mail), "mail", false, "invite them as well, by mail")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		u := f.newUser(cmd.Flags(), args[0])
		if err := p.desk.Reachable(u, mail.via()); err != nil {
			return fieldError(err)
		}
		if err := p.desk.AddUser(ctx, console(), u); err != nil {
			return personError(err)
		}
		if mail {
			link, err := p.desk.Invite(ctx, console(), u.ID, mail.via())
			if err != nil {
				return fmt.Errorf("%s added, and not invited: %w", u.Name, inviteError(u.Name, err))
			}
			c.printf("%s added, id %s\n", u.Name, u.ID)
			c.printInvitation(p, "Invitation for "+u.Name, link)
			return c.noteUnadministered(ctx, p)
		}
		c.printf("%s added, id %s; invite them: idp invite %s\n", u.Name, u.ID, u.Name)
		return c.noteUnadministered(ctx, p)
	})
	return cmd
}

// noteUnadministered says on the standard error that nobody administers this
// site, and how somebody comes to: a set-up link that was printed before is dead
// by now.
func (c *cli) noteUnadministered(ctx context.Context, p *provider) error {
	administered, err := p.desk.Administered(ctx)
	if err == nil && !administered {
		fmt.Fprintln(c.stderr, "Nobody administers this site yet, and set-up links printed before are dead: \"idp setup-link\" prints a new one, for an account of its own.")
	}
	return err
}

func (c *cli) userEdit() *cobra.Command {
	var f personFlags
	var confirmed []string
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change what the flags name; the rest stays",
		Long: `Change what the flags name; the rest stays.

A role in the administration ends the person's sessions, and their devices answer for it from then on: name them by
--confirm-devices, or unlink what is not theirs. A new mail address ends the links that went to the old one.`,
		Args: cobra.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.Flags().StringSliceVar(&confirmed, "confirm-devices", nil, "`ids` of all devices that are linked, with --staff: they are this person's")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if !said(cmd) {
			return usagef("nothing to change was named")
		}
		u, err := p.person(ctx, args[0])
		if err != nil {
			return err
		}
		err = p.desk.EditUser(ctx, console(), u.ID, func(u *idp.User) {
			f.apply(cmd.Flags(), u)
			u.Confirmed = named[idp.DeviceID](confirmed)
		})
		var field *idp.FieldError
		if errors.As(err, &field) && field.Message == "devices.confirm" {
			return p.unconfirmed(ctx, u)
		}
		if err != nil {
			return personError(err)
		}
		c.printf("%s changed\n", u.Name)
		return nil
	})
	return cmd
}

// unconfirmed says which devices would answer for a role that is given.
func (p *provider) unconfirmed(ctx context.Context, u *idp.User) error {
	devices, err := p.desk.Devices(ctx, console(), u.ID)
	if err != nil {
		return err
	}
	var names, ids []string
	for i := range devices {
		names = append(names, fmt.Sprintf("%q (%s)", devices[i].Name, devices[i].ID))
		ids = append(ids, string(devices[i].ID))
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no devices any more; leave --confirm-devices out", u.Name)
	}
	return fmt.Errorf("%s would answer for that role with: %s. Ask %s whether all of them are theirs, unlink what is not, and say so by --confirm-devices %s",
		u.Name, strings.Join(names, ", "), u.Name, strings.Join(ids, ","))
}

// userLine is a person as scripts see them.
type userLine struct {
	ID        idp.UserID    `json:"id"`
	Name      string        `json:"name"`
	Display   string        `json:"display"`
	Email     string        `json:"email,omitempty"`
	State     idp.UserState `json:"state"`
	Staff     idp.StaffRole `json:"staff,omitempty"`
	Roles     []string      `json:"roles,omitempty"`
	Groups    []string      `json:"groups,omitempty"`
	Devices   int           `json:"devices"`        // how many are linked
	Recovery  int           `json:"recovery_codes"` // how many are unused
	Password  bool          `json:"password"`       // there is one
	CreatedAt time.Time     `json:"created_at"`
}

func userLineOf(a *idp.Account) userLine {
	u := &a.User
	return userLine{u.ID, u.Name, u.DisplayName, u.Email, u.State, u.Staff, u.Roles, u.Groups, a.Devices, a.RecoveryLeft, a.PasswordHash != "", u.CreatedAt}
}

func (c *cli) userList() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list [WORD…]",
		Short: "List people; words are beginnings of names, mail addresses and groups",
	}
	f.register(cmd.Flags(), texts(idp.UserFacets), []string{string(idp.UsersByName), string(idp.UsersByPerson), string(idp.UsersByAdded)})
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		q := idp.UserQuery{Words: strings.Join(args, " "), Facets: named[idp.UserFacet](f.facets), Sort: idp.UserSort(f.sort), Down: f.down}
		if f.asCSV {
			return fieldError(p.desk.UsersCSV(ctx, console(), q, admin.ExportCSV, c.stdout))
		}
		rows := [][]string{{"NAME", "STATE", "STAFF", "DEVICES", "DISPLAY NAME"}}
		printed := 0
		for row, err := range found(f.limit, func(page idp.Page) ([]idp.Account, idp.Cursors, error) {
			q.Page = page
			part, err := p.desk.SearchUsers(ctx, console(), q)
			if err != nil {
				return nil, idp.Cursors{}, err
			}
			return part.Rows, part.Cursors, nil
		}) {
			if err != nil {
				return fieldError(err)
			}
			printed++
			l := userLineOf(row)
			if f.asJSON {
				if err := lines(c.stdout, []userLine{l}); err != nil {
					return err
				}
			} else {
				rows = append(rows, []string{l.Name, string(l.State), string(l.Staff), fmt.Sprint(l.Devices), l.Display})
			}
		}
		if f.asJSON {
			return p.desk.Exported(ctx, console(), admin.ListUsers, admin.FilterOfUsers(&q), printed, nil)
		}
		return table(c.stdout, rows...)
	})
	return cmd
}

// jsonFlag adds the flag --json.
func jsonFlag(cmd *cobra.Command, v *bool) {
	cmd.Flags().BoolVar(v, "json", false, "one JSON object a line, for scripts")
}

// deviceLine is a device as scripts see it.
type deviceLine struct {
	ID         idp.DeviceID   `json:"id"`
	Name       string         `json:"name"`
	Kind       idp.DeviceKind `json:"kind"`
	LinkedAt   time.Time      `json:"linked_at"`
	LastUsedAt *time.Time     `json:"last_used_at,omitempty"`
}

func (c *cli) userShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one person and their devices",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			acc, err := p.account(ctx, args[0])
			if err != nil {
				return err
			}
			linked, err := p.desk.Devices(ctx, console(), acc.User.ID)
			if err != nil {
				return err
			}
			devices := make([]deviceLine, len(linked))
			for i, d := range linked {
				devices[i] = deviceLine{ID: d.ID, Name: d.Name, Kind: d.Kind, LinkedAt: d.LinkedAt}
				if !d.LastUsedAt.IsZero() {
					devices[i].LastUsedAt = &d.LastUsedAt
				}
			}
			l := userLineOf(acc)
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(struct {
					userLine
					Linked []deviceLine `json:"linked"`
				}{l, devices})
			}
			if err := table(c.stdout,
				[]string{"name", l.Name},
				[]string{"id", string(l.ID)},
				[]string{"display name", l.Display},
				[]string{"email", orNone(l.Email)},
				[]string{"state", string(l.State)},
				[]string{"staff", orNone(string(l.Staff))},
				[]string{"roles", orNone(strings.Join(l.Roles, ", "))},
				[]string{"groups", orNone(strings.Join(l.Groups, ", "))},
				[]string{"recovery codes", fmt.Sprint(l.Recovery)},
				[]string{"added", clock(l.CreatedAt)},
			); err != nil || len(devices) == 0 {
				return err
			}
			rows := [][]string{{"DEVICE", "KIND", "LINKED", "LAST USED", "ID"}}
			for _, d := range devices {
				used := "never"
				if d.LastUsedAt != nil {
					used = clock(*d.LastUsedAt)
				}
				rows = append(rows, []string{d.Name, string(d.Kind), clock(d.LinkedAt), used, string(d.ID)})
			}
			c.printf("\n")
			return table(c.stdout, rows...)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// orNone is s, or "none" where that is empty.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// userAct is a command that does one thing to one account and prints that it is done.
func (c *cli) userAct(use, short, done string, act func(*admin.Desk, context.Context, admin.By, idp.UserID) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			u, err := p.person(ctx, args[0])
			if err != nil {
				return err
			}
			if err := act(p.desk, ctx, console(), u.ID); err != nil {
				return err
			}
			c.printf("%s %s\n", u.Name, done)
			return nil
		}),
	}
}

func (c *cli) userDisable() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "disable NAME",
		Short: "End everything of an account at once: sessions, tokens, sign-ins, invitations",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			u, err := p.person(ctx, args[0])
			if err != nil {
				return err
			}
			err = p.desk.Disable(ctx, console(), u.ID, reason)
			if errors.Is(err, idp.ErrDenied) {
				return fmt.Errorf("%s is the last administrator; make another one first", u.Name)
			}
			if err != nil {
				return err
			}
			c.printf("%s disabled\n", u.Name)
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for the audit log")
	return cmd
}

func (c *cli) userUnlink() *cobra.Command {
	var why admin.Why
	cmd := &cobra.Command{
		Use:   "unlink NAME DEVICE",
		Short: "Remove a device of a person, by its id (see user show); the last one too",
		Args:  cobra.ExactArgs(2),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			u, err := p.person(ctx, args[0])
			if err != nil {
				return err
			}
			err = p.desk.Unlink(ctx, console(), u.ID, idp.DeviceID(args[1]), why)
			if errors.Is(err, idp.ErrNotFound) {
				return fmt.Errorf("%s has no device %s; \"idp user show %s\" lists them", u.Name, args[1], u.Name)
			}
			if err != nil {
				return err
			}
			c.printf("device unlinked from %s\n", u.Name)
			return nil
		}),
	}
	whyFlags(cmd, &why)
	return cmd
}

// whyFlags adds the flags that say why devices are unlinked.
func whyFlags(cmd *cobra.Command, why *admin.Why) {
	cmd.Flags().StringVar(&why.Reason, "reason", "", "`why`, for the audit log")
	cmd.Flags().BoolVar(&why.Lost, "lost", false, "somebody else may have it: end sessions, tokens, sign-ins, offers, links, known browsers and recovery codes as well")
}

func (c *cli) userReset() *cobra.Command {
	var mail byMail
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Make a one-time link to choose a new password; devices stay",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			u, err := p.person(ctx, args[0])
			if err != nil {
				return err
			}
			link, err := p.desk.ResetPassword(ctx, console(), u.ID, mail.via())
			if err != nil {
				return inviteError(u.Name, err)
			}
			c.printInvitation(p, "New password for "+u.Name, link)
			return nil
		}),
	}
	mail.register(cmd.Flags())
	return cmd
}

// account finds a person by sign-in name. Errors: in words, that there is nobody of that
// name.
func (p *provider) account(ctx context.Context, name string) (*idp.Account, error) {
	acc, err := p.desk.FindUser(ctx, console(), name)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, fmt.Errorf("nobody here is called %q; \"idp user list\" lists all", name)
	}
	return acc, err
}

// person is account for who needs the person only.
func (p *provider) person(ctx context.Context, name string) (*idp.User, error) {
	acc, err := p.account(ctx, name)
	if err != nil {
		return nil, err
	}
	return &acc.User, nil
}

// personError puts an error about a person into words.
func personError(err error) error {
	if errors.Is(err, idp.ErrConflict) {
		return errors.New("that sign-in name is taken")
	}
	return fieldError(err)
}
