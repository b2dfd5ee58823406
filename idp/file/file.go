// Package file reads the files that a configuration names: secrets, whose owner
// and mode are looked at, and others. All of them are read again when they change
// (Watcher).
//
// It lies beneath the tools and knows the standard library only, so that whoever
// reads a file reads it by the same rules.
package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// MaxSize bounds what is read of one file, in bytes. A bundle of all authorities
// that browsers trust is a quarter of it.
const MaxSize = 1 << 20

// Process is who reads a file: the effective user of a process and all its groups.
type Process struct {
	UID    int
	Groups []int
}

// Self is this process.
func Self() Process {
	p := Process{UID: os.Geteuid(), Groups: []int{os.Getegid()}}
	if more, err := os.Getgroups(); err == nil { // without: fewer groups, so more is refused
		p.Groups = append(p.Groups, more...)
	}
	return p
}

// Standing is what the file system says of a file: owner, group, type and
// permissions.
type Standing struct {
	UID, GID int
	Mode     fs.FileMode
}

// Check decides whether a secret may be read from a file that stands so, and
// returns what the operator should know of it, mostly nothing. The error says what
// to write.
//
// Taken are files that only their owner may use, the owner being the process or
// root. Group bits are taken where the process is in the group: that is how
// containers and Kubernetes (fsGroup) hand secrets to a process that is not root.
// The same for root's own group: systemd hands credentials to a service by an access
// control list, whose mask looks like that. A file that everybody on the machine may
// use, or that belongs to another user, is refused: what it holds is no secret, or
// not the operator's.
// Root reads a file that is its owner's alone, whoever that is: it works beside a
// provider that has a user of its own, and in containers it reads what is mounted
// from the host.
func Check(s Standing, p Process) (note string, err error) {
	perm := s.Mode.Perm()
	others, group := perm&0o007, perm&0o070
	switch foreign := s.UID != 0 && s.UID != p.UID; {
	case !s.Mode.IsRegular():
		return "", errors.New("is not a file")
	case others != 0:
		return "", fmt.Errorf("everybody on this machine may use it (mode %04o): run chmod 600 on it, "+
			"or chmod 640 where its group is one of this process (in Kubernetes: defaultMode 0440 with fsGroup, in Docker: mode 0400 and uid), and consider whether it has been read", perm)
	case foreign && (p.UID != 0 || group != 0):
		return "", fmt.Errorf("it belongs to user %d, who may change it, and this process is user %d (mode %04o): run chown %d on it, or chown root and chmod 640 with a group of this process",
			s.UID, p.UID, perm, p.UID)
	case group != 0 && s.UID == 0 && s.GID == 0 && perm&0o020 == 0:
		return fmt.Sprintf("members of root's group, or whom an access control list names, may read it too (mode %04o)", perm), nil
	case group != 0 && !slices.Contains(p.Groups, s.GID):
		return "", fmt.Errorf("others than its owner may use it: group %d, which this process is not in (mode %04o): run chmod 600 on it, "+
			"or chgrp with one of the groups %v of this process, and consider whether it has been read", s.GID, perm, p.Groups)
	case group != 0:
		return fmt.Sprintf("members of group %d may read it too (mode %04o)", s.GID, perm), nil
	case foreign:
		return fmt.Sprintf("user %d, whom it belongs to, may read and change it (mode %04o)", s.UID, perm), nil
	}
	return "", nil
}

// Content is a file as it was read.
type Content struct {
	Bytes []byte // whole; of text, without a byte order mark
	Note  string // what the operator should know of its owner and mode; mostly empty
}

// Secret reads a file that holds a secret; its owner and mode have to pass Check.
func Secret(path string) (Content, error) { return read(Named{Path: path, Secret: true}) }

// Public reads a file that anybody may read.
func Public(path string) (Content, error) { return read(Named{Path: path}) }

// read opens a file, checks it where it is to hold a secret, and reads it whole.
// Errors name the path.
func read(n Named) (c Content, err error) {
	path, most := n.Path, max(n.Large, MaxSize)
	// Not to wait for a writer, should it be a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			p := Self()
			err = fmt.Errorf("%w: this process is user %d in the groups %v", err, p.UID, p.Groups)
		}
		return c, err
	}
	defer f.Close()
	// The opened file is looked at, not the path, which may change meanwhile.
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	if !info.Mode().IsRegular() {
		return c, fmt.Errorf("%s is not a file", path)
	}
	if n.Secret {
		s := Standing{UID: -1, GID: -1, Mode: info.Mode()}
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			s.UID, s.GID = int(sys.Uid), int(sys.Gid)
		}
		if c.Note, err = Check(s, Self()); err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
	}
	if info.Size() > most {
		return c, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	into := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // at once, a large file would be copied as it grows
	if _, err = into.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return c, err
	}
	c.Bytes = into.Bytes()
	if int64(len(c.Bytes)) > most {
		return c, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	if n.Large > 0 {
		return c, nil
	}
	if c.Bytes, err = Text(c.Bytes); err != nil {
		return c, fmt.Errorf("%s %w", path, err)
	}
	return c, nil
}

// Text takes byte order marks of UTF-8 off; editors leave them, and nobody sees
// them. Refused are text in UTF-16 or UTF-32, whose every second byte is no letter,
// DER or PKCS #12 in place of PEM, and whatever else has zero bytes. The error says
// what to do, behind the name of the file, which the caller puts before it.
func Text(b []byte) ([]byte, error) {
	for bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		b = b[3:]
	}
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")), bytes.HasPrefix(b, []byte("\x00\x00\xfe\xff")):
		return nil, errors.New("is written in UTF-16 or UTF-32, as some editors and shells do; save it as UTF-8, or as plain text")
	case bytes.HasPrefix(b, []byte{0x30, 0x82}) && bytes.IndexByte(b, 0) >= 0:
		return nil, errors.New("is in binary form (DER or PKCS #12), and PEM is wanted; openssl x509 -inform der, openssl pkey -inform der or openssl pkcs12 -nodes makes it")
	case bytes.IndexByte(b, 0) >= 0:
		return nil, errors.New("has zero bytes, so it is no text, or text in UTF-16; save it as UTF-8, or as plain text")
	}
	return b, nil
}

// Line is the first line of a text, without its end, whichever of LF, CR LF and
// CR that is. Blanks are part of it.
func Line(text []byte) string {
	if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
		text = text[:i]
	}
	return string(text)
}
