-- +goose Up

-- What an application is told for sub (OpenID Connect Core 1.0, section 8): pairwise, one of
-- its own for each person; empty: public, the same as others. sector_uri is the address
-- that says which applications have the same; empty: those at the host of its redirects.
ALTER TABLE clients ADD COLUMN subject_type TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN sector_uri TEXT NOT NULL DEFAULT '';

-- initiate_login_uri, where a person begins in an application from here (OpenID Connect Core
-- 1.0, section 4); empty: nowhere.
ALTER TABLE clients ADD COLUMN initiate_uri TEXT NOT NULL DEFAULT '';
