package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hilum/config"
	"hilum/idp/keyring"
	"hilum/idp/store"
	"hilum/idp/store/engine"
)

// migrateFlags are what "idp migrate" is told.
type migrateFlags struct {
	from, to          string
	dry, undo, asJSON bool
}

func (c *cli) migrateCommand() *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move everything from a file of SQLite into a PostgreSQL database",
		Long: `Move everything from a file of SQLite into an empty PostgreSQL database, while the
provider is stopped: people, devices, applications, sessions, tokens, keys and the audit
log, as they are. Nobody has to sign in again or to link anything anew. What was copied is
read back and compared before the database counts, and the file is refused from then on.

With --dry-run it is only looked whether that can be done, and a provider may run
meanwhile. A move that was cut off goes on when it is run again; --undo takes back what
it copied, until it has ended. How to do it stands in docs/postgres.md.`,
		Example: `  idp migrate --dry-run --to postgres://hilum@db.your-hospital.org:5432/hilum
  idp migrate --from data/idp.db --to postgres://hilum@db.your-hospital.org:5432/hilum`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrate(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.from, "from", "", "`file` of SQLite (default: the configured one, or idp.db in the data folder)")
	cmd.Flags().StringVar(&f.to, "to", "", "`URL` of the PostgreSQL database, without a password (default: the configured one)")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "look only, and change nothing")
	cmd.Flags().BoolVar(&f.undo, "undo", false, "take back a move that has not ended")
	jsonFlag(cmd, &f.asJSON)
	return cmd
}

func (c *cli) migrate(ctx context.Context, f migrateFlags) error {
	if f.to != "" && c.database != "" {
		return usagef("--to and --database name the same thing; give one of them")
	}
	if f.dry && f.undo {
		return usagef("--dry-run and --undo exclude one another")
	}
	from, conf, err := c.bothDatabases(f)
	if err != nil {
		return placedAt(err, f.to)
	}
	server, err := conf.Postgres()
	if err != nil {
		return placedAt(err, f.to)
	}
	if server == nil {
		return usagef("--to names the PostgreSQL database that everything is moved into, unless database.url of the configuration does")
	}
	sealer, err := keyring.OpenSealer(conf.SealFile(), false)
	if err != nil {
		return err
	}
	how := store.MoveConfig{
		From: from, URL: server.URL(), Password: server.Password.Reveal(), To: server.String(),
		Key: sealer.Derive("store", 32),
		Prove: func(sealed []byte) error {
			if err := opensSeal(sealer, sealed); err != nil {
				return fmt.Errorf("sealing key %s: %w", conf.SealFile(), err)
			}
			return nil
		},
		Witness: witnessPath(conf), Actor: console().Actor,
	}
	shown := func() {}
	if !f.asJSON {
		how.Progress, shown = showMove(c.stderr, terminal(c.stderr))
	}
	var did *store.Moved
	switch {
	case f.undo:
		err = store.UndoMove(ctx, how)
	case f.dry:
		did, err = store.LookMove(ctx, how)
	default:
		did, err = store.Move(ctx, how)
	}
	shown()
	if err != nil {
		return c.notMoved(err, f, conf, server)
	}
	return c.printMove(f, from, server, conf, did)
}

// bothDatabases are the file that is moved, and the configuration with the database that it is
// moved into.
func (c *cli) bothDatabases(f migrateFlags) (from string, conf *config.Config, err error) {
	if f.to != "" {
		c.database = f.to
	}
	if conf, err = c.load(); err != nil {
		return "", nil, err
	}
	if from = f.from; from == "" {
		from = conf.FilePath()
	}
	return from, conf, nil
}

// placedAt names --to as the place of faults of a URL that was given there.
func placedAt(err error, to string) error {
	if to == "" || err == nil {
		return err
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range many.Unwrap() {
			errs = append(errs, placedAt(e, to))
		}
		return errors.Join(errs...)
	}
	if f := (*config.Fault)(nil); errors.As(err, &f) && f.Place == config.DatabaseFlag {
		return &config.Fault{Place: "--to", Problem: f.Problem}
	}
	return err
}

// notMoved says why nothing was moved, or not all of it.
func (c *cli) notMoved(err error, f migrateFlags, conf *config.Config, server *config.Postgres) error {
	opening := (*store.OpenError)(nil)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped; what was copied stays, and the file counts still: run it again, or with --undo")
	case !errors.As(err, &opening):
		return err
	case opening.Kind == engine.OpenNotEmpty && f.undo:
		return fmt.Errorf("there is no unfinished move in the %s (%w)", server, opening.Err)
	case opening.Kind == engine.OpenNotEmpty:
		return placedAt(conf.Fault(conf.Database.Key(), fmt.Sprintf("the %s is not empty (%s), and everything is moved into an empty one; as an administrator of the server: CREATE DATABASE %s OWNER %s ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;",
			server, opening.Err, quoted(server.Name+"_new"), quoted(server.User))), f.to)
	}
	return placedAt(conf.Fault(conf.Database.Key(), notOpened(err, server)), f.to)
}

// moveLine is what a move did, as scripts see it.
type moveLine struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	DryRun bool           `json:"dry_run"`
	Undone bool           `json:"undone"`
	Again  bool           `json:"went_on"` // with a move that was cut off
	Tables int            `json:"tables"`
	Rows   int64          `json:"rows"`
	Head   string         `json:"head,omitempty"` // number:hash, where the log of the file ends
	Steps  []moveStepLine `json:"steps,omitempty"`
}

type moveStepLine struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

func (c *cli) printMove(f migrateFlags, from string, server *config.Postgres, conf *config.Config, did *store.Moved) error {
	if f.asJSON {
		l := moveLine{From: from, To: server.String(), DryRun: f.dry, Undone: f.undo}
		if did != nil {
			l.Again, l.Tables, l.Rows, l.Head = did.Again, did.Tables, did.Rows, did.Head.String()
			for _, s := range did.Steps {
				l.Steps = append(l.Steps, moveStepLine{string(s.Step), s.Took.Seconds()})
			}
		}
		return json.NewEncoder(c.stdout).Encode(l)
	}
	switch {
	case f.undo:
		c.printf("taken back: there is nothing in the %s, and %s can be served as it was\n", server, from)
	case f.dry:
		c.printf("%s can be moved: %d rows of %d tables, the audit log is whole as far as %s\n", from, did.Rows, did.Tables, did.Head)
	default:
		c.printf("moved to the %s: %d rows, the audit log as far as %s\n", server, did.Rows, did.Head)
		c.printf("Set database.url to it before the provider is started; %s is refused from now on. Each instance needs %s, as before.\n", from, conf.SealFile())
	}
	return nil
}

// moveDoes is what each step does, for people.
var moveDoes = map[store.MoveStep]string{
	store.MoveLook:    "looking through the file",
	store.MoveTables:  "making the tables",
	store.MoveCopy:    "copying",
	store.MoveIndexes: "making indexes",
	store.MoveVerify:  "comparing",
	store.MoveSwitch:  "giving the file up",
}

// showMove returns a function that shows how far a move is: at a terminal in one line, else with a
// line for each step. ended is to be called behind it.
func showMove(w io.Writer, live bool) (show func(store.MoveProgress), ended func()) {
	var step store.MoveStep
	var last time.Time
	show = func(p store.MoveProgress) {
		begins := p.Step != step
		if step = p.Step; begins && !live {
			fmt.Fprintf(w, "%s\n", moveDoes[p.Step])
		}
		now := time.Now()
		if !live || !begins && now.Sub(last) < 100*time.Millisecond {
			return
		}
		last = now
		far := ""
		switch {
		case p.Of > 0:
			far = fmt.Sprintf(": %d of %d", p.Done, p.Of)
		case p.Done > 0:
			far = fmt.Sprintf(": %d rows", p.Done)
		}
		fmt.Fprintf(w, "\r%s%s\x1b[K", moveDoes[p.Step], far)
	}
	return show, func() {
		if live && step != "" {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
