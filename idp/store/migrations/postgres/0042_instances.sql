-- +goose Up

-- Instances that serve this database. Each writes its row again while it lives.
CREATE TABLE instances (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  host TEXT COLLATE "C" NOT NULL,
  version TEXT COLLATE "C" NOT NULL,
  started_at BIGINT NOT NULL,
  heard_at BIGINT NOT NULL, -- by the clock of the instance
  schema_from BIGINT NOT NULL,
  schema_to BIGINT NOT NULL
);
