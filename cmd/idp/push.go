package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/deviceapi"
	"hilum/idp/file"
	"hilum/idp/keyring"
	"hilum/idp/outbound"
	"hilum/idp/push"
	"hilum/idp/push/webpush"
	"hilum/idp/store"
)

// noFCM is what a program that was built with the tag nofcm says to who sets push.fcm.
const noFCM = "this program was built without Firebase Cloud Messaging (\"idp version\" says so); leave push.fcm out, or take the build that has it"

// checkFCM returns a config.Fault when push.fcm is set and this program was built
// without Firebase Cloud Messaging.
func checkFCM(conf *config.Config) error {
	switch f := conf.Push.FCM; {
	case hasFCM:
	case f.CredentialsFile != "":
		return conf.Fault("push.fcm.credentials_file", noFCM)
	case f.Endpoint != "":
		return conf.Fault("push.fcm.endpoint", noFCM)
	}
	return nil
}

// pushServices are the ways to wake a phone, as far as they are set up.
type pushServices struct {
	channels map[idp.PushType]push.Channel
	hosts    []string // hosts of push services that web push may call
	vapid    string   // public VAPID key, base64url (RFC 8292, section 3.2)
	sender   string   // FCM's number of our project; empty: nobody has said it
}

// openPush makes the ways to wake a phone; web push is always one. words gives what a
// phone shows by itself. Errors: the VAPID key, the settings of push.
func openPush(ctx context.Context, conf *config.Config, issuer string, db *store.DB, sealer *keyring.Sealer, files *file.Watcher, words push.Words) (*pushServices, error) {
	p := &pushServices{
		channels: map[idp.PushType]push.Channel{}, hosts: append(append([]string(nil), webpush.Hosts...), conf.Push.WebPush.Hosts...), sender: conf.Push.FCM.SenderID,
	}
	private, err := vapidKey(ctx, db, sealer)
	if err != nil {
		return nil, fmt.Errorf("VAPID key: %w", err)
	}
	if p.vapid, err = webpush.Public(private); err != nil {
		return nil, err
	}
	var networks []netip.Prefix
	for _, n := range conf.Push.WebPush.Networks {
		networks = append(networks, n.Prefix)
	}
	subject := conf.Push.WebPush.Subject
	if subject == "" {
		subject = issuer
	}
	if p.channels[idp.PushWeb], err = webpush.New(webpush.Config{
		Client: outbound.New(outbound.Config{Private: networks}), Private: private, Subject: subject, App: issuer + "/app/", Hosts: p.hosts, Words: words,
	}); err != nil {
		return nil, err
	}
	if f := conf.Push.FCM; f.CredentialsFile != "" || f.Endpoint != "" {
		if p.channels[idp.PushFCM], err = openFCM(ctx, f, files, words); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// pushKeys are the title and the text of a push that a phone shows by itself: the
// sentences that the phone app has for the same (static/app/worker.js).
var pushKeys = map[idp.PushKind][2]string{
	idp.PushLogin:   {"push.generic", "push.generic.text"},
	idp.PushGone:    {"push.generic", "push.gone"},
	idp.PushTest:    {"push.test", "push.test.text"},
	idp.PushChanged: {"push.changed", "push.changed.text"},
}

// pushed is what a phone shows of a push by itself, in the language of the account,
// else in the site's: what the phone is set to is not known here. Who links a first
// phone has no account yet.
func (l *letters) pushed(ctx context.Context, p *idp.Push) (title, text string) {
	account := ""
	if u, err := l.people.User(ctx, p.User); err == nil {
		account = u.Locale // else it is sent all the same
	}
	c, keys := l.words.In(l.lang(l.site.now(), account, "")), pushKeys[p.Kind]
	title, _ = c.Fixed(keys[0])
	text, _ = c.Fixed(keys[1])
	return title, text
}

// actKeys are the sentences that say what a step-up is for, by the name of the page that
// comes after it.
var actKeys = map[string]string{"password": "act.password", "recovery": "act.recovery", "link": "act.link", "unlink": "act.unlink"}

// ownPages are the pages of the account that want no step-up of their own.
var ownPages = []string{"security", "devices", "sessions", "signed-out", ""}

// act says what a step-up is for whose target is the name of a page, in the language of
// the account: what stands on no page of the account is of the administration.
func (l *letters) act(target string, devices []idp.Device, locale string) *idp.ChallengeAct {
	page, of, _ := strings.Cut(target, ":")
	key, ok := actKeys[page]
	switch {
	case l.words == nil, slices.Contains(ownPages, page):
		return nil
	case !ok:
		key = "act.administration"
	}
	a := &idp.ChallengeAct{Key: strings.TrimPrefix(key, "act.")}
	var args []any
	if a.Key == "unlink" {
		i := slices.IndexFunc(devices, func(d idp.Device) bool { return string(d.ID) == of })
		if i < 0 {
			return nil // unlinked meanwhile
		}
		a.Name, args = devices[i].Name, []any{"Name", devices[i].Name}
	}
	text, err := l.words.In(l.lang(l.site.now(), locale, "")).Text(key, args...)
	if err != nil {
		return nil // the catalogue lacks it, which its tests find
	}
	a.Text = text
	return a
}

// pushLine is whether a push service would take our messages, as scripts see it.
type pushLine struct {
	Service string `json:"service"`                       // an idp.PushType
	Good    bool   `json:"good"`                          // it would
	Act     bool   `json:"operator_has_to_act,omitempty"` // our credentials are what is wrong
	Said    string `json:"said,omitempty"`                // why not
}

// words are the same for people.
func (l *pushLine) words() string {
	switch {
	case l.Good:
		return "takes our credentials"
	case l.Act:
		return "the operator has to act: " + l.Said
	}
	return "cannot be asked at present: " + l.Said
}

// probeFor bounds how long push services are asked by a command.
const probeFor = 12 * time.Second

// probe asks those push services that can be asked whether they would take our
// messages. It asks by the credentials as they are now, beside a running provider.
func (p *pushServices) probe(ctx context.Context) []pushLine {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	var out []pushLine
	for _, kind := range slices.Sorted(maps.Keys(p.channels)) {
		one, ok := p.channels[kind].(push.Prober)
		if !ok {
			continue
		}
		err := one.Probe(ctx)
		l := pushLine{Service: string(kind), Good: err == nil, Act: errors.Is(err, push.ErrCredentials)}
		if err != nil {
			l.Said = err.Error()
		}
		out = append(out, l)
	}
	return out
}

// acceptable returns nil for a push address that may be called, else an idp.ErrInvalid
// that says why not.
func (p *pushServices) acceptable(a idp.PushAddress) error {
	switch {
	case p.channels[a.Type] == nil:
		return fmt.Errorf("push by %q is not set up: %w", a.Type, idp.ErrInvalid)
	case a.Type == idp.PushFCM:
		return acceptableFCM(a)
	}
	return webpush.Acceptable(a, p.hosts)
}

// offered says by which push services phones are reached, and what a phone needs for each.
func (p *pushServices) offered() []deviceapi.Channel {
	out := []deviceapi.Channel{{Type: idp.PushWeb, VAPIDKey: p.vapid, Hosts: p.hosts}}
	if c := p.channels[idp.PushFCM]; c != nil {
		google := deviceapi.Channel{Type: idp.PushFCM, SenderID: p.sender}
		if of, ok := c.(interface{ Project() string }); ok {
			google.ProjectID = of.Project()
		}
		out = append(out, google)
	}
	return out
}

// vapidRow is the row that the VAPID key is sealed for.
const vapidRow = "vapid"

// vapidKey returns the private key that browsers have subscribed by, the P-256 scalar
// (RFC 8292). It is made once; one that cannot be read is refused and never replaced,
// because no phone could be reached any more.
func vapidKey(ctx context.Context, db *store.DB, sealer *keyring.Sealer) ([]byte, error) {
	for range 2 {
		sealed, public, err := db.VAPIDKey(ctx)
		switch {
		case err == nil:
			private, err := sealer.Open(sealed, vapidRow)
			if err != nil {
				return nil, fmt.Errorf("cannot be opened, put the database back from its backup: %w", err)
			}
			if is, err := webpush.Public(private); err != nil || is != public {
				return nil, errors.Join(errors.New("is damaged, put the database back from its backup"), err)
			}
			return private, nil
		case !errors.Is(err, idp.ErrNotFound):
			return nil, err
		}
		k, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		if public, err = webpush.Public(k.Bytes()); err != nil {
			return nil, err
		}
		if sealed, err = sealer.Seal(k.Bytes(), vapidRow); err != nil {
			return nil, err
		}
		err = db.SetVAPIDKey(ctx, sealed, public)
		if errors.Is(err, idp.ErrDenied) {
			return nil, fmt.Errorf("is missing, put the database back from its backup: %w", err)
		}
		if err != nil && !errors.Is(err, idp.ErrConflict) { // another start was quicker
			return nil, err
		}
	}
	return nil, errors.New("cannot be kept")
}

// figuresEvery is how often the delivery figures are logged, when they have changed.
const figuresEvery = 10 * time.Minute

// pushFigures says how it goes with the push services, for the administration and its
// API. Who looks at them also has the services probed.
func (p *provider) pushFigures() []idp.PushFigures {
	p.sender.Look()
	return p.sender.Figures()
}

// tellFigures logs how it goes with each push service, when messages were tried since
// the last time, until ctx ends.
func (p *provider) tellFigures(ctx context.Context) {
	said := map[idp.PushType]int{}
	every(ctx, figuresEvery, func(time.Time) error {
		for _, f := range p.sender.Figures() {
			if f.Attempts == said[f.Type] {
				continue
			}
			said[f.Type] = f.Attempts
			level := slog.LevelInfo
			if f.Alarm != "" {
				level = slog.LevelError
			}
			p.log.LogAttrs(ctx, level, "push", slog.String("service", string(f.Type)), slog.Int("attempts", f.Attempts), slog.Int("delivered", f.Delivered),
				slog.Int("dead", f.Dead), slog.Int("failed", f.Failed), slog.Int("retried", f.Retried), slog.Int("waiting", f.Waiting),
				slog.Duration("p50", f.P50), slog.Duration("p95", f.P95), slog.String("last_error", f.LastError), slog.String("alarm", f.Alarm))
		}
		return nil
	}, func(error) {})
}
