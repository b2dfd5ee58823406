-- Whom people ask who cannot sign in, and where a link there leads.

-- +goose Up

ALTER TABLE site ADD COLUMN help      TEXT NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN help_link TEXT NOT NULL DEFAULT '';
