package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
	"hilum/e2e/balance"
	"hilum/e2e/crowd"
	"hilum/idp"
	"hilum/idp/store/pgtest"
)

// toldWithin is how late a browser that waits may be told that its phone has approved: after the
// approval was kept, and after the database, and an instance for the browser, were there again.
const toldWithin = 2 * time.Second

// busyWithin is the same where few sign in beside all other tests, with which they share the
// machine. A stream that nobody wakes looks by itself after 15 s.
const busyWithin = 10 * time.Second

// Three instances behind a plain balancer, each of which is killed and started again all the
// while, and a database that is stopped twice: whatever was answered stays true, nothing happens
// twice, no browser that waits is told late, and the log is whole. THREE is how many sign in.
func TestThreeInstancesKilledThroughout(t *testing.T) {
	const few = 100
	n := few
	if text := os.Getenv("THREE"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 50 {
			t.Fatalf("THREE=%q is not a number from 50 on", text)
		}
	}
	begun := time.Now()
	s := startThree(t, n)
	if s.within = busyWithin; n > few {
		s.within = toldWithin
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var chaos sync.WaitGroup
	chaos.Go(func() { s.kills(ctx) })
	chaos.Go(func() { s.stops(ctx, t) })
	chaos.Go(func() { s.progress(ctx, t) })
	t.Logf("made ready in %v", time.Since(begun))
	begun = time.Now()
	s.signIns(n)
	took := time.Since(begun)
	end()
	chaos.Wait()
	s.eachReady(t)
	s.checks(t, took)
}

// three are three instances on one database, behind a balancer.
type three struct {
	t        testing.TB
	issuer   string
	home     crowd.Home
	env      []string
	server   *pgtest.Server
	each     []*instance
	balancer *balance.Balancer
	late     *lateness
	within   time.Duration // in which browsers are told

	people  chan *someone
	party   *party
	done    atomic.Int64
	all     int
	mu      sync.Mutex
	seats   []*visit
	kill    []time.Time // when instances were killed
	away    []span      // when the database was
	counted map[string]int
}

// span is a time from a moment to another.
type span struct{ from, to time.Time }

// someone is a person with a phone, who signs in once at a time.
type someone struct {
	crowd.Person
	phone *phone.Client
	polls bool // the phone asks again and again, in place of listening
}

// visit is a sign-in, with all that was answered to its browser, phone and application.
type visit struct {
	who     *someone
	logins  []string             // that were begun
	told    map[string]time.Time // challenges that the phone was told are approved
	cut     map[string]time.Time // when an approval was sent and not answered, the first of each
	waits   []wait
	codes   []string // logins whose code was given
	lost    int      // codes that were sent and not answered
	tokens  []*tokens
	again   bool // a refresh token was sent a second time, because no answer came
	gone    bool // and was refused
	anew    int  // how often the person began anew
	reloads int
	faults  []string
	tired   bool // the phone is asked no more for now, because it was too often: somebody else comes
}

// wait is how a browser was told of an approval.
type wait struct {
	login  string
	at     time.Time // told
	broken []time.Time
	cid    string
}

func startThree(t testing.TB, n int) *three {
	program := must[string](t)(plainIDP())
	dir := t.TempDir()
	s := &three{t: t, all: n, server: pgtest.Own(t), counted: map[string]int{}, late: watchLateness(t)}
	s.home = crowd.Home{Folder: dir, URL: s.server.Fresh(t)}
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), s.home, "p", min(n, 300), crowd.Least))
	well(t, crowd.Link(context.Background(), s.home, people))

	addresses := make([]string, 3)
	for i := range addresses {
		addresses[i] = net.JoinHostPort("127.0.0.1", freePort(t))
	}
	s.balancer = balanced(t, addresses...)
	s.issuer = "http://" + s.balancer.Addr().String()
	s.env = append(os.Environ(), databaseEnv(t, s.home)...)
	s.env = append(s.env, "IDP_ISSUER="+s.issuer, "IDP_DATABASE_POOL=16", "IDP_KEYS_SEAL_FILE="+filepath.Join(dir, "seal.key"), "IDP_DATA_DIR="+dir,
		"IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LIMITS_DEVICE_PER_MINUTE=0", "IDP_PUSH_MATCH=tap",
		"IDP_TOKENS_ACCESS=1h", "IDP_LOG_LEVEL=warn", "IDP_LOG_FORMAT=json")
	for i, address := range addresses {
		one := &instance{program: program, address: address, said: &complaints{counts: map[string]int{}, samples: map[string]string{}}}
		one.env = append(slices.Clone(s.env), "IDP_LISTEN="+address, "IDP_DATA_DIR="+filepath.Join(dir, strconv.Itoa(i)))
		s.each = append(s.each, one)
		one.keep(t)
	}
	s.eachReady(t)

	commands := &served{issuer: s.issuer, env: s.env}
	const redirect = "https://viewer.example/callback"
	id, secret := commands.addClient(t, "Viewer", "--redirect-uri", redirect, "--scope", "openid,profile,offline_access", "--grant", "authorization_code", "--grant", "refresh_token")
	s.party = &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile offline_access",
		verifier: strings.Repeat("verifier-", 6), web: s.client(), state: "state-1", nonce: "nonce-1",
	}
	s.people = make(chan *someone, len(people))
	for i, p := range people {
		s.people <- &someone{Person: p, polls: i%2 == 0, phone: &phone.Client{
			HTTP: s.client(), Account: &phone.Account{Device: p.Phone, Issuer: s.issuer, Name: p.Name, Key: jose.JSONWebKey{Key: p.Key}},
		}}
	}
	return s
}

// client opens a connection for each request, so that each reaches the next instance.
func (s *three) client() *http.Client {
	return &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// eachReady waits until each instance is.
func (s *three) eachReady(t testing.TB) {
	t.Helper()
	for _, one := range s.each {
		for end := time.Now().Add(2 * time.Minute); !one.ready(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is not ready\n%v", one.address, one.said.samples)
			}
		}
	}
}

// instance is one idp serve, which is started again whenever it has ended.
type instance struct {
	program, address string
	env              []string
	said             *complaints

	mu     sync.Mutex
	cmd    *exec.Cmd
	ending bool
	starts []time.Duration // from the start until it was ready
	kills  int
	ended  map[string]int // how it ended by itself
	over   chan struct{}
}

const startsAgain = 500 * time.Millisecond // after its end, and as long again at most

func (i *instance) keep(t testing.TB) {
	i.over, i.ended = make(chan struct{}), map[string]int{}
	go func() { // ends when the instance has ended after ending was said
		defer close(i.over)
		for {
			i.mu.Lock()
			if i.ending {
				i.mu.Unlock()
				return
			}
			cmd := exec.Command(i.program, "serve")
			cmd.Env, cmd.Stderr = i.env, i.said
			i.cmd = cmd
			err := cmd.Start()
			i.mu.Unlock()
			if err == nil {
				ended := make(chan struct{})
				go i.watch(cmd, ended) // ends when it is ready, or has ended
				err = cmd.Wait()
				close(ended)
			}
			i.mu.Lock()
			i.cmd = nil
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				i.ended[fmt.Sprint(err)]++
			}
			i.mu.Unlock()
			time.Sleep(startsAgain + rand.N(startsAgain))
		}
	}()
	t.Cleanup(func() { i.stop(t) })
}

// watch measures how long it takes until it is ready.
func (i *instance) watch(cmd *exec.Cmd, ended <-chan struct{}) {
	for began := time.Now(); ; {
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
		if i.ready() {
			i.mu.Lock()
			defer i.mu.Unlock()
			if i.cmd == cmd {
				i.starts = append(i.starts, time.Since(began))
			}
			return
		}
	}
}

// stop ends it as an operator would.
func (i *instance) stop(t testing.TB) {
	i.mu.Lock()
	ended := i.ending
	i.ending = true
	if i.cmd != nil && !ended {
		_ = i.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	}
	i.mu.Unlock()
	select {
	case <-i.over:
	case <-time.After(time.Minute):
		t.Errorf("%s did not end", i.address)
		i.mu.Lock()
		_ = i.cmd.Process.Kill()
		i.mu.Unlock()
		<-i.over
	}
}

// ready asks whether it is.
func (i *instance) ready() bool {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + i.address + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// dies kills it; false: it does not run.
func (i *instance) dies() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil || i.cmd.Process.Kill() != nil {
		return false
	}
	i.kills++
	return true
}

// kills kills one instance after another, now and then two at once, as long as one is left that
// is ready, until ctx ends.
func (s *three) kills(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second + rand.N(2*time.Second)):
		}
		var live []*instance
		for _, one := range s.each {
			if one.ready() {
				live = append(live, one)
			}
		}
		at := 1
		if turn%4 == 3 && len(live) > 2 {
			at = 2
		}
		if len(live) <= at {
			continue
		}
		rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
		for _, one := range live[:at] {
			s.mu.Lock()
			if one.dies() {
				s.kill = append(s.kill, time.Now())
			}
			s.mu.Unlock()
		}
		turn++
	}
}

// stops stops the database when a third of all is done, fast, and when two thirds are, at once,
// and starts it again.
func (s *three) stops(ctx context.Context, t testing.TB) {
	for n, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate} {
		for s.done.Load() < int64((n+1)*s.all/3) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		from := time.Now()
		s.server.Stop(t, mode)
		time.Sleep(time.Duration(4+8*n) * time.Second)
		s.server.Start(t)
		s.mu.Lock()
		back := time.Now()
		s.away = append(s.away, span{from, back})
		s.mu.Unlock()
		for !slices.ContainsFunc(s.each, (*instance).ready) && time.Since(back) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		t.Logf("an instance was ready %v after the database was back", time.Since(back).Round(time.Millisecond))
	}
}

// signIns has n sign-ins done.
func (s *three) signIns(n int) {
	const atOnce = 40
	var all sync.WaitGroup
	var begun atomic.Int64
	for range atOnce {
		all.Go(func() { // ends when n have begun
			for begun.Add(1) <= int64(n) {
				who := <-s.people
				v := &visit{who: who, told: map[string]time.Time{}, cut: map[string]time.Time{}}
				s.visits(v)
				s.people <- v.who
				s.mu.Lock()
				s.seats = append(s.seats, v)
				s.mu.Unlock()
				s.done.Add(1)
			}
		})
	}
	all.Wait()
}

const tooLong = 5 * time.Minute // for one sign-in, whatever happens meanwhile

// visits signs in, again and again until it has come to tokens.
func (s *three) visits(v *visit) {
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	web := newBrowser(s.t)
	web.Transport = s.client().Transport
	for ctx.Err() == nil {
		code := s.signsIn(ctx, v, web)
		if code == "" {
			v.anew++
			time.Sleep(200 * time.Millisecond)
			if v.tired {
				s.people <- v.who
				v.who, v.tired, web = <-s.people, false, newBrowser(s.t)
				web.Transport = s.client().Transport
			}
			continue
		}
		tk, err := s.party.exchange(code)
		if err != nil || tk.Status >= 500 {
			v.lost++ // it may have been redeemed: sending it again would take everything away
			v.anew++
			continue
		}
		if tk.Status != http.StatusOK {
			v.faults = append(v.faults, fmt.Sprintf("a code that was given is refused: %+v", tk))
			return
		}
		v.tokens = append(v.tokens, tk)
		s.refreshes(ctx, v, tk)
		return
	}
	v.faults = append(v.faults, fmt.Sprintf("not signed in within %v", tooLong))
}

// refreshes turns the refresh token over; where no answer comes it sends it again, as
// applications do.
func (s *three) refreshes(ctx context.Context, v *visit, tk *tokens) {
	for ctx.Err() == nil {
		next, err := s.party.refresh(tk.Refresh)
		switch {
		case err != nil || next.Status >= 500:
			v.again = true
			time.Sleep(300 * time.Millisecond)
			continue
		case next.Status == http.StatusOK:
			v.tokens = append(v.tokens, next)
		case v.again && next.Error == "invalid_grant":
			v.gone = true
		default:
			v.faults = append(v.faults, fmt.Sprintf("a refresh token that was given is refused: %+v", next))
		}
		return
	}
}

// asks sends a request; an answer that is none of the site's is none. Where nothing was to be
// changed it asks until there is one.
func (s *three) asks(ctx context.Context, v *visit, web *http.Client, method, to string, form url.Values) *page {
	p := &person{t: s.t, web: web}
	for ctx.Err() == nil {
		at, err := readPage(p.send(method, to, form))
		if err == nil && at.status < 500 {
			return at
		}
		if method == http.MethodPost {
			return nil
		}
		v.reloads++
		time.Sleep(300*time.Millisecond + rand.N(400*time.Millisecond))
	}
	return nil
}

// signsIn goes from the application and back to it, and returns the code; empty: the person has
// to begin anew.
func (s *three) signsIn(ctx context.Context, v *visit, web *http.Client) (code string) {
	p := &person{t: s.t, web: web}
	at := s.asks(ctx, v, web, http.MethodGet, s.party.authorize(), nil)
	login := ""
	for steps := 0; at != nil && steps < 30; steps++ {
		if strings.HasPrefix(at.url.String(), s.party.redirect+"?") {
			code := at.url.Query().Get("code")
			if code != "" && login != "" {
				v.codes = append(v.codes, login)
			}
			return code
		}
		if rest, ok := strings.CutPrefix(at.url.Path, "/login/"); ok && login == "" {
			login, _, _ = strings.Cut(rest, "/")
			v.logins = append(v.logins, login)
		}
		form, values := "", url.Values(nil)
		switch part := waitsAt(at); {
		case at.status != http.StatusOK:
			return s.because(fmt.Sprintf("status %d", at.status))
		case find(at.doc, byID("password-form")) != nil:
			form, values = "password-form", url.Values{"username": {v.who.Name}, "password": {crowd.Password}}
		case find(at.doc, byID("phone-form")) != nil:
			form = "phone-form"
		case part != nil && strings.HasPrefix(attr(part, "data-state"), "factor-asked"):
			if !s.waits(ctx, v, web, login, attr(part, "data-state")) {
				return s.because("the page waited in vain")
			}
		case part != nil:
			v.tired = true
			return s.because("the page says " + attr(part, "data-state"))
		default:
			return s.because("there is nothing to do on the page")
		}
		here := s.issuer + "/login/" + login
		if form != "" {
			to, all := p.fill(at, form, values)
			if at = s.asks(ctx, v, web, http.MethodPost, to, all); at != nil {
				continue
			}
			v.reloads++
		}
		at = s.asks(ctx, v, web, http.MethodGet, here, nil)
	}
	return s.because("it leads nowhere")
}

// because counts why a person begins anew.
func (s *three) because(why string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted[why]++
	return ""
}

// progress tells how far it is, once in a while, until ctx ends.
func (s *three) progress(ctx context.Context, t testing.TB) {
	tick := time.NewTicker(20 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		t.Logf("%s: %d of %d are done, %d instances killed; begun anew: %v", time.Now().Format(time.TimeOnly), s.done.Load(), s.all, len(s.kill), s.counted)
		s.mu.Unlock()
	}
}

// waits has the phone approve while the page waits for it; false: it waited in vain.
func (s *three) waits(ctx context.Context, v *visit, web *http.Client, login, shown string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	heard := make(chan wait, 1)
	stop := make(chan struct{})
	go func() { // ends with the word, or with ctx
		w := wait{login: login}
		page := &scripted{web: web, path: s.issuer + "/login/" + login, broken: func(at time.Time) {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.broken = append(w.broken, at)
		}}
		word := page.hear(ctx, shown)
		for strings.HasPrefix(word, "factor-asked") { // it may be asked again by now
			word = page.hear(ctx, word)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		w.at = time.Now()
		if !strings.HasPrefix(word, "factor-approved") {
			w.at = time.Time{}
		}
		close(stop)
		heard <- w
	}()
	cid := s.approves(ctx, v, stop)
	w := <-heard
	if w.at.IsZero() {
		return false
	}
	w.cid = cid
	v.waits = append(v.waits, w)
	return true
}

// approves has the phone hear what it is asked, and say Login to it, until that is answered. It
// returns the challenge.
func (s *three) approves(ctx context.Context, v *visit, stop <-chan struct{}) (last string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan struct{})
	go func() { // ends with the page's wait
		select {
		case <-stop:
			close(told)
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		var open []phone.Challenge
		var err error
		select {
		case <-told:
			return last
		default:
		}
		asking, enough := context.WithCancel(ctx)
		context.AfterFunc(ctx, enough)
		if v.who.polls {
			open, err = v.who.phone.Challenges(asking, 20*time.Second)
		} else {
			err = v.who.phone.Listen(asking, func(e phone.Event) {
				if e.Name == "challenge" {
					open = append(open, *e.Challenge)
					enough()
				}
			})
		}
		enough()
		if err != nil && len(open) == 0 {
			time.Sleep(300*time.Millisecond + rand.N(300*time.Millisecond))
			continue
		}
		time.Sleep(rand.N(1200 * time.Millisecond)) // the person looks at it
		for i := range open {
			ch := &open[i]
			last = ch.CID
			for ctx.Err() == nil {
				state, err := v.who.phone.Answer(ctx, ch, phone.Decision{Approve: true})
				var e *phone.Error
				if err == nil && state == "approved" {
					v.told[ch.CID] = time.Now()
					break
				}
				if err == nil || errors.As(err, &e) && e.Status < 500 || strings.Contains(err.Error(), "too old") {
					break // it is too late for this one
				}
				if _, was := v.cut[ch.CID]; !was {
					v.cut[ch.CID] = time.Now()
				}
				select {
				case <-told:
					return last // it was kept
				case <-time.After(500 * time.Millisecond):
				}
			}
		}
		if len(v.told) > 0 {
			if _, ok := v.told[last]; ok {
				return last
			}
		}
	}
	return last
}

// complaints counts what an instance says, by level and message.
type complaints struct {
	mu      sync.Mutex
	rest    []byte
	counts  map[string]int
	samples map[string]string
}

// Write takes lines of the log, which are JSON objects, and what the program says besides.
func (s *complaints) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, b...)
	for {
		line, rest, whole := bytes.Cut(s.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		s.line(string(line))
		s.rest = append([]byte(nil), rest...)
	}
}

func (s *complaints) line(text string) {
	var l struct{ Level, Msg string }
	kind := text
	if json.Unmarshal([]byte(text), &l) == nil && l.Msg != "" {
		kind = l.Level + " " + l.Msg
	}
	for _, h := range harmless {
		if strings.HasPrefix(l.Msg, h.begin) && strings.Contains(text, h.why) {
			s.counts[l.Level+" "+h.begin+" … "+h.why]++
			return
		}
	}
	if !namesAway(text) {
		kind += unnamed
	}
	s.counts[kind]++
	if s.samples[kind] == "" {
		s.samples[kind] = text
	}
}

// harmless are complaints that are of something else than the database, by how they begin, and
// what they have to say besides.
var harmless = []struct{ begin, why string }{
	{"there is no ", "It is made now"},                                    // the first start in a folder
	{"password not rehashed", "busy"},                                     // where the machine has much to do
	{"request error", "Reference"},                                        // by which the line that names the database is found
	{"request error", "expired, used or "},                                // a refresh token that was sent again: the books have it
	{"request error", "The access token is unknown, expired or revoked."}, // and the access token that went with it: works counts them
}

// unnamed is said of all others that do not name it.
const unnamed = " (does not name the database)"

// namesAway reports whether a line says that the database cannot be reached, or ends.
func namesAway(line string) bool {
	return slices.ContainsFunc([]string{
		"connection refused", "shutting down", "starting up", "terminating connection", "unexpected EOF", "connection reset", "broken pipe",
		"not yet accepting", "recovery mode", "conn closed", "database is away", "database cannot be reached", "while nobody used it", "bad connection",
	}, func(s string) bool { return strings.Contains(line, s) })
}

// lateness is how late this very program is, which shares the machine: the stretches in which a
// clock that ticks every 10 ms did not.
type lateness struct {
	mu  sync.Mutex
	all []span
}

func watchLateness(t testing.TB) *lateness {
	l := &lateness{}
	tick := time.NewTicker(10 * time.Millisecond)
	over := make(chan struct{})
	var ended sync.WaitGroup
	t.Cleanup(func() { close(over); ended.Wait(); tick.Stop() })
	ended.Go(func() { // ends with the test
		for last := time.Now(); ; {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			now := time.Now()
			if now.Sub(last) > 20*time.Millisecond {
				l.mu.Lock()
				l.all = append(l.all, span{last.Add(10 * time.Millisecond), now})
				l.mu.Unlock()
			}
			last = now
		}
	})
	return l
}

// within is how much of a time was missed.
func (l *lateness) within(from, to time.Time) (missed time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		a, b := s.from, s.to
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		if b.After(a) {
			missed += b.Sub(a)
		}
	}
	return missed
}

// checks compares what was answered with what is stored, when nothing happens any more.
func (s *three) checks(t *testing.T, took time.Duration) {
	commands := &served{issuer: s.issuer, env: s.env}
	if out := commands.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify printed %s", out)
	}
	s.tokensWork(t)
	for _, one := range s.each {
		one.stop(t)
	}
	db := openStore(t, s.home)
	defer db.Close()
	well(t, db.Link(context.Background(), true))
	well(t, db.VerifyEvents(context.Background()))
	var events []idp.Event
	for after, more := int64(0), true; more; {
		some := must[[]idp.Event](t)(db.Events(context.Background(), after, 1000))
		events = append(events, some...)
		if more = len(some) > 0; more {
			after = some[len(some)-1].Seq
		}
	}
	s.books(t, events, took)
	s.delays(t, events)
	s.logs(t)
}

// tokensWork asks with every token that was given, for whom it is.
func (s *three) tokensWork(t *testing.T) {
	queue := make(chan *visit, len(s.seats))
	for _, v := range s.seats {
		queue <- v
	}
	close(queue)
	var all sync.WaitGroup
	var gone atomic.Int64
	for range 16 {
		all.Go(func() { // ends with the queue
			for v := range queue {
				for n, tk := range v.tokens {
					status, claims, err := s.party.userinfo(tk.Access)
					switch {
					case v.gone && status == http.StatusUnauthorized:
						gone.Add(1)
					case err != nil || status != http.StatusOK || claims["preferred_username"] != v.who.Name:
						t.Errorf("%s: token %d was given and does not work: %d %v %v", v.who.Name, n, status, claims, err)
					}
				}
			}
		})
	}
	all.Wait()
	if n := gone.Load(); n > 0 {
		t.Logf("%d tokens went with a refresh token that was sent twice", n)
	}
}

// books sees that each thing that was told is in the log once, and nothing else.
func (s *three) books(t *testing.T, events []idp.Event, took time.Duration) {
	kinds, approved := map[idp.EventKind]int{}, map[string]int{}
	of := map[idp.EventKind]map[string]int{}
	for _, k := range []idp.EventKind{idp.EventFactorRight, idp.EventLoginDone, idp.EventCodeIssued} {
		of[k] = map[string]int{}
	}
	issued, redeemed := map[idp.SessionID]int{}, map[idp.SessionID]int{}
	for _, e := range events {
		kinds[e.Kind]++
		if by := of[e.Kind]; by != nil && e.Login != "" {
			by[string(e.Login)]++
		}
		switch e.Kind {
		case idp.EventPhoneApproved:
			approved[e.Detail["cid"]]++
		case idp.EventCodeIssued:
			issued[e.Session]++
		case idp.EventCodeRedeemed:
			redeemed[e.Session]++
		}
	}
	var told, cut, codes, lost, tokens, rotated, again, gone, anew, reloads int
	mine := map[string]bool{}
	for _, v := range s.seats {
		for _, f := range v.faults {
			t.Errorf("%s: %s", v.who.Name, f)
		}
		for cid := range v.told {
			told++
			mine[cid] = true
			if approved[cid] != 1 {
				t.Errorf("%s: the phone was told that %s is approved, which the log has %d times", v.who.Name, cid, approved[cid])
			}
		}
		for cid := range v.cut {
			if _, ok := v.told[cid]; !ok {
				cut++
				mine[cid] = true
			}
		}
		for _, login := range v.codes {
			for kind, by := range of {
				if by[login] != 1 {
					t.Errorf("%s: a code was given in sign-in %s, and the log has %s %d times", v.who.Name, login, kind, by[login])
				}
			}
		}
		codes += len(v.codes)
		lost += v.lost
		if len(v.tokens) > 0 {
			tokens++
			rotated += len(v.tokens) - 1
		}
		if v.again {
			again++
		}
		if v.gone {
			gone++
		}
		anew += v.anew
		reloads += v.reloads
	}
	for cid, n := range approved {
		if n != 1 || !mine[cid] {
			t.Errorf("challenge %s is approved %d times, and said by a phone: %v", cid, n, mine[cid])
		}
	}
	for kind, by := range of {
		for login, n := range by {
			if n != 1 {
				t.Errorf("sign-in %s has %s %d times", login, kind, n)
			}
		}
	}
	for session, n := range redeemed {
		if n > issued[session] {
			t.Errorf("session %s had %d codes and redeemed %d", session, issued[session], n)
		}
	}
	between := func(kind idp.EventKind, least, most int) {
		if n := kinds[kind]; n < least || n > most {
			t.Errorf("the log has %s %d times, the books %d to %d", kind, n, least, most)
		}
	}
	between(idp.EventPhoneApproved, told, told+cut)
	between(idp.EventCodeRedeemed, tokens, tokens+lost)
	between(idp.EventCodeReplayed, 0, 0)
	between(idp.EventRefreshReplayed, gone, gone)
	if tokens != s.all {
		t.Errorf("%d of %d have signed in", tokens, s.all)
	}
	kills := 0
	for _, one := range s.each {
		kills += one.kills
	}
	t.Logf("%d sign-ins in %v; %d instances killed, the database stopped %d times; answered: %d approvals, %d codes, %d redemptions, %d refreshes; "+
		"without an answer: %d approvals, %d redemptions, %d refreshes (%d grants went with them); begun anew %d times, %d requests asked again",
		s.all, took.Round(time.Second), kills, len(s.away), told, codes, tokens, rotated, cut, lost, again, gone, anew, reloads)
	names := slices.Sorted(maps.Keys(kinds))
	var text strings.Builder
	for _, k := range names {
		fmt.Fprintf(&text, " %s %d", k, kinds[k])
	}
	t.Logf("%d events:%s", len(events), &text)
}

// delays sees that no browser was told late.
func (s *three) delays(t *testing.T, events []idp.Event) {
	at := map[string]time.Time{}
	for _, e := range events {
		if e.Kind == idp.EventPhoneApproved {
			at[e.Detail["cid"]] = e.At
		}
	}
	var all, killed, back []time.Duration
	late, starved := 0, 0
	for _, v := range s.seats {
		for _, w := range v.waits {
			kept, ok := v.told[w.cid]
			if first, was := v.cut[w.cid]; was && at[w.cid].Before(first) {
				kept, ok = first, true // it was kept although nobody said so
			}
			if !ok {
				continue
			}
			since, over := kept, &all
			for _, b := range w.broken {
				if slices.ContainsFunc(s.kill, func(k time.Time) bool { return b.After(k.Add(-time.Second)) && b.Before(k.Add(time.Second)) }) && b.After(since) && b.Before(w.at) {
					since, over = b, &killed
				}
			}
			for _, d := range s.away {
				if d.from.Before(w.at) && d.to.After(since) && d.to.Before(w.at) {
					since, over = d.to, &back
				} else if kept.After(d.to) && kept.Before(d.to.Add(20*time.Second)) && over == &all {
					over = &back
				}
			}
			took := max(0, w.at.Sub(since))
			*over = append(*over, took)
			if took <= toldWithin {
				continue
			}
			late++
			missed := s.late.within(since, w.at)
			if took-missed > s.within {
				t.Errorf("%s: told %v after the approval was kept and everything was there (this program was late by %v of it): kept %v, breaks %v, told %v",
					v.who.Name, took, missed, kept.Format("05.000"), stamps(w.broken), w.at.Format("05.000"))
			} else {
				starved++
			}
		}
	}
	var slow []time.Duration
	for _, one := range s.each {
		slow = append(slow, one.starts...)
	}
	t.Logf("browsers told after the approval: %s; where their stream was lost by a kill: %s; after the database was back: %s; %d later than %v, %d of them because this program did not run",
		spread3(all), spread3(killed), spread3(back), late, toldWithin, starved)
	var missed []time.Duration
	s.late.mu.Lock()
	for _, l := range s.late.all {
		missed = append(missed, l.to.Sub(l.from))
	}
	s.late.mu.Unlock()
	t.Logf("instances ready after their start: %s; a clock of 10 ms in this program was late: %s", spread3(slow), spread3(missed))
}

func stamps(all []time.Time) (text []string) {
	for _, at := range all {
		text = append(text, at.Format("05.000"))
	}
	return text
}

// spread3 is how durations are spread.
func spread3(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	n, ms := len(all), time.Millisecond
	return fmt.Sprintf("%d, p50 %v, p99 %v, max %v", n, all[n/2].Round(ms), all[n*99/100].Round(ms), all[n-1].Round(ms))
}

// logs sees that instances have complained of nothing but that the database was away.
func (s *three) logs(t *testing.T) {
	counts, samples := map[string]int{}, map[string]string{}
	for _, one := range s.each {
		for kind, n := range one.said.counts {
			counts[kind] += n
			samples[kind] = one.said.samples[kind]
		}
		for how, n := range one.ended {
			t.Logf("%s ended by itself with %s: %d times", one.address, how, n)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("said %d times: %s", counts[kind], kind)
		if strings.HasSuffix(kind, unnamed) {
			t.Errorf("%s", samples[kind])
		}
	}
}
