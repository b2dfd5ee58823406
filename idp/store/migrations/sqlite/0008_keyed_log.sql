-- The log is chained with a key that is not here, and what lets somebody in is
-- bound to whom it belongs to with the same. Both are brought up to date by the
-- program at its first start, since SQL does not have the key.

-- +goose Up

-- Where the log ends, sealed, written with every batch of events: what is cut off
-- at the end shows. keyed is the first event that was written with the key.
CREATE TABLE log_head (
  id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq   INTEGER NOT NULL,
  hash  BLOB    NOT NULL,
  keyed INTEGER NOT NULL,
  mac   BLOB    NOT NULL
);
