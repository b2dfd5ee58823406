package walk

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/web/webtest"
)

// Led returns where a post has led, when the job that it began is through.
func (w *Walk) Led(r webtest.Reply) string {
	w.Helper()
	if r.Request.Method != http.MethodGet {
		w.Fatalf("%s: %d, want a way on:\n%s", r.Request.URL.Path, r.StatusCode, r.Body)
	}
	w.Jobs.Wait(time.Minute)
	return r.Request.URL.RequestURI()
}

// Forget has what came of the jobs forgotten, as it is half an hour after their end.
func (w *Walk) Forget() {
	w.Helper()
	w.Jobs.Wait(time.Minute)
	if err := w.DB.Sweep(w.Context(), w.Clock.Now().Add(idp.JobKept+time.Second)); err != nil {
		w.Fatal(err)
	}
}

// SignIn gives the password and the code of an account on the pages of a sign-in, the
// first of which is given, and returns the page behind them. Codes of now go by.
func (w *Walk) SignIn(a *Account, page string) string {
	w.Helper()
	page = w.Submit(page, "/password", "username", a.Name, "password", Password)
	w.Later()
	return w.Submit(page, "/code", "code", w.Code(a))
}

// Held is this browser, held back from every redirect: an answer that sends it on is seen
// by Leads.
func (w *Walk) Held() *webtest.Browser {
	b := &webtest.Browser{TB: w.TB, URL: w.URL, HTTP: &http.Client{Jar: w.HTTP.Jar}}
	b.HTTP.CheckRedirect = stay
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
	if to := w.Held().Get("/authorize?" + q.Encode()).Header.Get("Location"); !strings.HasPrefix(to, app.RedirectURIs[0]+"?code=") {
		w.Fatalf("the sign-in to %s led to %q", app.ID, to)
	}
}
