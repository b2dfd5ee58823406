package desk_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// The page of an application tells which of its requests were refused and why; what
// strangers have sent is data.
func TestRefusedRequestsOfAnApplication(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	w.Staff(idp.StaffAdmin)
	viewer := idp.Client{
		ID: "rad.viewer", Name: "Radiology Viewer", Kind: idp.ClientWeb, Auth: idp.AuthPost, GrantTypes: []string{idp.GrantCode},
		RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid"},
	}
	other := viewer
	other.ID = "other"
	secret := w.Register(viewer)
	w.Register(other)
	const at, none = "/admin/applications/rad.viewer", `id="none-refused"`
	w.Wants(w.Get(at), 200, none, `not id="refused"`)

	ask := url.Values{"client_id": {"rad.viewer"}, "redirect_uri": {`https://evil.example/"><script>`}, "response_type": {"code"}, "scope": {"openid"}}
	for range 12 {
		w.Wants(w.Get("/authorize?"+ask.Encode()), 400)
	}
	req := idptest.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/token", strings.NewReader("grant_type=authorization_code&code=x&redirect_uri=https://viewer.hospital.example/cb")))(t)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("rad.viewer", secret.Reveal())
	w.Wants(w.Do(req), 401)

	page := w.Visit(at)
	w.Sees(page, at, `id="refused"`, "not "+none, "is not registered; it is compared letter by letter", `https://evil.example/&#34;&gt;&lt;script&gt;`, "not <script>", "https://viewer.hospital.example/cb", "12 ×",
		"in another way than the registered one", "client_secret_basic", "client_secret_post", "not "+secret.Reveal())
	// Each with the reference that finds its line in the log.
	if n := strings.Count(page, webtest.Reference); n != 2 {
		t.Errorf("%d references", n)
	}
	w.Wants(w.Get("/admin/applications/other"), 200, none, `not id="refused"`)
}
