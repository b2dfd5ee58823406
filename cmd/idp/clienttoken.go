package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
)

func (c *cli) clientTokenCommand() *cobra.Command {
	return group("token", "Let applications register themselves, by initial access tokens (RFC 7591)",
		c.clientTokenAdd(), c.clientTokenList(), c.clientTokenRevoke(), c.clientTokenBlock())
}

func (c *cli) clientTokenAdd() *cobra.Command {
	var t idp.RegistrationToken
	var lasts time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a token by which applications can be registered, within its bounds; it is shown this once",
		Example: `  idp client token add "Viewer supplier" --host viewer.your-hospital.org --scope openid,profile
  idp client token add "Test farm" --host '*.test.your-hospital.org' --uses 20 --expires 720h`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringSliceVar(&t.GrantTypes, "grant", []string{idp.GrantCode, idp.GrantRefresh}, "`grant types` that applications may have")
	cmd.Flags().StringSliceVar(&t.Scopes, "scope", []string{"openid", "profile", "email"}, "`scopes` that they may ask for")
	cmd.Flags().StringSliceVar(&t.Hosts, "host", nil, "`hosts` where all their addresses have to be; *.example.org for all below")
	cmd.Flags().BoolVar(&t.OptionalPKCE, "optional-pkce", false, "a deviation: do not demand PKCE of applications that prove themselves; of public ones it always is")
	cmd.Flags().IntVar(&t.Uses, "uses", 1, "how many applications can be registered")
	cmd.Flags().DurationVar(&lasts, "expires", 7*24*time.Hour, "how long it is good")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		t.Name, t.ExpiresAt = args[0], time.Now().Add(lasts)
		secret, err := p.desk.AddRegistrationToken(ctx, console(), &t)
		if errors.Is(err, idp.ErrTooMany) {
			return fmt.Errorf("there are %d tokens, and more are not kept", idp.MaxRegistrationTokens)
		}
		if err != nil {
			return fieldError(err)
		}
		if asJSON {
			return json.NewEncoder(c.stdout).Encode(struct {
				ID       idp.RegistrationTokenID `json:"id"`
				Token    string                  `json:"token"`
				Endpoint string                  `json:"registration_endpoint"`
			}{t.ID, secret.Reveal(), p.issuer + "/register"})
		}
		c.printf("id        %s\ntoken     %s\nendpoint  %s/register\nThe token is shown this once; only its hash is kept.\n", t.ID, secret.Reveal(), p.issuer)
		if p.conf.Clients.Registration == "off" {
			c.printf("Registration is off: set clients.registration to token.\n")
		}
		return nil
	})
	return cmd
}

// tokenLine is an initial access token as scripts see it.
type tokenLine struct {
	ID         idp.RegistrationTokenID `json:"id"`
	Name       string                  `json:"name"`
	State      string                  `json:"state"`
	GrantTypes []string                `json:"grants"`
	Scopes     []string                `json:"scopes"`
	Hosts      []string                `json:"hosts"`
	NoPKCE     bool                    `json:"optional_pkce"`
	Uses       int                     `json:"uses"`
	Used       int                     `json:"used"`
	MadeBy     string                  `json:"made_by"`
	CreatedAt  time.Time               `json:"created_at"`
	ExpiresAt  time.Time               `json:"expires_at"`
}

func (c *cli) clientTokenList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all initial access tokens, the newest first",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			all, err := p.desk.RegistrationTokens(ctx, console())
			if err != nil {
				return err
			}
			var list []tokenLine
			rows := [][]string{{"ID", "STATE", "USED", "EXPIRES", "HOSTS", "NAME"}}
			for i := range all {
				t := &all[i]
				l := tokenLine{t.ID, t.Name, t.State(time.Now()), t.GrantTypes, t.Scopes, t.Hosts, t.OptionalPKCE, t.Uses, t.Used, t.MadeBy, t.CreatedAt, t.ExpiresAt}
				list = append(list, l)
				rows = append(rows, []string{string(l.ID), l.State, fmt.Sprintf("%d of %d", l.Used, l.Uses), clock(l.ExpiresAt), orNone(strings.Join(l.Hosts, " ")), l.Name})
			}
			if asJSON {
				return lines(c.stdout, list)
			}
			return table(c.stdout, rows...)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) clientTokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End an initial access token; applications that were registered by it cannot change their registration any more",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			err := p.desk.RevokeRegistrationToken(ctx, console(), idp.RegistrationTokenID(args[0]))
			switch {
			case errors.Is(err, idp.ErrNotFound):
				return fmt.Errorf("no token has the id %q; \"idp client token list\" lists all", args[0])
			case errors.Is(err, idp.ErrSettled):
				return fmt.Errorf("%s was revoked before", args[0])
			case err != nil:
				return err
			}
			c.printf("%s revoked\n", args[0])
			return nil
		}),
	}
}

func (c *cli) clientTokenBlock() *cobra.Command {
	return &cobra.Command{
		Use:   "block ID",
		Short: "End an initial access token, and block all applications that were registered by it",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			n, err := p.desk.BlockRegistered(ctx, console(), idp.RegistrationTokenID(args[0]))
			switch {
			case errors.Is(err, idp.ErrNotFound):
				return fmt.Errorf("no token has the id %q; \"idp client token list\" lists all", args[0])
			case err != nil:
				return err
			}
			c.printf("%s revoked, and blocked %d of its applications\n", args[0], n)
			return nil
		}),
	}
}
