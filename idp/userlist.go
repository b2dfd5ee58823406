package idp

import "time"

// UserFacet is a property by which people are picked; several have all to hold.
type UserFacet string

const (
	UsersActive   UserFacet = "active"
	UsersInvited  UserFacet = "invited"
	UsersDisabled UserFacet = "disabled"
	UsersStaff    UserFacet = "staff"    // any role in the administration
	UsersNoDevice UserFacet = "nodevice" // no device is linked
)

// UserFacets lists all there are, in the order they are shown.
var UserFacets = []UserFacet{UsersActive, UsersInvited, UsersDisabled, UsersStaff, UsersNoDevice}

// UserSort is what a list of people is ordered by.
type UserSort string

const (
	UsersByPerson UserSort = "person" // the name shown to people, folded; the default
	UsersByName   UserSort = "name"   // sign-in name
	UsersByAdded  UserSort = "added"
)

// UserSorts lists all there are.
var UserSorts = []UserSort{UsersByPerson, UsersByName, UsersByAdded}

// UserQuery picks, orders and cuts the list of people.
type UserQuery struct {
	Words  string // as DeviceQuery.Words, without devices; a group's name counts too
	Facets []UserFacet
	Sort   UserSort
	Down   bool
	Page
}

// UserPage is a part of the list.
type UserPage struct {
	Rows []Account
	Cursors
	Total  *Count              // as DevicePage.Total
	Facets map[UserFacet]Count // as DevicePage.Facets
}

// Factors is what a person can prove themselves with, at a glance.
type Factors struct {
	Password     bool
	Devices      []Device // without SealedTOTP, PublicKey and SealedPush
	RecoveryLeft int
	Locked       []Counter   // counters that hold the person back now
	Guard        *PushGuard  // of asking phones
	Sessions     int         // live ones
	Invitation   *Invitation // the open one-time link; nil: there is none
}

// SessionQuery picks the live sessions of everybody, newest first.
type SessionQuery struct {
	Words string // as UserQuery.Words
	User  UserID // only this person's; Words do not count then
	Page
}

// SessionRow is one line of the list.
type SessionRow struct {
	Session Session // without Token and Browser
	User    User
	Clients []ClientID // signed in to from it
}

// SessionPage is a part of the list.
type SessionPage struct {
	Rows []SessionRow
	Cursors
}

// EventQuery picks events, newest first.
type EventQuery struct {
	Kinds   []EventKind // any of them; none: all. A kind that ends in a dot is all below it: "device."
	User    UserID      // whom it concerns
	Actor   UserID      // who did it
	Device  DeviceID
	Client  ClientID
	Address string // exactly
	From    time.Time
	Until   time.Time // before it
	Page
}

// EventPage is a part of the log.
type EventPage struct {
	Rows []Event
	// Names are the sign-in names that accounts have now, where a row has an id only. Who is
	// gone is not among them. The administration fills them in; the store does not.
	Names map[UserID]string
	Cursors
}
