-- What something rests on, so that it goes when that is taken away.

-- +goose Up

-- The device that gave the second factor last; empty: a recovery code did.
ALTER TABLE sessions ADD COLUMN device_id TEXT NOT NULL DEFAULT '';
-- The session that shows an offer; empty while a first device is linked.
ALTER TABLE pairings ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
-- The hash of its binding cookie, as sessions have it.
ALTER TABLE known_browsers ADD COLUMN browser BLOB NOT NULL DEFAULT x'';
-- A link that lay in a mailbox.
ALTER TABLE invitations ADD COLUMN mailed INTEGER NOT NULL DEFAULT 0;
UPDATE invitations SET mailed = 1 WHERE id IN (SELECT invitation_id FROM mails WHERE kind = 'link');

-- Nobody knows which session shows an offer of before: it is made again.
DELETE FROM pairings WHERE used_at = 0 AND enrol = 0;
