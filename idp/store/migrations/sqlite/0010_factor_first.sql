-- +goose Up

-- Under which key tries for the name that was typed are counted, where a second
-- factor comes before the password.
ALTER TABLE logins ADD COLUMN who TEXT NOT NULL DEFAULT '';

-- No lock waits for an administrator alone. What did ends by itself: codes with
-- their 30 days, passwords 30 days from now, in microseconds; until then the
-- second factor comes first. needs_admin says the latter from now on.
UPDATE counters SET next_at = CASE
	WHEN kind = 'password' THEN (CAST(strftime('%s', 'now') AS INTEGER) + 30 * 86400) * 1000000
	ELSE max(next_at, month_at + 30 * 86400 * 1000000) END
WHERE needs_admin;
UPDATE counters SET needs_admin = 0 WHERE kind <> 'password';
