-- Times are microseconds since 1970 in UTC; 0 is no time. Lists are JSON
-- arrays. Bearer values are SHA-256 hashes; what is called sealed is encrypted
-- with a key that is not here.
--
-- What comes and goes is numbered (n), so that rows of one moment lie together:
-- a batch of sign-ins or refreshes then writes few pages, and it is pages that
-- cost. There is no index by expiry, which each insert would pay for; sweeping
-- reads a table from its beginning instead. What stays is kept by its key,
-- WITHOUT ROWID: one tree instead of two.

-- +goose Up

CREATE TABLE users (
  id             TEXT    NOT NULL PRIMARY KEY,
  name           TEXT    NOT NULL UNIQUE,
  display_name   TEXT    NOT NULL,
  given_name     TEXT    NOT NULL,
  family_name    TEXT    NOT NULL,
  email          TEXT    NOT NULL,
  email_verified INTEGER NOT NULL,
  phone          TEXT    NOT NULL,
  phone_verified INTEGER NOT NULL,
  locale         TEXT    NOT NULL,
  staff          TEXT    NOT NULL,
  roles          TEXT    NOT NULL,
  "groups"       TEXT    NOT NULL,
  state          TEXT    NOT NULL,
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL,
  revision       INTEGER NOT NULL DEFAULT 0 -- counts the changes of this row
) WITHOUT ROWID;
CREATE INDEX users_staff ON users (staff) WHERE staff <> '';

CREATE TABLE passwords (
  user_id TEXT    NOT NULL PRIMARY KEY REFERENCES users (id),
  hash    TEXT    NOT NULL,
  set_at  INTEGER NOT NULL
) WITHOUT ROWID;

-- Keyed by the person first, so that a person's devices lie together.
CREATE TABLE devices (
  user_id      TEXT    NOT NULL REFERENCES users (id),
  id           TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  kind         TEXT    NOT NULL,
  platform     TEXT    NOT NULL,
  state        TEXT    NOT NULL,
  sealed_totp  BLOB    NOT NULL,
  last_step    INTEGER NOT NULL,
  drift        INTEGER NOT NULL,
  linked_at    INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE pairings (
  n           INTEGER PRIMARY KEY,
  id          TEXT    NOT NULL UNIQUE,
  user_id     TEXT    NOT NULL,
  account     TEXT    NOT NULL,
  browser     BLOB    NOT NULL,
  sealed_totp BLOB    NOT NULL,
  wrong_codes INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  used_at     INTEGER NOT NULL
);
CREATE INDEX pairings_user ON pairings (user_id);

CREATE TABLE recovery_codes (
  user_id TEXT    NOT NULL REFERENCES users (id),
  n       INTEGER NOT NULL,
  hash    TEXT    NOT NULL,
  made_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, n)
) WITHOUT ROWID;

CREATE TABLE invitations (
  n           INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  token      BLOB    NOT NULL UNIQUE,
  purpose    TEXT    NOT NULL,
  user_id    TEXT    NOT NULL,
  by_user    TEXT    NOT NULL,
  by_name    TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL
);
CREATE INDEX invitations_user ON invitations (user_id);

CREATE TABLE logins (
  n           INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE,
  purpose       TEXT    NOT NULL,
  state         TEXT    NOT NULL,
  browser       BLOB    NOT NULL,
  request       TEXT    NOT NULL,
  target        TEXT    NOT NULL,
  user_id       TEXT    NOT NULL,
  session_id    TEXT    NOT NULL,
  invitation_id TEXT    NOT NULL,
  new_name      TEXT    NOT NULL,
  new_display   TEXT    NOT NULL,
  pairing_id    TEXT    NOT NULL,
  new_hash      TEXT    NOT NULL,
  wrong_codes   INTEGER NOT NULL,
  ask_consent   INTEGER NOT NULL,
  consented     INTEGER NOT NULL,
  password_at   INTEGER NOT NULL,
  factor_at     INTEGER NOT NULL,
  auth_time     INTEGER NOT NULL,
  acr           TEXT    NOT NULL,
  amr           TEXT    NOT NULL,
  device_id     TEXT    NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL
);
CREATE INDEX logins_user ON logins (user_id) WHERE user_id <> '';

CREATE TABLE counters (
  n           INTEGER PRIMARY KEY,
  kind        TEXT    NOT NULL,
  who         TEXT    NOT NULL,
  in_a_row    INTEGER NOT NULL,
  burst       INTEGER NOT NULL,
  burst_at    INTEGER NOT NULL,
  day         INTEGER NOT NULL,
  day_at      INTEGER NOT NULL,
  month       INTEGER NOT NULL,
  month_at    INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  needs_admin INTEGER NOT NULL,
  UNIQUE (who, kind)
);

CREATE TABLE sessions (
  n           INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  token        BLOB    NOT NULL UNIQUE,
  browser      BLOB    NOT NULL,
  user_id      TEXT    NOT NULL,
  auth_time    INTEGER NOT NULL,
  factor_at    INTEGER NOT NULL,
  acr          TEXT    NOT NULL,
  amr          TEXT    NOT NULL,
  agent        TEXT    NOT NULL,
  address      TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  idle_after   INTEGER NOT NULL, -- microseconds
  expires_at   INTEGER NOT NULL,
  ended_at     INTEGER NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE session_clients (
  session_id TEXT    NOT NULL,
  client_id  TEXT    NOT NULL,
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  PRIMARY KEY (session_id, client_id)
) WITHOUT ROWID;

CREATE TABLE grants (
  n           INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  client_id    TEXT    NOT NULL,
  user_id      TEXT    NOT NULL,
  session_id   TEXT    NOT NULL,
  scopes       TEXT    NOT NULL,
  nonce        TEXT    NOT NULL,
  acr          TEXT    NOT NULL,
  amr          TEXT    NOT NULL,
  auth_time    INTEGER NOT NULL,
  claims       TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  revoked_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL -- to the minute
);
CREATE INDEX grants_user ON grants (user_id) WHERE user_id <> '';

-- Used codes and refresh tokens are kept until their grant's end, keep_until:
-- a second use has to be noticed as long as there is something to protect.
CREATE TABLE codes (
  n           INTEGER PRIMARY KEY,
  hash         BLOB    NOT NULL UNIQUE,
  grant_id     TEXT    NOT NULL,
  redirect_uri TEXT    NOT NULL,
  challenge    TEXT    NOT NULL,
  expires_at   INTEGER NOT NULL,
  used_at      INTEGER NOT NULL,
  keep_until   INTEGER NOT NULL
);

CREATE TABLE refresh_tokens (
  n           INTEGER PRIMARY KEY,
  hash       BLOB    NOT NULL UNIQUE,
  grant_id   TEXT    NOT NULL,
  scopes     TEXT    NOT NULL,
  issued_at  INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL,
  keep_until INTEGER NOT NULL
);

CREATE TABLE access_tokens (
  n           INTEGER PRIMARY KEY,
  hash       BLOB    NOT NULL UNIQUE,
  grant_id   TEXT    NOT NULL,
  scopes     TEXT    NOT NULL,
  audience   TEXT    NOT NULL,
  issued_at  INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL
);

CREATE TABLE clients (
  id               TEXT    NOT NULL PRIMARY KEY,
  name             TEXT    NOT NULL,
  kind             TEXT    NOT NULL,
  auth             TEXT    NOT NULL,
  redirect_uris    TEXT    NOT NULL,
  post_logout_uris TEXT    NOT NULL,
  origins          TEXT    NOT NULL,
  grant_types      TEXT    NOT NULL,
  scopes           TEXT    NOT NULL,
  audience         TEXT    NOT NULL,
  id_token_alg     TEXT    NOT NULL,
  access_format    TEXT    NOT NULL,
  access_ttl       INTEGER NOT NULL, -- microseconds, as the next two
  refresh_idle     INTEGER NOT NULL,
  refresh_grace    INTEGER NOT NULL,
  refresh_always   INTEGER NOT NULL,
  optional_pkce    INTEGER NOT NULL,
  claims_in_id     INTEGER NOT NULL,
  consent          INTEGER NOT NULL,
  disabled         INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  updated_at       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE client_secrets (
  client_id    TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  hash         BLOB    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, hash)
) WITHOUT ROWID;

CREATE TABLE consents (
  user_id   TEXT    NOT NULL,
  client_id TEXT    NOT NULL,
  scopes    TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;

CREATE TABLE signing_keys (
  id         TEXT    NOT NULL PRIMARY KEY,
  alg        TEXT    NOT NULL,
  public     BLOB    NOT NULL,
  sealed     BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  active_at  INTEGER NOT NULL,
  retired_at INTEGER NOT NULL,
  gone_at    INTEGER NOT NULL
) WITHOUT ROWID;

-- The one known value that proves that a sealing key fits.
CREATE TABLE seal_checks (
  id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  sealed BLOB    NOT NULL
);

-- Counts the changes of what is served from memory.
CREATE TABLE revisions (
  name TEXT    NOT NULL PRIMARY KEY,
  n    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO revisions (name, n) VALUES ('clients', 1);

-- hash is the SHA-256 over the hash before and this row.
CREATE TABLE events (
  seq        INTEGER NOT NULL PRIMARY KEY,
  at         INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  actor_user TEXT    NOT NULL,
  actor_name TEXT    NOT NULL,
  user_id    TEXT    NOT NULL,
  client_id  TEXT    NOT NULL,
  login_id   TEXT    NOT NULL,
  session_id TEXT    NOT NULL,
  device_id  TEXT    NOT NULL,
  address    TEXT    NOT NULL,
  detail     TEXT    NOT NULL,
  hash       BLOB    NOT NULL
);
