-- Jobs: work that is asked for now and done by whichever node has a hand free. Same tables as
-- migrations/postgres/0220_jobs.sql.
CREATE TABLE jobs (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id     BIGINT  REFERENCES brands (id) ON DELETE CASCADE,
    company_id   BIGINT,
    kind         TEXT    NOT NULL CONSTRAINT jobs_kind CHECK (length(kind) BETWEEN 1 AND 64),
    noun         TEXT    NOT NULL,
    state        TEXT    NOT NULL CONSTRAINT jobs_state CHECK (state IN ('loading', 'waiting', 'running', 'done', 'failed', 'cancelled')),
    actor        TEXT    NOT NULL,
    impersonator TEXT,
    token_id     BIGINT,
    person_id    BIGINT,
    asked        TEXT    NOT NULL,
    made_at      BIGINT  NOT NULL,
    due_at       BIGINT  NOT NULL,
    started_at   BIGINT,
    ended_at     BIGINT,
    tries        BIGINT  NOT NULL,
    lease        TEXT,
    lease_until  BIGINT,
    stop         BOOLEAN NOT NULL,
    done         BIGINT  NOT NULL,
    faults       BIGINT  NOT NULL,
    total        BIGINT,
    place        TEXT,
    result       TEXT,
    error        TEXT,
    CONSTRAINT jobs_scope CHECK (company_id IS NULL OR brand_id IS NOT NULL),
    CONSTRAINT jobs_lease CHECK ((state = 'running') = (lease IS NOT NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id) ON DELETE CASCADE
);
CREATE INDEX jobs_by_due ON jobs (state, due_at, id);
CREATE INDEX jobs_by_company ON jobs (company_id, id);
CREATE INDEX jobs_by_brand ON jobs (brand_id, id);

-- What a job is given to work on, in pieces, sealed.
CREATE TABLE job_pieces (
    job_id BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    piece  BIGINT NOT NULL,
    body   BLOB   NOT NULL,
    PRIMARY KEY (job_id, piece)
);

-- What a job has to say about lines of what it was given.
CREATE TABLE job_lines (
    id     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job_id BIGINT  NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    line   BIGINT  NOT NULL,
    field  TEXT    NOT NULL,
    detail TEXT    NOT NULL
);
CREATE INDEX job_lines_by_job ON job_lines (job_id, id);

-- Jobs that come again and again.
CREATE TABLE job_schedules (
    name     TEXT   NOT NULL PRIMARY KEY,
    every_us BIGINT NOT NULL CONSTRAINT job_schedules_every CHECK (every_us > 0),
    next_at  BIGINT NOT NULL
);
