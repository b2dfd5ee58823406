package idp

import (
	"strconv"
	"strings"
	"time"
)

// MailID identifies a mail that is to be sent.
type MailID string

// MailKind says what a mail is for.
type MailKind string

const (
	MailLink      MailKind = "link"      // a one-time link that an administrator hands out
	MailForgotten MailKind = "forgotten" // somebody typed a name; whose it is shows when it is sent
	MailNews      MailKind = "news"      // something happened to the account: its owner is told
)

// Mail is a letter that waits to be sent. It comes into being in the transaction
// of what it tells of, and carries no secret: the token of a link is made when
// it is sent, and stands in the letter alone.
type Mail struct {
	ID         MailID
	Kind       MailKind
	User       UserID            // to whom; empty while nobody has looked whose name it is
	Invitation InvitationID      // of a link
	Typed      []byte            // MailForgotten: what was typed, sealed for ID, until it is known whose it is
	About      EventKind         // MailNews: what happened
	Detail     map[string]string // MailNews: of that event, newsDetails; "by": somebody else did it; "to": an address that was the account's until then
	Address    string            // from where it was asked for, or done
	Lang       string            // of the page it was asked on, for who has chosen none
	CreatedAt  time.Time
	Said       Unsent // why the last try failed; empty: none did, or it was sent
	Detailed   string // what the mail server said then, for the administrator
	Sent       bool   // how it was settled: it was sent, or nobody tries any more

	Delivery
	Journal `json:"-"`
}

// How mail is tried.
const (
	// MailLease is how long whoever claimed a mail has it for itself. It is
	// longer than sending may take.
	MailLease = 2 * time.Minute
	// ForgottenFor is how long a mail about a forgotten password is tried: the
	// person waits for it. NewsFor is for news; a link is tried while it is good.
	ForgottenFor = 15 * time.Minute
	NewsFor      = 24 * time.Hour
	// MailKept is how long a settled mail can be counted.
	MailKept = 7 * 24 * time.Hour
)

// mailWaits lie between tries; the last repeats.
var mailWaits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute}

// Unsent says why a mail was not sent.
type Unsent string

const (
	UnsentUnreachable Unsent = "unreachable" // no connection to the mail server, or it broke
	UnsentTimeout     Unsent = "timeout"
	UnsentCertificate Unsent = "certificate" // not one that is trusted, or none
	UnsentLogin       Unsent = "login"       // the mail server does not take our name and password
	UnsentLater       Unsent = "later"       // the mail server asks to try later
	UnsentRefused     Unsent = "refused"     // the mail server does not take it
	UnsentAddress     Unsent = "address"     // the person has none, or none that can be written to
	UnsentWithdrawn   Unsent = "withdrawn"   // its link is not good any more
	UnsentNobody      Unsent = "nobody"      // what was typed is nobody's who may be written to
)

// NewForgotten is the mail with a link to a new password for the person whose name
// or address somebody typed. sealed is what was typed, sealed for id: whose it is
// shows when the mail is sent, so that the page answers alike for everybody.
func NewForgotten(id MailID, sealed []byte, address, lang string, now time.Time) *Mail {
	return &Mail{
		ID: id, Kind: MailForgotten, Typed: sealed, Address: address, Lang: lang,
		CreatedAt: now, Delivery: Delivery{NextAt: now, Until: now.Add(ForgottenFor)},
	}
}

// NewLinkMail is the mail that carries the link of an invitation.
func NewLinkMail(i *Invitation) *Mail {
	return &Mail{
		ID: NewID[MailID](), Kind: MailLink, User: i.User, Invitation: i.ID,
		CreatedAt: i.CreatedAt, Delivery: Delivery{NextAt: i.CreatedAt, Until: i.ExpiresAt},
	}
}

// newsworthy are the events that the owner of an account is told of: what an
// intruder would do next, and what keeps the owner out.
var newsworthy = map[EventKind]bool{
	EventDeviceLinked: true, EventDeviceUnlinked: true, EventPasswordChanged: true, EventPasswordReset: true,
	EventRecoveryMade: true, EventRecoveryUsed: true, EventNotMe: true, EventDisowned: true, EventLocked: true, EventAddressChanged: true,
}

// newsDetails are the keys of an event's detail that its letter may need.
var newsDetails = []string{"name", "kind", "reason", "until", "ended", "before"}

// NewsKinds lists what owners are told of, in the order of EventKinds.
func NewsKinds() []EventKind {
	var out []EventKind
	for _, k := range EventKinds {
		if newsworthy[k] {
			out = append(out, k)
		}
	}
	return out
}

// NewsOf is the mail to the owner of the account that an event concerns, nil
// when it is none they are told of.
func NewsOf(e *Event) *Mail {
	if !newsworthy[e.Kind] || e.User == "" {
		return nil
	}
	m := &Mail{
		ID: NewID[MailID](), Kind: MailNews, User: e.User, About: e.Kind, Address: e.Address,
		CreatedAt: e.At, Delivery: Delivery{NextAt: e.At, Until: e.At.Add(NewsFor)},
	}
	for _, key := range newsDetails {
		if v := e.Detail[key]; v != "" {
			if m.Detail == nil {
				m.Detail = map[string]string{}
			}
			m.Detail[key] = v
		}
	}
	if e.Actor.User != e.User {
		if m.Detail == nil {
			m.Detail = map[string]string{}
		}
		m.Detail["by"] = "administration"
	}
	return m
}

// Claim takes a mail for one try. Errors: ErrSettled when it does not wait, is
// not due, or another has it.
func (m *Mail) Claim(now time.Time) error { return m.claim(MailLease, now) }

// Belongs says whose the typed name was, with the link they get.
func (m *Mail) Belongs(user UserID, link InvitationID) {
	m.User, m.Invitation, m.Typed = user, link, nil
}

// Failure is why a try came to nothing; the zero value is that it came to something.
type Failure struct {
	Said   Unsent
	Detail string // what the mail server said
	Final  bool   // another try would come to the same
}

// maxSaid bounds what is kept of a mail server's words, in bytes.
const maxSaid = 200

// Attempted settles a mail, or has it wait for another try. try is the number of the
// try that f is about. Errors: ErrSettled when the mail does not wait, or another try
// has begun since.
func (m *Mail) Attempted(try int, f Failure, now time.Time) error {
	if err := m.under(try); err != nil {
		return err
	}
	m.Said, m.Detailed = f.Said, plain(f.Detail, maxSaid)
	switch {
	case f.Said == "":
		m.end(EventMailSent, now)
		m.Sent = true
	case f.Said == UnsentNobody || f.Said == UnsentWithdrawn:
		m.end("", now)
	case f.Final || !m.putOff(mailWaits, 0, now):
		m.end(EventMailFailed, now)
	}
	return nil
}

// plain is s without what is no printable ASCII, at most so many bytes of it.
func plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

// end settles a mail, with an event of kind. A link that was withdrawn and a name that is
// nobody's leave none: nothing happened to anybody.
func (m *Mail) end(kind EventKind, now time.Time) {
	m.settle(now)
	m.Typed = nil
	if kind == "" {
		return
	}
	e := Event{
		At: now, Kind: kind, Actor: Actor{Name: "provider"}, User: m.User,
		Detail: map[string]string{"count": strconv.Itoa(m.Tries), "kind": string(m.Kind)},
	}
	if m.About != "" {
		e.Detail["about"] = string(m.About)
	}
	if m.Said != "" {
		e.Detail["reason"] = string(m.Said)
	}
	m.Note(e)
}

// MailFigures says how it goes with sending mail.
type MailFigures struct {
	Waiting  int       // counted to CountUpTo
	OldestAt time.Time // when the one that waits longest came into being
	SentAt   time.Time // the last that was sent; zero: none that is still kept
	FailedAt time.Time // the last try that came to nothing, later than SentAt; zero: none
	Said     Unsent    // why
	Detailed string    // what the mail server said then
	Lost     int       // given up within MailKept; counted to CountUpTo
}

// Letter is a mail as it is to be read.
type Letter struct {
	To      string // address
	Name    string // of the person
	Lang    string // BCP 47
	Subject string
	Text    string // lines of any length
}
