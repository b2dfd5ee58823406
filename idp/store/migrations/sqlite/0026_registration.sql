-- +goose Up

-- Initial access tokens, by which applications register themselves (RFC 7591, section 3),
-- by their hash, and what may be registered by each; lists are JSON. uses is how many
-- registrations it is good for, used how many there were; revoked_at and last_used_at 0:
-- never.
CREATE TABLE registration_tokens (
  n            INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  name         TEXT    NOT NULL,
  hash         BLOB    NOT NULL UNIQUE,
  grant_types  TEXT    NOT NULL,
  scopes       TEXT    NOT NULL,
  hosts        TEXT    NOT NULL,
  uses         INTEGER NOT NULL,
  used         INTEGER NOT NULL,
  made_by      TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  revoked_at   INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  mac          BLOB    NOT NULL DEFAULT x''
);

-- The initial access token that an application was registered by; empty: it was registered
-- by the administration. And the hash of its registration access token (RFC 7592, section
-- 3), by which it changes its registration; empty: it cannot.
ALTER TABLE clients ADD COLUMN registered_by TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN registration_hash BLOB NOT NULL DEFAULT x'';
