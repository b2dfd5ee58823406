package keyring

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hilum/idp/file"
)

// The sealing key file is text, so that it survives copying by hand, and
// checks itself, so that half a copy is noticed before anything is sealed:
//
//	# comments
//	hilum-seal-key 1 {base64 of 32 bytes} {first 8 hex digits of the SHA-256 of what stands before, from the first word}
//
// The number is the id of the key; sealed values name it.
const (
	sealWord     = "hilum-seal-key"
	firstKey     = 1
	maxSealFile  = 4096
	sealFileNote = `# Sealing key of a Hilum identity provider. With this file and the database, everything can be
# read; without it, the database is of no use. Keep a copy, and keep it apart from the database's.
`
)

// OpenSealer reads the sealing key from the file at path. With fresh, which
// says that nothing has been sealed yet, a missing file is made, readable by
// its owner alone; two starts at once make one file and agree on it.
//
// A file that is missing though needed, damaged, or open to those whom file.Check
// keeps out is refused by an error that says what to do; nothing is ever overwritten.
func OpenSealer(path string, fresh bool) (*Sealer, error) {
	s, err := readSealer(path)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		if err := makeSealFile(path); err != nil {
			return nil, fmt.Errorf("sealing key %s: cannot be made: %w", path, err)
		}
		s, err = readSealer(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("sealing key %s is missing, and the database holds what was sealed with it: "+
			"put the file back from its backup, or name the place where it is: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readSealer(path string) (*Sealer, error) {
	c, err := file.Secret(path)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	id, master, err := parseSealKey(c.Bytes)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: is damaged, put it back from its backup: %w", path, err)
	}
	return newSealer(id, master)
}

// parseSealKey reads the text of a sealing key file.
func parseSealKey(text []byte) (id byte, master []byte, err error) {
	if len(text) > maxSealFile {
		return 0, nil, fmt.Errorf("more than %d bytes", maxSealFile)
	}
	var line string
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		if line != "" {
			return 0, nil, errors.New("more than one key")
		}
		line = l
	}
	words := strings.Split(line, " ")
	if len(words) != 4 || words[0] != sealWord {
		return 0, nil, fmt.Errorf("no line that reads %q, number, key, checksum", sealWord)
	}
	n, err := strconv.ParseUint(words[1], 10, 8)
	if err != nil || n == 0 {
		return 0, nil, errors.New("the number of the key is none of 1 to 255")
	}
	master, err = base64.StdEncoding.Strict().DecodeString(words[2])
	if err != nil {
		return 0, nil, errors.New("the key is not base64")
	}
	if len(master) != keySize {
		return 0, nil, fmt.Errorf("the key has %d bytes, not %d", len(master), keySize)
	}
	if formatSealKey(byte(n), master) != line {
		return 0, nil, errors.New("the checksum does not fit the key")
	}
	return byte(n), master, nil
}

func formatSealKey(id byte, master []byte) string {
	line := fmt.Sprintf("%s %d %s", sealWord, id, base64.StdEncoding.EncodeToString(master))
	sum := sha256.Sum256([]byte(line))
	return line + " " + hex.EncodeToString(sum[:4])
}

// makeSealFile writes a new key to path, whole or not at all. A file that is
// there already, because another start was quicker, stays as it is.
func makeSealFile(path string) (err error) {
	master := make([]byte, keySize)
	rand.Read(master) // never fails, by its contract
	var text bytes.Buffer
	text.WriteString(sealFileNote)
	text.WriteString(formatSealKey(firstKey, master) + "\n")

	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".seal-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// A link, not a rename: it fails where a file stands already.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
