package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Here stand the mistakes of values that were written for a shell, which would have
// replaced something in them. Each is refused with what to write, in the file as in
// the environment.

// prose are the settings whose text people read: a dollar sign in it may be meant as
// one.
var prose = map[string]bool{"site.name": true, "site.help": true, "device.label": true}

// unexpanded finds what a shell, a compose file, a template or Windows would have
// replaced; unexpandedProse is for texts of prose, and finds less.
var (
	unexpanded      = regexp.MustCompile(`\$\{|\$\(|\$[A-Za-z_]|%[A-Za-z_][A-Za-z0-9_]*%|\{\{`)
	unexpandedProse = regexp.MustCompile(`\$\{[A-Za-z_]|\$\([A-Za-z_]|\{\{`)
)

// path reports whether a setting names a file or folder.
func (s setting) path() bool {
	return s.key == "data_dir" || s.key == "database.path" || strings.HasSuffix(s.key, "_file")
}

// mistakenIn is mistaken for a YAML node: a value, or each item of a list.
func (s setting) mistakenIn(n *yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return ""
		}
		return s.mistaken(n.Value)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				continue
			}
			if item.Value == "" || item.Tag == "!!null" {
				return "has an item that is empty; leave it out, and the comma that it stands behind"
			}
			if problem := s.mistaken(item.Value); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// mistaken says what of a value means something else to the machine than to the
// person, with what to write; empty: nothing.
func (s setting) mistaken(text string) string {
	pattern := unexpanded
	if prose[s.key] {
		pattern = unexpandedProse
	}
	trimmed := strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' })
	first, last := byte(0), byte(0)
	if len(text) > 1 {
		first, last = text[0], text[len(text)-1]
	}
	switch {
	case text == "":
	case s.key == "database.url":
		return mistakenURL(text, trimmed)
	case s.key == "database.url_file" && strings.Contains(text, "://") && !strings.HasPrefix(text, "file:"):
		// A password may be in it, so it is not shown.
		return "is a URL; write it into a file that only the provider can read, and the path of that file here; without a password it may stand in database.url"
	case s.path() && (strings.ContainsAny(trimmed, "\n\r") || strings.HasPrefix(trimmed, "-----BEGIN") || strings.HasPrefix(trimmed, "{")):
		// It may be a secret, so it is not shown.
		return "looks like the content of a file; write it into one, and the path of that file here"
	case strings.HasSuffix(text, "\r") && strings.TrimSuffix(text, "\r") == trimmed:
		return fmt.Sprintf("%q ends in a carriage return, as files of Windows do; save the file that sets it with LF line ends, or write %s", text, trimmed)
	case trimmed != text && !(s.value.Kind() == reflect.Slice && s.value.Type().Elem().Kind() == reflect.Struct):
		return fmt.Sprintf("%q has blanks around it, which are part of the value here; write %s", text, trimmed)
	case first == last && (first == '"' || first == '\'' || first == '`'):
		return fmt.Sprintf("%s is in quotes, which are part of the value here; write %s", text, text[1:len(text)-1])
	case s.value.Kind() == reflect.Slice && first == '[' && last == ']':
		return fmt.Sprintf("%q has brackets, which are part of the value here; write %s", text, strings.Trim(text, "[]"))
	case pattern.MatchString(text):
		return fmt.Sprintf("%q has %s, which nothing replaces here; write what it stands for", text, pattern.FindString(text)+"…")
	case s.path() && text[0] == '~':
		return fmt.Sprintf("%q would be a folder called «~» in the working folder: only shells know what ~ means; write the whole path, such as /home/idp%s", text, strings.TrimLeft(text, "~"))
	case s.path() && (strings.HasPrefix(strings.ToLower(text), "file:") || strings.Contains(text, "://")):
		_, rest, _ := strings.Cut(text, ":")
		return fmt.Sprintf("%q is a URL; write the path alone, such as /%s", text, strings.TrimLeft(rest, "/"))
	case s.path() && text[0] == ':':
		return fmt.Sprintf("%q would be a file of that name, and nothing is kept in memory alone; write a path", text)
	}
	return ""
}

// mistakenURL is mistaken for a URL that may have a password in it, which is never shown.
func mistakenURL(text, trimmed string) string {
	first, last := text[0], text[len(text)-1]
	switch {
	case trimmed != text:
		return "has blanks or a line end around it, which are part of the value here; write it without, and save the file that sets it with LF line ends"
	case len(text) > 1 && first == last && (first == '"' || first == '\'' || first == '`'):
		return "is in quotes, which are part of the value here; write it without"
	case strings.Contains(text, "${") || strings.Contains(text, "$(") || strings.Contains(text, "{{"):
		return "has «${», «$(» or «{{», which nothing replaces here; write what it stands for"
	}
	return ""
}

// durationHint says which duration was probably meant by a text that is none; empty:
// nobody can tell.
func durationHint(text string) string {
	text = strings.TrimSpace(text)
	unit := strings.TrimLeft(text, "0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(text, unit))
	if err != nil {
		return ""
	}
	switch strings.ToLower(strings.TrimSpace(unit)) {
	case "":
		return fmt.Sprintf("; %d alone may be seconds (%ds) or minutes (%dm)", n, n, n)
	case "s", "sec", "secs", "second", "seconds":
		return fmt.Sprintf("; %ds, for one", n)
	case "m", "min", "mins", "minute", "minutes":
		return fmt.Sprintf("; %dm, for one", n)
	case "h", "hour", "hours", "hr", "hrs":
		return fmt.Sprintf("; %dh, for one", n)
	case "d", "day", "days":
		return fmt.Sprintf("; %dh are %d days", 24*n, n)
	case "w", "week", "weeks":
		return fmt.Sprintf("; %dh are %d weeks", 7*24*n, n)
	}
	return ""
}
