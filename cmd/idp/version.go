package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"hilum/idp/keyring"
	"hilum/idp/store/sqlite"
)

// What a release sets by -ldflags "-X main.version=… -X main.commit=… -X main.date=…".
// A build from a work tree knows the last two by itself.
var (
	version = "development"
	commit  string
	date    string // of the commit, RFC 3339
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and what is built into the program",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { c.printf("%s", about()) },
	}
}

// about is what a report of a fault should begin with: version, commit, Go, SQLite, and
// what is built in.
func about() string {
	commit, date := commit, date
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = cmp.Or(commit, s.Value)
			case "vcs.time":
				date = cmp.Or(date, s.Value)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "idp %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "commit  %s\n", cmp.Or(strings.TrimSpace(commit+" "+date), "unknown"))
	fmt.Fprintf(&b, "SQLite  %s\n", cmp.Or(sqlite.Version(), "none: built without a C compiler"))
	fmt.Fprintf(&b, "RSA     %s\n", keyring.Backend())
	push := "web push, FCM"
	if !hasFCM {
		push = "web push; built without FCM"
	}
	fmt.Fprintf(&b, "push    %s\n", push)
	return b.String()
}
