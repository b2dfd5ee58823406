package pushtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FCM stands in for Google's service, as far as messages are sent to it (HTTP v1). Got
// receives them.
type FCM struct {
	service
	srv *httptest.Server
	Got chan FCMMessage
}

// FCMMessage is a message as an app gets it.
type FCMMessage struct {
	Token   string            `json:"token"`
	Data    map[string]string `json:"data"`
	Android *struct {
		Priority string `json:"priority"`
		TTL      string `json:"ttl"`
	} `json:"android"`
	APNS *struct {
		Headers map[string]string `json:"headers"`
		Payload map[string]any    `json:"payload"`
	} `json:"apns"`
	Notification any `json:"notification"`
}

// NewFCM starts a service on loopback; it ends with the test.
func NewFCM(t testing.TB) *FCM {
	f := &FCM{Got: make(chan FCMMessage, 10_000)}
	f.srv = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() { f.srv.CloseClientConnections(); f.srv.Close() })
	return f
}

// URL is the address of the service.
func (f *FCM) URL() string { return f.srv.URL }

// statuses are the canonical names of the HTTP statuses that the service answers with.
var statuses = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}

func (f *FCM) serve(w http.ResponseWriter, r *http.Request) {
	body := f.take(r)
	var sent struct {
		Message FCMMessage `json:"message"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages:send") {
		f.fault(r.Method + " " + r.URL.Path + ": not a message")
	}
	if sent.Message.Notification != nil {
		f.fault("a notification that the system shows by itself")
	}
	b := f.next(r, sent.Message.Token)
	w.Header().Set("Content-Type", "application/json")
	if b.Status >= 300 {
		if b.After != "" {
			w.Header().Set("Retry-After", b.After)
		}
		w.WriteHeader(b.Status)
		e := map[string]any{"code": b.Status, "status": statuses[b.Status], "message": "as told"}
		if b.Code != "" {
			e["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": b.Code}}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": e}) // a caller that left
		return
	}
	n := 1
	if b.Drop {
		n = 0
	} else if b.Duplicate {
		n = 2
	}
	for range n {
		f.Got <- sent.Message
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": "projects/test/messages/1"})
}
