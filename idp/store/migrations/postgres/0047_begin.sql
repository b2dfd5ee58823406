-- +goose Up
-- Where the log begins: the events up to this number were deleted when their time was up. Sealed, as the
-- head is; without a row, the log begins with event 1.
CREATE TABLE log_begin (
  id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  seq BIGINT NOT NULL,
  hash BYTEA NOT NULL, -- of that event
  fault TEXT COLLATE "C" NOT NULL, -- what was first found wrong with those that were deleted; empty: nothing
  mac BYTEA NOT NULL
);
UPDATE schema_floor SET level = 45, release = '0.1.0';
