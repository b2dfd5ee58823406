package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
)

// MaxBody bounds every request body, in bytes, but those of Config.Bodies.
// Nothing else that people or relying parties send comes near it.
const MaxBody = 32 << 10

// Config is what all doors share.
type Config struct {
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts; nobody's by default
	HTTPS          bool           // people reach us by https: send HSTS
	Limits         []Limit
	Bodies         map[string]int64 // paths to which more than MaxBody may be sent, and how many bytes
	Quiet          []string         // route patterns whose line is logged at debug level: cheap and asked often
	// Problems are paths, each with all below it, whose callers are programs:
	// what is refused before their door is a problem document (RFC 9457).
	Problems []string
	// Refusals are paths whose callers speak a protocol of their own, each with how
	// to answer in its words what is refused before their door.
	Refusals map[string]func(w http.ResponseWriter, r *http.Request, status int)
	// ErrorPage shows people what went wrong, by message key. Nil, and for
	// callers that do not ask for HTML: one line of text.
	ErrorPage func(w http.ResponseWriter, r *http.Request, status int, key string)
	TLS       *Certificate // nil: plain HTTP
	Only13    bool         // nothing older than TLS 1.3 is spoken
	Mutual    bool         // clients are asked for a certificate, with TLS (ClientCertificates)
	Log       *slog.Logger
}

// Limit bounds how often one client address may ask for some routes.
type Limit struct {
	Name    string // for the log
	Applies func(*http.Request) bool
	Allow   func(address string) (retry time.Duration, ok bool)
}

// Header values that never change, shared by all answers: made anew for each
// they would cost a third of what this package costs. Their capacity is their
// length, so that an Add to one copies it.
var (
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	deny       = []string{"DENY"}
	oneYear    = []string{"max-age=31536000"}
)

// Message keys that ErrorPage is called with.
const (
	KeyFault   = "server"
	KeyTooMany = "busy"
	KeyTooBig  = "size"
)

// Handler wraps all doors: it gives each request its id and client address,
// bounds its body, answers panics, sets the headers that fit every answer and
// writes one line when the request is done. The line names the route, never
// the path or the query, which may hold codes and names.
func Handler(next http.Handler, c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &handler{conf: c, next: next}
}

type handler struct {
	conf Config
	next http.Handler
}

// exchange is one request and its answer; everything of it in one piece of memory.
type exchange struct {
	http.ResponseWriter
	info   Info
	status int // 0: nothing was sent yet
	bytes  int64
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{ResponseWriter: w}
	x.info.ID = idp.NewID[string]()
	x.info.Address = clientAddress(r, h.conf.TrustedProxies)
	r = r.WithContext(With(r.Context(), &x.info))
	defer h.finish(x, r, start)

	head := w.Header()
	head["X-Request-Id"] = []string{x.info.ID}
	head["X-Content-Type-Options"] = noSniff
	head["Referrer-Policy"] = noReferrer
	head["X-Frame-Options"] = deny
	if h.conf.HTTPS {
		head["Strict-Transport-Security"] = oneYear
	}
	most := max(MaxBody, h.conf.Bodies[r.URL.Path])
	if r.ContentLength > most {
		head.Set("Connection", "close")
		h.refuse(x, r, http.StatusRequestEntityTooLarge, KeyTooBig) //nolint:contextcheck // the request carries it
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(w, r.Body, most)
	}
	for _, l := range h.conf.Limits {
		if !l.Applies(r) {
			continue
		}
		if retry, ok := l.Allow(x.info.Address); !ok {
			x.info.Note(slog.String("limit", l.Name))
			head.Set("Retry-After", RetryAfter(retry))
			h.refuse(x, r, http.StatusTooManyRequests, KeyTooMany) //nolint:contextcheck // the request carries it
			return
		}
	}
	h.next.ServeHTTP(x, r)
}

// RetryAfter is the value of a Retry-After header: whole seconds, rounded up, at
// least one.
func RetryAfter(retry time.Duration) string {
	return strconv.FormatInt(max(1, int64((retry+time.Second-1)/time.Second)), 10)
}

// finish answers a panic, if there was one, and writes the request's line.
func (h *handler) finish(x *exchange, r *http.Request, start time.Time) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value itself
			h.line(x, r, start)
			panic(p)
		}
		h.conf.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
			slog.String("id", x.info.ID), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		if x.status != 0 {
			// Half an answer is out; the caller must not take it for a whole one.
			h.line(x, r, start)
			panic(http.ErrAbortHandler)
		}
		h.refuse(x, r, http.StatusInternalServerError, KeyFault) //nolint:contextcheck // the request carries it
	}
	h.line(x, r, start)
}

// refuse answers a request that no door has answered: in the words of Refusals, as a
// problem document, as a page where the caller asks for HTML, else as a line of text.
func (h *handler) refuse(x *exchange, r *http.Request, status int, key string) {
	x.Header().Set("Cache-Control", "no-store")
	if answer := h.conf.Refusals[r.URL.Path]; answer != nil {
		answer(x, r, status)
		return
	}
	if slices.ContainsFunc(h.conf.Problems, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
		x.Header().Set("Content-Type", "application/problem+json")
		x.WriteHeader(status)
		// A status text and an id have nothing in them that JSON escapes.
		fmt.Fprintf(x, `{"type":"about:blank","title":"%s","status":%d,"request":"%s"}`+"\n", http.StatusText(status), status, x.info.ID)
		return
	}
	if h.conf.ErrorPage != nil && strings.Contains(r.Header.Get("Accept"), "text/html") && h.page(x, r, status, key) {
		return
	}
	http.Error(x, fmt.Sprintf("%s (reference %s)", http.StatusText(status), x.info.ID), status)
}

// page shows the error page; false when even that fails before anything was sent.
func (h *handler) page(x *exchange, r *http.Request, status int, key string) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			h.conf.Log.LogAttrs(r.Context(), slog.LevelError, "panic in the error page",
				slog.String("id", x.info.ID), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			ok = x.status != 0
		}
	}()
	h.conf.ErrorPage(x, r, status, key)
	return true
}

// line writes the request's line to the access log.
func (h *handler) line(x *exchange, r *http.Request, start time.Time) {
	level := slog.LevelInfo
	if slices.Contains(h.conf.Quiet, r.Pattern) {
		level = slog.LevelDebug
	}
	if !h.conf.Log.Enabled(r.Context(), level) {
		return
	}
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	status := x.status
	if status == 0 {
		status = http.StatusOK
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("id", x.info.ID),
		slog.String("method", method(r)),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Int64("bytes", x.bytes),
		slog.Duration("took", time.Since(start)),
		slog.String("address", x.info.Address),
	)
	h.conf.Log.LogAttrs(r.Context(), level, "request", append(attrs, x.info.attrs...)...)
}

// method names the usual methods and no invented one, which could be as long
// as all headers together.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch:
		return r.Method
	}
	return "other"
}

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// clientAddress is the address of who asks: the peer, or, while that is a trusted
// proxy, the one before it in X-Forwarded-For; "unknown" for a peer without one. The
// header is read from its end, which the nearest proxy has written, so entries that
// a client wrote itself count only behind an address that is trusted. An entry that
// is no address ends the walk at the last one that was: whoever forges one is
// counted as the proxy, never as nobody.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	at := peer.Addr().Unmap().WithZone("")
	if !contains(trusted, at) {
		return at.String()
	}
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(chain) {
		next, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		at = next
		if !contains(trusted, at) {
			break
		}
	}
	return at.String()
}

// parseHop reads "192.0.2.7", "2001:db8::7", and both with a port, as some proxies write it.
func parseHop(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, errPort := netip.ParseAddrPort(s)
		if errPort != nil {
			return netip.Addr{}, err
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), nil
}

func contains(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}
