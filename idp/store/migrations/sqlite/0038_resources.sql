-- +goose Up

-- Resource indicators (RFC 8707), lists as JSON: of an application those that it stands for as
-- an API, of a grant those that it was asked for (empty: none by name), of a consent those that
-- were allowed.
ALTER TABLE clients ADD COLUMN resources TEXT NOT NULL DEFAULT '[]';
ALTER TABLE grants ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN resources TEXT NOT NULL DEFAULT '[]';
