// Command idp is an OpenID Connect provider for medical imaging: it asks for a
// password, then for a second factor, and only then gives tokens to the
// applications that rely on it.
//
// This file is its command line; provider.go joins the parts, in the order they
// need one another. Of the others most are a command or a group of them (user.go), some
// a part that only this program needs (site.go, push.go, log.go).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"hilum/config"
	"hilum/idp/admin"
)

func main() {
	// One goroutine commits for all others (store). With a single P it waits
	// behind every request that is ready, and latency grows tenfold.
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	// Little lives long here and much is allocated: 19 MiB to hash a password. With
	// Go's default every hash would start a collection of the whole heap.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	ignoreSignals()
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitFault = 1 // it was tried and did not work
	exitUsage = 2 // it was not tried: the command line is wrong
)

// run is the whole program but for the process around it. It returns the exit
// code; an interrupt or a request to terminate ends it cleanly.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{getenv: getenv, stdin: os.Stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(stderr, "idp: %s\n", line)
	}
	if !c.started || errors.As(err, new(usageError)) {
		fmt.Fprintf(stderr, "Run %q for help.\n", cmd.CommandPath()+" --help")
		return exitUsage
	}
	return exitFault
}

// usageError is a wrong command line that shows only once a command has begun.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// cli is what all commands share.
type cli struct {
	getenv         func(string) string
	stdin          io.Reader // keys, for the demo; a file, for "user import -"
	stdout, stderr io.Writer
	configFile     string // --config
	database       string // --database
	started        bool   // the command line was understood
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "idp",
		Short: "An OpenID Connect provider for medical imaging",
		Long: `An OpenID Connect provider for medical imaging: password, second factor, tokens.

Begin with "idp demo" for a look, or "idp serve" for a provider of your own.
The other commands work beside a running one, on the same database.`,
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRun:  func(*cobra.Command, []string) { c.started = true },
		RunE:              help,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.PersistentFlags().StringVarP(&c.configFile, "config", "c", c.getenv(config.ConfigVariable),
		"configuration `file`; also from IDP_CONFIG (none: defaults, on loopback)")
	root.PersistentFlags().StringVar(&c.database, strings.TrimPrefix(config.DatabaseFlag, "--"), "",
		"`URL` of a PostgreSQL database, in place of the configured one (postgres://user@host:5432/name)")
	root.AddCommand(
		c.serveCommand(), c.demoCommand(), c.setupLinkCommand(),
		c.inviteCommand(), c.userCommand(), c.deviceCommand(), c.sessionCommand(), c.clientCommand(),
		c.keyCommand(), c.auditCommand(), c.backupCommand(), c.migrateCommand(), c.configCommand(), c.settingsCommand(),
		c.mailCommand(), c.healthCommand(), c.healthcheckCommand(), c.versionCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: help}
	g.AddCommand(commands...)
	return g
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// load reads the configuration from its file and the environment. Errors: what is wrong
// with either, and variables that look like a setting and are none.
func (c *cli) load() (*config.Config, error) {
	conf, err := config.LoadFor(c.database, c.configFile, c.getenv)
	if err == nil {
		err = errors.Join(checkLanguages(conf), checkFCM(conf))
	}
	if err = errors.Join(config.Stray(os.Environ()), err); err != nil {
		return nil, err
	}
	return conf, nil
}

func (c *cli) printf(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// console is who a command acts as: by name the account of the operating system that
// runs it, with everything allowed.
func console() admin.By {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return admin.Console("console:" + name)
}
