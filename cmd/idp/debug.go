package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// startDebug serves profiles of the running program (net/http/pprof) at a loopback
// address; empty: nowhere. stop ends it and waits until it has ended. Errors: the port is
// taken.
func startDebug(ctx context.Context, address string, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	l, err := listen(ctx, "debug.listen", address)
	if err != nil {
		return nil, fmt.Errorf("debug.listen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		serveDebug(ctx, l, log)
	}()
	return func() { cancel(); <-ended }, nil
}

// serveDebug answers until ctx ends. Profiles show what is in memory, secrets too, so
// nobody but this machine is answered, and no page of another site by a name that
// leads here (DNS rebinding).
func serveDebug(ctx context.Context, l net.Listener, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this is for this machine alone", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // nobody waits for a profile
	defer stop()
	log.Info("profiles are served", "at", "http://"+l.Addr().String()+"/debug/pprof/")
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("profiles are not served any more", "error", err)
	}
}
