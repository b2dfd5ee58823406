-- +goose Up

-- What an application that has registered itself says of itself, and what counts of its
-- authorization requests besides what they say: JSON; empty: nothing.
ALTER TABLE clients ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN requests TEXT NOT NULL DEFAULT '';

-- Whether PKCE is not demanded of the applications that are registered by a token and prove
-- themselves.
ALTER TABLE registration_tokens ADD COLUMN optional_pkce INTEGER NOT NULL DEFAULT 0;
