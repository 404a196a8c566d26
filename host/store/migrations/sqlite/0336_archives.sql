-- What is old leaves the tables of records for files, so that lists of them stay fast; and those of one
-- account or number are found without looking at everybody's. Same as migrations/postgres/0336_archives.sql. See decision 0336.
CREATE TABLE archives (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name      TEXT    NOT NULL CONSTRAINT archives_name CHECK (length(name) BETWEEN 1 AND 128),
    kind      TEXT    NOT NULL CONSTRAINT archives_kind CHECK (kind IN ('cdrs', 'explanations')),
    -- No foreign key: a record of the past outlives its tenant.
    brand_id  BIGINT  NOT NULL,
    row_count BIGINT  NOT NULL CONSTRAINT archives_rows CHECK (row_count > 0),
    first_at  BIGINT  NOT NULL,
    last_at   BIGINT  NOT NULL,
    made_at   BIGINT  NOT NULL,
    bytes     BIGINT  NOT NULL CONSTRAINT archives_bytes CHECK (bytes > 0),
    sha256    TEXT    NOT NULL CONSTRAINT archives_sha256 CHECK (length(sha256) = 64)
);
CREATE UNIQUE INDEX archives_by_name ON archives (name);
CREATE INDEX archives_by_brand ON archives (brand_id, first_at, id);

CREATE INDEX cdrs_by_account ON cdrs (account_id, started_at, call_id, leg);
CREATE INDEX cdrs_by_caller ON cdrs (caller, started_at);
CREATE INDEX cdrs_by_callee ON cdrs (callee, started_at);
CREATE INDEX call_explanations_by_time ON call_explanations (at, call_id, step);
