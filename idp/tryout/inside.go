package tryout

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// inside is a http.RoundTripper that carries requests to a handler in this process.
type inside struct{ handler http.Handler }

// maxAnswer bounds what is read of one answer, in bytes; nothing here comes near it.
const maxAnswer = 1 << 20

// RoundTrip lets the handler answer as if the request had come in from this
// machine. Errors: errBroken when the handler aborts its answer.
func (t inside) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "127.0.0.1:0"
	in.URL.Scheme, in.URL.Host = "", "" // as a server sees it
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	w := &kept{head: http.Header{}}
	if err := w.serve(t.handler, in); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.head, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// kept is a http.ResponseWriter that keeps the answer in memory.
type kept struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

var errBroken = errors.New("the answer broke off")

func (w *kept) serve(h http.Handler, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // net/http compares the value itself
				panic(p)
			}
			err = errBroken
		}
	}()
	h.ServeHTTP(w, r)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return nil
}

func (w *kept) Header() http.Header { return w.head }

func (w *kept) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *kept) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > maxAnswer {
		return 0, errBroken
	}
	return w.body.Write(b)
}

// algorithm is the alg header of a JWT whose signature was verified before; empty
// where there is none.
func algorithm(jwt string) string {
	head, _, _ := strings.Cut(jwt, ".")
	var h struct {
		Alg string `json:"alg"`
	}
	if b, err := base64.RawURLEncoding.DecodeString(head); err == nil && json.Unmarshal(b, &h) == nil {
		return h.Alg
	}
	return ""
}
