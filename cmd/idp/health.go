package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/config"
)

// checkFor bounds how long readiness may be looked into.
const checkFor = 2 * time.Second

// mountHealth answers whether the process lives (/healthz) and whether it can
// sign people in (/readyz). What is wrong stands in the log, not in the answer.
func (p *provider) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		health(w, http.StatusOK, "alive\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := p.ready(r.Context()); err != nil {
			p.log.Error("not ready", "error", err)
			health(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		health(w, http.StatusOK, "ready\n")
	})
}

func health(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a caller that went away has its answer
}

// ready returns nil when the database answers and there is a key for every algorithm.
func (p *provider) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	if err := p.db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	for _, alg := range p.conf.Keys.Algs {
		if _, err := p.ring.Signer(alg); err != nil {
			return fmt.Errorf("signing key %s: %w", alg, err)
		}
	}
	return nil
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
