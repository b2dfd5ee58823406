package web

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"hilum/idp/password"
	"hilum/idp/web/page"
)

var (
	recoveryCode = regexp.MustCompile(`^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$`)
	signInName   = regexp.MustCompile(`^[a-z0-9._@+-]{1,64}$`)
)

// codesFile answers the form of the page that shows recovery codes with a file of them. What
// the file has comes from that page: codes are kept as hashes only, so nothing else could
// bring them back, and the file is to be had with script and without. Nothing but codes and
// a name passes, so that the form brings nobody a file of somebody else's making.
func (a *account) codesFile(w http.ResponseWriter, r *http.Request) error {
	codes, name := strings.Fields(r.PostFormValue("codes")), r.PostFormValue("name")
	if len(codes) == 0 || len(codes) > password.RecoveryCodes || !signInName.MatchString(name) {
		return page.ErrForm
	}
	frame := a.door.Frame(r, "")
	head, err := a.door.Words().In(frame.Lang).Text("codes.sheet", "Name", name, "Site", frame.Site)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(head + "\r\n\r\n")
	for i, code := range codes {
		if !recoveryCode.MatchString(code) {
			return page.ErrForm
		}
		fmt.Fprintf(&b, "%2d. %s\r\n", i+1, code)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	_, _ = io.WriteString(w, b.String()) // an error means that the browser has left
	return nil
}
