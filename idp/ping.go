package idp

import (
	"bytes"
	"time"
)

// PingID numbers a ping.
type PingID int64

// PingMaterial is what a ping tells a client and proves itself to it with: the auth_req_id of
// its request, and the token that the client has sent with it.
type PingMaterial struct {
	AuthReqID Secret
	Token     Secret // client_notification_token
}

// Plain is the material as it is sealed; neither part has a line feed.
func (m PingMaterial) Plain() []byte { return []byte(m.AuthReqID.Reveal() + "\n" + m.Token.Reveal()) }

// PingMaterialOf reads what Plain has made.
func PingMaterialOf(plain []byte) PingMaterial {
	id, token, _ := bytes.Cut(plain, []byte("\n"))
	return PingMaterial{AuthReqID: Secret(id), Token: Secret(token)}
}

// Ping tells a client that the outcome of a request by the back channel can be asked for
// (OpenID Connect Client-Initiated Backchannel Authentication Core 1.0, section 10.2). It
// comes into being with the question to the phones, is due in the transaction of their
// answer, or when the request expires, and waits until the client has taken it or nobody
// tries any more.
type Ping struct {
	ID     PingID
	Polled PolledID
	Client ClientID
	Sealed []byte  // PingMaterial, for this request and client
	Said   Refusal // why the last try failed; empty: none did, or the client was told
	Told   bool    // how it was settled

	Delivery
}

// How a ping is tried.
const (
	// PingLease is how long whoever claimed a ping has it for itself. It is longer than a call
	// may take.
	PingLease = 30 * time.Second
	// PingFor is how long after a request has expired its client is tried to be told.
	PingFor = PolledLeft
)

// RefusedLate says that nobody could send a ping while asking was of use.
const RefusedLate Refusal = "late"

// pingWaits lie between tries; the last repeats. They are short: a request lives for two
// minutes.
var pingWaits = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second}

// PingRow is the identifier under which the material of a ping is sealed: for one request of
// one client, so that whoever writes to the database cannot have another client told.
func PingRow(polled PolledID, client ClientID) string {
	return "ping " + string(polled) + " " + string(client)
}

// Claim takes a ping for one try. Errors: ErrSettled when it does not wait, is not due, or
// another has it.
func (p *Ping) Claim(now time.Time) error { return p.claim(PingLease, now) }

// Attempted settles a ping, or has it wait for another try. try is the number of the one that
// is told of. Errors: ErrSettled when another has begun since.
func (p *Ping) Attempted(try int, a Attempt, now time.Time) error {
	if err := p.under(try); err != nil {
		return err
	}
	p.Said = a.Said
	switch {
	case a.Said == "":
		p.settle(now)
		p.Told = true
	case a.Final || !p.putOff(pingWaits, a.After, now):
		p.settle(now)
	}
	return nil
}
