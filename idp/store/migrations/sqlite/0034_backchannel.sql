-- +goose Up

-- How a client asks by the back channel (CIBA): JSON, empty for the usual.
ALTER TABLE clients ADD COLUMN backchannel TEXT NOT NULL DEFAULT '';

-- What tells a client that a request by the back channel has an outcome. sealed holds the
-- auth_req_id and the client_notification_token. A row is due when its request is answered,
-- or expires.
CREATE TABLE pings (
  n          INTEGER PRIMARY KEY,
  polled_id  TEXT    NOT NULL UNIQUE,
  client_id  TEXT    NOT NULL,
  sealed     BLOB    NOT NULL,
  next_at    INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  tried_at   INTEGER NOT NULL DEFAULT 0,
  said       TEXT    NOT NULL DEFAULT '',
  settled_at INTEGER NOT NULL DEFAULT 0,
  told       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX pings_waiting ON pings (client_id, next_at) WHERE settled_at = 0;
