-- Bundles, grants, keys of plugins, explanations of calls. Same as migrations/postgres/0110_plugins.sql.

-- Of a bundle: its manifest and the schema of its configuration as JSON, its publisher's key, what the operator allows.
ALTER TABLE plugins ADD COLUMN manifest TEXT;
ALTER TABLE plugins ADD COLUMN config_schema TEXT;
ALTER TABLE plugins ADD COLUMN signed_by TEXT;
ALTER TABLE plugins ADD COLUMN granted TEXT;

-- What the brand allows, and whether a failure refuses.
ALTER TABLE bindings ADD COLUMN granted TEXT;
ALTER TABLE bindings ADD COLUMN mandatory BOOLEAN NOT NULL DEFAULT FALSE;

-- Bindings of one account.
ALTER TABLE bindings ADD COLUMN account_id BIGINT REFERENCES accounts (id);
DROP INDEX bindings_by_name;
CREATE UNIQUE INDEX bindings_by_name ON bindings (brand_id, COALESCE(company_id, 0), COALESCE(account_id, 0), name);
CREATE INDEX bindings_by_account ON bindings (account_id);

-- A version on trial beside the bound one; percent 0 is a shadow.
ALTER TABLE bindings ADD COLUMN trial_plugin_id BIGINT REFERENCES plugins (id);
ALTER TABLE bindings ADD COLUMN trial_config TEXT;
ALTER TABLE bindings ADD COLUMN trial_percent BIGINT;

-- What plugins keep. No foreign keys: the truth is in the switch's memory, and a late write must never be refused.
CREATE TABLE plugin_keys (
    brand_id   BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    plugin     TEXT   NOT NULL,
    bucket     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    value      BLOB    NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (brand_id, company_id, account_id, plugin, bucket, name)
);

-- Why calls went where they went. No foreign keys: a record of the past outlives its tenant.
CREATE TABLE call_explanations (
    call_id    TEXT   NOT NULL,
    step       BIGINT NOT NULL,
    brand_id   BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    asked      TEXT   NOT NULL,
    callee     TEXT   NOT NULL,
    decision   TEXT   NOT NULL,
    hooks      TEXT   NOT NULL,
    PRIMARY KEY (call_id, step)
);

CREATE TRIGGER plugins_grant_moves_version AFTER UPDATE OF granted ON plugins
BEGIN UPDATE changes SET version = version + 1; END;

-- What only a binding knows: sealed with a key that is not in the database (decision 0080).
CREATE TABLE binding_secrets (
    binding_id BIGINT NOT NULL REFERENCES bindings (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    sealed     BLOB NOT NULL,
    PRIMARY KEY (binding_id, name)
);

-- Prefix tables as the text they came in.
CREATE TABLE prefix_tables (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id  BIGINT NOT NULL REFERENCES brands (id),
    name      TEXT   NOT NULL,
    row_count BIGINT NOT NULL,
    digest    TEXT   NOT NULL,
    loaded_at BIGINT NOT NULL,
    body      BLOB NOT NULL
);
CREATE UNIQUE INDEX prefix_tables_by_name ON prefix_tables (brand_id, name);

CREATE TRIGGER binding_secrets_insert_moves_version AFTER INSERT ON binding_secrets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER binding_secrets_update_moves_version AFTER UPDATE ON binding_secrets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER binding_secrets_delete_moves_version AFTER DELETE ON binding_secrets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER prefix_tables_insert_moves_version AFTER INSERT ON prefix_tables BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER prefix_tables_update_moves_version AFTER UPDATE ON prefix_tables BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER prefix_tables_delete_moves_version AFTER DELETE ON prefix_tables BEGIN UPDATE changes SET version = version + 1; END;
