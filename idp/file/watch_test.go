package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func matches(pattern, s string) bool { return regexp.MustCompile("(?s)" + pattern).MatchString(s) }

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What was taken last stays in use while nothing better can be read; what is wrong
// is said once, however often it is looked at, and so is that it is well again.
func TestFilesAreReadAgain(t *testing.T) {
	var log bytes.Buffer
	w := &Watcher{Log: slog.New(slog.NewTextHandler(&log, nil))}
	path := filepath.Join(t.TempDir(), "secret")
	var taken string
	var told []error
	source := Source{Files: []Named{{Setting: "mail.password_file", Path: path, Secret: true}}, Take: func(all []Content) error {
		line := Line(all[0].Bytes)
		if line == "" || strings.HasPrefix(line, "half") {
			return errors.New("is no whole secret: " + line)
		}
		taken = line
		return nil
	}, Failed: func(err error) { told = append(told, err) }}
	if err := w.Open(source); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("without a file: %v", err)
	}
	put(t, path, "first\n")
	if err := w.Open(source); err != nil || taken != "first" {
		t.Fatal(taken, err)
	}
	step := func(why, want string, lines ...string) {
		t.Helper()
		log.Reset()
		for range 5 {
			w.Look()
		}
		got := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if log.Len() == 0 {
			got = nil
		}
		if taken != want || len(got) != len(lines) {
			t.Errorf("%s: %q is in use, want %q; said:\n%s", why, taken, want, &log)
			return
		}
		for i, l := range lines {
			if !strings.Contains(got[i], l) {
				t.Errorf("%s: said %s, want %s", why, got[i], l)
			}
		}
	}
	step("nothing changed", "first")
	put(t, path, "second\n")
	step("changed", "second", "a changed file is in use\" mail.password_file="+path)
	stamp := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, stamp, stamp); err != nil {
		t.Fatal(err)
	}
	step("touched", "second")
	put(t, path, "third!\n")
	if err := os.Chtimes(path, stamp, stamp); err != nil {
		t.Fatal(err)
	}
	step("changed, with the size and time of before", "third!", "is in use")
	put(t, path, "half")
	step("half written", "third!", "is no whole secret: half")
	put(t, path, "halfway")
	step("half written otherwise", "third!", "is no whole secret: halfway")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("gone", "third!", "no such file")
	put(t, path, "third!\n")
	step("as it was", "third!", "is as it was again")
	put(t, path, "")
	step("empty", "third!", "is no whole secret")
	put(t, path, "\xff\xfe4\x00")
	step("in UTF-16", "third!", "save it as UTF-8")
	put(t, path, "fourth\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	step("for everybody", "third!", "chmod 600")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	step("with the right mode, not changed otherwise", "fourth", "is in use")
	if len(told) < 6 || told[len(told)-1] != nil {
		t.Errorf("told %v", told)
	}
}

// A large file is taken as it is, and read again when its time stamp or size has changed,
// never for having been looked at; one that is too large is not taken.
func TestLargeFilesAreReadWhenTheyChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "places.mmdb")
	var log bytes.Buffer
	w := &Watcher{Log: slog.New(slog.NewTextHandler(&log, nil))}
	var taken string
	var offered int
	put(t, path, "\xef\xbb\xbfone\x00")
	err := w.Open(Source{Files: []Named{{Setting: "geo_file", Path: path, Large: 2 * MaxSize}}, Take: func(all []Content) error {
		offered++
		if strings.HasPrefix(string(all[0].Bytes), "half") {
			return errors.New("is no database")
		}
		taken = string(all[0].Bytes)
		return nil
	}})
	if err != nil || taken != "\xef\xbb\xbfone\x00" {
		t.Fatalf("%q %v", taken, err)
	}
	hour := 0
	step := func(why, want string, times int) {
		t.Helper()
		hour++
		at := time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)
		if _, err := os.Stat(path); err == nil {
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		offered = 0
		for range 5 {
			w.Look()
		}
		if taken != want || offered != times {
			t.Errorf("%s: %.20q is in use, want %.20q; offered %d times, want %d", why, taken, want, offered, times)
		}
	}
	put(t, path, "two")
	step("changed", "two", 1)
	put(t, path, "half")
	step("broken", "two", 1)
	if n := strings.Count(log.String(), "is no database"); n != 1 {
		t.Errorf("a broken file is told %d times", n)
	}
	put(t, path, strings.Repeat("3", 2*MaxSize))
	step("as large as may be", strings.Repeat("3", 2*MaxSize), 1)
	put(t, path, strings.Repeat("4", 2*MaxSize+1))
	step("too large", strings.Repeat("3", 2*MaxSize), 0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("gone", strings.Repeat("3", 2*MaxSize), 0)
	put(t, path, "five")
	step("there again", "five", 1)
}

// Kubernetes keeps files behind two links and swaps the inner one; a wrong swap
// leaves nothing behind it for a moment.
func TestFilesBehindSwappedLinks(t *testing.T) {
	dir := t.TempDir()
	version := func(n int, text string) {
		t.Helper()
		real := filepath.Join(dir, fmt.Sprint("..2026_", n))
		if err := os.Mkdir(real, 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(real, "tls.key"), text)
		if err := errors.Join(os.Symlink(filepath.Base(real), filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	version(1, "one")
	path := filepath.Join(dir, "tls.key")
	if err := os.Symlink(filepath.Join("..data", "tls.key"), path); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w := &Watcher{Log: slog.New(slog.NewTextHandler(&log, nil))}
	var taken string
	if err := w.Open(Source{Files: []Named{{Setting: "tls.key_file", Path: path, Secret: true}}, Take: func(all []Content) error { taken = string(all[0].Bytes); return nil }}); err != nil {
		t.Fatal(err)
	}
	version(2, "two")
	if w.Look(); taken != "two" {
		t.Error(taken)
	}
	if err := os.Remove(filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if w.Look(); taken != "two" {
		t.Error(taken)
	}
	version(3, "six")
	if w.Look(); taken != "six" {
		t.Error(taken)
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("said %d lines:\n%s", n, &log)
	}
}

// The watcher looks by itself, and ends with its context.
func TestWatcherRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "a")
	taken := make(chan string, 10)
	w := &Watcher{Every: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	if err := w.Open(Source{Files: []Named{{Setting: "mail.ca_file", Path: path}}, Take: func(all []Content) error { taken <- string(all[0].Bytes); return nil }}); err != nil {
		t.Fatal(err)
	}
	<-taken
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	put(t, path, "b")
	for got := ""; got != "b"; { // writing may be seen half done
		got = <-taken
	}
	end()
	<-done
}
