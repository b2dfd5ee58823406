package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
)

func (c *cli) auditCommand() *cobra.Command {
	return group("audit", "Read the audit log, and check that it is whole", c.auditList(), c.auditVerify())
}

// eventLine is an event as scripts see it.
type eventLine struct {
	Seq     int64             `json:"seq"`
	At      time.Time         `json:"at"`
	Kind    idp.EventKind     `json:"kind"`
	Actor   string            `json:"actor"`
	ActorID idp.UserID        `json:"actor_id,omitempty"`
	User    idp.UserID        `json:"user,omitempty"`
	Client  idp.ClientID      `json:"client,omitempty"`
	Login   idp.LoginID       `json:"login,omitempty"`
	Session idp.SessionID     `json:"session,omitempty"`
	Device  idp.DeviceID      `json:"device,omitempty"`
	Address string            `json:"address,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
	Hash    string            `json:"hash"`
}

func eventLineOf(e *idp.Event) eventLine {
	return eventLine{e.Seq, e.At, e.Kind, e.Actor.Name, e.Actor.User, e.User, e.Client, e.Login, e.Session, e.Device, e.Address, e.Detail, fmt.Sprintf("%x", e.Hash)}
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

func (c *cli) auditList() *cobra.Command {
	var after int64
	var most int
	var name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events, oldest first",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			only := idp.UserID("")
			if name != "" {
				u, err := p.person(ctx, name)
				if err != nil {
					return err
				}
				only = u.ID
			}
			for listed := 0; ; {
				page, err := p.db.Events(ctx, after, pageSize)
				if err != nil {
					return err
				}
				for i := range page {
					l := eventLineOf(&page[i])
					after = l.Seq
					if only != "" && l.User != only && l.ActorID != only {
						continue
					}
					if asJSON {
						if err := lines(c.stdout, []eventLine{l}); err != nil {
							return err
						}
					} else {
						c.printf("%s\n", l.text())
					}
					if listed++; listed == most {
						return nil
					}
				}
				if len(page) < pageSize {
					return nil
				}
			}
		}),
	}
	cmd.Flags().Int64Var(&after, "after", 0, "begin after this `number`")
	cmd.Flags().IntVar(&most, "limit", 0, "stop after so many `events` (0: all)")
	cmd.Flags().StringVar(&name, "user", "", "only what concerns this `person` or was done by them")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) auditVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that no event was changed, removed or put in",
		Long: `Check the chain of hashes from the first event to the last. Events that were cut
off at the end leave no trace in the chain itself: compare the last number and
hash, which are printed, with those you noted elsewhere.`,
		Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			if err := p.db.VerifyEvents(ctx); err != nil {
				return fmt.Errorf("the audit log is not whole: %w", err)
			}
			last, err := p.lastEvent(ctx)
			if err != nil {
				return err
			}
			c.printf("whole: %d events, the last with hash %x\n", last.Seq, last.Hash)
			return nil
		}),
	}
}

// lastEvent is the end of the log; a zero one while the log is empty.
func (p *provider) lastEvent(ctx context.Context) (last idp.Event, err error) {
	for {
		page, err := p.db.Events(ctx, last.Seq, pageSize)
		if err != nil || len(page) == 0 {
			return last, err
		}
		last = page[len(page)-1]
	}
}
