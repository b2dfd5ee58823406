package store_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// A code and a refresh token whose use was not answered were used once, for the tokens that were
// to be issued, and whoever comes second is refused.
func TestTokensWhoseAnswerIsLost(t *testing.T) {
	for name, at := range map[string]pgtest.Moment{"before": pgtest.Before, "sent": pgtest.Sent, "at": pgtest.At, "after": pgtest.After} {
		t.Run(name, func(t *testing.T) {
			p := pgtest.NewProxy(t, pgtest.Fresh(t))
			db, err := store.Open(t.Context(), store.Strict(store.Config{Key: make([]byte, 32), URL: p.URL(), Log: slog.New(slog.DiscardHandler)}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			now := time.Now().UTC().Truncate(time.Microsecond)
			u := person(t, db, now)
			p.Also(func(sql string) bool { return strings.HasPrefix(sql, "WITH held") })
			use := map[string]func(held *tokens, issue idp.Issue) error{
				"code": func(held *tokens, issue idp.Issue) error {
					return db.RedeemCode(t.Context(), held.code, now, issue, idp.Event{At: now, Kind: idp.EventCodeRedeemed, User: u, Client: "viewer"})
				},
				"refresh": func(held *tokens, issue idp.Issue) error {
					return db.RotateRefresh(t.Context(), held.refresh, now, 0, issue)
				},
			}
			for what, use := range use {
				held := signInAs(t, db, u, now)
				if what == "refresh" {
					redeem(t, db, &held, now)
				}
				briefs := 0
				db.TellTrips(func(queries []string) {
					if strings.Contains(strings.Join(queries, " "), "WITH held") {
						briefs++
					}
				})
				issue := issueFor(held.grant, now)
				cut := p.Cuts()
				p.CutNext(at)
				err := use(&held, issue)
				p.Cut(0, nil)
				for until := time.Now().Add(time.Minute); p.Cuts() == cut && time.Now().Before(until); { // that of an answer which got through is cut a moment later
					time.Sleep(time.Millisecond)
				}
				if err != nil || p.Cuts() == cut || (briefs == 1) == db.RunsTwice() {
					t.Errorf("%s: %v, %d connections cut, %d brief changes", what, err, p.Cuts()-cut, briefs)
				}
				if access, _, _, err := db.Access(t.Context(), issue.Access.Hash); err != nil || !access.RevokedAt.IsZero() {
					t.Errorf("%s: the access token: %v", what, err)
				}
				if next, g, err := db.Refresh(t.Context(), issue.Refresh.Hash); err != nil || !next.UsedAt.IsZero() || !g.RevokedAt.IsZero() {
					t.Errorf("%s: the refresh token: %v", what, err)
				}
				second := issueFor(held.grant, now)
				if err := use(&held, second); !errors.Is(err, idp.ErrSettled) {
					t.Errorf("%s, a second time: %v", what, err)
				}
				if _, _, _, err := db.Access(t.Context(), second.Access.Hash); !errors.Is(err, idp.ErrNotFound) {
					t.Errorf("%s, tokens of the second time: %v", what, err)
				}
				if _, g, err := db.Refresh(t.Context(), issue.Refresh.Hash); err != nil || g.RevokedAt.IsZero() {
					t.Errorf("%s: the grant is good after a second use, %v", what, err)
				}
			}
			if err := db.VerifyEvents(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
