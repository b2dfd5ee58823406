package deviceapi

import (
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/device"
)

// versions are the versions of docs/device-protocol.md that are spoken here, oldest first.
var versions = []string{"1.0", "1.1"}

// matchModes are the values of match.mode in a challenge.
var matchModes = []idp.MatchMode{idp.MatchTap, idp.MatchPick, idp.MatchType}

// Channel is a kind of push service by which phones are reached, and what a phone needs
// to give an address of it.
type Channel struct {
	Type      idp.PushType `json:"type"`
	VAPIDKey  string       `json:"vapid_key,omitempty"`  // of web push: public, base64url (RFC 8292, section 3.2)
	Hosts     []string     `json:"hosts,omitempty"`      // of web push: where an endpoint may be; "*.example.org" is all below example.org
	ProjectID string       `json:"project_id,omitempty"` // of Firebase Cloud Messaging: the project that the app has to be of
	SenderID  string       `json:"sender_id,omitempty"`  // of Firebase Cloud Messaging: the number of that project
}

// siteReply is what a site says of itself to whoever asks.
type siteReply struct {
	Issuer     string          `json:"issuer"`
	Site       string          `json:"site"`
	VAPIDKey   string          `json:"vapid_key,omitempty"`
	ServerTime int64           `json:"server_time"` // seconds since 1970
	Versions   []string        `json:"versions"`
	Push       []Channel       `json:"push"` // none: phones hear by stream and list
	Match      []idp.MatchMode `json:"match"`
	Must       []string        `json:"must"` // what a question may ask to be understood
	Limits     limits          `json:"limits"`
}

// limits are the numbers of docs/device-protocol.md that a client has to keep to. Times are
// in seconds.
type limits struct {
	Envelope  int `json:"envelope"`    // bytes
	Pair      int `json:"pair"`        // bytes of an envelope to pair
	Attest    int `json:"attestation"` // bytes
	Name      int `json:"name"`        // characters
	App       int `json:"app"`         // characters
	Address   int `json:"address"`     // bytes of push
	JTIMin    int `json:"jti_min"`     // letters
	JTIMax    int `json:"jti_max"`     // letters
	Skew      int `json:"skew"`        // between iat and our clock
	Replay    int `json:"replay"`      // for which a jti is remembered
	Wait      int `json:"wait"`        // of a list, at most
	Heartbeat int `json:"heartbeat"`   // between comments of a stream
	Streams   int `json:"streams"`     // and waiting lists of a device, at a time
	Devices   int `json:"devices"`     // of an account
	Pairing   int `json:"pairing"`     // that a pair code is good
	Challenge int `json:"challenge"`   // that a sign-in waits for an answer
	Collect   int `json:"collect"`     // that an approval is good
	NotMe     int `json:"not_me"`      // after an answer that «it wasn't me» is taken
	Resend    int `json:"resend"`      // between two sends for one sign-in
	Sends     int `json:"sends"`       // for one sign-in
	Unlinked  int `json:"unlinked"`    // that an unlinked device hears so
	Number    int `json:"number_max"`  // digits of a number, at most
}

// limits are the numbers as they are here.
func (s *Server) limits() limits {
	in := func(d time.Duration) int { return int(d / time.Second) }
	return limits{
		Envelope: device.MaxEnvelope, Pair: device.MaxPair, Attest: device.MaxAttestation, Name: idp.MaxDeviceName, App: device.MaxApp, Address: device.MaxAddress, JTIMin: device.MinJTI, JTIMax: device.MaxJTI,
		Skew: in(device.MaxSkew), Replay: in(idp.ReplayFor), Wait: in(maxWait), Heartbeat: in(heartbeat), Streams: maxStreams, Devices: idp.MaxDevices,
		Pairing: in(idp.PairingTTL), Challenge: in(idp.ChallengeTTL), Collect: in(idp.CollectTTL), NotMe: in(idp.NotMeFor), Resend: in(idp.ResendAfter),
		Sends: idp.MaxSends, Unlinked: in(idp.TombstoneFor), Number: maxNumber,
	}
}

// site says who this is, unsigned, before anybody is linked: a phone subscribes to web
// push by the VAPID key in it, so that it can be asked by push from the first moment, and
// learns what is spoken here.
func (s *Server) site(w http.ResponseWriter, r *http.Request) {
	if err := allowed(r, s.conf.Allow); err != nil {
		s.fail(w, r, "", err)
		return
	}
	reply := siteReply{
		Issuer: s.conf.Issuer, Site: s.conf.Site().Name, VAPIDKey: s.conf.VAPIDKey, ServerTime: s.conf.Now().Unix(),
		Versions: versions, Push: []Channel{}, Match: matchModes, Must: []string{idp.MustVerify}, Limits: s.limits(),
	}
	if s.conf.Push != nil {
		reply.Push = append(reply.Push, s.conf.Push()...)
	}
	if err := answerJSON(w, http.StatusOK, reply); err != nil {
		s.fail(w, r, "", err)
	}
}
