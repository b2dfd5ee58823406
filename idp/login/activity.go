package login

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"hilum/idp"
)

// ownKinds are the events that people are shown of their own account: what lets somebody
// in, what was tried in vain, and what changes how the account is signed in to.
var ownKinds = []idp.EventKind{
	idp.EventLoginDone, idp.EventLoginDenied, idp.EventPasswordWrong, idp.EventCodeWrong, idp.EventLocked, idp.EventForgotten,
	idp.EventPhoneDenied, idp.EventPhoneWrong, idp.EventNotMe, idp.EventDisowned, idp.EventSessionEnded, idp.EventForgot,
	idp.EventDeviceLinked, idp.EventDeviceRenamed, idp.EventDeviceUnlinked, idp.EventRecoveryMade, idp.EventRecoveryUsed,
	idp.EventPasswordChanged, idp.EventPasswordReset, idp.EventInvited, idp.EventInvitationUsed,
	idp.EventUserCreated, idp.EventUserChanged, idp.EventAddressChanged, idp.EventUserDisabled, idp.EventUserEnabled, idp.EventUserUnlocked, idp.EventReopened,
	idp.EventConsentGiven, idp.EventConsentRefused, idp.EventEmergency,
}

// OwnKinds lists the kinds of events that people are shown of their own account.
func OwnKinds() []idp.EventKind { return slices.Clone(ownKinds) }

// Activity is a part of what has happened to a person's account, newest first.
type Activity struct {
	Events []ActivityEvent
	idp.Cursors
}

// ActivityEvent is an event as the person sees it whom it concerns.
type ActivityEvent struct {
	idp.Event
	App     string // name of the application; empty: it is about none
	Device  string // name of the device; empty: none, or it is not linked any more
	Foreign bool   // it was done by the administration, a command or a program
}

// Disownable reports whether the person may say that it was not them.
func (e *ActivityEvent) Disownable() bool { return disownable(&e.Event) }

func disownable(e *idp.Event) bool {
	return e.Kind == idp.EventLoginDone || e.Kind == idp.EventDeviceLinked
}

// Activity finds a part of what has happened to a person's account. Errors:
// idp.FieldError.
func (f *Flow) Activity(ctx context.Context, user idp.UserID, p idp.Page) (*Activity, error) {
	found, err := f.store.SearchEvents(ctx, idp.EventQuery{Kinds: ownKinds, User: user, Page: p})
	if err != nil {
		return nil, err
	}
	devices, err := f.store.Devices(ctx, user)
	if err != nil {
		return nil, err
	}
	a := &Activity{Cursors: found.Cursors, Events: make([]ActivityEvent, len(found.Rows))}
	for i := range found.Rows {
		if a.Events[i], err = f.activityEvent(ctx, found.Rows[i], devices); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (f *Flow) activityEvent(ctx context.Context, e idp.Event, devices []idp.Device) (ActivityEvent, error) {
	v := ActivityEvent{Event: e, Foreign: e.Actor.User != "" && e.Actor.User != e.User || e.Actor.User == "" && e.Actor.Name != ""}
	if e.Device != "" {
		v.Device = e.Detail["name"]
		for i := range devices {
			if devices[i].ID == e.Device {
				v.Device = devices[i].Name
			}
		}
	}
	if e.Client == "" {
		return v, nil
	}
	var err error
	v.App, err = f.clientName(ctx, e.Client)
	return v, err
}

// Doubt is an event that a person may say of that it was not them, and what that would
// take away.
type Doubt struct {
	ActivityEvent
	// Session is the one that was signed in to, where it is open in another browser: it
	// alone ends. nil: all others do.
	Session *idp.Session
	Here    bool // it is the session that asks
	Linked  bool // the device concerned is linked
}

// Doubt returns an event of the person who acts in s. Errors: idp.ErrNotFound, also for an
// event of somebody else and for one that nobody can disown.
func (f *Flow) Doubt(ctx context.Context, s *idp.Session, seq int64) (*Doubt, error) {
	e, err := f.disowned(ctx, s, seq)
	if err != nil {
		return nil, err
	}
	devices, err := f.store.Devices(ctx, s.User)
	if err != nil {
		return nil, err
	}
	d := &Doubt{Here: e.Session == s.ID}
	if d.ActivityEvent, err = f.activityEvent(ctx, *e, devices); err != nil {
		return nil, err
	}
	for i := range devices {
		d.Linked = d.Linked || devices[i].ID == e.Device
	}
	open, err := f.store.Sessions(ctx, s.User, f.now())
	if err != nil {
		return nil, err
	}
	for i := range open {
		if open[i].ID == e.Session && !d.Here {
			d.Session = &open[i]
		}
	}
	return d, nil
}

// Disown takes away what rests on an event that the person who acts in s says was not
// their doing (idp.CutDisowned). It needs no fresh second factor, as ending sessions does
// not: it only takes away, and whoever is afraid should not wait for their phone. one
// says that the session of the event alone was ended; else all others were. Errors as for
// Doubt.
func (f *Flow) Disown(ctx context.Context, actor idp.Actor, s *idp.Session, seq int64) (one bool, err error) {
	e, err := f.disowned(ctx, s, seq)
	if err != nil {
		return false, err
	}
	c := idp.CutOff{
		User: s.User, Cause: idp.CutDisowned, Session: s.ID,
		Because: idp.Event{
			At: f.now(), Kind: idp.EventDisowned, Actor: actor, User: s.User, Session: e.Session, Device: e.Device,
			Detail: map[string]string{"event": strconv.FormatInt(e.Seq, 10), "kind": string(e.Kind)},
		},
	}
	if e.Session != s.ID {
		c.Only = e.Session
	}
	ended, err := f.store.CutOff(ctx, c)
	f.wake(idp.TopicUser(s.User))
	return c.EndedOne(ended), err
}

// disowned reads an event that the person of a session may disown.
func (f *Flow) disowned(ctx context.Context, s *idp.Session, seq int64) (*idp.Event, error) {
	events, err := f.store.Events(ctx, seq-1, 1)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[0].Seq != seq || events[0].User != s.User || !disownable(&events[0]) {
		return nil, fmt.Errorf("event %d of %s: %w", seq, s.User, idp.ErrNotFound)
	}
	return &events[0], nil
}
