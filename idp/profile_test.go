package idp_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
)

// TestProfilesAreAskedByWhatTheyMean: what holds under FAPI 2.0 holds with Message Signing
// too, so no code compares a profile with the name of one.
func TestProfilesAreAskedByWhatTheyMean(t *testing.T) {
	named := regexp.MustCompile(`([!=]=|case) (idp\.)?ProfileFAPI2`)
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache") {
			return leaveOut(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || path == filepath.Join("..", "idp", "client.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		files++
		if at := named.Find(text); at != nil {
			t.Errorf("%s has %q; Client.FAPI2 or Client.SignsMessages is what is meant", path, at)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
	for profile, want := range map[idp.ClientProfile][2]bool{"": {}, idp.ProfileFAPI2: {true, false}, idp.ProfileFAPI2Signing: {true, true}} {
		c := &idp.Client{Profile: profile, IDTokenAlg: "ES256"}
		if got := [2]bool{c.FAPI2(), c.SignsMessages()}; got != want || c.RotatesRefresh() == c.FAPI2() {
			t.Errorf("%q: %v", profile, got)
		}
		usual := "RS256"
		if c.FAPI2() {
			usual = "ES256"
		}
		if got := c.SignedBy("") + c.SignedBy("PS256"); got != usual+"PS256" {
			t.Errorf("%q signs by %s", profile, got)
		}
	}
}

// leaveOut leaves a folder out, unless it could not be read.
func leaveOut(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}
