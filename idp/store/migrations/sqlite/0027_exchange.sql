-- +goose Up

-- What an application may exchange tokens for (RFC 8693): the audiences of what it gets,
-- JSON.
ALTER TABLE clients ADD COLUMN exchange_targets TEXT NOT NULL DEFAULT '[]';

-- Of a grant that was got by a token exchange: the client that the person has signed in to,
-- and the clients that act, the newest first, JSON. Empty: of no exchange.
ALTER TABLE grants ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN actors TEXT NOT NULL DEFAULT '';

-- Every grant that a grant was exchanged from, at first or second hand: with any of them it
-- ends, in the same statement, whoever ends it.
CREATE TABLE grant_ancestors (
  grant_id    TEXT NOT NULL,
  ancestor_id TEXT NOT NULL,
  PRIMARY KEY (ancestor_id, grant_id)
) WITHOUT ROWID;
CREATE INDEX grant_ancestors_grant ON grant_ancestors (grant_id);

-- +goose StatementBegin
CREATE TRIGGER grants_revoked AFTER UPDATE OF revoked_at ON grants WHEN new.revoked_at <> 0 AND old.revoked_at = 0
BEGIN
  UPDATE grants SET revoked_at = new.revoked_at
    WHERE revoked_at = 0 AND id IN (SELECT grant_id FROM grant_ancestors WHERE ancestor_id = new.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_deleted AFTER DELETE ON grants
BEGIN
  DELETE FROM grant_ancestors WHERE grant_id = old.id;
END;
-- +goose StatementEnd
