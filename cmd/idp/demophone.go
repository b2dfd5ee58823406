package main

import (
	"bufio"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"hilum/cmd/phone/phone"
	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/totp"
)

// demoPhone links the phone of the demo person, as that person would: signed in
// with a fresh code, the QR code scanned, Login tapped. A folder that was kept
// has it already; then only the provider's address is brought up to date.
func (p *provider) demoPhone(ctx context.Context, f *demoFacts) (*phone.Client, error) {
	f.PhoneFile = filepath.Join(p.conf.DataDir, "phone.json")
	file, err := phone.OpenFile(f.PhoneFile)
	if err != nil {
		return nil, err
	}
	if list := file.Accounts(); len(list) > 0 {
		list[0].Issuer = f.Issuer
		return &phone.Client{Account: list[0], Save: file.Put}, file.Put(list[0])
	}
	browser := login.Browser{ID: idp.NewToken().Hash(), Address: "127.0.0.1", Agent: "idp demo"}
	step, err := p.logins.StartAccount(ctx, "link", browser)
	if err != nil {
		return nil, err
	}
	if _, err = p.logins.Password(ctx, step.ID, browser, f.Username, idp.Secret(f.Password)); err != nil {
		return nil, err
	}
	// A recovery code and not one of the authenticator, whose current code is
	// for the first sign-in of whoever tries the demo.
	if _, err = p.logins.Recovery(ctx, step.ID, browser, f.recovery.Reveal()); err != nil {
		return nil, err
	}
	answer, err := p.logins.Collect(ctx, step.ID, browser)
	if err != nil {
		return nil, err
	}
	browser.Session = answer.Session
	session, _, err := p.logins.Session(ctx, browser)
	if err != nil {
		return nil, err
	}
	offer, err := p.devices.StartPairing(ctx, session)
	if err != nil {
		return nil, err
	}
	link, err := phone.ParseLink(offer.URI)
	if err != nil {
		return nil, err
	}
	client, err := phone.Pair(ctx, phone.Pairing{Link: link, Name: "This terminal", Platform: "other", App: "idp-demo/1"}, nil, file.Put)
	if err != nil {
		return nil, err
	}
	if _, err := client.Answer(ctx, client.Account.Waiting, phone.Decision{Approve: true}); err != nil {
		return nil, err
	}
	if _, err := p.devices.NewRecoveryCodes(ctx, session); err != nil { // ten again
		return nil, err
	}
	actor := idp.Actor{User: session.User, Name: f.Username}
	return client, p.logins.SignOut(ctx, actor, session)
}

// tell prints the demo for a person, shows sign-ins as they come, and takes
// Login and Deny by a key, until ctx ends.
func (c *cli) tell(ctx context.Context, f *demoFacts, label string, client *phone.Client) error {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.TOTPSecret)
	if err != nil {
		return err
	}
	picture, err := terminalQR(totp.URI(label, f.Username, raw))
	if err != nil {
		return err
	}
	code, err := currentCode(f.TOTPSecret, time.Now())
	if err != nil {
		return err
	}
	c.printf(`
%s
  provider  %s
  viewer    %s

  user name %s
  password  %s

  1. Open the viewer and choose to sign in.
  2. Type the user name and the password.
  3. The request appears here: press l for Login, d for Deny, n if it was not
     you. Where the browser shows a number, type that and Enter.
     Or type the code below (c prints the one of the moment), or one of any
     authenticator app that has scanned the picture. Link a phone of your own
     under Security.

  code      %s %s
  phone     its keys are in %s, for go run ./cmd/phone --file
  The administrator is %q, password %s, authenticator secret %s.
  Ctrl-C ends everything.

`, picture, f.Issuer, f.Viewer, f.Username, f.Password, code[:3], code[3:], f.PhoneFile, f.AdminUsername, f.AdminPassword, f.AdminTOTPSecret)

	keys, restore := c.keys(ctx)
	defer restore()
	heard := make(chan phone.Event)
	ended := make(chan error, 1)
	go func() { // ends with ctx, or when the phone is unlinked
		ended <- client.Watch(ctx, func(e phone.Event) {
			select {
			case heard <- e:
			case <-ctx.Done():
			}
		})
	}()
	var now *phone.Challenge
	typed := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if ctx.Err() == nil {
				c.printf("  phone     %v\r\n", err)
				<-ctx.Done()
			}
			return nil
		case e := <-heard:
			switch e.Name {
			case "challenge":
				now, typed = e.Challenge, ""
				c.request(client, now)
			case "gone":
				c.printf("  phone     %s\r\n", e.Why)
				if now != nil && now.CID == e.CID {
					now = nil
				}
			}
		case k, ok := <-keys:
			if !ok {
				keys = nil // no terminal: the requests are still shown
				continue
			}
			if k == 3 { // Ctrl-C, which a raw terminal hands on
				return context.Canceled
			}
			if k == 'c' {
				if code, err := currentCode(f.TOTPSecret, time.Now()); err == nil {
					c.printf("\r\n  code      %s %s\r\n", code[:3], code[3:])
				}
				continue
			}
			if now == nil {
				continue
			}
			d := phone.Decision{}
			switch {
			case k >= '0' && k <= '9' && len(typed) < 6:
				typed += string(k)
				c.printf("%c", k)
				continue
			case k == '\r' || k == '\n':
				if typed == "" {
					continue
				}
				d = phone.Decision{Approve: true, Number: typed}
			case k == 'l':
				d.Approve = true
			case k == 'n':
				d.Reason = "not_me"
			case k != 'd':
				continue
			}
			typed = ""
			state, err := client.Answer(ctx, now, d)
			if err != nil {
				state = err.Error()
			}
			c.printf("\r\n  phone     %s\r\n", state)
		}
	}
}

// request prints what a challenge asks of the person.
func (c *cli) request(client *phone.Client, ch *phone.Challenge) {
	d, err := client.Check(ch)
	if err != nil {
		c.printf("  phone     %v\r\n", err)
		return
	}
	ask := "Login (l), Deny (d), not me (n)?"
	switch d.Match.Mode {
	case "type":
		ask = fmt.Sprintf("type the %d digits of the browser and Enter; Deny (d), not me (n)", d.Match.Len)
	case "pick":
		ask = "type the number of the browser and Enter (" + strings.Join(d.Match.Choices, ", ") + "); Deny (d), not me (n)"
	}
	what := "signs in to " + d.App
	if d.Act.Text != "" {
		what = "confirms: " + d.Act.Text + ","
	}
	c.printf("  phone     %s %s from %s, %s %s\r\n            %s ", d.Account, what, d.IP, d.Browser, d.OS, ask)
}

// keys reads single keys from a terminal, or what a script writes; the function puts
// the terminal back as it was. The goroutine ends with the input, with the first key
// after ctx, or with the program.
func (c *cli) keys(ctx context.Context) (<-chan rune, func()) {
	restore := func() {}
	if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if old, err := term.MakeRaw(int(f.Fd())); err == nil {
			restore = func() { _ = term.Restore(int(f.Fd()), old) }
		}
	}
	out := make(chan rune)
	go func() {
		defer close(out)
		in := bufio.NewReader(c.stdin)
		for {
			k, _, err := in.ReadRune()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					c.printf("  keys      %v\r\n", err)
				}
				return
			}
			select {
			case out <- k:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, restore
}
