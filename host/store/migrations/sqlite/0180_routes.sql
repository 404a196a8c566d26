-- Numbers lead to more than accounts and apps: hunt groups, conditional routes, mailboxes, queues, rooms, public numbers. Rules
-- have four more kinds, and whatever a rule names of its company is kept by a key. Same tables as migrations/postgres/0180_routes.sql.
-- SQLite keeps a table's checks with the table, so the four tables are made anew.
CREATE TABLE new_rules (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    kind       TEXT    NOT NULL CONSTRAINT rules_kind CHECK (kind IN ('match-list', 'schedule', 'calendar', 'call-filter', 'call-acl', 'hunt-group', 'conditional-route', 'route-lock', 'outgoing-ddi-rules')),
    name       TEXT    NOT NULL CONSTRAINT rules_name CHECK (length(name) BETWEEN 1 AND 64),
    body       TEXT    NOT NULL,
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
INSERT INTO new_rules SELECT id, brand_id, company_id, kind, name, body FROM rules;
CREATE UNIQUE INDEX new_rules_key ON new_rules (company_id, kind, name);

CREATE TABLE new_extensions (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id      BIGINT  NOT NULL,
    company_id    BIGINT  NOT NULL,
    number        TEXT    NOT NULL CONSTRAINT extensions_number CHECK (length(number) BETWEEN 1 AND 32),
    account       TEXT,
    app           TEXT,
    voicemail     TEXT,
    rule_kind     TEXT    CONSTRAINT extensions_rule_kind CHECK (rule_kind IN ('hunt-group', 'conditional-route')),
    rule_name     TEXT,
    queue         TEXT    CONSTRAINT extensions_queue CHECK (length(queue) BETWEEN 1 AND 64),
    conference    TEXT    CONSTRAINT extensions_conference CHECK (length(conference) BETWEEN 1 AND 64),
    public_number TEXT    CONSTRAINT extensions_public_number CHECK (length(public_number) BETWEEN 3 AND 16 AND public_number LIKE '+%'),
    CONSTRAINT extensions_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = 1),
    CONSTRAINT extensions_rule CHECK ((rule_kind IS NULL) = (rule_name IS NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, account) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, voicemail) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, rule_kind, rule_name) REFERENCES new_rules (company_id, kind, name)
);
INSERT INTO new_extensions (id, brand_id, company_id, number, account, app)
    SELECT id, brand_id, company_id, number, account, app FROM extensions;
CREATE UNIQUE INDEX new_extensions_key ON new_extensions (company_id, number);

CREATE TABLE new_ddis (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id      BIGINT  NOT NULL,
    company_id    BIGINT  NOT NULL,
    e164          TEXT    NOT NULL CONSTRAINT ddis_e164 CHECK (length(e164) BETWEEN 3 AND 16 AND e164 LIKE '+%'),
    account       TEXT,
    app           TEXT,
    extension     TEXT,
    call_filter   TEXT,
    voicemail     TEXT,
    rule_kind     TEXT    CONSTRAINT ddis_rule_kind CHECK (rule_kind IN ('hunt-group', 'conditional-route')),
    rule_name     TEXT,
    queue         TEXT    CONSTRAINT ddis_queue CHECK (length(queue) BETWEEN 1 AND 64),
    conference    TEXT    CONSTRAINT ddis_conference CHECK (length(conference) BETWEEN 1 AND 64),
    public_number TEXT    CONSTRAINT ddis_public_number CHECK (length(public_number) BETWEEN 3 AND 16 AND public_number LIKE '+%'),
    CONSTRAINT ddis_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = 1),
    CONSTRAINT ddis_rule CHECK ((rule_kind IS NULL) = (rule_name IS NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, account) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, extension) REFERENCES new_extensions (company_id, number) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, voicemail) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, rule_kind, rule_name) REFERENCES new_rules (company_id, kind, name)
);
INSERT INTO new_ddis (id, brand_id, company_id, e164, account, app, extension, call_filter)
    SELECT id, brand_id, company_id, e164, account, app, extension, call_filter FROM ddis;
CREATE UNIQUE INDEX new_ddis_key ON new_ddis (company_id, e164);

CREATE TABLE new_rule_uses (
    brand_id       BIGINT  NOT NULL,
    company_id     BIGINT  NOT NULL,
    account_id     BIGINT  REFERENCES accounts (id) ON DELETE CASCADE,
    ddi_id         BIGINT  REFERENCES new_ddis (id) ON DELETE CASCADE,
    rule_id        BIGINT  REFERENCES new_rules (id) ON DELETE CASCADE,
    kind           TEXT,
    name           TEXT,
    used_account   TEXT,
    used_extension TEXT,
    used_ddi       TEXT,
    CONSTRAINT rule_uses_one_user CHECK ((account_id IS NULL OR ddi_id IS NULL) AND (account_id IS NULL OR rule_id IS NULL) AND (ddi_id IS NULL OR rule_id IS NULL)),
    CONSTRAINT rule_uses_one_used CHECK ((kind IS NULL) = (name IS NULL) AND (CASE WHEN name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_ddi IS NULL THEN 0 ELSE 1 END) = 1),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, kind, name) REFERENCES new_rules (company_id, kind, name),
    FOREIGN KEY (company_id, used_account) REFERENCES accounts (company_id, username),
    FOREIGN KEY (company_id, used_extension) REFERENCES new_extensions (company_id, number),
    FOREIGN KEY (company_id, used_ddi) REFERENCES new_ddis (company_id, e164)
);
INSERT INTO new_rule_uses (brand_id, company_id, account_id, ddi_id, rule_id, kind, name)
    SELECT brand_id, company_id, account_id, ddi_id, rule_id, kind, name FROM rule_uses;

DROP TABLE rule_uses;
DROP TABLE ddis;
DROP TABLE extensions;
DROP TABLE rules;
ALTER TABLE new_rules RENAME TO rules;
ALTER TABLE new_extensions RENAME TO extensions;
ALTER TABLE new_ddis RENAME TO ddis;
ALTER TABLE new_rule_uses RENAME TO rule_uses;

CREATE UNIQUE INDEX rules_by_name ON rules (company_id, kind, name);
DROP INDEX new_rules_key;
CREATE UNIQUE INDEX extensions_by_number ON extensions (company_id, number);
DROP INDEX new_extensions_key;
CREATE UNIQUE INDEX ddis_by_e164 ON ddis (e164);
CREATE UNIQUE INDEX ddis_of_company ON ddis (company_id, e164);
DROP INDEX new_ddis_key;
CREATE TRIGGER extensions_insert_moves_version AFTER INSERT ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER extensions_update_moves_version AFTER UPDATE ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER extensions_delete_moves_version AFTER DELETE ON extensions BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_insert_moves_version AFTER INSERT ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_update_moves_version AFTER UPDATE ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER ddis_delete_moves_version AFTER DELETE ON ddis BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER rules_insert_moves_version AFTER INSERT ON rules BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER rules_update_moves_version AFTER UPDATE ON rules BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER rules_delete_moves_version AFTER DELETE ON rules BEGIN UPDATE changes SET version = version + 1; END;
CREATE INDEX rule_uses_by_used ON rule_uses (company_id, kind, name);
CREATE INDEX rule_uses_by_account ON rule_uses (account_id);
CREATE INDEX rule_uses_by_ddi ON rule_uses (ddi_id);
CREATE INDEX rule_uses_by_rule ON rule_uses (rule_id);
CREATE INDEX extensions_by_rule ON extensions (company_id, rule_kind, rule_name);
CREATE INDEX ddis_by_rule ON ddis (company_id, rule_kind, rule_name);
CREATE INDEX rule_uses_by_used_account ON rule_uses (company_id, used_account);
CREATE INDEX rule_uses_by_used_extension ON rule_uses (company_id, used_extension);
CREATE INDEX rule_uses_by_used_ddi ON rule_uses (company_id, used_ddi);
