package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/config"
	"hilum/idp"
)

// checkFor bounds how long looking whether the provider is ready may take.
const checkFor = 2 * time.Second

// mountHealth answers whether the process lives (/healthz) and whether it can
// sign people in (/readyz). What is wrong stands in the log, not in the answer;
// only that nothing can be written, and why, does.
func (p *provider) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		health(w, http.StatusOK, "alive\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		err := p.ready(r.Context())
		var disk *idp.UnwritableError
		switch {
		case errors.As(err, &disk): // the store has logged when it began
			health(w, http.StatusServiceUnavailable, fmt.Sprintf("not ready: nothing can be written, %v\n", disk.Why))
			return
		case err != nil:
			p.log.Error("not ready", "error", err)
			health(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		health(w, http.StatusOK, "ready\n"+p.headFor(r))
	})
}

// health answers with a line of text that nobody keeps.
func health(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) //nolint:gosec // plain text of our own; a caller that went away has its answer
}

// ready returns nil when the database answers, what is written to it gets to the
// disk, and there is a signing key for every algorithm. Errors: idp.UnwritableError, or
// the part that is not ready.
func (p *provider) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	if err := p.db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := p.db.Writable(ctx); err != nil {
		return err
	}
	for _, alg := range p.conf.Keys.Algs {
		if _, err := p.ring.Signer(alg); err != nil {
			return fmt.Errorf("signing key %s: %w", alg, err)
		}
	}
	return nil
}

// healthLine is how the provider fares as scripts see it: idp.Health has what is not
// explained here.
type healthLine struct {
	Bytes   int64            `json:"database_bytes"`
	Engine  string           `json:"database_engine"`
	Version string           `json:"database_version"`
	Schema  int64            `json:"schema"`       // version of the tables
	Floor   int64            `json:"schema_floor"` // the oldest that a program may be made for
	Rows    map[string]int64 `json:"rows"`
	Waiting map[string]int   `json:"waiting"`
	Failing int              `json:"devices_failing"`
	SweptAt *time.Time       `json:"swept_at,omitempty"`
	Head    string           `json:"log_head"` // number:hash of the last event, or why it cannot be told
	// Unwritable is why nothing can be written; left out: it can.
	Unwritable idp.Unwritable `json:"unwritable,omitempty"`
	Instances  []instanceLine `json:"instances,omitempty"`
	LogLag     *float64       `json:"log_lag_seconds,omitempty"` // nil: the database is a file
	Mail       mailLine       `json:"mail"`
	Push       []pushLine     `json:"push,omitempty"`
	Notices    []logoutLine   `json:"logout,omitempty"`
}

// instanceLine is a process that serves the database, as scripts see it: idp.Instance.
type instanceLine struct {
	ID         string    `json:"id"`
	Host       string    `json:"host"`
	Version    string    `json:"version"`
	StartedAt  time.Time `json:"started_at"`
	HeardAt    time.Time `json:"heard_at"`
	SchemaFrom int64     `json:"schema_from"`
	SchemaTo   int64     `json:"schema_to"`
}

// logoutLine is how it goes with telling one application that sessions have ended, as
// scripts see it: idp.LogoutFigures.
type logoutLine struct {
	Client   idp.ClientID `json:"client"`
	Waiting  int          `json:"waiting"`
	OldestAt *time.Time   `json:"oldest_at,omitempty"`
	Lost     int          `json:"given_up"`
	FailedAt *time.Time   `json:"failed_at,omitempty"`
	Said     idp.Refusal  `json:"said,omitempty"`
}

// orNever is nil for no time, which JSON then leaves out.
func orNever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (c *cli) healthCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Tell how the provider fares: the database, what is open, which applications could not be told",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			h, err := p.desk.Health(ctx, console())
			if err != nil {
				return err
			}
			l := healthLine{Bytes: h.Bytes, Engine: h.Engine, Version: h.EngineVersion, Schema: h.Schema, Floor: h.SchemaFloor, Rows: h.Rows, Waiting: h.Waiting, Failing: h.Failing, SweptAt: orNever(h.LastSweep), Unwritable: h.Unwritable, Mail: p.mailLine(&h.Mail)}
			if head, err := p.db.LogHead(ctx); err != nil {
				l.Head = err.Error()
			} else {
				l.Head = head.String()
			}
			rows := [][]string{{"database", fmt.Sprintf("%s %s, %d bytes", h.Engine, h.EngineVersion, h.Bytes)}, {"tables", fmt.Sprintf("version %d, for programs that are made for %d or later", h.Schema, h.SchemaFloor)}, {"log", fmt.Sprint(h.Events, " entries")}, {"log ends at", l.Head}, {"notifications failing", fmt.Sprint(h.Failing)}}
			if h.Shared {
				lag := h.Lag.Seconds()
				l.LogLag = &lag
				rows = append(rows, []string{"log is behind by", h.Lag.Round(time.Millisecond).String()})
			}
			for _, i := range h.Instances {
				l.Instances = append(l.Instances, instanceLine(i))
				rows = append(rows, []string{"instance " + i.ID, fmt.Sprintf("%s, version %s, made for tables %d, runs since %s, last heard %s", i.Host, i.Version, i.SchemaFrom, clock(i.StartedAt), i.HeardAt.Local().Format("15:04:05 MST"))})
			}
			if h.Unwritable != "" {
				rows = append(rows, []string{"nothing can be written", h.Unwritable.String()})
			}
			for _, name := range slices.Sorted(maps.Keys(h.Waiting)) {
				rows = append(rows, []string{"open " + name, fmt.Sprint(h.Waiting[name])})
			}
			rows = append(rows, []string{"mail", l.Mail.words()})
			for _, one := range p.push.probe(ctx) {
				l.Push = append(l.Push, one)
				rows = append(rows, []string{"push " + one.Service, one.words()})
			}
			for _, f := range h.Logouts {
				l.Notices = append(l.Notices, logoutLine{f.Client, f.Waiting, orNever(f.OldestAt), f.Lost, orNever(f.FailedAt), f.Said})
				words := fmt.Sprintf("%d to tell, %d given up", f.Waiting, f.Lost)
				if f.Said != "" {
					words += fmt.Sprintf(", last failure %s: %s", clock(f.FailedAt), f.Said)
				}
				rows = append(rows, []string{"application " + string(f.Client), words})
			}
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(l)
			}
			return table(c.stdout, rows...)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the provider on this machine whether it is ready (for containers)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			return healthcheck(cmd.Context(), conf)
		},
	}
}

// healthcheck asks /readyz of the provider on this machine. Errors: it does not answer,
// or not with 200.
func healthcheck(ctx context.Context, conf *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 2*checkFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, localURL(conf)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport: &http.Transport{
			// We ask ourselves over loopback, where the certificate's name cannot match.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from the provider: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return fmt.Errorf("the provider says %s: %s", res.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// localURL is where the provider answers on this machine.
func localURL(conf *config.Config) string {
	scheme := "http"
	if conf.TLS.On() {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(conf.Listen) // config.Validate has seen it
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
