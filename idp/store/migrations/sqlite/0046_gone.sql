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
