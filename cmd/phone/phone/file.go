package phone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// File keeps the accounts of one phone, readable by its owner alone. Safe for
// concurrent use within one process.
type File struct {
	path     string
	mu       sync.Mutex
	accounts []*Account
}

// OpenFile reads the accounts kept at path; none, when there is no file yet. Errors:
// others than its owner may read or write the file, or it is damaged.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("%s: others may read or change the keys in it (mode %04o): run chmod 600 on it, and link anew if somebody may have", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &f.accounts); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return f, nil
}

// Accounts lists the accounts that are kept, also those that are not linked yet
// (Account.Pending).
func (f *File) Accounts() []*Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.accounts)
}

// Find returns the account that which names: the beginning of the device's id, the
// sign-in name, or that and the host as name@host; empty: the only one there is.
// Errors: there is none, or more than one.
func (f *File) Find(which string) (*Account, error) {
	var found []*Account
	for _, a := range f.Accounts() {
		_, host, _ := strings.Cut(a.Issuer, "://")
		if which == "" || a.Device != "" && strings.HasPrefix(a.Device, strings.ToUpper(which)) || a.Name == which || a.Name+"@"+host == which {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, errors.New("several accounts are linked: say which by --account NAME@HOST")
	case which != "":
		return nil, fmt.Errorf("no account %q is linked here", which)
	}
	return nil, errors.New("no account is linked here: phone pair")
}

// Put keeps an account, new or changed. Accounts are told apart by their pointer: the
// one that Accounts and Find return is the one that is kept.
func (f *File) Put(a *Account) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.accounts, a) {
		f.accounts = append(f.accounts, a)
	}
	return f.write()
}

// Forget drops an account and its keys.
func (f *File) Forget(a *Account) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts = slices.DeleteFunc(f.accounts, func(b *Account) bool { return a == b })
	return f.write()
}

// write puts a whole new file in the place of the old one; after an error that is
// still there.
func (f *File) write() (err error) {
	text, err := json.MarshalIndent(f.accounts, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.path)
}
