package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// Bounds of what a browser may send. What is longer is a 400 with a sentence.
const (
	maxBody   = 32 << 10 // bytes of a form
	maxParam  = 2 << 10  // bytes of one value
	maxParams = 32       // fields of a form
	maxID     = 64       // bytes of an identifier or one-time link in a path
)

// errForm says that a form could not be read.
var errForm = errors.New("unreadable form")

// readForm reads the body of a POST into r.PostForm. Every field stands there
// once: a second one would let two readers of the same request disagree about
// what it says. Errors: errForm.
func readForm(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if readErr != nil {
		return errForm
	}
	if len(body) == 0 { // a form without fields
		r.PostForm = url.Values{}
		return nil
	}
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return errForm
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) > maxParams {
		return errForm
	}
	for name, values := range form {
		if len(values) != 1 || len(name) > maxParam || len(values[0]) > maxParam || !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return errForm
		}
	}
	r.PostForm = form
	return nil
}

// pathID returns an identifier out of the path, empty when it cannot be one:
// then nothing is looked up.
func pathID[T ~string](r *http.Request, name string) T {
	s := r.PathValue(name)
	if s == "" || len(s) > maxID {
		return ""
	}
	for _, c := range []byte(s) {
		ok := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !ok {
			return ""
		}
	}
	return T(s)
}
