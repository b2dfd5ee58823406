package mail_test

import (
	"fmt"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/mail"
	"hilum/idp/mail/mailtest"
)

// Whatever a person is called, their letter comes, to them alone, and says the name.
func TestLettersForStrangeNames(t *testing.T) {
	w := open(t, mailtest.Conf{TLS: "starttls"})
	line, err := w.post.Open(t.Context())
	w.ok(err)
	defer line.Close()
	names := []string{
		"Anna Maes", `Anna "Annie" Maes`, `Anna "Maes`, `back\slash\`, `\"`, "http://evil.example", "a@b", "Maes, Anna", "Anna (Röntgen)", "Anna <anna@evil.example>", "<>", ";:,.[]", "李小龍",
		"Ünal " + strings.Repeat("ä", 74), strings.Repeat(`"`, 80), "=?utf-8?q?x?=", "Anna\r\nBcc: eve@evil.example", "Anna\nX: y", "Anna\r", "\x00", "", " ", "Group: a@b.example;", "👩‍⚕️", "\u2028", "\xff\xfe", "'", "\"Anna\" <a@b.example>, \"Eve",
	}
	for i, name := range names {
		w.ok(line.Send(t.Context(), idp.NewID[idp.MailID](), &idp.Letter{To: "anna@hospital.test", Name: name, Lang: "en", Subject: "s", Text: "t\n"}))
		l := w.server.Wait(t, i+1)[i]
		to, err := l.Header.AddressList("To")
		want := strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(name, "")))
		if err != nil || len(to) != 1 || to[0].Address != "anna@hospital.test" || strings.TrimSpace(to[0].Name) != want || l.To != "anna@hospital.test" || l.Header.Get("Bcc") != "" || l.Header.Get("X") != "" {
			t.Errorf("%q: %+v, %v: %s", name, to, err, l.Raw)
		}
		head, _, _ := strings.Cut(l.Raw, "\r\n\r\n")
		for one := range strings.SplitSeq(head, "\r\n") {
			if len(one) > 998 || strings.ContainsAny(one, "\r\n\x00") {
				t.Errorf("%q: a line of %d bytes: %q", name, len(one), one)
			}
		}
	}
}

// No field of a letter makes a header, a recipient or a command of its own.
func TestLettersCannotBeInjected(t *testing.T) {
	const evil = "x\r\nBcc: eve@evil.example\r\n\r\nbody\r\n.\r\nRCPT TO:<eve@evil.example>\r\n"
	for field, spoil := range map[string]func(l *idp.Letter, s *mail.Server){
		"name":      func(l *idp.Letter, _ *mail.Server) { l.Name = evil },
		"subject":   func(l *idp.Letter, _ *mail.Server) { l.Subject = evil },
		"language":  func(l *idp.Letter, _ *mail.Server) { l.Lang = evil },
		"text":      func(l *idp.Letter, _ *mail.Server) { l.Text = evil },
		"site":      func(_ *idp.Letter, s *mail.Server) { s.FromName = func() string { return evil } },
		"address":   func(l *idp.Letter, _ *mail.Server) { l.To = "anna@hospital.test\r\nBcc: eve@evil.example" },
		"two":       func(l *idp.Letter, _ *mail.Server) { l.To = "anna@hospital.test, eve@evil.example" },
		"list":      func(l *idp.Letter, _ *mail.Server) { l.To = "anna@hospital.test;eve@evil.example" },
		"brackets":  func(l *idp.Letter, _ *mail.Server) { l.To = "anna@hospital.test> <eve@evil.example" },
		"parameter": func(l *idp.Letter, _ *mail.Server) { l.To = "anna@hospital.test> ORCPT=rfc822;eve@evil.example" },
		"sender":    func(_ *idp.Letter, s *mail.Server) { s.From = "login@hospital.test>\r\nRCPT TO:<eve@evil.example" },
		"reply to":  func(_ *idp.Letter, s *mail.Server) { s.ReplyTo = "a@hospital.test, eve@evil.example" },
		"host":      func(_ *idp.Letter, s *mail.Server) { s.Hello = "idp.test\r\nRCPT TO:<eve@evil.example>" },
	} {
		t.Run(field, func(t *testing.T) {
			w := open(t, mailtest.Conf{TLS: "none"})
			letter := &idp.Letter{To: "anna@hospital.test", Name: "Anna", Lang: "en", Subject: "s", Text: "t\n"}
			spoil(letter, w.post)
			line, err := w.post.Open(t.Context())
			w.ok(err)
			defer line.Close()
			id := idp.NewID[idp.MailID]()
			if err := line.Send(t.Context(), id, letter); err != nil {
				if r := (&mail.Refused{}); !asRefused(err, &r) || !r.Final {
					t.Errorf("%v is no refusal for good", err)
				}
				if strings.Contains(err.Error(), "evil") {
					t.Errorf("the error names somebody: %v", err)
				}
				letter = &idp.Letter{To: "anna@hospital.test", Name: "Anna", Lang: "en", Subject: "s", Text: "t\n"}
				if field == "sender" || field == "reply to" {
					return // of the configuration
				}
				w.ok(line.Send(t.Context(), id, letter)) // the line is as good as before
			}
			l := w.server.Wait(t, 1)
			if len(l) != 1 || l[0].To != "anna@hospital.test" || l[0].Header.Get("Bcc") != "" {
				t.Errorf("%+v", l)
			}
			if to, err := l[0].Header.AddressList("To"); err != nil || len(to) != 1 {
				t.Errorf("to %v, %v", to, err)
			}
			if from, err := l[0].Header.AddressList("From"); err != nil || len(from) != 1 || from[0].Address != "login@hospital.test" {
				t.Errorf("from %v, %v", from, err)
			}
		})
	}
}

func asRefused(err error, to **mail.Refused) bool {
	r, ok := err.(*mail.Refused) //nolint:errorlint // Send returns the very type
	*to = r
	return ok
}

// Domains in letters go out as A-labels to every server; a local part beyond ASCII
// only where SMTPUTF8 is offered. Else the letter is given up at once, and the log
// says so.
func TestInternationalAddresses(t *testing.T) {
	for _, c := range []struct {
		offered  bool
		to, went string // empty: not at all
		utf8     bool
	}{
		{false, "anna@krankenhaus-köln.de", "anna@xn--krankenhaus-kln-ltb.de", false},
		{true, "anna@krankenhaus-köln.de", "anna@xn--krankenhaus-kln-ltb.de", false},
		{true, "anna@hospital.test", "anna@hospital.test", false},
		{true, "müller@krankenhaus-köln.de", "müller@xn--krankenhaus-kln-ltb.de", true},
		{false, "müller@hospital.test", "", false},
		{false, "a@x.example, b@y.example", "", false}, // of before addresses were parsed
	} {
		t.Run(fmt.Sprint(c.to, c.offered), func(t *testing.T) {
			w := open(t, mailtest.Conf{TLS: "starttls", UTF8: c.offered})
			u := w.person("anna", c.to)
			w.happened(u)
			w.sends()
			if c.went == "" {
				f := w.until("given up", func(f *idp.MailFigures) bool { return f.Lost == 1 })
				failed := w.kinds(idp.EventMailFailed)
				if f.Said != idp.UnsentAddress || len(failed) != 1 || failed[0].Detail["reason"] != string(idp.UnsentAddress) || failed[0].Detail["count"] != "1" || len(w.server.Letters()) != 0 {
					t.Errorf("figures %+v, log %+v", f, failed)
				}
				if !c.offered && strings.Contains(c.to, "ü") && !strings.Contains(f.Detailed, "SMTPUTF8") {
					t.Errorf("nobody is told why: %+v", f)
				}
				return
			}
			l := w.server.Wait(t, 1)[0]
			to, err := l.Header.AddressList("To")
			if l.To != c.went || l.UTF8 != c.utf8 || err != nil || len(to) != 1 || to[0].Address != c.went {
				t.Errorf("went to %q (SMTPUTF8 %v), header %v, %v", l.To, l.UTF8, to, err)
			}
			for _, key := range []string{"From", "To"} {
				if a, err := netmail.ParseAddress(l.Header.Get(key)); err != nil {
					t.Errorf("%s %v, %v", key, a, err)
				}
			}
		})
	}
}

// Who has no full name says the address they come from, in brackets.
func TestHello(t *testing.T) {
	for host, want := range map[string]string{
		"idp.klinik.example": "idp.klinik.example", "idp.klinik.example.": "idp.klinik.example", "idp.krankenhaus-köln.de": "idp.xn--krankenhaus-kln-ltb.de",
		"127.0.0.1": "[127.0.0.1]", "10.1.2.3": "[10.1.2.3]", "2001:db8::1": "[IPv6:2001:db8::1]", "[2001:db8::1]": "[IPv6:2001:db8::1]", "fe80::1%eth0": "[IPv6:fe80::1]", "::ffff:10.1.2.3": "[10.1.2.3]",
		"localhost": "[127.0.0.1]", "idp": "[127.0.0.1]", "": "[127.0.0.1]", "idp_1.klinik.example": "[127.0.0.1]", "1.2.3": "[127.0.0.1]", "-a.example": "[127.0.0.1]", "a..example": "[127.0.0.1]",
	} {
		w := open(t, mailtest.Conf{TLS: "none"})
		w.post.Hello = host
		w.post.Timeout = 5 * time.Second
		line, err := w.post.Open(t.Context())
		w.ok(err)
		w.ok(line.Send(t.Context(), "ID", &idp.Letter{To: "anna@hospital.test", Name: "Anna", Lang: "en", Subject: "s", Text: "t\n"}))
		line.Close()
		if got := w.server.Wait(t, 1)[0].Hello; got != want {
			t.Errorf("%q says %q, want %q", host, got, want)
		}
	}
}
