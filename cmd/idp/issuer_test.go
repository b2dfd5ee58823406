package main

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A database that is served under another issuer than before is served, and the start says
// once what that breaks; the log keeps both.
func TestAnotherIssuerIsTold(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for i, c := range []struct {
		issuer string
		told   bool
	}{{"http://localhost:4711", false}, {"http://localhost:4711", false}, {"http://localhost:4712", true}, {"http://localhost:4712", false}} {
		t.Setenv("IDP_ISSUER", c.issuer)
		p := runs(t, data, "serve")
		if at, is := <-p.ready; !is || at != c.issuer {
			t.Fatalf("start %d is at %q: %v", i+1, at, p.ends())
		}
		for end := time.Now().Add(20 * time.Second); !strings.Contains(p.out.String(), "/setup/"); time.Sleep(10 * time.Millisecond) { // the last that it says
			if time.Now().After(end) {
				t.Fatalf("start %d says\n%s", i+1, &p.out)
			}
		}
		if err := errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.ends()); err != nil {
			t.Fatal(err)
		}
		said := p.err.String()
		if strings.Contains(said, "under another issuer") != c.told {
			t.Errorf("start %d, under %s, says:\n%s", i+1, c.issuer, said)
		}
		for _, want := range []string{"was=http://localhost:4711", "is=http://localhost:4712", "linked anew", "QR codes", "tokens"} {
			if c.told && !strings.Contains(said, want) {
				t.Errorf("the warning does not say %q:\n%s", want, said)
			}
		}
	}
	list := runs(t, data, "audit", "list", "--kind", "setting.")
	if err := list.ends(); err != nil {
		t.Fatal(err)
	}
	if got := list.out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `by "provider" from="http://localhost:4711" setting="issuer" to="http://localhost:4712"`) {
		t.Errorf("the log has:\n%s", got)
	}
}
