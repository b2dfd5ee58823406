-- Lists to search people and devices in. Each is a copy of what is searched,
-- with an index per order; every index also has the facets and the signature
-- of the words (idp/store/find), so that a list is read through without its rows.
-- *_terms finds by the beginnings of words and, as «#a», by facet.
--
-- n of a person or a device is its row in the list; 0: none yet.

-- +goose Up

ALTER TABLE users ADD COLUMN n INTEGER NOT NULL DEFAULT 0;
CREATE INDEX users_unlisted ON users (id) WHERE n = 0;
ALTER TABLE devices ADD COLUMN n INTEGER NOT NULL DEFAULT 0;
CREATE INDEX devices_unlisted ON devices (user_id) WHERE n = 0;

CREATE TABLE device_list (
  n         INTEGER PRIMARY KEY,
  device_id TEXT    NOT NULL,
  person    TEXT    NOT NULL, -- as shown, folded
  device    TEXT    NOT NULL, -- its name, folded
  linked    INTEGER NOT NULL,
  used      INTEGER NOT NULL, -- day since 1970; 0: never. By day, so that a second sign-in of a day writes nothing
  facets    INTEGER NOT NULL,
  sig       INTEGER NOT NULL,
  words     TEXT    NOT NULL
);
CREATE INDEX device_list_person ON device_list (person, n, facets, sig);
CREATE INDEX device_list_device ON device_list (device, n, facets, sig);
CREATE INDEX device_list_linked ON device_list (linked, n, facets, sig);
CREATE INDEX device_list_used   ON device_list (used, n, facets, sig);
CREATE TABLE device_terms (
  term TEXT    NOT NULL,
  n    INTEGER NOT NULL,
  PRIMARY KEY (term, n)
) WITHOUT ROWID;

CREATE TABLE user_list (
  n       INTEGER PRIMARY KEY,
  user_id TEXT    NOT NULL,
  person  TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  added   INTEGER NOT NULL,
  facets  INTEGER NOT NULL,
  sig     INTEGER NOT NULL,
  words   TEXT    NOT NULL
);
CREATE INDEX user_list_person ON user_list (person, n, facets, sig);
CREATE INDEX user_list_name   ON user_list (name, n, facets, sig);
CREATE INDEX user_list_added  ON user_list (added, n, facets, sig);
CREATE TABLE user_terms (
  term TEXT    NOT NULL,
  n    INTEGER NOT NULL,
  PRIMARY KEY (term, n)
) WITHOUT ROWID;

ALTER TABLE clients ADD COLUMN "groups" TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN claims   TEXT NOT NULL DEFAULT '[]'; -- JSON

-- What is asked of the log by person, by device, and by who acted upon others.
-- The rest is found by reading it backwards.
CREATE INDEX events_user   ON events (user_id)    WHERE user_id <> '';
CREATE INDEX events_device ON events (device_id)  WHERE device_id <> '';
CREATE INDEX events_actor  ON events (actor_user) WHERE actor_user <> '' AND actor_user <> user_id;
-- What every sign-in writes is in no index by kind: reading backwards finds it.
CREATE INDEX events_kind   ON events (kind)
  WHERE kind NOT IN ('login.password', 'login.factor', 'login.done', 'session.started', 'session.ended', 'grant.issued', 'grant.redeemed', 'phone.asked', 'phone.approved');

-- How often what happened on a day, since 1970 in UTC; what is a kind of event,
-- of second factors with the method behind it.
CREATE TABLE days (
  day  INTEGER NOT NULL,
  what TEXT    NOT NULL,
  n    INTEGER NOT NULL,
  PRIMARY KEY (day, what)
) WITHOUT ROWID;
INSERT INTO days (day, what, n)
  SELECT at / 86400000000, kind, count(*) FROM events
  WHERE kind IN ('login.done', 'login.denied', 'login.password.wrong', 'login.code.wrong', 'phone.denied', 'phone.not_me', 'device.linked', 'device.unlinked')
  GROUP BY 1, 2;
INSERT INTO days (day, what, n)
  SELECT at / 86400000000, kind || ' ' || json_extract(detail, '$.method'), count(*) FROM events
  WHERE kind = 'login.factor' AND json_extract(detail, '$.method') <> ''
  GROUP BY 1, 2;

-- People that an import has added before it is through; what a crash leaves of
-- one is taken back.
CREATE TABLE imports (
  user_id TEXT    NOT NULL PRIMARY KEY,
  id      TEXT    NOT NULL,
  at      INTEGER NOT NULL
) WITHOUT ROWID;

-- How far what is done now and then has come.
CREATE TABLE marks (
  name TEXT    NOT NULL PRIMARY KEY,
  n    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO marks (name, n) VALUES ('unused', 0), ('swept', 0);
