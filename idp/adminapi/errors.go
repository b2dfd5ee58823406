package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
	"hilum/templates/words"
)

// problem is a problem document (RFC 9457). A program acts on Type and, where a field is
// wrong, on Code; Detail is for the person who reads its log.
type problem struct {
	Type    string      `json:"type"`
	Title   string      `json:"title"`
	Status  int         `json:"status"`
	Detail  string      `json:"detail,omitempty"`
	Field   string      `json:"field,omitempty"`   // of the body or the query
	Code    string      `json:"code,omitempty"`    // what is wrong with it
	Faults  []faultLine `json:"faults,omitempty"`  // of a file, by line
	More    bool        `json:"more,omitempty"`    // faults
	Request string      `json:"request,omitempty"` // finds the log line
}

// urn begins the types of our problem documents. They are names, not addresses:
// docs/admin-api.md lists them.
const urn = "urn:hilum:problem:"

// What is wrong with a request, found before a verb is called.
var (
	errMethod = errors.New("no such method")
	errMedia  = errors.New("the body is of another type")
	errBody   = errors.New("the body cannot be read")
	errQuery  = errors.New("the query cannot be read")
	errTooBig = errors.New("the body is too large")
	errFaults = errors.New("the file has faults")
)

// table translates errors, the first that fits. An error that is not in it is a fault of
// ours: 500.
var table = []struct {
	err    error
	status int
	kind   string
	detail string
}{
	{errNoToken, http.StatusUnauthorized, "unauthorized", "Send an access token as Authorization: Bearer."},
	{errHeader, http.StatusBadRequest, "bad-request", "Send one access token, in the Authorization header."},
	{errToken, http.StatusUnauthorized, "unauthorized", "The access token is unknown, expired or revoked."},
	{errScope, http.StatusForbidden, "insufficient-scope", "The access token is not for this. WWW-Authenticate names the scope; a token of client credentials is wanted."},
	{errMethod, http.StatusMethodNotAllowed, "method-not-allowed", "Allow lists the methods there are."},
	{errMedia, http.StatusUnsupportedMediaType, "unsupported-media-type", ""},
	{errTooBig, http.StatusRequestEntityTooLarge, "too-large", "32 KiB at most, a file of people 20 MiB."},
	{errBody, http.StatusBadRequest, "bad-request", ""},
	{errQuery, http.StatusBadRequest, "bad-request", ""},
	{errFaults, http.StatusUnprocessableEntity, "faulty-file", "Nobody was added. Every faulty line is named."},
	{idp.ErrInvalid, http.StatusUnprocessableEntity, "invalid-field", ""},
	{idp.ErrNotFound, http.StatusNotFound, "not-found", "There is no such thing."},
	{idp.ErrConflict, http.StatusConflict, "conflict", "It is taken, or linked, or its bound is reached."},
	{idp.ErrSettled, http.StatusConflict, "conflict", "It has been used or decided."},
	{idp.ErrDenied, http.StatusForbidden, "denied", "The role suffices, but not for this one: the account has a role itself, is disabled, or is the last administrator."},
	{idp.ErrTooMany, http.StatusTooManyRequests, "too-many", "Retry-After says when to come back."},
	{idp.ErrUnwritable, http.StatusServiceUnavailable, "busy", "Nothing can be written for now: the operator has to look at the provider's disk. Nothing was changed."},
	{idp.ErrBusy, http.StatusServiceUnavailable, "busy", "Retry-After says when to come back."},
}

// told is an error with more than the table says: the field of the body or the query that
// it is about, and a detail, which is written here, never taken from a library.
type told struct {
	error
	field, detail string
}

func (t *told) Unwrap() error { return t.error }

// faulty is errFaults with the faults of a file.
type faulty struct {
	lines []faultLine
	more  bool
}

func (*faulty) Error() string { return errFaults.Error() }
func (*faulty) Unwrap() error { return errFaults }

// problemOf is the problem document of an error.
func problemOf(err error) problem {
	p := problem{Type: urn + "fault", Status: http.StatusInternalServerError, Detail: "Something went wrong on our side."}
	for _, line := range table {
		if errors.Is(err, line.err) {
			p.Type, p.Status, p.Detail = urn+line.kind, line.status, line.detail
			break
		}
	}
	if t, ok := errors.AsType[*told](err); ok {
		p.Field, p.Detail = t.field, t.detail
	}
	if field, ok := errors.AsType[*idp.FieldError](err); ok {
		p.Field, p.Code = fieldName(field.Field), field.Message
		p.Detail = faultOf(err, p.Field, field)
	}
	if file, ok := errors.AsType[*faulty](err); ok {
		p.Faults, p.More = file.lines, file.more
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// faultOf says what is wrong with a field, by the name that it has here; err is what
// the FieldError came in.
func faultOf(err error, name string, field *idp.FieldError) string {
	var of []any // that the sentence speaks of
	if columns := (*admin.ColumnsError)(nil); errors.As(err, &columns) {
		of = []any{"Names", columns.List()}
	}
	return words.English().Fault(name, field.Message, of...)
}

// fieldName is the name of a field in a body or a query, where that differs from the
// verb's.
func fieldName(field string) string {
	switch field {
	case "page":
		return "after"
	case "mail":
		return "deliver"
	case "pkce":
		return "optional_pkce"
	}
	return field
}

// fail writes the problem document of an error; act is the one that was asked for.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, act admin.Act, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	info := serve.From(r.Context())
	p := problemOf(err)
	p.Request = info.ID
	if p.Status == http.StatusUnprocessableEntity && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		p.Status, p.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest) // there is no content to be unprocessable
	}
	if c := challenge(err, act); c != "" {
		w.Header().Set("WWW-Authenticate", c)
	}
	if retry, ok := errors.AsType[*idp.RetryError](err); ok {
		w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((retry.After+time.Second-1)/time.Second)), 10))
	}
	if p.Status == http.StatusInternalServerError {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelError, "admin request failed", slog.String("request", info.ID), slog.Any("error", err))
	}
	info.Note(slog.String("refused", strings.TrimPrefix(p.Type, urn)))
	w.Header().Set("Content-Type", typeProblem)
	s.write(w, r, p.Status, p)
}
