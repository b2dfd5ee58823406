package web

import (
	"context"
	"errors"
	"testing"

	"hilum/idp"
)

// TestApplicationsAreOpened: people find the applications that they may sign in to and that have
// an address for it, and are told which provider it is; nothing is said of who they are.
func TestApplicationsAreOpened(t *testing.T) {
	d := open(t)
	d.signedIn()
	app := func(name string, change func(*idp.Client)) idp.Client {
		c := idp.Client{ID: idp.ClientID(name), Name: name, GrantTypes: []string{idp.GrantCode}, InitiateURI: "https://" + name + ".example/login"}
		if change != nil {
			change(&c)
		}
		return c
	}
	all := []idp.Client{
		app("plain", nil),
		app("query", func(c *idp.Client) { c.InitiateURI += "?a=b" }),
		app("elsewhere", func(c *idp.Client) { c.InitiateURI = "" }),
		app("off", func(c *idp.Client) { c.Disabled = true }),
		app("others", func(c *idp.Client) { c.Groups = []string{"a group of nobody"} }),
		app("program", func(c *idp.Client) { c.GrantTypes = []string{idp.GrantClientCredentials} }),
	}
	var err error
	d.server.account.applications = func(context.Context) ([]idp.Client, error) { return all, err }
	d.Wants(d.Get("/account/security"), 200, "Your applications", "not elsewhere", "not https://off.", "not https://others.", "not https://program.", "not login_hint", "not target_link_uri",
		`href="https://plain.example/login?iss=`, `href="https://query.example/login?a=b&amp;iss=`)
	all = nil
	d.Wants(d.Get("/account/security"), 200, "not Your applications")
	err = errors.New("no")
	d.Wants(d.Get("/account/security"), 500)
}
