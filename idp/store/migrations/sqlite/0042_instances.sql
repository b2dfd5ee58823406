-- +goose Up

-- Instances that serve this database; a file has one at most, which is not listed.
CREATE TABLE instances (
  id TEXT NOT NULL PRIMARY KEY,
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  heard_at INTEGER NOT NULL, -- by the clock of the instance
  schema_from INTEGER NOT NULL,
  schema_to INTEGER NOT NULL
) WITHOUT ROWID;
