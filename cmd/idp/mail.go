package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/mail"
	"hilum/templates"
)

// post is the way to the mail server. It is exchanged when one of the files changes that
// the configuration names for it.
type post struct{ atomic.Pointer[mail.Server] }

// Open opens a connection by what is in the files now; those that are open stay.
func (p *post) Open(ctx context.Context) (mail.Line, error) { return p.Load().Open(ctx) }

// openMail makes the way to the mail server; nil when none is configured. What its
// files lack is an error now, and not when somebody waits for a letter; when they
// change the next letter goes by what they hold then.
func openMail(conf *config.Config, issuer string, site *siteSource, files *file.Watcher) (*post, error) {
	m := conf.Mail
	if !m.On() {
		return nil, nil
	}
	s := mail.Server{
		Host: m.Host, Port: m.Port, TLS: m.TLS, Username: m.Username, From: m.From, ReplyTo: m.ReplyTo,
		FromName: func() string { return site.now().Name }, Hello: "localhost",
	}
	if u, err := url.Parse(issuer); err == nil {
		s.Hello = u.Hostname()
	}
	p := &post{}
	p.Store(&s)
	follow := func(setting, path string, secret bool, take func(s *mail.Server, f file.Content) error) error {
		if path == "" {
			return nil
		}
		err := files.Open(file.Source{Files: []file.Named{{Setting: setting, Path: path, Secret: secret}}, Take: func(all []file.Content) error {
			s := *p.Load() // sources are read one after the other
			if err := take(&s, all[0]); err != nil {
				return err
			}
			p.Store(&s)
			return nil
		}})
		if err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
		return nil
	}
	err := follow("mail.ca_file", m.CAFile, false, func(s *mail.Server, f file.Content) (err error) {
		s.Roots, err = config.Authorities(m.CAFile, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = follow("mail.password_file", m.PasswordFile, true, func(s *mail.Server, f file.Content) error {
		password, err := config.MailPassword(m.PasswordFile, f)
		s.Password = idp.Secret(password)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// runMail sends the mails that wait, and those that come, until ctx ends.
func (p *provider) runMail(ctx context.Context) {
	if p.post == nil {
		return
	}
	mail.New(mail.Config{Store: p.db, Post: p.post, Whose: p.logins.Whose, Write: p.letters.write, Log: p.log}).Run(ctx)
}

// letters writes what people are sent: letters, and what a phone shows of a push.
type letters struct {
	issuer string
	zone   *time.Location // in which letters say times
	site   *siteSource
	people interface {
		User(ctx context.Context, id idp.UserID) (*idp.User, error)
	}
	words *templates.Set // nil until pages are served, or a letter is tried
}

// lang is the language that somebody is written to in: that of their account, of
// the page that they were at, or the site's, the first that is offered.
func (l *letters) lang(site *idp.Site, account, page string) string {
	return l.words.Choose(l.words.Offered(site.Languages, site.Language), site.Language, account, page)
}

// write writes the letter of an occasion, in the language of the person. Errors: there
// are no words for it.
func (l *letters) write(o *mail.Occasion) (*idp.Letter, error) {
	out := &templates.Letter{Kind: kindOf(o), At: o.Mail.CreatedAt, Address: o.Mail.Address, Device: o.Mail.Detail["name"], By: o.Mail.Detail["by"] != ""}
	if o.Link != nil {
		out.URL, out.ExpiresAt = l.issuer+"/invite/"+o.Token.Reveal(), o.Link.ExpiresAt
		out.Lasts = o.Link.ExpiresAt.Sub(o.Link.CreatedAt)
	}
	out.Ended, out.First, out.Linked = o.Mail.Detail["ended"], o.Mail.Detail["before"] != "", o.Mail.Detail["kind"] == string(idp.EventDeviceLinked)
	if o.Mail.About == idp.EventLocked {
		out.Locked = o.Mail.Detail["kind"]
		out.Until, _ = time.Parse(time.RFC3339, o.Mail.Detail["until"]) // else an administrator has to
	}
	return l.letter(o.User, o.Mail.Lang, out)
}

// letter fills in what every letter has, and writes it to u. lang is the language of the
// page that they were at; empty: not known.
func (l *letters) letter(u *idp.User, lang string, out *templates.Letter) (*idp.Letter, error) {
	site := l.site.now()
	out.Site, out.Home, out.Name, out.UserName, out.Zone = site.Name, l.issuer, u.DisplayName, u.Name, l.zone
	out.Help, out.HelpLink = site.Help, site.HelpLink
	lang = l.lang(site, u.Locale, lang)
	subject, text, err := l.words.Letter(lang, out)
	if err != nil {
		return nil, err
	}
	return &idp.Letter{To: u.Email, Name: u.DisplayName, Lang: lang, Subject: subject, Text: text}, nil
}

// kindOf is the templates.Letter.Kind of an occasion; empty: there is no letter for it.
func kindOf(o *mail.Occasion) string {
	switch {
	case o.Mail.Kind == idp.MailNews:
		return newsNames[o.Mail.About]
	case o.Link == nil:
		return ""
	case o.Link.Purpose == idp.InviteForgotten:
		return "forgotten"
	case o.Link.Purpose == idp.InviteReset:
		return "reset"
	case o.User.State != idp.UserInvited || o.Mail.Detail["devices"] != "":
		return "phone"
	}
	return "invitation"
}

// newsNames are the kinds of letters that tell of an event.
var newsNames = map[idp.EventKind]string{
	idp.EventDeviceLinked: "device.linked", idp.EventDeviceUnlinked: "device.unlinked",
	idp.EventPasswordChanged: "password", idp.EventPasswordReset: "password",
	idp.EventRecoveryMade: "recovery.made", idp.EventRecoveryUsed: "recovery.used",
	idp.EventNotMe: "notme", idp.EventDisowned: "disowned", idp.EventLocked: "locked", idp.EventAddressChanged: "address",
}

func (c *cli) mailCommand() *cobra.Command {
	return group("mail", "See whether mail can be sent", c.mailTest(), c.mailStatus())
}

// mailTestLine is what became of a letter to try the mail server, as scripts see it.
type mailTestLine struct {
	Sent   bool       `json:"sent"`
	Server string     `json:"server"`
	Said   idp.Unsent `json:"said,omitempty"`
	Detail string     `json:"detail,omitempty"`
}

func (c *cli) mailTest() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test ADDRESS",
		Short: "Send a letter to an address, by the mail server that is set, at once",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			if a, err := netmail.ParseAddress(args[0]); err != nil || a.Address != args[0] {
				return usagef("%q is no mail address", args[0])
			}
			if p.post == nil {
				return errors.New("no mail server is set up; the setting mail.host names one")
			}
			words, err := templates.New()
			if err != nil {
				return err
			}
			p.letters.words = words
			letter, err := p.letters.letter(&idp.User{Name: args[0], DisplayName: args[0], Email: args[0]}, "", &templates.Letter{Kind: "test"})
			if err != nil {
				return err
			}
			conf := p.conf.Mail
			l := mailTestLine{Server: fmt.Sprintf("%s:%d", conf.Host, conf.Port)}
			err = sendNow(ctx, p.post, letter)
			if r := (*mail.Refused)(nil); errors.As(err, &r) && r.Said != "" {
				l.Said, l.Detail = r.Said, r.Err.Error()
			}
			l.Sent = l.Said == ""
			if asJSON {
				err = json.NewEncoder(c.stdout).Encode(l)
			} else if l.Sent {
				c.printf("%s has taken a letter to %s. Look whether it arrives.\n", l.Server, args[0])
			}
			if err == nil && !l.Sent || !asJSON && !l.Sent {
				return fmt.Errorf("%s: %s: %s", l.Server, mailSaid[l.Said], l.Detail)
			}
			return err
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// sendNow hands one letter to the mail server, without a row for it: it is not tried
// again. Errors: *mail.Refused.
func sendNow(ctx context.Context, post mail.Post, l *idp.Letter) error {
	line, err := post.Open(ctx)
	if err != nil {
		return err
	}
	defer line.Close()
	return line.Send(ctx, idp.NewID[idp.MailID](), l)
}

// mailSaid says at a terminal why a letter did not go, with what to do.
var mailSaid = map[idp.Unsent]string{
	idp.UnsentUnreachable: "it cannot be reached, or the connection broke (mail.host, mail.port, mail.tls)",
	idp.UnsentTimeout:     "it did not answer in time (mail.tls: tls where starttls is needed, or the other way, looks like this)",
	idp.UnsentCertificate: "it offers no encryption, or its certificate is not trusted (mail.tls, mail.ca_file, mail.host)",
	idp.UnsentLogin:       "it does not take our name and password (mail.username, mail.password_file)",
	idp.UnsentLater:       "it asks to try again later",
	idp.UnsentRefused:     "it refused the letter (mail.from)",
	idp.UnsentAddress:     "it cannot write to that address",
}

// mailLine is how it goes with sending mail, as scripts see it: idp.MailFigures.
type mailLine struct {
	On       bool       `json:"on"` // a mail server is configured
	Waiting  int        `json:"waiting"`
	OldestAt *time.Time `json:"oldest_at,omitempty"`
	SentAt   *time.Time `json:"sent_at,omitempty"`
	Lost     int        `json:"given_up"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
	Said     idp.Unsent `json:"said,omitempty"`
	Detail   string     `json:"detail,omitempty"`
}

func (p *provider) mailLine(f *idp.MailFigures) mailLine {
	return mailLine{p.post != nil, f.Waiting, orNever(f.OldestAt), orNever(f.SentAt), f.Lost, orNever(f.FailedAt), f.Said, f.Detailed}
}

// words say how sending mail fares, in one line for people.
func (l *mailLine) words() string {
	if !l.On {
		return "off: no mail server is set up"
	}
	s := fmt.Sprintf("%d waiting, %d given up", l.Waiting, l.Lost)
	if l.SentAt != nil {
		s += ", last sent " + clock(*l.SentAt)
	}
	if l.FailedAt != nil {
		s += fmt.Sprintf(", failing since then, %s: %s", clock(*l.FailedAt), mailSaid[l.Said])
		if l.Detail != "" {
			s += ": " + l.Detail
		}
	}
	return s
}

func (c *cli) mailStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how many letters wait, when the last was sent, and why the last failure",
		Args:  cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, p *provider) error {
			f, err := p.db.MailFigures(ctx)
			if err != nil {
				return err
			}
			l := p.mailLine(f)
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(l)
			}
			c.printf("%s\n", l.words())
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
