-- +goose Up

-- What a process beside the provider, such as a command, has changed that somebody
-- waits for: topics, kept for a minute.
CREATE TABLE wakes (
  n     INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT    NOT NULL,
  at    INTEGER NOT NULL
);

-- Where a phone that was unlinked is woken by push, once; empty: nowhere, or it was.
ALTER TABLE tombstones ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE tombstones ADD COLUMN sealed_push BLOB NOT NULL DEFAULT x'';
CREATE INDEX tombstones_push ON tombstones (user_id) WHERE sealed_push <> x'';
