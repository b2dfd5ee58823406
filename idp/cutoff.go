package idp

import (
	"slices"
	"strings"
)

// Cut is a set of things that an account's owner, or whoever poses as them,
// can go on with.
type Cut uint16

// What can be cut off.
const (
	CutSessions Cut = 1 << iota // browsers that are signed in
	CutGrants                   // grants, with their codes, refresh and access tokens
	CutLogins                   // sign-ins under way, with what phones are asked for them
	CutOffers                   // open QR codes to link a device
	CutLinks                    // open one-time links: invitations and links to a new password
	CutBrowsers                 // browsers that a sign-in was finished in, where one tap is enough
	CutRecovery                 // recovery codes
	CutFactor                   // freshness: the second factor has to be given again before anything is changed
)

// cutNames are as docs/security.md has them, in the order of its columns.
var cutNames = []struct {
	cut  Cut
	name string
}{
	{CutSessions, "sessions"},
	{CutGrants, "tokens"},
	{CutLogins, "sign-ins"},
	{CutOffers, "offers"},
	{CutLinks, "links"},
	{CutBrowsers, "browsers"},
	{CutRecovery, "recovery codes"},
	{CutFactor, "freshness"},
}

// Cuts lists the single things, in the order of the table in docs/security.md.
func Cuts() []Cut {
	list := make([]Cut, len(cutNames))
	for i := range cutNames {
		list[i] = cutNames[i].cut
	}
	return list
}

// Has reports whether all of what is in the set.
func (c Cut) Has(what Cut) bool { return c&what == what }

// String names what is in the set.
func (c Cut) String() string {
	var names []string
	for _, n := range cutNames {
		if c.Has(n.cut) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// CutCause is why something is taken away. It decides what is: see cuts.
type CutCause string

// The causes there are.
const (
	CutReopened    CutCause = "reopen enrolment"        // the phone was lost or stolen: everything, and a new first device
	CutLost        CutCause = "unlink as lost"          // by the administration or a command
	CutStolen      CutCause = "it was stolen"           // by the owner, who goes on in this browser
	CutUnlinked    CutCause = "unlink"                  // a device: what rests on it alone
	CutChanged     CutCause = "change the password"     // by the owner, who goes on in this browser
	CutReset       CutCause = "reset the password"      // by a one-time link
	CutEndedAll    CutCause = "end all sessions"        // by the administration
	CutEndedOthers CutCause = "end all others"          // by the owner, who goes on in this browser
	CutDisowned    CutCause = "it was not me"           // by the owner, who goes on in this browser; ends one session where it is known which
	CutEndedOne    CutCause = "end one session"         // another browser's: what rests on it alone
	CutSignedOut   CutCause = "sign out"                // this browser's: it stays known
	CutDisabled    CutCause = "disable"                 // the account
	CutRole        CutCause = "change the role"         // in the administration
	CutAddress     CutCause = "change the address"      // where one-time links go
	CutReplaced    CutCause = "another person signs in" // in the same browser
)

// cutAll is what a thief could go on with.
const cutAll = CutSessions | CutGrants | CutLogins | CutOffers | CutLinks | CutBrowsers

// cuts is the whole of what is taken away by what. docs/security.md shows the
// same as a table, and a test proves each of its rows.
//
// A role ends sessions because it gives them power that whoever opened them did
// not have: the person signs in again, with the devices that were confirmed.
// Devices are cut by reopening alone. Recovery codes are cut where a thief may
// have made or seen them; elsewhere they are the way back in.
var cuts = map[CutCause]Cut{
	CutReopened:    cutAll | CutRecovery | CutFactor,
	CutLost:        cutAll | CutRecovery | CutFactor,
	CutStolen:      cutAll | CutRecovery | CutFactor,
	CutUnlinked:    CutLogins | CutOffers | CutFactor,
	CutChanged:     cutAll | CutFactor,
	CutReset:       cutAll | CutFactor,
	CutEndedAll:    CutSessions | CutGrants | CutLogins | CutOffers | CutBrowsers | CutFactor,
	CutEndedOthers: CutSessions | CutGrants | CutLogins | CutOffers | CutBrowsers | CutFactor,
	CutDisowned:    CutSessions | CutGrants | CutLogins | CutOffers | CutBrowsers | CutFactor,
	CutEndedOne:    CutSessions | CutGrants | CutLogins | CutOffers | CutBrowsers | CutFactor,
	CutSignedOut:   CutSessions | CutGrants | CutLogins | CutOffers | CutFactor,
	CutDisabled:    cutAll | CutFactor,
	CutRole:        cutAll | CutFactor,
	CutAddress:     CutLogins | CutLinks,
	CutReplaced:    CutSessions | CutGrants | CutLogins | CutOffers | CutFactor,
}

// CutCauses lists all there are, in the order of docs/security.md.
var CutCauses = []CutCause{
	CutReopened, CutLost, CutStolen, CutUnlinked, CutChanged, CutReset, CutEndedAll, CutEndedOthers,
	CutDisowned, CutEndedOne, CutSignedOut, CutReplaced, CutDisabled, CutRole, CutAddress,
}

// Cut is what the cause takes away.
func (c CutCause) Cut() Cut { return cuts[c] }

// Alone reports whether the cause takes only what rests on one session or one
// device; what else the person has goes on.
func (c CutCause) Alone() bool {
	return c == CutUnlinked || c == CutEndedOne || c == CutSignedOut || c == CutReplaced
}

// Keeps reports whether the session that the owner acts in goes on.
func (c CutCause) Keeps() bool {
	return c == CutStolen || c == CutChanged || c == CutEndedOthers || c == CutDisowned
}

// CutOff takes away from a person what its cause says, all in one transaction.
// Whoever comes after it, with what they had before it, is refused.
type CutOff struct {
	User  UserID
	Cause CutCause
	// Session is the one session that is ended, where the cause ends one alone,
	// or the one that goes on, with its tokens, its offers and its browser, where
	// the cause keeps one.
	Session SessionID
	// Only is the session that CutDisowned is about: it alone ends, with its tokens,
	// and everything else goes as with all others. Empty, or a session that is not
	// open any more: all others end.
	Only    SessionID
	Device  DeviceID // CutUnlinked: the device
	Login   LoginID  // a sign-in that goes on: the one that is the cause
	Because Event    // of whoever does it; sessions that end have an event of their own like it
}

// EndedOne reports whether CutDisowned has ended the session that it is about, and no
// other; ended are those that were.
func (c *CutOff) EndedOne(ended []SessionID) bool {
	return c.Only != "" && slices.Equal(ended, []SessionID{c.Only})
}

// Within is the session that somebody acts in. What was true of it when the
// request began is asked again in the transaction of the act: it lives, it is
// this person's, and, for Fresh, its second factor is fresh. The zero Within
// asks nothing: the act is done by a command, by the administration, or by a
// device.
type Within struct {
	Session SessionID
	Fresh   bool
}
