package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// scripted is the script of a page that waits (static/js/live.js), as far as it hears: by an
// event stream that is opened again when it breaks, and a poll beneath it.
type scripted struct {
	web    *http.Client
	path   string // of the page, a URL
	broken func(at time.Time)
}

// How often a page asks: while the site answers, and while it does not, or the stream does not come
// back, though not for ever.
const (
	pollEvery  = 3 * time.Second
	pollAway   = time.Second
	quickLooks = 5
)

// hear waits until the page is to show something else than it does, and returns the word for
// that; empty: the page is gone, or ctx has ended.
func (s *scripted) hear(ctx context.Context, shown string) (word string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	words := make(chan string)
	opened, closed, faults := make(chan struct{}), make(chan struct{}), make(chan struct{})
	open, connecting, quick := false, false, 0
	listen := func() {
		open, connecting = true, true
		go s.stream(ctx, words, opened, faults, closed) // ends with ctx, or tells closed
	}
	listen()
	poll := time.NewTimer(time.Hour)
	poll.Stop()
	for {
		look := false
		select {
		case <-ctx.Done():
			return ""
		case word = <-words:
			poll.Stop()
			if word != shown {
				return word
			}
		case <-opened:
			connecting = false
		case <-faults:
			connecting, quick, look = true, quickLooks, true
		case <-closed:
			open, connecting, quick, look = false, false, quickLooks, true
		case <-poll.C:
			look = true
		}
		if !look {
			continue
		}
		word, status := s.look(ctx)
		switch {
		case ctx.Err() != nil:
			return ""
		case status == http.StatusNotFound || status == http.StatusGone:
			return ""
		case status == http.StatusOK && word != shown:
			return word
		}
		if again := connecting && quick > 0; again || status == 0 || status >= 500 {
			if again {
				quick--
			}
			poll.Reset(pollAway)
			continue
		}
		poll.Reset(pollEvery)
		if !open {
			listen()
		}
	}
}

// look is one poll; 0: no answer came.
func (s *scripted) look(ctx context.Context) (word string, status int) {
	res, err := s.ask(ctx, "/state", "application/json")
	if err != nil {
		return "", 0
	}
	defer res.Body.Close()
	var said struct{ State string }
	if res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(&said) != nil {
		return "", 0
	}
	return said.State, res.StatusCode
}

func (s *scripted) ask(ctx context.Context, what, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.path+what, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	web := *s.web
	if what == "/events" {
		web.Timeout = 0
	}
	return web.Do(r)
}

// stream is an EventSource (WHATWG HTML, section 9.2): it comes again when its connection breaks,
// after as long as it was told, and never after an answer that is none.
func (s *scripted) stream(ctx context.Context, words chan<- string, opened, faults, closed chan<- struct{}) {
	tell := func(c chan<- struct{}) {
		select {
		case c <- struct{}{}:
		case <-ctx.Done():
		}
	}
	for retry := 3 * time.Second; ; { // where nothing was told, as browsers do
		res, err := s.ask(ctx, "/events", "text/event-stream")
		if err == nil && res.StatusCode != http.StatusOK {
			res.Body.Close()
			tell(closed)
			return
		}
		if err == nil {
			tell(opened)
			lines, word := bufio.NewScanner(res.Body), ""
			for lines.Scan() {
				name, value, _ := strings.Cut(lines.Text(), ": ")
				switch {
				case name == "retry":
					if d, err := time.ParseDuration(value + "ms"); err == nil {
						retry = d
					}
				case name == "data":
					word = value
				case name == "" && word != "":
					select {
					case words <- word:
					case <-ctx.Done():
					}
					word = ""
				}
			}
			res.Body.Close()
		}
		if ctx.Err() == nil && s.broken != nil {
			s.broken(time.Now())
		}
		tell(faults)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return
		}
	}
}

// waitsAt is the part of a page that waits; nil: it has none.
func waitsAt(at *page) *html.Node {
	return find(at.doc, func(n *html.Node) bool { return attr(n, "data-live") != "" })
}
