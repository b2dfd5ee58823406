package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/mail"
	"hilum/idp/mail/mailtest"
	"hilum/idp/store"
)

// world is a database with people to write to, and a clock that is moved.
type world struct {
	*testing.T
	db     *store.DB
	server *mailtest.Server
	post   *mail.Server
	log    *strings.Builder
	mu     sync.Mutex
	skew   time.Duration
	write  func(o *mail.Occasion) (*idp.Letter, error)
	whose  func(ctx context.Context, m *idp.Mail) (idp.UserID, idp.InvitationID, error)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.skew)
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew += d
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func open(t *testing.T, c mailtest.Conf) *world {
	w := &world{T: t, server: mailtest.New(t, c), log: &strings.Builder{}}
	w.db = idptest.Store(t, w.now, nil, func(c *store.Config) { c.Mail = true })
	w.post = &mail.Server{
		Host: w.server.Host, Port: w.server.Port, TLS: c.TLS, Roots: w.server.Pool, Username: c.Username, Password: idp.Secret(c.Password),
		From: "login@hospital.test", FromName: func() string { return "Saint Luke" }, Hello: "idp.test", Timeout: 5 * time.Second,
	}
	w.write = func(o *mail.Occasion) (*idp.Letter, error) {
		l := &idp.Letter{To: o.User.Email, Name: o.User.DisplayName, Lang: "en", Subject: "Grüße, " + string(o.Mail.About), Text: "Hello,\n\nbye\n"}
		if o.Link != nil {
			l.Text = "Hello,\n\nhttps://idp.test/invite/" + o.Token.Reveal() + "\n"
		}
		return l, nil
	}
	return w
}

func (w *world) person(name, email string) *idp.User {
	w.Helper()
	u := &idp.User{ID: idp.NewID[idp.UserID](), Name: name, DisplayName: "Anna Ünal", Email: email, State: idp.UserActive, CreatedAt: w.now(), UpdatedAt: w.now()}
	w.ok(w.db.AddUser(w.Context(), u))
	return u
}

// happened has the owner told of something.
func (w *world) happened(u *idp.User) {
	w.Helper()
	w.ok(w.db.AddEvent(w.Context(), idp.Event{At: w.now(), Kind: idp.EventRecoveryUsed, User: u.ID, Actor: idp.Actor{User: u.ID}}))
}

func (w *world) invite(u *idp.User) *idp.Invitation {
	w.Helper()
	i := &idp.Invitation{ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteReset, User: u.ID, CreatedAt: w.now(), ExpiresAt: w.now().Add(idp.InvitationTTL)}
	i.Mail = idp.NewLinkMail(i)
	w.ok(w.db.AddInvitation(w.Context(), i, func(*idp.User) error { return nil }))
	return i
}

// sends runs a sender until the test ends, or until stop is called.
func (w *world) sends() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	s := mail.New(mail.Config{
		Store: w.db, Post: w.post, Write: w.write, Whose: w.whose, Every: 5 * time.Millisecond, Pause: 5 * time.Millisecond, Now: w.now,
		Log: slog.New(slog.NewTextHandler(&locked{w: w.log}, nil)),
	})
	wg.Go(func() { s.Run(ctx) })
	stop = func() { cancel(); wg.Wait() }
	w.Cleanup(func() {
		stop()
		if w.Failed() {
			w.Log(w.log.String())
		}
	})
	return stop
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// until waits until the figures are as asked.
func (w *world) until(what string, is func(*idp.MailFigures) bool) *idp.MailFigures {
	w.Helper()
	var f *idp.MailFigures
	for range 3000 {
		var err error
		f, err = w.db.MailFigures(w.Context())
		w.ok(err)
		if is(f) {
			return f
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.Fatalf("%s: never; figures %+v", what, f)
	return nil
}

func (w *world) kinds(kind idp.EventKind) (found []idp.Event) {
	w.Helper()
	all, err := w.db.Events(w.Context(), 0, 1000)
	w.ok(err)
	for _, e := range all {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// Letters arrive whole, over each kind of connection, and say who they are from.
func TestLettersArrive(t *testing.T) {
	for _, c := range []mailtest.Conf{{TLS: "starttls"}, {TLS: "tls"}, {TLS: "none"}, {TLS: "starttls", Username: "idp", Password: "geheim"}, {TLS: "tls", Username: "idp", Password: "geheim"}} {
		t.Run(c.TLS+c.Username, func(t *testing.T) {
			w := open(t, c)
			w.post.ReplyTo = "helpdesk@hospital.test"
			u := w.person("anna", "anna@hospital.test")
			w.happened(u)
			w.sends()
			l := w.server.Wait(t, 1)[0]
			want := mailtest.Letter{From: "login@hospital.test", To: "anna@hospital.test", Subject: "Grüße, recovery.used", Text: "Hello,\n\nbye\n", Over: "tls", Hello: "idp.test", User: c.Username}
			if c.TLS == "none" {
				want.Over = "plain"
			}
			header := l.Header
			l.Header, l.Raw = nil, ""
			if fmt.Sprint(l) != fmt.Sprint(want) {
				t.Errorf("got %+v", l)
			}
			for name, has := range map[string]string{
				"From": `"Saint Luke" <login@hospital.test>`, "Reply-To": "<helpdesk@hospital.test>", "Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8",
				"Content-Language": "en", "User-Agent": "", "X-Mailer": "",
			} {
				if header.Get(name) != has {
					t.Errorf("%s: %q", name, header.Get(name))
				}
			}
			if id := header.Get("Message-ID"); !strings.HasSuffix(id, "@hospital.test>") {
				t.Errorf("Message-ID %s", id)
			}
			f := w.until("sent", func(f *idp.MailFigures) bool { return !f.SentAt.IsZero() && f.Waiting == 0 })
			if f.Lost != 0 || f.Said != "" {
				t.Errorf("figures %+v", f)
			}
			if sent := w.kinds(idp.EventMailSent); len(sent) != 1 || sent[0].User != u.ID || sent[0].Detail["about"] != "recovery.used" {
				t.Errorf("the log has %+v", sent)
			}
		})
	}
}

// The link of a letter works, and nothing that was kept before it did.
func TestLinkIsMadeWhenItIsSent(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	u := w.person("anna", "anna@hospital.test")
	i := w.invite(u)
	w.sends()
	text := w.server.Wait(t, 1)[0].Text
	_, token, _ := strings.Cut(strings.TrimSpace(text), "/invite/")
	found, err := w.db.InvitationByToken(t.Context(), idp.Secret(token).Hash())
	w.ok(err)
	if found.ID != i.ID || found.Token == i.Token {
		t.Errorf("%+v", found)
	}
	if _, err := w.db.InvitationByToken(t.Context(), i.Token); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("the token from before: %v", err)
	}
}

// A link that is of no use any more is not sent, and nobody is alarmed by it.
func TestWithdrawnLinksAreNotSent(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	u := w.person("anna", "anna@hospital.test")
	first := w.invite(u)
	second := w.invite(u)
	gone := w.person("bert", "bert@hospital.test")
	third := w.invite(gone)
	w.ok(w.db.DisableUser(t.Context(), gone.ID, idp.Event{At: w.now(), Kind: idp.EventUserDisabled}))
	w.sends()
	w.until("all settled", func(f *idp.MailFigures) bool { return f.Waiting == 0 })
	if n := len(w.server.Letters()); n != 1 {
		t.Fatalf("%d letters", n)
	}
	for i, sent := range map[*idp.Invitation]bool{first: false, second: true, third: false} {
		m, err := w.db.Mail(t.Context(), i.Mail.ID)
		w.ok(err)
		if m.Sent != sent || !sent && m.Said != idp.UnsentWithdrawn {
			t.Errorf("%+v", m)
		}
	}
	if f, err := w.db.MailFigures(t.Context()); err != nil || f.Lost != 0 || f.Said != "" || len(w.kinds(idp.EventMailFailed)) != 0 {
		t.Errorf("figures %+v, %v", f, err)
	}
}

// Who forgot their password is looked for when the letter is written, once, and a
// name that is nobody's costs nothing but its row.
func TestForgottenIsLookedUpOnce(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	u := w.person("anna", "anna@hospital.test")
	asked := map[string]*atomic.Int32{"anna": {}, "nobody": {}}
	w.whose = func(ctx context.Context, m *idp.Mail) (idp.UserID, idp.InvitationID, error) {
		asked[string(m.Typed)].Add(1)
		if string(m.Typed) != "anna" {
			return "", "", fmt.Errorf("nobody: %w", idp.ErrNotFound)
		}
		i := &idp.Invitation{ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteForgotten, User: u.ID, CreatedAt: w.now(), ExpiresAt: w.now().Add(idp.ForgottenTTL)}
		return u.ID, i.ID, w.db.AddInvitation(ctx, i, func(*idp.User) error { return nil })
	}
	var first atomic.Bool
	w.server.Mischief(func(step, _ string) error {
		if step == "data" && !first.Swap(true) {
			return mailtest.Refuse(451, "busy")
		}
		return nil
	})
	for name := range asked {
		w.ok(w.db.AddMail(t.Context(), idp.NewForgotten(idp.NewID[idp.MailID](), []byte(name), "192.0.2.1", "nl", w.now())))
	}
	w.sends()
	w.until("put off", func(f *idp.MailFigures) bool { return f.Said == idp.UnsentLater && f.Waiting == 1 })
	w.later(10 * time.Second)
	w.server.Wait(t, 1)
	w.until("sent", func(f *idp.MailFigures) bool { return f.Waiting == 0 && !f.SentAt.IsZero() })
	for name, n := range asked {
		if n.Load() != 1 {
			t.Errorf("%s was looked for %d times", name, n.Load())
		}
	}
	if n := len(w.kinds(idp.EventMailSent)) + len(w.kinds(idp.EventMailFailed)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Each thing a mail server can do is told apart, and only what another try cannot
// mend is given up.
func TestMailServersMisbehave(t *testing.T) {
	refuse := func(at string, code int) func(string, string) error {
		return func(step, _ string) error {
			if step != at {
				return nil
			}
			says := "no"
			if step == "rcpt" || step == "data" { // by then it knows for whom
				says = "no anna@hospital.test no"
			}
			return mailtest.Refuse(code, says)
		}
	}
	for name, row := range map[string]struct {
		conf     mailtest.Conf
		mend     func(*mail.Server)
		mischief func(step, to string) error
		said     idp.Unsent
		final    bool
	}{
		"not there":           {mend: func(s *mail.Server) { s.Port = 1 }, said: idp.UnsentUnreachable},
		"hangs up":            {mischief: func(step, _ string) error { return drop(step == "connect") }, said: idp.UnsentUnreachable},
		"hangs up at the end": {mischief: func(step, _ string) error { return drop(step == "data") }, said: idp.UnsentUnreachable},
		"not in service":      {mischief: refuse("connect", 554), said: idp.UnsentUnreachable},
		"too many":            {mischief: refuse("connect", 421), said: idp.UnsentLater},
		"no STARTTLS":         {conf: mailtest.Conf{TLS: "none"}, mend: func(s *mail.Server) { s.TLS = mail.TLSStart }, said: idp.UnsentCertificate},
		"unknown authority":   {mend: func(s *mail.Server) { s.Roots = nil }, said: idp.UnsentCertificate},
		"another's name":      {mend: func(s *mail.Server) { s.Host = "127.0.0.1" }, said: idp.UnsentCertificate},
		"wrong password": {
			conf: mailtest.Conf{TLS: "starttls", Username: "idp", Password: "right"}, mend: func(s *mail.Server) { s.Password = "wrong" }, said: idp.UnsentLogin,
		},
		"no password": {
			conf: mailtest.Conf{TLS: "starttls", Username: "idp", Password: "right"}, mend: func(s *mail.Server) { s.Username = "" }, said: idp.UnsentLogin,
		},
		"no way to sign in":       {conf: mailtest.Conf{TLS: "starttls"}, mend: func(s *mail.Server) { s.Username, s.Password = "idp", "x" }, said: idp.UnsentLogin},
		"TLS where there is none": {conf: mailtest.Conf{TLS: "none"}, mend: func(s *mail.Server) { s.TLS = mail.TLSFrom }, said: idp.UnsentUnreachable},
		"greylisted":              {mischief: refuse("rcpt", 450), said: idp.UnsentLater},
		"no such box":             {mischief: refuse("rcpt", 550), said: idp.UnsentAddress, final: true},
		"sender not allowed":      {mischief: refuse("mail", 550), said: idp.UnsentRefused, final: true},
		"full":                    {mischief: refuse("data", 452), said: idp.UnsentLater},
		"spam":                    {mischief: refuse("data", 554), said: idp.UnsentRefused, final: true},
		"hangs": {
			mend: func(s *mail.Server) { s.Timeout = 300 * time.Millisecond },
			mischief: func(step, _ string) error {
				if step == "rcpt" {
					time.Sleep(time.Second)
				}
				return nil
			}, said: idp.UnsentTimeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if row.conf.TLS == "" {
				row.conf.TLS = "starttls"
			}
			w := open(t, row.conf)
			if row.mend != nil {
				row.mend(w.post)
			}
			w.server.Mischief(row.mischief)
			w.happened(w.person("anna", "anna@hospital.test"))
			stop := w.sends()
			w.until("tried", func(f *idp.MailFigures) bool { return f.Said != "" })
			stop()
			f, err := w.db.MailFigures(t.Context())
			w.ok(err)
			if f.Said != row.said || (f.Lost == 1) != row.final || (f.Waiting == 1) == row.final {
				t.Errorf("figures %+v, want %s", f, row.said)
			}
			if len(w.server.Letters()) != 0 {
				t.Error("a letter was taken")
			}
			given := 0
			if row.final {
				given = 1
			}
			if failed := w.kinds(idp.EventMailFailed); len(failed) != given {
				t.Errorf("events %+v", failed)
			}
			if said := w.log.String() + f.Detailed; strings.Contains(said, "anna@") || !strings.Contains(said, "said="+string(row.said)) {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

func drop(yes bool) error {
	if yes {
		return mailtest.Drop
	}
	return nil
}

// What waits through a failure is sent when it is over, and one that is put off
// does not hold up the others.
func TestMailOutlastsAFailure(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	var down atomic.Bool
	down.Store(true)
	w.server.Mischief(func(step, to string) error {
		if down.Load() && step == "connect" {
			return mailtest.Refuse(421, "closed")
		}
		if step == "rcpt" && to == "late@hospital.test" {
			return mailtest.Refuse(450, "greylisted")
		}
		return nil
	})
	w.happened(w.person("late", "late@hospital.test"))
	for n := range 120 {
		w.happened(w.person(fmt.Sprint("person", n), fmt.Sprintf("person%d@hospital.test", n)))
	}
	stop := w.sends()
	w.until("failing", func(f *idp.MailFigures) bool { return f.Said == idp.UnsentLater })
	stop() // a clock that jumps would end the claims of letters under way
	down.Store(false)
	w.later(time.Hour)
	stop = w.sends()
	letters := w.server.Wait(t, 120)
	to := map[string]int{}
	for _, l := range letters {
		to[l.To]++
	}
	if len(to) != 120 || len(letters) != 120 {
		t.Errorf("%d letters to %d people", len(letters), len(to))
	}
	if n := w.server.Opened(); n >= 120 {
		t.Errorf("%d connections", n)
	}
	w.until("one is left", func(f *idp.MailFigures) bool { return f.Waiting == 1 })
	stop()
	// Given up when its time is over.
	w.later(25 * time.Hour)
	w.sends()
	w.until("given up", func(f *idp.MailFigures) bool { return f.Lost == 1 && f.Waiting == 0 })
}

// A provider that ends in the middle gives the letter back: it was not tried.
func TestMailIsGivenBack(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	in, out := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.server.Mischief(func(step, _ string) error {
		if step == "data" {
			once.Do(func() { close(in) })
			<-out
		}
		return nil
	})
	w.happened(w.person("anna", "anna@hospital.test"))
	stop := w.sends()
	<-in
	stop() // does not wait for the server
	close(out)
	m, err := w.db.ClaimMail(t.Context(), w.now())
	w.ok(err)
	if m.Tries != 1 || m.Said != "" {
		t.Errorf("%+v", m)
	}
}

// Nobody is left without a word for what a sender keeps.
func TestNobodyIsWrittenToWithoutAnAddress(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	u := w.person("anna", "anna@hospital.test")
	w.happened(u)
	w.ok(w.db.UpdateUser(t.Context(), u.ID, func(u *idp.User) error { u.Email = ""; return nil }))
	w.sends()
	f := w.until("given up", func(f *idp.MailFigures) bool { return f.Lost == 1 && f.Waiting == 0 })
	// One letter goes: to the address of before, that there is none any more.
	if all := w.server.Letters(); len(all) != 1 || all[0].To != "anna@hospital.test" {
		t.Errorf("figures %+v, letters %+v", f, all)
	}
}
