// Command viewer runs the sample relying party alone, against any provider.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"hilum/cmd/viewer/viewer"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "viewer:", err)
		os.Exit(1)
	}
}

// run serves the viewer until an interrupt or a request to terminate. Errors: the
// command line, the file of the secret, the port.
func run(args []string) error {
	flags := flag.NewFlagSet("viewer", flag.ContinueOnError)
	issuer := flags.String("issuer", "http://127.0.0.1:8080", "the provider, exactly as it names itself")
	id := flags.String("client-id", "", "as registered")
	secretFile := flags.String("client-secret-file", "", "file with the client secret; none: a public client")
	alg := flags.String("alg", "", "the algorithm that ID tokens are signed with, as registered (default RS256)")
	listen := flags.String("listen", "127.0.0.1:8090", "address to serve on")
	base := flags.String("url", "", "how browsers reach the viewer (default http://LISTEN); its redirect URI is URL/callback")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	var secret string
	if *secretFile != "" {
		b, err := os.ReadFile(*secretFile)
		if err != nil {
			return err
		}
		secret = strings.TrimSpace(string(b))
	}
	if *base == "" {
		*base = "http://" + *listen
	}
	h, err := viewer.New(viewer.Config{Issuer: *issuer, ClientID: *id, ClientSecret: secret, SigningAlg: *alg, BaseURL: *base, Log: slog.Default()})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { // ends with ctx
		<-ctx.Done()
		_ = srv.Close() // what it could say, Serve says below
	}()
	fmt.Println("viewer:", *base)
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
