package serve_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hilum/idp/serve"
)

// inner answers as a door does that knows nothing of a path.
func inner(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/page":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, `<a class="x" href="/account">A</a><a href="/">B</a><a href="//evil.example/">C</a><a href="https://a.example/">D</a>`+"\n"+
			`<form method="post" action="/login/1/code"><input value="/account" title="/x"></form><img src="/static/a/b.svg" alt="">`+"\n")
		io.WriteString(w, `<p data-live="/login/1" data-look="/login/1" data-logo="/pictures/1">text &#34;href=&#34;/no&#34; href=/no</p><a href="account" data-href="/no">E</a><a href="#x">F</a>`)
	case "/go":
		http.Redirect(w, r, "/account?a=/b", http.StatusSeeOther)
	case "/away":
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	case "/json":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"href":"/json"}`)
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: one\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		<-r.Context().Done()
	default:
		http.Error(w, "known as "+r.URL.Path+" "+r.URL.RawPath, http.StatusNotFound)
	}
}

func TestBeneath(t *testing.T) {
	root := map[string]string{"/.well-known/oauth-authorization-server/a/login": "/.well-known/oauth-authorization-server", "/readyz": "/readyz"}
	srv := httptest.NewServer(serve.Beneath("/a/login", root, http.HandlerFunc(inner)))
	defer srv.Close()
	web := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := web.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}

	// Which address a door knows a request by.
	for outside, inside := range map[string]string{
		"/a/login":              "/ ",
		"/a/login/":             "/ ",
		"/a/login/invite/x":     "/invite/x ",
		"/a/login/x%2Fy":        "/x/y /x%2Fy",
		"/a/login/a/login":      "/a/login ",
		"/a/%6Cogin/x%2Fy":      "/-/outside ",
		"/a/loginx":             "/-/outside ",
		"/a/LOGIN/x":            "/-/outside ",
		"/a":                    "/-/outside ",
		"/":                     "/-/outside ",
		"/account":              "/-/outside ",
		"/readyz":               "/readyz ",
		"/readyz/":              "/-/outside ",
		"/a/login/readyz":       "/readyz ",
		"/a/login/.well-known/": "/.well-known/ ",
		"/.well-known/oauth-authorization-server/a/login": "/.well-known/oauth-authorization-server ",
		"/.well-known/oauth-authorization-server":         "/-/outside ",
	} {
		if _, got := ask(outside); got != "known as "+inside+"\n" {
			t.Errorf("%s is %q", outside, got)
		}
	}

	// Addresses of pages, and nothing else of them.
	res, got := ask("/a/login/page")
	want := `<a class="x" href="/a/login/account">A</a><a href="/a/login/">B</a><a href="//evil.example/">C</a><a href="https://a.example/">D</a>` + "\n" +
		`<form method="post" action="/a/login/login/1/code"><input value="/account" title="/x"></form><img src="/a/login/static/a/b.svg" alt="">` + "\n" +
		`<p data-live="/a/login/login/1" data-look="/a/login/login/1" data-logo="/a/login/pictures/1">text &#34;href=&#34;/no&#34; href=/no</p><a href="account" data-href="/no">E</a><a href="#x">F</a>`
	if got != want || res.StatusCode != http.StatusTeapot || res.Header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("%d %v\n%s", res.StatusCode, res.Header, got)
	}
	if _, got = ask("/a/login/json"); got != `{"href":"/json"}` {
		t.Errorf("JSON is %s", got)
	}
	if res, got = ask("/a/login/go"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/a/login/account?a=/b" || !strings.Contains(got, `<a href="/a/login/account?a=/b">`) {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, got)
	}
	for _, to := range []string{"https://viewer.example/callback?iss=/x", "//evil.example/", ""} {
		if res, _ = ask("/a/login/away?to=" + to); res.Header.Get("Location") != to {
			t.Errorf("%q leads to %q", to, res.Header.Get("Location"))
		}
	}

	// A stream is not held, and a HEAD of a page says how long it is.
	stream, err := web.Get(srv.URL + "/a/login/stream")
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("data: one\n\n"))
	if _, err := io.ReadFull(stream.Body, line); err != nil || string(line) != "data: one\n\n" {
		t.Errorf("the stream says %q, %v", line, err)
	}
	stream.Body.Close()
	head, err := web.Head(srv.URL + "/a/login/page")
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.ContentLength != int64(len(want)) {
		t.Errorf("a HEAD says %d bytes", head.ContentLength)
	}
}

// Without a path nothing stands in between.
func TestBeneathNothing(t *testing.T) {
	next := http.NewServeMux()
	if got := serve.Beneath("", nil, next); got != http.Handler(next) {
		t.Errorf("%T stands before it", got)
	}
}
