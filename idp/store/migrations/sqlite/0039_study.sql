-- +goose Up

-- The study that was opened in the application, by its UID (DICOM); empty: none was said.
ALTER TABLE grants ADD COLUMN study TEXT NOT NULL DEFAULT '';
