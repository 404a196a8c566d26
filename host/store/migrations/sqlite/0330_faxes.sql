-- Faxes: those that came, and those that are to be sent or were. Same table as migrations/postgres/0330_faxes.sql. See decision
-- 0330. No trigger moves the version: nothing of this is in the directory.
-- A row outlives its company until its files are removed, as its call's CDRs do.
CREATE TABLE faxes (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL CONSTRAINT faxes_name CHECK (length(name) BETWEEN 1 AND 128),
    brand_id    BIGINT  NOT NULL,
    company_id  BIGINT  NOT NULL,
    state       TEXT    NOT NULL CONSTRAINT faxes_state CHECK (state IN ('received', 'queued', 'sending', 'sent', 'failed')),
    inbound     BOOLEAN NOT NULL,
    caller      TEXT    NOT NULL,
    callee      TEXT    NOT NULL,
    call_id     TEXT,
    station     TEXT    NOT NULL,
    pages       BIGINT  NOT NULL CONSTRAINT faxes_pages CHECK (pages >= 0),
    pages_done  BIGINT  NOT NULL CONSTRAINT faxes_pages_done CHECK (pages_done >= 0),
    t38         BOOLEAN NOT NULL,
    reason      TEXT    NOT NULL,
    bytes       BIGINT  NOT NULL CONSTRAINT faxes_bytes CHECK (bytes >= 0),
    made_at     BIGINT  NOT NULL,
    due_at      BIGINT  NOT NULL,
    ended_at    BIGINT,
    tries       BIGINT  NOT NULL,
    lease       TEXT,
    lease_until BIGINT,
    CONSTRAINT faxes_lease CHECK ((state = 'sending') = (lease IS NOT NULL))
);
CREATE UNIQUE INDEX faxes_by_name ON faxes (name);
CREATE INDEX faxes_by_company ON faxes (company_id, made_at, id);
CREATE INDEX faxes_by_brand ON faxes (brand_id, id);
CREATE INDEX faxes_by_due ON faxes (state, due_at, id);
