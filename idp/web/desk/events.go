package desk

import (
	"cmp"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates"
)

// eventWords say what happened in plain words. A test finds a kind without any.
var eventWords = map[idp.EventKind]string{
	idp.EventPasswordRight:     "event.login.password",
	idp.EventPasswordWrong:     "event.login.password.wrong",
	idp.EventCodeWrong:         "event.login.code.wrong",
	idp.EventCodesSpent:        "event.login.code.spent",
	idp.EventFactorRight:       "event.login.factor",
	idp.EventLoginDone:         "event.login.done",
	idp.EventLoginDenied:       "event.login.denied",
	idp.EventConsentGiven:      "event.consent.given",
	idp.EventConsentRefused:    "event.consent.refused",
	idp.EventEmergency:         "event.consent.emergency",
	idp.EventSessionStarted:    "event.session.started",
	idp.EventSessionEnded:      "event.session.ended",
	idp.EventCodeIssued:        "event.grant.issued",
	idp.EventCodeRedeemed:      "event.grant.redeemed",
	idp.EventCodeReplayed:      "event.grant.code.replayed",
	idp.EventRefreshReplayed:   "event.grant.refresh.replayed",
	idp.EventGrantRevoked:      "event.grant.revoked",
	idp.EventUserCreated:       "event.user.created",
	idp.EventUserChanged:       "event.user.changed",
	idp.EventUserDisabled:      "event.user.disabled",
	idp.EventUserEnabled:       "event.user.enabled",
	idp.EventUserUnlocked:      "event.user.unlocked",
	idp.EventReopened:          "event.user.reopened",
	idp.EventAddressChanged:    "event.user.address",
	idp.EventUserRemoved:       "event.user.removed",
	idp.EventPasswordChanged:   "event.user.password",
	idp.EventPasswordReset:     "event.user.password.reset",
	idp.EventInvited:           "event.invitation.made",
	idp.EventInvitationUsed:    "event.invitation.used",
	idp.EventPairingStarted:    "event.pairing.started",
	idp.EventDeviceLinked:      "event.device.linked",
	idp.EventDeviceRenamed:     "event.device.renamed",
	idp.EventDeviceUnlinked:    "event.device.unlinked",
	idp.EventPhoneAsked:        "event.phone.asked",
	idp.EventPhoneApproved:     "event.phone.approved",
	idp.EventPhoneDenied:       "event.phone.denied",
	idp.EventPhoneWrong:        "event.phone.wrong",
	idp.EventNotMe:             "event.phone.notme",
	idp.EventPairingClaimed:    "event.pairing.claimed",
	idp.EventPushAddress:       "event.device.push",
	idp.EventRecoveryMade:      "event.recovery.made",
	idp.EventRecoveryUsed:      "event.recovery.used",
	idp.EventClientChanged:     "event.client.changed",
	idp.EventRegistrationToken: "event.client.token",
	idp.EventTryoutStarted:     "event.client.test",
	idp.EventTryoutEnded:       "event.client.test.ended",
	idp.EventStartAside:        "event.start.aside",
	idp.EventStartAgain:        "event.start.again",
	idp.EventKeyRotated:        "event.key.rotated",
	idp.EventSettingChanged:    "event.setting.changed",
	idp.EventLogoutTold:        "event.logout.told",
	idp.EventLogoutFailed:      "event.logout.failed",
	idp.EventLocked:            "event.login.locked",
	idp.EventForgotten:         "event.login.forgotten",
	idp.EventDisowned:          "event.user.notme",
	idp.EventForgot:            "event.browser.forgotten",
	idp.EventMailSent:          "event.mail.sent",
	idp.EventMailFailed:        "event.mail.failed",
	idp.EventUsersImported:     "event.user.imported",
	idp.EventAuditChecked:      "event.audit.checked",
	idp.EventAuditKeyed:        "event.audit.keyed",
	idp.EventAuditBroken:       "event.audit.broken",
	idp.EventAuditPruned:       "event.audit.pruned",
	idp.EventAuditRolledBack:   "event.audit.rolledback",
	idp.EventTampered:          "event.audit.tampered",
	idp.EventStoreMoved:        "event.store.moved",
	idp.EventExported:          "event.list.exported",
}

// deskEvents are events of the audit log as pages show them. A test sign-in is shown as one
// of the application that was tested.
func deskEvents(rows []idp.Event) []templates.DeskEvent {
	out := make([]templates.DeskEvent, 0, len(rows))
	for i := range rows {
		e := &rows[i]
		about := e.Detail["name"]
		if e.Kind == idp.EventSettingChanged {
			about = changeOf(e)
		}
		out = append(out, templates.DeskEvent{
			Seq: e.Seq, At: e.At, Kind: string(e.Kind), What: eventSaid(e), Actor: e.Actor.Name, ActorIs: string(e.ActorKind()),
			Where: templates.Where{Address: e.Address}, Reason: e.Detail["reason"], Of: e.Detail["user"], Person: string(e.User), About: about, Client: string(e.Client), Device: string(e.Device),
		})
		if of, _, ok := idp.TryoutOf(e.Client); ok {
			out[i].Client, out[i].Test = string(of), true
		}
	}
	return out
}

// events is deskEvents, with the places of addresses in a language (BCP 47).
func (s *room) events(rows []idp.Event, lang string) []templates.DeskEvent {
	events := deskEvents(rows)
	for i := range events {
		events[i].Where = s.door.Where(events[i].Address, lang)
	}
	return events
}

// eventSaid is what happened, in words. A link that a person has asked for, or got by mail,
// and a password that was set by one, is not to be taken for what an administrator did.
func eventSaid(e *idp.Event) templates.Message {
	switch {
	case e.Kind == idp.EventInvited && e.Detail["purpose"] == string(idp.InviteForgotten):
		return templates.Say("event.invitation.forgotten")
	case e.Kind == idp.EventInvited && e.Detail["by"] == "mail":
		return templates.Say("event.invitation.mailed")
	case e.Kind == idp.EventPasswordReset && e.Detail["by"] == "mail":
		return templates.Say("event.user.password.mail")
	}
	return templates.Say(eventWords[e.Kind])
}

// changeOf is a changed setting in one line: its key, and its values before and after. Of
// a logo's digest it has the first eight digits.
func changeOf(e *idp.Event) string {
	picture := strings.HasPrefix(e.Detail["setting"], admin.SiteLogo)
	value := func(s string) string {
		if picture && len(s) > 8 { // a digest
			s = s[:8]
		}
		return cmp.Or(s, "–")
	}
	return e.Detail["setting"] + ": " + value(e.Detail["from"]) + " → " + value(e.Detail["to"])
}
