// Package recent keeps the latest requests of each client that were refused, for
// administrators to look at. They lie in memory, within bounds, and are gone after a
// restart: nothing else depends on them.
package recent

import (
	"container/list"
	"slices"
	"sync"

	"hilum/idp"
)

// Bounds of the memory: whoever knows a client's id can have requests of it refused.
const (
	PerClient = 10   // rejections of one client; the oldest goes first
	Clients   = 1000 // clients; the one that was last refused longest ago goes first
)

// Rejections are the last refused requests of each client. The zero value is ready.
// Safe for concurrent use.
type Rejections struct {
	mu    sync.Mutex
	of    map[idp.ClientID]*list.Element // of order
	order list.List                      // of *rejected, latest first
}

// rejected are the rejections that are kept of one client.
type rejected struct {
	client idp.ClientID
	last   []idp.Rejection // latest first
}

// Add keeps a rejection of a client, as its latest. It replaces one that it is Like,
// and adds up their Times: an application that tries again and again does not push
// out what else there was.
func (r *Rejections) Add(client idp.ClientID, one idp.Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.of[client]
	if e == nil {
		if r.of == nil {
			r.of = map[idp.ClientID]*list.Element{}
		}
		if r.order.Len() >= Clients {
			oldest := r.order.Back()
			delete(r.of, oldest.Value.(*rejected).client)
			r.order.Remove(oldest)
		}
		e = r.order.PushFront(&rejected{client: client})
		r.of[client] = e
	}
	r.order.MoveToFront(e)
	all := e.Value.(*rejected)
	one.Times = max(one.Times, 1)
	if i := slices.IndexFunc(all.last, func(o idp.Rejection) bool { return o.Like(&one) }); i >= 0 {
		one.Times += all.last[i].Times
		all.last = slices.Delete(all.last, i, i+1)
	}
	all.last = slices.Insert(all.last, 0, one)
	all.last = all.last[:min(len(all.last), PerClient)]
}

// Of returns the rejections that are kept of a client, latest first; nil: none are.
func (r *Rejections) Of(client idp.ClientID) []idp.Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.of[client]; e != nil {
		return slices.Clone(e.Value.(*rejected).last)
	}
	return nil
}
