-- +goose Up
-- What a release after this one might add: a column of a table that is written all the time, and
-- a table.
ALTER TABLE refresh_tokens ADD COLUMN rolled TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN rolled TEXT NOT NULL DEFAULT '';
CREATE TABLE rolled (
  id TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL
) WITHOUT ROWID;
UPDATE schema_floor SET level = 45, release = '0.1.0';
