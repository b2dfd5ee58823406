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
	"os"
	"sync"
	"time"
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
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.TLS.get, NextProtos: []string{"h2", "http/1.1"}}
		over := overTLS(l, srv.TLSConfig.Clone(), c.Log)
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

// certificateAge is how old what is known of the certificate files may be.
const certificateAge = 10 * time.Second

// Certificate is a certificate and its key in two PEM files, read again when
// they change. Files that cannot be read later leave the last good ones in use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	now     *tls.Certificate
	stamp   [2]fileStamp
	checked time.Time
}

type fileStamp struct {
	changed time.Time
	size    int64
}

// LoadCertificate reads the two files. Errors name the file and what is wrong with it.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.stamp = c.stamps()
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.now, c.checked = &pair, time.Now()
	return nil
}

func (c *Certificate) stamps() (s [2]fileStamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// get is called for every handshake.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateAge {
		return c.now, nil
	}
	c.checked = time.Now()
	if stamp := c.stamps(); stamp != c.stamp {
		c.stamp = stamp
		if err := c.load(); err != nil {
			c.log.Error("certificate not renewed; the one before stays in use", "error", err)
		} else {
			c.log.Info("certificate renewed", "file", c.certFile)
		}
	}
	return c.now, nil
}
