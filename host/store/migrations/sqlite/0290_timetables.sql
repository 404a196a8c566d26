-- Timetables: jobs that come again and again, as their tenants wish. Same tables as
-- migrations/postgres/0290_timetables.sql.
CREATE TABLE timetables (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id     BIGINT  REFERENCES brands (id) ON DELETE CASCADE,
    company_id   BIGINT,
    name         TEXT    NOT NULL CONSTRAINT timetables_name CHECK (length(name) BETWEEN 1 AND 64),
    kind         TEXT    NOT NULL CONSTRAINT timetables_kind CHECK (length(kind) BETWEEN 1 AND 64),
    noun         TEXT    NOT NULL,
    asked        TEXT    NOT NULL,
    cron         TEXT,
    zone         TEXT,
    every_s      BIGINT  CONSTRAINT timetables_every CHECK (every_s BETWEEN 60 AND 31622400),
    keep         BIGINT  NOT NULL CONSTRAINT timetables_keep CHECK (keep BETWEEN 1 AND 100),
    enabled      BOOLEAN NOT NULL,
    actor        TEXT    NOT NULL,
    impersonator TEXT,
    token_id     BIGINT,
    person_id    BIGINT,
    made_at      BIGINT  NOT NULL,
    next_at      BIGINT,
    skipped      BIGINT  NOT NULL,
    CONSTRAINT timetables_when CHECK ((cron IS NULL) = (zone IS NULL) AND (cron IS NULL) <> (every_s IS NULL)),
    CONSTRAINT timetables_scope CHECK (company_id IS NULL OR brand_id IS NOT NULL),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX timetables_by_name ON timetables (COALESCE(brand_id, 0), COALESCE(company_id, 0), name);
CREATE INDEX timetables_by_company ON timetables (company_id, id);
CREATE INDEX timetables_by_brand ON timetables (brand_id, id);
CREATE INDEX timetables_by_next ON timetables (next_at);

-- Which timetable asked for a job.
ALTER TABLE jobs ADD COLUMN timetable_id BIGINT REFERENCES timetables (id) ON DELETE SET NULL;
CREATE INDEX jobs_by_timetable ON jobs (timetable_id, id);
