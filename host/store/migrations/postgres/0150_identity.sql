-- Who vouches for callers' numbers: a brand's key with its certificate, and the authorities that it trusts. Same tables as
-- migrations/sqlite/0150_identity.sql. The key is sealed with a key that is not in the database (decision 0080).
ALTER TABLE trunks ADD COLUMN stir TEXT NOT NULL DEFAULT '{}';
ALTER TABLE cdrs ADD COLUMN identity TEXT;

CREATE TABLE brand_identities (
    brand_id    BIGINT NOT NULL PRIMARY KEY REFERENCES brands (id) ON DELETE CASCADE,
    x5u         TEXT,
    certificate TEXT,
    sealed      BYTEA,
    anchors     TEXT   NOT NULL,
    CONSTRAINT brand_identities_key CHECK ((x5u IS NULL) = (certificate IS NULL) AND (x5u IS NULL) = (sealed IS NULL))
);

CREATE TRIGGER brand_identities_moves_version AFTER INSERT OR UPDATE OR DELETE ON brand_identities FOR EACH STATEMENT EXECUTE FUNCTION move_version();
