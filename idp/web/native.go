package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/templates"
)

// Native phone apps are opened by a link of ours that the phone hands to them: Android by
// Digital Asset Links, Apple by its site association. Where none is installed the same
// link opens the app that is served here.
//
// The number of a sign-in is taken over by way of the browser, because only that has the
// cookie which binds the sign-in: the app opens loginHere there, with a random state of
// its own, and the answer comes back by the same link. What comes without that state is
// of somebody else, who would have the app approve a sign-in of theirs.

// NativeApps are the native apps of the site, besides the one that is served here.
type NativeApps struct {
	Android []AndroidApp
	Apple   []string // app ids: team, dot, bundle id
}

// AndroidApp is an app of Android, and who has signed it.
type AndroidApp struct {
	Package      string
	Fingerprints []string // SHA-256 of signing certificates, in hexadecimal with colons
}

// any reports whether there is one.
func (n NativeApps) any() bool { return len(n.Android)+len(n.Apple) > 0 }

// openPath begins the path of the link that native apps are opened by; the id of a
// sign-in follows.
const openPath = "/app/open/"

// link is where the page of a sign-in opens an app on the phone that it is shown on.
func (n NativeApps) link(id idp.LoginID) string {
	if n.any() {
		return openPath + string(id)
	}
	return besidePath + string(id)
}

// besidePath begins the address that opens our own app beside the page of a sign-in; the
// id of the sign-in follows.
const besidePath = "/app/#here="

// appOpen answers where no native app has taken the link: it leads to our own app. What
// stands behind the # of the link is lost by that, and is for native apps only.
func (a *app) appOpen(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !page.IsID(id) || !a.native.any() {
		return idp.ErrNotFound
	}
	return page.SeeOther(w, r, besidePath+id)
}

// assetLinks tells Android which apps may open our links (Digital Asset Links).
func (a *app) assetLinks(w http.ResponseWriter, _ *http.Request) error {
	type target struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	}
	type statement struct {
		Relation []string `json:"relation"`
		Target   target   `json:"target"`
	}
	if len(a.native.Android) == 0 {
		return idp.ErrNotFound
	}
	var list []statement
	for _, one := range a.native.Android {
		list = append(list, statement{[]string{"delegate_permission/common.handle_all_urls"}, target{"android_app", one.Package, one.Fingerprints}})
	}
	return sendJSON(w, list)
}

// siteAssociation tells Apple's systems the same (apple-app-site-association): applinks
// for the link, and webcredentials, without which an app may not wait for an https
// address in the system's browser (ASWebAuthenticationSession).
func (a *app) siteAssociation(w http.ResponseWriter, _ *http.Request) error {
	type component struct {
		Path string `json:"/"`
	}
	type detail struct {
		AppIDs     []string    `json:"appIDs"`
		Components []component `json:"components"`
	}
	type links struct {
		Details []detail `json:"details"`
	}
	type credentials struct {
		Apps []string `json:"apps"`
	}
	if len(a.native.Apple) == 0 {
		return idp.ErrNotFound
	}
	return sendJSON(w, struct {
		Links       links       `json:"applinks"`
		Credentials credentials `json:"webcredentials"`
	}{links{[]detail{{a.native.Apple, []component{{a.door.Path() + openPath + "*"}}}}}, credentials{a.native.Apple}})
}

func sendJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return sendApp(w, "application/json", b)
}

// stateForm is what the state of a native app looks like: at least 96 random bits in
// base64url.
var stateForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// toNative leads a browser to the native app that has opened the path of loginHere in it,
// with the challenge and its number where it is the browser of the sign-in, and says else
// that it is not. The app gets back its state, by which it knows that it has asked itself.
func (s *signIns) toNative(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	state, id := q.Get("state"), string(page.PathID[idp.LoginID](r, "id"))
	switch {
	case !s.native.any() || !page.IsID(id):
		return idp.ErrNotFound
	case len(q) != 1 || len(q["state"]) != 1 || !stateForm.MatchString(state):
		return page.ErrForm
	case !opened(r):
		return idp.ErrDenied
	}
	answer := url.Values{"state": {state}}
	back := func() string { return openPath + id + "#" + answer.Encode() }
	step, _, err := s.stepOf(r)
	if errors.Is(err, idp.ErrNotFound) {
		// Another browser's and a made-up one look alike.
		s.door.Notice(w, r, http.StatusNotFound, templates.Notice{
			Kind: "bad", Title: templates.Say("native.other"), Text: templates.Say("native.other.text"), Link: back(), LinkText: templates.Say("native.back"),
		})
		return nil
	}
	if err != nil {
		return err
	}
	if p := step.Phones; p != nil && p.State == login.PhoneAsked {
		answer.Set("cid", string(p.Challenge))
		if p.Number != "" {
			answer.Set("number", p.Number)
		}
	}
	return page.SeeOther(w, r, back())
}

// opened reports whether a request opens a page in a tab of its own, as somebody follows a
// link (Fetch Metadata, as far as the browser sends it): not in a frame of another page,
// by a script, or before anybody wants it. From which site does not count: browsers tell
// links of other programs in different ways.
func opened(r *http.Request) bool {
	is := func(name, want string) bool {
		got := r.Header.Get(name)
		return got == "" || got == want
	}
	return is("Sec-Fetch-Mode", "navigate") && is("Sec-Fetch-Dest", "document") &&
		!strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch")
}
