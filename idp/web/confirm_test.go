package web

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/web/desk"
	"hilum/idp/web/page"
)

// unreached is a desk that no test here gets to: a second factor comes first.
type unreached struct{ desk.Desk }

// openAll is open with the pages of the administration beside.
func openAll(t *testing.T) *door {
	t.Helper()
	return openWith(t, nil, func(p *page.Door) { desk.Mount(desk.Config{Door: p, Desk: unreached{}, JobKey: make([]byte, 32)}) })
}

// pagesOf are the paths of all pages that are got, from their records, so that one that
// is added is tried too.
func pagesOf(t *testing.T) (paths []string) {
	t.Helper()
	for _, r := range openAll(t).page.Routes() {
		path, ok := strings.CutPrefix(r.Pattern, "GET ")
		if !ok {
			continue
		}
		path = strings.ReplaceAll(path, "{$}", "")
		path = regexp.MustCompile(`\{(client)\}`).ReplaceAllString(path, "viewer")
		paths = append(paths, regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, aDevice))
	}
	if len(paths) < 60 {
		t.Fatalf("%d pages", len(paths))
	}
	return paths
}

// A link on another site, a picture, or a HEAD leads to no page that has the phone of
// who is signed in ring, whatever page it is: one with a button comes first. From
// our own pages, or typed, it goes on at once.
func TestLinksElsewhereRingNoPhone(t *testing.T) {
	rings := map[string]int{}
	for _, path := range pagesOf(t) {
		if path == "/admin/" || strings.HasPrefix(path, "/static/") || strings.HasSuffix(path, "/events") && !strings.HasPrefix(path, "/admin") {
			continue
		}
		for _, c := range []struct {
			method, site string
			own          bool
		}{
			{"GET", "cross-site", false}, {"GET", "same-site", false}, {"GET", "", false}, {"GET", "Same-Origin", false}, {"GET", "none, cross-site", false},
			{"HEAD", "cross-site", false}, {"HEAD", "same-origin", false}, {"HEAD", "none", false}, {"HEAD", "", false},
			{"GET", "same-origin", true}, {"GET", "none", true},
		} {
			d := openAll(t)
			d.signedIn()
			d.logins.staff, d.logins.invite = idp.StaffAdmin, &idp.Invitation{Purpose: idp.InviteEnrol, ExpiresAt: noon.Add(time.Hour)}
			d.logins.session.FactorAt = noon.Add(-time.Hour)
			if strings.HasPrefix(path, "/admin") { // also the pages that only read need a second factor once
				d.logins.session.FactorAt = time.Time{}
			}
			d.logins.asked = nil
			d.From(c.site, c.method, path+"?id="+aDevice)
			rang := slices.ContainsFunc(d.logins.asked, func(s string) bool { return strings.HasPrefix(s, "stepup") })
			if rang && !c.own {
				t.Errorf("%s %s from %q has the phone ring", c.method, path, c.site)
			}
			if !rang {
				continue
			}
			rings[path]++
			// The page that comes first from elsewhere leads there by its button.
			d.logins.asked = nil
			r := d.From("cross-site", http.MethodGet, path+"?id="+aDevice)
			d.Wants(r, 200, `id="confirm-form"`, "Your phone is asked when you press Continue")
			to := regexp.MustCompile(`name="to" value="([^"]*)"`).FindStringSubmatch(r.Body)
			if to == nil {
				t.Fatalf("%s: no button", path)
			}
			d.asked()
			d.Leads(d.Post("/account/confirm", "to", to[1]), "/login/"+aLogin)
			d.asked("stepup " + to[1])
		}
	}
	t.Logf("%d pages ask for a second factor", len(rings))
	if len(rings) < 40 || rings["/account/password"] != 2 || rings["/admin/users/"+aDevice+"/edit"] != 2 {
		t.Errorf("%d pages ask for a second factor: %v", len(rings), rings)
	}
	// The button of a page of ours, and no other site's.
	d := open(t)
	d.signedIn()
	d.logins.session.FactorAt = noon.Add(-time.Hour)
	for _, to := range []string{"", "https://evil.example", "/account/password", "nowhere"} {
		d.Wants(d.Post("/account/confirm", "to", to), 400)
	}
	req, _ := http.NewRequest(http.MethodPost, d.URL+"/account/confirm", strings.NewReader("to=password"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	d.Wants(d.Do(req), 403)
	d.asked()
}

// Without a session a sign-in begins, at its password: no phone is asked before
// that. A HEAD begins nothing at all.
func TestHeadBeginsNothing(t *testing.T) {
	for _, path := range pagesOf(t) {
		if strings.HasSuffix(path, "/events") { // waits, and begins nothing by its nature
			continue
		}
		d := openAll(t)
		d.bound(idp.LoginPassword, idp.ForAccount)
		d.logins.invite = &idp.Invitation{Purpose: idp.InviteEnrol, ExpiresAt: noon.Add(time.Hour)}
		d.logins.asked = nil
		d.From("same-origin", http.MethodHead, path)
		d.asked()
	}
}
