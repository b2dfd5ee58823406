-- +goose Up

-- What somebody posted when a fresh second factor was asked for first: sealed under the
-- sign-in's id, and sent on when the factor was given. Empty: nothing.
ALTER TABLE logins ADD COLUMN held BLOB NOT NULL DEFAULT x'';
