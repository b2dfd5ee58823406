-- +goose Up

-- Whether a client has its access tokens bound to a key (RFC 9449, section 5.2).
ALTER TABLE clients ADD COLUMN dpop INTEGER NOT NULL DEFAULT 0;

-- The SHA-256 thumbprint (RFC 7638) of the key that a code, a refresh token or an access
-- token is bound to; empty: to none.
ALTER TABLE codes          ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_tokens ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE access_tokens  ADD COLUMN jkt TEXT NOT NULL DEFAULT '';

-- The security profile that a client is held to: fapi2 (FAPI 2.0 Security Profile); empty: none.
ALTER TABLE clients ADD COLUMN profile TEXT NOT NULL DEFAULT '';
