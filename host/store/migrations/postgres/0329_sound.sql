-- Recordings are encoded in the background, and may lie in a bucket. Same as migrations/sqlite/0329_sound.sql.
ALTER TABLE recordings ADD COLUMN format TEXT NOT NULL DEFAULT 'wav' CONSTRAINT recordings_format CHECK (format IN ('wav', 'opus'));
-- What it is to be: while it differs from the format, the recording waits to be encoded.
ALTER TABLE recordings ADD COLUMN becomes TEXT NOT NULL DEFAULT 'wav' CONSTRAINT recordings_becomes CHECK (becomes IN ('wav', 'opus'));
ALTER TABLE recordings ADD COLUMN place TEXT NOT NULL DEFAULT 'node' CONSTRAINT recordings_place CHECK (place IN ('node', 'bucket'));
CREATE INDEX recordings_to_encode ON recordings (id) WHERE becomes <> format;
CREATE INDEX recordings_to_upload ON recordings (id) WHERE place = 'node';
