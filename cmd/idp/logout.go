package main

import (
	"errors"
	"net/netip"
	"net/url"

	"hilum/idp/logout"
	"hilum/idp/outbound"
)

// openLogout makes what tells applications that a session has ended (OpenID Connect
// Back-Channel Logout 1.0), with logout tokens by minter. Applications are called at
// public addresses and in the ranges of logout.networks; a provider that is tried out on
// this machine also calls this machine.
func (p *provider) openLogout(minter logout.Minter) *logout.Sender {
	var networks []netip.Prefix
	for _, n := range p.conf.Logout.Networks {
		networks = append(networks, n.Prefix)
	}
	if u, err := url.Parse(p.issuer); err == nil && u.Scheme == "http" { // loopback only, config.Validate has seen it
		networks = append(networks, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	return logout.New(logout.Config{
		Store:     p.db,
		Minter:    minter,
		Client:    outbound.New(outbound.Config{Private: networks, Plain: true}),
		Forbidden: func(err error) bool { return errors.Is(err, outbound.ErrForbidden) },
		Log:       p.log,
	})
}
