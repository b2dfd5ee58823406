package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hilum/idp"
	"hilum/idp/outbox"
)

const (
	lease = time.Minute
	wait  = 10 * time.Second // until the next try of a row
)

// row waits to be delivered.
type row struct {
	id     int
	to     string
	tries  int
	nextAt time.Time
	done   bool
}

// attempt is what came of a try.
type attempt struct{ failed bool }

// queue keeps rows in memory, by the rules of those in a database, and can be
// made to misbehave. Each field that is a function may return an error.
type queue struct {
	mu    sync.Mutex
	rows  []*row
	due   func(ctx context.Context) error
	claim func(ctx context.Context) error
	keep  func(ctx context.Context) error
	lost  int // settled or put back too late
}

func (q *queue) add(to string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range n {
		q.rows = append(q.rows, &row{id: len(q.rows), to: to, nextAt: time.Now()})
	}
}

// misbehaves does what a test has put there.
func (q *queue) misbehaves(ctx context.Context, by *func(context.Context) error) error {
	q.mu.Lock()
	f := *by
	q.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (q *queue) Due(ctx context.Context, now time.Time) (to []string, err error) {
	if err := q.misbehaves(ctx, &q.due); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.rows {
		if !r.done && !now.Before(r.nextAt) && !slices.Contains(to, r.to) {
			to = append(to, r.to)
		}
	}
	return to, nil
}

func (q *queue) Claim(ctx context.Context, to string, now time.Time) (row, error) {
	if err := q.misbehaves(ctx, &q.claim); err != nil {
		return row{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.rows {
		if r.to == to && !r.done && !now.Before(r.nextAt) {
			r.tries++
			r.nextAt = now.Add(lease)
			return *r, nil
		}
	}
	return row{}, fmt.Errorf("nothing is due: %w", idp.ErrNotFound)
}

// change changes a row for whoever claimed it last.
func (q *queue) change(ctx context.Context, of row, change func(*row)) error {
	if err := errors.Join(ctx.Err(), q.misbehaves(ctx, &q.keep)); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.rows[of.id]
	if r.done || r.tries != of.tries {
		q.lost++
		return idp.ErrSettled
	}
	change(r)
	return nil
}

func (q *queue) Settle(ctx context.Context, of row, a attempt, now time.Time) error {
	return q.change(ctx, of, func(r *row) { r.done, r.nextAt = !a.failed, now.Add(wait) })
}

func (q *queue) PutBack(ctx context.Context, of row, now time.Time) error {
	return q.change(ctx, of, func(r *row) { r.tries, r.nextAt = r.tries-1, now })
}

// state says how a row stands.
func (q *queue) state(id int) row {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *q.rows[id]
}

// waiting counts the rows that are not delivered.
func (q *queue) waiting() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.rows {
		if !r.done {
			n++
		}
	}
	return n
}

// post is how rows are sent: by do, which is told the row. It keeps what was sent.
type post struct {
	do func(ctx context.Context, r row) outbox.Result[attempt]

	mu      sync.Mutex
	began   time.Time
	tried   []string // row and when, from began
	under   map[string]int
	most    map[string]int // under way at once, by receiver; "": in all
	open    int            // senders that are not closed
	senders []int          // how many rows each closed sender has tried
	fault   string
}

type sender struct {
	post   *post
	tried  int
	closed bool
}

func (p *post) sender(string) outbox.Sender[row, attempt] {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return &sender{post: p}
}

func (s *sender) Try(ctx context.Context, r row) outbox.Result[attempt] {
	s.post.begin(s, r)
	defer s.post.end(r)
	if s.post.do == nil {
		return outbox.Result[attempt]{}
	}
	return s.post.do(ctx, r)
}

func (p *post) begin(s *sender, r row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.closed {
		p.fault = "tried by a sender that is closed"
	}
	s.tried++
	p.tried = append(p.tried, fmt.Sprintf("%d after %s", r.id, time.Since(p.began)))
	for _, key := range []string{r.to, ""} {
		p.under[key]++
		p.most[key] = max(p.most[key], p.under[key])
	}
}

func (p *post) end(r row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under[r.to]--
	p.under[""]--
}

func (s *sender) Close() {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	if s.closed {
		s.post.fault = "closed twice"
	}
	s.closed = true
	s.post.open--
	if s.tried > 0 {
		s.post.senders = append(s.post.senders, s.tried)
	}
}

// failed is a try of which nothing came.
func failed(err error) outbox.Result[attempt] {
	return outbox.Result[attempt]{Attempt: attempt{failed: true}, Err: err, Said: "later"}
}

// office is a queue and how it is sent, in a bubble of time.
type office struct {
	*testing.T
	queue
	post
	conf outbox.Config[string, row, attempt]
	log  *bytes.Buffer
}

// open runs a test of an office in a bubble: time passes when everybody waits.
func open(t *testing.T, test func(*office)) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{T: t, log: &bytes.Buffer{}, post: post{under: map[string]int{}, most: map[string]int{}, began: time.Now()}}
		without := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		o.conf = outbox.Config[string, row, attempt]{
			Queue: &o.queue, Sender: o.sender,
			Words: outbox.Words{Look: "no look", Claim: "no claim", Keep: "not kept", Fail: "not sent", Receiver: "to"},
			Attrs: func(r row) []slog.Attr { return []slog.Attr{slog.Int("row", r.id), slog.Int("try", r.tries)} },
			Every: time.Second, Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{ReplaceAttr: without})),
		}
		test(o)
	})
}

// run runs a relay until stop is called, which waits for it.
func (o *office) run() (stop func()) {
	ctx, cancel := context.WithCancel(o.Context())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		outbox.New(o.conf).Run(ctx)
	}()
	return func() {
		o.Helper()
		cancel()
		<-ended
		o.mu().Lock()
		defer o.mu().Unlock()
		if o.open != 0 || o.fault != "" {
			o.Errorf("%d senders are left open; %s", o.open, o.fault)
		}
	}
}

func (o *office) mu() *sync.Mutex { return &o.post.mu }

// tries returns what was tried and when, and forgets it.
func (o *office) tries() []string {
	o.mu().Lock()
	defer o.mu().Unlock()
	defer func() { o.tried = nil }()
	return o.tried
}

// pass lets time pass, and what is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// said compares the log with what it should say, and empties it.
func (o *office) said(lines ...string) {
	o.Helper()
	want := ""
	for _, l := range lines {
		want += l + "\n"
	}
	if got := o.log.String(); got != want {
		o.Errorf("the log says\n%s, want\n%s", got, want)
	}
	o.log.Reset()
}

func TestEverythingIsDeliveredOnce(t *testing.T) {
	open(t, func(o *office) {
		for i := range 10 {
			o.add(fmt.Sprint("receiver ", i), 20)
		}
		stop := o.run()
		pass(time.Millisecond)
		o.add("receiver 3", 5)
		pass(time.Second)
		stop()
		if n, tried := o.waiting(), o.tries(); n != 0 || len(tried) != 205 {
			t.Errorf("%d of 205 rows wait after %d tries", n, len(tried))
		}
		o.said()
	})
}

// What a receiver did not take waits as long as the queue says, and is told with
// its row; what is no news to anybody is not.
func TestWhatIsNotTakenWaits(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(_ context.Context, r row) outbox.Result[attempt] {
			res := outbox.Result[attempt]{}
			if r.tries < 3 {
				res = failed(errors.New("busy"))
				res.Quiet = r.id == 1
			}
			return res
		}
		o.add("a", 2)
		o.conf.PerReceiver = 1
		stop := o.run()
		pass(time.Hour)
		stop()
		if got, want := fmt.Sprint(o.tries()), "[0 after 0s 1 after 0s 0 after 10s 1 after 10s 0 after 20s 1 after 20s]"; got != want {
			t.Errorf("tried %s, want %s", got, want)
		}
		o.said(`level=WARN msg="not sent" row=0 try=1 said=later error=busy`, `level=WARN msg="not sent" row=0 try=2 said=later error=busy`)
		if o.waiting() != 0 {
			t.Error("they wait still")
		}
	})
}

// A receiver that is slow has its own lanes and no more, and none of others.
func TestASlowReceiverDelaysNobodyElse(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(ctx context.Context, r row) outbox.Result[attempt] {
			if r.to == "slow" {
				select {
				case <-time.After(50 * time.Second):
				case <-ctx.Done():
					return failed(ctx.Err())
				}
			}
			return outbox.Result[attempt]{}
		}
		o.add("slow", 30)
		o.add("quick", 30)
		stop := o.run()
		pass(time.Millisecond)
		if n := o.waiting(); n != 30 {
			t.Errorf("%d rows wait, and 30 are the slow one's", n)
		}
		pass(10 * time.Minute)
		stop()
		if o.most["slow"] != 2 {
			t.Errorf("the slow one had %d at once", o.most["slow"])
		}
		if n := o.waiting(); n >= 10 { // two each 50 s
			t.Errorf("%d rows of the slow one wait", n)
		}
	})
}

// However many receivers there are, the lanes are bounded, and all have their turn.
func TestLanesAreBounded(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(context.Context, row) outbox.Result[attempt] {
			time.Sleep(500 * time.Millisecond)
			return outbox.Result[attempt]{}
		}
		for i := range 50 {
			o.add(fmt.Sprint("receiver ", i), 4)
		}
		o.conf.Lanes, o.conf.PerReceiver = 7, 3
		stop := o.run()
		pass(5 * time.Minute)
		stop()
		if o.most[""] != 7 || o.most["receiver 0"] != 3 {
			t.Errorf("%d at once, of them %d to one", o.most[""], o.most["receiver 0"])
		}
		if n := o.waiting(); n != 0 {
			t.Errorf("%d rows wait", n)
		}
	})
}

// A queue that fails is told of once each time that it begins to, and what is in
// it is delivered when it works again.
func TestAQueueThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		part func(*queue) *func(context.Context) error
		line string
	}{
		"looking":  {func(q *queue) *func(context.Context) error { return &q.due }, `level=ERROR msg="no look" error="disk gone"`},
		"claiming": {func(q *queue) *func(context.Context) error { return &q.claim }, `level=ERROR msg="no claim" to=a error="disk gone"`},
	} {
		t.Run(name, func(t *testing.T) {
			open(t, func(o *office) {
				set := func(f func(context.Context) error) {
					o.queue.mu.Lock()
					defer o.queue.mu.Unlock()
					*c.part(&o.queue) = f
				}
				fails := func(context.Context) error { return errors.New("disk gone") }
				set(fails)
				o.add("a", 3)
				stop := o.run()
				for range 2 {
					pass(20 * time.Second)
					o.said(c.line)
					if o.waiting() == 0 {
						t.Error("nothing waits")
					}
					set(nil)
					pass(2 * time.Second)
					if n := o.waiting(); n != 0 {
						t.Errorf("%d rows wait", n)
					}
					set(fails)
					o.add("a", 1)
				}
				set(nil)
				pass(2 * time.Second)
				o.log.Reset()
				// What the end of the provider breaks off is no failure.
				set(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
				o.add("a", 1)
				pass(2 * time.Second)
				stop()
				o.said()
			})
		})
	}
}

// A try that outlasts its lease comes too late with what became of it: another has
// claimed the row, and what that one finds counts.
func TestALeaseRunsOut(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(_ context.Context, r row) outbox.Result[attempt] {
			if r.tries == 1 {
				time.Sleep(lease + 10*time.Second)
				return failed(errors.New("timeout"))
			}
			return outbox.Result[attempt]{}
		}
		o.add("a", 1)
		stops := []func(){o.run(), o.run()} // two instances
		pass(lease + 5*time.Second)
		if r := o.state(0); !r.done || r.tries != 2 {
			t.Errorf("when another had the time to deliver it: %+v", r)
		}
		pass(time.Hour)
		for _, stop := range stops {
			stop()
		}
		if r := o.state(0); !r.done || r.tries != 2 || o.lost != 1 {
			t.Errorf("%+v, %d too late", r, o.lost)
		}
		o.said(`level=WARN msg="not sent" row=0 try=1 said=later error=timeout`)
	})
}

// What was delivered and could not be kept is delivered again: at least once.
func TestWhatCannotBeKeptIsTriedAgain(t *testing.T) {
	open(t, func(o *office) {
		fails := 1
		o.keep = func(context.Context) error {
			if fails--; fails >= 0 {
				return errors.New("disk full")
			}
			return nil
		}
		o.add("a", 2)
		o.conf.PerReceiver = 1
		stop := o.run()
		pass(30 * time.Second)
		o.said(`level=ERROR msg="not kept" row=0 try=1 error="disk full"`)
		if o.state(0).done || !o.state(1).done {
			t.Errorf("%+v, %+v", o.state(0), o.state(1))
		}
		pass(time.Minute)
		stop()
		// The lane has ended with the failure, and the next look has begun another.
		if got, want := fmt.Sprint(o.tries()), "[0 after 0s 1 after 1s 0 after 1m0s]"; got != want {
			t.Errorf("tried %s, want %s", got, want)
		}
		if !o.state(0).done {
			t.Error("it waits still")
		}
		o.said()
	})
}

// A provider that ends breaks off what is under way and puts it back as if it had
// not been tried; what came through all the same is kept. The context of either is
// not the one that ended.
func TestAStopInMidCall(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(ctx context.Context, r row) outbox.Result[attempt] {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // it takes a while to hang up
			if r.to == "through" {
				return outbox.Result[attempt]{}
			}
			return failed(ctx.Err())
		}
		o.add("off", 3)
		o.add("through", 3)
		stop := o.run()
		pass(10 * time.Second)
		stopped := time.Now()
		stop()
		if took := time.Since(stopped); took != 3*time.Second {
			t.Errorf("it ended after %s", took)
		}
		for id := range 6 {
			r := o.state(id)
			switch {
			case r.to == "off" && (r.tries != 0 || r.done || r.nextAt.After(time.Now())):
				t.Errorf("broken off: %+v", r)
			case id < 5 && r.to == "through" && (r.tries != 1 || !r.done):
				t.Errorf("it came through: %+v", r)
			case id == 5 && (r.tries != 0 || r.done): // there are two lanes
				t.Errorf("begun after the end: %+v", r)
			}
		}
		o.said()
		// And the next one delivers them.
		o.do = nil
		stop = o.run()
		pass(time.Millisecond)
		stop()
		if n := o.waiting(); n != 0 {
			t.Errorf("%d rows wait", n)
		}
	})
}

// What cannot even be put back is told, and is due when its lease has run out.
func TestWhatCannotBePutBack(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(ctx context.Context, _ row) outbox.Result[attempt] {
			<-ctx.Done()
			return failed(ctx.Err())
		}
		o.keep = func(context.Context) error { return errors.New("disk full") }
		o.add("a", 1)
		stop := o.run()
		pass(10 * time.Second)
		stop()
		o.said(`level=ERROR msg="not kept" row=0 try=1 error="disk full"`)
		o.do, o.keep = nil, nil
		_ = o.tries()
		stop = o.run()
		pass(time.Hour)
		stop()
		if got, want := fmt.Sprint(o.tries()), "[0 after 1m0s]"; got != want {
			t.Errorf("tried %s, want %s", got, want)
		}
	})
}

// A lane to a receiver that is down rests for longer and longer, so that not each of
// many rows knocks; when the receiver is back its rows go as ever. Others do not
// rest with it.
func TestAReceiverThatIsDown(t *testing.T) {
	open(t, func(o *office) {
		var up sync.Mutex
		back := false
		o.do = func(_ context.Context, r row) outbox.Result[attempt] {
			up.Lock()
			defer up.Unlock()
			if r.to == "down" && !back {
				res := failed(errors.New("refused"))
				res.Down = true
				return res
			}
			return outbox.Result[attempt]{}
		}
		o.conf.PerReceiver, o.conf.Rest, o.conf.RestMost = 1, 5*time.Second, 30*time.Second
		o.add("down", 100)
		stop := o.run()
		pass(2 * time.Minute)
		var at []string
		for _, tried := range o.tries() {
			_, when, _ := strings.Cut(tried, " after ")
			at = append(at, when)
		}
		if got, want := fmt.Sprint(at), "[0s 5s 15s 35s 1m5s 1m35s]"; got != want {
			t.Errorf("tried at %s, want %s", got, want)
		}
		o.add("up", 10)
		pass(time.Second)
		if got := o.tries(); len(got) != 10 {
			t.Errorf("beside it %d rows went", len(got))
		}
		up.Lock()
		back = true
		up.Unlock()
		pass(40 * time.Second)
		stop()
		if n := o.waiting(); n != 0 {
			t.Errorf("%d rows wait", n)
		}
		// Each rest begins with a sender of its own.
		if got, want := fmt.Sprint(o.senders[:6]), "[1 1 1 1 1 1]"; got != want {
			t.Errorf("senders tried %s, want %s", got, want)
		}
	})
}

// A rest is over at once when the provider ends.
func TestARestEnds(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(context.Context, row) outbox.Result[attempt] {
			res := failed(errors.New("refused"))
			res.Down = true
			return res
		}
		o.conf.Rest = time.Hour
		o.add("down", 1)
		stop := o.run()
		pass(time.Minute)
		stopped := time.Now()
		stop()
		if took := time.Since(stopped); took != 0 {
			t.Errorf("it ended after %s", took)
		}
	})
}

// One sender tries no more than its share; the next look begins with another.
func TestASenderHasItsShare(t *testing.T) {
	open(t, func(o *office) {
		o.conf.PerSender, o.conf.PerReceiver = 3, 1
		o.add("a", 7)
		stop := o.run()
		pass(10 * time.Second)
		stop()
		if got, want := fmt.Sprint(o.senders), "[3 3 1]"; got != want {
			t.Errorf("senders tried %s rows, want %s", got, want)
		}
		if got, want := fmt.Sprint(o.tries()), "[0 after 0s 1 after 0s 2 after 0s 3 after 1s 4 after 1s 5 after 1s 6 after 2s]"; got != want {
			t.Errorf("tried %s, want %s", got, want)
		}
	})
}

// Several instances share the rows of one queue.
func TestRelaysShare(t *testing.T) {
	open(t, func(o *office) {
		o.do = func(context.Context, row) outbox.Result[attempt] {
			time.Sleep(100 * time.Millisecond)
			return outbox.Result[attempt]{}
		}
		o.add("a", 100)
		stops := []func(){o.run(), o.run(), o.run()}
		pass(time.Minute)
		for _, stop := range stops {
			stop()
		}
		if n, tried := o.waiting(), o.tries(); n != 0 || len(tried) != 100 || o.most["a"] != 6 {
			t.Errorf("%d of 100 rows wait after %d tries, %d at once", n, len(tried), o.most["a"])
		}
	})
}
