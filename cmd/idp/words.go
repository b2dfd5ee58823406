package main

import (
	"errors"
	"fmt"

	"hilum/idp"
	"hilum/idp/admin"
)

// fieldWords say at the console what idp.FieldError says by key.
var fieldWords = map[string]string{
	"text.invisible":           "consists of invisible characters",
	"user.phone.bad":           "is no telephone number",
	"user.locale.bad":          "is no language tag such as en or nl-BE",
	"text.invalid":             "has characters that cannot be used",
	"text.missing":             "is missing",
	"text.long":                "is too long",
	"user.name.bad":            "a sign-in name has 1 to 64 characters",
	"user.name.letters":        "a sign-in name is made of letters, digits and . _ - @ +",
	"user.email.bad":           "is no mail address",
	"user.staff.bad":           "is none of admin, helpdesk, auditor",
	"client.id.taken":          "it is a word of the provider's own addresses; choose another",
	"client.id.bad":            "an id has 1 to 64 letters, digits and . _ -",
	"client.kind.bad":          "is none of web, native",
	"client.auth.bad":          "is none of client_secret_basic, client_secret_post, none",
	"client.auth.fixed":        "an application cannot change between having a secret and having none; register it anew",
	"client.public":            "a public application has no secret",
	"client.grants.missing":    "at least one grant type is needed",
	"client.grants.unknown":    "is none of authorization_code, refresh_token, client_credentials",
	"client.grants.refresh":    "refresh_token needs authorization_code beside it",
	"client.grants.public":     "client_credentials needs a secret",
	"client.pkce.public":       "PKCE is all that protects a public application; it stays",
	"client.redirect.missing":  "authorization_code needs a redirect address: --redirect-uri",
	"client.redirect.many":     "too many addresses",
	"client.redirect.bad":      "an address begins with https:// (http:// on loopback; a scheme such as org.hospital.viewer: for a native program) and has no fragment, no user and no wildcard",
	"client.logout.missing":    "what has to know which session ended needs an address: --backchannel-logout-uri",
	"client.origin.many":       "too many origins",
	"client.audience.bad":      "an audience is one word without quotes and backslashes",
	"client.audience.many":     "too many audiences",
	"client.origin.bad":        "an origin is scheme and host, such as https://viewer.your-hospital.org",
	"client.scopes.many":       "too many scopes",
	"client.scopes.bad":        "a scope is one word without quotes and backslashes",
	"client.scopes.admin":      "hilum.admin, hilum.helpdesk and hilum.auditor are for applications with a secret and the one grant type client_credentials",
	"client.alg.bad":           "is none of RS256, PS256, ES256, EdDSA",
	"client.format.bad":        "is none of opaque, jwt",
	"client.match.bad":         "is none of auto, tap, type, pick, strict",
	"client.departure.admin":   "may administer",
	"client.departure.pkce":    "PKCE not demanded",
	"client.departure.claims":  "claims in the ID token",
	"client.departure.refresh": "refresh tokens without asking",
	"client.departure.grace":   "used refresh tokens may be repeated",
	"client.departure.post":    "the secret in the body",
	"client.departure.access":  "access tokens live longer than 15 minutes",
	"client.departure.http":    "a redirect without TLS",
	"client.departure.tap":     "a tap is enough in a new browser",
	"client.groups.bad":        "a group has 1 to 64 characters",
	"client.groups.many":       "too many groups",
	"client.claims.many":       "too many claims, or values of one",
	"client.claims.name":       "the name of a claim is one word, each stands once, and none is a name that tokens use themselves",
	"client.claims.from":       "is made of none of name, given_name, family_name, preferred_username, locale, email, phone_number, groups, roles",
	"client.claims.text":       "a text of at most 255 characters is wanted, without values to rename",
	"client.claims.value":      "a value is renamed from and to a text of at most 255 characters",
	"preset.unknown":           "the preset does not ask for this",
	"preset.address":           "is no address such as https://viewer.your-hospital.org, without a slash at its end",
	"list.facet.bad":           "there is none of this name; --help lists them",
	"list.sort.bad":            "there is none of this name; --help lists them",
	"page.bad":                 "is no page of this list",
	"devices.count":            "at most 1000 devices at once",
	"users.count":              "at most 1000 people at once",
	"export.format":            "is none of json, csv",
	"import.large":             "is larger than 20 MiB",
	"import.encoding":          "is not in UTF-8; save the file as CSV in UTF-8",
	"import.empty":             "has no first line that says what the columns are",
	"import.many":              "has more than 50,000 people",
	"import.column":            "a column is none of username, name, given_name, family_name, email, phone, locale, roles, groups",
	"import.column.twice":      "columns stand twice",
	"import.columns.many":      "there are too many columns",
	"import.utf16":             "is in UTF-16; save it as CSV in UTF-8",
	"import.workbook":          "is a workbook of a spreadsheet; save it as CSV in UTF-8",
	"import.separator":         "the first line names a separator that is none of comma, semicolon and tab",
	"import.row.long":          "is too long",
	"import.email.twice":       "this mail address stands in the file before",
	"import.email.taken":       "somebody has this mail address",
	"import.username":          "there is no column username",
	"import.cells":             "has not as many cells as the first line",
	"import.quotes":            "a quotation mark stands where none may be, or is not closed",
	"import.twice":             "this name stands in the file before",
	"devices.confirm":          "has to name the devices that are linked now",
	"mail.off":                 "this site sends none; mail.host in the configuration names a mail server",
	"mail.address":             "there is none to write to; \"idp user edit NAME --email ADDRESS\" sets one",
	"picture.missing":          "is empty",
	"picture.large":            "is larger than 256 KB",
	"picture.png":              "is no PNG; other kinds of pictures are not taken",
	"picture.wide":             "is more than 2048 pixels wide or high",
	"picture.small":            "is less than 16 pixels wide or high",
	"picture.broken":           "is damaged",
	"picture.moves":            "moves; a picture that stands still is wanted",
	"picture.more":             "goes on behind the end of the picture",
	"picture.blank":            "shows nothing",
	"site.name.colon":          "has a colon, which authenticator apps take for a separator",
	"site.accent.bad":          "is no colour, such as #0a7d6c",
	"site.languages.unknown":   "there are no words in one of these languages",
	"site.language.offered":    "the default language has to be among those that are offered",
	"site.logo.first":          "set a logo first; the one for the dark theme stands in for it there",
	"client.ttl.bad":           "is out of bounds",
	"client.grace.bad":         "is at most 1m, and not possible for a public application",
}

// fieldError puts a FieldError into words; any other error is left as it is.
func fieldError(err error) error {
	field := (*idp.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	words, ok := fieldWords[field.Message]
	if columns := (*admin.ColumnsError)(nil); ok && errors.As(err, &columns) {
		words += ": " + columns.List()
	}
	if ok {
		return fmt.Errorf("%s: %s", field.Field, words)
	}
	return err
}
