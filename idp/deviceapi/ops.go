package deviceapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// handler carries out a request whose signature is right.
type handler func(w http.ResponseWriter, r *http.Request, req *device.Request) error

// op is the chain of every operation: limits, size, signature, the operation, the table of
// errors.
func (s *Server) op(op device.Op, h handler) http.Handler {
	return shared(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := allowed(r, s.conf.Allow); err != nil {
			s.fail(w, r, "", err)
			return
		}
		body, err := read(w, r, op.Most())
		if err == nil {
			var req *device.Request
			if req, err = s.conf.Devices.Open(r.Context(), op, body); err == nil {
				err = h(w, r, req)
			}
		}
		if err != nil && op == device.OpPair {
			err = s.wrong(r, err)
		}
		if err != nil {
			s.fail(w, r, "", err)
		}
	}))
}

// wrong counts a request to pair that failed, and returns what is answered: err, or an
// idp.RetryError where the address has sent too many. A request that pairs is never
// refused: a room full of phones is one address. A code that is scanned cannot be guessed;
// one that is typed ends with its pairing after a few tries.
func (s *Server) wrong(r *http.Request, err error) error {
	if s.conf.Wrong == nil || !errors.Is(err, device.ErrPairGone) && !errors.Is(err, device.ErrRequest) && !errors.Is(err, errTooBig) {
		return err
	}
	address := serve.From(r.Context()).Address
	if retry, ok := s.conf.Wrong.Open(address); !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
	}
	s.conf.Wrong.Count(address)
	return err
}

// allowed returns an idp.RetryError for an address that asks too often; a nil
// allow is no limit.
func allowed(r *http.Request, allow func(string) (time.Duration, bool)) error {
	if allow == nil {
		return nil
	}
	if retry, ok := allow(serve.From(r.Context()).Address); !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: retry}
	}
	return nil
}

// errTooBig says that a body is longer than any envelope.
var errTooBig = errors.New("body too big")

// read returns the envelope in the body of a request, of at most so many bytes.
func read(w http.ResponseWriter, r *http.Request, most int) (string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/jose" {
		return "", fmt.Errorf("Content-Type is not application/jose: %w", device.ErrRequest)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(most)))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", errTooBig
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", device.ErrRequest, err)
	}
	return string(body), nil
}

// answerJSON sends v as JSON, whole.
func answerJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a phone that left asks again
	return nil
}

// asked is a challenge as phones get it.
type asked struct {
	CID idp.ChallengeID `json:"cid"`
	Doc string          `json:"doc"`
}

type otpReply struct {
	Secret string `json:"secret"` // base32
	Digits int    `json:"digits"`
	Period int    `json:"period"` // seconds
}

// What became of the push address that a phone paired with.
const (
	pushNone    = "none"    // none came
	pushTaken   = "taken"   // the phone is reached by it
	pushRefused = "refused" // it is of no service that is called from here, or damaged
)

type pairReply struct {
	DeviceID   idp.DeviceID    `json:"device_id"`
	State      idp.DeviceState `json:"state"`
	Account    string          `json:"account"`
	Issuer     string          `json:"issuer"`
	Site       string          `json:"site"`
	OTP        otpReply        `json:"otp"`
	Challenge  asked           `json:"challenge"`
	Push       string          `json:"push"`                  // what became of the push address: pushTaken and the like
	PushDetail string          `json:"push_detail,omitempty"` // why it was refused
	Tag        string          `json:"tag"`                   // idp.Device.Tag: names the account in pushes
	VAPIDKey   string          `json:"vapid_key,omitempty"`
	ServerTime int64           `json:"server_time"` // seconds since 1970
}

func (s *Server) pair(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	p, err := s.conf.Devices.Pair(r.Context(), req, serve.From(r.Context()).Address)
	if err != nil {
		return err
	}
	push, detail := pushNone, ""
	switch {
	case p.PushRefused != nil:
		push, detail = pushRefused, bounded(p.PushRefused.Error())
		serve.From(r.Context()).Note(slog.String("push", pushRefused), slog.String("reason", detail))
	case p.Device.PushType != "":
		push = pushTaken
	}
	return answerJSON(w, http.StatusOK, pairReply{
		DeviceID: p.Device.ID, State: p.Device.State, Account: p.Account, Issuer: s.conf.Issuer, Site: p.Site,
		OTP:       otpReply{Secret: p.Secret, Digits: p.Digits, Period: p.Period},
		Challenge: asked{p.Challenge.ID, p.Challenge.Doc}, Push: push, PushDetail: detail, Tag: p.Device.Tag(), VAPIDKey: s.conf.VAPIDKey, ServerTime: s.conf.Now().Unix(),
	})
}

// maxWait is how long a phone may wait for a first challenge.
const maxWait = 25 * time.Second

// listReply is what a phone hears of what waits for it.
type listReply struct {
	State      idp.DeviceState `json:"state"`
	Challenges []asked         `json:"challenges"`
	Tag        string          `json:"tag"` // idp.Device.Tag
	VAPIDKey   string          `json:"vapid_key,omitempty"`
	ServerTime int64           `json:"server_time"` // seconds since 1970
}

// answerReply is what became of a challenge by an answer.
type answerReply struct {
	State idp.ChallengeState `json:"state"`
}

// challenges lists the open challenges of a phone; with wait, as soon as there is one, or
// after that time with none.
func (s *Server) challenges(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	wait := min(max(0, time.Duration(req.Claims.Wait)*time.Second), maxWait)
	by := req.Speaker
	var list []idp.Challenge
	var err error
	if wait == 0 {
		list, err = s.conf.Logins.Asked(r.Context(), by)
	} else {
		by, list, err = s.await(w, r, by, wait)
	}
	if err != nil {
		return err
	}
	// The key comes along so that a phone which was subscribed by another one
	// notices, and subscribes anew.
	reply := listReply{State: by.Device.State, Challenges: make([]asked, len(list)), Tag: by.Device.Tag(), VAPIDKey: s.conf.VAPIDKey, ServerTime: s.conf.Now().Unix()}
	for i := range list {
		reply.Challenges[i] = asked{list[i].ID, list[i].Doc}
	}
	return answerJSON(w, http.StatusOK, reply)
}

// await reads the open challenges, and again when woken, until there is one, the device
// is linked that was not, or the time is up. It returns the device as it is then.
func (s *Server) await(w http.ResponseWriter, r *http.Request, by *idp.Speaker, wait time.Duration) (*idp.Speaker, []idp.Challenge, error) {
	displaced, leave := s.open.enter(by.Device.ID, s.most())
	defer leave()
	// The server's own write deadline is shorter than this wait.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeTime)); err != nil {
		return nil, nil, err
	}
	woken := s.conf.Wait(topics(by)...)
	defer woken.Close()
	end := time.NewTimer(wait)
	defer end.Stop()
	for {
		now, err := s.conf.Devices.Speaker(r.Context(), by.Device.ID)
		if err != nil {
			return nil, nil, err
		}
		if now.Unlinked {
			return nil, nil, device.ErrUnlinked
		}
		list, err := s.conf.Logins.Asked(r.Context(), now)
		if err != nil || len(list) > 0 || now.Pairing != by.Pairing {
			return now, list, err
		}
		select {
		case <-woken.Woken():
		case <-end.C:
			return now, nil, nil
		case <-displaced:
			return now, nil, nil // a newer one waits
		case <-s.conf.Ending:
			return now, nil, nil
		case <-r.Context().Done():
			return nil, nil, r.Context().Err()
		}
	}
}

// topics are what wakes a phone: its person's topic and, while it is not linked yet, that
// of its pairing.
func topics(by *idp.Speaker) []idp.Topic {
	var list []idp.Topic
	if by.Device.User != "" {
		list = append(list, idp.TopicUser(by.Device.User))
	}
	if by.Pairing != "" {
		list = append(list, idp.TopicPairing(by.Pairing))
	}
	return list
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	c := &req.Claims
	v := idp.Verdict{Approve: c.Decision == "approve", NotMe: c.Reason == idp.ReasonNotMe, Reason: c.Reason, Number: c.Number, Verified: req.Verified}
	switch {
	case c.Decision != "approve" && c.Decision != "deny",
		c.Reason != "" && c.Reason != idp.ReasonNotMe && c.Reason != idp.ReasonMistake,
		v.Approve && c.Reason != "",
		len(c.Number) > maxNumber || !v.Approve && c.Number != "",
		c.CID == "" || len(c.CID) > maxCID || c.DocHash == "":
		return fmt.Errorf("answer: %w", device.ErrRequest)
	}
	state, err := s.conf.Logins.Answer(r.Context(), req.Speaker, login.Reply{
		Challenge: c.CID, DocHash: c.DocHash, Verdict: v, Seen: req.Seen, Address: serve.From(r.Context()).Address,
	})
	if err != nil {
		s.fail(w, r, state, err)
		return nil
	}
	return answerJSON(w, http.StatusOK, answerReply{told(state)})
}

const (
	maxNumber = 8  // letters
	maxCID    = 64 // letters
)

// told is the state of a challenge as phones know it: what the browser did with an
// approval is not theirs to know.
func told(s idp.ChallengeState) idp.ChallengeState {
	if s == idp.ChallengeTaken {
		return idp.ChallengeApproved
	}
	return s
}

func (s *Server) push(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	return noContent(w, s.conf.Devices.SetPush(r.Context(), req))
}

func (s *Server) rename(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	return noContent(w, s.conf.Devices.RenameSelf(r.Context(), req))
}

func (s *Server) unpair(w http.ResponseWriter, r *http.Request, req *device.Request) error {
	return noContent(w, s.conf.Devices.UnlinkSelf(r.Context(), req, serve.From(r.Context()).Address))
}

func noContent(w http.ResponseWriter, err error) error {
	if err == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
