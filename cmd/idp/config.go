package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"hilum/config"
)

func (c *cli) configCommand() *cobra.Command {
	return group("config", "Check a configuration, show what is in force, or print an example",
		c.configShow(),
		&cobra.Command{
			Use:   "check [FILE]",
			Short: "Say everything that is wrong with a configuration",
			Long: `Say everything that is wrong with a configuration: with the file, with the
environment, and with the files that the two name. What is wrong has exit code 1;
what can be and is hardly meant is told, and has not.`,
			Args: cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				if len(args) == 1 {
					c.configFile = args[0]
				}
				conf, err := c.load()
				if err != nil {
					return err
				}
				warnings, err := conf.Files()
				for _, w := range append(conf.Warnings(), warnings...) {
					fmt.Fprintf(c.stderr, "idp: look at this: %v\n", w)
				}
				if err != nil {
					return err
				}
				which, err := whichDatabase(conf)
				if err != nil {
					return err
				}
				c.printf("good: %s, listening on %s, database %s\n", issuerOf(conf, conf.Listen), conf.Listen, which)
				return nil
			},
		},
		&cobra.Command{
			Use:   "example",
			Short: "Print a configuration with every setting and its default",
			Args:  cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := c.stdout.Write(config.Example)
				return err
			},
		},
	)
}

func (c *cli) configShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting in force and where it comes from",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			rows := [][]string{{"SETTING", "VALUE", "FROM"}}
			var list []settingLine
			for _, s := range conf.Settings() {
				list = append(list, settingLine(s))
				from := s.Place
				if from == "" {
					from = "default"
				}
				rows = append(rows, []string{s.Key, s.Value, from})
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

// settingLine is a setting as scripts see it.
type settingLine struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Place   string `json:"from,omitempty"`
	Env     string `json:"env"`
}

// issuerOf is the configured issuer, or the listen address where there is none.
func issuerOf(conf *config.Config, listen string) string {
	if conf.Issuer != "" {
		return conf.Issuer
	}
	return "http://" + listen
}
