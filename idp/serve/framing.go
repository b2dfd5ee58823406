package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Where two servers in a row disagree about where a request ends, what is the
// body of one to the first is a request of its own to the second, with whoever's
// credentials come along (RFC 9112, section 11.2). net/http takes some requests
// that can be read in two ways, and hides from handlers what it has dropped. So
// each HTTP/1 connection is read along here, and a request that says its length
// in more than one way never comes to its end: net/http answers 400 and closes.
//
// Refused are Content-Length beside Transfer-Encoding, either of them twice,
// Transfer-Encoding in HTTP/1.0, lines that go on in the next one, and lines that
// end without a carriage return (sections 2.2, 5.2, 6.1 and 6.3). What net/http
// refuses by itself is left to it. HTTP/2 has lengths of its own (RFC 9113,
// section 8.1) and is not read.

// framed is a connection whose requests end where they say, in one way.
type framed struct {
	net.Conn
	read framing
	log  *slog.Logger
	dead atomic.Bool // a request was refused: nothing more is read
}

func (c *framed) Read(p []byte) (int, error) {
	if c.dead.Load() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	good := c.read.scan(p[:n])
	if good == n {
		return n, err
	}
	// Nothing from here on is read. What comes before is answered first.
	c.dead.Store(true)
	c.log.Info("a request that can be read in two ways was refused", "address", c.RemoteAddr().String(), "why", c.read.why)
	if good == 0 {
		return 0, io.EOF
	}
	return good, nil
}

// How much is read, and for how long, after a request was refused. A connection that
// is closed with bytes unread is reset, and the answer may be lost with it (RFC 9112,
// section 9.6).
const (
	lingerBytes = 64 << 10
	lingerFor   = 250 * time.Millisecond
)

func (c *framed) Close() error {
	if c.dead.Load() {
		_ = c.CloseWrite() // if it cannot, closing says so
		if c.SetReadDeadline(time.Now().Add(lingerFor)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// CloseWrite ends the answer while the rest of the request may still come, as
// net/http does before it closes.
func (c *framed) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// framing follows the requests of one connection.
type framing struct {
	at   part
	line [64]byte // how the line begins that is being read; longer ones need not be known
	tail [10]byte // how it ends
	n    int      // bytes of the line so far, those beyond line too
	why  string   // what was wrong

	// Of the head that is being read.
	started          bool // its first line is there
	old              bool // HTTP/1.0
	lengths, codings int  // lines that say its length
	length           int64

	left     int64 // bytes of the body or chunk that are to come
	trailing bool  // the line break after a chunk is to come
}

// part is the part of a request that is read next.
type part int

const (
	inHead part = iota
	inBody
	inChunkSize
	inChunk
	inTrailer
)

// scan reads on and returns how many bytes may be handed on: all, or those before
// the end of the line that makes a request ambiguous. Without that end and what
// follows the request is never whole.
func (f *framing) scan(p []byte) int {
	for i := 0; i < len(p); {
		if f.at == inBody || f.at == inChunk {
			skip := min(f.left, int64(len(p)-i))
			f.left -= skip
			i += int(skip)
			if f.left == 0 {
				f.bodyEnds()
			}
			continue
		}
		rest := p[i:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			f.add(rest)
			return len(p)
		}
		f.add(rest[:end])
		if !f.lineEnds() {
			return i + end
		}
		f.n = 0
		i += end + 1
	}
	return len(p)
}

// add takes more of the line.
func (f *framing) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if f.n < len(f.line) {
		copy(f.line[f.n:], b)
	}
	f.n += len(b)
	if kept := len(f.tail) - len(b); kept > 0 {
		copy(f.tail[:], f.tail[len(b):])
		copy(f.tail[kept:], b)
	} else {
		copy(f.tail[:], b[-kept:])
	}
}

// bodyEnds goes on after counted bytes.
func (f *framing) bodyEnds() {
	if f.at == inChunk {
		f.at = inChunkSize
		f.trailing = true // the line break after it comes first
		return
	}
	f.begin()
}

// begin expects a new request.
func (f *framing) begin() { *f = framing{} }

// lineEnds looks at a line that has come to its line feed; false: the request is
// refused.
func (f *framing) lineEnds() bool {
	if f.n == 0 || f.tail[len(f.tail)-1] != '\r' {
		return f.refuse("a line without a carriage return")
	}
	line := f.line[:min(f.n-1, len(f.line))] // without it
	whole := f.n-1 <= len(f.line)
	switch f.at {
	case inHead:
		return f.headLine(line, whole)
	case inChunkSize:
		return f.chunkLine(line, whole)
	case inTrailer:
		if len(line) == 0 {
			f.begin()
		}
	case inBody, inChunk: // are counted, and have no lines
	}
	return true
}

// refuse notes why the request is refused, and returns false.
func (f *framing) refuse(why string) bool {
	f.why = why
	return false
}

// headLine looks at a line of a head.
func (f *framing) headLine(line []byte, whole bool) bool {
	switch {
	case len(line) == 0 && !f.started:
		return true // between two requests (RFC 9112, section 2.2)
	case len(line) == 0:
		return f.headEnds()
	case !f.started:
		f.started = true
		f.old = string(f.tail[:]) == " HTTP/1.0\r"
		return true
	case line[0] == ' ' || line[0] == '\t':
		return f.refuse("a line that goes on in the next one")
	}
	name, value, ok := strings.Cut(string(line), ":")
	if !ok {
		return true // net/http has a look at it
	}
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "content-length":
		f.lengths++
		f.length = decimal(strings.TrimSpace(value))
	case "transfer-encoding":
		f.codings++
	default:
		return true
	}
	switch {
	case !whole:
		return f.refuse("a length that cannot be read")
	case f.lengths > 0 && f.codings > 0:
		return f.refuse("Content-Length and Transfer-Encoding")
	case f.lengths > 1:
		return f.refuse("Content-Length twice")
	case f.codings > 1:
		return f.refuse("Transfer-Encoding twice")
	case f.codings > 0 && f.old:
		return f.refuse("Transfer-Encoding in HTTP/1.0")
	}
	return true
}

// headEnds expects the body that the head has announced.
func (f *framing) headEnds() bool {
	switch {
	case f.codings > 0:
		f.at = inChunkSize
	case f.length > 0:
		f.at, f.left = inBody, f.length
	default:
		f.begin()
	}
	return true
}

// chunkLine looks at the line before a chunk, or at the break after one (RFC
// 9112, section 7.1).
func (f *framing) chunkLine(line []byte, whole bool) bool {
	if f.trailing {
		f.trailing = false
		if len(line) > 0 {
			return f.refuse("a chunk longer than it says")
		}
		return true
	}
	size, _, extended := strings.Cut(string(line), ";")
	if !whole && !extended {
		return f.refuse("a chunk of unknown length")
	}
	n, ok := hexadecimal(strings.TrimRight(size, " \t"))
	if !ok {
		return f.refuse("a chunk of unknown length")
	}
	if f.at, f.left = inChunk, n; n == 0 {
		f.at = inTrailer
	}
	return true
}

// decimal is the length that a Content-Length says, in bytes; 0 for what is no
// number: net/http refuses that.
func decimal(s string) (n int64) {
	if len(s) == 0 || len(s) > 18 {
		return 0
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// hexadecimal is the size of a chunk, in bytes.
func hexadecimal(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 15 {
		return 0, false
	}
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// plain is a listener without TLS, whose connections are framed.
type plain struct {
	net.Listener
	log *slog.Logger
}

func (l plain) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framed{Conn: c, log: l.log}, nil
}

// secure is a listener with TLS, whose connections are framed where they carry
// HTTP/1. net/http recognizes HTTP/2 by the type of the connection, so the handshake
// comes first here, and an HTTP/2 connection is handed on as it is.
type secure struct {
	net.Listener
	conf   *tls.Config
	log    *slog.Logger
	ready  chan net.Conn
	failed chan error
	ended  chan struct{}
	end    sync.Once
}

// overTLS returns a listener that shakes hands. Its goroutine ends when the
// listener is closed or fails for good.
func overTLS(l net.Listener, conf *tls.Config, log *slog.Logger) *secure {
	s := &secure{Listener: l, conf: conf, log: log, ready: make(chan net.Conn), failed: make(chan error), ended: make(chan struct{})}
	go s.run()
	return s
}

// run accepts connections until the listener is closed or fails for good.
func (s *secure) run() {
	for {
		c, err := s.Listener.Accept()
		if err == nil {
			go s.shake(c) // ends with the handshake, its deadline, or the listener
			continue
		}
		select {
		case s.failed <- err:
		case <-s.ended:
			return
		}
		if temporary, ok := errors.AsType[net.Error](err); !ok || !temporary.Temporary() { //nolint:staticcheck // net/http asks the same
			return
		}
	}
}

// shake makes the TLS handshake of one connection, and hands it to Accept. Whoever
// speaks HTTP without TLS is told so.
func (s *secure) shake(c net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), readHeaderTimeout)
	defer cancel()
	t := tls.Server(c, s.conf)
	if err := t.HandshakeContext(ctx); err != nil {
		if clear, ok := errors.AsType[tls.RecordHeaderError](err); ok && clear.Conn != nil && looksLikeHTTP(clear.RecordHeader) {
			_, _ = io.WriteString(clear.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis is an https address.\n") // they may be gone
		}
		s.log.Debug("TLS handshake failed", "address", c.RemoteAddr().String(), "error", err)
		_ = c.Close()
		return
	}
	var ready net.Conn = t
	if t.ConnectionState().NegotiatedProtocol != "h2" {
		ready = &framed{Conn: t, log: s.log}
	}
	select {
	case s.ready <- ready:
	case <-s.ended:
		_ = c.Close()
	}
}

// looksLikeHTTP reports whether a TLS record begins as a request in the clear.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

func (s *secure) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case err := <-s.failed:
		return nil, err
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *secure) Close() error {
	s.end.Do(func() { close(s.ended) })
	return s.Listener.Close()
}
