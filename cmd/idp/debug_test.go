package main

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Profiles are for this machine alone, also when a name of another site leads here.
func TestDebugListener(t *testing.T) {
	port, release, err := ports.Hold(2)
	if err != nil {
		t.Fatal(err)
	}
	release()
	address := "127.0.0.1:" + strconv.Itoa(port)
	stop, err := startDebug(t.Context(), address, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, host, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		code, _, text := answered(t, r)
		return code, text
	}
	for _, c := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", address, "/debug/pprof/heap?debug=1", 200},
		{"GET", "localhost:6060", "/debug/pprof/", 200},
		{"GET", "[::1]:6060", "/debug/pprof/goroutine?debug=1", 200},
		{"GET", "evil.example:6060", "/debug/pprof/heap", 403},
		{"GET", "evil.example", "/debug/pprof/heap", 403},
		{"GET", "10.0.0.1:6060", "/debug/pprof/heap", 403},
		{"POST", address, "/debug/pprof/heap", 405},
		{"GET", address, "/healthz", 404},
	} {
		if code, body := ask(c.method, c.host, c.path); code != c.want {
			t.Errorf("%s %s for %s: %d %.80s", c.method, c.path, c.host, code, body)
		}
	}
	if _, body := ask("GET", address, "/debug/pprof/heap?debug=1"); !strings.Contains(body, "heap profile") {
		t.Errorf("%.80s", body)
	}
	stop()
	if res, err := http.Get("http://" + address + "/debug/pprof/"); err == nil {
		res.Body.Close()
		t.Error("it goes on after its end")
	}
	if stop, err := startDebug(t.Context(), "", nil); err != nil {
		t.Error(err)
	} else {
		stop()
	}
}
