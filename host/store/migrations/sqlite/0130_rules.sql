-- What tenants say about their own calls. Rules that others name have a row each; what one account or company says about
-- itself is JSON of its own row. Same tables as migrations/postgres/0130_rules.sql.
ALTER TABLE companies ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
ALTER TABLE ddis ADD COLUMN call_filter TEXT;

CREATE TABLE rules (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    kind       TEXT    NOT NULL CONSTRAINT rules_kind CHECK (kind IN ('match-list', 'schedule', 'calendar', 'call-filter', 'call-acl')),
    name       TEXT    NOT NULL CONSTRAINT rules_name CHECK (length(name) BETWEEN 1 AND 64),
    body       TEXT    NOT NULL,
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE UNIQUE INDEX rules_by_name ON rules (company_id, kind, name);

-- Who names which rule: an account, a public number, another rule, or with none of them set the company itself. A rule that
-- is named cannot be removed, and one that is not there cannot be named.
CREATE TABLE rule_uses (
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL,
    account_id BIGINT  REFERENCES accounts (id) ON DELETE CASCADE,
    ddi_id     BIGINT  REFERENCES ddis (id) ON DELETE CASCADE,
    rule_id    BIGINT  REFERENCES rules (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    CONSTRAINT rule_uses_one_user CHECK ((account_id IS NULL OR ddi_id IS NULL) AND (account_id IS NULL OR rule_id IS NULL) AND (ddi_id IS NULL OR rule_id IS NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (company_id, kind, name) REFERENCES rules (company_id, kind, name)
);
CREATE INDEX rule_uses_by_used ON rule_uses (company_id, kind, name);
CREATE INDEX rule_uses_by_account ON rule_uses (account_id);
CREATE INDEX rule_uses_by_ddi ON rule_uses (ddi_id);
CREATE INDEX rule_uses_by_rule ON rule_uses (rule_id);

CREATE TRIGGER rules_insert_moves_version AFTER INSERT ON rules BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER rules_update_moves_version AFTER UPDATE ON rules BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER rules_delete_moves_version AFTER DELETE ON rules BEGIN UPDATE changes SET version = version + 1; END;
