-- Mail that waits to be sent.

-- +goose Up

-- No secret stands here: the token of a link is made when it is sent. typed is
-- sealed, and gone as soon as it is known whose it is. said and detailed are why
-- the last try came to nothing.
CREATE TABLE mails (
  n             INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE,
  kind          TEXT    NOT NULL,
  user_id       TEXT    NOT NULL,
  invitation_id TEXT    NOT NULL,
  typed         BLOB    NOT NULL,
  about         TEXT    NOT NULL,
  detail        TEXT    NOT NULL, -- JSON
  address       TEXT    NOT NULL,
  lang          TEXT    NOT NULL,
  created_at    INTEGER NOT NULL,
  next_at       INTEGER NOT NULL,
  until         INTEGER NOT NULL,
  tries         INTEGER NOT NULL,
  tried_at      INTEGER NOT NULL,
  said          TEXT    NOT NULL,
  detailed      TEXT    NOT NULL,
  settled_at    INTEGER NOT NULL,
  sent          INTEGER NOT NULL
);
CREATE INDEX mails_waiting ON mails (next_at) WHERE settled_at = 0;
CREATE INDEX mails_lost ON mails (settled_at) WHERE settled_at <> 0 AND sent = 0;
CREATE INDEX mails_tried ON mails (tried_at) WHERE tried_at <> 0;

CREATE INDEX users_email ON users (lower(email)) WHERE email <> '';
