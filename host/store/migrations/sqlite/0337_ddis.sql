-- A public number may be its brand's, with no company yet. It may be bound to the trunk that brings its calls, and have a name
-- that its called see, words about it, and a routing tag. Same tables as migrations/postgres/0337_ddis.sql. See decision 0337.
-- SQLite keeps a table's checks with the table, so it is made anew, and with it the one that names it.
CREATE TABLE new_ddis (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id      BIGINT  NOT NULL REFERENCES brands (id),
    company_id    BIGINT,
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
    record        TEXT    NOT NULL DEFAULT 'none' CONSTRAINT ddis_record CHECK (record IN ('none', 'in', 'out', 'all')),
    trunk_id      BIGINT,
    tag_id        BIGINT,
    display_name  TEXT    NOT NULL DEFAULT '' CONSTRAINT ddis_display_name CHECK (length(display_name) <= 128),
    description   TEXT    NOT NULL DEFAULT '' CONSTRAINT ddis_description CHECK (length(description) <= 256),
    CONSTRAINT ddis_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = (CASE WHEN company_id IS NULL THEN 0 ELSE 1 END)),
    CONSTRAINT ddis_rule CHECK ((rule_kind IS NULL) = (rule_name IS NULL)),
    CONSTRAINT ddis_stock CHECK (company_id IS NOT NULL OR call_filter IS NULL),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, account) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, extension) REFERENCES extensions (company_id, number) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, voicemail) REFERENCES accounts (company_id, username) ON UPDATE CASCADE,
    FOREIGN KEY (company_id, rule_kind, rule_name) REFERENCES rules (company_id, kind, name),
    FOREIGN KEY (trunk_id, brand_id) REFERENCES trunks (id, brand_id),
    FOREIGN KEY (tag_id, brand_id) REFERENCES route_tags (id, brand_id)
);
INSERT INTO new_ddis (id, brand_id, company_id, e164, account, app, extension, call_filter, voicemail, rule_kind, rule_name, queue, conference, public_number, record)
    SELECT id, brand_id, company_id, e164, account, app, extension, call_filter, voicemail, rule_kind, rule_name, queue, conference, public_number, record FROM ddis;
CREATE UNIQUE INDEX new_ddis_key ON new_ddis (company_id, e164);

CREATE TABLE new_rule_uses (
    brand_id       BIGINT  NOT NULL,
    company_id     BIGINT  NOT NULL,
    account_id     BIGINT  REFERENCES accounts (id) ON DELETE CASCADE,
    ddi_id         BIGINT  REFERENCES new_ddis (id) ON DELETE CASCADE,
    rule_id        BIGINT  REFERENCES rules (id) ON DELETE CASCADE,
    kind           TEXT,
    name           TEXT,
    used_account   TEXT,
    used_extension TEXT,
    used_ddi       TEXT,
    CONSTRAINT rule_uses_one_user CHECK ((account_id IS NULL OR ddi_id IS NULL) AND (account_id IS NULL OR rule_id IS NULL) AND (ddi_id IS NULL OR rule_id IS NULL)),
    CONSTRAINT rule_uses_one_used CHECK ((kind IS NULL) = (name IS NULL) AND (CASE WHEN name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_ddi IS NULL THEN 0 ELSE 1 END) = 1),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, kind, name) REFERENCES rules (company_id, kind, name),
    FOREIGN KEY (company_id, used_account) REFERENCES accounts (company_id, username),
    FOREIGN KEY (company_id, used_extension) REFERENCES extensions (company_id, number),
    FOREIGN KEY (company_id, used_ddi) REFERENCES new_ddis (company_id, e164)
);
INSERT INTO new_rule_uses SELECT brand_id, company_id, account_id, ddi_id, rule_id, kind, name, used_account, used_extension, used_ddi FROM rule_uses;

DROP TABLE rule_uses;
DROP TABLE ddis;
ALTER TABLE new_ddis RENAME TO ddis;
ALTER TABLE new_rule_uses RENAME TO rule_uses;

CREATE UNIQUE INDEX ddis_by_e164 ON ddis (e164);
CREATE UNIQUE INDEX ddis_of_company ON ddis (company_id, e164);
DROP INDEX new_ddis_key;
CREATE INDEX ddis_by_rule ON ddis (company_id, rule_kind, rule_name);
CREATE INDEX ddis_of_brand ON ddis (brand_id, id);
CREATE INDEX ddis_of_brand_by_name ON ddis (brand_id, e164);
CREATE INDEX ddis_in_company ON ddis (company_id, id);
CREATE INDEX ddis_by_trunk ON ddis (trunk_id);
CREATE INDEX ddis_by_tag ON ddis (tag_id);
CREATE INDEX rule_uses_by_used ON rule_uses (company_id, kind, name);
CREATE INDEX rule_uses_by_account ON rule_uses (account_id);
CREATE INDEX rule_uses_by_ddi ON rule_uses (ddi_id);
CREATE INDEX rule_uses_by_rule ON rule_uses (rule_id);
CREATE INDEX rule_uses_by_used_account ON rule_uses (company_id, used_account);
CREATE INDEX rule_uses_by_used_extension ON rule_uses (company_id, used_extension);
CREATE INDEX rule_uses_by_used_ddi ON rule_uses (company_id, used_ddi);

CREATE TRIGGER ddis_insert_is_noted AFTER INSERT ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', NEW.id, NEW.brand_id, COALESCE(NEW.company_id, 0));
END;
CREATE TRIGGER ddis_update_is_noted AFTER UPDATE ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', NEW.id, NEW.brand_id, COALESCE(NEW.company_id, 0));
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'ddi', OLD.id, OLD.brand_id, COALESCE(OLD.company_id, 0) WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id OR COALESCE(OLD.company_id, 0) <> COALESCE(NEW.company_id, 0);
END;
CREATE TRIGGER ddis_delete_is_noted AFTER DELETE ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', OLD.id, OLD.brand_id, COALESCE(OLD.company_id, 0));
END;
