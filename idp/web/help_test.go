package web

import (
	"testing"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
)

// helpful is a door of a site with a help line.
func helpful(t *testing.T, help, link string) *door {
	t.Helper()
	return openWith(t, func(c *page.Config) {
		c.Site = func() *idp.Site { return &idp.Site{Name: "Imaging", Language: "en", Help: help, HelpLink: link} }
	})
}

// Whoever is not let in reads whom to ask, whatever page they are at.
func TestHelpLine(t *testing.T) {
	const shown = `<p class="hint" id="help"><a href="https://intranet.test/help">Helpdesk, 4711</a></p>`
	d := helpful(t, "Helpdesk, 4711", "https://intranet.test/help")
	d.bound(idp.LoginPassword, idp.ForClient)
	d.Wants(d.Get("/login/"+aLogin), 200, `id="password-form"`, shown)
	d.logins.err = &idp.RetryError{Err: idp.ErrTooMany}
	d.Wants(d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x"), 429, shown)
	d.logins.err = nil
	step := d.bound(idp.LoginFactor, idp.ForClient)
	step.Devices, step.Recovery = 0, false
	d.Wants(d.Get("/login/"+aLogin), 200, `id="no-device"`, shown)
	d.Wants(d.Get("/login/"+aSession), 404, shown) // of nobody
	d.logins.err = idp.ErrNotFound
	d.Wants(d.Get("/invite/abc"), 404, "This link does not exist", shown)
	d.logins.err = &login.LinkError{Purpose: idp.InviteEnrol, Err: idp.ErrExpired}
	d.Wants(d.Get("/invite/abc"), 410, shown)
	d.logins.err = nil
	d.signedIn() // they are in, and know more ways
	d.Wants(d.Get("/account/security"), 200, `not id="help"`)

	d = helpful(t, "Ask at the desk <b>", "")
	d.Wants(d.Get("/login/"+aSession), 404, `<p class="hint" id="help">Ask at the desk &lt;b&gt;</p>`)
	d = open(t)
	d.Wants(d.Get("/login/"+aSession), 404, `not id="help"`)
	// Whoever wrote it past the checks.
	d = helpful(t, "Helpdesk", "javascript:alert(1)")
	d.Wants(d.Get("/login/"+aSession), 404, "not javascript", `not id="help"`)
}
