package deviceapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
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
}{
	{errTooBig, http.StatusRequestEntityTooLarge, "too_big"},
	{device.ErrStranger, http.StatusUnauthorized, "invalid_device"},
	{device.ErrUnlinked, http.StatusGone, "unlinked"},
	{device.ErrPairGone, http.StatusGone, "pair_gone"},
	{device.ErrKey, http.StatusUnprocessableEntity, "bad_key"},
	{device.ErrLast, http.StatusConflict, "last_device"},
	{idp.ErrReplayed, http.StatusBadRequest, "bad_request"},
	{idp.ErrWrongSecret, http.StatusForbidden, "wrong_number"},
	{idp.ErrConflict, http.StatusConflict, "device_limit"},
	{idp.ErrInvalid, http.StatusBadRequest, "bad_request"},
	{idp.ErrNotFound, http.StatusNotFound, "no_challenge"},
	{idp.ErrTooMany, http.StatusTooManyRequests, "too_many"},
	{idp.ErrUnwritable, http.StatusServiceUnavailable, "server_error"},
}

// fail writes the problem document of an error. state is that of the challenge, where
// there is one.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, state idp.ChallengeState, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	info := serve.From(r.Context())
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Error: "server_error", Reference: info.ID}
	var clock *device.ClockError
	switch {
	case errors.As(err, &clock):
		p.Status, p.Error, p.ServerTime = http.StatusUnauthorized, "clock_skew", clock.Now.Unix()
	case errors.Is(err, idp.ErrExpired):
		p.Status, p.Error = http.StatusGone, "expired"
	case errors.Is(err, idp.ErrSettled) && state == idp.ChallengeWithdrawn:
		p.Status, p.Error = http.StatusGone, "withdrawn"
	case errors.Is(err, idp.ErrSettled):
		p.Status, p.Error, p.State = http.StatusConflict, "already_answered", told(state)
	default:
		for _, line := range table {
			if errors.Is(err, line.err) {
				p.Status, p.Error = line.status, line.code
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
	info.Note(slog.String("refused", p.Error))
	s.problem(w, r, p)
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, p problem) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	if err := answerJSON(w, p.Status, p); err != nil {
		s.conf.Log.LogAttrs(r.Context(), slog.LevelError, "problem document", slog.Any("error", err))
	}
}

// unknown answers a path that is no operation, those of other versions among them (404).
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, problem{Type: "about:blank", Status: http.StatusNotFound, Error: "bad_request"})
}
