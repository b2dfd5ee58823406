package bench

import (
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// idpBinary is the provider that is measured, built as it is shipped; fillBinary is what fills
// its database.
var idpBinary, fillBinary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// A limit is measured by a process of its own, on the core that the
	// provider has at other times.
	if name := os.Getenv(limitVariable); name != "" {
		if err := limitMain(name); err != nil {
			log.Print(err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "hilum-bench-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	idpBinary = filepath.Join(dir, "idp")
	fillBinary = filepath.Join(dir, "fill")
	for file, of := range map[string]string{idpBinary: "hilum/cmd/idp", fillBinary: "hilum/e2e/bench/fill"} {
		if out, err := exec.Command("go", "build", "-o", file, of).CombinedOutput(); err != nil {
			log.Printf("build %s: %v\n%s", of, err, out)
			return 1
		}
	}
	if apart = several(); apart {
		if err := keepAway(); err != nil {
			log.Print(err)
			return 1
		}
	}
	return m.Run()
}

// apart says that provider and load have a core each.
var apart bool
