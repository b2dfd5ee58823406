package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hilum/cmd/viewer/viewer"
	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/login"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/totp"
)

// demoFacts is all that somebody, or a script, needs to sign in at the demo.
type demoFacts struct {
	Issuer            string       `json:"issuer"`
	Viewer            string       `json:"viewer"`
	ClientID          idp.ClientID `json:"client_id"`
	ClientSecret      string       `json:"client_secret"`
	RedirectURI       string       `json:"redirect_uri"`
	PublicClientID    idp.ClientID `json:"public_client_id"`
	PublicRedirectURI string       `json:"public_redirect_uri"`
	Username          string       `json:"username"`
	Password          string       `json:"password"`
	TOTPSecret        string       `json:"totp_secret"` // base32
	AdminUsername     string       `json:"admin_username"`
	AdminPassword     string       `json:"admin_password"`
	AdminTOTPSecret   string       `json:"admin_totp_secret"` // base32
	PhoneFile         string       `json:"phone_file"`        // keys of the linked phone, for cmd/phone
	Database          string       `json:"database"`          // its engine and version

	recovery idp.Secret // one of the first person's codes, while the demo is being made
}

func (c *cli) demoCommand() *cobra.Command {
	var port uint16
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a provider, a sample viewer and a demo person, all on this machine",
		Long: `Run everything at once on loopback: the provider, a sample viewer that relies on
it, and two people with a linked authenticator. The first has a phone too: this
terminal, where Login and Deny are keys. Nothing is left behind at the
end, unless --data keeps it. With --database it is in a PostgreSQL database, which has to be
empty, or the demo's that --data keeps.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.demo(cmd.Context(), port, data, asJSON)
		},
	}
	cmd.Flags().Uint16Var(&port, "port", 0, "`port` of the provider; the viewer takes the next (0: free ones)")
	cmd.Flags().StringVar(&data, "data", "", "`folder` to keep the demo in, people and all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as one line of JSON, for scripts")
	return cmd
}

// demo runs provider, viewer and phone until ctx ends or one of them fails. data is the
// folder to keep them in; empty: one that is removed at the end.
func (c *cli) demo(ctx context.Context, port uint16, data string, asJSON bool) (err error) {
	l, err := listen(ctx, "listen", loopback(port))
	if err != nil {
		return err
	}
	defer l.Close()
	if port != 0 {
		port++
	}
	viewerListener, err := listen(ctx, "listen", loopback(port))
	if err != nil {
		return err
	}
	defer viewerListener.Close()

	keep := data != ""
	if !keep {
		if data, err = os.MkdirTemp("", "idp-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	}
	conf := config.Default()
	conf.DataDir = data
	conf.Issuer = "http://" + l.Addr().String()
	conf.Log.Level = "warn"
	conf.Limits = config.Limits{} // nobody but this machine is here, and scripts are quick
	if conf.Password, err = c.hashes(conf.Issuer); err != nil {
		return err
	}
	if c.database != "" {
		if err := conf.UseDatabase(c.database); err != nil {
			return err
		}
	}
	log := newLog(conf.Log, c.stderr)
	p, err := openOnly(ctx, conf, conf.Issuer, log, false, demosOwn(conf))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if !keep && conf.Database.Postgres() {
		fmt.Fprintln(c.stderr, "idp: the demo stays in the database when it ends, and the key to it does not: drop the database then, or keep the key in a folder by --data")
	}

	f, err := p.demoFacts(ctx, "http://"+viewerListener.Addr().String())
	if err != nil {
		return err
	}
	p.keepHead(ctx, true)
	h, shared, err := p.handler(nil)
	if err != nil {
		return err
	}
	view, err := viewer.New(viewer.Config{
		Issuer:       f.Issuer,
		ClientID:     string(f.ClientID),
		ClientSecret: f.ClientSecret,
		BaseURL:      f.Viewer,
		Log:          log,
	})
	if err != nil {
		return err
	}
	// All three end with ctx, or when one of them fails.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.run(ctx, h, shared, l) })
	g.Go(func() error { return serve.Run(ctx, serve.Config{Log: log}, view, viewerListener) })
	g.Go(func() error {
		if err := answers(ctx, f.Issuer+"/readyz", f.Viewer+"/"); err != nil {
			return err
		}
		client, err := p.demoPhone(ctx, f)
		if err != nil {
			return fmt.Errorf("demo phone: %w", err)
		}
		if asJSON {
			return json.NewEncoder(c.stdout).Encode(f)
		}
		return c.tell(ctx, f, p.site.now().InApps(), client)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// hashes is what a hash costs, by the environment, as for a site: people may choose passwords in
// a demo, too. Errors: *config.Fault.
func (c *cli) hashes(issuer string) (config.Password, error) {
	conf, err := config.Load("", func(name string) string {
		switch {
		case name == config.Prefix+"ISSUER":
			return issuer // no setting of a demo's, and asked for
		case strings.HasPrefix(name, config.Prefix+"PASSWORD_"):
			return c.getenv(name)
		}
		return ""
	})
	if err != nil {
		return config.Password{}, err
	}
	return conf.Password, nil
}

// demosOwn refuses a database of PostgreSQL that is somebody's, and a folder of a demo that
// is in another database.
func demosOwn(conf *config.Config) func(*store.DB) error {
	return func(db *store.DB) error {
		if !conf.Database.Postgres() {
			return nil
		}
		which, err := whichDatabase(conf)
		if err != nil {
			return err
		}
		_, err = os.Stat(keptIn(conf))
		switch {
		case err == nil && db.Fresh():
			return usagef("%s is of a demo in another database than the %s, which is empty; name another folder with --data", conf.DataDir, which)
		case errors.Is(err, fs.ErrNotExist) && !db.Fresh():
			return usagef("the %s is not empty; name an empty one, or by --data the folder of the demo that it is of", which)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		}
		return err
	}
}

// keptIn is the file in which a demo is kept.
func keptIn(conf *config.Config) string { return filepath.Join(conf.DataDir, "demo.json") }

// loopback is the address of a port on this machine; 0: one that is free.
func loopback(port uint16) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) }

// answers asks every URL once. Errors: one does not answer, or not with 200.
func answers(ctx context.Context, urls ...string) error {
	for _, url := range urls {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close() // nothing of it is read
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, res.Status)
		}
	}
	return nil
}

// demoFacts makes the demo's people and applications with the verbs that an
// administrator and the people themselves would use. A folder that was kept
// has them already: then only the addresses, which change with the ports, are
// brought up to date.
func (p *provider) demoFacts(ctx context.Context, viewerURL string) (*demoFacts, error) {
	f := &demoFacts{
		ClientID:       "demo-viewer",
		PublicClientID: "demo-public",
		Username:       "anna",
		AdminUsername:  "admin",
	}
	kept := keptIn(p.conf)
	text, err := os.ReadFile(kept)
	known := err == nil
	switch {
	case known:
		if err := json.Unmarshal(text, f); err != nil {
			return nil, fmt.Errorf("%s: %w", kept, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	f.Issuer, f.Viewer = p.issuer, viewerURL
	f.RedirectURI, f.PublicRedirectURI = viewerURL+"/callback", viewerURL+"/public/callback"
	h, err := p.db.Health(ctx)
	if err != nil {
		return nil, err
	}
	f.Database = h.Engine + " " + h.EngineVersion

	if err := p.demoClients(ctx, f, known); err != nil {
		return nil, fmt.Errorf("demo applications: %w", fieldError(err))
	}
	if known {
		return f, nil
	}
	if f.Password, f.TOTPSecret, f.recovery, err = p.demoPerson(ctx, &idp.User{
		Name: f.Username, DisplayName: "Anna Bergmann", GivenName: "Anna", FamilyName: "Bergmann",
		Email: "anna.bergmann@klinik.example", EmailVerified: true,
		Roles: []string{"radiologist"}, Groups: []string{"radiology", "tumour-board"},
	}); err != nil {
		return nil, fmt.Errorf("demo person: %w", fieldError(err))
	}
	if f.AdminPassword, f.AdminTOTPSecret, _, err = p.demoPerson(ctx, &idp.User{
		Name: f.AdminUsername, DisplayName: "Demo Administrator", Staff: idp.StaffAdmin,
	}); err != nil {
		return nil, fmt.Errorf("demo administrator: %w", fieldError(err))
	}
	if text, err = json.Marshal(f); err != nil {
		return nil, err
	}
	return f, os.WriteFile(kept, text, 0o600)
}

// demoClients registers the two applications, or gives them their new addresses.
func (p *provider) demoClients(ctx context.Context, f *demoFacts, known bool) error {
	addresses := func(c *idp.Client) {
		c.PostLogoutURIs = []string{f.Viewer + "/"}
		c.RedirectURIs, c.LogoutURI = []string{f.RedirectURI}, f.Viewer+viewer.BackchannelPath
		if c.Auth == idp.AuthNone {
			c.RedirectURIs, c.LogoutURI = []string{f.PublicRedirectURI}, ""
			c.Origins = []string{f.Viewer}
		}
	}
	if known {
		return errors.Join(
			p.desk.EditClient(ctx, console(), f.ClientID, addresses),
			p.desk.EditClient(ctx, console(), f.PublicClientID, addresses))
	}
	scopes := []string{"openid", "profile", "email", "groups", "roles", "offline_access"}
	confidential := &idp.Client{
		ID: f.ClientID, Name: "Sample viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, Scopes: scopes,
		GrantTypes: []string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials}, RefreshAlways: true,
	}
	public := &idp.Client{
		ID: f.PublicClientID, Name: "Sample viewer in the browser", Kind: idp.ClientWeb, Auth: idp.AuthNone, Scopes: scopes,
		GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, RefreshAlways: true,
	}
	addresses(confidential)
	addresses(public)
	// Everything is set up already; the demo opens with what there is to see.
	if err := p.desk.PutStartAside(ctx, console(), true); err != nil {
		return err
	}
	secret, err := p.desk.AddClient(ctx, console(), confidential)
	if err != nil {
		return err
	}
	f.ClientSecret = secret.Reveal()
	_, err = p.desk.AddClient(ctx, console(), public)
	return err
}

// demoPerson invites a person and goes through the invitation in their place:
// a password is chosen, and an authenticator linked whose secret is returned,
// with one of the recovery codes.
func (p *provider) demoPerson(ctx context.Context, u *idp.User) (password, secret string, recovery idp.Secret, err error) {
	if err := p.desk.AddUser(ctx, console(), u); err != nil {
		return "", "", "", err
	}
	link, err := p.desk.Invite(ctx, console(), u.ID, admin.ViaLink)
	if err != nil {
		return "", "", "", err
	}
	browser := login.Browser{ID: idp.NewToken().Hash(), Address: "127.0.0.1", Agent: "idp demo"}
	step, err := p.logins.StartInvitation(ctx, link.Token, browser)
	if err != nil {
		return "", "", "", err
	}
	form := login.EnrolForm{Password: idp.Secret(newPassword()), DeviceName: "Terminal"}
	for range 2 { // a second time should the clock move into the next step between us and the check
		// The code of the step before: a code is good once, and the current
		// one is for the first sign-in.
		if form.Code, err = currentCode(step.Enrol.Offer.Secret, time.Now().Add(-codeStep)); err != nil {
			return "", "", "", err
		}
		var codes []idp.Secret
		if _, codes, err = p.logins.Enrol(ctx, step.ID, browser, form); err == nil {
			recovery = codes[0]
		}
		if !errors.Is(err, idp.ErrWrongSecret) {
			break
		}
	}
	return form.Password.Reveal(), step.Enrol.Offer.Secret, recovery, err
}

// newPassword is 100 random bits in four groups that can be read aloud.
func newPassword() string {
	s := strings.ToLower(rand.Text()[:20])
	return strings.Join([]string{s[:5], s[5:10], s[10:15], s[15:]}, "-")
}

// codeStep is how long a code is shown (the time step of RFC 6238).
const codeStep = 30 * time.Second

// currentCode is what an authenticator with a base32 secret shows at t.
func currentCode(secret string, t time.Time) (string, error) {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return "", err
	}
	return totp.Code(raw, t), nil
}
