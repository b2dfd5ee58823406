-- +goose Up
-- What is gone is found by its moment (docs/decisions/0078). Moments grow with time, as numbers do, so new
-- rows go to the end of each index, to a page that is at hand. Tables that keep a few rows for each person,
-- and those of a few rows, have none: they are looked through, a part each time.
CREATE INDEX access_tokens_gone ON access_tokens (expires_at);
CREATE INDEX refresh_tokens_gone ON refresh_tokens (keep_until);
CREATE INDEX codes_gone ON codes (keep_until);
CREATE INDEX grants_gone ON grants (expires_at);
CREATE INDEX sessions_gone ON sessions (expires_at);
CREATE INDEX logins_gone ON logins (expires_at);
CREATE INDEX challenges_gone ON challenges (expires_at);
CREATE INDEX logout_notices_gone ON logout_notices (settled_at) WHERE settled_at <> 0;
CREATE INDEX mails_gone ON mails (settled_at) WHERE settled_at <> 0;
CREATE INDEX replay_gone ON replay (until);
CREATE INDEX used_jwts_gone ON used_jwts (until);
CREATE INDEX pushed_requests_gone ON pushed_requests (expires_at);
CREATE INDEX polled_requests_gone ON polled_requests (expires_at);
CREATE INDEX pings_gone ON pings (until);
