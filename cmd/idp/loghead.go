package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/serve"
)

// witnessPath is where the end of the log is kept outside the database.
func witnessPath(conf *config.Config) string { return filepath.Join(conf.DataDir, "audit.head") }

// keepHead keeps where the audit log ends outside the database, and returns it. It
// logs what is wrong with the end that was kept before; with accept, which only a
// running provider says, it leaves an event of that, too, and goes on from there
// (store.DB.KeepHead). A failure is logged and stops nothing.
func (p *provider) keepHead(ctx context.Context, accept bool) idp.LogHead {
	head, told, err := p.db.KeepHead(ctx, accept)
	if told != "" {
		p.log.Warn(told + ` (what to do: docs/deploy.md, "The end of the log")`)
	}
	if err != nil && ctx.Err() == nil {
		p.log.Error("the end of the audit log could not be kept", "file", witnessPath(p.conf), "error", err)
	}
	return head
}

// beginLog prints where the audit log ends as the provider starts: who keeps that line
// can tell later whether anything was cut off.
func (c *cli) beginLog(ctx context.Context, p *provider) {
	c.printf("The audit log ends at %s\n", p.keepHead(ctx, true))
}

// headFor is where the audit log ends, as a line for who asks from the machine itself;
// empty for others: how much happens here is nothing to them. What comes through a
// proxy comes from somebody else, even when the proxy is on the machine.
func (p *provider) headFor(r *http.Request) string {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return ""
		}
	}
	for _, a := range []string{r.RemoteAddr, serve.From(r.Context()).Address} {
		if host, _, err := net.SplitHostPort(a); err == nil {
			a = host
		}
		if ip := net.ParseIP(a); ip == nil || !ip.IsLoopback() {
			return ""
		}
	}
	head, err := p.db.LogHead(r.Context())
	if err != nil {
		if r.Context().Err() == nil { // else whoever asked has gone
			p.log.Error("where the audit log ends cannot be told", "error", err)
		}
		return "log: not whole\n"
	}
	return "log: " + head.String() + "\n"
}
