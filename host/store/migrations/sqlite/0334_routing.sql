-- How a brand's calls leave: patterns of numbers, groups of them, tags that callers dial, outgoing routes. Same tables as
-- migrations/postgres/0334_routing.sql. A change of any of them is noted as one of the brand's routing, which the feed reads
-- as a whole. See decision 0334.

CREATE TABLE route_patterns (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id BIGINT  NOT NULL REFERENCES brands (id),
    name     TEXT    NOT NULL CONSTRAINT route_patterns_name CHECK (length(name) BETWEEN 1 AND 64),
    prefix   TEXT    NOT NULL CONSTRAINT route_patterns_prefix CHECK (length(prefix) BETWEEN 2 AND 16 AND substr(prefix, 1, 1) = '+' AND ltrim(substr(prefix, 2), '0123456789') = ''),
    special  BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX route_patterns_by_name ON route_patterns (brand_id, name);
CREATE UNIQUE INDEX route_patterns_by_prefix ON route_patterns (brand_id, prefix);
CREATE UNIQUE INDEX route_patterns_by_tenant ON route_patterns (id, brand_id);

CREATE TABLE route_groups (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id BIGINT NOT NULL REFERENCES brands (id),
    name     TEXT   NOT NULL CONSTRAINT route_groups_name CHECK (length(name) BETWEEN 1 AND 64)
);
CREATE UNIQUE INDEX route_groups_by_name ON route_groups (brand_id, name);
CREATE UNIQUE INDEX route_groups_by_tenant ON route_groups (id, brand_id);

CREATE TABLE route_group_patterns (
    group_id   BIGINT NOT NULL,
    pattern_id BIGINT NOT NULL,
    brand_id   BIGINT NOT NULL,
    PRIMARY KEY (group_id, pattern_id),
    FOREIGN KEY (group_id, brand_id) REFERENCES route_groups (id, brand_id) ON DELETE CASCADE,
    FOREIGN KEY (pattern_id, brand_id) REFERENCES route_patterns (id, brand_id)
);
CREATE INDEX route_group_patterns_by_pattern ON route_group_patterns (pattern_id);
CREATE INDEX route_group_patterns_of_brand ON route_group_patterns (brand_id);

CREATE TABLE route_tags (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id  BIGINT  NOT NULL REFERENCES brands (id),
    name      TEXT    NOT NULL CONSTRAINT route_tags_name CHECK (length(name) BETWEEN 1 AND 64),
    tag       TEXT    NOT NULL CONSTRAINT route_tags_tag CHECK (length(tag) BETWEEN 1 AND 3 AND ltrim(tag, '0123456789') = ''),
    everybody BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX route_tags_by_name ON route_tags (brand_id, name);
CREATE UNIQUE INDEX route_tags_by_tag ON route_tags (brand_id, tag);
CREATE UNIQUE INDEX route_tags_by_tenant ON route_tags (id, brand_id);

CREATE TABLE route_tag_companies (
    tag_id     BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    brand_id   BIGINT NOT NULL,
    PRIMARY KEY (tag_id, company_id),
    FOREIGN KEY (tag_id, brand_id) REFERENCES route_tags (id, brand_id) ON DELETE CASCADE,
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id)
);
CREATE INDEX route_tag_companies_by_company ON route_tag_companies (company_id);
CREATE INDEX route_tag_companies_of_brand ON route_tag_companies (brand_id);

CREATE TABLE outgoing_routes (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id     BIGINT  NOT NULL REFERENCES brands (id),
    name         TEXT    NOT NULL CONSTRAINT outgoing_routes_name CHECK (length(name) BETWEEN 1 AND 64),
    company_id   BIGINT,
    company_kind TEXT    CONSTRAINT outgoing_routes_kind CHECK (company_kind IN ('vpbx', 'residential', 'retail', 'wholesale')),
    tag_id       BIGINT,
    pattern_id   BIGINT,
    group_id     BIGINT,
    mode         TEXT    NOT NULL CONSTRAINT outgoing_routes_mode CHECK (mode IN ('static', 'lcr', 'block')),
    trunk_id     BIGINT,
    priority     BIGINT  NOT NULL CONSTRAINT outgoing_routes_priority CHECK (priority BETWEEN 0 AND 255),
    weight       BIGINT  NOT NULL CONSTRAINT outgoing_routes_weight CHECK (weight BETWEEN 1 AND 255),
    stopper      BOOLEAN NOT NULL,
    prefix       TEXT    NOT NULL CONSTRAINT outgoing_routes_prefix CHECK (length(prefix) <= 16 AND ltrim(prefix, '0123456789*#') = ''),
    caller       TEXT    CONSTRAINT outgoing_routes_caller CHECK (length(caller) BETWEEN 3 AND 16 AND substr(caller, 1, 1) = '+' AND ltrim(substr(caller, 2), '0123456789') = ''),
    CONSTRAINT outgoing_routes_scope CHECK (company_id IS NULL OR company_kind IS NULL),
    CONSTRAINT outgoing_routes_numbers CHECK (pattern_id IS NULL OR group_id IS NULL),
    CONSTRAINT outgoing_routes_way CHECK ((mode = 'static') = (trunk_id IS NOT NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id),
    FOREIGN KEY (tag_id, brand_id) REFERENCES route_tags (id, brand_id),
    FOREIGN KEY (pattern_id, brand_id) REFERENCES route_patterns (id, brand_id),
    FOREIGN KEY (group_id, brand_id) REFERENCES route_groups (id, brand_id),
    FOREIGN KEY (trunk_id, brand_id) REFERENCES trunks (id, brand_id)
);
CREATE UNIQUE INDEX outgoing_routes_by_name ON outgoing_routes (brand_id, name);
CREATE UNIQUE INDEX outgoing_routes_by_tenant ON outgoing_routes (id, brand_id);
CREATE INDEX outgoing_routes_by_company ON outgoing_routes (company_id);
CREATE INDEX outgoing_routes_by_tag ON outgoing_routes (tag_id);
CREATE INDEX outgoing_routes_by_pattern ON outgoing_routes (pattern_id);
CREATE INDEX outgoing_routes_by_group ON outgoing_routes (group_id);
CREATE INDEX outgoing_routes_by_trunk ON outgoing_routes (trunk_id);

CREATE TABLE outgoing_route_trunks (
    route_id    BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    brand_id    BIGINT NOT NULL,
    trunk_id    BIGINT NOT NULL,
    price_table TEXT   NOT NULL,
    PRIMARY KEY (route_id, position),
    FOREIGN KEY (route_id, brand_id) REFERENCES outgoing_routes (id, brand_id) ON DELETE CASCADE,
    FOREIGN KEY (trunk_id, brand_id) REFERENCES trunks (id, brand_id),
    FOREIGN KEY (brand_id, price_table) REFERENCES prefix_tables (brand_id, name)
);
CREATE INDEX outgoing_route_trunks_by_trunk ON outgoing_route_trunks (trunk_id);
CREATE INDEX outgoing_route_trunks_by_table ON outgoing_route_trunks (brand_id, price_table);

CREATE TRIGGER route_patterns_insert_is_noted AFTER INSERT ON route_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER route_patterns_update_is_noted AFTER UPDATE ON route_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER route_patterns_delete_is_noted AFTER DELETE ON route_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER route_groups_insert_is_noted AFTER INSERT ON route_groups BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER route_groups_update_is_noted AFTER UPDATE ON route_groups BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER route_groups_delete_is_noted AFTER DELETE ON route_groups BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER route_group_patterns_insert_is_noted AFTER INSERT ON route_group_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER route_group_patterns_update_is_noted AFTER UPDATE ON route_group_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER route_group_patterns_delete_is_noted AFTER DELETE ON route_group_patterns BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER route_tags_insert_is_noted AFTER INSERT ON route_tags BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER route_tags_update_is_noted AFTER UPDATE ON route_tags BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER route_tags_delete_is_noted AFTER DELETE ON route_tags BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER route_tag_companies_insert_is_noted AFTER INSERT ON route_tag_companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER route_tag_companies_update_is_noted AFTER UPDATE ON route_tag_companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER route_tag_companies_delete_is_noted AFTER DELETE ON route_tag_companies BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER outgoing_routes_insert_is_noted AFTER INSERT ON outgoing_routes BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER outgoing_routes_update_is_noted AFTER UPDATE ON outgoing_routes BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER outgoing_routes_delete_is_noted AFTER DELETE ON outgoing_routes BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
CREATE TRIGGER outgoing_route_trunks_insert_is_noted AFTER INSERT ON outgoing_route_trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
END;
CREATE TRIGGER outgoing_route_trunks_update_is_noted AFTER UPDATE ON outgoing_route_trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', NEW.brand_id, NEW.brand_id, 0);
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) SELECT 0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0 WHERE OLD.brand_id <> NEW.brand_id;
END;
CREATE TRIGGER outgoing_route_trunks_delete_is_noted AFTER DELETE ON outgoing_route_trunks BEGIN
    INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id) VALUES (0, 0, 'routing', OLD.brand_id, OLD.brand_id, 0);
END;
