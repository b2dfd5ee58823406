-- +goose Up
-- What is gone is found by its moment (docs/decisions/0078). Moments grow with time, as numbers do, so new
-- rows go to the end of each index, to a page that is at hand. Tables whose rows live minutes, or are a few
-- for each person, have none: they are looked through, a part each time.
CREATE INDEX refresh_tokens_gone ON refresh_tokens (keep_until);
CREATE INDEX codes_gone ON codes (keep_until);
CREATE INDEX grants_gone ON grants (expires_at);
CREATE INDEX sessions_gone ON sessions (expires_at);
CREATE INDEX logins_gone ON logins (expires_at);
CREATE INDEX logout_notices_gone ON logout_notices (settled_at) WHERE settled_at <> 0;
CREATE INDEX mails_gone ON mails (settled_at) WHERE settled_at <> 0;

-- A page has room for the versions of its rows that come in its lifetime, so that a change whose columns are
-- in no index touches no index (HOT): a code and a refresh token are used once, a grant and a session are
-- marked as used once a minute, a sign-in goes through its steps, a counter and a device change with each.
-- Only pages that are written from now on have it.
ALTER TABLE codes SET (fillfactor = 90);
ALTER TABLE refresh_tokens SET (fillfactor = 90);
ALTER TABLE grants SET (fillfactor = 85);
ALTER TABLE sessions SET (fillfactor = 80);
ALTER TABLE logins SET (fillfactor = 70);
ALTER TABLE challenges SET (fillfactor = 80);
ALTER TABLE counters SET (fillfactor = 70);
ALTER TABLE devices SET (fillfactor = 80);
-- Of tables that turn over in hours or days, a fifth of ten million rows is too many to wait for.
ALTER TABLE access_tokens SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE refresh_tokens SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE codes SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE grants SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE sessions SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE logins SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- What comes and goes within a moment is small alive, and large dead: by number, whatever its share.
ALTER TABLE events_pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE replay SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE used_jwts SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- SQLite's indexes of the log end with the number by themselves. Here they have to name it: a page of a
-- person's events is then read from the newest on, and not by reading and sorting all of theirs.
DROP INDEX events_user, events_device, events_actor, events_kind, sessions_user;
CREATE INDEX events_user ON events (user_id, seq) WHERE user_id <> '';
CREATE INDEX events_device ON events (device_id, seq) WHERE device_id <> '';
CREATE INDEX events_actor ON events (actor_user, seq) WHERE actor_user <> '' AND actor_user <> user_id;
CREATE INDEX events_kind ON events (kind, seq) WHERE kind NOT IN ('login.password', 'login.factor', 'login.done', 'session.started', 'session.ended', 'grant.issued', 'grant.redeemed', 'phone.asked', 'phone.approved');
CREATE INDEX sessions_user ON sessions (user_id, n);
