package web

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/serve"
)

// Pages that wait are told by an event stream, by a poll beneath it where
// streams do not get through, and by reloading where there is no script. All
// three tell the same word: when it changes, the page is another.

// Waiter is woken when there is something to look at.
type Waiter interface {
	Woken() <-chan struct{}
	Close()
}

const (
	// heartbeat keeps a stream alive through proxies, and is when it looks
	// without being woken.
	heartbeat = 15 * time.Second
	// maxStreams is how many streams wait for one thing: a page in a few tabs.
	maxStreams = 4
)

// pulse says in a word how a page stands, and what wakes it.
type pulse func(ctx context.Context) (word string, topics []idp.Topic, err error)

func (s *Server) loginPulse(r *http.Request) (pulse, error) {
	id, b, err := s.bound(r)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, []idp.Topic, error) { return s.Logins.Pulse(ctx, id, b) }, nil
}

func (s *Server) linkPulse(r *http.Request, p who) pulse {
	id := pathID[idp.PairingID](r, "pairing")
	return func(ctx context.Context) (string, []idp.Topic, error) {
		word, err := s.Devices.Pulse(ctx, p.session, id)
		return word, []idp.Topic{idp.TopicPairing(id)}, err
	}
}

func (s *Server) loginState(w http.ResponseWriter, r *http.Request) error {
	look, err := s.loginPulse(r)
	if err != nil {
		return err
	}
	return s.state(w, r, look)
}

func (s *Server) loginEvents(w http.ResponseWriter, r *http.Request) error {
	look, err := s.loginPulse(r)
	if err != nil {
		return err
	}
	return s.events(w, r, look)
}

func (s *Server) linkState(w http.ResponseWriter, r *http.Request, p who) error {
	return s.state(w, r, s.linkPulse(r, p))
}

func (s *Server) linkEvents(w http.ResponseWriter, r *http.Request, p who) error {
	return s.events(w, r, s.linkPulse(r, p))
}

// state answers a poll.
func (s *Server) state(w http.ResponseWriter, r *http.Request, look pulse) error {
	word, _, err := look(r.Context())
	if err != nil {
		return err
	}
	b, err := json.Marshal(struct {
		State string `json:"state"`
	}{word})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(b) // an error means that the browser has left
	return nil
}

// events is an event stream (WHATWG HTML, section 9.2) of the word as it
// changes. It ends with the browser, or with us: the browser comes again.
func (s *Server) events(w http.ResponseWriter, r *http.Request, look pulse) error {
	ctx := r.Context()
	_, topics, err := look(ctx)
	if err != nil {
		return err
	}
	leave, ok := s.waiting.enter(r.URL.Path)
	if !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: heartbeat}
	}
	woken := s.Wait(topics...)
	s.Streams.Follow(w, r, func(ctx context.Context, st *serve.Stream) {
		defer leave()
		defer woken.Close()
		s.follow(ctx, st, look, woken.Woken())
	})
	return nil
}

// follow tells the word as it changes until the browser leaves, or we do.
func (s *Server) follow(ctx context.Context, st *serve.Stream, look pulse, woken <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	said := ""
	if !st.Retry(time.Second) {
		return
	}
	for {
		word, _, err := look(ctx)
		if err != nil {
			return // the head is out; the browser comes again and is told
		}
		if word != said && !st.Event("state", word) {
			return
		}
		said = word
		select {
		case <-woken:
		case <-beat.C: // and a look: what time alone ends wakes nobody
			if !st.Comment() {
				return
			}
		case <-s.Ending:
			return
		case <-ctx.Done():
			return
		}
	}
}

// waiting counts the streams that wait, by path.
type waiting struct {
	mu sync.Mutex
	n  map[string]int
}

func (s *waiting) enter(path string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[path] >= maxStreams {
		return nil, false
	}
	if s.n == nil {
		s.n = map[string]int{}
	}
	s.n[path]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.n[path]--; s.n[path] == 0 {
			delete(s.n, path)
		}
	}, true
}
