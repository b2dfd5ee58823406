-- +goose Up

-- The scopes that a client is given where a request names none, or openid alone (RFC 6749,
-- section 3.3): a list as JSON.
ALTER TABLE clients ADD COLUMN default_scopes TEXT NOT NULL DEFAULT '[]';

-- Whether access tokens that are JWTs carry the claims of their scopes (RFC 9068, section 2.2).
ALTER TABLE clients ADD COLUMN claims_in_access INTEGER NOT NULL DEFAULT 0;

-- Whether a refresh token stays good when it was used (RFC 9700, section 4.14.2).
ALTER TABLE clients ADD COLUMN keep_refresh INTEGER NOT NULL DEFAULT 0;
