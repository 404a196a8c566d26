-- Carriers: trunks of a brand, where their calls come from, and how they write numbers. Same tables as migrations/postgres/0002_trunks.sql.
-- Lists and small records are JSON text; secret is sealed with a key that is not in the database (decision 0080).

CREATE TABLE translation_sets (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id   BIGINT  NOT NULL REFERENCES brands (id),
    name       TEXT    NOT NULL CONSTRAINT translation_sets_name CHECK (length(name) BETWEEN 1 AND 64),
    caller_in  TEXT    NOT NULL,
    caller_out TEXT    NOT NULL,
    callee_in  TEXT    NOT NULL,
    callee_out TEXT    NOT NULL
);
CREATE UNIQUE INDEX translation_sets_by_name ON translation_sets (brand_id, name);
CREATE UNIQUE INDEX translation_sets_by_tenant ON translation_sets (id, brand_id);

CREATE TABLE trunks (
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id           BIGINT  NOT NULL REFERENCES brands (id),
    name               TEXT    NOT NULL CONSTRAINT trunks_name CHECK (length(name) BETWEEN 1 AND 64),
    enabled            BOOLEAN NOT NULL,
    servers            TEXT    NOT NULL,
    username           TEXT,
    secret             BLOB,
    registration       TEXT,
    from_user          TEXT,
    from_domain        TEXT,
    headers            TEXT    NOT NULL,
    calls_max          BIGINT  CONSTRAINT trunks_calls_max CHECK (calls_max BETWEEN 0 AND 4294967295),
    cps_max            BIGINT  CONSTRAINT trunks_cps_max CHECK (cps_max BETWEEN 0 AND 4294967295),
    answer_ms          BIGINT  NOT NULL CONSTRAINT trunks_answer_ms CHECK (answer_ms BETWEEN 500 AND 32000),
    ping_s             BIGINT  CONSTRAINT trunks_ping_s CHECK (ping_s BETWEEN 5 AND 3600),
    translation_set_id BIGINT,
    anchor             BOOLEAN NOT NULL,
    CONSTRAINT trunks_credentials CHECK ((username IS NULL) = (secret IS NULL)),
    FOREIGN KEY (translation_set_id, brand_id) REFERENCES translation_sets (id, brand_id)
);
CREATE UNIQUE INDEX trunks_by_name ON trunks (brand_id, name);
CREATE UNIQUE INDEX trunks_by_tenant ON trunks (id, brand_id);
CREATE INDEX trunks_by_translation_set ON trunks (translation_set_id);

CREATE TABLE trunk_sources (
    trunk_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    brand_id BIGINT NOT NULL,
    network  TEXT   NOT NULL CONSTRAINT trunk_sources_network CHECK (length(network) BETWEEN 3 AND 64),
    listener TEXT,
    PRIMARY KEY (trunk_id, position),
    FOREIGN KEY (trunk_id, brand_id) REFERENCES trunks (id, brand_id) ON DELETE CASCADE
);
CREATE INDEX trunk_sources_by_network ON trunk_sources (network);

CREATE TRIGGER translation_sets_insert_moves_version AFTER INSERT ON translation_sets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER translation_sets_update_moves_version AFTER UPDATE ON translation_sets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER translation_sets_delete_moves_version AFTER DELETE ON translation_sets BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunks_insert_moves_version AFTER INSERT ON trunks BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunks_update_moves_version AFTER UPDATE ON trunks BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunks_delete_moves_version AFTER DELETE ON trunks BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunk_sources_insert_moves_version AFTER INSERT ON trunk_sources BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunk_sources_update_moves_version AFTER UPDATE ON trunk_sources BEGIN UPDATE changes SET version = version + 1; END;
CREATE TRIGGER trunk_sources_delete_moves_version AFTER DELETE ON trunk_sources BEGIN UPDATE changes SET version = version + 1; END;
