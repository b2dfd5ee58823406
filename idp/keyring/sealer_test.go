package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// testSealer has a fixed key, so that what it seals and derives can be compared.
func testSealer(t testing.TB) *Sealer {
	t.Helper()
	s, err := newSealer(firstKey, bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedOpensForItsRowOnly(t *testing.T) {
	s := testSealer(t)
	for _, plain := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("seed"), 500)} {
		sealed, err := s.Seal(plain, "row 1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(sealed, "row 1"); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %q, %v", len(plain), got, err)
		}
		for _, row := range []string{"row 2", "", "row 1 "} {
			if _, err := s.Open(sealed, row); !errors.Is(err, errUnseal) {
				t.Errorf("opened for row %q: %v", row, err)
			}
		}
		if again, _ := s.Seal(plain, "row 1"); bytes.Equal(again, sealed) {
			t.Error("sealed twice to the same bytes: a nonce was repeated")
		}
	}
}

func TestChangedSealedValueDoesNotOpen(t *testing.T) {
	s := testSealer(t)
	sealed, err := s.Seal([]byte("twenty bytes of seed"), "row")
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, "row"); !errors.Is(err, errUnseal) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for i := range sealed {
		if _, err := s.Open(sealed[:i], "row"); !errors.Is(err, errUnseal) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	other, _ := newSealer(firstKey, bytes.Repeat([]byte{8}, keySize))
	if _, err := other.Open(sealed, "row"); !errors.Is(err, errUnseal) {
		t.Errorf("opened with another key: %v", err)
	}
}

// What was sealed by an older release has to open for ever.
func TestSealedFormIsFrozen(t *testing.T) {
	sealed, err := base64.StdEncoding.DecodeString("AQH2BUoDa4GctKz9lyf+EkJltqn6KtlqwiTho9sf372+0sx/")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := testSealer(t).Open(sealed, "device-1"); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDerivedKeysAreSeparate(t *testing.T) {
	s := testSealer(t)
	want, err := hkdf.Key(sha256.New, bytes.Repeat([]byte{7}, keySize), nil, "hilum derive cookies", 64)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Derive("cookies", 64); !bytes.Equal(got, want) {
		t.Errorf("Derive is not HKDF: %x", got)
	}
	if bytes.Equal(s.Derive("cookies", 32), s.Derive("cookies2", 32)) {
		t.Error("two purposes, one key")
	}
	if testSealer(t).MAC("name", "anna") != s.MAC("name", "anna") {
		t.Error("another start, another MAC")
	}
	seen := map[[32]byte]string{}
	for _, in := range [][2]string{{"name", "anna"}, {"nam", "eanna"}, {"name", "anna "}, {"", "nameanna"}, {"nameanna", ""}} {
		sum := s.MAC(in[0], in[1])
		if was, ok := seen[sum]; ok {
			t.Errorf("MAC of %q is that of %s", in, was)
		}
		seen[sum] = fmt.Sprintf("%q", in)
	}
}

func TestFreshStartMakesTheSealingKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "seal.key")
	first, err := OpenSealer(path, true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	text, _ := os.ReadFile(path)
	if !strings.HasPrefix(string(text), "# Sealing key") {
		t.Errorf("does not say what it is: %q", text)
	}
	for _, fresh := range []bool{false, true} {
		again, err := OpenSealer(path, fresh)
		if err != nil || again.MAC("a", "b") != first.MAC("a", "b") {
			t.Errorf("fresh=%v: another key, %v", fresh, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left beside the key: %v", left)
	}
}

func TestStartsAtOnceAgreeOnOneSealingKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	var wg sync.WaitGroup
	sums := make([][32]byte, 16)
	for i := range sums {
		wg.Go(func() {
			s, err := OpenSealer(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			sums[i] = s.MAC("who", "am I")
		})
	}
	wg.Wait()
	for _, sum := range sums {
		if sum != sums[0] {
			t.Fatal("two starts seal with different keys")
		}
	}
}

func TestMissingSealingKeyIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	_, err := OpenSealer(path, false)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("says %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
}

func TestUnreadableSealingKeyIsRefusedAndKept(t *testing.T) {
	good := formatSealKey(1, bytes.Repeat([]byte{7}, keySize))
	short := formatSealKey(1, bytes.Repeat([]byte{7}, keySize-1))
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"empty":                  {"", 0o600, "damaged"},
		"comments only":          {sealFileNote, 0o600, "damaged"},
		"half a copy":            {good[:len(good)/2], 0o600, "damaged"},
		"a digit changed":        {strings.Replace(good, "BwcH", "BwcI", 1), 0o600, "checksum"},
		"another id":             {strings.Replace(good, " 1 ", " 2 ", 1), 0o600, "checksum"},
		"id 0":                   {strings.Replace(good, " 1 ", " 0 ", 1), 0o600, "number"},
		"id 256":                 {strings.Replace(good, " 1 ", " 256 ", 1), 0o600, "number"},
		"31 bytes":               {short, 0o600, "31 bytes"},
		"not base64":             {sealWord + " 1 ===== 00000000", 0o600, "base64"},
		"two keys":               {good + "\n" + good + "\n", 0o600, "more than one"},
		"another file":           {"-----BEGIN PRIVATE KEY-----\n", 0o600, "damaged"},
		"far too long":           {strings.Repeat("#\n", 3000) + good, 0o600, "more than"},
		"of a strange group":     {good, 0o640, "chmod 600"},
		"readable by all":        {good, 0o604, "chmod 600"},
		"writable by all":        {good, 0o602, "chmod 600"},
		"not readable by anyone": {good, 0o000, ""}, // root reads it all the same
	} {
		for _, fresh := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fresh=%v", name, fresh), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "seal.key")
				if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, c.mode); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(name, "strange") {
					if err := os.Chown(path, -1, 4711); err != nil {
						t.Skip("given to another group by root only")
					}
				}
				_, err := OpenSealer(path, fresh)
				if c.want == "" {
					if err != nil && !errors.Is(err, fs.ErrPermission) {
						t.Errorf("says %v", err)
					}
				} else if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("says %v; want the path and %q", err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "BwcH") {
					t.Errorf("the error shows the key: %v", err)
				}
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
				if text, _ := os.ReadFile(path); string(text) != c.text {
					t.Errorf("the file was changed to %q", text)
				}
			})
		}
	}
	t.Run("a folder", func(t *testing.T) {
		if _, err := OpenSealer(t.TempDir(), true); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("says %v", err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "none", "seal.key")
		if _, err := OpenSealer(path, true); err == nil || !strings.Contains(err.Error(), "cannot be made") {
			t.Errorf("says %v", err)
		}
	})
}

// A key of a group that the process is in is taken, as fsGroup of Kubernetes and the
// secrets of containers make it.
func TestSealingKeyOfOurGroupIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	first, err := OpenSealer(path, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o440, 0o640, 0o660} {
		if err := errors.Join(os.Chown(path, -1, os.Getegid()), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if s, err := OpenSealer(path, false); err != nil || s.MAC("a", "b") != first.MAC("a", "b") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestSealingKeyFileBearsCopyingByHand(t *testing.T) {
	good := formatSealKey(1, bytes.Repeat([]byte{7}, keySize))
	for _, text := range []string{good, good + "\n", good + "\r\n", "\n# mine\n\n  " + good + "  \n# end"} {
		if _, master, err := parseSealKey([]byte(text)); err != nil || len(master) != keySize {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzSealKeyFile(f *testing.F) {
	f.Add([]byte(sealFileNote + formatSealKey(1, bytes.Repeat([]byte{7}, keySize)) + "\n"))
	f.Add([]byte("hilum-seal-key 1 AAAA 00000000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, master, err := parseSealKey(text)
		if err != nil {
			return
		}
		if line := formatSealKey(id, master); !bytes.Contains(text, []byte(line)) {
			t.Errorf("%q parsed as %q", text, line)
		}
	})
}
