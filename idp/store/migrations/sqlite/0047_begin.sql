-- +goose Up
-- Where the log begins: the events up to this number were deleted when their time was up. Sealed, as the
-- head is; without a row, the log begins with event 1.
CREATE TABLE log_begin (
  id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq   INTEGER NOT NULL,
  hash  BLOB    NOT NULL, -- of that event
  fault TEXT    NOT NULL, -- what was first found wrong with those that were deleted; empty: nothing
  mac   BLOB    NOT NULL
);
UPDATE schema_floor SET level = 45, release = '0.1.0';
