package templates

import (
	"strings"
	"time"
	"unicode"

	"hilum/templates/words"
)

// Letter is a mail to a person, in plain text: it reads the same everywhere, and
// a link in it shows where it leads.
type Letter struct {
	// Kind is what the letter is for: one of "invitation", "phone", "reset", "forgotten", each
	// with a link; "device.linked", "device.unlinked", "password", "recovery.made",
	// "recovery.used", "notme", "disowned", "address", "locked", which tell what happened; "test".
	Kind      string
	Site      string
	Name      string // of the person
	UserName  string
	Home      string         // address of the site
	Help      string         // whom to ask; empty: nothing is said of it
	HelpLink  string         // where Help leads: https, tel or mailto; empty: nowhere
	URL       string         // of the one-time link
	Lasts     time.Duration  // how long the one-time link is good, from when it was made
	ExpiresAt time.Time      // of the one-time link
	At        time.Time      // when it happened
	Zone      *time.Location // in which times are said; nil: UTC
	Address   string         // network address it was done from; empty: not known
	By        bool           // the administration did it
	Device    string         // name of the device; empty: not known
	Ended     string         // of "notme" and "disowned": what was ended, "one" session or all "others"; empty: nothing was signed in to
	First     bool           // of "notme": the phone was asked before the password was
	Linked    bool           // of "disowned": it was said of a device, not of a sign-in
	Locked    string         // of "locked": what is locked, "code" or "password"
	Until     time.Time      // of "locked"; zero: until the helpdesk unlocks it
}

// Letter returns a letter's words in a language, English where there are none in it: a
// subject, and a text of lines of any length. Errors: there is no such kind of letter.
func (s *Set) Letter(lang string, l *Letter) (subject, text string, err error) {
	c := s.In(lang)
	say := func(key string, args ...any) string {
		if err != nil {
			return ""
		}
		var said string
		said, err = c.Text(key, args...)
		return said
	}
	subjectOf, _, _ := l.words(c) // names as they are: nothing in a subject is made a link
	l = l.unlinked()
	_, body, link := l.words(c)
	subject = say(subjectOf.Key, subjectOf.Args...)
	parts := []string{say("letter.hello", "Name", l.Name)}
	for _, m := range body {
		parts = append(parts, say(m.Key, m.Args...))
		if m.Key == link {
			parts = append(parts, l.URL)
		}
	}
	if l.exposed() {
		parts = append(parts, say("letter.change"), l.Home+"/account/password")
	}
	if l.news() {
		parts = append(parts, l.facts(c, say), say("letter.news.other"), l.Home+"/account")
	}
	if l.Help != "" {
		parts = append(parts, strings.TrimSuffix(say("letter.help", "Help", l.Help)+"\n"+l.reach(), "\n"))
	}
	parts = append(parts, l.Site+"\n"+l.Home)
	return subject, strings.Join(parts, "\n\n") + "\n", err
}

// unlinked returns the letter with a zero-width space in its names where mail programs
// would make links of them: a name is chosen by whoever may link a device or write a
// list of people, and a link in a letter of ours is believed. User names stay as
// they are; people copy them.
func (l *Letter) unlinked() *Letter {
	out := *l
	for _, s := range []*string{&out.Site, &out.Name, &out.Device, &out.Help} {
		var b strings.Builder
		runes := []rune(*s)
		for i, r := range runes {
			b.WriteRune(r)
			if strings.ContainsRune(".:@/\\\uff0e\u3002\uff61", r) && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]) {
				b.WriteRune('\u200b')
			}
		}
		*s = b.String()
	}
	return &out
}

// reach is the link of the help line as people read it: a number or a mail address without
// its scheme.
func (l *Letter) reach() string {
	return strings.TrimPrefix(strings.TrimPrefix(l.HelpLink, "tel:"), "mailto:")
}

// news reports whether a letter tells what happened.
func (l *Letter) news() bool { return l.URL == "" && l.Kind != "test" }

// exposed reports whether a letter asks for a new password: somebody may know it.
func (l *Letter) exposed() bool { return l.Kind == "notme" && !l.First || l.Kind == "disowned" }

// facts are lines that say when something happened, from where and by whom.
func (l *Letter) facts(c *words.Catalogue, say func(string, ...any) string) string {
	lines := []string{say("letter.when", l.clock(c, l.At)...)}
	if l.Address != "" {
		lines = append(lines, say("letter.from", "Address", l.Address))
	}
	if l.By {
		lines = append(lines, say("letter.by"))
	}
	return strings.Join(lines, "\n")
}

// clock is a moment, and the zone in which it is said.
func (l *Letter) clock(c *words.Catalogue, t time.Time) (args []any) {
	zone := l.Zone
	if zone == nil {
		zone = time.UTC
	}
	name, _ := t.In(zone).Zone()
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "+") { // has no name of its own
		name = "UTC" + name
	}
	return []any{"When", c.ClockIn(t, zone), "Zone", name}
}

// until says how long something lasts, in whole minutes, and when it ends.
func (l *Letter) until(c *words.Catalogue, d time.Duration, end time.Time) (args []any) {
	span, _ := c.Say(Span(d.Round(time.Minute))) // has words in every language
	return append(l.clock(c, end), "For", span)
}

// words are the sentences of a letter, and the key of the one that its link comes after;
// empty: it has none.
func (l *Letter) words(c *words.Catalogue) (subject Message, body []Message, link string) {
	once, other := Say("letter.link.once", l.until(c, l.Lasts, l.ExpiresAt)...), Say("letter.link.other")
	linked := func(subject, text Message, more ...Message) (Message, []Message, string) {
		return subject, append([]Message{text}, more...), text.Key
	}
	app := Say("letter.app", "App", l.Home+"/app") // before any other, where a phone is to be linked
	tells := func(subject string, text Message) (Message, []Message, string) {
		return Say(subject), []Message{text}, ""
	}
	device := l.Device
	if device == "" {
		device, _ = c.Fixed("letter.device")
	}
	reset := Say("letter.reset.subject", "Site", l.Site)
	switch l.Kind {
	case "invitation":
		return linked(Say("letter.invitation.subject", "Site", l.Site), Say("letter.invitation.text", "Site", l.Site, "UserName", l.UserName), app, once, other)
	case "phone":
		return linked(Say("letter.phone.subject"), Say("letter.phone.text", "UserName", l.UserName), app, once, other)
	case "reset":
		return linked(reset, Say("letter.reset.text", "UserName", l.UserName), once, other)
	case "forgotten":
		return linked(reset, Say("letter.forgotten.text", "UserName", l.UserName), once, Say("letter.forgotten.other"))
	case "test":
		return Say("letter.test.subject", "Site", l.Site), []Message{Say("letter.test.text", "Site", l.Site)}, ""
	case "device.linked":
		return tells("letter.device.linked.subject", Say("letter.device.linked.text", "Device", device, "UserName", l.UserName))
	case "device.unlinked":
		return tells("letter.device.unlinked.subject", Say("letter.device.unlinked.text", "Device", device, "UserName", l.UserName))
	case "password":
		return tells("letter.password.subject", Say("letter.password.text", "UserName", l.UserName))
	case "recovery.made":
		return tells("letter.recovery.made.subject", Say("letter.recovery.made.text", "UserName", l.UserName))
	case "recovery.used":
		return tells("letter.recovery.used.subject", Say("letter.recovery.used.text", "UserName", l.UserName))
	case "notme":
		switch {
		case l.First:
			return tells("letter.notme.first.subject", Say("letter.notme.first", "UserName", l.UserName))
		case l.Ended != "":
			return tells("letter.notme.subject", Say("letter.notme.ended", "UserName", l.UserName))
		}
		return tells("letter.notme.subject", Say("letter.notme.text", "UserName", l.UserName))
	case "disowned":
		what, did := "letter.disowned.login", "letter.disowned.others"
		if l.Linked {
			what = "letter.disowned.linked"
		}
		if l.Ended == "one" {
			did = "letter.disowned.one"
		}
		return Say("letter.disowned.subject"), []Message{Say(what, "UserName", l.UserName), Say(did), Say("letter.disowned.next")}, ""
	case "address":
		return tells("letter.address.subject", Say("letter.address.text", "UserName", l.UserName))
	case "locked":
		switch {
		case l.Locked != "code":
			return tells("letter.locked.subject", Say("letter.locked.passwords", "UserName", l.UserName))
		case l.Until.IsZero():
			return tells("letter.locked.subject", Say("letter.locked.codes", "UserName", l.UserName))
		}
		return tells("letter.locked.subject", Say("letter.locked.until", append(l.until(c, l.Until.Sub(l.At), l.Until), "UserName", l.UserName)...))
	}
	return Say("letter." + l.Kind), nil, "" // an error says that there is none
}
