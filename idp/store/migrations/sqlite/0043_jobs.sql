-- +goose Up
-- Work of administrators that takes longer than a request, as all instances see it. A row
-- goes half an hour after its end.
CREATE TABLE jobs (
  n          INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  kind       TEXT    NOT NULL,
  user_id    TEXT    NOT NULL,
  session_id TEXT    NOT NULL,
  owner      TEXT    NOT NULL,           -- the instance that does it
  adding     INTEGER NOT NULL,
  mailing    INTEGER NOT NULL,
  done       INTEGER NOT NULL,
  total      INTEGER NOT NULL,
  stopping   INTEGER NOT NULL,
  begun_at   INTEGER NOT NULL,
  beat_at    INTEGER NOT NULL,           -- when the owner said last that it lives
  ended_at   INTEGER NOT NULL DEFAULT 0,
  outcome    BLOB    NOT NULL DEFAULT x'' -- sealed
);

-- The file of a job that ended and may be of use yet: checked and found good, or short enough
-- to be mended on its page. In parts, each sealed.
CREATE TABLE job_files (
  job_id TEXT    NOT NULL,
  part   INTEGER NOT NULL,
  sealed BLOB    NOT NULL,
  PRIMARY KEY (job_id, part)
);
