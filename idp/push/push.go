// Package push wakes phones: it delivers messages to push services, which bring them to a
// phone whose app sleeps.
//
// A caller hands its messages over and goes on; workers deliver them, each attempt within
// a deadline, and again as long as the message is of use. One device never has more than
// one attempt under way, one host never more than half of a channel's workers, and no
// channel any of another's: a service that hangs delays nobody else. What becomes of a
// message is told to Config.Done and counted in Figures. No message is stored: a phone
// that hears nothing asks, and the field for a code is on the sign-in page all the while.
package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"hilum/idp"
)

// Channel delivers to one kind of push service.
type Channel interface {
	// Send delivers one message. Errors: ErrGone, *RetryError, ErrCredentials;
	// any other is final for this message.
	Send(ctx context.Context, p idp.Push) error
}

// Prober is a Channel that can tell whether its service would take messages, without
// sending one.
type Prober interface {
	// Probe returns nil when messages would be taken. Errors: ErrCredentials, *RetryError.
	Probe(ctx context.Context) error
	// Changed receives when the credentials have changed, so that it is worth to probe
	// again.
	Changed() <-chan struct{}
}

// How often a channel is probed, beside when it changes.
const (
	probeEvery   = time.Hour        // while all is well
	probeFirst   = 5 * time.Second  // after a failure, doubled each time
	probeMost    = 10 * time.Minute // after many
	probeTimeout = 15 * time.Second
	// probeAge is how old what the last probe found may be for whoever looks.
	probeAge = 20 * time.Second
	// probeAlarm is how many failures that may pass, one after the other, are an alarm.
	probeAlarm = 3
)

var (
	// ErrGone says that the service no longer knows the address of the device.
	ErrGone = errors.New("the address is gone")
	// ErrCredentials says that the service does not take our credentials. No retry helps,
	// the operator has to act.
	ErrCredentials = errors.New("the service refuses our credentials")
)

// RetryError is a failure that may pass: the message is tried again while it is of use.
type RetryError struct {
	Err   error
	After time.Duration // as the service asks; 0: as we see fit
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// Config is what a Sender is built from. Channels is required.
type Config struct {
	Channels map[idp.PushType]Channel
	// Done is told what became of each message; it may take its time, and is
	// called by a worker.
	Done    func(ctx context.Context, p idp.Push, outcome idp.PushOutcome, why string)
	Workers int           // per channel; 0: 16
	Queue   int           // messages that wait, per channel; 0: 4096
	Timeout time.Duration // of one attempt; 0: 5 s
	Now     func() time.Time
	Log     *slog.Logger
}

// Sender delivers messages to push services, beside whoever hands them over. Safe for
// concurrent use.
type Sender struct {
	conf  Config
	lanes map[idp.PushType]*lane
}

// lane is the queue, the workers and the figures of one channel.
type lane struct {
	channel Channel
	queue   chan *job
	mu      sync.Mutex
	busy    map[idp.DeviceID]bool // an attempt is under way
	later   int                   // wait for another attempt
	hosts   map[string]int        // attempts under way per host
	figure  idp.PushFigures
	probed  string          // alarm of the last probe; empty: none
	looked  chan struct{}   // somebody looks at the figures
	spans   []time.Duration // of the latest deliveries
}

// job is one message that is to be delivered.
type job struct {
	idp.Push
	tries int
	since time.Time
}

// New returns a Sender that delivers while Run runs.
func New(c Config) *Sender {
	if c.Workers == 0 {
		c.Workers = 16
	}
	if c.Queue == 0 {
		c.Queue = 4096
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Done == nil {
		c.Done = func(context.Context, idp.Push, idp.PushOutcome, string) {}
	}
	s := &Sender{conf: c, lanes: map[idp.PushType]*lane{}}
	for kind, channel := range c.Channels {
		s.lanes[kind] = &lane{
			channel: channel, queue: make(chan *job, c.Queue), looked: make(chan struct{}, 1), busy: map[idp.DeviceID]bool{}, hosts: map[string]int{}, figure: idp.PushFigures{Type: kind},
		}
	}
	return s
}

// Send hands messages over and returns at once. A message for which there is
// no room, or no channel, has failed.
func (s *Sender) Send(ps ...idp.Push) {
	for _, p := range ps {
		l := s.lanes[p.Address.Type]
		if l == nil {
			s.conf.Log.Warn("a push for a service that is not set up", "type", p.Address.Type, "device", p.Device)
			continue
		}
		select {
		case l.queue <- &job{Push: p, since: s.conf.Now()}:
		default:
			l.count(func(f *idp.PushFigures) { f.Failed++; f.LastError, f.LastAt = "the queue is full", s.conf.Now() })
			s.conf.Log.Warn("push queue is full", "type", p.Address.Type, "device", p.Device)
		}
	}
}

// Run delivers until ctx ends; every goroutine that it has started has ended when it
// returns.
func (s *Sender) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range s.lanes {
		for range s.conf.Workers {
			wg.Go(func() { // ends with ctx
				for {
					select {
					case <-ctx.Done():
						return
					case j := <-l.queue:
						s.work(ctx, &wg, l, j)
					}
				}
			})
		}
		if p, ok := l.channel.(Prober); ok {
			wg.Go(func() { s.probe(ctx, l, p) }) // ends with ctx
		}
	}
	<-ctx.Done()
	wg.Wait()
}

// probe looks whether a channel would work, at once, when it changes, from time to
// time, and sooner while it does not: a key that was revoked is told before anybody
// waits for a phone.
func (s *Sender) probe(ctx context.Context, l *lane, p Prober) {
	failed, changed := 0, false
	for ctx.Err() == nil {
		probing, cancel := context.WithTimeout(ctx, probeTimeout)
		err := p.Probe(probing)
		cancel()
		if ctx.Err() != nil {
			return
		}
		wait := probeEvery
		if err == nil {
			failed = 0
			s.well(l, changed)
		} else {
			wait = min(probeFirst<<min(failed, 10), probeMost)
			failed++
			s.ill(l, err, failed >= probeAlarm)
		}
		changed = l.pause(ctx, p, wait)
	}
}

// pause waits until it is worth to probe again, and reports whether that is because
// the credentials have changed.
func (l *lane) pause(ctx context.Context, p Prober, wait time.Duration) (changed bool) {
	began := time.Now()
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return false
		case <-p.Changed():
			return true
		case <-l.looked:
			if left := probeAge - time.Since(began); left <= 0 {
				return false
			} else if wait > left {
				wait = left
				t.Reset(left)
			}
		}
	}
}

// Look says that somebody looks at the figures: channels that can be probed are, if
// that is some time ago. It returns at once; the figures show it soon.
func (s *Sender) Look() {
	for _, l := range s.lanes {
		select {
		case l.looked <- struct{}{}:
		default:
		}
	}
}

// well notes that a probe found nothing wrong. What sending had found is over when the
// credentials have changed since.
func (s *Sender) well(l *lane, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.probed != "" || changed && l.figure.Alarm != "" {
		s.conf.Log.Info("push service: takes our credentials again", "type", l.figure.Type)
	}
	l.probed = ""
	if changed {
		l.figure.Alarm = ""
	}
}

// ill notes what a probe has found wrong; what the operator has to mend is logged once.
func (s *Sender) ill(l *lane, err error, lasting bool) {
	raised := false
	l.count(func(f *idp.PushFigures) {
		f.LastError, f.LastAt = err.Error(), s.conf.Now()
		if now := err.Error(); (errors.Is(err, ErrCredentials) || lasting) && l.probed != now {
			raised = l.probed == "" || errors.Is(err, ErrCredentials)
			l.probed = now
		}
	})
	if raised {
		s.conf.Log.Error("push service: the operator has to act", "type", l.figure.Type, "error", err)
	}
}

// aside is how long an attempt is put off that would be one too many.
const aside = 50 * time.Millisecond

// work makes one attempt, or puts it off while there are enough for the same
// device or host: what hangs holds some workers, not all.
func (s *Sender) work(ctx context.Context, wg *sync.WaitGroup, l *lane, j *job) {
	host := hostOf(j.Address)
	if !l.enter(j.Device, host, max(1, s.conf.Workers/2)) {
		s.again(ctx, wg, l, j, aside)
		return
	}
	defer l.leave(j.Device, host)
	now := s.conf.Now()
	if !now.Before(j.ExpiresAt) {
		s.end(ctx, l, j, idp.PushFailed, "too late")
		return
	}
	l.count(func(f *idp.PushFigures) { f.Attempts++ })
	err := s.attempt(ctx, l, j)
	now = s.conf.Now()
	var retry *RetryError
	switch {
	case err == nil:
		l.delivered(now.Sub(j.since))
		s.end(ctx, l, j, idp.PushDelivered, "")
	case errors.Is(err, ErrGone):
		s.fault(l, err)
		s.end(ctx, l, j, idp.PushDead, err.Error())
	case errors.As(err, &retry) && ctx.Err() == nil:
		s.fault(l, err)
		wait := max(retry.After, pause(j.tries))
		if !now.Add(wait).Before(j.ExpiresAt) {
			s.end(ctx, l, j, idp.PushFailed, err.Error())
			return
		}
		j.tries++
		l.count(func(f *idp.PushFigures) { f.Retried++ })
		s.again(ctx, wg, l, j, wait)
	default:
		s.fault(l, err)
		s.end(ctx, l, j, idp.PushFailed, err.Error())
	}
}

func (s *Sender) attempt(ctx context.Context, l *lane, j *job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.conf.Timeout, j.ExpiresAt.Sub(s.conf.Now())))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.channel.Send(ctx, j.Push)
}

// pause is 0.5 s, doubled each time, with a share left to chance so that not
// all come back at once.
func pause(tries int) time.Duration {
	d := 500 * time.Millisecond << min(tries, 6)
	return d + rand.N(d/2) //nolint:gosec // nothing is secret about it
}

// again queues a job anew after a pause; no worker waits for it.
func (s *Sender) again(ctx context.Context, wg *sync.WaitGroup, l *lane, j *job, wait time.Duration) {
	l.mu.Lock()
	full := l.later >= s.conf.Queue
	if !full {
		l.later++
	}
	l.mu.Unlock()
	if full {
		s.end(ctx, l, j, idp.PushFailed, "the queue is full")
		return
	}
	wg.Go(func() { // ends with ctx, or when the queue has the job
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		l.mu.Lock()
		l.later--
		l.mu.Unlock()
		select {
		case l.queue <- j:
		case <-ctx.Done():
		}
	})
}

func (s *Sender) end(ctx context.Context, l *lane, j *job, outcome idp.PushOutcome, why string) {
	l.count(func(f *idp.PushFigures) {
		switch outcome {
		case idp.PushDead:
			f.Dead++
		case idp.PushFailed:
			f.Failed++
		case idp.PushDelivered: // counted with its time
		}
	})
	s.conf.Done(context.WithoutCancel(ctx), j.Push, outcome, why)
}

// fault notes what went wrong with a message; what the operator has to mend is logged
// once.
func (s *Sender) fault(l *lane, err error) {
	raised := false
	l.count(func(f *idp.PushFigures) {
		f.LastError, f.LastAt = err.Error(), s.conf.Now()
		if errors.Is(err, ErrCredentials) && f.Alarm == "" {
			f.Alarm, raised = err.Error(), true
		}
	})
	if raised {
		s.conf.Log.Error("push service: the operator has to act", "type", l.figure.Type, "error", err)
	}
}

// hostOf is the host of a push address, as far as it has one.
func hostOf(a idp.PushAddress) string {
	u, err := url.Parse(a.Endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

func (l *lane) enter(d idp.DeviceID, host string, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[d] || host != "" && l.hosts[host] >= most {
		return false
	}
	l.busy[d] = true
	l.hosts[host]++
	return true
}

func (l *lane) leave(d idp.DeviceID, host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, d)
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}

func (l *lane) count(change func(*idp.PushFigures)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.figure)
}

// sample is how many deliveries P50 and P95 are of.
const sample = 1000

func (l *lane) delivered(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.figure.Delivered++
	l.figure.Alarm = "" // what a probe has found the next one takes back
	if l.spans = append(l.spans, took); len(l.spans) > sample {
		l.spans = l.spans[1:]
	}
}

// Figures tells how each channel fares since New, in the order of types.
func (s *Sender) Figures() []idp.PushFigures {
	var out []idp.PushFigures
	for _, l := range s.lanes {
		l.mu.Lock()
		f := l.figure
		if l.probed != "" {
			f.Alarm = l.probed
		}
		f.Waiting = len(l.queue) + l.later
		spans := slices.Sorted(slices.Values(l.spans))
		l.mu.Unlock()
		if n := len(spans); n > 0 {
			f.P50, f.P95 = spans[n/2], spans[n*95/100]
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b idp.PushFigures) int {
		if a.Type < b.Type {
			return -1
		}
		return 1
	})
	return out
}
