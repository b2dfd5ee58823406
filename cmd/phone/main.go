// Command phone is a phone in the terminal: it links to an account by the QR
// code or link of a provider, hears of sign-ins, and answers them. It is the
// reference client of docs/device-protocol.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hilum/cmd/phone/phone"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole program but for the process around it. It returns the exit code: 1
// for any error, 0 also when an interrupt ended it.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{in: bufio.NewReader(in), out: out}
	root := c.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return 0
	}
	fmt.Fprintln(errs, "phone:", err)
	return 1
}

// cli is what all commands share.
type cli struct {
	in      *bufio.Reader
	out     io.Writer
	file    string // --file
	account string // --account
	json    bool   // --json
}

// app is what this client calls itself when it pairs.
const app = "hilum-phone/1"

func (c *cli) command() *cobra.Command {
	root := &cobra.Command{
		Use: "phone", Short: "A phone in the terminal: link it, and answer sign-ins", SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&c.file, "file", defaultFile(), "where the keys are kept, for nobody else to read")
	root.PersistentFlags().StringVar(&c.account, "account", "", "which account, when several are linked: name@host, or the beginning of the device's id")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "one JSON object a line, for scripts")
	root.AddCommand(c.pair(), c.watch(), c.approve(), c.deny(), c.code(), c.accounts(), c.rename(), c.unpair())
	return root
}

// defaultFile is the file of keys in the folder where this user's programs keep their
// settings, or in the current folder where there is none.
func defaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "phone-keys.json"
	}
	return filepath.Join(dir, "hilum-phone", "keys.json")
}

func (c *cli) open() (*phone.File, error) { return phone.OpenFile(c.file) }

// with runs do on the account that --account names. One of which the provider says that
// it was unlinked (error unlinked) is forgotten, with its keys.
func (c *cli) with(do func(ctx context.Context, f *phone.File, p *phone.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		f, err := c.open()
		if err != nil {
			return err
		}
		a, err := f.Find(c.account)
		if err != nil {
			return err
		}
		err = do(cmd.Context(), f, &phone.Client{Account: a, Save: f.Put}, args)
		var e *phone.Error
		if errors.As(err, &e) && e.Code == "unlinked" {
			err = errors.Join(e, f.Forget(a))
		}
		return err
	}
}

func (c *cli) pair() *cobra.Command {
	var p phone.Pairing
	var yes, replace bool
	cmd := &cobra.Command{
		Use:   "pair URI|PICTURE",
		Short: "Link this phone by an otpauth link, by a picture of its QR code, or by --site, --user and --code",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				link, err := readLink(args[0])
				if err != nil {
					return err
				}
				p.Link = link
			} else if p.Site == "" || p.User == "" || p.Short == "" {
				return errors.New("give a link or a picture, or all of --site, --user and --code")
			}
			f, err := c.open()
			if err != nil {
				return err
			}
			if replace {
				if p.Replaces, err = f.Find(c.account); err != nil {
					return err
				}
			}
			p.App = app
			client, err := phone.Pair(cmd.Context(), p, nil, f.Put)
			if err != nil {
				if client != nil {
					err = errors.Join(err, f.Forget(client.Account))
				}
				return err
			}
			a := client.Account
			c.say(map[string]any{"device": a.Device, "account": a.Name, "site": a.Site}, "%s at %s (%s)", a.Name, a.Site, a.Issuer)
			if !yes {
				if yes, err = c.ask(cmd.Context(), "Link this phone? Login (l) or Deny (d): "); err != nil {
					return err
				}
			}
			if _, err := client.Answer(cmd.Context(), a.Waiting, phone.Decision{Approve: yes}); err != nil {
				return err
			}
			if !yes {
				return f.Forget(a)
			}
			if a.Pending {
				c.say(map[string]any{"linked": false}, "Almost done: go back to the browser and finish there.")
				return nil
			}
			if replace { // the provider has unlinked it
				if err := f.Forget(p.Replaces); err != nil {
					return err
				}
			}
			c.say(map[string]any{"linked": true}, "Linked. \"phone watch\" hears of sign-ins.")
			return nil
		},
	}
	cmd.Flags().StringVar(&p.Name, "name", hostName(), "name of this phone")
	cmd.Flags().StringVar(&p.Platform, "platform", "other", "ios, android, web or other")
	cmd.Flags().StringVar(&p.Site, "site", "", "host of the provider")
	cmd.Flags().StringVar(&p.User, "user", "", "user name at the provider")
	cmd.Flags().StringVar(&p.Short, "code", "", "short code that the provider shows")
	cmd.Flags().StringVar(&p.PIN, "pin", "", "make a second key, which this PIN unlocks, for approvals that want one")
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of the phone that is linked here (see --account)")
	cmd.Flags().BoolVar(&yes, "approve", false, "tap Login without asking")
	return cmd
}

// hostName is the name that this phone proposes for itself: the machine's, of at most
// 40 runes.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "Terminal"
	}
	if r := []rune(name); len(r) > 40 {
		name = string(r[:40])
	}
	return name
}

// readLink reads an otpauth link as it is typed, or else from the picture that arg is
// the path of.
func readLink(arg string) (*phone.Link, error) {
	if !strings.HasPrefix(arg, "otpauth:") {
		f, err := os.Open(arg)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if arg, err = phone.ReadPicture(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return phone.ParseLink(arg)
}

// say prints a sentence, or with --json the facts as one line of JSON.
func (c *cli) say(facts map[string]any, format string, args ...any) {
	if c.json {
		_ = json.NewEncoder(c.out).Encode(facts) // a reader that left wants nothing
		return
	}
	fmt.Fprintf(c.out, format+"\n", args...)
}

// line prints a question and reads the line that is typed, without spaces around it.
// Errors: io.EOF, that of ctx.
func (c *cli) line(ctx context.Context, question string) (string, error) {
	fmt.Fprint(c.out, question)
	type typed struct {
		text string
		err  error
	}
	got := make(chan typed, 1)
	go func() { // ends with the line, or with the program
		text, err := c.in.ReadString('\n')
		got <- typed{strings.TrimSpace(text), err}
	}()
	select {
	case t := <-got:
		return t.text, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ask asks until Login (true) or Deny is typed. Errors: those of line.
func (c *cli) ask(ctx context.Context, question string) (bool, error) {
	for {
		text, err := c.line(ctx, question)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(text) {
		case "l", "login":
			return true, nil
		case "d", "deny":
			return false, nil
		}
	}
}

// describe says what a sign-in request is about.
func describe(d *phone.Doc) string {
	var b strings.Builder
	what := map[string]string{"login": "Sign-in request", "stepup": "Confirm that it is you", "pair": "Link this phone"}[d.Purpose]
	if what == "" {
		what = "Request"
	}
	if d.Act.Text != "" {
		what += ": " + d.Act.Text
	}
	fmt.Fprintf(&b, "%s\n  application  %s\n  account      %s\n", what, d.App, d.Account)
	var from strings.Builder
	from.WriteString(d.IP)
	for _, more := range []string{d.Net, d.Place} {
		if more != "" {
			from.WriteString(", " + more)
		}
	}
	fmt.Fprintf(&b, "  from         %s\n", from.String())
	if d.Browser != "" || d.OS != "" {
		fmt.Fprintf(&b, "  browser      %s %s\n", d.Browser, d.OS)
	}
	if d.NewPassword {
		b.WriteString("  password     Login gives the account the new password that was chosen there\n")
	}
	if d.NewBrowser && d.Purpose == "login" {
		b.WriteString("  new          not signed in from this browser before\n")
	}
	fmt.Fprintf(&b, "  at           %s", time.Unix(d.At, 0).Format(time.TimeOnly))
	return b.String()
}

// number says which number is asked of the person in place of a tap; empty: none is.
func number(d *phone.Doc) string {
	switch d.Match.Mode {
	case "type":
		return fmt.Sprintf("the %d digits in the browser", d.Match.Len)
	case "pick":
		return "the number in the browser, one of " + strings.Join(d.Match.Choices, ", ")
	}
	return ""
}

// wanted says what is to be typed to approve.
func wanted(d *phone.Doc) string {
	n := number(d)
	switch {
	case d.Verifies() && n != "":
		return "\n  type " + n + ", and the PIN after a space; Deny (d), not me (n)"
	case d.Verifies():
		return "\n  Login with the PIN after a space (l PIN), Deny (d), not me (n)"
	case n != "":
		return "\n  type " + n + "; Deny (d), not me (n)"
	}
	return "\n  Login (l), Deny (d), not me (n)"
}

func (c *cli) watch() *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Hear of sign-ins as they come, and answer them", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, _ *phone.File, p *phone.Client, _ []string) error {
			open := map[string]*phone.Challenge{}
			heard := make(chan phone.Event)
			ended := make(chan error, 1)
			go func() { // ends with ctx, or when the phone is unlinked
				ended <- p.Watch(ctx, func(e phone.Event) {
					select {
					case heard <- e:
					case <-ctx.Done():
					}
				})
			}()
			typed := make(chan string)
			if !c.json {
				go func() { // ends with the input, or with the program
					for {
						text, err := c.in.ReadString('\n')
						if err != nil {
							return
						}
						typed <- strings.TrimSpace(text)
					}
				}()
				c.say(nil, "Waiting for sign-ins of %s at %s. Ctrl-C ends.", p.Account.Name, p.Account.Site)
			}
			var now *phone.Challenge
			for {
				select {
				case e := <-heard:
					c.tell(p, e)
					switch e.Name {
					case "challenge":
						open[e.CID], now = e.Challenge, e.Challenge
					case "gone":
						delete(open, e.CID)
						if now != nil && now.CID == e.CID {
							now = nil
						}
					}
				case text := <-typed:
					if now == nil {
						continue
					}
					d, ok := decisionOf(text)
					if !ok {
						c.say(nil, "l is Login, d is Deny, n is «it wasn't me»; a number approves with it.")
						continue
					}
					if ask := lacks(d, now); ask != "" {
						c.say(nil, "%s", ask)
						continue
					}
					state, err := p.Answer(ctx, now, d)
					if err != nil {
						c.say(nil, "%v", err)
						continue
					}
					c.say(nil, "%s.", state)
				case err := <-ended:
					return err
				}
			}
		}),
	}
}

// tell prints an event that the phone has heard of.
func (c *cli) tell(p *phone.Client, e phone.Event) {
	switch e.Name {
	case "challenge":
		d, err := p.Check(e.Challenge)
		if err != nil {
			c.say(map[string]any{"event": "challenge", "cid": e.CID, "fault": err.Error()}, "%v", err)
			return
		}
		c.say(map[string]any{"event": "challenge", "cid": e.CID, "doc": d}, "\n%s", describe(d)+wanted(d))
	case "gone":
		c.say(map[string]any{"event": "gone", "cid": e.CID, "why": e.Why}, "  (%s)", e.Why)
	case "linked":
		c.say(map[string]any{"event": "linked"}, "This phone is linked.")
	case "unlinked":
		c.say(map[string]any{"event": "unlinked"}, "This phone was unlinked.")
	}
}

// decisionOf reads what is typed at a request, an approval with a PIN after it or without;
// false: it is no decision.
func decisionOf(text string) (phone.Decision, bool) {
	switch strings.ToLower(text) {
	case "d", "deny":
		return phone.Decision{}, true
	case "n", "not me":
		return phone.Decision{Reason: "not_me"}, true
	}
	what, pin, _ := strings.Cut(text, " ")
	if what = strings.ToLower(what); what == "l" || what == "login" {
		return phone.Decision{Approve: true, PIN: pin}, true
	}
	if what != "" && strings.Trim(what, "0123456789") == "" {
		return phone.Decision{Approve: true, Number: what, PIN: pin}, true
	}
	return phone.Decision{}, false
}

// lacks asks for the number that an approval of a challenge needs and does not have: without
// it the answer would be refused, and a wrong one ends the sign-in. Empty: nothing lacks.
func lacks(d phone.Decision, ch *phone.Challenge) string {
	doc, err := ch.Doc()
	if err != nil || !d.Approve || d.Number != "" || number(doc) == "" {
		return ""
	}
	if doc.Verifies() {
		return "  type " + number(doc) + ", and the PIN after a space"
	}
	return "  type " + number(doc)
}

// latest returns the newest request that waits, or the one with an id. Errors: none
// waits, those of Challenges.
func (c *cli) latest(ctx context.Context, p *phone.Client, cid string) (*phone.Challenge, error) {
	list, err := p.Challenges(ctx, 0)
	if err != nil {
		return nil, err
	}
	if cid != "" {
		list = slices.DeleteFunc(list, func(ch phone.Challenge) bool { return ch.CID != cid })
	}
	if len(list) == 0 {
		return nil, errors.New("nothing waits for an answer")
	}
	return &list[len(list)-1], nil
}

func (c *cli) approve() *cobra.Command {
	var typed, cid, pin string
	cmd := &cobra.Command{
		Use: "approve", Short: "Say Login to the request that waits", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, _ *phone.File, p *phone.Client, _ []string) error {
			ch, err := c.latest(ctx, p, cid)
			if err != nil {
				return err
			}
			d, err := p.Check(ch)
			if err != nil {
				return err
			}
			c.say(map[string]any{"cid": ch.CID, "doc": d}, "%s", describe(d))
			if n := number(d); n != "" && typed == "" {
				if typed, err = c.line(ctx, "  type "+n+": "); err != nil {
					return err
				}
			}
			if d.Verifies() && pin == "" {
				if pin, err = c.line(ctx, "  PIN: "); err != nil {
					return err
				}
			}
			state, err := p.Answer(ctx, ch, phone.Decision{Approve: true, Number: typed, PIN: pin})
			if err == nil {
				c.say(map[string]any{"state": state}, "%s", state)
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&typed, "number", "", "the number that the browser shows")
	cmd.Flags().StringVar(&pin, "pin", "", "the PIN, where the request wants it or to prove that it is you")
	cmd.Flags().StringVar(&cid, "cid", "", "which request, when several wait")
	return cmd
}

func (c *cli) deny() *cobra.Command {
	var notMe bool
	var cid string
	cmd := &cobra.Command{
		Use: "deny", Short: "Say Deny to the request that waits", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, _ *phone.File, p *phone.Client, _ []string) error {
			ch, err := c.latest(ctx, p, cid)
			if err != nil {
				return err
			}
			d := phone.Decision{Reason: "mistake"}
			if notMe {
				d.Reason = "not_me"
			}
			state, err := p.Answer(ctx, ch, d)
			if err == nil {
				c.say(map[string]any{"state": state}, "%s", state)
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&notMe, "not-me", false, "it wasn't me: a stranger has the password")
	cmd.Flags().StringVar(&cid, "cid", "", "which request, when several wait")
	return cmd
}

func (c *cli) code() *cobra.Command {
	return &cobra.Command{
		Use: "code", Short: "Print the code of this moment", Args: cobra.NoArgs,
		RunE: c.with(func(_ context.Context, _ *phone.File, p *phone.Client, _ []string) error {
			now := time.Now()
			code, err := p.Account.Code(now)
			if err != nil {
				return err
			}
			left := int64(p.Account.Period) - p.Account.Now(now).Unix()%int64(p.Account.Period)
			c.say(map[string]any{"code": code, "seconds": left}, "%s  (%d s)", code, left)
			return nil
		}),
	}
}

func (c *cli) accounts() *cobra.Command {
	return &cobra.Command{
		Use: "accounts", Short: "List what is linked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			f, err := c.open()
			if err != nil {
				return err
			}
			for _, a := range f.Accounts() {
				state := "linked"
				if a.Pending {
					state = "not linked yet"
				}
				c.say(map[string]any{"device": a.Device, "account": a.Name, "site": a.Site, "issuer": a.Issuer, "pending": a.Pending},
					"%s at %s (%s), device %s, %s", a.Name, a.Site, a.Issuer, a.Device, state)
			}
			return nil
		},
	}
}

func (c *cli) rename() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME", Short: "Give this phone another name", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, _ *phone.File, p *phone.Client, args []string) error {
			return p.Rename(ctx, args[0])
		}),
	}
}

func (c *cli) unpair() *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use: "unpair", Short: "Unlink this phone", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, f *phone.File, p *phone.Client, _ []string) error {
			if !forget {
				if err := p.Unpair(ctx); err != nil {
					return err
				}
			}
			return f.Forget(p.Account)
		}),
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "only here: the site does not know this phone, or is no more")
	return cmd
}
