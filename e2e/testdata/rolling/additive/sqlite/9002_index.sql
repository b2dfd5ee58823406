-- +goose Up
CREATE INDEX refresh_tokens_rolled ON refresh_tokens (rolled);
UPDATE schema_floor SET level = 45, release = '0.1.0';
