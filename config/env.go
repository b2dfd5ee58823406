package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// ConfigVariable is the one variable that sets no setting: it names the file.
const ConfigVariable = Prefix + "CONFIG"

// testPrefix begins the variables that the tests of this module read.
const testPrefix = Prefix + "TEST_"

// Stray returns a fault for every variable of an environment ("NAME=value" each, as
// os.Environ has it) that looks like a setting and is none, with the nearest one. A
// value is never shown: it may be a secret that was put in the wrong place. What
// Kubernetes sets for services and Docker for links is no fault. environ is sorted
// in place.
func Stray(environ []string) error {
	settings := settingsOf(reflect.ValueOf(Default()).Elem(), "")
	known := make([]string, 0, len(settings)+1)
	for _, s := range settings {
		known = append(known, s.env())
	}
	known = append(known, ConfigVariable)
	var faults []*Fault
	slices.Sort(environ)
	linked := slices.ContainsFunc(environ, func(e string) bool { return strings.HasPrefix(e, Prefix+"NAME=/") })
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		upper := strings.ToUpper(name)
		switch {
		case !strings.HasPrefix(upper, Prefix), slices.Contains(known, name), strings.HasPrefix(name, testPrefix), fromOrchestrator(name, value):
			continue
		case linked && (name == Prefix+"NAME" || strings.HasPrefix(name, Prefix+"ENV_")):
			continue
		case upper != name:
			// Other programs may have variables in small letters; only one that is ours is told.
			if slices.Contains(known, upper) {
				faults = append(faults, &Fault{Place: name, Problem: "is no setting; write it in capitals, " + upper})
			}
			continue
		}
		best, near := nearest(name, known, "_")
		problem := "is no setting; did you mean " + best + "?"
		if !near {
			problem += " `idp config example` prints all settings"
		}
		if own, ok := strings.CutSuffix(name, "_FILE"); ok && slices.Contains(known, own) {
			problem = fmt.Sprintf("is no setting; %s takes the value itself, or leave it to the configuration file", own)
		} else if slices.Contains(known, name+"_FILE") {
			problem = fmt.Sprintf("is no setting: secrets come by file; write the secret into a file that only the provider can read, and its path into %s_FILE", name)
		}
		faults = append(faults, &Fault{Place: name, Problem: problem})
	}
	return join(faults)
}

// The forms of the variables that Kubernetes sets in every container for each
// service (Kubernetes documentation, «Environment variables»), and Docker for links:
// IDP_SERVICE_HOST, IDP_PORT, IDP_PORT_8080_TCP_ADDR; for a service idp-db IDP_DB_PORT.
var (
	serviceHost = regexp.MustCompile(`^IDP_(?:[A-Z0-9_]+_)?SERVICE_HOST$`)
	servicePort = regexp.MustCompile(`^IDP_(?:[A-Z0-9_]+_)?SERVICE_PORT(?:_[A-Z0-9_]+)?$`)
	linkPort    = regexp.MustCompile(`^IDP_(?:[A-Z0-9_]+_)?PORT$`)
	linkDetail  = regexp.MustCompile(`^IDP_(?:[A-Z0-9_]+_)?PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$`)
	linkURL     = regexp.MustCompile(`^(?:tcp|udp|sctp)://.+:[0-9]+$`)
	digits      = regexp.MustCompile(`^[0-9]+$`)
)

// fromOrchestrator reports whether a variable has one of these forms, by its name and by
// its value: IDP_MAIL_PORT is ours with a number, and Kubernetes's for a service
// idp-mail with a URL.
func fromOrchestrator(name, value string) bool {
	switch {
	case serviceHost.MatchString(name):
		_, err := netip.ParseAddr(value)
		return err == nil || value == "None" || value == ""
	case servicePort.MatchString(name):
		return digits.MatchString(value)
	case linkDetail.MatchString(name):
		return true
	case linkPort.MatchString(name):
		return linkURL.MatchString(value)
	}
	return false
}

// nearest returns the name that is most like a word; near says whether it is like
// enough to be what was meant. A name that ends in the same parts, which separator
// divides, counts as one letter away.
func nearest(word string, names []string, separator string) (best string, near bool) {
	last := word[strings.LastIndex(word, separator)+1:]
	away := func(name string) int {
		d := distance(strings.ToLower(word), strings.ToLower(name))
		if name == word+separator+last || strings.HasSuffix(name, separator+strings.TrimPrefix(word, Prefix)) || separator == "." && strings.HasSuffix(name, separator+last) {
			d = min(d, 1)
		}
		return d
	}
	best = slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(away(a)-away(b), distance(word, a)-distance(word, b), strings.Compare(a, b))
	})
	return best, away(best) <= max(2, len(word)/4)
}

// distance is the number of letters to change, add, leave out, or swap with their
// neighbour, that makes b of a (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
