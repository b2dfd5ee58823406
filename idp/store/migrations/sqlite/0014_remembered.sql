-- What a person knows a remembered browser again by.

-- +goose Up

ALTER TABLE known_browsers ADD COLUMN agent   TEXT NOT NULL DEFAULT '';
ALTER TABLE known_browsers ADD COLUMN address TEXT NOT NULL DEFAULT '';
