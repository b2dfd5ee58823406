package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"hilum/config"
	"hilum/idp/file"
	"hilum/idp/oidc"
	"hilum/idp/serve"
)

// mutual is what applications with a TLS certificate are offered, by the settings
// tls.mtls_…; nil: nothing. The authorities are read again when their file changes. Errors:
// that file is missing or damaged.
func (p *provider) mutual() (*oidc.Mutual, error) {
	t := p.conf.TLS
	if t.MTLSListen == "" {
		return nil, nil
	}
	m := &oidc.Mutual{URL: p.conf.MTLS()}
	if t.MTLSCAFile == "" {
		return m, nil
	}
	var pool atomic.Pointer[x509.CertPool]
	err := p.files.Open(file.Source{Files: []file.Named{{Setting: "tls.mtls_ca_file", Path: t.MTLSCAFile}}, Take: func(all []file.Content) error {
		read, err := config.Authorities(t.MTLSCAFile, all[0])
		if err == nil {
			pool.Store(read)
		}
		return err
	}})
	if err != nil {
		return nil, fmt.Errorf("tls.mtls_ca_file: %w", err)
	}
	m.Authorities = pool.Load
	return m, nil
}

// certified is what is served to applications with a certificate, and where.
type certified struct {
	handler  http.Handler
	conf     serve.Config
	listener net.Listener // nil: nothing is served, as in a command
}

func certifiedOf(protocol *oidc.Server, shared serve.Config) *certified {
	mux := http.NewServeMux()
	protocol.MountMutual(mux)
	shared.Mutual = true
	shared.ErrorPage = nil // no browser comes here
	return &certified{handler: serve.Handler(mux, shared), conf: shared}
}

// run serves until ctx ends.
func (c *certified) run(ctx context.Context) error {
	return serve.Run(ctx, c.conf, c.handler, c.listener)
}
