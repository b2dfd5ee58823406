package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hilum/idp"
	"hilum/idp/admin"
)

func (c *cli) auditCommand() *cobra.Command {
	return group("audit", "Read the audit log, and check that it is whole", c.auditList(), c.auditExport(), c.auditVerify())
}

// eventLine is an event as scripts see it.
type eventLine struct{ admin.EventLine }

func eventLineOf(e *idp.Event) eventLine { return eventLine{admin.EventLineOf(e)} }

// pageSize is how many events are read from the database at once.
const pageSize = 1000

// printEvent prints an event as a line, of text or of JSON.
func (c *cli) printEvent(e *idp.Event, asJSON bool) error {
	l := eventLineOf(e)
	if asJSON {
		return lines(c.stdout, []eventLine{l})
	}
	c.printf("%s\n", l.text())
	return nil
}

// text is the event in one line for people; names are quoted, so that none can
// pass for a line of its own.
func (l eventLine) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d  %s  %-24s  by %q", l.Seq, l.At.Local().Format("2006-01-02 15:04:05"), l.Kind, l.Actor)
	for _, part := range [][2]string{
		{"user", string(l.User)}, {"client", string(l.Client)}, {"device", string(l.Device)}, {"from", l.Address},
	} {
		if part[1] != "" {
			fmt.Fprintf(&b, " %s %s", part[0], part[1])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(l.Detail)) {
		fmt.Fprintf(&b, " %s=%q", k, l.Detail[k])
	}
	return b.String()
}

// eventFlags narrow the log.
type eventFlags struct {
	kinds                                             []string
	user, actor, device, client, address, from, until string
}

func (f *eventFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.kinds, "kind", nil, "only these `kinds`; one that ends in a dot is all below it: device.")
	flags.StringVar(&f.user, "user", "", "only what concerns this `person`")
	flags.StringVar(&f.actor, "by", "", "only what this `person` did")
	flags.StringVar(&f.device, "device", "", "only this device, by its `id`")
	flags.StringVar(&f.client, "client", "", "only this application, by its `id`")
	flags.StringVar(&f.address, "address", "", "only from this `address`")
	flags.StringVar(&f.from, "from", "", "from this `day` or instant on")
	flags.StringVar(&f.until, "until", "", "before this `day` or instant")
}

// query is the query that the flags describe; people are looked up by sign-in name.
// Errors: usageError, those of person.
func (f *eventFlags) query(ctx context.Context, p *provider) (q idp.EventQuery, err error) {
	q = idp.EventQuery{Kinds: named[idp.EventKind](f.kinds), Device: idp.DeviceID(f.device), Client: idp.ClientID(f.client), Address: f.address}
	for _, kind := range f.kinds {
		known := func(k idp.EventKind) bool {
			return string(k) == kind || strings.HasSuffix(kind, ".") && strings.HasPrefix(string(k), kind)
		}
		if !slices.ContainsFunc(idp.EventKinds, known) {
			return q, usagef("--kind: there is no kind %q, and none that begins so", kind)
		}
	}
	if q.From, err = moment("from", f.from); err != nil {
		return q, err
	}
	if q.Until, err = moment("until", f.until); err != nil {
		return q, err
	}
	for _, who := range []struct {
		name string
		to   *idp.UserID
	}{{f.user, &q.User}, {f.actor, &q.Actor}} {
		if who.name == "" {
			continue
		}
		u, err := p.person(ctx, who.name)
		if err != nil {
			return q, err
		}
		*who.to = u.ID
	}
	return q, nil
}

// fits reports whether a query would find an event. "audit list" reads the log in the
// order it was written, which the search of the administration does not do.
func fits(q *idp.EventQuery, e *idp.Event) bool {
	of := func(k idp.EventKind) bool {
		return e.Kind == k || strings.HasSuffix(string(k), ".") && strings.HasPrefix(string(e.Kind), string(k))
	}
	return (len(q.Kinds) == 0 || slices.ContainsFunc(q.Kinds, of)) &&
		(q.User == "" || e.User == q.User) && (q.Actor == "" || e.Actor.User == q.Actor) &&
		(q.Device == "" || e.Device == q.Device) && (q.Client == "" || e.Client == q.Client) && (q.Address == "" || e.Address == q.Address) &&
		(q.From.IsZero() || !e.At.Before(q.From)) && (q.Until.IsZero() || e.At.Before(q.Until))
}

// followEvery is how often the log is looked at while it is followed.
const followEvery = time.Second

func (c *cli) auditList() *cobra.Command {
	var f eventFlags
	var after int64
	var most int
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events, oldest first; --follow goes on with those that come",
		Example: `  idp audit list --kind device. --user anna
  idp audit list --follow --after 10000`,
		Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			q, err := f.query(ctx, p)
			if err != nil {
				return err
			}
			listed, whole := 0, false // whole: there was nothing more
			for e, err := range paged(after, func(after int64) ([]idp.Event, int64, bool, error) {
				if whole { // others come
					select {
					case <-time.After(followEvery):
					case <-ctx.Done():
						return nil, after, false, nil
					}
				}
				part, err := p.desk.EventsAfter(ctx, console(), after, pageSize)
				if n := len(part); n > 0 {
					after = part[n-1].Seq
				}
				whole = len(part) < pageSize
				return part, after, follow || !whole, err
			}) {
				if follow && errors.Is(err, context.Canceled) { // an interrupt is how following ends
					return nil
				}
				if err != nil {
					return err
				}
				if !fits(&q, e) {
					continue
				}
				if err := c.printEvent(e, asJSON); err != nil {
					return err
				}
				if listed++; listed == most {
					return nil
				}
			}
			return nil
		}),
	}
	f.register(cmd.Flags())
	cmd.Flags().Int64Var(&after, "after", 0, "begin after this `number`")
	cmd.Flags().IntVar(&most, "limit", 0, "stop after so many `events` (0: all)")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with events as they come, until an interrupt")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) auditVerify() *cobra.Command {
	var asJSON bool
	var noted []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no event was changed, removed or put in",
		Long: `Check the log from the first event that is kept to the last, its end, and that it goes through
what was kept of it outside the database: the file audit.head in the data folder,
and each --head. A head is a number and a hash, as the provider prints it when it
starts, at /readyz on the machine itself, in "idp health" and at the end of every
export. The check leaves an event.`,
		Example: `  idp audit verify
  idp audit verify --head 5021:9f2c…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var heads []idp.LogHead
			for _, s := range noted {
				h, err := idp.ParseLogHead(s)
				if err != nil {
					return usagef("--head: %v", err)
				}
				heads = append(heads, h)
			}
			return c.with(func(ctx context.Context, p *provider) error {
				chain, err := p.desk.VerifyAgainst(ctx, console(), heads, nil)
				if err != nil {
					return fmt.Errorf("the audit log is not whole: %w", err)
				}
				return c.printChain(chain, heads, asJSON)
			})(cmd, args)
		},
	}
	cmd.Flags().StringArrayVar(&noted, "head", nil, "a `number:hash` that you kept: the log must go through it (may be given again)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// chainLine is a log that is whole as scripts see it.
type chainLine struct {
	Events int64       `json:"events"`
	First  int64       `json:"first"`                  // number of the first event; those before were deleted when their time was up
	Fault  string      `json:"fault_before,omitempty"` // what was first found wrong with those
	Head   string      `json:"head"`                   // hash of the last event
	Keyed  int64       `json:"keyed_from"`             // number of the first event that was chained with the key
	Kept   string      `json:"kept,omitempty"`         // number:hash in audit.head
	KeptAt *time.Time  `json:"kept_at,omitempty"`
	Not    []string    `json:"not_compared,omitempty"` // heads of --head that are of before the first event
	Told   []eventLine `json:"told,omitempty"`         // events by which the log says what was wrong with it once
}

func (c *cli) printChain(chain *admin.Chain, noted []idp.LogHead, asJSON bool) error {
	check := &chain.Check
	if asJSON {
		l := chainLine{Events: chain.Events, First: check.Begin.Seq + 1, Fault: check.BeginFault, Head: hex.EncodeToString(chain.Head[:]), Keyed: check.Keyed, KeptAt: orNever(check.KeptAt)}
		for _, h := range noted {
			if !check.Compares(h) {
				l.Not = append(l.Not, h.String())
			}
		}
		if l.KeptAt != nil {
			l.Kept = check.Kept.String()
		}
		for i := range check.Told {
			l.Told = append(l.Told, eventLineOf(&check.Told[i]))
		}
		return json.NewEncoder(c.stdout).Encode(l)
	}
	c.printf("whole: %d events, the last with hash %x\n", chain.Events, chain.Head)
	if check.Begin.Seq > 0 {
		c.printf("it begins with event %d; those before were deleted when their time was up\n", check.Begin.Seq+1)
	}
	if check.BeginFault != "" {
		c.printf("of those, when they were deleted: %s\n", check.BeginFault)
	}
	for _, h := range noted {
		if !check.Compares(h) {
			c.printf("it cannot be compared with the head that you noted (event %d), which is of before\n", h.Seq)
		}
	}
	if check.Keyed > check.Begin.Seq+1 {
		c.printf("chained with the key from event %d on; those before are believed as they were found then\n", check.Keyed)
	}
	switch {
	case check.KeptAt.IsZero():
		c.printf("there was no audit.head to compare with: give a head that you kept with --head\n")
	case !check.Compares(check.Kept):
		c.printf("it cannot be compared with audit.head, which is of before: event %d, at %s\n", check.Kept.Seq, clock(check.KeptAt))
	default:
		c.printf("it goes through event %d, kept outside the database at %s\n", check.Kept.Seq, clock(check.KeptAt))
	}
	for i := range check.Told {
		if i == 0 {
			c.printf("the log itself tells of what was found before:\n")
		}
		c.printf("%s\n", eventLineOf(&check.Told[i]).text())
	}
	return nil
}

// moment reads a point in time on the command line: a day, which is its first moment in
// local time, or an instant (RFC 3339); zero for nothing. Errors: usageError with the
// flag.
func moment(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usagef("--%s: %q is no day such as 2026-03-01 and no instant such as 2026-03-01T12:00:00Z", flag, s)
	}
	return t, nil
}

func (c *cli) auditExport() *cobra.Command {
	var f eventFlags
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the events that are asked for, newest first, as JSON lines or CSV",
		Example: `  idp audit export --kind device. --from 2026-03-01 > devices.jsonl
  idp audit export --user anna --format csv > anna.csv`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = c.with(func(ctx context.Context, p *provider) error {
		q, err := f.query(ctx, p)
		if err != nil {
			return err
		}
		return fieldError(p.desk.ExportEvents(ctx, console(), q, admin.ExportFormat(format), c.stdout))
	})
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", string(admin.ExportJSON), "json (one object a line) or csv")
	return cmd
}
