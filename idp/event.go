package idp

import (
	"strings"
	"time"
)

// EventKind names what happened, noun first: "login.done".
type EventKind string

const (
	EventPasswordRight     EventKind = "login.password"
	EventPasswordWrong     EventKind = "login.password.wrong"
	EventCodeWrong         EventKind = "login.code.wrong"
	EventCodesSpent        EventKind = "login.code.spent"
	EventFactorRight       EventKind = "login.factor"
	EventLoginDone         EventKind = "login.done"
	EventLoginDenied       EventKind = "login.denied"
	EventConsentGiven      EventKind = "consent.given"
	EventConsentRefused    EventKind = "consent.refused"
	EventEmergency         EventKind = "consent.emergency" // a person claims an emergency at an application (purpose of use)
	EventSessionStarted    EventKind = "session.started"
	EventSessionEnded      EventKind = "session.ended"
	EventCodeIssued        EventKind = "grant.issued"
	EventCodeRedeemed      EventKind = "grant.redeemed"
	EventCodeReplayed      EventKind = "grant.code.replayed"
	EventRefreshReplayed   EventKind = "grant.refresh.replayed"
	EventGrantRevoked      EventKind = "grant.revoked"
	EventUserCreated       EventKind = "user.created"
	EventUserChanged       EventKind = "user.changed"
	EventAddressChanged    EventKind = "user.address" // mail goes elsewhere from now on
	EventUserDisabled      EventKind = "user.disabled"
	EventUserEnabled       EventKind = "user.enabled"
	EventUserUnlocked      EventKind = "user.unlocked"
	EventReopened          EventKind = "user.reopened" // devices and all that was begun with them are gone
	EventUserRemoved       EventKind = "user.removed"  // of an import that did not come through
	EventPasswordChanged   EventKind = "user.password"
	EventPasswordReset     EventKind = "user.password.reset"
	EventInvited           EventKind = "invitation.made"
	EventInvitationUsed    EventKind = "invitation.used"
	EventPairingStarted    EventKind = "pairing.started"
	EventDeviceLinked      EventKind = "device.linked"
	EventDeviceRenamed     EventKind = "device.renamed"
	EventDeviceUnlinked    EventKind = "device.unlinked"
	EventPhoneAsked        EventKind = "phone.asked"
	EventPhoneApproved     EventKind = "phone.approved"
	EventPhoneDenied       EventKind = "phone.denied"
	EventPhoneWrong        EventKind = "phone.wrong"  // the number did not match
	EventNotMe             EventKind = "phone.not_me" // a stranger has the password
	EventPairingClaimed    EventKind = "pairing.claimed"
	EventPushAddress       EventKind = "device.push"
	EventRecoveryMade      EventKind = "recovery.made"
	EventRecoveryUsed      EventKind = "recovery.used"
	EventClientChanged     EventKind = "client.changed"
	EventRegistrationToken EventKind = "client.token" // an initial access token was made, revoked, or blocked with its applications
	EventTryoutStarted     EventKind = "client.test"  // a test sign-in of an application
	EventTryoutEnded       EventKind = "client.test.ended"
	EventStartAside        EventKind = "start.aside" // the first steps were put aside
	EventStartAgain        EventKind = "start.again"
	EventKeyRotated        EventKind = "key.rotated"
	EventSettingChanged    EventKind = "setting.changed"
	EventLogoutTold        EventKind = "logout.told"       // an application, that a session has ended
	EventLogoutFailed      EventKind = "logout.failed"     // it could not be told
	EventLocked            EventKind = "login.locked"      // after too many wrong tries
	EventForgotten         EventKind = "login.forgotten"   // somebody asks for a link to a new password
	EventDisowned          EventKind = "user.not_me"       // the owner says that a sign-in or a linking was not theirs
	EventForgot            EventKind = "browser.forgotten" // the owner has a browser, or all, not remembered any more
	EventMailSent          EventKind = "mail.sent"
	EventMailFailed        EventKind = "mail.failed"   // given up
	EventUsersImported     EventKind = "user.imported" // a file of people, all of it
	EventAuditChecked      EventKind = "audit.checked"
	EventAuditKeyed        EventKind = "audit.keyed"       // what was there is chained with the key from now on
	EventAuditBroken       EventKind = "audit.broken"      // the end of the log was removed or changed
	EventAuditPruned       EventKind = "audit.pruned"      // events before a day are deleted, since their time is up
	EventAuditRolledBack   EventKind = "audit.rolled_back" // an older database was put back
	EventTampered          EventKind = "audit.tampered"    // a row that lets somebody in is not as it was written
	EventStoreMoved        EventKind = "store.moved"       // everything came here from another database
	EventExported          EventKind = "list.exported"     // a list of people or devices, all that a query finds
)

// EventKinds lists all there are, for filters and for the tables of tests.
var EventKinds = []EventKind{
	EventPasswordRight, EventPasswordWrong, EventCodeWrong, EventCodesSpent, EventFactorRight,
	EventLoginDone, EventLoginDenied, EventConsentGiven, EventConsentRefused, EventEmergency, EventSessionStarted,
	EventSessionEnded, EventCodeIssued, EventCodeRedeemed, EventCodeReplayed, EventRefreshReplayed,
	EventGrantRevoked, EventUserCreated, EventUserChanged, EventAddressChanged, EventUserDisabled, EventUserEnabled,
	EventUserUnlocked, EventReopened, EventUserRemoved, EventPasswordChanged, EventPasswordReset, EventInvited, EventInvitationUsed,
	EventPairingStarted, EventDeviceLinked, EventDeviceRenamed, EventDeviceUnlinked, EventPhoneAsked,
	EventPhoneApproved, EventPhoneDenied, EventPhoneWrong, EventNotMe, EventPairingClaimed,
	EventPushAddress, EventRecoveryMade, EventRecoveryUsed, EventClientChanged, EventRegistrationToken, EventTryoutStarted, EventTryoutEnded, EventStartAside, EventStartAgain, EventKeyRotated, EventSettingChanged,
	EventLogoutTold, EventLogoutFailed, EventUsersImported, EventAuditChecked, EventAuditKeyed, EventAuditBroken, EventAuditPruned, EventAuditRolledBack, EventTampered, EventStoreMoved, EventExported, EventLocked, EventForgotten, EventDisowned, EventForgot, EventMailSent, EventMailFailed,
}

// Actor is who did it: a person, a command at the console, or the provider itself.
type Actor struct {
	User UserID // empty for a command or the provider
	Name string // sign-in name, "console:root" or "provider"
}

// ActorKind is what kind of actor did what an event tells.
type ActorKind string

const (
	ActorPerson   ActorKind = "person"        // at their own account
	ActorAdmin    ActorKind = "administrator" // a person, with the site or with another's account
	ActorPhone    ActorKind = "phone"         // of a person, by a signed request
	ActorProgram  ActorKind = "program"       // by the admin API
	ActorCommand  ActorKind = "command"       // at the console
	ActorProvider ActorKind = "provider"      // by itself
)

// ActorKind is what kind of actor did it; empty: somebody of whom nothing is known yet, such
// as at a sign-in before the password is right.
func (e *Event) ActorKind() ActorKind {
	a := e.Actor
	switch {
	case a.User == "" && a.Name == "provider":
		return ActorProvider
	case a.User == "" && strings.HasPrefix(a.Name, "console:"):
		return ActorCommand
	case a.User == "" && strings.HasPrefix(a.Name, "client:"):
		return ActorProgram
	case a.User == "":
		return ""
	case e.byPhone():
		return ActorPhone
	case a.User != e.User:
		return ActorAdmin
	}
	return ActorPerson
}

// byPhone reports whether a linked phone, or one that is being linked, did it.
func (e *Event) byPhone() bool {
	switch e.Kind {
	case EventPhoneApproved, EventPhoneDenied, EventPhoneWrong, EventNotMe, EventPairingClaimed, EventPushAddress:
		return true
	case EventLoginDenied:
		return e.Detail["by"] == "phone"
	case EventDeviceRenamed, EventDeviceUnlinked:
		return e.Detail["by"] == "device"
	case EventSessionEnded:
		return e.Device != "" && e.Detail["reason"] == ReasonNotMe
	}
	return false
}

// Event is one line of the audit log. Fields are allow-listed by being here:
// no secret, code, token or password has a place to go.
type Event struct {
	Seq     int64 // given by the store, without gaps
	At      time.Time
	Kind    EventKind
	Actor   Actor
	User    UserID // whom it concerns
	Client  ClientID
	Login   LoginID
	Session SessionID
	Device  DeviceID
	Address string            // client address, as serve saw it
	Detail  map[string]string // short, known keys: "reason", "method", "name", "count"
	Hash    [32]byte          // HMAC-SHA-256 over the event and the hash before it; set by the store
}

// Journal collects the events of one change; the store writes them in the same
// transaction. Nouns that are updated embed it.
type Journal struct {
	events []Event
}

// Note adds an event to be written with the change.
func (j *Journal) Note(e Event) { j.events = append(j.events, e) }

// Last returns the newest of the collected events, the zero Event where there is none.
func (j *Journal) Last() Event {
	if len(j.events) == 0 {
		return Event{}
	}
	return j.events[len(j.events)-1]
}

// Take returns the collected events and forgets them.
func (j *Journal) Take() []Event {
	es := j.events
	j.events = nil
	return es
}

// WithPurpose is the event with the purposes of use that scopes say, if they say any.
func (e Event) WithPurpose(scopes []string) Event {
	if text := PurposeText(scopes); text != "" {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["purpose"] = text
	}
	return e
}
