-- +goose Up

-- The certificate by which a client proves itself (RFC 8705, section 2.1.2), such as
-- san_dns=viewer.example, and whether its access tokens are bound to it (section 3).
ALTER TABLE clients ADD COLUMN tls_subject       TEXT    NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN certificate_bound INTEGER NOT NULL DEFAULT 0;

-- The SHA-256 thumbprint of the certificate that a refresh token or an access token is bound
-- to (RFC 8705, section 3.1); empty: to none.
ALTER TABLE refresh_tokens ADD COLUMN x5t TEXT NOT NULL DEFAULT '';
ALTER TABLE access_tokens  ADD COLUMN x5t TEXT NOT NULL DEFAULT '';

-- The claims asked by name (OpenID Connect Core 1.0, section 5.5) that a person allowed; who
-- consented before was asked for scopes alone.
ALTER TABLE consents ADD COLUMN claims TEXT NOT NULL DEFAULT '[]';
