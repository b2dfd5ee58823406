//go:build !dev

package source

import (
	"embed"
	"io/fs"
	"sync"
)

// Live reports whether files may change while the program runs.
const Live = false

// Files are those of a folder of the module, which embedded holds.
func Files(embedded embed.FS, _ string) fs.FS { return embedded }

// Kept calls make once, when what it makes is wanted.
func Kept[T any](make func() (T, error)) func() (T, error) { return sync.OnceValues(make) }

// Stamp is empty: embedded files do not change.
func Stamp() string { return "" }
