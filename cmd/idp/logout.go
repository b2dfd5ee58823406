package main

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"hilum/idp"
	"hilum/idp/logout"
	"hilum/idp/outbound"
	"hilum/idp/ping"
)

// openLogout makes what tells applications that a session has ended (OpenID Connect
// Back-Channel Logout 1.0), with logout tokens by minter. Applications are called at
// public addresses and in the ranges of logout.networks; a provider that is tried out on
// this machine also calls this machine.
func (p *provider) openLogout(minter logout.Minter) *logout.Sender {
	return logout.New(logout.Config{
		Store:     p.db,
		Minter:    minter,
		Client:    p.toApplications(),
		Forbidden: func(err error) bool { return errors.Is(err, outbound.ErrForbidden) },
		Log:       p.log,
	})
}

// openPings makes what tells applications that a request by the back channel has an outcome
// (CIBA). They are called as openLogout calls them, and by https alone.
func (p *provider) openPings() *ping.Sender {
	return ping.New(ping.Config{
		Store:     p.db,
		Sealer:    p.sealer,
		Client:    p.toApplications(),
		Forbidden: func(err error) bool { return errors.Is(err, outbound.ErrForbidden) },
		Failed: func(id idp.ClientID, said idp.Refusal) {
			p.rejected.Add(id, idp.Rejection{At: time.Now(), Reason: idp.RejectedPing, Sent: string(said)})
		},
		Log: p.log,
	})
}

// toApplications is the HTTP client by which applications are called: told that a session
// has ended or a request has an outcome, asked for their keys (jwks_uri).
func (p *provider) toApplications() *http.Client {
	var networks []netip.Prefix
	for _, n := range p.conf.Logout.Networks {
		networks = append(networks, n.Prefix)
	}
	if u, err := url.Parse(p.issuer); err == nil && u.Scheme == "http" { // loopback only, config.Validate has seen it
		networks = append(networks, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	return outbound.New(outbound.Config{Private: networks, Plain: true})
}
