// Package serve is what all doors share: request id, client address, recovery,
// access log, timeouts.
package serve

import (
	"context"
	"log/slog"
)

// Info travels with a request. Handlers read it and add to its log line.
type Info struct {
	ID      string // quoted to people as the reference of an error
	Address string // of the client, trusted proxies peeled off
	attrs   []slog.Attr
}

type infoKey struct{}

// From returns the request's Info; an empty one outside of a served request.
func From(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{}
}

// With puts an Info into a context, for tests and for the middleware.
func With(ctx context.Context, i *Info) context.Context { return context.WithValue(ctx, infoKey{}, i) }

// Note adds attributes to the request's one log line. Not for concurrent use.
func (i *Info) Note(attrs ...slog.Attr) { i.attrs = append(i.attrs, attrs...) }
