package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// As «make dev» runs it: whoever changes a page, a sentence or the style sees it in the
// browser that is open, without building or starting anything anew, and what is wrong in
// between is mended the same way.
func TestPagesReloadThemselves(t *testing.T) {
	sources := t.TempDir()
	for _, dir := range []string{"templates", "static"} {
		if err := os.CopyFS(filepath.Join(sources, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "idp")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "dev", "-o", program, "hilum/cmd/idp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("HILUM_SOURCES", sources)
	d := startDemoOf(t, program)
	w := openWindow(t, true)
	w.open(d.Issuer + "/signed-out")
	w.see("h1")
	change := func(name, from, to string) {
		t.Helper()
		path := filepath.Join(sources, name)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("%s does not hold %q: %v", name, from, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const colour = `getComputedStyle(document.querySelector('h1')).color`
	shows := func(what, script, want string) {
		t.Helper()
		var got string
		for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
			now, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](script))
			if err != nil {
				continue // it is loading
			}
			if got = now; got == want {
				t.Logf("%s: seen after %v", what, time.Since(began).Round(10*time.Millisecond))
				return
			}
		}
		t.Errorf("%s: the page shows %q, want %q", what, got, want)
	}
	change("static/css/base.css", "@layer base {", "@layer base { h1 { color: rgb(1, 2, 3) !important }")
	shows("a style", colour, "rgb(1, 2, 3)")
	change("templates/words/active.en.json", `"You are signed out"`, `"You have left"`)
	shows("a sentence", `document.querySelector('h1').textContent.trim()`, "You have left")
	change("templates/notice.html", "{{", "{{ no such thing {{")
	time.Sleep(time.Second)
	change("templates/notice.html", "{{ no such thing {{", "{{")
	w.open(d.Issuer + "/signed-out")
	shows("a page that was broken", `document.querySelector('h1').textContent.trim()`, "You have left")
}
