package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/serve"
)

// Pages that wait are told by an event stream, by a poll beneath it where
// streams do not get through, and by reloading where there is no script. All
// three tell the same word: when it changes, the page is another.

// Waiter is woken when there may be something new to look at; *live.Waiter implements it.
type Waiter interface {
	Woken() <-chan struct{}
	Close()
}

const (
	// heartbeat is how often a stream says something that means nothing, so that
	// proxies keep it open, and how often it looks without being woken.
	heartbeat = 15 * time.Second
	// maxStreams is how many streams of one path may be open: a page in a few tabs. Of
	// several instances each allows its share.
	maxStreams = 4
)

// Pulse looks how what a page shows stands: the word, and the topics on which a wake
// says that it may have changed.
type Pulse func(ctx context.Context) (word string, topics []idp.Topic, err error)

// State answers a poll with the word, as JSON: {"state": word}.
func (d *Door) State(w http.ResponseWriter, r *http.Request, look Pulse) error {
	word, _, err := look(r.Context())
	if err != nil {
		return err
	}
	return JSON(w, struct {
		State string `json:"state"`
	}{word})
}

// JSON answers a script with a value. Errors: those of json.Marshal; nothing was sent then.
func JSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(b) // an error means that the browser has left
	return nil
}

// Events answers with an event stream (WHATWG HTML, section 9.2) of the word as it
// changes. It ends with the browser, or with us: the browser comes again. Errors: those
// of look and of Follow.
func (d *Door) Events(w http.ResponseWriter, r *http.Request, look Pulse) error {
	_, topics, err := look(r.Context())
	if err != nil {
		return err
	}
	return d.Follow(w, r, look, func() (<-chan struct{}, func()) {
		woken := d.conf.Wait(topics...)
		return woken.Woken(), woken.Close
	})
}

// Follow is Events woken by a channel, which wait returns together with what is called
// when the stream ends. Errors: idp.ErrTooMany as *idp.RetryError, where maxStreams of
// this path are open; the record of the page does not say that it is a stream.
func (d *Door) Follow(w http.ResponseWriter, r *http.Request, look Pulse, wait func() (woken <-chan struct{}, leave func())) error {
	if at := d.pattern[r.Pattern]; at == nil || !at.Stream {
		return fmt.Errorf("page: %q is no stream by its record", r.Pattern)
	}
	leave, ok := d.waiting.enter(r.URL.Path, d.conf.Share.Of(maxStreams))
	if !ok {
		return &idp.RetryError{Err: idp.ErrTooMany, After: heartbeat}
	}
	woken, gone := wait()
	d.conf.Streams.Follow(w, r, func(ctx context.Context, st *serve.Stream) {
		defer leave()
		defer gone()
		d.follow(ctx, st, look, woken)
	})
	return nil
}

// follow tells the word as it changes until the browser leaves, or we do.
func (d *Door) follow(ctx context.Context, st *serve.Stream, look Pulse, woken <-chan struct{}) {
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
		case <-d.conf.Ending:
			return
		case <-ctx.Done():
			return
		}
	}
}

// waiting counts the open streams by path.
type waiting struct {
	mu sync.Mutex
	n  map[string]int
}

func (s *waiting) enter(path string, most int) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[path] >= most {
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
