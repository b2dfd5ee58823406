package deviceapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/serve"
)

// problem is a problem document (RFC 9457). A client acts on Error.
type problem struct {
	Type       string             `json:"type"` // about:blank: the title is the status's
	Title      string             `json:"title"`
	Status     int                `json:"status"`
	Error      string             `json:"error"`
	Detail     string             `json:"detail"`                // what is wrong, to who writes the client
	State      idp.ChallengeState `json:"state,omitempty"`       // already_answered
	RetryAfter int                `json:"retry_after,omitempty"` // seconds
	ServerTime int64              `json:"server_time,omitempty"` // seconds since 1970; clock_skew
	Reference  string             `json:"reference,omitempty"`   // finds the log line
}

// table translates the errors of the verbs, the first that fits. What is not
// here is our fault.
var table = []struct {
	err    error
	status int
	code   string
	detail string // empty: the words of the error, which are about the request alone
}{
	{errTooBig, http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("an envelope has %d bytes at most, one to pair %d", device.MaxEnvelope, device.MaxPair)},
	{device.ErrStranger, http.StatusUnauthorized, "invalid_device", "the device is not known here, or its signature does not verify"},
	{device.ErrUnlinked, http.StatusGone, "unlinked", "the device was unlinked"},
	{device.ErrPairGone, http.StatusGone, "pair_gone", "the code to pair with is wrong, used, too old or unknown"},
	{device.ErrKey, http.StatusUnprocessableEntity, "bad_key", "jwk or uv_jwk is not a public key of P-256, or they are the same"},
	{device.ErrReplaces, http.StatusUnprocessableEntity, "bad_replaces", "replaces is not the word of a device that is linked to this account, for this key"},
	{device.ErrLast, http.StatusConflict, "last_device", "it is its owner's only device"},
	{idp.ErrReplayed, http.StatusBadRequest, "bad_request", "the jti was used before: sign anew, with a new one"},
	{idp.ErrUnverified, http.StatusForbidden, "uv_required", "the approval has to be signed by the key that asks for a fingerprint or PIN (kid with #uv)"},
	{idp.ErrWrongSecret, http.StatusForbidden, "wrong_number", "the number is not the one that the browser shows; the challenge is closed"},
	{idp.ErrConflict, http.StatusConflict, "device_limit", fmt.Sprintf("%d devices are linked, and no more can be", idp.MaxDevices)},
	{idp.ErrInvalid, http.StatusBadRequest, "bad_request", ""},
	{idp.ErrNotFound, http.StatusNotFound, "no_challenge", "this device has no such challenge, or ch is not of its text"},
	{idp.ErrTooMany, http.StatusTooManyRequests, "too_many", "too many requests: come again after retry_after seconds"},
	{idp.ErrUnwritable, http.StatusServiceUnavailable, "server_error", "nothing can be kept for now"},
	{idp.ErrBusy, http.StatusServiceUnavailable, "server_error", "somebody else holds what is needed: come again after retry_after seconds"},
}

// maxDetail bounds the detail of a problem, which may quote the request, in bytes.
const maxDetail = 300

// fail writes the problem document of an error. state is that of the challenge, where
// there is one.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, state idp.ChallengeState, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	info := serve.From(r.Context())
	p := problem{
		Type: "about:blank", Status: http.StatusInternalServerError, Error: "server_error", Reference: info.ID,
		Detail: "a fault of the provider: its log has it by the reference",
	}
	var clock *device.ClockError
	switch {
	case errors.As(err, &clock):
		p.Status, p.Error, p.ServerTime = http.StatusUnauthorized, "clock_skew", clock.Now.Unix()
		p.Detail = "iat is more than two minutes from server_time: sign again by that time"
	case errors.Is(err, idp.ErrExpired):
		p.Status, p.Error, p.Detail = http.StatusGone, "expired", "the answer came too late"
	case errors.Is(err, idp.ErrSettled) && state == idp.ChallengeWithdrawn:
		p.Status, p.Error, p.Detail = http.StatusGone, "withdrawn", "nobody waits for the answer any more"
	case errors.Is(err, idp.ErrSettled):
		p.Status, p.Error, p.State = http.StatusConflict, "already_answered", told(state)
		p.Detail = "the challenge was answered before, by this device in another way or by another one"
	default:
		for _, line := range table {
			if errors.Is(err, line.err) {
				p.Status, p.Error, p.Detail = line.status, line.code, line.detail
				if p.Detail == "" {
					p.Detail = bounded(err.Error())
				}
				break
			}
		}
	}
	if retry, ok := errors.AsType[*idp.RetryError](err); ok {
		p.RetryAfter = max(1, int((retry.After+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusInternalServerError {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelError, "device request failed", slog.String("request", info.ID), slog.Any("error", err))
	}
	info.Note(slog.String("refused", p.Error), slog.String("reason", bounded(err.Error())))
	s.problem(w, r, p)
}

// bounded cuts a text to maxDetail bytes.
func bounded(text string) string {
	if len(text) > maxDetail {
		text = text[:maxDetail]
	}
	return strings.ToValidUTF8(text, "")
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, p problem) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	if err := answerJSON(w, p.Status, p); err != nil {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelError, "problem document", slog.Any("error", err))
	}
}

// unknown answers a path that is no operation, those of other versions among them (404),
// and an operation by another method than its own (405).
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	p := problem{
		Type: "about:blank", Status: http.StatusNotFound, Error: "unknown_operation", Reference: serve.From(r.Context()).ID,
		Detail: "no operation of the device protocol stands at this path",
	}
	if method, ok := methods[r.URL.Path]; ok {
		p.Status, p.Detail = http.StatusMethodNotAllowed, "the operation is asked by "+method
		w.Header().Set("Allow", method+", OPTIONS")
	}
	s.problem(w, r, p)
}

// Refusals are problem documents for what is refused before it comes to an operation: a
// body that is too large, a panic, too much at once. They are by path; status is the HTTP
// status, and Retry-After is set already where there is one.
func (s *Server) Refusals() map[string]func(w http.ResponseWriter, r *http.Request, status int) {
	refuse := func(w http.ResponseWriter, r *http.Request, status int) {
		err := map[int]error{http.StatusRequestEntityTooLarge: errTooBig, http.StatusTooManyRequests: idp.ErrTooMany, http.StatusServiceUnavailable: idp.ErrUnwritable}[status]
		p := problem{
			Type: "about:blank", Status: status, Error: "server_error", Reference: serve.From(r.Context()).ID,
			Detail: "a fault of the provider: its log has it by the reference",
		}
		for _, line := range table {
			if err != nil && errors.Is(err, line.err) {
				p.Error, p.Detail = line.code, line.detail
			}
		}
		p.RetryAfter, _ = strconv.Atoi(w.Header().Get("Retry-After"))
		shared(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.problem(w, r, p) })).ServeHTTP(w, r)
	}
	all := map[string]func(http.ResponseWriter, *http.Request, int){}
	for path := range methods {
		all[path] = refuse
	}
	return all
}
