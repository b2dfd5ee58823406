package limit

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hilum/idp"
)

// use counts how many of n uses at one moment are allowed.
func use(a *Addresses, addr string, n int) (allowed int) {
	for range n {
		if _, ok := a.Allow(addr); ok {
			allowed++
		}
	}
	return allowed
}

func TestAddressHasABurstAndARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAddresses(60, 120)
		if got := use(a, "192.0.2.1", 200); got != 120 {
			t.Errorf("%d at once, want 120", got)
		}
		retry, ok := a.Allow("192.0.2.1")
		if ok || retry != time.Second {
			t.Errorf("then %v, retry in %s; want one second", ok, retry)
		}
		time.Sleep(retry - time.Millisecond)
		if use(a, "192.0.2.1", 1) != 0 {
			t.Error("sooner than it was told")
		}
		time.Sleep(time.Millisecond)
		if got := use(a, "192.0.2.1", 5); got != 1 {
			t.Errorf("%d when it was told to come back, want 1", got)
		}
		// Being refused uses nothing up: a minute later there are 60.
		use(a, "192.0.2.1", 1000)
		time.Sleep(time.Minute)
		if got := use(a, "192.0.2.1", 200); got != 60 {
			t.Errorf("%d after a minute, want 60", got)
		}
		time.Sleep(time.Hour)
		if got := use(a, "192.0.2.1", 200); got != 120 {
			t.Errorf("%d after an hour, want the burst of 120", got)
		}
	})
}

func TestAddressesAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAddresses(1, 3)
		for _, c := range []struct {
			addr string
			want int
		}{
			{"192.0.2.1", 3},
			{"192.0.2.2", 3},
			{"::ffff:192.0.2.1", 0}, // the first again
			{"2001:db8:1:2::1", 3},
			{"2001:db8:1:2:ffff::9", 0}, // the same network
			{"2001:db8:1:3::1", 3},      // another
			{"fe80::1%eth0", 3},
			{"fe80::2%eth1", 0},
			{"", 3},
			{"not an address", 0}, // one bucket for all of these
			{"192.0.2.1:8080", 0},
		} {
			if got := use(a, c.addr, 10); got != c.want {
				t.Errorf("%q: %d, want %d", c.addr, got, c.want)
			}
		}
	})
}

func TestNumbersAreAtLeastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAddresses(0, -1)
		if got := use(a, "192.0.2.1", 5); got != 1 {
			t.Errorf("%d at once, want 1", got)
		}
		if retry, ok := a.Allow("192.0.2.1"); ok || retry != time.Minute {
			t.Errorf("%v, %s", ok, retry)
		}
	})
}

func nth(i int) string {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAddresses(60, 10)
		a.most = 1000
		for i := range 5000 {
			a.Allow(nth(i))
		}
		if len(a.of) > 1000 {
			t.Errorf("%d addresses are kept, want 1000 at most", len(a.of))
		}
		// An hour later all are whole again, and go as others come.
		time.Sleep(time.Hour)
		for i := range 1000 {
			a.Allow(nth(10_000 + i%5))
		}
		// Each that comes looks at a few of those that are kept, picked by chance: of
		// those that are whole 256 times fewer are left when twice as many have come.
		for i := range 600 {
			a.Allow(nth(20_000 + i))
		}
		if len(a.of) > 650 {
			t.Errorf("%d addresses are kept, though 605 were seen lately", len(a.of))
		}
	})
}

// Whoever has used up his burst does not get it back by sending a flood of
// requests from other addresses, one from each.
func TestFloodDoesNotGiveTheBurstBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAddresses(1, 100)
		a.most = 1000
		use(a, "192.0.2.1", 100)
		again := 0
		for i := range 20_000 {
			a.Allow(nth(i))
			if i%100 == 0 {
				again += use(a, "192.0.2.1", 1)
			}
		}
		if again != 0 {
			t.Errorf("%d more were allowed", again)
		}
	})
}

func TestAddressesConcurrently(t *testing.T) {
	a := NewAddresses(1, 50)
	a.most = 100
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for g := range 8 {
		wg.Go(func() {
			n := 0
			for i := range 200 {
				n += use(a, "192.0.2.1", 1)
				a.Allow(nth(g*1000 + i))
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if total < 50 || total > 52 { // a moment passes meanwhile
		t.Errorf("%d of one address were allowed, want 50", total)
	}
}

func BenchmarkAllow(b *testing.B) {
	a := NewAddresses(60, 120)
	addrs := make([]string, 1000)
	for i := range addrs {
		addrs[i] = nth(i)
	}
	for i := 0; b.Loop(); i++ {
		a.Allow(addrs[i%len(addrs)])
	}
}

func BenchmarkAllowFull(b *testing.B) {
	a := NewAddresses(60, 120)
	for i := range maxAddresses {
		use(a, nth(i), 2)
	}
	b.ReportMetric(float64(len(a.of)), "addresses")
	for i := 0; b.Loop(); i++ {
		a.Allow(nth(1<<20 + i&0xfffff))
	}
}

func TestClientsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClients(60, 2)
		for _, try := range []struct {
			id idp.ClientID
			ok bool
		}{{"siem", true}, {"siem", true}, {"siem", false}, {"leavers", true}} {
			if _, ok := c.Allow(try.id); ok != try.ok {
				t.Errorf("%s: %v", try.id, ok)
			}
		}
		time.Sleep(time.Second)
		if _, ok := c.Allow("siem"); !ok {
			t.Error("not after a second")
		}
	})
}
