package store

import (
	"context"

	"hilum/idp"
)

// numbered are the tables whose rows are counted by their numbers.
var numbered = map[string]string{
	"users": "user_list", "devices": "device_list", "sessions": "sessions", "logins": "logins", "grants": "grants", "codes": "codes",
	"access_tokens": "access_tokens", "refresh_tokens": "refresh_tokens", "challenges": "challenges", "pairings": "pairings",
	"invitations": "invitations", "known_browsers": "known_browsers", "counters": "counters", "logout_notices": "logout_notices", "mails": "mails",
}

// Health tells of the database what costs little to find out.
func (db *DB) Health(ctx context.Context) (*idp.Health, error) {
	lag, err := db.lag(ctx) // before readLog has all of them put into the log
	if err != nil {
		return nil, err
	}
	r, err := db.readLog(ctx)
	if err != nil {
		return nil, err
	}
	h := &idp.Health{Rows: map[string]int64{}, Waiting: map[string]int{}, Shared: db.deferred, Lag: lag}
	if h.Instances, err = db.instances(r); err != nil {
		return nil, err
	}
	is, err := db.tables(ctx)
	if err != nil {
		return nil, err
	}
	h.Schema, h.SchemaFloor = is.Version, is.Floor.Level
	if h.Unwritable, err = db.whyUnwritable(ctx); err != nil {
		return nil, err
	}
	if h.Engine, h.EngineVersion, err = db.engine.About(); err != nil {
		return nil, err
	}
	if h.Bytes, err = db.engine.Bytes(); err != nil {
		return nil, err
	}
	for name, table := range numbered {
		var n int64
		if err := r.Row("SELECT coalesce(max(n) - min(n) + 1, 0) FROM (SELECT min(n) AS n FROM "+table+" UNION ALL SELECT max(n) FROM "+table+") ends", nil, &n); err != nil {
			return nil, err
		}
		h.Rows[name] = n
	}
	if err := r.Row("SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM (SELECT min(seq) AS seq FROM events UNION ALL SELECT max(seq) FROM events) ends", nil, &h.Events); err != nil {
		return nil, err
	}
	h.Rows["events"] = h.Events
	now, most := micros(db.now()), int64(idp.CountUpTo)
	for name, open := range map[string]string{
		"logins":      "logins WHERE expires_at > ? AND state NOT IN ('collected', 'denied', 'expired')",
		"challenges":  "challenges WHERE expires_at > ? AND state = 'pending'",
		"invitations": "invitations WHERE expires_at > ? AND used_at = 0",
		"pairings":    "pairings WHERE expires_at > ? AND used_at = 0",
	} {
		var n int64
		if err := r.Row("SELECT count(*) FROM (SELECT 1 FROM "+open+" LIMIT ?) w", []any{now, most}, &n); err != nil {
			return nil, err
		}
		h.Waiting[name] = int(n)
	}
	for i, f := range idp.DeviceFacets {
		if f == idp.FacetFailing {
			n, err := deviceListing.CountFacet(r, i, most)
			if err != nil {
				return nil, err
			}
			h.Failing = int(n)
		}
	}
	var swept int64
	if err := r.Row("SELECT n FROM marks WHERE name = 'swept'", nil, &swept); err != nil {
		return nil, err
	}
	h.LastSweep = moment(swept)
	if h.Keys, err = db.SigningKeys(ctx); err != nil {
		return nil, err
	}
	if h.Mail, err = mailFigures(r); err != nil {
		return nil, err
	}
	if h.Logouts, err = logoutFigures(r, ""); err != nil {
		return nil, err
	}
	for i := range h.Keys {
		h.Keys[i].Sealed = nil
	}
	return h, nil
}
