package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"hilum/idp/file"
)

// How long anything about a connection may take. The write timeout counts from
// the end of the request's headers, so it also bounds how long a handler works.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 24 << 10         // an authorization request may have a long state
	graceful          = 10 * time.Second // for requests under way when we are told to end
)

// Run serves on a listener until ctx ends, then takes no new connection, lets
// requests under way finish for up to 10 seconds, and returns nil. It returns
// an error when serving fails before that. The listener is closed in any case.
func Run(ctx context.Context, c Config, h http.Handler, l net.Listener) error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(serverLog{c.Log}, "", 0),
	}
	serve := func() error { return srv.Serve(plain{l, c.Log}) }
	if c.TLS != nil {
		srv.TLSConfig = tlsConfig(c.TLS, c.Only13)
		if c.Mutual {
			mutual(srv)
		}
		over := overTLS(l, srv.TLSConfig.Clone(), c.Log) //nolint:contextcheck // a listener lives as long as the server
		serve = func() error { return srv.Serve(over) }
	}
	failed := make(chan error, 1)
	go func() { failed <- serve() }() // ends with Shutdown or Close below
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceful)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		c.Log.Warn("requests were cut off at the end", "after", graceful)
		_ = srv.Close() // its listeners are closed already; connections report nothing of use
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// serverLog is what net/http itself has to say. Failed handshakes are the
// noise of the network; the rest, such as running out of files, is ours.
type serverLog struct{ log *slog.Logger }

func (s serverLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}

// Certificate is a certificate and its key in two PEM files, read again when they
// change. While they cannot be read, are no pair, or have expired, the last good
// ones stay in use.
type Certificate struct {
	log *slog.Logger
	now atomic.Pointer[tls.Certificate]
}

// LoadCertificate reads the two files, and leaves them to w. Errors name both files
// and what is wrong with them.
func LoadCertificate(certFile, keyFile string, w *file.Watcher, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{log: log}
	err := w.Open(file.Source{
		Files: []file.Named{{Setting: "tls.cert_file", Path: certFile}, {Setting: "tls.key_file", Path: keyFile, Secret: true}},
		Take:  func(all []file.Content) error { return c.take(certFile, all[0].Bytes, all[1].Bytes) },
	})
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return c, nil
}

// take puts a pair to use. The first one is taken also when it has expired: with no
// certificate nothing could be served. Errors: those of file.Pair; it has expired,
// and the one in use has not.
func (c *Certificate) take(certFile string, cert, key []byte) error {
	now := time.Now()
	pair, warnings, err := file.Pair(cert, key, now)
	if err != nil {
		return err
	}
	if before := c.now.Load(); before != nil && file.Expired(pair, now) && !file.Expired(before, now) {
		return errors.New("the certificate has expired, and the one in use has not")
	}
	for _, w := range warnings {
		c.log.Warn("certificate", "file", certFile, "warning", w)
	}
	c.now.Store(pair)
	return nil
}

// get returns the pair in use; crypto/tls calls it for every handshake.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil }
