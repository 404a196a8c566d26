-- A release may change what its bundle says and leave the component as it was: it is a version of its own. Same as
-- migrations/postgres/0280_plugin_versions.sql.
DROP INDEX plugins_by_digest;
CREATE UNIQUE INDEX plugins_by_version ON plugins (COALESCE(brand_id, 0), name, version, digest);
