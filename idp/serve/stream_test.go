package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp/serve"
)

// lines is a log that several write to.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A stream over HTTP/1, where it has the connection to itself, and over HTTP/2,
// where it has not: the same events, the same end.
func TestStream(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			log := &lines{}
			streams := &serve.Streams{Log: slog.New(slog.NewTextHandler(log, nil))}
			more, ended := make(chan string), make(chan struct{}, 10)
			h := serve.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				streams.Follow(w, r, func(ctx context.Context, s *serve.Stream) {
					defer func() { ended <- struct{}{} }()
					if !s.Retry(time.Second) || !s.Comment() {
						return
					}
					for {
						select {
						case data := <-more:
							switch data {
							case "panic":
								panic("as the test wants it")
							case "over":
								return
							}
							s.Event("state", data)
						case <-ctx.Done():
							return
						}
					}
				})
			}), serve.Config{HTTPS: true, Log: slog.New(slog.DiscardHandler)})
			srv := httptest.NewUnstartedServer(h)
			srv.EnableHTTP2 = http2
			if http2 {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()

			listen := func() (*http.Response, *bufio.Reader, context.CancelFunc) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := srv.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				return res, bufio.NewReader(res.Body), cancel
			}
			reads := func(r *bufio.Reader, want string) {
				t.Helper()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
					t.Fatalf("read %q, %v, want %q", got, err, want)
				}
			}
			res, r, cancel := listen()
			if res.Proto != name || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" ||
				res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Strict-Transport-Security") == "" || res.Header.Get("X-Request-Id") == "" || res.Header.Get("Date") == "" {
				t.Errorf("%s %s, headers %v", res.Proto, res.Status, res.Header)
			}
			reads(r, "retry: 1000\n\n:\n\n")
			more <- "one"
			reads(r, "event: state\ndata: one\n\n")
			more <- "two"
			reads(r, "event: state\ndata: two\n\n")
			cancel() // the reader leaves
			<-ended

			_, r, cancel = listen()
			reads(r, "retry: 1000\n\n:\n\n")
			more <- "over" // we leave
			<-ended
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("after the end: %q, %v", rest, err)
			}
			cancel()

			_, r, cancel = listen()
			reads(r, "retry: 1000\n\n:\n\n")
			more <- "panic"
			<-ended
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("after a panic: %q", rest)
			}
			cancel()

			res, err := srv.Client().Head(srv.URL)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("HEAD: %v, %v", res, err)
			}
			res.Body.Close()
			<-ended
			streams.Wait()
			if said := log.String(); !http2 && !strings.Contains(said, "as the test wants it") {
				t.Errorf("the log says %q", said)
			}
		})
	}
}
