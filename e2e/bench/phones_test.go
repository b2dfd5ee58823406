package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
	"hilum/e2e/crowd"
)

// tab is a browser that waits for a phone.
type tab struct {
	browser
	person crowd.Person
	page   string
	on     *conn // its event stream
}

// begins goes as far as the password, on a connection that many share.
func begins(on *conn, to client, p crowd.Person) (*tab, error) {
	b := &tab{browser: browser{}, person: p}
	a, err := b.ask(on, "GET", authorize(to), "", 303)
	if err != nil {
		return nil, err
	}
	b.page = a.location
	form := url.Values{"username": {p.Name}, "password": {crowd.Password}}.Encode()
	_, err = b.ask(on, "POST", b.page+"/password", form, 303)
	return b, err
}

// waits opens the stream and reads as far as the state it begins with.
func (b *tab) waits(host string) (err error) {
	if b.on, err = dial(host); err != nil {
		return err
	}
	b.on.r.Reset(b.on.c)
	if _, err := fmt.Fprintf(b.on.c, "GET %s/events HTTP/1.1\r\nHost: %s\r\n%s\r\n", b.page, host, b.header()); err != nil {
		return err
	}
	return b.hears("data: factor-asked")
}

// hears reads the stream until it says so.
func (b *tab) hears(what string) error {
	if err := b.on.c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	for {
		line, err := b.on.r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", what, err)
		}
		if bytes.HasPrefix(line, []byte(what)) {
			return nil
		}
		if bytes.HasPrefix(line, []byte("HTTP/1.1 ")) && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("the stream answers %s", line)
		}
	}
}

func pocketOf(s *site, p crowd.Person) *phone.Client {
	return &phone.Client{Account: &phone.Account{Device: p.Phone, Issuer: "http://" + s.host, Name: p.Name, Key: jose.JSONWebKey{Key: p.Key}}}
}

// posts sends an envelope on a kept connection.
func posts(on *conn, op, envelope string) (*reply, error) {
	if err := on.c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(on.c, "POST /device/v1/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/jose\r\nContent-Length: %d\r\n\r\n%s", op, on.host, len(envelope), envelope); err != nil {
		return nil, err
	}
	return on.read()
}

// approval is the signed answer of a person's phone to what it is asked.
func approval(s *site, on *conn, p crowd.Person) (string, error) {
	ph := pocketOf(s, p)
	list, err := ph.Sign("list", nil)
	if err != nil {
		return "", err
	}
	a, err := posts(on, "challenges", list)
	if err != nil {
		return "", err
	}
	var asked struct {
		Challenges []phone.Challenge `json:"challenges"`
	}
	if err := json.Unmarshal(a.body, &asked); err != nil || len(asked.Challenges) != 1 {
		return "", fmt.Errorf("%s is asked %s, %w", p.Name, a.body, err)
	}
	ch := asked.Challenges[0]
	sum := sha256.Sum256([]byte(ch.Text))
	return ph.Sign("answer", map[string]any{"cid": ch.CID, "ch": base64.RawURLEncoding.EncodeToString(sum[:]), "decision": "approve"})
}

// crowded does something for many at once.
func crowded(n, atOnce int, do func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, atOnce) {
		wg.Go(func() { // ends when next is closed
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// told is how long it takes from a phone's Login to its browser, with so many
// others that wait.
type told struct {
	waiting       int
	p50, p95, p99 time.Duration
	perBrowser    float64 // KB of memory, where enough wait to tell
}

// tells has so many browsers wait, and then one more after another, which is
// approved: the watch runs from the sending of the phone's answer to the
// arrival of the browser's event.
func tells(t *testing.T, s *site, waiting, approvals int) told {
	t.Helper()
	to := s.clients["ES256"]
	// They have two minutes, so many come at once.
	people := make([]crowd.Person, waiting)
	for i := range people {
		people[i] = s.next(t)
	}
	const atOnce = 16
	conns := make(chan *conn, atOnce)
	for range atOnce {
		c, err := dial(s.host)
		check(t, err)
		defer c.c.Close()
		conns <- c
	}
	tabs := make([]*tab, len(people))
	check(t, crowded(len(people), atOnce, func(i int) (err error) {
		c := <-conns
		defer func() { conns <- c }()
		tabs[i], err = begins(c, to, people[i])
		return err
	}))
	time.Sleep(200 * time.Millisecond)
	before := own(t, s.pid)
	check(t, crowded(len(tabs), atOnce, func(i int) error { return tabs[i].waits(s.host) }))
	defer func() {
		for _, b := range tabs {
			b.on.c.Close()
		}
	}()
	r := told{waiting: waiting}
	if waiting >= 1000 {
		time.Sleep(time.Second)
		r.perBrowser = (own(t, s.pid) - before) * 1024 / float64(len(tabs))
	}

	on := s.dial(t)
	var took []time.Duration
	for range approvals {
		b, err := begins(on, to, s.next(t))
		check(t, err)
		check(t, b.waits(s.host))
		envelope, err := approval(s, on, b.person)
		check(t, err)
		at := time.Now()
		heard := make(chan error, 1)
		go func() { heard <- b.hears("data: factor-approved") }() // ends with the event
		a, err := posts(on, "answer", envelope)
		check(t, err)
		if a.status != 200 {
			t.Fatalf("the answer: %d %s", a.status, a.body)
		}
		check(t, <-heard)
		took = append(took, time.Since(at))
		b.on.c.Close()
	}
	slices.Sort(took)
	n := len(took)
	r.p50, r.p95, r.p99 = took[n/2], took[n*95/100], took[n*99/100]
	return r
}

// listeners is what an open app costs, in KB.
func listeners(t *testing.T, s *site, n int) float64 {
	t.Helper()
	time.Sleep(3 * time.Second) // as long as it takes a provider to come to rest
	before := own(t, s.pid)
	conns := make([]*conn, n)
	check(t, crowded(n, 16, func(i int) error {
		envelope, err := pocketOf(s, s.people[i]).Sign("listen", nil)
		if err != nil {
			return err
		}
		if conns[i], err = dial(s.host); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conns[i].c, "GET /device/v1/listen HTTP/1.1\r\nHost: %s\r\nAuthorization: Device %s\r\n\r\n", s.host, envelope); err != nil {
			return err
		}
		line, err := conns[i].r.ReadSlice('\n')
		if err == nil && !strings.Contains(string(line), " 200 ") {
			err = fmt.Errorf("listen: %s", line)
		}
		return err
	}))
	time.Sleep(time.Second)
	after := own(t, s.pid)
	for _, c := range conns {
		c.c.Close()
	}
	return (after - before) * 1024 / float64(n)
}

// TestBenchPhones prints how long it takes from the tap on the phone to the
// browser, and what those cost that wait, when BENCH is set. Else it goes
// through all of it with a few.
func TestBenchPhones(t *testing.T) {
	sizes, approvals, phones := []int{1, 20}, 5, 20
	out := io.Discard
	if os.Getenv("BENCH") != "" {
		sizes, approvals, phones = []int{1, 100, 10_000}, 500, 5000
		out = os.Stdout
	}
	people := 0
	for _, n := range sizes {
		people += n + approvals
	}
	s := newSite(t, people, crowd.Least)
	s.env = append(s.env, "IDP_PUSH_MATCH=tap", "IDP_LIMITS_DEVICE_PER_MINUTE=0")
	check(t, crowd.Link(context.Background(), crowd.Home{Folder: s.data}, s.people))
	s.start(t)
	fmt.Fprintf(out, "\n| from the phone's Login to its browser | p50, ms | p95, ms | p99, ms | memory per waiting browser, KB | target |\n|---|---|---|---|---|---|\n")
	for _, n := range sizes {
		r := tells(t, s, n, approvals)
		memory, target := "", "p50 < 3, p99 < 20"
		if r.perBrowser > 0 {
			memory, target = fmt.Sprintf("%.1f", r.perBrowser), "p99 < 50, ≤ 25 KB"
		}
		fmt.Fprintf(out, "| %d waiting besides | %.2f | %.2f | %.2f | %s | %s |\n", n, ms(r.p50), ms(r.p95), ms(r.p99), memory, target)
	}
	fmt.Fprintf(out, "\n%d phones listen, each %.1f KB (target ≤ 25)\n", phones, listeners(t, s, phones))
	s.stop(t)
}
