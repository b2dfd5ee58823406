package serve

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Half of an answer is never taken for all of it, and what fails before the first
// byte is an answer of the door's.
func TestDownload(t *testing.T) {
	broken := errors.New("no database")
	for name, c := range map[string]struct {
		sent string
		err  error
	}{"whole": {"a,b\r\n", nil}, "nothing sent": {"", broken}, "half sent": {"a,b\r\n", broken}} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/list.csv", nil)
			var panicked any
			err := func() error {
				defer func() { panicked = recover() }()
				return Download(w, r, slog.New(slog.NewTextHandler(&log, nil)), func(out io.Writer) error {
					if c.sent != "" {
						if _, err := io.WriteString(out, c.sent); err != nil {
							return err
						}
					}
					return c.err
				})
			}()
			if w.Body.String() != c.sent {
				t.Errorf("sent %q", w.Body)
			}
			switch half := c.err != nil && c.sent != ""; {
			case half && (panicked != http.ErrAbortHandler || !strings.Contains(log.String(), "no database")): //nolint:errorlint // the very value
				t.Errorf("panicked with %v, logged %q", panicked, &log)
			case !half && (panicked != nil || !errors.Is(err, c.err) || log.Len() > 0):
				t.Errorf("%v, panicked with %v, logged %q", err, panicked, &log)
			}
		})
	}
}

// A client that saw no byte asks again by itself (net/http does on a connection
// that was used before): one download is one question.
func TestDownloadIsAskedForOnce(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/list.csv" {
			return
		}
		asked.Add(1)
		_ = Download(w, r, slog.New(slog.DiscardHandler), func(out io.Writer) error {
			_, _ = io.WriteString(out, "a,b\r\n")
			return errors.New("no database")
		})
	}))
	defer srv.Close()
	for _, path := range []string{"/", "/list.csv"} {
		r, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(path, err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if path == "/list.csv" && (string(b) != "a,b\r\n" || !errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Errorf("read %q, %v", b, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
