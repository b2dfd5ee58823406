package web

import (
	"testing"

	"hilum/idp/claim"
	"hilum/templates"
)

// TestEveryClaimHasWords: whatever an application can be told of a person is said in words
// when it asks for it by name, in one way each.
func TestEveryClaimHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range claim.Person {
		words := claimWords([]string{c.Name})
		if len(words) != 1 || words[0].Key == templates.Say("scope.other").Key || seen[words[0].Key] {
			t.Errorf("%s: %+v", c.Name, words)
			continue
		}
		seen[words[0].Key] = true
	}
}
