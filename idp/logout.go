package idp

import (
	"slices"
	"strconv"
	"time"
)

// NoticeID numbers a notice.
type NoticeID int64

// Notice tells one application that a session has ended (OpenID Connect
// Back-Channel Logout 1.0). It comes into being in the transaction that ends
// the session, and waits until the application has taken it or nobody tries
// any more.
type Notice struct {
	ID      NoticeID
	Session SessionID
	User    UserID
	Client  ClientID
	EndedAt time.Time // of the session
	Said    Refusal   // why the last try failed; empty: none did, or the application was told
	Told    bool      // how it was settled: the application was told, or nobody tries any more

	Delivery
	Journal `json:"-"`
}

// How a notice is tried.
const (
	// NoticeLease is how long whoever claimed a notice has it for itself. It is
	// longer than a call may take.
	NoticeLease = 30 * time.Second
	// NoticeFor is how long an application that does not answer is tried.
	NoticeFor = 6 * time.Hour
	// NoticeKept is how long a settled notice can be looked at.
	NoticeKept = 7 * 24 * time.Hour
)

// noticeWaits lie between tries; the last repeats.
var noticeWaits = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

// Refusal says why a try came to nothing: one of those below, or RefusedWith.
type Refusal string

const (
	RefusedUnreachable Refusal = "unreachable" // no connection, or it broke
	RefusedTimeout     Refusal = "timeout"
	RefusedCertificate Refusal = "certificate" // not one that is trusted
	RefusedForbidden   Refusal = "forbidden"   // an address that may not be called
	RefusedGone        Refusal = "gone"        // the application, or its address, is not registered any more
	RefusedKey         Refusal = "key"         // there is no key to sign with for it
)

// RefusedWith is the refusal of an application that answered with an HTTP status
// which is no success.
func RefusedWith(status int) Refusal { return Refusal("status " + strconv.Itoa(status)) }

// Claim takes a notice for one try. Errors: ErrSettled when it does not wait,
// is not due, or another has it.
func (n *Notice) Claim(now time.Time) error { return n.claim(NoticeLease, now) }

// Attempt is what became of a try.
type Attempt struct {
	Said  Refusal       // empty: the application has taken the notice
	Final bool          // another try would come to the same
	After time.Duration // how long the application asks to wait before the next try (Retry-After)
}

// Attempted settles a notice, or has it wait for another try. try is the number
// of the one that is told of. Errors: ErrSettled when another has begun since.
func (n *Notice) Attempted(try int, a Attempt, now time.Time) error {
	if err := n.under(try); err != nil {
		return err
	}
	n.Said = a.Said
	switch {
	case a.Said == "":
		n.end(EventLogoutTold, now)
		n.Told = true
	case a.Final || !n.putOff(noticeWaits, a.After, now):
		n.end(EventLogoutFailed, now)
	}
	return nil
}

// end settles it, with an event.
func (n *Notice) end(kind EventKind, now time.Time) {
	n.settle(now)
	e := Event{
		At: now, Kind: kind, Actor: Actor{Name: "provider"}, User: n.User, Client: n.Client, Session: n.Session,
		Detail: map[string]string{"count": strconv.Itoa(n.Tries)},
	}
	if n.Said != "" {
		e.Detail["reason"] = string(n.Said)
	}
	n.Note(e)
}

// LogoutFigures says how it goes with telling one application that sessions have
// ended.
type LogoutFigures struct {
	Client   ClientID
	Waiting  int       // counted to CountUpTo
	OldestAt time.Time // when the first session ended that it was not told of yet
	FailedAt time.Time // the last try that came to nothing and was not made good; zero: none
	Said     Refusal   // why that try failed
	Lost     int       // notices that were given up, within NoticeKept; counted to CountUpTo
}

// EndedSession is a session that was ended, and whom that was told.
type EndedSession struct {
	Session Session // without its bearer values
	User    User
	Clients []ClientID // signed in to from it
	Notices []Notice   // to those of them that want to be told
	Names   map[ClientID]string
}

// Name is what people call an application of the session; its id when it is
// not registered any more.
func (s *EndedSession) Name(c ClientID) string {
	if name, ok := s.Names[c]; ok {
		return name
	}
	return string(c)
}

// Tells returns the applications that are told, and those that are not because
// they have no address for it.
func (s *EndedSession) Tells() (told, not []ClientID) {
	for i := range s.Notices {
		told = append(told, s.Notices[i].Client)
	}
	for _, c := range s.Clients {
		if !slices.Contains(told, c) {
			not = append(not, c)
		}
	}
	return told, not
}
