package page

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"
)

// Bounds of what a browser may send. A form that is larger is a 400 with a sentence; an
// identifier that is longer is nobody's, and a 404.
const (
	MaxForm   = 32 << 10 // bytes of a form
	MaxParam  = 2 << 10  // bytes of the name or the value of a field
	maxParams = 32       // fields of a form
	maxID     = 64       // bytes of an identifier or one-time link in a path
)

// ErrForm says that a form could not be read.
var ErrForm = errors.New("unreadable form")

// readForm reads the body of a POST into r.PostForm. Every field stands there
// once: a second one would let two readers of the same request disagree about
// what it says. Errors: ErrForm.
func readForm(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxForm))
	if readErr != nil {
		return ErrForm
	}
	if len(body) == 0 { // a form without fields
		r.PostForm = url.Values{}
		return nil
	}
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return ErrForm
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) > maxParams {
		return ErrForm
	}
	for name, values := range form {
		if len(values) != 1 || len(name) > MaxParam || len(values[0]) > MaxParam || !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return ErrForm
		}
	}
	r.PostForm = form
	return nil
}

// Bounds of a form that carries a file.
const (
	MaxText = 1 << 20 // bytes of text that is typed, or mended, in the form, or of a picture
	// A piece has to come within uploadPause, all of it within uploadTime.
	uploadPause = 10 * time.Second
	uploadTime  = 5 * time.Minute
)

// files are the fields that may be longer than MaxParam.
var files = []string{"file", "text", "logo", "logo_dark", "icon"}

// slow reads a body that may take longer than the server gives others, a large file over
// a poor line. Nobody holds a connection by it: every read has its own deadline, and all
// of them one (until).
type slow struct {
	r       io.Reader
	control *http.ResponseController
	until   time.Time
}

func (s *slow) Read(b []byte) (int, error) {
	at := time.Now().Add(uploadPause)
	if at.After(s.until) {
		at = s.until
	}
	if err := s.control.SetReadDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return s.r.Read(b)
}

// errUpload says that a file, a text or a picture is too large for a form: a 413.
var errUpload = errors.New("upload too large")

// ReadUpload reads the form of an Upload (multipart/form-data, RFC 7578), which may carry
// a file of maxFile bytes, into r.PostForm. Every field stands there once, and all
// together have no more bytes than the Body of its Route. The file takes the place of the
// field «text», where one was chosen. Errors: ErrForm, errUpload.
func (d *Door) ReadUpload(w http.ResponseWriter, r *http.Request, maxFile int) error {
	route := d.pattern[r.Pattern]
	if route == nil {
		return ErrForm
	}
	body := &slow{http.MaxBytesReader(w, r.Body, route.Body), http.NewResponseController(w), time.Now().Add(uploadTime)}
	r.Body = io.NopCloser(body)
	parts, err := r.MultipartReader()
	if err != nil {
		return ErrForm
	}
	form := url.Values{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return ErrForm
		}
		name := part.FormName()
		most := MaxText
		if name == "file" {
			most = maxFile
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
		switch {
		case err != nil, form[name] != nil, len(form) == maxParams, len(name) > MaxParam:
			return ErrForm
		case len(value) > most:
			return errUpload
		case !slices.Contains(files, name) && len(value) > MaxParam:
			return ErrForm
		}
		form[name] = []string{string(value)}
	}
	if file := form.Get("file"); file != "" {
		form.Set("text", file)
	}
	form.Del("file")
	r.PostForm = form
	return nil
}

// PathID returns an identifier out of the path, empty when it cannot be one:
// then nothing is looked up.
func PathID[T ~string](r *http.Request, name string) T {
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
