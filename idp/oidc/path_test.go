package oidc

import "testing"

// A proof names the whole URL of an endpoint, with the path of the issuer (RFC 9449,
// section 4.3).
func TestProofsNameThePathOfTheIssuer(t *testing.T) {
	for htu, good := range map[string]bool{
		"https://pacs.test/a/login/token":        true,
		"https://PACS.test:443/a/login/token?q":  true,
		"https://pacs.test/a/login/x/../token":   true,
		"https://pacs.test/token":                false,
		"https://pacs.test/a/token":              false,
		"https://pacs.test/a/login/login/token":  false,
		"https://pacs.test/a/login/token/":       false,
		"https://pacs.test/a/login/../token":     false,
		"https://other.test/a/login/token":       false,
		"http://pacs.test/a/login/token":         false,
		"https://pacs.test:8443/a/login/token":   false,
		"https://anna@pacs.test/a/login/token":   false,
		"https://pacs.test/a/login/userinfo":     false,
		"/a/login/token":                         false,
		"https://pacs.test/a/login/%74oken#more": true,
	} {
		if got := sameURL(htu, "https://pacs.test/a/login", pathToken); got != good {
			t.Errorf("%s: %v", htu, got)
		}
	}
}
