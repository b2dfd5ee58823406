package deviceapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/serve"
)

const (
	// heartbeat keeps a stream alive through proxies, and shows phones and us
	// that the other end is there.
	heartbeat = 15 * time.Second
	// writeTime is how long one piece of a stream may take to leave.
	writeTime = 10 * time.Second
	// maxStreams is how many streams and waiting lists a device may hold: one,
	// and those it has lost without our knowing.
	maxStreams = 3
	// leastStreams is the least share of an instance in that: of two windows of one phone
	// neither displaces the other.
	leastStreams = 2
)

// most is how many of them a device may hold here.
func (s *Server) most() int { return max(leastStreams, s.conf.Share.Of(maxStreams)) }

// streams has the streams and waiting lists that are open, per device, oldest first.
type streams struct {
	mu   sync.Mutex
	open map[idp.DeviceID][]chan struct{}
}

// enter takes a place for a stream or waiting list of a device. Where the device has
// none left, the oldest gives its own up: a phone that changes networks leaves
// connections behind that look alive for a quarter of an hour, and it is the new one
// that somebody listens to. displaced is closed when that happens to this place; leave
// gives the place back, and may be called once.
func (s *streams) enter(id idp.DeviceID, most int) (displaced <-chan struct{}, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[idp.DeviceID][]chan struct{}{}
	}
	for list := s.open[id]; len(list) >= most; list = s.open[id] { // more than one where the share has shrunk
		close(list[0])
		s.open[id] = list[1:]
	}
	place := make(chan struct{})
	s.open[id] = append(s.open[id], place)
	return place, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[id] = slices.DeleteFunc(s.open[id], func(c chan struct{}) bool { return c == place })
		if len(s.open[id]) == 0 {
			delete(s.open, id)
		}
	}
}

// listen sends a phone every challenge as it opens and as it ends, as an event stream
// (WHATWG HTML, section 9.2), until either end leaves or the device is unlinked.
func (s *Server) listen(w http.ResponseWriter, r *http.Request) {
	if err := allowed(r, s.conf.Allow); err != nil {
		s.fail(w, r, "", err)
		return
	}
	envelope, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Device ")
	if !ok {
		s.fail(w, r, "", device.ErrRequest)
		return
	}
	req, err := s.conf.Devices.Open(r.Context(), device.OpListen, envelope)
	if err != nil {
		s.fail(w, r, "", err)
		return
	}
	by := req.Speaker
	id, pairing := by.Device.ID, by.Pairing
	displaced, leave := s.open.enter(id, s.most())
	woken := s.conf.Wait(topics(by)...)
	s.conf.Streams.Follow(w, r, func(ctx context.Context, st *serve.Stream) {
		defer leave()
		defer woken.Close()
		s.follow(ctx, st, id, pairing, woken.Woken(), displaced)
	})
}

// follow writes to a stream what changes, until the stream or the link ends or a newer
// stream displaces it. pairing is the one that a device which is not linked yet belongs to.
func (s *Server) follow(ctx context.Context, st *serve.Stream, id idp.DeviceID, pairing idp.PairingID, woken, displaced <-chan struct{}) {
	beat := time.NewTicker(s.conf.Heartbeat)
	defer beat.Stop()
	if !st.Comment() {
		return
	}
	shown := map[idp.ChallengeID]bool{}
	for {
		if !s.tell(ctx, st, id, pairing, shown) {
			return
		}
		select {
		case <-woken:
		case <-beat.C: // and a look: what time alone ends wakes nobody
			if !st.Comment() {
				return
			}
		case <-displaced:
			return
		case <-s.conf.Ending:
			return
		case <-ctx.Done():
			return
		}
	}
}

// tell brings the stream up to date; false when it is to end.
func (s *Server) tell(ctx context.Context, st *serve.Stream, id idp.DeviceID, pairing idp.PairingID, shown map[idp.ChallengeID]bool) bool {
	now, err := s.conf.Devices.Speaker(ctx, id)
	if err != nil { // also when a link that was never confirmed is gone
		return false
	}
	if now.Unlinked {
		event(st, "unlinked", struct{}{})
		return false
	}
	if pairing != now.Pairing {
		// What wakes the phone is another thing now: it comes again.
		event(st, "linked", struct{}{})
		return false
	}
	list, err := s.conf.Logins.Asked(ctx, now)
	if err != nil {
		return false // the phone comes again
	}
	open := map[idp.ChallengeID]bool{}
	for i := range list {
		c := &list[i]
		open[c.ID] = true
		if !shown[c.ID] {
			if !event(st, "challenge", asked{c.ID, c.Doc}) {
				return false
			}
			shown[c.ID] = true
		}
	}
	for id := range shown {
		if open[id] {
			continue
		}
		gone := struct {
			CID idp.ChallengeID `json:"cid"`
			Why string          `json:"why"`
		}{id, s.conf.Logins.Fate(ctx, id)}
		if !event(st, "gone", gone) {
			return false
		}
		delete(shown, id)
	}
	return true
}

// event sends data as JSON, as an event of a name; false when the other end is gone.
func event(st *serve.Stream, name string, data any) bool {
	b, err := json.Marshal(data)
	return err == nil && st.Event(name, string(b))
}
