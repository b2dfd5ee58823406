package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"hilum/idp/mail/mailtest"
)

// mailing is an idp serve that sends its mail to a server of the test's.
func mailing(t testing.TB) (*served, *mailtest.Server) {
	t.Helper()
	post := mailtest.New(t, mailtest.Conf{TLS: "starttls"})
	ca := filepath.Join(t.TempDir(), "mail.pem")
	if err := os.WriteFile(ca, post.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s := &served{issuer: "http://127.0.0.1:" + port, data: filepath.Join(t.TempDir(), "data"), client: &http.Client{Timeout: patience, Transport: http.DefaultTransport}}
	s.env = append(os.Environ(), "IDP_LISTEN=127.0.0.1:"+port, "IDP_ISSUER="+s.issuer, "IDP_DATA_DIR="+s.data,
		"IDP_MAIL_HOST="+post.Host, "IDP_MAIL_PORT="+strconv.Itoa(post.Port), "IDP_MAIL_CA_FILE="+ca, "IDP_MAIL_FROM=login@klinik.test",
		"IDP_LIMITS_ENROL_PER_10_MINUTES=0", "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0")
	s.home = keptIn(t, s.data)
	s.env = append(s.env, databaseEnv(t, s.home)...)
	s.launch(t)
	return s, post
}

// toldTo returns the newest letter to somebody, when there are n of them.
func toldTo(t testing.TB, post *mailtest.Server, to string, n int) mailtest.Letter {
	t.Helper()
	for all := 1; ; all++ {
		letters := post.Wait(t, all)
		all = len(letters)
		var theirs []mailtest.Letter
		for _, l := range letters {
			if l.To == to {
				theirs = append(theirs, l)
			}
		}
		if len(theirs) >= n {
			return theirs[n-1]
		}
	}
}

var invitation = regexp.MustCompile(`http://\S+/invite/[A-Za-z0-9_-]{43}`)

// chooses gives the password on the page that comes before the device.
func (w *window) chooses(password string) {
	w.t.Helper()
	w.see("#enrol-form #password")
	w.fill("#password", password)
	w.click("#enrol-form #continue")
	w.see("#enrol-form #code")
}

// enrols chooses the password of a person, links an authenticator app by its code, and puts
// the recovery codes away.
func (w *window) enrols(who *person) {
	w.t.Helper()
	w.chooses(who.password)
	who.seed = newPerson(w.t, who.name, who.password, w.seed()).seed
	w.fill("#code", who.code())
	w.click("#enrol-form #continue")
	w.see("#recovery-codes")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")
}

// linksByLetter follows the link of a letter in a browser and links a phone.
func (w *window) linksByLetter(l mailtest.Letter, password string) {
	w.t.Helper()
	link := invitation.FindString(l.Text)
	if link == "" {
		w.t.Fatalf("no link in\n%s", l.Text)
	}
	w.open(link)
	w.click("#continue")
	w.chooses(password)
	ph := scan(w.t, ask(w, chromedp.Evaluate[string](`document.querySelector("#open-app").href`)), "Pixel 8", false, nil)
	w.see("#scanned")
	ph.taps()
	w.see("#recovery-codes")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")
}

// The helpdesk invites by mail and never sees the link; the person opens the
// letter and links a phone. Then a file: everybody in it who has an address gets
// a letter, and who has none is named.
func TestInvitationsByMail(t *testing.T) {
	t.Parallel()
	s, post := mailing(t)
	d := &demo{facts: facts{Issuer: s.issuer}}
	helga := s.invite(t, "helga", "--staff", "helpdesk")
	chief := s.invite(t, "chief", "--staff", "admin")
	s.idp(t, "user", "add", "berta", "--display", "Berta Lang", "--email", "berta@klinik.test", "--locale", "de")

	w := openWindow(t, true)
	w.administrates(d, helga)
	w.open(s.issuer + "/admin/users?q=berta")
	w.click("tbody tr a")
	w.click("#invite")
	w.see("#via-mail")
	w.click("#yes")
	w.see("#mailed")
	if said := w.text("#mailed"); !strings.Contains(said, "berta@klinik.test") || !strings.Contains(said, "Good until") {
		t.Errorf("told %q", said)
	}
	person := w.at()
	html := ask(w, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
	letter := toldTo(t, post, "berta@klinik.test", 1)
	link := invitation.FindString(letter.Text)
	if !strings.Contains(letter.Text, "berta") || link == "" || strings.Contains(html, link) {
		t.Errorf("letter %q\n%s", letter.Subject, letter.Text)
	}

	hers := openWindow(t, true)
	hers.linksByLetter(letter, "slow-amber-river-42")
	hers.open(s.issuer + "/account/devices")
	if text := hers.text("#devices"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("devices: %q", text)
	}
	hers.quiet()
	if res, err := s.client.Get(link); err != nil || res.StatusCode == http.StatusOK {
		t.Errorf("the link is good again: %v", err)
	} else {
		res.Body.Close()
	}
	toldTo(t, post, "berta@klinik.test", 2) // that a device was linked

	// The phone is gone: opened again, by a letter that says so; shown when that is wanted.
	w.open(strings.Split(person, "?")[0])
	w.click("#reopen")
	w.fill("#reason", "Lost on the ward")
	w.click("#yes")
	w.see("#mailed")
	again := ""
	for n := 3; again == ""; n++ { // among the news that the phone was unlinked
		again = invitation.FindString(toldTo(t, post, "berta@klinik.test", n).Text)
	}
	w.open(strings.Split(person, "?")[0])
	w.click("#invite")
	w.do(chromedp.Click(chromedp.CSS("#via-link")))
	w.click("#yes")
	w.see("#link")
	if res, err := s.client.Get(again); err != nil || res.StatusCode == http.StatusOK {
		t.Errorf("the letter's link outlives the one that was shown: %v", err)
	} else {
		res.Body.Close()
	}
	w.quiet()

	// A file of people, by the chief.
	w = openWindow(t, true)
	w.open(s.issuer + "/admin/users/import")
	w.see("#password-form")
	w.fill("#username", chief.name)
	w.fill("#password", chief.password)
	w.click("#continue")
	w.typeCode(chief.code())
	w.see("#import")
	w.fill("#text", "username,name,email\nnora,Nora Peeters,nora@klinik.test\npaul,Paul Peeters,\nquirin,Quirin Maes,quirin@klinik.test")
	w.click("#try")
	w.see("#mail")
	if said := w.text("#add-form"); !strings.Contains(said, "2 invitations") || !strings.Contains(said, "paul") {
		t.Errorf("a try says %q", said)
	}
	w.click("#import-now")
	w.again(chief)
	w.see("#mailed")
	if said := w.text("main"); !strings.Contains(said, "3 people were added") || !strings.Contains(said, "2 invitations are on their way") || !strings.Contains(said, "paul") {
		t.Errorf("told %q", said)
	}
	w.quiet()
	nora := invited(t, toldTo(t, post, "nora@klinik.test", 1).Text, "nora", s.client.Transport)
	if at := nora.get(s.issuer + "/account"); !strings.Contains(at.body, "password-form") {
		t.Errorf("nora is at %s", at.url)
	}
	toldTo(t, post, "quirin@klinik.test", 1)
	for _, l := range post.Letters() {
		if strings.HasPrefix(l.To, "paul") || l.To == "" {
			t.Errorf("a letter to %q", l.To)
		}
	}
	log := s.idp(t, "audit", "export", "--kind", "invitation.made", "--format", "json")
	if n := strings.Count(log, `"by":"mail"`); n != 4 || strings.Contains(log, "@klinik.test") {
		t.Errorf("%d by mail in\n%s", n, log)
	}
}

// tourMail is what the administration looks like where mail is sent.
func tourMail(t *testing.T, _ *demo, w *window, visit func(name string)) {
	s, _ := mailing(t)
	chief := s.invite(t, "chief", "--staff", "admin")
	s.idp(t, "user", "add", "berta", "--display", "Berta Lang", "--email", "berta@klinik.test")
	s.idp(t, "user", "add", "maximiliane", "--display", "Univ.-Prof. Dr. Maximiliane von und zu Hohenfels-Lichtenstein", "--email", "maximiliane.von-und-zu-hohenfels-lichtenstein@radiologie.universitaetsklinikum.test")
	s.idp(t, "user", "add", "carl", "--display", "Carl Maes")
	w.open(s.issuer + "/admin/users?q=maximiliane")
	w.see("#password-form")
	w.fill("#username", chief.name)
	w.fill("#password", chief.password)
	w.click("#continue")
	w.typeCode(chief.code())
	w.see("#users")
	w.open(s.issuer + "/admin/users?q=maximiliane")
	w.click("tbody tr a")
	w.click("#invite")
	w.again(chief)
	w.see("#way")
	visit("mail-invite")
	w.click("#yes")
	w.see("#mailed")
	visit("mail-invited")
	w.open(strings.Split(w.at(), "?")[0] + "/reopen")
	w.again(chief)
	w.see("#way")
	visit("mail-reopen")
	w.open(s.issuer + "/admin/users?q=carl")
	w.click("tbody tr a")
	w.click("#invite")
	w.see("#way-none")
	visit("mail-invite-noaddress")
	w.open(s.issuer + "/admin/users/new")
	w.again(chief)
	w.see("#by-link")
	visit("mail-user-new")
	w.open(s.issuer + "/admin/users/import")
	w.again(chief)
	var file strings.Builder
	file.WriteString("username,name,email\n")
	for i := range 30_000 { // so many that letters are still written when the pictures are taken
		fmt.Fprintf(&file, "p%d,Person %d,p%d@klinik.test\n", i, i, i)
		if i < 3 {
			fmt.Fprintf(&file, "without%d,Somebody without,\n", i)
		}
	}
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
	w.click("#try")
	w.see("#mail")
	visit("mail-import-good")
	w.click("#import-now")
	w.again(chief)
	for _, n := range []int{10_000, 20_000} { // on a machine that does much else this takes more than one wait
		w.until("people are added", fmt.Sprintf(`(document.querySelector("#job")?.dataset.state ?? "").startsWith("mailing") || (document.querySelector("#far")?.value ?? 0) > %d`, n))
	}
	w.until("people are written to", `(document.querySelector("#job")?.dataset.state ?? "").startsWith("mailing") && (document.querySelector("#far")?.value ?? 0) > 0`)
	visit("mail-importing")
	w.click("#stop")
	w.again(chief)
	w.see("#rest")
	visit("mail-import-stopped")
	w.open(s.issuer + "/admin/users/import")
	w.again(chief)
	w.fill("#text", "username,name,email\nnora,Nora Peeters,nora@klinik.test\npaul,Paul Peeters,")
	w.click("#try")
	w.see("#mail")
	w.click("#import-now")
	w.again(chief)
	w.see("#mailed")
	visit("mail-imported")
}
