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
