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

	"admin-devices":  "/admin/devices",
	"admin-users":    "/admin/users",
	"admin-new":      "/admin/users/new",
	"admin-import":   "/admin/users/import",
	"admin-sessions": "/admin/sessions",
	"admin-audit":    "/admin/audit",
	"admin-check":    "/admin/audit/check",
	"admin-health":   "/admin/health",
	"admin-settings": "/admin/settings",
	"admin-site":     "/admin/settings/edit",
	"admin-logo":     "/admin/settings/logo",

	"admin-applications": "/admin/applications",
	"admin-newapp":       "/admin/applications/new",
	"admin-start":        "/admin/start",
}

// aboutOne are the pages about one thing, by the name of their kind; {id} stands
// for the thing.
var aboutOne = map[string]string{
	"forgot":    "/login/{id}/forgot",
	"forgotten": "/login/{id}/forgotten",
	"unlink":    "/account/devices/{id}/unlink",
	"device":    "/admin/devices/{id}",
	"user":      "/admin/users/{id}",
	"edit":      "/admin/users/{id}/edit",
	"reopen":    "/admin/users/{id}/reopen",
	"reset":     "/admin/users/{id}/reset",
	"invite":    "/admin/users/{id}/invite",
	"unlock":    "/admin/users/{id}/unlock",
	"block":     "/admin/users/{id}/block",
	"unblock":   "/admin/users/{id}/unblock",
	"end":       "/admin/users/{id}/end",
	"import":    "/admin/imports/{id}",
	"check":     "/admin/checks/{id}",
	"test":      "/admin/try/{id}",
}

// aboutApp are the pages about one application, by the name of their kind.
var aboutApp = map[string]string{"app": "", "try": "/try", "told": "/told", "tell": "/told/edit"}

// place returns the path of a name: one of places, "login:" with a sign-in's
// id, "link:" with an offer's, "picked:" with those of devices, "found:" with
// what finds them, or a kind of aboutApp or aboutOne with that of its thing.
func place(name string) (path string, ok bool) {
	if path, ok := places[name]; ok {
		return path, true
	}
	kind, id, _ := strings.Cut(name, ":")
	if kind == "picked" {
		list, ok := ids[idp.DeviceID](id)
		return unlinkPath(list), ok
	}
	if kind == "found" {
		l, ok := namedFilter(id)
		return l.address(), ok
	}
	if page, ok := aboutApp[kind]; ok {
		return appPath(idp.ClientID(id)) + page, isClientID(id)
	}
	if !isID(id) {
		return "", false
	}
	switch kind {
	case "login":
		return loginPath(idp.LoginID(id)), true
	case "link":
		return "/account/link/" + id, true
	}
	path, ok = aboutOne[kind]
	return strings.Replace(path, "{id}", id, 1), ok
}

// isID reports whether s has the form of idp.NewID.
func isID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'A' && c <= 'V' || c >= '0' && c <= '9') {
			return false
		}
	}
	return true
}

// nameOf returns the name of the page to come back to when a request could not
// be answered before a sign-in or a step-up.
func nameOf(r *http.Request) string {
	for name, path := range places {
		if r.URL.Path == path {
			return name
		}
	}
	if list, ok := picked(r); ok {
		return "picked:" + joined(list, ".")
	}
	if r.URL.Path == foundPath {
		if l, ok := filterOf(r.URL.Query()); ok {
			return l.named()
		}
	}
	if id := r.PathValue("id"); isID(id) {
		_, path, _ := strings.Cut(r.Pattern, " ")
		for kind, one := range aboutOne {
			if path == one && strings.HasPrefix(path, "/admin/") {
				return kind + ":" + id
			}
		}
		for kind, of := range map[string]string{"user": "/admin/users/{id}/", "import": "/admin/imports/{id}/", "check": "/admin/checks/{id}/"} {
			if strings.HasPrefix(path, of) {
				return kind + ":" + id
			}
		}
	}
	if id := r.PathValue("client"); isClientID(id) {
		for kind, page := range aboutApp {
			if page != "" && r.URL.Path == appPath(idp.ClientID(id))+page {
				return kind + ":" + id
			}
		}
		return "app:" + id
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/admin/users"):
		return "admin-users"
	case strings.HasPrefix(r.URL.Path, "/admin/applications"), strings.HasPrefix(r.URL.Path, "/admin/try"):
		return "admin-applications"
	case strings.HasPrefix(r.URL.Path, "/admin/audit"):
		return "admin-audit"
	case strings.HasPrefix(r.URL.Path, "/admin"):
		return "admin-devices"
	case strings.HasPrefix(r.URL.Path, "/account/devices/"), strings.HasPrefix(r.URL.Path, "/account/link/"):
		return "devices"
	case strings.HasPrefix(r.URL.Path, "/account/sessions/"):
		return "sessions"
	}
	return "security"
}
