package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
	"hilum/idp/device"
	"hilum/idp/deviceapi"
	"hilum/idp/file"
	"hilum/idp/geo"
	"hilum/idp/keyring"
	"hilum/idp/limit"
	"hilum/idp/live"
	"hilum/idp/login"
	"hilum/idp/logout"
	"hilum/idp/oidc"
	"hilum/idp/password"
	"hilum/idp/push"
	"hilum/idp/recent"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/tryout"
	"hilum/idp/web"
	"hilum/idp/web/desk"
	"hilum/idp/web/page"
	"hilum/templates"
	"hilum/templates/words"
)

// How often the provider looks after itself.
const (
	turnEvery  = time.Hour        // signing keys that are due
	sweepEvery = 5 * time.Minute  // rows that nobody can use any more
	headEvery  = 10 * time.Second // where the log ends, outside the database
)

// provider is every part of the identity provider, joined.
type provider struct {
	conf      *config.Config
	issuer    string
	log       *slog.Logger
	db        *store.DB
	site      *siteSource
	sealer    *keyring.Sealer
	ring      *keyring.Ring
	logins    *login.Flow
	devices   *device.Registry
	desk      *admin.Desk
	hub       *live.Hub
	share     *limit.Share                        // of this instance in what each counts in memory
	wake      func(context.Context, ...idp.Topic) // after a change by the administration: heard, or relay
	push      *pushServices
	sender    *push.Sender
	post      *post         // nil: mail is off
	files     *file.Watcher // what the configuration names
	letters   *letters
	places    *geo.Places    // nil: addresses have no place; opened by who serves, it may be large
	notices   *logout.Sender // made with the handler: package oidc makes its tokens
	certified *certified     // for applications with a certificate; nil: nobody is asked for one
	ending    chan struct{}  // closed when the provider is to end, so that streams do
	streams   *serve.Streams
	jobs      *desk.Jobs // what administrators began: imports, checks of the log

	rejected recent.Rejections // refused requests of applications
}

// open builds the parts that need no network, each from the ones before it. A
// database and keys are made where there are none; what is there and does not
// fit is refused, and nothing is written over.
func open(ctx context.Context, conf *config.Config, issuer string, log *slog.Logger) (p *provider, err error) {
	return openOnly(ctx, conf, issuer, log, false, func(*store.DB) error { return nil })
}

// openOnly is open for a database that passes a check, which looks at it before keys are
// made, and of PostgreSQL, with existing, for one that has its tables.
func openOnly(ctx context.Context, conf *config.Config, issuer string, log *slog.Logger, existing bool, check func(*store.DB) error) (p *provider, err error) {
	if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made (data_dir names another): %w", conf.DataDir, err)
	}
	db, err := openDatabase(ctx, conf, log, existing)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()

	if err := check(db); err != nil {
		return nil, err
	}
	files := &file.Watcher{Log: log}
	sealer, err := openSealer(conf.SealFile(), db.Fresh(), files)
	if err != nil {
		return nil, err
	}
	if err := proveSeal(ctx, db, sealer); err != nil {
		return nil, fmt.Errorf("sealing key %s: %w", conf.SealFile(), err)
	}
	if err := db.Trust(ctx, sealer.Derive("store", 32)); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	ring, err := keyring.Open(ctx, keyring.Config{
		Store:         db,
		Sealer:        sealer,
		Algs:          conf.Keys.Algs,
		RSABits:       conf.Keys.RSABits,
		RotateEvery:   conf.Keys.RotateEvery,
		PublishBefore: conf.Keys.PublishBefore,
		KeepFor:       conf.Sessions.Absolute, // an ID token may be a hint as long as the session lasts
		Log:           log,
	})
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	hasher := password.New(password.Config{
		MemoryKiB:   conf.Password.MemoryKiB,
		Time:        conf.Password.Time,
		Parallelism: conf.Password.Parallelism,
		AtOnce:      conf.Password.AtOnce,
	})
	hub, share := &live.Hub{Relay: db.Hint}, &limit.Share{}
	site := newSiteSource(conf, db, log)
	letters := &letters{issuer: issuer, zone: conf.Zone(), site: site, people: db}
	services, err := openPush(ctx, conf, issuer, db, sealer, files, letters.pushed)
	if err != nil {
		return nil, err
	}
	var devices *device.Registry
	sender := push.New(push.Config{
		Channels: services.channels,
		Done: func(ctx context.Context, m idp.Push, out idp.PushOutcome, why string) {
			devices.Delivered(ctx, m, out, why)
		},
		Log: log,
	})
	devices = device.New(device.Config{
		Store: db, Sealer: sealer, Hasher: hasher, Site: site.now, Issuer: issuer,
		Acceptable: services.acceptable, Push: sender.Send, Wake: hub.Wake, Log: log,
	})
	post, err := openMail(conf, issuer, site, files)
	if err != nil {
		return nil, err
	}
	p = &provider{
		files:   files,
		post:    post,
		letters: letters,
		push:    services,
		sender:  sender,
		hub:     hub,
		share:   share,
		ending:  make(chan struct{}),
		streams: &serve.Streams{Log: log},
		jobs:    desk.NewJobs(db, sealer),
		conf:    conf,
		issuer:  issuer,
		log:     log,
		db:      db,
		sealer:  sealer,
		ring:    ring,
		logins: login.New(login.Config{
			Store:     db,
			Passwords: hasher,
			Sealer:    sealer,
			Rules: login.Rules{
				SessionIdle: conf.Sessions.Idle, SessionAbsolute: conf.Sessions.Absolute,
				Site: site.now, Issuer: issuer, Match: idp.MatchMode(conf.Push.Match), Verify: conf.Push.Verify == "required",
			},
			Wake:     hub.Wake,
			Push:     sender.Send,
			Mail:     conf.Mail.On(),
			Describe: page.Describe,
			Act:      letters.act,
			Network:  networkNames(conf.Networks),
			Place:    func(address, lang string) string { return p.place(address, lang) },
			// Each is a row that nobody has proven anything for yet.
			PerAddress: perAddress(share, conf.Limits.SignInPerMinute, conf.Limits.SignInBurst),
			PerSession: ofSession(share, conf.Limits),
			Log:        log,
		}),
		devices: devices,
		site:    site,
		desk: admin.New(admin.Config{
			Subjects: idp.NewSubjects(sealer.Derive(pairwise, 32)),
			Sector: func(ctx context.Context, uri string) ([]string, error) {
				return oidc.SectorRedirects(ctx, p.toApplications(), uri)
			},
			Logo:  func(ctx context.Context, uri string) ([]byte, error) { return oidc.Logo(ctx, p.toApplications(), uri) },
			Store: db, Sealer: sealer, Site: site.now, Fixed: site.fixed, Languages: words.Known(), Issuer: issuer, Mail: conf.Mail.On(), Settings: settingsOf(conf), Algs: conf.Keys.Algs,
			Mutual: conf.TLS.MTLSListen != "", MutualCA: conf.TLS.MTLSCAFile != "", Realm: conf.Clients.Realm, Log: log,
			// Phones are told whatever becomes of the request that has unlinked one.
			Wake: func(topics ...idp.Topic) { p.wake(context.WithoutCancel(ctx), topics...) },
		}),
	}
	p.wake = p.heard
	return p, nil
}

// pairwise is the purpose of the key by which people have a sub of their own at each sector.
const pairwise = "pairwise subjects"

// subjects makes the sub of people, for all doors the same.
func (p *provider) subjects() idp.Subjects { return idp.NewSubjects(p.sealer.Derive(pairwise, 32)) }

// openSealer opens the sealing key; with fresh, for a database that was just made, it
// makes one where there is none. While the key is in use its file is only looked at:
// the database is sealed with this key and no other, and that the next start would
// find another, or none, is logged as long as there is time. Errors: as
// keyring.OpenSealer.
func openSealer(path string, fresh bool, files *file.Watcher) (*keyring.Sealer, error) {
	sealer, err := keyring.OpenSealer(path, fresh)
	if err != nil {
		return nil, err
	}
	const purpose, value = "sealing key file", "the same"
	same := sealer.MAC(purpose, value)
	err = files.Open(file.Source{Files: []file.Named{{Setting: "keys.seal_file", Path: path, Secret: true}}, Take: func([]file.Content) error {
		if now, err := keyring.OpenSealer(path, false); err != nil {
			return err
		} else if now.MAC(purpose, value) != same {
			return fmt.Errorf("sealing key %s is another than the one in use, and the next start would refuse it; put back the one that belongs to this database", path)
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return sealer, nil
}

// proveSeal makes sure that the sealing key is this database's, by a known value
// that was sealed when the two met. Errors: it is another database's.
func proveSeal(ctx context.Context, db *store.DB, sealer *keyring.Sealer) error {
	sealed, err := db.SealCheck(ctx)
	if errors.Is(err, idp.ErrNotFound) {
		if sealed, err = sealer.Seal([]byte(sealKnown), sealRow); err != nil {
			return err
		}
		if err = db.SetSealCheck(ctx, sealed); errors.Is(err, idp.ErrConflict) {
			// Another start was quicker. Its key is in the same file, or this
			// one does not belong here.
			sealed, err = db.SealCheck(ctx)
		}
	}
	if err != nil {
		return err
	}
	return opensSeal(sealer, sealed)
}

// The value that is sealed in each database, and the row that it is sealed for.
const sealRow, sealKnown = "seal check", "this key belongs to this database"

// opensSeal returns an error where a known value was not sealed by a key.
func opensSeal(sealer *keyring.Sealer, sealed []byte) error {
	if plain, err := sealer.Open(sealed, sealRow); err != nil || string(plain) != sealKnown {
		return errors.New("it is another database's; put back the one that was in use with this database (nothing was changed)")
	}
	return nil
}

// Close keeps where the audit log ends and closes the database; nothing else holds
// anything.
func (p *provider) Close() error {
	p.keepHead(context.Background(), false)
	return p.db.Close()
}

// handler mounts all doors on one mux, behind what they share, and returns that as
// well. cert is the certificate to serve with; nil: without TLS. Errors: those of
// templates.New, page.New and oidc.New.
func (p *provider) handler(cert *serve.Certificate) (http.Handler, serve.Config, error) {
	secure := strings.HasPrefix(p.issuer, "https://")
	// The built-in relying party asks the whole of what is served, which is whole
	// only below.
	var whole http.Handler
	party := tryout.New(p.issuer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { whole.ServeHTTP(w, r) }))
	words, err := templates.New()
	if err != nil {
		return nil, serve.Config{}, err
	}
	p.letters.words = words
	if p.conf.GeoFile != "" {
		places, err := geo.Open(p.conf.GeoFile, p.files)
		if err != nil {
			return nil, serve.Config{}, p.conf.Fault("geo_file", err.Error())
		}
		p.places = places
	}
	people, err := page.New(page.Config{
		Words:           words,
		Site:            p.site.now,
		Pictures:        p.db,
		Origin:          p.issuer,
		Secure:          secure,
		CookieKey:       p.sealer.Derive("cookies", 32),
		SessionAbsolute: p.conf.Sessions.Absolute,
		Sessions:        p.logins,
		Network:         networkNames(p.conf.Networks),
		Place:           p.place,
		Limits:          pageLimits(p.share, p.conf.Limits),
		Share:           p.share,
		Wait:            func(topics ...idp.Topic) page.Waiter { return p.hub.Wait(topics...) },
		Ending:          p.ending,
		Streams:         p.streams,
		Log:             p.log,
	})
	if err != nil {
		return nil, serve.Config{}, err
	}
	pages := web.New(web.Config{
		Door:            people,
		Logins:          p.logins,
		Devices:         p.devices,
		CollectPath:     oidc.CollectPath,
		SessionAbsolute: p.conf.Sessions.Absolute,
		Native:          nativeApps(p.conf.Apps),
		Applications:    p.db.Clients,
		Realm:           p.conf.Clients.Realm,
	})
	desk.Mount(desk.Config{
		Door:     people,
		Desk:     p.desk,
		Register: p.conf.Clients.Registration == "token",
		Realm:    p.conf.Clients.Realm,
		Party:    party,
		Push:     p.pushFigures,
		Rejected: p.rejected.Of,
		Mail:     p.post != nil,
		JobKey:   p.sealer.Derive("jobs", 32),
		Jobs:     p.jobs,
		Version:  version,
		Ending:   p.ending,
	})
	phones := deviceapi.New(deviceapi.Config{
		Issuer:   p.issuer,
		Site:     p.site.now,
		VAPIDKey: p.push.vapid,
		Push:     p.push.offered,
		Devices:  p.devices,
		Logins:   p.logins,
		Wait:     func(topics ...idp.Topic) deviceapi.Waiter { return p.hub.Wait(topics...) },
		Share:    p.share,
		Wrong:    wrongPerAddress(p.share, p.conf.Limits),
		Allow:    perAddress(p.share, p.conf.Limits.DevicePerMinute, 2*p.conf.Limits.DevicePerMinute),
		Ending:   p.ending,
		Streams:  p.streams,
		Log:      p.log,
	})
	mutual, err := p.mutual()
	if err != nil {
		return nil, serve.Config{}, err
	}
	var registry oidc.Registry // nil: applications cannot register themselves
	if p.conf.Clients.Registration == "token" {
		registry = p.desk
	}
	protocol, err := oidc.New(oidc.Config{
		Mutual:           mutual,
		Registry:         registry,
		Realm:            p.conf.Clients.Realm,
		Subjects:         p.subjects(),
		AllowRegister:    perAddress(p.share, p.conf.Limits.EnrolPer10Min/10, p.conf.Limits.EnrolPer10Min),
		Issuer:           p.issuer,
		Store:            p.db,
		Logins:           p.logins,
		Keys:             p.ring,
		Browsers:         people,
		Pages:            pages,
		Fetch:            p.toApplications(),
		Languages:        people.LanguageTags,
		AccessTTL:        p.conf.Tokens.Access,
		RefreshIdle:      p.conf.Tokens.RefreshIdle,
		AllowPage:        perAddress(p.share, p.conf.Limits.SignInPerMinute, p.conf.Limits.SignInBurst),
		NonceKey:         p.sealer.Derive("dpop nonces", 32),
		AllowPush:        perAddress(p.share, p.conf.Limits.SignInPerMinute, p.conf.Limits.SignInBurst),
		Rejected:         p.rejected.Add,
		AllowBackchannel: perClient(p.share, backchannelPerMinute),
		Log:              p.log,
	})
	if err != nil {
		return nil, serve.Config{}, err
	}
	programs := adminapi.New(adminapi.Config{
		Issuer:  p.issuer,
		Realm:   p.conf.Clients.Realm,
		Version: version,
		Store:   p.db,
		Desk:    p.desk,
		Push:    p.pushFigures,
		Allow:   perClient(p.share, p.conf.Limits.AdminPerMinute),
		// A token by a key that has leaked is one nowhere.
		KeyLives: protocol.KeyLives,
		Log:      p.log,
	})
	p.notices = p.openLogout(protocol)
	mux := http.NewServeMux()
	protocol.Mount(mux)
	people.Mount(mux)
	phones.Mount(mux)
	programs.Mount(mux)
	p.mountHealth(mux)
	shared := serve.Config{
		TrustedProxies: p.conf.Proxies(),
		HTTPS:          secure,
		Bodies:         bodies(people),
		Problems:       []string{adminapi.Prefix},
		Refusals:       refusals(protocol, phones),
		Quiet:          slices.Concat(people.Quiet(), protocol.Quiet(), quietRoutes),
		ErrorPage:      pages.ErrorPage,
		TLS:            cert,
		Only13:         p.conf.TLS.MinVersion == "1.3",
		Log:            p.log,
	}
	path := people.Path()
	whole = serve.Beneath(path, atRoot(path), serve.Handler(mux, shared))
	if mutual != nil {
		p.certified = certifiedOf(protocol, shared) // a host of its own: the path of the issuer is not there
	}
	return whole, shared, nil
}

// atRoot are the addresses that standards, systems and whoever watches the machine look
// for at the root of a host, whatever the path of the issuer is, with those that the
// doors know them by.
func atRoot(path string) map[string]string {
	const oauth = "/.well-known/oauth-authorization-server"
	root := map[string]string{oauth + path: oauth} // RFC 8414, section 3.1
	for _, same := range []string{"/.well-known/assetlinks.json", "/.well-known/apple-app-site-association", "/healthz", "/readyz"} {
		root[same] = same
	}
	return root
}

// refusals are the answers of the doors that programs and phones ask, by path.
func refusals(protocol *oidc.Server, phones *deviceapi.Server) map[string]func(http.ResponseWriter, *http.Request, int) {
	all := protocol.Refusals()
	maps.Copy(all, phones.Refusals())
	return all
}

// bodies are the paths that take a larger body than others, with how many bytes.
func bodies(people *page.Door) map[string]int64 {
	all := people.Bodies()
	all[adminapi.ImportPath] = admin.MaxImportBytes
	return all
}

// quietRoutes are what is asked of the other doors all day, tells nothing, and is
// logged at debug level only, as the pages are whose record says so.
var quietRoutes = []string{
	"GET /healthz",
	"GET /readyz",
	"GET /jwks",
	"GET /.well-known/openid-configuration",
	"GET /.well-known/oauth-authorization-server",
	"GET /device/v1/listen",
	"POST /device/v1/challenges",
}

// place is where a client address is, in a language (BCP 47), by the setting geo_file;
// empty: it is not known.
func (p *provider) place(address, lang string) string {
	if p.places == nil {
		return ""
	}
	return p.places.Place(address, lang)
}

// nativeApps are the native apps of a configuration, as the pages have them.
func nativeApps(c config.Apps) web.NativeApps {
	n := web.NativeApps{Apple: c.Apple}
	for _, a := range c.Android {
		n.Android = append(n.Android, web.AndroidApp{Package: a.Package, Fingerprints: a.Fingerprints})
	}
	return n
}

// networkNames returns a function that says what the operator calls where a client
// address is, by the setting networks: the narrowest range wins. Empty: it has no name.
func networkNames(places []config.Place) func(string) string {
	return func(address string) string {
		a, err := netip.ParseAddr(address)
		if err != nil {
			return ""
		}
		name, bits := "", -1
		for _, p := range places {
			if p.Range.Contains(a.Unmap()) && p.Range.Bits() > bits {
				name, bits = p.Name, p.Range.Bits()
			}
		}
		return name
	}
}

// perAddress is a limit per client address, of perMinute in the long run and burst at
// once; nil where there is none. It says how long to wait, and whether one may go on.
func perAddress(share *limit.Share, perMinute, burst int) func(string) (time.Duration, bool) {
	if perMinute == 0 || burst == 0 {
		return nil
	}
	return limit.NewAddresses(perMinute, burst).Among(share).Allow
}

// perSession is how many authorization requests one live session is answered a
// minute. No viewer comes near it, and no loop harms others by it.
const perSession = 600

// ofSession is the limit of perSession, nil where there is none: who sets no bound to
// sign-ins that begin sets none to those that a session begins.
func ofSession(share *limit.Share, c config.Limits) func(idp.SessionID) (time.Duration, bool) {
	if c.SignInPerMinute == 0 {
		return nil
	}
	return limit.NewSessions(perSession, perSession).Among(share).Allow
}

// Wrong tries of one browser, in 10 minutes: see page.Limits.
const (
	failsOfBrowser       = 3    // wrong passwords and codes, where nobody is known
	failsOfKnown         = 20   // the same, where somebody is known
	backchannelPerMinute = 120  // requests of one application to ask somebody's phones
	guessesOfAll         = 1000 // wrong codes of machines, of all addresses together, in 10 minutes
	wrongOfBrowser       = 10   // wrong one-time links, and codes in the form of an invitation
)

// pageLimits are the bounds of pages. Of what an address may begin, a tenth may
// go wrong before browsers that have failed themselves are slowed.
func pageLimits(share *limit.Share, c config.Limits) page.Limits {
	l := page.Limits{Begin: perAddress(share, c.SignInPerMinute, c.SignInBurst)}
	if l.Begin != nil {
		l.Failed = limit.NewAddresses(c.SignInPerMinute/10, c.SignInBurst/10).Among(share)
		l.Fails, l.KnownFails = limit.NewBrowsers(failsOfBrowser).Among(share), limit.NewBrowsers(failsOfKnown).Among(share)
	}
	if c.EnrolPer10Min > 0 {
		l.Wrong = limit.NewAddresses(c.EnrolPer10Min/10, c.EnrolPer10Min).Among(share)
		l.WrongBrowser = limit.NewBrowsers(wrongOfBrowser).Among(share)
		l.Guess = limit.NewAddresses(c.EnrolPer10Min/10, c.EnrolPer10Min).Among(share)
		l.GuessAll = limit.NewAddresses(guessesOfAll/10, guessesOfAll).Among(share)
	}
	return l
}

// wrongPerAddress bounds wrong codes of phones that pair, nil where there is no bound.
func wrongPerAddress(share *limit.Share, c config.Limits) deviceapi.Guard {
	if c.EnrolPer10Min == 0 {
		return nil
	}
	return limit.NewAddresses(c.EnrolPer10Min/10, c.EnrolPer10Min).Among(share)
}

// perClient is perAddress for clients, with as many at once as in a minute.
func perClient(share *limit.Share, perMinute int) func(idp.ClientID) (time.Duration, bool) {
	if perMinute == 0 {
		return nil
	}
	return limit.NewClients(perMinute, perMinute).Among(share).Allow
}

// vacant sees that the port of an address, host:port, can be taken, so that one that is not stops
// the start before anything is made, and returns the address with its number. The port is given
// back: whoever is connected before the provider can answer would wait for its start, where a
// balancer has other instances that can.
func vacant(ctx context.Context, setting, address string) (string, error) {
	l, err := listen(ctx, setting, address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// listen takes the port of an address, host:port.
func listen(ctx context.Context, setting, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // the rest repeats the address
		}
		return nil, fmt.Errorf("listen on %s (is another program there? The setting %s names another address): %w", address, setting, err)
	}
	return l, nil
}

// jobsEnd is how long the jobs that administrators began may take to undo what they did
// when the provider ends. What is left then is undone after the next start.
const jobsEnd = 10 * time.Second

// run serves until ctx ends and looks after keys, old rows and what other
// processes change. Every goroutine it starts has ended when it returns. Errors: those of
// serve.Run; store.OutgrownError.
func (p *provider) run(ctx context.Context, h http.Handler, shared serve.Config, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer p.jobs.Wait(jobsEnd)
	defer p.streams.Wait()
	defer wg.Wait()
	defer cancel()
	outgrown := make(chan error, 1)
	wg.Go(func() { p.db.Watch(ctx, func(topics ...idp.Topic) { p.relayed(ctx, topics...) }) })   // ends with ctx
	wg.Go(func() { p.db.Listen(ctx, p.hinted(ctx), func() { p.hub.All(); p.takeUpKeys(ctx) }) }) // ends with ctx
	wg.Go(func() { outgrown <- p.db.Live(ctx, version, p.share.Set); cancel() })                 // ends with ctx, or ends all
	wg.Go(func() { p.files.Run(ctx) })                                                           // ends with ctx
	wg.Go(func() { p.sender.Run(ctx) })                                                          // ends with ctx
	wg.Go(func() { p.openPings().Run(ctx) })                                                     // ends with ctx
	wg.Go(func() { p.notices.Run(ctx) })                                                         // ends with ctx
	wg.Go(func() { p.runMail(ctx) })                                                             // ends with ctx
	wg.Go(func() { p.tellFigures(ctx) })                                                         // ends with ctx
	wg.Go(func() {                                                                               // ends with ctx
		<-ctx.Done()
		close(p.ending)
	})
	wg.Go(func() { // ends with ctx
		every(ctx, turnEvery, func(time.Time) error { return p.turnKeys(ctx) }, p.complain("signing keys were not turned"))
	})
	wg.Go(func() { // ends with ctx
		every(ctx, sweepEvery, func(now time.Time) error { return p.db.Sweep(ctx, now) }, p.complain("old rows were not swept"))
	})
	wg.Go(func() { // ends with ctx
		every(ctx, headEvery, func(time.Time) error { p.keepHead(ctx, true); return nil }, func(error) {}) // it tells by itself
	})
	wg.Go(func() { // ends by itself
		if err := p.letters.words.Prepare(p.site.now().Language); err != nil {
			p.log.Error("pages cannot be read", "error", err)
		}
		debug.FreeOSMemory() // a quarter of it was needed for the start alone
	})
	if p.certified == nil || p.certified.listener == nil {
		err := serve.Run(ctx, shared, h, l)
		cancel()
		return errors.Join(err, <-outgrown)
	}
	failed := make(chan error, 1)
	wg.Go(func() { // ends with ctx
		failed <- p.certified.run(ctx)
		cancel() // one alone is not what was set
	})
	err := serve.Run(ctx, shared, h, l)
	cancel()
	return errors.Join(err, <-failed, <-outgrown)
}

// heard wakes whoever waits for topics that this process has changed something of, here and
// elsewhere, and tells phones of devices that were unlinked.
func (p *provider) heard(ctx context.Context, topics ...idp.Topic) {
	p.hub.Wake(topics...)
	p.tellPhones(ctx, topics...)
}

// relayed is heard for what every instance reads by itself.
func (p *provider) relayed(ctx context.Context, topics ...idp.Topic) {
	p.hinted(ctx)(topics...)
	p.tellPhones(ctx, topics...)
}

// hinted wakes whoever waits here for topics that another instance has changed something of. That
// one tells the phones.
func (p *provider) hinted(ctx context.Context) func(...idp.Topic) {
	return func(topics ...idp.Topic) {
		p.hub.Here(topics...)
		if slices.Contains(topics, idp.TopicKeys) {
			p.takeUpKeys(ctx)
		}
	}
}

// takeUpKeys takes up signing keys that another process may have changed.
func (p *provider) takeUpKeys(ctx context.Context) {
	if err := p.ring.Turn(ctx); err != nil && ctx.Err() == nil {
		p.complain("signing keys were not turned")(err)
	}
}

func (p *provider) tellPhones(ctx context.Context, topics ...idp.Topic) {
	for _, t := range topics {
		if user, ok := idp.ChangedOf(t); ok {
			p.devices.Told(ctx, user)
		}
	}
}

// turnKeys turns the signing keys, and tells other processes on this database if that has
// changed what is published: relying parties may read the keys from any of them, and have to
// find the next one there before it signs.
func (p *provider) turnKeys(ctx context.Context) error {
	before := p.ring.Version()
	if err := p.ring.Turn(ctx); err != nil {
		return err
	}
	if p.ring.Version() == before {
		return nil
	}
	return p.db.Relay(ctx, idp.TopicKeys)
}

// relay is heard for a command: the provider beside it is told, if there is one.
func (p *provider) relay(ctx context.Context, topics ...idp.Topic) {
	if err := p.db.Relay(ctx, topics...); err != nil {
		p.log.Warn("the provider was not told at once, and sees it by itself within half a minute", "error", err)
	}
}

// complain returns a function that logs an error, with what did not happen.
func (p *provider) complain(what string) func(error) {
	return func(err error) { p.log.Error(what, "error", err) }
}

// every calls do at intervals of d until ctx ends, first after d, and failed with an
// error of it.
func every(ctx context.Context, d time.Duration, do func(time.Time) error, failed func(error)) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if err := do(now); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// beside opens the parts for a command that works on a database which a
// provider has made; unlike a start it makes none, so that a mistyped folder
// is an error instead of filled.
func (c *cli) beside(ctx context.Context) (*provider, error) {
	conf, err := c.load()
	if err != nil {
		return nil, err
	}
	if err := thereIsOne(conf); err != nil {
		return nil, err
	}
	p, err := openOnly(ctx, conf, issuerOf(conf, conf.Listen), newLog(config.Log{Level: "warn", Format: conf.Log.Format}, c.stderr), true, filled(conf))
	if err == nil {
		p.wake = p.relay
	}
	return p, err
}
