package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/totp"
)

// What a site does all day, by name.
const (
	byCode     = "sign-in with a code"
	asksPhone  = "sign-in as far as the question to a phone"
	byPhone    = "from the phone's answer to the application's tokens"
	refresh    = "refresh"
	asksUser   = "userinfo"
	inspects   = "introspection"
	revokes    = "revocation"
	listens    = "a phone begins to listen"
	readsAdmin = "a page of the administration"
)

// shares says how many of a hundred requests for something are of each kind. byPhone follows
// from asksPhone.
var shares = map[string]int{byCode: 6, asksPhone: 6, refresh: 32, asksUser: 26, inspects: 19, revokes: 6, listens: 4, readsAdmin: 1}

// Nobody signs in more often than this: a code is good once, and a phone has one question at a
// time.
const signsInEvery = 35 * time.Second

// fewHolders is how many have tokens, and do nothing just now, when none of them gives theirs up.
const fewHolders = 8

// mix does what a site does all day.
type mix struct {
	s     *fleet
	order []string // of a hundred, by shares

	codes, phones, pockets *queue // who sign in with a code, by phone; whose phones listen

	holders chan holder // who have tokens
	conns   idles

	desk struct { // of the administrator
		sync.Mutex
		who  crowd.Person
		b    browser
		page int
	}

	stays sync.WaitGroup // of what goes on behind an answer
	done  context.Context
	told  func(name string, due time.Time, err error)
}

// holder is an application's side of a sign-in.
type holder struct{ access, refresh string }

// queue is people who come again when the others have been.
type queue struct {
	mu   sync.Mutex
	all  []crowd.Person
	last []time.Time
	n    int
	most int // how many may come at all for now; 0: no bound
}

// next is who has not been here for the longest; ok is false where that is too short a while ago.
func (q *queue) next(every time.Duration) (p crowd.Person, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.n % len(q.all)
	if time.Since(q.last[i]) < every || q.most > 0 && q.n >= q.most {
		return p, false
	}
	q.n++
	q.last[i] = time.Now()
	return q.all[i], true
}

func queueOf(all []crowd.Person) *queue { return &queue{all: all, last: make([]time.Time, len(all))} }

var errNobody = errors.New("everybody has just signed in, or hardly anybody has tokens")

// newMix shares the people of a fleet out, that is not started yet: half have phones.
func newMix(t testing.TB, s *fleet) *mix {
	t.Helper()
	n := len(s.people)
	code, phone := s.people[1:n/2], s.people[n/2:]
	check(t, crowd.Link(context.Background(), crowd.Home{Folder: s.data, URL: s.database}, phone))
	listen := len(phone) / 4
	m := &mix{s: s, codes: queueOf(code), phones: queueOf(phone[listen:]), pockets: queueOf(phone[:listen]),
		holders: make(chan holder, 300), done: t.Context(), told: func(string, time.Time, error) {}}
	m.desk.who = s.people[0]
	for name, share := range shares {
		for range share {
			m.order = append(m.order, name)
		}
	}
	slices.Sort(m.order)
	mixed := rand.New(rand.NewPCG(1, 2))
	mixed.Shuffle(len(m.order), func(i, j int) { m.order[i], m.order[j] = m.order[j], m.order[i] })
	return m
}

// most is how many things a second its people can ask for.
func (m *mix) most() float64 {
	of := func(q *queue, share int) float64 {
		return float64(len(q.all)) / signsInEvery.Seconds() * 100 / float64(share)
	}
	return min(of(m.codes, shares[byCode]), of(m.phones, shares[asksPhone]))
}

// with lends a connection.
func (m *mix) with(do func(*conn) error) error {
	c := m.conns.take()
	if c == nil {
		var err error
		if c, err = dial(m.s.host); err != nil {
			return err
		}
	}
	if err := do(c); err != nil {
		_ = c.c.Close()
		return err
	}
	m.conns.put(c)
	return nil
}

// idles are connections that nobody needs just now. The one that was used last is used next, and
// the others are closed after a while, as applications do it: how many stay open says how much is
// asked at once, and not what the worst moment of an hour was.
type idles struct {
	mu  sync.Mutex
	all []idle // the longest unused first
}

type idle struct {
	c     *conn
	since time.Time
}

const idleFor = 10 * time.Second

// take is a connection; nil: there is none.
func (p *idles) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.all)
	if n == 0 {
		return nil
	}
	c := p.all[n-1].c
	p.all = p.all[:n-1]
	return c
}

// put leaves a connection for others, and closes those that have waited for too long.
func (p *idles) put(c *conn) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, idle{c, now})
	for now.Sub(p.all[0].since) > idleFor {
		_ = p.all[0].c.c.Close()
		p.all = p.all[1:]
	}
}

// rest closes all connections, and waits for what goes on behind answers.
func (m *mix) rest() {
	m.stays.Wait()
	for c := m.conns.take(); c != nil; c = m.conns.take() {
		_ = c.c.Close()
	}
}

// does does what is named, and returns when it was answered.
func (m *mix) does(name string) error {
	c := m.s.clients["ES256"]
	switch name {
	case byCode:
		p, ok := m.codes.next(signsInEvery)
		if !ok {
			return errNobody
		}
		return m.with(func(on *conn) error {
			code, err := browser{}.signIn(on, c, p, 0)
			if err != nil {
				return err
			}
			return m.takes(on, code)
		})
	case asksPhone:
		return m.asksPhone()
	case listens:
		return m.listens()
	case readsAdmin:
		return m.reads()
	}
	if name == revokes && len(m.holders) < fewHolders {
		return errNobody // nobody may sign in yet, and what is left is needed
	}
	var h holder
	select {
	case h = <-m.holders:
	case <-time.After(30 * time.Second):
		return errors.New("nobody has tokens")
	}
	err := m.with(func(on *conn) (err error) {
		switch name {
		case refresh:
			var body []byte
			if body, err = c.token(on, "grant_type=refresh_token&refresh_token="+h.refresh); err == nil {
				h, err = holderOf(body)
			}
		case asksUser:
			err = answers(on, "GET", "/userinfo", "Authorization: Bearer "+h.access+"\r\n", "", `"sub"`)
		case inspects:
			err = answers(on, "POST", "/introspect", c.basic, "token="+h.access, `"active":true`)
		case revokes:
			if err = answers(on, "POST", "/revoke", c.basic, "token="+h.refresh, ""); err == nil {
				err = answers(on, "POST", "/introspect", c.basic, "token="+h.access, `"active":false`)
			}
		}
		return err
	})
	if err == nil && name != revokes {
		m.keeps(h)
	}
	return err
}

// takes redeems a code; the tokens are kept, where there are not too many already.
func (m *mix) takes(on *conn, code string) error {
	body, err := m.s.clients["ES256"].exchange(on, code)
	if err != nil {
		return err
	}
	h, err := holderOf(body)
	if err == nil && len(m.holders) < cap(m.holders)/2 {
		m.keeps(h)
	}
	return err
}

// keeps keeps tokens for what comes next, where there is room.
func (m *mix) keeps(h holder) {
	select {
	case m.holders <- h:
	default:
	}
}

func holderOf(body []byte) (h holder, err error) {
	var err1, err2 error
	h.access, err1 = field(body, "access_token")
	h.refresh, err2 = field(body, "refresh_token")
	return h, errors.Join(err1, err2)
}

// asksPhone begins a sign-in by phone. Its browser waits for a second or a few; every other one
// is closed and opened again meanwhile; then the phone approves, and the sign-in goes on.
func (m *mix) asksPhone() error {
	p, ok := m.phones.next(signsInEvery)
	if !ok {
		return errNobody
	}
	var b *tab
	err := m.with(func(on *conn) (err error) {
		b, err = begins(on, m.s.clients["ES256"], p)
		return err
	})
	if err != nil {
		return err
	}
	if err := b.waits(m.s.host); err != nil {
		return err
	}
	wait, again := time.Second+rand.N(2*time.Second), rand.N(2) == 0
	m.stays.Go(func() { // ends with the sign-in
		due := time.Now().Add(wait)
		time.Sleep(wait / 2)
		if again {
			_ = b.on.c.Close()
			if err := b.waits(m.s.host); err != nil {
				m.told(byPhone, due, fmt.Errorf("waits again: %w", err))
				return
			}
		}
		time.Sleep(time.Until(due))
		err := m.with(func(on *conn) error {
			envelope, err := approval(m.s.site, on, p)
			if err != nil {
				return err
			}
			a, err := posts(on, "answer", envelope)
			if err == nil && a.status != 200 {
				err = fmt.Errorf("the answer: %d %s", a.status, a.body)
			}
			if err != nil {
				return err
			}
			if err := b.hears("data: factor-approved"); err != nil {
				return err
			}
			if _, err = b.ask(on, "GET", b.page, "", 200); err != nil { // as its script does
				return err
			}
			a, err = b.ask(on, "POST", b.page+"/phone", "", 303)
			for err == nil && !strings.HasPrefix(a.location, callback) {
				a, err = b.ask(on, "GET", a.location, "", 303)
			}
			if err != nil {
				return err
			}
			code, err := codeOf(a)
			if err != nil {
				return err
			}
			return m.takes(on, code)
		})
		_ = b.on.c.Close()
		m.told(byPhone, due, err)
	})
	return nil
}

// listens has a phone open its stream, which is closed after a second or a few.
func (m *mix) listens() error {
	p, ok := m.pockets.next(0)
	if !ok {
		return errNobody
	}
	envelope, err := pocketOf(m.s.site, p).Sign("listen", nil)
	if err != nil {
		return err
	}
	c, err := dial(m.s.host)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(c.c, "GET /device/v1/listen HTTP/1.1\r\nHost: %s\r\nAuthorization: Device %s\r\n\r\n", m.s.host, envelope); err == nil {
		var line []byte
		_ = c.c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if line, err = c.r.ReadSlice('\n'); err == nil && !strings.Contains(string(line), " 200 ") {
			err = fmt.Errorf("listen: %s", line)
		}
	}
	if err != nil {
		_ = c.c.Close()
		return err
	}
	m.stays.Go(func() { // ends after that while
		time.Sleep(time.Second + rand.N(2*time.Second))
		_ = c.c.Close()
	})
	return nil
}

var adminPages = []string{"/admin/devices", "/admin/users", "/admin/sessions", "/admin/audit", "/admin/health", "/admin/devices?q=p01", "/admin/users?q=person", "/admin/applications", "/admin/settings"}

// reads has the administrator look at the next page. Who is not signed in any more signs in.
func (m *mix) reads() error {
	d := &m.desk
	d.Lock()
	defer d.Unlock()
	return m.with(func(on *conn) error {
		path := adminPages[d.page%len(adminPages)]
		d.page++
		a, err := on.ask("GET", path, d.b.header(), "")
		if err != nil || a.status == 200 {
			return err
		}
		d.b = browser{}
		if a, err = d.b.ask(on, "GET", path, "", 303); err != nil {
			return err
		}
		page := a.location
		if _, err = d.b.ask(on, "GET", page, "", 200); err != nil {
			return err
		}
		form := url.Values{"username": {d.who.Name}, "password": {crowd.Password}}.Encode()
		if a, err = d.b.ask(on, "POST", page+"/password", form, 303); err != nil {
			return err
		}
		if _, err = d.b.ask(on, "GET", a.location, "", 200); err != nil {
			return err
		}
		if a, err = d.b.ask(on, "POST", page+"/code", "code="+totp.Code(d.who.Seed, time.Now()), 303); err != nil {
			return err
		}
		for {
			at := a.location
			a, err = on.ask("GET", at, d.b.header(), "")
			switch {
			case err != nil:
				return err
			case a.status == 200:
				return nil
			case a.status != 303:
				return fmt.Errorf("GET %s: %d %.1000s", at, a.status, a.body)
			}
			for _, cookie := range a.cookies {
				name, value, _ := strings.Cut(cookie, "=")
				d.b[name] = value
			}
		}
	})
}

// begin signs some people in, whose tokens the rest is asked with.
func (m *mix) begin(t testing.TB, n int) {
	t.Helper()
	for range n {
		check(t, m.does(byCode))
	}
	check(t, m.does(readsAdmin))
}

// closed has so many workers do one after another for a while, and returns how many things
// were done in a second.
func (m *mix) closed(t testing.TB, workers int, span time.Duration) float64 {
	t.Helper()
	var wg sync.WaitGroup
	errs, did := make([]error, workers), make([]int, workers)
	begin := time.Now()
	for w := range workers {
		wg.Go(func() { // ends with the span
			for i := w * 7; time.Since(begin) < span; i++ {
				err := m.does(m.order[i%len(m.order)])
				if errors.Is(err, errNobody) {
					err = m.does(refresh)
				}
				if err != nil {
					errs[w] = fmt.Errorf("%s: %w", m.order[i%len(m.order)], err)
					return
				}
				did[w]++
			}
		})
	}
	wg.Wait()
	took := time.Since(begin).Seconds()
	check(t, errors.Join(errs...))
	sum := 0
	for _, n := range did {
		sum += n
	}
	return float64(sum) / took
}

// open asks for things at a rate by the clock, whether or not the ones before were answered,
// until the time is over and each kind was asked for: what was due by then and was not is left. told is
// called with each when it was answered, and when it was due.
func (m *mix) open(rate float64, span time.Duration) (asked, late, left int) {
	const atOnce = 512
	room := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := 0; ; i++ {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		over := due.Sub(begin) >= span || time.Since(begin) >= span+time.Second
		if over && i >= len(m.order) || m.done.Err() != nil { // of each kind there was one, however slow it is
			left = max(0, int(rate*span.Seconds())-asked)
			break
		}
		time.Sleep(time.Until(due))
		select {
		case room <- struct{}{}:
		default: // so many wait already: it is asked when one of them has its answer
			late++
			room <- struct{}{}
		}
		asked++
		name := m.order[i%len(m.order)]
		wg.Go(func() { // ends with the answer
			defer func() { <-room }()
			err := m.does(name)
			if errors.Is(err, errNobody) {
				return
			}
			m.told(name, due, err)
		})
	}
	wg.Wait()
	return asked, late, left
}
