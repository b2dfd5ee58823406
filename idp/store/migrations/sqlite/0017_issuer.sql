-- The issuer that the provider was started with last: links in QR codes, tokens and linked
-- phones name it, so that another one is noticed. Empty: it was not noted yet.

-- +goose Up

ALTER TABLE site ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
