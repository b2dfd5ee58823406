-- Test sign-ins, and whether the first steps were put aside.

-- +goose Up

CREATE TABLE tryouts (
  n            INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  client_id    TEXT    NOT NULL, -- the application; its double is client_id~id
  user_id      TEXT    NOT NULL,
  session_id   TEXT    NOT NULL,
  browser      BLOB    NOT NULL,
  state        BLOB    NOT NULL UNIQUE,
  nonce        BLOB    NOT NULL,
  secret       BLOB    NOT NULL,
  sealed       BLOB    NOT NULL,
  redirect_uri TEXT    NOT NULL,
  again        INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  answered_at  INTEGER NOT NULL,
  ended_at     INTEGER NOT NULL,
  result       TEXT    NOT NULL -- JSON, or empty
);

-- When the first steps were put aside; 0: they were not. Who has applications
-- already is past them.
INSERT INTO marks (name, n) SELECT 'start', CASE WHEN EXISTS (SELECT 1 FROM clients) THEN 1 ELSE 0 END;
