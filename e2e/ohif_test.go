package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// The study that the archive has, by its DICOM UIDs.
const (
	studyUID  = "2.25.329800735698586629295641978511506172918"
	seriesUID = "2.25.329800735698586629295641978511506172919"
	studySize = 3
)

// ctSlice is a CT image of 64 by 64 pixels as a DICOM file (PS3.10): little endian with
// explicit value representations. n is its number within the series, from 1.
func ctSlice(n int) []byte {
	const ct, explicit = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
	instance := fmt.Sprintf("%s.%d", seriesUID, n)
	element := func(b *bytes.Buffer, group, number uint16, vr string, value []byte) {
		if len(value)%2 == 1 { // lengths are even (PS3.5, 6.2)
			pad := byte(' ')
			if vr == "UI" {
				pad = 0
			}
			value = append(value, pad)
		}
		for _, v := range []uint16{group, number} {
			_ = binary.Write(b, binary.LittleEndian, v) // a buffer takes everything
		}
		b.WriteString(vr)
		if vr == "OW" || vr == "OB" {
			_ = binary.Write(b, binary.LittleEndian, uint16(0))
			_ = binary.Write(b, binary.LittleEndian, uint32(len(value)))
		} else {
			_ = binary.Write(b, binary.LittleEndian, uint16(len(value)))
		}
		b.Write(value)
	}
	short := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }

	var meta bytes.Buffer
	element(&meta, 2, 0x01, "OB", []byte{0, 1})
	element(&meta, 2, 0x02, "UI", []byte(ct))
	element(&meta, 2, 0x03, "UI", []byte(instance))
	element(&meta, 2, 0x10, "UI", []byte(explicit))
	element(&meta, 2, 0x12, "UI", []byte("2.25.1"))

	var b bytes.Buffer
	b.Write(make([]byte, 128))
	b.WriteString("DICM")
	element(&b, 2, 0x00, "UL", binary.LittleEndian.AppendUint32(nil, uint32(meta.Len())))
	b.Write(meta.Bytes())
	for _, e := range []struct {
		group, number uint16
		vr, value     string
	}{
		{0x08, 0x08, "CS", `ORIGINAL\PRIMARY\AXIAL`}, {0x08, 0x16, "UI", ct}, {0x08, 0x18, "UI", instance},
		{0x08, 0x20, "DA", "20260301"}, {0x08, 0x30, "TM", "101500"}, {0x08, 0x50, "SH", "A-1"}, {0x08, 0x60, "CS", "CT"},
		{0x08, 0x90, "PN", ""}, {0x08, 0x1030, "LO", "Thorax of the test"}, {0x08, 0x103e, "LO", "Slices"},
		{0x10, 0x10, "PN", "SAMPLE^ALPHA"}, {0x10, 0x20, "LO", "P-1"}, {0x10, 0x30, "DA", "19600101"}, {0x10, 0x40, "CS", "O"},
		{0x18, 0x50, "DS", "2"}, {0x20, 0x0d, "UI", studyUID}, {0x20, 0x0e, "UI", seriesUID}, {0x20, 0x10, "SH", "1"},
		{0x20, 0x11, "IS", "1"}, {0x20, 0x13, "IS", fmt.Sprint(n)}, {0x20, 0x32, "DS", fmt.Sprintf(`0\0\%d`, 2*n)},
		{0x20, 0x37, "DS", `1\0\0\0\1\0`}, {0x20, 0x52, "UI", seriesUID + ".9"},
	} {
		element(&b, e.group, e.number, e.vr, []byte(e.value))
	}
	element(&b, 0x28, 0x02, "US", short(1))
	element(&b, 0x28, 0x04, "CS", []byte("MONOCHROME2"))
	element(&b, 0x28, 0x10, "US", short(64))
	element(&b, 0x28, 0x11, "US", short(64))
	element(&b, 0x28, 0x30, "DS", []byte(`1\1`))
	element(&b, 0x28, 0x100, "US", short(16))
	element(&b, 0x28, 0x101, "US", short(16))
	element(&b, 0x28, 0x102, "US", short(15))
	element(&b, 0x28, 0x103, "US", short(0))
	element(&b, 0x28, 0x1050, "DS", []byte("128"))
	element(&b, 0x28, 0x1051, "DS", []byte("256"))
	element(&b, 0x28, 0x1052, "DS", []byte("0"))
	element(&b, 0x28, 0x1053, "DS", []byte("1"))
	var pixels []byte
	for y := range 64 {
		for x := range 64 {
			pixels = binary.LittleEndian.AppendUint16(pixels, uint16(x+y+40*n))
		}
	}
	element(&b, 0x7fe0, 0x10, "OW", pixels)
	return b.Bytes()
}

// asked is a request that has reached the archive: by whose token, or by the name of the
// person in a header of oauth2-proxy.
type asked struct {
	path, bearer, user string
}

// reading is a hospital's viewer: OHIF and the archive behind Apache, and our provider.
type reading struct {
	*served
	base   string // of the viewer
	htdocs string // its files

	mu  sync.Mutex
	all []asked
}

// of returns the requests of the archive whose path has a part, with the tokens that
// they brought, in the order in which they came.
func (r *reading) of(part string) []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []asked
	for _, a := range r.all {
		if strings.Contains(a.path, part) {
			some = append(some, a)
		}
	}
	return some
}

// reads asks for the list of studies with a header Authorization, and returns the status.
func (r *reading) reads(t *testing.T, authorization string) int {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(http.MethodGet, r.base+"/dicom-web/studies", nil))
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return must[*page](t)(readPage(r.client.Do(req))).status
}

// well fails the test on an error.
func well(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startReading runs all of docs/recipes/ohif.md, by the blocks of that page.
func startReading(t *testing.T, env ...string) *reading {
	t.Helper()
	dist := os.Getenv("OHIF_DIST")
	if dist == "" {
		t.Skip("make parties fetches OHIF and sets OHIF_DIST")
	}
	r := &reading{served: newServe(t, env...)}
	r.launch(t)
	port := freePort(t)
	r.base = "https://localhost:" + port
	printed := r.idp(t, "client", "preset", "ohif", "--set", "base="+r.base, "--id", "ohif")
	_, oidc, ok := strings.Cut(printed, "# app-config.js\n")
	_, secret := r.addClient(t, "Archive", "--id", "archive", "--grant", "client_credentials")
	r.idp(t, "client", "edit", "ohif", "--audience", "archive")

	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		well(t, os.Chmod(d, 0o755))
	}
	archive := r.archive(t, dir)

	htdocs := filepath.Join(dir, "htdocs")
	r.htdocs = htdocs
	well(t, os.CopyFS(htdocs, os.DirFS(dist)))
	config := exchanged(t, blockOf(t, "recipes/ohif.md", "js"), "https://login.your-hospital.org", r.issuer)
	if !ok || !strings.Contains(config, oidc) {
		t.Errorf("the page has not what the preset prints:\n%s\nbut:\n%s", oidc, config)
	}
	well(t, os.WriteFile(filepath.Join(htdocs, "app-config.js"), []byte(config), 0o644))

	cert := string(must[[]byte](t)(os.ReadFile(r.ca)))
	well(t, os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(cert), 0o644))
	r.apache(t, dir, exchanged(t, blockOf(t, "recipes/ohif.md", "apache"),
		"*:443", "127.0.0.1:"+port, "viewer.your-hospital.org", "localhost", "https://login.your-hospital.org", r.issuer,
		"/etc/ssl/viewer/chain.pem", filepath.Join(filepath.Dir(r.ca), "cert.pem"), "/etc/ssl/viewer/key.pem", filepath.Join(filepath.Dir(r.ca), "key.pem"),
		"/srv/ohif", htdocs, `"…"`, secret, "http://127.0.0.1:8042", archive), port)
	return r
}

// renewsBySession has OHIF renew tokens by the session at the provider, as the page says.
func (r *reading) renewsBySession(t *testing.T) {
	t.Helper()
	const scope = "scope: 'openid profile email offline_access',"
	config := filepath.Join(r.htdocs, "app-config.js")
	text := exchanged(t, string(must[[]byte](t)(os.ReadFile(config))), scope, "scope: 'openid profile email',")
	well(t, os.WriteFile(config, []byte(text), 0o644))
	well(t, os.WriteFile(filepath.Join(r.htdocs, "silent-refresh.html"), []byte(blockOf(t, "recipes/ohif.md", "html")), 0o644))
	r.idp(t, "client", "edit", "ohif", "--redirect-uri", r.base+"/callback", "--redirect-uri", r.base+"/silent-refresh.html")
}

// archive runs Orthanc with a study in it, and before it what notes the requests, whose
// address is returned.
func (r *reading) archive(t *testing.T, dir string) string {
	t.Helper()
	port := freePort(t)
	db := filepath.Join(dir, "orthanc")
	well(t, os.Mkdir(db, 0o755))
	file := filepath.Join(dir, "orthanc.json")
	well(t, os.WriteFile(file, []byte(exchanged(t, blockOf(t, "recipes/ohif.md", "json"), "8042", port, "/var/lib/orthanc/db", db)), 0o644))
	runs(t, exec.Command("/usr/sbin/Orthanc", file), func() error {
		res, err := http.Get("http://127.0.0.1:" + port + "/system")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	for n := 1; n <= studySize; n++ {
		res := must[*http.Response](t)(http.Post("http://127.0.0.1:"+port+"/instances", "application/dicom", bytes.NewReader(ctSlice(n))))
		var said struct{ Status string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil || said.Status != "Success" {
			t.Fatalf("Orthanc takes no slice: %s %v %+v", res.Status, err, said)
		}
		res.Body.Close()
	}
	to := httputil.NewSingleHostReverseProxy(must[*url.URL](t)(url.Parse("http://127.0.0.1:" + port)))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.all = append(r.all, asked{req.URL.RequestURI(), strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), req.Header.Get("X-Forwarded-Preferred-Username")})
		r.mu.Unlock()
		to.ServeHTTP(w, req)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// apache runs Apache with a virtual host.
func (r *reading) apache(t *testing.T, dir, host, port string) {
	t.Helper()
	user := ""
	if os.Geteuid() == 0 {
		user = "User nobody\nGroup nogroup"
	}
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "authn_core", "authz_user", "dir", "mime", "ssl", "proxy", "proxy_http", "auth_openidc"} {
		fmt.Fprintf(&load, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	conf := filepath.Join(dir, "apache.conf")
	well(t, os.WriteFile(conf, []byte(fmt.Sprintf(`ServerRoot %[1]s
ServerName localhost
Listen 127.0.0.1:%[2]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Mutex pthread
ErrorLog /dev/stderr
TypesConfig /etc/mime.types
%[3]s
%[4]s
OIDCCABundlePath %[1]s/ca.pem
%[5]s`, dir, port, user, load.String(), host)), 0o644))
	runs(t, exec.Command("/usr/sbin/apache2", "-f", conf, "-DFOREGROUND"), func() error {
		res, err := r.client.Get(r.base + "/")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
}

// viewer opens a browser that trusts the certificates of the test.
func (r *reading) viewer(t *testing.T) *window {
	t.Helper()
	return openWindow(t, true, chromedp.Flag("ignore-certificate-errors", true))
}

// study is the address of the study in the viewer.
func (r *reading) study() string { return r.base + "/viewer?StudyInstanceUIDs=" + studyUID }

// What OHIF shows.
const (
	studyListed = `document.body?.innerText.includes("SAMPLE, ALPHA")`
	imageShown  = `document.querySelector("canvas.cornerstone-canvas") && document.body.innerText.includes("(1/3)")`
)

// reads waits for the study, and closes the tour that OHIF gives in a new browser.
func (w *window) reads(first bool) {
	w.t.Helper()
	w.holds(imageShown)
	if first {
		w.presses(`document.querySelector(".shepherd-button-secondary")`)
	}
}

// presses clicks what an expression of JavaScript finds, once nothing lies over it. It may
// be gone before the button of the mouse is up again.
func (w *window) presses(js string) {
	w.t.Helper()
	middle := `((e) => {
		const b = e?.getBoundingClientRect(), x = b?.x + b?.width / 2, y = b?.y + b?.height / 2
		return e && e.contains(document.elementFromPoint(x, y)) && [x, y]
	})(` + js + `)`
	w.holds(middle)
	at := ask(w, chromedp.Evaluate[[2]float64](middle))
	w.do(chromedp.MouseClickXY(at[0], at[1]))
}

// logsOut chooses Logout in the menu of OHIF.
func (w *window) logsOut() {
	w.t.Helper()
	w.presses(`[...document.querySelectorAll("button[aria-haspopup=menu]")].filter(e => e.offsetWidth && e.getBoundingClientRect().top < 48).at(-1)`)
	w.presses(`[...document.querySelectorAll("[role=menuitem]")].find(e => e.innerText.trim() === "Logout")`)
}

// isAsked opens a page of OHIF, which leads to a sign-in.
func (w *window) isAsked(r *reading, page string) {
	w.t.Helper()
	w.open(page)
	w.holds(r.asking())
}

// asking says, of a page, that it is ours and asks for the password.
func (r *reading) asking() string {
	return `location.href.startsWith("` + r.issuer + `/login/") && document.querySelector("#password-form")`
}

// duplicate does what a browser does that duplicates a tab: the page once more, with a
// copy of its sessionStorage (HTML, section 7.4.2, of a window with an opener).
func (w *window) duplicate() *window {
	w.t.Helper()
	opened := chromedp.WaitNewTarget(w.ctx, func(i *target.Info) bool { return i.OpenerID != "" })
	ask(w, chromedp.Evaluate[bool](`window.open(location.href) !== null`, func(p *runtime.EvaluateParams) { p.UserGesture = new(true) }))
	ctx, stop := chromedp.NewContext(w.ctx, chromedp.WithTargetID(<-opened))
	w.t.Cleanup(stop)
	w.check(chromedp.Do(ctx)) // attaches
	return &window{t: w.t, ctx: ctx, scripts: true}
}

// readsOn goes from the study to the list, which is read by a token that is not the one
// of before.
func (w *window) readsOn(r *reading, before string) {
	w.t.Helper()
	seen := len(r.of("/dicom-web/studies?"))
	w.presses(`document.querySelector("[data-cy=return-to-work-list]")`)
	w.holds(studyListed)
	list := r.of("/dicom-web/studies?")[seen:]
	if len(list) == 0 || list[len(list)-1].bearer == before {
		w.t.Errorf("the list was read with %v, the token of before was %s", list, before)
	}
}

// tokens are what OHIF has kept in this tab (oidc-client-ts, in sessionStorage).
func (w *window) tokens() (kept struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}) {
	w.t.Helper()
	text := ask(w, chromedp.Evaluate[string](`sessionStorage.getItem(Object.keys(sessionStorage).find(k => k.startsWith("oidc.user:")))`))
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	return kept
}

// signedOut waits for the page that says so, to which OHIF may lead twice.
func (w *window) signedOut(r *reading) {
	w.t.Helper()
	w.holds(`location.origin === "` + r.issuer + `" && document.querySelector("h1")?.innerText === "You are signed out" &&
		document.querySelector("main").innerText.includes("There is no way back to OHIF Viewer")`)
}

// OHIF, as it is released, reads studies of Orthanc by what docs/recipes/ohif.md and the
// preset print.
func TestOHIF(t *testing.T) {
	t.Parallel()
	r := startReading(t)
	restart := func() {
		r.kill(t)
		r.launch(t) // until the whole test ends
	}
	refreshes := func(t *testing.T, token string) *tokens {
		t.Helper()
		rp := &party{t: t, issuer: r.issuer, id: "ohif", web: r.client}
		return must[*tokens](t)(rp.refresh(token))
	}

	t.Run("sign-in by the phone leads to the list of studies", func(t *testing.T) {
		anna := r.invite(t, "anna", "--display", "Anna Bergmann")
		at := anna.submit(anna.get(r.issuer+"/account/link"), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
		anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
		ph := anna.pairs(r.served)
		w := r.viewer(t)
		w.isAsked(r, r.base+"/")
		w.fill("#username", anna.name)
		w.fill("#password", anna.password)
		w.click("#continue")
		w.see("#number")
		ch, d := ph.asked()
		if d.App != "OHIF Viewer" {
			t.Errorf("the phone is asked for %q", d.App)
		}
		if state := ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")}); state != "approved" {
			t.Fatalf("the phone's answer is %s", state)
		}
		w.holds(studyListed)
		if at := w.at(); at != r.base+"/" {
			t.Errorf("back at %s", at)
		}
		if list := r.of("/dicom-web/studies?"); len(list) == 0 || list[len(list)-1].bearer != w.tokens().Access {
			t.Errorf("the list was read with %v, the viewer has %s", list, w.tokens().Access)
		}
		w.quiet()
	})

	t.Run("nobody reads without a token", func(t *testing.T) {
		id, _ := r.addClient(t, "Another", "--public", "--redirect-uri", "https://another.test/callback")
		gina := r.invite(t, "gina")
		rp := &party{
			t: t, issuer: r.issuer, id: id, redirect: "https://another.test/callback", scope: "openid",
			verifier: strings.Repeat("verifier-", 6), web: r.client, state: "s", nonce: "n",
		}
		other := must[*tokens](t)(rp.exchange(rp.answer(gina.signIn(rp.authorize())))).Access
		before := len(r.of(""))
		for _, bearer := range []string{"", "Bearer made-up", "Basic YTpi", "Bearer " + other} {
			if status := r.reads(t, bearer); status != http.StatusUnauthorized {
				t.Errorf("with %q: %d", bearer, status)
			}
		}
		if n := len(r.of("")); n != before {
			t.Errorf("%d requests reached the archive", n-before)
		}
	})

	t.Run("a link to a study leads there by a sign-in", func(t *testing.T) {
		ben := r.invite(t, "ben")
		w := r.viewer(t)
		before := len(r.of("/frames/"))
		w.isAsked(r, r.study())
		w.gives(ben)
		w.holds(imageShown)
		if at := w.at(); at != r.study() {
			t.Errorf("at %s", at)
		}
		access := w.tokens().Access
		read := map[string]bool{}
		for _, a := range r.of("/frames/")[before:] {
			read[a.path] = true
			if a.bearer != access {
				t.Errorf("%s was read with %q, the viewer has %s", a.path, a.bearer, access)
			}
		}
		if len(read) != studySize {
			t.Errorf("the images that were read are %v", read)
		}
		w.quiet()
	})

	t.Run("a duplicated tab has tokens of its own", func(t *testing.T) {
		emma := r.invite(t, "emma")
		one := r.viewer(t)
		one.isAsked(r, r.study())
		one.gives(emma)
		one.reads(true)
		had := one.tokens()
		two := one.duplicate()
		two.reads(false)
		if has := two.tokens(); has.Refresh == had.Refresh || has.Access == had.Access {
			t.Error("the duplicate goes on with the tokens of the first")
		}
		for _, w := range []*window{one, two} {
			if tk := refreshes(t, w.tokens().Refresh); tk.Status != http.StatusOK {
				t.Errorf("the refresh token of a tab: %+v", tk)
			}
		}
	})

	t.Run("Logout inside a study signs out", func(t *testing.T) {
		carl := r.invite(t, "carl")
		w := r.viewer(t)
		w.isAsked(r, r.study())
		w.gives(carl)
		w.reads(true)
		had := w.tokens()
		w.logsOut()
		w.signedOut(r)
		if tk := refreshes(t, had.Refresh); tk.Error != "invalid_grant" {
			t.Errorf("a refresh after it: %+v", tk)
		}
		for end := time.Now().Add(patience); r.reads(t, "Bearer "+had.Access) != http.StatusUnauthorized; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatal("the archive still takes the token")
			}
		}
		w.isAsked(r, r.study())
		w.open(r.issuer + "/account")
		w.see("#password-form")
		w.quiet()
	})

	t.Run("Logout in one of two windows ends both", func(t *testing.T) {
		dora := r.invite(t, "dora")
		one := r.viewer(t)
		one.isAsked(r, r.study())
		one.gives(dora)
		one.reads(true)
		two := one.beside()
		two.open(r.base + "/") // without a page of ours
		two.holds(studyListed)
		had := two.tokens()
		if had.Access == one.tokens().Access || had.Refresh == one.tokens().Refresh {
			t.Error("two windows have the same tokens")
		}
		one.logsOut()
		one.signedOut(r)
		if tk := refreshes(t, had.Refresh); tk.Error != "invalid_grant" {
			t.Errorf("the other window can renew: %+v", tk)
		}
		// OHIF tells its windows. This one names the list, which is registered, as the way back,
		// and the list asks for a sign-in.
		two.holds(r.asking())
	})

	// The life of a token: OHIF renews one when a minute of it is left.
	const life = 65 * time.Second
	r.idp(t, "client", "edit", "ohif", "--access-ttl", life.String())

	t.Run("a new start is not noticed, the end of a session and a block are", func(t *testing.T) {
		hugo, ina := r.invite(t, "hugo"), r.invite(t, "ina")
		reader := func(p *person) *window {
			w := r.viewer(t)
			w.isAsked(r, r.study())
			w.gives(p)
			w.reads(true)
			return w
		}
		byHugo, byIna := reader(hugo), reader(ina)
		had := []string{byHugo.tokens().Access, byIna.tokens().Access}
		restart()
		time.Sleep(life + time.Second)
		byHugo.readsOn(r, had[0])
		byIna.readsOn(r, had[1])

		r.idp(t, "session", "end", hugo.name, "--all")
		r.idp(t, "user", "disable", ina.name)
		for who, w := range map[string]*window{"whose session was ended": byHugo, "who was blocked": byIna} {
			has := w.tokens()
			for end := time.Now().Add(patience); r.reads(t, "Bearer "+has.Access) != http.StatusUnauthorized; time.Sleep(time.Second) {
				if time.Now().After(end) {
					t.Fatalf("the archive goes on for the person %s", who)
				}
			}
			if tk := refreshes(t, has.Refresh); tk.Error != "invalid_grant" {
				t.Errorf("the person %s renews: %+v", who, tk)
			}
			w.isAsked(r, r.study())
		}
		byIna.fill("#username", ina.name)
		byIna.fill("#password", ina.password)
		byIna.click("#continue")
		byIna.see("#problem")
	})

	t.Run("tokens are renewed", func(t *testing.T) {
		finn := r.invite(t, "finn")
		byRefresh := r.viewer(t)
		byRefresh.isAsked(r, r.study())
		byRefresh.gives(finn)
		byRefresh.reads(true)
		r.renewsBySession(t)
		bySession := byRefresh.beside()
		bySession.open(r.study())
		bySession.reads(false)
		windows := []*window{byRefresh, bySession}
		had := []string{byRefresh.tokens().Access, bySession.tokens().Access}
		if byRefresh.tokens().Refresh == "" || bySession.tokens().Refresh != "" {
			t.Error("a refresh token is where none should be, or none where one should")
		}
		time.Sleep(life + time.Second)
		for i, w := range windows {
			if status, _, err := (&party{t: t, issuer: r.issuer, web: r.client}).userinfo(had[i]); err != nil || status != http.StatusUnauthorized {
				t.Errorf("the first token is still good: %d %v", status, err)
			}
			w.readsOn(r, had[i])
		}
	})
}
