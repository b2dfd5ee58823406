package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/store/pgtest"
)

// running is a provider that runs, one of several on a database.
type running struct {
	*provider
	url string
	end func() // as SIGTERM does
}

// several runs so many providers on a database of the test.
func several(t *testing.T, n int, change func(*config.Config)) (all []*running) {
	t.Helper()
	database, seal := pgtest.Fresh(t), filepath.Join(t.TempDir(), "seal.key")
	for range n {
		conf := config.Default()
		conf.DataDir, conf.Keys.SealFile = t.TempDir(), seal
		if err := conf.UseDatabase(database); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(conf)
		}
		l, err := listen(t.Context(), "listen", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		log := &logged{}
		p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		h, shared, err := p.handler(nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.run(ctx, h, shared, l) }()
		end := sync.OnceFunc(func() {
			stop()
			if err := errors.Join(<-ended, p.Close()); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Log(log.String())
			}
		})
		t.Cleanup(end)
		all = append(all, &running{p, "http://" + l.Addr().String(), end})
	}
	return all
}

// becomes asks until something is so.
func becomes(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not become so: " + what)
		}
	}
}

// Two providers on one database list themselves, allow an address together what one would, and
// hear of one another. The one that is left allows all of it.
func TestInstancesShareADatabase(t *testing.T) {
	// None of what is used up comes back within the test.
	const burst = 12
	all := several(t, 2, func(c *config.Config) { c.Limits = config.Limits{SignInPerMinute: 1, SignInBurst: burst} })
	one, two := all[0], all[1]
	live := func(n int, of ...*running) func() bool {
		return func() bool {
			for _, p := range of {
				if p.share.Live() != n {
					return false
				}
			}
			return true
		}
	}
	becomes(t, "both know of two", live(2, one, two))

	allowed := func(p *running) (n int) {
		for range burst + 2 {
			if code, _ := fetch(t, http.MethodGet, p.url+"/authorize"); code != http.StatusTooManyRequests {
				n++
			}
		}
		return n
	}
	// One may come back a minute, and half of one at each.
	if a, b := allowed(one), allowed(two); a < burst/2 || a > burst/2+1 || b < burst/2 || b > burst/2+1 {
		t.Errorf("%d and %d are allowed, want half of %d each", a, b, burst)
	}

	h, err := one.db.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Instances) != 2 || h.Instances[0].Version != version || h.Instances[0].ID == h.Instances[1].ID {
		t.Errorf("instances: %+v", h.Instances)
	}

	// Keys that one has changed the other signs by at once.
	before := two.ring.Version()
	leaked := two.ring.Public()[0].ID
	if err := one.db.UpdateSigningKeys(t.Context(), func(keys []idp.SigningKey) ([]idp.SigningKey, error) {
		for i := range keys {
			if keys[i].ID == leaked {
				keys[i].GoneAt, keys[i].RetiredAt = time.Now().Add(-time.Second), time.Now().Add(-time.Second)
			}
		}
		return keys, nil
	}, idp.Event{Kind: idp.EventKeyRotated}); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the other has another key", func() bool {
		keys := two.ring.Public()
		return two.ring.Version() != before && len(keys) > 0 && keys[0].ID != leaked
	})

	two.end()
	becomes(t, "one knows that it is alone", live(1, one))
	if h, err = one.db.Health(t.Context()); err != nil || len(h.Instances) != 1 {
		t.Errorf("instances after one has ended: %+v, %v", h.Instances, err)
	}
	if code, body := fetch(t, http.MethodGet, one.url+"/readyz"); code != http.StatusOK || !strings.HasPrefix(body, "ready") {
		t.Errorf("the one that is left says %d %q", code, body)
	}
}
