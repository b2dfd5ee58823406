-- +goose Up
-- The oldest version of these tables that a program may be made for and still work with them,
-- and the release that it came with. Each script behind this one says it anew.
CREATE TABLE schema_floor (
  id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  level BIGINT NOT NULL,
  release TEXT COLLATE "C" NOT NULL
);
INSERT INTO schema_floor (id, level, release) VALUES (1, 45, '0.1.0');
