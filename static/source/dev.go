//go:build dev

package source

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Live reports whether files may change while the program runs.
const Live = true

// root is the folder of the module: that of the sources that this was built from, or the
// one that the variable HILUM_SOURCES names.
var root = sync.OnceValue(func() string {
	if dir := os.Getenv("HILUM_SOURCES"); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
})

// Files are those of the folder dir of the module, as they are now.
func Files(_ embed.FS, dir string) fs.FS { return os.DirFS(filepath.Join(root(), dir)) }

// Kept returns a function that calls make when what it makes is wanted, and anew when a
// file has changed since. Safe for concurrent use.
func Kept[T any](make func() (T, error)) func() (T, error) {
	var mu sync.Mutex
	var made T
	var err error
	of := ""
	return func() (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := Stamp(); now != of {
			made, err = make()
			of = now
		}
		return made, err
	}
}

// lookEvery bounds how often the files are looked at.
const lookEvery = 100 * time.Millisecond

var (
	looking sync.Mutex
	looked  time.Time
	stamp   string
)

// Stamp changes when a file of templates or static does: it is a digest of their names,
// times and sizes.
func Stamp() string {
	looking.Lock()
	defer looking.Unlock()
	if time.Since(looked) < lookEvery {
		return stamp
	}
	sum := sha256.New()
	for _, dir := range []string{"templates", "static"} {
		_ = filepath.WalkDir(filepath.Join(root(), dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // saved just now: the next look finds it
			}
			if info, err := d.Info(); err == nil {
				fmt.Fprintln(sum, path, info.ModTime().UnixNano(), info.Size())
			}
			return nil
		})
	}
	looked, stamp = time.Now(), hex.EncodeToString(sum.Sum(nil))
	return stamp
}
