-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS refresh_tokens_rolled;
CREATE INDEX CONCURRENTLY refresh_tokens_rolled ON refresh_tokens (rolled);
UPDATE schema_floor SET level = 45, release = '0.1.0';
