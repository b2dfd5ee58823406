-- +goose Up

-- A second key of a phone, which signs only after a fingerprint or PIN: P-256, x and y;
-- empty: it has none.
ALTER TABLE devices ADD COLUMN uv_key BLOB NOT NULL DEFAULT x'';
ALTER TABLE tombstones ADD COLUMN uv_key BLOB NOT NULL DEFAULT x'';

-- Whether an approval of a challenge has to be signed by such a key, and whether it was.
ALTER TABLE challenges ADD COLUMN verify INTEGER NOT NULL DEFAULT 0;
ALTER TABLE challenges ADD COLUMN verified INTEGER NOT NULL DEFAULT 0;

-- Approvals of sign-ins to an application have to be.
ALTER TABLE clients ADD COLUMN verify INTEGER NOT NULL DEFAULT 0;
