package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hilum/idp"
)

// maxAddresses bounds the memory: some 12 MB when all are in use.
const maxAddresses = 1 << 16

// candidates is among how many addresses the one to be forgotten is chosen.
const candidates = 8

// Addresses guards the machine, not the accounts: it lets an address do
// something so often a minute, with a burst. A hospital is one address, so the
// numbers are generous. It counts in memory, for this instance: of several, each
// allows its share (Among).
//
// Memory is bounded. An address whose burst is whole again is forgotten sooner
// or later, which loses nothing. When all are in use, of a few picked by chance
// the one that has used least of its burst is forgotten. That gives it its
// burst back, so whoever wants this for himself has to send requests from as
// many other addresses as there is room for, and use each more than his own. An IPv6
// network of 64 bits counts as one address: anybody has that many.
//
// Safe for concurrent use.
type Addresses struct{ buckets[netip.Addr] }

// Browsers limits as Addresses does, per browser, by its binding cookie. Who drops the
// cookie is another browser: this keeps one that does wrong from using up what its address
// may do, and bounds nobody by itself.
type Browsers struct{ buckets[idp.TokenHash] }

// Clients limits as Addresses does, per client that has authenticated: strangers cannot
// fill its memory.
type Clients struct{ buckets[idp.ClientID] }

// Sessions limits as Addresses does, per live session.
type Sessions struct{ buckets[idp.SessionID] }

// buckets are token buckets in memory, one for each value of a key.
type buckets[K comparable] struct {
	rate  rate.Limit
	burst int
	most  int
	share *Share // nil: all is this instance's

	mu sync.Mutex
	of map[K]*rate.Limiter
}

func newBuckets[K comparable](perMinute float64, burst int) buckets[K] {
	return buckets[K]{
		rate:  rate.Limit(perMinute / 60),
		burst: max(1, burst),
		most:  maxAddresses,
		of:    map[K]*rate.Limiter{},
	}
}

// NewAddresses returns an Addresses that allows burst at once and perMinute
// on the long run, from each address. Both are at least 1.
func NewAddresses(perMinute, burst int) *Addresses {
	return &Addresses{newBuckets[netip.Addr](float64(max(1, perMinute)), burst)}
}

// Among divides what is allowed by how many instances live, and returns the Addresses. It is
// called before the first use.
func (a *Addresses) Among(s *Share) *Addresses { a.share = s; return a }

// Among is as that of Addresses.
func (c *Clients) Among(s *Share) *Clients { c.share = s; return c }

// Among is as that of Addresses.
func (b *Browsers) Among(s *Share) *Browsers { b.share = s; return b }

// Among is as that of Addresses.
func (s *Sessions) Among(share *Share) *Sessions { s.share = share; return s }

// NewClients is NewAddresses for clients.
func NewClients(perMinute, burst int) *Clients {
	return &Clients{newBuckets[idp.ClientID](float64(max(1, perMinute)), burst)}
}

// NewBrowsers returns a Browsers that allows n at once, and n in 10 minutes on the
// long run.
func NewBrowsers(n int) *Browsers {
	return &Browsers{newBuckets[idp.TokenHash](float64(max(1, n))/10, n)}
}

// NewSessions is NewAddresses for sessions.
func NewSessions(perMinute, burst int) *Sessions {
	return &Sessions{newBuckets[idp.SessionID](float64(max(1, perMinute)), burst)}
}

// Allow counts one use by a client address without port, and reports whether
// it is within bounds; if not, nothing was used up, and retry says when it
// will be. What is no address shares one bucket.
func (a *Addresses) Allow(addr string) (retry time.Duration, ok bool) {
	return a.allow(network(addr))
}

// Allow counts one use by a client, as that of Addresses does.
func (c *Clients) Allow(id idp.ClientID) (retry time.Duration, ok bool) { return c.allow(id) }

// Allow counts one use by a session, as that of Addresses does.
func (s *Sessions) Allow(id idp.SessionID) (retry time.Duration, ok bool) { return s.allow(id) }

func (b *buckets[K]) allow(key K) (retry time.Duration, ok bool) {
	now := time.Now()
	r := b.bucket(key, now).ReserveN(now, 1)
	if retry = r.DelayFrom(now); retry > 0 {
		r.CancelAt(now)
		return retry, false
	}
	return 0, true
}

// Open reports whether a use by a client address is within bounds, and uses
// nothing up; if not, retry says when one will be.
func (a *Addresses) Open(addr string) (retry time.Duration, ok bool) { return a.open(network(addr)) }

// Count counts one use by a client address, within bounds or not.
func (a *Addresses) Count(addr string) { a.allow(network(addr)) }

// Open is as that of Addresses.
func (b *Browsers) Open(id idp.TokenHash) (retry time.Duration, ok bool) { return b.open(id) }

// Count is as that of Addresses.
func (b *Browsers) Count(id idp.TokenHash) { b.allow(id) }

func (b *buckets[K]) open(key K) (retry time.Duration, ok bool) {
	now := time.Now()
	b.mu.Lock()
	l := b.of[key]
	if l != nil {
		b.divide(l, now)
	}
	b.mu.Unlock()
	if l == nil {
		return 0, true
	}
	if left := l.TokensAt(now); left < 1 {
		return time.Duration((1 - left) / float64(l.Limit()) * float64(time.Second)), false
	}
	return 0, true
}

func (b *buckets[K]) bucket(key K, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.of[key]
	if !ok {
		b.forget(now)
		l = rate.NewLimiter(b.allowed())
		b.of[key] = l
	} else {
		b.divide(l, now)
	}
	return l
}

// allowed is this instance's share.
func (b *buckets[K]) allowed() (rate.Limit, int) {
	return b.rate / rate.Limit(b.share.Live()), b.share.Of(b.burst)
}

// divide gives a bucket what is allowed now. What is in it stays in it, as far as there is room:
// what others have allowed before they went is not known here.
func (b *buckets[K]) divide(l *rate.Limiter, now time.Time) {
	if limit, burst := b.allowed(); l.Burst() != burst || l.Limit() != limit {
		l.SetLimitAt(now, limit)
		l.SetBurstAt(now, burst)
	}
}

// forget makes room for one more. It looks at a few only, so that it costs the
// same however many there are.
func (b *buckets[K]) forget(now time.Time) {
	var least K
	most, n := -1.0, 0
	for key, l := range b.of { // begins anywhere
		left := l.TokensAt(now)
		if left >= float64(l.Burst()) {
			delete(b.of, key) // as good as new, nothing is lost
		} else if left > most {
			least, most = key, left
		}
		if n++; n == candidates {
			break
		}
	}
	if len(b.of) >= b.most {
		delete(b.of, least)
	}
}

// network is what is counted as one: an IPv4 address, or the first 64 bits of
// an IPv6 address; the zero Addr for what is neither.
func network(addr string) netip.Addr {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Addr{}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}
