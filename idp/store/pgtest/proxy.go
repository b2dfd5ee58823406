package pgtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Moment is when a connection is cut, as seen from its COMMIT. At all but After the client
// sees the same: its connection has ended, and there was no answer.
type Moment int

const (
	// Before: the server gets everything up to the COMMIT, and not the COMMIT. It undoes
	// the transaction.
	Before Moment = iota + 1
	// Sent: the server gets the COMMIT and the connection is cut at once, whether or not
	// the server is done. Mostly it commits, soon.
	Sent
	// At: the server has carried out the COMMIT, and its answer does not get through. Nor
	// do the answers to what came in one batch with it, as PostgreSQL sends them together.
	At
	// After: the client has the answer, and its connection is cut before it uses it again.
	After
)

// Proxy stands between clients and a PostgreSQL on loopback: it delays what passes, cuts
// connections, and cuts one at a chosen moment of a COMMIT. It reads protocol 3 and talks
// without TLS to both sides: whoever asks for it is told that there is none. Both sides see
// a connection end that is cut, so that the server undoes what was not committed as soon as
// it looks. A cancellation of a connection that was cut goes nowhere: pgx sends one for
// every connection that breaks, and it would undo a COMMIT that is on its way as often as
// not. Safe for concurrent use.
type Proxy struct {
	to       string // host and port of the server
	url      url.URL
	listener net.Listener
	all      sync.WaitGroup

	mu      sync.Mutex
	links   map[*link]bool
	dead    map[string]bool // keys for the cancellation of connections that were cut
	delay   time.Duration
	moment  Moment
	which   func(commit int) bool
	also    func(sql string) bool
	away    bool
	closed  bool
	commits int
	cuts    int
}

// NewProxy starts a proxy before the server of a database, whose URL is given; it ends
// with the test.
func NewProxy(tb testing.TB, database string) *Proxy {
	tb.Helper()
	u, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{to: u.Host, url: *u, links: map[*link]bool{}, dead: map[string]bool{}}
	if u.Port() == "" {
		p.to = net.JoinHostPort(u.Hostname(), "5432")
	}
	if p.listener, err = new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	p.url.Host = p.listener.Addr().String()
	p.all.Go(p.accept) // ends when the listener is closed
	tb.Cleanup(p.close)
	return p
}

// URL is that of the database through the proxy.
func (p *Proxy) URL() string { return p.url.String() }

// Delay has everything that comes in from now on pass each way so much later, in the order
// in which it came: a round trip takes at least twice as long. 0 is no delay.
func (p *Proxy) Delay(each time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = each
}

// Cut cuts the connections of those commits at the moment for which which is true. It is
// told the number of the commit, from 1 since the proxy began, as [Proxy.Commits] counts,
// and may not call the proxy. It replaces what was asked for before; nil cuts none.
func (p *Proxy) Cut(at Moment, which func(commit int) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moment, p.which = at, which
}

// CutNext cuts the connection of the next commit at the moment, and of no other.
func (p *Proxy) CutNext(at Moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.commits + 1
	p.moment, p.which = at, func(commit int) bool { return commit == next }
}

// Also counts and cuts messages besides COMMIT whose SQL text it says yes to: a statement
// that stands outside a transaction is one by itself, and is committed by the end of its
// batch.
func (p *Proxy) Also(is func(sql string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.also = is
}

// CutAll cuts every connection, in whatever state it is, and returns how many there were.
func (p *Proxy) CutAll() (n int) {
	p.mu.Lock()
	all := slices.Collect(maps.Keys(p.links))
	p.mu.Unlock()
	for _, l := range all {
		if l.cut() {
			n++
		}
	}
	return n
}

// Away has new connections end at once, as those to a machine whose server is down, until
// it is called with false. Those that are there stay.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// Commits is how many messages with a COMMIT came in, cut off or not.
func (p *Proxy) Commits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commits
}

// Cuts is how many connections were cut, at a COMMIT or by CutAll.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.all.Go(func() { p.serve(client) }) // ends with either side, or with close
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	refuse := p.away || p.closed
	p.mu.Unlock()
	if refuse {
		return
	}
	server, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	l := &link{
		proxy: p, client: client, server: server,
		toServer: make(chan piece, 1024), toClient: make(chan piece, 1024), gone: make(chan struct{}),
		prepared: map[string]bool{}, portals: map[string]bool{}, ready: -1,
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.links[l] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()

	var pumps sync.WaitGroup
	pumps.Go(func() { l.pass(l.toServer, server) })
	pumps.Go(func() { l.pass(l.toClient, client) })
	pumps.Go(l.fromClient)
	pumps.Go(l.fromServer)
	pumps.Wait()
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.client.Close()
		l.server.Close()
	}
	p.mu.Unlock()
	p.listener.Close()
	p.all.Wait()
}

// committing counts a commit and says at which moment its connection is to be cut, 0 for
// never.
func (p *Proxy) committing() Moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits++
	if p.which != nil && p.which(p.commits) {
		return p.moment
	}
	return 0
}

// counts tells whether a text is that of a commit, as far as this proxy is asked.
func (p *Proxy) counts(sql string) bool {
	p.mu.Lock()
	also := p.also
	p.mu.Unlock()
	return commits(sql) || also != nil && also(sql)
}

// link is one client's connection and the one to the server that belongs to it.
type link struct {
	proxy              *Proxy
	client, server     net.Conn
	toServer, toClient chan piece
	once               sync.Once
	gone               chan struct{} // closed by the cut

	// Of the client's messages: which prepared statements and portals have a commit.
	prepared, portals map[string]bool
	sent              bool // a commit is to be cut at Sent, and waits for the end of its batch

	key string // for its cancellation (BackendKeyData); guarded by the proxy

	mu     sync.Mutex
	moment Moment // Sent, At or After, once such a commit has come in
	batch  int    // of that commit
	asked  int    // batches that the client has ended, by Sync or a simple query
	ready  int    // batches that the server has ended, by ReadyForQuery; -1: not yet signed in
}

// piece is what passes as one. A zero one, without data and cuts, is the end.
type piece struct {
	data          []byte
	due           time.Time
	before, after bool // the connection is cut before it passes, or once it has
}

// cut ends the connection for the client at once, and for the server after what has
// passed already. It reports whether it did: a connection is cut once.
func (l *link) cut() (did bool) {
	l.once.Do(func() {
		did = true
		l.proxy.mu.Lock()
		l.proxy.cuts++
		l.proxy.dead[l.key] = true
		l.proxy.mu.Unlock()
		close(l.gone)
		l.client.Close()
		half(l.server)
	})
	return did
}

// half ends what is sent, and goes on receiving: to close a connection where something
// waits to be read would take back what was sent last.
func half(c net.Conn) {
	if c, ok := c.(*net.TCPConn); ok {
		c.CloseWrite() //nolint:errcheck // the other side may have ended it
	}
}

func (l *link) put(to chan<- piece, p piece) {
	l.proxy.mu.Lock()
	p.due = time.Now().Add(l.proxy.delay)
	l.proxy.mu.Unlock()
	select {
	case to <- p:
	case <-l.gone:
	}
}

// pass writes what is put into a line when it is due, and ends the connection's direction
// at its end.
func (l *link) pass(line <-chan piece, to net.Conn) {
	defer half(to)
	out := bufio.NewWriter(to)
	for {
		var p piece
		select {
		case p = <-line:
		default:
			if out.Flush() != nil {
				l.drain(line)
				return
			}
			select {
			case p = <-line:
			case <-l.gone:
				return
			}
		}
		if wait := time.Until(p.due); wait > 0 {
			if out.Flush() != nil {
				if p.data != nil || p.before { // else it was the end
					l.drain(line)
				}
				return
			}
			select {
			case <-time.After(wait):
			case <-l.gone:
				return
			}
		}
		if p.before || p.after {
			if p.after {
				out.Write(p.data) //nolint:errcheck // by Flush
			}
			out.Flush()
			l.cut()
			return
		}
		if p.data == nil {
			out.Flush()
			return
		}
		out.Write(p.data) //nolint:errcheck // by Flush
	}
}

// drain takes what is put into a line whose connection has ended, so that whoever puts it
// comes to its end, too.
func (l *link) drain(line <-chan piece) {
	for {
		select {
		case p := <-line:
			if p.data == nil {
				return
			}
		case <-l.gone:
			return
		}
	}
}

// What a client may begin with instead of a message (PostgreSQL, Message Formats).
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

var errLength = errors.New("a message of protocol 3 has a length of 4 to 1 GiB")

// message reads what begins with so many bytes and then its length, which counts itself.
func message(in io.Reader, before int) ([]byte, error) {
	head := make([]byte, before+4)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[before:])
	if n < 4 || n > 1<<30 {
		return nil, fmt.Errorf("%w, not %d", errLength, n)
	}
	m := make([]byte, uint32(before)+n) //nolint:gosec // before is 0 or 1
	copy(m, head)
	_, err := io.ReadFull(in, m[len(head):])
	return m, err
}

func (l *link) fromClient() {
	defer l.put(l.toServer, piece{})
	in := bufio.NewReader(l.client)
	for begun := false; !begun; {
		m, err := message(in, 0)
		if err != nil || len(m) < 8 {
			return
		}
		switch binary.BigEndian.Uint32(m[4:]) {
		case sslRequest, gssRequest:
			l.put(l.toClient, piece{data: []byte{'N'}})
			continue
		case cancelRequest:
			if !l.proxy.isDead(string(m[8:])) {
				l.put(l.toServer, piece{data: m})
			}
			return
		}
		l.put(l.toServer, piece{data: m})
		begun = true
	}
	for {
		m, err := message(in, 1)
		if err != nil {
			return
		}
		p, err := l.asks(m)
		if err != nil {
			return
		}
		l.put(l.toServer, p)
	}
}

// asks looks at a message of the client.
func (l *link) asks(m []byte) (piece, error) {
	p := piece{data: m}
	commit, ends := false, false // the batch, which is what ReadyForQuery answers
	switch body := m[5:]; m[0] {
	case 'Q':
		var q pgproto3.Query
		if err := q.Decode(body); err != nil {
			return p, err
		}
		commit, ends = l.proxy.counts(q.String), true
	case 'P':
		var q pgproto3.Parse
		if err := q.Decode(body); err != nil {
			return p, err
		}
		l.prepared[q.Name] = l.proxy.counts(q.Query)
	case 'B':
		var q pgproto3.Bind
		if err := q.Decode(body); err != nil {
			return p, err
		}
		l.portals[q.DestinationPortal] = l.prepared[q.PreparedStatement]
	case 'E':
		var q pgproto3.Execute
		if err := q.Decode(body); err != nil {
			return p, err
		}
		commit = l.portals[q.Portal]
	case 'S':
		ends = true
		p.after = l.sent
	case 'H': // Flush
		p.after = l.sent
	case 'F': // a call of a function, as old clients send it
		ends = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if commit && !l.sent && l.moment == 0 {
		switch moment := l.proxy.committing(); moment {
		case Before:
			p.before = true
		case Sent:
			p.after, l.sent = ends, true
			l.moment, l.batch = moment, l.asked
		case At, After:
			l.moment, l.batch = moment, l.asked
		}
	} else if commit {
		l.proxy.committing()
	}
	if ends {
		l.asked++
	}
	return p, nil
}

func (l *link) fromServer() {
	defer l.put(l.toClient, piece{})
	in := bufio.NewReader(l.server)
	for {
		m, err := message(in, 1)
		if err != nil {
			return
		}
		if p, ok := l.answers(m); ok {
			l.put(l.toClient, p) // once the connection was cut it goes nowhere
		}
	}
}

func (p *Proxy) isDead(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead[key]
}

// answers looks at a message of the server, and says whether it is to pass.
func (l *link) answers(m []byte) (piece, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	here := l.moment != 0 && l.ready == l.batch
	switch m[0] {
	case 'K':
		l.proxy.mu.Lock()
		l.key = string(m[5:])
		l.proxy.mu.Unlock()
	case 'Z':
		l.ready++
	}
	switch {
	case here && l.moment == Sent: // the server may be done before the connection is cut
		return piece{}, false
	case here && l.moment == At:
		return piece{before: true}, m[0] == 'Z' || m[0] == 'E' || m[0] == 'C' && transaction(m[5:])
	case here && m[0] == 'Z':
		return piece{data: m, after: true}, true
	}
	return piece{data: m}, true
}

// transaction tells whether a command that was completed is the end of a transaction.
func transaction(body []byte) bool {
	var c pgproto3.CommandComplete
	if c.Decode(body) != nil {
		return false
	}
	tag := string(c.CommandTag)
	return tag == "COMMIT" || tag == "ROLLBACK"
}
