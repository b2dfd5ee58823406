package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
)

func (c *cli) keyCommand() *cobra.Command {
	return group("key", "Look at the signing keys, and turn those that are due", c.keyList(), c.keyTurn())
}

// keyLine is a signing key as scripts see it.
type keyLine struct {
	ID        idp.KeyID  `json:"id"`
	Alg       string     `json:"alg"`
	State     string     `json:"state"` // pending: it does not sign yet; active: it signs; retiring: it signs no more
	CreatedAt time.Time  `json:"created_at"`
	ActiveAt  time.Time  `json:"active_at"`
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	GoneAt    *time.Time `json:"gone_at,omitempty"` // until then a retiring key is published
}

// keys lists the signing keys that are published, and what each is doing now.
func (p *provider) keys(ctx context.Context) ([]keyLine, error) {
	keys, err := p.db.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]keyLine, len(keys))
	for i, k := range keys {
		l := keyLine{ID: k.ID, Alg: k.Alg, State: "pending", CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt}
		if signs, err := p.ring.Signer(k.Alg); err == nil && signs.ID == k.ID {
			l.State = "active"
		}
		if !k.RetiredAt.IsZero() {
			l.State, l.RetiredAt, l.GoneAt = "retiring", &k.RetiredAt, &k.GoneAt
		}
		list[i] = l
	}
	return list, nil
}

func (c *cli) keyList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the signing keys that are published",
		Args:  cobra.NoArgs,
		RunE:  c.with(func(ctx context.Context, p *provider) error { return c.printKeys(ctx, p, asJSON) }),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) keyTurn() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "turn",
		Short: "Make, retire and drop the keys that are due, and list the rest",
		Long: `Make, retire and drop the signing keys that are due by keys.rotate_every and
keys.publish_before, and list the rest. A running provider does the same hourly.`,
		Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			if err := p.ring.Turn(ctx); err != nil {
				return err
			}
			return c.printKeys(ctx, p, asJSON)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printKeys(ctx context.Context, p *provider, asJSON bool) error {
	list, err := p.keys(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return lines(c.stdout, list)
	}
	rows := [][]string{{"ID", "ALG", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"}}
	for _, l := range list {
		until := "replaced"
		if l.GoneAt != nil {
			until = clock(*l.GoneAt)
		}
		rows = append(rows, []string{string(l.ID), l.Alg, l.State, clock(l.ActiveAt), until})
	}
	return table(c.stdout, rows...)
}
