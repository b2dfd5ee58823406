package walk

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest"
)

// Boundary stands between the parts of a form that Multipart writes.
const Boundary = "between-the-parts"

// files are the fields of a form that a browser sends as files.
var files = []string{"file", "logo", "logo_dark", "icon"}

// Multipart is the body of a form that can carry a file; fields are names and values by
// turns.
func Multipart(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		more := ""
		if slices.Contains(files, fields[i]) {
			more = fmt.Sprintf("; filename=%q\r\nContent-Type: application/octet-stream", fields[i])
		}
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q%s\r\n\r\n%s\r\n", Boundary, fields[i], more, fields[i+1])
	}
	return b.String() + "--" + Boundary + "--\r\n"
}

// Upload sends a form that can carry a file, as Multipart writes it.
func (w *Walk) Upload(path string, fields ...string) webtest.Reply {
	w.Helper()
	return w.UploadRaw(path, Multipart(fields...))
}

// UploadRaw is Upload for a form that is written already.
func (w *Walk) UploadRaw(path, body string) webtest.Reply {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+Boundary)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.Do(req)
}

// Led returns where a post has led, when the job that it began is through.
func (w *Walk) Led(r webtest.Reply) string {
	w.Helper()
	if r.Request.Method != http.MethodGet {
		w.Fatalf("%s: %d, want a way on:\n%s", r.Request.URL.Path, r.StatusCode, r.Body)
	}
	w.Jobs.Wait(time.Minute)
	return r.Request.URL.RequestURI()
}

// Restart forgets the jobs, as a provider does that starts again on its database and key.
func (w *Walk) Restart() {
	w.Jobs.Wait(time.Minute)
	*w.Jobs = desk.Jobs{}
}

// SignIn gives the password and the code of an account on the pages of a sign-in, the
// first of which is given, and returns the page behind them. Codes of now go by.
func (w *Walk) SignIn(a *Account, page string) string {
	w.Helper()
	page = w.Submit(page, "/password", "username", a.Name, "password", Password)
	w.Later()
	return w.Submit(page, "/code", "code", w.Code(a))
}

// App registers an application, changed as said.
func (w *Walk) App(id idp.ClientID, change func(*idp.Client)) *idp.Client {
	w.Helper()
	app := &idp.Client{
		ID: id, Name: "Radiology Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode, idp.GrantRefresh},
		RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid", "profile", "groups", "offline_access"},
	}
	if change != nil {
		change(app)
	}
	if _, err := w.Desk.AddClient(w.Context(), Console, app); err != nil {
		w.Fatal(err)
	}
	return app
}

// Stays is a browser with the cookies of this one, which follows no redirect.
func (w *Walk) Stays() *webtest.Browser {
	b := &webtest.Browser{TB: w.TB, URL: w.URL, HTTP: &http.Client{Jar: w.HTTP.Jar}}
	b.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// Opens signs in to an application from the session of this browser, and stays before
// the address that the answer would be brought to.
func (w *Walk) Opens(app *idp.Client) {
	w.Helper()
	q := url.Values{
		"client_id": {string(app.ID)}, "redirect_uri": {app.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid"}, "state": {"a-state-that-nobody-guesses"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, // RFC 7636, appendix B
	}
	if to := w.Stays().Get("/authorize?" + q.Encode()).Header.Get("Location"); !strings.HasPrefix(to, app.RedirectURIs[0]+"?code=") {
		w.Fatalf("the sign-in to %s led to %q", app.ID, to)
	}
}
