package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"hilum/idp/totp"
	"hilum/static"
)

// longestLink is as long as a link of ours gets: 190 characters, 49 modules.
func longestLink(t testing.TB) string {
	t.Helper()
	uri := totp.URI("Universitätsklinikum am Nordring", "maximiliane.von-und-zu-hohenfels@klinikum-nordring.example", bytes.Repeat([]byte{0xA5, 0x1C, 0x7B, 0xE0}, 5),
		totp.Extra{Name: "idp", Value: "anmeldung.klinikum.example:8443"}, totp.Extra{Name: "pair", Value: "q7Jx0ZtK5mVw2RbN8sLdPA"})
	if n := len(modules(t, uri)); len(uri) != totp.MaxURI || n != 49 {
		t.Fatalf("%d characters, %d modules: %s", len(uri), n, uri)
	}
	return uri
}

// scanner is a page that has the scanning part of the phone app and nothing
// else, under the content policy of a page that scans.
type scanner struct {
	*window
	site *httptest.Server

	mu       sync.Mutex
	pictures map[string][]byte // by path
	asked    []string          // paths
	abroad   []string          // what was wanted from elsewhere
}

// unkept has answers asked for again each time.
type unkept struct{ http.ResponseWriter }

func (u unkept) Write(p []byte) (int, error) {
	u.Header().Set("Cache-Control", "no-store")
	return u.ResponseWriter.Write(p)
}

const scanPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

func openScanner(t testing.TB, flags ...chromedp.ExecAllocatorOption) *scanner {
	t.Helper()
	s := &scanner{pictures: map[string][]byte{}}
	files := static.Handler()
	s.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		raw, ok := s.pictures[r.URL.Path]
		s.mu.Unlock()
		if ok {
			w.Write(raw)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/static/") {
			// Not kept, so that what a page needs is always seen here.
			files.ServeHTTP(unkept{w}, r)
			return
		}
		w.Header().Set("Content-Security-Policy", scanPolicy)
		w.Header().Set("Permissions-Policy", "camera=(self)")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>Scan</title><link rel="icon" href="/icon"><video></video>`)
	}))
	t.Cleanup(s.site.Close)
	// Whatever is not for loopback, of pages and of workers, ends here.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := r.URL.Hostname(); !strings.HasSuffix(host, ".google.com") && !strings.HasSuffix(host, ".googleapis.com") { // errands of Chromium itself
			s.mu.Lock()
			s.abroad = append(s.abroad, r.Method+" "+r.Host+r.URL.Path)
			s.mu.Unlock()
		}
		http.Error(w, "nothing is elsewhere", http.StatusForbidden)
	}))
	t.Cleanup(elsewhere.Close)
	s.window = openWindow(t, true, append([]chromedp.ExecAllocatorOption{chromedp.Flag("proxy-server", elsewhere.URL)}, flags...)...)
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.abroad) > 0 {
			t.Errorf("wanted from elsewhere: %q", s.abroad)
		}
	})
	s.fresh()
	return s
}

// put gives the page a picture to ask for.
func (s *scanner) put(path string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pictures[path] = raw
}

// fresh loads the page again, without what the browser itself may know of QR
// codes; js puts something in its place.
func (s *scanner) fresh(js ...string) {
	s.t.Helper()
	s.open(s.site.URL + "/")
	s.mu.Lock()
	s.asked = nil
	s.mu.Unlock()
	s.run("delete window.BarcodeDetector")
	for _, text := range js {
		s.run(text)
	}
}

func (s *scanner) run(js string) { s.t.Helper(); eval[chromedp.Void](s, js) }

// eval runs script that may wait; scan and decode are the modules.
func eval[T any](s *scanner, js string) T {
	s.t.Helper()
	return ask(s.window, chromedp.Evaluate[T](fmt.Sprintf(`(async () => {
		const scan = () => import(%q), decode = () => import(%q), pixels = () => import(%q)
		%s
	})()`, static.Path("app/scan.js"), static.Path("app/decode.js"), static.Path("app/pixels.js"), js), chromedp.EvalAwaitPromise))
}

// camera opens the camera; what it tells is kept in window.told.
const camera = `
	window.told = { texts: [], faults: [] }
	window.off = new AbortController()
	const { openCamera } = await scan()
	window.eye = await openCamera(document.querySelector('video'), {
		onText: (text) => told.texts.push(text), onFault: (kind) => told.faults.push(kind), signal: off.signal,
	})`

type told struct{ Texts, Faults []string }

// told returns what was told once there is something, at most for ms.
func (s *scanner) told(ms int) told {
	s.t.Helper()
	return eval[told](s, fmt.Sprintf(`
		for (const until = Date.now() + %d; Date.now() < until && !told.texts.length && !told.faults.length;) await new Promise((r) => setTimeout(r, 20))
		return { Texts: told.texts, Faults: told.faults }`, ms))
}

// loaded reports whether anything of zxing-wasm was.
func (s *scanner) loaded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.asked, func(p string) bool { return strings.Contains(p, "zxing") || strings.Contains(p, "worker") })
}

func TestScanCamera(t *testing.T) {
	t.Parallel()
	uri := longestLink(t)
	s := openScanner(t, fakeCamera(cameraFile(t, pngOf(t, qrPicture(t, uri, 5))))...)
	for name, own := range map[string]string{
		"a browser without a reader": "",
		"one that reads nothing":     `window.BarcodeDetector = class { static async getSupportedFormats() { return [] } }`,
		"one without its service": `window.BarcodeDetector = class {
			static async getSupportedFormats() { return ['qr_code'] }
			async detect() { throw new DOMException('unavailable', 'NotSupportedError') } }`,
	} {
		s.fresh(own)
		s.run(camera)
		if got := s.told(20000); len(got.Faults) > 0 || len(got.Texts) == 0 || got.Texts[0] != uri {
			t.Errorf("%s: told %q", name, got)
		}
		if !s.loaded() {
			t.Errorf("%s: zxing-wasm was not asked", name)
		}
		if eval[bool](s, `return eye.hasTorch || await eye.torch(true)`) {
			t.Errorf("%s: the fake camera has a torch", name)
		}
		// The code stays where it is: told again, but no more often than every 2 s.
		if n := eval[int](s, `told.texts.length = 0; await new Promise((r) => setTimeout(r, 3500)); return told.texts.length`); n < 1 || n > 2 {
			t.Errorf("%s: within 3.5 s the code in view was told %d times", name, n)
		}
		if state := eval[string](s, `
			const [track] = document.querySelector('video').srcObject.getTracks()
			off.abort()
			return track.readyState + ' ' + document.querySelector('video').srcObject`); state != "ended null" {
			t.Errorf("%s: after abort: %s", name, state)
		}
		if n := eval[int](s, `told.texts.length = 0; await new Promise((r) => setTimeout(r, 500)); return told.texts.length`); n != 0 {
			t.Errorf("%s: told %d texts after abort", name, n)
		}
	}
	s.quiet()
}

// A page that nobody looks at does not look either.
func TestScanPausesWhenHidden(t *testing.T) {
	t.Parallel()
	s := openScanner(t, fakeCamera(cameraFile(t, pngOf(t, qrPicture(t, "otpauth://totp/x", 8))))...)
	s.run(camera)
	if got := s.told(20000); len(got.Texts) == 0 {
		t.Fatalf("told %q", got)
	}
	s.run(`
		Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })
		document.dispatchEvent(new Event('visibilitychange'))
		await new Promise((r) => setTimeout(r, 500))
		told.texts.length = 0`)
	if got := s.told(2500); len(got.Texts) > 0 {
		t.Errorf("hidden: told %q", got)
	}
	s.run(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`)
	if got := s.told(5000); len(got.Texts) == 0 {
		t.Error("seen again: nothing was told")
	}
	// A camera that was taken away comes back.
	s.run(`await new Promise((r) => setTimeout(r, 1000)); told.texts.length = 0
		const [track] = document.querySelector('video').srcObject.getTracks(); track.stop(); track.dispatchEvent(new Event('ended'))`)
	if got := s.told(10000); len(got.Texts) == 0 || len(got.Faults) > 0 {
		t.Errorf("after the camera was taken away: told %q", got)
	}
	// Stopping is for good.
	s.run(`eye.stop(); eye.stop()`)
	s.quiet()
}

func TestScanFaults(t *testing.T) {
	t.Parallel()
	fake := chromedp.Flag("use-fake-device-for-media-stream", true)
	one := func(t *testing.T, s *scanner, want string) {
		t.Helper()
		s.run(camera)
		if got := s.told(5000); len(got.Texts) > 0 || !slices.Equal(got.Faults, []string{want}) {
			t.Errorf("told %q, want %s", got, want)
		}
		s.run(`eye.stop(); if (await eye.torch(true) || eye.hasTorch) throw new Error('a torch')`)
		s.quiet()
	}
	t.Run("denied", func(t *testing.T) {
		s := openScanner(t, fake)
		if _, err := chromedp.CallBrowser(s.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: "camera"}, Setting: browser.PermissionSettingDenied, Origin: s.site.URL,
		}); err != nil {
			t.Fatal(err)
		}
		one(t, s, "denied")
	})
	t.Run("none", func(t *testing.T) {
		one(t, openScanner(t, chromedp.Flag("use-fake-device-for-media-stream", "device-count=0"), chromedp.Flag("use-fake-ui-for-media-stream", true)), "none")
	})
	t.Run("insecure", func(t *testing.T) {
		s := openScanner(t, fake, chromedp.Flag("host-resolver-rules", "MAP ward.test 127.0.0.1"), chromedp.Flag("proxy-bypass-list", "ward.test"))
		port := must[*url.URL](t)(url.Parse(s.site.URL)).Port()
		s.open("http://ward.test:" + port + "/")
		one(t, s, "insecure")
	})
	t.Run("by name", func(t *testing.T) {
		s := openScanner(t, fake)
		for name, want := range map[string]string{
			"NotAllowedError": "denied", "NotReadableError": "busy", "AbortError": "busy", "OverconstrainedError": "none", "TypeError": "failed", "UnknownError": "failed",
		} {
			s.fresh(fmt.Sprintf(`navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', %q) }`, name))
			one(t, s, want)
		}
	})
	t.Run("aborted while asked", func(t *testing.T) {
		s := openScanner(t, append(fakeCamera(cameraFile(t, pngOf(t, qrPicture(t, "x", 8)))), fake)...)
		state := eval[string](s, `
			const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices), off = new AbortController()
			let track
			navigator.mediaDevices.getUserMedia = async (what) => {
				const stream = await ask(what)
				track = stream.getTracks()[0]
				off.abort()
				return stream
			}
			let told = 0
			const { openCamera } = await scan()
			await openCamera(document.querySelector('video'), { onText: () => told++, onFault: () => told++, signal: off.signal })
			await openCamera(document.querySelector('video'), { onText: () => told++, onFault: () => told++, signal: off.signal })
			return track.readyState + ' ' + told`)
		if state != "ended 0" {
			t.Errorf("%s", state)
		}
		s.quiet()
	})
	t.Run("a reader that does not load", func(t *testing.T) {
		s := openScanner(t, fakeCamera(cameraFile(t, pngOf(t, qrPicture(t, "x", 8))))...)
		s.fresh(`window.Worker = class { constructor() { throw new DOMException('no', 'SecurityError') } }`)
		one(t, s, "failed")
	})
}

// Of the photographs of our largest code nearly all are read, by the one look
// that a frame of the camera gets and by the several that a picture gets.
func TestScanRates(t *testing.T) {
	t.Parallel()
	const each = 27
	uri := longestLink(t)
	all := frames(t, uri, 3, each)
	s := openScanner(t)
	for i, f := range all {
		s.put(fmt.Sprintf("/frame/%d", i), f.png)
	}
	for name, read := range map[string]string{
		// In the middle of all that a camera sees, as its three looks in turn see it.
		"the camera": `
			const picture = await createImageBitmap(blob), room = new OffscreenCanvas(1280, 720), ink = room.getContext('2d')
			ink.fillStyle = i % 2 ? '#888' : '#222'
			ink.fillRect(0, 0, 1280, 720)
			ink.drawImage(picture, 640 - picture.width / 2, 360 - picture.height / 2)
			const texts = []
			for (const n of [0, 1, 2]) texts.push((await byZxing(look(room, 1280, 720, n)))[0] ?? '')
			return texts`,
		"a picture": `return [await readPicture(blob) ?? '']`,
	} {
		s.fresh()
		var right, wrong int
		var slow float64
		kinds, looks := map[string]int{}, make([]int, 3)
		for from := 0; from < len(all); from += each {
			got := eval[[]struct {
				Texts []string
				Took  float64
			}](s, fmt.Sprintf(`
				const { readPicture } = await scan(), { byZxing } = await decode(), { look } = await pixels(), all = []
				const read = async (blob, i) => { %s }
				for (let i = %d; i < %d; i++) {
					const blob = await (await fetch('/frame/' + i)).blob(), begun = performance.now(), Texts = await read(blob, i)
					all.push({ Texts, Took: (performance.now() - begun) / Texts.length })
				}
				return all`, read, from, from+each))
			for i, g := range got {
				slow = max(slow, g.Took)
				for n, text := range g.Texts {
					switch text {
					case uri:
						looks[n]++
					case "":
					default:
						wrong++
					}
				}
				if slices.Contains(g.Texts, uri) {
					right++
					kinds[all[from+i].kind]++
				}
			}
		}
		rate := float64(right) / float64(len(all))
		for from := 0; from < len(all); from += each {
			t.Logf("%s, %s: %d of %d", name, all[from].kind, kinds[all[from].kind], each)
		}
		t.Logf("%s: %d of %d (%.1f %%), by look %d, slowest look %.0f ms", name, right, len(all), rate*100, looks, slow)
		if wrong > 0 || rate < 0.95 {
			t.Errorf("%s: %.1f %% were read, %d of them wrongly", name, rate*100, wrong)
		}
		if !s.loaded() {
			t.Errorf("%s: zxing-wasm was not asked", name)
		}
	}
	s.quiet()
}

// photograph is a large picture of a wall, with a code on it where there is one.
func photograph(t testing.TB, code *image.Gray, at image.Point) []byte {
	t.Helper()
	const width, height = 3000, 4000
	r := rand.New(rand.NewPCG(7, 7))
	m := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Pix[y*m.Stride+x] = uint8(60 + 120*y/height + 30*(x/350%2) + r.IntN(24))
		}
	}
	// Things that are not codes.
	for range 60 {
		p := image.Pt(r.IntN(width), r.IntN(height))
		draw.Draw(m, image.Rectangle{Min: p, Max: p.Add(image.Pt(20+r.IntN(400), 20+r.IntN(300)))}, image.NewUniform(color.Gray{Y: uint8(r.IntN(256))}), image.Point{}, draw.Src)
	}
	if code != nil {
		draw.Draw(m, code.Bounds().Add(at), code, image.Point{}, draw.Src)
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func white(width, height int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	return m
}

func TestScanPictures(t *testing.T) {
	t.Parallel()
	uri := longestLink(t)
	s := openScanner(t)
	sideways := qrPicture(t, uri, 4)
	for i := range sideways.Bounds().Dx() {
		for j := range i {
			a, b := sideways.PixOffset(i, j), sideways.PixOffset(j, i)
			sideways.Pix[a], sideways.Pix[b] = sideways.Pix[b], sideways.Pix[a] // mirrored, too
		}
	}
	two := white(900, 400)
	draw.Draw(two, image.Rect(20, 20, 400, 400), qrPicture(t, "https://klinik.example/menu", 8), image.Point{}, draw.Src)
	draw.Draw(two, image.Rect(500, 20, 900, 400), qrPicture(t, uri, 5), image.Point{}, draw.Src)
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"small code in a large photo": {photograph(t, qrPicture(t, uri, 4), image.Pt(1900, 2900)), uri},
		"tiny code in a large photo":  {photograph(t, qrPicture(t, uri, 3), image.Pt(301, 777)), uri},
		"large code in a large photo": {photograph(t, qrPicture(t, uri, 45), image.Pt(200, 600)), uri},
		"nothing in a large photo":    {photograph(t, nil, image.Point{}), ""},
		"nothing but white":           {pngOf(t, white(300, 200)), ""},
		"one pixel a module":          {pngOf(t, qrPicture(t, uri, 1)), uri},
		"screenshot":                  {pngOf(t, qrPicture(t, uri, 6)), uri},
		"on its side and mirrored":    {pngOf(t, sideways), uri},
		"beside somebody else's":      {pngOf(t, two), uri},
		"not a picture":               {[]byte("otpauth://totp/x"), ""},
		"empty file":                  {nil, ""},
		"somebody else's":             {pngOf(t, qrPicture(t, "https://klinik.example/menu", 8)), "https://klinik.example/menu"},
		"letters that ASCII has not":  {pngOf(t, qrPicture(t, "otpauth://totp/Zürich:jörg", 6)), "otpauth://totp/Zürich:jörg"},
	} {
		s.put("/picture", c.raw)
		got := eval[struct {
			Text *string
			Took float64
		}](s, `
			const { readPicture } = await scan(), blob = await (await fetch('/picture', { cache: 'no-store' })).blob(), begun = performance.now()
			return { Text: await readPicture(blob), Took: performance.now() - begun }`)
		t.Logf("%s: %d bytes, %.0f ms", name, len(c.raw), got.Took)
		if (got.Text == nil) != (c.want == "") || got.Text != nil && *got.Text != c.want {
			t.Errorf("%s: %v, want %q", name, got.Text, c.want)
		}
	}
	s.quiet()
}

// A browser that reads QR codes by itself loads nothing for it.
func TestScanByBrowser(t *testing.T) {
	t.Parallel()
	s := openScanner(t, fakeCamera(cameraFile(t, pngOf(t, qrPicture(t, "otpauth://totp/film", 8))))...)
	s.fresh(`window.BarcodeDetector = class {
		static async getSupportedFormats() { return ['ean_13', 'qr_code'] }
		async detect() { return [{ rawValue: '' }, { rawValue: 'https://klinik.example/' }, { rawValue: 'otpauth://totp/own' }] } }`)
	s.run(camera)
	if got := s.told(20000); !slices.Equal(got.Texts, []string{"https://klinik.example/", "otpauth://totp/own"}) || len(got.Faults) > 0 {
		t.Errorf("told %q", got)
	}
	s.put("/picture", pngOf(t, white(90, 60)))
	if got := eval[string](s, `eye.stop(); return (await scan()).readPicture(await (await fetch('/picture')).blob())`); got != "otpauth://totp/own" {
		t.Errorf("the picture says %q", got)
	}
	if s.loaded() {
		t.Errorf("zxing-wasm was loaded: %q", s.asked)
	}
	s.quiet()
}

// The decoder's WebAssembly is ours, and what would be fetched from elsewhere is seen.
func TestScanNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := openScanner(t)
	s.put("/picture", pngOf(t, qrPicture(t, "here", 6)))
	if got := eval[string](s, `return (await scan()).readPicture(await (await fetch('/picture')).blob())`); got != "here" {
		t.Errorf("read %q", got)
	}
	s.quiet()
	s.mu.Lock()
	if !slices.Contains(s.asked, static.Path("app/zxing/reader/zxing_reader.wasm")) || len(s.abroad) > 0 {
		t.Errorf("asked here for %q, elsewhere for %q", s.asked, s.abroad)
	}
	s.mu.Unlock()
	s.open("http://elsewhere.test/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.abroad) == 0 {
		t.Error("a page from elsewhere was not noticed")
	}
	s.abroad = nil
}

// The code as people see it: a page of the product, of which somebody took a screenshot.
func TestScanPage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	link := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", "maximiliane.von-und-zu-hohenfels@klinik.example"))
	page := openWindow(t, true)
	s := openScanner(t)
	page.open(link)
	page.click("#continue")
	page.chooses("slow-amber-river-42")
	page.see("#offer svg.qr")
	uri := ask(page, chromedp.Evaluate[string](`document.querySelector('#open-app').getAttribute('href')`))
	for _, theme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(page.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		}); err != nil {
			t.Fatal(err)
		}
		s.put("/picture", ask(page, chromedp.FullScreenshot(100)))
		if got := eval[string](s, `return await (await scan()).readPicture(await (await fetch('/picture', { cache: 'no-store' })).blob()) ?? ''`); got != uri {
			t.Errorf("%s: %q, want %s", theme, got, uri)
		}
	}
	s.quiet()
}
