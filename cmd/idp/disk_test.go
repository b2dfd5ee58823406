package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// full makes the disk beneath a provider full, and has it have room again.
type full struct {
	data string
	fill func(p *process)
	free func(p *process)
	// fills says that the folder is a disk of its own.
	fills bool
}

// aFullDisk is a small file system where the test may mount one, else a limit
// on what a file may grow to.
func aFullDisk(t *testing.T) full {
	t.Helper()
	dir := t.TempDir()
	if err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", dir).Run(); err != nil {
		t.Log("no file system may be mounted here:", err)
		return full{data: dir, fill: func(p *process) { prlimit(t, p, "65536") }, free: func(p *process) { prlimit(t, p, "unlimited") }}
	}
	t.Cleanup(func() { // after the provider has ended
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	filler := filepath.Join(dir, "filler")
	return full{
		data: filepath.Join(dir, "data"), fills: true,
		fill: func(*process) {
			f, err := os.OpenFile(filler, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for size := 64 << 10; size > 0; {
				if _, err := f.Write(make([]byte, size)); err != nil {
					size /= 2 // to the brim
				}
			}
		},
		free: func(*process) {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func prlimit(t *testing.T, p *process, size string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "prlimit", "--pid", fmt.Sprint(p.cmd.Process.Pid), "--fsize="+size+":unlimited").CombinedOutput()
	if err != nil {
		t.Skipf("neither a file system nor a limit can be set here: %v %s", err, out)
	}
}

// A file that may not grow is a full disk too.
func TestFileThatMayNotGrow(t *testing.T) {
	runsFull(t, full{data: t.TempDir(), fill: func(p *process) { prlimit(t, p, "65536") }, free: func(p *process) { prlimit(t, p, "unlimited") }})
}

// TestFullDisk fills the disk of a running provider to the brim, and frees it.
func TestFullDisk(t *testing.T) { runsFull(t, aFullDisk(t)) }

// runsFull: it says so within seconds, to orchestrators, operators, people and
// applications, in terms that are true; who has a token keeps it; and it goes on
// by itself when there is room.
func runsFull(t *testing.T, disk full) {
	p := runs(t, disk.data, "serve")
	at, is := <-p.ready
	if !is {
		t.Fatal(p.ends())
	}
	defer func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := p.ends(); err != nil {
			t.Error(err)
		}
		began, ended := strings.Count(p.err.String(), "nothing can be written from now on"), strings.Count(p.err.String(), "can be written again")
		if began != 1 || ended != 1 {
			t.Errorf("%d lines say that it begins, %d that it ends:\n%s", began, ended, &p.err)
		}
	}()
	add := runs(t, disk.data, "client", "add", "Archive", "--grant", "client_credentials", "--scope", "archive", "--json")
	if err := add.ends(); err != nil {
		t.Fatal(err)
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(add.out.String()), &client); err != nil {
		t.Fatal(err)
	}
	post := func(path string, form url.Values, basic bool) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if basic {
			req.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret))
		} else {
			req.Header.Set("Sec-Fetch-Site", "same-origin")
			req.Header.Set("Accept-Language", "en")
		}
		return answered(t, req)
	}
	token := func() (int, string) {
		code, _, text := post("/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"archive"}}, true)
		return code, text
	}
	var code int
	var text string
	for range 20 { // a command's change is seen within a second
		if code, text = token(); code == http.StatusOK {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	var given struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &given); err != nil || code != http.StatusOK {
		t.Fatalf("token: %d %s", code, text)
	}
	active := func() bool {
		_, _, text := post("/introspect", url.Values{"token": {given.Token}}, true)
		return strings.Contains(text, `"active":true`)
	}
	link := regexp.MustCompile(`/setup/\S+`)
	setup := link.FindString(p.out.String())
	for until := time.Now().Add(10 * time.Second); setup == "" && time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		setup = link.FindString(p.out.String()) // it is printed after the address
	}
	if setup == "" || !active() {
		t.Fatalf("no link, or no token: %s", &p.out)
	}

	disk.fill(p)
	within := func(status int, says string) {
		t.Helper()
		began := time.Now()
		for {
			code, text := fetch(t, http.MethodGet, at+"/readyz")
			if code == status && strings.Contains(text, says) {
				t.Logf("readyz says %d %q after %v", code, text, time.Since(began).Round(time.Millisecond))
				return
			}
			if time.Since(began) > 8*time.Second {
				t.Fatalf("readyz says %d %q", code, text)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	within(http.StatusServiceUnavailable, "nothing can be written, the disk is full")
	cmd := exec.CommandContext(t.Context(), "idp", "healthcheck")
	cmd.Env = append(os.Environ(), "IDP_LISTEN="+strings.TrimPrefix(at, "http://"), "IDP_DATA_DIR="+disk.data)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "the disk is full") {
		t.Errorf("healthcheck: %v %s", err, out)
	}
	if disk.fills {
		h := runs(t, disk.data, "health")
		if err := h.ends(); err != nil || !strings.Contains(h.out.String(), "the disk is full") {
			t.Errorf("health: %v %s", err, &h.out)
		}
	}
	if code, text := token(); code != http.StatusServiceUnavailable {
		t.Errorf("token: %d %s", code, text)
	}
	code, header, page := post(setup, url.Values{"user_name": {"anna"}, "display_name": {"Anna"}, "email": {"a@b.example"}}, false)
	if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(page, "Nothing can be saved right now") {
		t.Errorf("a page: %d %v %s", code, header, page)
	}
	if !active() {
		t.Error("a token is lost")
	}
	if code, _ := fetch(t, http.MethodGet, at+"/jwks"); code != http.StatusOK {
		t.Errorf("jwks: %d", code)
	}

	disk.free(p)
	within(http.StatusOK, "ready")
	if code, text := token(); code != http.StatusOK {
		t.Errorf("token: %d %s", code, text)
	}
	if !active() {
		t.Error("a token is lost")
	}
	if code, _, _ := post(setup, url.Values{"user_name": {"anna"}, "display_name": {"Anna"}, "email": {"a@b.example"}}, false); code >= 400 {
		t.Errorf("the link: %d", code)
	}
}
