package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func (c *cli) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a new file, beside a running provider",
		Long: `Copy the database to a new file, beside a running provider, which is not held up.

The sealing key is not in it. Keep that too, somewhere else: neither is of use without the
other. How to put them back stands in docs/restore.md. A PostgreSQL database is backed up by
PostgreSQL's own means: docs/postgres.md.`,
		Args: cobra.ExactArgs(1),
	}
	copied := c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		head, err := p.db.Backup(ctx, args[0])
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already; a backup is written to a new file", args[0])
		}
		if err != nil {
			return fmt.Errorf("no backup was made: %w", err)
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return err
		}
		c.printf("%s has %.1f MB, and the audit log as far as %s\n", args[0], float64(info.Size())/1e6, head)
		c.printf("Keep %s too, somewhere else: neither is of use without the other.\n", p.conf.SealFile())
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := c.load()
		if err != nil {
			return err
		}
		if conf.Database.Postgres() {
			return usagef("a PostgreSQL database is backed up by PostgreSQL's own means, such as pg_dump --format=custom, pgBackRest or a snapshot of the service (docs/postgres.md); keep %s too, somewhere else", conf.SealFile())
		}
		return copied(cmd, args)
	}
	return cmd
}
