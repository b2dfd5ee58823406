package web

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest"
)

// The page that shows recovery codes has a form that brings them as a file, once more
// without our keeping them.
func TestRecoveryCodesAsAFile(t *testing.T) {
	d := openWith(t, nil)
	d.signedIn()
	d.devices.codes = []idp.Secret{"ABCD-EFGH-IJKL-MNOP", "QRST-UVWX-YZ23-4567"}
	shown := d.Post("/account/recovery")
	d.Wants(shown, 200, `action="/recovery-codes.txt"`, `id="download"`)
	field := func(name string) string {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(shown.Body)
		if m == nil {
			t.Fatal("no field " + name)
		}
		return html.UnescapeString(m[1])
	}
	d.Fresh() // the one who enrols has no session yet
	r := d.Post("/recovery-codes.txt", "name", field("name"), "codes", field("codes"))
	if want := "Recovery codes of anna, Imaging\r\n\r\n 1. ABCD-EFGH-IJKL-MNOP\r\n 2. QRST-UVWX-YZ23-4567\r\n"; r.StatusCode != 200 || r.Body != want {
		t.Errorf("%d %q, want %q", r.StatusCode, r.Body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": `attachment; filename="recovery-codes.txt"`, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(d.log.String(), "ABCD-EFGH") {
		t.Error("codes are in the log")
	}

	const code = "ABCD-EFGH-IJKL-MNOP"
	refused := func(what string, r webtest.Reply) {
		if r.StatusCode != 400 || r.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %q", what, r.StatusCode, r.Body)
		}
	}
	for what, fields := range map[string][2]string{
		"nothing": {"", ""}, "no codes": {"anna", ""}, "eleven": {"anna", strings.Repeat(code+"\n", 11)}, "text": {"anna", "Call 4711 to get your password back"},
		"text beside a code": {"anna", code + "\nrun-this"}, "small letters": {"anna", strings.ToLower(code)}, "no name": {"", code}, "a name that is none": {"Anna <b>", code},
	} {
		refused(what, d.Post("/recovery-codes.txt", "name", fields[0], "codes", fields[1]))
	}
	if r := d.From("cross-site", "POST", "/recovery-codes.txt"); r.StatusCode != 403 {
		t.Errorf("from another site: %d", r.StatusCode)
	}
}
