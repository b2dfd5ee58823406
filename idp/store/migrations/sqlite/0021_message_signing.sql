-- +goose Up

-- What a client signs besides its assertions, and has signed besides ID tokens, and by which
-- algorithm: JSON (RFC 9101, JARM, OpenID Connect Core 1.0, section 5.3.2, RFC 9701); empty: nothing.
ALTER TABLE clients ADD COLUMN signing TEXT NOT NULL DEFAULT '';
