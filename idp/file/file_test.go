package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Whose file of which mode a secret may be read from: owner × group × mode, for a
// process that is somebody, and for root.
func TestWhoseSecretFilesAreTaken(t *testing.T) {
	const root, me, stranger, mine, more, foreign = 0, 1000, 2000, 1000, 3000, 4000
	owners := map[string]int{"root": root, "me": me, "stranger": stranger}
	groups := map[string]int{"mine": mine, "supplementary": more, "foreign": foreign}
	alone := []fs.FileMode{0o600, 0o400, 0o700, 0o500, 0o000, 0o200}
	shared := []fs.FileMode{0o640, 0o440, 0o660, 0o460, 0o040, 0o620, 0o610, 0o750}
	open := []fs.FileMode{0o644, 0o604, 0o444, 0o666, 0o602, 0o601, 0o777, 0o646, 0o664, 0o004, 0o002}
	for _, p := range []Process{{me, []int{mine, more}}, {root, []int{0, more}}} {
		for owner, uid := range owners {
			for group, gid := range groups {
				for _, mode := range slices.Concat(alone, shared, open) {
					s := Standing{UID: uid, GID: gid, Mode: mode}
					own := uid == root || uid == p.UID
					in := slices.Contains(p.Groups, gid)
					want := "taken"
					switch {
					case slices.Contains(open, mode):
						want = "chmod"
					case slices.Contains(shared, mode) && own && in:
						want = "group"
					case slices.Contains(shared, mode) && own:
						want = "chgrp"
					case slices.Contains(shared, mode):
						want = "chown"
					case !own && p.UID == root:
						want = "user"
					case !own:
						want = "chown"
					}
					note, err := Check(s, p)
					got := "taken"
					switch {
					case err != nil:
						got = err.Error()
					case note != "":
						got = note
					}
					refused := want == "chmod" || want == "chgrp" || want == "chown"
					if refused != (err != nil) || !strings.Contains(got, want) {
						t.Errorf("process %d, owner %s, group %s, mode %04o: %s, want %s", p.UID, owner, group, mode, got, want)
					}
				}
			}
		}
	}
	// Credentials of systemd: root's, with the mask of an access control list.
	for mode, good := range map[fs.FileMode]bool{0o440: true, 0o640: true, 0o660: false, 0o444: false} {
		if note, err := Check(Standing{Mode: mode}, Process{me, []int{mine}}); good != (err == nil) || good != strings.Contains(note, "access control list") {
			t.Errorf("root's, mode %04o: %q, %v", mode, note, err)
		}
	}
	if _, err := Check(Standing{UID: me, GID: mine, Mode: fs.ModeDir | 0o700}, Process{UID: me}); err == nil {
		t.Error("a folder is a secret")
	}
}

// TestMain lets the test be a process that reads one file, under whatever user and groups.
func TestMain(m *testing.M) {
	if path := os.Getenv("FILE_TEST_READ"); path != "" {
		c, err := Secret(path)
		if err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Printf("read %q %s\n", c.Bytes, c.Note)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A real file, read by a real process of another user with groups of its own, as in
// a container and with fsGroup.
func TestSecretsOfRealProcesses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files can be given away by root only")
	}
	dir, err := os.MkdirTemp("/tmp", "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile(must(os.Executable()))
	if err != nil {
		t.Fatal(err)
	}
	reader := filepath.Join(dir, "reader")
	if err := os.WriteFile(reader, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		why      string
		uid, gid int
		mode     fs.FileMode
		as       syscall.Credential
		want     string
	}{
		{"its own", 4711, 4711, 0o600, syscall.Credential{Uid: 4711, Gid: 4711}, `read "geheim"`},
		{"Kubernetes, fsGroup", 0, 2000, 0o440, syscall.Credential{Uid: 4711, Gid: 4711, Groups: []uint32{2000}}, `members of group 2000 may read it too \(mode 0440\)`},
		{"writable by the group", 0, 2000, 0o660, syscall.Credential{Uid: 4711, Gid: 2000}, `read "geheim"`},
		{"a group that is not ours", 4711, 2000, 0o640, syscall.Credential{Uid: 4711, Gid: 4711}, `refused: .*group 2000.*chmod 600`},
		{"everybody", 4711, 4711, 0o644, syscall.Credential{Uid: 4711, Gid: 4711}, `refused: .*everybody.*chmod 600`},
		{"a stranger's, by our group", 4712, 2000, 0o640, syscall.Credential{Uid: 4711, Gid: 4711, Groups: []uint32{2000}}, `refused: .*belongs to user 4712.*chown 4711`},
		{"not to be read at all", 0, 0, 0o600, syscall.Credential{Uid: 4711, Gid: 4711}, `refused: .*permission denied: this process is user 4711 in the groups \[4711`},
		{"root reads what is mounted from the host", 4711, 4711, 0o600, syscall.Credential{}, `read "geheim" user 4711`},
		{"root, and others share it", 4711, 4711, 0o640, syscall.Credential{}, `refused: .*belongs to user 4711`},
	} {
		path := filepath.Join(dir, fmt.Sprint("secret", i))
		err := errors.Join(os.WriteFile(path, []byte("geheim"), 0o600), os.Chown(path, c.uid, c.gid), os.Chmod(path, c.mode))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), reader)
		cmd.Env = []string{"FILE_TEST_READ=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &c.as}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.why, err, out)
		}
		if !matches(c.want, string(out)) {
			t.Errorf("%s: %s, want %s", c.why, out, c.want)
		}
	}
}

// What editors put around a secret is none of it.
func TestWhatEditorsLeave(t *testing.T) {
	for in, want := range map[string]string{
		"geheim":                        "geheim",
		"geheim\n":                      "geheim",
		"geheim\r\n":                    "geheim",
		"geheim\r":                      "geheim",
		"\xef\xbb\xbfgeheim\r\nmore":    "geheim",
		"\xef\xbb\xbf\xef\xbb\xbfä ö\n": "ä ö",
		" with blanks \n":               " with blanks ",
		"\ngeheim":                      "",
		"":                              "",
		"\xef\xbb\xbf":                  "",
		"\xff\xfeg\x00e\x00":            "refused: UTF-16",
		"\xfe\xff\x00g\x00e":            "refused: UTF-16",
		"\xff\xfe\x00\x00g\x00\x00\x00": "refused: UTF-16",
		"\x00\x00\xfe\xff\x00\x00\x00g": "refused: UTF-16",
		"g\x00e\x00h\x00":               "refused: zero bytes",
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Secret(path)
		if words, refused := strings.CutPrefix(want, "refused: "); refused {
			if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "save it as UTF-8") {
				t.Errorf("%q: %q, %v", in, c.Bytes, err)
			}
			continue
		}
		if got := Line(c.Bytes); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, long := filepath.Join(dir, "pipe"), filepath.Join(dir, "long")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(long, make([]byte, MaxSize+1), 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "not a file", pipe: "not a file", long: "more than", filepath.Join(dir, "none"): "no such file"} {
		for _, read := range []func(string) (Content, error){Secret, Public} {
			if _, err := read(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
