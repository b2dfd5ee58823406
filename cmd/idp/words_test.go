package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Every reason for which admin refuses a person or an application has words
// for the console.
func TestEveryRefusalHasWords(t *testing.T) {
	files, err := filepath.Glob("../../idp/admin/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("sources of admin: %v", err)
	}
	key := regexp.MustCompile(`"((?:user|client|text)\.[a-z.]+)"`)
	found := 0
	for _, file := range append(files, "../../idp/user.go") {
		if matched, _ := filepath.Match("*_test.go", filepath.Base(file)); matched {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(src), -1) {
			found++
			composed := fieldWords[m[1]+".bad"] != "" && fieldWords[m[1]+".many"] != ""
			if fieldWords[m[1]] == "" && !composed {
				t.Errorf("%s: %s has no words", file, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d keys found; the pattern no longer fits the sources", found)
	}
}
