-- Recordings: which calls of a public number are recorded, and what there is. Same as migrations/postgres/0200_recordings.sql.
ALTER TABLE ddis ADD COLUMN record TEXT NOT NULL DEFAULT 'none' CONSTRAINT ddis_record CHECK (record IN ('none', 'in', 'out', 'all'));

-- A row outlives its company until its file is removed, as its call's CDRs do.
CREATE TABLE recordings (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL CONSTRAINT recordings_name CHECK (length(name) BETWEEN 1 AND 128),
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    call_id    TEXT    NOT NULL,
    leg        BIGINT  NOT NULL,
    wanted_by  TEXT    NOT NULL CONSTRAINT recordings_wanted_by CHECK (wanted_by IN ('app', 'number', 'hand')),
    channels   TEXT    NOT NULL CONSTRAINT recordings_channels CHECK (channels IN ('party', 'mixed', 'stereo')),
    started_at BIGINT  NOT NULL,
    length_ms  BIGINT  NOT NULL CONSTRAINT recordings_length CHECK (length_ms >= 0),
    bytes      BIGINT  NOT NULL CONSTRAINT recordings_bytes CHECK (bytes >= 0),
    sha256     TEXT    NOT NULL CONSTRAINT recordings_sha256 CHECK (length(sha256) = 64)
);
CREATE UNIQUE INDEX recordings_by_name ON recordings (name);
CREATE INDEX recordings_by_company ON recordings (company_id, started_at, id);
CREATE INDEX recordings_by_brand ON recordings (brand_id, id);
CREATE INDEX recordings_by_call ON recordings (call_id);
