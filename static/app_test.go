package static

import (
	"bytes"
	"fmt"
	"image/png"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// appSources are the app's modules, by name.
func appSources(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, name := range filesIn("app") {
		if path.Ext(name) == ".js" && path.Dir(name) == "app" && name != workerMade {
			list[path.Base(name)] = string(read(name))
		}
	}
	return list
}

// lists are the app's lists of sentences: those of its lock, notifications, and all that
// pages alone say; each is a file for each language.
var lists = []string{"lock", "notes", "words"}

// later is the list that is not fetched before the app shows anything.
const later = "lock"

func catalogue(list, language string) string { return "app/" + list + "." + language + ".js" }

func catalogues() (all []string) {
	for _, list := range lists {
		for _, l := range languages() {
			all = append(all, catalogue(list, l))
		}
	}
	return all
}

// languages are those that the app speaks.
func languages() []string {
	known := regexp.MustCompile(`(?m)^const languages = \[(.*)\]$`).FindSubmatch(read("app/language.js"))
	var list []string
	for _, m := range literal.FindAllSubmatch(known[1], -1) {
		list = append(list, string(m[1]))
	}
	return list
}

// What the app fetches before it shows codes: 60 KB at most, unpacked.
func TestAppIsSmall(t *testing.T) {
	sum, said := 0, []string{}
	for _, p := range append(AppModules(), Path(appMain), Path(AppSheet)) {
		name := strings.TrimPrefix(p, "/static/"+Version()+"/")
		n := len(all().files[name].plain)
		sum += n
		said = append(said, fmt.Sprintf("%s %d", name, n))
	}
	longest := 0 // of the languages, one is fetched
	for _, l := range languages() {
		n := 0
		for _, list := range lists {
			if list == later {
				continue
			}
			n += len(all().files[catalogue(list, l)].plain)
		}
		longest = max(longest, n)
		said = append(said, fmt.Sprintf("%s %d", l, n))
	}
	sum += longest
	t.Logf("%d bytes: %s", sum, strings.Join(said, ", "))
	if sum > 60<<10 {
		t.Errorf("the app opens with %d bytes of script and style", sum)
	}
}

// A string or a pattern of the sources: what a person might read is a string of
// two words, or of one that begins with a capital.
var (
	literal  = regexp.MustCompile("'((?:[^'\\\\\n]|\\\\.)*)'|\"((?:[^\"\\\\\n]|\\\\.)*)\"|`((?:[^`\\\\]|\\\\.)*)`")
	comments = regexp.MustCompile(`(?m)^\s*//.*$|\s//\s.*$|(?s)/\*[*\s].*?\*/`)
	spoken   = regexp.MustCompile(`^\p{Lu}\p{L}+|\p{L}\s+\p{L}`)
)

// silent are the strings that look like words and are shown to nobody.
var silent = []string{
	"EC", "ES256", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "HMAC", "AES-GCM", "HKDF", "ECDH", "ECDSA", "SHA-1", "SHA-256", "P-256", "Content-Type", "Authorization", "Device ", "POST", "GET", "Backspace", "Notification", "PushManager",
	"BarcodeDetector", "NotAllowedError", "NotReadableError", "NotFoundError",
	"Account", "Names", // of messages
	"use strict", "take over",
	"QRCode", "Plain", "GlobalHistogram", "no answer", "the reader did not load", // settings and faults of the decoder
	"iPad", "iPhone",
}

// classes are attributes and commands, which hold no words either.
var classes = regexp.MustCompile(`(?:class|d|viewBox|accept)['"]?: (?:[^,}]*\? )?['"][^'"]*['"](?: : ['"][^'"]*['"])?|['"]ask ['"]|['"] why['"]|['"] bad['"]|registration\.scope`)

func strayWords(source string) []string {
	source = classes.ReplaceAllString(comments.ReplaceAllString(source, ""), "")
	var found []string
	for _, m := range literal.FindAllStringSubmatch(source, -1) {
		s := m[1] + m[2] + m[3]
		if spoken.MatchString(s) && !slices.Contains(silent, s) {
			found = append(found, s)
		}
	}
	return found
}

func TestNoWordsOutsideTheCatalogue(t *testing.T) {
	for name, source := range appSources(t) {
		if isCatalogue(name) {
			continue
		}
		for _, s := range strayWords(source) {
			t.Errorf("%s says %q by itself", name, s)
		}
	}
}

func TestNoWordsOutsideTheCatalogueSeesThem(t *testing.T) {
	got := strayWords("// not this\nh('p', {}, 'Two words', \"one more\", `and this`, 'Single', 'lower', t('a.key'), { class: 'main answer' })")
	if want := []string{"Two words", "one more", "and this", "Single"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func isCatalogue(name string) bool { return slices.Contains(catalogues(), "app/"+name) }

// sentence is what a language says for a key: one text, or one for each plural form.
type sentence struct {
	key  string
	text map[string]string // by plural form; the only text is other
}

// sentences reads a list of a language: nothing stands in its file but sentences, a
// line each.
func sentences(t *testing.T, name string) []sentence {
	t.Helper()
	body, ok := strings.CutSuffix(string(served(name)), "\n}\n")
	body, begins := strings.CutPrefix(body, "\nexport default {\n")
	if !ok || !begins {
		t.Fatalf("%s is more than a list of sentences", name)
	}
	var list []sentence
	plain := regexp.MustCompile(`^'([a-z0-9_.]+)': '([^'\\]*)',$`)
	form := regexp.MustCompile(`^(one|many|other): '([^'\\]*)',$`)
	open := false
	for line := range strings.SplitSeq(body, "\n") {
		if m := plain.FindStringSubmatch(line); m != nil && !open {
			list = append(list, sentence{m[1], map[string]string{"other": m[2]}})
		} else if m := regexp.MustCompile(`^'([a-z0-9_.]+)': {$`).FindStringSubmatch(line); m != nil && !open {
			list = append(list, sentence{m[1], map[string]string{}})
			open = true
		} else if m := form.FindStringSubmatch(line); m != nil && open {
			list[len(list)-1].text[m[1]] = m[2]
		} else if line == "}," && open {
			open = false
		} else {
			t.Fatalf("%s: %s", name, line)
		}
	}
	return list
}

// catalogueKeys are the keys of the sentences, in the order of their files.
func catalogueKeys(t *testing.T) []string {
	t.Helper()
	var keys []string
	for _, list := range lists {
		for _, s := range sentences(t, catalogue(list, "en")) {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// Every language says the same as English: the same sentences, of the same
// things, in as many forms.
func TestLanguagesOfTheApp(t *testing.T) {
	var there []string
	for _, name := range filesIn("app") {
		if regexp.MustCompile(`^app/[a-z]+\.[a-z]+\.js$`).MatchString(name) {
			there = append(there, name)
		}
	}
	if want := catalogues(); len(want) < 4 || !slices.Equal(there, want) {
		t.Errorf("there are %v, the languages want %v", there, want)
	}
	names := regexp.MustCompile(`\{[^}]*\}?`)
	args := func(text string) []string {
		list := names.FindAllString(text, -1)
		slices.Sort(list)
		return list
	}
	for _, name := range catalogues() {
		first := sentences(t, strings.SplitN(name, ".", 2)[0]+".en.js")
		list := sentences(t, name)
		if len(list) != len(first) {
			t.Errorf("%s has %d sentences, English %d", name, len(list), len(first))
		}
		for i := range min(len(list), len(first)) {
			if list[i].key != first[i].key {
				t.Fatalf("%s has %q where English has %q", name, list[i].key, first[i].key)
			}
			for form, text := range first[i].text {
				if got := list[i].text[form]; strings.TrimSpace(got) == "" || !slices.Equal(args(got), args(text)) {
					t.Errorf("%s, %s (%s): %q, in English %q", name, first[i].key, form, got, text)
				}
			}
			// A language may have more plural forms than English, and none where English has one.
			for form, text := range list[i].text {
				if !slices.Equal(args(text), args(first[i].text["other"])) || len(first[i].text) == 1 && form != "other" {
					t.Errorf("%s, %s: %q (%s)", name, first[i].key, text, form)
				}
			}
		}
	}
}

// The service worker has its sentences in every language, and no others: the list
// of notifications is what it says, and it is made with the lists of all.
func TestWordsOfTheWorker(t *testing.T) {
	var asked []string
	for _, m := range regexp.MustCompile(`\bt\(([^)]*)`).FindAllStringSubmatch(comments.ReplaceAllString(string(read(worker)), ""), -1) {
		key, _, _ := strings.Cut(m[1], ",")
		if len(key) < 3 || key[0] != '\'' || strings.Count(key, "'") != 2 {
			t.Errorf("says t(%s, which cannot be known beforehand", m[1])
			continue
		}
		asked = append(asked, strings.Trim(key, "'"))
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	w := string(Worker("", nil))
	for _, l := range languages() {
		var said []string
		for _, s := range sentences(t, catalogue("notes", l)) {
			said = append(said, s.key)
			if !strings.Contains(w, `"`+s.key+`": "`+s.text["other"]+`"`) {
				t.Errorf("%s: the worker has no %q", l, s.key)
			}
		}
		if !slices.Equal(said, asked) {
			t.Errorf("%s: the worker says %q, the notifications are %q", l, asked, said)
		}
		for _, s := range sentences(t, catalogue("words", l)) {
			if strings.Contains(w, `"`+s.key+`"`) {
				t.Errorf("%s: the worker has %q, which it does not say", l, s.key)
			}
		}
	}
}

// Every sentence that is asked for is there, and every one that is there is asked for.
func TestCatalogueOfTheApp(t *testing.T) {
	keys := catalogueKeys(t)
	for _, list := range lists {
		if said := sentences(t, catalogue(list, "en")); !slices.IsSortedFunc(said, func(a, b sentence) int { return strings.Compare(a.key, b.key) }) {
			t.Errorf("%s are not in order", list)
		}
	}
	if once := slices.Compact(slices.Sorted(slices.Values(keys))); len(keys) < 100 || len(once) != len(keys) {
		t.Errorf("%d keys, %d different ones", len(keys), len(once))
	}
	var asked []string
	for name, source := range appSources(t) {
		if isCatalogue(name) {
			continue
		}
		for _, m := range literal.FindAllStringSubmatch(comments.ReplaceAllString(source, ""), -1) {
			s := m[1] + m[2] + m[3]
			if regexp.MustCompile(`^[a-z]+(?:\.[a-z0-9_]+)+$`).MatchString(s) && !strings.HasSuffix(s, ".js") && !strings.HasSuffix(s, ".png") && !slices.Contains(places, s) {
				asked = append(asked, s)
			}
		}
		for _, m := range regexp.MustCompile(`(?:^|\W)known = \[([^\]]*)\]`).FindAllStringSubmatch(source, -1) {
			for _, s := range literal.FindAllStringSubmatch(m[1], -1) {
				asked = append(asked, "fault."+s[1])
			}
		}
		if name == "scanpage.js" {
			for _, kind := range []string{"denied", "busy", "none", "insecure", "failed"} {
				asked = append(asked, "scan."+kind)
			}
		}
	}
	asked = append(asked, "fault.server")
	for _, key := range asked {
		if !slices.Contains(keys, key) {
			t.Errorf("nothing is said for %q", key)
		}
	}
	for _, key := range keys {
		if !slices.Contains(asked, key) {
			t.Errorf("nobody says %q", key)
		}
	}
}

// places are where the app notes names, and its lock, which look like keys.
var places = []string{"hilum.accounts", "hilum.lock", "hilum.opened"}

// What a clinician must never read.
func TestAppSaysNothingItMustNot(t *testing.T) {
	bad := regexp.MustCompile(`\b2FA\b|\bOTP\b|\bMFA\b|(?i)\b(?:tokens?|jetons?)\b|\b(?:please|bitte|alstublieft|gelieve|veuillez)\b|\b(?:invalid|ungültig|ongeldig|invalide)\b|!`)
	for _, name := range catalogues() {
		for _, s := range sentences(t, name) {
			for _, text := range s.text {
				if bad.MatchString(text) {
					t.Errorf("%s says %q", name, text)
				}
			}
		}
	}
}

// The worker is one script without modules, and names every file of the app.
func TestWorker(t *testing.T) {
	w := string(Worker("", nil))
	if m := regexp.MustCompile(`(?m)^\s*(import|export)\b.*`).FindString(w); m != "" {
		t.Errorf("holds %q", m)
	}
	if !strings.Contains(w, "const version = '"+Version()+"'") {
		t.Error("does not name the version")
	}
	for _, name := range Names() {
		if path.Dir(name) == "app" && !strings.Contains(w, `"`+Path(name)+`"`) {
			t.Errorf("does not keep %s", name)
		}
		if path.Dir(path.Dir(name)) == "app" && strings.Contains(w, `"`+Path(name)+`"`) {
			t.Errorf("keeps %s before it is needed", name)
		}
	}
	for _, secret := range []string{"/account", "/login"} {
		if strings.Contains(w, secret) {
			t.Errorf("speaks of %s", secret)
		}
	}
}

// Modules find one another by plain imports only, so that AppModules and the
// worker see them.
func TestAppImports(t *testing.T) {
	sources := appSources(t)
	for name, source := range sources {
		for _, line := range regexp.MustCompile(`(?m)^import .*$`).FindAllString(source, -1) {
			m := imported.FindStringSubmatch(line)
			if name == "decode-worker.js" {
				continue // a worker of its own, which brings what others wrote
			}
			if m == nil {
				t.Errorf("%s: %s", name, line)
			} else if sources[m[1]] == "" {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
}

// The icons are the mark: its dot in amber, its ring closed at the left, open at
// the right, and whole within what a launcher may cut off.
func TestIcons(t *testing.T) {
	for name, c := range icons {
		img, err := png.Decode(bytes.NewReader(all().files[name].plain))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b := img.Bounds(); b.Dx() != c.pixels || b.Dy() != c.pixels {
			t.Errorf("%s is %v", name, b)
		}
		if !bytes.Equal(drawIcon(c), all().files[name].plain) {
			t.Errorf("%s is drawn differently each time", name)
		}
		drawn := 0.0 // the farthest point of the mark from the middle, in halves of the picture
		corner := img.At(0, 0)
		for y := range c.pixels {
			for x := range c.pixels {
				if img.At(x, y) != corner {
					dx, dy := float64(2*x-c.pixels)/float64(c.pixels), float64(2*y-c.pixels)/float64(c.pixels)
					drawn = max(drawn, dx*dx+dy*dy)
				}
			}
		}
		if most := .8 * .8; strings.Contains(name, "maskable") && drawn > most {
			t.Errorf("%s reaches out to %.2f², a launcher cuts at .80²", name, drawn)
		} else if drawn < .3 {
			t.Errorf("%s is nearly empty", name)
		}
	}
}
