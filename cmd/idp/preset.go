package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hilum/idp"
	"hilum/idp/admin"
)

// presetLine is a preset as scripts see it.
type presetLine struct {
	ID    string            `json:"id"`
	Name  string            `json:"name"`
	Needs map[string]string `json:"needs,omitempty"` // names of the values for --set, with an example each
}

func (c *cli) clientPresets() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "presets",
		Short: "List the applications that are known; \"client preset\" registers one",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			rows := [][]string{{"ID", "NEEDS", "NAME"}}
			var list []presetLine
			for _, p := range admin.Presets() {
				l := presetLine{ID: p.ID, Name: p.Name, Needs: map[string]string{}}
				needs := make([]string, len(p.Needs))
				for i, n := range p.Needs {
					l.Needs[n.ID] = n.Example
					needs[i] = "--set " + n.ID + "=" + n.Example
					if n.Optional {
						needs[i] = "[" + needs[i] + "]"
					}
				}
				list = append(list, l)
				rows = append(rows, []string{p.ID, orNone(strings.Join(needs, " ")), p.Name})
			}
			if asJSON {
				return lines(c.stdout, list)
			}
			return table(c.stdout, rows...)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) clientPreset() *cobra.Command {
	var values map[string]string
	var id, name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "preset PRESET",
		Short:   "Register an application that is known, and print the configuration to paste into it",
		Example: `  idp client preset grafana --set base=https://grafana.your-hospital.org`,
		Args:    cobra.ExactArgs(1),
	}
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		preset, err := admin.FindPreset(args[0])
		if err != nil {
			return fmt.Errorf("no preset is called %q; \"idp client presets\" lists all", args[0])
		}
		client, err := preset.Fill(values)
		if err != nil {
			return fieldError(err)
		}
		client.ID = idp.ClientID(id)
		if name != "" {
			client.Name = name
		}
		secret, err := p.desk.AddClient(ctx, console(), client)
		if errors.Is(err, idp.ErrConflict) {
			return fmt.Errorf("the client id %s is taken", id)
		}
		if err != nil {
			return fieldError(err)
		}
		paste := preset.Paste(p.issuer, p.conf.Clients.Realm, client, secret, values)
		if asJSON {
			line := credentials{Issuer: p.issuer, ID: client.ID, Secret: secret.Reveal(), Auth: client.Auth}
			for _, s := range paste {
				line.Paste = append(line.Paste, snippetLine(s))
			}
			enc := json.NewEncoder(c.stdout)
			enc.SetEscapeHTML(false) // XML is to be read
			return enc.Encode(line)
		}
		if err := c.printCredentials(p, client.ID, secret, false); err != nil {
			return err
		}
		c.printf("authenticates  %s\n", client.Auth)
		for _, s := range paste {
			c.printf("\n# %s\n%s", s.File, s.Text)
		}
		return nil
	})
	cmd.Flags().StringToStringVar(&values, "set", nil, "what the preset needs, as `name=value`; see \"idp client presets\"")
	cmd.Flags().StringVar(&id, "id", "", "client `id` (default: made)")
	cmd.Flags().StringVar(&name, "name", "", "`name` as shown to people (default: the preset's)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (c *cli) clientPreview() *cobra.Command {
	return &cobra.Command{
		Use:   "preview ID NAME",
		Short: "Print, as JSON, what an application would be told of a person",
		Args:  cobra.ExactArgs(2),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			u, err := p.person(ctx, args[1])
			if err != nil {
				return err
			}
			got, err := p.desk.PreviewClaims(ctx, console(), u.ID, idp.ClientID(args[0]))
			if err != nil {
				return clientError(err, args[0])
			}
			enc := json.NewEncoder(c.stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(struct {
				Admitted bool            `json:"admitted"`
				Scopes   []string        `json:"scopes"`
				IDToken  json.RawMessage `json:"id_token"`
				Userinfo json.RawMessage `json:"userinfo"`
			}{got.Admitted, got.Scopes, got.IDToken, got.Userinfo})
		}),
	}
}

// readRule reads a claim that has a name of its own: "role=groups",
// "role=groups:admins>Admin:readers>Viewer" (one of them, the first that fits),
// or "tenant='hospital'" for the same text always. Errors: usageError.
func readRule(s string) (r idp.ClaimRule, err error) {
	name, what, ok := strings.Cut(s, "=")
	if !ok || name == "" || what == "" {
		return r, usagef("%q is no claim; write name=claim, name=claim:from>to or name='text'", s)
	}
	r.Name = name
	if strings.HasPrefix(what, "'") && strings.HasSuffix(what, "'") && len(what) > 1 {
		r.Text = what[1 : len(what)-1]
		return r, nil
	}
	parts := ruleParts(what)
	r.From = parts[0]
	for _, part := range parts[1:] {
		from, to, ok := strings.Cut(part, ">")
		if !ok {
			return r, usagef("%q does not say from>to", part)
		}
		r.Values = append(r.Values, idp.ClaimValue{From: from, To: to})
	}
	r.One = len(r.Values) > 0
	return r, nil
}

// ruleParts are the parts of a claim between colons. Those of an address or a URN that something
// is renamed to, as in from>urn:oid:1.2.3|code, are its own.
func ruleParts(what string) []string {
	var parts []string
	for part := range strings.SplitSeq(what, ":") {
		if last := len(parts) - 1; last > 0 && !strings.Contains(part, ">") {
			if _, to, _ := strings.Cut(parts[last], ">"); strings.HasPrefix(part, "//") || to == "urn" || strings.HasPrefix(to, "urn:") {
				parts[last] += ":" + part
				continue
			}
		}
		parts = append(parts, part)
	}
	return parts
}
