package web

import (
	"net/http"
	"strings"

	"hilum/idp"
)

// places are the pages that can be come back to, by name. A path is never
// taken from a request.
var places = map[string]string{
	"security":   "/account/security",
	"password":   "/account/password",
	"recovery":   "/account/recovery",
	"devices":    "/account/devices",
	"link":       "/account/link",
	"sessions":   "/account/sessions",
	"signed-out": "/signed-out",
}

// place returns the path of a name: one of places, "login:" with a sign-in's
// id, "link:" with an offer's or "unlink:" with a device's.
func place(name string) (path string, ok bool) {
	if path, ok := places[name]; ok {
		return path, true
	}
	kind, id, _ := strings.Cut(name, ":")
	if !isID(id) {
		return "", false
	}
	switch kind {
	case "login":
		return loginPath(idp.LoginID(id)), true
	case "link":
		return "/account/link/" + id, true
	case "unlink":
		return "/account/devices/" + id + "/unlink", true
	}
	return "", false
}

// isID reports whether s has the form of idp.NewID.
func isID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'A' && c <= 'Z' || c >= '2' && c <= '7') {
			return false
		}
	}
	return true
}

// nameOf returns the name of the page to come back to when a request was for
// the account and nobody was signed in.
func nameOf(r *http.Request) string {
	for name, path := range places {
		if r.URL.Path == path {
			return name
		}
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/account/devices/"), strings.HasPrefix(r.URL.Path, "/account/link/"):
		return "devices"
	case strings.HasPrefix(r.URL.Path, "/account/sessions/"):
		return "sessions"
	}
	return "security"
}
