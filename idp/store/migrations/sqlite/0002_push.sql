-- Phones that are asked: their keys and addresses, the questions, and what is
-- remembered of asking.

-- +goose Up

ALTER TABLE devices ADD COLUMN public_key  BLOB    NOT NULL DEFAULT x'';
ALTER TABLE devices ADD COLUMN app         TEXT    NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN sealed_push BLOB    NOT NULL DEFAULT x'';
ALTER TABLE devices ADD COLUMN push_type   TEXT    NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN push_ok_at  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN push_bad_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN push_said   TEXT    NOT NULL DEFAULT '';
CREATE UNIQUE INDEX devices_id ON devices (id);

-- claim is the phone that scanned the QR, as JSON, until it is linked.
ALTER TABLE pairings ADD COLUMN enrol        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairings ADD COLUMN rival        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairings ADD COLUMN code         BLOB    NOT NULL DEFAULT x'';
ALTER TABLE pairings ADD COLUMN sealed_code  BLOB    NOT NULL DEFAULT x'';
ALTER TABLE pairings ADD COLUMN sealed_short BLOB    NOT NULL DEFAULT x'';
ALTER TABLE pairings ADD COLUMN short_tries  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairings ADD COLUMN claim_id     TEXT    NOT NULL DEFAULT '';
ALTER TABLE pairings ADD COLUMN claim        TEXT    NOT NULL DEFAULT '';
ALTER TABLE pairings ADD COLUMN challenge_id TEXT    NOT NULL DEFAULT '';
ALTER TABLE pairings ADD COLUMN tapped_at    INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX pairings_code ON pairings (code) WHERE code <> x'';
CREATE INDEX pairings_account ON pairings (account) WHERE used_at = 0;
CREATE UNIQUE INDEX pairings_claim ON pairings (claim_id) WHERE claim_id <> '';

ALTER TABLE logins ADD COLUMN challenge_id TEXT    NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN sends        INTEGER NOT NULL DEFAULT 0;

ALTER TABLE clients ADD COLUMN "match" TEXT NOT NULL DEFAULT '';

CREATE TABLE challenges (
  n           INTEGER PRIMARY KEY,
  id          TEXT    NOT NULL UNIQUE,
  purpose     TEXT    NOT NULL,
  user_id     TEXT    NOT NULL,
  login_id    TEXT    NOT NULL,
  pairing_id  TEXT    NOT NULL,
  browser     BLOB    NOT NULL,
  address     TEXT    NOT NULL,
  mode        TEXT    NOT NULL,
  number      TEXT    NOT NULL,
  doc         TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  device_id   TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  sent_at     INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  answered_at INTEGER NOT NULL
);
CREATE INDEX challenges_user ON challenges (user_id) WHERE state = 'pending';

CREATE TABLE push_guards (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
  guard   TEXT NOT NULL -- JSON
) WITHOUT ROWID;

CREATE TABLE known_browsers (
  n          INTEGER PRIMARY KEY,
  token      BLOB    NOT NULL,
  user_id    TEXT    NOT NULL REFERENCES users (id),
  at         INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (token, user_id)
);
CREATE INDEX known_browsers_user ON known_browsers (user_id);

-- Requests of devices that were carried out, so that none is twice.
CREATE TABLE replay (
  n         INTEGER PRIMARY KEY,
  device_id TEXT    NOT NULL,
  jti       BLOB    NOT NULL,
  until     INTEGER NOT NULL,
  UNIQUE (device_id, jti)
);

-- Unlinked devices, so that they can be told.
CREATE TABLE tombstones (
  n           INTEGER PRIMARY KEY,
  id          TEXT    NOT NULL UNIQUE,
  user_id     TEXT    NOT NULL,
  public_key  BLOB    NOT NULL,
  unlinked_at INTEGER NOT NULL
);

-- The key that push services know us by (RFC 8292).
CREATE TABLE vapid_keys (
  id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  sealed     BLOB    NOT NULL,
  public     TEXT    NOT NULL,
  created_at INTEGER NOT NULL
);
