-- The log is chained with a key that is not here, and what lets somebody in is
-- bound to whom it belongs to with the same. Both are brought up to date by the
-- program at its first start, since SQL does not have the key.

-- +goose Up

-- Where the log ends, sealed, written with every batch of events: what is cut off
-- at the end shows. keyed is the first event that was written with the key.
CREATE TABLE log_head (
  id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq   INTEGER NOT NULL,
  hash  BLOB    NOT NULL,
  keyed INTEGER NOT NULL,
  mac   BLOB    NOT NULL
);

-- Over the row and whose it is.
ALTER TABLE users          ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE passwords      ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE devices        ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE recovery_codes ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE invitations    ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE pairings       ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE challenges     ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE logins         ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE sessions       ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE grants         ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE codes          ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE refresh_tokens ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE access_tokens  ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE clients        ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE client_secrets ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
