package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"hilum/idp/web/page"
	"hilum/static"
	"hilum/templates"
)

// The phone app is pages and files like any other; to the rest of the provider
// it is a phone, and speaks to the phones' door only. Its pages say nothing of
// anybody, so its service worker may keep them. They lie below /app/, which is the
// scope of that worker: no page of a sign-in or of an account passes through it.

// app is the pages of the phone app.
type app struct {
	door   *page.Door
	native NativeApps
}

// appPolicy is the Content-Security-Policy of the app. The app speaks to every site
// that it is linked to, so any https address may be connected to; what it says there
// is signed for that site alone, and no cookie goes along.
func (a *app) appPolicy() string {
	connect := "'self' https:"
	if !a.door.Secure() {
		connect += " http://127.0.0.1:* http://localhost:*" // other providers on the same machine, to try
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + connect +
		"; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func (a *app) app(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Security-Policy", a.appPolicy())
	site := a.door.Site()
	return a.door.Render(w, http.StatusOK, templates.App{Site: site.Name, Look: a.door.Look(site), Modules: static.AppModules()})
}

// appScan answers with the page that reads QR codes. It is a page of its own because it
// needs the camera, which is not allowed on the page where the phone's key is used. The
// reader is WebAssembly, which runs in a worker with a content policy of its own.
func (a *app) appScan(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", a.appPolicy())
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), payment=(), usb=()")
	site := a.door.Site()
	return a.door.Render(w, http.StatusOK, templates.AppScan{Site: site.Name, Look: a.door.Look(site)})
}

// appHere leads from /app to /app/: the scope of the service worker ends with a slash.
func (a *app) appHere(w http.ResponseWriter, r *http.Request) error {
	return page.SeeOther(w, r, "/app/")
}

// appWorker sends the service worker. It differs whenever the app or the site's look
// does, which is how browsers find a new version, so no cache answers in its place.
func (a *app) appWorker(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Security-Policy", a.appPolicy())
	site := a.door.Site()
	look, paths := appLook(site.Name, a.door.Look(site))
	return sendApp(w, "text/javascript; charset=utf-8", static.Worker(look, paths)) // which puts the path of the issuer before its addresses
}

// appLook returns what the app's pages show of the site: a digest of it, in 12
// hexadecimal digits, and the paths of its style sheet and logos, as far as it has any.
func appLook(name string, l templates.Look) (digest string, paths []string) {
	for _, p := range []string{l.Sheet, l.Logo, l.LogoDark} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	sum := sha256.Sum256([]byte(name + "\x00" + strings.Join(paths, "\x00")))
	return hex.EncodeToString(sum[:6]), paths
}

// appIcon is an icon of the manifest.
type appIcon struct {
	Source  string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose,omitempty"`
}

// appManifest says how the app is installed (W3C Web Application Manifest): under the
// site's name.
func (a *app) appManifest(w http.ResponseWriter, _ *http.Request) error {
	name, path := a.door.Site().Name, a.door.Path()
	b, err := json.Marshal(struct {
		ID         string    `json:"id"`
		Name       string    `json:"name"`
		Short      string    `json:"short_name"`
		Start      string    `json:"start_url"`
		Scope      string    `json:"scope"`
		Display    string    `json:"display"`
		Background string    `json:"background_color"`
		Theme      string    `json:"theme_color"`
		Icons      []appIcon `json:"icons"`
	}{
		ID: path + "/app/", Name: name, Short: name, Start: path + "/app/", Scope: path + "/app/", Display: "standalone", Background: "#0e1115", Theme: "#0e1115",
		Icons: []appIcon{
			{path + static.Path("app/icon-192.png"), "192x192", "image/png", ""},
			{path + static.Path("app/icon-512.png"), "512x512", "image/png", ""},
			{path + static.Path("app/icon-maskable.png"), "512x512", "image/png", "maskable"},
		},
	})
	if err != nil {
		return err
	}
	return sendApp(w, "application/manifest+json", b)
}

// sendApp sends a file of the app that caches have to ask for anew each time (RFC 9111,
// section 5.2.2.4); kind is its Content-Type.
func sendApp(w http.ResponseWriter, kind string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-cache")
	w.Write(body) // an error means that the phone has left
	return nil
}
