package page

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/serve"
	"hilum/templates"
	"hilum/templates/words"
)

// Handler reads, calls one verb, answers; an error that it returns becomes a page (Fail).
type Handler func(w http.ResponseWriter, r *http.Request) error

// served is the chain that a page is served by; read reads the body of a POST.
func (d *Door) served(read func(http.ResponseWriter, *http.Request) error, h Handler) http.Handler {
	inner := d.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := read(w, r); err != nil {
				d.Fail(w, r, err)
				return
			}
		}
		if err := h(w, r); err != nil {
			d.Fail(w, r, err)
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.SetHeaders(w.Header())
		inner.ServeHTTP(w, r)
	})
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Render sends a page whole, or not at all: it is made in a buffer first. An error means
// that the page cannot be made; nothing was sent then.
func (d *Door) Render(w http.ResponseWriter, status int, p templates.Page) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := d.conf.Words.Render(buf, p); err != nil {
		return err
	}
	reloading(buf)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	w.Write(buf.Bytes()) // an error means that the browser has left
	return nil
}

// SeeOther sends the browser on after a POST: it gets the next page anew.
func SeeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther) //nolint:gosec // a path of ours, put together by the caller
	return nil
}

// Frame is what stands around a page; here is where the switches of theme and language
// lead back to: a name that Place knows, or empty for a page without them.
func (d *Door) Frame(r *http.Request, here string) templates.Frame {
	return d.FrameFor(r, here)
}

// FrameFor is Frame for somebody of whom it is known what languages they read, each of
// reads a list as in Accept-Language. The choice in this browser comes first, then reads,
// then the Accept-Language of the request (RFC 9110, section 12.5.4).
func (d *Door) FrameFor(r *http.Request, here string, reads ...string) templates.Frame {
	site := d.conf.Site()
	path, ok := d.Place(here)
	if !ok && here != "" {
		d.conf.Log.ErrorContext(r.Context(), "a page has a name that leads nowhere", "name", here, "path", r.URL.Path)
		here = ""
	}
	f := templates.Frame{Site: site.Name, Look: d.Look(site), Theme: d.themeOf(r), Here: withQuery(r, here, path), Langs: d.conf.Words.Offered(site.Languages, site.Language)}
	if idp.ValidHelp("", site.Help, "", site.HelpLink) == nil { // asked again: a page must not lead where it may not, whoever has written it
		f.Help = templates.Help{Text: site.Help, Link: template.URL(site.HelpLink)} //nolint:gosec // checked
	}
	wanted := append(append([]string{d.chosenLanguage(r)}, reads...), r.Header.Get("Accept-Language"))
	f.Lang = d.conf.Words.Choose(f.Langs, site.Language, wanted...)
	return f
}

// said is what a person is told of an error: the status and two message keys.
type said struct {
	status int
	title  string
	text   string
}

// table translates the errors of the verbs. What is not here is our fault: a 500.
var table = []struct {
	err error
	said
}{
	{ErrForm, said{http.StatusBadRequest, "error.form", "error.form.text"}},
	{errUpload, said{http.StatusRequestEntityTooLarge, "error.upload", "error.upload.text"}},
	{idp.ErrInvalid, said{http.StatusBadRequest, "error.form", "error.form.text"}},
	{idp.ErrNotFound, said{http.StatusNotFound, "error.gone", "error.gone.text"}},
	{idp.ErrExpired, said{http.StatusGone, "error.expired", "error.expired.text"}},
	{idp.ErrSettled, said{http.StatusConflict, "error.settled", "error.settled.text"}},
	{idp.ErrConflict, said{http.StatusConflict, "error.conflict", "error.conflict.text"}},
	{idp.ErrDenied, said{http.StatusForbidden, "error.denied", "error.denied.text"}},
	{idp.ErrTooMany, said{http.StatusTooManyRequests, "error.toomany", ""}},
	{idp.ErrUnwritable, said{http.StatusServiceUnavailable, "error.unwritable", "error.unwritable.text"}},
	{idp.ErrBusy, said{http.StatusServiceUnavailable, "error.busy", "error.busy.text"}},
}

var trouble = said{http.StatusInternalServerError, "trouble", "trouble.text"}

// Fail answers with the page of an error, as the table has it, and logs what is our
// fault with the reference that the page shows.
func (d *Door) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	info := serve.From(r.Context())
	say := trouble
	for _, line := range table {
		if errors.Is(err, line.err) {
			say = line.said
			break
		}
	}
	if say == trouble {
		d.conf.Log.LogAttrs(r.Context(), slog.LevelError, "page failed", slog.String("request", info.ID), slog.Any("error", err))
	}
	info.Note(slog.String("refused", say.title))
	text := templates.Message{}
	if say.text != "" {
		text = templates.Say(say.text)
	}
	if after, ok := RetryAfter(w, err); ok && errors.Is(err, idp.ErrTooMany) {
		text = TooMany(after)
	}
	d.Notice(w, r, say.status, templates.Notice{
		Kind: "bad", Title: templates.Say(say.title), Text: text, Reference: info.ID,
		Link: "/account", LinkText: templates.Say("error.back"),
	})
}

// Notice shows a page of one sentence; when even that fails, plain text.
func (d *Door) Notice(w http.ResponseWriter, r *http.Request, status int, n templates.Notice) {
	n.Frame = d.Frame(r, "")
	if err := d.Render(w, status, n); err != nil {
		d.conf.Log.LogAttrs(r.Context(), slog.LevelError, "page failed", slog.String("request", serve.From(r.Context()).ID), slog.Any("error", err))
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// foreign answers a POST that another site made in the browser of somebody who may be
// signed in here (cross-site request forgery): a 403.
func (d *Door) foreign(w http.ResponseWriter, r *http.Request) {
	info := serve.From(r.Context())
	info.Note(slog.String("refused", "error.foreign"))
	d.Notice(w, r, http.StatusForbidden, templates.Notice{
		Kind: "bad", Title: templates.Say("error.foreign"), Text: templates.Say("error.foreign.text"), Reference: info.ID,
	})
}

// RetryAfter returns how long a caller has to wait, and sets the header Retry-After
// (RFC 9110, section 10.2.3) in seconds; false for an err that waiting does not mend.
// Zero means that only an administrator can help, see limit.Policy.Allow; the header is
// not set then.
func RetryAfter(w http.ResponseWriter, err error) (time.Duration, bool) {
	after := 2 * time.Second
	var retry *idp.RetryError
	switch {
	case errors.As(err, &retry) && errors.Is(err, idp.ErrTooMany):
		after = retry.After
	case errors.As(err, &retry):
		after = max(retry.After, time.Second)
	case errors.Is(err, idp.ErrTooMany), errors.Is(err, idp.ErrBusy), errors.Is(err, idp.ErrUnwritable):
	default:
		return 0, false
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(Seconds(after)))
	}
	return after, true
}

// Seconds is a duration in whole seconds, rounded up: who comes back then is not too
// early.
func Seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// TooMany says when to come back, in words.
func TooMany(after time.Duration) templates.Message {
	up := func(unit time.Duration) int { return int((after + unit - 1) / unit) }
	switch {
	case after <= 0:
		return templates.Say("toomany.admin")
	case after <= 90*time.Second:
		return templates.Say("toomany.seconds", "N", Seconds(after))
	case after <= 90*time.Minute:
		return templates.Say("toomany.minutes", "N", up(time.Minute))
	}
	if after <= 48*time.Hour {
		return templates.Say("toomany.hours", "N", up(time.Hour))
	}
	return templates.Say("toomany.days", "N", up(24*time.Hour))
}

// lister is an error about several things, which its sentence names.
type lister interface{ List() string }

// FieldProblem returns the form field and the sentence of an *idp.FieldError; false for
// any other err. A key that the catalogue lacks is replaced, never shown.
func (d *Door) FieldProblem(err error) (field string, problem templates.Message, ok bool) {
	var fe *idp.FieldError
	if !errors.As(err, &fe) {
		return "", templates.Message{}, false
	}
	key := words.Reason(fe.Message)
	if names := (lister)(nil); errors.As(err, &names) {
		return fe.Field, templates.Say(key, "Names", names.List()), true
	}
	if !d.conf.Words.Has(key) {
		key = "problem.text"
	}
	return fe.Field, templates.Say(key), true
}
