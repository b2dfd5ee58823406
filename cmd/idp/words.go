package main

import (
	"errors"
	"fmt"

	"hilum/idp"
)

// fieldWords say at the console what idp.FieldError says by key.
var fieldWords = map[string]string{
	"text.invalid":            "has characters that cannot be used",
	"text.missing":            "is missing",
	"text.long":               "is too long",
	"user.name.bad":           "a sign-in name has 1 to 64 characters",
	"user.name.letters":       "a sign-in name is made of letters, digits and . _ - @ +",
	"user.email.bad":          "is no mail address",
	"user.staff.bad":          "is none of admin, helpdesk, auditor",
	"client.id.bad":           "an id has 1 to 64 letters, digits and . _ -",
	"client.kind.bad":         "is none of web, native",
	"client.auth.bad":         "is none of client_secret_basic, client_secret_post, none",
	"client.auth.fixed":       "an application cannot change between having a secret and having none; register it anew",
	"client.public":           "a public application has no secret",
	"client.grants.missing":   "at least one grant type is needed",
	"client.grants.unknown":   "is none of authorization_code, refresh_token, client_credentials",
	"client.grants.refresh":   "refresh_token needs authorization_code beside it",
	"client.grants.public":    "client_credentials needs a secret",
	"client.pkce.public":      "PKCE is all that protects a public application; it stays",
	"client.redirect.missing": "authorization_code needs a redirect address: --redirect-uri",
	"client.redirect.many":    "too many addresses",
	"client.redirect.bad":     "an address begins with https:// (http:// on loopback; a scheme such as org.hospital.viewer: for a native program) and has no fragment, no user and no wildcard",
	"client.origin.many":      "too many origins",
	"client.audience.bad":     "an audience is one word without quotes and backslashes",
	"client.audience.many":    "too many audiences",
	"client.origin.bad":       "an origin is scheme and host, such as https://viewer.your-hospital.org",
	"client.scopes.many":      "too many scopes",
	"client.scopes.bad":       "a scope is one word without quotes and backslashes",
	"client.alg.bad":          "is none of RS256, PS256, ES256, EdDSA",
	"client.format.bad":       "is none of opaque, jwt",
	"client.ttl.bad":          "is out of bounds",
	"client.grace.bad":        "is at most 1m, and not possible for a public application",
}

// fieldError puts a FieldError into words; any other error is left as it is.
func fieldError(err error) error {
	field := (*idp.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	if words, ok := fieldWords[field.Message]; ok {
		return fmt.Errorf("%s: %s", field.Field, words)
	}
	return err
}
