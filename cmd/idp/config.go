package main

import (
	"github.com/spf13/cobra"

	"hilum/config"
)

func (c *cli) configCommand() *cobra.Command {
	return group("config", "Check a configuration, or print an example",
		&cobra.Command{
			Use:   "check [FILE]",
			Short: "Say everything that is wrong with a configuration",
			Args:  cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				if len(args) == 1 {
					c.configFile = args[0]
				}
				conf, err := c.load()
				if err != nil {
					return err
				}
				c.printf("good: %s, listening on %s, database %s\n", issuerOf(conf, conf.Listen), conf.Listen, conf.DatabasePath())
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

// issuerOf is the configured issuer, or the listen address where there is none.
func issuerOf(conf *config.Config, listen string) string {
	if conf.Issuer != "" {
		return conf.Issuer
	}
	return "http://" + listen
}
