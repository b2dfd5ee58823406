-- +goose Up
-- The tables are as they were: the number is that of the script which makes all of them on
-- PostgreSQL.
SELECT 1;
