-- +goose Up
-- Where everything went, in a file that was moved to another database: nothing uses it any more.
CREATE TABLE moved (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  target TEXT NOT NULL, -- for people, without a password
  at INTEGER NOT NULL
);
