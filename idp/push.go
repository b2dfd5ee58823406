package idp

import "time"

// PushType names a kind of push service.
type PushType string

const (
	PushWeb PushType = "webpush" // RFC 8030; browsers and UnifiedPush
	PushFCM PushType = "fcm"     // Firebase Cloud Messaging; native apps
)

// PushAddress is where a push service reaches a device. The device gives it;
// nothing of it is to be trusted. It is a capability: whoever has it can wake
// the phone, so it is sealed at rest.
type PushAddress struct {
	Type     PushType `json:"type"`
	Endpoint string   `json:"endpoint,omitempty"` // PushWeb: RFC 8030, section 4
	P256dh   string   `json:"p256dh,omitempty"`   // PushWeb: RFC 8291, base64url
	Auth     string   `json:"auth,omitempty"`     // PushWeb: RFC 8291, base64url
	Token    string   `json:"token,omitempty"`    // PushFCM: registration token
}

// PushKind says why a phone is woken.
type PushKind string

const (
	PushLogin PushKind = "login" // a challenge waits for an answer
	PushGone  PushKind = "gone"  // it does not wait any more
	PushTest  PushKind = "test"  // the phone's owner wants to see a notification arrive
	// PushChanged: a device was linked to the account, or unlinked from it.
	PushChanged PushKind = "changed"
)

// Push is one message on its way to one device. It names no person, place,
// number or secret: the phone fetches the rest from us.
type Push struct {
	User      UserID
	Device    DeviceID
	Tag       string // Device.Tag: by which an app with several accounts knows which is meant
	Platform  string // "ios", "android", "web", "other"
	Address   PushAddress
	Kind      PushKind
	Challenge ChallengeID // of PushLogin and PushGone
	ExpiresAt time.Time   // the message is of no use afterwards
}

// PushOutcome says what became of a Push.
type PushOutcome string

const (
	PushDelivered PushOutcome = "delivered" // the service took it
	PushDead      PushOutcome = "dead"      // the service says that the address is no more
	PushFailed    PushOutcome = "failed"    // given up
)

// PushRow is the associated data that a device's push address is sealed with.
func PushRow(id DeviceID) string { return string(id) + "/push" }

// PushFigures says how it goes with one push service, since the provider was started.
type PushFigures struct {
	Type      PushType
	Waiting   int
	Attempts  int
	Delivered int
	Dead      int // addresses that are no more, by the service's word
	Failed    int // messages that were given up
	Retried   int
	P50, P95  time.Duration // from the hand-over to the delivery, of the latest
	LastError string
	LastAt    time.Time // of that error
	Alarm     string    // what the operator has to mend; empty: nothing
}
