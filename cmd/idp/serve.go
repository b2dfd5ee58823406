package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the provider",
		Long: `Run the provider until it is told to end (SIGINT, SIGTERM).

Without a configuration it listens on 127.0.0.1:8080, keeps everything in ./data
and makes its keys. While nobody has an account it prints a one-time link to set
up the first administrator.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

// serve runs the provider until ctx ends. What the configuration gets wrong, a port that
// is taken and files that cannot be used stop it before anything is made.
func (c *cli) serve(ctx context.Context) (err error) {
	conf, err := c.load()
	if err != nil {
		return err
	}
	log := newLog(conf.Log, c.stderr)
	// Files that cannot be used stop the start before anything is made.
	warnings, err := conf.Files()
	if err != nil {
		return err
	}
	for _, w := range append(conf.Warnings(), warnings...) {
		log.Warn("configuration", "look_at", w.Error())
	}
	address, err := vacant(ctx, "listen", conf.Listen)
	if err != nil {
		return err
	}
	mutualAddress := ""
	if conf.TLS.MTLSListen != "" {
		if mutualAddress, err = vacant(ctx, "tls.mtls_listen", conf.TLS.MTLSListen); err != nil {
			return err
		}
	}
	stopDebug, err := startDebug(ctx, conf.Debug.Listen, log)
	if err != nil {
		return err
	}
	defer stopDebug()
	p, err := open(ctx, conf, issuerOf(conf, address), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	var cert *serve.Certificate
	if conf.TLS.On() {
		if cert, err = serve.LoadCertificate(conf.TLS.CertFile, conf.TLS.KeyFile, p.files, log); err != nil {
			return err
		}
	}
	h, shared, err := p.handler(cert)
	if err != nil {
		return err
	}
	unsigned, err := p.desk.Unsigned(ctx)
	if err != nil {
		return err
	}
	for i := range unsigned {
		log.Error("nobody can sign in to an application: no key signs by its algorithm. Add it to keys.algs, or: idp client edit "+string(unsigned[i].ID)+" --alg RS256",
			"setting", "keys.algs", "client", unsigned[i].ID, "name", unsigned[i].Name, "alg", unsigned[i].IDTokenAlg)
	}
	was, err := p.db.NoteIssuer(ctx, p.issuer)
	if err != nil {
		return err
	}
	if was != "" {
		log.Warn("this database was served under another issuer until now. What names that one works no more: linked phones are not asked and have to be linked anew, "+
			"applications refuse tokens and have to be set to the new one, and QR codes, one-time links and sessions in browsers lead to the old address. "+
			"If the issuer was changed by mistake, set it back and start again", "setting", "issuer", "was", was, "is", p.issuer)
	}
	l, err := listen(ctx, "listen", address)
	if err != nil {
		return err
	}
	defer l.Close()
	if mutualAddress != "" {
		mutual, err := listen(ctx, "tls.mtls_listen", mutualAddress)
		if err != nil {
			return err
		}
		defer mutual.Close()
		if p.certified != nil {
			p.certified.listener = mutual
		}
	}
	c.printf("idp is ready at %s\n", p.issuer)
	c.beginLog(ctx, p)
	link, err := p.desk.SetupLink(ctx, admin.Console("provider"))
	switch {
	case err == nil:
		c.printf("Nobody administers this site yet. Set up the first administrator here, once, until %s:\n\n    %s\n\n",
			clock(link.ExpiresAt), setupURL(p.issuer, link))
	case !errors.Is(err, idp.ErrDenied):
		return err
	}
	return p.run(ctx, h, shared, l)
}

func (c *cli) setupLinkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "setup-link",
		Short: "Print a new one-time link to set up the first administrator",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			link, err := p.desk.SetupLink(ctx, console())
			if errors.Is(err, idp.ErrDenied) {
				return errors.New("this site has an administrator, who invites the others: idp invite NAME")
			}
			if err != nil {
				return err
			}
			c.printf("Good once, until %s; links printed before are dead:\n%s\n", clock(link.ExpiresAt), setupURL(p.issuer, link))
			return nil
		}),
	}
}

// setupURL is the address of the link to the first administrator, inviteURL that of any
// other one-time link.
func setupURL(issuer string, l *admin.Link) string  { return issuer + "/setup/" + l.Token.Reveal() }
func inviteURL(issuer string, l *admin.Link) string { return issuer + "/invite/" + l.Token.Reveal() }

// clock prints an instant for people at a console.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
