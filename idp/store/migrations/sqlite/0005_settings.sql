-- How the site presents itself, as the administration has saved it, and the
-- pictures that it and its applications show. An empty field was not saved.

-- +goose Up

CREATE TABLE site (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  name       TEXT    NOT NULL DEFAULT '',
  label      TEXT    NOT NULL DEFAULT '', -- in authenticator apps
  accent     TEXT    NOT NULL DEFAULT '',
  languages  TEXT    NOT NULL DEFAULT '[]',
  language   TEXT    NOT NULL DEFAULT '',
  logo       TEXT    NOT NULL DEFAULT '', -- of pictures
  logo_dark  TEXT    NOT NULL DEFAULT '',
  logo_named INTEGER NOT NULL DEFAULT 0
);
INSERT INTO site (id) VALUES (1);
INSERT INTO revisions (name, n) VALUES ('site', 1);

-- By the digest of their bytes. One that nobody shows any more goes with the
-- change that took it away.
CREATE TABLE pictures (
  id     TEXT    NOT NULL PRIMARY KEY,
  png    BLOB    NOT NULL,
  width  INTEGER NOT NULL,
  height INTEGER NOT NULL
);

ALTER TABLE clients ADD COLUMN icon TEXT NOT NULL DEFAULT '';
