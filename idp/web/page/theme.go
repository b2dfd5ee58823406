package page

import (
	"net/http"
	"time"
)

// themeAge is how long a browser keeps the chosen colours.
const themeAge = 365 * 24 * time.Hour

// themeOf is the theme that was chosen in this browser, "dark" or "light"; empty: none.
func (d *Door) themeOf(r *http.Request) string {
	c, err := r.Cookie(d.cookies.prefix + "theme")
	if err != nil {
		return ""
	}
	switch c.Value {
	case "dark", "light":
		return c.Value
	}
	return ""
}

// theme keeps the chosen colours in a cookie. A script posts it in the background; the
// plain form is led back to the page that it stands on.
func (d *Door) theme(w http.ResponseWriter, r *http.Request) error {
	path, ok := d.backTo(r.PostFormValue("here"))
	if !ok {
		return ErrForm
	}
	value, age := r.PostFormValue("theme"), int(themeAge/time.Second)
	switch value {
	case "dark", "light":
	case "auto":
		value, age = "", -1
	default:
		return ErrForm
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure everywhere but on plain-http loopback
		Name: d.cookies.prefix + "theme", Value: value, Path: d.cookies.path, MaxAge: age,
		Secure: d.conf.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return SeeOther(w, r, path)
}
