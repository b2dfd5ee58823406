package oidc

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/serve"
)

// Bounds of what is kept of a refused request.
const (
	maxShown  = 300 // bytes of one value
	maxListed = 20  // registered values
)

// rejectionWriter is one request, as far as it is known why it is refused. It is the
// writer of the response too, so that both are one piece of memory.
type rejectionWriter struct {
	http.ResponseWriter
	server   *Server
	response *response // once clientForm has begun it
	said     bool
	status   int
}

// rejectionKey finds the rejectionWriter of a request in its context.
type rejectionKey struct{}

// noteRejections lets what is beneath say why it refuses a request (rejected), and logs
// that the request was malformed where it is refused and nothing more was said.
func (s *Server) noteRejections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &rejectionWriter{ResponseWriter: w, server: s}
		next.ServeHTTP(t, r.WithContext(context.WithValue(r.Context(), rejectionKey{}, t)))
		if !t.said && (t.status == http.StatusBadRequest || t.status == http.StatusUnauthorized) {
			serve.From(r.Context()).Note(slog.String("refused", string(idp.RejectedForm)))
		}
	})
}

// WriteHeader notes the status.
func (t *rejectionWriter) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (t *rejectionWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// rejectedUnauthenticated is rejected for a request whose client has not authenticated; id
// is the client id that it claims.
func rejectedUnauthenticated(ctx context.Context, id string, reason idp.RejectionReason, sent string) {
	t, ok := ctx.Value(rejectionKey{}).(*rejectionWriter)
	if !ok {
		return
	}
	c, err := t.server.conf.Store.Client(ctx, idp.ClientID(id))
	if err != nil {
		c = nil // nobody, or a fault that the next request meets
		serve.From(ctx).Note(slog.String("client_sent", shown(id)))
	}
	var registered []string
	if c != nil {
		serve.From(ctx).Note(slog.String("client", string(c.ID)))
		switch reason {
		case idp.RejectedMethod, idp.RejectedCredentials:
			if c.Auth == idp.AuthPrivateKey && sent == assertionSent {
				reason = idp.RejectedCredentials // the right method, malformed
			}
			registered = []string{string(c.Auth)}
		case idp.RejectedGrantType:
			registered = c.GrantTypes
		default: // nothing registered would have been right, or the caller says it
		}
	}
	t.server.rejected(ctx, c, reason, sent, registered...)
}

// rejected says in the request's log line, and to Config.Rejected for the client's page in
// the administration, why a request is refused. c is nil where no client of that id is
// registered. sent, the value that was refused, must never be a secret; URIs are redacted
// before. registered are the values that would have been right.
func (s *Server) rejected(ctx context.Context, c *idp.Client, reason idp.RejectionReason, sent string, registered ...string) {
	if t, ok := ctx.Value(rejectionKey{}).(*rejectionWriter); ok {
		t.said = true
	}
	sent = shown(sent)
	right := make([]string, 0, min(len(registered), maxListed))
	for _, r := range registered[:min(len(registered), maxListed)] {
		right = append(right, shown(r))
	}
	info := serve.From(ctx)
	info.Note(slog.String("refused", string(reason)))
	if sent != "" {
		info.Note(slog.String("sent", sent))
	}
	if len(right) > 0 {
		info.Note(slog.Any("registered", right))
	}
	if c != nil && s.conf.Rejected != nil {
		s.conf.Rejected(c.ID, idp.Rejection{At: s.now(), Reference: info.ID, Reason: reason, Sent: sent, Registered: right})
	}
}

// unanswered says that a client that asks for an outcome is told how it stands, which is no
// fault of its request: the log says nothing of one.
func unanswered(ctx context.Context) {
	if t, ok := ctx.Value(rejectionKey{}).(*rejectionWriter); ok {
		t.said = true
	}
}

// invalidClient says why a client is not authenticated, and returns errInvalidClient,
// which is the same for all. c is nil where there is none of that id; method is the one by
// which it tried.
func (s *Server) invalidClient(ctx context.Context, c *idp.Client, cc *op.ClientCredentials, method idp.AuthMethod) error {
	if c == nil {
		rejectedUnauthenticated(ctx, cc.ClientID, idp.RejectedUnknown, "")
		return errInvalidClient()
	}
	serve.From(ctx).Note(slog.String("client", string(c.ID)))
	switch {
	case c.Disabled:
		s.rejected(ctx, c, idp.RejectedDisabled, "")
	case c.Auth != method:
		s.rejected(ctx, c, idp.RejectedMethod, string(method), string(c.Auth))
	case !c.HasSecret() || c.HasNow(idp.Secret(cc.ClientSecret), s.now()): // nothing else is wrong
		s.rejectedElsewhere(ctx, c)
	case everHadSecret(c, idp.Secret(cc.ClientSecret)):
		s.rejected(ctx, c, idp.RejectedOldSecret, "")
	default:
		s.rejected(ctx, c, idp.RejectedSecret, "")
	}
	return errInvalidClient()
}

// shown is a value as people may see it: bounded, one line, and without letters that are
// invisible or turn the line around.
func shown(v string) string {
	v = strings.ToValidUTF8(v, "\ufffd")
	v = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) {
			return '\ufffd'
		}
		return r
	}, v)
	if len(v) <= maxShown {
		return v
	}
	cut := maxShown
	for cut > 0 && v[cut]&0xc0 == 0x80 {
		cut--
	}
	return v[:cut] + "…"
}

// secretParameters are names of query parameters whose value may be a credential.
var secretParameters = []string{
	"access_token", "assertion", "auth", "authorization", "client_secret", "code", "credential", "id_token", "jwt", "key", "nonce", "password", "passwd", "pwd", "refresh_token",
	"secret", "session", "sessionid", "session_id", "sid", "sig", "signature", "state", "ticket", "token",
}

// patientParameters are names of query parameters by which viewers say whose pictures are
// shown. Some send the address of that page as the way back of a sign-out.
var patientParameters = []string{
	"accession", "accessionnumber", "initialsopinstanceuid", "initialseriesinstanceuid", "mrn", "objectuid", "patient", "patientid", "patientname", "seriesinstanceuid", "seriesinstanceuids",
	"seriesuid", "sopinstanceuid", "studyinstanceuid", "studyinstanceuids", "studyuid",
}

// redactedURI is a URI as it was sent, without what may be a secret in it: a password
// before the host, the values of secretParameters and patientParameters, a fragment.
func redactedURI(uri string) string {
	before, fragment, has := strings.Cut(uri, "#")
	if has && fragment != "" {
		fragment = "…"
	}
	before, query, asked := strings.Cut(before, "?")
	if scheme, rest, ok := strings.Cut(before, "//"); ok {
		authority, path := rest, ""
		if i := strings.IndexAny(rest, "/\\"); i >= 0 {
			authority, path = rest[:i], rest[i:]
		}
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			if name, _, ok := strings.Cut(authority[:i], ":"); ok {
				authority = name + ":…" + authority[i:]
			}
		}
		before = scheme + "//" + authority + path
	}
	if asked {
		parts := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
		for i, p := range parts {
			name, _, has := strings.Cut(p, "=")
			plain, err := url.QueryUnescape(name)
			plain = strings.ToLower(plain)
			if has && (err != nil || slices.Contains(secretParameters, plain) || slices.Contains(patientParameters, plain)) {
				parts[i] = name + "=…"
			}
		}
		before += "?" + strings.Join(parts, "&")
	}
	if has {
		before += "#" + fragment
	}
	return before
}

// claimedClientID is the client id that a request sends, in the Authorization header or as
// a parameter; it is not authenticated.
func claimedClientID(h http.Header, form url.Values) string {
	if id, _, ok := basicAuth(h.Values("Authorization")); ok {
		return id
	}
	if id := form.Get("client_id"); id != "" {
		return id
	}
	return assertionSubject(form.Get("client_assertion"))
}

// assertionSent is what is said to have been sent of a client assertion.
const assertionSent = "client_assertion"

// claimedMethod names the client authentication method of a request that readCredentials
// refused, and why it is refused.
func claimedMethod(h http.Header, form url.Values) (sent string, reason idp.RejectionReason) {
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return assertionSent, idp.RejectedMethod
	}
	header := h.Values("Authorization")
	if len(header) == 0 {
		return "", idp.RejectedCredentials
	}
	if _, _, ok := basicAuth(header); ok {
		return "Authorization, client_id or client_secret", idp.RejectedCredentials
	}
	scheme, _, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Basic") && len(scheme) <= 20 {
		return "Authorization: " + scheme, idp.RejectedMethod
	}
	return "Authorization: Basic, malformed", idp.RejectedCredentials
}
