// Package deviceapi is the door of phones, which speaks docs/device-protocol.md: JSON over
// HTTP and an event stream.
//
// Every request is a signed envelope that package device checks; what follows from it is
// decided by the verbs (device, login). Errors are problem documents (RFC 9457) with a
// stable member "error".
package deviceapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/serve"
)

// Devices checks signed requests and changes devices; *device.Registry implements it, and
// says which errors come back.
type Devices interface {
	Open(ctx context.Context, op device.Op, body string) (*device.Request, error)
	Pair(ctx context.Context, req *device.Request, address string) (*device.Paired, error)
	SetPush(ctx context.Context, req *device.Request) error
	RenameSelf(ctx context.Context, req *device.Request) error
	UnlinkSelf(ctx context.Context, req *device.Request, address string) error
	Speaker(ctx context.Context, id idp.DeviceID) (*idp.Speaker, error)
}

// Logins asks phones and takes their answers; *login.Flow implements it, and says which
// errors come back.
type Logins interface {
	Asked(ctx context.Context, s *idp.Speaker) ([]idp.Challenge, error)
	Answer(ctx context.Context, by *idp.Speaker, r login.Reply) (idp.ChallengeState, error)
	Fate(ctx context.Context, id idp.ChallengeID) string
}

// Waiter is woken when something has changed on the topics it waits on. Close ends it.
type Waiter interface {
	Woken() <-chan struct{}
	Close()
}

// Guard bounds what client addresses do wrong; *limit.Addresses implements it.
type Guard interface {
	Open(address string) (retry time.Duration, ok bool) // whether one more would be within bounds; counts nothing
	Count(address string)                               // counts one
}

// Config is what a Server is built from.
type Config struct {
	Issuer   string
	Site     func() *idp.Site // how the site presents itself now
	VAPIDKey string           // public, base64url; empty: no web push
	Push     func() []Channel // by which phones are reached now; nil: none
	Devices  Devices
	Logins   Logins
	Wait     func(topics ...idp.Topic) Waiter
	// Allow limits what a client address sends (6000 a minute), Wrong the wrong
	// codes that it pairs with (100 in 10 minutes). nil: no limit.
	Allow     func(address string) (retry time.Duration, ok bool)
	Wrong     Guard
	Heartbeat time.Duration   // between signs of life on a stream; 0: 15 s
	Ending    <-chan struct{} // closed when the server is to end: streams end too
	Streams   *serve.Streams  // nil: its own
	Share     *limit.Share    // of what is counted in memory; nil: all
	Now       func() time.Time
	Log       *slog.Logger
}

// Server serves every operation of the device protocol. Safe for concurrent use.
type Server struct {
	conf Config
	open streams
}

// New returns a Server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Streams == nil {
		c.Streams = &serve.Streams{Log: c.Log}
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = heartbeat
	}
	return &Server{conf: c}
}

// Mount adds every operation to mux.
func (s *Server) Mount(mux *http.ServeMux) {
	for path, h := range map[string]http.Handler{
		"pair":       s.op(device.OpPair, s.pair),
		"challenges": s.op(device.OpList, s.challenges),
		"answer":     s.op(device.OpAnswer, s.answer),
		"push":       s.op(device.OpPush, s.push),
		"rename":     s.op(device.OpRename, s.rename),
		"unpair":     s.op(device.OpUnpair, s.unpair),
		"listen":     shared(http.HandlerFunc(s.listen)),
		"site":       shared(http.HandlerFunc(s.site)),
	} {
		mux.Handle(methods[prefix+path]+" "+prefix+path, h)
	}
	mux.Handle("OPTIONS "+prefix, shared(http.HandlerFunc(preflight)))
	mux.Handle("/device/", shared(http.HandlerFunc(s.unknown)))
}

// StreamPath is the path of the one operation that is answered by an event stream.
const StreamPath = prefix + "listen"

// prefix is that of every operation's path.
const prefix = "/device/v1/"

// methods has the method of every operation, by its path.
var methods = map[string]string{
	prefix + "pair": http.MethodPost, prefix + "challenges": http.MethodPost, prefix + "answer": http.MethodPost, prefix + "push": http.MethodPost,
	prefix + "rename": http.MethodPost, prefix + "unpair": http.MethodPost, StreamPath: http.MethodGet, prefix + "site": http.MethodGet,
}

// shared lets apps that were installed from another site call an operation (CORS). It
// gives nothing away: no cookie counts here, every request proves itself by a signature,
// and credentials are not allowed along.
func shared(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		h.ServeHTTP(w, r)
	})
}

// preflight answers the CORS preflight request of such an app (the Fetch standard).
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}
