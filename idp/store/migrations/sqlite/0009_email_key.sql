-- Mail addresses are found in whatever case, beyond ASCII too.

-- +goose Up

-- What is equal for two addresses that are one. SQL folds ASCII only; the others
-- are filled in when the database is opened, and those that a release before this
-- one writes meanwhile.
ALTER TABLE users ADD COLUMN email_key TEXT NOT NULL DEFAULT '';
UPDATE users SET email_key = lower(email) WHERE email <> '' AND email NOT GLOB '*[^!-~]*' AND lower(email) NOT LIKE '%xn--%';
CREATE INDEX users_email_key ON users (email_key) WHERE email_key <> '';
CREATE INDEX users_email_unkeyed ON users (n) WHERE email_key = '' AND email <> '';
