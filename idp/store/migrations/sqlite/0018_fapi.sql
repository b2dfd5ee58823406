-- +goose Up

-- The public keys by which a client proves itself: a JWK Set, or where it publishes one.
ALTER TABLE clients ADD COLUMN jwks     TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN jwks_uri TEXT NOT NULL DEFAULT '';

-- What is good once and was used: the hash of whose it is and of its jti (RFC 7519,
-- section 4.1.7), until it is no longer good by itself.
CREATE TABLE used_jwts (
  n     INTEGER PRIMARY KEY,
  hash  BLOB    NOT NULL UNIQUE,
  until INTEGER NOT NULL
);

-- Whether a client has to push its authorization requests (RFC 9126).
ALTER TABLE clients ADD COLUMN require_pushed INTEGER NOT NULL DEFAULT 0;

-- Authorization requests that were pushed. id is the hash of the handle that the client
-- was given; request is the validated request, as logins have it.
CREATE TABLE pushed_requests (
  n          INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  client_id  TEXT    NOT NULL,
  request    TEXT    NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0,
  mac        BLOB    NOT NULL DEFAULT x''
);
CREATE INDEX pushed_requests_pending ON pushed_requests (client_id, expires_at) WHERE used_at = 0;
