package web_test

import (
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest/walk"
)

// A provider beneath a path does what one at the root of a host does, and nothing that
// it says leaves the path.
func TestWalkBeneathAPath(t *testing.T) {
	walks(t, walk.Beneath(t, "/a/login"))
}

func TestWalkAdministrationBeneathAPath(t *testing.T) {
	walksAdministration(t, walk.Beneath(t, "/a/login"))
}

// Every page that has a record is asked for, by nobody and by an administrator: whatever
// the answer is, its addresses are beneath the path.
func TestEveryPageIsBeneathThePath(t *testing.T) {
	w := walk.Beneath(t, "/a/login")
	w.Stay()
	named := regexp.MustCompile(`\{[a-z$]+\}`)
	all := func(who string) (n int) {
		for _, r := range w.Door.Routes() {
			method, path, _ := strings.Cut(r.Pattern, " ")
			path = named.ReplaceAllStringFunc(path, func(name string) string {
				if name == "{$}" {
					return ""
				}
				return idp.NewID[string]()
			})
			if r.Stream || strings.HasSuffix(path, "/signout") {
				continue
			}
			if method == "POST" {
				if got := w.Post(path, "here", "security"); got.StatusCode >= 500 {
					t.Errorf("%s, %s: %d", r.Pattern, who, got.StatusCode)
				}
			} else if got := w.Get(path); got.StatusCode >= 500 { // what it says the wall has seen
				t.Errorf("%s, %s: %d", r.Pattern, who, got.StatusCode)
			}
			n++
		}
		return n
	}
	if n := all("nobody"); n < 100 {
		t.Errorf("%d pages were asked for", n)
	}
	w.Fresh()
	w.Staff(idp.StaffAdmin)
	w.Stay()
	all("administrator")
}
