package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
	"hilum/idp/admin"
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
	var leaked string
	cmd := &cobra.Command{
		Use:   "turn",
		Short: "Make, retire and drop the keys that are due, and list the rest",
		Long: `Make, retire and drop the signing keys that are due by keys.rotate_every and
keys.publish_before, and list the rest. A running provider does the same hourly.

--now is for a key that may have leaked: every key of that algorithm is gone at once, and a
new one signs. A running provider takes it up within a second, and refuses what the old ones
have signed. Applications that keep the keys of this provider for a while refuse new tokens
until they read them again: restart those that do not by themselves.`,
		Example: `  idp key turn
  idp key turn --now RS256`,
		Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			if leaked != "" {
				return c.replaceKeys(ctx, p, leaked, asJSON)
			}
			if err := p.turnKeys(ctx); err != nil {
				return err
			}
			// What was due was turned when this process opened the keys: the running provider is
			// told in any case, and publishes what there is.
			if err := p.db.Relay(ctx, idp.TopicKeys); err != nil {
				return err
			}
			return c.printKeys(ctx, p, asJSON)
		}),
	}
	cmd.Flags().StringVar(&leaked, "now", "", "take all keys of an `algorithm` away at once and make a new one, for a key that has leaked")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// replaceKeys takes the keys of an algorithm away at once, and tells the provider beside
// this command.
func (c *cli) replaceKeys(ctx context.Context, p *provider, alg string, asJSON bool) error {
	if !slices.Contains(admin.IDTokenAlgs, alg) {
		return usagef("--now %s is none of %s", alg, strings.Join(admin.IDTokenAlgs, ", "))
	}
	made, gone, err := p.ring.Replace(ctx, alg, console().Actor)
	if errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("there is no key for %s, and keys.algs does not ask for one; nothing was changed", alg)
	}
	if err != nil {
		return err
	}
	if err := p.db.Relay(ctx, idp.TopicKeys); err != nil {
		return fmt.Errorf("the keys are replaced, but a running provider could not be told and goes on with the old ones: restart it now: %w", err)
	}
	if asJSON {
		return c.printKeys(ctx, p, true)
	}
	if made == "" {
		c.printf("%d of %s gone; keys.algs does not ask for a new one\n", gone, alg)
	} else {
		c.printf("%d of %s gone; %s signs from now on\n", gone, alg, made)
	}
	return c.printKeys(ctx, p, false)
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
