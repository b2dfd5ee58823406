package page

import (
	"strings"
	"unicode"

	"github.com/mileusna/useragent"

	"hilum/templates"
)

// Describe names the browser and the operating system that a User-Agent header
// claims, "" where it does not say. The header is chosen by whoever sends it and the
// names are shown to people, so they are printable and of maxDescribed bytes at most.
func Describe(agent string) (browser, os string) {
	ua := useragent.Parse(agent)
	short := func(s string) string {
		if s = printable(s); len(s) > maxDescribed {
			s = s[:maxDescribed]
		}
		return s
	}
	return short(ua.Name), short(ua.OS)
}

// IsIPhone reports whether a User-Agent header names an iPhone or iPad. An iPad may name
// itself a Mac, and then it is taken for one.
func IsIPhone(agent string) bool { return useragent.Parse(agent).OS == useragent.IOS }

// maxDescribed bounds a name of Describe, in bytes.
const maxDescribed = 32

// BrowserWords says which browser a User-Agent header names, in as few words
// as a person needs to know it again.
func BrowserWords(agent string) templates.Message {
	ua := useragent.Parse(agent)
	switch {
	case ua.Name == "" || len(ua.Name) > 40 || ua.Name == agent && ua.OS == "":
		return templates.Say("sessions.browser.unknown")
	case ua.OS == "":
		return templates.Say("sessions.browser.only", "Browser", ua.Name)
	}
	return templates.Say("sessions.browser", "Browser", ua.Name, "System", ua.OS)
}

// printable drops what must not stand in a text that is shown: bytes that are no UTF-8,
// control characters, and those that change the direction of writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
