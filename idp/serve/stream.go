package serve

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// pieceTime is how long one piece of a stream may take to leave.
const pieceTime = 10 * time.Second

// Streams is all event streams that are open. The zero value is ready. Safe for
// concurrent use.
type Streams struct {
	Log *slog.Logger // nil: the default one
	wg  sync.WaitGroup
}

// Wait returns when every stream has ended.
func (ss *Streams) Wait() { ss.wg.Wait() }

// Stream is an event stream (WHATWG HTML, section 9.2) to one browser or phone that
// waits. Its methods report whether the bytes could be sent; false: the other end
// has left. Not for concurrent use.
type Stream struct {
	deadline func(time.Time) error
	write    func([]byte) (int, error)
	flush    func() error
}

// Event sends an event; name and data are one line each.
func (s *Stream) Event(name, data string) bool {
	return s.send("event: " + name + "\ndata: " + data + "\n\n")
}

// Comment sends a comment, which browsers pass over: it keeps the connection open and
// shows whether the other end is there.
func (s *Stream) Comment() bool { return s.send(":\n\n") }

// Retry tells a browser how soon to come again when the stream has ended.
func (s *Stream) Retry(after time.Duration) bool {
	return s.send(fmt.Sprintf("retry: %d\n\n", after.Milliseconds()))
}

func (s *Stream) send(text string) bool {
	// A stream goes on beyond the server's write deadline; each piece has its own.
	if s.deadline(time.Now().Add(pieceTime)) != nil {
		return false
	}
	if _, err := s.write([]byte(text)); err != nil {
		return false
	}
	return s.flush() == nil
}

// Follow answers a request with an event stream and calls follow, once, to
// write it; ctx ends when the other end has left. Nothing of the request may be
// used in follow: over HTTP/1 the connection is taken out of the server and
// Follow returns at once, because what the server keeps for a request is
// several times what waiting needs. HTTP/2 streams are kept by the server.
//
//nolint:contextcheck // a stream outlives its request
func (ss *Streams) Follow(w http.ResponseWriter, r *http.Request, follow func(ctx context.Context, s *Stream)) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	// Counted while the server still knows of the request, and waits for it: Wait
	// may be called as soon as it does not.
	ss.wg.Add(1)
	defer ss.wg.Done()
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		gone, cancel := context.WithCancel(r.Context())
		cancel()
		follow(gone, &Stream{deadline: func(time.Time) error { return http.ErrBodyNotAllowed }})
		return
	}
	c := http.NewResponseController(w)
	conn, _, err := c.Hijack()
	if err != nil {
		follow(r.Context(), &Stream{deadline: c.SetWriteDeadline, write: w.Write, flush: c.Flush})
		return
	}
	id := From(r.Context()).ID
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	h.Set("Connection", "close") // which is also where the stream ends
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = h.Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	ctx, cancel := context.WithCancel(context.Background())
	ss.wg.Go(func() { // ends with the connection
		// Nothing more is to come: whatever does, the end above all, ends it.
		var b [1]byte
		_, _ = conn.Read(b[:])
		cancel()
	})
	ss.wg.Go(func() { // ends with follow
		defer conn.Close()
		defer cancel()
		defer ss.caught(id) //nolint:contextcheck // the request is over
		s := &Stream{deadline: conn.SetWriteDeadline, write: conn.Write, flush: func() error { return nil }}
		if s.send(head.String()) {
			head = bytes.Buffer{}
			follow(ctx, s)
			return
		}
		cancel()
		follow(ctx, s) // which has things of its own to end
	})
}

// caught logs a panic in the stream of a request with this id; the program goes on.
func (ss *Streams) caught(id string) {
	p := recover()
	if p == nil {
		return
	}
	log := ss.Log
	if log == nil {
		log = slog.Default()
	}
	log.LogAttrs(context.Background(), slog.LevelError, "panic in a stream",
		slog.String("id", id), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
}
