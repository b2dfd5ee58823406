// Package pushtest stands in for the push services, which cannot be had in a
// test: one for browsers, which decrypts and checks all it gets, and Google's.
// Both misbehave as they are told, and keep every byte they have seen.
package pushtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"hilum/idp"
)

// Words are those of a test: a push.Words that says the kind of a push.
func Words(_ context.Context, p *idp.Push) (title, text string) {
	return "title of " + string(p.Kind), "text of " + string(p.Kind)
}

// Behaviour is what a service does with a request.
type Behaviour struct {
	Status    int           // answered; 0: the service's own yes
	Code      string        // FCM: the error's code, such as UNREGISTERED
	After     string        // Retry-After
	Delay     time.Duration // before the answer
	Drop      bool          // say yes and deliver nothing
	Duplicate bool          // deliver twice
	Hang      bool          // do not answer until the caller leaves
}

// service is what both services have in common.
type service struct {
	mu     sync.Mutex
	behave func(address string, n int) Behaviour // n counts from 0 per address
	counts map[string]int
	seen   bytes.Buffer
	faults []string
}

// Behave says what to do from now on with the n-th request for an address, by
// its token or endpoint's last part. nil: deliver.
func (s *service) Behave(f func(address string, n int) Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave, s.counts = f, map[string]int{}
}

// Seen returns every byte that has come in, and every text that was in it.
func (s *service) Seen() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.seen.Bytes())
}

// Faults lists what was wrong with the requests that came in.
func (s *service) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.faults...)
}

func (s *service) fault(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, text)
}

func (s *service) saw(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Write(b)
	s.seen.WriteByte('\n')
}

// take reads a request whole.
func (s *service) take(r *http.Request) []byte {
	if head, err := httputil.DumpRequest(r, false); err == nil {
		s.saw(head)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		s.fault("body: " + err.Error())
	}
	s.saw(body)
	return body
}

// next says what to do with a request for an address, and waits as told. A
// caller that has left gets no answer, not even an empty one.
func (s *service) next(r *http.Request, address string) Behaviour {
	s.mu.Lock()
	var b Behaviour
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	n := s.counts[address]
	s.counts[address]++
	if s.behave != nil {
		b = s.behave(address, n)
	}
	s.mu.Unlock()
	if b.Hang {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	if b.Delay > 0 {
		select {
		case <-time.After(b.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	return b
}
