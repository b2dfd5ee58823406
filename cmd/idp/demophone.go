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
	"slices"
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
	code, err := codeNow(f.TOTPSecret, time.Now())
	if err != nil {
		return err
	}
	c.printf(`
%s
  provider  %s
  viewer    %s
  database  %s

  user name %s
  password  %s

  1. Open the viewer and choose to sign in.
  2. Type the user name and the password.
  3. The request appears here: press l for Login, d for Deny, n if it was not
     you. Where the browser shows a number, type that and Enter.
     Or type the code below (c prints the one of the moment), or one of any
     authenticator app that has scanned the picture. Link a phone of your own
     under Security.

  code      %s
  phone     its keys are in %s, for go run ./cmd/phone --file

  The administration, best in a private window:

  admin     %s/admin
  user name %s
  password  %s
  code      press a (authenticator secret %s)

  Keys: l Login, d Deny, n not me; c code of %s, a code of %s.
  Ctrl-C ends everything.

`, picture, f.Issuer, f.Viewer, f.Database, f.Username, f.Password, code, f.PhoneFile,
		f.Issuer, f.AdminUsername, f.AdminPassword, f.AdminTOTPSecret, f.Username, f.AdminUsername)

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
	var now *question
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
				now = c.request(client, e.Challenge)
			case "gone":
				c.printf("  phone     %s\r\n", e.Why)
				if now != nil && now.CID == e.CID {
					now = nil
				}
			}
		case k, ok := <-keys:
			switch {
			case !ok:
				keys = nil // no terminal: the requests are still shown
			case k == 3: // Ctrl-C, which a raw terminal hands on
				return context.Canceled
			case k == 'c':
				c.code(f.Username, f.TOTPSecret)
			case k == 'a':
				c.code(f.AdminUsername, f.AdminTOTPSecret)
			case now != nil:
				d, echo := now.key(k)
				c.printf("%s", echo)
				if d == nil {
					continue
				}
				state, err := client.Answer(ctx, now.Challenge, *d)
				if err != nil {
					state = err.Error()
				}
				c.printf("\r\n  phone     %s\r\n", state)
			}
		}
	}
}

// code prints the code that a person's authenticator shows now.
func (c *cli) code(name, secret string) {
	code, err := codeNow(secret, time.Now())
	if err != nil {
		code = err.Error()
	}
	c.printf("\r\n  code      %s, of %s\r\n", code, name)
}

// codeNow says what an authenticator with a base32 secret shows at t, and how long it
// goes on showing that, in whole seconds.
func codeNow(secret string, t time.Time) (string, error) {
	code, err := currentCode(secret, t)
	if err != nil {
		return "", err
	}
	left := codeStep - time.Duration(t.Unix()%int64(codeStep/time.Second))*time.Second
	return fmt.Sprintf("%s %s, for %d s more", code[:3], code[3:], int(left/time.Second)), nil
}

// question is a challenge that the terminal shows, and how far its answer is typed.
type question struct {
	*phone.Challenge

	mode    string   // how it is answered: tap, type, pick
	length  int      // type: digits of the number
	choices []string // pick
	typed   string
}

// request prints what a challenge asks of the person; nil: it must not be answered here.
func (c *cli) request(client *phone.Client, ch *phone.Challenge) *question {
	d, err := client.Check(ch)
	if err != nil {
		c.printf("  phone     %v\r\n", err)
		return nil
	}
	q := &question{Challenge: ch, mode: d.Match.Mode, length: d.Match.Len, choices: d.Match.Choices}
	what := "signs in to " + d.App
	if d.Act.Text != "" {
		what = "confirms: " + d.Act.Text + ","
	}
	c.printf("  phone     %s %s from %s, %s %s\r\n            %s ", d.Account, what, d.IP, d.Browser, d.OS, q.ask())
	return q
}

// ask says which keys answer.
func (q *question) ask() string {
	if number := q.number(); number != "" {
		return "type " + number + " and Enter; Deny (d), not me (n)"
	}
	return "Login (l), Deny (d), not me (n)?"
}

// number says which number is asked for; empty: none is.
func (q *question) number() string {
	switch q.mode {
	case "type":
		return fmt.Sprintf("the %d digits of the browser", q.length)
	case "pick":
		return "the number of the browser (" + strings.Join(q.choices, ", ") + ")"
	}
	return ""
}

// key takes a key, and returns the decision that is complete with it, nil for none yet,
// and what to print. A number that cannot be the right one is never a decision: it
// would end the sign-in.
func (q *question) key(k rune) (d *phone.Decision, echo string) {
	number := q.number()
	again := func() (*phone.Decision, string) {
		q.typed = ""
		return nil, "\r\n            " + q.ask() + " "
	}
	switch {
	case k == 'd':
		return &phone.Decision{}, ""
	case k == 'n':
		return &phone.Decision{Reason: "not_me"}, ""
	case k == 'l' && number == "":
		return &phone.Decision{Approve: true}, ""
	case k == 'l':
		return again()
	case k >= '0' && k <= '9' && number == "":
		return again()
	case k >= '0' && k <= '9' && len(q.typed) < 6:
		q.typed += string(k)
		return nil, string(k)
	case (k == '\b' || k == 0x7f) && q.typed != "":
		q.typed = q.typed[:len(q.typed)-1]
		return nil, "\b \b"
	case (k == '\r' || k == '\n') && q.typed != "":
		if q.mode == "type" && len(q.typed) != q.length || q.mode == "pick" && !slices.Contains(q.choices, q.typed) {
			return again()
		}
		d = &phone.Decision{Approve: true, Number: q.typed}
		q.typed = ""
		return d, ""
	}
	return nil, ""
}

// keyPace is the time between two keys that are taken: far below what hands and pasting
// need, and nothing to a machine where the input never ends ("yes | idp demo").
const keyPace = 5 * time.Millisecond

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
			select {
			case <-time.After(keyPace):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, restore
}
