package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hilum/cmd/phone/phone"
	"hilum/idp/mail/mailtest"
)

// post is a provider with a mail server.
type post struct {
	*served
	*mailtest.Server
	read int // letters that were read
}

// withMail runs idp serve beside a mail server that speaks TLS.
func withMail(t testing.TB) *post {
	t.Helper()
	m := mailtest.New(t, mailtest.Conf{TLS: "starttls"})
	ca := filepath.Join(t.TempDir(), "mail.pem")
	if err := os.WriteFile(ca, m.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s := &served{issuer: "http://127.0.0.1:" + port, client: &http.Client{Timeout: patience}}
	s.env = append(os.Environ(), "IDP_LISTEN=127.0.0.1:"+port, "IDP_DATA_DIR="+filepath.Join(t.TempDir(), "data"),
		"IDP_LIMITS_ENROL_PER_10_MINUTES=0", "IDP_MAIL_HOST="+m.Host, "IDP_MAIL_PORT="+strconv.Itoa(m.Port), "IDP_MAIL_TLS=starttls",
		"IDP_MAIL_CA_FILE="+ca, "IDP_MAIL_FROM=idp@klinik.test")
	s.launch(t)
	return &post{served: s, Server: m}
}

// letter waits for the next one with a subject, past others.
func (p *post) letter(t testing.TB, subject string) mailtest.Letter {
	t.Helper()
	for {
		p.read++
		if l := p.Wait(t, p.read)[p.read-1]; strings.Contains(l.Subject, subject) {
			return l
		}
	}
}

var anyURL = regexp.MustCompile(`[a-z]+://\S+`)

// link reads the one link in a letter; every other address in it is the provider's own.
func (p *post) link(t testing.TB, l mailtest.Letter) string {
	t.Helper()
	var links []string
	for _, u := range anyURL.FindAllString(l.Text, -1) {
		if !strings.HasPrefix(u+"/", p.issuer+"/") {
			t.Errorf("a letter leads to %s", u)
		}
		if strings.Contains(u, "/invite/") {
			links = append(links, u)
		}
	}
	if len(links) != 1 {
		t.Fatalf("%d links in\n%s", len(links), l.Text)
	}
	return links[0]
}

// asks types a name or mail address on the page for it, as somebody without
// script, and returns what is shown then.
func (p *person) asks(at *page, typed string) *page {
	p.t.Helper()
	u := *at.url
	u.Path += "/forgot"
	return p.submit(p.get(u.String()), "forgot-form", url.Values{"username": {typed}})
}

// opens answers the password page and says whether it goes on.
func (p *person) opens(issuer, password string) bool {
	p.t.Helper()
	p.elsewhere()
	at := p.submit(p.get(issuer+"/account"), "password-form", url.Values{"username": {p.name}, "password": {password}})
	return at.status == http.StatusOK && strings.Contains(at.body, `id="code-form"`)
}

func TestForgotPassword(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with script, by a number": true, "without script, by code": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forgotPassword(t, withMail(t), scripts)
		})
	}
}

func forgotPassword(t *testing.T, s *post, scripts bool) {
	t.Helper()
	bert := s.invite(t, "bert", "--email", "bert@klinik.test", "--display", "Bert Maes")
	ph := bert.links(s.issuer, "Pixel 8", nil) // and a session of his elsewhere
	if at := bert.get(s.issuer + "/account/security"); at.url.Path != "/account/security" {
		t.Fatalf("not signed in, but at %s", at.url)
	}

	// The browser is one that he has used before.
	w := openWindow(t, scripts)
	w.open(s.issuer + "/account")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.typeCode(bert.code())
	w.see("#sign-out")
	w.click("#sign-out")
	w.open(s.issuer + "/account")
	w.see("#password-form")
	w.click("#forgot")
	w.see("#forgot-form")
	w.fill("#username", bert.name)
	w.click("#continue")
	w.see("#back")
	if at := w.at(); !strings.HasSuffix(at, "/forgotten") || !strings.Contains(w.text("main"), "helpdesk") {
		t.Errorf("at %s, which says %q", at, w.text("main"))
	}

	l := s.letter(t, "A new password")
	link := s.link(t, l)
	if l.To != "bert@klinik.test" || l.From != "idp@klinik.test" || l.Over != "tls" || strings.Contains(l.Text, bert.password) {
		t.Errorf("letter %+v", l)
	}

	const fresh = "nine slow herons wade"
	w.open(link)
	w.see("main form")
	w.click("#continue")
	w.see("#enrol-form")
	w.fill("#password", fresh)
	w.click("#enrol-form #continue")
	w.see("#new-password")
	ch, doc := ph.asked()
	if !doc.NewPassword || doc.Purpose != "login" || doc.Match.Mode != "type" { // a number, though the browser is known
		t.Errorf("the phone is asked %s", ch.Text)
	}
	// Until it is confirmed, everything is as it was.
	other := newPerson(t, bert.name, bert.password, "")
	if !other.opens(s.issuer, bert.password) || other.opens(s.issuer, fresh) {
		t.Error("the password is another before it was confirmed")
	}
	if at := bert.get(s.issuer + "/account/security"); at.url.Path != "/account/security" {
		t.Errorf("signed out before it was confirmed, and at %s", at.url)
	}
	if scripts {
		ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")})
	} else {
		w.typeCode(bert.code())
	}
	w.see("#note")
	if text := w.text("#note"); !strings.Contains(text, "Your password was changed") {
		t.Errorf("it ends with %q", text)
	}

	if other.opens(s.issuer, bert.password) || !other.opens(s.issuer, fresh) {
		t.Error("the new password is not the one that counts")
	}
	if at := bert.get(s.issuer + "/account/security"); at.url.Path == "/account/security" {
		t.Error("the session elsewhere lives")
	}
	if l := s.letter(t, "Your password was changed"); l.To != "bert@klinik.test" || strings.Contains(l.Text, "/invite/") {
		t.Errorf("the owner is told by %+v", l)
	}
	w.open(link)
	w.see("#notice")
	if text := w.text("#notice"); !strings.Contains(text, "This link was used") {
		t.Errorf("the link again: %q", text)
	}
	w.quiet()
}

// Known or not, whoever asks gets the same page, byte for byte; only who is known
// gets a letter.
func TestForgotPasswordTellsNothing(t *testing.T) {
	t.Parallel()
	s := withMail(t)
	s.invite(t, "bert", "--email", "bert@klinik.test")
	s.invite(t, "silas")
	stranger := newPerson(t, "x", "x", "")
	at := stranger.get(s.issuer + "/account")
	var first *page
	for _, typed := range []string{"nobody", "nobody@klinik.test", "silas", "BERT@klinik.test"} {
		got := stranger.asks(at, typed)
		if first == nil {
			first = got
			continue
		}
		if got.status != first.status || got.url.String() != first.url.String() || got.body != first.body {
			t.Errorf("%s: %d at %s:\n%s\nnobody: %d at %s:\n%s", typed, got.status, got.url, got.body, first.status, first.url, first.body)
		}
	}
	// Letters go in the order that they were asked for: this is the last.
	if l := s.letter(t, "A new password"); l.To != "bert@klinik.test" {
		t.Errorf("a letter to %s", l.To)
	}
	soon(t, "nothing waits", func() bool { return strings.Contains(s.idp(t, "mail", "status", "--json"), `"waiting":0,`) })
	for _, l := range s.Letters() {
		if l.To != "bert@klinik.test" {
			t.Errorf("a letter to %s", l.To)
		}
	}
}

// tourForgot is every page and state of a forgotten password.
func tourForgot(t *testing.T, _ *demo, w *window, visit func(name string)) {
	s := withMail(t)
	anna := s.invite(t, "anna", "--email", "anna@klinik.test", "--display", "Dr. Anna Maes")
	bert := s.invite(t, "bert", "--email", "bert@klinik.test")
	ph := bert.links(s.issuer, "Pixel 8", nil)
	asks := func(name string) string {
		t.Helper()
		w.open(s.issuer + "/account")
		w.see("#password-form")
		w.click("#forgot")
		w.fill("#username", name)
		w.click("#continue")
		w.see("#back")
		for { // the next that has a link, in whatever language
			if l := s.letter(t, ""); strings.Contains(l.Text, "/invite/") {
				return s.link(t, l)
			}
		}
	}
	chooses := func(link, password string) {
		t.Helper()
		w.open(link)
		w.see("main form")
		w.click("#continue")
		w.see("#enrol-form")
		w.fill("#password", password)
		w.click("#enrol-form #continue")
		w.see("#new-password")
	}

	w.open(s.issuer + "/account")
	w.see("#password-form")
	visit("forgot-link")
	w.click("#forgot")
	w.see("#forgot-form")
	visit("forgot")
	w.fill("#username", "  ")
	w.click("#continue")
	w.see("#problem")
	visit("forgot-wrong")
	w.fill("#username", "nobody.of-this-name@klinik.test")
	w.click("#continue")
	w.see("#back")
	visit("forgot-sent")

	link := asks(anna.name)
	w.open(link)
	w.see("main form")
	visit("forgot-invite")
	w.click("#continue")
	w.see("#enrol-form")
	visit("forgot-choose")
	w.fill("#password", "password")
	w.click("#enrol-form #continue")
	w.see("#problem")
	visit("forgot-choose-wrong")
	w.fill("#password", "nine slow herons wade")
	w.click("#enrol-form #continue")
	w.see("#new-password")
	visit("forgot-confirm-code")
	w.typeCode("000000")
	w.see("#problem")
	visit("forgot-confirm-wrong")
	w.click("#cancel")
	w.see("#notice")
	visit("forgot-kept")

	// A newer link takes the place of the one that was opened.
	chooses(link, "nine slow herons wade")
	half := w.at()
	newer := asks(anna.name)
	w.open(half)
	w.typeCode(anna.code())
	w.see("#notice")
	visit("forgot-replaced")
	chooses(newer, "nine slow herons wade")
	w.typeCode(anna.code())
	w.see("#note")
	visit("forgot-changed")
	w.open(newer)
	w.see("#notice")
	visit("forgot-used")

	// With a phone of ours: by a number, for the browser is new to bert.
	w.forgets()
	link = asks(bert.name)
	chooses(link, "nine slow herons wade")
	w.see("#asked")
	visit("forgot-confirm-phone")
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{Reason: "mistake"})
	w.see("#notice")
	visit("forgot-denied")
}
