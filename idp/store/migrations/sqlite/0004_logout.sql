-- Applications are told when a session has ended.

-- +goose Up

ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN backchannel_logout_session_required INTEGER NOT NULL DEFAULT 0;

-- One row tells one application of one session, once. tries numbers who has
-- claimed it; said is why the last try came to nothing.
CREATE TABLE logout_notices (
  n          INTEGER PRIMARY KEY,
  session_id TEXT    NOT NULL,
  user_id    TEXT    NOT NULL,
  client_id  TEXT    NOT NULL,
  ended_at   INTEGER NOT NULL,
  next_at    INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  tried_at   INTEGER NOT NULL DEFAULT 0,
  said       TEXT    NOT NULL DEFAULT '',
  settled_at INTEGER NOT NULL DEFAULT 0,
  told       INTEGER NOT NULL DEFAULT 0,
  UNIQUE (session_id, client_id)
);
CREATE INDEX logout_notices_waiting ON logout_notices (client_id, next_at, ended_at) WHERE settled_at = 0;
CREATE INDEX logout_notices_failing ON logout_notices (client_id, tried_at, settled_at) WHERE said <> '';

-- What has ended is shown, newest first.
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at <> 0;
