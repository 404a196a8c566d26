-- A public number may be its brand's, with no company yet. It may be bound to the trunk that brings its calls, and have a name
-- that its called see, words about it, and a routing tag. Same tables as migrations/sqlite/0337_ddis.sql. See decision 0337.
ALTER TABLE ddis ALTER COLUMN company_id DROP NOT NULL;
ALTER TABLE ddis
    ADD COLUMN trunk_id BIGINT,
    ADD COLUMN tag_id BIGINT,
    ADD COLUMN display_name TEXT NOT NULL DEFAULT '' CONSTRAINT ddis_display_name CHECK (length(display_name) <= 128),
    ADD COLUMN description TEXT NOT NULL DEFAULT '' CONSTRAINT ddis_description CHECK (length(description) <= 256);
ALTER TABLE ddis DROP CONSTRAINT ddis_one_way;
ALTER TABLE ddis ADD
    CONSTRAINT ddis_one_way CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN app IS NULL THEN 0 ELSE 1 END) + (CASE WHEN extension IS NULL THEN 0 ELSE 1 END) + (CASE WHEN voicemail IS NULL THEN 0 ELSE 1 END) + (CASE WHEN rule_name IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue IS NULL THEN 0 ELSE 1 END) + (CASE WHEN conference IS NULL THEN 0 ELSE 1 END) + (CASE WHEN public_number IS NULL THEN 0 ELSE 1 END) = (CASE WHEN company_id IS NULL THEN 0 ELSE 1 END));
ALTER TABLE ddis ADD
    CONSTRAINT ddis_stock CHECK (company_id IS NOT NULL OR call_filter IS NULL);
ALTER TABLE ddis ADD FOREIGN KEY (brand_id) REFERENCES brands (id);
ALTER TABLE ddis ADD FOREIGN KEY (trunk_id, brand_id) REFERENCES trunks (id, brand_id);
ALTER TABLE ddis ADD FOREIGN KEY (tag_id, brand_id) REFERENCES route_tags (id, brand_id);
CREATE INDEX ddis_by_trunk ON ddis (trunk_id);
CREATE INDEX ddis_by_tag ON ddis (tag_id);

DROP TRIGGER ddis_insert_is_noted ON ddis;
DROP TRIGGER ddis_update_is_noted ON ddis;
DROP TRIGGER ddis_delete_is_noted ON ddis;
CREATE TRIGGER ddis_insert_is_noted AFTER INSERT ON ddis REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changes('ddi', 'id', 'brand_id', 'COALESCE(company_id, 0)');
CREATE TRIGGER ddis_update_is_noted AFTER UPDATE ON ddis REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changes('ddi', 'id', 'brand_id', 'COALESCE(company_id, 0)');
CREATE TRIGGER ddis_delete_is_noted AFTER DELETE ON ddis REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changes('ddi', 'id', 'brand_id', 'COALESCE(company_id, 0)');
