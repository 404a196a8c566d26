-- Numbers lead to more than accounts and apps: hunt groups, conditional routes, mailboxes, queues, rooms, public numbers. Rules
-- have four more kinds, and whatever a rule names of its company is kept by a key. Same tables as migrations/sqlite/0180_routes.sql.
ALTER TABLE rules DROP CONSTRAINT rules_kind;
ALTER TABLE rules ADD
    CONSTRAINT rules_kind CHECK (kind IN ('match-list', 'schedule', 'calendar', 'call-filter', 'call-acl', 'hunt-group', 'conditional-route', 'route-lock', 'outgoing-ddi-rules'));
CREATE UNIQUE INDEX ddis_of_company ON ddis (company_id, e164);

ALTER TABLE extensions
    ADD COLUMN voicemail TEXT,
    ADD COLUMN rule_kind TEXT
    CONSTRAINT extensions_rule_kind CHECK (rule_kind IN ('hunt-group', 'conditional-route')),
    ADD COLUMN rule_name TEXT,
    ADD COLUMN queue TEXT
    CONSTRAINT extensions_queue CHECK (length(queue) BETWEEN 1 AND 64),
    ADD COLUMN conference TEXT
    CONSTRAINT extensions_conference CHECK (length(conference) BETWEEN 1 AND 64),
    ADD COLUMN public_number TEXT
    CONSTRAINT extensions_public_number CHECK (length(public_number) BETWEEN 3 AND 16 AND public_number LIKE '+%');
ALTER TABLE extensions DROP CONSTRAINT extensions_one_target;
ALTER TABLE extensions ADD
    CONSTRAINT extensions_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = 1);
ALTER TABLE extensions ADD
    CONSTRAINT extensions_rule CHECK ((rule_kind IS NULL) = (rule_name IS NULL));
ALTER TABLE extensions ADD FOREIGN KEY (company_id, voicemail) REFERENCES accounts (company_id, username) ON UPDATE CASCADE;
ALTER TABLE extensions ADD FOREIGN KEY (company_id, rule_kind, rule_name) REFERENCES rules (company_id, kind, name);

ALTER TABLE ddis
    ADD COLUMN voicemail TEXT,
    ADD COLUMN rule_kind TEXT
    CONSTRAINT ddis_rule_kind CHECK (rule_kind IN ('hunt-group', 'conditional-route')),
    ADD COLUMN rule_name TEXT,
    ADD COLUMN queue TEXT
    CONSTRAINT ddis_queue CHECK (length(queue) BETWEEN 1 AND 64),
    ADD COLUMN conference TEXT
    CONSTRAINT ddis_conference CHECK (length(conference) BETWEEN 1 AND 64),
    ADD COLUMN public_number TEXT
    CONSTRAINT ddis_public_number CHECK (length(public_number) BETWEEN 3 AND 16 AND public_number LIKE '+%');
ALTER TABLE ddis DROP CONSTRAINT ddis_one_target;
ALTER TABLE ddis ADD
    CONSTRAINT ddis_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = 1);
ALTER TABLE ddis ADD
    CONSTRAINT ddis_rule CHECK ((rule_kind IS NULL) = (rule_name IS NULL));
ALTER TABLE ddis ADD FOREIGN KEY (company_id, voicemail) REFERENCES accounts (company_id, username) ON UPDATE CASCADE;
ALTER TABLE ddis ADD FOREIGN KEY (company_id, rule_kind, rule_name) REFERENCES rules (company_id, kind, name);

ALTER TABLE rule_uses
    ALTER COLUMN kind DROP NOT NULL,
    ALTER COLUMN name DROP NOT NULL,
    ADD COLUMN used_account TEXT,
    ADD COLUMN used_extension TEXT,
    ADD COLUMN used_ddi TEXT;
ALTER TABLE rule_uses ADD
    CONSTRAINT rule_uses_one_used CHECK ((kind IS NULL) = (name IS NULL) AND (CASE WHEN name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN used_ddi IS NULL THEN 0 ELSE 1 END) = 1);
ALTER TABLE rule_uses ADD FOREIGN KEY (company_id, used_account) REFERENCES accounts (company_id, username);
ALTER TABLE rule_uses ADD FOREIGN KEY (company_id, used_extension) REFERENCES extensions (company_id, number);
ALTER TABLE rule_uses ADD FOREIGN KEY (company_id, used_ddi) REFERENCES ddis (company_id, e164);
CREATE INDEX extensions_by_rule ON extensions (company_id, rule_kind, rule_name);
CREATE INDEX ddis_by_rule ON ddis (company_id, rule_kind, rule_name);
CREATE INDEX rule_uses_by_used_account ON rule_uses (company_id, used_account);
CREATE INDEX rule_uses_by_used_extension ON rule_uses (company_id, used_extension);
CREATE INDEX rule_uses_by_used_ddi ON rule_uses (company_id, used_ddi);
