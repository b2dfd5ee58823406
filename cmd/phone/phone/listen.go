package phone

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Event is an event of the stream, or what a poll has found.
type Event struct {
	Name      string     // "challenge", "gone", "linked", "unlinked"
	Challenge *Challenge // of "challenge"
	CID, Why  string     // of "gone": the challenge, and why it waits no more; CID also of "challenge"
}

const (
	// silence is how long a stream may say nothing before it counts as dead: the
	// provider says something every 15 s.
	silence = 40 * time.Second
	// pollWait is how long a poll waits for a first challenge, the most there is.
	pollWait = 25 * time.Second
)

// Listen opens an event stream and hears of challenges as they come, until the stream
// ends or ctx does. The error says why it ended, *Error when it was refused; nil: the
// provider has closed it.
func (c *Client) Listen(ctx context.Context, hear func(Event)) error {
	for again := false; ; again = true {
		err := c.listen(ctx, hear)
		if c.skewed(err) && !again {
			continue
		}
		return err
	}
}

// listen is one try of Listen.
func (c *Client) listen(ctx context.Context, hear func(Event)) error {
	envelope, err := c.Sign("listen", nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Account.Issuer+"/device/v1/listen", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Device "+envelope)
	endless := *c.http()
	endless.Timeout = 0
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	res, err := endless.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return read(res, nil)
	}
	defer res.Body.Close()
	return readEvents(&alive{res.Body, dead}, hear)
}

// alive reads a stream, and puts off its end by silence with every byte that comes.
type alive struct {
	io.Reader
	dead *time.Timer
}

func (a *alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if n > 0 {
		a.dead.Reset(silence)
	}
	return n, err
}

// readEvents reads an event stream (WHATWG HTML, section 9.2.6) until it ends. Errors:
// those of r, and bufio.ErrTooLong for a line of more than maxReply bytes.
func readEvents(r io.Reader, hear func(Event)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxReply)
	name, data := "", ""
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if name != "" {
				if e, ok := eventOf(name, data); ok {
					hear(e)
				}
			}
			name, data = "", ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			if data != "" {
				data += "\n"
			}
			data += value
		}
	}
	return lines.Err()
}

// eventOf reads one event; false: it is of a kind that is not known, or damaged.
func eventOf(name, data string) (Event, bool) {
	e := Event{Name: name}
	switch name {
	case "challenge":
		e.Challenge = &Challenge{}
		if json.Unmarshal([]byte(data), e.Challenge) != nil || e.Challenge.CID == "" {
			return e, false
		}
		e.CID = e.Challenge.CID
	case "gone":
		var gone struct{ CID, Why string }
		if json.Unmarshal([]byte(data), &gone) != nil {
			return e, false
		}
		e.CID, e.Why = gone.CID, gone.Why
	case "linked", "unlinked":
	default:
		return e, false // of a newer kind
	}
	return e, true
}

// Watch hears of challenges until ctx ends or the phone is unlinked: by the
// stream, by polling while the stream does not get through. Each is told once.
// Errors: that of ctx, or *Error with unlinked or invalid_device.
func (c *Client) Watch(ctx context.Context, hear func(Event)) error {
	known := map[string]bool{}
	once := func(e Event) {
		switch {
		case e.Name == "challenge" && known[e.CID]:
			return
		case e.Name == "challenge":
			known[e.CID] = true
		case e.Name == "gone" && !known[e.CID]:
			return
		case e.Name == "gone":
			delete(known, e.CID)
		}
		hear(e)
	}
	wait := time.Second
	for {
		unlinked := false
		began := time.Now()
		err := c.Listen(ctx, func(e Event) {
			unlinked = unlinked || e.Name == "unlinked"
			if e.Name == "linked" {
				_ = c.linked(func(*Account) bool { return true }) // kept by the next list, where it cannot be now
			}
			once(e)
		})
		if over, reason := ended(ctx, unlinked, err, hear); over {
			return reason
		}
		if time.Since(began) > silence {
			wait = time.Second
		}
		if err != nil {
			open, pollErr := c.Challenges(ctx, pollWait)
			if over, reason := ended(ctx, false, pollErr, hear); over {
				return reason
			}
			if pollErr == nil {
				tellOpen(open, known, once)
				continue
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // so that not all come back at once
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// tellOpen tells what a poll has found, and what it has not found any more.
func tellOpen(open []Challenge, known map[string]bool, tell func(Event)) {
	there := map[string]bool{}
	for i := range open {
		there[open[i].CID] = true
		tell(Event{Name: "challenge", CID: open[i].CID, Challenge: &open[i]})
	}
	for cid := range known {
		if !there[cid] {
			tell(Event{Name: "gone", CID: cid, Why: "withdrawn"})
		}
	}
}

// ended reports whether there is no use in trying again, and why.
func ended(ctx context.Context, unlinked bool, err error, hear func(Event)) (bool, error) {
	var e *Error
	switch {
	case ctx.Err() != nil:
		return true, ctx.Err()
	case unlinked:
		return true, &Error{Code: "unlinked"}
	case errors.As(err, &e) && e.Code == "unlinked":
		hear(Event{Name: "unlinked"})
		return true, e
	case errors.As(err, &e) && e.Code == "invalid_device":
		return true, e
	}
	return false, nil
}
