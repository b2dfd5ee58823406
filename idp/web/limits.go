package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"hilum/idp/admin"
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

// Bounds of a form that carries a file.
const (
	maxFile    = admin.MaxImportBytes
	maxMend    = 1 << 20 // of text that is typed, or mended, in the form
	maxUploads = 2       // on their way at once
	// A piece has to come within uploadPause, all of it within uploadTime.
	uploadPause = 10 * time.Second
	uploadTime  = 5 * time.Minute
)

const (
	importPath = "/admin/users/import"
	logoPath   = "/admin/settings/logo"
	iconPath   = "/admin/applications/icon"
)

// Uploads are the paths that take a file, and how many bytes they do, with all
// that is around it: a file of people and the text of the form beside it, or two
// pictures.
var Uploads = map[string]int64{importPath: maxFile + maxMend + maxBody, logoPath: 2*maxMend + maxBody, iconPath: 2*maxMend + maxBody}

// files are the fields that may be longer than others.
var files = []string{"file", "text", "logo", "logo_dark", "icon"}

// slow reads a body that takes longer than others may.
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

// errUpload says that a file is too large for a form.
var errUpload = errors.New("upload too large")

// readUpload reads a form that carries a file into r.PostForm, as
// readForm does. The file takes the place of the field «text», where one was
// chosen. Errors: errForm, errUpload.
func readUpload(w http.ResponseWriter, r *http.Request) error {
	body := &slow{http.MaxBytesReader(w, r.Body, Uploads[r.URL.Path]), http.NewResponseController(w), time.Now().Add(uploadTime)}
	r.Body = io.NopCloser(body)
	parts, err := r.MultipartReader()
	if err != nil {
		return errForm
	}
	form := url.Values{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errForm
		}
		name := part.FormName()
		most := maxMend
		if name == "file" {
			most = maxFile
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
		switch {
		case err != nil, form[name] != nil, len(form) == maxParams, len(name) > maxParam:
			return errForm
		case len(value) > most:
			return errUpload
		case !slices.Contains(files, name) && len(value) > maxParam:
			return errForm
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
