-- People who log in, what they may do, and what was changed by whom. Same tables as migrations/postgres/0190_people.sql.
CREATE TABLE people (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  REFERENCES brands (id),
    company_id BIGINT,
    account_id BIGINT  REFERENCES accounts (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL CONSTRAINT people_name CHECK (length(name) BETWEEN 1 AND 64),
    role       TEXT    NOT NULL CONSTRAINT people_role CHECK (role IN ('admin', 'reader', 'user')),
    rights     TEXT,
    password   TEXT    NOT NULL,
    enabled    BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    CONSTRAINT people_scope CHECK (company_id IS NULL OR brand_id IS NOT NULL),
    CONSTRAINT people_user CHECK ((role = 'user') = (account_id IS NOT NULL) AND (account_id IS NULL OR company_id IS NOT NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE UNIQUE INDEX people_by_name ON people (COALESCE(brand_id, 0), COALESCE(company_id, 0), name);
CREATE INDEX people_by_account ON people (account_id);

-- One row for each time somebody logged in, and one for each refresh token that it ever had: a token that comes a second
-- time was stolen from somebody.
CREATE TABLE logins (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    person_id    BIGINT  NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    impersonator TEXT,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL
);
CREATE INDEX logins_by_person ON logins (person_id);
CREATE INDEX logins_by_expiry ON logins (expires_at);

CREATE TABLE login_refreshes (
    hash     BLOB    NOT NULL PRIMARY KEY CONSTRAINT login_refreshes_hash CHECK (length(hash) = 32),
    login_id BIGINT  NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    used     BOOLEAN NOT NULL
);
CREATE INDEX login_refreshes_by_login ON login_refreshes (login_id);

ALTER TABLE api_tokens ADD COLUMN rights TEXT;
ALTER TABLE api_tokens ADD COLUMN expires_at BIGINT;

-- No foreign keys: what was done stays known when the tenant is gone.
CREATE TABLE audit (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at           BIGINT  NOT NULL,
    brand_id     BIGINT,
    company_id   BIGINT,
    actor        TEXT    NOT NULL,
    impersonator TEXT,
    source       TEXT,
    method       TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    body_before  TEXT,
    body_asked   TEXT,
    body_after   TEXT,
    status       BIGINT
);
CREATE INDEX audit_by_brand ON audit (brand_id, id);
CREATE INDEX audit_by_company ON audit (company_id, id);

-- Requests that carry a key of their client: what became of each, for as long as the client may ask again.
CREATE TABLE idempotency (
    actor       TEXT    NOT NULL,
    request_key TEXT    NOT NULL CONSTRAINT idempotency_key CHECK (length(request_key) BETWEEN 1 AND 128),
    fingerprint BLOB    NOT NULL CONSTRAINT idempotency_fingerprint CHECK (length(fingerprint) = 32),
    at          BIGINT  NOT NULL,
    committed   BOOLEAN NOT NULL,
    status      BIGINT,
    answer      BLOB,
    PRIMARY KEY (actor, request_key)
);
CREATE INDEX idempotency_by_time ON idempotency (at);
