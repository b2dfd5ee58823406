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

// rejecter is one exchange, as far as why it is refused goes. It is the writer of the
// answer too, so that both are one piece of memory.
type rejecter struct {
	http.ResponseWriter
	server *Server
	said   bool
	status int
}

type rejecterKey struct{}

// told lets what is beneath say why it refuses a request, and says that it was
// malformed where nothing more is known.
func (s *Server) told(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &rejecter{ResponseWriter: w, server: s}
		next.ServeHTTP(t, r.WithContext(context.WithValue(r.Context(), rejecterKey{}, t)))
		if !t.said && (t.status == http.StatusBadRequest || t.status == http.StatusUnauthorized) {
			serve.From(r.Context()).Note(slog.String("refused", string(idp.RejectedForm)))
		}
	})
}

// WriteHeader notes the status.
func (t *rejecter) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (t *rejecter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// rejectedClaim is rejected for a client that has not been looked up; id is what the
// request claims to be.
func rejectedClaim(ctx context.Context, id string, reason idp.RejectionReason, sent string) {
	t, ok := ctx.Value(rejecterKey{}).(*rejecter)
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
			registered = []string{string(c.Auth)}
		case idp.RejectedGrantType:
			registered = c.GrantTypes
		}
	}
	t.server.rejected(ctx, c, reason, sent, registered...)
}

// rejected says in the request's log line, and on the client's page of the
// administration (nil: no client of ours), why a request is refused. What was sent
// has to be none that is a secret; addresses lose what may be one.
func (s *Server) rejected(ctx context.Context, c *idp.Client, reason idp.RejectionReason, sent string, registered ...string) {
	if t, ok := ctx.Value(rejecterKey{}).(*rejecter); ok {
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

// badClient says why a client is not let in (nil: there is none of that id), and returns
// what the caller is told, which is the same for all.
func (s *Server) badClient(ctx context.Context, c *idp.Client, cc *op.ClientCredentials, way idp.AuthMethod) error {
	if c == nil {
		rejectedClaim(ctx, cc.ClientID, idp.RejectedUnknown, "")
		return errClient()
	}
	serve.From(ctx).Note(slog.String("client", string(c.ID)))
	switch {
	case c.Disabled:
		s.rejected(ctx, c, idp.RejectedDisabled, "")
	case c.Auth != way:
		s.rejected(ctx, c, idp.RejectedMethod, string(way), string(c.Auth))
	case held(c, idp.Secret(cc.ClientSecret)):
		s.rejected(ctx, c, idp.RejectedOldSecret, "")
	default:
		s.rejected(ctx, c, idp.RejectedSecret, "")
	}
	return errClient()
}

// shown is a value as people may see it: bounded, one line, and without letters that
// cannot be seen or turn the line around.
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

// secretParameters are names in a query under which something may stand that opens
// something.
var secretParameters = []string{
	"access_token", "assertion", "auth", "authorization", "client_secret", "code", "credential", "id_token", "jwt", "key", "nonce", "password", "passwd", "pwd", "refresh_token",
	"secret", "session", "sessionid", "session_id", "sid", "sig", "signature", "state", "ticket", "token",
}

// address is an address as it was sent, without what may be a secret in it: a
// password before the host, values in the query by their names, a fragment.
func address(uri string) string {
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
			if plain, err := url.QueryUnescape(name); has && (err != nil || slices.Contains(secretParameters, strings.ToLower(plain))) {
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

// claimedID is whom a request says it comes from.
func claimedID(h http.Header, form url.Values) string {
	if id, _, ok := basicAuth(h.Values("Authorization")); ok {
		return id
	}
	return form.Get("client_id")
}

// claimedMethod names the way in which a request authenticates its client, for one
// that cannot be taken.
func claimedMethod(h http.Header, form url.Values) (sent string, reason idp.RejectionReason) {
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return "client_assertion", idp.RejectedMethod
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
