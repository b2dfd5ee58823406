package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/live"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// patience is how long a test waits for what comes at once.
const patience = time.Minute

// instance is a provider as far as hints go.
type instance struct {
	*store.DB
	hub     live.Hub
	began   chan struct{}   // receives when it begins to listen
	hinted  chan idp.Topic  // what it hears by hints
	relayed chan idp.Topic  // what it reads that was relayed
	wg      *sync.WaitGroup // of what runs
	lost    atomic.Bool     // it has logged that it hears nothing
}

// Enabled is slog.Handler's, as are Handle, WithAttrs and WithGroup: an instance is told its log.
func (i *instance) Enabled(context.Context, slog.Level) bool { return true }

func (i *instance) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "hints of other instances are not heard") {
		i.lost.Store(true)
	}
	return nil
}

func (i *instance) WithAttrs([]slog.Attr) slog.Handler { return i }

func (i *instance) WithGroup(string) slog.Handler { return i }

// instances are several on the databases of these URLs, all of them the same one. They look at
// nothing by themselves.
func instances(t testing.TB, urls ...string) (all []*instance) {
	t.Helper()
	for _, url := range urls {
		i := &instance{began: make(chan struct{}, 1), hinted: make(chan idp.Topic, 10_000), relayed: make(chan idp.Topic, 100), wg: &sync.WaitGroup{}}
		db, err := store.Open(t.Context(), store.Slow(store.Config{Key: make([]byte, 32), URL: url, Log: slog.New(i)}))
		if err != nil {
			t.Fatal(err)
		}
		i.DB, i.hub.Relay = db, db.Hint
		ctx, stop := context.WithCancel(t.Context())
		i.wg.Go(func() {
			db.Listen(ctx, func(topics ...idp.Topic) {
				i.hub.Here(topics...)
				for _, topic := range topics {
					i.hinted <- topic
				}
			}, func() {
				i.hub.All()
				select {
				case i.began <- struct{}{}:
				default:
				}
			})
		})
		i.wg.Go(func() {
			db.Watch(ctx, func(topics ...idp.Topic) {
				for _, topic := range topics {
					i.relayed <- topic
				}
			})
		})
		t.Cleanup(func() {
			stop()
			i.wg.Wait()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		all = append(all, i)
	}
	for _, i := range all {
		get(t, i.began)
	}
	return all
}

// get receives, and fails where nothing comes.
func get[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("not reached")
}

// becomes asks until something is so.
func becomes(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not become so: " + what)
		}
	}
}

// named is the application's name as an instance serves it, called that of the site. Empty: it
// cannot be read now, since the connections that were cut are found out one after another.
func named(t testing.TB, i *instance) string {
	t.Helper()
	c, err := i.Client(t.Context(), "viewer")
	if err != nil {
		t.Log(err)
		return ""
	}
	return c.Name
}

func called(t testing.TB, i *instance) string {
	t.Helper()
	s, err := i.Site(t.Context())
	if err != nil {
		t.Log(err)
		return ""
	}
	return s.Name
}

// What one instance changes the others hear of at once, by LISTEN: nobody looks by himself here.
func TestHintsReachInstances(t *testing.T) {
	url := pgtest.Fresh(t)
	all := instances(t, url, url, url)
	a, c := all[0], all[2]
	ctx := t.Context()

	// A phone approves at A; the browser waits at C.
	browser := c.hub.Wait(idp.TopicLogin("L"))
	defer browser.Close()
	a.hub.Wake(idp.TopicLogin("L"), idp.TopicUser("U"))
	get(t, browser.Woken())

	// Nobody hears himself: what A hears of is C's, and no more.
	c.hub.Wake(idp.TopicLogin("M"))
	if topic := get(t, a.hinted); topic != idp.TopicLogin("M") {
		t.Errorf("A hears of %q, which it has told itself", topic)
	}

	// Applications, the site and the signing keys are served from memory.
	if err := a.AddClient(ctx, &idp.Client{ID: "viewer", Name: "Viewer"}); err != nil {
		t.Fatal(err)
	}
	becomes(t, "all have the application in memory", func() bool { return named(t, a) == "Viewer" && named(t, c) == "Viewer" })
	if err := a.UpdateClient(ctx, "viewer", func(c *idp.Client) error { c.Name = "Changed"; return nil }); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the application is another at C", func() bool { return named(t, c) == "Changed" })
	if was := called(t, c); was != "" {
		t.Fatalf("the site is called %q before anybody has named it", was)
	}
	if err := a.UpdateSite(ctx, func(s *idp.Site) error { s.Name = "Ward"; return nil }); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the site is another at C", func() bool { return called(t, c) == "Ward" })
	if err := a.UpdateSigningKeys(ctx, func(k []idp.SigningKey) ([]idp.SigningKey, error) { return k, nil }, idp.Event{Kind: idp.EventKeyRotated}); err != nil {
		t.Fatal(err)
	}
	heardKeys := idp.Topic("")
	for heardKeys != idp.TopicKeys {
		heardKeys = get(t, c.hinted)
	}

	// A command tells, and ends. Everybody reads it; phones are told by one.
	command, err := store.Open(ctx, store.Config{Key: make([]byte, 32), URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(command.Relay(ctx, idp.TopicChanged("U")), command.Relay(ctx, idp.TopicUser("U")), command.Close()); err != nil {
		t.Fatal(err)
	}
	tells := 0
	for _, i := range all {
		for {
			topic := get(t, i.relayed)
			if topic == idp.TopicUser("U") {
				break
			}
			tells++
		}
	}
	if tells != 1 {
		t.Errorf("%d instances tell the phones", tells)
	}
}

// hears has another instance tell a topic, and returns once it is heard: what was told before has
// been heard, too.
func (i *instance) hears(t testing.TB, by *instance, what string) {
	t.Helper()
	topic := idp.Topic("l" + what)
	by.hub.Wake(topic)
	for get(t, i.hinted) != topic {
	}
}

// More topics than fit into one payload come whole, and in each topic only once.
func TestManyHintsAtOnce(t *testing.T) {
	url := pgtest.Fresh(t)
	all := instances(t, url, url)
	const n = 2000 // of 27 bytes each, in seven payloads or more
	want := map[idp.Topic]bool{}
	var topics []idp.Topic
	for range n {
		topic := idp.TopicLogin(idp.NewID[idp.LoginID]())
		topics, want[topic] = append(topics, topic), true
	}
	all[0].Hint(topics...)
	for range n {
		topic := get(t, all[1].hinted)
		if !want[topic] {
			t.Fatalf("%q was not told, or is heard twice", topic)
		}
		delete(want, topic)
	}
}

// While the line on which an instance listens is cut, it hears nothing: once it listens again it
// looks at everything, so that nothing is missed.
func TestNothingIsMissedWhileHintsAreCut(t *testing.T) {
	url := pgtest.Fresh(t)
	proxy := pgtest.NewProxy(t, url)
	all := instances(t, url, url, proxy.URL())
	a, b, c := all[0], all[1], all[2]
	ctx := t.Context()
	if err := a.AddClient(ctx, &idp.Client{ID: "viewer", Name: "Viewer"}); err != nil {
		t.Fatal(err)
	}
	becomes(t, "C has the application in memory", func() bool { return named(t, c) == "Viewer" })
	browser := c.hub.Wait(idp.TopicLogin("L"))
	defer browser.Close()

	for len(c.began) > 0 {
		<-c.began
	}
	proxy.Away(true)
	if n := proxy.CutAll(); n == 0 {
		t.Fatal("no connection was cut")
	}
	a.hub.Wake(idp.TopicLogin("L"))
	if err := errors.Join(a.UpdateClient(ctx, "viewer", func(c *idp.Client) error { c.Name = "Changed"; return nil }),
		a.Relay(ctx, idp.TopicUser("U"))); err != nil {
		t.Fatal(err)
	}
	// B hears all of it, so it was told while C is away.
	for get(t, b.hinted) != idp.TopicLogin("L") {
	}
	get(t, b.relayed)
	select {
	case <-browser.Woken():
		t.Fatal("the browser is woken although nothing gets through")
	default:
	}
	if name := named(t, c); name != "Viewer" {
		t.Fatalf("the application is called %q although nothing gets through", name)
	}
	proxy.Away(false)
	get(t, c.began)
	get(t, browser.Woken())
	becomes(t, "the application is another at C", func() bool { return named(t, c) == "Changed" })
	if topic := get(t, c.relayed); topic != idp.TopicUser("U") {
		t.Errorf("relayed: %q", topic)
	}
	// And what comes next is heard.
	c.hears(t, a, "next")
	if n := len(c.hinted); n != 0 {
		t.Errorf("%d hints are heard that were told while nobody listened", n)
	}
}

// An instance that dies between the commit of a phone's answer and its hint has told nobody of it:
// the one that links the answer tells all, itself too.
func TestAnswersAreToldByWhoLinksThem(t *testing.T) {
	t.Parallel()
	url := pgtest.Fresh(t)
	all := instances(t, url, url)
	a, b := all[0], all[1]
	for _, kind := range []idp.EventKind{idp.EventPhoneApproved, idp.EventPhoneDenied, idp.EventPhoneWrong} {
		login := idp.LoginID("L-" + kind)
		at, there := a.hub.Wait(idp.TopicLogin(login)), b.hub.Wait(idp.TopicLogin(login))
		for _, e := range []idp.Event{{Kind: idp.EventFactorRight, Login: "another"}, {Kind: kind, Login: login}} {
			e.At = time.Now()
			if err := a.AddEvent(t.Context(), e); err != nil { // and nobody wakes anybody
				t.Fatal(err)
			}
		}
		get(t, at.Woken())
		get(t, there.Woken())
		for _, i := range all {
			if topic := get(t, i.hinted); topic != idp.TopicLogin(login) {
				t.Errorf("%q is told", topic)
			}
		}
		at.Close()
		there.Close()
	}
}

// A line that is cut without a word, as firewalls do, is found out although nothing is sent on it
// but hints; one on which nothing happens stays.
func TestASilentLineIsFoundOut(t *testing.T) {
	t.Parallel()
	url := pgtest.Fresh(t)
	proxy := pgtest.NewProxy(t, url)
	all := instances(t, url, url, proxy.URL())
	a, b, c := all[0], all[1], all[2]
	for _, i := range all {
		for len(i.began) > 0 {
			<-i.began
		}
	}
	proxy.Delay(24 * time.Hour) // whatever is sent from now on is not answered
	defer func() {
		if t.Failed() {
			proxy.CutAll() // what is on its way would be waited for
		}
	}()
	browser := c.hub.Wait(idp.TopicLogin("L"))
	defer browser.Close()
	a.hub.Wake(idp.TopicLogin("L"))
	for get(t, b.hinted) != idp.TopicLogin("L") {
	}
	becomes(t, "C knows that it hears nothing", c.lost.Load)
	select {
	case <-browser.Woken():
		t.Fatal("the browser is woken by a line that does not answer")
	default:
	}
	proxy.Delay(0)
	proxy.CutAll() // the other lines, on which nothing comes back either
	get(t, c.began)
	get(t, browser.Woken())
	b.hears(t, a, "next")
	c.hears(t, a, "next")
	if len(b.began) != 0 {
		t.Error("a line on which nothing happened was replaced")
	}
	becomes(t, "C has new lines only", func() bool { return c.Link(t.Context(), true) == nil })
}

// TestBenchHints prints how long it takes from a change at one instance until who waits at
// another is woken, HINTS of them at a time (make hints).
func TestBenchHints(t *testing.T) {
	n := 50 // in short; make hints says how many
	if s := os.Getenv("HINTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			t.Fatalf("HINTS=%q is no number of who waits", s)
		}
	}
	url := pgtest.Fresh(t)
	all := instances(t, url, url, url)
	for _, way := range []struct {
		name  string
		every time.Duration // between two changes
	}{{"all at once", 0}, {"1,000 a second", time.Millisecond}, {"100 a second", 10 * time.Millisecond}} {
		took := make([]time.Duration, n)
		begun, woken := make([]time.Time, n), make([]time.Time, n)
		waiters := make([]*live.Waiter, n)
		for k := range n {
			waiters[k] = all[2].hub.Wait(idp.TopicLogin(idp.LoginID(fmt.Sprint(way.every, k))))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			tick := time.NewTicker(max(way.every, 1))
			defer tick.Stop()
			for k := range n {
				if way.every > 0 {
					<-tick.C
				}
				begun[k] = time.Now()
				all[k%2].hub.Wake(idp.TopicLogin(idp.LoginID(fmt.Sprint(way.every, k))))
			}
		})
		for k := range n {
			wg.Go(func() {
				select {
				case <-waiters[k].Woken():
					woken[k] = time.Now()
				case <-time.After(patience):
					t.Error("nobody woke one who waits")
				}
			})
		}
		wg.Wait()
		for k, w := range waiters {
			w.Close()
			took[k] = woken[k].Sub(begun[k])
		}
		slices.Sort(took)
		at := func(q float64) time.Duration {
			return took[int(math.Ceil(q*float64(n)))-1].Round(10 * time.Microsecond)
		}
		t.Logf("%d wait at one of three instances, changes at the other two %s: p50 %v, p99 %v, last %v", n, way.name, at(0.5), at(0.99), at(1))
	}
}
