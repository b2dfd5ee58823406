-- +goose Up
-- Programs of before 9002 are taken to use the table.
DROP TABLE rolled;
UPDATE schema_floor SET level = 9002, release = '9.0.0';
