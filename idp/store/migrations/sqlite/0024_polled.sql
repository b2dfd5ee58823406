-- +goose Up

-- The grant type that a person's grant was given by; empty: authorization_code.
ALTER TABLE grants ADD COLUMN type TEXT NOT NULL DEFAULT '';

-- Authorization requests whose client asks for the outcome again and again (RFC 8628). id is
-- the hash of what it asks with; user_code a keyed hash of the code that the person types;
-- request is as logins have it; interval is in microseconds.
CREATE TABLE polled_requests (
  n          INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  type       TEXT    NOT NULL,
  client_id  TEXT    NOT NULL,
  request    TEXT    NOT NULL,
  user_code  BLOB    NOT NULL DEFAULT x'',
  address    TEXT    NOT NULL DEFAULT '',
  state      TEXT    NOT NULL,
  interval   INTEGER NOT NULL,
  polled_at  INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  mac        BLOB    NOT NULL DEFAULT x''
);
CREATE UNIQUE INDEX polled_requests_code ON polled_requests (user_code) WHERE user_code <> x'';
CREATE INDEX polled_requests_pending ON polled_requests (client_id, expires_at) WHERE state = 'pending';
