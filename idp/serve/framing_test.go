package serve

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp/file"
)

// lines writes requests as they go over the wire.
func lines(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

const smuggled = "GET /smuggled HTTP/1.1\nHost: x\n\n"

// ambiguous are requests that two servers can read in two ways, and what they
// would smuggle. {} is where the coding stands.
var ambiguous = map[string]string{
	"CL.TE":                       lines("POST / HTTP/1.1\nHost: x\nContent-Length: 6\nTransfer-Encoding: chunked\n\n0\n\nG"),
	"TE.CL":                       lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Length: 4\n\n") + "21\r\n" + lines(smuggled) + "\r\n0\r\n\r\n",
	"both, in any case":           lines("POST / HTTP/1.1\nHost: x\ntRANSFER-eNCODING: ChunKed\ncontent-LENGTH:3\n\n0\n\n" + smuggled),
	"both, and much between":      lines("POST / HTTP/1.1\nHost: x\nContent-Length: 5\nX: " + strings.Repeat("a", 5000) + "\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"both, nought":                lines("POST / HTTP/1.1\nHost: x\nContent-Length: 0\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"both, GET":                   lines("GET / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"two lengths":                 lines("POST / HTTP/1.1\nHost: x\nContent-Length: 0\nContent-Length: 33\n\n" + smuggled),
	"one length twice":            lines("POST / HTTP/1.1\nHost: x\nContent-Length: 2\nContent-Length: 2\n\nab" + smuggled),
	"two lengths in one line":     lines("POST / HTTP/1.1\nHost: x\nContent-Length: 2, 2\n\nab" + smuggled),
	"a signed length":             lines("POST / HTTP/1.1\nHost: x\nContent-Length: +2\n\nab" + smuggled),
	"a length in hexadecimal":     lines("POST / HTTP/1.1\nHost: x\nContent-Length: 0x2\n\nab" + smuggled),
	"a length after many blanks":  lines("POST / HTTP/1.1\nHost: x\nContent-Length:" + strings.Repeat(" ", 80) + "2\n\nab" + smuggled),
	"xchunked":                    lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: xchunked\n\n0\n\n" + smuggled),
	"xchunked and a length":       lines("POST / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: xchunked\n\n0\n\n" + smuggled),
	"chunked twice":               lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"chunked, and another":        lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n" + smuggled),
	"chunked, identity":           lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked, identity\n\n0\n\n" + smuggled),
	"identity and a length":       lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: identity\nContent-Length: 2\n\nab" + smuggled),
	"chunked in quotes":           lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: \"chunked\"\n\n0\n\n" + smuggled),
	"chunked after a tab, twice":  lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding:\t\tchunked\nContent-Length: 5\n\n0\n\n" + smuggled),
	"chunked in HTTP/1.0":         lines("POST / HTTP/1.0\nHost: x\nConnection: keep-alive\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"the same with a long path":   lines("POST /" + strings.Repeat("a", 300) + " HTTP/1.0\nHost: x\nConnection: keep-alive\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled),
	"in the next line":            lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding:\n chunked\n\n0\n\n" + smuggled),
	"in the next line, by a tab":  lines("POST / HTTP/1.1\nHost: x\nX: y\n\tTransfer-Encoding: chunked\n\n" + smuggled),
	"a blank before the colon":    lines("POST / HTTP/1.1\nHost: x\nTransfer-Encoding : chunked\n\n0\n\n" + smuggled),
	"the same and a length":       lines("POST / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding : chunked\n\n0\n\n" + smuggled),
	"a blank before the name":     lines("POST / HTTP/1.1\n Transfer-Encoding: chunked\nHost: x\n\n0\n\n" + smuggled),
	"bare line feeds":             "POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + smuggled,
	"a bare line feed in between": "POST / HTTP/1.1\r\nHost: x\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + lines(smuggled),
	"a bare line feed at the end": "POST / HTTP/1.1\r\nHost: x\r\n\n" + lines(smuggled),
	"a bare carriage return":      "POST / HTTP/1.1\r\nHost: x\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + lines(smuggled),
	"a NUL in the name":           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n" + lines(smuggled),
	"a vertical tab":              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + lines(smuggled),
}

// served notes which paths came to a handler.
type served struct {
	mu    sync.Mutex
	paths []string
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.paths = append(s.paths, r.URL.Path)
	s.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d", len(body))
}

func (s *served) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := s.paths
	s.paths = nil
	return paths
}

// over are the ways to reach a server: in the clear, and by HTTP/1.1 in TLS.
func over(t *testing.T, h http.Handler) map[string]func() (net.Conn, error) {
	t.Helper()
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	cert, err := LoadCertificate(certFile, keyFile, &file.Watcher{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	clear, _ := start(t, Config{Log: quiet}, h)
	covered, _ := start(t, Config{TLS: cert, Log: quiet}, h)
	return map[string]func() (net.Conn, error){
		"in the clear": func() (net.Conn, error) { return net.Dial("tcp", clear) },
		"TLS": func() (net.Conn, error) {
			return tls.Dial("tcp", covered, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		},
	}
}

// answers sends bytes in pieces of a size and returns the status lines that come
// back until the connection ends.
func answers(t *testing.T, c net.Conn, raw string, piece int) (lines []string, closed bool) {
	t.Helper()
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(8 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(raw) > 0 {
		n := min(piece, len(raw))
		if _, err := io.WriteString(c, raw[:n]); err != nil {
			break // refused meanwhile
		}
		raw = raw[n:]
	}
	all, err := io.ReadAll(c)
	closed = err == nil || !isTimeout(err)
	for line := range strings.SplitSeq(string(all), "\r\n") {
		if i := strings.LastIndex(line, "HTTP/1."); i >= 0 {
			lines = append(lines, line[i:])
		}
	}
	return lines, closed
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // of the connection itself
	return ok && timeout.Timeout()
}

// TestAmbiguousRequestsAreRefused: each is answered with an error, the connection
// is closed, and nothing that it smuggles comes to a handler.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	h := &served{}
	for way, dial := range over(t, h) {
		for why, raw := range ambiguous {
			for _, piece := range []int{1 << 20, 7} {
				if piece == 7 && len(raw) > 1000 {
					continue
				}
				c, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				got, closed := answers(t, c, raw, piece)
				if len(got) != 1 || !strings.Contains(got[0], " 400 ") && !strings.Contains(got[0], " 501 ") || !closed {
					t.Errorf("%s, %s, by %d: %q, closed %v", way, why, piece, got, closed)
				}
				if paths := h.take(); len(paths) > 0 {
					t.Errorf("%s, %s, by %d: %q came through", way, why, piece, paths)
				}
			}
		}
	}
}

// TestAmbiguousRequestsAfterGoodOnes on the same connection: what came before is
// answered, what comes after is not.
func TestAmbiguousRequestsAfterGoodOnes(t *testing.T) {
	h := &served{}
	good := map[string]string{
		"no body":       lines("GET /1 HTTP/1.1\nHost: x\n\n"),
		"a length":      lines("POST /1 HTTP/1.1\nHost: x\nContent-Length: 55\n\n") + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n0",
		"chunks":        lines("POST /1 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n19;x=y\nContent-Length: 5\nabc: d\n5\nabcde\n0\nTrailer: x\nContent-Length: 5\n\n"),
		"an empty line": lines("POST /1 HTTP/1.1\nHost: x\nContent-Length: 2\n\nab\n"),
		"a long path":   lines("GET /" + strings.Repeat("a", 3000) + " HTTP/1.1\nHost: x\n\n"),
	}
	for way, dial := range over(t, h) {
		for name, first := range good {
			for _, piece := range []int{1 << 20, 5, 1} {
				if piece < 5 && len(first) > 1000 {
					continue
				}
				c, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				// A pause, or the good one is cut off by what comes in the same breath.
				head := bufio.NewReader(c)
				for part := first; len(part) > 0; {
					n := min(piece, len(part))
					if _, err := io.WriteString(c, part[:n]); err != nil {
						t.Fatal(err)
					}
					part = part[n:]
				}
				res, err := http.ReadResponse(head, nil)
				if err != nil || res.StatusCode != 200 {
					h.take()
					t.Errorf("%s, %s: %v, %+v", way, name, err, res)
					c.Close()
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				got, closed := answers(t, c, ambiguous["CL.TE"], piece)
				if len(got) != 1 || !strings.Contains(got[0], " 400 ") || !closed {
					t.Errorf("%s, after %s, by %d: %q, closed %v", way, name, piece, got, closed)
				}
				if paths := h.take(); len(paths) != 1 {
					t.Errorf("%s, after %s: %.100q", way, name, paths)
				}
			}
		}
	}
}

// TestGoodRequestsComeThrough, many on one connection, in pieces of any size.
func TestGoodRequestsComeThrough(t *testing.T) {
	h := &served{}
	raw := lines("GET /a HTTP/1.1\nHost: x\n\n"+
		"POST /b HTTP/1.1\nHost: x\nContent-Length: 10\n\n") + "0123\r\n\r\n89" + lines(
		"POST /c HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\nabcde\n10\n0123456789abcdef\n0\nX: y\n\n"+
			"POST /d HTTP/1.1\nHost: x\nContent-Length: 0\n\n"+
			"POST /e HTTP/1.1\nHost: x\nX-Content-Length: 5\nContent-Lengths: 6\nTransfer-Encoding: chunked\n\n0\n\n"+
			"GET /f HTTP/1.1\nHost: x\nConnection: close\n\n")
	for way, dial := range over(t, h) {
		for _, piece := range []int{1, 2, 3, 17, 64, 1 << 20} {
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := answers(t, c, raw, piece)
			if len(got) != 6 || strings.Count(strings.Join(got, " "), " 200 OK") != 6 {
				t.Errorf("%s, by %d: %q", way, piece, got)
			}
			if paths := strings.Join(h.take(), " "); paths != "/a /b /c /d /e /f" {
				t.Errorf("%s, by %d: %s", way, piece, paths)
			}
		}
	}
}

// TestHTTP2GoesOnOverTLS, and a request in the clear at a TLS port is told so.
func TestHTTP2GoesOnOverTLS(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	cert, err := LoadCertificate(certFile, keyFile, &file.Watcher{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, Config{TLS: cert, Log: quiet}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	for want, protocols := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		web := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: protocols,
		}}
		res, err := web.Get("https://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != want {
			t.Errorf("%s, want %s", body, want)
		}
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := answers(t, c, lines("GET / HTTP/1.1\nHost: x\n\n"), 1<<20); len(got) != 1 || !strings.Contains(got[0], " 400 ") {
		t.Errorf("in the clear: %q", got)
	}
}

// FuzzFraming: what is read in pieces is read as it is at once.
func FuzzFraming(f *testing.F) {
	for _, raw := range ambiguous {
		f.Add([]byte(raw), 7)
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece int) {
		piece = max(1, min(piece, 100))
		var once, twice framing
		good := once.scan(bytes.Clone(raw))
		n := 0
		for n < len(raw) {
			part := raw[n:min(n+piece, len(raw))]
			g := twice.scan(part)
			n += g
			if g < len(part) {
				break
			}
		}
		// In pieces a line that is refused may have gone out in part before.
		if n < good || (good == len(raw)) != (n == len(raw)) || once.why != twice.why {
			t.Fatalf("%q by %d: %d and %d of %d, %q and %q", raw, piece, good, n, len(raw), once.why, twice.why)
		}
	})
}
