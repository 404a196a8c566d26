-- The directory, plugins and CDRs. Same tables as migrations/postgres/0001_first.sql; tests/store/schema.rs compares them.
-- Instants are microseconds since the Unix epoch in UTC; JSON is text.

CREATE TABLE changes (
    id      INTEGER NOT NULL PRIMARY KEY CONSTRAINT changes_one_row CHECK (id = 1),
    version BIGINT  NOT NULL
);
INSERT INTO changes (id, version) VALUES (1, 1);

CREATE TABLE brands (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name            TEXT    NOT NULL CONSTRAINT brands_name CHECK (length(name) BETWEEN 1 AND 64),
    default_verdict TEXT    NOT NULL CONSTRAINT brands_default_verdict CHECK (default_verdict IN ('refuse', 'extensions'))
);
CREATE UNIQUE INDEX brands_by_name ON brands (name);

CREATE TABLE companies (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id  BIGINT  NOT NULL REFERENCES brands (id),
    name      TEXT    NOT NULL CONSTRAINT companies_name CHECK (length(name) BETWEEN 1 AND 64),
    domain    TEXT    NOT NULL CONSTRAINT companies_domain CHECK (length(domain) BETWEEN 1 AND 253 AND domain = lower(domain)),
    media     TEXT    NOT NULL CONSTRAINT companies_media CHECK (media IN ('anchor', 'direct')),
    calls_max BIGINT  CONSTRAINT companies_calls_max CHECK (calls_max BETWEEN 0 AND 4294967295)
);
CREATE UNIQUE INDEX companies_by_name ON companies (brand_id, name);
CREATE UNIQUE INDEX companies_by_domain ON companies (domain);
CREATE UNIQUE INDEX companies_by_tenant ON companies (id, brand_id);

CREATE TABLE accounts (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id     BIGINT  NOT NULL,
    company_id   BIGINT  NOT NULL,
    username     TEXT    NOT NULL CONSTRAINT accounts_username CHECK (length(username) BETWEEN 1 AND 64),
    display_name TEXT    NOT NULL CONSTRAINT accounts_display_name CHECK (length(display_name) <= 128),
    ha1_md5      TEXT    NOT NULL CONSTRAINT accounts_ha1_md5 CHECK (length(ha1_md5) = 32),
    ha1_sha256   TEXT    NOT NULL CONSTRAINT accounts_ha1_sha256 CHECK (length(ha1_sha256) = 64),
    direct       TEXT,
    enabled      BOOLEAN NOT NULL,
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE UNIQUE INDEX accounts_by_username ON accounts (company_id, username);
CREATE UNIQUE INDEX accounts_by_direct ON accounts (direct);

CREATE TABLE extensions (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    number     TEXT    NOT NULL CONSTRAINT extensions_number CHECK (length(number) BETWEEN 1 AND 32),
    account    TEXT,
    app        TEXT,
    CONSTRAINT extensions_one_target CHECK ((account IS NULL) <> (app IS NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, account) REFERENCES accounts (company_id, username) ON UPDATE CASCADE
);
CREATE UNIQUE INDEX extensions_by_number ON extensions (company_id, number);

CREATE TABLE ddis (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    e164       TEXT    NOT NULL CONSTRAINT ddis_e164 CHECK (length(e164) BETWEEN 3 AND 16 AND e164 LIKE '+%'),
    account    TEXT,
    app        TEXT,
    extension  TEXT,
    CONSTRAINT ddis_one_target CHECK (
        (CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END)
        + (CASE WHEN extension IS NULL THEN 0 ELSE 1 END) = 1),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, account) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, extension) REFERENCES extensions (company_id, number) ON UPDATE CASCADE
);
CREATE UNIQUE INDEX ddis_by_e164 ON ddis (e164);

CREATE TABLE plugins (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id     BIGINT  REFERENCES brands (id),
    name         TEXT    NOT NULL CONSTRAINT plugins_name CHECK (length(name) BETWEEN 1 AND 64),
    version      TEXT    NOT NULL CONSTRAINT plugins_version CHECK (length(version) BETWEEN 1 AND 64),
    digest       TEXT    NOT NULL CONSTRAINT plugins_digest CHECK (length(digest) = 64),
    bytes        BLOB    NOT NULL,
    installed_at BIGINT  NOT NULL
);
CREATE UNIQUE INDEX plugins_by_digest ON plugins (COALESCE(brand_id, 0), name, digest);

CREATE TABLE bindings (
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id           BIGINT  NOT NULL REFERENCES brands (id),
    company_id         BIGINT,
    name               TEXT    NOT NULL CONSTRAINT bindings_name CHECK (length(name) BETWEEN 1 AND 64),
    point              TEXT    NOT NULL CONSTRAINT bindings_point CHECK (length(point) BETWEEN 1 AND 64),
    priority           BIGINT  NOT NULL,
    plugin_id          BIGINT  NOT NULL REFERENCES plugins (id),
    config             TEXT    NOT NULL,
    previous_plugin_id BIGINT  REFERENCES plugins (id),
    previous_config    TEXT,
    CONSTRAINT bindings_previous CHECK ((previous_plugin_id IS NULL) = (previous_config IS NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE UNIQUE INDEX bindings_by_name ON bindings (brand_id, COALESCE(company_id, 0), name);
CREATE INDEX bindings_by_plugin ON bindings (plugin_id);
CREATE INDEX bindings_by_previous ON bindings (previous_plugin_id);

CREATE TABLE api_tokens (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  REFERENCES brands (id),
    company_id BIGINT,
    name       TEXT    NOT NULL CONSTRAINT api_tokens_name CHECK (length(name) BETWEEN 1 AND 64),
    role       TEXT    NOT NULL CONSTRAINT api_tokens_role CHECK (role IN ('admin', 'reader')),
    hash       BLOB    NOT NULL CONSTRAINT api_tokens_hash CHECK (length(hash) = 32),
    created_at BIGINT  NOT NULL,
    CONSTRAINT api_tokens_scope CHECK (company_id IS NULL OR brand_id IS NOT NULL),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE UNIQUE INDEX api_tokens_by_hash ON api_tokens (hash);
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (COALESCE(brand_id, 0), COALESCE(company_id, 0), name);

-- No foreign keys: a record of the past outlives its tenant, and a late one must never be refused.
CREATE TABLE cdrs (
    call_id     TEXT   NOT NULL,
    leg         BIGINT NOT NULL,
    role        TEXT   NOT NULL,
    brand_id    BIGINT NOT NULL,
    company_id  BIGINT NOT NULL,
    account_id  BIGINT,
    sip_call_id TEXT   NOT NULL,
    caller      TEXT   NOT NULL,
    callee      TEXT   NOT NULL,
    decided_by  TEXT,
    started_at  BIGINT NOT NULL,
    ringing_at  BIGINT,
    answered_at BIGINT,
    ended_at    BIGINT NOT NULL,
    cause       TEXT   NOT NULL,
    sip_status  BIGINT NOT NULL,
    ended_by    TEXT   NOT NULL,
    PRIMARY KEY (call_id, leg)
);
CREATE INDEX cdrs_by_time ON cdrs (started_at, call_id, leg);
CREATE INDEX cdrs_by_brand ON cdrs (brand_id, started_at, call_id, leg);
CREATE INDEX cdrs_by_company ON cdrs (company_id, started_at, call_id, leg);

-- Every change of what the switch keeps in memory moves the version; see feed.rs.
CREATE TRIGGER brands_insert_moves_version AFTER INSERT ON brands BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER brands_update_moves_version AFTER UPDATE ON brands BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER brands_delete_moves_version AFTER DELETE ON brands BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER companies_insert_moves_version AFTER INSERT ON companies BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER companies_update_moves_version AFTER UPDATE ON companies BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER companies_delete_moves_version AFTER DELETE ON companies BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER accounts_insert_moves_version AFTER INSERT ON accounts BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER accounts_update_moves_version AFTER UPDATE ON accounts BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER accounts_delete_moves_version AFTER DELETE ON accounts BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER extensions_insert_moves_version AFTER INSERT ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER extensions_update_moves_version AFTER UPDATE ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER extensions_delete_moves_version AFTER DELETE ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_insert_moves_version AFTER INSERT ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_update_moves_version AFTER UPDATE ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_delete_moves_version AFTER DELETE ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER bindings_insert_moves_version AFTER INSERT ON bindings BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER bindings_update_moves_version AFTER UPDATE ON bindings BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER bindings_delete_moves_version AFTER DELETE ON bindings BEGIN UPDATE changes SET version = version + 1; END;
