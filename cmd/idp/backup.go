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
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a new file, beside a running provider",
		Long: `Copy the database to a new file, beside a running provider, which is not held up.

The sealing key is not in it. Keep that too, somewhere else: neither is of use without the
other. How to put them back stands in docs/restore.md.`,
		Args: cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
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
		}),
	}
}
