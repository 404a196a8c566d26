-- What has changed, row by row: the feed reads only that. Every change of what the switch keeps in memory notes its row here
-- and moves the version. Same tables as migrations/postgres/0316_news.sql. See decision 0316.
CREATE TABLE change_log (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    version    BIGINT  NOT NULL,
    mark       BIGINT  NOT NULL,
    noun       TEXT    NOT NULL,
    row_id     BIGINT  NOT NULL,
    brand_id   BIGINT  NOT NULL,
    company_id BIGINT  NOT NULL
);
CREATE INDEX change_log_by_version ON change_log (version, mark);

-- One writer at a time: each row is a version of its own. The mark tells a version from one of the same number in another
-- history. What is longer ago than 100000 rows is forgotten: whoever is that far behind reads everything.
CREATE TRIGGER change_log_is_numbered AFTER INSERT ON change_log BEGIN
    UPDATE changes SET version = version + 1;
    UPDATE change_log SET version = (SELECT version FROM changes), mark = random() WHERE id = NEW.id;
    DELETE FROM change_log WHERE id <= NEW.id - 100000;
END;

DROP TRIGGER brands_insert_moves_version;
DROP TRIGGER brands_update_moves_version;
DROP TRIGGER brands_delete_moves_version;
CREATE TRIGGER brands_insert_is_noted AFTER INSERT ON brands BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'brand', NEW.id, NEW.id, 0);
END;
CREATE TRIGGER brands_update_is_noted AFTER UPDATE ON brands BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'brand', NEW.id, NEW.id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'brand', OLD.id, OLD.id, 0 WHERE OLD.id <> NEW.id;
END;
CREATE TRIGGER brands_delete_is_noted AFTER DELETE ON brands BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'brand', OLD.id, OLD.id, 0);
END;
DROP TRIGGER companies_insert_moves_version;
DROP TRIGGER companies_update_moves_version;
DROP TRIGGER companies_delete_moves_version;
CREATE TRIGGER companies_insert_is_noted AFTER INSERT ON companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'company', NEW.id, NEW.brand_id, NEW.id);
END;
CREATE TRIGGER companies_update_is_noted AFTER UPDATE ON companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'company', NEW.id, NEW.brand_id, NEW.id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'company', OLD.id, OLD.brand_id, OLD.id WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER companies_delete_is_noted AFTER DELETE ON companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'company', OLD.id, OLD.brand_id, OLD.id);
END;
DROP TRIGGER accounts_insert_moves_version;
DROP TRIGGER accounts_update_moves_version;
DROP TRIGGER accounts_delete_moves_version;
CREATE TRIGGER accounts_insert_is_noted AFTER INSERT ON accounts BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'account', NEW.id, NEW.brand_id, NEW.company_id);
END;
CREATE TRIGGER accounts_update_is_noted AFTER UPDATE ON accounts BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'account', NEW.id, NEW.brand_id, NEW.company_id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'account', OLD.id, OLD.brand_id, OLD.company_id WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id OR OLD.company_id <> NEW.company_id;
END;
CREATE TRIGGER accounts_delete_is_noted AFTER DELETE ON accounts BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'account', OLD.id, OLD.brand_id, OLD.company_id);
END;
DROP TRIGGER extensions_insert_moves_version;
DROP TRIGGER extensions_update_moves_version;
DROP TRIGGER extensions_delete_moves_version;
CREATE TRIGGER extensions_insert_is_noted AFTER INSERT ON extensions BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'extension', NEW.id, NEW.brand_id, NEW.company_id);
END;
CREATE TRIGGER extensions_update_is_noted AFTER UPDATE ON extensions BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'extension', NEW.id, NEW.brand_id, NEW.company_id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'extension', OLD.id, OLD.brand_id, OLD.company_id WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id OR OLD.company_id <> NEW.company_id;
END;
CREATE TRIGGER extensions_delete_is_noted AFTER DELETE ON extensions BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'extension', OLD.id, OLD.brand_id, OLD.company_id);
END;
DROP TRIGGER ddis_insert_moves_version;
DROP TRIGGER ddis_update_moves_version;
DROP TRIGGER ddis_delete_moves_version;
CREATE TRIGGER ddis_insert_is_noted AFTER INSERT ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', NEW.id, NEW.brand_id, NEW.company_id);
END;
CREATE TRIGGER ddis_update_is_noted AFTER UPDATE ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', NEW.id, NEW.brand_id, NEW.company_id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'ddi', OLD.id, OLD.brand_id, OLD.company_id WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id OR OLD.company_id <> NEW.company_id;
END;
CREATE TRIGGER ddis_delete_is_noted AFTER DELETE ON ddis BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'ddi', OLD.id, OLD.brand_id, OLD.company_id);
END;
DROP TRIGGER rules_insert_moves_version;
DROP TRIGGER rules_update_moves_version;
DROP TRIGGER rules_delete_moves_version;
CREATE TRIGGER rules_insert_is_noted AFTER INSERT ON rules BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'rule', NEW.id, NEW.brand_id, NEW.company_id);
END;
CREATE TRIGGER rules_update_is_noted AFTER UPDATE ON rules BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'rule', NEW.id, NEW.brand_id, NEW.company_id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'rule', OLD.id, OLD.brand_id, OLD.company_id WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id OR OLD.company_id <> NEW.company_id;
END;
CREATE TRIGGER rules_delete_is_noted AFTER DELETE ON rules BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'rule', OLD.id, OLD.brand_id, OLD.company_id);
END;
DROP TRIGGER company_policies_insert_moves_version;
DROP TRIGGER company_policies_update_moves_version;
DROP TRIGGER company_policies_delete_moves_version;
CREATE TRIGGER company_policies_insert_is_noted AFTER INSERT ON company_policies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'policy', NEW.company_id, NEW.brand_id, NEW.company_id);
END;
CREATE TRIGGER company_policies_update_is_noted AFTER UPDATE ON company_policies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'policy', NEW.company_id, NEW.brand_id, NEW.company_id);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'policy', OLD.company_id, OLD.brand_id, OLD.company_id WHERE OLD.company_id <> NEW.company_id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER company_policies_delete_is_noted AFTER DELETE ON company_policies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'policy', OLD.company_id, OLD.brand_id, OLD.company_id);
END;
DROP TRIGGER translation_sets_insert_moves_version;
DROP TRIGGER translation_sets_update_moves_version;
DROP TRIGGER translation_sets_delete_moves_version;
CREATE TRIGGER translation_sets_insert_is_noted AFTER INSERT ON translation_sets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'translation-set', NEW.id, NEW.brand_id, 0);
END;
CREATE TRIGGER translation_sets_update_is_noted AFTER UPDATE ON translation_sets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'translation-set', NEW.id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'translation-set', OLD.id, OLD.brand_id, 0 WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER translation_sets_delete_is_noted AFTER DELETE ON translation_sets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'translation-set', OLD.id, OLD.brand_id, 0);
END;
DROP TRIGGER trunks_insert_moves_version;
DROP TRIGGER trunks_update_moves_version;
DROP TRIGGER trunks_delete_moves_version;
CREATE TRIGGER trunks_insert_is_noted AFTER INSERT ON trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', NEW.id, NEW.brand_id, 0);
END;
CREATE TRIGGER trunks_update_is_noted AFTER UPDATE ON trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', NEW.id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'trunk', OLD.id, OLD.brand_id, 0 WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER trunks_delete_is_noted AFTER DELETE ON trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', OLD.id, OLD.brand_id, 0);
END;
DROP TRIGGER trunk_sources_insert_moves_version;
DROP TRIGGER trunk_sources_update_moves_version;
DROP TRIGGER trunk_sources_delete_moves_version;
CREATE TRIGGER trunk_sources_insert_is_noted AFTER INSERT ON trunk_sources BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', NEW.trunk_id, NEW.brand_id, 0);
END;
CREATE TRIGGER trunk_sources_update_is_noted AFTER UPDATE ON trunk_sources BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', NEW.trunk_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'trunk', OLD.trunk_id, OLD.brand_id, 0 WHERE OLD.trunk_id <> NEW.trunk_id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER trunk_sources_delete_is_noted AFTER DELETE ON trunk_sources BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'trunk', OLD.trunk_id, OLD.brand_id, 0);
END;
DROP TRIGGER bindings_insert_moves_version;
DROP TRIGGER bindings_update_moves_version;
DROP TRIGGER bindings_delete_moves_version;
CREATE TRIGGER bindings_insert_is_noted AFTER INSERT ON bindings BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', NEW.id, NEW.brand_id, 0);
END;
CREATE TRIGGER bindings_update_is_noted AFTER UPDATE ON bindings BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', NEW.id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'binding', OLD.id, OLD.brand_id, 0 WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER bindings_delete_is_noted AFTER DELETE ON bindings BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', OLD.id, OLD.brand_id, 0);
END;
DROP TRIGGER binding_secrets_insert_moves_version;
DROP TRIGGER binding_secrets_update_moves_version;
DROP TRIGGER binding_secrets_delete_moves_version;
CREATE TRIGGER binding_secrets_insert_is_noted AFTER INSERT ON binding_secrets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', NEW.binding_id, 0, 0);
END;
CREATE TRIGGER binding_secrets_update_is_noted AFTER UPDATE ON binding_secrets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', NEW.binding_id, 0, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'binding', OLD.binding_id, 0, 0 WHERE OLD.binding_id <> NEW.binding_id;
END;
CREATE TRIGGER binding_secrets_delete_is_noted AFTER DELETE ON binding_secrets BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', OLD.binding_id, 0, 0);
END;
DROP TRIGGER prefix_tables_insert_moves_version;
DROP TRIGGER prefix_tables_update_moves_version;
DROP TRIGGER prefix_tables_delete_moves_version;
CREATE TRIGGER prefix_tables_insert_is_noted AFTER INSERT ON prefix_tables BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'prefix-table', NEW.id, NEW.brand_id, 0);
END;
CREATE TRIGGER prefix_tables_update_is_noted AFTER UPDATE ON prefix_tables BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'prefix-table', NEW.id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'prefix-table', OLD.id, OLD.brand_id, 0 WHERE OLD.id <> NEW.id OR OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER prefix_tables_delete_is_noted AFTER DELETE ON prefix_tables BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'prefix-table', OLD.id, OLD.brand_id, 0);
END;
DROP TRIGGER brand_identities_insert_moves_version;
DROP TRIGGER brand_identities_update_moves_version;
DROP TRIGGER brand_identities_delete_moves_version;
CREATE TRIGGER brand_identities_insert_is_noted AFTER INSERT ON brand_identities BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'identity', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER brand_identities_update_is_noted AFTER UPDATE ON brand_identities BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'identity', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'identity', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER brand_identities_delete_is_noted AFTER DELETE ON brand_identities BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'identity', OLD.brand_id, OLD.brand_id, 0);
END;
DROP TRIGGER plugins_grant_moves_version;
CREATE TRIGGER plugins_grant_is_noted AFTER UPDATE OF granted ON plugins BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'binding', 0, COALESCE(NEW.brand_id, 0), 0);
END;

-- The first version that has a mark.
INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'everything', 0, 0, 0);
