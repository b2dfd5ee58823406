package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// sayNothing are the commands without --json: what they print is a sentence, a
// link to hand on, or a text that is made for another program.
var sayNothing = []string{
	"serve", "setup-link", "invite", "healthcheck", "version", "config check", "config example", "client edit", "client remove", "client icon", "client token revoke", "client token block", "settings set", "settings logo",
	"user add", "user edit", "user enable", "user disable", "user unlock", "user unlink", "user reopen", "user reset", "session end",
	"backup", "audit export", "client preview", // JSON by themselves
}

// Every command has its help, a success, a fault with its exit code and, where
// it prints data, its --json in one of the scripts.
func TestEveryCommandIsInTheScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	more, err := filepath.Glob("testdata/postgres/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	scripts = append(scripts, more...)
	var lines [][]string // what is run, in words
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(text), "\n-- ")
		for line := range strings.SplitSeq(script, "\n") {
			words := strings.Fields(strings.ReplaceAll(line, "'", " "))
			if len(words) > 0 && (words[0] == "exec" || words[0] == "exits") {
				lines = append(lines, words)
			}
		}
	}
	c := &cli{getenv: func(string) string { return "" }}
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			walk(sub, append(slices.Clone(path), sub.Name()))
		}
		if len(cmd.Commands()) > 0 {
			return
		}
		name := strings.Join(path, " ")
		var help, success, fault, asJSON bool
		for _, words := range lines {
			at := slices.Index(words, "idp")
			if at < 0 || len(words) < at+1+len(path) || !slices.Equal(words[at+1:at+1+len(path)], path) {
				continue
			}
			rest := words[at+1+len(path):]
			if slices.Contains(rest, "--help") {
				help = true
				continue
			}
			success = success || words[0] == "exec"
			fault = fault || words[0] == "exits"
			asJSON = asJSON || slices.Contains(rest, "--json")
		}
		for what, ok := range map[string]bool{"--help": help, "a success (exec)": success, "a fault with its exit code (exits)": fault} {
			if !ok {
				t.Errorf("idp %s: no script has %s", name, what)
			}
		}
		switch has := cmd.Flags().Lookup("json") != nil; {
		case has && !asJSON:
			t.Errorf("idp %s: no script has --json", name)
		case has == slices.Contains(sayNothing, name):
			t.Errorf("idp %s: --json %v, and in the list of those without: %v", name, has, has)
		}
	}
	walk(c.root(), nil)
}
